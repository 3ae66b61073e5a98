/*
 * core_lut.c -- cores that look sums up: tl1, tl2, wide; codec/lut_64.c draws their tiles.
 *
 * A table holds what two or three trits make of as many activations: 9 sums, 14 (and their negatives), or 27.  Rows are
 * the lanes of a register, so one table serves all of them, and nothing is added across lanes.
 *
 *   prepare      for each group of 2 or 3 channels: its table, 16 bits an entry
 *   one row      for tile
 *                    sum[64] = 0, 32 bits
 *                    for block of steps, as many as 16 bits hold
 *                        for step:  acc[64] += table[index of the row]      each of its tables
 *                        sum += acc
 *
 * Registers look bytes up among 16, so tables of tl1 and tl2 are 16 low digits and 16 high ones, signed bytes:
 *
 *   sum of products = 31 high + low + 16      low: -16 .. 14, high: -13 .. 12; the complement of both makes the
 * negative
 *
 * Eight of either fit a byte, so they are added up as bytes, and then go to 16 bits together; the 16 are counted
 * beforehand.  `wide` looks 16-bit words up among 32, which AVX-512 can; elsewhere it is four lookups among 8.
 */
#include "backends/core/core_lut.h"

#include <string.h>

/* ---- shared ---- */

struct lut lut_of(struct cg *c, const struct tile_layout *tile) {
    struct lut u = {.c = c, .tile = tile, .trits = 3, .entries = SMALL, .bytes = c->level->mm->bytes};
    if (tile == &tl1_64) u.trits = 2;
    if (tile == &wide_64) u.entries = LARGE;
    u.signs = tile == &tl2_64;
    u.lookups = tile->cols / u.trits;
    u.rows = u.entries == LARGE ? u.bytes / 2 : u.bytes;
    return u;
}

uint64_t lut_steps(const struct lut *u, uint64_t K) { return (K + u->tile->cols - 1) / u->tile->cols; }

int lut_trit(const struct lut *u, unsigned e, unsigned k) {
    unsigned n = u->trits == 2 ? 9 : u->signs ? 14 : 27;
    int v = (int)e;
    if (e >= n) return 0;
    if (!u->signs) { /* digits 0, 1, 2 stand for -1, 0, 1 */
        for (; k; k--) e /= 3;
        return (int)(e % 3) - 1;
    }
    for (;; k--) { /* digits -1, 0, 1 */
        int d = v % 3 == 2 ? -1 : v % 3;
        if (!k) return d;
        v = (v - d) / 3;
    }
}

/* ---- vectors ---- */

LLVMValueRef lut_shuffle(struct cg *c, LLVMValueRef a, LLVMValueRef b, const unsigned *at, unsigned n) {
    LLVMValueRef mask[2 * ROWS];
    for (unsigned i = 0; i < n; i++) mask[i] = cg_i32(c, at[i]);
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(mask, n), "");
}

LLVMValueRef lut_part(struct cg *c, LLVMValueRef a, unsigned first, unsigned n) {
    unsigned at[ROWS];
    for (unsigned i = 0; i < n; i++) at[i] = first + i;
    return lut_shuffle(c, a, LLVMGetPoison(LLVMTypeOf(a)), at, n);
}

LLVMValueRef lut_flags(struct cg *c, LLVMValueRef set, unsigned n) {
    LLVMTypeRef flags = LLVMVectorType(c->i1, n);
    if (!c->level->mm->byte_shifts) return LLVMBuildBitCast(c->b, set, flags, "");
    unsigned at[ROWS];
    LLVMValueRef bit[ROWS];
    for (unsigned i = 0; i < n; i++) at[i] = i / 8, bit[i] = cg_i8(c, 1 << i % 8);
    set = lut_shuffle(c, set, LLVMGetPoison(LLVMTypeOf(set)), at, n);
    set = LLVMBuildAnd(c->b, set, LLVMConstVector(bit, n), "");
    return LLVMBuildICmp(c->b, LLVMIntNE, set, LLVMConstNull(LLVMTypeOf(set)), "");
}

