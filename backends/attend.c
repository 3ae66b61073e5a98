/*
 * attend.c -- attention: (row, block of query heads) pairs split among threads.  A block is up to 4 heads that read
 * the same kv head, so that a key or value is loaded and widened once for all of them.  Many rows are attend_rows.c's;
 * here each walks alone, three times over the chunks of 128 positions that it sees:
 *
 *   scores   s_j for 16 positions at a time, and each chunk's maximum m
 *   weights  p_j = exp(s_j - m) in place, each chunk's l, w = exp(m - M), and the sum over chunks
 *   values   up to 64 outputs at a time in registers: each chunk's chain over j, then the chain over chunks
 *
 * Thread scratch holds a record a chunk and head, 144 floats: 128 scores, m at 128, w at 129.  The caches hold anything
 * behind a head's last element, so a head's last vector is cut on both sides of a product.
 */
#include "backends/attend.h"
#include "backends/vec.h"

/* ---- addresses ---- */

LLVMValueRef attend_record(const struct attend *a, LLVMValueRef chunk) {
    LLVMValueRef n = LLVMBuildSub(a->k->c->b, chunk, a->c_from, "");
    return cg_at(a->k->c, a->records, mul(a, n, (uint64_t)RECORD * a->block));
}

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

uint64_t attend_out_stride(const struct attend *a) { return 4 * ((uint64_t)a->d + 2 * IR_LANES); }

/* ---- weights ---- */

/* Scores of a chunk become p_j; gives l = sum1024 of them. */
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

/* The chunks of one head, whose records are `offset` bytes behind the first head's; gives the sum of weights. */
static LLVMValueRef head_weights(const struct attend *a, LLVMValueRef offset, LLVMValueRef top) {
    struct cg *c = a->k->c;
    struct cg_loop chunks;
    cg_loop_begin(c, &chunks, a->c_from, a->c_to, i64(a, 1), "chunk");
    unsigned sum = cg_carry(c, &chunks, cg_f32(c, 0.0f));
    LLVMValueRef record = cg_at(c, attend_record(a, chunks.i), offset);
    LLVMValueRef m = cg_load(c, c->f32, cg_at_const(c, record, 4 * AT_M), 4);
    LLVMValueRef w = cg_exp(c, LLVMBuildFSub(c->b, m, top, ""));
    LLVMValueRef l = attend_chunk_weights(a, record, mul(a, chunks.i, CHUNK), m);
    cg_store(c, w, cg_at_const(c, record, 4 * AT_W), 4);
    cg_next(&chunks, sum, cg_fma(c, w, l, chunks.phi[sum]));
    cg_loop_end(c, &chunks);
    return cg_result(&chunks, sum);
}

static void weights(const struct attend *a) {
    struct cg *c = a->k->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, i64(a, 0), i64(a, a->block), i64(a, 1), "head");
    LLVMValueRef top = cg_load(c, c->f32, attend_float(a, a->tops, l.i), 4);
    LLVMValueRef sum = head_weights(a, mul(a, l.i, RECORD), top);
    cg_store(c, sum, attend_float(a, a->sums, l.i), 4);
    cg_loop_end(c, &l);
}

/* ---- values ---- */

LLVMValueRef attend_scale(const struct attend *a, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef j) {
    if (s->elem != IR_CACHE_I8) return NULL;
    return cg_load(a->k->c, a->k->c->f32, cache_scale(a->k, s, zero, j), 4);
}

/* o_c[head][vector] of outputs [first, first + 16 n): fma(p_j, v_j, o) over the chunk's visible j. */
static void chunk_values(const struct attend *a, LLVMValueRef chunk, LLVMValueRef record, uint64_t first, unsigned n,
                         LLVMValueRef *o) {
    struct cg *c = a->k->c;
    struct attend_span span = attend_chunk(a, chunk);
    struct cg_loop l;
    LLVMValueRef v[MAX_VECTORS];
    cg_loop_begin(c, &l, span.from, span.to, i64(a, 1), "value");
    for (unsigned i = 0; i < n * a->block; i++) cg_carry(c, &l, LLVMConstNull(c->vf));
    LLVMValueRef p_at = attend_float(a, record, LLVMBuildSub(c->b, l.i, span.start, ""));
    LLVMValueRef row = cache_position(a->k, a->value, a->values, l.i);
    LLVMValueRef later = cache_position(a->k, a->value, a->values, add(a, l.i, i64(a, ATTEND_AHEAD)));
    LLVMValueRef scale = attend_scale(a, a->value, a->values, l.i);
    uint64_t bytes = ir_elem_bytes(a->value->elem);
    attend_fetch(a, cg_at_const(c, later, first * bytes), n * CG_VL * bytes);
    for (unsigned i = 0; i < n; i++)
        v[i] = cache_load(c, a->value, cg_at_const(c, row, (first + CG_VL * i) * bytes), CG_VL, scale);
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef p = cg_splat(c, cg_load(c, c->f32, cg_at_const(c, p_at, (uint64_t)RECORD * h), 4), CG_VL);
        for (unsigned i = 0; i < n; i++) cg_next(&l, h * n + i, cg_fma(c, p, v[i], l.phi[h * n + i]));
    }
    cg_loop_end(c, &l);
    for (unsigned i = 0; i < n * a->block; i++) o[i] = cg_result(&l, i);
}

