/*
 * screen.c -- the head's kernel in its second form (docs/cores.md, "The head").
 *
 * A row of activations becomes two planes of 8-bit codes, 128 * hi + lo, by each thread for itself.  A unit of 64
 * tokens is four tiles of 16 rows (codec/screen.h); a tile is a stream of 64 bytes a step of four channels, which meets
 * the four codes of each plane, repeated in every lane:
 *
 *   for unit of the thread's
 *       for tile of the unit
 *           acc[plane][chain] = 0
 *           for step of K/4 (unrolled):  w = load tile; acc[plane] = dot(acc[plane], w, codes of the plane)
 *                                        of MM_RUNS runs of the tile in turn, two chains; with pairs one run, one chain
 *           interval from sums and parameters in f64, 16 lanes; stored
 *       largest ends of the unit, stored
 *
 * Levels without a dot instruction that holds its sums (AVX2) widen bytes to 16 bits, and their planes are of 16 bits
 * too: a product of pairs is exact there, and two lanes make a row.  Signed instructions of bytes get codes without
 * their offset of 128.  The operations on floats and their order are those of codec/screen.c, so the intervals are the
 * same bits at every level.
 */
#include "backends/kernel/screen.h"
#include "backends/kernel/dot.h"

#include "backends/core/matmul.h"
#include "backends/kernel/vec.h"
#include "codec/screen.h"

enum { ROWS = SCREEN_ROWS, UNROLL = 4, CHAINS = 2, PLANES = 2, MAX_VECTORS = 4, CACHED = 2 << 20 };

const struct ir_op *screen_dot(const struct ir_op *kernel) {
    const struct ir_op *dot = NULL;
    if (kernel->code != IR_OP_kernel || kernel->n_out != 1) return NULL;
    for (const struct ir_op *op = kernel->body->first; op; op = op->next) {
        if (op->code == IR_OP_yield) continue;
        if (ir_stage_of(op) == IR_STAGE_EPILOGUE || (ir_is_core(op) && dot)) return NULL;
        if (ir_is_core(op)) dot = op;
    }
    return dot && dot->code == IR_OP_dot && ir_attr_get(dot, IR_ATTR_screen) ? dot : NULL;
}

static uint64_t n_tokens(const struct ir_weight *w) { return ir_weight_rows(w); }

static uint64_t n_units(const struct ir_weight *w) { return (n_tokens(w) + SETUN_SCREEN_UNIT - 1) / SETUN_SCREEN_UNIT; }

uint64_t screen_bytes(const struct ir_weight *w) {
    return (n_tokens(w) + ROWS - 1) / ROWS * screen_tile_bytes(ir_weight_cols(w));
}

LLVMValueRef screen_wanted(struct kern *k) {
    struct cg *c = k->c;
    LLVMValueRef asked = cg_ctx(c, k->ctx, c->i32, offsetof(struct setun_step, screen));
    LLVMValueRef one = LLVMBuildICmp(c->b, LLVMIntEQ, k->n[IR_L], cg_i64(c, 1), "");
    return LLVMBuildAnd(c->b, LLVMBuildICmp(c->b, LLVMIntNE, asked, cg_i32(c, 0), ""), one, "");
}

/* What is known of the row while tiles are read.  Pairs: two lanes make a row; words: codes and operands have 16 bits.
 */
struct screen {
    struct kern *k;
    struct cg *c;
    const struct ir_weight *w;
    uint64_t K;
    bool pairs, words;
    LLVMTypeRef d16; /* <16 x double> */
    LLVMValueRef plane[PLANES], sum[PLANES];
    LLVMValueRef t, norm, rest; /* double */
};

/* ---- the row's codes ---- */

static LLVMValueRef wide(struct screen *s, LLVMValueRef x) { return cg_splat(s->c, x, ROWS); }
static LLVMValueRef f64(struct screen *s, double v) { return LLVMConstReal(LLVMDoubleTypeInContext(s->c->llvm), v); }

/* 16 floats at element i, zeros beyond K. */
static LLVMValueRef floats_at(struct screen *s, LLVMValueRef x, LLVMValueRef i) {
    struct cg *c = s->c;
    LLVMValueRef v = cg_load(c, c->vf, cg_at(c, x, LLVMBuildMul(c->b, i, cg_i64(c, 4), "")), 4);
    return s->K % CG_VL ? LLVMBuildSelect(c->b, vec_below(c, i, s->K), v, LLVMConstNull(c->vf), "") : v;
}