LLVMValueRef lut_number16(struct cg *c, int v) { return LLVMConstInt(c->i16, (uint16_t)v, false); }

static LLVMTypeRef words(const struct lut *u) { return LLVMVectorType(u->c->i16, u->bytes / 2); }

static LLVMValueRef words_of(const struct lut *u, int v) { return cg_splat(u->c, lut_number16(u->c, v), u->bytes / 2); }

static LLVMValueRef bytes_of(const struct lut *u, int v) { return cg_splat(u->c, cg_i8(u->c, v), u->bytes); }

/* 16 bytes at p, in every 16 bytes of a register. */
static LLVMValueRef repeated(const struct lut *u, LLVMValueRef p) {
    LLVMValueRef x = cg_load(u->c, LLVMVectorType(u->c->i8, SMALL), p, 16);
    unsigned at[ROWS];
    for (unsigned i = 0; i < u->bytes; i++) at[i] = i % SMALL;
    return lut_shuffle(u->c, x, LLVMGetPoison(LLVMTypeOf(x)), at, u->bytes);
}

static LLVMValueRef nibbles(const struct lut *u, LLVMValueRef w, bool high) {
    struct cg *c = u->c;
    if (high && c->level->mm->byte_shifts) return LLVMBuildLShr(c->b, w, bytes_of(u, 4), "");
    if (high) {
        w = LLVMBuildLShr(c->b, LLVMBuildBitCast(c->b, w, words(u), ""), words_of(u, 4), "");
        w = LLVMBuildBitCast(c->b, w, mm_byte_type(c), "");
    }
    return LLVMBuildAnd(c->b, w, bytes_of(u, 15), "");
}

/* Words of a table of 32 at p, for indices that are the low five bits of each word. */
static LLVMValueRef lookup32(const struct lut *u, LLVMValueRef p, LLVMValueRef index) {
    struct cg *c = u->c;
    const struct mm_target *t = c->level->mm;
    if (t->lookup32) return t->lookup32(c, cg_load(c, LLVMVectorType(c->i16, LARGE), p, 64), index);
    /* Byte 2 i and 2 i + 1 of the table make word i; a register looks up among eight of these. */
    index = LLVMBuildAnd(c->b, index, words_of(u, 31), "");
    LLVMValueRef two = LLVMBuildMul(c->b, index, words_of(u, 0x202), ""), found = NULL;
    two = LLVMBuildAnd(c->b, LLVMBuildOr(c->b, two, words_of(u, 0x100), ""), words_of(u, 0xf0f), "");
    two = LLVMBuildBitCast(c->b, two, mm_byte_type(c), "");
    for (unsigned i = 0; i < LARGE / 8; i++) {
        LLVMValueRef x = t->lookup16(c, repeated(u, cg_at_const(c, p, 16 * i)), two);
        x = LLVMBuildBitCast(c->b, x, words(u), "");
        if (i)
            x = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntULT, index, words_of(u, (int)(8 * i)), ""), found, x,
                                "");
        found = x;
    }
    return found;
}

/* ---- prepare: the tables of one row of codes ---- */

static LLVMValueRef entry_trits(const struct lut *u, unsigned k) {
    LLVMValueRef at[LARGE];
    for (unsigned e = 0; e < u->entries; e++) at[e] = lut_number16(u->c, lut_trit(u, e, k));
    return LLVMConstVector(at, u->entries);
}

static unsigned table_bytes(const struct lut *u) { return 2 * u->entries; }

enum {
    DIGIT_OFFSET = (MM_DIGIT + 1) / 2, /* in every sum of two digits */
    DIGIT_UP = 13,                     /* 13 * 31 is more than three codes */
};

