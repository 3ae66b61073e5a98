/* i2_64.h -- tiles of the project's own layout, for those who pack them one at a time; i2_64.c draws it. */
#ifndef SETUN_CODEC_I2_64_H
#define SETUN_CODEC_I2_64_H

#include <stdint.h>

enum { I2_64_ROWS = 64 };

/* Bytes of a tile of K columns. */
uint64_t i2_64_tile_bytes(uint64_t K);
/* rows <= 64. */
void i2_64_pack_tile(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile);
/* Of a tile that i2_64_pack_tile wrote, rows [row, row + n). */
void i2_64_unpack_tile(const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K, int8_t *trits);

#endif
