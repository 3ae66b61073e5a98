/*
 * candidates.c -- which tokens the sampler may still choose, from intervals of their logits (docs/numerics.md, "The
 * screen": why none is lost).
 *
 * Ends of 64 tokens have their largest beside them, so most units are passed over by one comparison: the search costs
 * some microseconds however long the vocabulary is.  Only noise over all tokens looks at each, and there mostly at an
 * integer.
 */
#include <float.h>
#include <math.h>

#include "runtime/sampler_impl.h"

enum { UNIT = SETUN_SCREEN_UNIT };

/* More is never drawn: -log(-log(1 - 2^-24)) is 16.64. */
static const float MOST_NOISE = 17;

static bool cuts_top_k(const struct setun_sampling *set, uint32_t vocab) {
    return set->top_k > 0 && set->top_k < vocab;
}

bool setun_sampling_screens(const struct setun_sampling *set, uint32_t vocab) {
    if (set->temp == 0) return true;
    if (cuts_top_k(set, vocab)) return set->top_k <= vocab / (2 * SETUN_MOST_CANDIDATES);
    return !(set->top_p < 1.0f);
}

/* Tokens [from, to) of a unit. */
struct unit {
    uint32_t from, to;
};

static uint32_t n_units(const struct setun_sampler *s) { return (s->vocab + UNIT - 1) / UNIT; }

static struct unit unit_of(const struct setun_sampler *s, uint32_t u) {
    uint32_t from = u * UNIT;
    return (struct unit){from, s->vocab - from < UNIT ? s->vocab : from + UNIT};
}

static float largest(const float *x, uint32_t n) {
    float most = x[0];
    for (uint32_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* ---- the penalty, on both ends ---- */

static void penalise(struct setun_sampler *s, struct setun_screen *at, const uint32_t *history, uint64_t n) {
    float p = s->set.repeat_penalty;
    struct setun_recent r = setun_recent_begin(s, history, n);
    for (uint32_t id; setun_recent_next(s, &r, &id);) {
        at->low[id] = setun_penalised(at->low[id], p);
        at->high[id] = setun_penalised(at->high[id], p);
        struct unit u = unit_of(s, id / UNIT);
        at->unit_low[id / UNIT] = largest(at->low + u.from, u.to - u.from);
        at->unit_high[id / UNIT] = largest(at->high + u.from, u.to - u.from);
    }
    setun_recent_end(s, &r);
}

/* ---- limits: a token whose high end is below is out ---- */

/* Takes key into a heap of at most k, n of them there. */
static uint32_t take(uint64_t *heap, uint32_t n, uint32_t k, uint64_t key) {
    if (n < k) {
        heap[n++] = key;
        if (n == k) {
            for (uint32_t i = k / 2; i-- > 0;) setun_sift(heap, i, k);
        }
    } else if (key > heap[0]) {
        heap[0] = key;
        setun_sift(heap, 0, k);
    }
    return n;
}

/* The k-th largest of what the heap has seen; -inf if it has seen fewer. */
static float kth(const uint64_t *heap, uint32_t n, uint32_t k, const float *of) {
    return n < k ? -INFINITY : of[setun_key_id(heap[0])];
}

/* The k-th largest low end: of units first, which is no more than that of tokens, and then of tokens above it. */
static float kth_low(struct setun_sampler *s, const struct setun_screen *at, uint32_t k) {
    uint32_t n = 0, units = n_units(s);
    for (uint32_t u = 0; u < units; u++) n = take(s->key, n, k, setun_key(at->unit_low[u], u));
    float least = kth(s->key, n, k, at->unit_low);
    n = 0;
    for (uint32_t u = 0; u < units; u++) {
        if (at->unit_low[u] < least) continue;
        struct unit in = unit_of(s, u);
        for (uint32_t i = in.from; i < in.to; i++) {
            if (at->low[i] >= least) n = take(s->key, n, k, setun_key(at->low[i], i));
        }
    }
    return kth(s->key, n, k, at->low);
}

static float min_p_limit(const struct setun_sampling *set, float max) {
    return set->min_p >= FLT_MIN ? __builtin_fmaf(set->temp, setun_log(set->min_p), max) : -INFINITY;
}

static float limit(struct setun_sampler *s, const struct setun_screen *at) {
    const struct setun_sampling *set = &s->set;
    float max = largest(at->unit_low, n_units(s));
    if (set->temp == 0) return max;
    float least = min_p_limit(set, max);
    float other = cuts_top_k(set, s->vocab) ? kth_low(s, at, set->top_k) : -INFINITY;
    return other > least ? other : least;
}

/* ---- taking ---- */

static uint32_t take_above(struct setun_sampler *s, const struct setun_screen *at, float least) {
    uint32_t n = 0, units = n_units(s);
    for (uint32_t u = 0; u < units; u++) {
        if (at->unit_high[u] < least) continue;
        struct unit in = unit_of(s, u);
        for (uint32_t i = in.from; i < in.to; i++) {
            if (at->high[i] < least) continue;
            if (n == s->most) return n + 1;
            s->id[n++] = i;
        }
    }
    return n;
}

/* A search for the largest l / T + G: the largest that is sure so far, and the tokens that may be above it. */
struct race {
    float sure; /* a token whose low end is not below is kept by min-p */
    float
        peak; /* a token whose high end is not below may have the largest logit, which min-p looks at; inf: no min-p */
    float best; /* a token is surely drawn with no less */
    uint32_t n;
};

/* Noise below this cannot lift a high end of h to the best.  exp(-exp(-g)) >= 1 - exp(-g), and what rounding adds up to
 * is less than the margin. */
static uint32_t least_noise(float h, float best) {
    float margin = 0.01f + 1e-6f * (fabsf(h) + fabsf(best)), need = best - h - margin;
    if (!(need > 0) || !(need < 100)) return 0;
    float part = (1 - setun_exp(-need)) * 0x1p23f - 4;
    return part > 0 ? (uint32_t)part : 0;
}

/* Drops what the best has left behind. */
static void settle(struct setun_sampler *s, struct race *r) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (s->exact[i] < r->best) continue;
        s->id[kept] = s->id[i];
        s->exact[kept++] = s->exact[i];
    }
    r->n = kept;
}

