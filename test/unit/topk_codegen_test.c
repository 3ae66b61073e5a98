/*
 * topk_codegen_test.c -- the choice of the k largest magnitudes as generated code against a sort, at every level of
 * this machine: which elements stay, with ties at every depth of the search, zeros of both signs, NaNs, and lengths
 * around those of a vector; what lies behind a row never counts.  Blocks too.  The worked examples are those that the
 * rule was first written down with.
 *
 *   topk_codegen_test [CPU]      of an emulated CPU (jit.h) instead
 *   topk_codegen_test time      how long a choice takes, microseconds
 */
#include <math.h>
#include <time.h>

#include "backends/kernel/topk.h"
#include "backends/target.h"
#include "base/check.h"
#include "base/file.h"
#include "test/unit/expect.h"
#include "test/unit/jit.h"

enum { MOST = 65536, BEHIND = 64 };

static const struct {
    uint64_t n, k, m;
} blocks[] = {
    {8, 2, 4},       {8, 1, 1},     {33, 3, 4},    {64, 16, 32},    {100, 16, 32},  {70, 1, 7},
    {64, 33, 64},    {200, 64, 64}, {130, 64, 65}, {1000, 40, 100}, {2560, 16, 32}, {61, 17, 20},
    {333, 111, 333}, {47, 15, 16},  {48, 9, 17},   {65, 30, 63},
};

static struct jit jit;
static float *x_at, *y_at; /* where code sees them, like room */
static uint8_t *room;
static uint64_t seed = 1;

static uint32_t draw(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* ---- what should stay: by sorting ---- */

static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The k largest of n floats, by key, then index. */
static void reference(const float *x, uint64_t n, uint64_t k, float *y) {
    uint64_t *key = calloc(n, sizeof *key);
    for (uint64_t i = 0; i < n; i++) key[i] = (uint64_t)(bits_of_f32(x[i]) << 1) << 31 | (MOST - i);
    qsort(key, n, sizeof *key, by_key);
    for (uint64_t i = 0; i < n; i++) y[i] = 0.0f;
    for (uint64_t i = 0; i < k; i++) y[MOST - (key[i] & 0x3ffff)] = x[MOST - (key[i] & 0x3ffff)];
    free(key);
}

/* ---- rows ---- */

enum kind { NORMAL, FEW_VALUES, ONE_VALUE, ZEROS, HALF_ZEROS, ANY_BITS, LOW_BITS, SMALL, KINDS };

static float normal(void) {
    double s = 0;
    for (int i = 0; i < 8; i++) s += (double)draw() / 4294967296.0 - 0.5;
    return (float)s;
}

static float element(enum kind kind) {
    static const float few[] = {0.5f, -0.5f, 1.0f, -1.0f, 0.25f, 3.0f};
    switch (kind) {
    case NORMAL: return normal();
    case FEW_VALUES: return few[draw() % COUNT_OF(few)];
    case ONE_VALUE: return draw() % 2 ? 1.5f : -1.5f;
    case ZEROS: return draw() % 2 ? 0.0f : -0.0f;
    case HALF_ZEROS: return draw() % 2 ? normal() : draw() % 2 ? 0.0f : -0.0f;
    case ANY_BITS: return f32_of_bits(draw());
    case LOW_BITS: return f32_of_bits(0x3f800000u + draw() % 40u + (draw() % 2 << 31)); /* one upper half, ties below */
    default: return f32_of_bits(draw() % 70000u);                                       /* denormals */
    }
}

static void fill(enum kind kind, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) x_at[i] = element(kind);
    for (uint64_t i = n; i < n + BEHIND; i++) x_at[i] = f32_of_bits(0x7fffffffu);
}

static bool same(const float *a, const float *b, uint64_t n) { return memcmp(a, b, 4 * n) == 0; }

static uint64_t choose(void *fn, uint64_t n, uint64_t k) { return jit_call(&jit, fn, JIT_P(x_at), n, k, JIT_P(room)); }

static void choose_in_blocks(void *fn) { jit_call(&jit, fn, JIT_P(y_at), JIT_P(room)); }

static bool kept(uint64_t found, uint64_t i) {
    uint32_t t = (uint32_t)(found >> 32), key = bits_of_f32(x_at[i]) & 0x7fffffffu;
    return key > t || (key == t && i <= (uint32_t)found);
}

static bool check_row(void *fn, uint64_t n, uint64_t k) {
    uint64_t found = choose(fn, n, k);
    static float want[MOST];
    reference(x_at, n, k, want);
    for (uint64_t i = 0; i < n; i++)
        if (bits_of_f32(kept(found, i) ? x_at[i] : 0.0f) != bits_of_f32(want[i])) {
            printf("n %d, k %d: element %d\n", (int)n, (int)k, (int)i);
            return false;
        }
    return true;
}

