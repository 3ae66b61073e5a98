/*
 * cg.c -- the vocabulary that kernel skeletons are written in: constants, memory, loops, branches, functions
 * and intrinsics of LLVM's C API.  Knows no op and no machine.
 */
#include "backends/cg/cg.h"

#include <string.h>

/* ---- constants, memory ---- */

LLVMValueRef cg_i8(struct cg *c, int64_t v) { return LLVMConstInt(c->i8, (uint8_t)v, false); }

LLVMValueRef cg_i32(struct cg *c, int64_t v) { return LLVMConstInt(c->i32, (uint32_t)v, false); }

LLVMValueRef cg_i64(struct cg *c, uint64_t v) { return LLVMConstInt(c->i64, v, false); }

/* Through the bits: LLVMConstReal takes a double, and we promise every bit of the float. */
LLVMValueRef cg_f32(struct cg *c, float v) {
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return LLVMConstBitCast(LLVMConstInt(c->i32, u, false), c->f32);
}

enum { MAX_LANES = 64 };

LLVMValueRef cg_splat(struct cg *c, LLVMValueRef scalar, unsigned lanes) {
    if (lanes > MAX_LANES) BUG("splat of %u lanes", lanes);
    if (LLVMIsConstant(scalar)) {
        LLVMValueRef all[MAX_LANES];
        for (unsigned i = 0; i < lanes; i++) all[i] = scalar;
        return LLVMConstVector(all, lanes);
    }
    LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(scalar), lanes);
    LLVMValueRef one = LLVMBuildInsertElement(c->b, LLVMGetPoison(t), scalar, cg_i32(c, 0), "");
    return LLVMBuildShuffleVector(c->b, one, LLVMGetPoison(t), LLVMConstNull(LLVMVectorType(c->i32, lanes)), "");
}

LLVMValueRef cg_at(struct cg *c, LLVMValueRef base, LLVMValueRef byte_offset) {
    return LLVMBuildInBoundsGEP2(c->b, c->i8, base, &byte_offset, 1, "");
}

LLVMValueRef cg_at_const(struct cg *c, LLVMValueRef base, uint64_t byte_offset) {
    return byte_offset ? cg_at(c, base, cg_i64(c, byte_offset)) : base;
}

LLVMValueRef cg_opaque(struct cg *c, LLVMValueRef p) {
    LLVMTypeRef in = LLVMTypeOf(p), type = LLVMFunctionType(in, &in, 1, false);
    LLVMValueRef copy = LLVMGetInlineAsm(type, "", 0, "=r,0", 4, false, false, LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(c->b, type, copy, &p, 1, "");
}

LLVMValueRef cg_load(struct cg *c, LLVMTypeRef t, LLVMValueRef p, unsigned align) {
    LLVMValueRef v = LLVMBuildLoad2(c->b, t, p, "");
    LLVMSetAlignment(v, align);
    return v;
}

void cg_store(struct cg *c, LLVMValueRef v, LLVMValueRef p, unsigned align) {
    LLVMSetAlignment(LLVMBuildStore(c->b, v, p), align);
}

/* LLVM would go on with the instruction's line. */
static void before(struct cg *c, LLVMValueRef instruction) {
    LLVMMetadataRef line = LLVMGetCurrentDebugLocation2(c->b);
    LLVMPositionBuilderBefore(c->b, instruction);
    LLVMSetCurrentDebugLocation2(c->b, line);
}

LLVMValueRef cg_alloca(struct cg *c, LLVMTypeRef t, const char *name) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(c->b), entry = LLVMGetEntryBasicBlock(c->fn);
    LLVMValueRef first = LLVMGetFirstInstruction(entry);
    if (first)
        before(c, first);
    else
        LLVMPositionBuilderAtEnd(c->b, entry);
    LLVMValueRef v = LLVMBuildAlloca(c->b, t, name);
    LLVMPositionBuilderAtEnd(c->b, here);
    return v;
}

LLVMValueRef cg_ctx(struct cg *c, LLVMValueRef ctx, LLVMTypeRef t, size_t offset) {
    return cg_load(c, t, cg_at_const(c, ctx, offset), t == c->i32 ? 4 : 8);
}

/* ---- intrinsics ---- */

enum { MAX_ARGS = 8 };

