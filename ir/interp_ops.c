/*
 * interp_ops.c -- row-wise ops: embed, norm, quantiser, contractions, elementwise functions, rotary embedding.
 *
 * Each eval_<op> is the definition in docs/numerics.md, as a loop over rows.
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "ir/eval.h"
#include "ir/kernel.h"
#include "ir/num.h"
#include "runtime/contract.h"

/* Number of elements of a row of operand i. */
static uint64_t elems_in(const struct ir_op *op, uint32_t i) { return ir_type_elems(&op->in[i]->type); }

bool eval_embed(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    const struct cell *rows = eval_in(f, op, 0);
    uint64_t n = ir_weight_cols(op->weight);
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < rows->n_rows; t++) {
        uint32_t token = rows->rows[t].token;
        if (token >= ir_weight_rows(op->weight)) BUG("token %u is not in the vocabulary", token);
        memcpy(y + t * n, w->real + token * n, n * sizeof *y);
    }
    return true;
}

bool eval_live(struct frame *f, const struct ir_op *op) {
    const struct cell *x = eval_in(f, op, 0);
    if (x->n_rows != f->n_rows) BUG("live: %u rows, not %u", x->n_rows, f->n_rows);
    if (op->in[0]->type.elem == IR_ROWS_E) {
        struct ir_row *kept = arena_array(f->it->scratch, struct ir_row, f->n_live);
        for (uint32_t t = 0, k = 0; t < f->n_rows; t++)
            if (f->rows[t].live) kept[k++] = x->rows[t];
        eval_bind(f, op->out[0], (struct cell){.n_rows = f->n_live, .rows = kept});
        return true;
    }
    uint64_t n = elems_in(op, 0);
    const float *from = x->data;
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0, k = 0; t < f->n_rows; t++)
        if (f->rows[t].live) memcpy(y + k++ * n, from + t * n, n * sizeof *y);
    return true;
}

bool eval_reshape(struct frame *f, const struct ir_op *op) {
    eval_bind(f, op->out[0], *eval_in(f, op, 0));
    return true;
}

bool eval_rmsnorm(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    uint64_t n = ir_weight_rows(op->weight) * ir_weight_cols(op->weight);
    uint64_t groups = eval_in(f, op, 0)->n_rows * (elems_in(op, 0) / n);
    float eps = ir_f32(op, IR_ATTR_eps);
    const struct ir_attr *plus = ir_attr_get(op, IR_ATTR_plus);
    const float *x = eval_f32(f, op, 0);
    float *y = eval_out(f, op, 0);
    for (uint64_t k = 0; k < groups; k++, x += n, y += n) {
        float mean = num_dot(x, x, n) / (float)n;
        float scale = 1.0f / sqrtf(mean + eps);
        for (uint64_t i = 0; i < n; i++) y[i] = (x[i] * scale) * (plus ? w->real[i] + plus->f32 : w->real[i]);
    }
    return true;
}

bool eval_l2norm(struct frame *f, const struct ir_op *op) {
    const struct ir_type *t = &op->in[0]->type;
    uint64_t n = t->dim[t->rank - 1], groups = eval_in(f, op, 0)->n_rows * (elems_in(op, 0) / n);
    const float *x = eval_f32(f, op, 0);
    float *y = eval_out(f, op, 0);
    for (uint64_t k = 0; k < groups; k++, x += n, y += n) {
        float length = sqrtf(num_dot(x, x, n));
        if (length < SETUN_NORM_FLOOR) length = SETUN_NORM_FLOOR;
        for (uint64_t i = 0; i < n; i++) y[i] = x[i] / length;
    }
    return true;
}

