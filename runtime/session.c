/* session.c -- one sequence of tokens on an engine (session.h). */
#include "runtime/session.h"

#include <stdlib.h>
#include <string.h>

int setun_session_open(struct setun_session *s, struct setun_engine *e, const struct setun_tokenizer *t,
                       const struct setun_opts *o, uint64_t room, struct setun_out *logits) {
    struct setun_sampling sampling = {.temp = o->temp,
                                      .top_k = o->top_k,
                                      .top_p = o->top_p,
                                      .min_p = o->min_p,
                                      .repeat_penalty = o->repeat_penalty,
                                      .repeat_last = o->repeat_last,
                                      .seed = o->seed};
    uint64_t most = (uint64_t)e->context + 1; /* one more token than there are positions: it is never fed */
    *s = (struct setun_session){.e = e, .t = t, .o = o, .room = room < most ? room : most};
    int code = setun_printer_open(&s->printer, o->ids ? NULL : t, o);
    if (code == EXIT_OK) code = setun_feed_open(&s->feed, e, o->chunk, logits);
    if (code != EXIT_OK) return code;
    s->ids = calloc(s->room, sizeof *s->ids);
    if (s->ids && setun_sampler_open(&s->sampler, &sampling, e->out_elems)) {
        e->screen = e->can_screen && !logits && !o->full_head && s->sampler.most > 0;
        return EXIT_OK;
    }
    return setun_fail(EXIT_MEMORY, "out of memory");
}

int setun_session_close(struct setun_session *s) {
    setun_sampler_close(&s->sampler);
    setun_feed_close(&s->feed);
    free(s->ids);
    s->ids = NULL;
    return setun_printer_close(&s->printer);
}

void setun_session_set(struct setun_session *s, const uint32_t *ids, uint32_t n) {
    uint32_t same = 0, least = n < s->held ? n : s->held;
    while (same < least && s->ids[same] == ids[same]) same++;
    memcpy(s->ids + same, ids + same, (n - same) * sizeof *ids);
    s->held = same;
    s->n = n;
}

/* The ids up to `to` into the caches. */
static int feed(struct setun_session *s, uint32_t to) {
    uint32_t from = s->held;
    int code = setun_feed_tokens(&s->feed, s->ids + from, to - from, from, s->feed.logits != NULL, NULL, NULL);
    if (code == EXIT_OK) s->held = to;
    if (s->dirty < to) s->dirty = to; /* also if it was stopped in between */
    return code;
}

int setun_session_feed(struct setun_session *s) {
    if (s->held == s->n) s->held--;
    s->fed = s->n - s->held;
    return feed(s, s->n);
}

static bool is_end(const struct setun_session *s, uint32_t id) {
    if (!s->t || s->o->ignore_eos) return false;
    for (uint32_t i = 0; i < s->n_ends; i++) {
        if (s->ends[i] == id) return true;
    }
    return setun_tok_is_eos(s->t, id);
}

int setun_session_generate(struct setun_session *s, uint32_t limit) {
    const struct setun_engine *e = s->e;
    s->generated = s->steps = 0;
    s->ending = SETUN_END_LIMIT;
    int code = EXIT_OK;
    while (s->generated < limit) {
        uint32_t id = 0;
        code = setun_pick(s->e, &s->sampler, s->ids, s->n, s->n - 1, &s->picks, &id);
        if (code != EXIT_OK) break;
        bool end = is_end(s, id);
        if (!end || s->o->ids) setun_printer_token(&s->printer, id);
        if (s->generated++ == 0) s->first = setun_now();
        s->ids[s->n++] = id;
        if (end) s->ending = SETUN_END_TOKEN;
        if (s->printer.stops.hit) s->ending = SETUN_END_STOP;
        if (s->ending != SETUN_END_LIMIT || s->printer.out.failed || s->generated == limit) break;
        if (s->n > e->context) {
            s->ending = SETUN_END_FULL;
            break;
        }
        code = feed(s, s->n);
        if (code != EXIT_OK) break;
        s->steps++;
    }
    s->end = setun_now();
    return code != EXIT_OK ? code : s->printer.out.failed;
}
