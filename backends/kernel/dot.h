/*
 * dot.h -- sums of products of floats in the order of the contract, and the elements of stored real weights.
 */
#ifndef SETUN_BACKENDS_KERNEL_DOT_H
#define SETUN_BACKENDS_KERNEL_DOT_H

#include "backends/cg/cg.h"

/*
 * The dot core (dot.c), made once per weight type and length:
 *   void dot(ptr w, i64 n_out, ptr x, i64 x_stride_bytes, i64 n_rows, ptr acc, i64 acc_stride)
 * acc[r * acc_stride + j] (f32) = sum1024 of w[j][k] * x[r][k], for weight rows j < n_out as stored.
 */
LLVMValueRef dot_function(struct cg *c, enum ir_store store, uint64_t K, LLVMTypeRef *type);
/* Bytes of a row of a RAW tensor. */
uint64_t dot_row_bytes(enum ir_store store, uint64_t K);
/* Elements 32 part .. 32 part + 31 (part: i64) of the block at p, as <32 x f32>: block.c. */
LLVMValueRef block_part(struct cg *c, enum ir_store store, LLVMValueRef p, LLVMValueRef part);
/* n elements of a stored real weight or cache, widened to <n x f32>. */
LLVMValueRef dot_load(struct cg *c, enum ir_store store, LLVMValueRef p, unsigned n);
/* x, <32 x f32>, with lanes from n on set to +0. */
LLVMValueRef dot_first_lanes(struct cg *c, LLVMValueRef x, uint64_t n);
/* sum1024 of squares of n floats at x. */
LLVMValueRef dot_squares(struct cg *c, LLVMValueRef x, uint64_t n);

#endif
