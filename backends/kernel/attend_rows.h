/*
 * attend_rows.h -- attention of many rows: a block of rows at hand, between attend_rows.c, which walks, and
 * attend_chunk.c, which makes the functions for one row and brings a chunk's keys and values.
 */
#ifndef SETUN_BACKENDS_KERNEL_ATTEND_ROWS_H
#define SETUN_BACKENDS_KERNEL_ATTEND_ROWS_H

#include "backends/kernel/attend.h"

enum { BLOCK_ROWS = 32, MAX_ACROSS = 4, MAX_WIDTH = 8 };

struct block {
    struct attend *a;
    const struct ir_strand *strand;
    enum ir_rowsym rows;
    /* Vectors of positions of a group and of outputs that are computed at once; elements of a transposed key and of
     * a result, rounded up to whole sums and vectors; bytes kept of a row and chunk. */
    unsigned across, width;
    uint64_t depth, outputs, kept_head, kept_record;
    LLVMValueRef score_fn, value_fn[2]; /* value_fn[1]: for what is left of the outputs */
    LLVMTypeRef score_type, value_type;
    LLVMValueRef keys, values, query, pairs, scores, outs, kept; /* scratch */
    /* of the block at hand, i64: rows first .. first + n - 1, positions low .. high that any of them sees */
    LLVMValueRef first, n, low, high, c_from, c_to;
};

static inline struct cg *cg(const struct block *b) { return b->a->k->c; }
static inline LLVMValueRef n64(const struct block *b, uint64_t v) { return cg_i64(cg(b), v); }
static inline LLVMValueRef sub(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSub(cg(b)->b, x, y, "");
}
static inline LLVMValueRef less(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildICmp(cg(b)->b, LLVMIntSLT, x, y, "");
}
static inline LLVMValueRef least(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(cg(b)->b, less(b, x, y), x, y, "");
}
static inline LLVMValueRef most(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(cg(b)->b, less(b, x, y), y, x, "");
}
/* p + i * bytes */
static inline LLVMValueRef nth(const struct block *b, LLVMValueRef p, LLVMValueRef i, uint64_t bytes) {
    return cg_at(cg(b), p, mul(b->a, i, bytes));
}

static inline uint64_t group_positions(const struct block *b) { return (uint64_t)b->across * CG_VL; }
static inline uint64_t group_bytes(const struct block *b) { return 4 * b->depth * group_positions(b); }

/* Outputs that function `part` of the values computes: [first, first + its width in vectors). */
static inline unsigned part_width(const struct block *b, uint64_t first) {
    uint64_t left = (b->outputs - first) / CG_VL;
    return left < b->width ? (unsigned)left : b->width;
}

static inline LLVMValueRef values_of(const struct block *b, uint64_t first) {
    return cg_at_const(cg(b), b->values, 4 * CHUNK * first);
}

/* ---- attend_chunk.c ---- */

/* Makes score_fn: void (keys of a group, query, to, pairs): scores of the heads for a group of positions. */
void attend_score_function(struct block *b);
/* void (weights of the first position, values of it, positions, to): o[head][output] = chain of fma(p_j, v_j, o), for
 * `width` vectors of outputs.  Sets value_type. */
LLVMValueRef attend_value_function(struct block *b, unsigned width);
/* Keys and values [from, to) of the chunk that begins at start, into scratch; keys rounded to 16 positions. */
void attend_load_keys(const struct block *b, LLVMValueRef start, LLVMValueRef from, LLVMValueRef to);
void attend_load_values(const struct block *b, LLVMValueRef start, LLVMValueRef from, LLVMValueRef to);

#endif
