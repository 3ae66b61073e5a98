/*
 * lut_64.c -- tiles of 64 rows whose codes are indices: a lookup gives the sum of two or three products.
 *
 * A row is a lane of a register, so that one table serves all lanes (codec/tiles.h has the rest).
 *
 * tl1_64, four columns in 64 bytes: byte r belongs to row r.  With c = T + 1:
 *
 *     bits 7:4  c2 + 3 c3    bits 3:0  c0 + 3 c1                         an index is 0 .. 8
 *
 * tl2_64, 24 columns in 320 bytes: eight triples v = T0 + 3 T1 + 9 T2, of which |v| is an index and v < 0 a sign.
 *
 *     64 bytes | 64 bytes | 64 bytes | 64 bytes | 8 x 8 bytes            pair of triples 0,1 | 2,3 | 4,5 | 6,7 | signs
 *     byte r     bits 7:4  |v| of the odd triple   bits 3:0  |v| of the even one      0 .. 13
 *     signs      triple t: 64 bits, bit r belongs to row r               0 where v = 0
 *
 * wide_64, nine columns in 128 bytes: word r (16 bits) belongs to row r.
 *
 *     bits 14:10  c6 + 3 c7 + 9 c8   9:5  c3 + 3 c4 + 9 c5   4:0  c0 + 3 c1 + 9 c2     an index is 0 .. 26; bit 15 is 0
 */
#include "codec/lut_64.h"

#include "codec/ternary_impl.h"

#define BAD_PAIR   "no pair of trits has this index"
#define BAD_TRIPLE "no triple of trits has this index"
#define BAD_SIGN   "three zeroes have no sign"
#define BAD_TOP    "the top bit of a word is not 0"

static unsigned code(int8_t trit) { return (unsigned)(trit + 1); }

/* ---- tl1_64 ---- */

static void tl1_put(uint8_t *step, unsigned row, const int8_t *t) {
    step[row] = (uint8_t)((code(t[0]) + 3 * code(t[1])) | (code(t[2]) + 3 * code(t[3])) << 4);
}

static bool tl1_get(const uint8_t *step, unsigned row, int8_t *t, unsigned *at, const char **why) {
    unsigned low = step[row] & 15u, high = step[row] >> 4;
    *at = row;
    *why = BAD_PAIR;
    t[0] = (int8_t)(low % 3) - 1, t[1] = (int8_t)(low / 3) - 1;
    t[2] = (int8_t)(high % 3) - 1, t[3] = (int8_t)(high / 3) - 1;
    return low < 9 && high < 9;
}

/* ---- tl2_64 ---- */

enum { TRIPLES = 8, SIGNS = 256 };

static void tl2_put(uint8_t *step, unsigned row, const int8_t *t) {
    for (unsigned i = 0; i < TRIPLES; i++) {
        int v = t[3 * i] + 3 * t[3 * i + 1] + 9 * t[3 * i + 2];
        unsigned index = (unsigned)(v < 0 ? -v : v);
        uint8_t *byte = step + i / 2 * TILE_ROWS + row, *sign = step + SIGNS + 8 * i + row / 8;
        *byte = (uint8_t)(*byte | index << i % 2 * 4);
        if (v < 0) *sign = (uint8_t)(*sign | 1u << row % 8);
    }
}

/* The trits of v: its digits in the system that has -1. */
static void digits(int v, int8_t *t) {
    for (unsigned k = 0; k < 3; k++) {
        int d = (v + 13 * 3) % 3; /* 0, 1, or 2 for -1 */
        t[k] = (int8_t)(d == 2 ? -1 : d);
        v = (v - t[k]) / 3;
    }
}

static bool tl2_get(const uint8_t *step, unsigned row, int8_t *t, unsigned *at, const char **why) {
    for (unsigned i = 0; i < TRIPLES; i++) {
        unsigned place = i / 2 * TILE_ROWS + row, index = step[place] >> i % 2 * 4 & 15;
        bool negative = step[SIGNS + 8 * i + row / 8] >> row % 8 & 1;
        *at = place;
        *why = BAD_TRIPLE;
        if (index > 13) return false;
        *why = BAD_SIGN;
        if (negative && !index) return false;
        digits(negative ? -(int)index : (int)index, t + (size_t)3 * i);
    }
    *at = row;
    return true;
}

/* ---- wide_64 ---- */

static void wide_put(uint8_t *step, unsigned row, const int8_t *t) {
    unsigned word = 0;
    for (unsigned i = 0; i < 3; i++)
        word |= (code(t[3 * i]) + 3 * code(t[3 * i + 1]) + 9 * code(t[3 * i + 2])) << 5 * i;
    step[2 * (size_t)row] = (uint8_t)word;
    step[2 * (size_t)row + 1] = (uint8_t)(word >> 8);
}

static bool wide_get(const uint8_t *step, unsigned row, int8_t *t, unsigned *at, const char **why) {
    unsigned word = load_u16le(step + (size_t)2 * row);
    for (unsigned i = 0; i < 3; i++) {
        unsigned index = word >> 5 * i & 31;
        *at = 2 * row + (i > 1 ? 1 : 0);
        *why = BAD_TRIPLE;
        if (index > 26) return false;
        for (unsigned k = 0; k < 3; k++, index /= 3) t[3 * i + k] = (int8_t)(index % 3) - 1;
    }
    *why = BAD_TOP;
    return !(word >> 15);
}

/* ---- the table ---- */

#define LUT(id, number, columns, step_bytes, text)                                                                     \
    const struct tile_layout id##_64 = {.cols = columns, .bytes = step_bytes, .put = id##_put, .get = id##_get};       \
    static bool id##_bytes(const struct ternary_shape *s, uint64_t *n) { return tiles_size(&id##_64, s, n); }          \
    static bool id##_decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,    \
                            struct ternary_bad *bad) {                                                                 \
        return tiles_decode(&id##_64, s, p, row, n, out, bad);                                                         \
    }                                                                                                                  \
    static void id##_encode(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {     \
        (void)scales;                                                                                                  \
        tiles_encode(&id##_64, s, trits, p);                                                                           \
    }                                                                                                                  \
    const struct ternary_format ternary_##id##_64 = {.name = #id "_64",                                                \
                                                     .about = text,                                                    \
                                                     .type = TYPE_##number,                                            \
                                                     .where = SCALE_BESIDE,                                            \
                                                     .own = true,                                                      \
                                                     .bytes = id##_bytes,                                              \
                                                     .decode = id##_decode,                                            \
                                                     .encode = id##_encode};

LUT(tl1, TL1_64, 4, 64, "tiles of 64 rows, indices of pairs, a layout of executables; scales beside")
LUT(tl2, TL2_64, 24, 320, "tiles of 64 rows, indices and signs of triples, a layout of executables; scales beside")
LUT(wide, WIDE_64, 9, 128, "tiles of 64 rows, three indices of triples a word, a layout of executables; scales beside")
