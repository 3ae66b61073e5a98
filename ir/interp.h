/*
 * interp.h -- the definition of every op: plain loops, bit for bit as docs/numerics.md says.
 *
 * Slow on purpose, and the oracle for every backend; it never learns a trick.
 */
#ifndef SETUN_IR_INTERP_H
#define SETUN_IR_INTERP_H

#include "ir/ir.h"
#include "ir/weights.h"

struct ir_row {
    uint32_t token, slot, pos;
    bool live;
};

/* The layer of what lies in no layer. */
#define IR_NO_LAYER UINT32_MAX

struct interp;

/* Called for each value defined at the top level of a function when tracing: rows x elems values of type. */
typedef void interp_trace(void *self, const struct ir_func *f, const struct ir_val *v, uint32_t layer, uint32_t rows,
                          const void *data);

/* slots x positions of state, all zero.  Weights are read once and held. */
struct interp *interp_new(struct diag *d, const struct ir_module *m, const struct ir_weights *w, uint32_t slots,
                          uint32_t positions);
void interp_free(struct interp *it);
void interp_set_trace(struct interp *it, interp_trace *fn, void *self);

/* Runs the entry on n rows.  out receives (live rows) x elems floats of the emitted value called name.
 * false: a non-finite activation, reported with position, layer and op. */
bool interp_step(struct interp *it, const struct ir_func *entry, const struct ir_row *rows, uint32_t n,
                 const char *emitted, float *out);

#endif
