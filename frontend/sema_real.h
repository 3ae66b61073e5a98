/*
 * sema_real.h -- constants of the model text, exact enough to be rounded once: 200 bits (docs/numerics.md).
 *
 * A real is immutable and lies in an arena.  NULL is "not known"; every function passes it on.  What is made of
 * decimals by + - * / is known as a quotient too, as long as its parts fit 63 bits: shares of a length are exact.
 */
#ifndef SETUN_FRONTEND_SEMA_REAL_H
#define SETUN_FRONTEND_SEMA_REAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct real;

enum real_op { REAL_ADD, REAL_SUB, REAL_MUL, REAL_DIV };
enum real_fn { REAL_NEG, REAL_SQRT, REAL_RSQRT, REAL_EXP, REAL_LOG };

/* A decimal as the lexer accepts it, or one with a sign. */
const struct real *real_of_text(struct arena *a, const char *text);
const struct real *real_of_int(struct arena *a, int64_t v);
const struct real *real_op2(struct arena *a, enum real_op op, const struct real *x, const struct real *y);
const struct real *real_fn1(struct arena *a, enum real_fn fn, const struct real *x);
bool real_is_finite(const struct real *x);
int real_sign(const struct real *x); /* -1, 0, 1 */
int real_compare(const struct real *x, const struct real *y);
/* Rounded once, to nearest even. */
float real_f32(const struct real *x);
double real_f64(const struct real *x);
/* As a quotient in lowest terms, den > 0; false: not known as one. */
bool real_quotient(const struct real *x, int64_t *num, int64_t *den);
/* ceil(num / den * n) for 0 <= num <= den, 0 < n < 2^32. */
int64_t real_share(int64_t num, int64_t den, int64_t n);
/* For messages. */
const char *real_text(struct arena *a, const struct real *x);

#endif
