/*
 * lut_panel.c -- cores of table lookups, many rows: the indices of a panel become codes again, one a byte, which the
 * dot instruction takes.
 */
#include "backends/core/core_lut.h"

static const struct mm_planes plain = {.mask = {3, 3, 3, 3}};

const struct mm_planes *lut_planes(const struct mm_target *t) {
    (void)t;
    return &plain;
}

/* Steps of four k that tables and steps of a tile fit. */
static unsigned granule(const struct tile_layout *tile) { return tile->cols % 4 ? tile->cols : tile->cols / 4; }

/* Code k of what index (<64 x i8>) stands for, taken from a table of constants. */
static LLVMValueRef code_of(const struct lut *u, LLVMValueRef index, LLVMValueRef minus, unsigned k) {
    struct cg *c = u->c;
    LLVMTypeRef type = LLVMTypeOf(index);
    LLVMValueRef code = LLVMConstNull(type);
    /* Selecting by the value of each entry is slow, and right everywhere; many rows share it. */
    for (unsigned e = 0; e < u->entries; e++) {
        int trit = lut_trit(u, e, k);
        if (trit == -1) continue;
        LLVMValueRef is = LLVMBuildICmp(c->b, LLVMIntEQ, index, cg_splat(c, cg_i8(c, e), ROWS), "");
        code = LLVMBuildSelect(c->b, is, cg_splat(c, cg_i8(c, trit + 1), ROWS), code, "");
    }
    if (!minus) return code;
    return LLVMBuildSelect(c->b, minus, LLVMBuildSub(c->b, cg_splat(c, cg_i8(c, 2), ROWS), code, ""), code, "");
}

/* Lookup i of the step at p: indices of 64 rows, and which of them are negative (NULL: none). */
static LLVMValueRef index_of(const struct lut *u, LLVMValueRef p, unsigned i, LLVMValueRef *minus) {
    struct cg *c = u->c;
    LLVMTypeRef all = LLVMVectorType(c->i8, ROWS), all_words = LLVMVectorType(c->i16, ROWS);
    *minus = NULL;
    if (u->entries == LARGE) {
        LLVMValueRef w = cg_load(c, all_words, p, 64);
        w = LLVMBuildLShr(c->b, w, cg_splat(c, lut_number16(c, (int)(5 * i)), ROWS), "");
        return LLVMBuildTrunc(c->b, LLVMBuildAnd(c->b, w, cg_splat(c, lut_number16(c, 31), ROWS), ""), all, "");
    }
    LLVMValueRef w = cg_load(c, all, cg_at_const(c, p, i / 2 * ROWS), 64);
    if (i % 2) w = LLVMBuildLShr(c->b, w, cg_splat(c, cg_i8(c, 4), ROWS), "");
    if (u->signs)
        *minus = lut_flags(c, cg_load(c, LLVMVectorType(c->i8, 8), cg_at_const(c, p, TL2_SIGNS + 8 * i), 8), ROWS);
    return LLVMBuildAnd(c->b, w, cg_splat(c, cg_i8(c, 15), ROWS), "");
}

/* Four channels of 64 rows to operands: plane p has rows 16 p .., four bytes a row. */
static void store_operands(const struct lut *u, const LLVMValueRef *code, LLVMValueRef step, LLVMValueRef to) {
    struct cg *c = u->c;
    for (unsigned p = 0; p < MM_PLANES; p++) {
        unsigned pair[2 * MM_LANES], quad[4 * MM_LANES];
        for (unsigned i = 0; i < 2 * MM_LANES; i++) pair[i] = p * MM_LANES + i / 2 + (i % 2 ? ROWS : 0);
        for (unsigned i = 0; i < 4 * MM_LANES; i++) quad[i] = i / 4 * 2 + i % 2 + (i % 4 > 1 ? 2 * MM_LANES : 0);
        LLVMValueRef a = lut_shuffle(c, code[0], code[1], pair, 2 * MM_LANES);
        LLVMValueRef b = lut_shuffle(c, code[2], code[3], pair, 2 * MM_LANES);
        LLVMValueRef all = lut_shuffle(c, a, b, quad, 4 * MM_LANES);
        for (unsigned v = 0; v < MM_STEP / u->bytes; v++) {
            LLVMValueRef at = LLVMBuildAdd(c->b, step, cg_i64(c, (uint64_t)v * MM_PANEL), "");
            at = LLVMBuildMul(c->b, at, cg_i64(c, (uint64_t)MM_PLANES * u->bytes), "");
            cg_store(c, lut_part(c, all, v * u->bytes, u->bytes), cg_at_const(c, cg_at(c, to, at), p * u->bytes),
                     u->bytes);
        }
    }
}

void lut_unpack_panel(struct cg *c, const struct tile_layout *tile, uint64_t K, const struct mm_args *a,
                      const struct mm_panel *p) {
    struct lut u = lut_of(c, tile);
    unsigned quads = granule(tile), cols = 4 * quads;
    LLVMValueRef at = cg_at(c, a->matrix, LLVMBuildMul(c->b, p->tile, cg_i64(c, tiles_bytes(tile, K)), ""));
    LLVMValueRef last = cg_i64(c, lut_steps(&u, K) - 1);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), p->steps, cg_i64(c, quads), "unpack");
    LLVMValueRef first = LLVMBuildAdd(c->b, p->from, l.i, "");
    first = LLVMBuildUDiv(c->b, LLVMBuildMul(c->b, first, cg_i64(c, 4), ""), cg_i64(c, tile->cols), "");
    LLVMValueRef code[4] = {NULL};
    for (unsigned k = 0; k < cols; k += u.trits) {
        LLVMValueRef s = LLVMBuildAdd(c->b, first, cg_i64(c, k / tile->cols), ""), minus;
        s = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntULT, s, last, ""), s, last, ""); /* beyond K: anything */
        LLVMValueRef step = cg_at(c, at, LLVMBuildMul(c->b, s, cg_i64(c, tile->bytes), ""));
        LLVMValueRef index = index_of(&u, step, k % tile->cols / u.trits, &minus);
        for (unsigned t = 0; t < u.trits; t++) {
            code[(k + t) % 4] = code_of(&u, index, minus, t);
            if ((k + t) % 4 == 3) store_operands(&u, code, LLVMBuildAdd(c->b, l.i, cg_i64(c, (k + t) / 4), ""), p->to);
        }
    }
    cg_loop_end(c, &l);
}
