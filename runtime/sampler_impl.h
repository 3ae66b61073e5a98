/* sampler_impl.h -- what the sampler's two files share: keys, heaps of them, the penalty of one logit, the noise. */
#ifndef SETUN_RUNTIME_SAMPLER_IMPL_H
#define SETUN_RUNTIME_SAMPLER_IMPL_H

#include "runtime/sampler.h"
#include "runtime/scalar.h"

/* Of so many tokens at most one is a candidate; otherwise computing all logits costs little more. */
enum { SETUN_MOST_CANDIDATES = 10 };

static inline uint64_t setun_key(float logit, uint32_t id) {
    uint32_t u = setun_bits(logit + 0.0f); /* -0 and +0 are one value */
    u ^= u >> 31 ? 0xffffffffu : 0x80000000u;
    return (uint64_t)u << 32 | (uint32_t)~id;
}

static inline uint32_t setun_key_id(uint64_t key) { return ~(uint32_t)key; }

/* Sifts key[at] down in a heap of n whose smallest key is on top. */
static inline void setun_sift(uint64_t *key, uint32_t at, uint32_t n) {
    uint64_t moving = key[at];
    for (uint32_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && key[child + 1] < key[child]) child++;
        if (moving <= key[child]) break;
        key[at] = key[child];
        at = child;
    }
    key[at] = moving;
}

static inline bool setun_penalty(const struct setun_sampling *set) {
    return set->repeat_penalty != 1.0f && set->repeat_last > 0;
}

/* The tokens that the penalty is for: the last ones, each once.  Between begin and end, next gives them one by one. */
struct setun_recent {
    const uint32_t *ids;
    uint64_t n, at;
};
static inline struct setun_recent setun_recent_begin(const struct setun_sampler *s, const uint32_t *history,
                                                     uint64_t n) {
    uint64_t last = s->set.repeat_last < n ? s->set.repeat_last : n;
    return (struct setun_recent){.ids = history + (n - last), .n = last};
}

static inline bool setun_recent_next(struct setun_sampler *s, struct setun_recent *r, uint32_t *id) {
    while (r->at < r->n) {
        *id = r->ids[r->at++];
        uint8_t bit = (uint8_t)(1u << (*id & 7));
        if (*id >= s->vocab || (s->seen[*id >> 3] & bit)) continue;
        s->seen[*id >> 3] |= bit;
        return true;
    }
    return false;
}

static inline void setun_recent_end(struct setun_sampler *s, const struct setun_recent *r) {
    for (uint64_t i = 0; i < r->n; i++) {
        if (r->ids[i] < s->vocab) s->seen[r->ids[i] >> 3] = 0;
    }
}

static inline float setun_penalised(float l, float p) { return l > 0 ? l / p : l * p; }

/* Uniform noise of one token at one position: 23 bits. */
static inline uint32_t setun_noise(uint64_t seed, uint32_t position, uint32_t id) {
    uint64_t z = seed + 0x9E3779B97F4A7C15u * (((uint64_t)position << 32) + id + 1);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (uint32_t)(z >> 41);
}

static inline float setun_gumbel_of(uint32_t noise) {
    float u = ((float)noise + 0.5f) * 0x1p-23f;
    return -setun_log(-setun_log(u));
}

static inline float setun_gumbel(uint64_t seed, uint32_t position, uint32_t id) {
    return setun_gumbel_of(setun_noise(seed, position, id));
}

#endif
