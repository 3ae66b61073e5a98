/*
 * i2_64.c -- the project's own layout: tiles of 64 rows, two-bit codes, in the order in which dot instructions read.
 *
 *     matrix   | tile 0: rows 0..63 | tile 1: rows 64..127 | ...        ceil(rows / 64) tiles
 *     tile     | step 0: k 0..3 | step 1: k 4..7 | ...                  ceil(cols / 4) steps of 64 bytes
 *     step     | lane 0 | lane 1 | ... | lane 15 |                      16 lanes of 4 bytes
 *     lane l   | k = 4 s | 4 s + 1 | 4 s + 2 | 4 s + 3 |                one byte a column
 *     byte       bits 7:6   5:4   3:2   1:0
 *     of row     l + 48   l + 32  l + 16  l
 *
 * The code is T + 1; rows and columns beyond the matrix hold code 1.  Scales lie elsewhere: one, one a row, or one
 * a group.  docs/formats.md says why it looks so.
 */
#include "codec/i2_64.h"

#include <string.h>

#include "codec/ternary_impl.h"

enum {
    STEP = 64, /* bytes for four k */
    LANES = 16,
    PLANES = 4,
    CHUNK = 64, /* k at a time: loops of known length, which compilers vectorise */
};

uint64_t i2_64_tile_bytes(uint64_t K) { return (K + 3) / 4 * STEP; }

/* The four rows of lane l, n <= CHUNK codes from k on, into bytes; beyond n: trit 0. */
static void pack_lane(const int8_t *trits, uint64_t rows, uint64_t K, uint64_t k, size_t n, unsigned l,
                      uint8_t out[CHUNK]) {
    memset(out, 0, CHUNK);
    for (unsigned p = 0; p < PLANES; p++) {
        uint8_t row[CHUNK];
        unsigned r = l + LANES * p;
        memset(row, 0, sizeof row);
        if (r < rows) memcpy(row, trits + r * K + k, n);
        for (unsigned i = 0; i < CHUNK; i++) out[i] = (uint8_t)(out[i] | (uint8_t)(row[i] + 1) << (2 * p));
    }
}

void i2_64_pack_tile(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile) {
    for (uint64_t k = 0; k < K; k += CHUNK) {
        uint8_t lane[LANES][CHUNK];
        size_t n = K - k < CHUNK ? (size_t)(K - k) : CHUNK, steps = (n + 3) / 4;
        for (unsigned l = 0; l < LANES; l++) pack_lane(trits, rows, K, k, n, l, lane[l]);
        for (size_t s = 0; s < steps; s++)
            for (unsigned l = 0; l < LANES; l++) memcpy(tile + (k / 4 + s) * STEP + 4 * (size_t)l, lane[l] + 4 * s, 4);
    }
}

/* Row r of a tile; bit 0 of the result: there was a code 3, which becomes 2. */
static unsigned unpack_row(const uint8_t *tile, uint64_t r, uint64_t K, int8_t *out) {
    unsigned invalid = 0, shift = 2 * (unsigned)(r / LANES);
    uint64_t k = 0;
    for (tile += r % LANES * 4; k + 4 <= K; k += 4, tile += STEP) invalid |= codes_to_trits(tile, shift, 4, out + k);
    return invalid | codes_to_trits(tile, shift, (size_t)(K - k), out + k);
}

void i2_64_unpack_tile(const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K, int8_t *trits) {
    for (uint64_t r = row; r < row + n; r++, trits += K) unpack_row(tile, r, K, trits);
}

/* ---- the table ---- */

static uint64_t tiles_of(const struct ternary_shape *s) { return s->rows / I2_64_ROWS + (s->rows % I2_64_ROWS != 0); }

static bool bytes(const struct ternary_shape *s, uint64_t *n) {
    return ck_add(n, s->cols, 3) && ck_mul(n, *n / 4, STEP) && ck_mul(n, *n, tiles_of(s));
}

/* The byte of a step that holds row r of a tile. */
static uint64_t place(uint64_t K, uint64_t row, uint64_t col) {
    return row / I2_64_ROWS * i2_64_tile_bytes(K) + col / 4 * STEP + row % LANES * 4 + col % 4;
}

static bool code_is_1(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t col,
                      struct ternary_bad *bad) {
    uint64_t at = place(s->cols, row, col);
    if ((p[at] >> (row % I2_64_ROWS / LANES * 2) & 3) == 1) return true;
    return bad_at(bad, BAD_PADDING, at, row, col);
}

/* The columns that row does not have; the last row also answers for the rows that the last tile does not have. */
static bool padding(const struct ternary_shape *s, const uint8_t *p, uint64_t row, struct ternary_bad *bad) {
    uint64_t padded = (s->cols + 3) / 4 * 4;
    for (uint64_t c = s->cols; c < padded; c++)
        if (!code_is_1(s, p, row, c, bad)) return false;
    if (row + 1 < s->rows) return true;
    for (uint64_t r = s->rows; r < tiles_of(s) * I2_64_ROWS; r++)
        for (uint64_t c = 0; c < padded; c++)
            if (!code_is_1(s, p, r, c, bad)) return false;
    return true;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        const uint8_t *tile = p + row / I2_64_ROWS * i2_64_tile_bytes(s->cols);
        if (unpack_row(tile, row % I2_64_ROWS, s->cols, out)) {
            uint64_t c = first_code_3(out);
            return bad_at(bad, BAD_CODE, place(s->cols, row, c), row, c);
        }
        if (!padding(s, p, row, bad)) return false;
    }
    return true;
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {
    (void)scales;
    for (uint64_t r = 0; r < s->rows; r += I2_64_ROWS, p += i2_64_tile_bytes(s->cols))
        i2_64_pack_tile(trits + r * s->cols, s->rows - r < I2_64_ROWS ? s->rows - r : I2_64_ROWS, s->cols, p);
}

const struct ternary_format ternary_i2_64 = {.name = "i2_64",
                                             .about = "tiles of 64 rows, the layout of executables; scales beside",
                                             .type = TYPE_I2_64,
                                             .where = SCALE_BESIDE,
                                             .own = true,
                                             .bytes = bytes,
                                             .decode = decode,
                                             .encode = encode};