/* One table from the codes at x. */
static void table(const struct lut *u, LLVMValueRef x, LLVMValueRef to) {
    struct cg *c = u->c;
    LLVMValueRef sum = LLVMConstNull(LLVMVectorType(c->i16, u->entries));
    for (unsigned k = 0; k < u->trits; k++) {
        LLVMValueRef q = LLVMBuildSExt(c->b, cg_load(c, c->i8, cg_at_const(c, x, k), 1), c->i16, "");
        q = LLVMBuildMul(c->b, cg_splat(c, q, u->entries), entry_trits(u, k), "");
        sum = LLVMBuildAdd(c->b, sum, q, "");
    }
    if (u->entries == LARGE) {
        cg_store(c, sum, to, 64);
        return;
    }
    /* sum / 31 rounded down: the quotient of what is not negative, as 33/1024 gives it up to 31 * 31. */
    LLVMValueRef up = LLVMBuildAdd(c->b, sum, cg_splat(c, lut_number16(c, DIGIT_UP * MM_DIGIT + 1), SMALL), "");
    LLVMValueRef high = LLVMBuildMul(c->b, up, cg_splat(c, lut_number16(c, 33), SMALL), "");
    high = LLVMBuildLShr(c->b, high, cg_splat(c, lut_number16(c, 10), SMALL), "");
    high = LLVMBuildSub(c->b, high, cg_splat(c, lut_number16(c, DIGIT_UP), SMALL), "");
    LLVMValueRef low = LLVMBuildMul(c->b, high, cg_splat(c, lut_number16(c, MM_DIGIT), SMALL), "");
    low = LLVMBuildAdd(c->b, low, cg_splat(c, lut_number16(c, DIGIT_OFFSET), SMALL), "");
    low = LLVMBuildSub(c->b, sum, low, "");
    LLVMTypeRef half = LLVMVectorType(c->i8, SMALL);
    cg_store(c, LLVMBuildTrunc(c->b, low, half, ""), to, 16);
    cg_store(c, LLVMBuildTrunc(c->b, high, half, ""), cg_at_const(c, to, SMALL), 16);
}

/* Behind the last channel lie zeros or the sum of the codes: trits are 0 there, and so is what a table makes of them.
 * The row ends 64 bytes behind the last multiple of 64, so that no table reads beyond it. */
static void prepare(struct cg *c, const struct tile_layout *tile, uint64_t K, LLVMValueRef codes, LLVMValueRef to) {
    struct lut u = lut_of(c, tile);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, lut_steps(&u, K) * u.lookups), cg_i64(c, 1), "table");
    LLVMValueRef x = cg_at(c, codes, LLVMBuildMul(c->b, l.i, cg_i64(c, u.trits), ""));
    table(&u, x, cg_at(c, to, LLVMBuildMul(c->b, l.i, cg_i64(c, table_bytes(&u)), "")));
    cg_loop_end(c, &l);
}

/* ---- one row ---- */

static void add_to(struct lut *u, unsigned a, LLVMValueRef x) {
    u->acc[a] = LLVMBuildAdd(u->c->b, u->acc[a], LLVMBuildBitCast(u->c->b, x, words(u), ""), "");
}

/* Where the sign bits say so, all bits are turned round. */
static void turn(struct lut *u, LLVMValueRef signs, unsigned v, LLVMValueRef digit[2]) {
    struct cg *c = u->c;
    unsigned n = u->bytes / 8;
    LLVMValueRef s = cg_load(c, LLVMVectorType(c->i8, n), cg_at_const(c, signs, v * n), n < 4 ? n : 4);
    s = LLVMBuildSExt(c->b, lut_flags(c, s, u->bytes), mm_byte_type(c), "");
    for (unsigned d = 0; d < 2; d++) digit[d] = LLVMBuildXor(c->b, digit[d], s, "");
}