/* The largest |x|, between SCREEN_TINY and the largest number. */
static LLVMValueRef largest(struct screen *s, LLVMValueRef x) {
    struct cg *c = s->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, s->K), cg_i64(c, CG_VL), "max");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(c->vi));
    LLVMValueRef u = LLVMBuildBitCast(c->b, floats_at(s, x, l.i), c->vi, "");
    u = LLVMBuildAnd(c->b, u, cg_splat(c, cg_i32(c, 0x7fffffff), CG_VL), "");
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntUGT, u, l.phi[slot], "");
    cg_next(&l, slot, LLVMBuildSelect(c->b, more, u, l.phi[slot], ""));
    cg_loop_end(c, &l);
    LLVMValueRef all = cg_result(&l, slot), most = cg_i32(c, 0x7f7fffff), least = cg_f32(c, SCREEN_TINY);
    LLVMValueRef m = cg_intrinsic(c, "llvm.vector.reduce.umax", &c->vi, 1, &all, 1);
    m = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntUGT, m, most, ""), most, m, "");
    m = LLVMBuildBitCast(c->b, m, c->f32, "");
    return LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, m, least, ""), least, m, "");
}

/* clamp(roundeven(x * inverse)) as i32; a NaN becomes some code */
static LLVMValueRef codes(struct screen *s, LLVMValueRef x, LLVMValueRef inverse) {
    struct cg *c = s->c;
    LLVMValueRef top = cg_splat(c, cg_f32(c, SCREEN_CODE_MAX), CG_VL),
                 low = cg_splat(c, cg_f32(c, -SCREEN_CODE_MAX), CG_VL);
    LLVMValueRef q = LLVMBuildFMul(c->b, x, cg_splat(c, inverse, CG_VL), "");
    q = cg_intrinsic(c, "llvm.roundeven", &c->vf, 1, &q, 1);
    q = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, q, top, ""), q, top, "");
    q = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, q, low, ""), q, low, "");
    return LLVMBuildFPToSI(c->b, q, c->vi, "");
}

static LLVMValueRef plus_square(struct screen *s, LLVMValueRef sum, LLVMValueRef v) {
    return LLVMBuildFAdd(s->c->b, sum, LLVMBuildFMul(s->c->b, v, v, ""), "");
}

/* sqrt of the lanes' sum, ascending, times SCREEN_MORE */
static LLVMValueRef length(struct screen *s, LLVMValueRef lanes) {
    struct cg *c = s->c;
    LLVMValueRef sum = f64(s, 0);
    LLVMTypeRef t = LLVMTypeOf(sum);
    for (unsigned i = 0; i < ROWS; i++)
        sum = LLVMBuildFAdd(c->b, sum, LLVMBuildExtractElement(c->b, lanes, cg_i32(c, i), ""), "");
    sum = cg_intrinsic(c, "llvm.sqrt", &t, 1, &sum, 1);
    return LLVMBuildFMul(c->b, sum, f64(s, SCREEN_MORE), "");
}

static void store_codes(struct screen *s, unsigned plane, LLVMValueRef v, LLVMValueRef i) {
    struct cg *c = s->c;
    LLVMTypeRef t = LLVMVectorType(s->words ? c->i16 : c->i8, CG_VL);
    LLVMValueRef at = LLVMBuildMul(c->b, i, cg_i64(c, s->words ? 2 : 1), "");
    cg_store(c, LLVMBuildTrunc(c->b, v, t, ""), cg_at(c, s->plane[plane], at), s->words ? 32 : 16);
}

