/*
 * trace.h -- the file of `--trace`: every value that crosses kernels, in the order computed.
 *
 *   "SETUTRC1"   then records:
 *   struct setun_trace_record | u32 pos[rows] | kernel's name | value's name | zero bytes up to a multiple of 4
 *   | rows * elems elements, row after row, 4 bytes each (f32, i32) or 1 (i8) | zero bytes up to a multiple of 4
 *
 * All numbers are little-endian.  docs/executable.md describes it for readers.
 */
#ifndef SETUN_RUNTIME_TRACE_H
#define SETUN_RUNTIME_TRACE_H

#include <stdint.h>

#include "runtime/abi.h"
#include "runtime/engine.h"
#include "runtime/rt.h"

#define SETUN_TRACE_MAGIC "SETUTRC1"

struct setun_trace_record {
    uint32_t step;   /* counts from 0 */
    uint32_t kernel; /* index of the kernel in the model */
    uint32_t layer;
    uint32_t elem; /* enum setun_elem */
    uint32_t rows, elems;
    uint32_t kernel_bytes, name_bytes; /* of the two names */
};
_Static_assert(sizeof(struct setun_trace_record) == 32, "trace");

struct setun_trace {
    struct setun_out out;
    uint32_t step;
};

int setun_trace_open(struct setun_trace *t, const char *path);
/* One value: rows of elems elements, row_stride bytes apart; pos has the rows' positions. */
void setun_trace_value(struct setun_trace *t, uint32_t kernel, uint32_t layer, const char *kernel_name,
                       const struct setun_value *v, uint32_t rows, const uint32_t *pos, const void *data);
/* What setun_step.trace does with a kernel. */
void setun_trace_kernel(struct setun_trace *t, const struct setun_model *m, const struct setun_step *s, uint32_t kernel,
                        uint32_t layer);
/* From now on all steps of the engine go to t, with all logits. */
void setun_trace_attach(struct setun_trace *t, struct setun_native *n);
int setun_trace_close(struct setun_trace *t, bool keep);

#endif
