/*
 * columns_list.c -- the list of a row's active channels: eight codes at a time, without branches.
 *
 *   i64 n | pad to 64 bytes | i32 channel[...] | i8 code[...]
 *
 * A mask with a byte of ones for each code that is not zero picks codes and channel numbers out of eight (PEXT); all
 * eight are stored, and the next ones are stored behind those that count.
 */
#include "backends/columns_list.h"

enum {
    HEAD = 64,   /* bytes in front of the channels */
    AT_ONCE = 8, /* codes that the loop takes */
};

/* Room behind the last: what is read ahead, and what the loop stores too much. */
static uint64_t entries(uint64_t K) { return (K + 2 * COLUMNS_AHEAD + 63) / 64 * 64; }

uint64_t columns_list_bytes(uint64_t K) { return HEAD + 5 * entries(K); }

LLVMValueRef columns_list_length(struct cg *c, LLVMValueRef list) { return cg_load(c, c->i64, list, 8); }

LLVMValueRef columns_list_channels(struct cg *c, LLVMValueRef list) { return cg_at_const(c, list, HEAD); }

LLVMValueRef columns_list_codes(struct cg *c, LLVMValueRef list, uint64_t K) {
    return cg_at_const(c, list, HEAD + 4 * entries(K));
}

struct list {
    struct cg *c;
    uint64_t K;
    LLVMValueRef codes;            /* of the row */
    LLVMValueRef channels, values; /* of the entries: i32 and i8 */
    LLVMValueRef share;            /* setun_step.active */
};

/* The bytes of x whose bits are set in mask, one behind the other. */
static LLVMValueRef pick(struct cg *c, LLVMValueRef x, LLVMValueRef mask) {
    return cg_intrinsic(c, "llvm.x86.bmi.pext.64", NULL, 0, (LLVMValueRef[]){x, mask}, 2);
}

/* 0 .. AT_ONCE - 1 */
static LLVMValueRef ascending(LLVMTypeRef lane) {
    LLVMValueRef v[AT_ONCE];
    for (unsigned i = 0; i < AT_ONCE; i++) v[i] = LLVMConstInt(lane, i, false);
    return LLVMConstVector(v, AT_ONCE);
}

/* Of the eight channels from k on those whose byte of mask is set go behind the n entries so far; returns the new n. */
static LLVMValueRef append(struct list *l, LLVMValueRef k, LLVMValueRef eight, LLVMValueRef mask, LLVMValueRef n) {
    struct cg *c = l->c;
    LLVMTypeRef small = LLVMVectorType(c->i8, AT_ONCE), words = LLVMVectorType(c->i32, AT_ONCE);
    LLVMValueRef which = pick(c, LLVMBuildBitCast(c->b, ascending(c->i8), c->i64, ""), mask);
    which = LLVMBuildZExt(c->b, LLVMBuildBitCast(c->b, which, small, ""), words, "");
    which = LLVMBuildAdd(c->b, which, cg_splat(c, LLVMBuildTrunc(c->b, k, c->i32, ""), AT_ONCE), "");
    cg_store(c, which, cg_at(c, l->channels, LLVMBuildShl(c->b, n, cg_i64(c, 2), "")), 4);
    cg_store(c, pick(c, eight, mask), cg_at(c, l->values, n), 1);
    LLVMValueRef bits = cg_intrinsic(c, "llvm.ctpop", &c->i64, 1, &mask, 1);
    return LLVMBuildAdd(c->b, n, LLVMBuildLShr(c->b, bits, cg_i64(c, 3), ""), "");
}

/* Entries behind the n active ones: they read column 0 and add nothing. */
static void fill_up(struct list *l, LLVMValueRef n) {
    struct cg *c = l->c;
    LLVMTypeRef words = LLVMVectorType(c->i32, AT_ONCE);
    LLVMValueRef channel = cg_at(c, l->channels, LLVMBuildShl(c->b, n, cg_i64(c, 2), ""));
    for (unsigned i = 0; i < COLUMNS_AHEAD + COLUMNS_GROUP; i += AT_ONCE)
        cg_store(c, LLVMConstNull(words), cg_at_const(c, channel, 4 * i), 4);
    cg_store(c, cg_i64(c, 0), cg_at(c, l->values, n), 1);
}

