/*
 * sampler.c -- the contract's sampler (docs/numerics.md, "Sampling").
 *
 * A candidate is one 64-bit key: the logit, mapped so that unsigned order is float order, above the complement
 * of the id.  Larger keys come first, ties go to the lower id, and no two keys are equal; so selecting and sorting
 * never look at floats.  Candidates that intervals leave (candidates.c) go the same way.
 */
#include "runtime/sampler.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sampler_impl.h"

bool setun_sampler_open(struct setun_sampler *s, const struct setun_sampling *set, uint32_t vocab) {
    *s = (struct setun_sampler){.set = *set, .vocab = vocab};
    s->logit = calloc(vocab, sizeof *s->logit);
    s->key = calloc(vocab, sizeof *s->key);
    s->swap = calloc(vocab, sizeof *s->swap);
    s->seen = calloc(vocab / 8 + 1, 1);
    if (setun_sampling_screens(set, vocab)) s->most = vocab / SETUN_MOST_CANDIDATES;
    s->id = calloc(s->most + 1, sizeof *s->id);
    s->exact = calloc(s->most + 1, sizeof *s->exact);
    if (s->logit && s->key && s->swap && s->seen && s->id && s->exact) return true;
    setun_sampler_close(s);
    return false;
}

void setun_sampler_close(struct setun_sampler *s) {
    free(s->logit);
    free(s->key);
    free(s->swap);
    free(s->seen);
    free(s->id);
    free(s->exact);
    *s = (struct setun_sampler){0};
}

/* ---- keys (the rest: sampler_impl.h) ---- */

/* Sorts a short list, largest first. */
static void sort_short(uint64_t *key, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        uint64_t k = key[i];
        uint32_t j = i;
        for (; j > 0 && key[j - 1] < k; j--) key[j] = key[j - 1];
        key[j] = k;
    }
}

/* Sorts, largest first: eight passes over a byte each, of which those with one value only are skipped. */
static void sort_keys(uint64_t *key, uint64_t *swap, uint32_t n) {
    if (n <= 64) {
        sort_short(key, n);
        return;
    }
    uint64_t *from = key, *to = swap;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        uint32_t count[256] = {0};
        for (uint32_t i = 0; i < n; i++) count[from[i] >> shift & 255]++;
        if (count[from[0] >> shift & 255] == n) continue;
        uint32_t sum = 0;
        for (uint32_t b = 256; b-- > 0;) {
            uint32_t here = count[b];
            count[b] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < n; i++) to[count[from[i] >> shift & 255]++] = from[i];
        uint64_t *t = from;
        from = to;
        to = t;
    }
    if (from != key) memcpy(key, from, n * sizeof *key);
}

/* ---- the steps of the contract, in order ---- */

static void penalise(struct setun_sampler *s, const uint32_t *history, uint64_t n) {
    struct setun_recent r = setun_recent_begin(s, history, n);
    for (uint32_t id; setun_recent_next(s, &r, &id);)
        s->logit[id] = setun_penalised(s->logit[id], s->set.repeat_penalty);
    setun_recent_end(s, &r);
}

static uint32_t greedy(const float *logit, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (logit[i] > logit[best]) best = i;
    }
    return best;
}

/* The k largest of the first n keys to the front, in no order: a heap of k, its smallest on top. */
static uint32_t keep_top_k(uint64_t *key, uint32_t n, uint32_t k) {
    if (k == 0 || k >= n) return n;
    for (uint32_t i = k / 2; i-- > 0;) setun_sift(key, i, k);
    for (uint32_t i = k; i < n; i++) {
        if (key[i] <= key[0]) continue;
        key[0] = key[i];
        setun_sift(key, 0, k);
    }
    return k;
}

static uint32_t keep_min_p(struct setun_sampler *s, uint32_t n, float max) {
    float floor = __builtin_fmaf(s->set.temp, setun_log(s->set.min_p), max);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (s->logit[setun_key_id(s->key[i])] >= floor) s->key[kept++] = s->key[i];
    }
    return kept;
}

static float weight(const struct setun_sampler *s, uint32_t i, float max) {
    return setun_exp((s->logit[setun_key_id(s->key[i])] - max) / s->set.temp);
}

