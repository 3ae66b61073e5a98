/*
 * interp_test -- the interpreter on the miniature model and on every op.
 *
 * The miniature's codes, logits and greedy ids were computed by independent programs, as were those of three
 * deliberate mistakes.  test/ir/Inputs/miniature.logits holds the bits that the second evaluator (test/ref) gives.
 */
#include "test/unit/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "ir/interp.h"

enum { VOCAB = 16, EVERY_VOCAB = 29, MAX_TOKENS = 200 };

/* ---- the miniature's weights ---- */

/* The n-th number (from 0) below m of the generator started at seed. */
static uint32_t draw(uint64_t seed, uint64_t n, uint32_t m) {
    uint64_t x = seed;
    for (uint64_t i = 0; i <= n; i++) x = (1103515245 * x + 12345) % 2147483648u;
    return (uint32_t)((x >> 16) % m);
}

static const char *const matrices[] = {"body.wq", "body.wk", "body.wv", "body.wo", "body.gate", "body.up", "body.down"};
static const char *const norms[] = {"body.g_in", "body.g_attn", "body.g_ffn", "body.g_sub"};

static uint32_t index_in(const char *const *list, size_t n, const char *name) {
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(list[i], name)) return i;
    BUG("no weight '%s'", name);
}

/* self: a float that scales are multiplied by. */
static bool mini_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    (void)self;
    uint64_t seed = 200 + 10 * layer + index_in(matrices, COUNT_OF(matrices), w->name), cols = ir_weight_cols(w);
    for (uint64_t i = 0; i < n * cols; i++) out[i] = (int8_t)((int)draw(seed, row * cols + i, 3) - 1);
    return true;
}

static bool mini_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    (void)layer;
    *out = (0.25f + 0.0625f * (float)index_in(matrices, COUNT_OF(matrices), w->name)) * *(const float *)self;
    return true;
}

static bool mini_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    (void)self;
    uint64_t cols = ir_weight_cols(w);
    bool table = !strcmp(w->name, "embed"), last = !strcmp(w->name, "g_out");
    uint64_t seed = table ? 100 : last ? 399 : 300 + 10 * layer + index_in(norms, COUNT_OF(norms), w->name);
    uint8_t *at = out;
    for (uint64_t i = row * cols; i < (row + n) * cols; i++, at += 2) {
        float x = table ? ((float)draw(seed, i, 33) - 16) / 16 : 1 + ((float)draw(seed, i, 9) - 4) / 16;
        uint32_t u = bits_of_f32(x) >> 16;
        at[0] = (uint8_t)u, at[1] = (uint8_t)(u >> 8);
    }
    return true;
}

static struct ir_weights mini_weights(float *factor) {
    return (struct ir_weights){.self = factor, .trits = mini_trits, .scales = mini_scales, .raw = mini_raw};
}

/* ---- programs ---- */

struct bench {
    struct arena *a;
    struct diag *d;
    FILE *messages;
    char *message_text;
    size_t message_bytes;
};

/* In place: the stream keeps the addresses of text and bytes. */
static void bench_open(struct bench *b) {
    *b = (struct bench){.a = arena_new()};
    b->messages = open_memstream(&b->message_text, &b->message_bytes);
    b->d = diag_new(b->a, b->messages);
}

static void bench_close(struct bench *b) {
    fclose(b->messages);
    free(b->message_text);
    arena_free(b->a);
}

/* test/ir/Inputs/NAME, found from this file's own place. */
static char *read_text(struct bench *b, const char *name) {
    const char *slash = strrchr(__FILE__, '/');
    const char *path = arena_printf(b->a, "%.*s/../ir/Inputs/%s", (int)(slash - __FILE__), __FILE__, name);
    char *text;
    size_t n;
    if (!file_read(b->d, b->a, path, 1 << 20, &text, &n)) {
        printf("cannot read %s\n", path);
        exit(1);
    }
    return text;
}

/* The text with every `from` written as `to`. */
static char *edited(struct bench *b, const char *text, const char *from, const char *to) {
    struct buf out = {0};
    bool found = false;
    for (const char *hit; (hit = strstr(text, from)); text = hit + strlen(from), found = true) {
        buf_put(&out, text, (size_t)(hit - text));
        buf_put(&out, to, strlen(to));
    }
    buf_put(&out, text, strlen(text));
    EXPECT(found);
    char *copy = arena_strdup(b->a, out.at);
    buf_free(&out);
    return copy;
}

