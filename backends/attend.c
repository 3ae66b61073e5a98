/*
 * attend.c -- attention: (row, query head) pairs split among threads, each in three walks over the chunks of 128
 * positions that it sees.
 *
 *   scores   s_j for 16 positions at a time, and each chunk's maximum m
 *   weights  p_j = exp(s_j - m) in place, each chunk's l, w = exp(m - M), and the sum over chunks
 *   values   64 outputs at a time in registers: each chunk's chain over j, then the chain over chunks
 *
 * Thread scratch holds a record a chunk, 144 floats: 128 scores, m at 128, w at 129.  The caches hold anything
 * behind a head's last element, so a head's last vector is cut on both sides of a product.
 */
#include <string.h>

#include "backends/vec.h"
#include "runtime/contract.h"

enum { CHUNK = SETUN_ATTEND_CHUNK, LANES = SETUN_SUM_LANES, AT_M = CHUNK, AT_W = CHUNK + 1, RECORD = 4 * (CHUNK + 16) };
enum { BYTES_PER_POSITION = 5 }; /* RECORD / CHUNK, rounded up */

struct attend {
    struct kern *k;
    const struct ir_op *op;
    uint32_t heads, d, kv_heads;
    const struct ir_state *key, *value;
    /* of the pair at hand, i64: positions from .. pos are seen, in chunks c_from .. c_to - 1 */
    LLVMValueRef head, slot, pos, from, c_from, c_to;
    LLVMValueRef q, records;
    LLVMValueRef keys, values; /* the kv head's elements in the row of position 0 */
};

/* ---- addresses and small helpers ---- */

static LLVMValueRef i64(const struct attend *a, uint64_t v) {
    return cg_i64(a->k->c, v);
}

static LLVMValueRef add(const struct attend *a, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildAdd(a->k->c->b, x, y, "");
}

static LLVMValueRef larger(const struct attend *a, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(a->k->c->b, LLVMBuildICmp(a->k->c->b, LLVMIntSGT, x, y, ""), x, y, "");
}

static LLVMValueRef smaller(const struct attend *a, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(a->k->c->b, LLVMBuildICmp(a->k->c->b, LLVMIntSLT, x, y, ""), x, y, "");
}

static enum ir_store stored_as(const struct ir_state *s) {
    return s->elem == IR_CACHE_F16 ? IR_STORE_F16 : IR_STORE_F32;
}

/* The address of position j, given that of position 0. */
static LLVMValueRef at_position(const struct attend *a, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef j) {
    struct cg *c = a->k->c;
    LLVMValueRef block = LLVMBuildMul(c->b, LLVMBuildLShr(c->b, j, i64(a, 6), ""), i64(a, c->plan->state_block_bytes), "");
    LLVMValueRef row = LLVMBuildMul(c->b, LLVMBuildAnd(c->b, j, i64(a, IR_BLOCK_POS - 1), ""), i64(a, ir_state_row_bytes(s)), "");
    return cg_at(c, zero, add(a, block, row));
}
_Static_assert(IR_BLOCK_POS == 64, "blocks are found by a shift of 6");

static LLVMValueRef record_of(const struct attend *a, LLVMValueRef chunk) {
    struct cg *c = a->k->c;
    LLVMValueRef n = LLVMBuildSub(c->b, chunk, a->c_from, "");
    return cg_at(c, a->records, LLVMBuildMul(c->b, n, i64(a, RECORD), ""));
}

/* Address of float i of a record. */
static LLVMValueRef float_at(const struct attend *a, LLVMValueRef record, LLVMValueRef i) {
    struct cg *c = a->k->c;
    return cg_at(c, record, LLVMBuildMul(c->b, i, i64(a, 4), ""));
}

static LLVMValueRef chunk_start(const struct attend *a, LLVMValueRef chunk) {
    return LLVMBuildMul(a->k->c->b, chunk, i64(a, CHUNK), "");
}