static void quantise(struct screen *s, LLVMValueRef x) {
    struct cg *c = s->c;
    LLVMValueRef top = largest(s, x), max = cg_f32(c, SCREEN_CODE_MAX);
    LLVMValueRef inverse = LLVMBuildFDiv(c->b, max, top, "");
    s->t = LLVMBuildFPExt(c->b, LLVMBuildFDiv(c->b, top, max, ""), LLVMTypeOf(f64(s, 0)), "");
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, s->K), cg_i64(c, CG_VL), "code");
    cg_carry(c, &l, LLVMConstNull(s->d16));
    cg_carry(c, &l, LLVMConstNull(s->d16));
    cg_carry(c, &l, LLVMConstNull(c->vi));
    cg_carry(c, &l, LLVMConstNull(c->vi));
    LLVMValueRef f = floats_at(s, x, l.i), q = codes(s, f, inverse);
    LLVMValueRef hi = LLVMBuildAdd(c->b, q, cg_splat(c, cg_i32(c, 64), CG_VL), "");
    hi = LLVMBuildAShr(c->b, hi, cg_splat(c, cg_i32(c, 7), CG_VL), "");
    LLVMValueRef lo = LLVMBuildSub(c->b, q, LLVMBuildShl(c->b, hi, cg_splat(c, cg_i32(c, 7), CG_VL), ""), "");
    store_codes(s, 0, hi, l.i);
    store_codes(s, 1, lo, l.i);
    LLVMValueRef d = LLVMBuildFPExt(c->b, f, s->d16, "");
    LLVMValueRef said = LLVMBuildFMul(c->b, wide(s, s->t), LLVMBuildSIToFP(c->b, q, s->d16, ""), "");
    cg_next(&l, 0, plus_square(s, l.phi[0], d));
    cg_next(&l, 1, plus_square(s, l.phi[1], LLVMBuildFSub(c->b, d, said, "")));
    cg_next(&l, 2, LLVMBuildAdd(c->b, l.phi[2], hi, ""));
    cg_next(&l, 3, LLVMBuildAdd(c->b, l.phi[3], lo, ""));
    cg_loop_end(c, &l);
    s->norm = length(s, cg_result(&l, 0));
    s->rest = length(s, cg_result(&l, 1));
    for (unsigned p = 0; p < PLANES; p++) {
        LLVMValueRef all = cg_result(&l, 2 + p);
        s->sum[p] = cg_intrinsic(c, "llvm.vector.reduce.add", &c->vi, 1, &all, 1);
    }
}

/* ---- a tile's sums ---- */

/* Vectors of a step's operands: registers of the level, or of 16 numbers of 16 bits. */
static unsigned vectors(const struct screen *s) { return s->pairs ? 4 : mm_vectors(s->c->level->mm); }

static LLVMTypeRef sum_type(struct screen *s) { return s->pairs ? LLVMVectorType(s->c->i32, 8) : mm_sum_type(s->c); }

/* Four codes at step `at`, in every lane. */
static LLVMValueRef four_codes(struct screen *s, unsigned plane, LLVMValueRef at) {
    struct cg *c = s->c;
    if (!s->words) return mm_codes(c, cg_at(c, s->plane[plane], LLVMBuildShl(c->b, at, cg_i64(c, 2), "")));
    LLVMValueRef p = cg_at(c, s->plane[plane], LLVMBuildShl(c->b, at, cg_i64(c, 3), ""));
    return LLVMBuildBitCast(c->b, cg_splat(c, cg_load(c, c->i64, p, 8), 4), LLVMVectorType(c->i16, 16), "");
}

/* Asks ahead for what step `at` of each run goes on with; the tile is read as MM_RUNS of `run` steps, or, if that is 0,
 * as one run of the matrix. */
static void fetch(struct screen *s, LLVMValueRef tile, LLVMValueRef at, uint64_t run) {
    struct cg *c = s->c;
    if (c->plan->bytes <= CACHED) return;
    LLVMValueRef p = cg_at(c, tile, LLVMBuildShl(c->b, at, cg_i64(c, 6), ""));
    if (!run) mm_prefetch(c, p);
    for (unsigned r = 0; run && r < MM_RUNS; r++)
        mm_prefetch_run(c, cg_at_const(c, p, r * run * MM_STEP), at, run, screen_tile_bytes(s->K) - run * MM_STEP);
}

static void one_step(struct screen *s, LLVMValueRef tile, LLVMValueRef at, LLVMValueRef *acc) {
    struct cg *c = s->c;
    const struct mm_target *t = c->level->mm;
    unsigned n = vectors(s);
    LLVMValueRef p = cg_at(c, tile, LLVMBuildShl(c->b, at, cg_i64(c, 6), "")), x[PLANES];
    for (unsigned i = 0; i < PLANES; i++) x[i] = four_codes(s, i, at);
    for (unsigned v = 0; v < n; v++) {
        unsigned bytes = MM_STEP / n;
        LLVMValueRef w = cg_load(c, LLVMVectorType(c->i8, bytes), cg_at_const(c, p, v * bytes), bytes);
        if (s->words) w = LLVMBuildZExt(c->b, w, LLVMVectorType(c->i16, 16), "");
        if (t->below128) w = LLVMBuildXor(c->b, w, cg_splat(c, cg_i8(c, 128), bytes), ""); /* without the offset */
        for (unsigned i = 0; i < PLANES; i++) {
            LLVMValueRef *to = &acc[i * n + v];
            *to = s->pairs ? t->pair(c, *to, w, x[i]) : t->dot(c, *to, w, x[i]);
        }
    }
}

