/*
 * checkpoint_read.c -- values of weights, row range by row range, from the mapping.
 *
 * What a stranger wrote is checked here, where it is read: codes that are no trits, NaN and infinity, scales that are
 * not above 0.  After every GIVE_BACK bytes the pages read so far are dropped from the process (they stay in the page
 * cache).
 */
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/absmean.h"
#include "codec/real.h"
#include "frontend/files/checkpoint_impl.h"

enum { GIVE_BACK = 32 << 20, PIECE = 2048 };

struct provider {
    struct checkpoint *cp;
    const struct weight_source *sources;
};

void checkpoint_give_back(struct checkpoint *cp, uint64_t bytes) {
    if (atomic_fetch_add(&cp->unreturned, bytes) + bytes < GIVE_BACK) return;
    atomic_store(&cp->unreturned, 0);
    for (size_t i = 0; i < cp->files.n; i++) {
        const struct mapped *m = &cp->files.at[i]->map;
        (void)madvise((void *)(uintptr_t)m->at, (size_t)m->n, MADV_DONTNEED);
    }
}

static const struct weight_at *weight_at(const struct provider *p, const struct ir_weight *w, uint32_t layer) {
    const struct weight_source *s = &p->sources[w->id];
    if (!s->at || layer >= s->n) BUG("weight '%s' of layer %u was not looked up", w->name, layer);
    return &s->at[layer];
}

/* ---- real values ---- */

/* Where element i begins; i is a multiple of the type's block. */
static uint64_t byte_of(const struct tensor *t, uint64_t i) {
    return i / tensor_types[t->type].block * tensor_types[t->type].bytes;
}

static bool check_finite(struct checkpoint *cp, const struct tensor *t, uint64_t from, uint64_t n) {
    uint64_t at, block = tensor_types[t->type].block;
    if (real_finite(t->type, tensor_data(t) + byte_of(t, from), n, &at)) return true;
    at += from;
    return diag_in(cp->diag, tensor_where(cp->arena, t, byte_of(t, at / block * block)), DIAG_TENSOR_NOT_FINITE, at);
}

bool checkpoint_floats(struct checkpoint *cp, const struct tensor *t, uint64_t from, uint64_t n, float *out) {
    if (!check_finite(cp, t, from, n)) return false;
    real_decode(t->type, tensor_data(t) + byte_of(t, from), n, out);
    checkpoint_give_back(cp, byte_of(t, n));
    return true;
}

/* n elements as the class stores them: as they are, or widened. */
static bool read_some(struct checkpoint *cp, const struct weight_at *at, enum ir_store store, uint64_t from, uint64_t n,
                      uint8_t *out) {
    const struct tensor *t = at->data;
    if (at->store == store) {
        if (!check_finite(cp, t, from, n)) return false;
        memcpy(out, tensor_data(t) + byte_of(t, from), (size_t)byte_of(t, n));
        checkpoint_give_back(cp, byte_of(t, n));
        return true;
    }
    if (store != IR_STORE_F32) BUG("tensor '%s' is not stored as the IR says", t->name);
    float values[PIECE]; /* a multiple of every block */
    for (uint64_t i = 0; i < n; i += PIECE) {
        uint64_t m = n - i < PIECE ? n - i : PIECE;
        if (!checkpoint_floats(cp, t, from + i, m, values)) return false;
        memcpy(out + 4 * i, values, (size_t)(4 * m));
    }
    return true;
}

static bool read_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct provider *p = self;
    uint64_t cols = ir_weight_cols(w);
    return read_some(p->cp, weight_at(p, w, layer), w->store, row * cols, n * cols, out);
}

/* ---- trits ---- */

bool checkpoint_packed_rows(struct checkpoint *cp, const struct weight_at *at, uint64_t row, uint64_t n, int8_t *out) {
    struct ternary_bad bad;
    if (!at->format->decode(&at->shape, tensor_data(at->data), row, n, out, &bad))
        return diag_in(cp->diag, tensor_where(cp->arena, at->data, bad.byte), DIAG_TENSOR_BAD_TRITS, bad.why, bad.row,
                       bad.col);
    uint64_t trits = n * at->shape.cols;
    checkpoint_give_back(cp, at->format->type == TYPE_U8 ? trits : trits / 4);
    return true;
}

static bool read_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    const struct provider *p = self;
    const struct weight_at *at = weight_at(p, w, layer);
    uint64_t cols = at->shape.cols;
    if (at->format) return checkpoint_packed_rows(p->cp, at, row, n, out);
    float values[PIECE];
    for (uint64_t i = 0; i < n * cols; i += PIECE) {
        uint64_t m = n * cols - i < PIECE ? n * cols - i : PIECE;
        if (!checkpoint_floats(p->cp, at->data, row * cols + i, m, values)) return false;
        if (at->absmean)
            absmean_trits(values, m, at->alpha, out + i);
        else
            for (uint64_t k = 0; k < m; k++) out[i + k] = (int8_t)((values[k] > 0) - (values[k] < 0));
    }
    return true;
}

