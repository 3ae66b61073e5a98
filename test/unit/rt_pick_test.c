/* links: setun_rt_main */
/*
 * rt_pick_test -- the next token from intervals: few logits are computed if few can win, all if many can, and a logit
 * that is not finite ends the step, as it does where all are computed.  And how many they were, in words.
 */
#include <math.h>
#include <string.h>

#include "runtime/exit.h"
#include "runtime/pick.h"
#include "test/unit/expect.h"

enum { VOCAB = 256, UNITS = VOCAB / SETUN_SCREEN_UNIT };

static float low[VOCAB], high[VOCAB], unit_low[UNITS], unit_high[UNITS], exact[VOCAB];
static unsigned calls_of_all, calls_of_some;

static int all(struct setun_engine *e) {
    calls_of_all++;
    e->out = exact;
    for (unsigned i = 0; i < VOCAB; i++)
        if (!isfinite(exact[i])) return EXIT_VERIFY;
    return EXIT_OK;
}

static int some(struct setun_engine *e, const uint32_t *ids, uint32_t n, float *to) {
    (void)e;
    calls_of_some++;
    for (uint32_t i = 0; i < n; i++) to[i] = exact[ids[i]];
    return EXIT_OK;
}

static void intervals(float half) {
    for (unsigned i = 0; i < VOCAB; i++) {
        bool wild = !isfinite(exact[i]) || exact[i] > 1e30f;
        low[i] = wild ? -INFINITY : exact[i] - half;
        high[i] = wild ? INFINITY : exact[i] + half;
    }
    for (unsigned u = 0; u < UNITS; u++) {
        unit_low[u] = unit_high[u] = -INFINITY;
        for (unsigned i = u * SETUN_SCREEN_UNIT; i < (u + 1) * SETUN_SCREEN_UNIT; i++) {
            if (low[i] > unit_low[u]) unit_low[u] = low[i];
            if (high[i] > unit_high[u]) unit_high[u] = high[i];
        }
    }
}

static int pick(float half, uint32_t *id) {
    struct setun_engine e = {.vocab = VOCAB,
                             .n_live = 1,
                             .stride = VOCAB,
                             .screened = true,
                             .all = all,
                             .some = some,
                             .intervals = {low, high, unit_low, unit_high}};
    struct setun_sampling greedy = {.temp = 0, .top_p = 1, .repeat_penalty = 1};
    struct setun_sampler s;
    struct setun_picks picks = {0};
    uint32_t history = 0;
    intervals(half);
    calls_of_all = calls_of_some = 0;
    if (!setun_sampler_open(&s, &greedy, VOCAB)) return -1;
    int code = setun_pick(&e, &s, &history, 1, 0, &picks, id);
    setun_sampler_close(&s);
    return code;
}

static void check_text(void) {
    char text[160];
    setun_picks_text(&(struct setun_picks){0}, VOCAB, text, sizeof text);
    EXPECT(strcmp(text, "") == 0);
    setun_picks_text(&(struct setun_picks){.screened = 8, .candidates = 20}, VOCAB, text, sizeof text);
    EXPECT(strcmp(text, "head: 2.5 of 256 logits computed a token") == 0);
    setun_picks_text(&(struct setun_picks){.screened = 8, .whole = 2, .candidates = 20}, VOCAB, text, sizeof text);
    EXPECT(strcmp(text, "head: 66.5 of 256 logits computed a token, all of them for 2 of 8 tokens") == 0);
    setun_picks_text(&(struct setun_picks){.screened = 8, .whole = 8}, VOCAB, text, sizeof text);
    EXPECT(strcmp(text, "head: 256.0 of 256 logits computed a token, all of them for 8 of 8 tokens") == 0);
}

int main(void) {
    uint32_t id = 0;
    check_text();
    for (unsigned i = 0; i < VOCAB; i++) exact[i] = (float)(i * 37 % VOCAB);
    exact[100] = 1000;
    EXPECT(pick(0.25f, &id) == EXIT_OK && id == 100 && calls_of_some == 1 && calls_of_all == 0);
    EXPECT(pick(1e6f, &id) == EXIT_OK && id == 100 && calls_of_some == 0 && calls_of_all == 1);
    exact[7] = 2e30f; /* too large for a bound, and finite */
    EXPECT(pick(0.25f, &id) == EXIT_OK && id == 7 && calls_of_some == 1 && calls_of_all == 0);
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (unsigned i = 0; i < 3; i++) {
        exact[7] = bad[i];
        EXPECT(pick(0.25f, &id) == EXIT_VERIFY && calls_of_some == 1 && calls_of_all == 1);
    }
    return expect_end();
}
