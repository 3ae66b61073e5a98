/*
 * cmd_bench.c -- `bench`: tokens a second, and how much of the machine's read bandwidth the weights take.
 *
 * For each thread count and test: a step to warm up, then the test as often as asked, with a pass of the bandwidth
 * meter before, between and behind.  Sampling is not part of it, but of a screened head the logits that it would take.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bench/bench.h"
#include "runtime/cpu.h"
#include "runtime/place.h"
#include "runtime/team.h"

/* ---- one test ---- */

void setun_bench_label(const struct setun_bench_run *r, const struct setun_bench_test *t, char *label, size_t size) {
    char prompt[16] = "", predict[16] = "", depth[16] = "";
    if (t->prompt > 0) snprintf(prompt, sizeof prompt, "pp%u", t->prompt);
    if (t->predict > 0) snprintf(predict, sizeof predict, "tg%u", t->predict);
    if (r->depth > 0) snprintf(depth, sizeof depth, " @ %u", r->depth);
    snprintf(label, size, "%s%s%s%s", prompt, t->prompt > 0 && t->predict > 0 ? "+" : "", predict, depth);
}

uint32_t setun_bench_steps(const struct setun_bench_run *r, const struct setun_bench_test *t) {
    return t->prompt / r->chunk + (t->prompt % r->chunk > 0) + t->predict;
}

double setun_bench_depth(const struct setun_bench_run *r, const struct setun_bench_test *t) {
    double sum = 0;
    for (uint64_t at = 0; at < t->prompt; at += r->chunk) sum += (double)at;
    sum += (double)t->predict * (t->prompt + (t->predict - 1.0) / 2);
    return r->depth + sum / setun_bench_steps(r, t);
}

int setun_bench_once(struct setun_bench_run *r, const struct setun_bench_test *t, double *seconds) {
    struct setun_feed f;
    int code = setun_feed_open(&f, &r->native.e, r->chunk, NULL);
    const struct setun_step *s = &r->native.team->step;
    uint64_t skipped = s->skipped_bytes;
    double begin = setun_now();
    if (code == EXIT_OK && t->prompt > 0)
        code = setun_feed_tokens(&f, r->tokens, t->prompt, r->depth, false, NULL, NULL);
    for (uint32_t at = t->prompt; at < t->prompt + t->predict && code == EXIT_OK; at++) {
        uint32_t id;
        code = setun_feed_tokens(&f, r->tokens + at, 1, r->depth + at, false, NULL, NULL);
        if (code == EXIT_OK && r->native.e.screened)
            code = setun_pick(&r->native.e, &r->sampler, r->tokens, at + 1, r->depth + at, &r->picks, &id);
    }
    *seconds = setun_now() - begin;
    r->skipped = (double)(s->skipped_bytes - skipped);
    setun_feed_close(&f);
    return code;
}

/* ---- the command ---- */

enum {
    TEST,
    NAME,
    PROMPT,
    PREDICT,
    DEPTH,
    THREADS,
    RATE,
    DEVIATION,
    MEDIAN,
    RATE_MD,
    TERNARY,
    TERNARY_MB,
    BYTES,
    MB,
    GB_S,
    READS,
    SHARE,
    SHARE_MD,
    JOULES, /* the last: left out where there is no energy to be had */
    N_COLUMNS
};

static const struct setun_column columns[N_COLUMNS] = {
    [TEST] = {NULL, "test", NULL},
    [NAME] = {"test", NULL, NULL},
    [PROMPT] = {"prompt", NULL, "%.0f"},
    [PREDICT] = {"predict", NULL, "%.0f"},
    [DEPTH] = {"depth", NULL, "%.0f"},
    [THREADS] = {"threads", "threads", "%.0f"},
    [RATE] = {"tok_s", NULL, "%.3f"},
    [DEVIATION] = {"tok_s_dev", NULL, "%.3f"},
    [MEDIAN] = {"tok_s_median", NULL, "%.3f"},
    [RATE_MD] = {NULL, "tok/s", "%.2f"},
    [TERNARY] = {"ternary_bytes_token", NULL, "%.0f"},
    [TERNARY_MB] = {NULL, "ternary MB/token", "%.2f"},
    [BYTES] = {"bytes_token", NULL, "%.0f"},
    [MB] = {NULL, "MB/token", "%.2f"},
    [GB_S] = {"gb_s", "GB/s", "%.2f"},
    [READS] = {"read_gb_s", "machine reads GB/s", "%.2f"},
    [SHARE] = {"share", NULL, "%.4f"},
    [SHARE_MD] = {NULL, "share", "%.0f %%"},
    [JOULES] = {"j_token", "J/token", "%.4g"},
};