static struct ir_module *parse(struct bench *b, const char *text) {
    uint32_t file = diag_add_text(b->d, "program", text, strlen(text));
    struct ir_module *m = ir_parse(b->d, b->a, names_new(b->a), file, text, strlen(text));
    if (!m || !ir_verify(b->d, m, NULL)) {
        fflush(b->messages);
        printf("%s", b->message_text);
        exit(1);
    }
    return m;
}

static const struct ir_func *entry_of(const struct ir_module *m) { return m->funcs.at[m->funcs.n - 1]; }

/* ---- the miniature ---- */

static const uint32_t prompt[] = {3, 7, 1, 12};

struct answer {
    float logits[VOCAB]; /* after the prompt */
    uint32_t ids[6];     /* what follows, greedily */
};

static uint32_t largest(const float *x) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < VOCAB; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static struct answer run_miniature(struct bench *b, const char *text, interp_trace *trace) {
    float factor = 1.0f;
    struct ir_weights w = mini_weights(&factor);
    struct ir_module *m = parse(b, text);
    struct interp *it = interp_new(b->d, m, &w, 1, 16);
    struct answer r;
    struct ir_row rows[COUNT_OF(prompt)];
    for (uint32_t i = 0; i < COUNT_OF(prompt); i++)
        rows[i] = (struct ir_row){.token = prompt[i], .pos = i, .live = i + 1 == COUNT_OF(prompt)};
    interp_set_trace(it, trace, NULL);
    EXPECT(interp_step(it, entry_of(m), rows, COUNT_OF(prompt), "logits", r.logits));
    interp_set_trace(it, NULL, NULL);
    float next[VOCAB];
    memcpy(next, r.logits, sizeof next);
    for (uint32_t i = 0; i < COUNT_OF(r.ids); i++) {
        r.ids[i] = largest(next);
        struct ir_row row = {.token = r.ids[i], .pos = (uint32_t)COUNT_OF(prompt) + i, .live = true};
        EXPECT(interp_step(it, entry_of(m), &row, 1, "logits", next));
    }
    interp_free(it);
    return r;
}

static void check_codes(void *self, const struct ir_func *f, const struct ir_val *v, uint32_t layer, uint32_t rows,
                        const void *data) {
    static const struct {
        const char *value;
        uint32_t n;
        int8_t codes[12]; /* position 0, layer 0 */
    } want[] = {
        {"a", 8, {99, -114, 10, 90, -96, -127, -90, -68}},
        {"oq", 8, {79, 111, 25, 22, 47, 127, 27, 25}},
        {"b", 8, {105, 42, -6, 97, -107, -127, 80, -2}},
        {"mq", 12, {127, -24, 55, 87, 13, -54, -1, 0, 27, 0, -20, 9}},
    };
    (void)self;
    EXPECT(rows == (f->entry && v->type.rows == IR_L ? 1 : COUNT_OF(prompt)));
    if (layer != 0) return;
    for (size_t i = 0; i < COUNT_OF(want); i++)
        if (!strcmp(v->name, want[i].value)) EXPECT(!memcmp(data, want[i].codes, want[i].n));
}

static void check_bits(struct bench *b, const float *logits) {
    char *at = read_text(b, "miniature.logits");
    for (uint32_t i = 0; i < VOCAB; i++) EXPECT(strtoul(at, &at, 16) == bits_of_f32(logits[i]));
}

static void golden(void) {
    static const float want[VOCAB] = {2.412820f,  -0.739466f, -0.981756f, -0.688684f, -1.573532f, 1.671643f,
                                      -1.847623f, 0.072186f,  -0.855857f, -2.631570f, -0.054751f, -1.848914f,
                                      -0.686736f, -0.302137f, -1.203638f, -1.951183f};
    static const uint32_t ids[6] = {0, 5, 5, 5, 0, 0};
    struct bench b;
    bench_open(&b);
    struct answer r = run_miniature(&b, read_text(&b, "miniature.sir"), check_codes);
    for (uint32_t i = 0; i < VOCAB; i++) EXPECT(fabsf(r.logits[i] - want[i]) <= 5e-5f);
    EXPECT(!memcmp(r.ids, ids, sizeof ids));
    check_bits(&b, r.logits);
    bench_close(&b);
}

