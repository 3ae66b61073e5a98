/* pack_test -- the packed tile against its drawing, byte by byte, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
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

int main(void) {
    static const uint64_t ks[] = {1, 3, 4, 5, 63, 64, 65, 100, 255, 256, 1000};
    static const uint64_t rows[] = {1, 15, 16, 17, 48, 63, 64};
    int bad = 0;
    for (size_t i = 0; i < COUNT_OF(ks); i++)
        for (size_t j = 0; j < COUNT_OF(rows); j++) bad += check(rows[j], ks[i]);
    return bad != 0;
}
