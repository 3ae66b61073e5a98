/*
 * attend_chunk.c -- attention of many rows (attend_rows.c): keys and values of a chunk, read and widened once, and the
 * functions that a row needs of them: scores, a position a lane, and values, an output a lane.
 */
#include "backends/kernel/attend_rows.h"
#include "backends/kernel/cache.h"

/* ---- the scores of one row: heads x a group of positions ---- */

/* Products of chain `lane` (i64) of a block of n elements from `first` on: x[head][vector]. */
static void chain(const struct block *b, LLVMValueRef keys, LLVMValueRef q, LLVMValueRef lane, uint64_t first,
                  uint64_t n, LLVMValueRef *x) {
    struct cg *c = cg(b);
    const struct attend *a = b->a;
    for (uint64_t at = 0; at < n; at += LANES) {
        LLVMValueRef i = add(a, lane, n64(b, first + at)), k[MAX_ACROSS];
        LLVMValueRef p = nth(b, keys, i, 4 * group_positions(b));
        for (unsigned v = 0; v < b->across; v++)
            k[v] = cg_load(c, c->vf, cg_at_const(c, p, (uint64_t)4 * CG_VL * v), 64);
        for (unsigned h = 0; h < a->block; h++) {
            LLVMValueRef e = cg_at_const(c, attend_float(a, q, i), 4 * b->depth * h);
            LLVMValueRef s = cg_splat(c, cg_load(c, c->f32, e, 4), CG_VL);
            for (unsigned v = 0; v < b->across;
                 v++) { /* from +0 or from the product: the sign of a zero, lost in the total */
                LLVMValueRef *y = &x[h * b->across + v];
                *y = at ? cg_fma(c, s, k[v], *y) : LLVMBuildFMul(c->b, s, k[v], "");
            }
        }
    }
}

/* The tree over 16 sums of two chains each, for all heads and vectors; added to what earlier blocks gave. */
static void score_trees(const struct block *b, LLVMValueRef pairs, LLVMValueRef to, bool first, bool last) {
    struct cg *c = cg(b);
    const struct attend *a = b->a;
    struct cg_loop heads, l;
    cg_loop_begin(c, &heads, n64(b, 0), n64(b, a->block), n64(b, 1), "head");
    cg_loop_begin(c, &l, n64(b, 0), n64(b, b->across), n64(b, 1), "vector");
    LLVMValueRef sum[LANES / 2], from = nth(b, pairs, add(a, mul(a, heads.i, b->across), l.i), 4 * CG_VL);
    LLVMValueRef at = nth(b, nth(b, to, heads.i, RECORD), l.i, 4 * CG_VL);
    for (unsigned i = 0; i < LANES / 2; i++)
        sum[i] = cg_load(c, c->vf, cg_at_const(c, from, (uint64_t)4 * CG_VL * i * a->block * b->across), 64);
    for (unsigned half = LANES / 4; half; half /= 2)
        for (unsigned i = 0; i < half; i++) sum[i] = LLVMBuildFAdd(c->b, sum[i], sum[i + half], "");
    LLVMValueRef total = first ? LLVMConstNull(c->vf) : cg_load(c, c->vf, at, 4);
    total = LLVMBuildFAdd(c->b, total, sum[0], "");
    LLVMValueRef scale = cg_splat(c, cg_f32(c, ir_f32(a->op, IR_ATTR_scale)), CG_VL);
    cg_store(c, last ? LLVMBuildFMul(c->b, scale, total, "") : total, at, 4);
    cg_loop_end(c, &l);
    cg_loop_end(c, &heads);
}

