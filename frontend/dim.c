/*
 * dim.c -- normal forms of symbolic whole numbers.
 *
 * A term is a coefficient and a product of at most MAX_DEGREE atoms, sorted by their number; a dim is a sum of
 * at most MAX_TERMS terms in graded lexicographic order, which is the order long division needs.  Dims and
 * opaque atoms are interned, so that equality is a comparison of pointers.
 */
#include "frontend/dim.h"

#include <inttypes.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"

enum {
    MAX_DEGREE = 8,
    MAX_TERMS = 24,
    MAX_REWRITES = 64,
    MAX_SIZE = 1000, /* atoms in the text of a formula: opaque atoms share parts, so text could grow as 2^n */
};

enum atom_kind { NAME, DIV, MOD };

struct atom {
    enum atom_kind kind;
    uint32_t id;
    const char *name;        /* NAME */
    const struct dim *a, *b; /* DIV, MOD */
    bool has_value;
    int64_t value;
    const struct dim *same; /* learnt: the atom is this number */
    uint32_t size;          /* atoms in its text */
};

struct term {
    int64_t coef; /* never 0 in a finished dim */
    uint32_t n;
    struct atom *f[MAX_DEGREE];
};

struct dim {
    uint32_t n;
    uint32_t size; /* atoms in its text */
    const struct term *term;
};

struct dims {
    struct arena *arena;
    VEC(struct atom *) atoms;
    VEC(struct dim *) all;
};

/* A sum under construction. */
struct sum {
    uint32_t n;
    bool bad; /* too many terms, too high a degree, a coefficient that does not fit */
    struct term term[MAX_TERMS];
};

struct dims *dims_new(struct arena *a) {
    struct dims *t = arena_one(a, struct dims);
    t->arena = a;
    return t;
}

/* ---- terms and sums ---- */

/* Higher degree first, then atoms in order: > 0 if a comes before b. */
static int term_order(const struct term *a, const struct term *b) {
    if (a->n != b->n) return a->n > b->n ? 1 : -1;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->f[i] != b->f[i]) return a->f[i]->id < b->f[i]->id ? 1 : -1;
    return 0;
}

static void sum_add(struct sum *s, const struct term *t) {
    uint32_t i = 0;
    if (t->coef == 0 || s->bad) return;
    while (i < s->n && term_order(&s->term[i], t) > 0) i++;
    if (i < s->n && term_order(&s->term[i], t) == 0) {
        s->bad |= __builtin_add_overflow(s->term[i].coef, t->coef, &s->term[i].coef);
        if (s->term[i].coef == 0) {
            memmove(&s->term[i], &s->term[i + 1], (s->n - i - 1) * sizeof *s->term);
            s->n--;
        }
        return;
    }
    if (s->n == MAX_TERMS) {
        s->bad = true;
        return;
    }
    memmove(&s->term[i + 1], &s->term[i], (s->n - i) * sizeof *s->term);
    s->term[i] = *t;
    s->n++;
}

static void sum_add_dim(struct sum *s, const struct dim *d, int64_t factor) {
    for (uint32_t i = 0; i < d->n; i++) {
        struct term t = d->term[i];
        s->bad |= __builtin_mul_overflow(t.coef, factor, &t.coef);
        sum_add(s, &t);
    }
}

static bool term_eq(const struct term *a, const struct term *b) { return a->coef == b->coef && term_order(a, b) == 0; }

static const struct dim *finish(struct dims *t, const struct sum *s) {
    if (s->bad) return NULL;
    for (size_t i = 0; i < t->all.n; i++) {
        const struct dim *d = t->all.at[i];
        bool same = d->n == s->n;
        for (uint32_t k = 0; same && k < s->n; k++) same = term_eq(&d->term[k], &s->term[k]);
        if (same) return d;
    }
    uint32_t size = 1;
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < s->term[i].n; k++) size += s->term[i].f[k]->size;
    if (size > MAX_SIZE) return NULL;
    struct dim *d = arena_one(t->arena, struct dim);
    d->size = size;
    struct term *terms = arena_array(t->arena, struct term, s->n + 1);
    memcpy(terms, s->term, s->n * sizeof *terms);
    d->n = s->n;
    d->term = terms;
    return *vec_push(t->arena, &t->all) = d;
}

