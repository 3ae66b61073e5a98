/*
 * repack.h -- the weights of a model written as a checkpoint: trits of another format, names of another container.
 *
 * A model text names each tensor as every container does, so the text that a checkpoint fits is the table by which
 * tensors are renamed (and the rows of paired heads put in order).  Trits and scales come back from what is written
 * exactly as they were; otherwise the tensor and the rule that stands against it are told.
 * Transparent.
 */
#ifndef SETUN_FRONTEND_REPACK_H
#define SETUN_FRONTEND_REPACK_H

#include "frontend/files/checkpoint.h"
#include "frontend/files/tensor_write.h"

/* What a tensor of the output is made of. */
struct repack_item {
    const struct ir_weight *w; /* NULL: another tensor of the checkpoint, copied */
    uint32_t layer;
    const struct weight_at *at; /* where its values come from; NULL: an executable */
    const struct tensor *copy;  /* bytes that are copied as they are; NULL: made from values */
    bool scale;                 /* the scales beside a matrix */
    bool paired;                /* the output has the rows of heads in pairs */
};

struct repack {
    struct diag *diag;
    struct arena *arena;
    const char *path; /* of the output */
    bool gguf;        /* the container; otherwise safetensors */
    const struct ternary_format *to;
    struct tl_tiling tiling; /* of TL1 and TL2; zeroes: what is known for a shape */
    const struct ir_module *module;
    const struct weight_source *sources; /* of each weight of the module, its names at least */
    const struct checkpoint *checkpoint; /* NULL: an executable */
    const struct ir_weights *weights;    /* in the order of the text */
    /* made by repack_plan: what will be written, in order */
    VEC(struct repack_item) items;
    VEC(struct tensor_plan) plans;
    uint64_t bytes;
    bool fresh; /* scales beside are alpha, made here; otherwise they are copied with their sense */
    void (*progress)(void *self, uint64_t done, uint64_t all); /* of bytes */
    void *self;
};

/* Is this name one of a GGUF's? */
bool repack_is_gguf_name(const char *name);
/* Lists the output; everything that trits and scales themselves need not be read for is checked.  false: reported. */
bool repack_plan(struct repack *r);
/* The bytes of all tensors, behind the header.  One matrix at a time is in memory.  false: reported. */
bool repack_write(struct repack *r, struct out *o);

/* ---- between the two files ---- */

/* The weight as this tensor of it is stored: the kinds of scales of layers may differ. */
struct ir_weight repack_stored(const struct repack_item *i);
struct ternary_shape repack_shape(const struct repack *r, const struct repack_item *i);
/* Scales in the order of the output; they lie in the arena.  false: reported. */
bool repack_scales(const struct repack *r, const struct repack_item *i, struct ternary_scaling *s);
/* Row f of a file that has heads of d rows in pairs is this row of the text (frontend/files/paired.h draws it). */
uint64_t repack_text_row(uint64_t f, uint64_t d);
/* Where a tensor is from, for messages. */
const char *repack_where(const struct repack *r, const struct repack_item *i);

#endif