/* Each mistake has its own numbers, so a wrong program is not taken for a right one. */
static void mistakes(void) {
    static const struct {
        const char *from, *to, *from2, *to2;
        float logits[3];
        uint32_t ids[6];
    } list[] = {
        {"relu2 ", "silu ", NULL, NULL, {2.3101f, 0.1288f, -0.4435f}, {0, 5, 7, 10, 10, 0}},
        {"pairing = half", "pairing = adjacent", NULL, NULL, {2.2990f, -0.8687f, -1.0002f}, {0, 5, 0, 5, 2, 15}},
        {"quant %o.n", "quant %o.flat", "quant %m.n", "quant %m", {-2.5083f, -0.5499f, 1.6398f}, {7, 7, 7, 15, 13, 13}},
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        struct bench b;
        bench_open(&b);
        char *text = edited(&b, read_text(&b, "miniature.sir"), list[i].from, list[i].to);
        if (list[i].from2) text = edited(&b, text, list[i].from2, list[i].to2);
        struct answer r = run_miniature(&b, text, NULL);
        for (uint32_t k = 0; k < 3; k++) EXPECT(fabsf(r.logits[k] - list[i].logits[k]) <= 1e-4f);
        EXPECT(!memcmp(r.ids, list[i].ids, sizeof r.ids));
        bench_close(&b);
    }
}

static bool same_bits(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bits_of_f32(a[i]) != bits_of_f32(b[i])) return false;
    return true;
}

/* ---- the same bits, however the rows are handed over ---- */

static uint32_t token_at(uint32_t i) { return (i * i * 7 + i * 3) % EVERY_VOCAB; }

/* Logits of n tokens in steps of `chunk` rows, in slot `slot`. */
static void run_chunks(struct interp *it, const struct ir_func *entry, uint32_t n, uint32_t chunk, uint32_t slot,
                       float *out) {
    struct ir_row rows[MAX_TOKENS];
    for (uint32_t at = 0; at < n; at += chunk) {
        uint32_t k = n - at < chunk ? n - at : chunk;
        for (uint32_t i = 0; i < k; i++)
            rows[i] = (struct ir_row){.token = token_at(at + i), .slot = slot, .pos = at + i, .live = true};
        EXPECT(interp_step(it, entry, rows, k, "logits", out + (size_t)at * EVERY_VOCAB));
    }
}

static void chunks(void) {
    struct bench b;
    bench_open(&b);
    struct ir_module *m = parse(&b, read_text(&b, "every-op.sir"));
    struct ir_weights w = ir_weights_random(b.a, 5);
    struct interp *it = interp_new(b.d, m, &w, 2, MAX_TOKENS);
    size_t n = (size_t)MAX_TOKENS * EVERY_VOCAB;
    float *want = arena_array(b.a, float, n), *have = arena_array(b.a, float, n);
    run_chunks(it, entry_of(m), MAX_TOKENS, MAX_TOKENS, 0, want);
    static const uint32_t sizes[] = {1, 7, 64};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        run_chunks(it, entry_of(m), MAX_TOKENS, sizes[i], 1, have);
        EXPECT(same_bits(want, have, n));
    }
    interp_free(it);
    bench_close(&b);
}

/* Two sequences in one step do not see each other, and rows that are not live give nothing. */
static void slots_and_live_rows(void) {
    enum { EACH = 20 };
    struct bench b;
    bench_open(&b);
    struct ir_module *m = parse(&b, read_text(&b, "every-op.sir"));
    struct ir_weights w = ir_weights_random(b.a, 5);
    struct interp *it = interp_new(b.d, m, &w, 2, EACH);
    float want[EACH * EVERY_VOCAB], have[2 * EVERY_VOCAB];
    run_chunks(it, entry_of(m), EACH, EACH, 0, want);
    interp_free(it);
    it = interp_new(b.d, m, &w, 2, EACH);
    struct ir_row rows[2 * EACH];
    for (uint32_t i = 0; i < 2 * EACH; i++)
        rows[i] = (struct ir_row){
            .token = token_at(i / 2), .slot = i % 2, .pos = i / 2, .live = i == EACH + 1 || i == 2 * EACH - 1};
    EXPECT(interp_step(it, entry_of(m), rows, 2 * EACH, "logits", have));
    EXPECT(same_bits(have, want + EACH / 2 * EVERY_VOCAB, EVERY_VOCAB));
    EXPECT(same_bits(have + EVERY_VOCAB, want + (EACH - 1) * EVERY_VOCAB, EVERY_VOCAB));
    interp_free(it);
    bench_close(&b);
}

/* ---- single ops on numbers worked out by hand ---- */

enum { MAX_N = 8 };
struct example {
    const char *ops; /* on %x, the row of numbers; the result is %y, or codes %q */
    uint32_t n;
    float x[MAX_N], g[MAX_N]; /* the row, and a weight @g */
    float y[MAX_N];
    float off; /* largest difference; 0: the same bits */
};

