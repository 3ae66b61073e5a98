/*
 * attend_few.c -- attention of few rows, one after the other: what a row sees is cut into (kv head, chunk of 128
 * positions), all of which the threads share evenly, however many heads there are.
 *
 *   for row
 *       for kv head, chunk of the thread's share
 *           for block of query heads:   scores s, weights p, l, values o -> the record of (query head, chunk)
 *       of each kv head, the thread that ends its last chunk:   M, w; l and o over the chunks; the epilogue
 *
 * A block is up to 4 query heads that read the same kv head, so that a key or value is loaded and widened once for all
 * of them; a chunk stays in the cache for the next block.  Records lie where all threads see them, and so does the
 * number of chunks that are done, so that no thread waits for another one.  A record is o, then m, l and w.
 *
 * More rows than there are records for are split as pairs of row and kv head, whose records are the thread's own.
 */
#include "backends/kernel/attend.h"
#include "backends/kernel/cache.h"

enum { SPLIT_ROWS = 4 };
enum { AT_RECORD_M, AT_RECORD_L, AT_RECORD_W }; /* behind the outputs */
enum { LINE = 64 };                             /* a counter has one of its own */

struct few {
    struct attend a;
    const struct ir_strand *strand;
    uint32_t group;                    /* query heads of a kv head */
    unsigned block;                    /* query heads of a block; the last one may be shorter */
    LLVMValueRef n_rows, split, room;  /* split: i1; room: chunks that a head has records for */
    LLVMValueRef shared, own;          /* records */
    struct kern_row_at row;            /* at hand */
    LLVMValueRef item, kv, records, n; /* kv head, its records, chunks that the row sees */
};

static struct cg *cg(const struct few *f) { return f->a.k->c; }
static LLVMValueRef n64(const struct few *f, uint64_t v) { return cg_i64(cg(f), v); }
static LLVMValueRef sub(const struct few *f, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSub(cg(f)->b, x, y, "");
}
static LLVMValueRef times(const struct few *f, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildMul(cg(f)->b, x, y, "");
}
static LLVMValueRef pick(const struct few *f, LLVMValueRef cond, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(cg(f)->b, cond, x, y, "");
}
static LLVMValueRef less(const struct few *f, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildICmp(cg(f)->b, LLVMIntSLT, x, y, "");
}

/* ---- records ---- */

static uint64_t outputs(const struct few *f) { return (f->a.d + CG_VL - 1) / CG_VL * CG_VL; }
static uint64_t record_bytes(const struct few *f) { return 4 * (outputs(f) + CG_VL); }

/* Of a query head of the kv head (i64) and a chunk, counted from the first that is seen. */
static LLVMValueRef record(const struct few *f, LLVMValueRef head, LLVMValueRef chunk) {
    LLVMValueRef i = add(&f->a, times(f, head, f->room), chunk);
    return cg_at(cg(f), f->records, mul(&f->a, i, record_bytes(f)));
}

static LLVMValueRef number(const struct few *f, LLVMValueRef rec, unsigned which) {
    return cg_at_const(cg(f), rec, 4 * (outputs(f) + which));
}

/* Records of `heads` query heads for all chunks of the context: so many bytes, and so many a position. */
static uint64_t first_bytes(const struct few *f, uint64_t heads) { return heads * record_bytes(f); }
static uint64_t position_bytes(const struct few *f, uint64_t heads) {
    return (heads * record_bytes(f) + CHUNK - 1) / CHUNK;
}

/* ---- a chunk and a block of heads ---- */

static void weights(const struct few *f, LLVMValueRef chunk, LLVMValueRef first) {
    struct cg *c = cg(f);
    const struct attend *a = &f->a;
    struct cg_loop l;
    LLVMValueRef start = mul(a, chunk, CHUNK), rel = sub(f, chunk, a->c_from);
    cg_loop_begin(c, &l, n64(f, 0), n64(f, a->block), n64(f, 1), "head");
    LLVMValueRef scores = cg_at(c, a->scores, mul(a, l.i, RECORD)), rec = record(f, add(a, first, l.i), rel);
    LLVMValueRef m = attend_chunk_max(a, scores, start);
    cg_store(c, m, number(f, rec, AT_RECORD_M), 4);
    cg_store(c, attend_chunk_weights(a, scores, start, m), number(f, rec, AT_RECORD_L), 4);
    cg_loop_end(c, &l);
}

