/*
 * cmd_run.c -- `run`: goes on from a prompt.
 *
 * Everything that needs memory is opened before the first step; from there on nothing allocates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cmd.h"
#include "runtime/sampler.h"
#include "runtime/text.h"

/* Token bytes on their way to the reader: stop strings, then UTF-8, then standard output. */
struct printer {
    const struct setun_tokenizer *t; /* NULL: ids */
    const struct setun_opts *o;
    struct setun_out out;
    struct setun_stops stops;
    struct setun_utf8 utf8;
    uint8_t *clean; /* one push made UTF-8 */
    uint32_t ids;   /* printed so far */
};

static int printer_open(struct printer *p, const struct setun_tokenizer *t, const struct setun_opts *o) {
    *p = (struct printer){.t = o->ids ? NULL : t, .o = o};
    uint32_t longest = t ? t->longest : 0;
    int code = setun_out_stdout(&p->out);
    if (code != EXIT_OK) return code;
    bool ok = setun_stops_open(&p->stops, o->stop.at, o->stop.n, longest);
    p->clean = ok ? malloc(3 * (p->stops.cap + 3)) : NULL;
    return p->clean ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

static void put(struct printer *p, const uint8_t *bytes, size_t n) {
    setun_out_write(&p->out, p->clean, setun_utf8_push(&p->utf8, bytes, n, p->clean));
}

static void put_id(struct printer *p, uint32_t id) { setun_out_printf(&p->out, p->ids++ > 0 ? " %u" : "%u", id); }

static void print_token(struct printer *p, uint32_t id) {
    if (!p->t) {
        put_id(p, id);
    } else if (p->o->special || !setun_tok_is_special(p->t, id)) {
        uint32_t n;
        const uint8_t *text = setun_tok_text(p->t, id, &n);
        size_t ready = setun_stops_push(&p->stops, text, n);
        put(p, p->stops.at, ready);
        setun_stops_take(&p->stops, ready);
    }
    setun_out_flush(&p->out);
}

static void print_prompt(struct printer *p, const struct setun_ids *prompt) {
    for (size_t i = 0; i < prompt->n; i++) {
        uint32_t id = prompt->at[i], n;
        if (!p->t) {
            put_id(p, id);
        } else if (p->o->special || !setun_tok_is_special(p->t, id)) {
            const uint8_t *text = setun_tok_text(p->t, id, &n);
            put(p, text, n);
        }
    }
}

static int printer_close(struct printer *p) {
    if (p->clean && p->stops.at) {
        if (!p->stops.hit) put(p, p->stops.at, p->stops.held);
        setun_out_write(&p->out, p->clean, setun_utf8_end(&p->utf8, p->clean));
        if (!p->t || isatty(STDOUT_FILENO)) setun_out_write(&p->out, "\n", 1);
    }
    free(p->clean);
    setun_stops_close(&p->stops);
    return setun_out_close(&p->out, true);
}

/* ---- a run ---- */

struct session {
    struct setun_engine *e;
    const struct setun_tokenizer *t;
    const struct setun_opts *o;
    struct setun_feed feed;
    struct setun_sampler sampler;
    struct printer printer;
    uint32_t *history; /* prompt, then what was generated */
    uint32_t n, prompt_n, generated, steps;
    bool full; /* the context: that is why it ended */
    double begin, prompt_begin, prompt_end, first, end;
};

static int check_prompt(const struct setun_engine *e, const struct setun_ids *ids) {
    if (ids->n == 0) return setun_fail(EXIT_USAGE, "the prompt is empty");
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->at[i] >= e->vocab) {
            return setun_fail(EXIT_REJECTED, "token id %u of the prompt is outside the vocabulary of %u", ids->at[i],
                              e->vocab);
        }
    }
    if (ids->n > e->context) {
        return setun_fail(EXIT_REJECTED, "the prompt has %zu tokens, the context holds %u", ids->n, e->context);
    }
    return EXIT_OK;
}

static bool is_end(const struct session *s, uint32_t id) {
    return s->t && !s->o->ignore_eos && setun_tok_is_eos(s->t, id);
}

