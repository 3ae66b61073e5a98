/*
 * cache.h -- where the elements of a state lie, and what is read and written there.  Slots, heads, positions are i64.
 */
#ifndef SETUN_BACKENDS_KERNEL_CACHE_H
#define SETUN_BACKENDS_KERNEL_CACHE_H

#include "backends/kernel/kern.h"

/* Address of the head's position 0 of sequence slot. */
LLVMValueRef cache_head(struct kern *k, const struct ir_state *s, LLVMValueRef slot, LLVMValueRef head);
/* Address of position pos, and of its scale in an int8 cache, given that of position 0 of the same head. */
LLVMValueRef cache_position(struct kern *k, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef pos);
LLVMValueRef cache_scale(struct kern *k, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef pos);
/* n elements at p as they are read back, <n x f32>; scale: that of an int8 cache, a float. */
LLVMValueRef cache_load(struct cg *c, const struct ir_state *s, LLVMValueRef p, unsigned n, LLVMValueRef scale);
/* Address of element i (i64, counted over all heads) of the position whose head 0 is at p. */
LLVMValueRef cache_element(struct kern *k, const struct ir_state *s, LLVMValueRef p, LLVMValueRef i);
/* x, <16 x f32>, to a cache of floats. */
void cache_store(struct cg *c, const struct ir_state *s, LLVMValueRef x, LLVMValueRef p);

#endif
