/* t5_64.h -- tiles of five trits a byte, for those who pack them one at a time; t5_64.c draws them. */
#ifndef SETUN_CODEC_T5_64_H
#define SETUN_CODEC_T5_64_H

#include <stdint.h>

enum {
    T5_64_ROWS = 64,
    T5_64_STEP = 20, /* columns of 64 bytes */
    T5_64_PLACES = 5,
    T5_64_RARE = 0xc0,
    T5_64_LAST = 0xf2, /* the largest byte that occurs */
};

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

/* The byte of four codes as a number in base 3, and the fifth. */
static inline uint8_t t5_64_byte(unsigned q, unsigned fifth) {
    return (uint8_t)(q < 64 ? fifth << 6 | q : T5_64_RARE | (17 * fifth + q - 64));
}

/* A code of a byte. */
static inline unsigned t5_64_code(uint8_t byte, unsigned place) {
    unsigned low = byte & 63u, rare = byte >= T5_64_RARE;
    if (place == T5_64_PLACES - 1) return rare ? t5_64_fifth_rare[low] : byte >> 6;
    return (rare ? t5_64_four_rare[low] : t5_64_fields[low]) >> 2 * place & 3;
}

#endif
