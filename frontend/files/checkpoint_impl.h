/* checkpoint_impl.h -- what the files of the checkpoint reader share; nobody else includes it. */
#ifndef SETUN_FRONTEND_CHECKPOINT_IMPL_H
#define SETUN_FRONTEND_CHECKPOINT_IMPL_H

#include <stdatomic.h>

#include "frontend/files/checkpoint.h"

/* What one pass over a matrix told; kept, for it may be looked up more than once. */
struct learned {
    bool known, absmean;
    enum ir_scale kind;
    uint32_t group;
    float alpha;
};

/* What general.architecture implies (gguf_arch.def). */
struct gguf_arch {
    const char *name, *act;
    double gain_offset; /* what is still to be added to gains of norms */
    const char *about;
};
const struct gguf_arch *gguf_arch_of(const struct gguf_file *g); /* NULL: not in the table */

struct checkpoint {
    struct diag *diag;
    struct arena *arena;
    const char *folder;
    struct gguf_dialect how;
    struct config_values config;
    VEC(struct tensor_file *) files;
    const struct gguf_file *gguf; /* the first part; its file is files.at[0] */
    const struct gguf_arch *arch;
    VEC(struct tensor *) tensors; /* of all files, by name */
    struct learned *learned;      /* by index of tensors */
    atomic_ullong unreturned;     /* bytes read since pages were given back */
};

/* ---- opening (checkpoint.c, checkpoint_gguf.c, rope_freqs.c) ---- */
bool checkpoint_open_gguf(struct checkpoint *cp, const char *path);
/* What the table rope_freqs.weight, if there is one, means as config values. */
bool checkpoint_read_rope_freqs(struct checkpoint *cp);

/* ---- by name ---- */
struct tensor *checkpoint_lookup(const struct checkpoint *cp, const char *name);
/* The table of what is known of a tensor of cp. */
struct learned *checkpoint_learned(const struct checkpoint *cp, const struct tensor *t);

/* ---- reading ---- */
/* bytes were read: drops pages that were read long enough ago. */
void checkpoint_give_back(struct checkpoint *cp, uint64_t bytes);
/* n values of a dense tensor from element `from` on, checked to be finite. */
bool checkpoint_floats(struct checkpoint *cp, const struct tensor *t, uint64_t from, uint64_t n, float *out);
/* Rows of trits of a packed matrix. */
bool checkpoint_packed_rows(struct checkpoint *cp, const struct weight_at *at, uint64_t row, uint64_t n, int8_t *out);

/* ---- learning (checkpoint_learn.c) ---- */
/* Fills kind, group, absmean and alpha of a matrix in blocks, or of a dense one.  false: reported. */
bool checkpoint_learn(struct checkpoint *cp, struct weight_at *at);
/* Are the values of a dense matrix of floats trits times scales already?  Reads no more than it must. */
bool checkpoint_is_ternary(struct checkpoint *cp, const struct tensor *t, uint64_t rows, uint64_t cols);
/* Scales of a dense matrix that is ternary already: rows, or rows * cols / group of them. */
bool checkpoint_dense_scales(struct checkpoint *cp, const struct weight_at *at, float *out);

#endif
