/*
 * ternary.h -- ternary matrices as files hold them, one table row and one file a format.
 *
 * The canonical form between formats is: trits [rows, cols], row-major, -1, 0, +1, and scales that multiply:
 * one (SCALES_MATRIX), one a row (SCALES_ROW), or one for each group of columns of a row (SCALES_GROUP, group-major
 * inside a row: scale[row * (cols / group) + col / group]).  Readers, packers and `setun convert` are loops over
 * this table; the rules are text in the table, and docs/formats.md is made of them (`setun convert --list`).
 */
#ifndef SETUN_CODEC_TERNARY_H
#define SETUN_CODEC_TERNARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "codec/types.h"

/* Tiling of TL1 and TL2: rows and columns of a block, rows of an inner tile.  Zeroes for other formats. */
struct tl_tiling {
    uint32_t bm, bk, inner;
};

struct ternary_shape {
    uint64_t rows, cols;
    struct tl_tiling tiling;
};

enum ternary_scales { SCALES_MATRIX, SCALES_ROW, SCALES_GROUP };
enum ternary_where {
    SCALE_BESIDE, /* another tensor holds them: one, or one a row */
    SCALE_TAIL,   /* one f32 behind the codes */
    SCALE_BLOCK   /* an f16 in each block of `group` columns */
};

/* Why bytes are refused: the byte of the tensor, and the element it would have been. */
struct ternary_bad {
    const char *why; /* "code 3 is no trit" */
    uint64_t byte, row, col;
};

/* What a matrix must be like for a format to hold it. */
struct ternary_rule {
    const char *text; /* "columns are a multiple of 128" */
    bool (*holds)(const struct ternary_shape *s);
};

struct ternary_format {
    const char *name;      /* "i2_s", "i2_s:arm": the dialect too */
    const char *about;     /* a line for people */
    enum tensor_type type; /* in files */
    enum ternary_where where;
    bool own;       /* a layout of executables: only `setun build` writes it */
    uint32_t group; /* SCALE_BLOCK: columns of a block */
    uint32_t n_rules;
    const struct ternary_rule *rule;
    /* Bytes of the tensor; false: overflow.  The rules of the shape hold here and below. */
    bool (*bytes)(const struct ternary_shape *s, uint64_t *n);
    /* Rows [row, row + n), n * cols trits.  p is the whole tensor.  Refuses every byte that encode never writes,
     * scales (finite; above 0, or 0 in a block without nonzero trits) and paddings included; only the 28 bytes
     * behind the scale of a tail are open.  Told is the first of the first row; paddings are looked at with rows
     * beside them, so that a pass over all rows has seen every byte. */
    bool (*decode)(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad);
    /* Scales as stored, widened: SCALE_TAIL one; SCALE_BLOCK those of rows [row, row + n), cols / group a row.
     * NULL for SCALE_BESIDE. */
    void (*scales)(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out);
    /* The whole tensor.  scales: one (TAIL), or all of the blocks' (BLOCK), each exact in f16; NULL for BESIDE. */
    void (*encode)(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p);
};

enum { N_TERNARY_FORMATS = 17 };
/* hf_u8, i2_s, i2_s:arm, i2_s:rows, tl1, tl2, tq1_0, tq2_0, q2_0, q2_0_128; of executables: i2_64, t5_64, tl1_64,
 * tl2_64, wide_64, columns, columns5 */
extern const struct ternary_format *const ternary_formats[N_TERNARY_FORMATS];
const struct ternary_format *ternary_find(const char *name);    /* NULL: unknown */
const struct ternary_format *ternary_of(enum tensor_type type); /* the default dialect; NULL: not ternary */

/* NULL: a matrix of this shape can be held; otherwise the rule it breaks. */
const char *ternary_shape_rule(const struct ternary_format *f, const struct ternary_shape *s);

/* Scales as the canonical form has them. */
struct ternary_scaling {
    enum ternary_scales kind;
    uint32_t group; /* SCALES_GROUP: columns that share one */
    const float *scale;
};

/* How many there are of a kind. */
uint64_t ternary_scale_count(const struct ternary_shape *s, enum ternary_scales kind, uint32_t group);
/* How many encode of f wants: 1, or rows * cols / group. */
uint64_t ternary_stored_scales(const struct ternary_format *f, const struct ternary_shape *s);

/* Every rule that scales can break, as text. */
// clang-format off
#define TERNARY_ONE_SCALE    "one scale a matrix"
#define TERNARY_ROW_SCALES   "one scale a matrix, or one a row"
#define TERNARY_ABOVE_0      "scales are finite and above 0"
#define TERNARY_NOT_BELOW_0  "scales are finite and not below 0"
#define TERNARY_BLOCK_SCALES "a scale is shared by whole blocks"
#define TERNARY_HALF_SCALES  "scales are exact in f16"
#define TERNARY_ZERO_SCALES  "scale 0 is for blocks without nonzero trits"
#define TERNARY_COMES_BACK   "blocks do not say less than the scales they are made of"
// clang-format on
#define TERNARY_SCALE_RULES                                                                                            \
    TERNARY_ONE_SCALE, TERNARY_ROW_SCALES, TERNARY_ABOVE_0, TERNARY_NOT_BELOW_0, TERNARY_BLOCK_SCALES,                 \
        TERNARY_HALF_SCALES, TERNARY_ZERO_SCALES, TERNARY_COMES_BACK

/*
 * Does f hold these scales exactly, and give back no others?  NULL: yes, and stored has what encode wants (nothing
 * for BESIDE); otherwise the rule that is broken: "one scale a matrix", "scales are exact in f16".
 */
const char *ternary_scale_rule(struct arena *scratch, const struct ternary_format *f, const struct ternary_shape *s,
                               const struct ternary_scaling *given, const int8_t *trits, float *stored);

/*
 * The simplest kind that says the same as n = rows * cols / group block scales: MATRIX if all blocks that have a
 * nonzero trit agree and all others hold 0, ROW if that is so in each row, otherwise GROUP with the widest group
 * that agrees so.  zero[i]: block i has no nonzero trit.  *scale receives the scale of a matrix (0: all is zero);
 * *wider the group, which is cols for MATRIX and ROW: ternary_widen then gives the scales of rows and groups.
 */
enum ternary_scales ternary_simplify(const struct ternary_shape *s, uint32_t group, const float *block_scale,
                                     const uint8_t *zero, uint32_t *wider, float *scale);
/* rows * cols / wider scales out of those of blocks: in each the one that is not 0. */
void ternary_widen(const struct ternary_shape *s, uint32_t group, const float *block_scale, uint32_t wider, float *out);
/* zero[i] for ternary_simplify, of n rows of trits: (cols / group) * n flags. */
void ternary_zero_blocks(uint64_t cols, uint32_t group, const int8_t *trits, uint64_t n, uint8_t *zero);

/* Published tilings by shape; false: none is known. */
bool tl1_known_tiling(uint64_t rows, uint64_t cols, struct tl_tiling *t);
bool tl2_known_tiling(uint64_t rows, uint64_t cols, struct tl_tiling *t);

#endif
