/*
 * kernels.c -- `bench --kernels`: what each kernel takes of a step, its runs in all layers together.
 *
 * Thread 0 reads the clock behind each kernel, when all threads have met, so a kernel's time is that of its slowest
 * thread and of the meeting; nobody waits for the clock.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bench/bench.h"
#include "runtime/team.h"

int setun_watch_open(struct setun_watch *w, const struct setun_model *m) {
    *w = (struct setun_watch){.model = m, .n = m->n_kernels};
    w->at = calloc(w->n > 0 ? w->n : 1, sizeof *w->at);
    return w->at ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

void setun_watch_close(struct setun_watch *w) {
    free(w->at);
    *w = (struct setun_watch){0};
}

void setun_watch_clear(struct setun_watch *w) { memset(w->at, 0, w->n * sizeof *w->at); }

static bool of_live_rows(const struct setun_model *m, uint32_t kernel) {
    return m->kernels[kernel].n_values > 0 && m->kernels[kernel].values[0].live;
}

static void on_kernel(void *arg, uint32_t kernel, uint32_t layer) {
    struct setun_watch *w = arg;
    (void)layer;
    double now = setun_now();
    uint64_t skipped = w->step->skipped_bytes;
    if (kernel < w->n) {
        w->at[kernel].seconds += now - w->last;
        w->at[kernel].skipped += (double)(skipped - w->last_skipped);
        w->at[kernel].runs++;
        w->at[kernel].reads += !of_live_rows(w->model, kernel) || w->step->n_live > 0;
    }
    w->last = now;
    w->last_skipped = skipped;
}

void setun_watch_on(struct setun_watch *w, struct setun_native *n) {
    w->step = &n->team->step;
    setun_native_watch(n, on_kernel, w);
}

void setun_watch_off(struct setun_native *n) { setun_native_watch(n, NULL, NULL); }

double setun_watch_kernel(const struct setun_watch *w, const struct setun_model *m, uint32_t kernel, double positions) {
    const struct setun_kernel *k = &m->kernels[kernel];
    if (k->window > 0 && positions > k->window) positions = k->window;
    bool screened = w->step && w->step->screen && m->screen_bytes > 0 && kernel == m->head_kernel;
    uint64_t bytes = screened ? m->screen_bytes : k->bytes;
    return w->at[kernel].reads * ((double)bytes + (double)k->cache_block_bytes / SETUN_BLOCK * positions);
}

double setun_watch_bytes(const struct setun_watch *w, const struct setun_model *m, double positions) {
    double bytes = 0;
    for (uint32_t i = 0; i < w->n; i++) bytes += setun_watch_kernel(w, m, i, positions);
    return bytes;
}

double setun_watch_live_bytes(const struct setun_watch *w, const struct setun_model *m, double positions) {
    double bytes = 0;
    for (uint32_t i = 0; i < w->n; i++)
        if (of_live_rows(m, i)) bytes += setun_watch_kernel(w, m, i, positions);
    return bytes;
}

/* ---- the table ---- */

enum {
    TEST,
    NAME,
    PROMPT,
    PREDICT,
    DEPTH,
    THREADS,
    KERNEL,
    LINE,
    RUNS,
    MS,
    SHARE,
    SHARE_MD,
    BYTES,
    MB,
    GB_S,
    N_COLUMNS
};

const struct setun_column setun_kernel_columns[] = {
    [TEST] = {NULL, "test", NULL},         [NAME] = {"test", NULL, NULL},
    [PROMPT] = {"prompt", NULL, "%.0f"},   [PREDICT] = {"predict", NULL, "%.0f"},
    [DEPTH] = {"depth", NULL, "%.0f"},     [THREADS] = {"threads", "threads", "%.0f"},
    [KERNEL] = {"kernel", "kernel", NULL}, [LINE] = {"line", "line", "%.0f"},
    [RUNS] = {"runs", "runs", "%.0f"},     [MS] = {"ms", "ms", "%.5f"},
    [SHARE] = {"share", NULL, "%.4f"},     [SHARE_MD] = {NULL, "share", "%.1f %%"},
    [BYTES] = {"bytes", NULL, "%.0f"},     [MB] = {NULL, "MB", "%.2f"},
    [GB_S] = {"gb_s", "GB/s", "%.2f"},
};
const uint32_t setun_kernel_n_columns = N_COLUMNS;

