/*
 * i2_s.c -- bitnet.cpp's I2_S in its three orders: two-bit codes of the whole matrix, row-major, then a tail.
 *
 *     rows * cols / 4 bytes of codes | f32 scale | 28 bytes that hold anything
 *
 * The code is T + 1, 3 is invalid, and the scale multiplies.  Nothing in a file says which order it has:
 *
 *     i2_s        blocks of 128 elements in 32 bytes; byte p of a block:
 *                     bits 7:6  element p     5:4  32 + p     3:2  64 + p     1:0  96 + p
 *     i2_s:arm    blocks of 64 in 16 bytes (a quantiser compiled for NEON, since the end of 2025):
 *                     bits 7:6  element p     5:4  16 + p     3:2  32 + p     1:0  48 + p
 *     i2_s:rows   four rows in one (a build option on x86); byte c of rows 4g .. 4g + 3:
 *                     bits 7:6  row 4g        5:4  4g + 1     3:2  4g + 2     1:0  4g + 3     at column c
 *
 * The kernels of bitnet.cpp read whole blocks of a row, so columns are a multiple of 128.
 */
#include <string.h>

#include "codec/ternary_impl.h"

static uint64_t code_bytes(const struct ternary_shape *s) { return s->rows * (s->cols / 4); }

static bool bytes(const struct ternary_shape *s, uint64_t *n) {
    return ck_mul(n, s->rows, s->cols / 4) && ck_add(n, *n, TAIL_BYTES);
}

static bool whole_blocks(const struct ternary_shape *s) { return s->cols % 128 == 0; }
static bool whole_fours(const struct ternary_shape *s) { return s->rows % 4 == 0; }
static const struct ternary_rule rules[] = {{"columns are a multiple of 128", whole_blocks},
                                            {"rows are a multiple of 4", whole_fours}};

static void scales(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    (void)row, (void)n;
    *out = f32_of_bits(load_u32le(p + code_bytes(s)));
}

/* ---- blocks: quarter = 32 or 16 elements a bit pair ---- */

/* Blocks of a row; quarter is a constant where this is inlined. */
static inline unsigned decode_blocks(const uint8_t *p, unsigned quarter, uint64_t cols, int8_t *out) {
    unsigned invalid = 0;
    for (uint64_t c = 0; c < cols; c += 4 * quarter, p += quarter)
        for (unsigned i = 0; i < 4; i++) invalid |= codes_to_trits(p, 6 - 2 * i, quarter, out + c + i * quarter);
    return invalid;
}

static bool decode_order(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                         unsigned quarter, struct ternary_bad *bad) {
    if (!tail_check(p, code_bytes(s), bad)) return false;
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        uint64_t at = row * (s->cols / 4);
        unsigned invalid =
            quarter == 32 ? decode_blocks(p + at, 32, s->cols, out) : decode_blocks(p + at, 16, s->cols, out);
        if (!invalid) continue;
        uint64_t c = first_code_3(out);
        return bad_at(bad, BAD_CODE, at + c / (4 * quarter) * quarter + c % quarter, row, c);
    }
    return true;
}

static void encode_order(const struct ternary_shape *s, const int8_t *trits, const float *scale, unsigned quarter,
                         uint8_t *p) {
    uint64_t n = code_bytes(s);
    for (uint64_t b = 0; b < n; b += quarter, trits += 4 * (size_t)quarter)
        for (unsigned i = 0; i < quarter; i++)
            p[b + i] = (uint8_t)((trits[i] + 1) << 6 | (trits[i + quarter] + 1) << 4 |
                                 (trits[i + 2 * quarter] + 1) << 2 | (trits[i + 3 * quarter] + 1));
    tail_store(p + n, *scale);
}

static bool decode_32(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                      struct ternary_bad *bad) {
    return decode_order(s, p, row, n, out, 32, bad);
}

static bool decode_16(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                      struct ternary_bad *bad) {
    return decode_order(s, p, row, n, out, 16, bad);
}

static void encode_32(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    encode_order(s, trits, scale, 32, p);
}

static void encode_16(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    encode_order(s, trits, scale, 16, p);
}

/* ---- rows ---- */

static bool decode_rows(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                        struct ternary_bad *bad) {
    if (!tail_check(p, code_bytes(s), bad)) return false;
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        unsigned invalid = 0, shift = 6 - 2 * (unsigned)(row % 4);
        uint64_t at = row / 4 * s->cols;
        for (uint64_t c = 0; c < s->cols; c += 128) invalid |= codes_to_trits(p + at + c, shift, 128, out + c);
        if (!invalid) continue;
        uint64_t c = first_code_3(out);
        return bad_at(bad, BAD_CODE, at + c, row, c);
    }
    return true;
}

static void encode_rows(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    uint64_t cols = s->cols;
    for (uint64_t g = 0; g < s->rows / 4; g++, trits += 4 * cols)
        for (uint64_t c = 0; c < cols; c++)
            p[g * cols + c] = (uint8_t)((trits[c] + 1) << 6 | (trits[cols + c] + 1) << 4 |
                                        (trits[2 * cols + c] + 1) << 2 | (trits[3 * cols + c] + 1));
    tail_store(p + code_bytes(s), *scale);
}

const struct ternary_format ternary_i2_s = {.name = "i2_s",
                                            .about = "bitnet.cpp's I2_S in blocks of 128, as published files have it",
                                            .type = TYPE_I2_S,
                                            .where = SCALE_TAIL,
                                            .n_rules = 1,
                                            .rule = rules,
                                            .bytes = bytes,
                                            .decode = decode_32,
                                            .scales = scales,
                                            .encode = encode_32};
const struct ternary_format ternary_i2_s_arm = {.name = "i2_s:arm",
                                                .about = "I2_S in blocks of 64, as a quantiser built for ARM writes it",
                                                .type = TYPE_I2_S,
                                                .where = SCALE_TAIL,
                                                .n_rules = 1,
                                                .rule = rules,
                                                .bytes = bytes,
                                                .decode = decode_16,
                                                .scales = scales,
                                                .encode = encode_16};
const struct ternary_format ternary_i2_s_rows = {.name = "i2_s:rows",
                                                 .about = "I2_S of four rows in one, a build option of bitnet.cpp",
                                                 .type = TYPE_I2_S,
                                                 .where = SCALE_TAIL,
                                                 .n_rules = 2,
                                                 .rule = rules,
                                                 .bytes = bytes,
                                                 .decode = decode_rows,
                                                 .scales = scales,
                                                 .encode = encode_rows};
