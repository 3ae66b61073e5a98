/* math.c -- operators on values: Python's arithmetic, except that an int beyond 64 bits is an error. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/jinja/impl.h"

_Noreturn static void meaningless(J *j, enum j_op op, struct j_value a, struct j_value b) {
    setun_j_fail(j, "'%s' between '%s' and '%s' has no meaning", setun_j_op_text[op], setun_j_type(a), setun_j_type(b));
}

static struct j_value checked(J *j, bool overflow, const int64_t *i) {
    if (overflow) setun_j_fail(j, "an integer beyond 64 bits is not supported");
    return setun_j_int(*i);
}

static struct j_value int_power(J *j, int64_t a, int64_t n) {
    int64_t r = 1;
    if (n < 0) {
        if (a == 0) setun_j_fail(j, "0 has no negative power");
        return setun_j_float(pow((double)a, (double)n));
    }
    if (n > 64 && a != 0 && a != 1 && a != -1) checked(j, true, &r);
    if (n > 64) n = 64 + n % 2;
    for (; n > 0; n--)
        if (__builtin_mul_overflow(r, a, &r)) checked(j, true, &r);
    return setun_j_int(r);
}

static struct j_value ints(J *j, enum j_op op, int64_t a, int64_t b) {
    int64_t r = 0;
    if ((op == JO_DIV || op == JO_FLOOR || op == JO_MOD) && b == 0) setun_j_fail(j, "division by zero");
    switch (op) {
    case JO_ADD: return checked(j, __builtin_add_overflow(a, b, &r), &r);
    case JO_SUB: return checked(j, __builtin_sub_overflow(a, b, &r), &r);
    case JO_MUL: return checked(j, __builtin_mul_overflow(a, b, &r), &r);
    case JO_POW: return int_power(j, a, b);
    case JO_DIV:
        if (llabs(a / 2) > 1ll << 51 || llabs(b / 2) > 1ll << 51) {
            setun_j_fail(j, "'/' of integers beyond 2**52 is not supported");
        }
        return setun_j_float((double)a / (double)b);
    case JO_FLOOR:
    case JO_MOD:
        if (b == -1) return op == JO_MOD ? setun_j_int(0) : checked(j, __builtin_sub_overflow(0, a, &r), &r);
        r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        return setun_j_int(op == JO_FLOOR ? r : a - r * b);
    default: break;
    }
    setun_j_fail(j, "'%s' of integers has no meaning", setun_j_op_text[op]);
}

/* As CPython: the remainder has the divisor's sign, the quotient is what is left, rounded. */
static struct j_value reals(J *j, enum j_op op, double a, double b) {
    if (op == JO_ADD) return setun_j_float(a + b);
    if (op == JO_SUB) return setun_j_float(a - b);
    if (op == JO_MUL) return setun_j_float(a * b);
    if (op == JO_POW) {
        if ((a == 0 && b < 0) || (a < 0 && b != floor(b))) setun_j_fail(j, "a power that is no real number");
        double r = pow(a, b);
        if (isinf(r) && isfinite(a) && isfinite(b)) setun_j_fail(j, "the result of '**' is too large");
        return setun_j_float(r);
    }
    if (b == 0) setun_j_fail(j, "division by zero");
    if (op == JO_DIV) return setun_j_float(a / b);
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
            mod += b;
            div -= 1;
        }
    } else {
        mod = copysign(0, b);
    }
    if (op == JO_MOD) return setun_j_float(mod);
    double whole = div != 0 ? floor(div) : copysign(0, a / b);
    if (div != 0 && div - whole > 0.5) whole += 1;
    return setun_j_float(whole);
}

/* ---- sequences ---- */

