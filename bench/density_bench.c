/*
 * density_bench -- from which share of zeros on do the cores that skip win?  One row of codes against many copies of
 * a matrix, as a model's layers, all cores in turn.
 *
 *   density_bench [level] [megabytes] [rows] [columns] [density]
 *
 * defaults: the best level here, 300 of i2, 2560, 6912, and densities from .05 to 1
 *
 * Every copy has codes of its own, whose zeros are drawn, and is prepared for as a kernel does.  Passes of the cores
 * alternate, so that a drift of the machine moves all; figures are medians, quotients those of passes side by side.
 * Time is what the busiest thread itself took of a processor.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cores.h"

enum { PASSES = 11, MAX_THREADS = 2 };
static const char *const names[] = {"i2", "t5", "columns", "columns5"};
enum { DENSE = 2, COLUMNS = DENSE, N_CORES = 4 }; /* DENSE of them; one that is not there is left out */
static const double densities[] = {.05, .1, .2, .3, .4, .5, .6, .7, .8, .9, 1};

struct one_core {
    struct mm_shape shape;
    mm_fn *mm;
    prepare_fn *prepare;
    const char *mm_name, *prepare_name;
    uint8_t *copies;
    uint64_t bytes; /* of a copy */
};

struct work {
    pthread_t thread;
    const struct one_core *core;
    int64_t first, n_tiles, part, parts;
    uint64_t n_copies, stride;
    const int8_t *codes; /* a row a copy */
    int32_t *acc;
    uint8_t *scratch, *prepared;
    struct setun_step ctx;
    double seconds;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *one(void *self) {
    struct work *w = self;
    double begin = now();
    const struct one_core *k = w->core;
    int64_t window = k->shape.core->whole_share ? w->n_tiles : 1; /* an epilogue follows each unit */
    for (uint64_t i = 0; i < w->n_copies; i++) {
        const int8_t *codes = w->codes + i * w->stride;
        if (k->prepare) k->prepare(codes, w->prepared, &w->ctx, w->part, w->parts);
        for (int64_t t = w->first; t < w->first + w->n_tiles; t += window)
            k->mm(k->copies + i * k->bytes, t, window, codes, (int64_t)w->stride, 1, w->acc + t * IR_TILE, IR_TILE,
                  w->scratch, &w->ctx, w->prepared, NULL, w->part, w->parts);
    }
    w->seconds = now() - begin;
    return NULL;
}

static double pass(struct work *w, int threads, const struct one_core *core, int64_t tiles) {
    double most = 0;
    for (int i = 0; i < threads; i++) { /* a part of k, or of the rows, as kernels do */
        bool parts = core->shape.core->whole_share != 0;
        w[i].core = core;
        w[i].first = parts ? 0 : tiles * i / threads;
        w[i].n_tiles = parts ? tiles : tiles * (i + 1) / threads - w[i].first;
        w[i].part = parts ? i : 0, w[i].parts = parts ? threads : 1;
        if (i && pthread_create(&w[i].thread, NULL, one, &w[i])) exit(1);
    }
    one(&w[0]);
    for (int i = 1; i < threads; i++) pthread_join(w[i].thread, NULL);
    for (int i = 0; i < threads; i++) most = w[i].seconds > most ? w[i].seconds : most;
    return most;
}

static double median(double *v) { return bench_median(v, PASSES); }

static void draw_codes(int8_t *codes, uint64_t n, uint64_t stride, uint64_t K, double density) {
    uint64_t state = 1;
    memset(codes, 0, n * stride);
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < K; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            if ((double)(state >> 32) < density * 0x1p32) codes[i * stride + k] = (int8_t)(1 + (state >> 24) % 127);
        }
}

/* Of a core that skips over those in front of it. */
static void print_gains(double run[N_CORES][PASSES], const struct one_core *core, int of) {
    double gain[PASSES];
    printf(" %s is", names[of]);
    for (int i = 0; i < of; i++) {
        if (!core[i].mm) continue;
        for (int p = 0; p < PASSES; p++) gain[p] = run[i][p] / run[of][p];
        printf(" %.2f x %s", median(gain), names[i]);
    }
    if (of < N_CORES - 1) printf(",");
}

