/*
 * topk.c -- the k largest magnitudes of a row: which ones they are, exactly, the lower index first among equals.
 *
 * Keys are the 31 bits of |x|, in two halves of 16 and 15 bits, so that twice as many are compared at a time.  The
 * k-th largest upper half is found by halving an interval: a pass over the row counts the keys at or above the middle.
 * Among the keys of that upper half, mostly a few, the lower half is found the same way in those pieces of the row that
 * hold one; and if the k-th key has equals, a last pass finds the index up to which they are kept.  Often the first
 * search meets a bound with exactly k keys above it, and is the last.
 *
 *   i64 topk(ptr x, i64 n, i64 k, ptr room)       1 <= k <= n <= IR_MAX_K
 *
 * gives t << 32 | last: element i is kept if its key is above t, or is t and i <= last.  Reads x up to a multiple
 * of 32.
 */
#include "backends/kernel/topk.h"

enum {
    LANES = 64,   /* halves that are counted together */
    PACK = 32,    /* keys that are split together */
    WINDOW = 2048 /* upper halves in 8 powers of two: the first guess is that the threshold is not further below the
                     largest, as it is for most rows */
};

static LLVMTypeRef half_type(struct cg *c, unsigned n) { return LLVMVectorType(c->i16, n); }

static LLVMValueRef splat16(struct cg *c, LLVMValueRef i32, unsigned n) {
    return cg_splat(c, LLVMBuildTrunc(c->b, i32, c->i16, ""), n);
}

static LLVMValueRef half_at(struct cg *c, LLVMValueRef base, LLVMValueRef i) {
    return cg_at(c, base, LLVMBuildShl(c->b, i, cg_i64(c, 1), ""));
}

static LLVMValueRef round_up(struct cg *c, LLVMValueRef n, uint64_t to) {
    LLVMValueRef up = LLVMBuildAdd(c->b, n, cg_i64(c, to - 1), "");
    return LLVMBuildAnd(c->b, up, cg_i64(c, ~(to - 1)), "");
}

/* 0, 1, 2 ... as <n x i32> */
static LLVMValueRef iota(struct cg *c, unsigned n) {
    LLVMValueRef lane[PACK];
    for (unsigned i = 0; i < n; i++) lane[i] = cg_i32(c, i);
    return LLVMConstVector(lane, n);
}

static LLVMValueRef to_i32(struct cg *c, LLVMValueRef i64) { return LLVMBuildTrunc(c->b, i64, c->i32, ""); }

/* Where masks have registers of their own, adding a 1 that is not known to be one keeps LLVM from making a vector of
 * the mask: an addition under a mask is less. */
LLVMValueRef topk_one(struct cg *c, LLVMValueRef n) {
    if (!c->level->masks) return cg_i32(c, 1);
    return cg_intrinsic(c, "llvm.umin", &c->i32, 1, (LLVMValueRef[]){n, cg_i32(c, 1)}, 2);
}

/* ---- one row: what the passes share ---- */

/* A row of keys.  upper: upper halves with the top bit turned, so that signed comparisons order them. */
struct row {
    LLVMValueRef x, n, one; /* one: see topk_one */
    LLVMValueRef upper, lower, from;
};

/* Halves in a row: behind n, up to a multiple of LANES, there is the least.  end: that multiple. */
struct halves {
    LLVMValueRef at, end;
};

/* Keys of PACK elements from i on, and which of them are elements. */
static LLVMValueRef keys_at(struct cg *c, const struct row *r, LLVMValueRef i, LLVMValueRef *inside) {
    LLVMTypeRef type = LLVMVectorType(c->i32, PACK);
    LLVMValueRef bits = cg_load(c, type, cg_at(c, r->x, LLVMBuildShl(c->b, i, cg_i64(c, 2), "")), 4);
    LLVMValueRef left = to_i32(c, LLVMBuildSub(c->b, r->n, i, ""));
    *inside = LLVMBuildICmp(c->b, LLVMIntSLT, iota(c, PACK), cg_splat(c, left, PACK), "");
    return LLVMBuildAnd(c->b, bits, cg_splat(c, cg_i32(c, 0x7fffffff), PACK), "");
}

static LLVMValueRef upper_of(struct cg *c, LLVMValueRef keys) {
    return LLVMBuildLShr(c->b, keys, cg_splat(c, cg_i32(c, 15), PACK), "");
}

