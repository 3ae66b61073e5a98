/*
 * q4_k.c -- ggml's Q4_K: 256 elements in 144 bytes; eight groups of 32 with a scale and an offset of six bits each.
 *
 *     f16 d | f16 dmin | u8 s[12] | u8 q[128]
 *
 *     element 32 g + l = (d * scale g) * nibble - dmin * offset g;  nibble: q[32 (g / 2) + l], low if g is even
 *     g < 4    scale s[g] & 63,      offset s[g + 4] & 63
 *     g >= 4   scale (s[g + 4] & 15) | (s[g - 4] >> 6) << 4,   offset (s[g + 4] >> 4) | (s[g] >> 6) << 4
 *
 * Both products are exact in f32; their difference is rounded once.
 */
#include "codec/half.h"
#include "codec/real.h"

enum { BLOCK = 256, BYTES = 144, S = 4, Q = 16 };

static void decode_group(const uint8_t *p, unsigned g, float *out) {
    const uint8_t *s = p + S, *q = p + Q + 32 * (size_t)(g / 2);
    int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
    int offset = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
    float by = half_load(p) * (float)scale, less = half_load(p + 2) * (float)offset;
    for (int l = 0; l < 32; l++) out[l] = by * (float)(q[l] >> (g % 2 ? 4 : 0) & 15) - less;
}

void q4_k_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i += BLOCK, p += BYTES)
        for (unsigned g = 0; g < 8; g++, out += 32) decode_group(p, g, out);
}
