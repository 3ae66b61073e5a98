/* sema_real.c -- reals over MPFR; their digits lie in the arena, so nothing is ever cleared. */
#include "frontend/sema_real.h"

#include <mpfr.h>

#include "base/compiler.h"

enum { BITS = 200 };

struct real {
    mpfr_t v;
};

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
    return r;
}

const struct real *real_of_int(struct arena *a, int64_t v) {
    struct real *r = real_new(a);
    mpfr_set_si(r->v, (long)v, MPFR_RNDN);
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
    return r;
}

const struct real *real_fn1(struct arena *a, enum real_fn fn, const struct real *x) {
    if (!x) return NULL;
    struct real *r = real_new(a);
    switch (fn) {
    case REAL_NEG: mpfr_neg(r->v, x->v, MPFR_RNDN); break;
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
