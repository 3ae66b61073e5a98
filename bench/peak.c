/*
 * peak.c -- see peak.h.
 *
 * A dot into 32-bit sums takes five cycles, two can begin in one: ten in flight.  A dot of two instructions, a product
 * and a sum, has the product's operand behind a fence of no instructions, each sum its own; otherwise LLVM would see
 * that all products of all rounds are one.
 */
#include "bench/peak.h"

static unsigned dots(const struct cg_level *level) { return level->mm->widen ? 6 : 12; }

enum { TURNS = 8 }; /* of the dots in a round: the loop's own instructions take their ports too */

double peak_products(const struct cg_level *level, int64_t n) {
    return (double)n * (double)dots(level) * TURNS * (double)level->mm->bytes;
}

static LLVMValueRef fence(struct cg *c, LLVMValueRef x) {
    LLVMTypeRef v = LLVMTypeOf(x), type = LLVMFunctionType(v, &v, 1, false);
    char none[] = "", same[] = "=x,0";
    LLVMValueRef f =
        LLVMGetInlineAsm(type, none, 0, same, sizeof same - 1, false, false, LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(c->b, type, f, &x, 1, "");
}

const char *peak_emit(struct cg *c) {
    const struct mm_target *t = c->level->mm;
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->i64, c->ptr}, 2, false);
    LLVMValueRef fn = cg_function(c, "peak", type, true), p = LLVMGetParam(fn, 1), acc[12], u[12];
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    unsigned n = dots(c->level);
    LLVMValueRef s = cg_load(c, mm_byte_type(c), p, 4);
    for (unsigned i = 0; i < n; i++) {
        acc[i] = cg_load(c, mm_acc_type(c), cg_at_const(c, p, (uint64_t)64 * (i + 1)), 4);
        u[i] = cg_load(c, mm_byte_type(c), cg_at_const(c, p, (uint64_t)64 * (t->widen ? i + 13 : 13)), 4);
    }
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), LLVMGetParam(fn, 0), cg_i64(c, 1), "round");
    unsigned sum[12], from[12];
    for (unsigned i = 0; i < n; i++) {
        sum[i] = cg_carry(c, &l, acc[i]);
        acc[i] = l.phi[sum[i]];
        if (!t->widen) continue;
        from[i] = cg_carry(c, &l, u[i]);
        u[i] = l.phi[from[i]];
    }
    for (unsigned i = 0; i < TURNS * n; i++) {
        if (t->widen) u[i % n] = fence(c, u[i % n]);
        acc[i % n] = t->dot(c, acc[i % n], u[i % n], s);
    }
    for (unsigned i = 0; i < n; i++) {
        cg_next(&l, sum[i], acc[i]);
        if (t->widen) cg_next(&l, from[i], u[i]);
    }
    cg_loop_end(c, &l);
    for (unsigned i = 0; i < n; i++) cg_store(c, cg_result(&l, sum[i]), cg_at_const(c, p, (uint64_t)64 * (i + 1)), 4);
    LLVMBuildRetVoid(c->b);
    return arena_strdup(c->arena, LLVMGetValueName(fn));
}