static uint32_t keep_top_p(struct setun_sampler *s, uint32_t n, float max) {
    sort_keys(s->key, s->swap, n);
    float *e = (float *)s->swap; /* sorting is done: n floats have room there */
    for (uint32_t i = 0; i < n; i++) e[i] = weight(s, i, max);
    float total = 0;
    for (uint32_t at = 0; at < n; at += SETUN_SUM_BLOCK) {
        uint32_t end = n - at < SETUN_SUM_BLOCK ? n : at + SETUN_SUM_BLOCK;
        float lane[SETUN_SUM_LANES] = {0};
        for (uint32_t i = at; i < end; i++) lane[i % SETUN_SUM_LANES] += e[i];
        total += setun_fold(lane);
    }
    float enough = s->set.top_p * total, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += e[i];
        if (sum >= enough) return i + 1;
    }
    return n;
}

static uint32_t draw(const struct setun_sampler *s, uint32_t n, uint32_t position) {
    uint32_t best = 0;
    float most = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = setun_key_id(s->key[i]);
        float v = s->logit[id] / s->set.temp + setun_gumbel(s->set.seed, position, id);
        if (i == 0 || v > most || (v == most && id < best)) {
            most = v;
            best = id;
        }
    }
    return best;
}

/* top-k, min-p, top-p and the draw, of n keys. */
static uint32_t choose(struct setun_sampler *s, uint32_t n, float max, uint32_t position) {
    const struct setun_sampling *set = &s->set;
    uint32_t kept = keep_top_k(s->key, n, set->top_k);
    if (set->min_p >= FLT_MIN) kept = keep_min_p(s, kept, max);
    if (set->top_p < 1.0f) kept = keep_top_p(s, kept, max);
    return draw(s, kept, position);
}

uint32_t setun_sample(struct setun_sampler *s, const float *logits, const uint32_t *history, uint64_t n,
                      uint32_t position) {
    const struct setun_sampling *set = &s->set;
    bool penalty = setun_penalty(set);
    if (set->temp == 0 && !penalty) return greedy(logits, s->vocab);
    memcpy(s->logit, logits, s->vocab * sizeof *logits);
    if (penalty) penalise(s, history, n);
    uint32_t best = greedy(s->logit, s->vocab);
    if (set->temp == 0) return best;
    for (uint32_t i = 0; i < s->vocab; i++) s->key[i] = setun_key(s->logit[i], i);
    return choose(s, s->vocab, s->logit[best], position);
}

uint32_t setun_sample_among(struct setun_sampler *s, uint32_t candidates, const uint32_t *history, uint64_t n,
                            uint32_t position) {
    for (uint32_t i = 0; i < candidates; i++) s->logit[s->id[i]] = s->exact[i];
    if (setun_penalty(&s->set)) penalise(s, history, n); /* what others have there is never read */
    uint64_t best = 0;
    for (uint32_t i = 0; i < candidates; i++) {
        s->key[i] = setun_key(s->logit[s->id[i]], s->id[i]);
        if (s->key[i] > best) best = s->key[i];
    }
    uint32_t id = setun_key_id(best);
    return s->set.temp == 0 ? id : choose(s, candidates, s->logit[id], position);
}

double setun_loss(const float *logits, uint32_t vocab, uint32_t target) {
    float max = logits[greedy(logits, vocab)], total = 0;
    for (uint32_t at = 0; at < vocab; at += SETUN_SUM_BLOCK) {
        uint32_t end = vocab - at < SETUN_SUM_BLOCK ? vocab : at + SETUN_SUM_BLOCK;
        float lane[SETUN_SUM_LANES] = {0};
        uint32_t i = at;
        for (; i + SETUN_SUM_LANES <= end; i += SETUN_SUM_LANES) {
            for (uint32_t l = 0; l < SETUN_SUM_LANES; l++) lane[l] += setun_exp(logits[i + l] - max);
        }
        for (uint32_t l = 0; i < end; i++, l++) lane[l] += setun_exp(logits[i] - max);
        total += setun_fold(lane);
    }
    return (double)setun_log(total) + ((double)max - (double)logits[target]);
}
