/* columns.h -- the input-major layouts, for those who pack them rows after rows; columns.c draws them. */
#ifndef SETUN_CODEC_COLUMNS_H
#define SETUN_CODEC_COLUMNS_H

#include <stdint.h>

enum { COLUMNS_ROWS = 256, COLUMNS5_ROWS = 320, COLUMNS_LINE = 64 }; /* rows of a line, by layout; bytes of it */

/* Bytes of one column of a matrix with so many rows. */
uint64_t columns_bytes(uint64_t rows);
uint64_t columns5_bytes(uint64_t rows);
/*
 * Rows [row, row + n) of a matrix [rows, K] into p, the whole matrix; row is a multiple of 64, and so is n or
 * row + n == rows.  Calls go through the rows in order; the last one also fills the rows that the last line has beyond
 * the matrix.
 */
void columns_pack(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *p);
void columns5_pack(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *p);
/* Rows [row, row + n) of what was packed; bytes that never are give 2. */
void columns_unpack(const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits);
void columns5_unpack(const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits);

#endif