/* Stores the upper halves; gives the largest. */
static LLVMValueRef split_upper(struct cg *c, const struct row *r) {
    LLVMTypeRef type = LLVMVectorType(c->i32, PACK);
    LLVMValueRef inside, least = cg_splat(c, LLVMConstInt(c->i16, 0x8000, false), PACK);
    cg_store(c, least, half_at(c, r->upper, round_up(c, r->n, PACK)), 2);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), r->n, cg_i64(c, PACK), "upper");
    unsigned top = cg_carry(c, &l, LLVMConstNull(type));
    LLVMValueRef upper = upper_of(c, keys_at(c, r, l.i, &inside));
    upper = LLVMBuildSelect(c->b, inside, upper, LLVMConstNull(type), "");
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntSGT, upper, l.phi[top], "");
    cg_next(&l, top, LLVMBuildSelect(c->b, more, upper, l.phi[top], ""));
    LLVMValueRef signed_ = LLVMBuildXor(c->b, LLVMBuildTrunc(c->b, upper, half_type(c, PACK), ""), least, "");
    cg_store(c, signed_, half_at(c, r->upper, l.i), 2);
    cg_loop_end(c, &l);
    LLVMValueRef all = cg_result(&l, top);
    return cg_intrinsic(c, "llvm.vector.reduce.smax", &type, 1, &all, 1);
}

/* Address of from[at / PACK]. */
static LLVMValueRef piece_from(struct cg *c, const struct row *r, LLVMValueRef at) {
    return cg_at(c, r->from, LLVMBuildUDiv(c->b, at, cg_i64(c, PACK / 4), ""));
}

/* The keys of one upper half: lower halves, -1 for other keys, in pieces of PACK that hold one at least; from[j]: the
 * index of the first element of piece j. */
static struct halves split_lower(struct cg *c, const struct row *r, LLVMValueRef t) {
    LLVMValueRef inside, none = LLVMConstAllOnes(half_type(c, PACK));
    LLVMValueRef upper = splat16(c, LLVMBuildXor(c->b, t, cg_i32(c, 0x8000), ""), PACK);
    struct cg_if some;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), r->n, cg_i64(c, PACK), "lower");
    unsigned at = cg_carry(c, &l, cg_i64(c, 0));
    LLVMValueRef here = cg_load(c, half_type(c, PACK), half_at(c, r->upper, l.i), 2);
    LLVMValueRef same = LLVMBuildICmp(c->b, LLVMIntEQ, here, upper, "");
    LLVMValueRef any = LLVMBuildICmp(c->b, LLVMIntNE, LLVMBuildBitCast(c->b, same, c->i32, ""), cg_i32(c, 0), "");
    cg_if_begin(c, &some, any);
    LLVMValueRef lower = LLVMBuildAnd(c->b, keys_at(c, r, l.i, &inside), cg_splat(c, cg_i32(c, 0x7fff), PACK), "");
    lower = LLVMBuildTrunc(c->b, lower, half_type(c, PACK), "");
    lower = LLVMBuildSelect(c->b, LLVMBuildAnd(c->b, same, inside, ""), lower, none, "");
    cg_store(c, lower, half_at(c, r->lower, l.phi[at]), 2);
    cg_store(c, to_i32(c, l.i), piece_from(c, r, l.phi[at]), 4);
    LLVMValueRef next = LLVMBuildAdd(c->b, l.phi[at], cg_i64(c, PACK), "");
    cg_if_end(c, &some);
    cg_next(&l, at, cg_phi(c, &some, next, l.phi[at]));
    cg_loop_end(c, &l);
    cg_store(c, none, half_at(c, r->lower, cg_result(&l, at)), 2);
    return (struct halves){r->lower, round_up(c, cg_result(&l, at), LANES)};
}

/*
 * Number of halves above `below`, i32.  A lane counts at most IR_MAX_K / LANES; 4 lanes together fit 16 bits.
 */