/* <n x i1>: from <= j + lane <= pos */
static LLVMValueRef visible(const struct attend *a, LLVMValueRef j, unsigned n) {
    struct cg *c = a->k->c;
    LLVMValueRef lane[LANES];
    for (unsigned i = 0; i < n; i++) lane[i] = cg_i32(c, i);
    LLVMValueRef lo = LLVMBuildTrunc(c->b, LLVMBuildSub(c->b, a->from, j, ""), c->i32, "");
    LLVMValueRef hi = LLVMBuildTrunc(c->b, LLVMBuildSub(c->b, a->pos, j, ""), c->i32, "");
    LLVMValueRef lanes = LLVMConstVector(lane, n);
    LLVMValueRef over = LLVMBuildICmp(c->b, LLVMIntSGE, lanes, cg_splat(c, lo, n), "");
    return LLVMBuildAnd(c->b, over, LLVMBuildICmp(c->b, LLVMIntSLE, lanes, cg_splat(c, hi, n), ""), "");
}

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
    for (unsigned half = CG_VL / 2; half >= 1; half /= 2) v = fmax_of(c, lanes_of(c, v, 0, half), lanes_of(c, v, half, half));
    return LLVMBuildExtractElement(c->b, v, cg_i32(c, 0), "");
}

static LLVMValueRef minus_infinity(struct cg *c) {
    return LLVMConstBitCast(cg_i32(c, 0xff800000u), c->f32);
}

/* ---- scores ---- */

/* acc of one position += 32 products from element i on, of which the first n count. */
static LLVMValueRef score_step(const struct attend *a, LLVMValueRef key, LLVMValueRef i, uint64_t n, LLVMValueRef acc) {
    struct cg *c = a->k->c;
    enum ir_store store = stored_as(a->key);
    LLVMValueRef q = cg_load(c, c->sf, float_at(a, a->q, i), 4);
    LLVMValueRef k = dot_load(c, store, cg_at(c, key, LLVMBuildMul(c->b, i, i64(a, ir_store_bytes(store)), "")), LANES);
    if (n < LANES) {
        q = dot_first_lanes(c, q, n);
        k = dot_first_lanes(c, k, n);
    }
    return cg_fma(c, q, k, acc);
}

enum { UNROLL = 8 };