/* Registers from .. to - 1 of indices. */
static void step_of_bytes(struct lut *u, LLVMValueRef p, LLVMValueRef tables, unsigned from, unsigned to) {
    struct cg *c = u->c;
    for (unsigned i = 0; i < u->lookups; i++) {
        LLVMValueRef at = cg_at_const(c, tables, i * table_bytes(u)), table[2];
        for (unsigned d = 0; d < 2; d++) table[d] = repeated(u, cg_at_const(c, at, d * SMALL));
        for (unsigned v = from; v < to; v++) {
            LLVMValueRef w = cg_load(c, mm_byte_type(c), cg_at_const(c, p, i / 2 * ROWS + v * u->bytes), 32);
            LLVMValueRef index = nibbles(u, w, i % 2), digit[2], *sum = u->digit[v - from];
            for (unsigned d = 0; d < 2; d++) digit[d] = c->level->mm->lookup16(c, table[d], index);
            if (u->signs) turn(u, cg_at_const(c, p, TL2_SIGNS + 8 * i), v, digit);
            for (unsigned d = 0; d < 2; d++) {
                sum[d] = sum[d] ? LLVMBuildAdd(c->b, sum[d], digit[d], "") : digit[d];
                if (c->level->mm->in_order && !u->signs) sum[d] = c->level->mm->in_order(c, sum[d]);
            }
        }
    }
}

/* n steps, at most a round.  16 registers hold tables, masks and sums of one register of indices, 32 those of more; for
 * others the tables are read again. */
static void round_of_bytes(struct lut *u, LLVMValueRef p, LLVMValueRef tables, unsigned n) {
    struct cg *c = u->c;
    uint64_t size = (uint64_t)u->lookups * table_bytes(u);
    unsigned together = u->bytes == 32 ? 1 : u->to - u->from;
    for (unsigned v = u->from; v < u->to; v += together) {
        memset(u->digit, 0, sizeof u->digit);
        if (v > u->from) tables = cg_opaque(c, tables);
        for (unsigned i = 0; i < n; i++)
            step_of_bytes(u, cg_at_const(c, p, i * u->tile->bytes), cg_at_const(c, tables, i * size), v, v + together);
        for (unsigned t = 0; t < together; t++)
            c->level->mm->digits(c, u->acc + 2 * (v - u->from + t), u->digit[t][0], u->digit[t][1]);
    }
}

static void step_of_words(struct lut *u, LLVMValueRef p, LLVMValueRef tables) {
    struct cg *c = u->c;
    for (unsigned v = u->from; v < u->to; v++) {
        LLVMValueRef w = cg_load(c, words(u), cg_at_const(c, p, v * u->bytes), 32);
        for (unsigned i = 0; i < u->lookups; i++) {
            LLVMValueRef index = i ? LLVMBuildLShr(c->b, w, words_of(u, (int)(5 * i)), "") : w;
            add_to(u, v - u->from, lookup32(u, cg_at_const(c, tables, i * table_bytes(u)), index));
        }
    }
}

/* Rows 16 s .. 16 s + 15 of those at hand, widened. */
static LLVMValueRef rows_of(const struct lut *u, unsigned s) {
    struct cg *c = u->c;
    unsigned v = s * SUM_ROWS / u->rows, q = s - v * u->rows / SUM_ROWS; /* register, and which 16 rows of it */
    if (u->rows < SUM_ROWS) {
        unsigned both[SUM_ROWS];
        for (unsigned i = 0; i < SUM_ROWS; i++) both[i] = i;
        return LLVMBuildSExt(c->b, lut_shuffle(c, u->acc[v], u->acc[v + 1], both, SUM_ROWS), c->vi, "");
    }
    if (u->entries == LARGE) return LLVMBuildSExt(c->b, lut_part(c, u->acc[v], q * SUM_ROWS, SUM_ROWS), c->vi, "");
    unsigned at[SUM_ROWS]; /* digits were put together within 16 bytes: rows 0 .. 7 of them here, the others there */
    for (unsigned i = 0; i < SUM_ROWS; i++) at[i] = q * 8 + i % 8 + (i < 8 ? 0 : u->bytes / 2);
    LLVMValueRef x = lut_shuffle(c, u->acc[2 * v], u->acc[2 * v + 1], at, SUM_ROWS);
    return LLVMBuildSExt(c->b, x, c->vi, "");
}

/* Steps of a round: those whose digits are added up as bytes. */
static unsigned steps_of_round(const struct lut *u) { return u->entries == LARGE ? 1 : ROUND / u->lookups; }

