/*
 * core_i2.c -- two bits a weight: the form for one row of activations; many rows take the planes as they lie.
 *
 * A tile is a stream of MM_STEP bytes a step (codec/i2_64.c), read once from memory; nothing is kept but one
 * accumulator a plane and vector.
 *
 *   for tile, as several runs side by side if it comes from memory
 *       acc[chain][plane][vector] = 0
 *       for step of K/4 (unrolled):   w = load tile; x = 4 codes in every lane
 *                                     acc[plane] = dot(acc[plane], field(w, plane), x)
 *       sum over chains, undo the scales, minus sum(q), store 64 sums
 *
 * With scales of groups the same is done group by group, and what is kept from group to group is 64 floats:
 *   y = fma(float(sums of the group), alpha of the group, y).
 */
#include "backends/core/core.h"
#include "backends/core/matmul.h"
#include "codec/i2_64.h"

/* ---- one row ---- */

enum { MAX_SETS = 2 * MM_PLANES * 2 }; /* chains x planes x vectors */

struct stream {
    struct cg *c;
    const struct mm_target *t;
    LLVMValueRef tile, codes;
    unsigned vectors, sets; /* accumulators of a chain: planes x vectors; those that go through the tile together */
    unsigned unroll;
    LLVMValueRef quad[MM_RUNS]; /* codes of four steps of each run */
    /* Steps of a run, if a tile is read as several: then step i * runs + r is step i of run r, and what is left comes
     * behind the runs; else 0. */
    uint64_t run, tile_bytes;
    unsigned runs;
    bool prefetch;
};

/* The codes of step `at`, which is number u of its run in the loop's body. */
static LLVMValueRef step_codes(struct stream *s, LLVMValueRef at, unsigned run, unsigned u, bool loop) {
    LLVMValueRef p = cg_at(s->c, s->codes, LLVMBuildShl(s->c->b, at, cg_i64(s->c, 2), ""));
    if (!loop || s->t->quad == 1) return mm_codes(s->c, p);
    if (u % s->t->quad == 0) s->quad[run] = mm_quad(s->c, p);
    return mm_codes_of(s->c, s->quad[run], u % s->t->quad);
}

/* Step number `step` + u, into the accumulators of one chain.  loop: it is one of the loop's; if there are runs, its
 * place is in one, and step is a multiple of their number. */
static void stream_step(struct stream *s, LLVMValueRef step, unsigned u, bool loop, LLVMValueRef *acc) {
    struct cg *c = s->c;
    LLVMValueRef at = LLVMBuildNSWAdd(c->b, step, cg_i64(c, u), ""), in_run = at;
    bool run = loop && s->run;
    if (run) {
        in_run = LLVMBuildUDiv(c->b, step, cg_i64(c, s->runs), "");
        in_run = LLVMBuildNSWAdd(c->b, in_run, cg_i64(c, u / s->runs), "");
        at = LLVMBuildNSWAdd(c->b, in_run, cg_i64(c, u % s->runs * s->run), "");
    }
    LLVMValueRef p = cg_at(c, s->tile, LLVMBuildShl(c->b, at, cg_i64(c, 6), ""));
    LLVMValueRef x = step_codes(s, at, run ? u % s->runs : 0, run ? u / s->runs : u, loop);
    for (unsigned v = 0; v < s->vectors; v++) {
        LLVMValueRef w = cg_load(c, mm_byte_type(c), cg_at_const(c, p, v * s->t->bytes), s->t->bytes);
        LLVMValueRef field[MM_PLANES] = {NULL};
        mm_split(c, &s->t->stream, w, field);
        for (unsigned i = 0; i < MM_PLANES; i++)
            acc[v * MM_PLANES + i] = s->t->dot(c, acc[v * MM_PLANES + i], field[i], x);
    }
    if (s->prefetch && run) { /* one condition for all steps of the body */
        LLVMValueRef first = LLVMBuildUDiv(c->b, step, cg_i64(c, s->runs), "");
        mm_prefetch_run(c, p, first, s->run, s->tile_bytes - s->run * MM_STEP);
    }
    if (s->prefetch && !s->run) mm_prefetch(c, p);
}