/* May token i with noise z be drawn, or be the largest? */
static bool runs(const struct setun_sampler *s, const struct setun_screen *at, uint32_t i, uint32_t z, struct race *r,
                 float *top) {
    bool peak = at->high[i] >= r->peak;
    float g = setun_gumbel_of(z), bottom = at->low[i] / s->set.temp + g;
    *top = peak ? INFINITY : at->high[i] / s->set.temp + g;
    if (at->low[i] >= r->sure && bottom > r->best) r->best = bottom;
    return *top >= r->best;
}

/* false: there are too many. */
static bool race_unit(struct setun_sampler *s, const struct setun_screen *at, uint32_t u, float least, struct race *r,
                      uint32_t position) {
    const struct setun_sampling *set = &s->set;
    float most = at->unit_high[u], scaled = most / set->temp, top;
    bool peaks = most >= r->peak;
    if (most < least || (scaled + MOST_NOISE < r->best && !peaks)) return true;
    uint32_t noise = peaks ? 0 : least_noise(scaled, r->best);
    struct unit in = unit_of(s, u);
    for (uint32_t i = in.from; i < in.to; i++) {
        uint32_t z = setun_noise(set->seed, position, i);
        if (z < noise || at->high[i] < least || !runs(s, at, i, z, r, &top)) continue;
        if (r->n == s->most) {
            settle(s, r);
            if (r->n > s->most / 2) return false;
        }
        s->id[r->n] = i;
        s->exact[r->n++] = top;
    }
    return true;
}

static uint32_t take_by_noise(struct setun_sampler *s, const struct setun_screen *at, float least, uint32_t position) {
    uint32_t units = n_units(s), first = 0;
    float low = largest(at->unit_low, units), high = largest(at->unit_high, units);
    struct race r = {.sure = min_p_limit(&s->set, high), .peak = INFINITY, .best = -INFINITY};
    if (s->set.min_p >= FLT_MIN) r.peak = low;
    for (uint32_t u = 1; u < units; u++) {
        if (at->unit_low[u] > at->unit_low[first]) first = u;
    }
    /* The likeliest go first, and again in their turn. */
    if (!race_unit(s, at, first, least, &r, position)) return s->most + 1;
    r.n = 0;
    for (uint32_t u = 0; u < units; u++) {
        if (!race_unit(s, at, u, least, &r, position)) return s->most + 1;
    }
    settle(s, &r);
    return r.n;
}

uint32_t setun_sample_candidates(struct setun_sampler *s, struct setun_screen *at, const uint32_t *history, uint64_t n,
                                 uint32_t position) {
    const struct setun_sampling *set = &s->set;
    if (s->most == 0) return 1;
    if (setun_penalty(set)) penalise(s, at, history, n);
    float least = limit(s, at);
    bool all = set->temp != 0 && !cuts_top_k(set, s->vocab);
    return all ? take_by_noise(s, at, least, position) : take_above(s, at, least);
}
