/*
 * micro.h -- the micro kernel of many rows, as matmul_tile.c calls it.
 */
#ifndef SETUN_BACKENDS_CORE_MICRO_H
#define SETUN_BACKENDS_CORE_MICRO_H

#include "backends/core/matmul.h"

/* All of one vector of a step, and of up to mm_target.rows rows of activations. */
struct micro_args {
    LLVMValueRef panel, steps; /* its operands, MM_PLANES vectors a step; how many steps, a multiple of micro_steps */
    LLVMValueRef codes, code_stride; /* activations of the first step; bytes a row */
    LLVMValueRef acc, acc_stride;    /* sums, or with a whole group results, at the lanes of this vector; i32 a row */
    /* The rows' sums of codes if these are the tile's last steps, else NULL, code_stride bytes from row to row; of a
     * whole group: an i32 a row. */
    LLVMValueRef code_sums;
    LLVMValueRef more;  /* i64: not 0 if acc holds what earlier panels gave; not with a whole group */
    LLVMValueRef alpha; /* of a whole group: its scales, at the lanes of this vector */
};

/* whole: the panel is a whole group of columns, whose scaled sums are added to float results. */
void micro_call(struct cg *c, const struct mm_core *core, unsigned rows, bool whole, const struct micro_args *a);

/* Steps whose codes are loaded together. */
unsigned micro_steps(const struct mm_target *t);

/* The operands of steps 2 i and 2 i + 1, of one vector and plane, as the level's micro kernel wants them to lie. */
void micro_two(struct cg *c, LLVMValueRef w[2]);

#endif
