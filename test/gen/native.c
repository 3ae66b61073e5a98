/* native.c -- see native.h.  Needs nothing but the runtime, so that it also runs on machines of another family. */
#include "test/gen/native.h"

#include <stdio.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/engine.h"

enum { MOST_IDS = 512 };

static bool same_bits(float a, float b) { return memcmp(&a, &b, sizeof a) == 0; }

static bool run_steps(struct trial *j, struct setun_engine *e, uint32_t chunk) {
    struct setun_row rows[64];
    for (uint32_t at = 0; at < j->n; at += chunk) {
        uint32_t n = j->n - at < chunk ? j->n - at : chunk;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = (struct setun_row){.token = j->tokens[at + i], .pos = at + i, .live = 1};
        if (e->step(e, rows, n) != 0 || e->n_live != n) return false;
        for (uint32_t i = 0; i < n; i++)
            memcpy(j->got + (size_t)(at + i) * e->vocab, e->out + i * e->stride, e->vocab * sizeof(float));
    }
    return true;
}

/* Only the last row of each chunk is live: its logits must be those of the run where all rows were. */
static bool run_last_live(struct trial *j, struct setun_engine *e, uint32_t chunk) {
    struct setun_row rows[64];
    memcpy(j->got, j->want, (size_t)j->n * e->vocab * sizeof(float));
    for (uint32_t at = 0; at < j->n; at += chunk) {
        uint32_t n = j->n - at < chunk ? j->n - at : chunk;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = (struct setun_row){.token = j->tokens[at + i], .pos = at + i, .live = i + 1 == n};
        if (e->step(e, rows, n) != 0 || e->n_live != 1) return false;
        memcpy(j->got + (size_t)(at + n - 1) * e->vocab, e->out, e->vocab * sizeof(float));
    }
    return true;
}

/* With a screen: intervals first, which hold the logits; then some logits, all even ones; then all. */
static bool run_screened(struct trial *j, struct setun_engine *e) {
    uint32_t ids[MOST_IDS], n = 0;
    float some[MOST_IDS];
    for (uint32_t i = 0; i < e->vocab && n < MOST_IDS; i += 2) ids[n++] = i;
    e->screen = true;
    for (uint32_t at = 0; at < j->n; at++) {
        struct setun_row row = {.token = j->tokens[at], .pos = at, .live = 1};
        const float *want = j->want + (size_t)at * e->vocab;
        if (e->step(e, &row, 1) != 0 || !e->screened) return false;
        for (uint32_t i = 0; i < e->vocab; i++)
            if (!(e->intervals.low[i] <= want[i] && want[i] <= e->intervals.high[i])) {
                printf("seed %llu: position %u, logit %u: %.9g is not from %.9g to %.9g\n", (unsigned long long)j->seed,
                       at, i, (double)want[i], (double)e->intervals.low[i], (double)e->intervals.high[i]);
                return false;
            }
        if (e->some(e, ids, n, some) != 0 || e->all(e) != 0 || e->n_live != 1) return false;
        float *got = j->got + (size_t)at * e->vocab;
        memcpy(got, e->out, e->vocab * sizeof(float));
        for (uint32_t i = 0; i < n; i++)
            if (!same_bits(some[i], got[ids[i]])) got[ids[i]] = some[i];
    }
    e->screen = false;
    return true;
}

static bool same(const struct trial *j, const char *level, uint32_t threads, uint32_t chunk, const char *live) {
    size_t vocab = j->vocab;
    for (size_t i = 0; i < j->n * vocab; i++) {
        if (same_bits(j->got[i], j->want[i])) continue;
        printf("seed %llu, level %s, %u threads, chunks of %u, %s live: position %zu, logit %zu: %.9g, the interpreter "
               "has %.9g\n",
               (unsigned long long)j->seed, level, threads, chunk, live, i / vocab, i % vocab, (double)j->got[i],
               (double)j->want[i]);
        return false;
    }
    return true;
}

static bool run_native(struct trial *j, const struct setun_native_config *c, uint32_t chunk) {
    struct setun_native n = {0};
    bool ok =
        setun_native_open(&n, c) == 0 && run_steps(j, &n.e, chunk) && same(j, c->level->name, c->threads, chunk, "all");
    if (ok && chunk == 1 && n.e.can_screen)
        ok = run_screened(j, &n.e) && same(j, c->level->name, c->threads, chunk, "screened");
    setun_native_close(&n);
    if (ok && chunk > 1 && c->threads == 2) {
        n = (struct setun_native){0};
        ok = setun_native_open(&n, c) == 0 && run_last_live(j, &n.e, chunk) &&
             same(j, c->level->name, c->threads, chunk, "last");
        setun_native_close(&n);
    }
    return ok;
}

bool native_matches(struct trial *j, const struct setun_model *model, const uint8_t *data, uint32_t *ran,
                    uint32_t *skipped) {
    static const uint32_t chunks[] = {1, 7, 64};
    uint32_t features = setun_cpu_features();
    for (uint32_t l = 0; l < model->n_levels; l++) {
        if (model->levels[l].needs & ~features) {
            ++*skipped;
            continue;
        }
        /* two cores: one thread, two, and more than there are */
        const uint32_t threads[] = {1, 2, 3 + (uint32_t)(j->seed % 3)};
        for (size_t t = 0; t < 3; t++)
            for (size_t c = 0; c < 3; c++, ++*ran) {
                struct setun_native_config config = {.model = model,
                                                     .level = &model->levels[l],
                                                     .weights = data,
                                                     .threads = threads[t],
                                                     .context = j->n};
                if (!run_native(j, &config, chunks[c])) return false;
            }
    }
    return true;
}