static const struct example examples[] = {
    /* ties, with s = 2 */
    {"%q, %r = quant %x : i8[T, 8], f32[T]",
     8,
     {.25f, .75f, 1.25f, -.25f, -.75f, -1.25f, 63.5f, -63.5f},
     {0},
     {0, 2, 2, 0, -2, -2, 127, -127},
     0},
    {"%q, %r = quant %x : i8[T, 8], f32[T]",
     8,
     {.1f, -.2f, .3f, -.4f, .55f, 0, 1.7f, -.013f},
     {0},
     {7, -15, 22, -30, 41, 0, 127, -1},
     0},
    {"%q, %r = quant %x : i8[T, 8], f32[T]", 8, {0}, {0}, {0}, 0},
    {"%y = rmsnorm %x, @g {eps = 1e-05} : f32[T, 4]",
     4,
     {1, -2, 3, -4},
     {1, 2, .5f, 1},
     {0.36514813f, -1.4605925f, 0.5477222f, -1.4605925f},
     2e-7f},
    {"%y = relu2 %x : f32[T, 4]", 4, {-1, .5f, 2, -.25f}, {0}, {0, .25f, 4, 0}, 0},
    /* position 3 */
    {"%y = rope %x, %rows {theta = 500000, pairing = half} : f32[T, 4]",
     4,
     {1, 2, 3, 4},
     {0},
     {-1.4133525f, 1.9830115f, -2.8288575f, 4.0084493f},
     1e-6f},
    {"%y = rope %x, %rows {theta = 500000, pairing = adjacent} : f32[T, 4]",
     4,
     {1, 2, 3, 4},
     {0},
     {-1.2722325f, -1.8388650f, 2.9830025f, 4.0126919f},
     1e-6f},
    {"%y = rope %x, %rows {theta = 10000, pairing = half} : f32[T, 4]",
     4,
     {1, 2, 3, 4},
     {0},
     {-1.4133525f, 1.8791181f, -2.8288575f, 4.0581911f},
     1e-6f},
    {"%y = bias %x, @g : f32[T, 4]", 4, {1, -2, 3, -4}, {1, 2, .5f, 1}, {2, 0, 3.5f, -3}, 0},
};

static bool example_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct example *e = self;
    (void)layer, (void)row, (void)n;
    memcpy(out, w->rank == 1 ? e->g : e->x, e->n * sizeof(float));
    return true;
}

static void check_example(void *self, const struct ir_func *f, const struct ir_val *v, uint32_t layer, uint32_t rows,
                          const void *data) {
    const struct example *e = self;
    (void)f, (void)layer, (void)rows;
    for (uint32_t i = 0; i < e->n; i++) {
        if (!strcmp(v->name, "q")) EXPECT((float)((const int8_t *)data)[i] == e->y[i]);
        if (!strcmp(v->name, "y")) EXPECT(fabsf(((const float *)data)[i] - e->y[i]) <= e->off);
    }
}

static void hand_worked(void) {
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bench b;
        bench_open(&b);
        struct example e = examples[i];
        char *text = arena_printf(b.a,
                                  "module m {context = 8, vocab = 1, max_rows = 1}\n"
                                  "weight @t : f32[1, %u]\nweight @g : f32[%u]\n"
                                  "entry @e(%%rows: rows[T]) {\n%%x = embed %%rows, @t : f32[T, %u]\n%s\nret\n}\n",
                                  e.n, e.n, e.n, e.ops);
        struct ir_module *m = parse(&b, text);
        struct ir_weights w = {.self = &e, .raw = example_raw};
        struct interp *it = interp_new(b.d, m, &w, 1, 8);
        struct ir_row row = {.pos = 3, .live = true};
        interp_set_trace(it, check_example, &e);
        EXPECT(interp_step(it, entry_of(m), &row, 1, "none", NULL));
        interp_free(it);
        bench_close(&b);
    }
}

static void non_finite(void) {
    struct bench b;
    bench_open(&b);
    float factor = 1e38f, out[COUNT_OF(prompt) * VOCAB];
    struct ir_weights w = mini_weights(&factor);
    struct ir_module *m = parse(&b, read_text(&b, "miniature.sir"));
    struct interp *it = interp_new(b.d, m, &w, 1, 16);
    struct ir_row rows[] = {{.token = 3, .live = true}, {.token = 7, .pos = 1, .live = true}};
    EXPECT(!interp_step(it, entry_of(m), rows, COUNT_OF(rows), "logits", out));
    fflush(b.messages);
    EXPECT(diag_exit_code(b.d) == EXIT_VERIFY);
    EXPECT(strstr(b.message_text, "non-finite activation at position 0, layer 0: quant of %o.n in @body.0") != NULL);
    interp_free(it);
    bench_close(&b);
}

int main(void) {
    golden();
    mistakes();
    chunks();
    slots_and_live_rows();
    hand_worked();
    non_finite();
    return expect_end();
}