/* Lane sums of two positions over elements [first, first + n) of a block of sum1024. */
static void score_pair(const struct attend *a, LLVMValueRef *key, uint64_t first, uint64_t n, LLVMValueRef *acc) {
    struct cg *c = a->k->c;
    uint64_t whole = n / LANES * LANES;
    acc[0] = acc[1] = LLVMConstNull(c->sf);
    if (whole > UNROLL * LANES) {
        struct cg_loop l;
        cg_loop_begin(c, &l, i64(a, first), i64(a, first + whole), i64(a, LANES), "sum");
        for (int p = 0; p < 2; p++) cg_carry(c, &l, acc[p]);
        for (unsigned p = 0; p < 2; p++) cg_next(&l, p, score_step(a, key[p], l.i, LANES, l.phi[p]));
        cg_loop_end(c, &l);
        for (unsigned p = 0; p < 2; p++) acc[p] = cg_result(&l, p);
    } else {
        for (uint64_t i = 0; i < whole; i += LANES)
            for (int p = 0; p < 2; p++) acc[p] = score_step(a, key[p], i64(a, first + i), LANES, acc[p]);
    }
    if (n > whole)
        for (int p = 0; p < 2; p++) acc[p] = score_step(a, key[p], i64(a, first + whole), n - whole, acc[p]);
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

/* dot(q, k_j) for the 16 positions from j on, which lie in one block of the cache. */
static LLVMValueRef dots(const struct attend *a, LLVMValueRef j) {
    struct cg *c = a->k->c;
    LLVMValueRef first_key = at_position(a, a->key, a->keys, j), total = LLVMConstNull(c->vf);
    for (uint64_t first = 0; first < a->d; first += SETUN_SUM_BLOCK) {
        uint64_t n = a->d - first < SETUN_SUM_BLOCK ? a->d - first : SETUN_SUM_BLOCK;
        LLVMValueRef part[CG_VL / 2];
        for (unsigned p = 0; p < CG_VL / 2; p++) {
            LLVMValueRef key[2], acc[2];
            for (unsigned i = 0; i < 2; i++) key[i] = cg_at_const(c, first_key, (2 * p + i) * ir_state_row_bytes(a->key));
            score_pair(a, key, first, n, acc);
            for (int i = 0; i < 2; i++)
                acc[i] = LLVMBuildFAdd(c->b, lanes_of(c, acc[i], 0, CG_VL), lanes_of(c, acc[i], CG_VL, CG_VL), "");
            part[p] = merge(c, acc[0], acc[1], CG_VL);
        }
        for (unsigned w = CG_VL / 2, left = CG_VL / 2; left > 1; w /= 2, left /= 2)
            for (unsigned p = 0; p < left / 2; p++) part[p] = merge(c, part[2 * p], part[2 * p + 1], w);
        total = LLVMBuildFAdd(c->b, total, part[0], "");
    }
    return total;
}

/* Scores and maximum of each chunk; the largest of all. */
static LLVMValueRef scores(const struct attend *a) {
    struct cg *c = a->k->c;
    struct cg_loop chunks, l;
    LLVMValueRef none = cg_splat(c, minus_infinity(c), CG_VL);
    cg_loop_begin(c, &chunks, a->c_from, a->c_to, i64(a, 1), "chunk");
    unsigned top = cg_carry(c, &chunks, minus_infinity(c));
    LLVMValueRef record = record_of(a, chunks.i), start = chunk_start(a, chunks.i);
    LLVMValueRef seen_from = LLVMBuildAnd(c->b, larger(a, start, a->from), i64(a, ~(uint64_t)(CG_VL - 1)), "");
    LLVMValueRef seen_to = smaller(a, add(a, start, i64(a, CHUNK)), add(a, a->pos, i64(a, 1)));
    cg_loop_begin(c, &l, seen_from, seen_to, i64(a, CG_VL), "score");
    unsigned best = cg_carry(c, &l, none);
    LLVMValueRef s = LLVMBuildFMul(c->b, cg_splat(c, cg_f32(c, ir_f32(a->op, IR_ATTR_scale)), CG_VL), dots(a, l.i), "");
    cg_store(c, s, float_at(a, record, LLVMBuildSub(c->b, l.i, start, "")), 4);
    LLVMValueRef seen = LLVMBuildSelect(c->b, visible(a, l.i, CG_VL), s, none, "");
    cg_next(&l, best, fmax_of(c, seen, l.phi[best]));
    cg_loop_end(c, &l);
    LLVMValueRef m = largest(c, cg_result(&l, best));
    cg_store(c, m, cg_at_const(c, record, 4 * AT_M), 4);
    cg_next(&chunks, top, fmax_of(c, m, chunks.phi[top]));
    cg_loop_end(c, &chunks);
    return cg_result(&chunks, top);
}

/* ---- weights ---- */

/* Scores of a chunk become p_j; gives l = sum1024 of them. */
static LLVMValueRef chunk_weights(const struct attend *a, LLVMValueRef record, LLVMValueRef start, LLVMValueRef m) {
    struct cg *c = a->k->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, i64(a, 0), i64(a, CHUNK), i64(a, LANES), "weight");
    unsigned sum = cg_carry(c, &l, LLVMConstNull(c->sf));
    LLVMValueRef at = float_at(a, record, l.i);
    LLVMValueRef seen = visible(a, add(a, start, l.i), LANES);
    /* What was not computed is not read as a number. */
    LLVMValueRef s = LLVMBuildSelect(c->b, seen, cg_load(c, c->sf, at, 4), LLVMConstNull(c->sf), "");
    LLVMValueRef p = cg_exp(c, LLVMBuildFSub(c->b, s, cg_splat(c, m, LANES), ""));
    p = LLVMBuildSelect(c->b, seen, p, LLVMConstNull(c->sf), "");
    cg_store(c, p, at, 4);
    cg_next(&l, sum, LLVMBuildFAdd(c->b, l.phi[sum], p, ""));
    cg_loop_end(c, &l);
    return LLVMBuildFAdd(c->b, cg_f32(c, 0.0f), cg_tree(c, cg_result(&l, sum)), "");
}

/* Gives the sum that results are divided by. */
static LLVMValueRef weights(const struct attend *a, LLVMValueRef top) {
    struct cg *c = a->k->c;
    struct cg_loop chunks;
    cg_loop_begin(c, &chunks, a->c_from, a->c_to, i64(a, 1), "chunk");
    unsigned sum = cg_carry(c, &chunks, cg_f32(c, 0.0f));
    LLVMValueRef record = record_of(a, chunks.i);
    LLVMValueRef m = cg_load(c, c->f32, cg_at_const(c, record, 4 * AT_M), 4);
    LLVMValueRef w = cg_exp(c, LLVMBuildFSub(c->b, m, top, ""));
    LLVMValueRef l = chunk_weights(a, record, chunk_start(a, chunks.i), m);
    cg_store(c, w, cg_at_const(c, record, 4 * AT_W), 4);
    cg_next(&chunks, sum, cg_fma(c, w, l, chunks.phi[sum]));
    cg_loop_end(c, &chunks);
    return cg_result(&chunks, sum);
}

