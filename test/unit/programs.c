/* programs.c -- see programs.h. */
#include "test/unit/programs.h"

#include <string.h>

#include "base/check.h"
#include "base/compiler.h"

/* ---- programs ---- */

const struct shape program_shapes[] = {
    {"small", 8, 2, 1, 4, 12, 16, 2, "half", "f32", "f32", "mask = causal", "relu2", "matrix", "bf16", 20, false, false,
     COLUMNS5},
    {"odd", 37, 4, 2, 6, 50, 29, 3, "half", "i8", "f32", "mask = causal", "silu", "row", "bf16", 70, true, true, FUSED},
    {"window", 67, 6, 3, 10, 131, 77, 2, "adjacent", "f32", "f16", "mask = window, window = 45", "gelu", "matrix",
     "f16", 150, false, true, FUSED},
    {"chunks", 96, 3, 1, 32, 64, 33, 1, "half", "f16", "f16", "mask = causal", "relu2", "row", "f32", 192, true, false,
     FUSED},
    {"wide", 256, 4, 2, 64, 640, 100, 4, "adjacent", "f16", "i8", "mask = causal", "tanh", "matrix", "bf16", 40, true,
     true, FUSED},
    {"long", 1100, 2, 2, 48, 2100, 20, 2, "half", "f32", "f32", "mask = window, window = 5", "sigmoid", "row", "bf16",
     12, false, false, FUSED},
    {"heads", 128, 2, 1, 272, 192, 64, 2, "half", "f16", "i8", "mask = causal", "relu", "row", "bf16", 20, true, false,
     FUSED},
    {"rest", 64, 14, 2, 20, 32, 24, 1, "half", "i8", "f16", "mask = causal", "relu2", "row", "bf16", 150, false, false,
     COLUMNS},
};
const size_t program_n_shapes = COUNT_OF(program_shapes);

static void declare(struct buf *t, const struct shape *s) {
    uint32_t n = s->layers;
    buf_printf(t, "module p {context = 512, vocab = %u, max_rows = 64}\n", s->vocab);
    buf_printf(t, "weight @embed : %s[%u, %u]\nweight @g_out : f32[%u]\n", s->store, s->vocab, s->hidden, s->hidden);
    buf_printf(t, "weight @b.g_in : f16[%u] layers %u\n", s->hidden, n);
    buf_printf(t, "weight @b.wq : trit[%u, %u, %u] layers %u scale %s\n", s->heads, s->d, s->hidden, n, s->scale);
    buf_printf(t, "weight @b.wk : trit[%u, %u, %u] layers %u scale matrix\n", s->kv, s->d, s->hidden, n);
    buf_printf(t, "weight @b.wv : trit[%u, %u, %u] layers %u scale row\n", s->kv, s->d, s->hidden, n);
    buf_printf(t, "weight @b.bias : f32[%u, %u] layers %u\n", s->kv, s->d, n);
    buf_printf(t, "weight @b.g_q : bf16[%u] layers %u\n", s->d, n);
    buf_printf(t, "weight @b.wo : trit[%u, %u] layers %u scale row\n", s->hidden, s->heads * s->d, n);
    buf_printf(t, "weight @b.g_ffn : bf16[%u] layers %u\n", s->hidden, n);
    buf_printf(t, "weight @b.gate : trit[%u, %u] layers %u scale %s\n", s->ffn, s->hidden, n, s->scale);
    buf_printf(t, "weight @b.up : trit[%u, %u] layers %u scale %s\n", s->ffn, s->hidden, n, s->scale);
    buf_printf(t, "weight @b.g_sub : f32[%u] layers %u\n", s->ffn, n);
    buf_printf(t, "weight @b.down : trit[%u, %u] layers %u scale matrix\n", s->hidden, s->ffn, n);
    buf_printf(t, "weight @b.mix : %s[%u, %u] layers %u\n", s->store, s->hidden, s->hidden, n);
    buf_printf(t, "state @b.k : cache<%s>[%u, %u] layers %u\n", s->k_cache, s->kv, s->d, n);
    buf_printf(t, "state @b.v : cache<%s>[%u, %u] layers %u\n", s->v_cache, s->kv, s->d, n);
}

