/* five.h -- vectors of bytes of five trits (codec/t5_64.h) and the codes in them. */
#ifndef SETUN_BACKENDS_CORE_FIVE_H
#define SETUN_BACKENDS_CORE_FIVE_H

#include "backends/core/matmul.h"
#include "codec/t5_64.h"

/* How operands are taken from five_four: two fields of each nibble, for 16-bit sums, which take 16 steps; plain codes.
 */
extern const struct mm_planes five_nibbles, five_plain;

/* Which bytes have tables of their own, as five_or wants it. */
LLVMValueRef five_rare(struct cg *c, LLVMValueRef w);
/* Those looked up by their low six bits, the others as in `often`. */
LLVMValueRef five_or(struct cg *c, LLVMValueRef w, LLVMValueRef rare, const uint8_t table[64], LLVMValueRef often);

/* The first four codes, 2 bits each; the fifth, shifted left by `shift`: 0 or 6. */
LLVMValueRef five_four(struct cg *c, LLVMValueRef w, LLVMValueRef rare);
LLVMValueRef five_fifth(struct cg *c, LLVMValueRef w, LLVMValueRef rare, unsigned shift);

#endif
