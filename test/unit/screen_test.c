/* links: setun_codec setun_ir */
/*
 * screen_test -- the bound of the screen (docs/numerics.md, "The screen"), term by term in exact arithmetic and as a
 * whole, on random rows and on rows made to come near it: activations along what a row's codes leave out, rows whose
 * codes are exact so that only the reference's own rounding is left, ties between codes, huge and denormal numbers,
 * zeros, cancellation.
 *
 *   screen_test [ROWS [SEED]]      20000 rows, seed 1; ./dev campaign screen: a million
 */
#include <float.h>
#include <math.h>
#include <mpfr.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/screen.h"
#include "ir/num.h"
#include "test/unit/expect.h"

/* Sums of products of two f32 are exact: exponents from -298 to 256, and 16 bits for the number of terms. */
enum { EXACT = 640, MAX_K = 3100 };

static uint64_t state;
static uint32_t draw(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) * n >> 31);
}
static float unit(void) { return (float)draw(1u << 24) / (1u << 23) - 1; }
static float normal(void) {
    float sum = 0;
    for (int i = 0; i < 6; i++) sum += unit();
    return sum;
}

struct trial {
    uint64_t K;
    float w[MAX_K], x[MAX_K];
    int8_t hi[MAX_K], lo[MAX_K];
    uint8_t tile[SCREEN_STEP * (MAX_K + 3) / 4 + 3 * 4 * SCREEN_ROWS];
    float s, a, b; /* of row 0 */
    struct screen_x codes;
};

/* ---- rows ---- */

static float bf16(float f) { return f32_of_bits(bits_of_f32(f) & 0xffff0000); }

enum { KINDS = 11 };
static float element(uint32_t kind, uint64_t k, float scale) {
    switch (kind) {
    case 0: return normal() * scale;
    case 1: return bf16(normal() * scale);
    case 2: return num_of_f16(num_f16(normal()));
    case 3: return (k % 7 ? unit() * 0.01f : unit() * 100) * scale; /* outliers */
    case 4: return k ? (float)((int)draw(255) - 127) : 127;         /* exact in codes */
    case 5: return k ? (float)((int)draw(254) - 127) + 0.5f : 127;  /* between two codes */
    case 6: return normal() * 0x1p60f;
    case 7: return f32_of_bits(draw(1u << 23)) * (draw(2) ? 1 : -1); /* denormal */
    case 8: return draw(4) ? 0 : unit();
    case 9: return (k & 1 ? -1.0f : 1.0f) * (1 + unit() * 0x1p-12f);               /* cancels */
    default: return f32_of_bits(draw(2) << 31 | draw(255) << 23 | draw(1u << 23)); /* any number */
    }
}

/* What the codes of row 0 leave out. */
static float left_out(const struct trial *t, uint64_t k) {
    return t->w[k] - t->s * (float)(t->tile[k / 4 * SCREEN_STEP + k % 4] - 128);
}

static void draw_x(struct trial *t) {
    uint32_t kind = draw(KINDS + 6);
    float scale = ldexpf(1, (int)draw(20) - 10);
    for (uint64_t k = 0; k < t->K; k++) {
        float away = left_out(t, k);
        switch (kind) {
        case KINDS: t->x[k] = away * ldexpf(1, 20); break; /* along the error: the bound's first term is met */
        case KINDS + 1: t->x[k] = away > 0 ? -1 : 1; break;
        case KINDS + 2:
            t->x[k] = k ? (float)((int)draw(2 * SCREEN_CODE_MAX + 1) - SCREEN_CODE_MAX) : SCREEN_CODE_MAX;
            break;
        case KINDS + 3: /* codes of x leave a half, along the row */
            t->x[k] = k ? (float)((int)draw(3)) + copysignf(0.499f, t->w[k]) : SCREEN_CODE_MAX;
            break;
        case KINDS + 4:
            t->x[k] = (k & 1 ? t->w[k & ~1ull] : k + 1 < t->K ? -t->w[k + 1] : 0) * 0x1p-3f;
            break;                                                               /* at right angles */
        case KINDS + 5: t->x[k] = unit() * 0x1p-126f * (0x1p-22f / t->s); break; /* products are denormal */
        default: t->x[k] = element(kind, k, scale);
        }
    }
}

/* ---- exact arithmetic ---- */

struct exact {
    mpfr_t dot, size, w2, x2, left2, rest2, code2, t, u;
};

static void square(struct exact *e, mpfr_t sum) {
    mpfr_sqr(e->t, e->t, MPFR_RNDN);
    mpfr_add(sum, sum, e->t, MPFR_RNDN);
}

