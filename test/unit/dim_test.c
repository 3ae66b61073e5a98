/* dim_test.c -- normal forms of symbolic whole numbers, what is known of them, and how they are written. */
#include "frontend/dim.h"

#include "base/str.h"
#include "test/unit/expect.h"

struct env {
    struct arena *a;
    struct names *names;
    struct dims *t;
};

static const struct dim *name(struct env *e, const char *s) { return dim_name(e->t, name_of(e->names, s)); }
static const struct dim *num(struct env *e, int64_t v) { return dim_const(e->t, v); }

static void normal_forms(struct env *e) {
    const struct dim *h = name(e, "hidden"), *n = name(e, "heads"), *d = name(e, "head");
    EXPECT(dim_mul(e->t, n, d) == dim_mul(e->t, d, n));
    EXPECT(dim_add(e->t, dim_mul(e->t, n, d), num(e, 1)) == dim_add(e->t, num(e, 1), dim_mul(e->t, d, n)));
    EXPECT(dim_sub(e->t, dim_add(e->t, h, d), d) == h);
    EXPECT(dim_sub(e->t, h, h) == num(e, 0));
    EXPECT(dim_mul(e->t, dim_div(e->t, h, n), n) == h); /* '/' is exact */
    EXPECT(dim_mul(e->t, n, dim_div(e->t, h, n)) == h);
    EXPECT(dim_mul(e->t, dim_mul(e->t, num(e, 2), dim_div(e->t, h, n)), dim_mul(e->t, n, d)) ==
           dim_mul(e->t, num(e, 2), dim_mul(e->t, h, d)));
    EXPECT(dim_div(e->t, dim_mul(e->t, h, d), d) == h);
    EXPECT(dim_div(e->t, dim_mul(e->t, num(e, 6), h), dim_mul(e->t, num(e, 4), n)) ==
           dim_div(e->t, dim_mul(e->t, num(e, 3), h), dim_mul(e->t, num(e, 2), n)));
    /* (h + d) * (h - d) / (h + d) */
    const struct dim *sum = dim_add(e->t, h, d), *difference = dim_sub(e->t, h, d);
    EXPECT(dim_div(e->t, dim_mul(e->t, sum, difference), sum) == difference);
    EXPECT(dim_mod(e->t, dim_mul(e->t, h, d), h) == num(e, 0));
    EXPECT(dim_mod(e->t, num(e, 7), num(e, 4)) == num(e, 3));
    EXPECT(dim_fresh(e->t, "n") != dim_fresh(e->t, "n"));
    EXPECT(dim_div(e->t, h, num(e, 0)) == NULL);
    EXPECT(dim_mod(e->t, h, num(e, 0)) == NULL);
    EXPECT(dim_add(e->t, num(e, INT64_MAX), num(e, 1)) == NULL);
    EXPECT(dim_mul(e->t, num(e, INT64_MAX), num(e, 2)) == NULL);
    EXPECT(dim_add(e->t, NULL, h) == NULL);
}

static void texts(struct env *e) {
    const struct dim *h = name(e, "hidden"), *n = name(e, "heads");
    EXPECT_STR(dim_text(e->t, num(e, -3)), "-3");
    EXPECT_STR(dim_text(e->t, num(e, 0)), "0");
    EXPECT_STR(dim_text(e->t, dim_sub(e->t, dim_mul(e->t, num(e, 2), h), num(e, 1))), "2 * hidden - 1");
    EXPECT_STR(dim_text(e->t, dim_div(e->t, dim_add(e->t, h, num(e, 1)), n)), "(hidden + 1) / heads");
    EXPECT_STR(dim_text(e->t, dim_div(e->t, h, dim_mul(e->t, num(e, 2), n))), "hidden / (2 * heads)");
    EXPECT_STR(dim_text(e->t, dim_mod(e->t, h, n)), "hidden % heads");
    EXPECT_STR(dim_text(e->t, NULL), "?");
    const struct dim *i = name(e, "i");
    dim_set(e->t, name_of(e->names, "i"), 7);
    EXPECT_STR(dim_text(e->t, dim_mul(e->t, num(e, 3), i)), "3 * i (21)");
    EXPECT_STR(dim_formula(e->t, dim_mul(e->t, num(e, 3), i)), "3 * i");
    EXPECT_STR(dim_text(e->t, dim_mul(e->t, i, h)), "hidden * i");
}

static void values(struct env *e) {
    int64_t v;
    int sign;
    const struct dim *p = name(e, "p"), *q = name(e, "q"), *u = name(e, "unknown");
    dim_set(e->t, name_of(e->names, "p"), 12);
    dim_set(e->t, name_of(e->names, "q"), 5);
    EXPECT(dim_value(dim_mul(e->t, p, q), &v) == DIM_OK && v == 60);
    EXPECT(dim_value(dim_mod(e->t, p, q), &v) == DIM_OK && v == 2);
    EXPECT(dim_value(dim_div(e->t, p, q), &v) == DIM_INEXACT);
    EXPECT(dim_value(dim_div(e->t, p, dim_sub(e->t, q, num(e, 5))), &v) == DIM_BY_ZERO);
    EXPECT(dim_value(dim_mul(e->t, p, dim_mul(e->t, num(e, INT64_MAX / 2), q)), &v) == DIM_OVERFLOW);
    EXPECT(dim_value(dim_add(e->t, p, u), &v) == DIM_UNKNOWN);
    EXPECT(!dim_is_const(p, &v));
    EXPECT(dim_compare(e->t, p, q, &sign) && sign == 1);
    EXPECT(dim_compare(e->t, u, dim_add(e->t, u, num(e, 1)), &sign) && sign == -1);
    EXPECT(!dim_compare(e->t, u, p, &sign));
    EXPECT(!dim_equal(e->t, p, num(e, 12))); /* equal for this value only */
}

static void learning(struct env *e) {
    const struct dim *h = name(e, "wide"), *n = name(e, "groups"), *d = name(e, "each"), *x = name(e, "x");
    EXPECT(!dim_equal(e->t, h, dim_mul(e->t, n, d)));
    dim_learn_equal(e->t, dim_mul(e->t, n, d), h);
    EXPECT(dim_equal(e->t, h, dim_mul(e->t, n, d)));
    EXPECT(dim_equal(e->t, dim_div(e->t, h, n), d));
    EXPECT(dim_equal(e->t, dim_add(e->t, h, num(e, 1)), dim_add(e->t, dim_mul(e->t, d, n), num(e, 1))));
    dim_learn_equal(e->t, x, dim_add(e->t, x, num(e, 1))); /* nonsense must not loop */
    EXPECT(!dim_equal(e->t, x, dim_add(e->t, x, num(e, 1))));
    dim_learn_equal(e->t, n, h);
    dim_learn_equal(e->t, h, n);
    dim_equal(e->t, n, h);
}

/* Opaque atoms share parts: each line's text would be twice as long as the one before. */
static void growth(struct env *e) {
    const struct dim *d = name(e, "seed");
    int lines = 0;
    while (d && lines < 100) {
        d = dim_mod(e->t, d, dim_add(e->t, d, num(e, 1)));
        lines++;
    }
    EXPECT(!d && lines < 20);
    const struct dim *product = name(e, "seed");
    for (int i = 0; i < 20; i++) product = dim_mul(e->t, product, name(e, "seed"));
    EXPECT(!product);
}

int main(void) {
    struct env e = {.a = arena_new()};
    e.names = names_new(e.a);
    e.t = dims_new(e.a);
    normal_forms(&e);
    texts(&e);
    values(&e);
    learning(&e);
    growth(&e);
    arena_free(e.a);
    return expect_end();
}
