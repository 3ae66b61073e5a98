/*
 * core.h -- a ternary core: how a weight lies in the data section, and the loops that multiply by it.
 *
 * Rows of ir/cores.def, one file core_<name>.c each; docs/adding-a-core.md walks through one.  A core says four things:
 *
 *   layout    bytes of a matrix, pack, unpack           data/write.c (the drawing is in codec/ and docs/formats.md)
 *   one row   a loop over a run of tiles                 reads each byte once
 *   prepare   what one row's codes become first          once a kernel, by each thread for itself; most cores: nothing
 *   unpack    operands of the dot instruction            many rows: matmul_tile.c does the rest
 *
 * matmul.c has what their loops share, multiply.c the function that kernels call.
 */
#ifndef SETUN_BACKENDS_CORE_CORE_H
#define SETUN_BACKENDS_CORE_CORE_H

#include "backends/cg/cg.h"

struct columns_kind;
struct mm_planes;
struct mm_target;

/* A matrix as one function sees it.  group: columns that share a scale; 0: a row is one sum. */
struct mm_shape {
    const struct mm_core *core;
    uint64_t n, K, group;
};

/*
 * The arguments of the function that computes a run of tiles, with the type that mm_function gives:
 *
 *   acc[r * acc_stride + 64 * t + j] (i32) = sum over k < K of q[r][k] * trit[64 (first + t) + j][k]
 *
 * for tile t < n_tiles, row r < n_rows.  acc_stride in elements, code_stride in bytes.  codes: rows as ir_row_stride
 * lays them (zero padded to 64, then the row's int32 sum).  n_rows <= module max_rows.
 * With groups acc is f32: chain over the groups from +0 of fma(float(sum of the group), alpha, acc).
 */
struct mm_args {
    LLVMValueRef matrix; /* its first byte in the data section */
    LLVMValueRef first, n_tiles;
    LLVMValueRef codes, code_stride, n_rows;
    LLVMValueRef acc, acc_stride;
    LLVMValueRef scratch;  /* mm_scratch_bytes, of this thread */
    LLVMValueRef ctx;      /* struct setun_step */
    LLVMValueRef prepared; /* what prepare left of row 0, if n_rows is 1; else nothing to rely on */
    LLVMValueRef alpha;    /* of groups: 64 floats a group, tile after tile, from tile 0 on; else NULL */
    /* One row, of a core with whole_share: only part number `part` of `parts` of the sum over k; the sum of all parts'
     * acc is the matrix's.  Any other call: 0, 1. */
    LLVMValueRef part, parts;
};
enum { MM_ARGS = 14 };

struct mm_prepare_args {
    LLVMValueRef codes, to, ctx; /* to: mm_args.prepared */
    LLVMValueRef part, parts;    /* as in mm_args */
};
enum { MM_PREPARE_ARGS = 5 };

/* Where operands go: that of vector v, plane p, for step from + s (of four k) begins at
 * to + ((v * MM_PANEL + s) * MM_PLANES + p) * bytes of a vector. */
struct mm_panel {
    LLVMValueRef tile;        /* number in the matrix */
    LLVMValueRef from, steps; /* from is a multiple of the core's panel_steps; the last panel may end earlier */
    LLVMValueRef to;
};

struct mm_core {
    const char *name;

    enum setun_layout layout;
    /* Tiles of 64 rows, all of a size, one after another: mm_pack and the like do the rest. */
    uint64_t (*tile_bytes)(uint64_t K);
    void (*pack_tile)(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile); /* rows <= 64 */
    void (*unpack_tile)(const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K, int8_t *trits);
    /* Or, tile_bytes being NULL, a matrix in one piece, as mm_bytes_of, mm_pack and mm_unpack say. */
    uint64_t (*bytes)(uint64_t rows, uint64_t K);
    void (*pack)(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *matrix);
    void (*unpack)(const uint8_t *matrix, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits);

    const struct columns_kind *columns; /* of matrices that lie by columns (columns.h); else NULL */

    /* One row of codes: the body of a function with arguments a. */
    void (*one_row)(struct cg *c, const struct mm_shape *s, const struct mm_args *a);
    /* 0: a unit of output rows at a time, as the epilogue goes.  Otherwise one call for all that the thread computes of
     * a matrix: acc then lies in a block of the whole matrix, its rows rounded up to this number, and the core may
     * write whole runs of so many rows around what it was asked for.  It also sums over parts of k (mm_args.part). */
    unsigned whole_share;

    /* NULL, or: what one_row wants to know of the codes, into scratch of the thread.  one_row will be asked for this
     * part of this many, and no other. */
    uint64_t (*prepare_bytes)(uint64_t K);
    void (*prepare)(struct cg *c, uint64_t K, const struct mm_prepare_args *a);

    /* Many rows, from memory: where the line lies that is asked for while step `from` of the tile at hand is computed,
     * one line a step, `stride` bytes from each to the next.  NULL: the next tile, as it lies. */
    LLVMValueRef (*ahead)(struct cg *c, const struct mm_shape *s, LLVMValueRef matrix, LLVMValueRef tile,
                          LLVMValueRef from, uint64_t *stride);
    unsigned panel_steps; /* steps of four k that unpack_panel writes together */
    const struct mm_planes *(*panel)(const struct mm_target *t);
    void (*unpack_panel)(struct cg *c, const struct mm_shape *s, const struct mm_args *a, const struct mm_panel *p);
};

extern const struct mm_core *const mm_cores[IR_N_CORES];
/* The core whose layout it is. */
const struct mm_core *mm_core_of_layout(enum setun_layout layout);
/* The matrix of a matmul or gmatmul. */
struct mm_shape mm_shape_of(const struct ir_op *op);

/* ---- layouts ---- */
static inline bool mm_one_piece(const struct mm_core *core) { return !core->tile_bytes; }
uint64_t mm_bytes_of(const struct mm_core *core, uint64_t rows, uint64_t K); /* of the trits of a matrix */
/* Rows [row, row + n) of a matrix of `rows`; row is a multiple of 64, and so is n or it reaches the end.  Calls go
 * through the rows in order. */
void mm_pack(const struct mm_core *core, const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K,
             uint8_t *matrix);
/* Any rows of a matrix.  What mm_pack never wrote gives some trits, or numbers that are none. */
void mm_unpack(const struct mm_core *core, const uint8_t *matrix, uint64_t row, uint64_t n, uint64_t rows, uint64_t K,
               int8_t *trits);

/* Bytes of the matrix, with the scales of groups: what one token reads of it. */
uint64_t mm_bytes(const struct mm_shape *s);
/* Of a tile's scales, if they are of groups. */
uint64_t mm_alpha_bytes(uint64_t K, uint64_t group);
/* Sum of mm_bytes over the module's ternary weights, all layers. */
uint64_t mm_model_bytes(const struct ir_module *m);

/* ---- functions of the level at hand (multiply.c), each made once ---- */
/* void (MM_ARGS arguments, in the order of struct mm_args); pointers but for first, n_tiles, code_stride, n_rows,
 * acc_stride, part, parts (i64). */
LLVMValueRef mm_function(struct cg *c, const struct mm_shape *s, LLVMTypeRef *type);
uint64_t mm_scratch_bytes(const struct mm_shape *s, uint64_t max_rows);
/* void (MM_PREPARE_ARGS arguments, in the order of struct mm_prepare_args): pointers but for part, parts (i64). */
LLVMValueRef mm_prepare_function(struct cg *c, const struct mm_shape *s, LLVMTypeRef *type);

#endif