/* %out = q, k or v of `heads` heads, with what the shape asks for on the way */
static void project(struct buf *t, const struct shape *s, const char *name, uint32_t heads, bool norm, bool bias,
                    bool rope) {
    const char *last = "f";
    buf_printf(t, "  %%%s.acc = matmul %%c, @b.w%s : i32[T, %u, %u]\n", name, name, heads, s->d);
    buf_printf(t, "  %%%s.f = dequant %%%s.acc, %%r, @b.w%s : f32[T, %u, %u]\n", name, name, name, heads, s->d);
    if (bias) {
        buf_printf(t, "  %%%s.b = bias %%%s.%s, @b.bias : f32[T, %u, %u]\n", name, name, last, heads, s->d);
        last = "b";
    }
    if (norm) {
        buf_printf(t, "  %%%s.n = rmsnorm %%%s.%s, @b.g_q {eps = 1e-06} : f32[T, %u, %u]\n", name, name, last, heads,
                   s->d);
        last = "n";
    }
    if (rope)
        buf_printf(t, "  %%%s = rope %%%s.%s, %%rows {theta = 10000, pairing = %s} : f32[T, %u, %u]\n", name, name,
                   last, s->pairing, heads, s->d);
    else
        buf_printf(t, "  %%%s = mulc %%%s.%s {c = 1.5} : f32[T, %u, %u]\n", name, name, last, heads, s->d);
}

static void attention(struct buf *t, const struct shape *s) {
    project(t, s, "q", s->heads, s->qk_norm, false, true);
    project(t, s, "k", s->kv, s->qk_norm, s->bias, true);
    project(t, s, "v", s->kv, false, s->bias, false);
    for (int i = 0; i < 2; i++) {
        const char *c = i ? "v" : "k", *e = i ? s->v_cache : s->k_cache;
        buf_printf(t, "  %%%s.0 = state @b.%s : cache<%s>[%u, %u]\n", c, c, e, s->kv, s->d);
        buf_printf(t, "  %%%s.1 = write %%%s.0, %%%s, %%rows : cache<%s>[%u, %u]\n", c, c, c, e, s->kv, s->d);
    }
    buf_printf(t, "  %%o = attend %%q, %%k.1, %%v.1, %%rows {scale = 0.30151135, %s} : f32[T, %u, %u]\n", s->mask,
               s->heads, s->d);
    buf_printf(t, "  %%o.h = mulc %%o {c = 0.7} : f32[T, %u, %u]\n", s->heads, s->d);
    buf_printf(t, "  %%o.flat = reshape %%o.h : f32[T, %u]\n", s->heads * s->d);
}

static void layer(struct buf *t, const struct shape *s, int number) {
    uint32_t h = s->hidden, f = s->ffn;
    buf_printf(t, "func @b.%d(%%rows: rows[T], %%x: f32[T, %u]) {\n", number, h);
    buf_printf(t,
               "  %%n = rmsnorm %%x, @b.g_in {eps = 1e-05} : f32[T, %u]\n  %%c, %%r = quant %%n : i8[T, %u], f32[T]\n",
               h, h);
    attention(t, s);
    buf_printf(t, "  %%oc, %%or = quant %%o.flat : i8[T, %u], f32[T]\n", s->heads * s->d);
    buf_printf(t, "  %%wo.acc = matmul %%oc, @b.wo : i32[T, %u]\n  %%wo = dequant %%wo.acc, %%or, @b.wo : f32[T, %u]\n",
               h, h);
    buf_printf(t, "  %%h = add %%x, %%wo : f32[T, %u]\n", h);
    if (number) buf_printf(t, "  %%h.d = dot %%h, @b.mix : f32[T, %u]\n  %%h.e = tanh %%h.d : f32[T, %u]\n", h, h);
    buf_printf(
        t, "  %%b = rmsnorm %%h, @b.g_ffn {eps = 1e-05} : f32[T, %u]\n  %%bc, %%br = quant %%b : i8[T, %u], f32[T]\n",
        h, h);
    buf_printf(t,
               "  %%g.acc = matmul %%bc, @b.gate : i32[T, %u]\n  %%g.f = dequant %%g.acc, %%br, @b.gate : f32[T, %u]\n",
               f, f);
    buf_printf(t, "  %%g = %s %%g.f : f32[T, %u]\n", s->act, f);
    buf_printf(t, "  %%u.acc = matmul %%bc, @b.up : i32[T, %u]\n  %%u = dequant %%u.acc, %%br, @b.up : f32[T, %u]\n", f,
               f);
    buf_printf(t, "  %%m = mul %%g, %%u : f32[T, %u]\n  %%m.n = rmsnorm %%m, @b.g_sub {eps = 1e-05} : f32[T, %u]\n", f,
               f);
    buf_printf(t, "  %%mc, %%mr = quant %%m.n : i8[T, %u], f32[T]\n", f);
    buf_printf(t,
               "  %%d.acc = matmul %%mc, @b.down : i32[T, %u]\n  %%d = dequant %%d.acc, %%mr, @b.down : f32[T, %u]\n",
               h, h);
    buf_printf(t, "  %%y = %s : f32[T, %u]\n  ret %%y\n}\n", number ? "sub %h.e, %d" : "add %h, %d", h);
}