/* ---- scales ---- */

/* Stored beside, and possibly as 1/alpha: inverted here, once. */
static bool scales_beside(struct checkpoint *cp, const struct weight_at *at, float *out) {
    const struct tensor *t = at->scale;
    uint64_t n = at->kind == IR_SCALE_ROW ? at->shape.rows : 1;
    real_decode(t->type, tensor_data(t), n, out);
    for (uint64_t i = 0; i < n; i++) {
        float stored = out[i];
        if (cp->config.scale_divides) out[i] = 1.0f / stored;
        if (!isfinite(stored) || stored <= 0 || !isfinite(out[i]) || out[i] <= 0)
            return diag_in(cp->diag, tensor_where(cp->arena, t, byte_of(t, i)), DIAG_TENSOR_BAD_SCALE, (double)stored);
    }
    return true;
}

/* Of blocks: by rows, each as coarse as the matrix allows.  Blocks were checked by the pass that learned the kind. */
static void scales_of_blocks(struct checkpoint *cp, const struct weight_at *at, float *out) {
    const struct ternary_shape one = {.rows = 1, .cols = at->shape.cols};
    uint32_t group = at->format->group, wider = at->kind == IR_SCALE_GROUP ? at->group : (uint32_t)at->shape.cols;
    struct arena_mark m = arena_save(cp->arena);
    float *block = arena_array(cp->arena, float, at->shape.cols / group);
    for (uint64_t r = 0; r < at->shape.rows; r++) {
        at->format->scales(&at->shape, tensor_data(at->data), r, 1, block);
        ternary_widen(&one, group, block, wider, out);
        out += at->shape.cols / wider;
    }
    arena_restore(cp->arena, m);
}

/* As many as at->kind has. */
static bool own_scales(struct checkpoint *cp, const struct weight_at *at, float *out) {
    if (at->scale) return scales_beside(cp, at, out);
    if (at->format && at->format->where == SCALE_TAIL) {
        at->format->scales(&at->shape, tensor_data(at->data), 0, at->shape.rows, out);
        return (isfinite(*out) && *out > 0) ||
               diag_in(cp->diag, tensor_where(cp->arena, at->data, 0), DIAG_TENSOR_BAD_SCALE, (double)*out);
    }
    if (at->kind == IR_SCALE_MATRIX)
        *out = at->alpha;
    else if (at->format)
        scales_of_blocks(cp, at, out);
    else
        return checkpoint_dense_scales(cp, at, out);
    return true;
}

static uint64_t per_row(enum ir_scale kind, uint32_t group, uint64_t cols) {
    return kind == IR_SCALE_GROUP ? cols / group : 1;
}

/* From a kind to a more general one, in place: from the last on, so that nothing is overwritten before it is read. */
static void spread(const struct weight_at *at, const struct ir_weight *w, float *scale) {
    uint64_t rows = at->shape.rows, cols = at->shape.cols;
    if (w->scale == at->kind && w->group == at->group) return;
    uint64_t from = per_row(at->kind, at->group, cols), to = per_row(w->scale, w->group, cols);
    for (uint64_t i = rows * to; i-- > 0;) {
        uint64_t row = i / to, part = i % to * from / to;
        scale[i] = scale[at->kind == IR_SCALE_MATRIX ? 0 : row * from + part];
    }
}

static bool read_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    const struct provider *p = self;
    const struct weight_at *at = weight_at(p, w, layer);
    if (w->scale < at->kind) BUG("weight '%s' has no room for its scales", w->name);
    if (!own_scales(p->cp, at, out)) return false;
    uint64_t n = at->kind == IR_SCALE_MATRIX ? 1 : at->shape.rows * per_row(at->kind, at->group, at->shape.cols);
    if (at->times) {
        float times = f32_of_bits(load_u32le(tensor_data(at->times)));
        if (!isfinite(times) || times <= 0)
            return diag_in(p->cp->diag, tensor_where(p->cp->arena, at->times, 0), DIAG_TENSOR_BAD_SCALE, (double)times);
        for (uint64_t i = 0; i < n; i++) out[i] *= times;
    }
    spread(at, w, out);
    return true;
}

bool checkpoint_weights(struct checkpoint *cp, const struct ir_module *m, const struct weight_source *sources,
                        struct ir_weights *out) {
    struct provider *p = arena_one(cp->arena, struct provider);
    (void)m;
    p->cp = cp;
    p->sources = sources;
    *out = (struct ir_weights){.self = p, .trits = read_trits, .scales = read_scales, .raw = read_raw};
    return true;
}