/* Outputs [i, i + 16 n) of the block: o = chain of fma(p_j, v_j, o) over the positions that are seen. */
static void some_values(const struct few *f, LLVMValueRef chunk, LLVMValueRef first, uint64_t from, unsigned n) {
    struct cg *c = cg(f);
    const struct attend *a = &f->a;
    struct attend_span span = attend_chunk(a, chunk);
    struct cg_loop l;
    LLVMValueRef v[MAX_VECTORS];
    uint64_t bytes = ir_elem_bytes(a->value->elem);
    cg_loop_begin(c, &l, span.from, span.to, n64(f, 1), "value");
    for (unsigned i = 0; i < n * a->block; i++) cg_carry(c, &l, LLVMConstNull(c->vf));
    LLVMValueRef p_at = attend_float(a, a->scores, sub(f, l.i, span.start));
    LLVMValueRef row = cache_position(a->k, a->value, a->values, l.i);
    LLVMValueRef later = cache_position(a->k, a->value, a->values, add(a, l.i, n64(f, ATTEND_AHEAD)));
    LLVMValueRef scale = attend_scale(a, a->value, a->values, l.i);
    attend_fetch(a, cg_at_const(c, later, from * bytes), n * CG_VL * bytes);
    if (from == 0) attend_fetch_scale(a, a->value, a->values, add(a, l.i, n64(f, ATTEND_AHEAD)));
    for (unsigned i = 0; i < n; i++)
        v[i] = cache_load(c, a->value, cg_at_const(c, row, (from + CG_VL * i) * bytes), CG_VL, scale);
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef p = cg_splat(c, cg_load(c, c->f32, cg_at_const(c, p_at, (uint64_t)RECORD * h), 4), CG_VL);
        for (unsigned i = 0; i < n; i++) cg_next(&l, h * n + i, cg_fma(c, p, v[i], l.phi[h * n + i]));
    }
    cg_loop_end(c, &l);
    for (unsigned h = 0; h < a->block; h++) {
        LLVMValueRef rec = record(f, add(a, first, n64(f, h)), sub(f, chunk, a->c_from));
        for (unsigned i = 0; i < n; i++)
            cg_store(c, cg_result(&l, h * n + i), cg_at_const(c, rec, 4 * (from + CG_VL * i)), 4);
    }
}

/* Query heads [first, first + block) of the kv head. */
static void block_chunk(const struct few *of, unsigned block, LLVMValueRef chunk, LLVMValueRef first) {
    struct few f = *of;
    struct attend *a = &f.a;
    a->block = block;
    if (block == 1) a->at_once = 2;
    a->q = attend_float(a, a->q, mul(a, first, a->d));
    attend_scores(a, chunk);
    weights(&f, chunk, first);
    for (uint64_t i = 0; i < a->d; i += (uint64_t)a->vectors * CG_VL) {
        uint64_t left = (a->d - i + CG_VL - 1) / CG_VL;
        some_values(&f, chunk, first, i, left < a->vectors ? (unsigned)left : a->vectors);
    }
}

static void one_chunk(const struct few *f, LLVMValueRef chunk) {
    struct cg *c = cg(f);
    struct cg_loop l;
    unsigned rest = f->group % f->block;
    if (f->group > f->block) {
        cg_loop_begin(c, &l, n64(f, 0), n64(f, f->group - rest), n64(f, f->block), "block");
        block_chunk(f, f->block, chunk, l.i);
        cg_loop_end(c, &l);
        if (rest) block_chunk(f, rest, chunk, n64(f, f->group - rest));
    } else {
        block_chunk(f, f->block, chunk, n64(f, 0));
    }
}

/* ---- a head over its chunks ---- */

static LLVMValueRef top_of(const struct few *f, LLVMValueRef head) {
    struct cg *c = cg(f);
    struct cg_loop l;
    cg_loop_begin(c, &l, n64(f, 0), f->n, n64(f, 1), "chunk");
    unsigned top = cg_carry(c, &l, LLVMConstBitCast(cg_i32(c, 0xff800000u), c->f32));
    LLVMValueRef m = cg_load(c, c->f32, number(f, record(f, head, l.i), AT_RECORD_M), 4);
    cg_next(&l, top, pick(f, LLVMBuildFCmp(c->b, LLVMRealOGT, m, l.phi[top], ""), m, l.phi[top]));
    cg_loop_end(c, &l);
    return cg_result(&l, top);
}

/* w of each chunk; gives the sum of weights. */
static LLVMValueRef factors(const struct few *f, LLVMValueRef head, LLVMValueRef top) {
    struct cg *c = cg(f);
    struct cg_loop l;
    cg_loop_begin(c, &l, n64(f, 0), f->n, n64(f, 1), "chunk");
    unsigned sum = cg_carry(c, &l, cg_f32(c, 0.0f));
    LLVMValueRef rec = record(f, head, l.i), m = cg_load(c, c->f32, number(f, rec, AT_RECORD_M), 4);
    LLVMValueRef w = cg_exp(c, LLVMBuildFSub(c->b, m, top, ""));
    cg_store(c, w, number(f, rec, AT_RECORD_W), 4);
    cg_next(&l, sum, cg_fma(c, w, cg_load(c, c->f32, number(f, rec, AT_RECORD_L), 4), l.phi[sum]));
    cg_loop_end(c, &l);
    return cg_result(&l, sum);
}

