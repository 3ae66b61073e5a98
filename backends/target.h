/*
 * target.h -- families of machines that code is made for: what of a target the shared skeletons do not know.
 *
 * One table a family, backends/<family>/<family>.c; docs/adding-a-target.md.
 */
#ifndef SETUN_BACKENDS_TARGET_H
#define SETUN_BACKENDS_TARGET_H

#include "backends/cg/cg.h"

struct cg_target {
    const char *name;              /* "x86-64" */
    const char *triple;            /* of LLVM */
    const char *gnu;               /* what its GNU tools are called by: "x86_64-linux-gnu" + "-gcc" */
    uint16_t elf_machine;          /* e_machine of its executables */
    uint32_t page_bytes;           /* the largest page that its kernels have */
    bool host;                     /* the machine that this compiler runs on is one */
    const char *cpu, *features;    /* of LLVM: what every function may use, and the object says it needs (calling
                                    * conventions follow it); functions bring their level's */
    const struct cg_level *levels; /* best first; the last runs on every machine that is worth it */
    unsigned n_levels;
    void (*llvm_start)(void);        /* LLVM's part for the family, once */
    uint32_t (*host_features)(void); /* enum setun_feature bits; 0 if the machine at hand is of another family */
    /* What cores are chosen by at a level. */
    void (*costs)(const struct cg_level *l, struct schedule *s);
    /* The bytes of x (i64) whose byte of mask (i64) is ones, one behind the other; what lies behind them is anything.
     */
    LLVMValueRef (*pick)(struct cg *c, LLVMValueRef x, LLVMValueRef mask);
};

extern const struct cg_target *const cg_targets[];
extern const unsigned cg_n_targets;

/* That of the machine at hand, or the first if there is none. */
const struct cg_target *target_host(void);
/* NULL: target_host.  Reports an unknown name. */
const struct cg_target *target_find(struct diag *d, const char *name);
/* Does the machine at hand run the level? */
bool target_runs(const struct cg_target *t, const struct cg_level *l);

#endif
