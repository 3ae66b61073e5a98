/*
 * core_t5.c -- 1.6 bits a weight: five trits of a row in a byte (codec/t5_64.c draws it).
 *
 * A step is 64 bytes of 16 rows and 20 columns.  A lookup in 64 entries by the low six bits of a byte gives its first
 * four codes as 2-bit fields, the top two bits are the fifth; the 51 byte values from 0xc0 on are looked up in tables
 * of their own.  Field p of all four bytes of a lane meets the columns 20 s + 4 p .. + 3.
 *
 *   for tile, for part of 16 rows (two at a time where registers have 64 bytes)
 *       acc[place][vector] = 0
 *       for step (unrolled):   w = load; rare = w >= 0xc0
 *                              four = rare ? four_rare[w] : fields[w];  fifth = rare ? fifth_rare[w] : w & 0xc0
 *                              acc[p] = dot(acc[p], four & mask[p], x[p]);  acc[4] = dot(acc[4], fifth, x[4])
 *       undo the scales of the places, sum over them, minus sum(q), store 16 sums
 *
 * x[p]: four codes in every lane, an operand in memory.  A step is 14 instructions of AVX-512 and a load.  Vectors of
 * 32 bytes take the left half of all steps of a part, then the right one: the lookup leaves no room for two.
 */
#include "backends/core/five.h"

enum { PLACES = T5_64_PLACES, PARTS = MM_PLANES, COLS = T5_64_STEP };

static uint64_t steps_of(uint64_t K) { return (K + COLS - 1) / COLS; }

/* ---- decoding a vector of bytes ---- */

/* Codes where they lie, for 32-bit sums. */
static const struct mm_planes scaled = {.mask = {3, 12, 48, 192}, .post = {0, 2, 4, 6}};
static const struct mm_planes below128 = {.right = {0, 0, 0, 6}, .mask = {3, 12, 48, 3}, .post = {0, 2, 4, 0}};

struct decoded {
    LLVMValueRef four, fifth; /* fifth: the code, shifted left by 6 if it is not to be plain */
};

/* Of one row. */
static const struct mm_planes *stream_planes(const struct mm_target *t) {
    return t->widen ? &five_nibbles : t->below128 ? &below128 : &scaled;
}
static bool fifth_is_plain(const struct mm_target *t) { return t->widen || t->below128; }

static struct decoded decode(struct cg *c, LLVMValueRef w, bool plain_fifth) {
    LLVMValueRef rare = five_rare(c, w);
    return (struct decoded){five_four(c, w, rare), five_fifth(c, w, rare, plain_fifth ? 0 : 6)};
}

/* ---- one row ---- */

enum { MOST_TOGETHER = 2, HALVES = MM_RUNS / MOST_TOGETHER };

struct stream {
    struct cg *c;
    const struct mm_target *t;
    const struct mm_planes *planes;
    LLVMValueRef at, codes; /* the vector of step 0 of the first part */
    unsigned together;      /* parts that go through the steps together, part_bytes apart */
    uint64_t part_bytes, unroll;
    uint64_t half; /* steps of half a part, if a part is read as two runs: step 2 i + h is step i of half h; else 0 */
    bool prefetch;
};

/* acc: PLACES of each part.  half: the step's place is in a half; step is then even. */
static void stream_step(struct stream *s, LLVMValueRef step, unsigned u, bool half, LLVMValueRef *acc) {
    struct cg *c = s->c;
    LLVMValueRef at = LLVMBuildNSWAdd(c->b, step, cg_i64(c, u), ""), in_run = at;
    if (half) {
        in_run = LLVMBuildNSWAdd(c->b, LLVMBuildUDiv(c->b, step, cg_i64(c, HALVES), ""), cg_i64(c, u / HALVES), "");
        at = LLVMBuildNSWAdd(c->b, in_run, cg_i64(c, u % HALVES * s->half), "");
    }
    LLVMValueRef first = cg_at(c, s->at, LLVMBuildShl(c->b, at, cg_i64(c, 6), ""));
    LLVMValueRef x = cg_at(c, s->codes, LLVMBuildMul(c->b, at, cg_i64(c, COLS), ""));
    for (unsigned g = 0; g < s->together; g++, acc += PLACES) {
        LLVMValueRef p = cg_at_const(c, first, g * s->part_bytes);
        struct decoded d = decode(c, cg_load(c, mm_byte_type(c), p, s->t->bytes), fifth_is_plain(s->t));
        LLVMValueRef field[PLACES];
        mm_split(c, s->planes, d.four, field);
        field[4] = d.fifth;
        for (unsigned i = 0; i < PLACES; i++) {
            bool one = s->t->quad > 1 && i < s->t->quad;
            LLVMValueRef q = one ? mm_codes_of(c, mm_quad(c, x), i) : mm_codes(c, cg_at_const(c, x, 4 * i));
            acc[i] = s->t->dot(c, acc[i], field[i], q);
        }
        if (s->prefetch && half)
            mm_prefetch_run(c, p, in_run, s->half, s->together * s->part_bytes - s->half * MM_STEP);
        if (s->prefetch && !s->half) mm_prefetch(c, p);
    }
}

