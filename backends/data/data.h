/*
 * data.h -- what the files of the data section share: how the bytes of a tensor are counted.
 *
 *   global weights | stack: layer 0: its weights | layer 1: ... | next stack ... | DATA_TAIL zero bytes
 *
 * Each tensor starts at a multiple of DATA_ALIGN.  Ternary: tiles of 64 rows, then the scales.  Real matrices that rows
 * are taken from (embed, dot): rows as stored, and behind those of a screened head its int8 rows (codec/screen.h).
 * Every other real weight (gains, biases): one vector of floats.  docs/formats.md draws the layouts.  Which stack a
 * class belongs to is the first part of its name.
 */
#ifndef SETUN_BACKENDS_DATA_DATA_H
#define SETUN_BACKENDS_DATA_DATA_H

#include "backends/core/core.h"
#include "codec/screen.h"

/* A unit of 64 output rows may read whole vectors of scales and biases: the last ones too. */
enum { DATA_TAIL = 256, DATA_ALIGN = 64 };

static inline uint64_t data_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

static inline uint64_t data_rows(const struct setun_tensor *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < t->rank; i++) n *= t->dim[i];
    return n;
}

static inline uint64_t data_cols(const struct setun_tensor *t) { return t->rank ? t->dim[t->rank - 1] : 1; }

/* Rows of tiles. */
static inline uint64_t data_tile_rows(const struct setun_tensor *t) { return data_up(data_rows(t), IR_TILE) / IR_TILE; }

/* A row as stored, padded. */
static inline uint64_t data_raw_row_bytes(const struct setun_tensor *t) {
    return data_up(ir_stored_bytes((enum ir_store)t->store, data_cols(t)), DATA_ALIGN);
}

/* Is weight `at` the first of its stack?  With it the stack is placed and written. */
bool data_first_of_stack(const struct ir_module *m, size_t at);

#endif
