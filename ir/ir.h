/*
 * ir.h -- the one IR: SSA values over rows, in two vocabularies.
 *
 * Maths ops are what the model said.  A kernel op holds, in its region, the maths ops that will run as one
 * piece of machine code: those a contraction needs (prologue), the contractions (core), and those that need
 * its result (epilogue).  So fusing is moving ops into regions, and the interpreter runs both vocabularies.
 *
 * A function takes rows (token, slot, pos) and values of those rows.  T is the number of rows given, L the
 * number of rows whose results are wanted ("live"); nothing else is symbolic.  A function called by `layer`
 * or `layers` sees the weights and states of that layer: '@body.wq' means the layer's own matrix.
 *
 * Transparent: passes match on these structs.  Everything lies in the module's arena.
 */
#ifndef SETUN_IR_IR_H
#define SETUN_IR_IR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

enum {
    IR_MAX_RANK = 4,
    IR_MAX_ATTRS = 8,
    IR_MAX_K = 65536, /* longest contracted axis: i32 sums stay exact (numerics: integers) */
    /* What a module may have, so that no product of sizes passes 64 bits (rule V11). */
    IR_MAX_CLASSES = 1024, /* weights; states */
    IR_MAX_LAYERS = 65536,
    IR_MAX_ROWS = 1024,     /* in one step */
    IR_MAX_ELEMS_LOG2 = 40, /* of a weight in all layers; of a state in all layers and positions */
};

/* See ops.def. */
enum ir_traits {
    IR_ROW = 1,
    IR_ELT = 2,
    IR_GROUP = 4,
    IR_FREE = 8,
    IR_SUM = 16,
    IR_EFFECT = 32,
    IR_COMM = 64,
};

enum ir_group { IR_ROWS, IR_REDUCE, IR_CONTRACT, IR_ELTWISE, IR_GROUP_, IR_STATE, IR_CALL, IR_REGION, IR_END };
enum ir_ref_kind { IR_REF_NONE, IR_REF_WEIGHT, IR_REF_STATE, IR_REF_FUNC };

enum ir_opcode {
#define OP(name, ...) IR_OP_##name,
#include "ir/ops.def"
    IR_N_OPS
};

enum ir_attr_id {
#define ATTR(name, kind) IR_ATTR_##name,
#include "ir/attrs.def"
    IR_N_ATTRS
};
enum ir_attr_kind { IR_I64, IR_F32, IR_F64, IR_NAME };

enum ir_elem { IR_NONE, IR_F32_E, IR_I8, IR_I32, IR_ROWS_E, IR_CACHE_F32, IR_CACHE_F16, IR_CACHE_I8 };
enum ir_rowsym { IR_NO_ROWS, IR_T, IR_L };

/* f32[T, 8, 32]: elem f32, rows T, rank 2, dim {8, 32}. */
struct ir_type {
    enum ir_elem elem;
    enum ir_rowsym rows;
    uint32_t rank;
    uint32_t dim[IR_MAX_RANK];
};

enum ir_store {
    IR_STORE_TRIT,
    IR_STORE_F32,
    IR_STORE_F16,
    IR_STORE_BF16,
    IR_STORE_Q8_0, /* blocks of small integers with scales: codec/real.h */
    IR_STORE_Q6_K,
    IR_STORE_Q4_0,
    IR_STORE_Q4_K,
    IR_N_STORES
};
extern const char *const ir_store_name[IR_N_STORES];
/* GROUP: one for each `group` columns of a row, group by group inside a row. */
enum ir_scale { IR_SCALE_NONE, IR_SCALE_MATRIX, IR_SCALE_ROW, IR_SCALE_GROUP };

/* A weight class: one tensor, or one a layer of a stack.  dim: outputs first, the contracted axis last. */
struct ir_weight {
    const char *name; /* "embed", "body.wq" */
    enum ir_store store;
    enum ir_scale scale; /* trits only */
    uint32_t group;      /* IR_SCALE_GROUP: columns that share a scale; divides the last dim */
    uint32_t rank;
    uint32_t dim[IR_MAX_RANK];
    uint32_t layers; /* 0: global; n: belongs to a stack of n layers */
    uint32_t id;     /* index in module->weights */
    struct loc loc;
};