static struct j_value concat(J *j, struct j_value a, struct j_value b) {
    if (a.kind == J_STR) {
        if (a.markup || b.markup) setun_j_fail(j, "a safe string may only be printed");
        uint64_t n = (uint64_t)a.n + b.n;
        if (n > J_MAX_STRING) setun_j_fail(j, "a text grows beyond %u bytes", J_MAX_STRING);
        char *s = setun_j_alloc(j, n + 1, 1);
        memcpy(s, a.s, a.n);
        memcpy(s + a.n, b.s, b.n);
        return setun_j_str(s, n);
    }
    struct j_value all = setun_j_list(j, a.kind, a.list->n + b.list->n);
    for (uint32_t i = 0; i < a.list->n; i++) setun_j_push(j, all.list, a.list->at[i]);
    for (uint32_t i = 0; i < b.list->n; i++) setun_j_push(j, all.list, b.list->at[i]);
    setun_j_step(j, all.list->n);
    return all;
}

static struct j_value repeat(J *j, struct j_value a, int64_t times) {
    if (a.kind == J_STR) {
        if (a.markup) setun_j_fail(j, "a safe string may only be printed");
        struct j_buf out = {0};
        for (int64_t i = 0; a.n > 0 && i < times; i++) setun_j_put(j, &out, a.s, a.n), setun_j_step(j, 1);
        return setun_j_take(j, &out);
    }
    struct j_value all = setun_j_list(j, a.kind, 0);
    for (int64_t i = 0; a.list->n > 0 && i < times; i++) {
        setun_j_step(j, a.list->n);
        for (uint32_t k = 0; k < a.list->n; k++) setun_j_push(j, all.list, a.list->at[k]);
    }
    return all;
}

static bool sequence(struct j_value v) { return v.kind == J_STR || v.kind == J_LIST || v.kind == J_TUPLE; }

struct j_value setun_j_binary(J *j, enum j_op op, struct j_value a, struct j_value b) {
    int64_t x, y;
    double f, g;
    if (op == JO_CAT) {
        struct j_buf out = {0};
        setun_j_print(j, &out, a);
        setun_j_print(j, &out, b);
        return setun_j_take(j, &out);
    }
    if (a.kind == J_UNDEFINED || b.kind == J_UNDEFINED) {
        setun_j_fail(j, "'%s' with a value that is not defined", setun_j_op_text[op]);
    }
    if (setun_j_as_int(a, &x) && setun_j_as_int(b, &y)) return ints(j, op, x, y);
    if (setun_j_as_real(a, &f) && setun_j_as_real(b, &g)) return reals(j, op, f, g);
    if (op == JO_ADD && a.kind == b.kind && sequence(a)) return concat(j, a, b);
    if (op == JO_MUL && sequence(a) && setun_j_as_int(b, &y)) return repeat(j, a, y);
    if (op == JO_MUL && setun_j_as_int(a, &x) && sequence(b)) return repeat(j, b, x);
    if (op == JO_MOD && a.kind == J_STR) setun_j_fail(j, "formatting with '%%' is not supported");
    meaningless(j, op, a, b);
}

struct j_value setun_j_unary(J *j, enum j_op op, struct j_value a) {
    int64_t i, r = 0;
    if (a.kind == J_FLOAT) return setun_j_float(op == JO_SUB ? -a.f : a.f);
    if (!setun_j_as_int(a, &i)) setun_j_fail(j, "'%s' of '%s' has no meaning", setun_j_op_text[op], setun_j_type(a));
    return op == JO_SUB ? checked(j, __builtin_sub_overflow(0, i, &r), &r) : setun_j_int(i);
}

bool setun_j_compare(J *j, enum j_op op, struct j_value a, struct j_value b) {
    int o;
    switch (op) {
    case JO_EQ: return setun_j_equal(j, a, b);
    case JO_NE: return !setun_j_equal(j, a, b);
    case JO_IN: return setun_j_in(j, a, b);
    case JO_NOT_IN: return !setun_j_in(j, a, b);
    case JO_LT: return setun_j_order(j, a, b, op) == -1;
    case JO_LE: o = setun_j_order(j, a, b, op); return o == -1 || o == 0;
    case JO_GT: return setun_j_order(j, a, b, op) == 1;
    case JO_GE: o = setun_j_order(j, a, b, op); return o == 1 || o == 0;
    default: break;
    }
    setun_j_fail(j, "'%s' is no comparison", setun_j_op_text[op]);
}