LLVMValueRef cg_intrinsic(struct cg *c, const char *name, LLVMTypeRef *overload, unsigned n_overload,
                          LLVMValueRef *args, unsigned n) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (!id || n > MAX_ARGS) BUG("this LLVM has no intrinsic '%s' of %u operands", name, n);
    LLVMTypeRef type = LLVMIntrinsicGetType(c->llvm, id, overload, n_overload), want[MAX_ARGS];
    if (LLVMCountParamTypes(type) != n) BUG("'%s' takes %u operands, not %u", name, LLVMCountParamTypes(type), n);
    LLVMGetParamTypes(type, want);
    LLVMValueRef given[MAX_ARGS];
    for (unsigned i = 0; i < n; i++)
        given[i] = LLVMTypeOf(args[i]) == want[i] ? args[i] : LLVMBuildBitCast(c->b, args[i], want[i], "");
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(c->module, id, overload, n_overload);
    return LLVMBuildCall2(c->b, type, f, given, n, "");
}

LLVMValueRef cg_fma(struct cg *c, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc) {
    LLVMTypeRef t = LLVMTypeOf(a);
    return cg_intrinsic(c, "llvm.fma", &t, 1, (LLVMValueRef[]){a, b, acc}, 3);
}

void cg_prefetch(struct cg *c, LLVMValueRef p, unsigned level) {
    LLVMValueRef args[] = {p, cg_i32(c, 0) /* read */, cg_i32(c, 3 - (int64_t)level) /* locality */,
                           cg_i32(c, 1) /* data */};
    cg_intrinsic(c, "llvm.prefetch", &c->ptr, 1, args, 4);
}

/* ---- control ---- */

static LLVMBasicBlockRef block_new(struct cg *c, const char *name) {
    return LLVMAppendBasicBlockInContext(c->llvm, c->fn, name);
}

void cg_loop_begin(struct cg *c, struct cg_loop *l, LLVMValueRef from, LLVMValueRef to, LLVMValueRef step,
                   const char *name) {
    *l = (struct cg_loop){.pre = LLVMGetInsertBlock(c->b), .to = to, .step = step};
    l->body = block_new(c, name);
    l->exit = block_new(c, "end");
    LLVMValueRef any = LLVMBuildICmp(c->b, LLVMIntSLT, from, to, "");
    LLVMBuildCondBr(c->b, any, l->body, l->exit);
    LLVMPositionBuilderAtEnd(c->b, l->body);
    l->i = LLVMBuildPhi(c->b, LLVMTypeOf(from), name);
    LLVMAddIncoming(l->i, &from, &l->pre, 1);
}

unsigned cg_carry(struct cg *c, struct cg_loop *l, LLVMValueRef init) {
    if (l->n == CG_CARRY_MAX) BUG("more than %d values in a loop", CG_CARRY_MAX);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(c->b);
    before(c, l->i);
    unsigned slot = l->n++;
    l->init[slot] = init;
    l->phi[slot] = LLVMBuildPhi(c->b, LLVMTypeOf(init), "");
    LLVMAddIncoming(l->phi[slot], &init, &l->pre, 1);
    LLVMPositionBuilderAtEnd(c->b, here);
    return slot;
}

void cg_next(struct cg_loop *l, unsigned slot, LLVMValueRef v) { l->next[slot] = v; }

/* The next i: the block that the builder stands in is the last of the body. */
static LLVMValueRef step_on(struct cg *c, struct cg_loop *l) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(c->b);
    LLVMValueRef i = LLVMBuildNSWAdd(c->b, l->i, l->step, "");
    LLVMAddIncoming(l->i, &i, &last, 1);
    return i;
}

static void loop_end(struct cg *c, struct cg_loop *l, LLVMValueRef more) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(c->b);
    LLVMBuildCondBr(c->b, more, l->body, l->exit);
    LLVMMoveBasicBlockAfter(l->exit, last);
    LLVMPositionBuilderAtEnd(c->b, l->exit);
    for (unsigned s = 0; s < l->n; s++) {
        if (!l->next[s]) BUG("carried value %u of a loop has no next", s);
        LLVMAddIncoming(l->phi[s], &l->next[s], &last, 1);
        LLVMValueRef out = LLVMBuildPhi(c->b, LLVMTypeOf(l->init[s]), "");
        LLVMAddIncoming(out, (LLVMValueRef[]){l->init[s], l->next[s]}, (LLVMBasicBlockRef[]){l->pre, last}, 2);
        l->next[s] = out;
    }
}

