/* ternary_impl.h -- what the files of the formats share; nobody outside codec/ includes it. */
#ifndef SETUN_CODEC_TERNARY_IMPL_H
#define SETUN_CODEC_TERNARY_IMPL_H

#include "base/check.h"
#include "base/compiler.h"
#include "codec/half.h"
#include "codec/ternary.h"

extern const struct ternary_format ternary_hf_u8, ternary_i2_s, ternary_i2_s_arm, ternary_i2_s_rows, ternary_tl1,
    ternary_tl2, ternary_tq1_0, ternary_tq2_0, ternary_q2_0, ternary_q2_0_128, ternary_i2_64, ternary_t5_64,
    ternary_tl1_64, ternary_tl2_64, ternary_wide_64, ternary_columns, ternary_columns5;

/* Why bytes are refused, in words that messages end with. */
#define BAD_CODE    "code 3 is no trit"
#define BAD_FIVE    "no five trits give this byte"
#define BAD_PADDING "padding is not as writers leave it"
#define BAD_SCALE   "a scale is not finite and above 0"
#define BAD_ZERO    "nonzero trits have scale 0"

static inline bool bad_at(struct ternary_bad *bad, const char *why, uint64_t byte, uint64_t row, uint64_t col) {
    *bad = (struct ternary_bad){.why = why, .byte = byte, .row = row, .col = col};
    return false;
}

/* n two-bit codes, one a byte, to trits; bit 0 of the result: there was a code 3, which becomes 2.  Made for vectors:
 * no branch, no aliasing; callers give n as a constant where they can. */
static inline unsigned codes_to_trits(const uint8_t *restrict p, unsigned shift, size_t n, int8_t *restrict out) {
    uint8_t invalid = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t code = (uint8_t)(p[i] >> shift) & 3;
        invalid |= (uint8_t)(code & (uint8_t)(code >> 1));
        out[i] = (int8_t)(code - 1);
    }
    return invalid & 1u;
}

/* The first column of a row where codes_to_trits left a 2; there is one. */
static inline uint64_t first_code_3(const int8_t *row) {
    uint64_t c = 0;
    while (row[c] != 2) c++;
    return c;
}

/* ---- one f32 behind the codes, in a slot of 32 bytes ---- */

enum { TAIL_BYTES = 32 };

bool tail_check(const uint8_t *p, uint64_t at, struct ternary_bad *bad); /* p: the tensor, at: where the scale is */
void tail_store(uint8_t *p, float scale);                                /* all 32 bytes: the scale, then zeroes */

/* ---- blocks with an f16 ---- */

/* The scale at p of a block whose trits were decoded. */
bool block_scale_check(const uint8_t *p, const int8_t *trits, uint32_t group, const char **why);
/* Bytes of rows * cols / block blocks. */
bool block_bytes(const struct ternary_shape *s, uint32_t block, uint32_t bytes, uint64_t *n);
/* Scales of rows: an f16 at offset `at` of each block. */
void block_scales(const struct ternary_shape *s, const uint8_t *p, uint32_t block, uint32_t bytes, uint32_t at,
                  uint64_t row, uint64_t n, float *out);

#endif