bool eval_quant(struct frame *f, const struct ir_op *op) {
    const struct cell *in = eval_in(f, op, 0);
    uint64_t n = elems_in(op, 0);
    const float *x = in->data;
    int8_t *q = eval_out(f, op, 0);
    float *r = eval_out(f, op, 1);
    for (uint32_t t = 0; t < in->n_rows; t++, x += n, q += n) {
        uint32_t m = 0;
        for (uint64_t i = 0; i < n; i++) {
            uint32_t u = bits_of_f32(x[i]) & 0x7fffffffu;
            if (u > m) m = u;
        }
        if (m >= 0x7f800000u) return eval_non_finite(f, op, t);
        float top = f32_of_bits(m);
        if (top < SETUN_QUANT_FLOOR) top = SETUN_QUANT_FLOOR;
        float s = SETUN_CODE_MAX / top;
        for (uint64_t i = 0; i < n; i++) {
            float v = rintf(x[i] * s);
            if (v > SETUN_CODE_MAX) v = SETUN_CODE_MAX;
            if (v < -SETUN_CODE_MAX) v = -SETUN_CODE_MAX;
            q[i] = (int8_t)v;
        }
        r[t] = 1.0f / s;
    }
    return true;
}

bool eval_matmul(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    const struct cell *in = eval_in(f, op, 0);
    uint64_t rows = ir_weight_rows(op->weight), cols = ir_weight_cols(op->weight);
    const int8_t *q = in->data;
    int32_t *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < in->n_rows; t++, q += cols, y += rows)
        for (uint64_t i = 0; i < rows; i++) {
            const int8_t *trit = w->trits + i * cols;
            int32_t acc = 0;
            for (uint64_t k = 0; k < cols; k++) acc += q[k] * trit[k];
            y[i] = acc;
        }
    return true;
}

bool eval_gmatmul(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    const struct cell *in = eval_in(f, op, 0);
    uint64_t rows = ir_weight_rows(op->weight), cols = ir_weight_cols(op->weight);
    uint64_t groups = ir_weight_groups(op->weight), width = cols / groups;
    const int8_t *q = in->data;
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < in->n_rows; t++, q += cols, y += rows)
        for (uint64_t i = 0; i < rows; i++) {
            y[i] = 0.0f;
            for (uint64_t g = 0; g < groups; g++) {
                int32_t acc = 0;
                for (uint64_t k = g * width; k < (g + 1) * width; k++) acc += q[k] * w->trits[i * cols + k];
                y[i] = fmaf((float)acc, w->scales[i * groups + g], y[i]);
            }
        }
    return true;
}

bool eval_dot(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    const struct cell *in = eval_in(f, op, 0);
    uint64_t rows = ir_weight_rows(op->weight), cols = ir_weight_cols(op->weight);
    const float *x = in->data;
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < in->n_rows; t++, x += cols, y += rows)
        for (uint64_t i = 0; i < rows; i++) y[i] = num_dot(w->real + i * cols, x, cols);
    return true;
}

bool eval_dequant(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    const struct cell *in = eval_in(f, op, 0);
    uint64_t n = elems_in(op, 0);
    bool by_row = op->weight->scale == IR_SCALE_ROW;
    const int32_t *acc = in->data;
    const float *r = eval_f32(f, op, 1);
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < in->n_rows; t++)
        for (uint64_t i = 0; i < n; i++) {
            float p = w->scales[by_row ? i : 0] * r[t];
            y[t * n + i] = (float)acc[t * n + i] * p;
        }
    return true;
}

bool eval_rescale(struct frame *f, const struct ir_op *op) {
    uint64_t n = elems_in(op, 0), total = eval_in(f, op, 0)->n_rows * n;
    const float *x = eval_f32(f, op, 0), *r = eval_f32(f, op, 1);
    float *y = eval_out(f, op, 0);
    for (uint64_t i = 0; i < total; i++) y[i] = x[i] * r[i / n];
    return true;
}

bool eval_bias(struct frame *f, const struct ir_op *op) {
    const struct held *w = eval_weight(f, op);
    if (!w) return false;
    uint64_t n = elems_in(op, 0), total = eval_in(f, op, 0)->n_rows * n;
    const float *x = eval_f32(f, op, 0);
    float *y = eval_out(f, op, 0);
    for (uint64_t i = 0; i < total; i++) y[i] = x[i] + w->real[i % n];
    return true;
}

/* ---- one operation an element ---- */

