/*
 * canonicalize -- one form for each formula.
 *
 *   before                                     after
 *   %t = relu %x                               %y = relu2 %x
 *   %y = mul %t, %t
 *   %a, %r = quant %n                          %a, %r = quant %n
 *   %b, %s = quant %n                          (readers of %b and %s read %a and %r)
 *   %y = reshape (reshape %x)                  %y = reshape %x
 *   %y = neg (neg %x), mulc %x {c = 1}         %x
 *   %y = topk %x {k = all of them}             %x
 *   %o = attend ...; %c = state @k             states first
 *   an op whose results nobody reads           gone
 *
 * Keeps x + 0 (it turns -0 into +0) and everything else that would change a bit.
 * Leaves alone: kernels and what is in them.
 */
#include "base/check.h"
#include "passes/pass.h"

static bool pure(const struct ir_op *op) {
    const struct ir_op_info *info = &ir_ops[op->code];
    return !(info->traits & IR_EFFECT) && info->group != IR_CALL && info->group != IR_REGION && info->group != IR_END;
}

static bool same_attrs(const struct ir_op *a, const struct ir_op *b) {
    if (a->n_attr != b->n_attr) return false;
    for (uint32_t i = 0; i < a->n_attr; i++) {
        const struct ir_attr *x = &a->attr[i], *y = ir_attr_get(b, x->id);
        if (!y) return false;
        bool same = ir_attrs[x->id].kind == IR_NAME  ? x->name == y->name
                    : ir_attrs[x->id].kind == IR_F32 ? bits_of_f32(x->f32) == bits_of_f32(y->f32)
                                                     : x->i == y->i;
        if (!same) return false;
    }
    return true;
}

static bool same_op(const struct ir_op *a, const struct ir_op *b) {
    if (a->code != b->code || a->n_in != b->n_in || a->weight != b->weight || a->state != b->state) return false;
    bool straight = true, crossed = (ir_ops[a->code].traits & IR_COMM) != 0;
    for (uint32_t i = 0; i < a->n_in; i++) {
        straight &= a->in[i] == b->in[i];
        crossed = crossed && a->in[i] == b->in[a->n_in - 1 - i];
    }
    return (straight || crossed) && same_attrs(a, b) && ir_type_eq(&a->out[0]->type, &b->out[0]->type);
}

static void become(struct ir_func *f, struct ir_op *op, struct ir_op *same) {
    for (uint32_t i = 0; i < op->n_out; i++) ir_replace_uses(f, op->out[i], same->out[i]);
    ir_remove(op);
}

static bool merge_equal(struct ir_func *f, struct ir_op *op) {
    if (!pure(op) || op->n_out == 0) return false;
    for (struct ir_op *o = op->block->first; o != op; o = o->next)
        if (same_op(o, op)) {
            become(f, op, o);
            return true;
        }
    return false;
}

static bool is_def(const struct ir_val *v, enum ir_opcode code) { return v && v->def && v->def->code == code; }

/* Elements among which a topk chooses. */
static int64_t topk_from(const struct ir_op *op) { return ir_i64(op, IR_ATTR_block, op->in[0]->type.dim[0]); }

/* The value that op is equal to, or NULL. */
static struct ir_val *identity(const struct ir_op *op) {
    switch ((int)op->code) {
    case IR_OP_neg: return is_def(op->in[0], IR_OP_neg) ? op->in[0]->def->in[0] : NULL;
    case IR_OP_mulc: return ir_f32(op, IR_ATTR_c) == 1.0f ? op->in[0] : NULL;
    case IR_OP_reshape: return ir_type_eq(&op->in[0]->type, &op->out[0]->type) ? op->in[0] : NULL;
    case IR_OP_topk: return ir_i64(op, IR_ATTR_k, 0) == topk_from(op) ? op->in[0] : NULL;
    case IR_OP_relu: return is_def(op->in[0], IR_OP_relu) || is_def(op->in[0], IR_OP_relu2) ? op->in[0] : NULL;
    default: return NULL;
    }
}

static bool rewrite(struct ir_func *f, struct ir_op *op) {
    struct ir_val *same = identity(op);
    if (same) {
        ir_replace_uses(f, op->out[0], same);
        ir_remove(op);
        return true;
    }
    if (op->code == IR_OP_reshape && is_def(op->in[0], IR_OP_reshape)) {
        op->in[0] = op->in[0]->def->in[0];
        return true;
    }
    if (op->code == IR_OP_mul && op->in[0] == op->in[1] && is_def(op->in[0], IR_OP_relu)) {
        op->code = IR_OP_relu2;
        op->in[0] = op->in[0]->def->in[0];
        op->n_in = 1;
        return true;
    }
    return false;
}

static bool unused(struct ir_func *f, const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (ir_uses(f, op->out[i])) return false;
    return pure(op) && op->n_out > 0;
}

static bool hoist_states(struct ir_func *f) {
    bool changed = false;
    struct ir_op *front = f->body->first;
    while (front && front->code == IR_OP_state) front = front->next;
    for (struct ir_op *op = front, *next; op; op = next) {
        next = op->next;
        if (op->code != IR_OP_state) continue;
        ir_remove(op);
        ir_insert_before(front, op);
        changed = true;
    }
    return changed;
}

static bool sweep(struct ir_func *f) {
    bool changed = false;
    for (struct ir_op *op = f->body->first, *next; op; op = next) {
        next = op->next;
        if (op->code == IR_OP_kernel || ir_ops[op->code].group == IR_END) continue;
        if (unused(f, op)) {
            ir_remove(op);
            changed = true;
        } else {
            changed |= rewrite(f, op) || merge_equal(f, op);
        }
    }
    return changed;
}

bool pass_canonicalize(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    (void)cx;
    for (size_t i = 0; i < m->funcs.n; i++) {
        changed |= hoist_states(m->funcs.at[i]);
        while (sweep(m->funcs.at[i])) changed = true;
    }
    return changed;
}
