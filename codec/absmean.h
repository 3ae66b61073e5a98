/*
 * absmean.h -- ternary weights from dense masters, one scale a matrix.
 *
 *     alpha = max(mean|W|, 1e-5)      the sum in f64, in order, divided, rounded once to f32
 *     T     = clamp(roundeven(W * (1 / alpha)), -1, +1), in f32
 *
 * Ma et al. 2024, arXiv:2402.17764, with the epsilon as a floor.
 */
#ifndef SETUN_CODEC_ABSMEAN_H
#define SETUN_CODEC_ABSMEAN_H

#include <stdint.h>

/* sum += |w_i| for n values: call it over all rows in order. */
double absmean_add(double sum, const float *w, uint64_t n);
/* alpha from the sum of n absolute values. */
float absmean_alpha(double sum, uint64_t n);
void absmean_trits(const float *w, uint64_t n, float alpha, int8_t *out);

#endif
