/* compile.h -- a program as machine code in this process, against the interpreter. */
#ifndef SETUN_TEST_COMPILE_H
#define SETUN_TEST_COMPILE_H

#include "ir/ir.h"

struct compile_stats {
    uint32_t programs, runs; /* a run: one level, number of threads and size of chunks */
    uint32_t levels_skipped; /* levels that this machine does not run, summed over programs */
};

/*
 * Compiles m (maths vocabulary; it is fused here) for every level, runs it at each level that the machine has with 1, 2
 * and 3 to 5 threads and prompts in chunks of 1, 7 and 64 rows, and compares the logits of every position with the
 * interpreter's, bit for bit.  false: a difference, printed with the level, threads, chunk, position and element.
 */
bool compile_and_compare(struct diag *d, struct arena *a, struct ir_module *m, uint64_t seed, uint32_t tokens,
                         struct compile_stats *stats);

/*
 * The same for another family of machines: writes STEM.o, STEM.data and STEM.want, which test/target/program.c compares
 * there: u64 seed, u32 tokens, u32 vocabulary, the tokens, their logits.
 */
bool compile_for(struct diag *d, struct arena *a, struct ir_module *m, uint64_t seed, uint32_t tokens,
                 const char *target, const char *stem);

#endif
