/*
 * cores.h -- what the measurements of cores share: a core's functions, loaded, memory for them, and medians.
 */
#ifndef SETUN_BENCH_CORES_H
#define SETUN_BENCH_CORES_H

#include "backends/core/core.h"

typedef void mm_fn(const uint8_t *matrix, int64_t first, int64_t n_tiles, const int8_t *codes, int64_t code_stride,
                   int64_t n_rows, int32_t *acc, int64_t acc_stride, uint8_t *scratch, struct setun_step *ctx,
                   const uint8_t *prepared, const float *alpha, int64_t part, int64_t parts);
typedef void prepare_fn(const int8_t *codes, uint8_t *to, struct setun_step *ctx, int64_t part, int64_t parts);

/* The level of that name, or (NULL) the best of this machine; ends the program if the machine does not run it. */
const struct cg_level *bench_level(const char *name);
/* Writes the module of c as a library and loads it; ends the program if that fails. */
void *bench_load(struct cg *c);
/* A function that is to be found in that library: its name. */
const char *bench_export(struct cg *c, LLVMValueRef fn);
/* n bytes or a few more at a multiple of 64, written; of all layouts a matrix, and no core looks at what it is. */
void *bench_take(size_t n);
double bench_median(double *v, size_t n); /* sorts */

#endif
