/*
 * mm_bench -- the ternary core alone: one row against the machine's read bandwidth over the same bytes in the
 * same run, and many rows in products a second, beside what the dot instruction can do.
 *
 *   mm_bench [level] [megabytes] [columns]     defaults: the best level of this machine, 500, one sum a row
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

#include "backends/cg.h"
#include "backends/x86/x86.h"
#include "bench/peak.h"
#include "codec/i2_64.h"

typedef void mm_fn(const uint8_t *tiles, int64_t n_tiles, const int8_t *codes, int64_t code_stride, int64_t n_rows,
                   int32_t *acc, int64_t acc_stride, uint8_t *scratch, struct setun_step *ctx, const float *alpha);

enum { K = 2560, STRIDE = K + 64, PASSES = 15, MAX_ROWS = 512, MAX_THREADS = 2, WINDOW = 16 /* tiles of a block */ };

struct work {
    pthread_t thread;
    mm_fn *mm; /* NULL: only read */
    peak_fn *peak;
    int64_t rounds; /* of peak, if not 0, and nothing else */
    const uint8_t *tiles;
    const int8_t *codes;
    int64_t n_tiles, n_rows;
    int32_t *acc;
    uint8_t *scratch;
    const float *alpha; /* NULL: no groups, and the core does not look at it */
    uint64_t columns;
    uint64_t sink;
};

typedef uint64_t wide __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static uint64_t read_all(const uint8_t *p, size_t n) {
    wide s[4] = {{0}};
    for (const wide *w = (const wide *)p, *end = (const wide *)(p + n); w < end; w += 4) {
        for (int i = 0; i < 4; i++) s[i] ^= w[i];
        for (int i = 0; i < 4; i += 2) { /* as the core does, or the core reads faster than this */
            __builtin_prefetch((const uint8_t *)(w + i) + 8192, 0, 2);
            __builtin_prefetch((const uint8_t *)(w + i) + 1024, 0, 3);
        }
    }
    wide all = s[0] ^ s[1] ^ s[2] ^ s[3];
    return all[0] ^ all[1] ^ all[2] ^ all[3];
}