/* Outputs [first, first + 16 n) of all heads of the block. */
static void some_values(const struct attend *a, uint64_t first, unsigned n) {
    struct cg *c = a->k->c;
    struct cg_loop chunks;
    LLVMValueRef part[MAX_BLOCK * MAX_VECTORS];
    cg_loop_begin(c, &chunks, a->c_from, a->c_to, i64(a, 1), "chunk");
    for (unsigned i = 0; i < n * a->block; i++) cg_carry(c, &chunks, LLVMConstNull(c->vf));
    LLVMValueRef record = attend_record(a, chunks.i);
    chunk_values(a, chunks.i, record, first, n, part);
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef w = cg_load(c, c->f32, cg_at_const(c, record, (uint64_t)RECORD * h + 4 * AT_W), 4);
        for (unsigned i = h * n; i < (h + 1) * n; i++)
            cg_next(&chunks, i, cg_fma(c, cg_splat(c, w, CG_VL), part[i], chunks.phi[i]));
    }
    cg_loop_end(c, &chunks);
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef sum = cg_splat(c, cg_load(c, c->f32, cg_at_const(c, a->sums, 4 * h), 4), CG_VL);
        for (unsigned i = 0; i < n; i++) {
            LLVMValueRef y = LLVMBuildFDiv(c->b, cg_result(&chunks, h * n + i), sum, "");
            cg_store(c, y, cg_at_const(c, a->out, h * attend_out_stride(a) + 4 * (first + CG_VL * i)), 4);
        }
    }
}

static void values(const struct attend *a) {
    for (uint64_t first = 0; first < a->d; first += a->vectors * CG_VL) {
        uint64_t left = (a->d - first + CG_VL - 1) / CG_VL;
        some_values(a, first, left < a->vectors ? (unsigned)left : a->vectors);
    }
}

/* ---- pairs ---- */

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

/* Records for every chunk of the context; the first and last may be seen in part. */
static LLVMValueRef records(struct kern *k, unsigned block) {
    struct cg *c = k->c;
    uint64_t per_position = (uint64_t)BYTES_PER_POSITION * block;
    if (c->scratch_per_position < per_position) c->scratch_per_position = per_position;
    return kern_scratch(k, (uint64_t)2 * RECORD * block);
}
_Static_assert(RECORD <= BYTES_PER_POSITION * CHUNK, "records fit the scratch of their positions");

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

/* Pairs are numbered kv head by kv head, so that a thread walks one kv head's part of the caches for all its rows and
 * query heads before the next; in a kv head row by row.  Gives the row, sets the head. */
static LLVMValueRef split_pair(struct attend *a, LLVMValueRef pair, LLVMValueRef n_rows) {
    LLVMBuilderRef b = a->k->c->b;
    uint32_t group = a->heads / a->kv_heads;
    LLVMValueRef blocks = i64(a, group / a->block), of_kv = LLVMBuildMul(b, n_rows, blocks, "");
    LLVMValueRef kv = LLVMBuildUDiv(b, pair, of_kv, ""), rest = LLVMBuildURem(b, pair, of_kv, "");
    LLVMValueRef in_group = mul(a, LLVMBuildURem(b, rest, blocks, ""), a->block);
    a->head = add(a, mul(a, kv, group), in_group);
    return LLVMBuildUDiv(b, rest, blocks, "");
}

/* Sums in flight are 2 registers each of AVX-512's 32, 4 of AVX2's 16; outputs 1 and 2. */
static void choose_block(struct attend *a) {
    bool wide = a->k->c->level->needs & SETUN_F_V4;
    uint32_t group = a->heads / a->kv_heads;
    for (a->block = wide ? MAX_BLOCK : 2; group % a->block;) a->block--;
    a->at_once = wide || a->block == 1 ? 2 : 1;
    a->vectors = wide ? MAX_VECTORS : MAX_VECTORS / a->block;
}

void attend_emit(struct kern *k, const struct ir_strand *s) {
    struct cg *c = k->c;
    const struct ir_op *op = s->cores.at[0];
    if (s->cores.n != 1) BUG("attention shares an epilogue with another core");
    LLVMMetadataRef was = cg_line(c, op->loc.line);
    const struct ir_type *q = &op->in[0]->type;
    struct attend a = {.k = k, .op = op, .heads = q->dim[0], .d = q->dim[1], .kv_heads = op->in[1]->type.dim[0]};
    a.key = kern_state(op->in[1]);
    a.value = kern_state(op->in[2]);
    choose_block(&a);
    uint64_t used = k->used;
    LLVMValueRef from, to, n_rows = k->n[q->rows];
    a.out = kern_scratch(k, attend_out_stride(&a) * a.block);
    a.tops = kern_scratch(k, 4 * MAX_BLOCK);
    a.sums = kern_scratch(k, 4 * MAX_BLOCK);
    a.partial = kern_scratch(k, attend_partial(&a) * a.block);
    a.records = records(k, a.block);
    kern_share(k, LLVMBuildMul(c->b, n_rows, i64(&a, a.heads / a.block), ""), &from, &to);
    struct cg_if many;
    cg_if_begin(c, &many, attend_rows_wanted(&a, n_rows));
    attend_rows(&a, s, from, to, n_rows);
    cg_else(c, &many);
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, i64(&a, 1), "pair");
    struct kern_row_at row = kern_row_at(k, q->rows, split_pair(&a, l.i, n_rows));
    attend_see(&a, &row);
    attend_scores(&a);
    weights(&a);
    values(&a);
    attend_finish(&a, s, &row);
    cg_loop_end(c, &l);
    cg_if_end(c, &many);
    cg_line_back(c, was);
    k->used = used;
}