void attend_score_function(struct block *b) {
    struct cg *c = cg(b);
    const struct attend *a = b->a;
    struct cg_place back = cg_place_save(c);
    b->score_type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr, c->ptr, c->ptr}, 4, false);
    b->score_fn = cg_function(c, arena_printf(c->arena, "attend_scores_%u", a->k->id), b->score_type, true);
    LLVMValueRef p[4], x[2][MAX_BLOCK * MAX_ACROSS];
    LLVMGetParams(b->score_fn, p);
    unsigned sums = a->block * b->across;
    for (uint64_t first = 0; first < b->depth; first += SETUN_SUM_BLOCK) {
        uint64_t n = b->depth - first < SETUN_SUM_BLOCK ? b->depth - first : SETUN_SUM_BLOCK;
        struct cg_loop l;
        cg_loop_begin(c, &l, n64(b, 0), n64(b, LANES / 2), n64(b, 1), "lane");
        for (unsigned i = 0; i < 2; i++) chain(b, p[0], p[1], add(a, l.i, n64(b, i * LANES / 2)), first, n, x[i]);
        LLVMValueRef at = nth(b, p[3], l.i, (uint64_t)4 * CG_VL * sums);
        for (unsigned i = 0; i < sums; i++)
            cg_store(c, LLVMBuildFAdd(c->b, x[0][i], x[1][i], ""), cg_at_const(c, at, (uint64_t)4 * CG_VL * i), 64);
        cg_loop_end(c, &l);
        score_trees(b, p[3], p[2], first == 0, first + n == b->depth);
    }
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}

/* ---- the values of one row: heads x some outputs ---- */

LLVMValueRef attend_value_function(struct block *b, unsigned width) {
    struct cg *c = cg(b);
    const struct attend *a = b->a;
    struct cg_place back = cg_place_save(c);
    b->value_type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr, c->i64, c->ptr}, 4, false);
    const char *name = arena_printf(c->arena, "attend_values_%u_%u", a->k->id, width);
    LLVMValueRef fn = cg_function(c, name, b->value_type, true), arg[4], v[MAX_WIDTH];
    LLVMGetParams(fn, arg);
    struct cg_loop l;
    cg_loop_begin(c, &l, n64(b, 0), arg[2], n64(b, 1), "value");
    for (unsigned i = 0; i < width * a->block; i++) cg_carry(c, &l, LLVMConstNull(c->vf));
    LLVMValueRef p = attend_float(a, arg[0], l.i), row = nth(b, arg[1], l.i, (uint64_t)4 * CG_VL * width);
    for (unsigned i = 0; i < width; i++) v[i] = cg_load(c, c->vf, cg_at_const(c, row, (uint64_t)4 * CG_VL * i), 64);
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef w = cg_splat(c, cg_load(c, c->f32, cg_at_const(c, p, (uint64_t)RECORD * h), 4), CG_VL);
        for (unsigned i = 0; i < width; i++) cg_next(&l, h * width + i, cg_fma(c, w, v[i], l.phi[h * width + i]));
    }
    cg_loop_end(c, &l);
    for (unsigned h = 0; h < a->block; h++)
        for (unsigned i = 0; i < width; i++)
            cg_store(c, cg_result(&l, h * width + i), cg_at_const(c, arg[3], h * b->kept_head + 4 * CG_VL * i), 64);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    return fn;
}

/* ---- keys and values of a chunk ---- */

/* Elements i .. i + 15 of a position, which begins at `row`; scale: of int8, else NULL. */
static LLVMValueRef element(const struct block *b, const struct ir_state *s, LLVMValueRef row, LLVMValueRef i,
                            LLVMValueRef scale) {
    return cache_load(cg(b), s, nth(b, row, i, ir_elem_bytes(s->elem)), CG_VL, scale);
}

/* Two of 16 lanes into one another: their first halves, or their second ones. */
static LLVMValueRef interleave(struct cg *c, LLVMValueRef x, LLVMValueRef y, unsigned from) {
    LLVMValueRef at[CG_VL];
    for (unsigned i = 0; i < CG_VL; i++) at[i] = cg_i32(c, from + i / 2 + i % 2 * CG_VL);
    return LLVMBuildShuffleVector(c->b, x, y, LLVMConstVector(at, CG_VL), "");
}

