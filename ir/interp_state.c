/*
 * interp_state.c -- states and the attention that reads them.
 */
#include <math.h>

#include "base/check.h"
#include "ir/eval.h"
#include "ir/num.h"
#include "runtime/contract.h"

/* Index of the first element stored for a row. */
static uint64_t stored_at(const struct frame *f, const struct cache *c, uint32_t slot, uint32_t pos) {
    if (slot >= f->it->slots || pos >= f->it->positions) BUG("state has no slot %u, position %u", slot, pos);
    uint64_t elems = 1;
    for (uint32_t i = 0; i < c->state->rank; i++) elems *= c->state->dim[i];
    return ((uint64_t)slot * f->it->positions + pos) * elems;
}

static float load(const struct cache *c, uint64_t i) {
    if (c->state->elem != IR_CACHE_F16) return ((const float *)c->at)[i];
    return num_of_f16(((const uint16_t *)c->at)[i]);
}

/* n elements of a row from x on, whole heads. */
static void store(struct cache *c, uint64_t at, const float *x, uint64_t n) {
    const struct ir_state *s = c->state;
    float *to = (float *)c->at + at;
    uint64_t d = s->dim[s->rank - 1];
    for (uint64_t i = 0; i < n && s->elem == IR_CACHE_F32; i++) to[i] = x[i];
    for (uint64_t i = 0; i < n && s->elem == IR_CACHE_F16; i++) ((uint16_t *)c->at)[at + i] = num_f16(x[i]);
    for (uint64_t i = 0; i < n && s->elem == IR_CACHE_I8; i += d) num_cache_i8(x + i, d, to + i);
}

bool eval_state(struct frame *f, const struct ir_op *op) {
    uint32_t layer = op->state->layers ? f->layer : 0;
    eval_bind(f, op->out[0], (struct cell){.cache = &f->it->caches[op->state->id][layer]});
    return true;
}

/* The chain of versions is linear, so the new version may overwrite the old one. */
bool eval_write(struct frame *f, const struct ir_op *op) {
    struct cache *c = eval_in(f, op, 0)->cache;
    const struct cell *in = eval_in(f, op, 1), *rows = eval_in(f, op, 2);
    uint64_t n = ir_type_elems(&op->in[1]->type);
    const float *x = in->data;
    for (uint32_t t = 0; t < in->n_rows; t++) {
        uint64_t at = stored_at(f, c, rows->rows[t].slot, rows->rows[t].pos);
        store(c, at, x + t * n, n);
    }
    eval_bind(f, op->out[0], *eval_in(f, op, 0));
    return true;
}

/* What a query head sees: rows of k and v of its kv head, one for each position. */
struct sight {
    const float *q;
    const float *k, *v; /* [positions up to pos][stride] */
    uint64_t stride;
    uint32_t d;
    uint32_t from, pos; /* visible: from..pos */
    float scale;
};

/* Weights of one chunk and its part of the sum: m = max s_j, l = sum p_j, o = sum p_j v_j.  false: nothing seen. */
static bool chunk(const struct sight *s, uint32_t first, float *m, float *l, float *o) {
    float score[SETUN_ATTEND_CHUNK], p[SETUN_ATTEND_CHUNK] = {0};
    bool any = false;
    for (uint32_t j = 0; j < SETUN_ATTEND_CHUNK; j++) {
        uint32_t at = first + j;
        if (at < s->from || at > s->pos) continue;
        score[j] = s->scale * num_dot(s->q, s->k + at * s->stride, s->d);
        if (!any || score[j] > *m) *m = score[j];
        any = true;
    }
    if (!any) return false;
    for (uint32_t i = 0; i < s->d; i++) o[i] = 0.0f;
    for (uint32_t j = 0; j < SETUN_ATTEND_CHUNK; j++) {
        uint32_t at = first + j;
        if (at < s->from || at > s->pos) continue;
        p[j] = num_exp(score[j] - *m);
        for (uint32_t i = 0; i < s->d; i++) o[i] = fmaf(p[j], s->v[at * s->stride + i], o[i]);
    }
    *l = num_sum(p, SETUN_ATTEND_CHUNK);
    return true;
}

/* All chunks of one head, then their sum with weights exp(m_c - M). */
static void head(struct arena *a, const struct sight *s, float *y) {
    uint32_t n = s->pos / SETUN_ATTEND_CHUNK + 1, d = s->d;
    float *m = arena_array(a, float, n), *l = arena_array(a, float, n), *o = arena_array(a, float, (size_t)n *d);
    bool *seen = arena_array(a, bool, n);
    float top = 0.0f;
    bool any = false;
    for (uint32_t c = 0; c < n; c++) {
        seen[c] = chunk(s, c * SETUN_ATTEND_CHUNK, &m[c], &l[c], o + (size_t)c * d);
        if (seen[c] && (!any || m[c] > top)) top = m[c];
        any = any || seen[c];
    }
    float sum = 0.0f;
    for (uint32_t i = 0; i < d; i++) y[i] = 0.0f;
    for (uint32_t c = 0; c < n; c++) {
        if (!seen[c]) continue;
        float w = num_exp(m[c] - top);
        sum = fmaf(w, l[c], sum);
        for (uint32_t i = 0; i < d; i++) y[i] = fmaf(w, o[(size_t)c * d + i], y[i]);
    }
    for (uint32_t i = 0; i < d; i++) y[i] = y[i] / sum;
}

/* Rows of positions 0..pos of a slot, widened. */
static const float *widened(struct frame *f, const struct cache *c, uint32_t slot, uint32_t pos, uint64_t elems) {
    float *w = arena_array(f->it->scratch, float, ((size_t)pos + 1) * elems);
    uint64_t at = stored_at(f, c, slot, 0);
    for (uint64_t i = 0; i < ((uint64_t)pos + 1) * elems; i++) w[i] = load(c, at + i);
    return w;
}

bool eval_attend(struct frame *f, const struct ir_op *op) {
    const struct cell *in = eval_in(f, op, 0), *rows = eval_in(f, op, 3);
    const struct cache *k = eval_in(f, op, 1)->cache, *v = eval_in(f, op, 2)->cache;
    uint32_t heads = op->in[0]->type.dim[0], d = op->in[0]->type.dim[1], kv_heads = k->state->dim[0];
    int64_t window = ir_i64(op, IR_ATTR_window, 0); /* 0: all */
    const float *q = in->data;
    float *y = eval_out(f, op, 0);
    uint64_t stride = (uint64_t)kv_heads * d;
    for (uint32_t t = 0; t < in->n_rows; t++) {
        struct arena_mark mark = arena_save(f->it->scratch);
        uint32_t pos = rows->rows[t].pos, slot = rows->rows[t].slot;
        const float *kw = widened(f, k, slot, pos, stride), *vw = widened(f, v, slot, pos, stride);
        for (uint32_t h = 0; h < heads; h++) {
            uint64_t of_head = (uint64_t)(h / (heads / kv_heads)) * d;
            struct sight s = {
                .q = q + ((uint64_t)t * heads + h) * d,
                .k = kw + of_head,
                .v = vw + of_head,
                .stride = stride,
                .d = d,
                .from = window && pos >= window ? (uint32_t)(pos - window + 1) : 0,
                .pos = pos,
                .scale = ir_f32(op, IR_ATTR_scale),
            };
            head(f->it->scratch, &s, y + ((uint64_t)t * heads + h) * d);
        }
        arena_restore(f->it->scratch, mark);
    }
    return true;
}