static void check_rows(void *fn) {
    static const uint64_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 97, 127, 129, 1000, 2560, 6912};
    for (size_t l = 0; l < COUNT_OF(lengths); l++)
        for (int kind = 0; kind < KINDS; kind++) {
            uint64_t n = lengths[l];
            fill((enum kind)kind, n);
            EXPECT(check_row(fn, n, 1) && check_row(fn, n, n) && check_row(fn, n, (n + 1) / 2));
            for (int i = 0; i < 6; i++) EXPECT(check_row(fn, n, 1 + draw() % n));
        }
    for (int kind = 0; kind < KINDS; kind++) { /* a lane counts as many as it can */
        fill((enum kind)kind, MOST);
        EXPECT(check_row(fn, MOST, MOST) && check_row(fn, MOST, MOST - 1) && check_row(fn, MOST, 1 + draw() % MOST));
    }
}

static void check_examples(void *fn) {
    static const float x[] = {.5f, -2, 1, -1, 0, 3, -.25f, 1};
    static const struct {
        uint64_t k;
        const char *mask;
    } want[] = {{2, "01000100"}, {3, "01100100"}, {4, "01110100"}, {8, "11111111"}};
    fill(ANY_BITS, 8);
    memcpy(x_at, x, sizeof x);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        uint64_t found = choose(fn, 8, want[i].k);
        for (uint64_t e = 0; e < 8; e++) EXPECT(kept(found, e) == (want[i].mask[e] == '1'));
    }
}

/* ---- blocks ---- */

static void check_blocks(void *fn, uint64_t n, uint64_t k, uint64_t m) {
    static float want[4096];
    for (int kind = 0; kind < KINDS; kind++) {
        fill((enum kind)kind, n);
        for (uint64_t at = 0; at < n; at += m) {
            uint64_t len = n - at < m ? n - at : m;
            reference(x_at + at, len, (k * len + m - 1) / m, want + at);
        }
        memcpy(y_at, x_at, 4 * (n + BEHIND));
        choose_in_blocks(fn);
        EXPECT(same(y_at, want, n));
    }
}

static void check_block_example(void *two_of_four) {
    static const float x[] = {.1f, .2f, -.3f, .4f, 5, 6, -7, 8}, want[] = {0, 0, -.3f, .4f, 0, 0, -7, 8};
    memcpy(y_at, x, sizeof x);
    choose_in_blocks(two_of_four);
    EXPECT(same(y_at, want, 8));
}

/* ---- code ---- */

static void emit_level(struct cg *c) {
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr}, 2, false), choose;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        LLVMValueRef f = jit_export(cg_function(c, arena_printf(c->arena, "blocks%d", (int)i), type, true));
        topk_blocks(c, LLVMGetParam(f, 0), blocks[i].n, blocks[i].k, blocks[i].m, LLVMGetParam(f, 1));
        LLVMBuildRetVoid(c->b);
    }
    jit_export(topk_function(c, &choose));
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void time_row(void *fn, enum kind kind, uint64_t n, const char *level) {
    double best = 1e9;
    fill(kind, n);
    for (int i = 0; i < 2000; i++) {
        double from = now();
        choose(fn, n, n * 2 / 5);
        double t = now() - from;
        if (t < best) best = t;
    }
    printf("%s, %d of %d, kind %d: %.2f us\n", level, (int)(n * 2 / 5), (int)n, (int)kind, best);
}

static void time_blocks(void *fn, uint64_t n, const char *level) {
    double best = 1e9;
    fill(NORMAL, n);
    for (int i = 0; i < 2000; i++) {
        memcpy(y_at, x_at, 4 * n);
        double from = now();
        choose_in_blocks(fn);
        double t = now() - from;
        if (t < best) best = t;
    }
    printf("%s, blocks of %d: %.2f us\n", level, (int)n, best);
}

static void check_level(const char *level, bool timed) {
    void *fn = jit_symbol(&jit, arena_printf(jit.arena, "topk.%s", level));
    for (int kind = 0; timed && kind < KINDS; kind++) {
        time_row(fn, (enum kind)kind, 2560, level);
        time_row(fn, (enum kind)kind, 6912, level);
    }
    check_examples(fn);
    check_rows(fn);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        fn = jit_symbol(&jit, arena_printf(jit.arena, "blocks%d.%s", (int)i, level));
        check_blocks(fn, blocks[i].n, blocks[i].k, blocks[i].m);
        if (i == 0) check_block_example(fn);
        if (timed && blocks[i].n == 2560) time_blocks(fn, 2560, level);
    }
}

int main(int argc, char **argv) {
    struct cg c;
    bool timed = argc > 1 && !strcmp(argv[1], "time");
    jit_start(&jit, argc > 1 && !timed ? argv[1] : NULL);
    x_at = jit_take(&jit, 4 * (MOST + BEHIND));
    y_at = jit_take(&jit, 4 * (MOST + BEHIND));
    room = jit_take(&jit, topk_room(MOST));
    cg_open(&c, jit.diag, jit.arena, &(struct backend_options){.target = jit.target->name, .pic = true}, "topk");
    for (const struct cg_level *l = NULL; (l = jit_level(&jit, l));) {
        c.level = l;
        emit_level(&c);
    }
    jit_link(&jit, &c);
    cg_close(&c);
    for (const struct cg_level *l = NULL; (l = jit_level(&jit, l));) check_level(l->name, timed);
    jit_end(&jit);
    return expect_end();
}
