/*
 * checkpoint_read.c -- values of weights, row range by row range, from the mapping.
 *
 * What a stranger wrote is checked here, where it is read: code 3, NaN and infinity, scales that are not above 0.
 * After every GIVE_BACK bytes the pages read so far are dropped from the process (they stay in the page cache).
 */
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/absmean.h"
#include "codec/ternary.h"
#include "frontend/checkpoint_impl.h"

enum { GIVE_BACK = 32 << 20, PIECE = 2048 };

struct provider {
    struct checkpoint *cp;
    const struct weight_source *sources;
    float **alpha; /* [weight id][layer], of dense masters; NULL for other weights */
};

static void give_back(struct checkpoint *cp, uint64_t bytes) {
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

static enum ir_store store_of(const struct tensor *t) {
    return t->type == TYPE_F32 ? IR_STORE_F32 : t->type == TYPE_F16 ? IR_STORE_F16 : IR_STORE_BF16;
}

/* ---- finite? ---- */

/* Exponent all ones, in any of n elements; without a branch inside. */
static bool any_nonfinite(enum ir_store s, const uint8_t *p, uint64_t n) {
    unsigned found = 0;
    if (s == IR_STORE_F32) {
        for (uint64_t i = 0; i < n; i++) found |= (load_u32le(p + 4 * i) & 0x7f800000u) == 0x7f800000u;
    } else {
        unsigned mask = s == IR_STORE_F16 ? 0x7c00u : 0x7f80u;
        for (uint64_t i = 0; i < n; i++) found |= (load_u16le(p + 2 * i) & mask) == mask;
    }
    return found != 0;
}

static bool check_finite(const struct provider *p, const struct tensor *t, uint64_t from, uint64_t n) {
    enum ir_store s = store_of(t);
    uint64_t size = ir_store_bytes(s), i = from;
    if (!any_nonfinite(s, tensor_data(t) + from * size, n)) return true;
    while (!any_nonfinite(s, tensor_data(t) + i * size, 1)) i++;
    return diag_in(p->cp->diag, tensor_where(p->cp->arena, t, i * size), DIAG_TENSOR_NOT_FINITE, i);
}

/* ---- the three readers of struct ir_weights ---- */

static bool read_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    const struct provider *p = self;
    const struct weight_at *at = weight_at(p, w, layer);
    uint64_t rows = ir_weight_rows(w), cols = ir_weight_cols(w);
    if (at->scale) {
        struct ternary_shape shape = {.rows = rows, .cols = cols};
        struct ternary_bad bad;
        if (!ternary_of(TYPE_U8)->decode(&shape, tensor_data(at->data), row, n, out, &bad))
            return diag_in(p->cp->diag, tensor_where(p->cp->arena, at->data, bad.byte), DIAG_TENSOR_BAD_TRITS, bad.why,
                           bad.row, bad.col);
        give_back(p->cp, n * cols);
        return true;
    }
    enum ir_store s = store_of(at->data);
    const uint8_t *from = tensor_data(at->data) + row * cols * ir_store_bytes(s);
    float values[PIECE];
    for (uint64_t i = 0; i < n * cols; i += PIECE) {
        uint64_t m = n * cols - i < PIECE ? n * cols - i : PIECE;
        ir_widen(s, from + i * ir_store_bytes(s), m, values);
        absmean_trits(values, m, p->alpha[w->id][layer], out + i);
    }
    give_back(p->cp, n * cols * ir_store_bytes(s));
    return true;
}

static bool read_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    const struct provider *p = self;
    const struct weight_at *at = weight_at(p, w, layer);
    if (!at->scale) {
        *out = p->alpha[w->id][layer];
        return true;
    }
    enum ir_store s = store_of(at->scale);
    uint64_t n = at->kind == IR_SCALE_ROW ? ir_weight_rows(w) : 1;
    ir_widen(s, tensor_data(at->scale), n, out);
    for (uint64_t i = 0; i < n; i++) {
        float stored = out[i];
        if (p->cp->config.scale_divides) out[i] = 1.0f / stored; /* stored is 1/alpha: inverted here, once */
        if (!isfinite(stored) || stored <= 0 || !isfinite(out[i]) || out[i] <= 0)
            return diag_in(p->cp->diag, tensor_where(p->cp->arena, at->scale, i * ir_store_bytes(s)),
                           DIAG_TENSOR_BAD_SCALE, (double)stored);
    }
    return true;
}

static bool read_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct provider *p = self;
    const struct weight_at *at = weight_at(p, w, layer);
    uint64_t cols = ir_weight_cols(w), size = ir_store_bytes(at->store);
    if (at->store != w->store) BUG("weight '%s' is not stored as the IR says", w->name);
    if (!check_finite(p, at->data, row * cols, n * cols)) return false;
    memcpy(out, tensor_data(at->data) + row * cols * size, (size_t)(n * cols * size));
    give_back(p->cp, n * cols * size);
    return true;
}

/* ---- masters ---- */

static bool learn_alpha(const struct provider *p, const struct tensor *t, float *alpha) {
    enum ir_store s = store_of(t);
    uint64_t size = ir_store_bytes(s), n = t->bytes / size;
    double sum = 0;
    float values[PIECE];
    for (uint64_t i = 0; i < n; i += PIECE) {
        uint64_t m = n - i < PIECE ? n - i : PIECE;
        if (!check_finite(p, t, i, m)) return false;
        ir_widen(s, tensor_data(t) + i * size, m, values);
        sum = absmean_add(sum, values, m);
        give_back(p->cp, m * size);
    }
    *alpha = absmean_alpha(sum, n);
    return isfinite(*alpha) ||
           diag_in(p->cp->diag, tensor_where(p->cp->arena, t, 0), DIAG_TENSOR_BAD_SCALE, (double)*alpha);
}

static bool learn_alphas(struct provider *p, const struct ir_weight *w) {
    const struct weight_source *s = &p->sources[w->id];
    if (w->store != IR_STORE_TRIT || !s->at) return true;
    for (uint32_t layer = 0; layer < s->n; layer++) {
        if (s->at[layer].scale) continue;
        if (!p->alpha[w->id]) p->alpha[w->id] = arena_array(p->cp->arena, float, s->n);
        if (!learn_alpha(p, s->at[layer].data, &p->alpha[w->id][layer])) return false;
    }
    return true;
}

bool checkpoint_weights(struct checkpoint *cp, const struct ir_module *m, const struct weight_source *sources,
                        struct ir_weights *out) {
    struct provider *p = arena_one(cp->arena, struct provider);
    p->cp = cp;
    p->sources = sources;
    p->alpha = arena_array(cp->arena, float *, m->weights.n);
    for (size_t i = 0; i < m->weights.n; i++)
        if (!learn_alphas(p, m->weights.at[i])) return false;
    *out = (struct ir_weights){.self = p, .trits = read_trits, .scales = read_scales, .raw = read_raw};
    return true;
}
