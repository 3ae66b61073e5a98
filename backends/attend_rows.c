/*
 * attend_rows.c -- attention of many rows of one sequence.  A chunk's keys and values are read and widened once for
 * a block of rows, and serve all its rows and query heads:
 *
 *   for block of at most BLOCK_ROWS rows of a sequence
 *       for chunk of 128 positions that a row of the block sees
 *           keys and values of the chunk into scratch, the keys transposed
 *           for some positions:    for row: scores s            (a position a lane, no sums across lanes)
 *           for row:               m, p, l
 *           for some outputs:      for row: o of this chunk     (an output a lane)
 *       for row: M, w; l and o over the chunks; the epilogue
 *
 * Every sum has the order that attend.c gives it, which is that of the contract.  What a chunk leaves of a row and
 * head is kept until M is known: o, m and l.
 */
#include "backends/attend.h"

enum { BLOCK_ROWS = 32, KEPT_BYTES = 1 << 20, LEAST_QUERIES = 16, MAX_ACROSS = 4, MAX_WIDTH = 8 };

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

static struct cg *cg(const struct block *b) { return b->a->k->c; }
static LLVMValueRef n64(const struct block *b, uint64_t v) { return cg_i64(cg(b), v); }
static LLVMValueRef sub(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSub(cg(b)->b, x, y, "");
}
static LLVMValueRef less(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildICmp(cg(b)->b, LLVMIntSLT, x, y, "");
}
static LLVMValueRef least(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(cg(b)->b, less(b, x, y), x, y, "");
}
static LLVMValueRef most(const struct block *b, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(cg(b)->b, less(b, x, y), y, x, "");
}
/* p + i * bytes */
static LLVMValueRef nth(const struct block *b, LLVMValueRef p, LLVMValueRef i, uint64_t bytes) {
    return cg_at(cg(b), p, mul(b->a, i, bytes));
}

static uint64_t group_positions(const struct block *b) { return (uint64_t)b->across * CG_VL; }
static uint64_t group_bytes(const struct block *b) { return 4 * b->depth * group_positions(b); }

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

