/*
 * math.c -- the elementary functions of docs/numerics.md as LLVM IR, on f32 scalars or vectors of any length.
 *
 * Each function is its namesake of ir/num.c, operation by operation and comparison by comparison, so that a NaN
 * goes the same way too.  Branches become selects.
 */
#include "backends/cg/cg.h"
#include "base/check.h"
#include "runtime/contract.h"

/* ---- constants and types of the shape of x ---- */

static unsigned lanes_of(LLVMValueRef x) {
    LLVMTypeRef t = LLVMTypeOf(x);
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 0;
}

static LLVMTypeRef shaped(LLVMValueRef x, LLVMTypeRef elem) {
    unsigned n = lanes_of(x);
    return n ? LLVMVectorType(elem, n) : elem;
}

static LLVMValueRef spread(struct cg *c, LLVMValueRef x, LLVMValueRef scalar) {
    unsigned n = lanes_of(x);
    return n ? cg_splat(c, scalar, n) : scalar;
}

static LLVMValueRef num(struct cg *c, LLVMValueRef x, float v) { return spread(c, x, cg_f32(c, v)); }

static LLVMValueRef bits(struct cg *c, LLVMValueRef x, uint32_t v) { return spread(c, x, cg_i32(c, v)); }

static LLVMValueRef one_float(struct cg *c, const char *name, LLVMValueRef x) {
    LLVMTypeRef t = LLVMTypeOf(x);
    return cg_intrinsic(c, name, &t, 1, &x, 1);
}

static LLVMValueRef pick(struct cg *c, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b, LLVMValueRef yes,
                         LLVMValueRef no) {
    return LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, p, a, b, ""), yes, no, "");
}

/* co[n-1] x^(n-1) + ... + co[0], one fma a step. */
static LLVMValueRef horner(struct cg *c, const float *co, size_t n, LLVMValueRef x) {
    LLVMValueRef p = num(c, x, co[n - 1]);
    for (size_t i = n - 1; i-- > 0;) p = cg_fma(c, p, x, num(c, x, co[i]));
    return p;
}
#define HORNER(c, co, x) horner((c), (co), COUNT_OF(co), (x))

/* ---- exp and its family ---- */

/* 2^e as a float, -126 <= e <= 127 */
static LLVMValueRef pow2(struct cg *c, LLVMValueRef e) {
    LLVMValueRef biased = LLVMBuildAdd(c->b, e, bits(c, e, 127), "");
    LLVMValueRef u = LLVMBuildShl(c->b, biased, bits(c, e, 23), "");
    return LLVMBuildBitCast(c->b, u, shaped(e, c->f32), "");
}

LLVMValueRef cg_exp(struct cg *c, LLVMValueRef x) {
    static const float co[] = {SETUN_EXP_R}; /* from t^2 up */
    LLVMValueRef zero = num(c, x, 0.0f), top = num(c, x, SETUN_EXP_MAX);
    LLVMValueRef under = LLVMBuildFCmp(c->b, LLVMRealOLT, x, num(c, x, SETUN_EXP_MIN), "");
    x = LLVMBuildSelect(c->b, under, zero, x, ""); /* keeps the conversion below in range */
    x = pick(c, LLVMRealOGT, x, top, top, x);
    LLVMValueRef n = one_float(c, "llvm.roundeven", LLVMBuildFMul(c->b, x, num(c, x, SETUN_LOG2E), ""));
    LLVMValueRef t = cg_fma(c, n, num(c, x, -SETUN_LN2_HI), x);
    t = cg_fma(c, n, num(c, x, -SETUN_LN2_LO), t);
    LLVMValueRef p = cg_fma(c, LLVMBuildFMul(c->b, t, t, ""), HORNER(c, co, t), t);
    p = LLVMBuildFAdd(c->b, num(c, x, 1.0f), p, "");
    /* A NaN has no integer; the freeze makes it some integer, and p carries the NaN on. */
    LLVMValueRef k = LLVMBuildFreeze(c->b, LLVMBuildFPToSI(c->b, n, shaped(x, c->i32), ""), "");
    LLVMValueRef a = LLVMBuildAShr(c->b, k, bits(c, k, 1), "");
    LLVMValueRef b = LLVMBuildSub(c->b, k, a, "");
    p = LLVMBuildFMul(c->b, p, pow2(c, a), "");
    p = LLVMBuildFMul(c->b, p, pow2(c, b), "");
    return LLVMBuildSelect(c->b, under, zero, p, "");
}

/* 1 + exp(-x) */
static LLVMValueRef logistic_base(struct cg *c, LLVMValueRef x) {
    return LLVMBuildFAdd(c->b, num(c, x, 1.0f), cg_exp(c, LLVMBuildFNeg(c->b, x, "")), "");
}

LLVMValueRef cg_sigmoid(struct cg *c, LLVMValueRef x) {
    return LLVMBuildFDiv(c->b, num(c, x, 1.0f), logistic_base(c, x), "");
}

LLVMValueRef cg_silu(struct cg *c, LLVMValueRef x) { return LLVMBuildFDiv(c->b, x, logistic_base(c, x), ""); }

