/*
 * dot.c -- sums of products in the order of the contract (sum1024), and the dot core: real weights against rows.
 *
 *   void dot(ptr w, i64 n_out, ptr x, i64 x_stride, i64 n_rows, ptr acc, i64 acc_stride)
 *
 * Lane l of 32 is a chain of fma over elements l, l + 32, ... of a block of 1024; the tree and the blocks' total
 * follow. Chains of several sums run side by side: one row of activations against 2 rows of weights (a stream of
 * weights, bound by memory), or up to 4 rows of activations against one row of weights, widened once.
 */
#include "backends/kernel/dot.h"
#include "backends/kernel/kern.h"
#include "runtime/contract.h"

enum { LANES = SETUN_SUM_LANES, BLOCK = SETUN_SUM_BLOCK, MAX_SUMS = 4 };

uint64_t dot_row_bytes(enum ir_store store, uint64_t K) { return (ir_stored_bytes(store, K) + 63) / 64 * 64; }

LLVMValueRef dot_load(struct cg *c, enum ir_store store, LLVMValueRef p, unsigned n) {
    LLVMTypeRef f = LLVMVectorType(c->f32, n), u = LLVMVectorType(c->i32, n);
    switch (store) {
    case IR_STORE_F32: return cg_load(c, f, p, 4);
    case IR_STORE_F16:
        return LLVMBuildFPExt(c->b, cg_load(c, LLVMVectorType(LLVMHalfTypeInContext(c->llvm), n), p, 2), f, "");
    case IR_STORE_BF16: {
        LLVMValueRef bits = LLVMBuildZExt(c->b, cg_load(c, LLVMVectorType(c->i16, n), p, 2), u, "");
        return LLVMBuildBitCast(c->b, LLVMBuildShl(c->b, bits, cg_splat(c, cg_i32(c, 16), n), ""), f, "");
    }
    default: break;
    }
    BUG("trits and blocks are not floats");
}

LLVMValueRef dot_first_lanes(struct cg *c, LLVMValueRef x, uint64_t n) {
    LLVMValueRef keep[LANES];
    for (unsigned i = 0; i < LANES; i++) keep[i] = LLVMConstInt(c->i1, i < n, false);
    return LLVMBuildSelect(c->b, LLVMConstVector(keep, LANES), x, LLVMConstNull(c->sf), "");
}

/* Sums of products of rows a[i] and b[j], n_a * n_b of them; a is stored as `store`, b is f32. */
struct sums {
    enum ir_store store;
    unsigned n_a, n_b;
    LLVMValueRef a[2], b[MAX_SUMS];
    bool square;   /* b is a */
    unsigned step; /* elements of a loop's body: 32, or a whole block */
    bool stream;   /* a comes from memory, once, in rows of row_bytes: ask for it early */
    uint64_t row_bytes;
};

/*
 * Early: NEAR bytes before it is needed into the first cache, and, into the second, one whole pass: rows of weights
 * lie behind each other, so that is where the next n_a rows are read by then.
 */
enum { NEAR = 512, LINE = 64 };
enum { CACHED = 2 << 20 }; /* models up to this stay in the second level cache, and fetches only cost */

static void fetch_ahead(struct cg *c, const struct sums *s, LLVMValueRef p, uint64_t pass) {
    for (unsigned at = 0; at < ir_stored_bytes(s->store, s->step); at += LINE) {
        cg_prefetch(c, cg_at_const(c, p, NEAR + at), 0);
        cg_prefetch(c, cg_at_const(c, p, pass + at), 1);
    }
}

/* Address of element `at` of row i of a, which begins a block. */
static LLVMValueRef stored_at(struct cg *c, const struct sums *s, unsigned i, LLVMValueRef at) {
    uint32_t block = ir_store_block(s->store);
    if (block > 1) at = LLVMBuildUDiv(c->b, at, cg_i64(c, block), "");
    return cg_at(c, s->a[i], LLVMBuildMul(c->b, at, cg_i64(c, ir_stored_bytes(s->store, block)), ""));
}

