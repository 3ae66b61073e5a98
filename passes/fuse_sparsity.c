/*
 * fuse_sparsity -- matmuls whose codes are often zero are marked with the share that is not.
 *
 *   before                                   after
 *   %t = topk %n {k = 1024}                  %t = topk %n {k = 1024}
 *   %q, %r = quant %t                        %q, %r = quant %t
 *   %a = matmul %q, @w                       %a = matmul %q, @w {density = 0.4, reason = topk}
 *
 *   %g = relu2 %h                            %g = relu2 %h
 *   %m = mul %g, %u                          %m = mul %g, %u
 *   %n = rmsnorm %m, @g                      %n = rmsnorm %m, @g
 *   %q, %r = quant %n                        %q, %r = quant %n
 *   %b = matmul %q, @v                       %b = matmul %q, @v {density = 0.5, reason = relu}
 *
 * Density is what the text promises: k of n behind a topk; half of what goes into a relu, whose zeros nobody has
 * counted.  It is followed from the codes upwards through ops that keep zeros (products, norms, reshapes, the
 * quantiser, live rows), into kernels and out of them.  The quantiser's own zeros come on top and are not promised.
 * select-core reads it; no bit depends on it, as a core that skips looks at the codes.
 * Leaves alone: what a layer was given (nothing is known of it), sums and biases (zeros end there), scales of
 * groups (their core skips nothing).
 */
#include "passes/pass.h"

struct zeros {
    double density; /* 1: no zeros are known */
    const char *reason;
};

static const struct zeros dense = {1, NULL};
static const double least = 1.0 / IR_MAX_K; /* a relu halves no further: one of the longest row */

/* What is known of the values of a function, by their number. */
struct sparsity {
    struct zeros *at;
    uint32_t n;
};

static struct zeros sparser(struct zeros a, struct zeros b) { return b.density < a.density ? b : a; }

/* A kernel's result is what its region yields. */
static struct zeros zeros_of(const struct sparsity *s, const struct ir_val *v) {
    while (v->def && v->def->code == IR_OP_kernel) v = v->def->body->last->in[v->index];
    return v->def ? s->at[v->number] : dense;
}

/* Elements that a topk keeps, of all. */
static double kept(const struct ir_op *op) {
    uint64_t n = ir_type_elems(&op->in[0]->type), k = (uint64_t)ir_i64(op, IR_ATTR_k, 0);
    uint64_t block = (uint64_t)ir_i64(op, IR_ATTR_block, (int64_t)n), rest = n % block;
    return (double)(n / block * k + (k * rest + block - 1) / block) / (double)n;
}

/* Zeros of the first result: 0 stays 0 in the ops that are named here. */
static struct zeros zeros_made(const struct sparsity *s, const struct ir_op *op) {
    struct zeros x = op->n_in ? zeros_of(s, op->in[0]) : dense;
    switch ((int)op->code) {
    case IR_OP_topk: return sparser(x, (struct zeros){kept(op), "topk"});
    case IR_OP_relu:
    case IR_OP_relu2: return (struct zeros){x.density > least ? x.density / 2 : x.density, "relu"};
    case IR_OP_mul: return sparser(x, zeros_of(s, op->in[1]));
    case IR_OP_div: /* by something */
    case IR_OP_mulc:
    case IR_OP_neg:
    case IR_OP_silu:
    case IR_OP_tanh:
    case IR_OP_gelu:
    case IR_OP_rescale:
    case IR_OP_rmsnorm:
    case IR_OP_l2norm:
    case IR_OP_reshape:
    case IR_OP_live:
    case IR_OP_quant: return x;
    default: return dense;
    }
}

static bool mark(struct ir_module *m, struct ir_op *matmul, struct zeros z) {
    if (z.density >= 1 || ir_attr_get(matmul, IR_ATTR_density)) return false;
    ir_set_f64(matmul, IR_ATTR_density, z.density);
    ir_set_name(matmul, IR_ATTR_reason, name_of(m->names, z.reason));
    return true;
}

static bool mark_function(struct pass_ctx *cx, struct ir_func *f) {
    struct sparsity s = {0};
    bool changed = false;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++) op->out[i]->number = s.n++;
    s.at = arena_array(cx->arena, struct zeros, s.n + 1);
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) {
        if (op->code == IR_OP_matmul) changed |= mark(f->module, op, zeros_of(&s, op->in[0]));
        for (uint32_t i = 0; i < op->n_out; i++)
            s.at[op->out[i]->number] = i || op->code == IR_OP_kernel ? dense : zeros_made(&s, op);
    }
    return changed;
}

bool pass_fuse_sparsity(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    for (size_t i = 0; i < m->funcs.n; i++) changed |= mark_function(cx, m->funcs.at[i]);
    return changed;
}
