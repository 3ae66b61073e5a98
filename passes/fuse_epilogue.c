/*
 * fuse_epilogue -- what can be computed on a part of a row moves into the kernel whose result it reads.
 *
 *   before                                   after
 *   %a, %b, %r = kernel { ... }              %m = kernel { ...
 *   %g = dequant %a, %r, @gate                 %g = dequant %a.1, %r.1, @gate
 *   %u = dequant %b, %r, @up                   %u = dequant %b.1, %r.1, @up
 *   %s = relu2 %g                              %s = relu2 %g
 *   %m = mul %s, %u                            %m.1 = mul %s, %u
 *                                              yield %m.1 }
 *   %k1 = write %k0, %kr, %rows              (the same, with rope in front)
 *
 * Stated on traits: element-wise ops, ops on groups (rope) while the unit of whole groups stays at most
 * IR_MAX_UNIT rows, other shapes of the same elements, and cache writes.  The other operands must be known above
 * the kernel; a write must not move above a reader of the version it replaces, and this version must not be made
 * by the kernel itself, as strands are not ordered.
 * Leaves alone: reductions, another number of rows, attention's results, values that come between.
 */
#include "passes/pass.h"

static bool reads_from(const struct ir_op *op, const struct ir_op *kernel) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->def == kernel) return true;
    return false;
}

static bool computes_parts(const struct ir_op *op) {
    return op->code == IR_OP_write || (ir_ops[op->code].traits & (IR_ELT | IR_GROUP | IR_FREE));
}

/*
 * Readers of the version that a write replaces would see the new one if the write passed them; and two writes of one
 * kernel to the same state would run side by side.
 */
static bool passes_a_reader(const struct ir_op *op, const struct ir_op *kernel) {
    if (op->code != IR_OP_write) return false;
    if (op->in[0]->def == kernel) return true;
    for (const struct ir_op *o = op->prev; o && o != kernel; o = o->prev) {
        for (uint32_t i = 0; i < o->n_in; i++)
            if (o->in[i] == op->in[0]) return true;
        for (const struct ir_op *in = o->body ? o->body->first : NULL; in; in = in->next)
            for (uint32_t i = 0; i < in->n_in; i++)
                if (in->in[i] == op->in[0]) return true;
    }
    return false;
}

/* Elements of the core's rows and of the op's rows are the same elements. */
static bool same_elements(const struct ir_op *op, const struct ir_op *kernel) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->def == kernel && op->in[i]->type.rank) n = ir_type_elems(&op->in[i]->type);
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->type.rank && ir_type_elems(&op->in[i]->type) != n) return false;
    return n > 0;
}

static bool holds(const struct ir_strand *s, const struct ir_op *op) {
    for (size_t i = 0; i < s->cores.n; i++)
        if (s->cores.at[i] == op) return true;
    for (size_t i = 0; i < s->ops.n; i++)
        if (s->ops.at[i] == op) return true;
    return false;
}

/* Does the op read a result of the strand? */
static bool joins(const struct ir_op *op, const struct ir_op *kernel, const struct ir_strand *s) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->def == kernel && holds(s, kernel->body->last->in[op->in[i]->index]->def)) return true;
    return false;
}

/* Units of the strands that the op would join hold whole groups of all its ops. */
static bool unit_fits(struct pass_ctx *cx, const struct ir_op *op, const struct ir_op *kernel) {
    struct ir_strands strands;
    uint64_t group = ir_group_of(op);
    ir_strands_of(cx->arena, kernel, &strands);
    for (size_t i = 0; i < strands.at.n; i++)
        if (joins(op, kernel, &strands.at.at[i])) group = ir_group_both(group, strands.at.at[i].group);
    return ir_unit_of(group) != 0;
}

/* A scale made by the kernel's own prologue is no reason to join; a value of its core or epilogue is. */
static bool reads_core_result(const struct ir_op *op, const struct ir_op *kernel) {
    for (uint32_t i = 0; i < op->n_in; i++) {
        if (op->in[i]->def != kernel) continue;
        const struct ir_op *def = kernel->body->last->in[op->in[i]->index]->def;
        enum ir_stage s = ir_stage_of(def);
        if (s == IR_STAGE_CORE || s == IR_STAGE_EPILOGUE) return true;
    }
    return false;
}

static bool has_attention(const struct ir_op *kernel) {
    for (const struct ir_op *op = kernel->body->first; op; op = op->next)
        if (op->code == IR_OP_attend) return true;
    return false;
}

static bool fits(struct pass_ctx *cx, const struct ir_op *op, const struct ir_op *kernel) {
    if (!computes_parts(op) || !reads_from(op, kernel) || has_attention(kernel)) return false;
    if (!reads_core_result(op, kernel) || edit_rows(op) != edit_rows(kernel->body->first)) return false;
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->def != kernel && !edit_above(op->in[i], kernel)) return false;
    return same_elements(op, kernel) && !passes_a_reader(op, kernel) && unit_fits(cx, op, kernel);
}

bool pass_fuse_epilogue(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *kernel = m->funcs.at[i]->body->first; kernel; kernel = kernel->next) {
            if (kernel->code != IR_OP_kernel) continue;
            for (struct ir_op *op = kernel->next, *next; op; op = next) {
                next = op->next;
                if (!fits(cx, op, kernel)) continue;
                edit_move_in(kernel, op);
                changed = true;
            }
        }
    return changed;
}
