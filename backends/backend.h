/*
 * backend.h -- from kernel IR to an object file and a data section.
 *
 * The only door to LLVM for the rest of the compiler: no LLVM type appears here.
 */
#ifndef SETUN_BACKENDS_BACKEND_H
#define SETUN_BACKENDS_BACKEND_H

#include "base/diag.h"
#include "base/file.h"
#include "ir/ir.h"
#include "ir/schedule.h"
#include "ir/weights.h"
#include "runtime/abi.h"

struct backend_options {
    const char *target; /* a family of machines: "x86-64", "aarch64"; NULL: that of the machine at hand */
    /* "native", "portable" (all levels), or a comma list, best first; NULL: native, or portable if the target is not
     * the machine's own. */
    const char *levels;
    bool count;            /* generated code counts unpacked tiles in setun_step.unpacked_tiles */
    bool pic;              /* for a shared object (tests) instead of a static executable */
    const char *source;    /* name of the model text, without folders: code says its lines; NULL: it does not */
    const char *dump_llvm; /* path for LLVM IR text, or NULL */
    const char *dump_asm;  /* path for assembly, or NULL */
};

/* Where every weight lies in the data section, and every state in a block of 64 positions.  Weights of a
 * stack lie layer after layer at one stride, so code reaches them from one pointer. */
struct data_plan {
    struct setun_tensor *tensor; /* one a weight, by ir_weight.id; name fields unset */
    uint32_t n_tensors;
    uint64_t bytes;
    uint64_t *state_offset; /* by ir_state.id, of layer 0 */
    uint64_t *state_stride; /* by ir_state.id, a layer */
    uint64_t state_block_bytes;
};
void data_plan_make(struct arena *a, const struct ir_module *m, struct data_plan *plan);

/* Streams the data section in order of the plan; memory: a few MiB.  progress may be NULL. */
bool data_write(struct diag *d, const struct ir_module *m, const struct data_plan *plan, const struct ir_weights *w,
                struct out *o, uint64_t *hash, void (*progress)(void *self, uint64_t done, uint64_t all), void *self);

/* A source of weights over a data section in memory: what an executable carries, for verify.  The caller has checked
 * that n is plan->bytes; plan and data must outlive it. */
struct ir_weights data_weights(struct diag *d, const char *path, struct arena *a, const struct data_plan *plan,
                               const uint8_t *data, uint64_t n);

/* Emits the object: step functions of every level, and the symbol setun_model.  m has been through
 * select-core and plan-memory. */
bool backend_emit(struct diag *d, const struct ir_module *m, const struct data_plan *plan,
                  const struct backend_options *opt, uint64_t pack_id, const char *object_path);

/* Costs of cores at the first of the levels that the options ask for; chosen by rule.  Finds unknown targets and levels
 * first, so that backend_emit cannot meet them. */
bool backend_schedule(struct diag *d, const struct backend_options *opt, struct schedule *s);

/* A family of machines that code is made for, and its levels, best first. */
struct backend_target {
    const char *name;     /* "x86-64" */
    const char *gnu;      /* what its GNU tools are called by: "x86_64-linux-gnu" */
    uint32_t page_bytes;  /* the largest page that its kernels have */
    uint16_t elf_machine; /* e_machine of its executables */
    bool host;            /* the machine at hand is one */
};
struct backend_level {
    const char *name;
    uint32_t needs; /* enum setun_feature */
    bool runs;      /* on the machine at hand */
};
/* By its name, or with an error; NULL is that of the machine at hand. */
bool backend_target_find(struct diag *d, const char *name, struct backend_target *t);
/* One after the other: i from 0 on; false behind the last. */
bool backend_target_at(unsigned i, struct backend_target *t);
bool backend_level_at(const struct backend_target *t, unsigned i, struct backend_level *l);
const char *backend_llvm_version(void);

#endif
