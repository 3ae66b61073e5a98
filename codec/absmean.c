/* absmean.c -- see absmean.h. */
#include "codec/absmean.h"

static const float alpha_floor = 1e-5f;

double absmean_add(double sum, const float *w, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) sum += w[i] < 0 ? -(double)w[i] : (double)w[i];
    return sum;
}

float absmean_alpha(double sum, uint64_t n) {
    float alpha = (float)(sum / (double)n);
    return alpha > alpha_floor ? alpha : alpha_floor;
}

void absmean_trits(const float *w, uint64_t n, float alpha, int8_t *out) {
    float s = 1.0f / alpha;
    for (uint64_t i = 0; i < n; i++) {
        float x = w[i] * s;
        /* roundeven and clamp: a tie at one half goes to 0, every tie above it is clamped */
        out[i] = (int8_t)((x > 0.5f) - (x < -0.5f));
    }
}
