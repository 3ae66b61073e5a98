/*
 * strand.h -- output rows of a kernel's strands, between epilogue.c, which shares them out among threads and computes
 * them a unit at a time, and share.c, which computes a thread's share of one row at once.
 */
#ifndef SETUN_BACKENDS_KERNEL_STRAND_H
#define SETUN_BACKENDS_KERNEL_STRAND_H

#include "backends/core/core.h"
#include "backends/kernel/kern.h"

/* A strand as code sees it: units [base, base + n_units) of `unit` output rows each.  With one row, threads take whole
 * grains: [grain_base, grain_base + ...) of `grain` units each. */
struct part {
    const struct ir_strand *strand;
    enum ir_rowsym rows;
    uint64_t unit, base, n_units;
    uint64_t grain, grain_base;
    LLVMValueRef *sums; /* of one row, each core's results, in thread scratch; NULL: no core wants its share whole */
};

/* What a call of a core computes: `count` output rows from `first` on, summed over part number `part` of `parts`. */
struct work {
    LLVMValueRef first, count, part, parts;
};
struct work strand_whole_sums(struct kern *k, LLVMValueRef first, LLVMValueRef count);

/* ---- strand.c ---- */
bool strand_is_ternary(const struct ir_op *core); /* of a strand's cores: a matmul or gmatmul? */
/* Bytes of scratch that the strand's cores need while they run. */
uint64_t strand_core_scratch(const struct kern *k, const struct ir_strand *s);
/* What a core makes of its codes beforehand, if there is one row: once a kernel for each core and value, by each thread
 * for itself.  op: a ternary core, of which this thread will ask for this part of k. */
void strand_prepare(struct kern *k, const struct ir_op *op, LLVMValueRef part, LLVMValueRef parts);
/* One core of the strand: sums to acc. */
void strand_core(struct kern *k, const struct part *p, const struct ir_op *op, const struct work *w, LLVMValueRef acc,
                 LLVMValueRef scratch);
/* Output rows from `first` on of the unit that begins there; the last unit may be short. */
LLVMValueRef strand_rows_of_unit(struct kern *k, const struct part *p, LLVMValueRef first);
/* What follows the cores, for row m: acc holds the cores' results from output row `first` on. */
void strand_epilogue(struct kern *k, const struct part *p, LLVMValueRef m, LLVMValueRef first, LLVMValueRef count,
                     LLVMValueRef *acc);

/* ---- share.c ---- */
/* Rows to which the strand's results are padded if a core wants the thread's whole share; else 0. */
uint64_t share_rows(const struct ir_strand *s);
/* Which part of k, of how many, the thread sums of the matrices that share_parts splits. */
void share_split(struct kern *k, LLVMValueRef *part, LLVMValueRef *parts);
LLVMValueRef *share_room(struct kern *k, const struct part *p); /* the part's `sums` */
/* If there is one row: sums of the thread's part of k, of all strands that are split so; then the threads meet. */
void share_parts(struct kern *k, const struct part *parts, size_t n);
/* i1: is there one row, so that share_emit can be used? */
LLVMValueRef share_is_one_row(struct kern *k, const struct part *p);
/* The thread's units [lo, hi) of one row: cores and epilogue. */
void share_emit(struct kern *k, const struct part *p, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef scratch);

#endif