/* Steps [from, from + n) into fresh accumulators, widened and added to sum[vector][plane].  n is a constant. */
static void stream_block(struct stream *s, LLVMValueRef from, uint64_t n, LLVMValueRef *sum) {
    struct cg *c = s->c;
    unsigned n_acc = s->t->chains * s->sets;
    uint64_t rest = n % s->unroll;
    LLVMValueRef acc[MAX_SETS] = {NULL};
    struct cg_loop l;
    LLVMValueRef to = LLVMBuildNSWAdd(c->b, from, cg_i64(c, n - rest), "");
    cg_loop_begin(c, &l, from, to, cg_i64(c, s->unroll), "step");
    for (unsigned a = 0; a < n_acc; a++) /* slot a carries accumulator a */
        acc[a] = l.phi[cg_carry(c, &l, LLVMConstNull(mm_acc_type(c)))];
    for (unsigned u = 0; u < s->unroll; u++) stream_step(s, l.i, u, true, acc + u % s->t->chains * s->sets);
    for (unsigned a = 0; a < n_acc; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n_acc; a++) acc[a] = cg_result(&l, a);
    for (unsigned u = 0; u < rest; u++) stream_step(s, to, u, false, acc + u % s->t->chains * s->sets);
    for (unsigned a = 0; a < n_acc; a += MM_PLANES) mm_apart(c, &s->t->stream, acc + a);
    for (unsigned a = 0; a < n_acc; a++) {
        LLVMValueRef wide = s->t->widen ? s->t->widen(c, acc[a]) : acc[a];
        sum[a % s->sets] = LLVMBuildAdd(c->b, sum[a % s->sets], wide, "");
    }
}

/* All steps of a tile: in one block, or in as many as narrow accumulators need. */
static void stream_sums(struct stream *s, uint64_t steps, LLVMValueRef *sum) {
    struct cg *c = s->c;
    uint64_t block = mm_flush(s->t, &s->t->stream) / s->unroll * s->unroll, done = 0;
    for (unsigned a = 0; a < s->sets; a++) sum[a] = LLVMConstNull(mm_sum_type(c));
    if (block && steps > block) {
        struct cg_loop l; /* slot a carries sum a */
        done = steps / block * block;
        cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, done), cg_i64(c, block), "block");
        for (unsigned a = 0; a < s->sets; a++) sum[a] = l.phi[cg_carry(c, &l, sum[a])];
        stream_block(s, l.i, block, sum);
        for (unsigned a = 0; a < s->sets; a++) cg_next(&l, a, sum[a]);
        cg_loop_end(c, &l);
        for (unsigned a = 0; a < s->sets; a++) sum[a] = cg_result(&l, a);
    }
    if (done < steps) stream_block(s, cg_i64(c, done), steps - done, sum);
}

/* A row's 64 results of a tile, at out. */
static void store_tile(struct stream *s, LLVMValueRef *result, LLVMValueRef out) {
    for (unsigned v = 0; v < s->vectors; v++)
        for (unsigned i = 0; i < MM_PLANES; i++)
            cg_store(s->c, result[v * MM_PLANES + i], cg_at_const(s->c, out, i * 4 * MM_LANES + v * s->t->bytes), 4);
}

static void stream_tile(struct stream *s, uint64_t K, LLVMValueRef out) {
    LLVMValueRef sum[MAX_SETS] = {NULL};
    uint64_t steps = (K + 3) / 4;
    s->runs = s->t->widen ? MM_RUNS / 2 : MM_RUNS; /* LLVM adds up the 16-bit sums of a round's steps: registers */
    unsigned each = s->t->unroll / s->runs;        /* steps of a run in the loop's body: whole quads */
    if (each < s->t->quad) each = s->t->quad;
    unsigned round = s->runs * each; /* runs are whole quads, and rounds behind each other */
    s->run = s->prefetch ? steps / round * each : 0;
    s->unroll = s->run ? round : s->t->unroll;
    s->tile_bytes = i2_64_tile_bytes(K);
    stream_sums(s, steps, sum);
    LLVMValueRef code_sum = mm_code_sum(s->c, s->codes, K);
    for (unsigned v = 0; v < s->vectors; v++) mm_finish(s->c, &s->t->stream, sum + v * MM_PLANES, code_sum);
    store_tile(s, sum, out);
}

