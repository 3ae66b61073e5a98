/*
 * columns.h -- what cores of matrices that lie by columns share: the loop over lines for one row (columns_row.c), the
 * panels for many (columns_panel.c).  A core says how many rows a line has and how they leave its bytes.
 *
 * The lines of four channels, interleaved, are COLUMNS_REGISTERS registers of 16 lanes; plane p of lane l of register j
 * is row register_rows * j + plane_rows * p + l of the line.
 */
#ifndef SETUN_BACKENDS_CORE_COLUMNS_H
#define SETUN_BACKENDS_CORE_COLUMNS_H

#include "backends/core/columns_list.h"
#include "backends/core/matmul.h"
#include "codec/columns.h"

enum {
    COLUMNS_REGISTERS = 4,
    COLUMNS_PLANES = 5, /* at the most */
};

struct columns_kind {
    unsigned rows, planes; /* of a line; of a byte */
    unsigned register_rows, plane_rows;
    uint64_t (*bytes)(uint64_t rows); /* of a column */
    /* Registers of a line that are summed together: as many as the level's registers have room for. */
    unsigned (*together)(const struct mm_target *t);
    /* The operands of a register, one a plane, and back from their sums to those of trits: in place, code_sum being the
     * sum of the codes in each lane.  Sums of 16 bits take a chunk's operands. */
    void (*split)(struct cg *c, LLVMValueRef w, LLVMValueRef out[COLUMNS_PLANES]);
    void (*finish)(struct cg *c, LLVMValueRef sum[COLUMNS_PLANES], LLVMValueRef code_sum);
    /* Many rows: the operands of the 64 rows of tile number `tile` of the line; w: lines of four channels. */
    void (*unpack)(struct cg *c, const LLVMValueRef w[COLUMNS_GROUP], unsigned tile, LLVMValueRef out[MM_PLANES]);
};

/* Register j of four channels' lines, or the part of it that these vectors of them hold. */
LLVMValueRef columns_register(struct cg *c, const LLVMValueRef w[COLUMNS_GROUP], unsigned j);

/* Four 2-bit fields of a byte: as the level takes those of i2, checked to fit sums of 16 bits. */
void columns_split(struct cg *c, LLVMValueRef w, LLVMValueRef out[MM_PLANES]);

/* What the core's functions of the same names do. */
void columns_one_row(struct cg *c, const struct mm_shape *s, const struct mm_args *a);
void columns_unpack_panel(struct cg *c, const struct mm_shape *s, const struct mm_args *a, const struct mm_panel *p);
LLVMValueRef columns_ahead(struct cg *c, const struct mm_shape *s, LLVMValueRef matrix, LLVMValueRef tile,
                           LLVMValueRef from, uint64_t *stride);

#endif