static LLVMValueRef count_above(struct cg *c, const struct row *r, struct halves h, LLVMValueRef below) {
    LLVMTypeRef type = half_type(c, LANES), sum = LLVMVectorType(c->i32, LANES / 4);
    LLVMValueRef least = splat16(c, below, LANES), one = splat16(c, r->one, LANES);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), h.end, cg_i64(c, LANES), "count");
    unsigned n = cg_carry(c, &l, LLVMConstNull(type));
    LLVMValueRef above = LLVMBuildICmp(c->b, LLVMIntSGT, cg_load(c, type, half_at(c, h.at, l.i), 2), least, "");
    LLVMValueRef more = LLVMBuildSelect(c->b, above, one, LLVMConstNull(type), "");
    cg_next(&l, n, LLVMBuildAdd(c->b, l.phi[n], more, ""));
    cg_loop_end(c, &l);
    LLVMValueRef v = cg_result(&l, n), lane[LANES];
    for (unsigned width = LANES / 2; width >= LANES / 4; width /= 2) {
        for (unsigned i = 0; i < 2 * width; i++) lane[i] = cg_i32(c, i);
        LLVMValueRef low = LLVMBuildShuffleVector(c->b, v, v, LLVMConstVector(lane, width), "");
        LLVMValueRef high = LLVMBuildShuffleVector(c->b, v, v, LLVMConstVector(lane + width, width), "");
        v = LLVMBuildAdd(c->b, low, high, "");
    }
    v = LLVMBuildZExt(c->b, v, sum, "");
    return cg_intrinsic(c, "llvm.vector.reduce.add", &sum, 1, &v, 1);
}

/* The k-th largest half, t: `from` of them are t or above, `above` above, all i32. */
struct kth {
    LLVMValueRef t, from, above;
};

/*
 * From 0, at or above which are `all` >= k, to high, at or above which is none; turned: the halves' top bit is.
 * Ends early at a bound with exactly k.
 */
static struct kth search(struct cg *c, const struct row *r, struct halves h, LLVMValueRef high, LLVMValueRef guess,
                         LLVMValueRef all, LLVMValueRef k, bool turned) {
    LLVMValueRef one = cg_i32(c, 1), bias = cg_i32(c, turned ? 0x8001 : 1);
    LLVMValueRef wide = LLVMBuildAnd(c->b, LLVMBuildICmp(c->b, LLVMIntSGT, high, one, ""),
                                     LLVMBuildICmp(c->b, LLVMIntNE, all, k, ""), "");
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i32(c, 0), LLVMBuildZExt(c->b, wide, c->i32, ""), one, "halve");
    unsigned lo = cg_carry(c, &l, cg_i32(c, 0)), hi = cg_carry(c, &l, high), mid = cg_carry(c, &l, guess);
    unsigned n_lo = cg_carry(c, &l, all), n_hi = cg_carry(c, &l, cg_i32(c, 0));
    LLVMValueRef m = l.phi[mid], n = count_above(c, r, h, LLVMBuildSub(c->b, m, bias, ""));
    LLVMValueRef enough = LLVMBuildICmp(c->b, LLVMIntSGE, n, k, "");
    LLVMValueRef low = LLVMBuildSelect(c->b, enough, m, l.phi[lo], "");
    LLVMValueRef top = LLVMBuildSelect(c->b, enough, l.phi[hi], m, "");
    LLVMValueRef n_low = LLVMBuildSelect(c->b, enough, n, l.phi[n_lo], "");
    cg_next(&l, lo, low);
    cg_next(&l, hi, top);
    cg_next(&l, mid, LLVMBuildLShr(c->b, LLVMBuildAdd(c->b, low, top, ""), one, ""));
    cg_next(&l, n_lo, n_low);
    cg_next(&l, n_hi, LLVMBuildSelect(c->b, enough, l.phi[n_hi], n, ""));
    LLVMValueRef open = LLVMBuildICmp(c->b, LLVMIntSGT, LLVMBuildSub(c->b, top, low, ""), one, "");
    cg_loop_end_if(c, &l, LLVMBuildAnd(c->b, open, LLVMBuildICmp(c->b, LLVMIntNE, n_low, k, ""), ""));
    return (struct kth){cg_result(&l, lo), cg_result(&l, n_lo), cg_result(&l, n_hi)};
}

