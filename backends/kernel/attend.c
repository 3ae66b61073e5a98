/*
 * attend.c -- what a row of attention sees: its positions chunk by chunk, where keys and values lie, the weights of
 * a chunk, and the epilogue on its results.
 *
 * Scores of a chunk lie in thread scratch, RECORD bytes a head.  The caches hold anything behind a head's last element,
 * so a head's last vector is cut on both sides of a product.
 */
#include "backends/kernel/attend.h"
#include "backends/kernel/cache.h"
#include "backends/kernel/vec.h"

/* ---- addresses ---- */

LLVMValueRef attend_float(const struct attend *a, LLVMValueRef p, LLVMValueRef i) {
    return cg_at(a->k->c, p, mul(a, i, 4));
}

static LLVMValueRef larger(const struct attend *a, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(a->k->c->b, LLVMBuildICmp(a->k->c->b, LLVMIntSGT, x, y, ""), x, y, "");
}

static LLVMValueRef smaller(const struct attend *a, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(a->k->c->b, LLVMBuildICmp(a->k->c->b, LLVMIntSLT, x, y, ""), x, y, "");
}

struct attend_span attend_chunk(const struct attend *a, LLVMValueRef chunk) {
    struct attend_span s = {.start = mul(a, chunk, CHUNK)};
    s.from = larger(a, s.start, a->from);
    s.to = smaller(a, add(a, s.start, i64(a, CHUNK)), add(a, a->pos, i64(a, 1)));
    return s;
}

LLVMValueRef attend_visible(const struct attend *a, LLVMValueRef j, unsigned n) {
    struct cg *c = a->k->c;
    LLVMValueRef lane[LANES];
    for (unsigned i = 0; i < n; i++) lane[i] = cg_i32(c, i);
    LLVMValueRef lo = LLVMBuildTrunc(c->b, LLVMBuildSub(c->b, a->from, j, ""), c->i32, "");
    LLVMValueRef hi = LLVMBuildTrunc(c->b, LLVMBuildSub(c->b, a->pos, j, ""), c->i32, "");
    LLVMValueRef lanes = LLVMConstVector(lane, n);
    LLVMValueRef over = LLVMBuildICmp(c->b, LLVMIntSGE, lanes, cg_splat(c, lo, n), "");
    return LLVMBuildAnd(c->b, over, LLVMBuildICmp(c->b, LLVMIntSLE, lanes, cg_splat(c, hi, n), ""), "");
}

enum { LINE = 64 };

void attend_fetch(const struct attend *a, LLVMValueRef p, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += LINE) cg_prefetch(a->k->c, cg_at_const(a->k->c, p, at), 0);
}

void attend_fetch_scale(const struct attend *a, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef j) {
    if (s->elem == IR_CACHE_I8) cg_prefetch(a->k->c, cache_scale(a->k, s, zero, j), 0);
}

uint64_t attend_out_stride(const struct attend *a) { return 4 * ((uint64_t)a->d + 2 * IR_LANES); }

/* ---- a chunk ---- */

LLVMValueRef attend_chunk_weights(const struct attend *a, LLVMValueRef record, LLVMValueRef start, LLVMValueRef m) {
    struct cg *c = a->k->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, i64(a, 0), i64(a, CHUNK), i64(a, LANES), "weight");
    unsigned sum = cg_carry(c, &l, LLVMConstNull(c->sf));
    LLVMValueRef at = attend_float(a, record, l.i);
    LLVMValueRef seen = attend_visible(a, add(a, start, l.i), LANES);
    /* What was not computed is not read as a number. */
    LLVMValueRef s = LLVMBuildSelect(c->b, seen, cg_load(c, c->sf, at, 4), LLVMConstNull(c->sf), "");
    LLVMValueRef p = cg_exp(c, LLVMBuildFSub(c->b, s, cg_splat(c, m, LANES), ""));
    p = LLVMBuildSelect(c->b, seen, p, LLVMConstNull(c->sf), "");
    cg_store(c, p, at, 4);
    cg_next(&l, sum, LLVMBuildFAdd(c->b, l.phi[sum], p, ""));
    cg_loop_end(c, &l);
    return LLVMBuildFAdd(c->b, cg_f32(c, 0.0f), cg_tree(c, cg_result(&l, sum)), "");
}

LLVMValueRef attend_scale(const struct attend *a, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef j) {
    if (s->elem != IR_CACHE_I8) return NULL;
    return cg_load(a->k->c, a->k->c->f32, cache_scale(a->k, s, zero, j), 4);
}

/* ---- a row ---- */

static LLVMValueRef window_start(const struct attend *a) {
    int64_t window = ir_i64(a->op, IR_ATTR_window, 0);
    if (window <= 0) return i64(a, 0);
    LLVMValueRef before = LLVMBuildSub(a->k->c->b, a->pos, i64(a, (uint64_t)window - 1), "");
    return larger(a, before, i64(a, 0));
}

void attend_see(struct attend *a, const struct kern_row_at *row) {
    struct cg *c = a->k->c;
    LLVMValueRef q = kern_row(a->k, a->op->in[0], row->at[a->op->in[0]->type.rows]);
    a->q = attend_float(a, q, mul(a, a->head, a->d));
    a->slot = kern_info(a->k, row, offsetof(struct setun_row, slot));
    a->pos = kern_info(a->k, row, offsetof(struct setun_row, pos));
    a->from = window_start(a);
    a->c_from = LLVMBuildUDiv(c->b, a->from, i64(a, CHUNK), "");
    a->c_to = add(a, LLVMBuildUDiv(c->b, a->pos, i64(a, CHUNK), ""), i64(a, 1));
    LLVMValueRef kv = LLVMBuildUDiv(c->b, a->head, i64(a, a->heads / a->kv_heads), "");
    a->keys = cache_head(a->k, a->key, a->slot, kv);
    a->values = cache_head(a->k, a->value, a->slot, kv);
}

/* The epilogue on the block's heads; buffers end with a head, as the next one may be another thread's. */
void attend_finish(const struct attend *a, const struct ir_strand *s, const struct kern_row_at *row) {
    struct cg *c = a->k->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, i64(a, 0), i64(a, a->block), i64(a, 1), "head");
    struct vec v = {
        .k = a->k,
        .row = *row,
        .unit = true,
        .first = mul(a, add(a, a->head, l.i), a->d),
        .count = i64(a, a->d),
        .room = a->d,
        .exact = true,
    };
    vec_core(&v, a->op, cg_at(c, a->out, mul(a, l.i, attend_out_stride(a))));
    for (size_t i = 0; i < s->ops.n; i++) vec_op(&v, s->ops.at[i]);
    vec_finish(&v);
    cg_loop_end(c, &l);
}
