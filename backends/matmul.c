/*
 * matmul.c -- the ternary core: what its two forms share, and the form for one row of activations.
 *
 * Codes 0, 1, 2 stand for -1, 0, +1, so sum(q * trit) = sum(q * code) - sum(q); the last is the same for all
 * rows of the matrix and lies behind the codes.  |q| <= 127 and K <= 65536, so that even the sum over a whole
 * byte of four codes, at most 255 * 127 * 65536, is less than 2^31.
 *
 * One row: a tile is a stream of MM_STEP bytes a step, read once from memory; nothing is kept but one
 * accumulator a plane and vector.
 *
 *   for tile
 *       acc[chain][plane][vector] = 0
 *       for step of K/4 (unrolled):   w = load tile; x = 4 codes in every lane
 *                                     acc[plane] = dot(acc[plane], field(w, plane), x)
 *       sum over chains, undo the scales, minus sum(q), store 64 sums
 *
 * With scales of groups the same is done group by group, and what is kept from group to group is 64 floats:
 *   y = fma(float(sums of the group), alpha of the group, y).
 */
#include "backends/matmul.h"
#include "codec/i2_64.h"

uint64_t mm_alpha_bytes(uint64_t K, uint64_t group) { return K / group * IR_TILE * 4; }

uint64_t mm_model_bytes(const struct ir_module *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        if (w->store != IR_STORE_TRIT) continue;
        uint64_t tiles = (ir_weight_rows(w) + IR_TILE - 1) / IR_TILE;
        uint64_t bytes = i2_64_tile_bytes(ir_weight_cols(w));
        if (w->scale == IR_SCALE_GROUP) bytes += mm_alpha_bytes(ir_weight_cols(w), w->group);
        sum += tiles * bytes * (w->layers ? w->layers : 1);
    }
    return sum;
}

/* ---- shared ---- */

unsigned mm_vectors(const struct mm_target *t) { return MM_STEP / t->bytes; }

LLVMTypeRef mm_byte_type(struct cg *c) { return LLVMVectorType(c->i8, c->level->mm->bytes); }

LLVMTypeRef mm_sum_type(struct cg *c) { return LLVMVectorType(c->i32, c->level->mm->bytes / 4); }

LLVMTypeRef mm_acc_type(struct cg *c) {
    return c->level->mm->widen ? LLVMVectorType(c->i16, c->level->mm->bytes / 2) : mm_sum_type(c);
}

/* An i16 lane takes two products of at most 127 * (2 << shift of the field) a step. */
unsigned mm_flush(const struct mm_target *t, const struct mm_planes *p) {
    if (!t->widen) return 0;
    unsigned largest = 0;
    for (int i = 0; i < MM_PLANES; i++)
        if (2u << p->post[i] > largest) largest = 2u << p->post[i];
    return INT16_MAX / (2 * 127 * largest);
}

static LLVMValueRef shift_right(struct cg *c, LLVMValueRef w, unsigned by) {
    if (!by) return w;
    unsigned lanes = c->level->mm->bytes / 2; /* there is no shift of bytes; the mask drops what comes from the side */
    LLVMValueRef h = LLVMBuildBitCast(c->b, w, LLVMVectorType(c->i16, lanes), "");
    h = LLVMBuildLShr(c->b, h, cg_splat(c, LLVMConstInt(c->i16, by, false), lanes), "");
    return LLVMBuildBitCast(c->b, h, mm_byte_type(c), "");
}

void mm_split(struct cg *c, const struct mm_planes *p, LLVMValueRef w, LLVMValueRef out[MM_PLANES]) {
    for (int i = 0; i < MM_PLANES; i++) {
        out[i] = shift_right(c, w, p->right[i]);
        if (p->mask[i] != 255)
            out[i] = LLVMBuildAnd(c->b, out[i], cg_splat(c, cg_i8(c, p->mask[i]), c->level->mm->bytes), "");
    }
}

void mm_finish(struct cg *c, const struct mm_planes *p, LLVMValueRef sum[MM_PLANES], LLVMValueRef code_sum) {
    for (int i = MM_PLANES - 1; i >= 0; i--) {
        if (p->nested && i) sum[i] = LLVMBuildSub(c->b, sum[i], sum[i - 1], "");
        LLVMValueRef by = cg_splat(c, cg_i32(c, p->post[i]), c->level->mm->bytes / 4);
        if (p->post[i]) sum[i] = LLVMBuildAShr(c->b, sum[i], by, "");
        sum[i] = LLVMBuildSub(c->b, sum[i], code_sum, "");
    }
}