/* ---- values ---- */

enum { MAX_VECTORS = 4 };

static LLVMValueRef value_at(const struct attend *a, LLVMValueRef row, uint64_t i) {
    enum ir_store store = stored_as(a->value);
    return dot_load(a->k->c, store, cg_at_const(a->k->c, row, i * ir_store_bytes(store)), CG_VL);
}

/* o_c of outputs [first, first + 16 n): fma(p_j, v_j, o) over the chunk's visible j. */
static void chunk_values(const struct attend *a, LLVMValueRef chunk, LLVMValueRef record, uint64_t first, unsigned n,
                         LLVMValueRef *o) {
    struct cg *c = a->k->c;
    LLVMValueRef start = chunk_start(a, chunk), from = larger(a, start, a->from);
    LLVMValueRef to = smaller(a, add(a, start, i64(a, CHUNK)), add(a, a->pos, i64(a, 1)));
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, i64(a, 1), "value");
    for (unsigned i = 0; i < n; i++) cg_carry(c, &l, LLVMConstNull(c->vf));
    LLVMValueRef p = cg_load(c, c->f32, float_at(a, record, LLVMBuildSub(c->b, l.i, start, "")), 4);
    LLVMValueRef row = at_position(a, a->value, a->values, l.i);
    for (unsigned i = 0; i < n; i++)
        cg_next(&l, i, cg_fma(c, cg_splat(c, p, CG_VL), value_at(a, row, first + CG_VL * i), l.phi[i]));
    cg_loop_end(c, &l);
    for (unsigned i = 0; i < n; i++) o[i] = cg_result(&l, i);
}

static void values(const struct attend *a, LLVMValueRef sum, LLVMValueRef out) {
    struct cg *c = a->k->c;
    for (uint64_t first = 0; first < a->d; first += MAX_VECTORS * CG_VL) {
        unsigned n = (unsigned)((a->d - first + CG_VL - 1) / CG_VL);
        if (n > MAX_VECTORS) n = MAX_VECTORS;
        struct cg_loop chunks;
        LLVMValueRef part[MAX_VECTORS];
        cg_loop_begin(c, &chunks, a->c_from, a->c_to, i64(a, 1), "chunk");
        for (unsigned i = 0; i < n; i++) cg_carry(c, &chunks, LLVMConstNull(c->vf));
        LLVMValueRef record = record_of(a, chunks.i);
        LLVMValueRef w = cg_splat(c, cg_load(c, c->f32, cg_at_const(c, record, 4 * AT_W), 4), CG_VL);
        chunk_values(a, chunks.i, record, first, n, part);
        for (unsigned i = 0; i < n; i++) cg_next(&chunks, i, cg_fma(c, w, part[i], chunks.phi[i]));
        cg_loop_end(c, &chunks);
        for (unsigned i = 0; i < n; i++) {
            LLVMValueRef y = LLVMBuildFDiv(c->b, cg_result(&chunks, i), cg_splat(c, sum, CG_VL), "");
            cg_store(c, y, cg_at_const(c, out, 4 * (first + CG_VL * i)), 4);
        }
    }
}

/* ---- pairs ---- */

static LLVMValueRef window_start(const struct attend *a) {
    int64_t window = ir_i64(a->op, IR_ATTR_window, 0);
    if (window <= 0) return i64(a, 0);
    LLVMValueRef before = LLVMBuildSub(a->k->c->b, a->pos, i64(a, (uint64_t)window - 1), "");
    return larger(a, before, i64(a, 0));
}

/* The address of the kv head's elements in the row of position 0. */
static LLVMValueRef first_row(const struct attend *a, const struct ir_state *s) {
    struct cg *c = a->k->c;
    LLVMValueRef kv = LLVMBuildUDiv(c->b, a->head, i64(a, a->heads / a->kv_heads), "");
    LLVMValueRef off = LLVMBuildMul(c->b, kv, i64(a, (uint64_t)a->d * ir_store_bytes(stored_as(s))), "");
    return cg_at(c, kern_state_block(a->k, s, a->slot, i64(a, 0)), off);
}