void cg_loop_end(struct cg *c, struct cg_loop *l) {
    loop_end(c, l, LLVMBuildICmp(c->b, LLVMIntSLT, step_on(c, l), l->to, ""));
}

void cg_loop_end_if(struct cg *c, struct cg_loop *l, LLVMValueRef more) {
    step_on(c, l);
    loop_end(c, l, more);
}

LLVMValueRef cg_result(const struct cg_loop *l, unsigned slot) { return l->next[slot]; }

void cg_if_begin(struct cg *c, struct cg_if *s, LLVMValueRef cond) {
    s->has_else = false;
    s->then = block_new(c, "then");
    s->els = block_new(c, "else");
    s->exit = block_new(c, "fi");
    LLVMBuildCondBr(c->b, cond, s->then, s->els);
    LLVMPositionBuilderAtEnd(c->b, s->then);
}

static LLVMBasicBlockRef branch_end(struct cg *c, struct cg_if *s) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(c->b);
    LLVMBuildBr(c->b, s->exit);
    return last;
}

void cg_else(struct cg *c, struct cg_if *s) {
    s->then = branch_end(c, s);
    s->has_else = true;
    LLVMMoveBasicBlockAfter(s->els, s->then);
    LLVMPositionBuilderAtEnd(c->b, s->els);
}

void cg_if_end(struct cg *c, struct cg_if *s) {
    if (!s->has_else) cg_else(c, s);
    s->els = branch_end(c, s);
    LLVMMoveBasicBlockAfter(s->exit, s->els);
    LLVMPositionBuilderAtEnd(c->b, s->exit);
}

LLVMValueRef cg_phi(struct cg *c, const struct cg_if *s, LLVMValueRef then, LLVMValueRef els) {
    LLVMValueRef v = LLVMBuildPhi(c->b, LLVMTypeOf(then), "");
    LLVMAddIncoming(v, (LLVMValueRef[]){then, els}, (LLVMBasicBlockRef[]){s->then, s->els}, 2);
    return v;
}

/* ---- functions ---- */

static const LLVMAttributeIndex ON_FUNCTION = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;

static void attribute(struct cg *c, LLVMValueRef fn, const char *key, const char *value) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(c->llvm, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(fn, ON_FUNCTION, a);
}

static void flag(struct cg *c, LLVMValueRef fn, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    if (!kind) BUG("this LLVM has no attribute '%s'", name);
    LLVMAddAttributeAtIndex(fn, ON_FUNCTION, LLVMCreateEnumAttribute(c->llvm, kind, 0));
}

LLVMValueRef cg_function(struct cg *c, const char *name, LLVMTypeRef type, bool noinline) {
    c->fn = LLVMAddFunction(c->module, arena_printf(c->arena, "%s.%s", name, c->level->name), type);
    LLVMSetLinkage(c->fn, LLVMInternalLinkage);
    attribute(c, c->fn, "target-cpu", c->level->cpu);
    attribute(c, c->fn, "target-features", c->level->features);
    flag(c, c->fn, "nounwind");
    if (noinline) flag(c, c->fn, "noinline");
    LLVMPositionBuilderAtEnd(c->b, block_new(c, "entry"));
    c->lines.scope = NULL;
    LLVMSetCurrentDebugLocation2(c->b, NULL);
    return c->fn;
}

struct cg_place cg_place_save(const struct cg *c) {
    return (struct cg_place){.fn = c->fn,
                             .block = LLVMGetInsertBlock(c->b),
                             .scope = c->lines.scope,
                             .line = LLVMGetCurrentDebugLocation2(c->b)};
}

void cg_place_restore(struct cg *c, struct cg_place p) {
    c->fn = p.fn;
    if (p.block) LLVMPositionBuilderAtEnd(c->b, p.block);
    c->lines.scope = p.scope;
    LLVMSetCurrentDebugLocation2(c->b, p.line);
}

uint64_t cg_scratch(struct cg *c, uint64_t *used, uint64_t bytes) {
    uint64_t at = *used;
    *used = at + ((bytes + 63) & ~(uint64_t)63);
    if (*used > c->scratch_bytes) c->scratch_bytes = *used;
    return at;
}
