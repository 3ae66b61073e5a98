/*
 * mm_bench -- a ternary core alone: one row against the machine's read bandwidth over the same bytes in the
 * same run, one row from the second level cache, and many rows in products a second, beside what the dot instruction
 * can do.
 *
 *   mm_bench [core] [level] [megabytes] [columns]     defaults: i2, the best level of this machine, 500, one sum a row
 *
 * columns: of a group that has scales of its own (bytes of scales are not counted).
 *
 * Read passes and core passes alternate, so that a drift of the machine moves both; shares are medians.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cores.h"
#include "bench/peak.h"
#include "runtime/stream.h"

enum { K = 2560, STRIDE = K + 64, PASSES = 15, MAX_ROWS = 512, MAX_THREADS = 2, WINDOW = 16 /* tiles of a block */ };

struct work {
    pthread_t thread;
    mm_fn *mm; /* NULL: only read */
    peak_fn *peak;
    int64_t rounds; /* of peak, if not 0, and nothing else */
    prepare_fn *prepare;
    const struct mm_shape *shape;
    const uint8_t *matrix;
    uint8_t *prepared;
    const int8_t *codes;
    int64_t first, n_tiles, n_rows; /* tiles of this thread */
    int32_t *acc;
    uint8_t *scratch;
    const float *alpha; /* NULL: no groups, and the core does not look at it */
    struct setun_step ctx;
};

/* Of tiles, if they lie one after another; layouts in one piece are read as if. */
static uint64_t bytes_of(const struct mm_shape *s, int64_t tiles) {
    return mm_bytes_of(s->core, s->n, s->K) * (uint64_t)tiles / (s->n / IR_TILE);
}

static void *one(void *self) {
    struct work *w = self;
    const struct mm_shape *s = w->shape;
    if (w->rounds) {
        w->peak(w->rounds, w->scratch);
        return NULL;
    }
    if (!w->mm) {
        (void)setun_read_memory(w->matrix + bytes_of(s, w->first), bytes_of(s, w->n_tiles));
        return NULL;
    }
    if (w->prepare && w->n_rows == 1) w->prepare(w->codes, w->prepared, &w->ctx, 0, 1);
    int64_t window = w->n_rows == 1 && s->core->whole_share ? w->n_tiles : WINDOW;
    for (int64_t t = 0; t < w->n_tiles; t += window) { /* as kernels do: an epilogue follows each window */
        int64_t n = w->n_tiles - t < window ? w->n_tiles - t : window;
        int32_t *acc = w->acc + (s->core->whole_share ? (w->first + t) * IR_TILE : 0);
        w->mm(w->matrix, w->first + t, n, w->codes, STRIDE, w->n_rows, acc, WINDOW * IR_TILE, w->scratch, &w->ctx,
              w->prepared, w->alpha, 0, 1);
    }
    return NULL;
}

