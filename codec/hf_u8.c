/* hf_u8.c -- see hf_u8.h for the drawing. */
#include "codec/hf_u8.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

uint64_t hf_u8_stored_rows(uint64_t rows) { return rows / 4 + (rows % 4 != 0); }

bool hf_u8_bytes(uint64_t rows, uint64_t cols, uint64_t *bytes) { return ck_mul(bytes, hf_u8_stored_rows(rows), cols); }

enum { BLOCK = 64 };

/* n trits; the result has bit 0 set if one of the codes was 3.  Made for vectors: no branch, no aliasing. */
static inline unsigned decode_some(const uint8_t *restrict p, unsigned shift, size_t n, int8_t *restrict out) {
    uint8_t invalid = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t code = (uint8_t)(p[i] >> shift) & 3;
        invalid |= (uint8_t)(code & (uint8_t)(code >> 1));
        out[i] = (int8_t)(code - 1);
    }
    return invalid;
}

/* One row; returns the first column with code 3, or cols. */
static uint64_t decode_row(const uint8_t *p, unsigned shift, uint64_t cols, int8_t *out) {
    unsigned invalid = 0;
    uint64_t c = 0;
    for (; c + BLOCK <= cols; c += BLOCK) invalid |= decode_some(p + c, shift, BLOCK, out + c);
    invalid |= decode_some(p + c, shift, (size_t)(cols - c), out + c);
    if (!(invalid & 1u)) return cols;
    for (c = 0; out[c] != 2;) c++;
    return c;
}

bool hf_u8_decode(const uint8_t *p, uint64_t rows, uint64_t cols, uint64_t row, uint64_t n, int8_t *out,
                  struct hf_u8_bad *bad) {
    uint64_t stored = hf_u8_stored_rows(rows);
    for (uint64_t i = 0; i < n; i++, row++) {
        uint64_t at = row % stored * cols;
        uint64_t c = decode_row(p + at, 2 * (unsigned)(row / stored), cols, out + i * cols);
        if (c == cols) continue;
        *bad = (struct hf_u8_bad){.byte = at + c, .row = row, .col = c};
        return false;
    }
    return true;
}

void hf_u8_encode(const int8_t *trits, uint64_t rows, uint64_t cols, uint8_t *p) {
    uint64_t stored = hf_u8_stored_rows(rows);
    memset(p, 0, (size_t)(stored * cols));
    for (uint64_t r = 0; r < rows; r++) {
        uint8_t *to = p + r % stored * cols;
        unsigned shift = 2 * (unsigned)(r / stored);
        for (uint64_t c = 0; c < cols; c++) to[c] = (uint8_t)(to[c] | (unsigned)(trits[r * cols + c] + 1) << shift);
    }
}
