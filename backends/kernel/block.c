/*
 * block.c -- rows of real weights kept in blocks, 32 elements at a time, in registers.
 *
 * Each format has groups of 32 elements (or two of 16) with one scale; codec/ draws the blocks.  The values are those
 * of real_decode: every product is exact, and Q4_K's last subtraction is one operation.
 */
#include "backends/kernel/dot.h"
#include "backends/kernel/kern.h"

enum { PART = 32 };

static LLVMValueRef shift(struct cg *c, LLVMValueRef x, LLVMValueRef by) { return LLVMBuildLShr(c->b, x, by, ""); }
static LLVMValueRef both(struct cg *c, LLVMValueRef x, LLVMValueRef y) { return LLVMBuildAnd(c->b, x, y, ""); }

/* Address `by` times `bytes` (by: i64) behind p + offset. */
static LLVMValueRef at(struct cg *c, LLVMValueRef p, uint64_t offset, LLVMValueRef by, uint64_t bytes) {
    return cg_at(c, cg_at_const(c, p, offset), LLVMBuildMul(c->b, by, cg_i64(c, bytes), ""));
}

static LLVMValueRef half(struct cg *c, LLVMValueRef p, uint64_t offset) {
    LLVMValueRef h = cg_load(c, LLVMHalfTypeInContext(c->llvm), cg_at_const(c, p, offset), 2);
    return LLVMBuildFPExt(c->b, h, c->f32, "");
}

/* n bytes, widened without sign to i32. */
static LLVMValueRef bytes(struct cg *c, LLVMValueRef p, unsigned n) {
    LLVMValueRef x = cg_load(c, LLVMVectorType(c->i8, n), p, 1);
    return LLVMBuildZExt(c->b, x, LLVMVectorType(c->i32, n), "");
}

static LLVMValueRef byte(struct cg *c, LLVMValueRef p) {
    return LLVMBuildZExt(c->b, cg_load(c, c->i8, p, 1), c->i32, "");
}

static LLVMValueRef lanes(struct cg *c, int64_t v) { return cg_splat(c, cg_i32(c, v), PART); }

/* All lanes of x >> by; by is i64. */
static LLVMValueRef shift_lanes(struct cg *c, LLVMValueRef x, LLVMValueRef by) {
    return shift(c, x, cg_splat(c, LLVMBuildTrunc(c->b, by, c->i32, ""), PART));
}

static LLVMValueRef real(struct cg *c, LLVMValueRef ints) {
    LLVMTypeRef t = LLVMGetTypeKind(LLVMTypeOf(ints)) == LLVMVectorTypeKind ? c->sf : c->f32;
    return LLVMBuildSIToFP(c->b, ints, t, "");
}

static LLVMValueRef times(struct cg *c, LLVMValueRef x, LLVMValueRef y) { return LLVMBuildFMul(c->b, x, y, ""); }

static LLVMValueRef q8_0(struct cg *c, LLVMValueRef p) {
    LLVMValueRef q = cg_load(c, LLVMVectorType(c->i8, PART), cg_at_const(c, p, 2), 1);
    q = LLVMBuildSExt(c->b, q, LLVMVectorType(c->i32, PART), "");
    return times(c, real(c, q), cg_splat(c, half(c, p, 0), PART));
}

/* Low nibbles of 16 bytes, then the high ones. */
static LLVMValueRef q4_0(struct cg *c, LLVMValueRef p) {
    LLVMValueRef q = bytes(c, cg_at_const(c, p, 2), PART / 2), lane[PART], by[PART];
    for (unsigned i = 0; i < PART; i++) {
        lane[i] = cg_i32(c, i % (PART / 2));
        by[i] = cg_i32(c, i < PART / 2 ? 0 : 4);
    }
    q = LLVMBuildShuffleVector(c->b, q, q, LLVMConstVector(lane, PART), "");
    q = both(c, shift(c, q, LLVMConstVector(by, PART)), lanes(c, 15));
    return times(c, real(c, LLVMBuildSub(c->b, q, lanes(c, 8), "")), cg_splat(c, half(c, p, 0), PART));
}