/* ---- atoms ---- */

static struct atom *atom_new(struct dims *t, struct atom init) {
    struct atom *a = arena_one(t->arena, struct atom);
    *a = init;
    a->id = (uint32_t)t->atoms.n;
    a->size = init.kind == NAME ? 1 : init.a->size + init.b->size;
    return *vec_push(t->arena, &t->atoms) = a;
}

static struct atom *atom_named(struct dims *t, const char *name) {
    for (size_t i = 0; i < t->atoms.n; i++)
        if (t->atoms.at[i]->kind == NAME && t->atoms.at[i]->name == name) return t->atoms.at[i];
    return atom_new(t, (struct atom){.kind = NAME, .name = name});
}

static struct atom *atom_opaque(struct dims *t, enum atom_kind k, const struct dim *a, const struct dim *b) {
    for (size_t i = 0; i < t->atoms.n; i++) {
        struct atom *o = t->atoms.at[i];
        if (o->kind == k && o->a == a && o->b == b) return o;
    }
    return atom_new(t, (struct atom){.kind = k, .a = a, .b = b});
}

static const struct dim *of_atom(struct dims *t, struct atom *a) {
    struct sum s = {0};
    sum_add(&s, &(struct term){.coef = 1, .n = 1, .f = {a}});
    return finish(t, &s);
}

const struct dim *dim_const(struct dims *t, int64_t v) {
    struct sum s = {0};
    sum_add(&s, &(struct term){.coef = v});
    return finish(t, &s);
}

const struct dim *dim_name(struct dims *t, const char *name) { return of_atom(t, atom_named(t, name)); }

const struct dim *dim_fresh(struct dims *t, const char *spelling) {
    return of_atom(t, atom_new(t, (struct atom){.kind = NAME, .name = arena_strdup(t->arena, spelling)}));
}

void dim_set(struct dims *t, const char *name, int64_t v) {
    struct atom *a = atom_named(t, name);
    a->has_value = true;
    a->value = v;
}

/* ---- arithmetic ---- */

const struct dim *dim_add(struct dims *t, const struct dim *a, const struct dim *b) {
    if (!a || !b) return NULL;
    struct sum s = {0};
    sum_add_dim(&s, a, 1);
    sum_add_dim(&s, b, 1);
    return finish(t, &s);
}

const struct dim *dim_sub(struct dims *t, const struct dim *a, const struct dim *b) {
    if (!a || !b) return NULL;
    struct sum s = {0};
    sum_add_dim(&s, a, 1);
    sum_add_dim(&s, b, -1);
    return finish(t, &s);
}

/* a * b, atoms merged in order; false: too large. */
static bool term_mul(const struct term *a, const struct term *b, struct term *out) {
    if (a->n + b->n > MAX_DEGREE || __builtin_mul_overflow(a->coef, b->coef, &out->coef)) return false;
    uint32_t i = 0, k = 0;
    out->n = a->n + b->n;
    for (uint32_t n = 0; n < out->n; n++) {
        bool left = k == b->n || (i < a->n && a->f[i]->id <= b->f[k]->id);
        out->f[n] = left ? a->f[i++] : b->f[k++];
    }
    return true;
}

/* a / b if that leaves no remainder. */
static bool term_div(const struct term *a, const struct term *b, struct term *out) {
    if (b->coef == 0 || a->coef % b->coef) return false;
    *out = (struct term){.coef = a->coef / b->coef};
    uint32_t k = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (k < b->n && b->f[k] == a->f[i])
            k++;
        else
            out->f[out->n++] = a->f[i];
    }
    return k == b->n;
}

