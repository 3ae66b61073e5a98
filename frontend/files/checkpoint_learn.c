/*
 * checkpoint_learn.c -- what only the content of a matrix tells, by one pass over it.
 *
 * Blocks with scales: often all of them are one, or one a row; ternary_simplify finds that.
 *
 * Dense matrices where trits are wanted are of two sorts.  Either every value is c * {-1, 0, +1} already, with one c
 * for a row, or one for each of 2 to 16 equal blocks of columns of a row: then the trits are its signs and the scales
 * its magnitudes, exactly.  Or it is a master, to be quantised by its mean.  The pass finds the coarsest of these that
 * holds for every row; a matrix of zeros is a master.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "codec/absmean.h"
#include "codec/real.h"
#include "frontend/files/checkpoint_impl.h"

enum { MAX_PARTS = 16, LEAST_GROUP = 32 };

/* ---- blocks ---- */

static bool learn_blocks(struct checkpoint *cp, struct weight_at *at, struct learned *l) {
    const struct ternary_shape *s = &at->shape;
    uint32_t group = at->format->group;
    uint64_t per_row = s->cols / group;
    struct arena_mark m = arena_save(cp->arena);
    float *scale = arena_array(cp->arena, float, s->rows *per_row);
    uint8_t *zero = arena_array(cp->arena, uint8_t, s->rows *per_row);
    int8_t *trits = arena_array(cp->arena, int8_t, s->cols);
    bool ok = true;
    for (uint64_t r = 0; ok && r < s->rows; r++) {
        ok = checkpoint_packed_rows(cp, at, r, 1, trits);
        if (!ok) break;
        ternary_zero_blocks(s->cols, group, trits, 1, zero + r * per_row);
        at->format->scales(s, tensor_data(at->data), r, 1, scale + r * per_row);
    }
    if (ok) {
        enum ternary_scales kind = ternary_simplify(s, group, scale, zero, &l->group, &l->alpha);
        l->kind = kind == SCALES_MATRIX ? IR_SCALE_MATRIX : kind == SCALES_ROW ? IR_SCALE_ROW : IR_SCALE_GROUP;
    }
    arena_restore(cp->arena, m);
    return ok;
}

/* ---- dense ---- */

struct dense {
    double sum;                /* of magnitudes, in order */
    bool alive[MAX_PARTS + 1]; /* [n]: so far, n equal blocks of columns have one magnitude each, in every row */
    bool one;                  /* so far, all rows have the same magnitude */
    float first;               /* that magnitude; 0: none yet */
};

static void dense_start(struct dense *d, uint64_t cols) {
    *d = (struct dense){.one = true};
    for (uint32_t n = 1; n <= MAX_PARTS; n++) d->alive[n] = n == 1 || (cols % n == 0 && cols / n % LEAST_GROUP == 0);
}

/* The one magnitude of n values; -1: there are several; 0: all are zero. */
static float magnitude_of(const float *w, uint64_t n) {
    float found = 0;
    for (uint64_t i = 0; i < n; i++) {
        float m = fabsf(w[i]);
        if (m == 0 || m == found) continue;
        if (found != 0) return -1;
        found = m;
    }
    return found;
}

/* n equal blocks of columns of a row, each with one magnitude? */
static bool blocks_hold(const float *w, uint64_t cols, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (magnitude_of(w + i * (cols / n), cols / n) < 0) return false;
    return true;
}

static void dense_row(struct dense *d, const float *w, uint64_t cols) {
    bool holds[MAX_PARTS + 1] = {false};
    d->sum = absmean_add(d->sum, w, cols);
    for (uint32_t n = 1; n <= MAX_PARTS; n++) {
        if (!d->alive[n]) continue;
        for (uint32_t k = 1; k < n && !holds[n]; k++) holds[n] = holds[k] && n % k == 0;
        d->alive[n] = holds[n] = holds[n] || blocks_hold(w, cols, n);
    }
    if (!d->alive[1]) return;
    float m = magnitude_of(w, cols);
    if (d->first == 0) d->first = m;
    d->one = d->one && (m == 0 || m == d->first);
}

static bool any_alive(const struct dense *d) {
    bool any = false;
    for (uint32_t n = 1; n <= MAX_PARTS; n++) any = any || d->alive[n];
    return any;
}

bool checkpoint_is_ternary(struct checkpoint *cp, const struct tensor *t, uint64_t rows, uint64_t cols) {
    struct arena_mark mark = arena_save(cp->arena);
    float *row = arena_array(cp->arena, float, cols);
    struct dense d;
    dense_start(&d, cols);
    for (uint64_t r = 0; r < rows && any_alive(&d); r++) {
        uint64_t at;
        const uint8_t *p = tensor_data(t) + r * cols * tensor_types[t->type].bytes;
        if (!real_finite(t->type, p, cols, &at)) d = (struct dense){.sum = 0};
        real_decode(t->type, p, cols, row);
        dense_row(&d, row, cols);
        checkpoint_give_back(cp, cols * tensor_types[t->type].bytes);
    }
    arena_restore(cp->arena, mark);
    return any_alive(&d) && d.sum > 0;
}

static bool learn_dense(struct checkpoint *cp, struct weight_at *at, struct learned *l) {
    uint64_t rows = at->shape.rows, cols = at->shape.cols;
    struct arena_mark mark = arena_save(cp->arena);
    float *row = arena_array(cp->arena, float, cols);
    struct dense d;
    bool ok = true;
    dense_start(&d, cols);
    for (uint64_t r = 0; ok && r < rows; r++) {
        ok = checkpoint_floats(cp, at->data, r * cols, cols, row);
        if (ok) dense_row(&d, row, cols);
    }
    arena_restore(cp->arena, mark);
    if (!ok) return false;
    uint32_t n = 1;
    while (n <= MAX_PARTS && !d.alive[n]) n++;
    l->absmean = n > MAX_PARTS || d.sum == 0;
    l->kind = l->absmean || (n == 1 && d.one) ? IR_SCALE_MATRIX : n == 1 ? IR_SCALE_ROW : IR_SCALE_GROUP;
    l->group = (uint32_t)(cols / (l->kind == IR_SCALE_GROUP ? n : 1));
    l->alpha = l->absmean ? absmean_alpha(d.sum, rows * cols) : d.first;
    return isfinite(l->alpha) ||
           diag_in(cp->diag, tensor_where(cp->arena, at->data, 0), DIAG_TENSOR_BAD_SCALE, (double)l->alpha);
}

bool checkpoint_dense_scales(struct checkpoint *cp, const struct weight_at *at, float *out) {
    uint64_t rows = at->shape.rows, cols = at->shape.cols, group = at->kind == IR_SCALE_GROUP ? at->group : cols;
    struct arena_mark mark = arena_save(cp->arena);
    float *row = arena_array(cp->arena, float, cols);
    bool ok = true;
    for (uint64_t r = 0; ok && r < rows; r++) {
        ok = checkpoint_floats(cp, at->data, r * cols, cols, row);
        for (uint64_t i = 0; ok && i < cols / group; i++) *out++ = magnitude_of(row + i * group, group);
    }
    arena_restore(cp->arena, mark);
    return ok;
}

/* ---- either ---- */

bool checkpoint_learn(struct checkpoint *cp, struct weight_at *at) {
    struct learned *l = checkpoint_learned(cp, at->data);
    if (!l->known && !(at->format ? learn_blocks : learn_dense)(cp, at, l)) return false;
    l->known = true;
    at->kind = l->kind;
    at->group = l->kind == IR_SCALE_GROUP ? l->group : 0;
    at->absmean = l->absmean;
    at->alpha = l->alpha;
    return true;
}
