/* sema_real.c -- reals over MPFR; their digits lie in the arena, so nothing is ever cleared. */
#include "frontend/sema_real.h"

#include <mpfr.h>
#include <stdlib.h>

#include "base/compiler.h"

enum { BITS = 200 };

struct real {
    mpfr_t v;
    int64_t num, den; /* the same as a quotient in lowest terms; den 0: not known */
};

/* ---- quotients ---- */

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* num / den, unless it overflowed on the way or den is 0. */
static void set_quotient(struct real *r, bool bad, int64_t num, int64_t den) {
    bad |= den == 0 || num == INT64_MIN || den == INT64_MIN;
    if (bad) return;
    int64_t g = gcd(num < 0 ? -num : num, den < 0 ? -den : den);
    r->num = den < 0 ? -num / g : num / g;
    r->den = den < 0 ? -den / g : den / g;
}

static void quotient_op2(struct real *r, enum real_op op, const struct real *x, const struct real *y) {
    int64_t a, b, num, den;
    bool bad = !x->den || !y->den;
    if (op == REAL_MUL || op == REAL_DIV) {
        bool div = op == REAL_DIV;
        bad |= __builtin_mul_overflow(x->num, div ? y->den : y->num, &num);
        bad |= __builtin_mul_overflow(x->den, div ? y->num : y->den, &den);
    } else {
        bad |= __builtin_mul_overflow(x->num, y->den, &a);
        bad |= __builtin_mul_overflow(y->num, x->den, &b);
        bad |= op == REAL_ADD ? __builtin_add_overflow(a, b, &num) : __builtin_sub_overflow(a, b, &num);
        bad |= __builtin_mul_overflow(x->den, y->den, &den);
    }
    set_quotient(r, bad, num, den);
}

/* "-12.5e-3": digits over a power of ten. */
static void quotient_of_text(struct real *r, const char *s) {
    int64_t num = 0, den = 1;
    bool bad = false, minus = *s == '-', point = false;
    for (s += *s == '-' || *s == '+'; (*s >= '0' && *s <= '9') || *s == '.'; s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        bad |= __builtin_mul_overflow(num, 10, &num) || __builtin_add_overflow(num, *s - '0', &num);
        if (point) bad |= __builtin_mul_overflow(den, 10, &den);
    }
    long e = *s ? strtol(s + 1, NULL, 10) : 0;
    for (; !bad && num && e > 0; e--) bad |= __builtin_mul_overflow(num, 10, &num);
    for (; !bad && e < 0; e++) bad |= __builtin_mul_overflow(den, 10, &den);
    set_quotient(r, bad, minus ? -num : num, den);
}

bool real_quotient(const struct real *x, int64_t *num, int64_t *den) {
    *num = x->num;
    *den = x->den;
    return x->den != 0;
}

/* num * n is exact, and no quotient of such numbers that is not whole is nearer to a whole one than 2^-63. */
int64_t real_share(int64_t num, int64_t den, int64_t n) {
    mpfr_t v;
    mpfr_init2(v, BITS);
    mpfr_set_si(v, (long)num, MPFR_RNDN);
    mpfr_mul_si(v, v, (long)n, MPFR_RNDN);
    mpfr_div_si(v, v, (long)den, MPFR_RNDN);
    int64_t share = mpfr_get_si(v, MPFR_RNDU);
    mpfr_clear(v);
    return share;
}

/* ---- reals ---- */

static struct real *real_new(struct arena *a) {
    struct real *r = arena_one(a, struct real);
    void *digits = arena_alloc(a, mpfr_custom_get_size(BITS));
    mpfr_custom_init(digits, BITS);
    mpfr_custom_init_set(r->v, MPFR_ZERO_KIND, 0, BITS, digits);
    return r;
}

const struct real *real_of_text(struct arena *a, const char *text) {
    struct real *r = real_new(a);
    if (mpfr_set_str(r->v, text, 10, MPFR_RNDN)) BUG("'%s' is not a decimal", text);
    quotient_of_text(r, text);
    return r;
}

const struct real *real_of_int(struct arena *a, int64_t v) {
    struct real *r = real_new(a);
    mpfr_set_si(r->v, (long)v, MPFR_RNDN);
    set_quotient(r, false, v, 1);
    return r;
}

const struct real *real_op2(struct arena *a, enum real_op op, const struct real *x, const struct real *y) {
    if (!x || !y) return NULL;
    struct real *r = real_new(a);
    switch (op) {
    case REAL_ADD: mpfr_add(r->v, x->v, y->v, MPFR_RNDN); break;
    case REAL_SUB: mpfr_sub(r->v, x->v, y->v, MPFR_RNDN); break;
    case REAL_MUL: mpfr_mul(r->v, x->v, y->v, MPFR_RNDN); break;
    case REAL_DIV: mpfr_div(r->v, x->v, y->v, MPFR_RNDN); break;
    }
    quotient_op2(r, op, x, y);
    return r;
}

const struct real *real_fn1(struct arena *a, enum real_fn fn, const struct real *x) {
    if (!x) return NULL;
    struct real *r = real_new(a);
    switch (fn) {
    case REAL_NEG:
        mpfr_neg(r->v, x->v, MPFR_RNDN);
        set_quotient(r, false, -x->num, x->den);
        break;
    case REAL_SQRT: mpfr_sqrt(r->v, x->v, MPFR_RNDN); break;
    case REAL_RSQRT: mpfr_rec_sqrt(r->v, x->v, MPFR_RNDN); break;
    case REAL_EXP: mpfr_exp(r->v, x->v, MPFR_RNDN); break;
    case REAL_LOG: mpfr_log(r->v, x->v, MPFR_RNDN); break;
    }
    return r;
}

bool real_is_finite(const struct real *x) { return mpfr_number_p(x->v); }
int real_sign(const struct real *x) { return mpfr_sgn(x->v); }
int real_compare(const struct real *x, const struct real *y) { return mpfr_cmp(x->v, y->v); }
float real_f32(const struct real *x) { return mpfr_get_flt(x->v, MPFR_RNDN); }
double real_f64(const struct real *x) { return mpfr_get_d(x->v, MPFR_RNDN); }

const char *real_text(struct arena *a, const struct real *x) {
    char text[64];
    mpfr_snprintf(text, sizeof text, "%.9Rg", x->v);
    return arena_strdup(a, text);
}
