/*
 * q8_0.c -- ggml's Q8_0: 32 elements in 34 bytes.
 *
 *     f16 d | i8 q[32]                  element j = q[j] * d
 *
 * The encoder takes d = max|x| / 127 in f32 and rounds x * (1 / d), half away from zero; d becomes f16 only when it
 * is stored.
 */
#include <math.h>

#include "codec/half.h"
#include "codec/real.h"

enum { BLOCK = 32, BYTES = 34 };

void q8_0_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i += BLOCK, p += BYTES, out += BLOCK) {
        float d = half_load(p);
        for (int j = 0; j < BLOCK; j++) out[j] = (float)(int8_t)p[2 + j] * d;
    }
}

void q8_0_encode(const float *x, uint64_t n, uint8_t *p) {
    for (uint64_t i = 0; i < n; i += BLOCK, x += BLOCK, p += BYTES) {
        float most = 0;
        for (int j = 0; j < BLOCK; j++) most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
        float d = most / 127.0f, inverse = d != 0 ? 1.0f / d : 0;
        half_store(p, d);
        for (int j = 0; j < BLOCK; j++) p[2 + j] = (uint8_t)(int8_t)roundf(x[j] * inverse);
    }
}