/* Steps [from, from + n) into fresh accumulators, widened and added to sum.  n is a constant. */
static void stream_block(struct stream *s, LLVMValueRef from, uint64_t n, LLVMValueRef *sum) {
    struct cg *c = s->c;
    uint64_t rest = n % s->unroll;
    unsigned sums = PLACES * s->together;
    LLVMValueRef acc[PLACES * MOST_TOGETHER], to = LLVMBuildNSWAdd(c->b, from, cg_i64(c, n - rest), "");
    struct cg_loop l; /* slot i carries accumulator i */
    cg_loop_begin(c, &l, from, to, cg_i64(c, s->unroll), "step");
    for (unsigned i = 0; i < sums; i++) acc[i] = l.phi[cg_carry(c, &l, LLVMConstNull(mm_acc_type(c)))];
    for (unsigned u = 0; u < s->unroll; u++) stream_step(s, l.i, u, s->half, acc);
    for (unsigned i = 0; i < sums; i++) cg_next(&l, i, acc[i]);
    cg_loop_end(c, &l);
    for (unsigned i = 0; i < sums; i++) acc[i] = cg_result(&l, i);
    for (unsigned u = 0; u < rest; u++) stream_step(s, to, u, false, acc);
    for (unsigned i = 0; i < sums; i++)
        sum[i] = LLVMBuildAdd(c->b, sum[i], s->t->widen ? s->t->widen(c, acc[i]) : acc[i], "");
}

/* All steps of the parts, in blocks that narrow accumulators hold. */
static void stream_sums(struct stream *s, uint64_t steps, LLVMValueRef *sum) {
    struct cg *c = s->c;
    uint64_t block = mm_flush(s->t, s->planes), done = block ? steps / block * block : 0;
    unsigned sums = PLACES * s->together;
    for (unsigned i = 0; i < sums; i++) sum[i] = LLVMConstNull(mm_sum_type(c));
    if (done) {
        struct cg_loop l; /* slot i carries sum i */
        cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, done), cg_i64(c, block), "block");
        for (unsigned i = 0; i < sums; i++) sum[i] = l.phi[cg_carry(c, &l, sum[i])];
        stream_block(s, l.i, block, sum);
        for (unsigned i = 0; i < sums; i++) cg_next(&l, i, sum[i]);
        cg_loop_end(c, &l);
        for (unsigned i = 0; i < sums; i++) sum[i] = cg_result(&l, i);
    }
    if (done < steps) stream_block(s, cg_i64(c, done), steps - done, sum);
}

/* A vector of results of each part, at out. */
static void stream_lanes(struct stream *s, uint64_t K, LLVMValueRef out) {
    struct cg *c = s->c;
    LLVMValueRef sums[PLACES * MOST_TOGETHER], *sum = sums, all;
    stream_sums(s, steps_of(K), sums);
    for (unsigned g = 0; g < s->together; g++, sum += PLACES) {
        all = LLVMBuildSub(c->b, sum[0], mm_code_sum(c, s->codes, K), "");
        for (unsigned i = 1; i < PLACES; i++) {
            unsigned post = i < MM_PLANES ? s->planes->post[i] : fifth_is_plain(s->t) ? 0 : 6;
            LLVMValueRef by = cg_splat(c, cg_i32(c, post), s->t->bytes / 4);
            all = LLVMBuildAdd(c->b, all, LLVMBuildAShr(c->b, sum[i], by, ""), "");
        }
        cg_store(c, all, cg_at_const(c, out, (uint64_t)g * 4 * MM_LANES), 4);
    }
}

/* Registers of 64 bytes have room for two parts; each is read as two runs. */
static unsigned together(const struct mm_target *t) {
    return mm_vectors(t) == 1 && t->lookup64_is_one ? MOST_TOGETHER : 1;
}