/* The index of the need-th lower half that is t. */
static LLVMValueRef index_of(struct cg *c, const struct row *r, struct halves h, LLVMValueRef t, LLVMValueRef need) {
    LLVMTypeRef type = half_type(c, PACK), bits = c->i32;
    LLVMValueRef equal = splat16(c, t, PACK), zero = cg_i32(c, 0);
    struct cg_loop l, one;
    cg_loop_begin(c, &l, cg_i64(c, 0), h.end, cg_i64(c, PACK), "equal");
    unsigned left = cg_carry(c, &l, need), from = cg_carry(c, &l, zero), found = cg_carry(c, &l, zero);
    LLVMValueRef is = LLVMBuildICmp(c->b, LLVMIntEQ, cg_load(c, type, half_at(c, h.at, l.i), 2), equal, "");
    LLVMValueRef mask = LLVMBuildBitCast(c->b, is, bits, "");
    LLVMValueRef n = cg_intrinsic(c, "llvm.ctpop", &bits, 1, &mask, 1);
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntSLT, n, l.phi[left], "");
    cg_next(&l, left, LLVMBuildSelect(c->b, more, LLVMBuildSub(c->b, l.phi[left], n, ""), l.phi[left], ""));
    cg_next(&l, from, cg_load(c, c->i32, piece_from(c, r, l.i), 4));
    cg_next(&l, found, mask);
    cg_loop_end_if(c, &l, more);
    /* drop the first left - 1 bits */
    cg_loop_begin(c, &one, cg_i32(c, 1), cg_result(&l, left), cg_i32(c, 1), "bit");
    unsigned rest = cg_carry(c, &one, cg_result(&l, found));
    LLVMValueRef less = LLVMBuildSub(c->b, one.phi[rest], cg_i32(c, 1), "");
    cg_next(&one, rest, LLVMBuildAnd(c->b, one.phi[rest], less, ""));
    cg_loop_end(c, &one);
    LLVMValueRef bit = cg_intrinsic(c, "llvm.cttz", &bits, 1,
                                    (LLVMValueRef[]){cg_result(&one, rest), LLVMConstInt(c->i1, 0, false)}, 2);
    return LLVMBuildAdd(c->b, cg_result(&l, from), bit, "");
}

/* ---- the function ---- */

static LLVMValueRef packed(struct cg *c, LLVMValueRef t, LLVMValueRef last) {
    LLVMValueRef high = LLVMBuildShl(c->b, LLVMBuildZExt(c->b, t, c->i64, ""), cg_i64(c, 32), "");
    return LLVMBuildOr(c->b, high, LLVMBuildZExt(c->b, last, c->i64, ""), "");
}

/* Among the keys with the upper half u.t, of which k - u.above are kept, not all. */
static LLVMValueRef refine(struct cg *c, const struct row *r, const struct kth *u, LLVMValueRef k, LLVMValueRef all) {
    struct cg_if some;
    struct halves h = split_lower(c, r, u->t);
    k = LLVMBuildSub(c->b, k, u->above, "");
    LLVMValueRef in = LLVMBuildSub(c->b, u->from, u->above, "");
    struct kth f = search(c, r, h, cg_i32(c, 0x8000), cg_i32(c, 0x4000), in, k, false);
    LLVMValueRef upper = LLVMBuildShl(c->b, u->t, cg_i32(c, 15), ""), t = LLVMBuildOr(c->b, upper, f.t, "");
    cg_if_begin(c, &some, LLVMBuildICmp(c->b, LLVMIntNE, f.from, k, ""));
    LLVMValueRef last = index_of(c, r, h, f.t, LLVMBuildSub(c->b, k, f.above, ""));
    cg_if_end(c, &some);
    return packed(c, t, cg_phi(c, &some, last, all));
}

static void build(struct cg *c, const char *name, LLVMTypeRef type) {
    struct cg_place back = cg_place_save(c);
    LLVMValueRef fn = cg_function(c, name, type, true);
    struct row r = {.x = LLVMGetParam(fn, 0), .n = LLVMGetParam(fn, 1), .upper = LLVMGetParam(fn, 3)};
    LLVMValueRef end = round_up(c, r.n, LANES), size = LLVMBuildAdd(c->b, end, cg_i64(c, PACK), "");
    r.lower = half_at(c, r.upper, size);
    r.from = half_at(c, r.lower, size);
    LLVMValueRef k = to_i32(c, LLVMGetParam(fn, 2)), n = to_i32(c, r.n), window = cg_i32(c, WINDOW);
    LLVMValueRef last = LLVMBuildSub(c->b, n, cg_i32(c, 1), "");
    r.one = topk_one(c, n);
    LLVMValueRef high = LLVMBuildAdd(c->b, split_upper(c, &r), cg_i32(c, 1), "");
    LLVMValueRef far = LLVMBuildICmp(c->b, LLVMIntSGT, high, window, "");
    LLVMValueRef guess = LLVMBuildSelect(c->b, far, LLVMBuildSub(c->b, high, window, ""),
                                         LLVMBuildLShr(c->b, high, cg_i32(c, 1), ""), "");
    struct kth u = search(c, &r, (struct halves){r.upper, end}, high, guess, n, k, true);
    LLVMValueRef coarse = packed(c, LLVMBuildShl(c->b, u.t, cg_i32(c, 15), ""), last);
    struct cg_if more;
    cg_if_begin(c, &more, LLVMBuildICmp(c->b, LLVMIntNE, u.from, k, ""));
    LLVMValueRef fine = refine(c, &r, &u, k, last);
    cg_if_end(c, &more);
    LLVMBuildRet(c->b, cg_phi(c, &more, fine, coarse));
    cg_place_restore(c, back);
}