LLVMValueRef cg_tanh(struct cg *c, LLVMValueRef x) {
    static const float co[] = {SETUN_TANH_C};
    LLVMTypeRef ft = LLVMTypeOf(x), it = shaped(x, c->i32);
    LLVMValueRef a = one_float(c, "llvm.fabs", x);
    LLVMValueRef small = LLVMBuildFCmp(c->b, LLVMRealOLT, a, num(c, x, SETUN_TANH_SPLIT), "");
    LLVMValueRef z = LLVMBuildFMul(c->b, x, x, "");
    LLVMValueRef near = cg_fma(c, LLVMBuildFMul(c->b, x, z, ""), HORNER(c, co, z), x);

    LLVMValueRef top = num(c, x, SETUN_TANH_MAX), one = num(c, x, 1.0f), two = num(c, x, 2.0f);
    LLVMValueRef b = pick(c, LLVMRealOGT, a, top, top, a);
    LLVMValueRef e = LLVMBuildFAdd(c->b, cg_exp(c, LLVMBuildFMul(c->b, two, b, "")), one, "");
    LLVMValueRef r = LLVMBuildFSub(c->b, one, LLVMBuildFDiv(c->b, two, e, ""), "");
    LLVMValueRef sign = LLVMBuildAnd(c->b, LLVMBuildBitCast(c->b, x, it, ""), bits(c, x, 0x80000000u), "");
    LLVMValueRef u = LLVMBuildAnd(c->b, LLVMBuildBitCast(c->b, r, it, ""), bits(c, x, 0x7fffffffu), "");
    LLVMValueRef far = LLVMBuildBitCast(c->b, LLVMBuildOr(c->b, u, sign, ""), ft, "");
    return LLVMBuildSelect(c->b, small, near, far, "");
}

LLVMValueRef cg_gelu(struct cg *c, LLVMValueRef x) {
    LLVMValueRef bx = LLVMBuildFMul(c->b, num(c, x, SETUN_GELU_B), x, "");
    LLVMValueRef inner = cg_fma(c, bx, LLVMBuildFMul(c->b, x, x, ""), x);
    LLVMValueRef t = cg_tanh(c, LLVMBuildFMul(c->b, num(c, x, SETUN_GELU_A), inner, ""));
    LLVMValueRef half = LLVMBuildFMul(c->b, num(c, x, 0.5f), x, "");
    return LLVMBuildFMul(c->b, half, LLVMBuildFAdd(c->b, num(c, x, 1.0f), t, ""), "");
}

/* ---- cos and sin of a phase ---- */

void cg_cossin(struct cg *c, LLVMValueRef u, LLVMValueRef *cos_out, LLVMValueRef *sin_out) {
    static const float sc[] = {SETUN_SIN_C}, cc[] = {SETUN_COS_C};
    LLVMTypeRef ft = shaped(u, c->f32), it = LLVMTypeOf(u);
    LLVMValueRef n = LLVMBuildLShr(c->b, LLVMBuildAdd(c->b, u, bits(c, u, 1u << 29), ""), bits(c, u, 30), "");
    LLVMValueRef r = LLVMBuildSub(c->b, u, LLVMBuildShl(c->b, n, bits(c, u, 30), ""), "");
    LLVMValueRef t = LLVMBuildFMul(c->b, LLVMBuildSIToFP(c->b, r, ft, ""), num(c, u, SETUN_TURN), "");
    LLVMValueRef z = LLVMBuildFMul(c->b, t, t, "");
    LLVMValueRef sin = cg_fma(c, LLVMBuildFMul(c->b, t, z, ""), HORNER(c, sc, z), t);
    LLVMValueRef flat = cg_fma(c, z, num(c, u, -0.5f), num(c, u, 1.0f));
    LLVMValueRef cos = cg_fma(c, LLVMBuildFMul(c->b, z, z, ""), HORNER(c, cc, z), flat);
    /* Odd quadrants swap; cos is negative in 1 and 2, sin in 2 and 3: bit 1 of n + 1, and of n. */
    LLVMValueRef odd = LLVMBuildICmp(c->b, LLVMIntNE, LLVMBuildAnd(c->b, n, bits(c, u, 1), ""), bits(c, u, 0), "");
    LLVMValueRef from[2] = {LLVMBuildSelect(c->b, odd, sin, cos, ""), LLVMBuildSelect(c->b, odd, cos, sin, "")};
    LLVMValueRef turn[2] = {LLVMBuildAdd(c->b, n, bits(c, u, 1), ""), n};
    LLVMValueRef *to[2] = {cos_out, sin_out};
    for (int i = 0; i < 2; i++) {
        LLVMValueRef neg = LLVMBuildShl(c->b, LLVMBuildAnd(c->b, turn[i], bits(c, u, 2), ""), bits(c, u, 30), "");
        LLVMValueRef flipped = LLVMBuildXor(c->b, LLVMBuildBitCast(c->b, from[i], it, ""), neg, "");
        *to[i] = LLVMBuildBitCast(c->b, flipped, ft, "");
    }
}

/* ---- sums ---- */

static LLVMValueRef lanes_from(struct cg *c, LLVMValueRef v, unsigned first, unsigned n) {
    LLVMValueRef at[32];
    for (unsigned i = 0; i < n; i++) at[i] = cg_i32(c, first + i);
    return LLVMBuildShuffleVector(c->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(at, n), "");
}

LLVMValueRef cg_tree(struct cg *c, LLVMValueRef v) {
    for (unsigned half = lanes_of(v) / 2; half >= 1; half /= 2)
        v = LLVMBuildFAdd(c->b, lanes_from(c, v, 0, half), lanes_from(c, v, half, half), "");
    return LLVMBuildExtractElement(c->b, v, cg_i32(c, 0), "");
}