static void compare(struct work *w, const struct one_core *core, int threads, int64_t tiles, double density) {
    double run[N_CORES][PASSES];
    for (int p = 0; p < PASSES; p++)
        for (int i = 0; i < N_CORES; i++)
            if (core[i].mm) run[i][p] = pass(w, threads, &core[i], tiles);
    printf("%d thread%s, density %.2f:", threads, threads > 1 ? "s" : "", density);
    for (int i = 0; i < N_CORES; i++)
        if (core[i].mm) printf(" %s %.2f ms,", names[i], 1e3 * median(run[i]));
    for (int i = COLUMNS; i < N_CORES; i++)
        if (core[i].mm) print_gains(run, core, i);
    printf("\n");
}

static void emit(struct cg *c, struct one_core *k, const char *name, uint64_t rows, uint64_t K) {
    LLVMTypeRef type;
    enum ir_core core = ir_core_named(name);
    if (core == IR_N_CORES) return;
    k->shape = (struct mm_shape){.core = mm_cores[core], .n = rows, .K = K};
    k->bytes = mm_bytes_of(k->shape.core, rows, K);
    k->mm_name = bench_export(c, mm_function(c, &k->shape, &type));
    if (k->shape.core->prepare) k->prepare_name = bench_export(c, mm_prepare_function(c, &k->shape, &type));
}

static void load(struct cg *c, struct one_core *core) {
    void *lib = bench_load(c);
    for (int i = 0; i < N_CORES; i++) {
        if (core[i].mm_name) *(void **)&core[i].mm = dlsym(lib, core[i].mm_name);
        if (core[i].prepare_name) *(void **)&core[i].prepare = dlsym(lib, core[i].prepare_name);
    }
    if (!core[0].mm || !core[COLUMNS].mm) exit(1);
}

int main(int argc, char **argv) {
    struct arena *a = arena_new();
    struct cg c;
    struct one_core core[N_CORES] = {{.mm = NULL}};
    struct work w[MAX_THREADS];
    uint64_t megabytes = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    uint64_t rows = argc > 3 ? strtoull(argv[3], NULL, 10) : 2560, K = argc > 4 ? strtoull(argv[4], NULL, 10) : 6912;
    uint64_t stride = (K + 63) / 64 * 64 + 64, tiles = (rows + IR_TILE - 1) / IR_TILE, prepared = 64;
    cg_open(&c, diag_new(a, stderr), a, &(struct backend_options){.pic = true}, "density_bench");
    c.level = bench_level(argc > 1 ? argv[1] : NULL);
    for (int i = 0; i < N_CORES; i++) emit(&c, &core[i], names[i], rows, K);
    load(&c, core);
    uint64_t n = megabytes * 1000000 / core[0].bytes + 1;
    int8_t *codes = bench_take(n * stride);
    for (int i = 0; i < N_CORES; i++) {
        if (!core[i].mm) continue;
        core[i].copies = bench_take(n * core[i].bytes + 4096);
        if (core[i].prepare && core[i].shape.core->prepare_bytes(K) > prepared)
            prepared = core[i].shape.core->prepare_bytes(K);
    }
    for (int i = 0; i < MAX_THREADS; i++)
        w[i] = (struct work){.n_copies = n,
                             .stride = stride,
                             .codes = codes,
                             .acc = bench_take(4 * (tiles + 4) * IR_TILE),
                             .scratch = bench_take(mm_scratch_bytes(&core[0].shape, 2)),
                             .prepared = bench_take(prepared)};
    for (int i = 0; i < MAX_THREADS; i++) w[i].ctx = (struct setun_step){.weights = NULL};
    printf("%s, %d copies of %d x %d\n", c.level->name, (int)n, (int)rows, (int)K);
    for (int threads = 1; threads <= MAX_THREADS; threads++)
        for (size_t d = 0; d < (argc > 5 ? 1 : COUNT_OF(densities)); d++) {
            double density = argc > 5 ? strtod(argv[5], NULL) : densities[d];
            draw_codes(codes, n, stride, K, density);
            compare(w, core, threads, (int64_t)tiles, density);
        }
    for (int i = 0; i < MAX_THREADS; i++) free(w[i].acc), free(w[i].scratch), free(w[i].prepared);
    for (int i = 0; i < N_CORES; i++) free(core[i].copies);
    free(codes);
    cg_close(&c);
    arena_free(a);
    return 0;
}
