/*
 * emit.h -- drawing numbers and appending ops; private to the generator.
 *
 * A value goes with a bound on its elements.  An op whose result could pass LIMIT gets a norm in front, so that no
 * square, sum of squares or product overflows, whatever the weights are.
 */
#ifndef SETUN_TEST_GEN_EMIT_H
#define SETUN_TEST_GEN_EMIT_H

#include "ir/weights.h"
#include "test/gen/gen.h"

struct val {
    struct ir_val *v;
    double log2; /* every element is at most 2^log2 in magnitude */
};

struct codes {
    struct ir_val *q, *r;
    double log2; /* of q * r */
};

struct gen {
    struct diag *d;
    struct ir_module *m;
    struct gen_info *info;
    uint64_t seed;
    uint64_t rng;      /* stream of the function being drawn */
    struct ir_func *f; /* the function being built */
    struct ir_val *rows;
    uint32_t names;
    const char *stack; /* prefix of weights and states: "body.", "alt.", "" in the entry */
    uint32_t layers;   /* of the weights made now; 0 in the entry */
};

/* Result bounds stay below this; twice it plus log2 of the longest axis fits a float. */
#define GEN_LIMIT 55.0

/* ---- drawing ---- */
uint64_t gen_hash(uint64_t seed, const char *what);
/* Uniform in [0, n), [from, to]; true once in n. */
uint32_t gen_below(struct gen *g, uint32_t n);
uint32_t gen_range(struct gen *g, uint32_t from, uint32_t to);
bool gen_once_in(struct gen *g, uint32_t n);
/* The same, from a stream of the feature's own: what one feature draws does not depend on another. */
uint32_t gen_pick(const struct gen *g, const char *scope, const char *what, uint32_t n);
/* Notes that the feature is in the program. */
void gen_note(struct gen *g, enum gen_feature f);

/* ---- functions and references ---- */
void gen_func(struct gen *g, const char *name, bool entry);
struct val gen_param(struct gen *g, const char *name, uint32_t width, double log2);
/* The weight of that name in the current stack; made at the first use. */
const struct ir_weight *gen_weight(struct gen *g, const char *name, enum ir_store store, uint32_t rank,
                                   const uint32_t *dim);
/* How a matrix with rows of that length is stored, by draw: blocks only if they fit. */
enum ir_store gen_store(const struct gen *g, const char *name, uint32_t length);
const struct ir_state *gen_state(struct gen *g, const char *name, enum ir_elem elem, uint32_t heads, uint32_t head);

/* ---- ops ---- */
struct ir_op *gen_op(struct gen *g, enum ir_opcode code, const struct ir_weight *w, uint32_t n_in,
                     struct ir_val *const *in);
/* Infers, names and appends an op made by ir_op_new. */
void gen_append(struct gen *g, struct ir_op *op);
struct val gen_embed(struct gen *g, const struct ir_weight *table);
struct val gen_live(struct gen *g, struct val x);
struct val gen_reshape(struct gen *g, struct val x, uint32_t rank, const uint32_t *dim);
/* A norm over the last `over` axes, with a gain of that name. */
struct val gen_norm(struct gen *g, struct val x, const char *gain, uint32_t over);
/* Over the last axis. */
struct val gen_l2norm(struct gen *g, struct val x);
struct codes gen_quant(struct gen *g, struct val x);
/* Sums of codes and their scaling. */
struct val gen_matmul(struct gen *g, struct codes x, const struct ir_weight *w);
struct val gen_dot(struct gen *g, struct val x, const struct ir_weight *w);
struct val gen_bias(struct gen *g, struct val x, const char *name);
/* neg relu relu2 exp sigmoid silu tanh gelu; exp gets an operand in front that keeps it small. */
struct val gen_one(struct gen *g, enum ir_opcode code, struct val x);
/* addc mulc */
struct val gen_const(struct gen *g, enum ir_opcode code, struct val x, float c);
/* add sub mul; div divides by 1 + (tanh b)^2 */
struct val gen_two(struct gen *g, enum ir_opcode code, struct val a, struct val b);
/* A norm, or a power of two where a norm has no axis to go over, if the bound is above limit. */
struct val gen_tame(struct gen *g, struct val x, double limit);

#endif
