/*
 * num.c -- the scalar functions of docs/numerics.md, written as that page writes them.
 *
 * Relies on correctly rounded fmaf and sqrtf, on the default rounding mode, and on -ffp-contract=off.
 */
#include "ir/num.h"

#include <math.h>
#include <mpfr.h>

#include "base/check.h"
#include "base/compiler.h"
#include "runtime/contract.h"

/* c[n-1] x^(n-1) + ... + c[0], one fma a step. */
static float horner(const float *c, int n, float x) {
    float p = c[n - 1];
    for (int i = n - 2; i >= 0; i--) p = fmaf(p, x, c[i]);
    return p;
}
#define HORNER(c, x) horner((c), (int)COUNT_OF(c), (x))

/* 2^e, -126 <= e <= 127 */
static float pow2(int32_t e) { return f32_of_bits((uint32_t)(e + 127) << 23); }

float num_exp(float x) {
    static const float c[] = {SETUN_EXP_R}; /* from t^2 up */
    if (isnan(x)) return x;
    if (x < SETUN_EXP_MIN) return 0.0f;
    if (x > SETUN_EXP_MAX) x = SETUN_EXP_MAX;
    float n = rintf(x * SETUN_LOG2E);
    float t = fmaf(n, -SETUN_LN2_HI, x);
    t = fmaf(n, -SETUN_LN2_LO, t);
    float p = 1.0f + fmaf(t * t, HORNER(c, t), t);
    /* in two steps, as n reaches 128 */
    int32_t k = (int32_t)n;
    int32_t a = k >> 1, b = k - a;
    return (p * pow2(a)) * pow2(b);
}

float num_log(float x) {
    static const float c[] = {SETUN_LOG_C};
    uint32_t u = bits_of_f32(x);
    int32_t e = (int32_t)(u - SETUN_LOG_SPLIT) >> 23;
    float m = f32_of_bits(u - ((uint32_t)e << 23));
    float f = m - 1.0f;
    float q = HORNER(c, f);
    float z = f * f;
    float y = fmaf(f * z, q, -0.5f * z);
    y = fmaf((float)e, SETUN_LN2_LO, y);
    y = f + y;
    return fmaf((float)e, SETUN_LN2_HI, y);
}

float num_sigmoid(float x) { return 1.0f / (1.0f + num_exp(-x)); }

float num_silu(float x) { return x / (1.0f + num_exp(-x)); }

float num_tanh(float x) {
    static const float c[] = {SETUN_TANH_C};
    float a = fabsf(x);
    if (a < SETUN_TANH_SPLIT) {
        float z = x * x;
        return fmaf(x * z, HORNER(c, z), x);
    }
    float b = a > SETUN_TANH_MAX ? SETUN_TANH_MAX : a;
    float r = 1.0f - 2.0f / (num_exp(2.0f * b) + 1.0f);
    return copysignf(r, x);
}

float num_gelu(float x) {
    float inner = fmaf(SETUN_GELU_B * x, x * x, x);
    return (0.5f * x) * (1.0f + num_tanh(SETUN_GELU_A * inner));
}

void num_cossin(uint32_t u, float *c, float *s) {
    static const float sc[] = {SETUN_SIN_C};
    static const float cc[] = {SETUN_COS_C};
    uint32_t n = (u + (1u << 29)) >> 30;
    int32_t r = (int32_t)(u - (n << 30));
    float t = (float)r * SETUN_TURN;
    float z = t * t;
    float sin = fmaf(t * z, HORNER(sc, z), t);
    float cos = fmaf(z * z, HORNER(cc, z), fmaf(z, -0.5f, 1.0f));
    switch (n & 3) {
    case 0: *c = cos, *s = sin; break;
    case 1: *c = -sin, *s = cos; break;
    case 2: *c = -cos, *s = -sin; break;
    case 3: *c = sin, *s = -cos; break;
    }
}

/* The integer nearest to v (ties to even), modulo 2^64. */
static uint64_t wrap_u64(mpfr_t v) {
    mpz_t z;
    mpz_init(z);
    mpfr_get_z(z, v, MPFR_RNDN);
    mpz_fdiv_r_2exp(z, z, 64);
    uint64_t lo = mpz_get_ui(z);
    mpz_clear(z);
    return lo;
}

/* f in turns a position, so original * f turns fit the positions that the model was made for: few are slowed down by
 * the factor, many are kept, and in between the share s of the kept one grows from 0 to 1. */
static void scale_by_turns(const struct num_rope *r, mpfr_t f) {
    mpfr_t s, slow;
    mpfr_inits2(mpfr_get_prec(f), s, slow, (mpfr_ptr)0);
    mpfr_mul_d(s, f, r->original, MPFR_RNDN);
    if (mpfr_cmp_d(s, r->low) < 0) {
        mpfr_div_d(f, f, r->factor, MPFR_RNDN);
    } else if (mpfr_cmp_d(s, r->high) <= 0) {
        mpfr_set_d(slow, r->high, MPFR_RNDN);
        mpfr_sub_d(slow, slow, r->low, MPFR_RNDN);
        mpfr_sub_d(s, s, r->low, MPFR_RNDN);
        mpfr_div(s, s, slow, MPFR_RNDN);
        mpfr_div_d(slow, f, r->factor, MPFR_RNDN);
        mpfr_sub(f, f, slow, MPFR_RNDN);
        mpfr_fma(f, f, s, slow, MPFR_RNDN);
    }
    mpfr_clears(s, slow, (mpfr_ptr)0);
}