static LLVMValueRef picked(struct cg *c, LLVMValueRef a, LLVMValueRef b, unsigned n, unsigned from, unsigned by) {
    LLVMValueRef lane[ROWS];
    for (unsigned i = 0; i < n; i++) lane[i] = cg_i32(c, from + by * i);
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(lane, n), "");
}

/* One i32 a row: lanes of a row added, vectors in a row. */
static LLVMValueRef by_row(struct screen *s, const LLVMValueRef *acc) {
    struct cg *c = s->c;
    if (s->pairs) {
        LLVMValueRef half[2];
        for (unsigned i = 0; i < 2; i++) {
            LLVMValueRef a = acc[2 * i], b = acc[2 * i + 1];
            half[i] = LLVMBuildAdd(c->b, picked(c, a, b, 8, 0, 2), picked(c, a, b, 8, 1, 2), "");
        }
        return picked(c, half[0], half[1], ROWS, 0, 1);
    }
    if (vectors(s) == 1) return acc[0];
    if (vectors(s) == 2) return picked(c, acc[0], acc[1], ROWS, 0, 1);
    return picked(c, picked(c, acc[0], acc[1], 8, 0, 1), picked(c, acc[2], acc[3], 8, 0, 1), ROWS, 0, 1);
}

/* Step `at` of each of `runs` runs of `run` steps, which take turns with the chains of accumulators. */
static void all_runs(struct screen *s, LLVMValueRef tile, LLVMValueRef at, unsigned runs, uint64_t run, unsigned chains,
                     LLVMValueRef *acc) {
    struct cg *c = s->c;
    for (unsigned r = 0; r < runs; r++) {
        LLVMValueRef step = LLVMBuildNSWAdd(c->b, at, cg_i64(c, r * run), "");
        one_step(s, tile, step, acc + r % chains * PLANES * vectors(s));
    }
}

/* The sums of each plane, without what the codes' offset of 128 adds. */
static void tile_sums(struct screen *s, LLVMValueRef tile, LLVMValueRef sum[PLANES]) {
    struct cg *c = s->c;
    unsigned n = PLANES * vectors(s), chains = s->pairs ? 1 : CHAINS, runs = s->pairs ? 1 : MM_RUNS;
    uint64_t steps = (s->K + 3) / 4, run = steps / runs, body = UNROLL / runs, whole = run / body * body;
    LLVMValueRef acc[CHAINS * PLANES * MAX_VECTORS];
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, whole), cg_i64(c, body), "step");
    for (unsigned a = 0; a < chains * n; a++) acc[a] = l.phi[cg_carry(c, &l, LLVMConstNull(sum_type(s)))];
    for (unsigned u = 0; u < body; u++) {
        LLVMValueRef at = LLVMBuildNSWAdd(c->b, l.i, cg_i64(c, u), "");
        all_runs(s, tile, at, runs, run, chains, acc);
        fetch(s, tile, at, runs > 1 ? run : 0);
    }
    for (unsigned a = 0; a < chains * n; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < chains * n; a++) acc[a] = cg_result(&l, a);
    for (uint64_t u = whole; u < run; u++) all_runs(s, tile, cg_i64(c, u), runs, run, chains, acc);
    for (uint64_t u = runs * run; u < steps; u++) one_step(s, tile, cg_i64(c, u), acc);
    for (unsigned a = 0; a < n && chains == 2; a++) acc[a] = LLVMBuildAdd(c->b, acc[a], acc[n + a], "");
    for (unsigned p = 0; p < PLANES; p++) {
        LLVMValueRef off = LLVMBuildShl(c->b, s->sum[p], cg_i32(c, 7), "");
        sum[p] = by_row(s, acc + p * vectors(s));
        if (!c->level->mm->below128) sum[p] = LLVMBuildSub(c->b, sum[p], wide(s, off), "");
    }
}

/* ---- intervals ---- */

static LLVMValueRef parameter(struct screen *s, LLVMValueRef tile, unsigned which) {
    struct cg *c = s->c;
    LLVMValueRef p = cg_at_const(c, tile, screen_params(s->K) + 4 * ROWS * which);
    return LLVMBuildFPExt(c->b, cg_load(c, c->vf, p, 64), s->d16, "");
}

