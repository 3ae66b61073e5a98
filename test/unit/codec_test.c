/* Ternary codecs: the published examples, every row count around a multiple of four, code 3, absmean's ties. */
#include "codec/absmean.h"
#include "codec/hf_u8.h"
#include "test/unit/expect.h"

#include <stdlib.h>

static void examples(void) {
    static const int8_t t1[8][4] = {{1, 1, -1, 1},  {0, 1, -1, 0}, {0, 1, 0, -1}, {0, 1, 1, 1},
                                    {-1, -1, 1, 0}, {1, 0, 0, 0},  {1, -1, 1, 1}, {-1, 0, -1, 1}};
    static const uint8_t p1[8] = {0x86, 0x0a, 0xa4, 0x92, 0x25, 0x5a, 0x18, 0x99};
    static const uint8_t p2[4] = {0xa1, 0x18, 0x90, 0x0a};
    static const int8_t t2[16] = {0, -1, -1, 1, -1, 1, -1, 1, 1, 0, 0, -1, 1, -1, 1, -1};
    uint8_t p[8];
    int8_t t[32];
    struct hf_u8_bad bad;
    hf_u8_encode(&t1[0][0], 8, 4, p);
    EXPECT(memcmp(p, p1, 8) == 0);
    EXPECT(hf_u8_decode(p1, 8, 4, 0, 8, t, &bad) && memcmp(t, t1, 32) == 0);
    EXPECT(hf_u8_decode(p2, 8, 2, 0, 8, t, &bad) && memcmp(t, t2, 16) == 0);
}

static void every_row_count(void) {
    enum { COLS = 5 };
    for (uint64_t rows = 1; rows <= 17; rows++) {
        int8_t in[17 * COLS], out[17 * COLS];
        uint8_t p[5 * COLS];
        struct hf_u8_bad bad;
        for (size_t i = 0; i < rows * COLS; i++) in[i] = (int8_t)(rand() % 3 - 1);
        uint64_t bytes = 0;
        EXPECT(hf_u8_bytes(rows, COLS, &bytes) && bytes == (rows + 3) / 4 * COLS);
        hf_u8_encode(in, rows, COLS, p);
        for (uint64_t n = 1; n <= rows; n++) /* by ranges */
            for (uint64_t r = 0; r + n <= rows; r++) {
                EXPECT(hf_u8_decode(p, rows, COLS, r, n, out, &bad));
                EXPECT(memcmp(out, in + r * COLS, n * COLS) == 0);
            }
    }
    uint64_t bytes;
    EXPECT(!hf_u8_bytes(UINT64_C(1) << 62, 64, &bytes));
}

static void code_three(void) {
    uint8_t p[2 * 3] = {0x15, 0x15, 0x15, 0x15, 0x15, 0x15 | 0x30}; /* stored row 1, col 2, chunk 2 */
    int8_t out[7 * 3];
    struct hf_u8_bad bad = {0};
    EXPECT(hf_u8_decode(p, 7, 3, 0, 5, out, &bad));
    EXPECT(!hf_u8_decode(p, 7, 3, 0, 7, out, &bad));
    EXPECT(bad.byte == 5 && bad.row == 5 && bad.col == 2);
    p[5] = 0x15 | 0xc0; /* row 7 does not exist: ignored */
    EXPECT(hf_u8_decode(p, 7, 3, 0, 7, out, &bad));
}

static void absmean(void) {
    static const float w[16] = {.5f, -.5f, 1.5f, -1.5f, .375f, .625f, -.375f, -.625f,
                                2,   -3,   0,    1,     .25f,  -.25f, 1.25f,  2.25f};
    static const int8_t want[16] = {0, 0, 1, -1, 0, 1, 0, -1, 1, -1, 0, 1, 0, 0, 1, 1};
    int8_t t[16];
    float alpha = absmean_alpha(absmean_add(absmean_add(0, w, 7), w + 7, 9), 16);
    EXPECT(alpha == 1.0f);
    absmean_trits(w, 16, alpha, t);
    EXPECT(memcmp(t, want, 16) == 0);
    static const float zero[4];
    EXPECT(absmean_alpha(absmean_add(0, zero, 4), 4) == 1e-5f);
}

int main(void) {
    examples();
    every_row_count();
    code_three();
    absmean();
    return expect_end();
}
