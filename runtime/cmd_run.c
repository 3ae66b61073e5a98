/*
 * cmd_run.c -- `run`: goes on from a prompt.
 *
 * Everything that needs memory is opened before the first step; from there on nothing allocates.
 */
#include <stdio.h>
#include <unistd.h>

#include "runtime/cache.h"

/* When what began, in seconds. */
struct times {
    double begin, prompt_begin, prompt_end;
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

static int run_session(struct setun_session *s, const struct setun_ids *prompt, struct times *times) {
    int code = s->o->prompt_cache ? setun_cache_load(s, s->o->prompt_cache) : EXIT_OK;
    if (code != EXIT_OK) return code;
    setun_session_set(s, prompt->at, (uint32_t)prompt->n);
    s->printer.decoder.first = s->o->echo; /* otherwise what is printed goes on where the prompt ends */
    for (size_t i = 0; s->o->echo && i < prompt->n; i++) setun_printer_prompt(&s->printer, prompt->at[i]);
    times->prompt_begin = setun_now();
    code = setun_session_feed(s);
    times->prompt_end = setun_now();
    return code == EXIT_OK ? setun_session_generate(s, s->o->predict) : code;
}

/* What was withheld, and the end of the line: for ids, and on a terminal. */
static void end_text(struct setun_session *s) {
    if (!s->ids) return; /* it could not be opened */
    setun_printer_end(&s->printer);
    if (!s->printer.t || isatty(STDOUT_FILENO)) setun_out_write(&s->printer.out, "\n", 1);
}

static void say_speed(const struct setun_session *s, size_t prompt_n, const struct times *t) {
    char speed[256], cached[64] = "";
    if (s->fed < prompt_n && s->o->prompt_cache) {
        snprintf(cached, sizeof cached, " (%zu from the prompt cache)", prompt_n - s->fed);
    }
    int n = snprintf(speed, sizeof speed, "prompt: %zu tokens%s, %.1f tok/s", prompt_n, cached,
                     s->fed / (t->prompt_end - t->prompt_begin));
    if (s->generated > 0 && n > 0) {
        double seconds = s->end - s->first;
        snprintf(speed + n, sizeof speed - (size_t)n, "; generation: %u tokens, %.1f tok/s; first token after %.1f ms",
                 s->generated, s->steps > 0 && seconds > 0 ? s->steps / seconds : 0, 1e3 * (s->first - t->begin));
    }
    setun_say("%s", speed);
    setun_picks_say(&s->picks, s->e->vocab);
}

/* The files that a run writes. */
struct files {
    struct setun_out logits, cache;
};

static int open_files(struct files *f, const struct setun_opts *o) {
    int code = o->logits ? setun_out_open(&f->logits, o->logits) : EXIT_OK;
    if (code == EXIT_OK && o->prompt_cache && !o->prompt_cache_ro) code = setun_out_open(&f->cache, o->prompt_cache);
    return code;
}

static int close_files(struct files *f, int code) {
    int logits = setun_out_close(&f->logits, code == EXIT_OK), cache = setun_out_close(&f->cache, code == EXIT_OK);
    return code != EXIT_OK ? code : logits != EXIT_OK ? logits : cache;
}

int setun_run(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin) {
    struct setun_session s = {.ids = NULL};
    struct times times = {.begin = begin};
    struct files files = {.logits = {.fd = -1}, .cache = {.fd = -1}};
    struct setun_ids prompt = {.at = NULL};
    int code = setun_emits(e, "logits");
    if (code == EXIT_OK) code = setun_prompt(t, o, SETUN_TEXT_BOS, &prompt);
    if (code == EXIT_OK) code = check_prompt(e, &prompt);
    if (code == EXIT_OK) code = open_files(&files, o);
    if (code == EXIT_OK) {
        code = setun_session_open(&s, e, t, o, prompt.n + (uint64_t)o->predict, o->logits ? &files.logits : NULL);
        if (code == EXIT_OK) code = run_session(&s, &prompt, &times);
        end_text(&s);
        if (code == EXIT_OK && files.cache.buf) code = setun_cache_save(&s, &files.cache);
        int closed = setun_session_close(&s);
        if (code == EXIT_OK) code = closed;
        if (code == EXIT_OK && s.ending == SETUN_END_FULL) setun_say("the context of %u positions is full", e->context);
        if (code == EXIT_OK && !o->quiet) say_speed(&s, prompt.n, &times);
    }
    setun_ids_free(&prompt);
    return close_files(&files, code);
}
