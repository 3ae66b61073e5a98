/* t5_64.h -- tiles of five trits a byte, for those who pack them one at a time; t5_64.c draws them. */
#ifndef SETUN_CODEC_T5_64_H
#define SETUN_CODEC_T5_64_H

#include <stdint.h>

enum { T5_64_ROWS = 64, T5_64_STEP = 20 /* columns of 64 bytes */ };

/* Bytes of a tile of K columns. */
uint64_t t5_64_tile_bytes(uint64_t K);
/* rows <= 64. */
void t5_64_pack_tile(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile);
/* Of a tile that t5_64_pack_tile wrote, rows [row, row + n). */
void t5_64_unpack_tile(const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K, int8_t *trits);

/*
 * What a byte holds, as a reader in registers wants it.  A byte below 0xc0 has four codes in fields[byte & 63], 2 bits
 * each, and the fifth is byte >> 6.  The others, 51 of them, have four_rare[byte & 63] and fifth_rare[byte & 63].
 */
extern const uint8_t t5_64_fields[64], t5_64_four_rare[64], t5_64_fifth_rare[64];

#endif