void program_text(struct buf *t, const struct shape *s) {
    declare(t, s);
    layer(t, s, 0);
    if (s->layers > 2) layer(t, s, 1);
    buf_printf(t, "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, %u]\n", s->hidden);
    const char *x = "x";
    if (s->layers > 1) {
        buf_printf(t, "  %%y = layers %%rows, %%x, @b.0%s {from = 0, to = %u} : f32[T, %u]\n",
                   s->layers > 2 ? ", @b.1" : "", s->layers - 1, s->hidden);
        x = "y";
    }
    buf_printf(t, "  %%z = layer %%rows, %%%s, @b.0 {index = %u} : f32[T, %u]\n", x, s->layers - 1, s->hidden);
    buf_printf(t, "  %%live = live %%z : f32[L, %u]\n", s->hidden);
    buf_printf(t, "  %%n = rmsnorm %%live, @g_out {eps = 1e-05} : f32[L, %u]\n", s->hidden);
    buf_printf(t, "  %%logits = dot %%n, @embed : f32[L, %u]\n  emit %%logits {name = logits}\n  ret\n}\n", s->vocab);
}

/* ---- values at the edges ---- */

/* Whatever a float can be, through every op that rounds, compares or converts.  Infinite values and NaNs come up on the
 * way and are gone at the end: tanh and relu are finite. */
const char program_edges[] =
    "module p {context = 64, vocab = 24, max_rows = 64}\nweight @x : f32[24, 48]\nweight @g : f32[48]\n"
    "weight @head : f16[24, 48]\nweight @w : trit[48, 48] scale row\n"
    "entry @generate(%rows: rows[T]) {\n  %x = embed %rows, @x : f32[T, 48]\n"
    "  %u0 = silu %x : f32[T, 48]\n  %u = tanh %u0 : f32[T, 48]\n  %v0 = gelu %x : f32[T, 48]\n"
    "  %v = tanh %v0 : f32[T, 48]\n  %s = sigmoid %x : f32[T, 48]\n  %r = relu %x : f32[T, 48]\n"
    "  %n = neg %r : f32[T, 48]\n  %e = exp %n : f32[T, 48]\n  %q0 = relu2 %x : f32[T, 48]\n"
    "  %q = tanh %q0 : f32[T, 48]\n  %l = l2norm %x : f32[T, 48]\n  %m = rmsnorm %x, @g {eps = 1e-30} : f32[T, 48]\n"
    "  %c, %cr = quant %x : i8[T, 48], f32[T]\n  %a = matmul %c, @w : i32[T, 48]\n"
    "  %d0 = dequant %a, %cr, @w : f32[T, 48]\n  %d = tanh %d0 : f32[T, 48]\n"
    "  %i0 = mulc %x {c = 1e+30} : f32[T, 48]\n  %i1 = mulc %i0 {c = 1e+30} : f32[T, 48]\n"
    "  %i2 = sub %i1, %i1 : f32[T, 48]\n  %i3 = topk %i2 {k = 20} : f32[T, 48]\n  %i4 = relu %i3 : f32[T, 48]\n"
    "  %i5 = topk %x {k = 20} : f32[T, 48]\n  %i = tanh %i5 : f32[T, 48]\n"
    "  %y0 = add %u, %v : f32[T, 48]\n  %y1 = add %s, %e : f32[T, 48]\n  %y2 = sub %q, %l : f32[T, 48]\n"
    "  %y3 = add %m, %d : f32[T, 48]\n  %y4 = add %i4, %i : f32[T, 48]\n  %y5 = add %y0, %y1 : f32[T, 48]\n"
    "  %y6 = add %y2, %y3 : f32[T, 48]\n  %y7 = add %y4, %y5 : f32[T, 48]\n  %y8 = mul %y6, %y7 : f32[T, 48]\n"
    "  %y9 = add %y8, %y7 : f32[T, 48]\n"
    "  %lv = live %y9 : f32[L, 48]\n  %logits = dot %lv, @head : f32[L, 24]\n"
    "  emit %logits {name = logits}\n  ret\n}\n";