/* A state class: a cache of one row of dim elements for each position; all axes but the last are its heads. */
struct ir_state {
    const char *name;
    enum ir_elem elem; /* IR_CACHE_* */
    uint32_t rank;
    uint32_t dim[IR_MAX_RANK];
    uint32_t layers;
    uint32_t id;
    struct loc loc;
};

struct ir_val {
    const char *name; /* for printing: unique in the function */
    struct ir_type type;
    struct ir_op *def; /* NULL: a parameter of the function */
    uint32_t index;    /* which result of def, or which parameter */
    int64_t place;     /* byte offset in the arena, given by plan-memory; -1: none */
    uint32_t number;   /* scratch of whoever walks the function */
};

struct ir_attr {
    enum ir_attr_id id;
    union {
        int64_t i;
        float f32;
        double f64;
        const char *name;
    };
};

struct ir_block {
    struct ir_op *first, *last;
    struct ir_op *owner; /* the kernel op, or NULL for a function's body */
    struct ir_func *func;
};

struct ir_op {
    enum ir_opcode code;
    uint32_t n_in, n_out, n_attr, n_func;
    struct ir_val **in;
    struct ir_val **out;
    struct ir_attr attr[IR_MAX_ATTRS];
    const struct ir_weight *weight;
    const struct ir_state *state;
    struct ir_func **func; /* layer: one; layers: one a layer of the period */
    struct ir_block *body; /* kernel */
    struct ir_block *block;
    struct ir_op *prev, *next;
    uint32_t number; /* scratch of whoever walks the block */
    uint8_t stage;   /* of a region's op, as ir_find_stages (kernel.h) left it */
    struct loc loc;
};

struct ir_func {
    const char *name;
    bool entry;
    uint32_t n_params;
    struct ir_val **params; /* params[0] is rows[T] */
    struct ir_block *body;  /* ends in ret (a layer) or emits, then ret (an entry) */
    uint64_t frame;         /* bytes of arena, given by plan-memory; 0: not planned */
    struct ir_module *module;
    uint32_t number; /* scratch of whoever walks the module */
    struct loc loc;
};

struct ir_module {
    struct arena *arena;
    struct names *names;
    const char *name;
    VEC(struct ir_weight *) weights;
    VEC(struct ir_state *) states;
    VEC(struct ir_func *) funcs;
    uint32_t context; /* positions the model was made for */
    uint32_t vocab;
    uint32_t max_rows; /* rows in one step at the most; plan-memory sizes buffers by it */
};

struct ir_op_info {
    const char *name;
    enum ir_group group;
    const char *in;
    int n_out; /* -1: any number */
    uint32_t traits;
    enum ir_ref_kind ref;
    const char *attrs;
};
extern const struct ir_op_info ir_ops[IR_N_OPS];
struct ir_attr_info {
    const char *name;
    enum ir_attr_kind kind;
};
extern const struct ir_attr_info ir_attrs[IR_N_ATTRS];

/* ---- types ---- */
struct ir_type ir_type_make(enum ir_elem e, enum ir_rowsym rows, uint32_t rank, const uint32_t *dim);
bool ir_type_eq(const struct ir_type *a, const struct ir_type *b);
uint64_t ir_type_elems(const struct ir_type *t); /* elements of one row */
uint32_t ir_elem_bytes(enum ir_elem e);
bool ir_is_cache(enum ir_elem e);
/* "f16" of a cache<f16>. */
const char *ir_cache_word(enum ir_elem e);
const char *ir_type_text(struct arena *a, const struct ir_type *t);
uint64_t ir_state_heads(const struct ir_state *s);    /* product of all dims but the last */
uint64_t ir_weight_rows(const struct ir_weight *w);   /* product of all dims but the last */
uint64_t ir_weight_cols(const struct ir_weight *w);   /* the last dim */
uint64_t ir_weight_groups(const struct ir_weight *w); /* of columns, each with a scale of its own; 1 unless GROUP */
/* What of the sizes of a weight or state passes IR_MAX_* (rule V11), as "more than ..."; NULL: nothing.  positions: of
 * the context, or 1. */
const char *ir_size_problem(uint32_t layers, uint32_t positions, uint32_t rank, const uint32_t *dim);
/* Can the last dim be cut into groups of w->group columns, a multiple of 4, with fewer than 2^31 scales in all? */
bool ir_group_allowed(const struct ir_weight *w);
uint64_t ir_weight_scales(const struct ir_weight *w); /* of one layer; 0: none */
/* Do classes of these names belong to one stack?  Its name is what stands in front of the first '.'. */
bool ir_same_stack(const char *a, const char *b);