static LLVMValueRef magnitude(struct screen *s, LLVMValueRef v) {
    return cg_intrinsic(s->c, "llvm.fabs", &s->d16, 1, &v, 1);
}

/* codec/screen.c, screen_interval */
static void interval(struct screen *s, LLVMValueRef tile, LLVMValueRef end[2]) {
    struct cg *c = s->c;
    LLVMBuilderRef b = c->b;
    LLVMValueRef sum[PLANES];
    tile_sums(s, tile, sum);
    LLVMValueRef all = LLVMBuildFMul(b, LLVMBuildSIToFP(b, sum[0], s->d16, ""), wide(s, f64(s, 128)), "");
    all = LLVMBuildFAdd(b, all, LLVMBuildSIToFP(b, sum[1], s->d16, ""), ""); /* exact */
    LLVMValueRef norm = wide(s, s->norm), slack = wide(s, f64(s, SCREEN_SLACK));
    LLVMValueRef A = parameter(s, tile, 1), W = parameter(s, tile, 2);
    LLVMValueRef near = LLVMBuildFMul(b, parameter(s, tile, 0), wide(s, s->t), "");
    near = LLVMBuildFMul(b, all, near, "");
    LLVMValueRef half = LLVMBuildFMul(b, W, wide(s, s->rest), "");
    half = LLVMBuildFAdd(b, LLVMBuildFMul(b, A, norm, ""), half, "");
    half = LLVMBuildFAdd(b, half, LLVMBuildFMul(b, magnitude(s, near), slack, ""), "");
    half = LLVMBuildFMul(b, half, wide(s, f64(s, 1 + SCREEN_SLACK)), "");
    half = LLVMBuildFAdd(b, half, wide(s, f64(s, SCREEN_LEAST)), "");
    LLVMValueRef length_ = LLVMBuildFMul(b, LLVMBuildFAdd(b, A, W, ""), norm, "");
    LLVMValueRef safe = LLVMBuildFCmp(b, LLVMRealOLT, length_, wide(s, f64(s, SCREEN_BOUND)), "");
    half = LLVMBuildSelect(b, safe, half, wide(s, f64(s, __builtin_inf())), "");
    for (int i = 0; i < 2; i++) {
        LLVMValueRef e = i ? LLVMBuildFAdd(b, near, half, "") : LLVMBuildFSub(b, near, half, "");
        LLVMValueRef away = LLVMBuildFMul(b, magnitude(s, e), wide(s, f64(s, SCREEN_NARROW)), "");
        e = i ? LLVMBuildFAdd(b, e, away, "") : LLVMBuildFSub(b, e, away, "");
        end[i] = LLVMBuildFPTrunc(b, e, c->vf, "");
    }
}

/* ---- units ---- */

static LLVMValueRef more(struct cg *c, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, a, b, ""), a, b, "");
}

static LLVMValueRef largest_lane(struct cg *c, LLVMValueRef v) {
    for (unsigned n = ROWS / 2; n; n /= 2) v = more(c, picked(c, v, v, n, 0, 1), picked(c, v, v, n, n, 1));
    return LLVMBuildExtractElement(c->b, v, cg_i32(c, 0), "");
}

/* Where logits of row `row` would be. */
static LLVMValueRef out_row(struct kern *k, unsigned row) {
    const struct ir_val *v = k->op->out[0];
    return cg_at_const(k->c, kern_buffer(k, v), row * ir_row_stride(&v->type));
}

static void unit(struct screen *s, LLVMValueRef u) {
    struct cg *c = s->c;
    uint64_t n = n_tokens(s->w), tiles = SETUN_SCREEN_UNIT / ROWS, all = (n + ROWS - 1) / ROWS;
    LLVMValueRef base = kern_weight(s->k, s->w, c->plan->tensor[s->w->id].screen_offset);
    LLVMValueRef from = LLVMBuildMul(c->b, u, cg_i64(c, tiles), ""), end[2];
    LLVMValueRef to = LLVMBuildAdd(c->b, from, cg_i64(c, tiles), ""), last = cg_i64(c, all);
    to = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntULT, to, last, ""), to, last, "");
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, cg_i64(c, 1), "tile");
    for (int i = 0; i < 2; i++) cg_carry(c, &l, cg_splat(c, cg_f32(c, -__builtin_inff()), ROWS));
    LLVMValueRef first = LLVMBuildMul(c->b, l.i, cg_i64(c, ROWS), "");
    interval(s, cg_at(c, base, LLVMBuildMul(c->b, l.i, cg_i64(c, screen_tile_bytes(s->K)), "")), end);
    for (unsigned i = 0; i < 2; i++) {
        cg_store(c, end[i], cg_at(c, out_row(s->k, i), LLVMBuildMul(c->b, first, cg_i64(c, 4), "")), 64);
        LLVMValueRef top = more(c, end[i], l.phi[i]);
        cg_next(&l, i, n % ROWS ? LLVMBuildSelect(c->b, vec_below(c, first, n), top, l.phi[i], "") : top);
    }
    cg_loop_end(c, &l);
    for (unsigned i = 0; i < 2; i++) {
        LLVMValueRef at = LLVMBuildMul(c->b, LLVMBuildAdd(c->b, u, cg_i64(c, i * n_units(s->w)), ""), cg_i64(c, 4), "");
        cg_store(c, largest_lane(c, cg_result(&l, i)), cg_at(c, out_row(s->k, 2), at), 4);
    }
}

