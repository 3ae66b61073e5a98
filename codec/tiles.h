/*
 * tiles.h -- layouts of executables that cut a matrix into tiles of 64 rows, and a tile into steps of a few columns.
 *
 *     matrix   | tile 0: rows 0..63 | tile 1: rows 64..127 | ...        ceil(rows / 64) tiles
 *     tile     | step 0: columns 0 .. c-1 | step 1: c .. 2c-1 | ...     ceil(cols / c) steps of `bytes` bytes
 *
 * What a step looks like is all that a layout says; rows and columns beyond the matrix hold trit 0.
 */
#ifndef SETUN_CODEC_TILES_H
#define SETUN_CODEC_TILES_H

#include "codec/ternary.h"

enum { TILE_ROWS = 64, TILE_COLS_MAX = 32 /* of a step */ };

struct tile_layout {
    uint32_t cols, bytes; /* of a step */
    /* A row's `cols` trits into a step that was all zero for that row. */
    void (*put)(uint8_t *step, unsigned row, const int8_t *trits);
    /* And back; false for bits that put never writes, *at the byte and *why the reason. */
    bool (*get)(const uint8_t *step, unsigned row, int8_t *trits, unsigned *at, const char **why);
};

uint64_t tiles_bytes(const struct tile_layout *l, uint64_t K); /* of a tile */
/* rows <= 64. */
void tiles_pack(const struct tile_layout *l, const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile);
/* Rows [row, row + n) of a tile; steps with bits that tiles_pack never writes give 2s, which are no trits. */
void tiles_unpack(const struct tile_layout *l, const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K,
                  int8_t *trits);

/* What a row of the table of formats asks for. */
bool tiles_size(const struct tile_layout *l, const struct ternary_shape *s, uint64_t *n);
bool tiles_decode(const struct tile_layout *l, const struct ternary_shape *s, const uint8_t *p, uint64_t row,
                  uint64_t n, int8_t *out, struct ternary_bad *bad);
void tiles_encode(const struct tile_layout *l, const struct ternary_shape *s, const int8_t *trits, uint8_t *p);

#endif