/* Halves whose largest is 127, so that codes of the quantiser and of the cache are ties. */
const char program_ties[] =
    "module p {context = 64, vocab = 24, max_rows = 64}\nweight @x : f32[24, 48]\nweight @head : f32[24, 48]\n"
    "weight @w : trit[48, 48] scale row\nstate @k : cache<i8>[1, 48]\nstate @v : cache<i8>[1, 48]\n"
    "entry @generate(%rows: rows[T]) {\n  %x = embed %rows, @x : f32[T, 48]\n"
    "  %c, %r = quant %x : i8[T, 48], f32[T]\n  %a = matmul %c, @w : i32[T, 48]\n"
    "  %d = dequant %a, %r, @w : f32[T, 48]\n"
    "  %q = reshape %x : f32[T, 1, 48]\n"
    "  %k.0 = state @k : cache<i8>[1, 48]\n  %k.1 = write %k.0, %q, %rows : cache<i8>[1, 48]\n"
    "  %v.0 = state @v : cache<i8>[1, 48]\n  %v.1 = write %v.0, %q, %rows : cache<i8>[1, 48]\n"
    "  %o = attend %q, %k.1, %v.1, %rows {scale = 1e-05, mask = causal} : f32[T, 1, 48]\n"
    "  %f = reshape %o : f32[T, 48]\n  %y = add %f, %d : f32[T, 48]\n  %l = live %y : f32[L, 48]\n"
    "  %logits = dot %l, @head : f32[L, 24]\n  emit %logits {name = logits}\n  ret\n}\n";

/* Element i of a row of one kind. */
static float edge(uint32_t row, uint32_t i, uint32_t bits) {
    static const float few[] = {0,      1e-45f, 0x1p-126f, 0x1.fffffep-127f, 1, 0x1.fffffep127f, 88.72283f,
                                87.33f, 0.625f, 20};
    uint32_t exponent = row * 11 % 255;
    if (row % 6 == 0) return few[bits % COUNT_OF(few)] * (bits & 64 ? -1.0f : 1.0f);
    if (row % 6 == 1) return i % 5 ? 0.0f : -0.0f;
    if (row % 6 == 2) return f32_of_bits(bits & 0x807fffffu); /* denormal */
    return f32_of_bits((bits & 0x807fffffu) | exponent << 23);
}

static float tie(uint32_t i, uint32_t bits) {
    return i == 7 ? 127 : (float)((int)(bits % 254) - 127) + (bits & 256 && bits % 254 ? 0.5f : 0.0f);
}

struct edge_weights {
    struct ir_weights random;
    bool ties;
};

