/*
 * attend_scores.c -- scores of one row and chunk: s_j = scale * dot(q, k_j) for 16 positions at a time.
 *
 * A key is loaded and widened once for all heads of the block.  The trees of 16 sums are merged into one another, so
 * that 15 vector additions and not 16 trees end them.
 */
#include "backends/kernel/attend.h"
#include "backends/kernel/cache.h"
#include "backends/kernel/dot.h"

static LLVMValueRef fmax_of(struct cg *c, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, x, y, ""), x, y, "");
}

static LLVMValueRef lanes_of(struct cg *c, LLVMValueRef v, unsigned first, unsigned n) {
    LLVMValueRef at[LANES];
    for (unsigned i = 0; i < n; i++) at[i] = cg_i32(c, first + i);
    return LLVMBuildShuffleVector(c->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(at, n), "");
}

/* The largest lane; which zero of two does not matter to exp. */
static LLVMValueRef largest(struct cg *c, LLVMValueRef v) {
    for (unsigned half = CG_VL / 2; half >= 1; half /= 2)
        v = fmax_of(c, lanes_of(c, v, 0, half), lanes_of(c, v, half, half));
    return LLVMBuildExtractElement(c->b, v, cg_i32(c, 0), "");
}

static LLVMValueRef minus_infinity(struct cg *c) { return LLVMConstBitCast(cg_i32(c, 0xff800000u), c->f32); }

static LLVMValueRef query(const struct attend *a, unsigned head, LLVMValueRef i) {
    struct cg *c = a->k->c;
    return cg_load(c, c->sf, cg_at_const(c, attend_float(a, a->q, i), 4 * (uint64_t)a->d * head), 4);
}

/* The keys of one or two positions. */
struct key_at {
    LLVMValueRef key, scale[2]; /* scale: of int8, else NULL */
};

/* acc[position][head] += 32 products from element i on, of which the first n count. */
static void score_step(const struct attend *a, const struct key_at *at, LLVMValueRef i, uint64_t n, LLVMValueRef *acc) {
    struct cg *c = a->k->c;
    LLVMValueRef key = cg_at(c, at->key, mul(a, i, ir_elem_bytes(a->key->elem)));
    LLVMValueRef q[MAX_BLOCK] = {NULL};
    for (unsigned h = 0; h < a->block; h++) {
        q[h] = query(a, h, i);
        if (n < LANES) q[h] = dot_first_lanes(c, q[h], n);
    }
    for (unsigned p = 0; p < a->at_once; p++) {
        LLVMValueRef k =
            cache_load(c, a->key, cg_at_const(c, key, p * ir_state_position_bytes(a->key)), LANES, at->scale[p]);
        if (n < LANES) k = dot_first_lanes(c, k, n);
        for (unsigned h = 0; h < a->block; h++) acc[p * a->block + h] = cg_fma(c, q[h], k, acc[p * a->block + h]);
    }
}

enum { UNROLL = 4 };

/* Lane sums over elements [first, first + n) of a block of sum1024. */
static void score_lanes(const struct attend *a, const struct key_at *key, uint64_t first, uint64_t n,
                        LLVMValueRef *acc) {
    struct cg *c = a->k->c;
    unsigned sums = a->at_once * a->block;
    uint64_t whole = n / LANES * LANES;
    for (unsigned i = 0; i < sums; i++) acc[i] = LLVMConstNull(c->sf);
    if (whole > UNROLL * LANES) {
        struct cg_loop l;
        cg_loop_begin(c, &l, i64(a, first), i64(a, first + whole), i64(a, LANES), "sum");
        for (unsigned i = 0; i < sums; i++) {
            cg_carry(c, &l, acc[i]);
            acc[i] = l.phi[i];
        }
        score_step(a, key, l.i, LANES, acc);
        for (unsigned i = 0; i < sums; i++) cg_next(&l, i, acc[i]);
        cg_loop_end(c, &l);
        for (unsigned i = 0; i < sums; i++) acc[i] = cg_result(&l, i);
    } else {
        for (uint64_t i = 0; i < whole; i += LANES) score_step(a, key, i64(a, first + i), LANES, acc);
    }
    if (n > whole) score_step(a, key, i64(a, first + whole), n - whole, acc);
}

/*
 * One level of the tree for several sums at once.  x and y hold 16 / w sums each, of w partial sums; the result
 * holds those of x, then those of y, of w / 2 partial sums: lane l + lane l + w/2 of each.
 */
static LLVMValueRef merge(struct cg *c, LLVMValueRef x, LLVMValueRef y, unsigned w) {
    LLVMValueRef lo[CG_VL], hi[CG_VL];
    unsigned n = 0;
    for (unsigned at = 0; at < 2 * CG_VL; at += w)
        for (unsigned l = 0; l < w / 2; l++, n++) {
            lo[n] = cg_i32(c, at + l);
            hi[n] = cg_i32(c, at + l + w / 2);
        }
    LLVMValueRef a = LLVMBuildShuffleVector(c->b, x, y, LLVMConstVector(lo, CG_VL), "");
    LLVMValueRef b = LLVMBuildShuffleVector(c->b, x, y, LLVMConstVector(hi, CG_VL), "");
    return LLVMBuildFAdd(c->b, a, b, "");
}

static LLVMValueRef fold(struct cg *c, LLVMValueRef lanes) {
    return LLVMBuildFAdd(c->b, lanes_of(c, lanes, 0, CG_VL), lanes_of(c, lanes, CG_VL, CG_VL), "");
}