LLVMValueRef mm_codes(struct cg *c, LLVMValueRef p) {
    LLVMValueRef x = cg_splat(c, cg_load(c, c->i32, p, 4), c->level->mm->bytes / 4);
    return LLVMBuildBitCast(c->b, x, mm_byte_type(c), "");
}

LLVMValueRef mm_code_sum(struct cg *c, LLVMValueRef row, uint64_t K) {
    uint64_t offset = (K + 63) & ~(uint64_t)63; /* ir_i8_sum_offset */
    return cg_splat(c, cg_load(c, c->i32, cg_at_const(c, row, offset), 4), c->level->mm->bytes / 4);
}

enum { MM_ARGS = 9 }; /* without groups */

LLVMTypeRef mm_type(struct cg *c, uint64_t group) {
    LLVMTypeRef in[] = {c->ptr, c->i64, c->ptr, c->i64, c->i64, c->ptr, c->i64, c->ptr, c->ptr, c->ptr};
    return LLVMFunctionType(c->void_, in, group ? MM_ARGS + 1 : MM_ARGS, false);
}

struct mm_args mm_params(LLVMValueRef fn) {
    LLVMValueRef p[MM_ARGS + 1] = {NULL};
    LLVMGetParams(fn, p);
    return (struct mm_args){p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]};
}

/* ---- groups of columns ---- */

/* In whole registers, through the dot instruction; each of at most 8 of them takes two products a lane, so that narrow
 * accumulators hold them. */
static LLVMValueRef sum_registers(struct cg *c, LLVMValueRef p, uint64_t n) {
    const struct mm_target *t = c->level->mm;
    LLVMValueRef ones = cg_splat(c, cg_i8(c, 1), t->bytes), sum = LLVMConstNull(mm_sum_type(c));
    uint64_t at_once = 8;
    while (n % at_once) at_once--;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n * t->bytes), cg_i64(c, at_once * t->bytes), "codes");
    unsigned slot = cg_carry(c, &l, sum);
    LLVMValueRef acc = LLVMConstNull(mm_acc_type(c));
    for (uint64_t i = 0; i < at_once; i++) {
        LLVMValueRef q =
            cg_load(c, mm_byte_type(c), cg_at(c, p, LLVMBuildAdd(c->b, l.i, cg_i64(c, i * t->bytes), "")), 4);
        acc = t->dot(c, acc, ones, q);
    }
    cg_next(&l, slot, LLVMBuildAdd(c->b, l.phi[slot], t->widen ? t->widen(c, acc) : acc, ""));
    cg_loop_end(c, &l);
    return cg_result(&l, slot);
}

static LLVMValueRef sum_lanes(struct cg *c, LLVMValueRef p, uint64_t group) {
    unsigned n = 4;
    while (n < 32 && group % (2 * n) == 0) n *= 2;
    LLVMTypeRef wide = LLVMVectorType(c->i32, n);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, group), cg_i64(c, n), "codes");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(wide));
    LLVMValueRef q = LLVMBuildSExt(c->b, cg_load(c, LLVMVectorType(c->i8, n), cg_at(c, p, l.i), 4), wide, "");
    cg_next(&l, slot, LLVMBuildAdd(c->b, l.phi[slot], q, ""));
    cg_loop_end(c, &l);
    return cg_result(&l, slot);
}

LLVMValueRef mm_group_sum(struct cg *c, LLVMValueRef p, uint64_t group) {
    unsigned bytes = c->level->mm->bytes;
    LLVMValueRef sums = group % bytes ? sum_lanes(c, p, group) : sum_registers(c, p, group / bytes);
    LLVMTypeRef type = LLVMTypeOf(sums);
    return cg_splat(c, cg_intrinsic(c, "llvm.vector.reduce.add", &type, 1, &sums, 1), bytes / 4);
}

