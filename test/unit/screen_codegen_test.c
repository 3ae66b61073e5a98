/* links: setun_rt_main */
/*
 * screen_codegen_test -- a screened head as machine code: at every level of this machine and with 1 to 3 threads the
 * intervals are, bit for bit, those of codec/screen.c, the largest of 64 tokens are right, and afterwards some logits
 * and all of them are the contract's.  Lengths are multiples of nothing, and of what the code counts in; rows of
 * activations are drawn in many scales, one of them so large that intervals hold everything and all logits are refused.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "backends/backend.h"
#include "base/check.h"
#include "base/file.h"
#include "codec/screen.h"
#include "ir/num.h"
#include "passes/pass.h"
#include "runtime/cpu.h"
#include "runtime/engine.h"
#include "test/unit/expect.h"

enum { TABLE = 12, MAX_N = 1100, MAX_K = 1200 };

struct job {
    struct arena *a;
    struct diag *d;
    uint32_t N, K;
    const char *store;
    float *x, *w; /* TABLE rows of activations and N that no token asks for, N rows of the head, widened */
    uint16_t *half;
    float *low, *high, *logits; /* of one token: what is expected */
    bool wild;
};

static uint64_t state = 5;
static uint32_t draw(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) * n >> 31);
}
static float unit(void) { return (float)draw(1u << 24) / (1u << 23) - 1; }

/* ---- weights ---- */

static bool raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct job *j = self;
    (void)layer;
    if (w->id == 0)
        memcpy(out, j->x + row * j->K, 4 * n * j->K);
    else if (w->store == IR_STORE_F32)
        memcpy(out, j->w + row * j->K, 4 * n * j->K);
    else
        memcpy(out, j->half + row * j->K, 2 * n * j->K);
    return true;
}

static void draw_weights(struct job *j) {
    for (uint32_t i = 0; i < j->N * j->K; i++) {
        float f = unit() * ldexpf(1, (int)(i / j->K % 9) - 4);
        if (i / j->K % 50 == 3) f = 0;
        if (!strcmp(j->store, "bf16")) j->half[i] = (uint16_t)(bits_of_f32(f) >> 16);
        if (!strcmp(j->store, "f16")) j->half[i] = num_f16(f);
        j->w[i] = !strcmp(j->store, "f32")   ? f
                  : !strcmp(j->store, "f16") ? num_of_f16(j->half[i])
                                             : num_of_bf16(j->half[i]);
    }
    static const int scale[TABLE] = {0, 0, 0, 10, -10, 60, -60, -120, -145, 0, 126, 0};
    for (uint32_t i = 0; i < TABLE * j->K; i++) {
        uint32_t row = i / j->K;
        j->x[i] = ldexpf(unit(), scale[row]);
        if (row == 9) j->x[i] = 0;
        if (row == 10 && i % j->K % 2 == 0) j->x[i] = 1.7e38f; /* sums overflow */
        if (row == 11) j->x[i] = (float)((int)draw(3) - 1);
    }
}

/* ---- what is expected ---- */

static void expect_of(struct job *j, uint32_t token) {
    static int8_t hi[MAX_K], lo[MAX_K];
    static uint8_t tile[SCREEN_STEP * (MAX_K + 3) / 4 + 3 * 4 * SCREEN_ROWS];
    const float *x = j->x + (size_t)token * j->K;
    struct screen_x codes = screen_codes(x, j->K, hi, lo);
    j->wild = false;
    for (uint32_t i = 0; i < j->N; i++) {
        const float *w = j->w + (size_t)i * j->K;
        if (i % SCREEN_ROWS == 0) screen_pack_tile(w, j->N - i < SCREEN_ROWS ? j->N - i : SCREEN_ROWS, j->K, tile);
        screen_interval(tile, j->K, i % SCREEN_ROWS, &codes, hi, lo, &j->low[i], &j->high[i]);
        j->logits[i] = num_dot(w, x, j->K);
        j->wild = j->wild || !isfinite(j->logits[i]);
        if (isfinite(j->logits[i])) EXPECT(j->low[i] <= j->logits[i] && j->logits[i] <= j->high[i]);
    }
}

static bool same(const char *what, const char *level, uint32_t threads, const float *got, const float *want,
                 uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (bits_of_f32(got[i]) == bits_of_f32(want[i])) continue;
        printf("%s, %s, %u threads: %u is %a, not %a\n", what, level, threads, i, (double)got[i], (double)want[i]);
        return EXPECT(false);
    }
    return true;
}

static float most(const float *x, uint32_t from, uint32_t n) {
    float m = -INFINITY;
    for (uint32_t i = from; i < n && i < from + SETUN_SCREEN_UNIT; i++) m = x[i] > m ? x[i] : m;
    return m;
}

/* ---- one engine ---- */

static bool check_some(const struct job *j, struct setun_engine *e, const char *level, uint32_t threads) {
    uint32_t ids[40], n = draw(40);
    float got[40], want[40];
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = draw(j->N);
        want[i] = j->logits[ids[i]];
    }
    return EXPECT(e->some(e, ids, n, got) == 0) && same("some", level, threads, got, want, n);
}