/* Samples and prints until there is a reason to end. */
static int generate(struct session *s) {
    while (s->generated < s->o->predict) {
        const struct setun_engine *e = s->e;
        uint32_t last = s->n - 1; /* position of the row that gave the logits */
        const float *logits = e->logits + (uint64_t)(e->n_live - 1) * e->stride;
        uint32_t id = setun_sample(&s->sampler, logits, s->history, s->n, last);
        bool end = is_end(s, id);
        if (!end || s->o->ids) print_token(&s->printer, id);
        if (s->generated++ == 0) s->first = setun_now();
        s->history[s->n++] = id;
        if (end || s->printer.stops.hit || s->printer.out.failed || s->generated == s->o->predict) break;
        if (s->n > e->context) {
            s->full = true;
            break;
        }
        int code = setun_feed_tokens(&s->feed, &id, 1, last + 1, false, NULL, NULL);
        if (code != EXIT_OK) return code;
        s->steps++;
    }
    return s->printer.out.failed;
}

static int run_session(struct session *s, const struct setun_ids *prompt) {
    s->n = s->prompt_n = (uint32_t)prompt->n;
    memcpy(s->history, prompt->at, prompt->n * sizeof *prompt->at);
    if (s->o->echo) print_prompt(&s->printer, prompt);
    s->prompt_begin = setun_now();
    int code = setun_feed_tokens(&s->feed, s->history, s->n, 0, s->feed.logits != NULL, NULL, NULL);
    s->prompt_end = setun_now();
    if (code == EXIT_OK) code = generate(s);
    s->end = setun_now();
    return code;
}

static void say_speed(const struct session *s) {
    char speed[256];
    int n = snprintf(speed, sizeof speed, "prompt: %u tokens, %.1f tok/s", s->prompt_n,
                     s->prompt_n / (s->prompt_end - s->prompt_begin));
    if (s->generated > 0 && n > 0) {
        double seconds = s->end - s->first;
        snprintf(speed + n, sizeof speed - (size_t)n, "; generation: %u tokens, %.1f tok/s; first token after %.1f ms",
                 s->generated, s->steps > 0 && seconds > 0 ? s->steps / seconds : 0, 1e3 * (s->first - s->begin));
    }
    setun_say("%s", speed);
}

static int open_session(struct session *s, const struct setun_ids *prompt, struct setun_out *logits) {
    const struct setun_opts *o = s->o;
    struct setun_sampling sampling = {.temp = o->temp,
                                      .top_k = o->top_k,
                                      .top_p = o->top_p,
                                      .min_p = o->min_p,
                                      .repeat_penalty = o->repeat_penalty,
                                      .repeat_last = o->repeat_last,
                                      .seed = o->seed};
    int code = printer_open(&s->printer, s->t, o);
    if (code == EXIT_OK) code = setun_feed_open(&s->feed, s->e, o->chunk, logits);
    if (code != EXIT_OK) return code;
    uint64_t most = (uint64_t)s->e->context + 1; /* tokens: one more than there are positions */
    uint64_t room = prompt->n + (uint64_t)o->predict < most ? prompt->n + (uint64_t)o->predict : most;
    s->history = calloc(room, sizeof *s->history);
    if (s->history && setun_sampler_open(&s->sampler, &sampling, s->e->vocab)) return EXIT_OK;
    return setun_fail(EXIT_MEMORY, "out of memory");
}

int setun_run(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin) {
    struct session s = {.e = e, .t = t, .o = o, .begin = begin};
    struct setun_out logits = {.fd = -1};
    struct setun_ids prompt;
    int code = setun_prompt(t, o, true, &prompt);
    if (code == EXIT_OK) code = check_prompt(e, &prompt);
    if (code == EXIT_OK && o->logits) code = setun_out_open(&logits, o->logits);
    if (code == EXIT_OK) {
        code = open_session(&s, &prompt, o->logits ? &logits : NULL);
        if (code == EXIT_OK) code = run_session(&s, &prompt);
        int closed = printer_close(&s.printer);
        if (code == EXIT_OK) code = closed;
        if (code == EXIT_OK && s.full) setun_say("the context of %u positions is full", e->context);
        if (code == EXIT_OK && !o->quiet) say_speed(&s);
    }
    int kept = setun_out_close(&logits, code == EXIT_OK);
    setun_sampler_close(&s.sampler);
    setun_feed_close(&s.feed);
    free(s.history);
    setun_ids_free(&prompt);
    return code != EXIT_OK ? code : kept;
}
