/*
 * q4_0.c -- ggml's Q4_0: 32 elements in 18 bytes.
 *
 *     f16 d | u8 q[16]                  element j = ((q[j] & 15) - 8) * d,   element j + 16 = ((q[j] >> 4) - 8) * d
 *
 * The encoder takes d = m / -8 with m the element of the largest magnitude, and min(15, trunc(x / d + 8.5)).
 */
#include <math.h>

#include "codec/half.h"
#include "codec/real.h"

enum { BLOCK = 32, BYTES = 18, HALF = 16 };

void q4_0_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i += BLOCK, p += BYTES, out += BLOCK) {
        float d = half_load(p);
        for (int j = 0; j < HALF; j++) {
            out[j] = (float)((p[2 + j] & 15) - 8) * d;
            out[j + HALF] = (float)((p[2 + j] >> 4) - 8) * d;
        }
    }
}

static unsigned nibble(float x) { return x + 8.5f < 15 ? (unsigned)(x + 8.5f) : 15u; }

void q4_0_encode(const float *x, uint64_t n, uint8_t *p) {
    for (uint64_t i = 0; i < n; i += BLOCK, x += BLOCK, p += BYTES) {
        float most = 0;
        for (int j = 0; j < BLOCK; j++) most = fabsf(x[j]) > fabsf(most) ? x[j] : most;
        float d = most / -8.0f, inverse = d != 0 ? 1.0f / d : 0;
        half_store(p, d);
        for (int j = 0; j < HALF; j++)
            p[2 + j] = (uint8_t)(nibble(x[j] * inverse) | nibble(x[j + HALF] * inverse) << 4);
    }
}
