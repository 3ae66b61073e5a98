/*
 * num.h -- the scalar functions of docs/numerics.md for the interpreter: of libm only fmaf, sqrtf and rintf (exact).
 */
#ifndef SETUN_IR_NUM_H
#define SETUN_IR_NUM_H

#include <stdbool.h>
#include <stdint.h>

float num_exp(float x);
float num_log(float x); /* of a positive normal number; the sampler's oracle */
float num_sigmoid(float x);
float num_silu(float x);
float num_tanh(float x);
float num_gelu(float x);
/* cos and sin of a phase in turns: u / 2^32. */
void num_cossin(uint32_t u, float *c, float *s);
/* What the angles of a rotation follow from.  factor 0: none of the four; low 0: the factor alone. */
struct num_rope {
    double theta;
    uint32_t dims; /* elements that are turned */
    double factor, low, high, original;
};
bool num_rope_same(const struct num_rope *a, const struct num_rope *b);
/* F_i, i < dims/2, with MPFR. */
void num_rope_freqs(const struct num_rope *r, uint64_t *f);
/* The element type f16, to nearest even, clamped to +-65504, a NaN kept; and back, exact. */
uint16_t num_f16(float x);
float num_of_f16(uint16_t h);
float num_of_bf16(uint16_t b);
/* The n elements of one head as a cache of int8 gives them back. */
void num_cache_i8(const float *x, uint64_t n, float *y);
/* Sums as the contract orders them (sum1024). */
float num_sum(const float *x, uint64_t n);
float num_dot(const float *a, const float *b, uint64_t n);

#endif