void screen_emit(struct kern *k, const struct ir_op *dot) {
    struct cg *c = k->c;
    uint64_t used = k->used;
    struct screen s = {.k = k, .c = c, .w = dot->weight, .K = ir_weight_cols(dot->weight)};
    s.pairs = c->level->mm->widen != NULL, s.words = s.pairs && !c->level->mm->below128;
    s.d16 = LLVMVectorType(LLVMDoubleTypeInContext(c->llvm), ROWS);
    for (unsigned p = 0; p < PLANES; p++) s.plane[p] = kern_scratch(k, (s.K + CG_VL) * (s.words ? 2 : 1));
    quantise(&s, kern_buffer(k, dot->in[0]));
    LLVMValueRef from, to;
    struct cg_loop l;
    kern_share(k, cg_i64(c, n_units(s.w)), &from, &to);
    cg_loop_begin(c, &l, from, to, cg_i64(c, 1), "unit");
    unit(&s, l.i);
    cg_loop_end(c, &l);
    k->used = used;
}

/* ---- the logits after all ---- */

void screen_all(struct cg *c, const struct ir_op *kernel, uint32_t id, struct cg_kernel *out) {
    struct cg_place back = cg_place_save(c);
    kern_function(c, kern_name(c, kernel, ".all."), out);
    cg_lines_begin(c, kern_name(c, kernel, ":all:"), kern_line(kernel));
    struct kern k = kern_begin(c, kernel, id, out);
    strands_emit(&k);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}

void screen_some(struct cg *c, const struct ir_op *kernel, uint32_t id, struct cg_kernel *out) {
    struct cg_place back = cg_place_save(c);
    const struct ir_op *op = screen_dot(kernel);
    const struct ir_weight *w = op->weight;
    uint64_t K = ir_weight_cols(w);
    kern_function(c, kern_name(c, kernel, ".some."), out);
    cg_lines_begin(c, kern_name(c, kernel, ":some:"), kern_line(kernel));
    struct kern k = kern_begin(c, kernel, id, out);
    LLVMTypeRef type;
    LLVMValueRef fn = dot_function(c, w->store, K, &type), from, to;
    LLVMValueRef ids = cg_ctx(c, k.ctx, c->ptr, offsetof(struct setun_step, ids));
    LLVMValueRef exact = cg_ctx(c, k.ctx, c->ptr, offsetof(struct setun_step, exact));
    LLVMValueRef n = cg_ctx(c, k.ctx, c->i32, offsetof(struct setun_step, n_ids));
    struct cg_loop l;
    kern_share(&k, LLVMBuildZExt(c->b, n, c->i64, ""), &from, &to);
    cg_loop_begin(c, &l, from, to, cg_i64(c, 1), "id");
    LLVMValueRef four = LLVMBuildMul(c->b, l.i, cg_i64(c, 4), "");
    LLVMValueRef row = LLVMBuildZExt(c->b, cg_load(c, c->i32, cg_at(c, ids, four), 4), c->i64, "");
    LLVMValueRef args[] = {
        cg_at(c, kern_weight(&k, w, c->plan->tensor[w->id].offset),
              LLVMBuildMul(c->b, row, cg_i64(c, dot_row_bytes(w->store, K)), "")),
        cg_i64(c, 1),
        kern_buffer(&k, op->in[0]),
        cg_i64(c, ir_row_stride(&op->in[0]->type)),
        cg_i64(c, 1),
        cg_at(c, exact, four),
        cg_i64(c, 1),
    };
    LLVMBuildCall2(c->b, type, fn, args, COUNT_OF(args), "");
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}
