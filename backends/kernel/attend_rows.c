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
#include "backends/kernel/attend_rows.h"
#include "backends/kernel/dot.h"

enum { KEPT_BYTES = 1 << 20, LEAST_QUERIES = 16 };

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
    attend_load_keys(b, start, from, to);
    attend_load_values(b, start, from, to);
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
    attend_score_function(&b);
    b.value_fn[0] = attend_value_function(&b, b.width);
    if (b.outputs / CG_VL % b.width) b.value_fn[1] = attend_value_function(&b, (unsigned)(b.outputs / CG_VL % b.width));
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
