/*
 * math_codegen_test.c -- the elementary functions, conversions, quotients and products of the contract as generated
 * code against ir/num.c and C, bit for bit: every level of this machine, a sweep over all floats (NaNs included: they
 * must stay NaNs), all edges of the definitions.
 *
 *   math_codegen_test [CPU]      of an emulated CPU (jit.h) instead, with fewer floats
 */
#include <math.h>

#include "backends/kernel/cache.h"
#include "backends/kernel/dot.h"
#include "backends/target.h"
#include "base/check.h"
#include "base/file.h"
#include "ir/num.h"
#include "runtime/contract.h"
#include "test/unit/expect.h"
#include "test/unit/jit.h"

enum { BATCH = 4096 };

typedef LLVMValueRef emit_fn(struct cg *c, LLVMValueRef x);
typedef float scalar_fn(float x);

static LLVMValueRef emit_cos(struct cg *c, LLVMValueRef x) {
    LLVMValueRef cos, sin;
    cg_cossin(c, LLVMBuildBitCast(c->b, x, c->vi, ""), &cos, &sin);
    return cos;
}

static LLVMValueRef emit_sin(struct cg *c, LLVMValueRef x) {
    LLVMValueRef cos, sin;
    cg_cossin(c, LLVMBuildBitCast(c->b, x, c->vi, ""), &cos, &sin);
    return sin;
}

static float num_cos_of_bits(float x) {
    float c, s;
    num_cossin(bits_of_f32(x), &c, &s);
    return c;
}

static float num_sin_of_bits(float x) {
    float c, s;
    num_cossin(bits_of_f32(x), &c, &s);
    return s;
}

/* ---- conversions ---- */

/* Through a cache of f16. */
static LLVMValueRef emit_to_f16(struct cg *c, LLVMValueRef x) {
    struct ir_state cache = {.elem = IR_CACHE_F16};
    LLVMValueRef room = cg_alloca(c, c->vf, "room");
    cache_store(c, &cache, x, room);
    return cache_load(c, &cache, room, CG_VL, NULL);
}

static float num_to_f16(float x) { return num_of_f16(num_f16(x)); }

/* The NaN that an operation makes has another sign on x86 than on ARM, which no cache may show. */
static LLVMValueRef emit_nan_to_f16(struct cg *c, LLVMValueRef x) {
    return emit_to_f16(c, LLVMBuildFMul(c->b, x, LLVMConstNull(c->vf), ""));
}

static float num_nan_to_f16(float x) { return num_to_f16(x * 0.0f); }

/* Of weights, the low halves of x. */
static LLVMValueRef emit_of(struct cg *c, LLVMValueRef x, enum ir_store store) {
    LLVMTypeRef halves = LLVMVectorType(c->i16, CG_VL);
    LLVMValueRef room = cg_alloca(c, halves, "room");
    cg_store(c, LLVMBuildTrunc(c->b, LLVMBuildBitCast(c->b, x, c->vi, ""), halves, ""), room, 2);
    return dot_load(c, store, room, CG_VL);
}

static LLVMValueRef emit_of_f16(struct cg *c, LLVMValueRef x) { return emit_of(c, x, IR_STORE_F16); }
static LLVMValueRef emit_of_bf16(struct cg *c, LLVMValueRef x) { return emit_of(c, x, IR_STORE_BF16); }
static float num_of_low_f16(float x) { return num_of_f16((uint16_t)bits_of_f32(x)); }
static float num_of_low_bf16(float x) { return num_of_bf16((uint16_t)bits_of_f32(x)); }

static LLVMValueRef emit_of_int(struct cg *c, LLVMValueRef x) {
    return LLVMBuildSIToFP(c->b, LLVMBuildBitCast(c->b, x, c->vi, ""), c->vf, "");
}

static float of_int(float x) { return (float)(int32_t)bits_of_f32(x); }

/* ---- one operation, or two: neither estimates nor products that are not rounded ---- */