void mm_add_group(struct cg *c, const struct mm_planes *p, LLVMValueRef sum[MM_PLANES], LLVMValueRef code_sum,
                  LLVMValueRef alpha, unsigned v, LLVMValueRef y[MM_PLANES]) {
    unsigned bytes = c->level->mm->bytes;
    LLVMTypeRef floats = LLVMVectorType(c->f32, bytes / 4);
    mm_finish(c, p, sum, code_sum);
    for (unsigned i = 0; i < MM_PLANES; i++) {
        LLVMValueRef a = cg_load(c, floats, cg_at_const(c, alpha, i * 4 * MM_LANES + v * bytes), bytes);
        y[i] = cg_fma(c, LLVMBuildSIToFP(c->b, sum[i], floats, ""), a, y[i]);
    }
}

/* ---- one row ---- */

enum { MAX_SETS = 2 * MM_PLANES * 2 }; /* chains x planes x vectors */

struct stream {
    struct cg *c;
    const struct mm_target *t;
    LLVMValueRef tile, codes;
    unsigned vectors, sets; /* accumulators of a chain: planes x vectors */
    bool prefetch;
};

/* Far enough ahead to hide memory into L2 and L2 into L1.  Measured on Sapphire Rapids, one thread: 0.94 of
 * the read bandwidth, against 0.66 without; 4 to 16 KiB ahead make no difference. */
enum { AHEAD_L2 = 8192, AHEAD_L1 = 1024 };

/* Matrices that stay in the second level cache from token to token are slowed down by prefetches: by 20 to 50 %
 * on that machine, whose L2 has 2 MiB. */
static bool streams_from_memory(const struct cg *c) { return !c->ir || mm_model_bytes(c->ir) > (uint64_t)2 << 20; }

/* Step number `step` + u, into the accumulators of one chain. */
static void stream_step(struct stream *s, LLVMValueRef step, unsigned u, LLVMValueRef *acc) {
    struct cg *c = s->c;
    LLVMValueRef at = LLVMBuildNSWAdd(c->b, step, cg_i64(c, u), "");
    LLVMValueRef p = cg_at(c, s->tile, LLVMBuildShl(c->b, at, cg_i64(c, 6), ""));
    LLVMValueRef x = mm_codes(c, cg_at(c, s->codes, LLVMBuildShl(c->b, at, cg_i64(c, 2), "")));
    for (unsigned v = 0; v < s->vectors; v++) {
        LLVMValueRef w = cg_load(c, mm_byte_type(c), cg_at_const(c, p, v * s->t->bytes), s->t->bytes);
        LLVMValueRef field[MM_PLANES] = {NULL};
        mm_split(c, &s->t->stream, w, field);
        for (unsigned i = 0; i < MM_PLANES; i++)
            acc[v * MM_PLANES + i] = s->t->dot(c, acc[v * MM_PLANES + i], field[i], x);
    }
    if (!s->prefetch) return;
    cg_prefetch(c, cg_at_const(c, p, AHEAD_L2), 1);
    cg_prefetch(c, cg_at_const(c, p, AHEAD_L1), 0);
}

/* Steps [from, from + n) into fresh accumulators, widened and added to sum[vector][plane].  n is a constant. */
static void stream_block(struct stream *s, LLVMValueRef from, uint64_t n, LLVMValueRef *sum) {
    struct cg *c = s->c;
    unsigned n_acc = s->t->chains * s->sets;
    uint64_t rest = n % s->t->unroll;
    LLVMValueRef acc[MAX_SETS] = {NULL};
    struct cg_loop l;
    LLVMValueRef to = LLVMBuildNSWAdd(c->b, from, cg_i64(c, n - rest), "");
    cg_loop_begin(c, &l, from, to, cg_i64(c, s->t->unroll), "step");
    for (unsigned a = 0; a < n_acc; a++) /* slot a carries accumulator a */
        acc[a] = l.phi[cg_carry(c, &l, LLVMConstNull(mm_acc_type(c)))];
    for (unsigned u = 0; u < s->t->unroll; u++) stream_step(s, l.i, u, acc + u % s->t->chains * s->sets);
    for (unsigned a = 0; a < n_acc; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n_acc; a++) acc[a] = cg_result(&l, a);
    for (unsigned u = 0; u < rest; u++) stream_step(s, to, u, acc + u % s->t->chains * s->sets);
    for (unsigned a = 0; a < n_acc; a++) {
        LLVMValueRef wide = s->t->widen ? s->t->widen(c, acc[a]) : acc[a];
        sum[a % s->sets] = LLVMBuildAdd(c->b, sum[a % s->sets], wide, "");
    }
}