static void see(struct attend *a, const struct kern_row_at *row) {
    struct cg *c = a->k->c;
    LLVMValueRef q = kern_row(a->k, a->op->in[0], row->at[a->op->in[0]->type.rows]);
    a->q = float_at(a, q, LLVMBuildMul(c->b, a->head, i64(a, a->d), ""));
    a->slot = kern_info(a->k, row, offsetof(struct setun_row, slot));
    a->pos = kern_info(a->k, row, offsetof(struct setun_row, pos));
    a->from = window_start(a);
    a->c_from = LLVMBuildUDiv(c->b, a->from, i64(a, CHUNK), "");
    a->c_to = add(a, LLVMBuildUDiv(c->b, a->pos, i64(a, CHUNK), ""), i64(a, 1));
    a->keys = first_row(a, a->key);
    a->values = first_row(a, a->value);
}

/* Records for every chunk of the context; the first and last may be seen in part. */
static LLVMValueRef records(struct kern *k) {
    struct cg *c = k->c;
    if (c->scratch_per_position < BYTES_PER_POSITION) c->scratch_per_position = BYTES_PER_POSITION;
    return kern_scratch(k, 2 * RECORD);
}
_Static_assert(RECORD <= BYTES_PER_POSITION * CHUNK, "records fit the scratch of their positions");

/* The epilogue on one head; buffers end with the head, as the next one may be another thread's. */
static void finish(struct attend *a, const struct ir_strand *s, const struct kern_row_at *row, LLVMValueRef out) {
    struct cg *c = a->k->c;
    struct vec v = {
        .k = a->k,
        .row = *row,
        .unit = true,
        .first = LLVMBuildMul(c->b, a->head, i64(a, a->d), ""),
        .count = i64(a, a->d),
        .room = a->d,
        .exact = true,
    };
    vec_core(&v, a->op, out);
    for (size_t i = 0; i < s->ops.n; i++) vec_op(&v, s->ops.at[i]);
    vec_finish(&v);
}

/* Pairs are numbered kv head by kv head, so that a thread walks one kv head's part of the caches for all its rows and
 * query heads before the next; in a kv head row by row.  Gives the row, sets the head. */
static LLVMValueRef split_pair(struct attend *a, LLVMValueRef pair, LLVMValueRef n_rows) {
    LLVMBuilderRef b = a->k->c->b;
    LLVMValueRef group = i64(a, a->heads / a->kv_heads), of_kv = LLVMBuildMul(b, n_rows, group, "");
    LLVMValueRef kv = LLVMBuildUDiv(b, pair, of_kv, ""), rest = LLVMBuildURem(b, pair, of_kv, "");
    a->head = add(a, LLVMBuildMul(b, kv, group, ""), LLVMBuildURem(b, rest, group, ""));
    return LLVMBuildUDiv(b, rest, group, "");
}

void attend_emit(struct kern *k, const struct ir_strand *s) {
    struct cg *c = k->c;
    const struct ir_op *op = s->cores.at[0];
    if (s->cores.n != 1) BUG("attention shares an epilogue with another core");
    const struct ir_type *q = &op->in[0]->type;
    struct attend a = {.k = k, .op = op, .heads = q->dim[0], .d = q->dim[1], .kv_heads = op->in[1]->type.dim[0]};
    a.key = kern_state(op->in[1]);
    a.value = kern_state(op->in[2]);
    uint64_t used = k->used;
    LLVMValueRef out = kern_scratch(k, 4 * ((uint64_t)a.d + 2 * IR_LANES)), from, to;
    a.records = records(k);
    kern_share(k, LLVMBuildMul(c->b, k->n[q->rows], i64(&a, a.heads), ""), &from, &to);
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, i64(&a, 1), "pair");
    struct kern_row_at row = kern_row_at(k, q->rows, split_pair(&a, l.i, k->n[q->rows]));
    see(&a, &row);
    LLVMValueRef top = scores(&a);
    values(&a, weights(&a, top), out);
    finish(&a, s, &row, out);
    cg_loop_end(c, &l);
    k->used = used;
}
