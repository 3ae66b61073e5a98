/*
 * t5_64.c -- tiles of 64 rows, five trits of a row in a byte: 1.6 bits a trit, in the order in which dot instructions
 * read.
 *
 *     matrix    | tile 0: rows 0..63 | tile 1: rows 64..127 | ...        ceil(rows / 64) tiles
 *     tile      | part 0: rows 0..15 | part 1 | part 2 | part 3 |        16 rows each
 *     part      | step 0: k 0..19 | step 1: k 20..39 | ...               ceil(cols / 20) steps of 64 bytes
 *     step      | lane 0 | lane 1 | ... | lane 15 |                      16 lanes of 4 bytes, a lane a row
 *     lane      byte i, i = 0..3: columns k = 20 s + i + 4 p, p = 0..4
 *
 * so that place p of all four bytes meets four neighbouring columns.  With the code c = T + 1 at place p and
 *
 *     Q = c0 + 3 c1 + 9 c2 + 27 c3   (0..80)        Q < 64:   byte = c4 << 6 | Q
 *                                                   others:   byte = 0xc0 | (17 c4 + Q - 64)
 *
 * 243 bytes occur, up to 0xf2.  For most a lookup in 64 entries by the low six bits gives the first four codes and
 * the top bits are the fifth.  Columns beyond the matrix hold code 0, which adds nothing to a sum of products with
 * codes; rows beyond it hold trit 0.  Scales lie elsewhere: one, or one a row.
 */
#include "codec/t5_64.h"

#include <string.h>

#include "codec/ternary_impl.h"

enum {
    STEP = 64, /* bytes */
    PART = 16, /* rows, the lanes of a step */
    BYTES = 4, /* of a lane */
};

