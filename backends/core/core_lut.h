/* core_lut.h -- what the two forms of cores of table lookups share: core_lut.c, lut_panel.c. */
#ifndef SETUN_BACKENDS_CORE_CORE_LUT_H
#define SETUN_BACKENDS_CORE_CORE_LUT_H

#include "backends/core/matmul.h"
#include "codec/lut_64.h"

enum {
    ROWS = 64,
    SUM_ROWS = 16,          /* rows of a vector of results */
    SUMS = ROWS / SUM_ROWS, /* vectors of results of a tile */
    SMALL = 16,             /* entries of a table of bytes */
    LARGE = 32,             /* entries of a table of words */
    MAX_ACC = 8,            /* registers of 16-bit sums of 64 rows */
    ROUND = 8,              /* digits that a byte holds the sum of */
    LARGEST_CODE = 127,
    TL2_SIGNS = 256, /* where a step's signs begin */
};

struct lut {
    struct cg *c;
    const struct tile_layout *tile;
    unsigned trits, lookups, entries; /* of a table; tables of a step; places of a table */
    unsigned bytes;                   /* of a register */
    unsigned from, to, rows;          /* one row: registers of indices at hand, and rows of one */
    LLVMValueRef acc[MAX_ACC];        /* <bytes/2 x i16>, of registers from `from` on */
    LLVMValueRef digit[MAX_ACC][2];   /* <bytes x i8>, rows in order: sums of digits, low and high; NULL: none yet */
    bool signs;
};

struct lut lut_of(struct cg *c, const struct tile_layout *tile);
/* Of a tile. */
uint64_t lut_steps(const struct lut *u, uint64_t K);
/* What trit k of entry e of a table is; entries that no index reaches: 0. */
int lut_trit(const struct lut *u, unsigned e, unsigned k);

/* ---- vectors ---- */
LLVMValueRef lut_number16(struct cg *c, int v);
/* Lane i of the result is lane at[i] of a, or of b behind it; n <= 128. */
LLVMValueRef lut_shuffle(struct cg *c, LLVMValueRef a, LLVMValueRef b, const unsigned *at, unsigned n);
/* Bits of a set, the first n of them, as lanes: <n x i1>.  set: <n/8 x i8>. */
LLVMValueRef lut_flags(struct cg *c, LLVMValueRef set, unsigned n);
/* n of the lanes of a, from `first` on. */
LLVMValueRef lut_part(struct cg *c, LLVMValueRef a, unsigned first, unsigned n);

/* ---- many rows (lut_panel.c): indices back to codes, one a byte ---- */
const struct mm_planes *lut_planes(const struct mm_target *t);
void lut_unpack_panel(struct cg *c, const struct tile_layout *tile, uint64_t K, const struct mm_args *a,
                      const struct mm_panel *p);

#endif
