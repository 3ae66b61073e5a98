/*
 * kern.h -- what the parts of one kernel share while its code is emitted: the function's arguments, where values,
 * weights and states lie, and the thread's scratch.
 *
 * Parts: rows.c (what runs row by row), epilogue.c (units of output rows behind a matmul or dot), attend_emit.c.
 * Transparent; lives in whoever calls kern_begin.
 */
#ifndef SETUN_BACKENDS_KERNEL_KERN_H
#define SETUN_BACKENDS_KERNEL_KERN_H

#include "backends/cg/cg.h"

enum { KERN_HOMES = 4 };

/* A buffer that the prologue writes; see `lone`. */
struct kern_own {
    const struct ir_val *val;
    LLVMValueRef at;
};

/* What a core made of a value of codes, in thread scratch for the whole kernel (struct mm_core: prepare). */
struct kern_prepared {
    enum ir_core core;
    const struct ir_val *codes; /* a root */
    LLVMValueRef at;
};

struct kern {
    struct cg *c;
    const struct ir_op *op; /* the kernel */
    uint32_t id;            /* index in setun_model.kernels */
    uint64_t used;          /* thread scratch taken so far, bytes */
    /* Loaded at the function's entry; counts and indices are i64, layer is i32. */
    LLVMValueRef ctx, tid, layer;
    LLVMValueRef arena, weights, state, scratch, shared, rows, live, slot_stride;
    LLVMValueRef scratch_stride; /* bytes from a thread's scratch to the next one's */
    LLVMValueRef thread, n_threads;
    LLVMValueRef n[3]; /* rows, by enum ir_rowsym */
    /* i1: there is at most one row, and each thread computes the prologue for itself, which costs less than meeting.
     * NULL: the kernel has no prologue, or one that writes a state, and never does so. */
    LLVMValueRef lone;
    VEC(struct kern_own) own; /* what the prologue writes: for a lone row in the thread's scratch, but for thread 0 */
    /* Values whose buffers are arguments (of a layer: what it is given and what it returns). */
    const struct cg_kernel *io;
    VEC(struct kern_prepared) prepared;
};

/* The value whose memory v is: reshapes outside regions are other names for it. */
const struct ir_val *kern_root(const struct ir_val *v);
/* Is the buffer of root v known only at run time? */
bool kern_is_dynamic(const struct ir_func *f, const struct ir_val *root);
/* Address of the buffer of a value that has one, and of its row `row` (i64). */
LLVMValueRef kern_buffer(struct kern *k, const struct ir_val *v);
LLVMValueRef kern_row(struct kern *k, const struct ir_val *v, LLVMValueRef row);
/* The values outside the region whose buffers v, defined in it, must be stored to; at most KERN_HOMES. */
unsigned kern_homes(const struct kern *k, const struct ir_val *v, const struct ir_val **homes);

/* Address `offset` bytes behind the data section's start, moved to the layer if w belongs to a stack. */
LLVMValueRef kern_weight(struct kern *k, const struct ir_weight *w, uint64_t offset);
/* The state class that v is a version of. */
const struct ir_state *kern_state(const struct ir_val *v);
/* bytes * layer, for what belongs to a stack. */
LLVMValueRef kern_layer_offset(struct kern *k, uint64_t bytes);
/* Address of bytes of thread scratch that nothing else in this kernel (or stage) uses. */
LLVMValueRef kern_scratch(struct kern *k, uint64_t bytes);
/* The thread's share [from, to) of n things (i64). */
void kern_share(struct kern *k, LLVMValueRef n, LLVMValueRef *from, LLVMValueRef *to);
void kern_barrier(struct kern *k);
/* Marks the step as ended by a non-finite value of the row at `info`, if cond (i1) holds. */
void kern_bad_if(struct kern *k, LLVMValueRef cond, LLVMValueRef info);

/* Indices of one row: in T, in L (NULL where the stage has no L), and its struct setun_row. */
struct kern_row_at {
    LLVMValueRef at[3]; /* by enum ir_rowsym */
    LLVMValueRef info;
};
struct kern_row_at kern_row_at(struct kern *k, enum ir_rowsym sym, LLVMValueRef m);
/* A field of the row's struct setun_row, widened to i64. */
LLVMValueRef kern_info(struct kern *k, const struct kern_row_at *r, size_t offset);

/* ---- functions of the shape of a kernel: void (ptr ctx, i32 tid, i32 layer, ptr io...) ---- */
/* "body.0:h" or, of an emit, "generate:logits", with the separator given. */
const char *kern_name(struct cg *c, const struct ir_op *kernel, const char *sep);
/* The line of the model text that its first op, or the op itself, came from; 0: none. */
uint32_t kern_line(const struct ir_op *kernel);
/* Begins the function; io->io is set. */
void kern_function(struct cg *c, const char *name, struct cg_kernel *io);
struct kern kern_begin(struct cg *c, const struct ir_op *op, uint32_t id, const struct cg_kernel *io);

/* Adds the kernel, or emit, to c->kernels (kernel_table.c). */
void kern_note(struct cg *c, const struct ir_op *op);
/* The kernel of an emit (finite.c).  skips: there is nothing to look at if intervals were asked for. */
void kern_check_finite(struct cg *c, const struct ir_op *op, uint32_t id, bool skips, struct cg_kernel *out);

/* ---- the parts ---- */
/* The rows that a stage computes: all, or the live ones. */
enum ir_rowsym rows_domain(const struct kern *k, enum ir_stage stage);
void rows_emit(struct kern *k, enum ir_stage stage);
void strands_emit(struct kern *k);
void attend_emit(struct kern *k, const struct ir_strand *s);

#endif