struct bench {
    struct setun_app *app;
    struct setun_bench_run run;
    struct setun_meter meter;
    struct setun_energy energy;
    struct setun_table table;
    struct setun_bench_test *tests;
    uint32_t n_tests, most; /* most: tokens of the longest */
    uint32_t *tokens;
    double *samples; /* reps of each enum sample, then reps + 1 of the meter */
};
enum sample { S_RATE, S_SHARE, S_JOULES, S_METER };

static double *samples(const struct bench *b, enum sample s) { return b->samples + (size_t)s * b->run.reps; }

/* What a token of the test reads. */
struct reads {
    double ternary, all;
};

/* Weights are read once a step, and what the caches hold of earlier positions too; columns of weights that the last
 * repetition skipped are not, and of a prompt only the last step has a live row.  The watch has seen a step of one. */
static struct reads reads_of(const struct bench *b, const struct setun_bench_test *t) {
    const struct setun_model *m = b->run.model;
    double tokens = (double)t->prompt + t->predict, steps = setun_bench_steps(&b->run, t) / tokens;
    double skipped = b->run.skipped / tokens;
    double depth = setun_bench_depth(&b->run, t), without = steps - (t->predict + (t->prompt > 0)) / tokens;
    double bytes = steps * setun_watch_bytes(&b->run.watch, m, depth);
    bytes -= without * setun_watch_live_bytes(&b->run.watch, m, depth);
    return (struct reads){.ternary = steps * (double)m->ternary_bytes - skipped, .all = bytes - skipped};
}

static void add_row(struct bench *b, const struct setun_bench_test *t) {
    uint32_t reps = b->run.reps;
    struct reads reads = reads_of(b, t);
    char label[64], shown[64];
    setun_bench_label(&b->run, t, label, sizeof label);
    double sum = 0, squares = 0, *rate = samples(b, S_RATE);
    for (uint32_t i = 0; i < reps; i++) sum += rate[i];
    for (uint32_t i = 0; i < reps; i++) squares += (rate[i] - sum / reps) * (rate[i] - sum / reps);
    double deviation = reps > 1 ? sqrt(squares / (reps - 1)) : 0, median = setun_median(rate, reps);
    double share = setun_median(samples(b, S_SHARE), reps);
    snprintf(shown, sizeof shown, "%.2f ± %.2f", sum / reps, deviation);
    struct setun_cell cells[N_COLUMNS] = {
        [TEST] = {.text = label},
        [NAME] = {.text = t->name},
        [PROMPT] = {.number = t->prompt},
        [PREDICT] = {.number = t->predict},
        [DEPTH] = {.number = b->run.depth},
        [THREADS] = {.number = b->run.native.team->n},
        [RATE] = {.number = sum / reps},
        [DEVIATION] = {.number = deviation},
        [MEDIAN] = {.number = median},
        [RATE_MD] = {.text = shown},
        [TERNARY] = {.number = reads.ternary},
        [TERNARY_MB] = {.number = reads.ternary / 1e6},
        [BYTES] = {.number = reads.all},
        [MB] = {.number = reads.all / 1e6},
        [GB_S] = {.number = reads.all * median / 1e9},
        [READS] = {.number = setun_median(samples(b, S_METER), reps + 1) / 1e9},
        [SHARE] = {.number = share},
        [SHARE_MD] = {.number = 100 * share},
        [JOULES] = {.number = setun_median(samples(b, S_JOULES), reps)},
    };
    setun_table_row(&b->table, cells);
}

/* One row before each repetition: what the meter pushed out of caches is there again, the threads are awake. */
static int warm(struct setun_bench_run *r) {
    double seconds;
    return setun_bench_once(r, &(struct setun_bench_test){.predict = 1}, &seconds);
}

/* The watch learns which kernels run how often. */
static int learn(struct setun_bench_run *r) {
    setun_watch_clear(&r->watch);
    setun_watch_on(&r->watch, &r->native);
    int code = warm(r);
    setun_watch_off(&r->native);
    return code;
}

