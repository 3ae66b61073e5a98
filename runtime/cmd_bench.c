/*
 * cmd_bench.c -- `bench`: tokens a second, and how much of the machine's read bandwidth the weights take.
 *
 * For each thread count: a prompt in chunks, then single tokens from an empty context, a few times each, after
 * one warm-up step.  Sampling is not part of it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cmd.h"
#include "runtime/cpu.h"

struct rate {
    double mean, deviation; /* tokens a second */
};

struct row {
    const char *what;
    uint32_t tokens, threads;
    struct rate rate;
    double bytes_per_token; /* ternary; 0: not shown */
    double bandwidth;
};

/* n tokens, `chunk` at a time, the last live; seconds taken. */
static int timed(struct setun_engine *e, const uint32_t *tokens, uint32_t n, uint32_t chunk, double *seconds) {
    struct setun_feed f;
    int code = setun_feed_open(&f, e, chunk, NULL);
    double begin = setun_now();
    for (uint32_t at = 0; at < n && code == EXIT_OK && chunk == 1; at++) {
        code = setun_feed_tokens(&f, tokens + at, 1, at, false, NULL, NULL);
    }
    if (code == EXIT_OK && chunk != 1) code = setun_feed_tokens(&f, tokens, n, 0, false, NULL, NULL);
    *seconds = setun_now() - begin;
    setun_feed_close(&f);
    return code;
}

static int measure(struct setun_engine *e, const uint32_t *tokens, uint32_t n, uint32_t chunk, uint32_t reps,
                   struct rate *r) {
    double sum = 0, squares = 0, seconds;
    int code = timed(e, tokens, 1, 1, &seconds);
    for (uint32_t i = 0; i < reps && code == EXIT_OK; i++) {
        code = timed(e, tokens, n, chunk, &seconds);
        double rate = n / seconds;
        sum += rate;
        squares += rate * rate;
    }
    r->mean = sum / reps;
    double variance = reps > 1 ? (squares - sum * r->mean) / (reps - 1) : 0;
    r->deviation = variance > 0 ? sqrt(variance) : 0;
    return code;
}

/* ---- tables ---- */

static void head(struct setun_out *out, const char *format) {
    if (strcmp(format, "csv") == 0) {
        setun_out_printf(out, "test,tokens,threads,tok_s,tok_s_dev,ternary_bytes_token,gb_s,read_gb_s,share\n");
    } else if (strcmp(format, "json") == 0) {
        setun_out_printf(out, "[");
    } else {
        setun_out_printf(out, "| test | threads | tok/s | ternary MB/token | GB/s | machine reads GB/s | share |\n");
        setun_out_printf(out, "| ---- | ------: | ----: | ---------------: | ---: | -----------------: | ----: |\n");
    }
}

static void line(struct setun_out *out, const char *format, const struct row *r, bool first) {
    double gb = r->bytes_per_token * r->rate.mean / 1e9, reads = r->bandwidth / 1e9;
    double share = reads > 0 ? gb / reads : 0;
    bool shown = r->bytes_per_token > 0;
    if (strcmp(format, "csv") == 0) {
        setun_out_printf(out, "%s,%u,%u,%.3f,%.3f,%.0f,%.3f,%.3f,%.4f\n", r->what, r->tokens, r->threads, r->rate.mean,
                         r->rate.deviation, r->bytes_per_token, gb, reads, share);
    } else if (strcmp(format, "json") == 0) {
        setun_out_printf(
            out,
            "%s\n  {\"test\": \"%s\", \"tokens\": %u, \"threads\": %u, \"tok_s\": %.3f, \"tok_s_dev\": %.3f, "
            "\"ternary_bytes_token\": %.0f, \"gb_s\": %.3f, \"read_gb_s\": %.3f, \"share\": %.4f}",
            first ? "" : ",", r->what, r->tokens, r->threads, r->rate.mean, r->rate.deviation, r->bytes_per_token, gb,
            reads, share);
    } else if (shown) {
        setun_out_printf(out, "| %s%u | %u | %.2f ± %.2f | %.2f | %.2f | %.2f | %.0f %% |\n", r->what, r->tokens,
                         r->threads, r->rate.mean, r->rate.deviation, r->bytes_per_token / 1e6, gb, reads, 100 * share);
    } else {
        setun_out_printf(out, "| %s%u | %u | %.2f ± %.2f | | | %.2f | |\n", r->what, r->tokens, r->threads,
                         r->rate.mean, r->rate.deviation, reads);
    }
    setun_out_flush(out);
}