/* Six bits each of group g: scale and offset. */
static void q4_k_scale(struct cg *c, LLVMValueRef p, LLVMValueRef g, LLVMValueRef *scale, LLVMValueRef *offset) {
    LLVMValueRef first = LLVMBuildICmp(c->b, LLVMIntULT, g, cg_i64(c, 4), ""), i = both(c, g, cg_i64(c, 3)), s[3];
    for (unsigned k = 0; k < 3; k++) s[k] = byte(c, at(c, p, 4 + 4 * k, i, 1));
    for (unsigned k = 0; k < 2; k++) {
        LLVMValueRef low = k ? shift(c, s[2], cg_i32(c, 4)) : both(c, s[2], cg_i32(c, 15));
        LLVMValueRef top = LLVMBuildShl(c->b, shift(c, s[k], cg_i32(c, 6)), cg_i32(c, 4), "");
        LLVMValueRef six = both(c, s[k], cg_i32(c, 63));
        *(k ? offset : scale) = LLVMBuildSelect(c->b, first, six, LLVMBuildOr(c->b, low, top, ""), "");
    }
}

static LLVMValueRef q4_k(struct cg *c, LLVMValueRef p, LLVMValueRef g) {
    LLVMValueRef scale, offset, one = cg_i64(c, 1);
    q4_k_scale(c, p, g, &scale, &offset);
    LLVMValueRef by = times(c, half(c, p, 0), real(c, scale)), less = times(c, half(c, p, 2), real(c, offset));
    LLVMValueRef q = bytes(c, at(c, p, 16, shift(c, g, one), PART), PART);
    q = both(c, shift_lanes(c, q, LLVMBuildShl(c->b, both(c, g, one), cg_i64(c, 2), "")), lanes(c, 15));
    return LLVMBuildFSub(c->b, times(c, real(c, q), cg_splat(c, by, PART)), cg_splat(c, less, PART), "");
}

/* d times a signed byte, for each half of the lanes. */
static LLVMValueRef q6_k_scales(struct cg *c, LLVMValueRef p, LLVMValueRef g) {
    LLVMValueRef d = half(c, p, 208), by[2], lane[PART];
    for (unsigned k = 0; k < 2; k++) {
        LLVMValueRef s = LLVMBuildSExt(c->b, cg_load(c, c->i8, at(c, p, 192 + k, g, 2), 1), c->i32, "");
        by[k] = cg_splat(c, times(c, d, real(c, s)), PART / 2);
    }
    for (unsigned i = 0; i < PART; i++) lane[i] = cg_i32(c, i);
    return LLVMBuildShuffleVector(c->b, by[0], by[1], LLVMConstVector(lane, PART), "");
}

static LLVMValueRef q6_k(struct cg *c, LLVMValueRef p, LLVMValueRef g) {
    LLVMValueRef one = cg_i64(c, 1), k = both(c, g, cg_i64(c, 3)), h = shift(c, g, cg_i64(c, 2));
    LLVMValueRef low = bytes(c, at(c, at(c, p, 0, h, 64), 0, both(c, k, one), PART), PART);
    LLVMValueRef high = bytes(c, at(c, p, 128, h, PART), PART);
    low = both(c, shift_lanes(c, low, LLVMBuildShl(c->b, shift(c, k, one), cg_i64(c, 2), "")), lanes(c, 15));
    high = both(c, shift_lanes(c, high, LLVMBuildShl(c->b, k, one, "")), lanes(c, 3));
    LLVMValueRef q = LLVMBuildOr(c->b, low, LLVMBuildShl(c->b, high, lanes(c, 4), ""), "");
    return times(c, real(c, LLVMBuildSub(c->b, q, lanes(c, 32), "")), q6_k_scales(c, p, g));
}

LLVMValueRef block_part(struct cg *c, enum ir_store store, LLVMValueRef p, LLVMValueRef part) {
    switch (store) {
    case IR_STORE_Q8_0: return q8_0(c, p);
    case IR_STORE_Q4_0: return q4_0(c, p);
    case IR_STORE_Q4_K: return q4_k(c, p, part);
    case IR_STORE_Q6_K: return q6_k(c, p, part);
    case IR_STORE_TRIT:
    case IR_STORE_F32:
    case IR_STORE_F16:
    case IR_STORE_BF16:
    case IR_N_STORES: break;
    }
    BUG("storage %d has no blocks", (int)store);
}
