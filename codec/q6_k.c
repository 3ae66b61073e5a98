/*
 * q6_k.c -- ggml's Q6_K: 256 elements in 210 bytes; sixteen groups of 16 with a scale of eight bits each.
 *
 *     u8 low[128] | u8 high[64] | i8 scale[16] | f16 d
 *
 *     element 128 h + 32 k + l (k = 0 .. 3, l = 0 .. 31) = d * scale[8 h + 2 k + l / 16] * (v - 32)
 *     v: four bits of low[64 h + 32 (k & 1) + l], the low ones if k < 2; above them two bits, 2 k up, of high[32 h + l]
 */
#include "codec/half.h"
#include "codec/real.h"

enum { BLOCK = 256, BYTES = 210, HIGH = 128, SCALE = 192, D = 208 };

static void decode_32(const uint8_t *p, unsigned h, unsigned k, float *out) {
    const uint8_t *low = p + 64 * (size_t)h + 32 * (size_t)(k & 1), *high = p + HIGH + 32 * (size_t)h;
    float d = half_load(p + D);
    for (unsigned l = 0; l < 32; l++) {
        int v = (low[l] >> (k < 2 ? 0 : 4) & 15) | (high[l] >> (2 * k) & 3) << 4;
        int scale = (int8_t)p[SCALE + 8 * h + 2 * k + l / 16];
        out[l] = d * (float)scale * (float)(v - 32);
    }
}

void q6_k_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i += BLOCK, p += BYTES)
        for (unsigned h = 0; h < 2; h++)
            for (unsigned k = 0; k < 4; k++, out += 32) decode_32(p, h, k, out);
}