static float do_add(float a, float b) { return a + b; }
static float do_sub(float a, float b) { return a - b; }
static float do_mul(float a, float b) { return a * b; }
static float do_div(float a, float b) { return a / b; }
static float do_neg(float a) { return -a; }
static float do_relu(float a) { return a > 0.0f ? a : 0.0f; }
static float do_relu2(float a) {
    float t = do_relu(a);
    return t * t;
}

static bool one(struct frame *f, const struct ir_op *op, float (*fn)(float)) {
    uint64_t total = eval_in(f, op, 0)->n_rows * elems_in(op, 0);
    const float *x = eval_f32(f, op, 0);
    float *y = eval_out(f, op, 0);
    for (uint64_t i = 0; i < total; i++) y[i] = fn(x[i]);
    return true;
}

static bool two(struct frame *f, const struct ir_op *op, float (*fn)(float, float)) {
    uint64_t total = eval_in(f, op, 0)->n_rows * elems_in(op, 0);
    const float *a = eval_f32(f, op, 0), *b = eval_f32(f, op, 1);
    float *y = eval_out(f, op, 0);
    for (uint64_t i = 0; i < total; i++) y[i] = fn(a[i], b[i]);
    return true;
}

static bool with_const(struct frame *f, const struct ir_op *op, float (*fn)(float, float)) {
    uint64_t total = eval_in(f, op, 0)->n_rows * elems_in(op, 0);
    float c = ir_f32(op, IR_ATTR_c);
    const float *x = eval_f32(f, op, 0);
    float *y = eval_out(f, op, 0);
    for (uint64_t i = 0; i < total; i++) y[i] = fn(x[i], c);
    return true;
}

#define EVAL(name, shape, fn)                                                                                          \
    bool eval_##name(struct frame *f, const struct ir_op *op) { return shape(f, op, fn); }
EVAL(add, two, do_add)
EVAL(sub, two, do_sub)
EVAL(mul, two, do_mul)
EVAL(div, two, do_div)
EVAL(addc, with_const, do_add)
EVAL(mulc, with_const, do_mul)
EVAL(neg, one, do_neg)
EVAL(relu, one, do_relu)
EVAL(relu2, one, do_relu2)
EVAL(exp, one, num_exp)
EVAL(sigmoid, one, num_sigmoid)
EVAL(silu, one, num_silu)
EVAL(tanh, one, num_tanh)
EVAL(gelu, one, num_gelu)
#undef EVAL

static const uint64_t *freqs_of(struct interp *it, const struct num_rope *r) {
    for (size_t i = 0; i < it->freqs.n; i++)
        if (num_rope_same(&it->freqs.at[i].of, r)) return it->freqs.at[i].f;
    struct freqs new = {.of = *r, .f = arena_array(it->arena, uint64_t, r->dims / 2)};
    num_rope_freqs(r, new.f);
    *vec_push(it->arena, &it->freqs) = new;
    return new.f;
}

/* Rotates the pairs of the first dims of each group of d elements by the angles of its row's position. */
bool eval_rope(struct frame *f, const struct ir_op *op) {
    const struct cell *in = eval_in(f, op, 0), *rows = eval_in(f, op, 1);
    const struct ir_type *type = &op->in[0]->type;
    uint32_t d = type->dim[type->rank - 1];
    uint64_t groups = elems_in(op, 0) / d;
    bool half = !strcmp(ir_name_attr(op, IR_ATTR_pairing), "half");
    struct num_rope r = ir_rope_of(op);
    const uint64_t *freq = freqs_of(f->it, &r);
    const float *x = in->data;
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < in->n_rows; t++)
        for (uint64_t g = 0; g < groups; g++, x += d, y += d) {
            for (uint32_t i = r.dims; i < d; i++) y[i] = x[i];
            for (uint32_t i = 0; i < r.dims / 2; i++) {
                uint32_t ia = half ? i : 2 * i, ib = half ? i + r.dims / 2 : 2 * i + 1;
                uint64_t phase = rows->rows[t].pos * freq[i];
                float c, s;
                num_cossin((uint32_t)(phase >> 32), &c, &s);
                float a = x[ia], b = x[ib];
                y[ia] = fmaf(-b, s, a * c);
                y[ib] = fmaf(a, s, b * c);
            }
        }
    return true;
}
