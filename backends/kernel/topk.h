/*
 * topk.h -- choosing the k largest magnitudes of a row (topk.c) and of its blocks (topk_blocks.c).
 */
#ifndef SETUN_BACKENDS_KERNEL_TOPK_H
#define SETUN_BACKENDS_KERNEL_TOPK_H

#include "backends/kernel/vec.h"

/* An element is kept if its key is above t, or is t and its index at most last: i32 splats. */
struct topk_chosen {
    LLVMValueRef t, last;
};

/* The function drawn in topk.c, which chooses among n floats. */
LLVMValueRef topk_function(struct cg *c, LLVMTypeRef *type);
/* Bytes it works in: room for n keys and more. */
uint64_t topk_room(uint64_t n);
/* A call of it. */
struct topk_chosen topk_choose(struct cg *c, LLVMValueRef x, uint64_t n, uint64_t k, LLVMValueRef room);
/* Elements index .. index + 15 (i64) of the row, +0 where they are not kept. */
LLVMValueRef topk_keep(struct cg *c, struct topk_chosen s, LLVMValueRef x, LLVMValueRef index);
/* 1 as i32, to count with; n, i32, is not 0. */
LLVMValueRef topk_one(struct cg *c, LLVMValueRef n);

/* Blocks of m of the n floats at y, in place, in topk_room(n) bytes; 63 floats behind them may be read. */
void topk_blocks(struct cg *c, LLVMValueRef y, uint64_t n, uint64_t k, uint64_t m, LLVMValueRef room);

#endif
