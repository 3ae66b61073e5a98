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

/* A layout by columns, and what the byte number b (0..63) of a line is, of the codes of its rows. */
struct by_columns {
    const char *name;
    unsigned rows;
    uint64_t (*bytes)(uint64_t rows);
    void (*pack)(const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, uint8_t *p);
    void (*unpack)(const uint8_t *p, uint64_t row, uint64_t n, uint64_t rows, uint64_t K, int8_t *trits);
    unsigned (*byte)(const unsigned *code, unsigned b);
};

/* Byte 16 l + 4 i + d has rows 64 i + 16 p + 4 l + d, */
static unsigned byte_of_two(const unsigned *code, unsigned b) {
    unsigned byte = 0;
    for (unsigned p = 0; p < 4; p++) byte |= code[b % 16 / 4 * 64 + b / 16 * 4 + b % 4 + 16 * p] << (2 * p);
    return byte;
}

/* or 16 i + 64 p + 4 l + d. */
static unsigned byte_of_five(const unsigned *code, unsigned b) {
    const unsigned *c = code + b % 16 / 4 * 16 + b / 16 * 4 + b % 4;
    unsigned q = c[0] + 3 * c[64] + 9 * c[128] + 27 * c[192], fifth = c[256];
    return q < 64 ? fifth << 6 | q : 0xc0 + 17 * fifth + q - 64;
}

static const struct by_columns by_columns[] = {
    {"columns", 256, columns_bytes, columns_pack, columns_unpack, byte_of_two},
    {"columns5", 320, columns5_bytes, columns5_pack, columns5_unpack, byte_of_five}};

/* Packed in pieces of 64 and 128 rows. */
static int check_columns(const struct by_columns *by, uint64_t rows, uint64_t K) {
    int bad = 0;
    uint64_t lines = (rows + by->rows - 1) / by->rows, n = lines * 64 * K;
    int8_t *trits = malloc(rows * K), *back = malloc(rows * K);
    uint8_t *p = malloc(n + 1);
    if (!trits || !back || !p) abort();
    for (uint64_t i = 0; i < rows * K; i++) trits[i] = (int8_t)((int)draw(3) - 1);
    if (by->bytes(rows) != lines * 64) bad = printf("rows %d: a column has no %d lines\n", (int)rows, (int)lines);
    memset(p, 0xee, n + 1);
    for (uint64_t r = 0, step; r < rows; r += step) {
        step = 64 << draw(2);
        by->pack(trits + r * K, r, rows - r < step ? rows - r : step, rows, K, p);
    }
    if (p[n] != 0xee) bad = printf("%s rows %d K %d: wrote past the columns\n", by->name, (int)rows, (int)K);
    for (uint64_t line = 0; line < lines * K; line++) {
        unsigned code[320];
        for (uint64_t r = 0; r < by->rows; r++)
            code[r] = (unsigned)(trit_of(trits, rows, K, line % lines * by->rows + r, line / lines) + 1);
        for (unsigned b = 0; b < 64; b++)
            if (p[64 * line + b] != by->byte(code, b) && !bad)
                bad = printf("%s rows %d K %d: byte %d is %02x, not %02x\n", by->name, (int)rows, (int)K,
                             (int)(64 * line + b), p[64 * line + b], by->byte(code, b));
    }
    by->unpack(p, 0, rows, rows, K, back);
    if (memcmp(trits, back, rows * K) != 0)
        bad = printf("%s rows %d K %d: does not come back\n", by->name, (int)rows, (int)K);
    free(trits), free(back), free(p);
    return bad != 0;
}

int main(void) {
    static const uint64_t ks[] = {1, 3, 4, 5, 63, 64, 65, 100, 255, 256, 1000};
    static const uint64_t rows[] = {1, 15, 16, 17, 48, 63, 64};
    int bad = 0;
    for (size_t i = 0; i < COUNT_OF(ks); i++)
        for (size_t j = 0; j < COUNT_OF(rows); j++) bad += check(rows[j], ks[i]);
    static const uint64_t many[] = {1, 63, 64, 65, 130, 192, 200, 255, 256, 257, 319, 320, 321, 511, 512, 700};
    for (size_t i = 0; i < COUNT_OF(ks); i++)
        for (size_t j = 0; j < COUNT_OF(many); j++)
            for (size_t k = 0; k < COUNT_OF(by_columns); k++) bad += check_columns(&by_columns[k], many[j], ks[i]);
    return bad != 0;
}