/* All steps of a tile: in one block, or in as many as narrow accumulators need. */
static void stream_sums(struct stream *s, uint64_t steps, LLVMValueRef *sum) {
    struct cg *c = s->c;
    uint64_t block = mm_flush(s->t, &s->t->stream), done = 0;
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
    stream_sums(s, (K + 3) / 4, sum);
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

const char *mm_name(struct cg *c, const char *form, uint64_t K, uint64_t group) {
    if (!group) return arena_printf(c->arena, "%s_k%llu", form, (unsigned long long)K);
    return arena_printf(c->arena, "%s_k%llu_g%llu", form, (unsigned long long)K, (unsigned long long)group);
}

LLVMValueRef mm_stream_function(struct cg *c, uint64_t K, uint64_t group) {
    const struct mm_target *t = c->level->mm;
    LLVMValueRef fn = cg_function(c, mm_name(c, "mm_stream", K, group), mm_type(c, group), true);
    struct mm_args a = mm_params(fn);
    struct stream s = {.c = c, .t = t, .codes = a.codes, .vectors = mm_vectors(t), .prefetch = streams_from_memory(c)};
    s.sets = s.vectors * MM_PLANES;
    if (!t->chains || t->chains * s.sets > MAX_SETS) BUG("level '%s' has %u chains", c->level->name, t->chains);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), a.n_tiles, cg_i64(c, 1), "tile");
    s.tile = cg_at(c, a.tiles, LLVMBuildMul(c->b, l.i, cg_i64(c, i2_64_tile_bytes(K)), ""));
    LLVMValueRef out = cg_at(c, a.acc, LLVMBuildShl(c->b, l.i, cg_i64(c, 8), "")); /* 64 results of 4 bytes */
    if (group)
        stream_groups(&s, K, group, cg_at(c, a.alpha, LLVMBuildMul(c->b, l.i, cg_i64(c, mm_alpha_bytes(K, group)), "")),
                      out);
    else
        stream_tile(&s, K, out);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
    return fn;
}

/* ---- both ---- */

static void call(struct cg *c, LLVMValueRef fn, LLVMValueRef from, uint64_t group) {
    LLVMValueRef p[MM_ARGS + 1];
    LLVMGetParams(from, p);
    LLVMBuildCall2(c->b, mm_type(c, group), fn, p, group ? MM_ARGS + 1 : MM_ARGS, "");
}

static LLVMValueRef function(struct cg *c, uint64_t K, uint64_t group, LLVMTypeRef *type) {
    const char *name = mm_name(c, "mm", K, group);
    *type = mm_type(c, group);
    LLVMValueRef fn = LLVMGetNamedFunction(c->module, arena_printf(c->arena, "%s.%s", name, c->level->name));
    if (fn) return fn;
    struct cg_place back = cg_place_save(c);
    LLVMValueRef stream = mm_stream_function(c, K, group), tile = mm_tile_function(c, K, group);
    fn = cg_function(c, name, *type, true);
    LLVMValueRef n_rows = mm_params(fn).n_rows;
    struct cg_if one, many;
    cg_if_begin(c, &one, LLVMBuildICmp(c->b, LLVMIntEQ, n_rows, cg_i64(c, 1), ""));
    call(c, stream, fn, group);
    cg_else(c, &one);
    cg_if_begin(c, &many, LLVMBuildICmp(c->b, LLVMIntSGT, n_rows, cg_i64(c, 1), ""));
    call(c, tile, fn, group);
    cg_if_end(c, &many);
    cg_if_end(c, &one);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    return fn;
}

LLVMValueRef mm_function(struct cg *c, uint64_t K, LLVMTypeRef *type) { return function(c, K, 0, type); }

LLVMValueRef mm_group_function(struct cg *c, uint64_t K, uint64_t group, LLVMTypeRef *type) {
    if (!group || group % 4 || K % group) BUG("groups of %llu columns", (unsigned long long)group);
    return function(c, K, group, type);
}
