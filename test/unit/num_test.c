/* num_test -- the scalar functions at their edges; test/campaign/ulp.c tries all inputs. */
#include "test/unit/expect.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "ir/num.h"

/* Distance in units of the last place of the truth. */
static double ulps(float got, double truth) {
    int e = fabs(truth) < 0x1p-126 ? -126 : ilogb(truth);
    return fabs((double)got - truth) / ldexp(1.0, e - 23);
}

static void exponential(void) {
    EXPECT(num_exp(0.0f) == 1.0f && num_exp(-0.0f) == 1.0f);
    EXPECT(bits_of_f32(num_exp(-87.34f)) == 0 && bits_of_f32(num_exp(-INFINITY)) == 0);
    EXPECT(num_exp(-87.33f) > 0x1p-126f);
    EXPECT(isfinite(num_exp(88.72283f)) && num_exp(INFINITY) == num_exp(88.72283f));
    EXPECT(isnan(num_exp(NAN)));
    double worst = 0;
    bool monotone = true;
    float before = 0;
    for (int i = 0; i < 100000; i++) {
        float x = -87.33f + (float)i * 0.00176f;
        double u = ulps(num_exp(x), exp((double)x));
        if (u > worst) worst = u;
        monotone = monotone && num_exp(x) >= before;
        before = num_exp(x);
    }
    EXPECT(worst < 1.1 && monotone);
    /* Neighbours where a Horner scheme over the whole polynomial falls. */
    for (uint32_t u = bits_of_f32(-0.25f); u > bits_of_f32(-0.236f); u--)
        monotone = monotone && num_exp(f32_of_bits(u)) <= num_exp(f32_of_bits(u - 1));
    EXPECT(monotone);
}

static void others(void) {
    double log_worst = 0, tanh_worst = 0, sig_worst = 0;
    for (uint32_t u = 0x00800000; u < 0x7f800000; u += 50021) {
        double x = (double)f32_of_bits(u), e = ulps(num_log((float)x), log(x));
        if (e > log_worst) log_worst = e;
    }
    for (int i = 0; i < 100000; i++) {
        float x = -25.0f + (float)i * 0.0005f;
        double t = ulps(num_tanh(x), tanh((double)x)), s = ulps(num_sigmoid(x), 1 / (1 + exp(-(double)x)));
        if (t > tanh_worst) tanh_worst = t;
        if (s > sig_worst) sig_worst = s;
    }
    EXPECT(log_worst < 1 && tanh_worst < 1.5 && sig_worst < 2.5);
    EXPECT(num_log(1.0f) == 0.0f);
    EXPECT(num_tanh(100.0f) == 1.0f && num_tanh(-100.0f) == -1.0f && num_tanh(INFINITY) == 1.0f);
    EXPECT(num_sigmoid(0.0f) == 0.5f && num_sigmoid(40.0f) == 1.0f && isfinite(num_sigmoid(-INFINITY)));
    EXPECT(num_silu(0.0f) == 0.0f && num_silu(50.0f) == 50.0f);
    EXPECT(num_gelu(0.0f) == 0.0f && num_gelu(30.0f) == 30.0f && num_gelu(-30.0f) == 0.0f);
}