bool num_rope_same(const struct num_rope *a, const struct num_rope *b) {
    return a->theta == b->theta && a->dims == b->dims && a->factor == b->factor && a->low == b->low &&
           a->high == b->high && a->original == b->original;
}

void num_rope_freqs(const struct num_rope *r, uint64_t *f) {
    /* 256 bits: 64 before the point, and so many behind it that no tie is met by rounding */
    mpfr_t t, e, two_pi;
    mpfr_inits2(256, t, e, two_pi, (mpfr_ptr)0);
    mpfr_const_pi(two_pi, MPFR_RNDN);
    mpfr_mul_2ui(two_pi, two_pi, 1, MPFR_RNDN);
    for (uint32_t i = 0; i < r->dims / 2; i++) {
        mpfr_set_si(e, -2 * (long)i, MPFR_RNDN);
        mpfr_div_ui(e, e, r->dims, MPFR_RNDN);
        mpfr_set_d(t, r->theta, MPFR_RNDN);
        mpfr_pow(t, t, e, MPFR_RNDN);
        mpfr_div(t, t, two_pi, MPFR_RNDN);
        if (r->factor != 0 && r->low != 0) scale_by_turns(r, t);
        if (r->factor != 0 && r->low == 0) mpfr_div_d(t, t, r->factor, MPFR_RNDN);
        mpfr_mul_2ui(t, t, 64, MPFR_RNDN);
        f[i] = wrap_u64(t);
    }
    mpfr_clears(t, e, two_pi, (mpfr_ptr)0);
    mpfr_free_cache();
}

uint16_t num_f16(float x) {
    uint32_t u = bits_of_f32(x);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) return 0x7e00u;
    if (u >= 0x477fe000u) return (uint16_t)(sign | 0x7bffu); /* 65504 and all above it */
    if (u < 0x38800000u) {
        /* below 2^-14, the smallest normal: a multiple of 2^-24, that is the last bit of a float of [1/2, 1) */
        float m = f32_of_bits(u) + 0.5f;
        return (uint16_t)(sign | (bits_of_f32(m) - 0x3f000000u));
    }
    /* Exponent from bias 127 to 15, then drop 13 bits of the fraction to nearest even.  A carry moves into
     * the exponent, as it should; it cannot pass 65504. */
    u -= (127u - 15u) << 23;
    u += 0xfffu + (u >> 13 & 1u);
    return (uint16_t)(sign | u >> 13);
}

/* A head with a value that is not finite comes back as NaN: 0 times an infinite or no factor. */
void num_cache_i8(const float *x, uint64_t n, float *y) {
    uint32_t m = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t u = bits_of_f32(x[i]) & 0x7fffffffu;
        if (u > m) m = u;
    }
    float top = f32_of_bits(m);
    if (top < SETUN_QUANT_FLOOR) top = SETUN_QUANT_FLOOR;
    float s = SETUN_CODE_MAX / top, r = 1.0f / s;
    for (uint64_t i = 0; i < n; i++) {
        float v = rintf(x[i] * s);
        if (v > SETUN_CODE_MAX) v = SETUN_CODE_MAX;
        if (v < -SETUN_CODE_MAX) v = -SETUN_CODE_MAX;
        y[i] = (float)(isnan(v) ? 0 : (int)v) * r;
    }
}

float num_of_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t e = h >> 10 & 0x1fu, m = h & 0x3ffu;
    if (e == 0) {
        float v = (float)m * 0x1p-24f; /* exact */
        return f32_of_bits(sign | bits_of_f32(v));
    }
    uint32_t exp = e == 31 ? 255 : e + (127 - 15);
    return f32_of_bits(sign | exp << 23 | m << 13);
}

float num_of_bf16(uint16_t b) { return f32_of_bits((uint32_t)b << 16); }

/* The tree of sum1024 over 32 lanes; destroys them. */
static float tree(float *v) {
    for (int half = SETUN_SUM_LANES / 2; half >= 1; half /= 2)
        for (int l = 0; l < half; l++) v[l] = v[l] + v[l + half];
    return v[0];
}

float num_sum(const float *x, uint64_t n) {
    float total = 0.0f;
    for (uint64_t at = 0; at < n; at += SETUN_SUM_BLOCK) {
        float lane[SETUN_SUM_LANES] = {0};
        for (uint64_t i = at; i < n && i < at + SETUN_SUM_BLOCK; i++)
            lane[i % SETUN_SUM_LANES] = lane[i % SETUN_SUM_LANES] + x[i];
        total = total + tree(lane);
    }
    return total;
}

float num_dot(const float *a, const float *b, uint64_t n) {
    float total = 0.0f;
    for (uint64_t at = 0; at < n; at += SETUN_SUM_BLOCK) {
        float lane[SETUN_SUM_LANES] = {0};
        for (uint64_t i = at; i < n && i < at + SETUN_SUM_BLOCK; i++)
            lane[i % SETUN_SUM_LANES] = fmaf(a[i], b[i], lane[i % SETUN_SUM_LANES]);
        total = total + tree(lane);
    }
    return total;
}
