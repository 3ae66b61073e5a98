/*
 * topk_blocks.c -- the k largest of each block of a row, in place.
 *
 * Short blocks are not searched: the rank of an element is the number of those that come before it, all pairs compared
 * without a branch.  Longer ones are rows of their own: topk.c.
 */
#include "backends/kernel/topk.h"

/* The vector at p with lanes from `n` on as they were: they belong to the next block. */
static void store_first(struct cg *c, LLVMValueRef kept, LLVMValueRef old, LLVMValueRef p, uint64_t n) {
    LLVMValueRef lane[CG_VL];
    for (unsigned i = 0; i < CG_VL; i++) lane[i] = LLVMConstInt(c->i1, i < n, false);
    if (n < CG_VL) kept = LLVMBuildSelect(c->b, LLVMConstVector(lane, CG_VL), kept, old, "");
    cg_store(c, kept, p, 4);
}

enum { RANKED = 64 }; /* longest block whose elements are all compared with each other */

/*
 * rank of i = number of j with key j above key i, or equal and j < i.  Keys, which lie at `keys`, have the sign bit, so
 * that signed comparisons order them and there is room to add 1: above-or-equal is above after 1 is added on the left.
 */
static void rank_block(struct cg *c, LLVMValueRef y, LLVMValueRef keys, LLVMValueRef one, uint64_t n, uint64_t keep) {
    enum { MOST = RANKED / CG_VL };
    unsigned n_v = (unsigned)((n + CG_VL - 1) / CG_VL);
    LLVMValueRef key[MOST], rank[MOST], lane[CG_VL];
    for (unsigned v = 0; v < n_v; v++) {
        key[v] = cg_load(c, c->vi, cg_at_const(c, keys, 4 * CG_VL * v), 4);
        rank[v] = LLVMConstNull(c->vi);
    }
    for (uint64_t j = 0; j < n; j++) {
        LLVMValueRef other = cg_splat(c, cg_load(c, c->i32, cg_at_const(c, keys, 4 * j), 4), CG_VL);
        for (unsigned v = 0; v < n_v; v++) {
            bool behind = v * CG_VL > j; /* all of them: no addition then */
            for (unsigned i = 0; i < CG_VL; i++) lane[i] = cg_i32(c, !behind && v * CG_VL + i > j);
            LLVMValueRef left = LLVMBuildAdd(c->b, other, LLVMConstVector(lane, CG_VL), "");
            LLVMValueRef before = LLVMBuildICmp(c->b, behind ? LLVMIntSGE : LLVMIntSGT, left, key[v], "");
            LLVMValueRef more = LLVMBuildSelect(c->b, before, one, LLVMConstNull(c->vi), "");
            rank[v] = LLVMBuildAdd(c->b, rank[v], more, "");
        }
    }
    for (unsigned v = 0; v < n_v; v++) {
        LLVMValueRef p = cg_at_const(c, y, 4 * CG_VL * v), x = cg_load(c, c->vf, p, 4);
        LLVMValueRef in = LLVMBuildICmp(c->b, LLVMIntSLT, rank[v], cg_splat(c, cg_i32(c, (int64_t)keep), CG_VL), "");
        store_first(c, LLVMBuildSelect(c->b, in, x, LLVMConstNull(c->vf), ""), x, p, n - CG_VL * v);
    }
}

/* void (ptr y, i64 n, ptr keys): n elements in blocks of m, whole ones; or one of n < m. */
static void build_ranks(struct cg *c, const char *name, LLVMTypeRef type, uint64_t m, uint64_t keep) {
    struct cg_place back = cg_place_save(c);
    LLVMValueRef fn = cg_function(c, name, type, true);
    LLVMValueRef y = LLVMGetParam(fn, 0), n = LLVMGetParam(fn, 1), keys = LLVMGetParam(fn, 2);
    LLVMValueRef one = topk_one(c, LLVMBuildTrunc(c->b, n, c->i32, "")),
                 sign = cg_splat(c, cg_i32(c, INT32_MIN), CG_VL);
    struct cg_loop turn, l;
    cg_loop_begin(c, &turn, cg_i64(c, 0), n, cg_i64(c, CG_VL), "key");
    LLVMValueRef at = LLVMBuildShl(c->b, turn.i, cg_i64(c, 2), "");
    LLVMValueRef key = LLVMBuildOr(c->b, cg_load(c, c->vi, cg_at(c, y, at), 4), sign, "");
    cg_store(c, key, cg_at(c, keys, at), 4);
    cg_loop_end(c, &turn);
    cg_loop_begin(c, &l, cg_i64(c, 0), n, cg_i64(c, m), "block");
    at = LLVMBuildShl(c->b, l.i, cg_i64(c, 2), "");
    rank_block(c, cg_at(c, y, at), cg_at(c, keys, at), cg_splat(c, one, CG_VL), m, keep);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}

static void rank_blocks(struct cg *c, LLVMValueRef y, uint64_t n, uint64_t m, uint64_t keep, LLVMValueRef room) {
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i64, c->ptr}, 3, false);
    const char *name = arena_printf(c->arena, "topk.%d.of.%d", (int)keep, (int)m);
    const char *full = arena_printf(c->arena, "%s.%s", name, c->level->name);
    if (!LLVMGetNamedFunction(c->module, full)) build_ranks(c, name, type, m, keep);
    LLVMBuildCall2(c->b, type, LLVMGetNamedFunction(c->module, full), (LLVMValueRef[]){y, cg_i64(c, n), room}, 3, "");
}

/* Whole vectors of the block, then the one that reaches into the next. */
static void search_block(struct cg *c, LLVMValueRef y, uint64_t n, uint64_t keep, LLVMValueRef room) {
    uint64_t whole = n / CG_VL * CG_VL;
    struct topk_chosen s = topk_choose(c, y, n, keep, room);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, whole), cg_i64(c, CG_VL), "keep");
    LLVMValueRef p = cg_at(c, y, LLVMBuildShl(c->b, l.i, cg_i64(c, 2), ""));
    cg_store(c, topk_keep(c, s, cg_load(c, c->vf, p, 4), l.i), p, 4);
    cg_loop_end(c, &l);
    if (whole == n) return;
    p = cg_at_const(c, y, 4 * whole);
    LLVMValueRef x = cg_load(c, c->vf, p, 4);
    store_first(c, topk_keep(c, s, x, cg_i64(c, whole)), x, p, n - whole);
}

static void search_blocks(struct cg *c, LLVMValueRef y, uint64_t n, uint64_t m, uint64_t keep, LLVMValueRef room) {
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n), cg_i64(c, m), "block");
    search_block(c, cg_at(c, y, LLVMBuildShl(c->b, l.i, cg_i64(c, 2), "")), m, keep, room);
    cg_loop_end(c, &l);
}

void topk_blocks(struct cg *c, LLVMValueRef y, uint64_t n, uint64_t k, uint64_t m, LLVMValueRef room) {
    uint64_t rest = n % m, keep = (k * rest + m - 1) / m;
    void (*whole)(struct cg *, LLVMValueRef, uint64_t, uint64_t, uint64_t, LLVMValueRef) =
        m <= RANKED ? rank_blocks : search_blocks;
    whole(c, y, n - rest, m, k, room);
    if (rest)
        (rest <= RANKED ? rank_blocks : search_blocks)(c, cg_at_const(c, y, 4 * (n - rest)), rest, rest, keep, room);
}