/* Outputs [first, first + 16 n). */
static void some_results(const struct few *f, LLVMValueRef head, LLVMValueRef sum, uint64_t first, unsigned n) {
    struct cg *c = cg(f);
    struct cg_loop l;
    cg_loop_begin(c, &l, n64(f, 0), f->n, n64(f, 1), "chunk");
    for (unsigned i = 0; i < n; i++) cg_carry(c, &l, LLVMConstNull(c->vf));
    LLVMValueRef rec = record(f, head, l.i);
    LLVMValueRef w = cg_splat(c, cg_load(c, c->f32, number(f, rec, AT_RECORD_W), 4), CG_VL);
    for (unsigned i = 0; i < n; i++) {
        LLVMValueRef o = cg_load(c, c->vf, cg_at_const(c, rec, 4 * (first + CG_VL * i)), 4);
        cg_next(&l, i, cg_fma(c, w, o, l.phi[i]));
    }
    cg_loop_end(c, &l);
    for (unsigned i = 0; i < n; i++)
        cg_store(c, LLVMBuildFDiv(c->b, cg_result(&l, i), cg_splat(c, sum, CG_VL), ""),
                 cg_at_const(c, f->a.out, 4 * (first + CG_VL * i)), 4);
}

/* All query heads of the kv head. */
static void results(const struct few *f) {
    struct cg *c = cg(f);
    struct cg_loop l;
    struct attend one = f->a;
    cg_loop_begin(c, &l, n64(f, 0), n64(f, f->group), n64(f, 1), "head");
    LLVMValueRef sum = factors(f, l.i, top_of(f, l.i));
    for (uint64_t i = 0; i < outputs(f); i += MAX_VECTORS * CG_VL) {
        uint64_t left = (outputs(f) - i) / CG_VL;
        some_results(f, l.i, sum, i, left < MAX_VECTORS ? (unsigned)left : MAX_VECTORS);
    }
    one.block = 1;
    one.head = add(&one, f->a.head, l.i);
    attend_finish(&one, f->strand, &f->row);
    cg_loop_end(c, &l);
}

/* ---- shares ---- */

/* i1: has this thread, which did `count` chunks of the kv head, ended the last of them?  The counter is 0 again then.
 */
static LLVMValueRef ended(const struct few *f, LLVMValueRef count) {
    struct cg *c = cg(f);
    struct cg_if some, last;
    LLVMValueRef all = LLVMBuildICmp(c->b, LLVMIntEQ, count, f->n, "");
    cg_if_begin(c, &some, LLVMBuildNot(c->b, all, ""));
    LLVMValueRef at = cg_at(c, f->a.k->shared, mul(&f->a, add(&f->a, mul(&f->a, f->item, f->a.kv_heads), f->kv), LINE));
    LLVMValueRef before =
        LLVMBuildAtomicRMW(c->b, LLVMAtomicRMWBinOpAdd, at, count, LLVMAtomicOrderingAcquireRelease, false);
    LLVMValueRef now = LLVMBuildICmp(c->b, LLVMIntEQ, add(&f->a, before, count), f->n, "");
    cg_if_begin(c, &last, now);
    cg_store(c, n64(f, 0), at, 8);
    cg_if_end(c, &last);
    cg_if_end(c, &some);
    return cg_phi(c, &some, now, all);
}

/* Chunks [from, to) of the row's kv head. */
static void kv_head(struct few *f, LLVMValueRef kv, LLVMValueRef from, LLVMValueRef to) {
    struct cg *c = cg(f);
    struct attend *a = &f->a;
    struct cg_loop l;
    struct cg_if last;
    f->kv = kv;
    a->head = mul(a, kv, f->group);
    attend_see(a, &f->row);
    LLVMValueRef all = mul(a, f->room, f->group * record_bytes(f));
    LLVMValueRef of = add(a, mul(a, f->item, a->kv_heads), kv);
    f->records = pick(f, f->split, cg_at(c, f->shared, times(f, of, all)), f->own);
    cg_loop_begin(c, &l, from, to, n64(f, 1), "chunk");
    one_chunk(f, add(a, a->c_from, l.i));
    cg_loop_end(c, &l);
    cg_if_begin(c, &last, ended(f, sub(f, to, from)));
    results(f);
    cg_if_end(c, &last);
}