/* void scores(keys of a group, query, to, pairs) */
static void score_function(struct block *b) {
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

/* void values(weights of the first position, values of it, positions, to): o[head][output] = chain of fma(p_j, v_j, o).
 */
static LLVMValueRef value_function(struct block *b, unsigned width) {
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

/* Keys [from, to) of the chunk, rounded to 16 positions, which lie in one block of the cache. */
static void load_keys(const struct block *b, LLVMValueRef start, LLVMValueRef from, LLVMValueRef to) {
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

/* Outputs that function `part` of the values computes: [first, first + its width in vectors). */
static unsigned part_width(const struct block *b, uint64_t first) {
    uint64_t left = (b->outputs - first) / CG_VL;
    return left < b->width ? (unsigned)left : b->width;
}

static LLVMValueRef values_of(const struct block *b, uint64_t first) {
    return cg_at_const(cg(b), b->values, 4 * CHUNK * first);
}

static void load_values(const struct block *b, LLVMValueRef start, LLVMValueRef from, LLVMValueRef to) {
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

/* ---- a chunk, row by row ---- */

/* Row i of the block, as attend.c sees one. */
static struct attend row_of(const struct block *b, LLVMValueRef i) {
    struct attend r = *b->a;
    struct kern_row_at row = kern_row_at(r.k, b->rows, add(&r, b->first, i));
    attend_see(&r, &row);
    return r;
}

static LLVMValueRef scores_at(const struct block *b, LLVMValueRef i) {
    return nth(b, b->scores, i, (uint64_t)RECORD * b->a->block);
}

static LLVMValueRef kept_at(const struct block *b, LLVMValueRef i, LLVMValueRef chunk) {
    LLVMValueRef n = LLVMBuildMul(cg(b)->b, i, sub(b, b->c_to, b->c_from), "");
    return nth(b, b->kept, add(b->a, n, sub(b, chunk, b->c_from)), b->kept_record);
}

enum { KEPT_M, KEPT_L, KEPT_W }; /* behind a head's outputs */

static LLVMValueRef kept_number(const struct block *b, LLVMValueRef head, unsigned which) {
    return cg_at_const(cg(b), head, 4 * (b->outputs + which));
}

/* The query with zeros behind each head, if heads do not end where lanes do. */
static LLVMValueRef query_of(const struct block *b, const struct attend *r) {
    struct cg *c = cg(b);
    if (b->depth == r->d) return r->q;
    for (unsigned h = 0; h < r->block; h++)
        for (uint64_t i = 0; i < b->depth; i += LANES) {
            LLVMValueRef x = cg_load(c, c->sf, cg_at_const(c, r->q, 4 * ((uint64_t)r->d * h + i)), 4);
            if (r->d - i < LANES) x = dot_first_lanes(c, x, r->d - i);
            cg_store(c, x, cg_at_const(c, b->query, 4 * (b->depth * h + i)), 4);
        }
    return b->query;
}

static void all_scores(const struct block *b, LLVMValueRef chunk, LLVMValueRef start, LLVMValueRef from,
                       LLVMValueRef to) {
    struct cg *c = cg(b);
    struct cg_loop g, l;
    struct cg_if seen;
    uint64_t size = group_positions(b);
    LLVMValueRef first = LLVMBuildUDiv(c->b, sub(b, from, start), n64(b, size), "");
    cg_loop_begin(c, &g, mul(b->a, first, size), sub(b, to, start), n64(b, size), "group");
    LLVMValueRef group = LLVMBuildUDiv(c->b, g.i, n64(b, size), "");
    LLVMValueRef keys = nth(b, b->keys, group, group_bytes(b)), begin = add(b->a, start, g.i);
    cg_loop_begin(c, &l, n64(b, 0), b->n, n64(b, 1), "row");
    struct attend r = row_of(b, l.i);
    struct attend_span span = attend_chunk(&r, chunk);
    LLVMValueRef before = less(b, begin, span.to), behind = less(b, span.from, add(&r, begin, n64(b, size)));
    cg_if_begin(c, &seen, LLVMBuildAnd(c->b, before, behind, ""));
    LLVMValueRef arg[] = {keys, query_of(b, &r), nth(b, scores_at(b, l.i), g.i, 4), b->pairs};
    LLVMBuildCall2(c->b, b->score_type, b->score_fn, arg, 4, "");
    cg_if_end(c, &seen);
    cg_loop_end(c, &l);
    cg_loop_end(c, &g);
}

static void all_weights(const struct block *b, LLVMValueRef chunk, LLVMValueRef start) {
    struct cg *c = cg(b);
    struct cg_loop l, h;
    struct cg_if seen;
    cg_loop_begin(c, &l, n64(b, 0), b->n, n64(b, 1), "row");
    struct attend r = row_of(b, l.i);
    struct attend_span span = attend_chunk(&r, chunk);
    cg_if_begin(c, &seen, less(b, span.from, span.to));
    cg_loop_begin(c, &h, n64(b, 0), n64(b, r.block), n64(b, 1), "head");
    LLVMValueRef scores = nth(b, scores_at(b, l.i), h.i, RECORD);
    LLVMValueRef kept = nth(b, kept_at(b, l.i, chunk), h.i, b->kept_head);
    LLVMValueRef m = attend_chunk_max(&r, scores, start);
    cg_store(c, m, kept_number(b, kept, KEPT_M), 4);
    cg_store(c, attend_chunk_weights(&r, scores, start, m), kept_number(b, kept, KEPT_L), 4);
    cg_loop_end(c, &h);
    cg_if_end(c, &seen);
    cg_loop_end(c, &l);
}

static void all_values(const struct block *b, LLVMValueRef chunk, uint64_t first) {
    struct cg *c = cg(b);
    struct cg_loop l;
    struct cg_if seen;
    unsigned width = part_width(b, first);
    cg_loop_begin(c, &l, n64(b, 0), b->n, n64(b, 1), "row");
    struct attend r = row_of(b, l.i);
    struct attend_span span = attend_chunk(&r, chunk);
    cg_if_begin(c, &seen, less(b, span.from, span.to));
    LLVMValueRef j = sub(b, span.from, span.start);
    LLVMValueRef arg[] = {attend_float(&r, scores_at(b, l.i), j),
                          nth(b, values_of(b, first), j, (uint64_t)4 * CG_VL * width), sub(b, span.to, span.from),
                          cg_at_const(c, kept_at(b, l.i, chunk), 4 * first)};
    LLVMBuildCall2(c->b, b->value_type, b->value_fn[width < b->width], arg, 4, "");
    cg_if_end(c, &seen);
    cg_loop_end(c, &l);
}

/* ---- a row over its chunks ---- */

static LLVMValueRef fmax_of(struct cg *c, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, x, y, ""), x, y, "");
}

/* M of a head, whose record of chunk 0 of the row's is at `kept`. */
static LLVMValueRef top_of(const struct block *b, const struct attend *r, LLVMValueRef kept) {
    struct cg *c = cg(b);
    struct cg_loop l;
    cg_loop_begin(c, &l, n64(b, 0), sub(b, r->c_to, r->c_from), n64(b, 1), "chunk");
    unsigned top = cg_carry(c, &l, LLVMConstBitCast(cg_i32(c, 0xff800000u), c->f32));
    LLVMValueRef m = cg_load(c, c->f32, kept_number(b, nth(b, kept, l.i, b->kept_record), KEPT_M), 4);
    cg_next(&l, top, fmax_of(c, m, l.phi[top]));
    cg_loop_end(c, &l);
    return cg_result(&l, top);
}

/* The weight w of each chunk, and the sum of weights. */
static LLVMValueRef chunk_factors(const struct block *b, const struct attend *r, LLVMValueRef kept, LLVMValueRef top) {
    struct cg *c = cg(b);
    struct cg_loop l;
    cg_loop_begin(c, &l, n64(b, 0), sub(b, r->c_to, r->c_from), n64(b, 1), "chunk");
    unsigned sum = cg_carry(c, &l, cg_f32(c, 0.0f));
    LLVMValueRef at = nth(b, kept, l.i, b->kept_record);
    LLVMValueRef m = cg_load(c, c->f32, kept_number(b, at, KEPT_M), 4);
    LLVMValueRef w = cg_exp(c, LLVMBuildFSub(c->b, m, top, ""));
    cg_store(c, w, kept_number(b, at, KEPT_W), 4);
    cg_next(&l, sum, cg_fma(c, w, cg_load(c, c->f32, kept_number(b, at, KEPT_L), 4), l.phi[sum]));
    cg_loop_end(c, &l);
    return cg_result(&l, sum);
}

static void row_outputs(const struct block *b, const struct attend *r, LLVMValueRef kept, LLVMValueRef sum,
                        LLVMValueRef to) {
    struct cg *c = cg(b);
    struct cg_loop part, l;
    cg_loop_begin(c, &part, n64(b, 0), n64(b, 4 * b->outputs), n64(b, 4 * CG_VL), "output");
    cg_loop_begin(c, &l, n64(b, 0), sub(b, r->c_to, r->c_from), n64(b, 1), "chunk");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(c->vf));
    LLVMValueRef at = nth(b, kept, l.i, b->kept_record);
    LLVMValueRef w = cg_splat(c, cg_load(c, c->f32, kept_number(b, at, KEPT_W), 4), CG_VL);
    cg_next(&l, slot, cg_fma(c, w, cg_load(c, c->vf, cg_at(c, at, part.i), 64), l.phi[slot]));
    cg_loop_end(c, &l);
    LLVMValueRef y = LLVMBuildFDiv(c->b, cg_result(&l, slot), cg_splat(c, sum, CG_VL), "");
    cg_store(c, y, cg_at(c, to, part.i), 4);
    cg_loop_end(c, &part);
}

/* The results of all rows, which need no more of what is kept; then their epilogues, which may. */
static void all_results(const struct block *b) {
    struct cg *c = cg(b);
    struct cg_loop l, h;
    uint64_t row_bytes = b->a->block * attend_out_stride(b->a);
    cg_loop_begin(c, &l, n64(b, 0), b->n, n64(b, 1), "row");
    struct attend r = row_of(b, l.i);
    cg_loop_begin(c, &h, n64(b, 0), n64(b, r.block), n64(b, 1), "head");
    LLVMValueRef kept = nth(b, kept_at(b, l.i, r.c_from), h.i, b->kept_head);
    LLVMValueRef sum = chunk_factors(b, &r, kept, top_of(b, &r, kept));
    row_outputs(b, &r, kept, sum, nth(b, nth(b, b->outs, l.i, row_bytes), h.i, attend_out_stride(&r)));
    cg_loop_end(c, &h);
    cg_loop_end(c, &l);
    cg_loop_begin(c, &l, n64(b, 0), b->n, n64(b, 1), "row");
    r = *b->a;
    struct kern_row_at row = kern_row_at(r.k, b->rows, add(&r, b->first, l.i));
    r.out = nth(b, b->outs, l.i, row_bytes);
    attend_finish(&r, b->strand, &row);
    cg_loop_end(c, &l);
}

/* ---- blocks ---- */

/* How many of rows [first, end) are of one sequence and leave no more than there is room for; what they see. */
static void choose_rows(struct block *b, LLVMValueRef end) {
    struct cg *c = cg(b);
    struct cg_loop l;
    struct attend f = row_of(b, n64(b, 0));
    cg_loop_begin(c, &l, n64(b, 1), least(b, sub(b, end, b->first), n64(b, BLOCK_ROWS)), n64(b, 1), "more");
    unsigned n = cg_carry(c, &l, n64(b, 1)), low = cg_carry(c, &l, f.from), high = cg_carry(c, &l, f.pos);
    struct attend r = row_of(b, l.i);
    LLVMValueRef lower = least(b, r.from, l.phi[low]), higher = most(b, r.pos, l.phi[high]);
    LLVMValueRef chunks = sub(b, LLVMBuildLShr(c->b, higher, n64(b, 7), ""), LLVMBuildLShr(c->b, lower, n64(b, 7), ""));
    LLVMValueRef bytes = LLVMBuildMul(c->b, add(&r, l.i, n64(b, 1)), add(&r, chunks, n64(b, 1)), "");
    LLVMValueRef fits = LLVMBuildICmp(c->b, LLVMIntULE, mul(&r, bytes, b->kept_record), n64(b, KEPT_BYTES), "");
    LLVMValueRef all_so_far = LLVMBuildICmp(c->b, LLVMIntEQ, l.phi[n], l.i, "");
    LLVMValueRef take = LLVMBuildAnd(c->b, fits, LLVMBuildICmp(c->b, LLVMIntEQ, r.slot, f.slot, ""), "");
    take = LLVMBuildAnd(c->b, take, all_so_far, "");
    cg_next(&l, n, LLVMBuildSelect(c->b, take, add(&r, l.i, n64(b, 1)), l.phi[n], ""));
    cg_next(&l, low, LLVMBuildSelect(c->b, take, lower, l.phi[low], ""));
    cg_next(&l, high, LLVMBuildSelect(c->b, take, higher, l.phi[high], ""));
    cg_loop_end(c, &l);
    b->n = cg_result(&l, n);
    b->low = cg_result(&l, low);
    b->high = cg_result(&l, high);
    b->c_from = LLVMBuildLShr(c->b, b->low, n64(b, 7), "");
    b->c_to = add(b->a, LLVMBuildLShr(c->b, b->high, n64(b, 7), ""), n64(b, 1));
    b->a->slot = f.slot, b->a->keys = f.keys, b->a->values = f.values;
}
_Static_assert(CHUNK == 1 << 7, "chunks are found by a shift of 7");

static void one_block(struct block *b) {
    struct cg *c = cg(b);
    struct cg_loop l;
    cg_loop_begin(c, &l, b->c_from, b->c_to, n64(b, 1), "chunk");
    LLVMValueRef start = mul(b->a, l.i, CHUNK);
    LLVMValueRef from = most(b, start, b->low),
                 to = least(b, add(b->a, start, n64(b, CHUNK)), add(b->a, b->high, n64(b, 1)));
    load_keys(b, start, from, to);
    load_values(b, start, from, to);
    all_scores(b, l.i, start, from, to);
    all_weights(b, l.i, start);
    for (uint64_t first = 0; first < b->outputs; first += (uint64_t)b->width * CG_VL) all_values(b, l.i, first);
    cg_loop_end(c, &l);
    all_results(b);
}

/* Sums in flight, two chains of heads x vectors of positions, and heads x vectors of outputs: 16 registers of AVX-512,
 * 8 of AVX2. */
static void choose_shape(struct block *b) {
    const struct attend *a = b->a;
    bool wide = a->k->c->level->vectors >= 32;
    b->across = wide ? (a->block > 2 ? 2 : MAX_ACROSS) : (a->block > 1 ? 1 : 2);
    b->width = wide ? (a->block > 1 ? 4 : MAX_WIDTH) : a->vectors;
    b->depth = (a->d + LANES - 1) / LANES * LANES;
    b->outputs = (a->d + CG_VL - 1) / CG_VL * CG_VL;
    b->kept_head = 4 * (b->outputs + CG_VL);
    b->kept_record = b->kept_head * a->block;
}

/* What is kept lies last: behind it is the room that grows with the context, enough for one row. */
static void choose_scratch(struct block *b) {
    struct kern *k = b->a->k;
    struct cg *c = k->c;
    unsigned heads = b->a->block;
    b->keys = kern_scratch(k, 4 * b->depth * CHUNK);
    b->values = kern_scratch(k, 4 * b->outputs * CHUNK);
    b->query = kern_scratch(k, 4 * b->depth * heads);
    b->pairs = kern_scratch(k, (uint64_t)4 * CG_VL * (LANES / 2) * heads * b->across);
    b->scores = kern_scratch(k, (uint64_t)RECORD * heads * BLOCK_ROWS);
    b->outs = kern_scratch(k, attend_out_stride(b->a) * heads * BLOCK_ROWS);
    b->kept = kern_scratch(k, KEPT_BYTES + 2 * b->kept_record);
    uint64_t per_position = (b->kept_record + CHUNK - 1) / CHUNK;
    if (c->scratch_per_position < per_position) c->scratch_per_position = per_position;
}

LLVMValueRef attend_rows_wanted(const struct attend *a, LLVMValueRef n_rows) {
    struct cg *c = a->k->c;
    return LLVMBuildICmp(c->b, LLVMIntUGE, mul(a, n_rows, a->block), i64(a, LEAST_QUERIES), "");
}

void attend_rows(const struct attend *of, const struct ir_strand *s, LLVMValueRef from, LLVMValueRef to,
                 LLVMValueRef n_rows) {
    struct attend a = *of;
    struct cg *c = a.k->c;
    struct block b = {.a = &a, .strand = s, .rows = a.op->in[0]->type.rows};
    choose_shape(&b);
    uint64_t used = a.k->used;
    choose_scratch(&b);
    score_function(&b);
    b.value_fn[0] = value_function(&b, b.width);
    if (b.outputs / CG_VL % b.width) b.value_fn[1] = value_function(&b, (unsigned)(b.outputs / CG_VL % b.width));
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, NULL, "pairs");
    a.head = mul(&a, LLVMBuildUDiv(c->b, l.i, n_rows, ""), a.block);
    b.first = LLVMBuildURem(c->b, l.i, n_rows, "");
    choose_rows(&b, least(&b, n_rows, add(&a, b.first, sub(&b, to, l.i))));
    one_block(&b);
    l.step = b.n;
    cg_loop_end(c, &l);
    a.k->used = used;
}