static bool check_token(struct job *j, struct setun_engine *e, const char *level, uint32_t threads, uint32_t token) {
    struct setun_row row[2] = {{.token = token, .live = 1}, {.token = token, .pos = 1, .live = 1}};
    expect_of(j, token);
    e->screen = true;
    if (!EXPECT(e->step(e, row, 1) == 0) || !EXPECT(e->screened)) return false;
    const struct setun_screen *at = &e->intervals;
    if (!same("low", level, threads, at->low, j->low, j->N) || !same("high", level, threads, at->high, j->high, j->N))
        return false;
    for (uint32_t u = 0; u < j->N; u += SETUN_SCREEN_UNIT) {
        EXPECT(at->unit_low[u / SETUN_SCREEN_UNIT] == most(j->low, u, j->N));
        EXPECT(at->unit_high[u / SETUN_SCREEN_UNIT] == most(j->high, u, j->N));
    }
    if (!j->wild && !check_some(j, e, level, threads)) return false;
    if (j->wild) return EXPECT(e->all(e) == 7);
    if (!EXPECT(e->all(e) == 0) || !EXPECT(!e->screened) || !same("all", level, threads, e->out, j->logits, j->N))
        return false;
    if (!EXPECT(e->step(e, row, 2) == 0) || !EXPECT(!e->screened)) return false; /* two live rows: logits */
    if (!same("of two", level, threads, e->out + e->stride, j->logits, j->N)) return false;
    e->screen = false;
    return EXPECT(e->step(e, row, 1) == 0) && EXPECT(!e->screened) &&
           same("not asked", level, threads, e->out, j->logits, j->N);
}

static void run_all(struct job *j, const struct setun_model *model, const uint8_t *data) {
    EXPECT(model->screen_bytes > 0);
    for (uint32_t l = 0; l < model->n_levels; l++) {
        if (model->levels[l].needs & ~setun_cpu_features()) continue;
        for (uint32_t t = 1; t <= 3; t++) {
            struct setun_native n;
            struct setun_native_config c = {
                .model = model, .level = &model->levels[l], .weights = data, .threads = t, .context = 64};
            bool ok = EXPECT(setun_native_open(&n, &c) == 0) && EXPECT(n.e.can_screen);
            for (uint32_t i = 0; ok && i < TABLE; i++) ok = check_token(j, &n.e, c.level->name, t, i);
            if (!ok) printf("N %u, K %u, %s\n", j->N, j->K, j->store);
            setun_native_close(&n);
        }
    }
}

/* ---- from text to loaded code ---- */

static struct ir_module *module(struct job *j) {
    const char *text = arena_printf(
        j->a,
        "module p {context = 64, vocab = %u, max_rows = 4}\nweight @table : f32[%u, %u]\nweight @head : %s[%u, %u]\n"
        "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @table : f32[T, %u]\n  %%l = live %%x : f32[L, %u]\n"
        "  %%y = dot %%l, @head : f32[L, %u]\n  emit %%y {name = logits}\n  ret\n}\n",
        j->N, TABLE + j->N, j->K, j->store, j->N, j->K, j->K, j->K, j->N);
    uint32_t file = diag_add_text(j->d, "screen", text, strlen(text));
    struct ir_module *m = ir_parse(j->d, j->a, names_new(j->a), file, text, strlen(text));
    struct pass_ctx cx = {.diag = j->d, .arena = j->a, .head = HEAD_SCREENED};
    return m && ir_verify(j->d, m, NULL) && passes_run_all(&cx, m) ? m : NULL;
}

static void one(uint32_t N, uint32_t K, const char *store, const char *levels) {
    struct job j = {.a = arena_new(), .N = N, .K = K, .store = store};
    j.d = diag_new(j.a, stderr);
    j.x = arena_array(j.a, float, (TABLE + N) * K);
    j.w = arena_array(j.a, float, N *K);
    j.half = arena_array(j.a, uint16_t, N *K);
    j.low = arena_array(j.a, float, N);
    j.high = arena_array(j.a, float, N);
    j.logits = arena_array(j.a, float, N);
    draw_weights(&j);
    struct ir_weights w = {.self = &j, .raw = raw};
    struct ir_module *m = module(&j);
    struct data_plan plan;
    struct mapped data = {0};
    struct backend_options opt = {.levels = levels, .pic = true};
    uint64_t hash;
    static int serial;
    const char *dir = tmp_dir(j.d), *object = arena_printf(j.a, "%s/s.o", dir),
               *at = arena_printf(j.a, "%s/s.data", dir);
    const char *so = arena_printf(j.a, "%s/s%d.so", dir, serial++);
    if (!EXPECT(m != NULL)) return;
    data_plan_make(j.a, m, &plan);
    struct out *o = out_open(j.d, at, false);
    bool ok = o && data_write(j.d, m, &plan, &w, o, &hash, NULL, NULL) && out_commit(o) && file_map(j.d, at, &data) &&
              backend_emit(j.d, m, &plan, &opt, 1, object) &&
              system(arena_printf(j.a, "cc -shared -nostdlib -o '%s' '%s'", so, object)) == 0;
    void *code = ok ? dlopen(so, RTLD_NOW) : NULL;
    if (EXPECT(code != NULL)) run_all(&j, dlsym(code, "setun_model"), data.at);
    if (code) dlclose(code);
    file_unmap(&data);
    arena_free(j.a);
}

int main(void) {
    static const uint32_t N[] = {128, 130, 207, 576, 1100}, K[] = {1, 3, 16, 50, 64, 100, 1030};
    static const char *const store[] = {"f32", "bf16", "f16"};
    if (!freopen("/dev/null", "w", stderr)) return 1; /* what is not finite is told there */
    for (uint32_t i = 0; i < 7 && expect_failed < 5; i++) one(N[i % 5], K[i], store[i % 3], "portable");
    return expect_end();
}
