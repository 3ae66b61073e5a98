/*
 * checkpoint.h -- a checkpoint on disk: config.json, and tensors of one safetensors file or of shards.
 *
 * Weights are found by name and shape first (names are the model text's `from`), then streamed: row ranges are
 * decoded from the mapping, and pages already read are given back, so that a model of any size passes through
 * little memory.  Opaque: struct checkpoint.
 */
#ifndef SETUN_FRONTEND_CHECKPOINT_H
#define SETUN_FRONTEND_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "frontend/config.h"
#include "frontend/safetensors.h"
#include "ir/ir.h"
#include "ir/weights.h"

struct checkpoint;

/* path: a folder with config.json and model.safetensors (or its index), or a .safetensors file beside a
 * config.json.  NULL: reported. */
struct checkpoint *checkpoint_open(struct diag *d, struct arena *a, const char *path);
void checkpoint_close(struct checkpoint *cp);

const char *checkpoint_folder(const struct checkpoint *cp);
const struct config_values *checkpoint_config(const struct checkpoint *cp);
/* Is this file its config or one of its tensor files, under whatever name? */
bool checkpoint_reads(const struct checkpoint *cp, const char *path);
/* A tensor by its exact name, or NULL. */
const struct tensor *checkpoint_tensor(const struct checkpoint *cp, const char *name);

/* One weight of one layer, found. */
struct weight_at {
    const struct tensor *data;  /* trits: U8 packed, or a dense master; otherwise the values */
    const struct tensor *scale; /* trits packed: the stored scales; NULL for a master */
    enum ir_store store;        /* IR_STORE_TRIT, or how the values are stored */
    enum ir_scale kind;         /* trits: one scale, one a row, or one for each group of columns of a row */
    uint32_t group;             /* IR_SCALE_GROUP: columns that share a scale */
};

/* Where the tensors of one weight class come from.  The frontend fills one for each ir_weight, indexed by id. */
struct weight_source {
    uint32_t n;              /* layers of the stack; 1 for a global */
    const char *const *name; /* n names as the text writes them, first alternative: what synth calls tensors */
    struct weight_at *at;    /* n; NULL if nothing was looked up (synth) */
    bool paired;             /* rows of a head stand in pairs in the file: paired.c puts them in the text's order */
};

enum checkpoint_found {
    CHECKPOINT_ABSENT,
    CHECKPOINT_FOUND,
    CHECKPOINT_BAD, /* reported: wrong shape, dtype or scale */
};

/*
 * Ternary matrix `base` of shape dim (outputs first, the contracted axis last).  Tries the tensors base.weight,
 * then base; packed if U8 (its scales are that tensor's name + "_scale"), a dense master otherwise.
 */
enum checkpoint_found checkpoint_find_ternary(struct checkpoint *cp, const char *base, uint32_t rank,
                                              const uint32_t *dim, struct weight_at *at);
/* Real tensor of exactly this shape, F32, F16 or BF16.  Also accepts base without ".weight". */
enum checkpoint_found checkpoint_find_real(struct checkpoint *cp, const char *base, uint32_t rank, const uint32_t *dim,
                                           struct weight_at *at);
/* Reports that none of the names exists, at the place of the text that asked. */
bool checkpoint_missing(struct checkpoint *cp, struct loc where, const char *weight, const char *const *names,
                        size_t n);
/* How many tensors nobody asked for, not counting those whose names end in one of `ignore`; *first: one of them. */
size_t checkpoint_unused(const struct checkpoint *cp, const char *const *ignore, size_t n_ignore, const char **first);
/* One warning that names them, if there are any. */
void checkpoint_warn_unused(struct checkpoint *cp, const char *const *ignore, size_t n_ignore);

/*
 * Values of the weights of m; sources[w->id] belongs to weight w and must be found.  Masters are read once here
 * to learn their scales.  false: reported.
 */
bool checkpoint_weights(struct checkpoint *cp, const struct ir_module *m, const struct weight_source *sources,
                        struct ir_weights *out);

#endif