/* Finds p / q and q in one term, where q is one term: what the two come to is p. */
static const struct dim *cancel(struct dims *t, const struct term *whole) {
    for (uint32_t i = 0; i < whole->n; i++) {
        const struct atom *o = whole->f[i];
        struct term rest = *whole, quotient;
        if (o->kind != DIV || o->b->n != 1) continue;
        memmove(&rest.f[i], &rest.f[i + 1], (rest.n - i - 1) * sizeof *rest.f);
        rest.n--;
        if (!term_div(&rest, &o->b->term[0], &quotient)) continue;
        struct sum s = {0};
        sum_add(&s, &quotient);
        return dim_mul(t, finish(t, &s), o->a);
    }
    return NULL;
}

const struct dim *dim_mul(struct dims *t, const struct dim *a, const struct dim *b) {
    if (!a || !b) return NULL;
    struct sum s = {0};
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < b->n; k++) {
            struct term p = {0};
            if (!term_mul(&a->term[i], &b->term[k], &p)) return NULL;
            const struct dim *simpler = cancel(t, &p);
            if (simpler)
                sum_add_dim(&s, simpler, 1);
            else
                sum_add(&s, &p);
        }
    return finish(t, &s);
}

/* Long division; NULL: a remainder is left. */
static const struct dim *divide_exactly(struct dims *t, const struct dim *a, const struct dim *b) {
    struct sum quotient = {0}, rest = {0};
    sum_add_dim(&rest, a, 1);
    for (uint32_t step = 0; rest.n > 0; step++) {
        struct term q, p;
        if (step == MAX_TERMS || rest.bad || !term_div(&rest.term[0], &b->term[0], &q)) return NULL;
        sum_add(&quotient, &q);
        for (uint32_t i = 0; i < b->n; i++) {
            if (!term_mul(&q, &b->term[i], &p) || __builtin_mul_overflow(p.coef, -1, &p.coef)) return NULL;
            sum_add(&rest, &p);
        }
    }
    return finish(t, &quotient);
}

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* The greatest term that divides every term of d, and of `into` if that is not 0. */
static void common_term(const struct dim *d, struct term *into) {
    for (uint32_t i = 0; i < d->n; i++) {
        const struct term *t = &d->term[i];
        if (into->coef == 0) {
            *into = *t;
            continue;
        }
        into->coef = gcd(into->coef, t->coef);
        struct term both = {.coef = into->coef};
        for (uint32_t a = 0, b = 0; a < into->n && b < t->n;) {
            if (into->f[a] == t->f[b]) {
                both.f[both.n++] = into->f[a];
                a++, b++;
            } else if (into->f[a]->id < t->f[b]->id) {
                a++;
            } else {
                b++;
            }
        }
        *into = both;
    }
}

static const struct dim *over(struct dims *t, enum atom_kind k, const struct dim *a, const struct dim *b) {
    if (k == DIV) {
        struct term c = {0};
        common_term(a, &c);
        common_term(b, &c);
        struct sum s = {0};
        sum_add(&s, &c);
        const struct dim *common = finish(t, &s);
        const struct dim *p = common ? divide_exactly(t, a, common) : NULL;
        const struct dim *q = common ? divide_exactly(t, b, common) : NULL;
        if (p && q) a = p, b = q;
    }
    return of_atom(t, atom_opaque(t, k, a, b));
}

const struct dim *dim_div(struct dims *t, const struct dim *a, const struct dim *b) {
    if (!a || !b || b->n == 0) return NULL;
    const struct dim *q = divide_exactly(t, a, b);
    return q ? q : over(t, DIV, a, b);
}

const struct dim *dim_mod(struct dims *t, const struct dim *a, const struct dim *b) {
    int64_t x, y;
    if (!a || !b || b->n == 0) return NULL;
    if (dim_is_const(a, &x) && dim_is_const(b, &y)) return dim_const(t, y == -1 ? 0 : x % y);
    return divide_exactly(t, a, b) ? dim_const(t, 0) : over(t, MOD, a, b);
}

