/* steps.c -- tokens into the model, and the next one out of it (lib.h). */
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/lib/impl.h"
#include "runtime/pick.h"

/* ---- tokens in ---- */

static int check(struct setun_lib *h, const uint32_t *tokens, size_t n) {
    const struct setun_engine *e = &h->n.e;
    int error = setun_lib_here(h);
    if (error != SETUN_LIB_OK) return error;
    if (!tokens || n == 0) return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "there are no tokens");
    if (n > e->context - h->held) {
        return setun_lib_fail(h, SETUN_LIB_FULL, "%zu tokens after %u do not fit a context of %u", n, h->held,
                              e->context);
    }
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < e->vocab) continue;
        return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "token id %u, number %zu, is outside the vocabulary of %u",
                              tokens[i], i, e->vocab);
    }
    return SETUN_LIB_OK;
}

/* In steps of as many rows as the code takes; the last token's results are wanted. */
static int compute(struct setun_lib *h, const uint32_t *tokens, size_t n) {
    struct setun_engine *e = &h->n.e;
    h->ready = h->used = false;
    for (size_t done = 0; done < n;) {
        uint32_t count = n - done < e->max_rows ? (uint32_t)(n - done) : e->max_rows;
        for (uint32_t i = 0; i < count; i++) {
            h->rows[i] = (struct setun_row){.token = tokens[done + i], .pos = h->held + i, .live = done + i + 1 == n};
        }
        h->dirty = h->held + count > h->dirty ? h->held + count : h->dirty;
        int code = e->step(e, h->rows, count);
        if (code != EXIT_OK) return setun_lib_code(code);
        memmove(h->ids + h->held, tokens + done, count * sizeof *tokens);
        h->held += count;
        done += count;
    }
    h->ready = true;
    return SETUN_LIB_OK;
}

SETUN_LIB_INSIDE int feed(struct setun_lib *h, const uint32_t *tokens, size_t n) {
    int error = check(h, tokens, n);
    return error == SETUN_LIB_OK ? compute(h, tokens, n) : error;
}

int setun_lib_prefill(struct setun_lib *h, const uint32_t *tokens, size_t n) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    int error = feed(h, tokens, n);
    setun_cpu_float_restore(mode);
    return error;
}

int setun_lib_step(struct setun_lib *h, uint32_t token) { return setun_lib_prefill(h, &token, 1); }

/* What the caches hold of one block cannot be taken back alone, so the last is computed again from zeroes. */
SETUN_LIB_INSIDE int rewind_to(struct setun_lib *h, uint32_t n) {
    int error = setun_lib_here(h);
    if (error != SETUN_LIB_OK) return error;
    if (n > h->held) return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "%u tokens cannot be kept of %u", n, h->held);
    if (n == h->held && h->ready) return SETUN_LIB_OK;
    setun_lib_cut(h, n ? (n - 1) / SETUN_BLOCK * SETUN_BLOCK : 0);
    return n ? compute(h, h->ids + h->held, n - h->held) : SETUN_LIB_OK;
}

int setun_lib_rewind(struct setun_lib *h, uint32_t n) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    int error = rewind_to(h, n);
    setun_cpu_float_restore(mode);
    return error;
}

/* ---- what comes out ---- */

int setun_lib_whole(struct setun_lib *h) {
    struct setun_engine *e = &h->n.e;
    if (!h->ready) return setun_lib_fail(h, SETUN_LIB_EMPTY, "no token was computed yet");
    if (!e->screened) return SETUN_LIB_OK;
    int error = setun_lib_here(h);
    return error == SETUN_LIB_OK ? setun_lib_code(e->all(e)) : error;
}

SETUN_LIB_INSIDE int output(struct setun_lib *h) {
    int error = setun_lib_whole(h);
    h->n.e.screen = false; /* who wants all logits of a step will want those of the next */
    return error;
}

const float *setun_lib_output(struct setun_lib *h) {
    if (!h) return NULL;
    uint64_t mode = setun_lib_enter(h);
    int error = output(h);
    setun_cpu_float_restore(mode);
    return error == SETUN_LIB_OK ? h->n.e.out : NULL;
}

/* Also false for what is not a number. */
static bool within(float x, float least, float most) { return x >= least && x <= most; }

static int settings(struct setun_lib *h, const struct setun_lib_sampling *s, struct setun_sampling *set) {
    *set = (struct setun_sampling){.temp = s->temperature,
                                   .top_k = s->top_k,
                                   .top_p = s->top_p,
                                   .min_p = s->min_p,
                                   .repeat_penalty = s->repeat_penalty,
                                   .repeat_last = s->repeat_last,
                                   .seed = s->seed};
    const char *what = !within(s->temperature, 0, 1000)            ? "temperature"
                       : !within(s->top_p, 0.000001f, 1)           ? "top_p"
                       : !within(s->min_p, 0, 1)                   ? "min_p"
                       : !within(s->repeat_penalty, 0.01f, 100.0f) ? "repeat_penalty"
                                                                   : NULL;
    return what ? setun_lib_fail(h, SETUN_LIB_ARGUMENT, "%s is out of its range", what) : SETUN_LIB_OK;
}

SETUN_LIB_INSIDE int sample(struct setun_lib *h, const struct setun_lib_sampling *sampling, uint32_t *token) {
    static const struct setun_lib_sampling likeliest = {.top_p = 1, .repeat_penalty = 1};
    struct setun_engine *e = &h->n.e;
    struct setun_picks picks = {0};
    if (!token) return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "there is no place for the token");
    if (!h->logits) return setun_lib_fail(h, SETUN_LIB_LACKS, "this model gives '%s', not logits", e->out_name);
    if (!h->ready) return setun_lib_fail(h, SETUN_LIB_EMPTY, "no token was computed yet");
    int error = e->screened ? setun_lib_here(h) : SETUN_LIB_OK;
    if (error != SETUN_LIB_OK) return error;
    error = settings(h, sampling ? sampling : &likeliest, &h->sampler.set);
    if (error != SETUN_LIB_OK) return error;
    bool screens = setun_sampling_screens(&h->sampler.set, e->out_elems);
    h->sampler.most = screens ? h->most : 0;
    if (!screens || h->used) error = setun_lib_whole(h);
    if (error != SETUN_LIB_OK) return error;
    h->used = e->screened;
    e->screen = e->can_screen && screens;
    return setun_lib_code(setun_pick(e, &h->sampler, h->ids, h->held, h->held - 1, &picks, token));
}

int setun_lib_sample(struct setun_lib *h, const struct setun_lib_sampling *sampling, uint32_t *token) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    int error = sample(h, sampling, token);
    setun_cpu_float_restore(mode);
    return error;
}