/* Of one thread the time that it ran, so that other programs on the machine count for less. */
static double now(int threads) {
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double pass(struct work *w, int threads, mm_fn *mm, int64_t rows) {
    double t = now(threads);
    for (int i = 0; i < threads; i++) {
        w[i].mm = mm;
        w[i].n_rows = rows;
        if (i && pthread_create(&w[i].thread, NULL, one, &w[i])) exit(1);
    }
    one(&w[0]);
    for (int i = 1; i < threads; i++) pthread_join(w[i].thread, NULL);
    return now(threads) - t;
}

static double median(double *v) { return bench_median(v, PASSES); }

static void split(struct work *w, int threads, int64_t n_tiles) {
    for (int i = 0; i < threads; i++) {
        w[i].first = n_tiles * i / threads;
        w[i].n_tiles = n_tiles * (i + 1) / threads - w[i].first;
    }
}

/* From the second level cache: tiles of 1 MB again and again. */
static void cached(struct work *w, mm_fn *mm) {
    double run[PASSES];
    int64_t tiles = (int64_t)(w->shape->n / IR_TILE), few = 0;
    while (few < tiles && bytes_of(w->shape, few + 1) <= 1 << 20) few++;
    split(w, 1, few);
    double macs = (double)few * IR_TILE * K;
    for (int i = 0; i < PASSES; i++) {
        run[i] = 1;
        for (int n = 0; n < 50; n++) {
            double t = pass(w, 1, mm, 1);
            if (t < run[i]) run[i] = t;
        }
    }
    printf("1 thread, 1 row, from cache: %.0f Gmac/s\n", macs / median(run) * 1e-9);
}

static void one_row(struct work *w, int threads, mm_fn *mm, double bytes) {
    double read[PASSES], run[PASSES], share[PASSES];
    for (int i = 0; i < PASSES; i++) {
        read[i] = pass(w, threads, NULL, 1);
        run[i] = pass(w, threads, mm, 1);
        share[i] = read[i] / run[i];
    }
    printf("%d thread%s, 1 row: read %.1f GB/s, core %.1f GB/s, share %.2f\n", threads, threads > 1 ? "s" : "",
           bytes / median(read) * 1e-9, bytes / median(run) * 1e-9, median(share));
}

/* Seconds that the dot instruction alone takes for as many products as the core's pass of the same threads. */
static double peak_pass(struct work *w, int threads, const struct cg_level *level, double macs) {
    for (int i = 0; i < threads; i++) w[i].rounds = (int64_t)(macs / threads / peak_products(level, 1));
    double t = pass(w, threads, w[0].mm, 1);
    for (int i = 0; i < threads; i++) w[i].rounds = 0;
    return t;
}

static void many_rows(struct work *w, int threads, mm_fn *mm, const struct cg_level *level, int64_t n_tiles,
                      int64_t rows) {
    double run[PASSES], peak[PASSES], share[PASSES], macs = (double)n_tiles * IR_TILE * K * (double)rows;
    for (int i = 0; i < PASSES; i++) {
        peak[i] = peak_pass(w, threads, level, macs);
        run[i] = pass(w, threads, mm, rows);
        share[i] = peak[i] / run[i];
    }
    double m = median(run), top = median(peak);
    printf("%d thread%s, %d rows: dot %.0f Gmac/s, core %.0f, best %.0f, share %.2f, of the bests %.2f\n", threads,
           threads > 1 ? "s" : "", (int)rows, macs / top * 1e-9, macs / m * 1e-9, macs / run[0] * 1e-9, median(share),
           peak[0] / run[0]);
}

/* A few tiles, thousands of products a byte: passes of a millisecond, the best of many of each in turn, which other
 * programs on the machine leave alone. */
static void many_rows_alone(struct work *w, mm_fn *mm, const struct cg_level *level, int64_t n_tiles, int64_t rows) {
    double macs = (double)n_tiles * IR_TILE * K * (double)rows, run = 1, peak = 1, end = now(0) + 0.5;
    for (int i = 0; i < PASSES || now(0) < end; i++) {
        double p = peak_pass(w, 1, level, macs), r = pass(w, 1, mm, rows);
        if (p < peak) peak = p;
        if (r < run) run = r;
    }
    printf("%d rows, %d tiles, best passes: dot %.0f Gmac/s, core %.0f, share %.2f\n", (int)rows, (int)n_tiles,
           macs / peak * 1e-9, macs / run * 1e-9, peak / run);
}

static const struct mm_core *core_named(const char *name) {
    enum ir_core core = ir_core_named(name);
    if (core != IR_N_CORES) return mm_cores[core];
    fprintf(stderr, "there is no core '%s'\n", name);
    exit(2);
}

static void *symbol(void *lib, const char *name) {
    void *p = dlsym(lib, name);
    if (!p) exit(1);
    return p;
}

static mm_fn *build(struct cg *c, const struct mm_shape *s, prepare_fn **prepare, peak_fn **peak) {
    const char *names[2] = {NULL};
    LLVMTypeRef type;
    const char *peak_name = peak_emit(c);
    LLVMValueRef fn[2] = {mm_function(c, s, &type), s->core->prepare ? mm_prepare_function(c, s, &type) : NULL};
    for (int i = 0; i < 2 && fn[i]; i++) names[i] = bench_export(c, fn[i]);
    mm_fn *mm;
    void *lib = bench_load(c);
    *(void **)&mm = symbol(lib, names[0]);
    *(void **)peak = symbol(lib, peak_name);
    if (names[1]) *(void **)prepare = symbol(lib, names[1]);
    return mm;
}

int main(int argc, char **argv) {
    struct arena *a = arena_new();
    struct cg c;
    cg_open(&c, diag_new(a, stderr), a, &(struct backend_options){.pic = true}, "mm_bench");
    c.level = bench_level(argc > 2 ? argv[2] : NULL);
    struct mm_shape s = {.core = core_named(argc > 1 ? argv[1] : "i2"), .n = IR_TILE, .K = K};
    uint64_t tile = mm_bytes_of(s.core, IR_TILE * WINDOW, K) / WINDOW;
    int64_t n_tiles = (int64_t)((argc > 3 ? strtoull(argv[3], NULL, 10) : 500) * 1000000 / tile) / WINDOW * WINDOW;
    s.n = (uint64_t)n_tiles * IR_TILE;
    s.group = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    prepare_fn *prepare = NULL;
    peak_fn *peak;
    mm_fn *mm = build(&c, &s, &prepare, &peak);
    uint64_t bytes = mm_bytes_of(s.core, s.n, K);
    uint8_t *matrix = bench_take(bytes);
    int8_t *codes = bench_take((size_t)MAX_ROWS * STRIDE);
    float *alpha = s.group ? bench_take((size_t)n_tiles * mm_alpha_bytes(K, s.group)) : NULL;
    struct work w[MAX_THREADS] = {{.n_rows = 1}};
    for (int i = 0; i < MAX_THREADS; i++) {
        w[i] = (struct work){
            .shape = &s, .matrix = matrix, .codes = codes, .prepare = prepare, .peak = peak, .alpha = alpha};
        w[i].acc = bench_take(s.core->whole_share ? 4 * s.n + 4096 : (size_t)4 * MAX_ROWS * WINDOW * IR_TILE);
        w[i].scratch = bench_take(PEAK_BYTES + mm_scratch_bytes(&s, MAX_ROWS));
        w[i].prepared = bench_take(prepare ? s.core->prepare_bytes(K) : 64);
    }
    printf("%s, %s, K %d, %.0f MB\n", s.core->name, c.level->name, K, (double)bytes * 1e-6);
    cached(w, mm);
    split(w, 1, n_tiles < 4 ? n_tiles : 4);
    for (int64_t rows = 2; rows <= MAX_ROWS && !s.core->whole_share; rows *= 2)
        many_rows_alone(w, mm, c.level, w[0].n_tiles, rows);
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        split(w, threads, n_tiles);
        one_row(w, threads, mm, (double)bytes);
        int64_t few = n_tiles < 216 ? n_tiles : 216; /* gate and up of a model of 2e9 weights */
        split(w, threads, few);
        for (int64_t rows = 2; rows <= MAX_ROWS && !s.core->whole_share; rows *= 4)
            many_rows(w, threads, mm, c.level, few, rows);
    }
    for (int i = 0; i < MAX_THREADS; i++) free(w[i].acc), free(w[i].scratch), free(w[i].prepared);
    free(matrix), free(codes), free(alpha);
    cg_close(&c);
    arena_free(a);
    return 0;
}