// clang-format off
const uint8_t t5_64_fields[64] = {
    0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x18,
    0x19, 0x1a, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x28, 0x29, 0x2a, 0x40, 0x41, 0x42, 0x44, 0x45,
    0x46, 0x48, 0x49, 0x4a, 0x50, 0x51, 0x52, 0x54, 0x55, 0x56, 0x58, 0x59, 0x5a, 0x60, 0x61, 0x62,
    0x64, 0x65, 0x66, 0x68, 0x69, 0x6a, 0x80, 0x81, 0x82, 0x84, 0x85, 0x86, 0x88, 0x89, 0x8a, 0x90,
};
const uint8_t t5_64_four_rare[64] = {
    0x91, 0x92, 0x94, 0x95, 0x96, 0x98, 0x99, 0x9a, 0xa0, 0xa1, 0xa2, 0xa4, 0xa5, 0xa6, 0xa8, 0xa9,
    0xaa, 0x91, 0x92, 0x94, 0x95, 0x96, 0x98, 0x99, 0x9a, 0xa0, 0xa1, 0xa2, 0xa4, 0xa5, 0xa6, 0xa8,
    0xa9, 0xaa, 0x91, 0x92, 0x94, 0x95, 0x96, 0x98, 0x99, 0x9a, 0xa0, 0xa1, 0xa2, 0xa4, 0xa5, 0xa6,
    0xa8, 0xa9, 0xaa, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
const uint8_t t5_64_fifth_rare[64] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
    0x02, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
// clang-format on

static uint64_t steps_of(uint64_t K) { return K / T5_64_STEP + (K % T5_64_STEP != 0); }

uint64_t t5_64_tile_bytes(uint64_t K) { return steps_of(K) * STEP * (T5_64_ROWS / PART); }

/* Where row r of a tile begins; the next step is STEP bytes on. */
static uint64_t lane_at(uint64_t r, uint64_t K) { return r / PART * steps_of(K) * STEP + r % PART * BYTES; }

/* Twenty codes of a row to the four bytes of its lane. */
static void pack_step(const uint8_t code[T5_64_STEP], uint8_t *lane) {
    for (unsigned i = 0; i < BYTES; i++) {
        unsigned q = code[i] + 3u * code[i + 4] + 9u * code[i + 8] + 27u * code[i + 12], t = code[i + 16];
        lane[i] = t5_64_byte(q, t);
    }
}

/* And back; code holds 20. */
static void unpack_step(const uint8_t *lane, uint8_t *code) {
    for (unsigned i = 0; i < BYTES; i++)
        for (unsigned p = 0; p < T5_64_PLACES; p++) code[i + BYTES * p] = (uint8_t)t5_64_code(lane[i], p);
}

void t5_64_pack_tile(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile) {
    for (uint64_t r = 0; r < T5_64_ROWS; r++) {
        uint8_t *lane = tile + lane_at(r, K);
        for (uint64_t k = 0; k < K; k += T5_64_STEP, lane += STEP) {
            uint8_t code[T5_64_STEP] = {0};
            size_t n = K - k < T5_64_STEP ? (size_t)(K - k) : T5_64_STEP;
            if (r >= rows)
                memset(code, 1, n);
            else
                for (size_t i = 0; i < n; i++) code[i] = (uint8_t)(trits[r * K + k + i] + 1);
            pack_step(code, lane);
        }
    }
}

void t5_64_unpack_tile(const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K, int8_t *trits) {
    for (uint64_t r = row; r < row + n; r++, trits += K) {
        const uint8_t *lane = tile + lane_at(r, K);
        for (uint64_t k = 0; k < K; k += T5_64_STEP, lane += STEP) {
            uint8_t code[T5_64_STEP];
            size_t left = K - k < T5_64_STEP ? (size_t)(K - k) : T5_64_STEP;
            unpack_step(lane, code);
            for (size_t i = 0; i < left; i++) trits[k + i] = (int8_t)(code[i] - 1);
        }
    }
}

/* ---- the table of formats ---- */

static uint64_t tiles_of(const struct ternary_shape *s) { return s->rows / T5_64_ROWS + (s->rows % T5_64_ROWS != 0); }

static bool bytes(const struct ternary_shape *s, uint64_t *n) {
    return ck_mul(n, steps_of(s->cols), (uint64_t)STEP * (T5_64_ROWS / PART)) && ck_mul(n, *n, tiles_of(s));
}

/* One row; out is NULL for a row that the matrix does not have. */
static bool decode_row(const struct ternary_shape *s, const uint8_t *p, uint64_t row, int8_t *out,
                       struct ternary_bad *bad) {
    uint64_t at = row / T5_64_ROWS * t5_64_tile_bytes(s->cols) + lane_at(row % T5_64_ROWS, s->cols);
    for (uint64_t k = 0; k < s->cols; k += T5_64_STEP, at += STEP) {
        uint8_t code[T5_64_STEP];
        unpack_step(p + at, code);
        for (unsigned i = 0; i < BYTES; i++)
            if (p[at + i] > T5_64_LAST) return bad_at(bad, BAD_FIVE, at + i, row, k + i);
        for (unsigned i = 0; i < T5_64_STEP; i++) {
            bool inside = k + i < s->cols;
            if (inside && out) out[k + i] = (int8_t)(code[i] - 1);
            if (inside ? !out && code[i] != 1 : code[i] != 0)
                return bad_at(bad, BAD_PADDING, at + i % BYTES, row, k + i);
        }
    }
    return true;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        if (!decode_row(s, p, row, out, bad)) return false;
        if (row + 1 < s->rows) continue;
        for (uint64_t r = s->rows; r < tiles_of(s) * T5_64_ROWS; r++) /* the last row answers for those behind it */
            if (!decode_row(s, p, r, NULL, bad)) return false;
    }
    return true;
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {
    (void)scales;
    for (uint64_t r = 0; r < s->rows; r += T5_64_ROWS, p += t5_64_tile_bytes(s->cols))
        t5_64_pack_tile(trits + r * s->cols, s->rows - r < T5_64_ROWS ? s->rows - r : T5_64_ROWS, s->cols, p);
}

const struct ternary_format ternary_t5_64 = {.name = "t5_64",
                                             .about = "tiles of 64 rows, five trits a byte, a layout of executables; "
                                                      "scales beside",
                                             .type = TYPE_T5_64,
                                             .where = SCALE_BESIDE,
                                             .own = true,
                                             .bytes = bytes,
                                             .decode = decode,
                                             .encode = encode};