/* Steps step .. step + n - 1, at most a round. */
static void round_of(struct lut *u, LLVMValueRef tile, LLVMValueRef tables, LLVMValueRef step, unsigned n) {
    struct cg *c = u->c;
    uint64_t size = (uint64_t)u->lookups * table_bytes(u);
    LLVMValueRef p = cg_at(c, tile, LLVMBuildMul(c->b, step, cg_i64(c, u->tile->bytes), ""));
    LLVMValueRef at = cg_at(c, tables, LLVMBuildMul(c->b, step, cg_i64(c, size), ""));
    if (u->entries == LARGE)
        step_of_words(u, p, at);
    else
        round_of_bytes(u, p, at, n);
    if (mm_streams(c) && !u->from)
        for (unsigned b = 0; b < n * u->tile->bytes; b += 64) mm_prefetch(c, cg_at_const(c, p, b));
}

/* Steps [from, from + n) in 16 bits, then added to sum.  n is a constant. */
static void block(struct lut *u, LLVMValueRef tile, LLVMValueRef tables, LLVMValueRef from, uint64_t n,
                  LLVMValueRef *sum) {
    struct cg *c = u->c;
    unsigned vectors = u->to - u->from, n_acc = u->entries == LARGE ? vectors : 2 * vectors, round = steps_of_round(u);
    LLVMValueRef to = LLVMBuildNSWAdd(c->b, from, cg_i64(c, n / round * round), "");
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, cg_i64(c, round), "step");
    for (unsigned a = 0; a < n_acc; a++) u->acc[a] = l.phi[cg_carry(c, &l, LLVMConstNull(words(u)))];
    round_of(u, tile, tables, l.i, round);
    for (unsigned a = 0; a < n_acc; a++) cg_next(&l, a, u->acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n_acc; a++) u->acc[a] = cg_result(&l, a);
    if (n % round) round_of(u, tile, tables, to, (unsigned)(n % round));
    for (unsigned s = 0; s < vectors * u->rows / SUM_ROWS; s++) sum[s] = LLVMBuildAdd(c->b, sum[s], rows_of(u, s), "");
}

/* Steps whose sums fit 16 bits, where each of a row is at most trits * 127, and the offset: whole rounds. */
static uint64_t steps_of_block(const struct lut *u) {
    uint64_t steps = INT16_MAX / (u->lookups * (u->trits * LARGEST_CODE + DIGIT_OFFSET));
    return steps / steps_of_round(u) * steps_of_round(u);
}

/* The rows at hand of one tile. */
static void some_rows(struct lut *u, uint64_t K, LLVMValueRef tile, LLVMValueRef tables, LLVMValueRef out) {
    struct cg *c = u->c;
    uint64_t some = steps_of_block(u), all = lut_steps(u, K), done = all / some * some;
    unsigned n = (u->to - u->from) * u->rows / SUM_ROWS;
    uint64_t offset = u->entries == LARGE ? 0 : all * u->lookups * DIGIT_OFFSET;
    LLVMValueRef sum[SUMS];
    for (unsigned s = 0; s < n; s++) sum[s] = cg_splat(c, cg_i32(c, (uint32_t)offset), SUM_ROWS);
    if (done) {
        struct cg_loop b;
        cg_loop_begin(c, &b, cg_i64(c, 0), cg_i64(c, done), cg_i64(c, some), "block");
        for (unsigned s = 0; s < n; s++) sum[s] = b.phi[cg_carry(c, &b, sum[s])];
        block(u, tile, tables, b.i, some, sum);
        for (unsigned s = 0; s < n; s++) cg_next(&b, s, sum[s]);
        cg_loop_end(c, &b);
        for (unsigned s = 0; s < n; s++) sum[s] = cg_result(&b, s);
    }
    if (done < all) block(u, tile, tables, cg_i64(c, done), all - done, sum);
    for (unsigned s = 0; s < n; s++) cg_store(c, sum[s], cg_at_const(c, out, (uint64_t)4 * SUM_ROWS * s), 4);
}