/* 16 lanes for each position, or each two positions. */
uint64_t attend_partial(const struct attend *a) { return 4 * CG_VL * (CG_VL / a->at_once); }

/* Lane sums of 16 positions over elements [first, first + n), one or two positions at a time: loops keep the
 * registers' pressure where LLVM's scheduler cannot raise it. */
static void partial_sums(const struct attend *a, LLVMValueRef j, uint64_t first, uint64_t n) {
    struct cg *c = a->k->c;
    LLVMValueRef acc[2 * MAX_BLOCK] = {NULL};
    struct cg_loop l;
    cg_loop_begin(c, &l, i64(a, 0), i64(a, CG_VL), i64(a, a->at_once), "position");
    struct key_at key = {.key = cache_position(a->k, a->key, a->keys, add(a, j, l.i))};
    for (unsigned p = 0; p < a->at_once; p++)
        key.scale[p] = attend_scale(a, a->key, a->keys, add(a, j, add(a, l.i, i64(a, p))));
    if (first == 0) {
        LLVMValueRef later = cache_position(a->k, a->key, a->keys, add(a, j, add(a, l.i, i64(a, ATTEND_AHEAD))));
        attend_fetch(a, later, a->at_once * ir_state_position_bytes(a->key));
        attend_fetch_scale(a, a->key, a->keys, add(a, j, add(a, l.i, i64(a, ATTEND_AHEAD))));
    }
    score_lanes(a, &key, first, n, acc);
    LLVMValueRef to = cg_at(c, a->partial, mul(a, l.i, 4 * CG_VL / a->at_once));
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef sum = fold(c, acc[h]);
        if (a->at_once == 2) sum = merge(c, sum, fold(c, acc[a->block + h]), CG_VL);
        cg_store(c, sum, cg_at_const(c, to, h * attend_partial(a)), 4);
    }
    cg_loop_end(c, &l);
}

/* The rest of the tree, for one head: 16 sums. */
static LLVMValueRef merged(const struct attend *a, LLVMValueRef partial) {
    struct cg *c = a->k->c;
    LLVMValueRef sum[CG_VL] = {NULL};
    unsigned n = CG_VL / a->at_once;
    for (unsigned i = 0; i < n; i++) sum[i] = cg_load(c, c->vf, cg_at_const(c, partial, (uint64_t)4 * CG_VL * i), 4);
    for (; n > 1; n /= 2)
        for (unsigned i = 0; i < n / 2; i++) sum[i] = merge(c, sum[2 * i], sum[2 * i + 1], n);
    return sum[0];
}

/* scale * dot(q, k_j) for the 16 positions from j on, which lie in one block of the cache, to `to` and the
 * records behind it. */
static void scores_of(const struct attend *a, LLVMValueRef j, LLVMValueRef to) {
    struct cg *c = a->k->c;
    for (uint64_t first = 0; first < a->d; first += SETUN_SUM_BLOCK) {
        partial_sums(a, j, first, a->d - first < SETUN_SUM_BLOCK ? a->d - first : SETUN_SUM_BLOCK);
        struct cg_loop l;
        cg_loop_begin(c, &l, i64(a, 0), i64(a, a->block), i64(a, 1), "head");
        LLVMValueRef at = cg_at(c, to, mul(a, l.i, RECORD));
        LLVMValueRef sum = merged(a, cg_at(c, a->partial, mul(a, l.i, attend_partial(a))));
        LLVMValueRef total = first ? cg_load(c, c->vf, at, 4) : LLVMConstNull(c->vf);
        total = LLVMBuildFAdd(c->b, total, sum, "");
        if (first + SETUN_SUM_BLOCK >= a->d) {
            LLVMValueRef scale = cg_splat(c, cg_f32(c, ir_f32(a->op, IR_ATTR_scale)), CG_VL);
            total = LLVMBuildFMul(c->b, scale, total, "");
        }
        cg_store(c, total, at, 4);
        cg_loop_end(c, &l);
    }
}

LLVMValueRef attend_chunk_max(const struct attend *a, LLVMValueRef record, LLVMValueRef start) {
    struct cg *c = a->k->c;
    struct cg_loop l;
    LLVMValueRef none = cg_splat(c, minus_infinity(c), CG_VL);
    cg_loop_begin(c, &l, i64(a, 0), i64(a, CHUNK), i64(a, CG_VL), "max");
    unsigned best = cg_carry(c, &l, none);
    LLVMValueRef s = cg_load(c, c->vf, attend_float(a, record, l.i), 4);
    s = LLVMBuildSelect(c->b, attend_visible(a, add(a, start, l.i), CG_VL), s, none, "");
    cg_next(&l, best, fmax_of(c, s, l.phi[best]));
    cg_loop_end(c, &l);
    return largest(c, cg_result(&l, best));
}

void attend_scores(const struct attend *a, LLVMValueRef chunk) {
    struct cg *c = a->k->c;
    struct cg_loop l;
    struct attend_span span = attend_chunk(a, chunk);
    LLVMValueRef from = LLVMBuildAnd(c->b, span.from, i64(a, ~(uint64_t)(CG_VL - 1)), "");
    cg_loop_begin(c, &l, from, span.to, i64(a, CG_VL), "score");
    scores_of(a, l.i, attend_float(a, a->scores, LLVMBuildSub(c->b, l.i, span.start, "")));
    cg_loop_end(c, &l);
}