struct line {
    const char *name;
    double line, runs, seconds, bytes;
};

static void add_row(const struct setun_bench_run *r, const struct setun_bench_test *t, struct setun_table *table,
                    const struct line *l, double step) {
    char label[64];
    setun_bench_label(r, t, label, sizeof label);
    double share = step > 0 ? l->seconds / step : NAN;
    bool reads = l->bytes > 0 && l->seconds > 0;
    struct setun_cell cells[N_COLUMNS] = {
        [TEST] = {.text = label},
        [NAME] = {.text = t->name},
        [PROMPT] = {.number = t->prompt},
        [PREDICT] = {.number = t->predict},
        [DEPTH] = {.number = r->depth},
        [THREADS] = {.number = r->native.team->n},
        [KERNEL] = {.text = l->name},
        [LINE] = {.number = l->line},
        [RUNS] = {.number = l->runs},
        [MS] = {.number = 1e3 * l->seconds},
        [SHARE] = {.number = share},
        [SHARE_MD] = {.number = 100 * share},
        [BYTES] = {.number = l->bytes},
        [MB] = {.number = l->bytes > 0 ? l->bytes / 1e6 : NAN},
        [GB_S] = {.number = reads ? l->bytes / l->seconds / 1e9 : NAN},
    };
    setun_table_row(table, cells);
}

/* seconds: those of each kernel in each repetition, and behind them those of the whole. */
static void add_rows(const struct setun_bench_run *r, const struct setun_bench_test *t, struct setun_table *table,
                     double *seconds) {
    uint32_t n = r->watch.n, steps = setun_bench_steps(r, t);
    double depth = setun_bench_depth(r, t);
    double whole = setun_median(seconds + (uint64_t)n * r->reps, r->reps) / steps;
    for (uint32_t i = 0; i < n; i++) {
        const struct setun_kernel *k = &r->model->kernels[i];
        double runs = (double)r->watch.at[i].runs / steps;
        if (runs == 0) continue;
        struct line l = {.name = k->name,
                         .line = k->line ? (double)k->line : NAN,
                         .runs = runs,
                         .seconds = setun_median(seconds + (uint64_t)i * r->reps, r->reps) / steps,
                         .bytes = (setun_watch_kernel(&r->watch, r->model, i, depth) - r->watch.at[i].skipped) / steps};
        add_row(r, t, table, &l, whole);
    }
    struct line all = {.name = "a step",
                       .line = NAN,
                       .runs = 1,
                       .seconds = whole,
                       .bytes = (setun_watch_bytes(&r->watch, r->model, depth) - r->skipped) / steps};
    add_row(r, t, table, &all, whole);
}

int setun_bench_kernels(struct setun_bench_run *r, const struct setun_bench_test *t, struct setun_table *table) {
    uint32_t n = r->watch.n;
    double *seconds = calloc(((uint64_t)n + 1) * r->reps, sizeof *seconds);
    if (!seconds) return setun_fail(EXIT_MEMORY, "out of memory");
    int code = EXIT_OK;
    setun_watch_on(&r->watch, &r->native);
    for (uint32_t i = 0; i < r->reps && code == EXIT_OK; i++) {
        setun_watch_clear(&r->watch);
        code = setun_bench_once(r, t, &seconds[(uint64_t)n * r->reps + i]);
        for (uint32_t k = 0; k < n; k++) seconds[(uint64_t)k * r->reps + i] = r->watch.at[k].seconds;
    }
    setun_watch_off(&r->native);
    if (code == EXIT_OK) add_rows(r, t, table, seconds);
    free(seconds);
    return code;
}
