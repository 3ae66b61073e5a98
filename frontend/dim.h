/*
 * dim.h -- symbolic whole numbers: what the lengths of axes are made of.
 *
 * A dim is a polynomial over names, in normal form: equal formulas are the same pointer.
 *
 *     heads * head + 1          terms: 1 * heads * head, 1
 *     hidden / heads * heads    hidden: '/' is exact in this language, so that what it cancels is gone
 *     hidden / heads            one opaque atom, "hidden / heads", that only a known value can open
 *
 * A name may have a value; it stays a name in the formula, so that messages can say "hidden (2560)".
 * Opaque: the table.  A dim is NULL where a formula has no normal form (too large, division by 0).
 */
#ifndef SETUN_FRONTEND_DIM_H
#define SETUN_FRONTEND_DIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct dims;
struct dim;

struct dims *dims_new(struct arena *a);

const struct dim *dim_const(struct dims *t, int64_t v);
/* A name: equal pointers (base/str.h) are the same number. */
const struct dim *dim_name(struct dims *t, const char *name);
void dim_set(struct dims *t, const char *name, int64_t v);
/* A number of which only the spelling is known; different from all others. */
const struct dim *dim_fresh(struct dims *t, const char *spelling);

const struct dim *dim_add(struct dims *t, const struct dim *a, const struct dim *b);
const struct dim *dim_sub(struct dims *t, const struct dim *a, const struct dim *b);
const struct dim *dim_mul(struct dims *t, const struct dim *a, const struct dim *b);
const struct dim *dim_div(struct dims *t, const struct dim *a, const struct dim *b);
const struct dim *dim_mod(struct dims *t, const struct dim *a, const struct dim *b);

/* From now on a and b are the same number (`require a == b`), if one of them is a single name. */
void dim_learn_equal(struct dims *t, const struct dim *a, const struct dim *b);
/* Equal formulas, given what was learnt.  Values do not count: a model is right for every config or for none. */
bool dim_equal(struct dims *t, const struct dim *a, const struct dim *b);

enum dim_status { DIM_OK, DIM_UNKNOWN, DIM_OVERFLOW, DIM_INEXACT, DIM_BY_ZERO };
/* The number, if every name in it has a value. */
enum dim_status dim_value(const struct dim *d, int64_t *v);
/* The number, if the formula is one. */
bool dim_is_const(const struct dim *d, int64_t *v);

/* Made of numbers alone, as 2 / 5 is? */
bool dim_is_literal(const struct dim *d);

/* -1, 0 or 1 for the sign of a - b; false: not known. */
bool dim_compare(struct dims *t, const struct dim *a, const struct dim *b, int *sign);

/* "hidden (2560)", "heads * head", "64".  Long-lived, in the table's arena. */
const char *dim_text(struct dims *t, const struct dim *d);
/* The same without the value. */
const char *dim_formula(struct dims *t, const struct dim *d);

#endif