/* ---- what is known ---- */

bool dim_is_const(const struct dim *d, int64_t *v) {
    if (!d || d->n > 1 || (d->n == 1 && d->term[0].n > 0)) return false;
    *v = d->n ? d->term[0].coef : 0;
    return true;
}

static enum dim_status atom_value(const struct atom *a, int64_t *v) {
    if (a->kind == NAME) {
        *v = a->value;
        return a->has_value ? DIM_OK : DIM_UNKNOWN;
    }
    int64_t x, y;
    enum dim_status s = dim_value(a->a, &x);
    if (s == DIM_OK) s = dim_value(a->b, &y);
    if (s != DIM_OK) return s;
    if (y == 0) return DIM_BY_ZERO;
    if (y == -1) return __builtin_mul_overflow(a->kind == DIV ? x : 0, -1, v) ? DIM_OVERFLOW : DIM_OK;
    if (a->kind == DIV && x % y) return DIM_INEXACT;
    *v = a->kind == DIV ? x / y : x % y;
    return DIM_OK;
}

enum dim_status dim_value(const struct dim *d, int64_t *v) {
    int64_t sum = 0;
    if (!d) return DIM_OVERFLOW;
    for (uint32_t i = 0; i < d->n; i++) {
        int64_t product = d->term[i].coef;
        for (uint32_t k = 0; k < d->term[i].n; k++) {
            int64_t x;
            enum dim_status s = atom_value(d->term[i].f[k], &x);
            if (s != DIM_OK) return s;
            if (__builtin_mul_overflow(product, x, &product)) return DIM_OVERFLOW;
        }
        if (__builtin_add_overflow(sum, product, &sum)) return DIM_OVERFLOW;
    }
    *v = sum;
    return DIM_OK;
}

bool dim_is_literal(const struct dim *d) {
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < d->term[i].n; k++) {
            const struct atom *f = d->term[i].f[k];
            if (f->kind == NAME || !dim_is_literal(f->a) || !dim_is_literal(f->b)) return false;
        }
    return true;
}

/* Puts what was learnt about names in their place. */
static const struct dim *rewrite(struct dims *t, const struct dim *d, uint32_t *budget) {
    if (!d || *budget == 0) return d;
    const struct dim *sum = dim_const(t, 0);
    for (uint32_t i = 0; i < d->n; i++) {
        const struct dim *product = dim_const(t, d->term[i].coef);
        for (uint32_t k = 0; k < d->term[i].n; k++) {
            struct atom *a = d->term[i].f[k];
            const struct dim *f = of_atom(t, a);
            if (a->same) {
                --*budget;
                f = rewrite(t, a->same, budget);
            } else if (a->kind == DIV) {
                f = dim_div(t, rewrite(t, a->a, budget), rewrite(t, a->b, budget));
            } else if (a->kind == MOD) {
                f = dim_mod(t, rewrite(t, a->a, budget), rewrite(t, a->b, budget));
            }
            product = dim_mul(t, product, f);
        }
        sum = dim_add(t, sum, product);
    }
    return sum;
}

static const struct dim *normal(struct dims *t, const struct dim *d) {
    uint32_t budget = MAX_REWRITES;
    return rewrite(t, d, &budget);
}

static struct atom *single_name(const struct dim *d) {
    bool single = d->n == 1 && d->term[0].coef == 1 && d->term[0].n == 1 && d->term[0].f[0]->kind == NAME;
    return single ? d->term[0].f[0] : NULL;
}

static bool mentions(const struct dim *d, const struct atom *a) {
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < d->term[i].n; k++) {
            const struct atom *f = d->term[i].f[k];
            if (f == a || (f->kind != NAME && (mentions(f->a, a) || mentions(f->b, a)))) return true;
        }
    return false;
}