/* One repetition, between two passes of the meter. */
static int repeat(struct bench *b, const struct setun_bench_test *t, uint32_t i) {
    double seconds, tokens = (double)t->prompt + t->predict, *meter = samples(b, S_METER) + i;
    int code = warm(&b->run);
    if (code != EXIT_OK) return code;
    setun_energy_begin(&b->energy);
    code = setun_bench_once(&b->run, t, &seconds);
    double joules = setun_energy_end(&b->energy);
    if (code == EXIT_OK) code = setun_meter_pass(&b->meter, meter + 1);
    if (code != EXIT_OK) return code;
    samples(b, S_RATE)[i] = tokens / seconds;
    samples(b, S_SHARE)[i] = tokens / seconds * reads_of(b, t).all / ((meter[0] + meter[1]) / 2);
    samples(b, S_JOULES)[i] = joules < 0 ? NAN : joules / tokens;
    return EXIT_OK;
}

static int with_test(struct bench *b, const struct setun_bench_test *t) {
    if (b->app->o.kernels) return setun_bench_kernels(&b->run, t, &b->table);
    int code = setun_meter_pass(&b->meter, samples(b, S_METER));
    for (uint32_t i = 0; i < b->run.reps && code == EXIT_OK; i++) code = repeat(b, t, i);
    if (code == EXIT_OK) add_row(b, t);
    return code;
}

/* Pages that were never written would all be read from one page of zeros. */
static void fill_caches(const struct setun_bench_run *r) {
    const struct setun_engine *e = &r->native.e;
    if (e->state) memset(e->state, 0, (r->depth + (uint64_t)SETUN_BLOCK - 1) / SETUN_BLOCK * e->block_bytes);
}

/* As setun_step.active has it. */
static uint32_t active_of(float share) {
    double scaled = (double)share * 4294967296.0;
    return scaled < 1 ? (uint32_t)(share > 0) : scaled < UINT32_MAX ? (uint32_t)scaled : UINT32_MAX;
}

static int with_threads(struct bench *b, const struct setun_level *level, uint32_t threads) {
    struct setun_native_config c = {.model = b->run.model,
                                    .level = level,
                                    .weights = b->app->pack.data,
                                    .threads = threads,
                                    .context = b->most + b->run.depth};
    int code = setun_native_open(&b->run.native, &c);
    if (code == EXIT_OK && b->app->o.copy_weights) code = setun_native_copy(&b->run.native, &b->app->pack);
    if (code == EXIT_OK && !b->app->o.kernels)
        code = setun_meter_threads(&b->meter, b->run.native.team->step.weights, threads);
    b->run.native.e.screen = b->run.native.e.can_screen && !b->app->o.full_head && b->run.sampler.most > 0;
    if (code == EXIT_OK) fill_caches(&b->run);
    if (code == EXIT_OK) b->run.native.team->step.active = active_of(b->app->o.active);
    for (uint32_t i = 0; i < b->n_tests && code == EXIT_OK && !b->table.out.failed; i++) {
        code = learn(&b->run);
        if (code == EXIT_OK) code = with_test(b, &b->tests[i]);
    }
    setun_native_close(&b->run.native);
    return code;
}

/* ---- what is asked for ---- */

static int add_test(struct bench *b, const char *name, uint32_t prompt, uint32_t predict) {
    uint64_t all = (uint64_t)prompt + predict;
    if (all == 0) return EXIT_OK;
    if (all > UINT32_MAX)
        return setun_fail(EXIT_USAGE, "%u and %u tokens are more than can be counted", prompt, predict);
    b->tests[b->n_tests++] = (struct setun_bench_test){.name = name, .prompt = prompt, .predict = predict};
    if (all > b->most) b->most = (uint32_t)all;
    return EXIT_OK;
}

static int list_tests(struct bench *b) {
    const struct setun_opts *o = &b->app->o;
    const struct setun_ids *p = &o->bench_prompt, *n = &o->bench_predict, *pairs = &o->bench_pairs;
    if (pairs->n % 2) return setun_fail(EXIT_USAGE, "--pg wants pairs of numbers, not %zu numbers", (size_t)pairs->n);
    b->tests = calloc(p->n + n->n + pairs->n / 2 + 1, sizeof *b->tests);
    if (!b->tests) return setun_fail(EXIT_MEMORY, "out of memory");
    int code = EXIT_OK;
    for (size_t i = 0; i < p->n && code == EXIT_OK; i++) code = add_test(b, "pp", p->at[i], 0);
    for (size_t i = 0; i < n->n && code == EXIT_OK; i++) code = add_test(b, "tg", 0, n->at[i]);
    for (size_t i = 0; i < pairs->n && code == EXIT_OK; i += 2)
        code = add_test(b, "pg", pairs->at[i], pairs->at[i + 1]);
    if (code == EXIT_OK && b->n_tests == 0) code = setun_fail(EXIT_USAGE, "nothing to measure: -p and -n are both 0");
    return code;
}

