/*
 * columns.c -- the input-major layout of executables: a column of the matrix (the weights of one input channel) is one
 * run of bytes, so that channels whose activation is zero are never read.
 *
 *     matrix   | column 0 | column 1 | ...                              cols columns
 *     column   | line 0: rows 0..255 | line 1: rows 256..511 | ...      ceil(rows / 256) lines of 64 bytes
 *     line     byte 16 l + 4 i + d, l, i, d < 4
 *     byte       bits 7:6      5:4      3:2      1:0
 *     of row     64 i + 4 l + d + 48    + 32     + 16     + 0
 *
 * The code is T + 1; rows beyond the matrix hold code 1.  Interleaving the bytes of four columns, first bytes and then
 * pairs, in each 16 bytes of a register, gives four steps of i2_64 (i = 0..3: 64 rows each, four channels a lane),
 * which is why the bytes lie so.  Scales lie elsewhere: one, or one a row.
 */
#include "codec/columns.h"

#include <string.h>

#include "codec/ternary_impl.h"

enum {
    TILE = 64, /* rows that are packed together: a quarter of a line */
    TILES = COLUMNS_ROWS / TILE,
    LANES = 16,
    PLANES = 4,
    CHUNK = 64, /* columns at a time: loops of known length, which compilers vectorise */
};

uint64_t columns_bytes(uint64_t rows) { return (rows / COLUMNS_ROWS + (rows % COLUMNS_ROWS != 0)) * COLUMNS_LINE; }

/* Where in a column the byte of a row is: those of rows r + 16, r + 32, r + 48 of its tile are the same. */
static uint64_t place(uint64_t row) {
    uint64_t lane = row % LANES, tile = row % COLUMNS_ROWS / TILE;
    return row / COLUMNS_ROWS * COLUMNS_LINE + lane / 4 * 16 + tile * 4 + lane % 4;
}

/* n <= CHUNK columns of the four rows of a lane; rows is what the tile has. */
static void pack_lane(const int8_t *trits, uint64_t rows, uint64_t K, size_t n, unsigned lane, uint8_t out[CHUNK]) {
    memset(out, 0, CHUNK);
    for (unsigned p = 0; p < PLANES; p++) {
        uint8_t row[CHUNK];
        unsigned r = lane + LANES * p;
        memset(row, 0, sizeof row);
        if (r < rows) memcpy(row, trits + r * K, n);
        for (unsigned i = 0; i < CHUNK; i++) out[i] = (uint8_t)(out[i] | (uint8_t)(row[i] + 1) << (2 * p));
    }
}

/* The tile that begins at `row`, of which the matrix has n rows, maybe none. */
static void pack_tile(const int8_t *trits, uint64_t row, uint64_t n, uint64_t stride, uint64_t K, uint8_t *p) {
    p += place(row);
    for (uint64_t k = 0; k < K; k += CHUNK) {
        uint8_t lane[LANES][CHUNK];
        size_t cols = K - k < CHUNK ? (size_t)(K - k) : CHUNK;
        for (unsigned l = 0; l < LANES; l++) pack_lane(n ? trits + k : trits, n, K, cols, l, lane[l]);
        for (size_t c = 0; c < cols; c++, p += stride)
            for (unsigned l = 0; l < LANES; l += 4) {
                const uint8_t four[4] = {lane[l][c], lane[l + 1][c], lane[l + 2][c], lane[l + 3][c]};
                memcpy(p + l * 4, four, sizeof four);
            }
    }
}

void columns_pack(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *p) {
    uint64_t stride = columns_bytes(rows), end = row + n;
    for (; row < end; row += TILE, trits += TILE * K)
        pack_tile(trits, row, end - row < TILE ? end - row : TILE, stride, K, p);
    for (; end == rows && row % COLUMNS_ROWS; row += TILE) pack_tile(NULL, row, 0, stride, K, p);
}

/* One row; bit 0 of the result: there was a code 3, which becomes 2. */
static unsigned unpack_row(const uint8_t *p, uint64_t row, uint64_t stride, uint64_t K, int8_t *out) {
    unsigned invalid = 0, shift = 2 * (unsigned)(row % TILE / LANES);
    p += place(row);
    for (uint64_t k = 0; k < K; k += CHUNK) {
        uint8_t bytes[CHUNK];
        size_t n = K - k < CHUNK ? (size_t)(K - k) : CHUNK;
        for (size_t i = 0; i < n; i++, p += stride) bytes[i] = *p;
        invalid |= codes_to_trits(bytes, shift, n, out + k);
    }
    return invalid;
}

void columns_unpack(const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits) {
    uint64_t stride = columns_bytes(rows);
    for (uint64_t end = row + n; row < end; row++, trits += K) unpack_row(p, row, stride, K, trits);
}

/* ---- the table ---- */

static bool bytes(const struct ternary_shape *s, uint64_t *n) { return ck_mul(n, columns_bytes(s->rows), s->cols); }

/* The rows that the last line has beyond the matrix. */
static bool padding(const struct ternary_shape *s, const uint8_t *p, uint64_t stride, struct ternary_bad *bad) {
    for (uint64_t r = s->rows; r % COLUMNS_ROWS; r++)
        for (uint64_t c = 0; c < s->cols; c++) {
            uint64_t at = c * stride + place(r);
            if ((p[at] >> (r % TILE / LANES * 2) & 3) != 1) return bad_at(bad, BAD_PADDING, at, r, c);
        }
    return true;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    uint64_t stride = columns_bytes(s->rows);
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        if (unpack_row(p, row, stride, s->cols, out)) {
            uint64_t c = first_code_3(out);
            return bad_at(bad, BAD_CODE, c * stride + place(row), row, c);
        }
        if (row + 1 == s->rows && !padding(s, p, stride, bad)) return false;
    }
    return true;
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {
    (void)scales;
    columns_pack(trits, 0, s->rows, s->rows, s->cols, p);
}

const struct ternary_format ternary_columns = {
    .name = "columns",
    .about = "input-major, two bits a trit, a layout of executables; scales beside",
    .type = TYPE_COLUMNS,
    .where = SCALE_BESIDE,
    .own = true,
    .bytes = bytes,
    .decode = decode,
    .encode = encode};
