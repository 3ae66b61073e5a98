/*
 * hf_u8.c -- ternary matrices as Hugging Face checkpoints hold them: four trits a byte, along the outputs.
 *
 * T is [rows, cols]; stored is uint8 P[R, cols] with R = ceil(rows / 4).  Code = T + 1: 0, 1, 2; 3 is invalid.
 * The rows are cut into four contiguous chunks of R; chunk j is bit pair j of every byte:
 *
 *     bit   7 6    5 4    3 2    1 0          T[r][c] = (P[r mod R][c] >> 2 * (r div R) & 3) - 1
 *          chunk3 chunk2 chunk1 chunk0
 *
 * If rows is not a multiple of 4, the last chunks are short; the pairs of rows that do not exist hold 0.
 * Scales lie in another tensor: one a matrix, or one a row.
 */
#include "codec/hf_u8.h"

#include <string.h>

#include "codec/ternary_impl.h"

uint64_t hf_u8_stored_rows(uint64_t rows) { return rows / 4 + (rows % 4 != 0); }

static bool bytes(const struct ternary_shape *s, uint64_t *n) { return ck_mul(n, hf_u8_stored_rows(s->rows), s->cols); }

enum { PIECE = 64 };

static unsigned decode_row(const uint8_t *p, unsigned shift, uint64_t cols, int8_t *out) {
    unsigned invalid = 0;
    uint64_t c = 0;
    for (; c + PIECE <= cols; c += PIECE) invalid |= codes_to_trits(p + c, shift, PIECE, out + c);
    return invalid | codes_to_trits(p + c, shift, (size_t)(cols - c), out + c);
}

/* Stored row r: are the pairs from chunk n on 0?  Returns the first column where one is not, or cols. */
static uint64_t padding_row(const uint8_t *p, unsigned n, uint64_t cols) {
    uint64_t c = 0;
    while (c < cols && p[c] >> 2 * n == 0) c++;
    return c;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    uint64_t stored = hf_u8_stored_rows(s->rows);
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        uint64_t at = row % stored * s->cols;
        if (decode_row(p + at, 2 * (unsigned)(row / stored), s->cols, out)) {
            uint64_t c = first_code_3(out);
            return bad_at(bad, BAD_CODE, at + c, row, c);
        }
        if (row >= stored) continue;
        unsigned chunks = (unsigned)((s->rows - row - 1) / stored + 1); /* that have this stored row */
        uint64_t c = chunks < 4 ? padding_row(p + at, chunks, s->cols) : s->cols;
        if (c < s->cols) return bad_at(bad, BAD_PADDING, at + c, row, c);
    }
    return true;
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scales, uint8_t *p) {
    uint64_t stored = hf_u8_stored_rows(s->rows);
    (void)scales;
    memset(p, 0, (size_t)(stored * s->cols));
    for (uint64_t r = 0; r < s->rows; r++) {
        uint8_t *to = p + r % stored * s->cols;
        unsigned shift = 2 * (unsigned)(r / stored);
        for (uint64_t c = 0; c < s->cols; c++)
            to[c] = (uint8_t)(to[c] | (unsigned)(trits[r * s->cols + c] + 1) << shift);
    }
}

const struct ternary_format ternary_hf_u8 = {.name = "hf_u8",
                                             .about = "Hugging Face's packed uint8: four rows a byte, scales beside",
                                             .type = TYPE_U8,
                                             .where = SCALE_BESIDE,
                                             .bytes = bytes,
                                             .decode = decode,
                                             .encode = encode};
