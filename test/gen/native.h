/* native.h -- machine code of a program against logits that the interpreter gave, bit for bit. */
#ifndef SETUN_TEST_NATIVE_H
#define SETUN_TEST_NATIVE_H

#include <stdbool.h>

#include "runtime/abi.h"

struct trial {
    uint64_t seed; /* of the program, for messages and to draw a number of threads */
    uint32_t n, vocab;
    const uint32_t *tokens; /* [n] */
    const float *want;      /* [n][vocab] */
    float *got;             /* [n][vocab] */
};

/*
 * Runs each level that the machine has with 1, 2 and 3 to 5 threads and prompts in chunks of 1, 7 and 64 rows, with all
 * rows live, the last one, and screened; counts runs and levels left out.  false: a difference, printed with the level,
 * threads, chunk, position and element.
 */
bool native_matches(struct trial *t, const struct setun_model *model, const uint8_t *data, uint32_t *ran,
                    uint32_t *skipped);

#endif
