/*
 * columns.c -- the input-major layouts of executables: a column of the matrix (the weights of one input channel) is one
 * run of bytes, so that channels whose activation is zero are never read.
 *
 *     matrix   | column 0 | column 1 | ...                              cols columns
 *     column   | line 0 | line 1 | ...                                  lines of 64 bytes, 256 or 320 rows each
 *     line     byte 16 l + 4 i + d, l, i, d < 4
 *
 *     columns, 256 rows                                                 columns5, 320 rows
 *     bits 7:6      5:4      3:2      1:0                               five trits, the byte code of t5_64
 *     64 i + 4 l + d + 48    + 32     + 16     + 0                      c_p: 64 p + 16 i + 4 l + d, p = 0..4
 *
 * The code is T + 1; rows beyond the matrix hold code 1.  Interleaving the bytes of four columns, first bytes and then
 * pairs, in each 16 bytes of a register, gives four registers, i = 0..3, whose lanes hold bytes 4 l + d of four
 * channels; of columns they are steps of i2_64.  Scales lie elsewhere: one, or one a row.
 */
#include "codec/columns.h"

#include <string.h>

#include "codec/t5_64.h"
#include "codec/ternary_impl.h"

enum {
    TILE = 64, /* rows that are packed together */
    LANES = 16,
    PLANES = 4,
    CHUNK = 64, /* columns at a time: loops of known length, which compilers vectorise */
};

struct layout {
    unsigned rows;                   /* of a line */
    const char *why;                 /* a byte is none */
    uint64_t (*place)(uint64_t row); /* its byte in a column */
    /* Codes of the 64 rows from `row` on to n columns; p: the line of the first. */
    void (*put)(uint8_t code[TILE][CHUNK], uint64_t row, size_t n, uint64_t stride, uint8_t *p);
    /* n bytes of a row to trits; bit 0 of the result: some are none, and become 2. */
    unsigned (*get)(const uint8_t *p, uint64_t row, size_t n, int8_t *out);
};

static uint64_t column_bytes(const struct layout *l, uint64_t rows) {
    return (rows / l->rows + (rows % l->rows != 0)) * COLUMNS_LINE;
}

/* ---- two bits ---- */

/* Rows r + 16, r + 32, r + 48 of a tile have the same. */
static uint64_t place_2(uint64_t row) {
    uint64_t lane = row % LANES, tile = row % COLUMNS_ROWS / TILE;
    return row / COLUMNS_ROWS * COLUMNS_LINE + lane / 4 * 16 + tile * 4 + lane % 4;
}

static void put_2(uint8_t code[TILE][CHUNK], uint64_t row, size_t n, uint64_t stride, uint8_t *p) {
    uint8_t lane[LANES][CHUNK];
    for (unsigned l = 0; l < LANES; l++)
        for (unsigned c = 0; c < CHUNK; c++)
            lane[l][c] = (uint8_t)(code[l][c] | code[l + LANES][c] << 2 | code[l + 2 * LANES][c] << 4 |
                                   code[l + 3 * LANES][c] << 6);
    p += row % COLUMNS_ROWS / TILE * 4;
    for (size_t c = 0; c < n; c++, p += stride)
        for (unsigned l = 0; l < LANES; l += 4) {
            const uint8_t four[4] = {lane[l][c], lane[l + 1][c], lane[l + 2][c], lane[l + 3][c]};
            memcpy(p + l * 4, four, sizeof four);
        }
}

static unsigned get_2(const uint8_t *p, uint64_t row, size_t n, int8_t *out) {
    return codes_to_trits(p, 2 * (unsigned)(row % TILE / LANES), n, out);
}

static const struct layout two = {COLUMNS_ROWS, BAD_CODE, place_2, put_2, get_2};

/* ---- five trits ---- */

/* Row r + 64 of a line has the same. */
static uint64_t place_5(uint64_t row) {
    uint64_t lane = row % LANES, reg = row % TILE / LANES;
    return row / COLUMNS5_ROWS * COLUMNS_LINE + lane / 4 * 16 + reg * 4 + lane % 4;
}

/* Until the last tile of a line has come, its bytes are sums of codes times powers of 3. */
static void put_5(uint8_t code[TILE][CHUNK], uint64_t row, size_t n, uint64_t stride, uint8_t *p) {
    static const uint8_t powers[T5_64_PLACES] = {1, 3, 9, 27, 81};
    unsigned place = (unsigned)(row % COLUMNS5_ROWS / TILE), power = powers[place];
    for (size_t c = 0; c < n; c++, p += stride) {
        uint8_t line[COLUMNS_LINE];
        for (unsigned r = 0; r < TILE; r++) line[place_5(r)] = code[r][c];
        for (unsigned b = 0; b < COLUMNS_LINE; b++) line[b] = (uint8_t)(line[b] * power + (place ? p[b] : 0));
        if (place == T5_64_PLACES - 1)
            for (unsigned b = 0; b < COLUMNS_LINE; b++) line[b] = t5_64_byte(line[b] % 81, line[b] / 81);
        memcpy(p, line, sizeof line);
    }
}

static unsigned get_5(const uint8_t *p, uint64_t row, size_t n, int8_t *out) {
    unsigned place = (unsigned)(row % COLUMNS5_ROWS / TILE), invalid = 0;
    for (size_t i = 0; i < n; i++) {
        invalid |= p[i] > T5_64_LAST;
        out[i] = (int8_t)((p[i] > T5_64_LAST ? 3 : t5_64_code(p[i], place)) - 1);
    }
    return invalid;
}

