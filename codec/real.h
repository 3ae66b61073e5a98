/*
 * real.h -- real tensors as files hold them: plain floats, and blocks of small integers with scales.
 *
 * A row of K elements is K / block consecutive blocks; K is a multiple of the block.  Every value is exact in f32 but
 * Q4_K's, whose last subtraction is rounded once: (d * sc) * n and dmin * m are exact.
 */
#ifndef SETUN_CODEC_REAL_H
#define SETUN_CODEC_REAL_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/types.h"

/* n elements (a multiple of the type's block) from p; t must have the role REAL. */
void real_decode(enum tensor_type t, const uint8_t *p, uint64_t n, float *out);
/* Is every value of n elements finite?  Otherwise *at is the first that is not. */
bool real_finite(enum tensor_type t, const uint8_t *p, uint64_t n, uint64_t *at);

/* One file each: codec/q8_0.c, ... */
void q8_0_decode(const uint8_t *p, uint64_t n, float *out);
void q6_k_decode(const uint8_t *p, uint64_t n, float *out);
void q4_0_decode(const uint8_t *p, uint64_t n, float *out);
void q4_k_decode(const uint8_t *p, uint64_t n, float *out);
/* Encoders as the formats' own tools round: for tests and synth. */
void q8_0_encode(const float *x, uint64_t n, uint8_t *p);
void q4_0_encode(const float *x, uint64_t n, uint8_t *p);

#endif
