/* screen.c -- see screen.h; the proof is in docs/numerics.md, "The screen". */
#include "codec/screen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/check.h"

enum { LANES = 16 };

uint64_t screen_params(uint64_t K) { return (K + 3) / 4 * SCREEN_STEP; }

uint64_t screen_tile_bytes(uint64_t K) { return screen_params(K) + 3 * 4 * SCREEN_ROWS; }

/* ---- packing ---- */

/* To the nearest even integer, for |x| < 2^22. */
static inline float nearest(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

static float up(double v) {
    float f = (float)v;
    return (double)f < v ? nextafterf(f, INFINITY) : f;
}

/* k u / (1 - k u) of the reference sum: its terms pass k roundings at the most. */
static double gamma_of(uint64_t n) {
    uint64_t chain = (n + 31) / 32, blocks = (n + 1023) / 1024;
    double k = (double)((chain < 32 ? chain : 32) + 5 + (blocks ? blocks - 1 : 0)), ku = k * 0x1p-24;
    return ku / (1 - ku);
}

static float largest(const float *w, uint64_t n) {
    float m = 0;
    for (uint64_t i = 0; i < n; i++) {
        float a = fabsf(w[i]);
        m = a > m ? a : m;
    }
    return m;
}

static void put(uint8_t *tile, uint64_t K, uint64_t which, uint64_t r, float v) {
    memcpy(tile + screen_params(K) + 4 * (which * SCREEN_ROWS + r), &v, 4);
}

static float get(const uint8_t *tile, uint64_t K, uint64_t which, uint64_t r) {
    return f32_of_bits(load_u32le(tile + screen_params(K) + 4 * (which * SCREEN_ROWS + r)));
}

static void pack_row(const float *w, uint64_t K, uint64_t r, uint8_t *tile) {
    float s = largest(w, K) / 127;
    if (s < FLT_MIN) s = FLT_MIN;
    float inverse = 1 / s;
    /* four sums of each, for speed: squares of what is left, and of the weights */
    double left[4] = {0}, all[4] = {0}, scale = s;
    uint64_t codes = 0;
    for (uint64_t k = 0; k < K; k++) {
        float q = nearest(w[k] * inverse);
        q = q > 127 ? 127 : q < -127 ? -127 : q;
        int code = (int)q;
        double d = (double)w[k] - scale * code;
        left[k % 4] += d * d;
        all[k % 4] += (double)w[k] * w[k];
        codes += (uint64_t)(code * code);
        tile[k / 4 * SCREEN_STEP + 4 * r + k % 4] = (uint8_t)(code + 128);
    }
    double error = sqrt(left[0] + left[1] + left[2] + left[3]) * SCREEN_MORE;
    double length = sqrt(all[0] + all[1] + all[2] + all[3]) * SCREEN_MORE;
    put(tile, K, 0, r, s);
    put(tile, K, 1, r, up((error + gamma_of(K) * length) * SCREEN_MORE));
    put(tile, K, 2, r, up(scale * sqrt((double)codes) * SCREEN_MORE));
}

void screen_pack_tile(const float *w, uint64_t rows, uint64_t K, uint8_t *tile) {
    memset(tile, 128, screen_params(K));
    memset(tile + screen_params(K), 0, screen_tile_bytes(K) - screen_params(K));
    for (uint64_t r = 0; r < rows; r++) pack_row(w + r * K, K, r, tile);
}

/* ---- the definition of the code ---- */

static double length_of(const double lane[LANES]) {
    double sum = 0;
    for (int i = 0; i < LANES; i++) sum += lane[i];
    return sqrt(sum) * SCREEN_MORE;
}

struct screen_x screen_codes(const float *x, uint64_t K, int8_t *hi, int8_t *lo) {
    uint32_t m = 0;
    for (uint64_t k = 0; k < K; k++) {
        uint32_t u = bits_of_f32(x[k]) & 0x7fffffff;
        m = u > m ? u : m;
    }
    if (m > 0x7f7fffff) m = 0x7f7fffff;
    float top = f32_of_bits(m);
    if (top < SCREEN_TINY) top = SCREEN_TINY;
    float inverse = SCREEN_CODE_MAX / top, t = top / SCREEN_CODE_MAX;
    double all[LANES] = {0}, left[LANES] = {0};
    for (uint64_t k = 0; k < K; k++) {
        float c = rintf(x[k] * inverse);
        c = c < SCREEN_CODE_MAX ? c : SCREEN_CODE_MAX;
        c = c > -SCREEN_CODE_MAX ? c : -SCREEN_CODE_MAX;
        int code = (int)c, high = (code + 64) >> 7;
        double d = (double)x[k] - (double)t * code;
        all[k % LANES] += (double)x[k] * x[k];
        left[k % LANES] += d * d;
        hi[k] = (int8_t)high;
        lo[k] = (int8_t)(code - 128 * high);
    }
    return (struct screen_x){.t = t, .norm = length_of(all), .rest = length_of(left)};
}

void screen_interval(const uint8_t *tile, uint64_t K, uint64_t r, const struct screen_x *x, const int8_t *hi,
                     const int8_t *lo, float *low, float *high) {
    int64_t sum = 0;
    for (uint64_t k = 0; k < K; k++) {
        sum += (tile[k / 4 * SCREEN_STEP + 4 * r + k % 4] - 128) * (128 * hi[k] + lo[k]);
    }
    double a = get(tile, K, 1, r), w = get(tile, K, 2, r);
    double near = (double)sum * ((double)get(tile, K, 0, r) * x->t);
    double half = a * x->norm + w * x->rest;
    half = (half + fabs(near) * SCREEN_SLACK) * (1 + SCREEN_SLACK) + SCREEN_LEAST;
    if (!((a + w) * x->norm < SCREEN_BOUND)) half = INFINITY;
    double l = near - half, h = near + half;
    *low = (float)(l - fabs(l) * SCREEN_NARROW);
    *high = (float)(h + fabs(h) * SCREEN_NARROW);
}