static const struct layout five = {COLUMNS5_ROWS, BAD_FIVE, place_5, put_5, get_5};

/* ---- rows after rows ---- */

/* The tile that begins at `row`, of which the matrix has n rows, maybe none. */
static void pack_tile(const struct layout *l, const int8_t *trits, uint64_t row, uint64_t n, uint64_t stride,
                      uint64_t K, uint8_t *p) {
    uint8_t code[TILE][CHUNK];
    p += row / l->rows * COLUMNS_LINE;
    memset(code, 1, sizeof code);
    for (uint64_t k = 0; k < K; k += CHUNK, p += CHUNK * stride) {
        size_t cols = K - k < CHUNK ? (size_t)(K - k) : CHUNK;
        for (uint64_t r = 0; r < n; r++)
            for (size_t c = 0; c < cols; c++) code[r][c] = (uint8_t)(trits[r * K + k + c] + 1);
        l->put(code, row, cols, stride, p);
    }
}

static void pack(const struct layout *l, const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K,
                 uint8_t *p) {
    uint64_t stride = column_bytes(l, rows), end = row + n;
    for (; row < end; row += TILE, trits += TILE * K)
        pack_tile(l, trits, row, end - row < TILE ? end - row : TILE, stride, K, p);
    for (; end == rows && row % l->rows; row += TILE) pack_tile(l, NULL, row, 0, stride, K, p);
}

/* One row; bit 0 of the result: there was a byte that is none. */
static unsigned unpack_row(const struct layout *l, const uint8_t *p, uint64_t row, uint64_t stride, uint64_t K,
                           int8_t *out) {
    unsigned invalid = 0;
    p += l->place(row);
    for (uint64_t k = 0; k < K; k += CHUNK) {
        uint8_t bytes[CHUNK];
        size_t n = K - k < CHUNK ? (size_t)(K - k) : CHUNK;
        for (size_t i = 0; i < n; i++, p += stride) bytes[i] = *p;
        invalid |= l->get(bytes, row, n, out + k);
    }
    return invalid;
}

static void unpack(const struct layout *l, const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K,
                   int8_t *trits) {
    uint64_t stride = column_bytes(l, rows);
    for (uint64_t end = row + n; row < end; row++, trits += K) unpack_row(l, p, row, stride, K, trits);
}

uint64_t columns_bytes(uint64_t rows) { return column_bytes(&two, rows); }
uint64_t columns5_bytes(uint64_t rows) { return column_bytes(&five, rows); }

void columns_pack(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *p) {
    pack(&two, trits, row, n, rows, K, p);
}

void columns5_pack(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *p) {
    pack(&five, trits, row, n, rows, K, p);
}

void columns_unpack(const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits) {
    unpack(&two, p, row, n, rows, K, trits);
}

void columns5_unpack(const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits) {
    unpack(&five, p, row, n, rows, K, trits);
}

/* ---- the table ---- */

/* The rows that the last line has beyond the matrix. */
static bool padding(const struct layout *l, const struct ternary_shape *s, const uint8_t *p, uint64_t stride,
                    struct ternary_bad *bad) {
    for (uint64_t r = s->rows; r % l->rows; r++)
        for (uint64_t c = 0, at = l->place(r); c < s->cols; c++, at += stride) {
            int8_t trit;
            l->get(p + at, r, 1, &trit);
            if (trit) return bad_at(bad, BAD_PADDING, at, r, c);
        }
    return true;
}

static bool decode(const struct layout *l, const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n,
                   int8_t *out, struct ternary_bad *bad) {
    uint64_t stride = column_bytes(l, s->rows);
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        if (unpack_row(l, p, row, stride, s->cols, out)) {
            uint64_t c = first_code_3(out);
            return bad_at(bad, l->why, c * stride + l->place(row), row, c);
        }
        if (row + 1 == s->rows && !padding(l, s, p, stride, bad)) return false;
    }
    return true;
}

static bool bytes_2(const struct ternary_shape *s, uint64_t *n) { return ck_mul(n, columns_bytes(s->rows), s->cols); }
static bool bytes_5(const struct ternary_shape *s, uint64_t *n) { return ck_mul(n, columns5_bytes(s->rows), s->cols); }

static bool decode_2(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                     struct ternary_bad *bad) {
    return decode(&two, s, p, row, n, out, bad);
}

static bool decode_5(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                     struct ternary_bad *bad) {
    return decode(&five, s, p, row, n, out, bad);
}

static void encode_2(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {
    (void)scales;
    pack(&two, trits, 0, s->rows, s->rows, s->cols, p);
}

static void encode_5(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {
    (void)scales;
    pack(&five, trits, 0, s->rows, s->rows, s->cols, p);
}

const struct ternary_format ternary_columns = {
    .name = "columns",
    .about = "input-major, two bits a trit, a layout of executables; scales beside",
    .type = TYPE_COLUMNS,
    .where = SCALE_BESIDE,
    .own = true,
    .bytes = bytes_2,
    .decode = decode_2,
    .encode = encode_2};

const struct ternary_format ternary_columns5 = {
    .name = "columns5",
    .about = "input-major, five trits a byte, a layout of executables; scales beside",
    .type = TYPE_COLUMNS5,
    .where = SCALE_BESIDE,
    .own = true,
    .bytes = bytes_5,
    .decode = decode_5,
    .encode = encode_5};
