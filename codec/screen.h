/*
 * screen.h -- int8 rows that say what a row of a head gives, to within a bound that is proved in docs/numerics.md,
 * "The screen".  Packing is what a build does; the rest is the definition of what generated code computes from it
 * (backends/kernel/screen.c), written as plain loops, for the tests.
 *
 *   tile     | step 0: k 0..3 | step 1: k 4..7 | ... | s[16] | A[16] | W[16] |     16 rows, ceil(K / 4) steps of 64
 * bytes step     | row 0 | row 1 | ... | row 15 |                                      4 bytes a row, one a channel
 *   byte     q + 128, |q| <= 127: the row is nearly s * q; 128 in channels beyond K and rows beyond the last
 *
 * A: what of |logit - approximation| goes with the length of x, W: with the length of what the codes of x leave out.
 */
#ifndef SETUN_CODEC_SCREEN_H
#define SETUN_CODEC_SCREEN_H

#include <stdint.h>

enum {
    SCREEN_ROWS = 16,
    SCREEN_STEP = 64,            /* bytes of a tile for four channels */
    SCREEN_CODE_MAX = 127 * 128, /* of x: 128 * hi + lo, both int8 */
};

/* Bytes of a tile of K columns, and where its parameters begin: s, A, W, 16 floats each. */
uint64_t screen_params(uint64_t K);
uint64_t screen_tile_bytes(uint64_t K);
/* rows <= 16; w: rows of K floats, finite. */
void screen_pack_tile(const float *w, uint64_t rows, uint64_t K, uint8_t *tile);

/* ---- what generated code does with a tile ---- */

/* A row of activations in two planes of codes, x_k nearly t * (128 * hi_k + lo_k), and what the bound needs of it. */
struct screen_x {
    float t;
    double norm,
        rest; /* no less than the lengths of x, and of x minus what the codes say; inf or NaN if x is not finite */
};
struct screen_x screen_codes(const float *x, uint64_t K, int8_t *hi, int8_t *lo);
/* The logit of row r of the tile lies in [*low, *high], which is everything if it might not be finite. */
void screen_interval(const uint8_t *tile, uint64_t K, uint64_t r, const struct screen_x *x, const int8_t *hi,
                     const int8_t *lo, float *low, float *high);

/* Constants of the definition, for the code that follows it. */
#define SCREEN_TINY   0x1p-100f     /* a largest |x| below it counts as this */
#define SCREEN_MORE   (1 + 0x1p-30) /* lengths, for the rounding of their sums */
#define SCREEN_SLACK  0x1p-40       /* of bound and approximation, for the rounding of both */
#define SCREEN_LEAST  0x1p-130      /* of the bound, for products that are denormal numbers */
#define SCREEN_BOUND  0x1p126       /* |w| |x| below which no sum overflows */
#define SCREEN_NARROW 0x1p-23       /* outwards, for the rounding to f32 */

#endif