static LLVMValueRef emit_root(struct cg *c, LLVMValueRef x) {
    LLVMValueRef root = cg_intrinsic(c, "llvm.sqrt", &c->vf, 1, &x, 1);
    return LLVMBuildFDiv(c->b, cg_splat(c, cg_f32(c, 1), CG_VL), root, "");
}

static float root(float x) { return 1.0f / sqrtf(x); }

static LLVMValueRef emit_sum(struct cg *c, LLVMValueRef x) {
    return LLVMBuildFAdd(c->b, LLVMBuildFMul(c->b, x, x, ""), x, "");
}

static float sum(float x) { return x * x + x; }

static LLVMValueRef emit_fma(struct cg *c, LLVMValueRef x) { return cg_fma(c, x, x, x); }

static float fused(float x) { return fmaf(x, x, x); }

static const struct {
    const char *name;
    emit_fn *emit;
    scalar_fn *want;
} functions[] = {
    {"exp", cg_exp, num_exp},
    {"sigmoid", cg_sigmoid, num_sigmoid},
    {"silu", cg_silu, num_silu},
    {"tanh", cg_tanh, num_tanh},
    {"gelu", cg_gelu, num_gelu},
    {"cos", emit_cos, num_cos_of_bits},
    {"sin", emit_sin, num_sin_of_bits},
    {"to_f16", emit_to_f16, num_to_f16},
    {"nan_to_f16", emit_nan_to_f16, num_nan_to_f16},
    {"of_f16", emit_of_f16, num_of_low_f16},
    {"of_bf16", emit_of_bf16, num_of_low_bf16},
    {"of_int", emit_of_int, of_int},
    {"root", emit_root, root},
    {"sum", emit_sum, sum},
    {"fma", emit_fma, fused},
};

/* ---- code ---- */

/* void name(x, y, n): y[i] = f(x[i]), `lanes` at a time. */
static void emit_loop(struct cg *c, const char *name, emit_fn *f, unsigned lanes) {
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr, c->i64}, 3, false);
    LLVMValueRef fn = jit_export(cg_function(c, name, type, false));
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), LLVMGetParam(fn, 2), cg_i64(c, lanes), "i");
    LLVMValueRef off = LLVMBuildMul(c->b, l.i, cg_i64(c, 4), "");
    LLVMValueRef y = f(c, cg_load(c, lanes == 1 ? c->f32 : c->vf, cg_at(c, LLVMGetParam(fn, 0), off), 4));
    cg_store(c, y, cg_at(c, LLVMGetParam(fn, 1), off), 4);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
}

/* Other widths than CG_VL: a scalar, and the sum of 32 lanes. */
static void emit_rest(struct cg *c) {
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr}, 2, false);
    emit_loop(c, "exp1", cg_exp, 1);
    LLVMValueRef f = jit_export(cg_function(c, "tree", type, false));
    LLVMValueRef total = cg_tree(c, cg_load(c, c->sf, LLVMGetParam(f, 0), 4));
    cg_store(c, LLVMBuildFAdd(c->b, cg_f32(c, 0), total, ""), LLVMGetParam(f, 1), 4);
    LLVMBuildRetVoid(c->b);
}

/* ---- runs ---- */

struct run {
    const struct jit *j;
    const char *level;
    float *x, *y; /* BATCH each, where code sees them */
    uint32_t batches;
};

static void call(const struct run *r, const char *name, uint64_t n) {
    void *fn = jit_symbol(r->j, arena_printf(r->j->arena, "%s.%s", name, r->level));
    jit_call(r->j, fn, JIT_P(r->x), JIT_P(r->y), n);
}

static bool same(float a, float b) { return bits_of_f32(a) == bits_of_f32(b) || (isnan(a) && isnan(b)); }

