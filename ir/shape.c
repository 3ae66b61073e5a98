/*
 * shape.c -- what each op accepts and what it gives.
 *
 * One function a rule name of ops.def.  A broken rule is reported with its number (docs/ir.md); ops whose
 * result type is not determined by their operands (reshape, calls, kernels) have it set by the caller and
 * checked here.
 */
#include <string.h>

#include "ir/ir.h"
#include "ir/kernel.h"
#include "ir/weights.h"

struct shape {
    struct diag *d;
    struct ir_op *op;
    struct arena *a;
};

static struct arena *arena_of(const struct ir_op *op) { return op->block ? op->block->func->module->arena : NULL; }

static bool broken(const struct shape *s, const char *rule, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool broken(const struct shape *s, const char *rule, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(s->a, fmt, ap);
    va_end(ap);
    return diag_at(s->d, s->op->loc, DIAG_IR_RULE, arena_printf(s->a, "%s.%s", ir_ops[s->op->code].name, rule), text);
}

static const struct ir_type *in(const struct shape *s, uint32_t i) { return &s->op->in[i]->type; }

static bool check(const struct shape *s, uint32_t i, struct ir_type want) {
    struct ir_type *have = &s->op->out[i]->type;
    if (have->elem == IR_NONE) *have = want;
    if (ir_type_eq(have, &want)) return true;
    return broken(s, "type", "the result is %s, not %s", ir_type_text(s->a, &want), ir_type_text(s->a, have));
}

static bool is_real(const struct ir_weight *w) { return w->store != IR_STORE_TRIT; }

/* Gains and biases are not kept in blocks. */
static bool is_plain(const struct ir_weight *w) {
    return w->store == IR_STORE_F32 || w->store == IR_STORE_F16 || w->store == IR_STORE_BF16;
}

/* The weight's dims equal the last dims of t. */
static bool is_suffix(const struct ir_weight *w, const struct ir_type *t) {
    if (w->rank == 0 || w->rank > t->rank) return false;
    return memcmp(w->dim, t->dim + (t->rank - w->rank), w->rank * sizeof w->dim[0]) == 0;
}

static bool shape_same(const struct shape *s) {
    for (uint32_t i = 1; i < s->op->n_in; i++)
        if (!ir_type_eq(in(s, 0), in(s, i)))
            return broken(s, "1", "operands differ: %s and %s", ir_type_text(s->a, in(s, 0)),
                          ir_type_text(s->a, in(s, i)));
    return check(s, 0, *in(s, 0));
}

static bool shape_embed(const struct shape *s) {
    const struct ir_weight *w = s->op->weight;
    if (!is_real(w) || w->rank != 2) return broken(s, "1", "the table is a real weight of rank 2");
    uint32_t vocab = s->op->block->func->module->vocab;
    if (w->dim[0] < vocab) return broken(s, "2", "the table has %u rows for %u tokens", w->dim[0], vocab);
    return check(s, 0, ir_type_make(IR_F32_E, in(s, 0)->rows, 1, &w->dim[1]));
}

static bool shape_live(const struct shape *s) {
    struct ir_type t = *in(s, 0);
    if (t.rows != IR_T) return broken(s, "1", "the operand has one row for each row given (T)");
    if (t.elem != IR_F32_E && t.elem != IR_ROWS_E) return broken(s, "2", "the operand is f32 or rows");
    t.rows = IR_L;
    return check(s, 0, t);
}

static bool shape_reshape(const struct shape *s) {
    struct ir_type *t = &s->op->out[0]->type;
    if (t->elem != IR_F32_E || t->rows != in(s, 0)->rows || ir_type_elems(t) != ir_type_elems(in(s, 0)))
        return broken(s, "1", "operand and result have the same rows and number of elements");
    return true;
}

static bool shape_rmsnorm(const struct shape *s) {
    const struct ir_weight *w = s->op->weight;
    if (!is_plain(w) || !is_suffix(w, in(s, 0)))
        return broken(s, "1", "the gain is a weight of floats with the last dims of the operand");
    if (!(ir_f32(s->op, IR_ATTR_eps) >= 0)) return broken(s, "2", "eps is not negative");
    return check(s, 0, *in(s, 0));
}

static bool shape_l2norm(const struct shape *s) {
    if (in(s, 0)->rank == 0) return broken(s, "1", "the operand has an axis");
    return check(s, 0, *in(s, 0));
}

static bool shape_quant(const struct shape *s) {
    const struct ir_type *x = in(s, 0);
    if (x->rank != 1) return broken(s, "1", "the operand has rank 1: a scale belongs to a whole row");
    return check(s, 0, ir_type_make(IR_I8, x->rows, 1, x->dim)) &&
           check(s, 1, ir_type_make(IR_F32_E, x->rows, 0, NULL));
}

static bool shape_topk(const struct shape *s) {
    const struct ir_type *x = in(s, 0);
    if (x->rank != 1 || x->dim[0] > IR_MAX_K)
        return broken(s, "1", "the operand has rank 1 and at most 65536 elements: the input of a contraction");
    int64_t k = ir_i64(s->op, IR_ATTR_k, 0), m = ir_i64(s->op, IR_ATTR_block, x->dim[0]);
    if (m < 1 || m > x->dim[0]) return broken(s, "2", "block is from 1 to the length of the row");
    if (k < 1 || k > m) return broken(s, "3", "k is from 1 to the elements that it chooses from");
    return check(s, 0, *x);
}

static bool contract(const struct shape *s, enum ir_elem result) {
    const struct ir_weight *w = s->op->weight;
    const struct ir_type *x = in(s, 0);
    if (w->rank < 2) return broken(s, "2", "the weight has rank 2 or more");
    if (x->rank != 1 || x->dim[0] != w->dim[w->rank - 1])
        return broken(s, "3", "contracted lengths differ: %s and the last axis of @%s, %u", ir_type_text(s->a, x),
                      w->name, w->dim[w->rank - 1]);
    return check(s, 0, ir_type_make(result, x->rows, w->rank - 1, w->dim));
}

static bool density_known(const struct ir_op *op) {
    const char *reason = ir_name_attr(op, IR_ATTR_reason);
    if (!ir_attr_get(op, IR_ATTR_density)) return !reason;
    double density = ir_f64(op, IR_ATTR_density);
    return density > 0 && density < 1 && reason && (!strcmp(reason, "topk") || !strcmp(reason, "relu"));
}

static bool shape_matmul(const struct shape *s) {
    if (is_real(s->op->weight)) return broken(s, "1", "the weight is ternary");
    if (in(s, 0)->dim[0] > IR_MAX_K) return broken(s, "4", "at most 65536 terms, so that sums fit 32 bits");
    if (!density_known(s->op)) return broken(s, "5", "density is above 0 and below 1, with its reason, topk or relu");
    if (ir_core_of(s->op) == IR_N_CORES)
        return broken(s, "6", "there is no core '%s'", ir_name_attr(s->op, IR_ATTR_core));
    if (s->op->weight->scale == IR_SCALE_GROUP) return broken(s, "7", "scales of groups are part of a gmatmul's sum");
    return contract(s, IR_I32);
}

static bool shape_gmatmul(const struct shape *s) {
    const struct ir_weight *w = s->op->weight;
    if (is_real(w) || w->scale != IR_SCALE_GROUP) return broken(s, "1", "the weight is ternary with scales of groups");
    if (in(s, 0)->dim[0] > IR_MAX_K) return broken(s, "4", "at most 65536 terms, as for matmul");
    enum ir_core core = ir_core_of(s->op);
    if (core == IR_N_CORES || !ir_cores[core].groups) return broken(s, "5", "a core that takes scales of groups");
    return contract(s, IR_F32_E);
}

static bool shape_rescale(const struct shape *s) {
    if (in(s, 1)->rows != in(s, 0)->rows) return broken(s, "1", "values and factors have the same rows");
    return check(s, 0, *in(s, 0));
}

static bool shape_dot(const struct shape *s) {
    const struct ir_weight *w = s->op->weight;
    const char *screen = ir_name_attr(s->op, IR_ATTR_screen);
    if (!is_real(w)) return broken(s, "1", "the weight is real");
    if (screen && (strcmp(screen, "int8") != 0 || w->rank != 2 || w->layers || ir_store_block(w->store) != 1))
        return broken(s, "4", "screen is int8, of a matrix of floats that belongs to no stack");
    return contract(s, IR_F32_E);
}

static bool shape_dequant(const struct shape *s) {
    const struct ir_weight *w = s->op->weight;
    struct ir_type t = *in(s, 0);
    if (is_real(w) || t.rank + 1 != w->rank || memcmp(t.dim, w->dim, t.rank * sizeof t.dim[0]) != 0)
        return broken(s, "1", "the weight is ternary and its outputs are the operand's dims");
    if (in(s, 1)->rows != t.rows) return broken(s, "2", "sums and scales have the same rows");
    if (w->scale == IR_SCALE_GROUP) return broken(s, "3", "the weight has one scale, or one a row");
    t.elem = IR_F32_E;
    return check(s, 0, t);
}

static bool shape_bias(const struct shape *s) {
    const struct ir_weight *w = s->op->weight;
    if (!is_plain(w) || !is_suffix(w, in(s, 0)) || w->rank != in(s, 0)->rank)
        return broken(s, "1", "the bias is a weight of floats with the dims of the operand");
    return check(s, 0, *in(s, 0));
}

static bool pairing_known(const char *p) { return p && (!strcmp(p, "half") || !strcmp(p, "adjacent")); }

static bool positive(const struct ir_op *op, enum ir_attr_id id) { return ir_attr_get(op, id) && ir_f64(op, id) > 0; }

static bool scaling_known(const struct ir_op *op) {
    int all = 0;
    for (enum ir_attr_id id = IR_ATTR_low; id <= IR_ATTR_original; id++) all += ir_attr_get(op, id) != NULL;
    if (!ir_attr_get(op, IR_ATTR_factor)) return all == 0;
    if (!positive(op, IR_ATTR_factor)) return false;
    return all == 0 || (positive(op, IR_ATTR_low) && positive(op, IR_ATTR_high) && positive(op, IR_ATTR_original) &&
                        ir_f64(op, IR_ATTR_high) > ir_f64(op, IR_ATTR_low));
}

static bool shape_rope(const struct shape *s) {
    const struct ir_type *x = in(s, 0);
    if (x->rank == 0 || x->dim[x->rank - 1] % 2) return broken(s, "1", "the last axis has an even length");
    if (in(s, 1)->rows != x->rows) return broken(s, "2", "operand and rows go together");
    if (!pairing_known(ir_name_attr(s->op, IR_ATTR_pairing))) return broken(s, "3", "pairing is half or adjacent");
    if (!(ir_f64(s->op, IR_ATTR_theta) > 1)) return broken(s, "4", "theta is above 1");
    int64_t d = x->dim[x->rank - 1], dims = ir_i64(s->op, IR_ATTR_dims, d);
    if (dims < 2 || dims > d || dims % 2) return broken(s, "5", "dims is even, from 2 to the length of the last axis");
    if (!scaling_known(s->op))
        return broken(s, "6", "factor stands alone or with low, high and original; all are above 0, high above low");
    return check(s, 0, *x);
}

static bool shape_state(const struct shape *s) {
    const struct ir_state *c = s->op->state;
    return check(s, 0, ir_type_make(c->elem, IR_NO_ROWS, c->rank, c->dim));
}

static bool shape_write(const struct shape *s) {
    const struct ir_type *c = in(s, 0), *x = in(s, 1);
    if (x->rank != c->rank || memcmp(x->dim, c->dim, c->rank * sizeof c->dim[0]) != 0)
        return broken(s, "1", "the row written has the dims of the state");
    if (x->rows != IR_T || in(s, 2)->rows != IR_T) return broken(s, "2", "every row given is written (T)");
    return check(s, 0, *c);
}

static bool shape_attend(const struct shape *s) {
    const struct ir_type *q = in(s, 0), *k = in(s, 1), *v = in(s, 2);
    if (q->rank != 2 || k->rank != 2 || v->rank != 2) return broken(s, "1", "q, k and v are [heads, head length]");
    if (q->dim[1] != k->dim[1] || k->dim[0] != v->dim[0] || k->dim[1] != v->dim[1])
        return broken(s, "2", "q, k and v have the same head length, k and v the same heads");
    if (q->dim[0] % k->dim[0]) return broken(s, "3", "query heads are a multiple of key heads");
    if (in(s, 3)->rows != q->rows) return broken(s, "4", "queries and rows go together");
    const char *mask = ir_name_attr(s->op, IR_ATTR_mask);
    bool window = mask && !strcmp(mask, "window");
    if (!mask || (!window && strcmp(mask, "causal") != 0)) return broken(s, "5", "mask is causal or window");
    if (window != (ir_i64(s->op, IR_ATTR_window, 0) > 0))
        return broken(s, "6", "a window mask, and no other, has a window of 1 or more");
    return check(s, 0, *q);
}

static bool shape_call(const struct shape *s) {
    const struct ir_op *op = s->op;
    for (uint32_t k = 0; k < op->n_func; k++) {
        const struct ir_func *f = op->func[k];
        if (f->n_params != op->n_in) return broken(s, "1", "as many operands as the function has parameters");
        for (uint32_t i = 0; i < op->n_in; i++)
            if (!ir_type_eq(in(s, i), &f->params[i]->type))
                return broken(s, "2", "operand %u is %s, the parameter %s", i, ir_type_text(s->a, in(s, i)),
                              ir_type_text(s->a, &f->params[i]->type));
        const struct ir_op *ret = f->body->last;
        if (!ret || ret->code != IR_OP_ret || ret->n_in != op->n_out)
            return broken(s, "3", "as many results as the function returns");
        for (uint32_t i = 0; i < op->n_out; i++)
            if (!check(s, i, ret->in[i]->type)) return false;
    }
    if (op->code == IR_OP_layers) {
        int64_t from = ir_i64(op, IR_ATTR_from, -1), to = ir_i64(op, IR_ATTR_to, -1);
        if (from < 0 || to <= from) return broken(s, "4", "layers run from a number up to a larger one");
        if (op->n_out + 1 != op->n_in) return broken(s, "5", "rows and values in, the same values out");
        for (uint32_t i = 0; i < op->n_out; i++)
            if (!ir_type_eq(in(s, i + 1), &op->out[i]->type))
                return broken(s, "5", "rows and values in, the same values out");
    }
    return true;
}

static bool shape_kernel(const struct shape *s) {
    const struct ir_op *end = s->op->body ? s->op->body->last : NULL;
    if (!end || end->code != IR_OP_yield || end->n_in != s->op->n_out)
        return broken(s, "1", "the region ends in yield, with a value for each result");
    for (uint32_t i = 0; i < s->op->n_out; i++)
        if (!check(s, i, end->in[i]->type)) return false;
    return true;
}

static bool shape_emit(const struct shape *s) {
    uint32_t vocab = s->op->block->func->module->vocab;
    if (in(s, 0)->rows != IR_L) return broken(s, "1", "live rows are emitted (L)");
    if (vocab && !strcmp(ir_name_attr(s->op, IR_ATTR_name), "logits") && ir_type_elems(in(s, 0)) != vocab)
        return broken(s, "2", "%s are not the logits of %u tokens", ir_type_text(s->a, in(s, 0)), vocab);
    return true;
}
static bool shape_yield(const struct shape *s) { return s->op->n_in > 0 || broken(s, "1", "a kernel has a result"); }
static bool shape_ret(const struct shape *s) { return s->op->n_in == 0 || in(s, 0) != NULL; }

typedef bool shape_rule(const struct shape *s);
static shape_rule *const rules[IR_N_OPS] = {
#define OP(name, group, in, out, traits, ref, attrs, rule) [IR_OP_##name] = shape_##rule,
#include "ir/ops.def"
};

static bool operand_kind(char want, const struct ir_type *t) {
    switch (want) {
    case 'r': return t->elem == IR_ROWS_E;
    case 'x': return t->elem == IR_F32_E;
    case 'q': return t->elem == IR_I8;
    case 'a': return t->elem == IR_I32;
    case 's': return t->elem == IR_F32_E && t->rank == 0;
    case 'c': return ir_is_cache(t->elem);
    }
    BUG("operand letter '%c'", want);
}

bool ir_infer(struct diag *d, struct ir_op *op) {
    const struct ir_op_info *info = &ir_ops[op->code];
    struct shape s = {.d = d, .op = op, .a = arena_of(op)};
    if (!s.a) BUG("%s is in no function", info->name);
    if (strcmp(info->in, "*") != 0) {
        if (op->n_in != strlen(info->in)) return broken(&s, "operands", "takes %zu operands", strlen(info->in));
        for (uint32_t i = 0; i < op->n_in; i++)
            if (!operand_kind(info->in[i], in(&s, i)))
                return broken(&s, "operands", "operand %u cannot be %s", i, ir_type_text(s.a, in(&s, i)));
    } else if (op->code == IR_OP_live && op->n_in != 1) {
        return broken(&s, "operands", "takes 1 operand");
    }
    if (info->n_out >= 0 && op->n_out != (uint32_t)info->n_out)
        return broken(&s, "results", "gives %d results", info->n_out);
    return rules[op->code](&s);
}
