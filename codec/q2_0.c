/*
 * q2_0.c -- ggml's Q2_0: two bits a trit in order, in blocks of 64 columns (18 bytes) or of 128 (34 bytes).
 *
 *     byte 0, 1: f16 d | then codes: byte j holds elements 4 j .. 4 j + 3        value = (code - 1) * d
 *         bits 7:6  element 4 j + 3     5:4  4 j + 2     3:2  4 j + 1     1:0  4 j
 *
 * Both have the same type number in files; the size of the tensor tells them apart.  Code 3 would be 2 d: refused.
 * d is finite and above 0; 0 in a block without nonzero trits.
 */
#include "codec/ternary_impl.h"

enum { D = 2 }; /* bytes of the scale */

static uint64_t bytes_of(uint32_t block) { return D + block / 4; }

static bool bytes_64(const struct ternary_shape *s, uint64_t *n) { return block_bytes(s, 64, 18, n); }
static bool bytes_128(const struct ternary_shape *s, uint64_t *n) { return block_bytes(s, 128, 34, n); }
static bool whole_64(const struct ternary_shape *s) { return s->cols % 64 == 0; }
static bool whole_128(const struct ternary_shape *s) { return s->cols % 128 == 0; }
static const struct ternary_rule rules_64[] = {{"columns are a multiple of 64", whole_64}};
static const struct ternary_rule rules_128[] = {{"columns are a multiple of 128", whole_128}};

static unsigned decode_block(const uint8_t *restrict p, uint32_t block, int8_t *restrict out) {
    unsigned invalid = 0;
    for (uint32_t j = 0; j < block / 4; j++) {
        unsigned b = p[j];
        invalid |= b & b >> 1 & 0x55u;
        out[4 * j] = (int8_t)((b & 3) - 1);
        out[4 * j + 1] = (int8_t)((b >> 2 & 3) - 1);
        out[4 * j + 2] = (int8_t)((b >> 4 & 3) - 1);
        out[4 * j + 3] = (int8_t)((b >> 6 & 3) - 1);
    }
    return invalid;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   uint32_t block, struct ternary_bad *bad) {
    uint64_t a_row = s->cols / block, at = row * a_row * bytes_of(block);
    for (uint64_t i = 0; i < n * a_row; i++, at += bytes_of(block), out += block) {
        uint64_t r = row + i / a_row, c = i % a_row * block;
        const char *why;
        if (decode_block(p + at + D, block, out)) {
            uint64_t e = first_code_3(out);
            return bad_at(bad, BAD_CODE, at + D + e / 4, r, c + e);
        }
        if (!block_scale_check(p + at, out, block, &why)) return bad_at(bad, why, at, r, c);
    }
    return true;
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint32_t block, uint8_t *p) {
    for (uint64_t i = 0; i < s->rows * (s->cols / block); i++, p += bytes_of(block)) {
        half_store(p, scale[i]);
        for (uint32_t j = 0; j < block / 4; j++, trits += 4)
            p[D + j] = (uint8_t)((trits[0] + 1) | (trits[1] + 1) << 2 | (trits[2] + 1) << 4 | (trits[3] + 1) << 6);
    }
}

static bool decode_64(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                      struct ternary_bad *bad) {
    return decode(s, p, row, n, out, 64, bad);
}

static bool decode_128(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                       struct ternary_bad *bad) {
    return decode(s, p, row, n, out, 128, bad);
}

static void scales_64(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    block_scales(s, p, 64, 18, 0, row, n, out);
}

static void scales_128(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    block_scales(s, p, 128, 34, 0, row, n, out);
}

static void encode_64(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    encode(s, trits, scale, 64, p);
}

static void encode_128(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    encode(s, trits, scale, 128, p);
}

const struct ternary_format ternary_q2_0 = {.name = "q2_0",
                                            .about = "ggml's Q2_0: two bits a trit, an f16 scale for 64 columns",
                                            .type = TYPE_Q2_0,
                                            .where = SCALE_BLOCK,
                                            .group = 64,
                                            .n_rules = 1,
                                            .rule = rules_64,
                                            .bytes = bytes_64,
                                            .decode = decode_64,
                                            .scales = scales_64,
                                            .encode = encode_64};
const struct ternary_format ternary_q2_0_128 = {.name = "q2_0_128",
                                                .about = "Q2_0 with an f16 scale for 128 columns",
                                                .type = TYPE_Q2_0_128,
                                                .where = SCALE_BLOCK,
                                                .group = 128,
                                                .n_rules = 1,
                                                .rule = rules_128,
                                                .bytes = bytes_128,
                                                .decode = decode_128,
                                                .scales = scales_128,
                                                .encode = encode_128};
