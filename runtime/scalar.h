/*
 * scalar.h -- exp, log and sum1024 of the contract (docs/numerics.md) for sampler and loss.
 *
 * Every operation is one rounding, in the order written; compile with -ffp-contract=off.  Straight-line code
 * with selects only, so that loops over it vectorise: vectorising changes no bit.
 */
#ifndef SETUN_RUNTIME_SCALAR_H
#define SETUN_RUNTIME_SCALAR_H

#include <stdint.h>
#include <string.h>

#include "runtime/contract.h"

static inline uint32_t setun_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

static inline float setun_float(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static inline float setun_exp(float x) {
    static const float c[] = {SETUN_EXP_R};
    enum { LAST = sizeof c / sizeof c[0] - 1 };
    float y = x > SETUN_EXP_MAX ? SETUN_EXP_MAX : x;
    y = y < SETUN_EXP_MIN ? SETUN_EXP_MIN : y; /* any value will do: the last line puts +0 there */
    float n = __builtin_roundevenf(y * SETUN_LOG2E);
    float t = __builtin_fmaf(n, -SETUN_LN2_HI, y);
    t = __builtin_fmaf(n, -SETUN_LN2_LO, t);
    float r = c[LAST];
    for (int i = LAST - 1; i >= 0; i--) r = __builtin_fmaf(r, t, c[i]);
    float p = 1.0f + __builtin_fmaf(t * t, r, t);
    int32_t k = (int32_t)n, a = k >> 1, b = k - a;
    float e = p * setun_float((uint32_t)(a + 127) << 23) * setun_float((uint32_t)(b + 127) << 23);
    return x < SETUN_EXP_MIN ? 0.0f : e;
}

/* x positive and normal. */
static inline float setun_log(float x) {
    static const float c[] = {SETUN_LOG_C};
    enum { LAST = sizeof c / sizeof c[0] - 1 };
    uint32_t u = setun_bits(x);
    int32_t e = (int32_t)(u - SETUN_LOG_SPLIT) >> 23;
    float f = setun_float(u - ((uint32_t)e << 23)) - 1.0f;
    float q = c[LAST];
    for (int i = LAST - 1; i >= 0; i--) q = __builtin_fmaf(q, f, c[i]);
    float z = f * f, fz = f * z, hz = -0.5f * z;
    float y = __builtin_fmaf(fz, q, hz);
    y = __builtin_fmaf((float)e, SETUN_LN2_LO, y);
    y = f + y;
    return __builtin_fmaf((float)e, SETUN_LN2_HI, y);
}

/* The tree that ends a block of sum1024. */
static inline float setun_fold(float lane[SETUN_SUM_LANES]) {
    for (int half = SETUN_SUM_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) lane[i] = lane[i] + lane[i + half];
    }
    return lane[0];
}

#endif
