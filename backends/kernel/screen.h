/* screen.h -- the head's kernel in its second form: intervals of the logits, then some of them or all (screen.c). */
#ifndef SETUN_BACKENDS_KERNEL_SCREEN_H
#define SETUN_BACKENDS_KERNEL_SCREEN_H

#include "backends/kernel/kern.h"

/* The dot of a kernel that can give intervals, or NULL. */
const struct ir_op *screen_dot(const struct ir_op *kernel);
/* i1: the step asks for intervals, of its one live row. */
LLVMValueRef screen_wanted(struct kern *k);
/* Behind the prologue, for that row. */
void screen_emit(struct kern *k, const struct ir_op *dot);
/* Bytes that this reads. */
uint64_t screen_bytes(const struct ir_weight *w);
/* Functions of the shape of a kernel, on what the prologue left in the arena: all logits; those of setun_step.ids. */
void screen_all(struct cg *c, const struct ir_op *kernel, uint32_t id, struct cg_kernel *out);
void screen_some(struct cg *c, const struct ir_op *kernel, uint32_t id, struct cg_kernel *out);

#endif