/* Which of eight channels are on, a byte each. */
typedef LLVMValueRef on_fn(struct list *l, LLVMValueRef k, LLVMValueRef eight);

/* Those whose code is not zero; codes are zero from K to the next multiple of 64. */
static LLVMValueRef on_by_code(struct list *l, LLVMValueRef k, LLVMValueRef eight) {
    (void)k;
    return LLVMBuildICmp(l->c->b, LLVMIntNE, eight, LLVMConstNull(LLVMTypeOf(eight)), "");
}

static LLVMValueRef scrambled(struct cg *c, LLVMValueRef x) {
    static const struct {
        int64_t by;
        unsigned shift;
    } rounds[] = {{0x7feb352d, 15}, {(int32_t)0x846ca68b, 16}};
    for (size_t i = 0; i < COUNT_OF(rounds); i++) {
        LLVMValueRef shift = cg_splat(c, cg_i32(c, rounds[i].shift), AT_ONCE);
        x = LLVMBuildMul(c->b, x, cg_splat(c, cg_i32(c, rounds[i].by), AT_ONCE), "");
        x = LLVMBuildXor(c->b, x, LLVMBuildLShr(c->b, x, shift, ""), "");
    }
    return x;
}

/* Those whose scrambled number is below the share that is asked for. */
static LLVMValueRef on_by_number(struct list *l, LLVMValueRef k, LLVMValueRef eight) {
    struct cg *c = l->c;
    LLVMValueRef first = cg_splat(c, LLVMBuildTrunc(c->b, k, c->i32, ""), AT_ONCE);
    LLVMValueRef number = LLVMBuildAdd(c->b, first, ascending(c->i32), "");
    LLVMValueRef there = LLVMBuildICmp(c->b, LLVMIntULT, number, cg_splat(c, cg_i32(c, (int64_t)l->K), AT_ONCE), "");
    LLVMValueRef key = scrambled(c, LLVMBuildAdd(c->b, number, cg_splat(c, cg_i32(c, 1), AT_ONCE), ""));
    (void)eight;
    return LLVMBuildAnd(c->b, there, LLVMBuildICmp(c->b, LLVMIntULT, key, cg_splat(c, l->share, AT_ONCE), ""), "");
}

/* All channels that are on; returns how many. */
static LLVMValueRef append_all(struct list *list, on_fn *on) {
    struct cg *c = list->c;
    LLVMTypeRef small = LLVMVectorType(c->i8, AT_ONCE);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, list->K), cg_i64(c, AT_ONCE), "k");
    unsigned slot = cg_carry(c, &l, cg_i64(c, 0));
    LLVMValueRef eight = cg_load(c, small, cg_at(c, list->codes, l.i), 8);
    LLVMValueRef mask = LLVMBuildSExt(c->b, on(list, l.i, eight), small, "");
    mask = LLVMBuildBitCast(c->b, mask, c->i64, ""), eight = LLVMBuildBitCast(c->b, eight, c->i64, "");
    cg_next(&l, slot, append(list, l.i, eight, mask, l.phi[slot]));
    cg_loop_end(c, &l);
    return cg_result(&l, slot);
}

void columns_list_emit(struct cg *c, uint64_t K, LLVMValueRef codes, LLVMValueRef to, LLVMValueRef ctx) {
    struct list l = {.c = c,
                     .K = K,
                     .codes = codes,
                     .channels = columns_list_channels(c, to),
                     .values = columns_list_codes(c, to, K)};
    struct cg_if forced;
    l.share = cg_ctx(c, ctx, c->i32, offsetof(struct setun_step, active));
    cg_if_begin(c, &forced, LLVMBuildICmp(c->b, LLVMIntNE, l.share, cg_i32(c, 0), ""));
    LLVMValueRef drawn = append_all(&l, on_by_number);
    cg_else(c, &forced);
    LLVMValueRef found = append_all(&l, on_by_code);
    cg_if_end(c, &forced);
    LLVMValueRef n = cg_phi(c, &forced, drawn, found);
    cg_store(c, n, to, 8);
    fill_up(&l, n);
}