/* Item i: a row, of which the thread has a share; or a pair of kv head and row, rows of a kv head one after the other.
 */
static void item(struct few *f, LLVMValueRef i) {
    struct cg *c = cg(f);
    struct attend *a = &f->a;
    struct cg_loop l;
    LLVMValueRef lo, hi;
    f->item = i;
    LLVMValueRef row = pick(f, f->split, i, LLVMBuildURem(c->b, i, f->n_rows, ""));
    f->row = kern_row_at(a->k, a->op->in[0]->type.rows, row);
    a->head = n64(f, 0);
    attend_see(a, &f->row);
    f->n = sub(f, a->c_to, a->c_from);
    kern_share(a->k, mul(a, f->n, a->kv_heads), &lo, &hi);
    LLVMValueRef pair = times(f, LLVMBuildUDiv(c->b, i, f->n_rows, ""), f->n);
    lo = pick(f, f->split, lo, pair);
    hi = pick(f, f->split, hi, add(a, pair, f->n));
    LLVMValueRef from = LLVMBuildUDiv(c->b, lo, f->n, "");
    LLVMValueRef to = LLVMBuildUDiv(c->b, sub(f, add(a, hi, f->n), n64(f, 1)), f->n, "");
    cg_loop_begin(c, &l, from, pick(f, less(f, lo, hi), to, from), n64(f, 1), "kv");
    LLVMValueRef base = times(f, l.i, f->n), begin = sub(f, lo, base), end = sub(f, hi, base);
    begin = pick(f, less(f, begin, n64(f, 0)), n64(f, 0), begin);
    kv_head(f, l.i, begin, pick(f, less(f, f->n, end), f->n, end));
    cg_loop_end(c, &l);
}

/* Counters of all attention of the module, in front of the records. */
static uint64_t counter_bytes(const struct ir_module *m) {
    uint64_t most = 0;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op))
            if (op->code == IR_OP_attend && op->in[1]->type.dim[0] > most) most = op->in[1]->type.dim[0];
    return most * SPLIT_ROWS * LINE;
}

static void take_room(struct few *f) {
    struct cg *c = cg(f);
    struct kern *k = f->a.k;
    uint64_t counters = counter_bytes(c->ir), rows = (uint64_t)SPLIT_ROWS * f->a.heads;
    uint64_t all = counters + first_bytes(f, rows);
    if (c->shared_bytes < all) c->shared_bytes = all;
    if (c->shared_per_position < position_bytes(f, rows)) c->shared_per_position = position_bytes(f, rows);
    f->shared = cg_at_const(c, k->shared, counters);
    /* at the end of the thread's scratch */
    if (c->scratch_per_position < position_bytes(f, f->group)) c->scratch_per_position = position_bytes(f, f->group);
    LLVMValueRef stride = cg_ctx(c, k->ctx, c->i64, offsetof(struct setun_step, scratch_stride));
    f->own = cg_at(c, k->scratch, sub(f, stride, mul(&f->a, f->room, first_bytes(f, f->group))));
}

/* The whole group, or blocks of equal length, or as large as can be and a rest. */
static unsigned block_of(uint32_t group, unsigned most) {
    if (group <= most) return group;
    for (unsigned b = most; b > 2; b--)
        if (group % b == 0) return b;
    return most;
}

void attend_few(const struct attend *a, const struct ir_strand *s) {
    struct kern *k = a->k;
    struct cg *c = k->c;
    struct few f = {.a = *a, .strand = s, .group = a->heads / a->kv_heads, .n_rows = k->n[a->op->in[0]->type.rows]};
    struct cg_loop l;
    LLVMValueRef from, to;
    f.block = block_of(f.group, a->most);
    f.split = LLVMBuildICmp(c->b, LLVMIntULE, f.n_rows, n64(&f, SPLIT_ROWS), "");
    LLVMValueRef positions =
        LLVMBuildZExt(c->b, cg_ctx(c, k->ctx, c->i32, offsetof(struct setun_step, positions)), c->i64, "");
    f.room = add(a, LLVMBuildUDiv(c->b, positions, n64(&f, CHUNK), ""), n64(&f, 1));
    take_room(&f);
    kern_share(k, mul(a, f.n_rows, a->kv_heads), &from, &to);
    cg_loop_begin(c, &l, pick(&f, f.split, n64(&f, 0), from), pick(&f, f.split, f.n_rows, to), n64(&f, 1), "item");
    item(&f, l.i);
    cg_loop_end(c, &l);
    kern_scratch(k, first_bytes(&f, f.group)); /* behind all else: what `own` has beside its share of the positions */
}
