/*
 * eval.h -- what the evaluation functions of the interpreter share (interp.c, interp_ops.c, interp_state.c).
 *
 * Transparent.  A frame is one call of a function; its cells live until the call returns.
 */
#ifndef SETUN_IR_EVAL_H
#define SETUN_IR_EVAL_H

#include "ir/interp.h"
#include "ir/num.h"

/* The state of one class in one layer: slots x positions rows of elems values: f16 as stored,
 * others as they are read back. */
struct cache {
    const struct ir_state *state;
    void *at;
};

/* What a value is at the moment: n_rows x elements for arrays, the rows themselves, or the cache. */
struct cell {
    const struct ir_val *val;
    uint32_t n_rows;
    union {
        void *data;
        const struct ir_row *rows;
        struct cache *cache;
    };
};

/* A weight of one layer, whole. */
struct held {
    int8_t *trits;
    float *scales;
    float *real;
};

/* Frequencies of a rotation. */
struct freqs {
    struct num_rope of;
    uint64_t *f;
};

struct interp {
    struct arena *arena;   /* weights, states: for the interpreter's life */
    struct arena *scratch; /* cells: for a call */
    struct diag *d;
    const struct ir_module *m;
    const struct ir_weights *w;
    uint32_t slots, positions;
    struct held **held;    /* [weight id][layer] */
    struct cache **caches; /* [state id][layer] */
    interp_trace *trace;
    void *trace_self;
    VEC(struct freqs) freqs;
    const char *wanted; /* name of the emitted value to copy out */
    float *out;
};

struct frame {
    struct interp *it;
    const struct ir_func *func;
    uint32_t layer; /* IR_NO_LAYER in an entry */
    const struct ir_row *rows;
    uint32_t n_rows, n_live;
    struct cell *cells; /* open addressing by the value's address; capacity a power of two */
    uint32_t capacity;
};

/* Number of rows of a value of type t in this call. */
uint32_t eval_rows(const struct frame *f, const struct ir_type *t);
const struct cell *eval_in(const struct frame *f, const struct ir_op *op, uint32_t i);
const float *eval_f32(const struct frame *f, const struct ir_op *op, uint32_t i);
/* Room for result i: rows x elements, zeroed. */
void *eval_out(struct frame *f, const struct ir_op *op, uint32_t i);
/* Binds result i to something that exists already. */
void eval_bind(struct frame *f, const struct ir_val *v, struct cell what);
/* The op's weight; NULL: reading failed and was reported. */
const struct held *eval_weight(struct frame *f, const struct ir_op *op);
/* Calls a function of a layer; ins match its parameters, outs receive what it returns. */
bool eval_call(struct interp *it, const struct ir_func *func, uint32_t layer, const struct cell *ins,
               struct cell *outs);
/* Ends the step: a value of row `row` of operand x is not finite. */
bool eval_non_finite(const struct frame *f, const struct ir_op *op, uint32_t row);
bool eval_block(struct frame *f, const struct ir_block *b);

#define OP(name, ...) bool eval_##name(struct frame *f, const struct ir_op *op);
#include "ir/ops.def"

#endif
