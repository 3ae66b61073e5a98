/*
 * tq2_0.c -- ggml's TQ2_0: blocks of 256 columns in 66 bytes, 2.0625 bits a trit.
 *
 *     byte 0 .. 63: codes | 64, 65: f16 d           value = (code - 1) * d
 *     byte 32 h + m (h = 0, 1; m = 0 .. 31):
 *         bits 7:6  element 128 h + 96 + m     5:4  + 64 + m     3:2  + 32 + m     1:0  128 h + m
 *
 * Code 3 would be 2 d: refused.  d is finite and above 0; 0 in a block without nonzero trits.
 */
#include "codec/ternary_impl.h"

enum { BLOCK = 256, BYTES = 66, D = 64 };

static bool bytes(const struct ternary_shape *s, uint64_t *n) { return block_bytes(s, BLOCK, BYTES, n); }
static bool whole_blocks(const struct ternary_shape *s) { return s->cols % BLOCK == 0; }
static const struct ternary_rule rules[] = {{"columns are a multiple of 256", whole_blocks}};

static bool decode_block(const uint8_t *p, int8_t *out) {
    unsigned invalid = 0;
    for (unsigned h = 0; h < 2; h++)
        for (unsigned n = 0; n < 4; n++)
            invalid |= codes_to_trits(p + 32 * (size_t)h, 2 * n, 32, out + 128 * (size_t)h + 32 * (size_t)n);
    return !invalid;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    uint64_t a_row = s->cols / BLOCK, at = row * a_row * BYTES;
    for (uint64_t i = 0; i < n * a_row; i++, at += BYTES, out += BLOCK) {
        uint64_t r = row + i / a_row, c = i % a_row * BLOCK;
        const char *why;
        if (!decode_block(p + at, out)) {
            uint64_t e = first_code_3(out);
            return bad_at(bad, BAD_CODE, at + e / 128 * 32 + e % 32, r, c + e);
        }
        if (!block_scale_check(p + at + D, out, BLOCK, &why)) return bad_at(bad, why, at + D, r, c);
    }
    return true;
}

static void scales(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    block_scales(s, p, BLOCK, BYTES, D, row, n, out);
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    for (uint64_t i = 0; i < s->rows * (s->cols / BLOCK); i++, trits += BLOCK, p += BYTES) {
        for (unsigned b = 0; b < D; b++) {
            const int8_t *t = trits + b / 32 * 128 + b % 32;
            p[b] = (uint8_t)((t[0] + 1) | (t[32] + 1) << 2 | (t[64] + 1) << 4 | (t[96] + 1) << 6);
        }
        half_store(p + D, scale[i]);
    }
}

const struct ternary_format ternary_tq2_0 = {.name = "tq2_0",
                                             .about = "ggml's TQ2_0: two bits a trit, an f16 scale for 256 columns",
                                             .type = TYPE_TQ2_0,
                                             .where = SCALE_BLOCK,
                                             .group = BLOCK,
                                             .n_rules = 1,
                                             .rule = rules,
                                             .bytes = bytes,
                                             .decode = decode,
                                             .scales = scales,
                                             .encode = encode};