/* Registers of indices that go through the tile together: all, but where sums of words and their tables, or two tables,
 * masks of signs and their sums leave too few registers. */
static unsigned at_once(const struct lut *u) {
    if (u->bytes == 64 || (u->entries == SMALL && !u->signs)) return ROWS / u->rows;
    if (u->entries == SMALL) return 2;
    return u->rows < SUM_ROWS ? SUM_ROWS / u->rows : 1;
}

static void one_row(struct cg *c, const struct tile_layout *tile, uint64_t K, const struct mm_args *a) {
    struct lut u = lut_of(c, tile);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), a->n_tiles, cg_i64(c, 1), "tile");
    LLVMValueRef at = LLVMBuildMul(c->b, LLVMBuildAdd(c->b, a->first, l.i, ""), cg_i64(c, tiles_bytes(tile, K)), "");
    LLVMValueRef out = cg_at(c, a->acc, LLVMBuildShl(c->b, l.i, cg_i64(c, 8), "")); /* 64 results of 4 bytes */
    for (unsigned v = 0; v < ROWS / u.rows; v += at_once(&u)) {
        u.from = v, u.to = v + at_once(&u);
        some_rows(&u, K, cg_at(c, a->matrix, at), a->prepared, cg_at_const(c, out, (uint64_t)4 * u.rows * v));
    }
    cg_loop_end(c, &l);
}

/* ---- the table ---- */

static uint64_t tables_bytes(const struct tile_layout *tile, unsigned entry_bytes, unsigned trits, uint64_t K) {
    return (K + tile->cols - 1) / tile->cols * (tile->cols / trits) * entry_bytes;
}

#define LUT(id, NUMBER, tile_, granule_, trits_, table_bytes_)                                                         \
    static uint64_t id##_tile_bytes(uint64_t K) { return tiles_bytes(&tile_, K); }                                     \
    static void id##_pack_tile(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *to) {                          \
        tiles_pack(&tile_, trits, rows, K, to);                                                                        \
    }                                                                                                                  \
    static void id##_unpack_tile(const uint8_t *from, uint64_t row, uint64_t n, uint64_t K, int8_t *trits) {           \
        tiles_unpack(&tile_, from, row, n, K, trits);                                                                  \
    }                                                                                                                  \
    static void id##_one_row(struct cg *c, const struct mm_shape *s, const struct mm_args *a) {                        \
        one_row(c, &tile_, s->K, a);                                                                                   \
    }                                                                                                                  \
    static uint64_t id##_prepare_bytes(uint64_t K) { return tables_bytes(&tile_, table_bytes_, trits_, K); }           \
    static void id##_prepare(struct cg *c, uint64_t K, const struct mm_prepare_args *a) {                              \
        prepare(c, &tile_, K, a->codes, a->to);                                                                        \
    }                                                                                                                  \
    static void id##_unpack_panel(struct cg *c, const struct mm_shape *s, const struct mm_args *a,                     \
                                  const struct mm_panel *p) {                                                          \
        lut_unpack_panel(c, &tile_, s->K, a, p);                                                                       \
    }                                                                                                                  \
    const struct mm_core mm_core_##id = {.name = #id,                                                                  \
                                         .layout = SETUN_LAYOUT_##NUMBER,                                              \
                                         .tile_bytes = id##_tile_bytes,                                                \
                                         .pack_tile = id##_pack_tile,                                                  \
                                         .unpack_tile = id##_unpack_tile,                                              \
                                         .one_row = id##_one_row,                                                      \
                                         .prepare_bytes = id##_prepare_bytes,                                          \
                                         .prepare = id##_prepare,                                                      \
                                         .panel_steps = granule_,                                                      \
                                         .panel = lut_planes,                                                          \
                                         .unpack_panel = id##_unpack_panel};

LUT(tl1, TL1_64, tl1_64, 1, 2, 32)
LUT(tl2, TL2_64, tl2_64, 6, 3, 32)
LUT(wide, WIDE_64, wide_64, 9, 3, 64)
