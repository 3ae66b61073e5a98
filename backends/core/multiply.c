/*
 * multiply.c -- the functions that kernels call: one row of activations goes to the core's own loop, more rows to
 * matmul_tile.c, which asks the core to unpack; and what a core makes of one row's codes beforehand.
 */
#include "backends/core/matmul.h"

static LLVMValueRef one_row_function(struct cg *c, const struct mm_shape *s) {
    LLVMValueRef fn = cg_function(c, mm_name(c, "mm_stream", s), mm_type(c), true);
    struct mm_args a = mm_params(fn);
    s->core->one_row(c, s, &a);
    LLVMBuildRetVoid(c->b);
    return fn;
}

static void call(struct cg *c, LLVMValueRef fn, LLVMValueRef from) {
    LLVMValueRef p[MM_ARGS];
    LLVMGetParams(from, p);
    LLVMBuildCall2(c->b, mm_type(c), fn, p, MM_ARGS, "");
}

static LLVMValueRef made(struct cg *c, const char *name) {
    return LLVMGetNamedFunction(c->module, arena_printf(c->arena, "%s.%s", name, c->level->name));
}

LLVMValueRef mm_function(struct cg *c, const struct mm_shape *s, LLVMTypeRef *type) {
    const char *name = mm_name(c, "mm", s);
    LLVMValueRef fn = made(c, name);
    *type = mm_type(c);
    if (fn) return fn;
    struct cg_place back = cg_place_save(c);
    LLVMValueRef stream = one_row_function(c, s), tile = mm_tile_function(c, s);
    fn = cg_function(c, name, *type, true);
    LLVMValueRef n_rows = mm_params(fn).n_rows;
    struct cg_if one, many;
    cg_if_begin(c, &one, LLVMBuildICmp(c->b, LLVMIntEQ, n_rows, cg_i64(c, 1), ""));
    call(c, stream, fn);
    cg_else(c, &one);
    cg_if_begin(c, &many, LLVMBuildICmp(c->b, LLVMIntSGT, n_rows, cg_i64(c, 1), ""));
    call(c, tile, fn);
    cg_if_end(c, &many);
    cg_if_end(c, &one);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    return fn;
}

LLVMValueRef mm_prepare_function(struct cg *c, const struct mm_shape *s, LLVMTypeRef *type) {
    const char *name = arena_printf(c->arena, "mm_prepare_%s_k%llu", s->core->name, (unsigned long long)s->K);
    LLVMValueRef fn = made(c, name);
    LLVMTypeRef in[MM_PREPARE_ARGS] = {c->ptr, c->ptr, c->ptr, c->i64, c->i64};
    *type = LLVMFunctionType(c->void_, in, MM_PREPARE_ARGS, false);
    if (fn) return fn;
    struct cg_place back = cg_place_save(c);
    fn = cg_function(c, name, *type, true);
    LLVMValueRef p[MM_PREPARE_ARGS];
    LLVMGetParams(fn, p);
    s->core->prepare(c, s->K, &(struct mm_prepare_args){p[0], p[1], p[2], p[3], p[4]});
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    return fn;
}