static int make_room(struct bench *b) {
    const struct setun_opts *o = &b->app->o;
    const struct setun_model *m = b->app->model;
    if ((uint64_t)b->most * sizeof *b->tokens > setun_memory_available())
        return setun_fail(EXIT_MEMORY, "%u tokens need more memory than there is", b->most);
    b->tokens = calloc(b->most, sizeof *b->tokens);
    b->samples = calloc((size_t)(S_METER + 1) * o->reps + 1, sizeof *b->samples);
    if (!b->tokens || !b->samples) return setun_fail(EXIT_MEMORY, "out of memory");
    for (uint32_t i = 0; i < b->most; i++) b->tokens[i] = (uint32_t)((i * 2654435761ull + 1) % m->vocab);
    b->run = (struct setun_bench_run){.model = m, .tokens = b->tokens, .reps = o->reps, .depth = o->bench_depth};
    b->run.chunk = o->chunk && o->chunk < m->max_rows ? o->chunk : m->max_rows;
    static const struct setun_sampling sampling = {
        .temp = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat_penalty = 1};
    if (m->screen_bytes > 0 && !setun_sampler_open(&b->run.sampler, &sampling, m->vocab))
        return setun_fail(EXIT_MEMORY, "out of memory");
    return setun_watch_open(&b->run.watch, m);
}

static int open_bench(struct bench *b) {
    struct setun_opts *o = &b->app->o;
    const struct setun_model *m = b->app->model;
    int code = list_tests(b);
    if (code != EXIT_OK) return code;
    uint64_t most = (uint64_t)b->most + o->bench_depth;
    if (most > UINT32_MAX) return setun_fail(EXIT_USAGE, "more tokens than can be counted");
    if (most > m->context) {
        setun_say("note: %llu tokens are more than the %u that the model was made for", (unsigned long long)most,
                  m->context);
    }
    if (o->thread_list.n == 0 && !setun_ids_push(&o->thread_list, setun_default_threads(m->ternary_bytes))) {
        return setun_fail(EXIT_MEMORY, "out of memory");
    }
    code = make_room(b);
    if (code != EXIT_OK) return code;
    if (o->kernels) return setun_table_open(&b->table, o->format, setun_kernel_columns, setun_kernel_n_columns);
    setun_energy_open(&b->energy, getenv("SETUN_POWERCAP"));
    if (b->energy.n == 0) setun_say("note: no J/token, because the kernel shows no energy counters that may be read");
    code = setun_meter_open(&b->meter, b->app->pack.head->data.bytes);
    if (code != EXIT_OK) return code;
    return setun_table_open(&b->table, o->format, columns, b->energy.n > 0 ? N_COLUMNS : JOULES);
}

static void close_bench(struct bench *b) {
    setun_watch_close(&b->run.watch);
    setun_sampler_close(&b->run.sampler);
    setun_energy_close(&b->energy);
    setun_meter_close(&b->meter);
    free(b->samples);
    free(b->tokens);
    free(b->tests);
}

int setun_bench(struct setun_app *app, const struct setun_level *level) {
    struct bench b = {.app = app, .table.out = {.fd = -1}};
    int code = open_bench(&b);
    if (code == EXIT_OK) setun_pack_populate(&app->pack, NULL);
    for (size_t i = 0; i < app->o.thread_list.n && code == EXIT_OK && !b.table.out.failed; i++) {
        code = with_threads(&b, level, setun_threads(app->o.thread_list.at[i]));
    }
    uint64_t cache = b.meter.cache;
    double skipped = b.run.skipped;
    close_bench(&b);
    int closed = setun_table_close(&b.table, code == EXIT_OK);
    if (code == EXIT_OK && closed == EXIT_OK) {
        setun_picks_say(&b.run.picks, app->model->vocab);
        if (app->o.active > 0 && skipped == 0) setun_say("note: no columns were skipped");
        setun_say("model %s, level %s", app->model->name, level->name);
        if (app->model->ternary_bytes < cache) {
            setun_say("note: the ternary weights fit the cache of %llu MiB, so the share says little",
                      (unsigned long long)(cache >> 20));
        }
    }
    return code != EXIT_OK ? code : closed;
}
