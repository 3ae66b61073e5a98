/*
 * kernel.h -- what passes and backends agree on about kernels and rows in memory.
 *
 * Stages are derived from the dataflow of a region, never stored:
 *   PROLOGUE   a contraction of the region needs it
 *   CORE       matmul, gmatmul, dot, attend
 *   EPILOGUE   needs a contraction's result
 *   ROWS       the region has no contraction: everything is computed row by row
 */
#ifndef SETUN_IR_KERNEL_H
#define SETUN_IR_KERNEL_H

#include "ir/ir.h"
#include "ir/num.h"

enum ir_stage { IR_STAGE_ROWS, IR_STAGE_PROLOGUE, IR_STAGE_CORE, IR_STAGE_EPILOGUE };

enum {
    IR_LANES = 32,    /* rows of floats are padded to this many elements */
    IR_VECTOR = 16,   /* floats that code works on together */
    IR_TILE = 64,     /* output rows of a packed tile */
    IR_BLOCK_POS = 64 /* positions of a block of state */
};

/* Rows of cores.def: how a ternary contraction is computed. */
enum ir_core {
#define CORE(name, ...) IR_CORE_##name,
#include "ir/cores.def"
    IR_N_CORES
};
struct ir_core_info {
    const char *name;
    bool groups;   /* takes scales of groups of columns */
    bool skips;    /* reads no column whose code is zero */
    double bits;   /* a weight in memory */
    unsigned runs; /* of memory, which one row follows side by side */
    const char *text;
};
extern const struct ir_core_info ir_cores[IR_N_CORES];
/* By name; IR_N_CORES: there is none of that name. */
enum ir_core ir_core_named(const char *name);
/* Of a matmul or gmatmul: its attribute, or i2. */
enum ir_core ir_core_of(const struct ir_op *op);
/* Of all matmuls of a weight (rule V9), i2 if there are none. */
enum ir_core ir_weight_core(const struct ir_module *m, const struct ir_weight *w);

bool ir_is_core(const struct ir_op *op);
/* Leaves the stage of each op that lies directly in a region in it (op->stage), in time linear in the region.  They
 * hold until the region changes. */
void ir_find_stages(const struct ir_block *region);
/* The same for one op, for those who ask once. */
enum ir_stage ir_stage_of(const struct ir_op *op);

/*
 * Strands: the cores of a kernel and their epilogues, split into parts that share no value computed in
 * the epilogue.  All cores of one strand have the same number of output rows.
 */
struct ir_strand {
    VEC(struct ir_op *) cores;
    VEC(struct ir_op *) ops; /* the epilogue, in order */
    uint64_t n;              /* output rows: elements of a row of the core's result */
    uint64_t group;          /* the unit must be a multiple of this: 1, or the length of heads */
};
struct ir_strands {
    VEC(struct ir_strand) at;
};
void ir_strands_of(struct arena *a, const struct ir_op *kernel, struct ir_strands *out);
/* Rows that the op needs together behind a core: 1, or the head length of a rope, and of a write that must know where
 * heads begin: with a scale a head, or heads of no whole vectors. */
uint64_t ir_group_of(const struct ir_op *op);
/* The smallest multiple of both. */
uint64_t ir_group_both(uint64_t a, uint64_t b);
/* The smallest multiple of IR_TILE and group (unit of a strand); 0 if above IR_MAX_UNIT. */
enum { IR_MAX_UNIT = 2048 };
uint64_t ir_unit_of(uint64_t group);

/*
 * A row of a value in memory, bytes:
 *   f32, i32 of rank >= 1   4 * elems, elems rounded up to 32; padding lanes hold anything
 *   f32 of rank 0           4
 *   i8                      K rounded up to 64 with zeros, then 64 bytes whose first four are the int32
 *                           sum of the row's codes
 * Buffers start at multiples of 64.
 */
uint64_t ir_row_stride(const struct ir_type *t);
uint64_t ir_i8_sum_offset(const struct ir_type *t);
/*
 * A block of a state in memory: its heads one after the other, and of each the IR_BLOCK_POS positions one after the
 * other; an int8 head then has a scale (f32) for each position.
 */
uint64_t ir_state_position_bytes(const struct ir_state *s); /* of one head: elements rounded up to 16 */
uint64_t ir_state_head_bytes(const struct ir_state *s);     /* of one block */
uint64_t ir_state_scales_offset(const struct ir_state *s);  /* in it; int8 only */

/* The angles of a rope op; theta and scaling are its attributes, dims its own or the whole last axis. */
struct num_rope ir_rope_of(const struct ir_op *op);

/* A value has a place in the arena if it is used outside the kernel (or stage) that defines it. */
bool ir_needs_place(const struct ir_val *v);

#endif
