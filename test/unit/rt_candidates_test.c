/*
 * rt_candidates_test -- sampling from intervals gives the token that sampling from all logits gives: drawn logits with
 * intervals around them, of all widths and none, beside others whose ends meet exactly; many equal logits, so that ties
 * decide; every setting that screens.  The intervals' units are made here, plainly.  rt_sampler_test compares sampling
 * from all logits with the page.
 */
#include <math.h>
#include <stdlib.h>

#include "runtime/sampler.h"
#include "test/unit/expect.h"

enum { VOCAB = 3000, UNITS = (VOCAB + SETUN_SCREEN_UNIT - 1) / SETUN_SCREEN_UNIT };

static uint64_t state = 11;
static uint32_t draw(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) * n >> 31);
}
static float unit(void) { return (float)draw(1u << 24) / (1 << 24); }

static float logits[VOCAB], low[VOCAB], high[VOCAB], unit_low[UNITS], unit_high[UNITS];

static struct setun_sampling any_settings(uint32_t vocab) {
    static const float temp[] = {0, 0.1f, 0.8f, 1, 3, 1e-6f, 1000}, top_p[] = {1, 0.95f, 0.3f},
                       min_p[] = {0, 0.05f, 0.5f, 1, 1e-20f}, penalty[] = {1, 1, 1.1f, 3, 0.5f};
    static const uint32_t last[] = {0, 1, 5, 64, 100000}, top_k[] = {0, 0, 1, 2, 7, 40};
    struct setun_sampling s;
    do
        s = (struct setun_sampling){.temp = temp[draw(7)],
                                    .top_k = top_k[draw(6)],
                                    .top_p = top_p[draw(3)],
                                    .min_p = min_p[draw(5)],
                                    .repeat_penalty = penalty[draw(5)],
                                    .repeat_last = last[draw(5)],
                                    .seed = draw(1000)};
    while (!setun_sampling_screens(&s, vocab));
    return s;
}

/* Some large among many: as a model's, or all alike, or few values. */
static void draw_logits(uint32_t vocab) {
    uint32_t kind = draw(4), steps = 1 + draw(12);
    float spread = ldexpf(1, (int)draw(9) - 4);
    for (uint32_t i = 0; i < vocab; i++) {
        float u = unit(), l = (kind == 0 ? u : -logf(-logf(u * 0.999f + 1e-4f))) * spread * 4 - 3;
        logits[i] = kind == 3 ? roundf(l * (float)steps) / (float)steps : l;
        if (kind == 2) logits[i] -= 12;
    }
}

/* An end at a distance from l: none, one step of floats, or up to `width`. */
static float end(float l, float width, float sign) {
    switch (draw(4)) {
    case 0: return l;
    case 1: return nextafterf(l, sign * INFINITY);
    default: {
        float e = l + sign * unit() * width;
        return sign > 0 ? (e < l ? l : e) : e > l ? l : e;
    }
    }
}

static void draw_intervals(uint32_t vocab) {
    float width = draw(3) ? ldexpf(1, -(int)draw(12)) : 0;
    bool meet = draw(4) == 0; /* ends at other tokens' logits */
    for (uint32_t i = 0; i < vocab; i++) {
        low[i] = end(logits[i], width, -1);
        high[i] = end(logits[i], width, 1);
        float other = logits[draw(vocab)];
        if (meet && other < logits[i]) low[i] = other;
        if (meet && other > logits[i]) high[i] = other;
        if (draw(5000) == 0) low[i] = -INFINITY, high[i] = INFINITY;
    }
    for (uint32_t i = 0; i < vocab; i++) {
        uint32_t u = i / SETUN_SCREEN_UNIT;
        bool first = i % SETUN_SCREEN_UNIT == 0;
        unit_low[u] = first || low[i] > unit_low[u] ? low[i] : unit_low[u];
        unit_high[u] = first || high[i] > unit_high[u] ? high[i] : unit_high[u];
    }
}

struct count {
    uint32_t cases, whole;
    uint64_t candidates;
};

static bool one(uint32_t vocab, struct count *c) {
    uint32_t history[100], n = draw(101), position = draw(1u << 20);
    struct setun_sampling set = any_settings(vocab);
    struct setun_screen at = {low, high, unit_low, unit_high};
    struct setun_sampler s;
    if (!EXPECT(setun_sampler_open(&s, &set, vocab)) || !EXPECT(s.most > 0)) return false;
    for (uint32_t i = 0; i < n; i++) history[i] = draw(3) ? draw(vocab) : draw(5); /* the same again, often */
    uint32_t want = setun_sample(&s, logits, history, n, position);
    uint32_t few = setun_sample_candidates(&s, &at, history, n, position), got = want;
    c->cases++;
    c->whole += few > s.most;
    if (few <= s.most) {
        c->candidates += few;
        bool ordered = few > 0;
        for (uint32_t i = 0; i < few; i++) {
            ordered = ordered && s.id[i] < vocab && (i == 0 || s.id[i] > s.id[i - 1]);
            s.exact[i] = logits[s.id[i]];
        }
        got = EXPECT(ordered) ? setun_sample_among(&s, few, history, n, position) : vocab;
    }
    if (!EXPECT(got == want))
        printf("vocab %u temp %g k %u p %g min %g penalty %g last %u: %u, not %u\n", vocab, (double)set.temp, set.top_k,
               (double)set.top_p, (double)set.min_p, (double)set.repeat_penalty, set.repeat_last, got, want);
    setun_sampler_close(&s);
    return got == want;
}

/* Settings that add up all weights want all logits. */
static void settings(void) {
    struct setun_sampling s = {.temp = 1, .top_p = 0.9f, .repeat_penalty = 1};
    EXPECT(!setun_sampling_screens(&s, VOCAB));
    s.top_k = VOCAB; /* off */
    EXPECT(!setun_sampling_screens(&s, VOCAB));
    s.top_k = 40;
    EXPECT(setun_sampling_screens(&s, VOCAB));
    s.top_k = VOCAB / 10; /* computing all costs little more */
    EXPECT(!setun_sampling_screens(&s, VOCAB));
    s.temp = 0;
    EXPECT(setun_sampling_screens(&s, VOCAB));
}

int main(int argc, char **argv) {
    static const uint32_t sizes[] = {128, 130, 200, 1000, VOCAB};
    struct count c = {0};
    uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;
    settings();
    for (uint32_t i = 0; i < rounds && expect_failed < 10; i++) {
        uint32_t vocab = sizes[i % 16 ? (i % 3) : 3 + i % 2];
        if (vocab < 800) vocab += i % 5 == 0 ? 800 : 0; /* top-k 40 needs that many */
        draw_logits(vocab);
        draw_intervals(vocab);
        if (!one(vocab, &c)) printf("round %u\n", i);
    }
    printf("%u cases; %u of them need all logits, the others %.1f\n", c.cases, c.whole,
           (double)c.candidates / (c.cases - c.whole));
    EXPECT(c.whole < c.cases * 2 / 3);
    return expect_end();
}
