/*
 * pack.c -- trits to tiles of the layout i2_64 and back.  docs/formats.md draws it:
 *
 *   byte 64 s + 4 l + i of a tile = code of rows l | l+16 << 2 | l+32 << 4 | l+48 << 6 at k = 4 s + i
 *   code = trit + 1; rows and k beyond the matrix hold trit 0
 */
#include <string.h>

#include "backends/cg.h"
#include "backends/matmul.h"

enum {
    CHUNK = 64, /* k at a time: loops of known length, which compilers vectorise */
    CHUNK_STEPS = CHUNK / 4,
};
_Static_assert(IR_TILE == MM_LANES * MM_PLANES, "a lane holds one row a plane");

/* The four rows of lane l, n <= CHUNK codes from k on, into bytes; beyond n: trit 0. */
static void pack_lane(const int8_t *trits, uint64_t rows, uint64_t K, uint64_t k, size_t n, unsigned l,
                      uint8_t out[CHUNK]) {
    memset(out, 0, CHUNK);
    for (unsigned p = 0; p < MM_PLANES; p++) {
        uint8_t row[CHUNK];
        unsigned r = l + MM_LANES * p;
        memset(row, 0, sizeof row);
        if (r < rows) memcpy(row, trits + r * K + k, n);
        for (unsigned i = 0; i < CHUNK; i++) out[i] = (uint8_t)(out[i] | (uint8_t)(row[i] + 1) << (2 * p));
    }
}

void mm_pack_tile(const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile) {
    for (uint64_t k = 0; k < K; k += CHUNK) {
        uint8_t lane[MM_LANES][CHUNK];
        size_t n = K - k < CHUNK ? (size_t)(K - k) : CHUNK, steps = (n + 3) / 4;
        for (unsigned l = 0; l < MM_LANES; l++) pack_lane(trits, rows, K, k, n, l, lane[l]);
        for (size_t s = 0; s < steps; s++)
            for (unsigned l = 0; l < MM_LANES; l++) memcpy(tile + (k / 4 + s) * MM_STEP + 4 * l, lane[l] + 4 * s, 4);
    }
}

void mm_unpack_tile(const uint8_t *tile, uint64_t rows, uint64_t K, int8_t *trits) {
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t k = 0; k < K; k++) {
            uint8_t byte = tile[k / 4 * MM_STEP + r % MM_LANES * 4 + k % 4];
            trits[r * K + k] = (int8_t)((byte >> (r / MM_LANES * 2) & 3) - 1);
        }
}
