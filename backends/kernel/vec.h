/*
 * vec.h -- values of a region for one row, 16 elements at a time.
 *
 * An engine walks the ops of a stage in order.  Element-wise ops are only noted; they are computed when a loop
 * over elements needs them, in registers.  What must be in memory (the input of a norm or a rotation, what
 * leaves the stage) gets one loop that computes and stores it, as late as possible and together with others.
 *
 * It works on whole rows (rows.c) or on a unit, the elements [first, first + count) of each row (epilogue.c);
 * buffers of a unit hold only these.  Transparent.
 */
#ifndef SETUN_BACKENDS_KERNEL_VEC_H
#define SETUN_BACKENDS_KERNEL_VEC_H

#include "backends/kernel/kern.h"

struct vec_slot {
    const struct ir_val *val;
    LLVMValueRef mem;          /* of element 0 of the row, or of the unit's first; NULL: computed when needed */
    bool unit;                 /* mem holds the unit only */
    const struct ir_val *home; /* the home that mem is, if the op wrote it there itself */
    LLVMValueRef once;         /* what the op needs once a row: a splat, or the address of a weight's row */
    LLVMValueRef base;         /* address of the op's weight vector; of a topk a second splat */
    LLVMValueRef now;          /* in the current loop body, if round is the engine's */
    uint32_t round;
};

/* Something that a loop must store. */
struct vec_sink {
    const struct ir_val *val;
    const struct ir_val *home; /* where to, or NULL */
    const struct ir_state *state;
    LLVMValueRef to; /* address of element 0 of the row, or of the unit's first; of a state: of its head 0 */
    bool unit, keep; /* to is the unit's; scratch from which val is read from now on */
};

/* cos and sin of a row for one rope. */
struct vec_angles {
    struct num_rope of;
    LLVMValueRef cos, sin;
};

struct vec {
    struct kern *k;
    struct kern_row_at row;
    bool unit;
    LLVMValueRef first, count; /* of a unit, i64 */
    uint64_t room;             /* bound of count */
    bool exact;                /* a unit whose count is room, and behind which nothing may be stored */
    uint32_t round;
    VEC(struct vec_slot) slots;
    VEC(struct vec_sink) sinks;
    VEC(struct vec_angles) angles;
};

/* Where a loop stands: an element of the row, and the same counted from the unit's first. */
struct vec_pos {
    LLVMValueRef abs, rel;
};

/* Something to be stored by the next loop. */
void vec_sink(struct vec *v, struct vec_sink what);
/* Says that v is in memory; mem as in struct vec_slot. */
void vec_bind(struct vec *v, const struct ir_val *val, LLVMValueRef mem, bool unit);
/* A core's result: mem holds it for the unit. */
void vec_core(struct vec *v, const struct ir_op *op, LLVMValueRef mem);
/* Notes or computes an op of the stage. */
void vec_op(struct vec *v, const struct ir_op *op);
/* Stores what is still waiting. */
void vec_finish(struct vec *v);

/* For ops that rows.c and rope.c compute in loops of their own: */
uint64_t vec_room(const struct vec *v, const struct ir_val *val);               /* bound of elements to compute */
LLVMValueRef vec_count(struct vec *v, const struct ir_val *val);                /* elements to compute, i64 */
struct vec_slot *vec_slot(struct vec *v, const struct ir_val *val);             /* made if new */
LLVMValueRef vec_at(struct vec *v, const struct ir_val *val, struct vec_pos p); /* <16 x f32> or <16 x i32> */
LLVMValueRef vec_memory(struct vec *v, const struct ir_val *val); /* address of the unit's first element */
bool vec_in_memory(struct vec *v, const struct ir_val *val);      /* or will be, by a waiting sink */
/* Room for val to be written by the caller: its home if there is one and direct, or scratch with 32 elements behind it.
 */
LLVMValueRef vec_target(struct vec *v, const struct ir_val *val, bool direct);
struct vec_pos vec_pos_of(struct vec *v, LLVMValueRef rel);
LLVMValueRef vec_addr(struct vec *v, LLVMValueRef base, LLVMValueRef index); /* base + 4 * index */
LLVMValueRef vec_below(struct cg *c, LLVMValueRef from, uint64_t n);         /* <16 x i1>: from + lane < n */

void rows_norm(struct vec *v, const struct ir_op *op);
/* What rmsnorm multiplies by: the stored gain, or it and a constant. */
LLVMValueRef rows_gain(struct cg *c, const struct ir_op *op, LLVMValueRef stored);
void rows_quant(struct vec *v, const struct ir_op *op);
/* Notes the choice in once and base; blocks are chosen in memory at once. */
void rows_topk(struct vec *v, const struct ir_op *op);
void rope_emit(struct vec *v, const struct ir_op *op);
void cache_write(struct vec *v, const struct ir_op *op);

#endif
