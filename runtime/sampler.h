/*
 * sampler.h -- from logits to a token, as docs/numerics.md ("Sampling") says, and the loss of a token.
 *
 * Transparent; all memory is taken by setun_sampler_open.  The same logits, settings, history and position give
 * the same token on every machine.
 */
#ifndef SETUN_RUNTIME_SAMPLER_H
#define SETUN_RUNTIME_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/abi.h"

struct setun_sampling {
    float temp;           /* 0: greedy */
    uint32_t top_k;       /* 0: off */
    float top_p;          /* 1: off */
    float min_p;          /* 0, or a denormal: off */
    float repeat_penalty; /* 1: off */
    uint32_t repeat_last; /* tokens that the penalty looks back; 0: off */
    uint64_t seed;
};

struct setun_sampler {
    struct setun_sampling set;
    uint32_t vocab;
    float *logit;   /* [vocab] after the penalty */
    uint64_t *key;  /* [vocab] candidates: logit's rank above, complement of the id below */
    uint64_t *swap; /* [vocab] for sorting */
    uint8_t *seen;  /* a bit a token: the penalty has been at it */
    /* Of intervals (candidates.c): tokens that may still be chosen, ascending, and their logits. */
    uint32_t most; /* of them; 0: the settings want all logits */
    uint32_t *id;
    float *exact;
};

/* false: out of memory. */
bool setun_sampler_open(struct setun_sampler *s, const struct setun_sampling *set, uint32_t vocab);
void setun_sampler_close(struct setun_sampler *s);

/* history: the n tokens so far, the last at `position`, whose row gave these finite logits. */
uint32_t setun_sample(struct setun_sampler *s, const float *logits, const uint32_t *history, uint64_t n,
                      uint32_t position);

/* ---- with intervals of the logits first (docs/numerics.md, "The screen") ---- */

/* Can these settings do without most logits? */
bool setun_sampling_screens(const struct setun_sampling *set, uint32_t vocab);
/* How many tokens may still be chosen: their ids are in s->id.  More than s->most: all logits are needed.  The penalty
 * is applied to the intervals, in place. */
uint32_t setun_sample_candidates(struct setun_sampler *s, struct setun_screen *at, const uint32_t *history, uint64_t n,
                                 uint32_t position);
/* The token that setun_sample would give, from s->exact: the logits of those `candidates` tokens. */
uint32_t setun_sample_among(struct setun_sampler *s, uint32_t candidates, const uint32_t *history, uint64_t n,
                            uint32_t position);

/* -log softmax(logits)[target]: the sum of exponentials is sum1024 in f32, the rest double. */
double setun_loss(const float *logits, uint32_t vocab, uint32_t target);

#endif