/* Of the first weight; the others are random. */
static bool raw_edges(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    struct edge_weights *e = self;
    uint64_t cols = ir_weight_cols(w);
    if (w->id) return e->random.raw(e->random.self, w, layer, row, n, out);
    for (uint64_t k = 0; k < n * cols; k++) {
        uint64_t z = (row * cols + k + 1) * 0x9E3779B97F4A7C15u;
        uint32_t bits = (uint32_t)(z >> 31 ^ z >> 7), i = (uint32_t)(k % cols);
        float x = e->ties ? tie(i, bits) : edge((uint32_t)(row + k / cols), i, bits);
        memcpy((uint8_t *)out + 4 * k, &x, 4);
    }
    return true;
}

static bool random_trits_of(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n,
                            int8_t *out) {
    struct edge_weights *e = self;
    return e->random.trits(e->random.self, w, layer, row, n, out);
}

static bool random_scales_of(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    struct edge_weights *e = self;
    return e->random.scales(e->random.self, w, layer, out);
}

struct ir_weights program_edge_weights(struct arena *a, bool ties) {
    struct edge_weights *e = arena_one(a, struct edge_weights);
    *e = (struct edge_weights){.random = ir_weights_random(a, 1), .ties = ties};
    return (struct ir_weights){.self = e, .trits = random_trits_of, .scales = random_scales_of, .raw = raw_edges};
}

/* ---- values that are not finite ---- */

static void quant_text(struct buf *t, bool in_quant) {
    const char *first = in_quant ? "1e+38" : "1", *last = in_quant ? "1" : "1e+38";
    buf_printf(t,
               "module p {context = 64, vocab = 9, max_rows = 8}\nweight @embed : f32[9, 40]\nweight @w : trit[40, 40] "
               "scale matrix\n"
               "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, 40]\n"
               "  %%a = mulc %%x {c = %s} : f32[T, 40]\n  %%b = mulc %%a {c = %s} : f32[T, 40]\n",
               first, first);
    buf_printf(t,
               "  %%c, %%r = quant %%b : i8[T, 40], f32[T]\n  %%m = matmul %%c, @w : i32[T, 40]\n  %%y = dequant %%m, "
               "%%r, @w : f32[T, 40]\n"
               "  %%z = mulc %%y {c = %s} : f32[T, 40]\n  %%zz = mulc %%z {c = %s} : f32[T, 40]\n  %%l = live %%zz : "
               "f32[L, 40]\n"
               "  %%logits = dot %%l, @embed : f32[L, 9]\n  emit %%logits {name = logits}\n  ret\n}\n",
               last, last);
}

static void cache_text(struct buf *t) {
    buf_printf(t, "module p {context = 64, vocab = 9, max_rows = 8}\nweight @embed : f32[9, 40]\n"
                  "state @k : cache<f32>[1, 40]\nstate @v : cache<f16>[1, 40]\n"
                  "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, 40]\n"
                  "  %%a = mulc %%x {c = 1e+38} : f32[T, 40]\n  %%b = mulc %%a {c = 1e+38} : f32[T, 40]\n"
                  "  %%n = sub %%b, %%b : f32[T, 40]\n"
                  "  %%q = reshape %%x : f32[T, 1, 40]\n  %%w = reshape %%n : f32[T, 1, 40]\n"
                  "  %%k.0 = state @k : cache<f32>[1, 40]\n  %%k.1 = write %%k.0, %%q, %%rows : cache<f32>[1, 40]\n"
                  "  %%v.0 = state @v : cache<f16>[1, 40]\n  %%v.1 = write %%v.0, %%w, %%rows : cache<f16>[1, 40]\n"
                  "  %%o = attend %%q, %%k.1, %%v.1, %%rows {scale = 0.2, mask = causal} : f32[T, 1, 40]\n"
                  "  %%f = reshape %%o : f32[T, 40]\n  %%l = live %%f : f32[L, 40]\n"
                  "  %%logits = dot %%l, @embed : f32[L, 9]\n  emit %%logits {name = logits}\n  ret\n}\n");
}

void program_overflow(struct buf *t, enum program_place place) {
    if (place == IN_CACHE)
        cache_text(t);
    else
        quant_text(t, place == IN_QUANT);
}