static bool check_batch(const struct run *r, const char *name, scalar_fn *f) {
    call(r, name, BATCH);
    for (size_t k = 0; k < BATCH; k++) {
        float want = f(r->x[k]);
        if (same(r->y[k], want)) continue;
        printf("%s(%a) at %s: %a, not %a\n", name, (double)r->x[k], r->level, (double)r->y[k], (double)want);
        return false;
    }
    return true;
}

/* Around what the exponential's reduction rounds: halves of its base, ties among them. */
static bool check_halves(const struct run *r, const char *name, scalar_fn *f) {
    for (uint32_t k = 0; k < BATCH; k++) {
        float half = (float)(((double)(k / 16) - 127.5) * 0.6931471805599453);
        r->x[k] = f32_of_bits(bits_of_f32(half) + k % 16 - 8);
    }
    return check_batch(r, name, f);
}

/* The neighbours of every bound that a definition compares with, and of some more; both signs. */
static bool check_edges(const struct run *r, const char *name, scalar_fn *f) {
    static const float edges[] = {0.0f,        1e-45f,       1e-38f,         0.5f,          1.0f,
                                  20.0f,       1e30f,        INFINITY,       87.0f,         88.0f,
                                  0.34657359f, 1.0397207f,   -SETUN_EXP_MIN, SETUN_EXP_MAX, SETUN_TANH_SPLIT,
                                  0x1p-25f,    0x1.8p-24f,   0x1p-14f,       0x1.ffcp-15f,  SETUN_F16_MAX,
                                  65520.0f,    1 + 0x1p-11f, 1 + 0x1.8p-10f, 0x1p24f,       0x1p31f};
    enum { N = COUNT_OF(edges), AROUND = BATCH / 2 / N / 2 };
    for (uint32_t k = 0; k < BATCH; k++) {
        uint32_t u = bits_of_f32(edges[k / 2 % N]) + k / 2 / N - AROUND;
        r->x[k] = f32_of_bits(k % 2 ? u | 0x80000000u : u);
    }
    return check_batch(r, name, f) && check_halves(r, name, f);
}

/* Floats of all bits, in steps that are odd, so that all low halves come by too. */
static bool check_sweep(const struct run *r, const char *name, scalar_fn *f) {
    uint32_t step = UINT32_MAX / (r->batches * BATCH) | 1;
    for (uint32_t b = 0; b < r->batches; b++) {
        for (uint32_t k = 0; k < BATCH; k++) r->x[k] = f32_of_bits((b * BATCH + k) * step);
        if (!check_batch(r, name, f)) return false;
    }
    return true;
}

static void check_rest(const struct run *r) {
    for (int i = 0; i < 32; i++) r->x[i] = num_exp((float)(i * 7 % 32) - 9.3f);
    call(r, "tree", 0);
    EXPECT(same(*r->y, num_sum(r->x, 32)));
    EXPECT(check_edges(r, "exp1", num_exp));
}

int main(int argc, char **argv) {
    struct jit j;
    struct cg c;
    jit_start(&j, argc > 1 ? argv[1] : NULL);
    struct run r = {.j = &j, .x = jit_take(&j, 4 * BATCH), .y = jit_take(&j, 4 * BATCH), .batches = j.cpu ? 24 : 300};
    cg_open(&c, j.diag, j.arena, &(struct backend_options){.target = j.target->name, .pic = true}, "math");
    for (const struct cg_level *l = NULL; (l = jit_level(&j, l));) {
        c.level = l;
        for (size_t i = 0; i < COUNT_OF(functions); i++) emit_loop(&c, functions[i].name, functions[i].emit, CG_VL);
        emit_rest(&c);
    }
    jit_link(&j, &c);
    cg_close(&c);
    for (const struct cg_level *l = NULL; (l = jit_level(&j, l));) {
        r.level = l->name;
        for (size_t i = 0; i < COUNT_OF(functions); i++)
            EXPECT(check_edges(&r, functions[i].name, functions[i].want) &&
                   check_sweep(&r, functions[i].name, functions[i].want));
        check_rest(&r);
    }
    jit_end(&j);
    return expect_end();
}