static void sums(struct exact *e, const struct trial *t) {
    mpfr_ptr all[] = {e->dot, e->size, e->w2, e->x2, e->left2, e->rest2, e->code2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mpfr_set_ui(all[i], 0, MPFR_RNDN);
    for (uint64_t k = 0; k < t->K; k++) {
        int q = t->tile[k / 4 * SCREEN_STEP + k % 4] - 128, c = 128 * t->hi[k] + t->lo[k];
        mpfr_set_flt(e->u, t->w[k], MPFR_RNDN);
        mpfr_mul_d(e->t, e->u, (double)t->x[k], MPFR_RNDN);
        mpfr_add(e->dot, e->dot, e->t, MPFR_RNDN);
        mpfr_abs(e->t, e->t, MPFR_RNDN);
        mpfr_add(e->size, e->size, e->t, MPFR_RNDN);
        mpfr_set(e->t, e->u, MPFR_RNDN);
        square(e, e->w2);
        mpfr_set_flt(e->t, t->x[k], MPFR_RNDN);
        square(e, e->x2);
        mpfr_set_d(e->t, (double)t->s * q, MPFR_RNDN);
        mpfr_sub(e->u, e->u, e->t, MPFR_RNDN);
        square(e, e->code2);
        mpfr_set(e->t, e->u, MPFR_RNDN);
        square(e, e->left2);
        mpfr_set_flt(e->t, t->x[k], MPFR_RNDN);
        mpfr_set_d(e->u, (double)t->codes.t * c, MPFR_RNDN);
        mpfr_sub(e->t, e->t, e->u, MPFR_RNDN);
        square(e, e->rest2);
    }
    for (size_t i = 2; i < sizeof all / sizeof *all; i++)
        mpfr_sqrt(all[i], all[i], MPFR_RNDU); /* lengths from here on */
}

/* e->u = k / (2^24 - k), from the roundings on the longest way through the reference sum. */
static void gamma_of(struct exact *e, uint64_t n) {
    uint64_t chain = n < 1024 ? (n + 31) / 32 : 32, blocks = (n + 1023) / 1024;
    uint64_t k = chain + 5 + blocks - 1;
    mpfr_set_ui(e->u, k, MPFR_RNDN);
    mpfr_div_ui(e->u, e->u, (1u << 24) - k, MPFR_RNDU);
}

/* Each number that the pack and the quantiser give is no less than what it stands for. */
static bool parts(struct exact *e, const struct trial *t) {
    bool ok = EXPECT(mpfr_cmp_d(e->x2, t->codes.norm) <= 0) && EXPECT(mpfr_cmp_d(e->rest2, t->codes.rest) <= 0) &&
              EXPECT(mpfr_cmp_d(e->code2, (double)t->b) <= 0);
    gamma_of(e, t->K);
    mpfr_mul(e->t, e->u, e->w2, MPFR_RNDU);
    mpfr_add(e->t, e->t, e->left2, MPFR_RNDU);
    return EXPECT(mpfr_cmp_d(e->t, (double)t->a) <= 0) && ok;
}

/* |reference - exact| <= gamma * sum |w x| + K 2^-150 (1 + gamma); u holds gamma. */
static bool rounding(struct exact *e, const struct trial *t, float reference) {
    mpfr_mul(e->size, e->size, e->u, MPFR_RNDU);
    mpfr_set_ui_2exp(e->t, t->K + 1, -150, MPFR_RNDN);
    mpfr_add(e->size, e->size, e->t, MPFR_RNDU);
    mpfr_sub_d(e->t, e->dot, (double)reference, MPFR_RNDN);
    mpfr_abs(e->t, e->t, MPFR_RNDN);
    return EXPECT(mpfr_cmp(e->t, e->size) <= 0);
}

static int64_t product(const struct trial *t) {
    int64_t p = 0;
    for (uint64_t k = 0; k < t->K; k++) p += (t->tile[k / 4 * SCREEN_STEP + k % 4] - 128) * (128 * t->hi[k] + t->lo[k]);
    return p;
}

/* |exact - s t P| <= |w - sq| |x| + |sq| |x - tc| */
static bool codes(struct exact *e, const struct trial *t) {
    int64_t p = 0;
    for (uint64_t k = 0; k < t->K; k++) p += (t->tile[k / 4 * SCREEN_STEP + k % 4] - 128) * (128 * t->hi[k] + t->lo[k]);
    mpfr_set_d(e->t, (double)t->s * t->codes.t, MPFR_RNDN);
    mpfr_mul_si(e->t, e->t, p, MPFR_RNDN);
    mpfr_sub(e->dot, e->dot, e->t, MPFR_RNDN);
    mpfr_abs(e->dot, e->dot, MPFR_RNDN);
    mpfr_mul(e->t, e->left2, e->x2, MPFR_RNDU);
    mpfr_mul(e->u, e->code2, e->rest2, MPFR_RNDU);
    mpfr_add(e->t, e->t, e->u, MPFR_RNDU);
    return EXPECT(mpfr_cmp(e->dot, e->t) <= 0);
}

/* The interval holds s t P -+ (A |x| + W |x - tc|). */
static bool interval(struct exact *e, const struct trial *t, float low, float high) {
    mpfr_set_d(e->dot, (double)t->s * t->codes.t, MPFR_RNDN);
    mpfr_mul_si(e->dot, e->dot, product(t), MPFR_RNDN);
    mpfr_set_d(e->t, (double)t->a, MPFR_RNDN);
    mpfr_mul_d(e->t, e->t, t->codes.norm, MPFR_RNDN);
    mpfr_set_d(e->u, (double)t->b, MPFR_RNDN);
    mpfr_mul_d(e->u, e->u, t->codes.rest, MPFR_RNDN);
    mpfr_add(e->t, e->t, e->u, MPFR_RNDN);
    mpfr_sub(e->u, e->dot, e->t, MPFR_RNDN);
    mpfr_add(e->t, e->dot, e->t, MPFR_RNDN);
    return EXPECT(mpfr_cmp_d(e->u, (double)low) >= 0) && EXPECT(mpfr_cmp_d(e->t, (double)high) <= 0);
}

/* ---- a row ---- */

struct count {
    uint64_t rows, exact, open, tight;
};

static bool one(struct trial *t, struct exact *e, struct count *n) {
    float low, high, reference = num_dot(t->w, t->x, t->K);
    t->codes = screen_codes(t->x, t->K, t->hi, t->lo);
    screen_interval(t->tile, t->K, 0, &t->codes, t->hi, t->lo, &low, &high);
    bool open = low == -INFINITY && high == INFINITY;
    n->rows++;
    n->open += open;
    if (!isfinite(reference)) return EXPECT(open);
    bool ok = EXPECT(low <= reference && reference <= high);
    n->tight += !open && (reference - low) * 8 < high - low;
    for (uint64_t k = 0; k < t->K; k++)
        if (!isfinite(t->x[k])) return ok;
    n->exact++;
    sums(e, t);
    return parts(e, t) && (open || rounding(e, t, reference)) && codes(e, t) && interval(e, t, low, high) && ok;
}

static uint64_t length(void) {
    static const uint32_t some[] = {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127};
    return draw(200) == 0 ? 1000 + draw(2000) : some[draw(16)];
}

static void rows(struct trial *t, struct exact *e, uint64_t n, struct count *count) {
    while (count->rows < n && expect_failed < 10) {
        uint32_t kind = draw(KINDS);
        float scale = ldexpf(1, (int)draw(40) - 20);
        t->K = length();
        for (uint64_t k = 0; k < t->K; k++) t->w[k] = element(kind, k, scale);
        screen_pack_tile(t->w, 1, t->K, t->tile);
        uint64_t at = screen_params(t->K);
        t->s = f32_of_bits(load_u32le(t->tile + at));
        t->a = f32_of_bits(load_u32le(t->tile + at + 4 * SCREEN_ROWS));
        t->b = f32_of_bits(load_u32le(t->tile + at + 8 * SCREEN_ROWS));
        for (int i = 0; i < 3; i++) {
            draw_x(t);
            if (draw(100) == 0) t->x[draw((uint32_t)t->K)] = draw(2) ? NAN : INFINITY;
            if (!one(t, e, count))
                printf("row %llu: K %llu, kind %u\n", (unsigned long long)count->rows, (unsigned long long)t->K, kind);
        }
    }
}

int main(int argc, char **argv) {
    static struct trial t;
    struct exact e;
    struct count n = {0};
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    mpfr_inits2(EXACT, e.dot, e.size, e.w2, e.x2, e.left2, e.rest2, e.code2, e.t, e.u, (mpfr_ptr)0);
    rows(&t, &e, argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, &n);
    mpfr_clears(e.dot, e.size, e.w2, e.x2, e.left2, e.rest2, e.code2, e.t, e.u, (mpfr_ptr)0);
    printf("%llu rows, %llu of them in exact arithmetic; %llu intervals hold everything; %llu logits in the lowest "
           "eighth\n",
           (unsigned long long)n.rows, (unsigned long long)n.exact, (unsigned long long)n.open,
           (unsigned long long)n.tight);
    EXPECT(n.exact > n.rows / 2 && n.open < n.rows / 4 && n.tight > n.rows / 100);
    return expect_end();
}