/* x[i] lane j becomes x[j] lane i: each round turns the eight bits of (i, j) by one. */
static void transpose(struct cg *c, LLVMValueRef *x) {
    LLVMValueRef y[CG_VL];
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < CG_VL; i++) y[i] = interleave(c, x[i / 2], x[i / 2 + CG_VL / 2], i % 2 * CG_VL / 2);
        for (unsigned i = 0; i < CG_VL; i++) x[i] = y[i];
    }
}
_Static_assert(CG_VL == 16, "transposed in four rounds");

/* Elements i .. i + 15 (i64) of 16 keys, `real` of them there, to column `to`. */
static void key_square(const struct block *b, LLVMValueRef key, const LLVMValueRef *scale, LLVMValueRef i,
                       unsigned real, LLVMValueRef to) {
    struct cg *c = cg(b);
    LLVMValueRef x[CG_VL];
    for (unsigned p = 0; p < CG_VL && real; p++)
        x[p] = element(b, b->a->key, cg_at_const(c, key, p * ir_state_position_bytes(b->a->key)), i, scale[p]);
    if (real) transpose(c, x);
    for (unsigned e = 0; e < CG_VL; e++)
        cg_store(c, e < real ? x[e] : LLVMConstNull(c->vf), nth(b, to, add(b->a, i, n64(b, e)), 4 * group_positions(b)),
                 64);
}

/* 16 positions lie in one block of the cache. */
void attend_load_keys(const struct block *b, LLVMValueRef start, LLVMValueRef from, LLVMValueRef to) {
    struct cg *c = cg(b);
    const struct attend *a = b->a;
    struct cg_loop l, e;
    uint64_t whole = a->d / CG_VL * CG_VL;
    cg_loop_begin(c, &l, LLVMBuildAnd(c->b, from, n64(b, ~(uint64_t)(CG_VL - 1)), ""), to, n64(b, CG_VL), "keys");
    LLVMValueRef key = cache_position(a->k, a->key, a->keys, l.i), at = sub(b, l.i, start), scale[CG_VL];
    for (unsigned p = 0; p < CG_VL; p++) scale[p] = attend_scale(a, a->key, a->keys, add(a, l.i, n64(b, p)));
    LLVMValueRef group = LLVMBuildUDiv(c->b, at, n64(b, group_positions(b)), "");
    LLVMValueRef column = nth(b, b->keys, group, group_bytes(b));
    column = nth(b, column, LLVMBuildURem(c->b, at, n64(b, group_positions(b)), ""), 4);
    cg_loop_begin(c, &e, n64(b, 0), n64(b, whole), n64(b, CG_VL), "square");
    key_square(b, key, scale, e.i, CG_VL, column);
    cg_loop_end(c, &e);
    for (uint64_t i = whole; i < b->depth; i += CG_VL)
        key_square(b, key, scale, n64(b, i), i < a->d ? (unsigned)(a->d - i) : 0, column);
    cg_loop_end(c, &l);
}

void attend_load_values(const struct block *b, LLVMValueRef start, LLVMValueRef from, LLVMValueRef to) {
    struct cg *c = cg(b);
    const struct attend *a = b->a;
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, n64(b, 1), "values");
    LLVMValueRef row = cache_position(a->k, a->value, a->values, l.i), j = sub(b, l.i, start);
    LLVMValueRef scale = attend_scale(a, a->value, a->values, l.i);
    for (uint64_t first = 0; first < b->outputs; first += (uint64_t)b->width * CG_VL) {
        unsigned width = part_width(b, first);
        LLVMValueRef at = nth(b, values_of(b, first), j, (uint64_t)4 * CG_VL * width);
        for (unsigned i = 0; i < width; i++)
            cg_store(c, element(b, a->value, row, n64(b, first + (uint64_t)CG_VL * i), scale),
                     cg_at_const(c, at, (uint64_t)4 * CG_VL * i), 64);
    }
    cg_loop_end(c, &l);
}
