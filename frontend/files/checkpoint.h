/*
 * checkpoint.h -- a checkpoint on disk, whatever its files: tensors by name, and the values of its config.
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
#include "base/str.h"
#include "frontend/files/config.h"
#include "frontend/files/gguf.h"
#include "frontend/files/safetensors.h"
#include "ir/ir.h"
#include "ir/weights.h"

struct checkpoint;

/*
 * path: a folder with config.json and model.safetensors (or its index), a .safetensors file beside a config.json, a
 * .gguf file (any part of a split one), or a folder that holds one GGUF and no safetensors.  how: what unmarked bytes
 * mean, or NULL.  NULL: reported.
 */
struct checkpoint *checkpoint_open(struct diag *d, struct arena *a, const char *path, const struct gguf_dialect *how);
void checkpoint_close(struct checkpoint *cp);

const char *checkpoint_folder(const struct checkpoint *cp);
const struct config_values *checkpoint_config(const struct checkpoint *cp);
/* The file whose pairs say what config.json, the tokenizer and the template say elsewhere; NULL: not a GGUF. */
const struct gguf_file *checkpoint_gguf(const struct checkpoint *cp);
/* Is this file its config or one of its tensor files, under whatever name? */
bool checkpoint_reads(const struct checkpoint *cp, const char *path);
/* A tensor by its exact name, or NULL. */
const struct tensor *checkpoint_tensor(const struct checkpoint *cp, const char *name);
size_t checkpoint_n_files(const struct checkpoint *cp);
/* All tensors, by name. */
size_t checkpoint_n_tensors(const struct checkpoint *cp);
const struct tensor *checkpoint_tensor_at(const struct checkpoint *cp, size_t i);
/* A line for each thing that was taken because nothing said otherwise: row orders, tilings, sizes of blocks. */
void checkpoint_tell_dialect(const struct checkpoint *cp, struct buf *out);

enum checkpoint_found {
    CHECKPOINT_ABSENT,
    CHECKPOINT_FOUND,
    CHECKPOINT_BAD, /* reported: wrong shape, type or scale */
};

/* One weight of one layer, found. */
struct weight_at {
    const struct tensor *data;
    const struct tensor *scale;          /* trits of hf_u8: the stored scales */
    const struct tensor *times;          /* a factor of all scales (old GGUF files), or NULL */
    const struct ternary_format *format; /* trits: how they are packed; NULL: dense */
    struct ternary_shape shape;          /* trits: all rows, all columns */
    enum ir_store store;                 /* IR_STORE_TRIT, or how the values are stored */
    enum ir_scale kind;                  /* trits: the simplest kind that holds this tensor's scales */
    uint32_t group;                      /* IR_SCALE_GROUP */
    bool absmean;                        /* dense: quantised; otherwise its values are trits times scales already */
    float alpha;                         /* the scale of a whole matrix, where a pass over it told */
};

/* What a tensor may be called in a file: a prefix of its stack with one of its alternatives. */
struct weight_name {
    const char *name; /* NULL: the end of a list */
    bool paired;      /* such a file has the rows of heads in pairs: paired.h */
    bool last;        /* the last of several alternatives: the one of GGUF files */
};

/*
 * A tensor as a ternary matrix, without a model text that says what it is: packed ones, U8 with scales beside it, and
 * dense matrices whose values are ternary already.  ABSENT: it is something else.
 */
enum checkpoint_found checkpoint_as_ternary(struct checkpoint *cp, const struct tensor *t, struct weight_at *at);

/* Where the tensors of one weight class come from.  The frontend fills one for each ir_weight, indexed by id. */
struct weight_source {
    uint32_t n;              /* layers of the stack; 1 for a global */
    const char *const *name; /* n names as the text writes them, first alternative: what synth calls tensors */
    const struct weight_name *const *all; /* n lists of every name that the text has */
    struct weight_at *at;                 /* n; NULL if nothing was looked up (synth) */
    bool paired; /* rows of a head stand in pairs in the file: paired.c puts them in the text's order */
    /* Of the class: what holds every layer. */
    enum ir_store store;
    enum ir_scale kind;
    uint32_t group;
};

/* Fills the class of a source whose n layers were found: the most general kind of scales, one storage. */
void checkpoint_agree(struct weight_source *s);

/*
 * Ternary matrix `base` of shape dim (outputs first, the contracted axis last).  Tries the tensors base.weight,
 * then base; any ternary format, or a dense matrix.  A matrix whose kind of scales only its content tells is read once.
 */
enum checkpoint_found checkpoint_find_ternary(struct checkpoint *cp, const char *base, uint32_t rank,
                                              const uint32_t *dim, struct weight_at *at);
/* Real tensor of exactly this shape.  Also accepts base without ".weight". */
enum checkpoint_found checkpoint_find_real(struct checkpoint *cp, const char *base, uint32_t rank, const uint32_t *dim,
                                           struct weight_at *at);
/* Reports that none of the names exists, at the place of the text that asked. */
bool checkpoint_missing(struct checkpoint *cp, struct loc where, const char *weight, const char *const *names,
                        size_t n);
/* How many tensors nobody asked for, not counting those whose names end in one of `ignore`; *first: one of them. */
size_t checkpoint_unused(const struct checkpoint *cp, const char *const *ignore, size_t n_ignore, const char **first);
/* One warning that names them, if there are any. */
void checkpoint_warn_unused(struct checkpoint *cp, const char *const *ignore, size_t n_ignore);

/* Values of the weights of m; sources[w->id] belongs to weight w and must be found.  false: reported. */
bool checkpoint_weights(struct checkpoint *cp, const struct ir_module *m, const struct weight_source *sources,
                        struct ir_weights *out);

#endif
