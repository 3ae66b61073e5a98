/*
 * five.c -- five trits in a byte: a lookup in 64 entries by the low six bits gives the first four codes as 2-bit
 * fields, the top two bits are the fifth; the 51 byte values from 0xc0 on are looked up in tables of their own.
 */
#include "backends/core/five.h"

const struct mm_planes five_nibbles = {.right = {0, 0, 4, 4}, .mask = {3, 12, 3, 12}, .post = {0, 2, 0, 2}};
const struct mm_planes five_plain = {.right = {0, 2, 4, 6}, .mask = {3, 3, 3, 3}};

static LLVMValueRef top(struct cg *c) { return cg_splat(c, cg_i8(c, T5_64_RARE), c->level->mm->bytes); }

LLVMValueRef five_rare(struct cg *c, LLVMValueRef w) {
    if (c->level->mm->lookup64_or) return LLVMBuildXor(c->b, w, top(c), "rare"); /* below 64 if it is */
    return LLVMBuildICmp(c->b, LLVMIntUGE, w, top(c), "rare");
}

LLVMValueRef five_or(struct cg *c, LLVMValueRef w, LLVMValueRef rare, const uint8_t table[64], LLVMValueRef often) {
    const struct mm_target *t = c->level->mm;
    if (t->lookup64_or) return t->lookup64_or(c, table, rare, often);
    return LLVMBuildSelect(c->b, rare, t->lookup64(c, table, w), often, "");
}

LLVMValueRef five_four(struct cg *c, LLVMValueRef w, LLVMValueRef rare) {
    return five_or(c, w, rare, t5_64_four_rare, c->level->mm->lookup64(c, t5_64_fields, w));
}

LLVMValueRef five_fifth(struct cg *c, LLVMValueRef w, LLVMValueRef rare, unsigned shift) {
    static const struct mm_planes down = {.right = {6}, .mask = {3}};
    uint8_t table[64];
    for (unsigned i = 0; i < COUNT_OF(table); i++) table[i] = (uint8_t)(t5_64_fifth_rare[i] << shift);
    LLVMValueRef often[MM_PLANES] = {NULL};
    if (shift)
        often[0] = LLVMBuildAnd(c->b, w, top(c), "");
    else
        mm_split(c, &down, w, often);
    return five_or(c, w, rare, table, often[0]);
}
