/*
 * math_codegen_test.c -- the elementary functions as generated code against ir/num.c, bit for bit: every level of
 * this machine, a sweep over all floats (NaNs included: they must stay NaNs), all edges of the definitions.
 */
#include <math.h>

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

static const struct {
    const char *name;
    emit_fn *emit;
    scalar_fn *want;
} functions[] = {
    {"exp", cg_exp, num_exp},           {"sigmoid", cg_sigmoid, num_sigmoid}, {"silu", cg_silu, num_silu},
    {"tanh", cg_tanh, num_tanh},        {"gelu", cg_gelu, num_gelu},          {"cos", emit_cos, num_cos_of_bits},
    {"sin", emit_sin, num_sin_of_bits},
};

typedef void code(const float *x, float *y, int64_t n);

static void emit_one(struct cg *c, size_t i) {
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr, c->i64}, 3, false);
    LLVMValueRef f = jit_export(cg_function(c, functions[i].name, type, false));
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), LLVMGetParam(f, 2), cg_i64(c, CG_VL), "i");
    LLVMValueRef off = LLVMBuildMul(c->b, l.i, cg_i64(c, 4), "");
    LLVMValueRef y = functions[i].emit(c, cg_load(c, c->vf, cg_at(c, LLVMGetParam(f, 0), off), 4));
    cg_store(c, y, cg_at(c, LLVMGetParam(f, 1), off), 4);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
}

/* A scalar and a sum: other widths than CG_VL. */
static void emit_rest(struct cg *c) {
    LLVMTypeRef type = LLVMFunctionType(c->f32, &c->f32, 1, false);
    LLVMValueRef f = jit_export(cg_function(c, "exp1", type, false));
    LLVMBuildRet(c->b, cg_exp(c, LLVMGetParam(f, 0)));
    type = LLVMFunctionType(c->f32, &c->ptr, 1, false);
    f = jit_export(cg_function(c, "tree", type, false));
    LLVMValueRef total = cg_tree(c, cg_load(c, c->sf, LLVMGetParam(f, 0), 4));
    LLVMBuildRet(c->b, LLVMBuildFAdd(c->b, cg_f32(c, 0), total, ""));
}

static bool same(float a, float b) { return bits_of_f32(a) == bits_of_f32(b) || (isnan(a) && isnan(b)); }

static bool check_batch(size_t i, code *fn, const float *x, const char *level) {
    static float y[BATCH];
    fn(x, y, BATCH);
    for (size_t k = 0; k < BATCH; k++) {
        float want = functions[i].want(x[k]);
        if (same(y[k], want)) continue;
        printf("%s(%a) at %s: %a, not %a\n", functions[i].name, (double)x[k], level, (double)y[k], (double)want);
        return false;
    }
    return true;
}

/* The neighbours of every bound that a definition compares with, and of some more; both signs. */
static bool check_edges(size_t i, code *fn, const char *level) {
    static const float edges[] = {0.0f,  1e-45f, 1e-38f,           0.5f,           1.0f,
                                  20.0f, 1e30f,  SETUN_TANH_SPLIT, -SETUN_EXP_MIN, SETUN_EXP_MAX,
                                  87.0f, 88.0f,  0.34657359f,      1.0397207f};
    static float x[BATCH];
    for (size_t k = 0; k < BATCH; k++) {
        uint32_t u = bits_of_f32(edges[k / 2 % COUNT_OF(edges)]) + (uint32_t)(k / 2 / COUNT_OF(edges)) - 64;
        x[k] = f32_of_bits(k % 2 ? u | 0x80000000u : u);
    }
    return check_batch(i, fn, x, level);
}

static bool check_sweep(size_t i, code *fn, const char *level) {
    static float x[BATCH];
    for (uint32_t b = 0; b < 500; b++) {
        for (uint32_t k = 0; k < BATCH; k++) x[k] = f32_of_bits((b * BATCH + k) * 2099u);
        if (!check_batch(i, fn, x, level)) return false;
    }
    return true;
}

static void check_rest(const struct jit *j, const char *level) {
    float (*exp1)(float), (*tree)(const float *), lanes[32];
    *(void **)&exp1 = jit_symbol(j, arena_printf(j->arena, "exp1.%s", level));
    *(void **)&tree = jit_symbol(j, arena_printf(j->arena, "tree.%s", level));
    for (int i = 0; i < 32; i++) lanes[i] = num_exp((float)(i * 7 % 32) - 9.3f);
    EXPECT(same(tree(lanes), num_sum(lanes, 32)));
    for (int i = -250; i < 250; i++) EXPECT(same(exp1(0.37f * (float)i), num_exp(0.37f * (float)i)));
}

int main(void) {
    struct jit j;
    struct cg c;
    struct backend_options opt = {.pic = true};
    jit_start(&j, NULL);
    cg_open(&c, j.diag, j.arena, &opt, "math");
    for (unsigned l = 0; l < target_host()->n_levels; l++) {
        c.level = &target_host()->levels[l];
        for (size_t i = 0; i < COUNT_OF(functions); i++) emit_one(&c, i);
        emit_rest(&c);
    }
    jit_link(&j, &c);
    cg_close(&c);
    for (unsigned l = 0; l < target_host()->n_levels; l++) {
        const char *level = target_host()->levels[l].name;
        if (target_host()->levels[l].needs & ~target_host()->host_features()) continue;
        for (size_t i = 0; i < COUNT_OF(functions); i++) {
            code *fn;
            *(void **)&fn = jit_symbol(&j, arena_printf(j.arena, "%s.%s", functions[i].name, level));
            EXPECT(check_edges(i, fn, level) && check_sweep(i, fn, level));
        }
        check_rest(&j, level);
    }
    jit_end(&j);
    return expect_end();
}
