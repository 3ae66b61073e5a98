/* pack_test -- packed tiles and columns against their drawings, byte by byte, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "codec/columns.h"
#include "codec/i2_64.h"

static uint64_t state = 7;
static unsigned draw(unsigned n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static int trit_of(const int8_t *t, uint64_t rows, uint64_t K, uint64_t r, uint64_t k) {
    return r < rows && k < K ? t[r * K + k] : 0;
}

static int check(uint64_t rows, uint64_t K) {
    int bad = 0;
    uint64_t n = i2_64_tile_bytes(K);
    int8_t *trits = malloc(rows * K), *back = malloc(rows * K);
    uint8_t *tile = malloc(n + 1);
    if (!trits || !back || !tile) abort();
    for (uint64_t i = 0; i < rows * K; i++) trits[i] = (int8_t)((int)draw(3) - 1);
    tile[n] = 0xa5;
    i2_64_pack_tile(trits, rows, K, tile);
    if (tile[n] != 0xa5) bad = printf("rows %d K %d: wrote past the tile\n", (int)rows, (int)K);
    for (uint64_t b = 0; b < n; b++) {
        uint64_t k = b / 64 * 4 + b % 4, lane = b % 64 / 4;
        unsigned want = 0;
        for (unsigned p = 0; p < 4; p++) want |= (unsigned)(trit_of(trits, rows, K, lane + 16 * p, k) + 1) << (2 * p);
        if (tile[b] != want && !bad)
            bad = printf("rows %d K %d: byte %d is %02x, not %02x\n", (int)rows, (int)K, (int)b, tile[b], want);
    }
    i2_64_unpack_tile(tile, 0, rows, K, back);
    if (memcmp(trits, back, rows * K) != 0) bad = printf("rows %d K %d: does not come back\n", (int)rows, (int)K);
    free(trits), free(back), free(tile);
    return bad != 0;
}

/* Line j of column k: byte 16 l + 4 i + d has rows 256 j + 64 i + 16 p + 4 l + d; packed in pieces of 64 and 128 rows.
 */
static int check_columns(uint64_t rows, uint64_t K) {
    int bad = 0;
    uint64_t lines = (rows + 255) / 256, n = lines * 64 * K;
    int8_t *trits = malloc(rows * K), *back = malloc(rows * K);
    uint8_t *p = malloc(n + 1);
    if (!trits || !back || !p) abort();
    for (uint64_t i = 0; i < rows * K; i++) trits[i] = (int8_t)((int)draw(3) - 1);
    if (columns_bytes(rows) != lines * 64) bad = printf("rows %d: a column has no %d lines\n", (int)rows, (int)lines);
    memset(p, 0xee, n + 1);
    for (uint64_t r = 0, step; r < rows; r += step) {
        step = 64 << draw(2);
        columns_pack(trits + r * K, r, rows - r < step ? rows - r : step, rows, K, p);
    }
    if (p[n] != 0xee) bad = printf("rows %d K %d: wrote past the columns\n", (int)rows, (int)K);
    for (uint64_t b = 0; b < n; b++) {
        uint64_t k = b / 64 / lines, r = b / 64 % lines * 256 + b % 16 / 4 * 64 + b % 64 / 16 * 4 + b % 4;
        unsigned want = 0;
        for (unsigned q = 0; q < 4; q++) want |= (unsigned)(trit_of(trits, rows, K, r + 16 * q, k) + 1) << (2 * q);
        if (p[b] != want && !bad)
            bad = printf("rows %d K %d: byte %d is %02x, not %02x\n", (int)rows, (int)K, (int)b, p[b], want);
    }
    columns_unpack(p, 0, rows, rows, K, back);
    if (memcmp(trits, back, rows * K) != 0) bad = printf("rows %d K %d: does not come back\n", (int)rows, (int)K);
    free(trits), free(back), free(p);
    return bad != 0;
}

int main(void) {
    static const uint64_t ks[] = {1, 3, 4, 5, 63, 64, 65, 100, 255, 256, 1000};
    static const uint64_t rows[] = {1, 15, 16, 17, 48, 63, 64};
    int bad = 0;
    for (size_t i = 0; i < COUNT_OF(ks); i++)
        for (size_t j = 0; j < COUNT_OF(rows); j++) bad += check(rows[j], ks[i]);
    static const uint64_t many[] = {1, 63, 64, 65, 130, 192, 200, 255, 256, 257, 320, 511, 512, 700};
    for (size_t i = 0; i < COUNT_OF(ks); i++)
        for (size_t j = 0; j < COUNT_OF(many); j++) bad += check_columns(many[j], ks[i]);
    return bad != 0;
}