/* ---- the command ---- */

struct bench {
    struct setun_app *app;
    const struct setun_level *level;
    struct setun_out out;
    uint32_t *tokens, n;
    bool any;
};

static int with_threads(struct bench *b, uint32_t threads, uint64_t *cache) {
    const struct setun_opts *o = &b->app->o;
    double bandwidth;
    int code = setun_read_bandwidth(&b->app->pack, threads, &bandwidth, cache);
    if (code != EXIT_OK) return code;
    struct setun_native n = {0};
    struct setun_native_config c = {
        .model = b->app->model, .level = b->level, .weights = b->app->pack.data, .threads = threads, .context = b->n};
    code = setun_native_open(&n, &c);
    struct row rows[2] = {
        {.what = "pp", .tokens = o->bench_prompt, .threads = threads, .bandwidth = bandwidth},
        {.what = "tg",
         .tokens = o->bench_predict,
         .threads = threads,
         .bandwidth = bandwidth,
         .bytes_per_token = (double)b->app->model->ternary_bytes},
    };
    for (int i = 0; i < 2 && code == EXIT_OK; i++) {
        if (rows[i].tokens == 0) continue;
        code = measure(&n.e, b->tokens, rows[i].tokens, i == 0 ? o->chunk : 1, o->reps, &rows[i].rate);
        if (code != EXIT_OK) break;
        line(&b->out, o->format, &rows[i], !b->any);
        b->any = true;
    }
    setun_native_close(&n);
    return code;
}

static int open_bench(struct bench *b) {
    struct setun_opts *o = &b->app->o;
    const struct setun_model *m = b->app->model;
    b->n = o->bench_prompt > o->bench_predict ? o->bench_prompt : o->bench_predict;
    if (b->n == 0) return setun_fail(EXIT_USAGE, "nothing to measure: -p and -n are both 0");
    if (b->n > m->context) {
        setun_say("note: %u tokens are more than the %u that the model was made for", b->n, m->context);
    }
    if (o->thread_list.n == 0 && !setun_ids_push(&o->thread_list, setun_default_threads(m->ternary_bytes))) {
        return setun_fail(EXIT_MEMORY, "out of memory");
    }
    b->tokens = calloc(b->n, sizeof *b->tokens);
    if (!b->tokens) return setun_fail(EXIT_MEMORY, "out of memory");
    for (uint32_t i = 0; i < b->n; i++) b->tokens[i] = (uint32_t)((i * 2654435761ull + 1) % m->vocab);
    return setun_out_stdout(&b->out);
}

int setun_bench(struct setun_app *app, const struct setun_level *level) {
    struct bench b = {.app = app, .level = level};
    const struct setun_opts *o = &app->o;
    uint64_t cache = 0;
    int code = open_bench(&b);
    setun_pack_populate(&app->pack);
    if (code == EXIT_OK) head(&b.out, o->format);
    for (size_t i = 0; i < o->thread_list.n && code == EXIT_OK && !b.out.failed; i++) {
        code = with_threads(&b, o->thread_list.at[i], &cache);
    }
    if (code == EXIT_OK && strcmp(o->format, "json") == 0) setun_out_printf(&b.out, "\n]\n");
    int closed = setun_out_close(&b.out, true);
    if (code == EXIT_OK && closed == EXIT_OK) {
        setun_say("model %s, level %s", app->model->name, level->name);
        if (app->model->ternary_bytes < cache) {
            setun_say("note: the ternary weights fit the cache of %llu MiB, so the share says little",
                      (unsigned long long)(cache >> 20));
        }
    }
    free(b.tokens);
    return code != EXIT_OK ? code : closed;
}
