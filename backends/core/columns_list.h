/*
 * columns_list.h -- which channels of a row of codes the cores that skip read.
 *
 * Entries are the channels whose code is not zero, with their codes, in chunks of COLUMNS_CHUNK whose channels lie far
 * apart.  What makes the last chunks whole is channel 0 with code 0, and so are COLUMNS_AHEAD chunks behind the last
 * one.
 */
#ifndef SETUN_BACKENDS_CORE_COLUMNS_LIST_H
#define SETUN_BACKENDS_CORE_COLUMNS_LIST_H

#include "backends/core/core.h"

enum {
    COLUMNS_GROUP = 4,  /* channels that a step of the dot instruction takes */
    COLUMNS_CHUNK = 16, /* channels that are read together, line by line */
    COLUMNS_AHEAD = 6,  /* lines of a chunk that are on their way into L1 while one is summed */
};

uint64_t columns_list_bytes(uint64_t K);
/* Writes the list of K codes; codes are zero from K to the next multiple of 64.  a->ctx: struct setun_step, which may
 * ask for a share of the channels instead.  Entries are there for the chunks of the part, and what is asked for ahead
 * of them. */
void columns_list_emit(struct cg *c, uint64_t K, const struct mm_prepare_args *a);
/* Chunks of a list of n (i64) that belong to a part: [from, to). */
void columns_list_part(struct cg *c, LLVMValueRef n, LLVMValueRef part, LLVMValueRef parts, LLVMValueRef *from,
                       LLVMValueRef *to);

LLVMValueRef columns_list_length(struct cg *c, LLVMValueRef list);            /* i64: channels that are not zero */
LLVMValueRef columns_list_chunks(struct cg *c, LLVMValueRef list);            /* i64 */
LLVMValueRef columns_list_channels(struct cg *c, LLVMValueRef list);          /* of i32 */
LLVMValueRef columns_list_codes(struct cg *c, LLVMValueRef list, uint64_t K); /* of i8 */

#endif