/* acc += the 32 products at element `at` + 32 part (i64; at begins a block); only the first `n` of them count. */
static void step(struct cg *c, const struct sums *s, LLVMValueRef at, unsigned part, uint64_t n, LLVMValueRef *acc) {
    LLVMValueRef a[2], b[MAX_SUMS];
    bool blocks = ir_store_block(s->store) > 1;
    for (unsigned i = 0; i < s->n_a; i++) {
        LLVMValueRef p = stored_at(c, s, i, at);
        if (s->stream && part == 0) fetch_ahead(c, s, p, s->n_a * s->row_bytes);
        a[i] = blocks ? block_part(c, s->store, p, cg_i64(c, part)) : dot_load(c, s->store, p, LANES);
        if (n < LANES) a[i] = dot_first_lanes(c, a[i], n);
    }
    for (unsigned j = 0; j < s->n_b && !s->square; j++) {
        LLVMValueRef from = cg_at(c, s->b[j], LLVMBuildMul(c->b, at, cg_i64(c, 4), ""));
        b[j] = cg_load(c, c->sf, cg_at_const(c, from, part * 4 * LANES), 4);
        if (n < LANES) b[j] = dot_first_lanes(c, b[j], n);
    }
    for (unsigned i = 0; i < s->n_a; i++)
        for (unsigned j = 0; j < s->n_b; j++) {
            LLVMValueRef *to = &acc[i * s->n_b + j];
            *to = cg_fma(c, a[i], s->square ? a[i] : b[j], *to);
        }
}

/* Adds the block of n elements from `at` on to the totals. */
static void block(struct cg *c, const struct sums *s, LLVMValueRef at, uint64_t n, LLVMValueRef *total) {
    unsigned sums = s->n_a * s->n_b, slot[2 * MAX_SUMS];
    LLVMValueRef acc[2 * MAX_SUMS];
    uint64_t whole = n / s->step * s->step;
    struct cg_loop l;
    for (unsigned i = 0; i < sums; i++) acc[i] = LLVMConstNull(c->sf);
    if (whole) {
        LLVMValueRef end = LLVMBuildAdd(c->b, at, cg_i64(c, whole), "");
        cg_loop_begin(c, &l, at, end, cg_i64(c, s->step), "sum");
        for (unsigned i = 0; i < sums; i++) {
            slot[i] = cg_carry(c, &l, acc[i]);
            acc[i] = l.phi[slot[i]];
        }
        for (unsigned part = 0; part < s->step / LANES; part++) step(c, s, l.i, part, LANES, acc);
        for (unsigned i = 0; i < sums; i++) cg_next(&l, slot[i], acc[i]);
        cg_loop_end(c, &l);
        for (unsigned i = 0; i < sums; i++) acc[i] = cg_result(&l, slot[i]);
    }
    if (n > whole) step(c, s, LLVMBuildAdd(c->b, at, cg_i64(c, whole), ""), 0, n - whole, acc);
    for (unsigned i = 0; i < sums; i++) total[i] = LLVMBuildFAdd(c->b, total[i], cg_tree(c, acc[i]), "");
}

/* The totals over n elements, from +0. */
static void all_blocks(struct cg *c, const struct sums *s, uint64_t n, LLVMValueRef *total) {
    unsigned sums = s->n_a * s->n_b, slot[2 * MAX_SUMS];
    uint64_t whole = n / BLOCK * BLOCK;
    for (unsigned i = 0; i < sums; i++) total[i] = cg_f32(c, 0.0f);
    if (whole) {
        struct cg_loop l;
        cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, whole), cg_i64(c, BLOCK), "block");
        for (unsigned i = 0; i < sums; i++) {
            slot[i] = cg_carry(c, &l, total[i]);
            total[i] = l.phi[slot[i]];
        }
        block(c, s, l.i, BLOCK, total);
        for (unsigned i = 0; i < sums; i++) cg_next(&l, slot[i], total[i]);
        cg_loop_end(c, &l);
        for (unsigned i = 0; i < sums; i++) total[i] = cg_result(&l, slot[i]);
    }
    if (n > whole) block(c, s, cg_i64(c, whole), n - whole, total);
}

LLVMValueRef dot_squares(struct cg *c, LLVMValueRef x, uint64_t n) {
    struct sums s = {.store = IR_STORE_F32, .n_a = 1, .n_b = 1, .a = {x}, .square = true, .step = LANES};
    LLVMValueRef total[1];
    all_blocks(c, &s, n, total);
    return total[0];
}

/* ---- the core ---- */

struct core {
    struct cg *c;
    enum ir_store store;
    uint64_t K;
    LLVMValueRef w, n_out, x, x_stride, n_rows, acc, acc_stride;
};

static LLVMValueRef plus(struct cg *c, LLVMValueRef i, unsigned k) { return LLVMBuildAdd(c->b, i, cg_i64(c, k), ""); }

