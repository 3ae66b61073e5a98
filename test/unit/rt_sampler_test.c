/*
 * rt_sampler_test -- the sampler against the page of the contract, written down a second time the slow way:
 * sort everything, then take steps in order.  Logits are drawn coarse, so that ties are common.
 */
#include "test/unit/expect.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "runtime/contract.h"
#include "runtime/sampler.h"
#include "runtime/scalar.h"

static uint64_t seed = 1;
static uint32_t draw(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- the page again ---- */

static float slow_exp(float x) {
    static const float r[] = {SETUN_EXP_R};
    if (x < -87.33f) return 0;
    if (x > 88.72283f) x = 88.72283f;
    float n = rintf(x * SETUN_LOG2E), t = fmaf(n, -SETUN_LN2_HI, x);
    t = fmaf(n, -SETUN_LN2_LO, t);
    float h = r[4];
    for (int i = 3; i >= 0; i--) h = fmaf(h, t, r[i]);
    float p = 1 + fmaf(t * t, h, t);
    int k = (int)n, a = (int)floorf((float)k / 2), b = k - a;
    return ldexpf(1, a) * p * ldexpf(1, b);
}

static float slow_log(float x) {
    static const float c[] = {SETUN_LOG_C};
    int e;
    float m = frexpf(x, &e); /* [1/2, 1) */
    if (m < setun_float(SETUN_LOG_SPLIT)) {
        m *= 2;
        e--;
    }
    float f = m - 1, z = f * f, q = c[8];
    for (int i = 7; i >= 0; i--) q = fmaf(q, f, c[i]);
    float y = fmaf(f * z, q, -(0.5f * z));
    y = fmaf((float)e, SETUN_LN2_LO, y);
    y = f + y;
    return fmaf((float)e, SETUN_LN2_HI, y);
}

static float slow_sum(const float *x, uint32_t n) {
    float total = 0;
    for (uint32_t at = 0; at < n; at += 1024) {
        float v[32] = {0};
        for (uint32_t i = at; i < n && i < at + 1024; i++) v[(i - at) % 32] += x[i];
        for (int i = 0; i < 16; i++) v[i] += v[i + 16];
        for (int i = 0; i < 8; i++) v[i] += v[i + 8];
        for (int i = 0; i < 4; i++) v[i] += v[i + 4];
        for (int i = 0; i < 2; i++) v[i] += v[i + 2];
        total += v[0] + v[1];
    }
    return total;
}

struct candidate {
    float l;
    uint32_t id;
};

static int by_logit(const void *pa, const void *pb) {
    const struct candidate *a = pa, *b = pb;
    if (a->l != b->l) return a->l > b->l ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static float noise(uint64_t s, uint64_t position, uint64_t i) {
    uint64_t z = s + 0x9E3779B97F4A7C15u * (position * 4294967296u + i + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z = z ^ (z >> 31);
    float u = ((float)(z >> 41) + 0.5f) / 8388608.0f;
    return -slow_log(-slow_log(u));
}

static uint32_t slow_sample(const struct setun_sampling *set, const float *logits, uint32_t vocab,
                            const uint32_t *history, uint32_t n, uint32_t position) {
    struct candidate *c = malloc(vocab * sizeof *c);
    float *e = calloc(vocab, sizeof *e);
    for (uint32_t i = 0; i < vocab; i++) {
        bool seen = false;
        for (uint32_t j = n > set->repeat_last ? n - set->repeat_last : 0; j < n; j++) seen |= history[j] == i;
        float l = logits[i];
        if (seen) l = l > 0 ? l / set->repeat_penalty : l * set->repeat_penalty;
        c[i] = (struct candidate){l, i};
    }
    qsort(c, vocab, sizeof *c, by_logit);
    uint32_t kept = vocab, best = c[0].id;
    float max = c[0].l, most = -INFINITY;
    if (set->temp == 0) goto done;
    if (set->top_k > 0 && set->top_k < kept) kept = set->top_k;
    if (set->min_p > 0) {
        float least = fmaf(set->temp, slow_log(set->min_p), max);
        while (c[kept - 1].l < least) kept--;
    }
    if (set->top_p < 1) {
        for (uint32_t i = 0; i < kept; i++) e[i] = slow_exp((c[i].l - max) / set->temp);
        float enough = set->top_p * slow_sum(e, kept), sum = 0;
        for (uint32_t i = 0; i < kept; i++) {
            sum += e[i];
            if (sum >= enough) kept = i + 1;
        }
    }
    best = UINT32_MAX;
    for (uint32_t id = 0; id < vocab; id++) {
        for (uint32_t i = 0; i < kept; i++) {
            if (c[i].id != id) continue;
            float v = c[i].l / set->temp + noise(set->seed, position, id);
            if (best != UINT32_MAX && v <= most) continue;
            best = id;
            most = v;
        }
    }
done:
    free(c);
    free(e);
    return best;
}

/* ---- tests ---- */

static void functions(void) {
    double log_worst = 0, exp_worst = 0;
    bool same = true;
    for (uint32_t u = 0x00800000; u < 0x7f800000; u += 99991) {
        float x = setun_float(u), y = setun_log(x);
        same = same && setun_bits(y) == setun_bits(slow_log(x));
        double truth = log((double)x), error = fabs(y - truth) / fmax(fabs(truth), 0x1p-20);
        if (error > log_worst) log_worst = error;
    }
    for (int i = -100000; i <= 100000; i++) {
        float x = (float)i * 0.00101f, y = setun_exp(x);
        same = same && setun_bits(y) == setun_bits(slow_exp(x));
        if (x < -87 || x > 88) continue;
        double error = fabs(y / exp((double)x) - 1);
        if (error > exp_worst) exp_worst = error;
    }
    EXPECT(same);
    EXPECT(exp_worst < 2e-7 && log_worst < 2e-7);
}

static struct setun_sampling any_settings(uint32_t vocab) {
    static const float temp[] = {0, 0.1f, 0.7f, 1, 3, 1e-6f}, top_p[] = {1, 0.95f, 0.5f, 0.01f, 0.999999f},
                       min_p[] = {0, 0.05f, 0.5f, 1, 1e-20f}, penalty[] = {1, 1.1f, 2, 0.5f};
    static const uint32_t last[] = {0, 1, 3, 64, 100000};
    uint32_t top_k[] = {0, 1, 2, 40, vocab - 1, vocab, vocab + 5};
    return (struct setun_sampling){.temp = temp[draw(6)],
                                   .top_k = top_k[draw(7)],
                                   .top_p = top_p[draw(5)],
                                   .min_p = min_p[draw(5)],
                                   .repeat_penalty = penalty[draw(4)],
                                   .repeat_last = last[draw(5)],
                                   .seed = draw(3) ? draw(1000) : UINT64_MAX - draw(10)};
}

static void against_slow(void) {
    static const uint32_t sizes[] = {2, 3, 31, 64, 65, 300, 1500};
    for (int round = 0; round < 1400 && expect_failed < 10; round++) {
        uint32_t vocab = sizes[round % 7];
        struct setun_sampling set = any_settings(vocab);
        float *logits = malloc(vocab * sizeof *logits);
        uint32_t history[100], n = draw(101), position = draw(1u << 20);
        uint32_t steps = draw(2) ? 8 : 100000; /* coarse: many ties, and both zeros */
        for (uint32_t i = 0; i < vocab; i++) {
            logits[i] = ((float)draw(steps + 1) / (float)steps - 0.5f) * 20;
            if (logits[i] == 0 && draw(2)) logits[i] = -0.0f;
        }
        for (uint32_t i = 0; i < n; i++) history[i] = draw(vocab);
        struct setun_sampler s;
        if (!EXPECT(setun_sampler_open(&s, &set, vocab))) return;
        uint32_t want = slow_sample(&set, logits, vocab, history, n, position);
        uint32_t got = setun_sample(&s, logits, history, n, position);
        if (!EXPECT(got == want) || !EXPECT(setun_sample(&s, logits, history, n, position) == want)) {
            printf("vocab %u temp %g k %u p %g min %g penalty %g last %u: %u, not %u\n", vocab, (double)set.temp,
                   set.top_k, (double)set.top_p, (double)set.min_p, (double)set.repeat_penalty, set.repeat_last, got,
                   want);
        }
        setun_sampler_close(&s);
        free(logits);
    }
}

/* top-p where the running sum meets the border: the order of the total's summation decides. */
static void borders(void) {
    enum { VOCAB = 1100 };
    static float logits[VOCAB], e[VOCAB];
    static struct candidate c[VOCAB];
    for (int round = 0; round < 300 && expect_failed < 10; round++) {
        for (uint32_t i = 0; i < VOCAB; i++) {
            logits[i] = (float)draw(1u << 20) / (1 << 20);
            c[i] = (struct candidate){logits[i], i};
        }
        qsort(c, VOCAB, sizeof *c, by_logit);
        for (uint32_t i = 0; i < VOCAB; i++) e[i] = slow_exp(c[i].l - c[0].l);
        float prefix = 0;
        for (uint32_t i = 0, k = 1 + draw(4); i < k; i++) prefix += e[i];
        struct setun_sampling set = {.temp = 1, .top_p = prefix / slow_sum(e, VOCAB), .repeat_penalty = 1};
        struct setun_sampler s;
        if (!EXPECT(setun_sampler_open(&s, &set, VOCAB))) return;
        for (uint32_t position = 0; position < 10; position++) {
            EXPECT(setun_sample(&s, logits, NULL, 0, position) == slow_sample(&set, logits, VOCAB, NULL, 0, position));
        }
        setun_sampler_close(&s);
    }
}

/* Draws follow the distribution: three tokens of probability 1/2, 1/3, 1/6. */
static void frequencies(void) {
    const float logits[] = {logf(3), logf(2), logf(1)};
    struct setun_sampling set = {.temp = 1, .top_p = 1, .repeat_penalty = 1, .seed = 42};
    struct setun_sampler s;
    uint32_t count[3] = {0};
    if (!EXPECT(setun_sampler_open(&s, &set, 3))) return;
    for (uint32_t position = 0; position < 60000; position++) count[setun_sample(&s, logits, NULL, 0, position)]++;
    EXPECT(abs((int)count[0] - 30000) < 500 && abs((int)count[1] - 20000) < 500 && abs((int)count[2] - 10000) < 500);
    setun_sampler_close(&s);
}

static void losses(void) {
    static float x[5000];
    for (uint32_t n = 1; n < 5000; n += 617) {
        for (uint32_t i = 0; i < n; i++) x[i] = (float)draw(10000) / 500 - 10;
        double sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += exp((double)x[i]);
        EXPECT(fabs(setun_loss(x, n, n / 2) - (log(sum) - (double)x[n / 2])) < 1e-5);
    }
}

int main(void) {
    functions();
    against_slow();
    borders();
    frequencies();
    losses();
    return expect_end();
}
