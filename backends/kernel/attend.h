/*
 * attend.h -- what the walks of attention share while their code is emitted: attend.c, attend_emit.c, attend_scores.c,
 * attend_few.c, attend_rows.c, attend_chunk.c.
 *
 * Transparent; lives in attend_emit.
 */
#ifndef SETUN_BACKENDS_KERNEL_ATTEND_H
#define SETUN_BACKENDS_KERNEL_ATTEND_H

#include "backends/kernel/kern.h"
#include "runtime/contract.h"

enum { CHUNK = SETUN_ATTEND_CHUNK, LANES = SETUN_SUM_LANES, RECORD = 4 * (CHUNK + 16) };
enum { MAX_BLOCK = 4, MAX_VECTORS = 4 };

struct attend {
    struct kern *k;
    const struct ir_op *op;
    uint32_t heads, d, kv_heads;
    const struct ir_state *key, *value;
    /* What fits the registers: heads of a block, and at the most; positions and vectors of 16 outputs at once. */
    unsigned block, most, at_once, vectors;
    /* of the pair at hand, i64: positions from .. pos are seen, in chunks c_from .. c_to - 1 */
    LLVMValueRef head, slot, pos, from, c_from, c_to; /* head: the first of the block */
    LLVMValueRef q;
    /* scratch, a head each: results (attend_out_stride bytes), partial sums, scores of a chunk (RECORD bytes) */
    LLVMValueRef out, partial, scores;
    LLVMValueRef keys, values; /* the kv head's position 0 */
};

/* ---- addresses ---- */

/* Address of float i behind p. */
LLVMValueRef attend_float(const struct attend *a, LLVMValueRef p, LLVMValueRef i);
/* The chunk's positions that the row sees, [from, to). */
struct attend_span {
    LLVMValueRef start, from, to; /* start: the chunk's first position */
};
struct attend_span attend_chunk(const struct attend *a, LLVMValueRef chunk);
/* <n x i1>: is position j + lane seen? */
LLVMValueRef attend_visible(const struct attend *a, LLVMValueRef j, unsigned n);
/* The scale of position j of an int8 cache, given the address of position 0; NULL: others have none. */
LLVMValueRef attend_scale(const struct attend *a, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef j);

/* A kv head's part of a row is short and the next one far: hardware sees no stream, so what is needed ATTEND_AHEAD
 * positions later is asked for: bytes at p.  Behind the last position that is a row not yet written, or nothing;
 * neither harms. */
enum { ATTEND_AHEAD = 32 };
void attend_fetch(const struct attend *a, LLVMValueRef p, uint64_t bytes);
/* The same for the scale of position j, if there is one. */
void attend_fetch_scale(const struct attend *a, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef j);

/* ---- a chunk of one row ---- */

/* Bytes of scratch a head for partial sums. */
uint64_t attend_partial(const struct attend *a);
/* Scores of the block's heads to a->scores, RECORD bytes a head. */
void attend_scores(const struct attend *a, LLVMValueRef chunk);
/* The largest of a head's scores that is seen. */
LLVMValueRef attend_chunk_max(const struct attend *a, LLVMValueRef record, LLVMValueRef start);
/* Scores become p_j; gives l = sum1024 of them. */
LLVMValueRef attend_chunk_weights(const struct attend *a, LLVMValueRef record, LLVMValueRef start, LLVMValueRef m);

/* ---- a row ---- */

/* Sets what a row sees: q, slot, pos, from, c_from, c_to, keys, values. */
void attend_see(struct attend *a, const struct kern_row_at *row);
/* The epilogue on the block's results at a->out, attend_out_stride bytes a head. */
void attend_finish(const struct attend *a, const struct ir_strand *s, const struct kern_row_at *row);
uint64_t attend_out_stride(const struct attend *a);

/* ---- few rows (attend_few.c) ---- */

void attend_few(const struct attend *a, const struct ir_strand *s);

/* ---- many rows (attend_rows.c) ---- */

/* i1: are there enough rows, of any sequences, for attend_rows? */
LLVMValueRef attend_rows_wanted(const struct attend *a, LLVMValueRef n_rows);
/* Pairs [from, to) of a block of heads and a row, all rows of a block of heads one after the other. */
void attend_rows(const struct attend *a, const struct ir_strand *s, LLVMValueRef from, LLVMValueRef to,
                 LLVMValueRef n_rows);

static inline LLVMValueRef i64(const struct attend *a, uint64_t v) { return cg_i64(a->k->c, v); }
static inline LLVMValueRef add(const struct attend *a, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildAdd(a->k->c->b, x, y, "");
}
static inline LLVMValueRef mul(const struct attend *a, LLVMValueRef x, uint64_t y) {
    return LLVMBuildMul(a->k->c->b, x, cg_i64(a->k->c, y), "");
}

#endif