static void *one(void *self) {
    struct work *w = self;
    if (w->rounds) {
        w->peak(w->rounds, w->scratch);
        return NULL;
    }
    if (!w->mm) {
        w->sink = read_all(w->tiles, (size_t)w->n_tiles * i2_64_tile_bytes(K));
        return NULL;
    }
    for (int64_t t = 0; t < w->n_tiles; t += WINDOW) { /* as kernels do: an epilogue follows each window */
        int64_t n = w->n_tiles - t < WINDOW ? w->n_tiles - t : WINDOW;
        const float *alpha = w->alpha ? w->alpha + (uint64_t)t * K / w->columns * IR_TILE : NULL;
        w->mm(w->tiles + (uint64_t)t * i2_64_tile_bytes(K), n, w->codes, STRIDE, w->n_rows, w->acc, WINDOW * IR_TILE,
              w->scratch, NULL, alpha);
    }
    return NULL;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double pass(struct work *w, int threads, mm_fn *mm, int64_t rows) {
    double t = now();
    for (int i = 0; i < threads; i++) {
        w[i].mm = mm;
        w[i].n_rows = rows;
        if (i && pthread_create(&w[i].thread, NULL, one, &w[i])) exit(1);
    }
    one(&w[0]);
    for (int i = 1; i < threads; i++) pthread_join(w[i].thread, NULL);
    return now() - t;
}

static int by_size(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *v) {
    qsort(v, PASSES, sizeof *v, by_size);
    return v[PASSES / 2];
}

static void *take(size_t n) {
    void *p = aligned_alloc(64, n);
    if (!p) exit(6);
    memset(p, 0x55, n); /* code 1 everywhere: trit 0 */
    return p;
}

static void split(struct work *w, int threads, const uint8_t *tiles, int64_t n_tiles, const int8_t *codes,
                  const float *alpha, uint64_t columns) {
    for (int i = 0; i < threads; i++) {
        int64_t from = n_tiles * i / threads, to = n_tiles * (i + 1) / threads;
        w[i].tiles = tiles + (uint64_t)from * i2_64_tile_bytes(K);
        w[i].n_tiles = to - from;
        w[i].codes = codes;
        w[i].columns = columns;
        w[i].alpha = alpha ? alpha + (uint64_t)from * K / columns * IR_TILE : NULL;
    }
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

static mm_fn *build(struct cg *c, const struct cg_level *level, uint64_t columns, peak_fn **peak) {
    const char *dir = tmp_dir(c->diag), *o = arena_printf(c->arena, "%s/mm.o", dir);
    const char *so = arena_printf(c->arena, "%s/mm.so", dir);
    LLVMTypeRef type;
    c->level = level;
    const char *peak_name = peak_emit(c);
    LLVMValueRef fn = columns ? mm_group_function(c, K, columns, &type) : mm_function(c, K, &type);
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    const char *name = arena_strdup(c->arena, LLVMGetValueName(fn)); /* the module goes into the object */
    if (!cg_write_object(c, o) || system(arena_printf(c->arena, "cc -shared -o %s %s", so, o))) exit(1);
    mm_fn *mm;
    void *lib = dlopen(so, RTLD_NOW);
    *(void **)&mm = lib ? dlsym(lib, name) : NULL;
    *(void **)peak = lib ? dlsym(lib, peak_name) : NULL;
    if (!mm || !*peak) exit(1);
    return mm;
}

int main(int argc, char **argv) {
    const struct cg_level *level = NULL;
    uint32_t have = x86_host_features();
    for (unsigned i = x86_n_levels; i-- > 0;)
        if ((have & x86_levels[i].needs) == x86_levels[i].needs && (argc < 2 || !strcmp(argv[1], x86_levels[i].name)))
            level = &x86_levels[i];
    if (!level) {
        fprintf(stderr, "this machine runs no such level\n");
        return 9;
    }
    struct arena *a = arena_new();
    struct cg c;
    cg_open(&c, diag_new(a, stderr), a, &(struct backend_options){.pic = true}, "mm_bench");
    uint64_t columns = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    peak_fn *peak;
    mm_fn *mm = build(&c, level, columns, &peak);
    int64_t n_tiles = (int64_t)((argc > 2 ? strtoull(argv[2], NULL, 10) : 500) * 1000000 / i2_64_tile_bytes(K));
    uint64_t bytes = (uint64_t)n_tiles * i2_64_tile_bytes(K);
    uint8_t *tiles = take(bytes);
    int8_t *codes = take((size_t)MAX_ROWS * STRIDE);
    float *alpha = columns ? take((size_t)n_tiles * mm_alpha_bytes(K, columns)) : NULL;
    struct work w[MAX_THREADS] = {{.n_rows = 1}};
    for (int i = 0; i < MAX_THREADS; i++) {
        w[i].acc = take((size_t)4 * MAX_ROWS * WINDOW * IR_TILE);
        w[i].peak = peak;
        w[i].scratch = take(PEAK_BYTES + mm_group_scratch_bytes(&c, K, MAX_ROWS));
    }
    printf("%s, K %d, %.0f MB of tiles\n", level->name, K, (double)bytes * 1e-6);
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        split(w, threads, tiles, n_tiles, codes, alpha, columns);
        one_row(w, threads, mm, (double)bytes);
        int64_t few = n_tiles < 216 ? n_tiles : 216; /* gate and up of a model of 2e9 weights */
        split(w, threads, tiles, few, codes, alpha, columns);
        for (int64_t rows = 2; rows <= MAX_ROWS; rows *= 4) many_rows(w, threads, mm, level, few, rows);
    }
    for (int i = 0; i < MAX_THREADS; i++) free(w[i].acc), free(w[i].scratch);
    free(tiles), free(codes), free(alpha);
    cg_close(&c);
    arena_free(a);
    return 0;
}