/* The same, group by group, each with 64 floats of alpha. */
static void stream_groups(struct stream *s, uint64_t K, uint64_t group, LLVMValueRef alpha, LLVMValueRef out) {
    struct cg *c = s->c;
    LLVMTypeRef floats = LLVMVectorType(c->f32, s->t->bytes / 4);
    LLVMValueRef tile = s->tile, codes = s->codes, y[MAX_SETS] = {NULL}, sum[MAX_SETS] = {NULL};
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, K / group), cg_i64(c, 1), "group");
    for (unsigned a = 0; a < s->sets; a++) y[a] = l.phi[cg_carry(c, &l, LLVMConstNull(floats))];
    s->tile = cg_at(c, tile, LLVMBuildMul(c->b, l.i, cg_i64(c, group / 4 * MM_STEP), ""));
    s->codes = cg_at(c, codes, LLVMBuildMul(c->b, l.i, cg_i64(c, group), ""));
    LLVMValueRef scales = cg_at(c, alpha, LLVMBuildShl(c->b, l.i, cg_i64(c, 8), ""));
    stream_sums(s, group / 4, sum);
    LLVMValueRef code_sum = mm_group_sum(c, s->codes, group);
    for (unsigned v = 0; v < s->vectors; v++)
        mm_add_group(c, &s->t->stream, sum + v * MM_PLANES, code_sum, scales, v, y + v * MM_PLANES);
    for (unsigned a = 0; a < s->sets; a++) cg_next(&l, a, y[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < s->sets; a++) y[a] = cg_result(&l, a);
    s->tile = tile, s->codes = codes;
    store_tile(s, y, out);
}

static void one_row(struct cg *c, const struct mm_shape *shape, const struct mm_args *a) {
    const struct mm_target *t = c->level->mm;
    uint64_t K = shape->K, group = shape->group;
    struct stream s = {.c = c, .t = t, .codes = a->codes, .vectors = t->at_once, .unroll = t->unroll};
    s.sets = s.vectors * MM_PLANES;
    if (!t->chains || t->chains * s.sets > MAX_SETS) BUG("level '%s' has %u chains", c->level->name, t->chains);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), a->n_tiles, cg_i64(c, 1), "tile");
    LLVMValueRef tile = LLVMBuildAdd(c->b, a->first, l.i, "");
    LLVMValueRef at = cg_at(c, a->matrix, LLVMBuildMul(c->b, tile, cg_i64(c, i2_64_tile_bytes(K)), ""));
    LLVMValueRef out = cg_at(c, a->acc, LLVMBuildShl(c->b, l.i, cg_i64(c, 8), "")); /* 64 results of 4 bytes */
    LLVMValueRef alpha = group ? LLVMBuildMul(c->b, tile, cg_i64(c, mm_alpha_bytes(K, group)), "") : NULL;
    for (unsigned v = 0; v < mm_vectors(t); v += t->at_once) {
        s.prefetch = v == 0 && mm_streams(c);
        s.tile = cg_at_const(c, at, v * t->bytes);
        if (group)
            stream_groups(&s, K, group, cg_at_const(c, cg_at(c, a->alpha, alpha), v * t->bytes),
                          cg_at_const(c, out, v * t->bytes));
        else
            stream_tile(&s, K, cg_at_const(c, out, v * t->bytes));
    }
    cg_loop_end(c, &l);
}

/* ---- many rows ---- */

static const struct mm_planes *panel(const struct mm_target *t) { return &t->panel; }

static void unpack_panel(struct cg *c, const struct mm_shape *s, const struct mm_args *a, const struct mm_panel *p) {
    unsigned width = c->level->mm->bytes;
    LLVMValueRef tile = cg_at(c, a->matrix, LLVMBuildMul(c->b, p->tile, cg_i64(c, i2_64_tile_bytes(s->K)), ""));
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), p->steps, cg_i64(c, 1), "unpack");
    LLVMValueRef at = LLVMBuildShl(c->b, LLVMBuildNSWAdd(c->b, p->from, l.i, ""), cg_i64(c, 6), "");
    LLVMValueRef w = cg_at(c, tile, at),
                 to = cg_at(c, p->to, LLVMBuildMul(c->b, l.i, cg_i64(c, MM_PLANES * width), ""));
    for (unsigned v = 0; v < mm_vectors(c->level->mm); v++) {
        LLVMValueRef field[MM_PLANES];
        mm_split(c, panel(c->level->mm), cg_load(c, mm_byte_type(c), cg_at_const(c, w, v * width), width), field);
        for (unsigned i = 0; i < MM_PLANES; i++)
            cg_store(c, field[i], cg_at_const(c, to, (v * MM_PANEL * MM_PLANES + i) * width), width);
    }
    cg_loop_end(c, &l);
}

const struct mm_core mm_core_i2 = {
    .name = "i2",
    .layout = SETUN_LAYOUT_I2_64,
    .tile_bytes = i2_64_tile_bytes,
    .pack_tile = i2_64_pack_tile,
    .unpack_tile = i2_64_unpack_tile,
    .one_row = one_row,
    .panel_steps = 1,
    .panel = panel,
    .unpack_panel = unpack_panel,
};