static void one_row(struct cg *c, const struct mm_shape *shape, const struct mm_args *a) {
    const struct mm_target *t = c->level->mm;
    uint64_t part = steps_of(shape->K) * MM_STEP; /* bytes; parts of tiles lie one after another */
    struct stream s = {.c = c, .t = t, .codes = a->codes, .together = together(t), .part_bytes = part};
    s.unroll = mm_vectors(t) != 2 && s.together == 1 ? 2 : 1;
    if (s.together > 1 && mm_streams(c) && steps_of(shape->K) >= HALVES)
        s.half = steps_of(shape->K) / HALVES, s.unroll = HALVES;
    s.planes = stream_planes(t);
    struct cg_loop l;
    LLVMValueRef two = cg_i64(c, 2), n = LLVMBuildShl(c->b, a->n_tiles, two, "");
    cg_loop_begin(c, &l, cg_i64(c, 0), n, cg_i64(c, s.together), "part");
    LLVMValueRef at = LLVMBuildAdd(c->b, LLVMBuildShl(c->b, a->first, two, ""), l.i, "");
    LLVMValueRef from = cg_at(c, a->matrix, LLVMBuildMul(c->b, at, cg_i64(c, part), ""));
    LLVMValueRef out = cg_at(c, a->acc, LLVMBuildShl(c->b, l.i, cg_i64(c, 6), ""));
    for (unsigned v = 0; v < mm_vectors(t); v++) {
        s.at = cg_at_const(c, from, v * t->bytes);
        s.prefetch = v == 0 && mm_streams(c);
        stream_lanes(&s, shape->K, cg_at_const(c, out, v * t->bytes));
    }
    cg_loop_end(c, &l);
}

/* ---- many rows ---- */

static const struct mm_planes *panel(const struct mm_target *t) {
    (void)t;
    return &five_plain;
}

/* One vector of a step of part `part`: operands of five steps of four columns, at `to`. */
static void unpack_vector(struct cg *c, LLVMValueRef from, LLVMValueRef to) {
    unsigned width = c->level->mm->bytes;
    struct decoded d = decode(c, cg_load(c, mm_byte_type(c), from, width), true);
    LLVMValueRef field[PLACES];
    mm_split(c, &five_plain, d.four, field);
    field[4] = d.fifth;
    for (unsigned i = 0; i < PLACES; i++) cg_store(c, field[i], cg_at_const(c, to, i * MM_PLANES * width), width);
}

static void unpack_panel(struct cg *c, const struct mm_shape *s, const struct mm_args *a, const struct mm_panel *p) {
    unsigned width = c->level->mm->bytes;
    uint64_t part = steps_of(s->K) * MM_STEP;
    LLVMValueRef tile = cg_at(c, a->matrix, LLVMBuildMul(c->b, p->tile, cg_i64(c, t5_64_tile_bytes(s->K)), ""));
    LLVMValueRef places = cg_i64(c, PLACES), up = LLVMBuildAdd(c->b, p->steps, cg_i64(c, PLACES - 1), "");
    LLVMValueRef first = LLVMBuildUDiv(c->b, p->from, places, ""), n = LLVMBuildUDiv(c->b, up, places, "");
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), n, cg_i64(c, 1), "unpack");
    LLVMValueRef at = LLVMBuildNSWAdd(c->b, first, l.i, ""),
                 w = cg_at(c, tile, LLVMBuildShl(c->b, at, cg_i64(c, 6), ""));
    LLVMValueRef to = cg_at(c, p->to, LLVMBuildMul(c->b, l.i, cg_i64(c, PLACES * MM_PLANES * width), ""));
    for (unsigned g = 0; g < PARTS; g++)
        for (unsigned v = 0; v < mm_vectors(c->level->mm); v++)
            unpack_vector(c, cg_at_const(c, w, g * part + v * width),
                          cg_at_const(c, to, (v * MM_PANEL * MM_PLANES + g) * width));
    cg_loop_end(c, &l);
}

const struct mm_core mm_core_t5 = {
    .name = "t5",
    .layout = SETUN_LAYOUT_T5_64,
    .tile_bytes = t5_64_tile_bytes,
    .pack_tile = t5_64_pack_tile,
    .unpack_tile = t5_64_unpack_tile,
    .one_row = one_row,
    .panel_steps = PLACES,
    .panel = panel,
    .unpack_panel = unpack_panel,
};