/* Weight rows j .. j + n_w against activation rows r .. r + n_x. */
static void tile(const struct core *k, LLVMValueRef j, unsigned n_w, LLVMValueRef r, unsigned n_x) {
    struct cg *c = k->c;
    struct sums s = {.store = k->store, .n_a = n_w, .n_b = n_x, .stream = n_w > 1 && c->plan->bytes > CACHED};
    s.step = ir_store_block(k->store) > LANES ? ir_store_block(k->store) : LANES;
    s.row_bytes = dot_row_bytes(k->store, k->K);
    LLVMValueRef total[2 * MAX_SUMS];
    for (unsigned i = 0; i < n_w; i++)
        s.a[i] = cg_at(c, k->w, LLVMBuildMul(c->b, plus(c, j, i), cg_i64(c, s.row_bytes), ""));
    for (unsigned i = 0; i < n_x; i++) s.b[i] = cg_at(c, k->x, LLVMBuildMul(c->b, plus(c, r, i), k->x_stride, ""));
    all_blocks(c, &s, k->K, total);
    for (unsigned i = 0; i < n_w; i++)
        for (unsigned m = 0; m < n_x; m++) {
            LLVMValueRef at = LLVMBuildMul(c->b, plus(c, r, m), k->acc_stride, "");
            at = LLVMBuildMul(c->b, LLVMBuildAdd(c->b, at, plus(c, j, i), ""), cg_i64(c, 4), "");
            cg_store(c, total[i * n_x + m], cg_at(c, k->acc, at), 4);
        }
}

/* n rounded down to a multiple of the power of two `to`. */
static LLVMValueRef down(struct cg *c, LLVMValueRef n, unsigned to) {
    return LLVMBuildAnd(c->b, n, cg_i64(c, ~(uint64_t)(to - 1)), "");
}

static void one_row(const struct core *k) {
    struct cg *c = k->c;
    struct cg_loop l;
    LLVMValueRef even = down(c, k->n_out, 2), zero = cg_i64(c, 0);
    cg_loop_begin(c, &l, zero, even, cg_i64(c, 2), "pair");
    tile(k, l.i, 2, zero, 1);
    cg_loop_end(c, &l);
    cg_loop_begin(c, &l, even, k->n_out, cg_i64(c, 1), "last");
    tile(k, l.i, 1, zero, 1);
    cg_loop_end(c, &l);
}

/* A sum is 4 vector registers of AVX2 or 2 of AVX-512. */
static void many_rows(const struct core *k) {
    struct cg *c = k->c;
    unsigned at_once = k->c->level->vectors >= 32 ? 4 : 2;
    struct cg_loop out, rows;
    LLVMValueRef most = down(c, k->n_rows, at_once), zero = cg_i64(c, 0), one = cg_i64(c, 1);
    cg_loop_begin(c, &out, zero, k->n_out, one, "out");
    cg_loop_begin(c, &rows, zero, most, cg_i64(c, at_once), "rows");
    tile(k, out.i, 1, rows.i, at_once);
    cg_loop_end(c, &rows);
    cg_loop_begin(c, &rows, most, k->n_rows, one, "row");
    tile(k, out.i, 1, rows.i, 1);
    cg_loop_end(c, &rows);
    cg_loop_end(c, &out);
}

static void build(struct cg *c, const char *name, LLVMTypeRef type, enum ir_store store, uint64_t K) {
    struct cg_place back = cg_place_save(c);
    LLVMValueRef f = cg_function(c, name, type, true);
    struct core k = {
        .c = c,
        .store = store,
        .K = K,
        .w = LLVMGetParam(f, 0),
        .n_out = LLVMGetParam(f, 1),
        .x = LLVMGetParam(f, 2),
        .x_stride = LLVMGetParam(f, 3),
        .n_rows = LLVMGetParam(f, 4),
        .acc = LLVMGetParam(f, 5),
        .acc_stride = LLVMGetParam(f, 6),
    };
    struct cg_if s;
    cg_if_begin(c, &s, LLVMBuildICmp(c->b, LLVMIntEQ, k.n_rows, cg_i64(c, 1), ""));
    one_row(&k);
    cg_else(c, &s);
    many_rows(&k);
    cg_if_end(c, &s);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}

LLVMValueRef dot_function(struct cg *c, enum ir_store store, uint64_t K, LLVMTypeRef *type) {
    LLVMTypeRef args[] = {c->ptr, c->i64, c->ptr, c->i64, c->i64, c->ptr, c->i64};
    *type = LLVMFunctionType(c->void_, args, 7, false);
    const char *name = arena_printf(c->arena, "dot.%s.%llu", ir_store_name[store], (unsigned long long)K);
    const char *full = arena_printf(c->arena, "%s.%s", name, c->level->name);
    if (!LLVMGetNamedFunction(c->module, full)) build(c, name, *type, store, K);
    return LLVMGetNamedFunction(c->module, full);
}