static void circle(void) {
    const double two_pi = 6.283185307179586;
    double worst = 0;
    for (uint32_t k = 0; k < 200000; k++) {
        uint32_t u = k * 21474u + (k << 29);
        float c, s;
        num_cossin(u, &c, &s);
        double a = u * (two_pi / 4294967296.0);
        worst = fmax(worst, fmax(fabs((double)c - cos(a)), fabs((double)s - sin(a))));
    }
    EXPECT(worst <= 0x1p-23);
    float c, s;
    for (uint32_t q = 0; q < 4; q++) {
        static const float want[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
        num_cossin(q << 30, &c, &s);
        EXPECT(c == want[q][0] && s == want[q][1]);
    }
}

static void rope(void) {
    uint64_t f[64];
    num_rope_freqs(&(struct num_rope){.theta = 500000, .dims = 128}, f);
    /* 2^64 / 2pi; then theta^(-1/64), ..., as a fraction of it */
    EXPECT(f[0] == 2935890503282001226u);
    EXPECT(fabs((double)f[1] / (double)f[0] - 0.814617234) < 1e-9);
    EXPECT(fabs((double)f[32] / (double)f[0] - 0.00141421356) < 1e-11);
    EXPECT(fabs((double)f[63] / (double)f[0] - 2.45514079e-6) < 1e-14);
    /* one factor for all; and the scaling of Llama 3: turns in 8192 positions above 4 kept, below 1 divided by 8 */
    uint64_t g[64];
    num_rope_freqs(&(struct num_rope){.theta = 500000, .dims = 128, .factor = 4}, g);
    EXPECT(g[0] == (f[0] + 2) / 4 && g[63] == (f[63] + 2) / 4);
    num_rope_freqs(&(struct num_rope){.theta = 500000, .dims = 128, .factor = 8, .low = 1, .high = 4, .original = 8192},
                   g);
    for (int i = 0; i < 64; i++) {
        double turns = ldexp((double)f[i], -64) * 8192, s = (turns - 1) / 3;
        double want = turns > 4 ? 1 : turns < 1 ? 0.125 : (1 - s) * 0.125 + s;
        EXPECT(fabs((double)g[i] / (double)f[i] - want) < 1e-12);
    }
    EXPECT(g[28] == f[28] && g[29] < f[29] && g[34] > f[34] / 8 && g[35] == (f[35] + 4) / 8);
}

static void half(void) {
    bool ok = true;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = num_of_f16((uint16_t)h);
        if ((h >> 10 & 31) == 31) continue;
        ok = ok && num_f16(x) == h;
    }
    EXPECT(ok);
    EXPECT(num_f16(65504.0f) == 0x7bff && num_f16(1e9f) == 0x7bff && num_f16(-INFINITY) == 0xfbff);
    EXPECT(num_f16(65519.9f) == 0x7bff);
    EXPECT(isnan(num_of_f16(num_f16(NAN))) && isnan(num_of_f16(num_f16(-NAN))));
    EXPECT(num_f16(0x1p-25f) == 0 && num_f16(0x1.000002p-25f) == 1); /* a tie goes to even */
    EXPECT(num_f16(0x1.8p-24f) == 2 && num_f16(0x1.ff8p-15f) == 0x3ff && num_f16(0x1.ffcp-15f) == 0x400);
    EXPECT(num_f16(1.0f + 0x1p-11f) == 0x3c00 && num_f16(1.0f + 0x1.8p-10f) == 0x3c02);
    EXPECT(num_f16(-0.0f) == 0x8000);
    EXPECT(num_of_bf16(0x3f80) == 1.0f && num_of_bf16(0xc2f7) == -123.5f);
}

/* sum1024 written another way: one lane at a time. */
static float by_lanes(const float *x, uint64_t n) {
    float total = 0;
    for (uint64_t b = 0; b < n; b += 1024) {
        float v[32];
        for (uint64_t l = 0; l < 32; l++) {
            v[l] = 0;
            for (uint64_t i = b + l; i < n && i < b + 1024; i += 32) v[l] += x[i];
        }
        for (int h = 16; h; h /= 2)
            for (int l = 0; l < h; l++) v[l] += v[l + h];
        total += v[0];
    }
    return total;
}

static void sums(void) {
    enum { MAX = 5000 };
    static float x[MAX], ones[MAX];
    uint64_t z = 1;
    for (int i = 0; i < MAX; i++) {
        z = z * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(int32_t)(z >> 33) * (i % 7 ? 0x1p-31f : 0x1p-20f);
        ones[i] = 1.0f;
    }
    static const uint64_t n[] = {0, 1, 31, 32, 33, 1023, 1024, 1025, 2048, 4999};
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++) {
        float a = num_sum(x, n[i]), b = by_lanes(x, n[i]), c = num_dot(x, ones, n[i]);
        EXPECT(bits_of_f32(a) == bits_of_f32(b) && bits_of_f32(a) == bits_of_f32(c));
    }
}

int main(void) {
    exponential();
    others();
    circle();
    rope();
    half();
    sums();
    return expect_end();
}