LLVMValueRef topk_function(struct cg *c, LLVMTypeRef *type) {
    LLVMTypeRef args[] = {c->ptr, c->i64, c->i64, c->ptr};
    *type = LLVMFunctionType(c->i64, args, 4, false);
    const char *full = arena_printf(c->arena, "topk.%s", c->level->name);
    if (!LLVMGetNamedFunction(c->module, full)) build(c, "topk", *type);
    return LLVMGetNamedFunction(c->module, full);
}

uint64_t topk_room(uint64_t n) {
    uint64_t size = (n + LANES - 1) / LANES * LANES + PACK;
    return 2 * 2 * size + 4 * (size / PACK);
}

/* ---- what is kept ---- */

struct topk_chosen topk_choose(struct cg *c, LLVMValueRef x, uint64_t n, uint64_t k, LLVMValueRef room) {
    LLVMTypeRef type;
    LLVMValueRef fn = topk_function(c, &type);
    LLVMValueRef found = LLVMBuildCall2(c->b, type, fn, (LLVMValueRef[]){x, cg_i64(c, n), cg_i64(c, k), room}, 4, "");
    LLVMValueRef t = to_i32(c, LLVMBuildLShr(c->b, found, cg_i64(c, 32), ""));
    return (struct topk_chosen){cg_splat(c, t, CG_VL), cg_splat(c, to_i32(c, found), CG_VL)};
}

static LLVMValueRef key_of(struct cg *c, LLVMValueRef x) {
    return LLVMBuildAnd(c->b, LLVMBuildBitCast(c->b, x, c->vi, ""), cg_splat(c, cg_i32(c, 0x7fffffff), CG_VL), "");
}

LLVMValueRef topk_keep(struct cg *c, struct topk_chosen s, LLVMValueRef x, LLVMValueRef index) {
    LLVMValueRef key = key_of(c, x), i = LLVMBuildAdd(c->b, cg_splat(c, to_i32(c, index), CG_VL), iota(c, CG_VL), "");
    LLVMValueRef equal = LLVMBuildAnd(c->b, LLVMBuildICmp(c->b, LLVMIntEQ, key, s.t, ""),
                                      LLVMBuildICmp(c->b, LLVMIntSLE, i, s.last, ""), "");
    LLVMValueRef keep = LLVMBuildOr(c->b, LLVMBuildICmp(c->b, LLVMIntSGT, key, s.t, ""), equal, "");
    return LLVMBuildSelect(c->b, keep, x, LLVMConstNull(c->vf), "");
}

/* ---- the op ---- */

static void choose_in_blocks(struct vec *v, const struct ir_op *op, uint64_t n, LLVMValueRef room) {
    struct cg *c = v->k->c;
    LLVMValueRef y = vec_target(v, op->out[0], false);
    struct cg_loop copy;
    cg_loop_begin(c, &copy, cg_i64(c, 0), cg_i64(c, n), cg_i64(c, CG_VL), "copy");
    v->round++;
    cg_store(c, vec_at(v, op->in[0], vec_pos_of(v, copy.i)), vec_addr(v, y, copy.i), 4);
    cg_loop_end(c, &copy);
    v->round++;
    topk_blocks(c, y, n, (uint64_t)ir_i64(op, IR_ATTR_k, 0), (uint64_t)ir_i64(op, IR_ATTR_block, 0), room);
}

void rows_topk(struct vec *v, const struct ir_op *op) {
    uint64_t n = ir_type_elems(&op->in[0]->type), k = (uint64_t)ir_i64(op, IR_ATTR_k, 0);
    LLVMValueRef room = kern_scratch(v->k, topk_room(n));
    if (ir_attr_get(op, IR_ATTR_block)) {
        choose_in_blocks(v, op, n, room);
        return;
    }
    struct topk_chosen s = topk_choose(v->k->c, vec_memory(v, op->in[0]), n, k, room);
    struct vec_slot *slot = vec_slot(v, op->out[0]);
    slot->once = s.t;
    slot->base = s.last;
}
