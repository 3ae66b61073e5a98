/*
 * hf_u8.h -- ternary matrices as Hugging Face checkpoints hold them: four trits a byte, along the outputs.
 *
 * T is [rows, cols]; stored is uint8 P[R, cols] with R = ceil(rows / 4).  Code = T + 1: 0, 1, 2; 3 is invalid.
 * The rows are cut into four contiguous chunks of R; chunk j is bit pair j of every byte:
 *
 *     bit   7 6    5 4    3 2    1 0          T[r][c] = (P[r mod R][c] >> 2 * (r div R) & 3) - 1
 *          chunk3 chunk2 chunk1 chunk0
 *
 * If rows is not a multiple of 4, the last chunk is short; the pairs of its missing rows hold 0 and are ignored.
 */
#ifndef SETUN_CODEC_HF_U8_H
#define SETUN_CODEC_HF_U8_H

#include <stdbool.h>
#include <stdint.h>

/* Where code 3 was met: the byte of the stored matrix, and the trit it would have been. */
struct hf_u8_bad {
    uint64_t byte, row, col;
};

/* Rows of the stored matrix. */
uint64_t hf_u8_stored_rows(uint64_t rows);
/* Bytes of it; false: overflow. */
bool hf_u8_bytes(uint64_t rows, uint64_t cols, uint64_t *bytes);

/* Rows [row, row + n) of T into out (n * cols values -1, 0, +1).  p is the whole stored matrix.  false: code 3
 * was met, *bad says where (the first in order of rows). */
bool hf_u8_decode(const uint8_t *p, uint64_t rows, uint64_t cols, uint64_t row, uint64_t n, int8_t *out,
                  struct hf_u8_bad *bad);
/* trits: rows * cols; p: all stored bytes. */
void hf_u8_encode(const int8_t *trits, uint64_t rows, uint64_t cols, uint8_t *p);

#endif