/* ---- building (ir/build.c) ---- */
struct ir_module *ir_module_new(struct arena *a, struct names *names, const char *name);
struct ir_weight *ir_weight_add(struct ir_module *m, const char *name);
struct ir_state *ir_state_add(struct ir_module *m, const char *name);
struct ir_weight *ir_weight_find(const struct ir_module *m, const char *name);
struct ir_state *ir_state_find(const struct ir_module *m, const char *name);
struct ir_func *ir_func_add(struct ir_module *m, const char *name, bool entry);
struct ir_func *ir_func_find(const struct ir_module *m, const char *name);
/* A copy under another name, placed in front of the original. */
struct ir_func *ir_func_clone(struct ir_func *f, const char *name);
void ir_func_remove(struct ir_module *m, struct ir_func *f);
struct ir_val *ir_param_add(struct ir_func *f, const char *name, struct ir_type t);

/* A new op, not yet in a block.  Result types come from ir_infer or are set by the caller. */
struct ir_op *ir_op_new(struct ir_func *f, enum ir_opcode code, struct loc loc, uint32_t n_in, struct ir_val *const *in,
                        uint32_t n_out);
struct ir_block *ir_block_new(struct ir_func *f, struct ir_op *owner);
void ir_append(struct ir_block *b, struct ir_op *op);
void ir_insert_before(struct ir_op *at, struct ir_op *op);
void ir_insert_after(struct ir_op *at, struct ir_op *op);
void ir_remove(struct ir_op *op); /* unlinks; operands stay */
struct ir_val *ir_result_add(struct ir_func *f, struct ir_op *op, const char *name, struct ir_type t);
void ir_operand_add(struct ir_op *op, struct ir_val *v);
/* A name not yet used in f, made from the hint. */
const char *ir_fresh_name(struct ir_func *f, const char *hint);

void ir_set_i64(struct ir_op *op, enum ir_attr_id id, int64_t v);
void ir_set_f32(struct ir_op *op, enum ir_attr_id id, float v);
void ir_set_f64(struct ir_op *op, enum ir_attr_id id, double v);
void ir_set_name(struct ir_op *op, enum ir_attr_id id, const char *v);
const struct ir_attr *ir_attr_get(const struct ir_op *op, enum ir_attr_id id); /* NULL: absent */
int64_t ir_i64(const struct ir_op *op, enum ir_attr_id id, int64_t absent);
float ir_f32(const struct ir_op *op, enum ir_attr_id id);
double ir_f64(const struct ir_op *op, enum ir_attr_id id);
const char *ir_name_attr(const struct ir_op *op, enum ir_attr_id id); /* NULL: absent */

/* ---- uses (recomputed by walking; functions are small) ---- */
/* Number of operand places that hold v, in the whole function. */
uint32_t ir_uses(struct ir_func *f, const struct ir_val *v);
void ir_replace_uses(struct ir_func *f, struct ir_val *from, struct ir_val *to);
/* The ancestor of op that lies directly in block b, or NULL. */
struct ir_op *ir_in_block(struct ir_op *op, const struct ir_block *b);
/* Walks ops of a function in order, into regions (the kernel op first).  NULL at the end. */
struct ir_op *ir_first(struct ir_func *f);
struct ir_op *ir_next(struct ir_op *op);

/* The emit op whose value an entry is run for: that of logits, or the first; NULL: nothing is emitted. */
struct ir_op *ir_emitted(const struct ir_func *entry);

/* ---- shapes (ir/shape.c): fills op's result types, or reports the broken rule and returns false ---- */
bool ir_infer(struct diag *d, struct ir_op *op);

/* ---- verifier (ir/verify.c): rules are numbered in docs/ir.md ---- */
bool ir_verify(struct diag *d, const struct ir_module *m, const char *after);

/* ---- text (ir/print.c, ir/parse.c): print(parse(print(m))) == print(m) ---- */
void ir_print(struct buf *out, const struct ir_module *m);
/* The op and its region with values renamed in order of appearance: equal for equal computations. */
void ir_print_canonical(struct buf *out, const struct ir_op *op);
struct ir_module *ir_parse(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text,
                           size_t n);
/* Equal but for the names of values and of the function itself? */
bool ir_func_same(const struct ir_func *a, const struct ir_func *b);

#endif
