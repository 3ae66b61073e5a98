/*
 * tq1_0.c -- ggml's TQ1_0: blocks of 256 columns in 54 bytes, 1.6875 bits a trit.
 *
 *     byte 0 .. 47: five trits a byte | 48 .. 51: four trits a byte | 52, 53: f16 d        value = (digit - 1) * d
 *
 *     byte m      (m = 0 .. 31)   elements m + 32 n,          n = 0 .. 4
 *     byte 32 + m (m = 0 .. 15)   elements 160 + m + 16 n,    n = 0 .. 4
 *     byte 48 + m (m = 0 .. 3)    elements 240 + m + 4 n,     n = 0 .. 3, and a fifth digit that is 0
 *
 * The digits, most significant first, are those of q = sum of digit n * 3^(4 - n), and the byte is the fraction
 * q / 243 rounded up to 256ths: ceil(256 q / 243).  Multiplying the byte by 3^n modulo 256 and then by 3 carries
 * digit n out at the top.  Thirteen bytes are no such fraction (1 20 40 60 79 ...), and of the four-trit bytes only
 * 81 are: all others are refused.  d is finite and above 0; 0 in a block without nonzero trits.
 */
#include "codec/ternary_impl.h"

enum { BLOCK = 256, BYTES = 54, FOURS = 48, D = 52 };

static bool bytes(const struct ternary_shape *s, uint64_t *n) { return block_bytes(s, BLOCK, BYTES, n); }
static bool whole_blocks(const struct ternary_shape *s) { return s->cols % BLOCK == 0; }
static const struct ternary_rule rules[] = {{"columns are a multiple of 256", whole_blocks}};

/* Is byte b the fraction of some q, and of one that is a multiple of 3?  q can only be floor(243 b / 256). */
#define Q(b)     ((b) * 243 / 256)
#define IS(b)    ((Q(b) * 256 + 242) / 243 == (b))
#define VALID(b) (IS(b) ? Q(b) % 3 == 0 ? 3 : 1 : 0)
#define V4(b)    VALID(b), VALID((b) + 1), VALID((b) + 2), VALID((b) + 3)
#define V16(b)   V4(b), V4((b) + 4), V4((b) + 8), V4((b) + 12)
#define V64(b)   V16(b), V16((b) + 16), V16((b) + 32), V16((b) + 48)
static const uint8_t valid[256] = {V64(0), V64(64), V64(128), V64(192)}; /* bit 0: five trits, bit 1: four */

static inline void digits(const uint8_t *restrict p, unsigned power, size_t n, int8_t *restrict out) {
    for (size_t i = 0; i < n; i++) {
        unsigned rest = p[i] * power & 0xffu;
        out[i] = (int8_t)((int)(rest * 3 >> 8) - 1);
    }
}

/* Returns the first byte that holds no trits, or D. */
static unsigned decode_block(const uint8_t *p, int8_t *out) {
    static const unsigned power[5] = {1, 3, 9, 27, 81};
    for (unsigned n = 0; n < 5; n++) {
        digits(p, power[n], 32, out + 32 * (size_t)n);
        digits(p + 32, power[n], 16, out + 160 + 16 * (size_t)n);
    }
    for (unsigned n = 0; n < 4; n++) digits(p + FOURS, power[n], 4, out + 240 + 4 * (size_t)n);
    unsigned all = 3;
    for (unsigned b = 0; b < FOURS; b++) all &= valid[p[b]] | 2u;
    for (unsigned b = FOURS; b < D; b++) all &= valid[p[b]];
    if (all == 3) return D;
    unsigned b = 0;
    while (b < FOURS && valid[p[b]]) b++;
    while (b >= FOURS && valid[p[b]] == 3) b++;
    return b;
}

static unsigned first_element(unsigned byte) { return byte < 32 ? byte : byte < FOURS ? 128 + byte : 192 + byte; }

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    uint64_t a_row = s->cols / BLOCK, at = row * a_row * BYTES;
    for (uint64_t i = 0; i < n * a_row; i++, at += BYTES, out += BLOCK) {
        uint64_t r = row + i / a_row, c = i % a_row * BLOCK;
        unsigned b = decode_block(p + at, out);
        const char *why = b < FOURS ? "no five trits give this byte" : "no four trits give this byte";
        if (b < D) return bad_at(bad, why, at + b, r, c + first_element(b));
        if (!block_scale_check(p + at + D, out, BLOCK, &why)) return bad_at(bad, why, at + D, r, c);
    }
    return true;
}

static void scales(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    block_scales(s, p, BLOCK, BYTES, D, row, n, out);
}

/* The byte of n trits, `apart` elements from each other; digits that are missing are 0. */
static uint8_t pack(const int8_t *t, unsigned n, unsigned apart) {
    unsigned q = 0;
    for (unsigned i = 0; i < 5; i++) q = 3 * q + (i < n ? (unsigned)(t[i * apart] + 1) : 0);
    return (uint8_t)((256 * q + 242) / 243);
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    for (uint64_t i = 0; i < s->rows * (s->cols / BLOCK); i++, trits += BLOCK, p += BYTES) {
        for (unsigned m = 0; m < 32; m++) p[m] = pack(trits + m, 5, 32);
        for (unsigned m = 0; m < 16; m++) p[32 + m] = pack(trits + 160 + m, 5, 16);
        for (unsigned m = 0; m < 4; m++) p[FOURS + m] = pack(trits + 240 + m, 4, 4);
        half_store(p + D, scale[i]);
    }
}

const struct ternary_format ternary_tq1_0 = {.name = "tq1_0",
                                             .about = "ggml's TQ1_0: five trits a byte, an f16 scale for 256 columns",
                                             .type = TYPE_TQ1_0,
                                             .where = SCALE_BLOCK,
                                             .group = BLOCK,
                                             .n_rules = 1,
                                             .rule = rules,
                                             .bytes = bytes,
                                             .decode = decode,
                                             .scales = scales,
                                             .encode = encode};