void dim_learn_equal(struct dims *t, const struct dim *a, const struct dim *b) {
    a = normal(t, a);
    b = normal(t, b);
    if (!a || !b || a == b) return;
    struct atom *name = single_name(a);
    const struct dim *is = b;
    if (!name || mentions(b, name)) {
        name = single_name(b);
        is = a;
    }
    if (name && !mentions(is, name)) name->same = is;
}

bool dim_equal(struct dims *t, const struct dim *a, const struct dim *b) {
    if (a == b) return true;
    if (!a || !b) return false;
    const struct dim *x = normal(t, a), *y = normal(t, b);
    return x && x == y;
}

bool dim_compare(struct dims *t, const struct dim *a, const struct dim *b, int *sign) {
    int64_t x, y;
    if (dim_value(a, &x) == DIM_OK && dim_value(b, &y) == DIM_OK) {
        *sign = (x > y) - (x < y);
        return true;
    }
    const struct dim *d = dim_sub(t, normal(t, a), normal(t, b));
    if (!d || !dim_is_const(d, &x)) return false;
    *sign = (x > 0) - (x < 0);
    return true;
}

/* ---- text ---- */

/* Binding strength of what is written: a sum, a product, a single thing. */
enum strength { SUM, PRODUCT, SINGLE };

static void put_dim(struct buf *b, const struct dim *d, enum strength around);

static void put_atom(struct buf *b, const struct atom *a) {
    if (a->kind == NAME) {
        buf_printf(b, "%s", a->name);
        return;
    }
    put_dim(b, a->a, PRODUCT);
    buf_printf(b, a->kind == DIV ? " / " : " %% ");
    put_dim(b, a->b, SINGLE);
}

static enum strength strength_of(const struct dim *d) {
    if (d->n != 1) return d->n == 0 ? SINGLE : SUM;
    const struct term *t = &d->term[0];
    if (t->coef < 0) return SUM;
    if (t->n == 0 || (t->n == 1 && t->coef == 1 && t->f[0]->kind == NAME)) return SINGLE;
    return PRODUCT;
}

static void put_term(struct buf *b, const struct term *t, bool first) {
    bool minus = t->coef < 0;
    uint64_t size = minus ? 0 - (uint64_t)t->coef : (uint64_t)t->coef;
    buf_printf(b, "%s", first ? (minus ? "-" : "") : minus ? " - " : " + ");
    bool began = size != 1 || t->n == 0;
    if (began) buf_printf(b, "%" PRIu64, size);
    for (uint32_t i = 0; i < t->n; i++) {
        bool modulus = t->f[i]->kind == MOD && t->n + began > 1; /* * and % bind alike, left to right */
        buf_printf(b, "%s%s", began ? " * " : "", modulus ? "(" : "");
        put_atom(b, t->f[i]);
        buf_printf(b, "%s", modulus ? ")" : "");
        began = true;
    }
}

static void put_dim(struct buf *b, const struct dim *d, enum strength around) {
    bool parentheses = strength_of(d) < around;
    buf_printf(b, "%s", parentheses ? "(" : "");
    if (d->n == 0) buf_printf(b, "0");
    for (uint32_t i = 0; i < d->n; i++) put_term(b, &d->term[i], i == 0);
    buf_printf(b, "%s", parentheses ? ")" : "");
}

static const char *text(struct dims *t, const struct dim *d, bool value) {
    if (!d) return "?";
    struct buf b = {0};
    int64_t v;
    put_dim(&b, d, SUM);
    if (value && !dim_is_const(d, &v) && dim_value(d, &v) == DIM_OK) buf_printf(&b, " (%" PRId64 ")", v);
    const char *s = arena_strndup(t->arena, b.at, b.n);
    buf_free(&b);
    return s;
}

const char *dim_text(struct dims *t, const struct dim *d) { return text(t, d, true); }
const char *dim_formula(struct dims *t, const struct dim *d) { return text(t, d, false); }
