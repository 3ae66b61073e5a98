/*
 * fuse_prologue -- norm and quantiser move into the kernel that reads them.
 *
 *   before                                   after
 *   %n = rmsnorm %x, @g                      %a = kernel {
 *   %q, %r = quant %n                          %n = rmsnorm %x, @g
 *   %a = kernel {                              %q, %r = quant %n
 *     %a.1 = matmul %q, @w                     %a.1 = matmul %q, @w
 *     yield %a.1 }                             yield %a.1 }
 *
 * Stated on reductions over a row: an op of the group REDUCE whose first result only this kernel's prologue or
 * core reads.  Other results (the quantiser's scale) may have readers below the kernel; they become results.
 * Saves the write and the read of the codes' input, and a meeting of the threads.
 * Leaves alone: a norm that anything else reads; what stands above an op it cannot cross (it crosses all:
 * moving down to the kernel is safe, as nothing between reads it).
 */
#include "passes/pass.h"

static bool in_region(const struct ir_op *op, const struct ir_op *kernel) { return op->block == kernel->body; }

/* All readers of v lie in the kernel and are no epilogue. */
static bool read_early_only(struct ir_func *f, const struct ir_val *v, const struct ir_op *kernel) {
    bool any = false;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++) {
            if (op->in[i] != v) continue;
            if (!in_region(op, kernel) || ir_stage_of(op) == IR_STAGE_EPILOGUE) return false;
            any = true;
        }
    return any;
}

/* Does op, or the kernel it is in, stand above? */
static bool stands_above(struct ir_op *op, const struct ir_op *kernel) {
    const struct ir_op *top = ir_in_block(op, kernel->block);
    for (const struct ir_op *o = kernel->prev; o; o = o->prev)
        if (o == top) return true;
    return false;
}

/* Every reader of v is the kernel's or stands below it. */
static bool read_here_or_below(struct ir_func *f, const struct ir_val *v, const struct ir_op *kernel) {
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++)
            if (op->in[i] == v && !in_region(op, kernel) && stands_above(op, kernel)) return false;
    return true;
}

static bool fits(struct ir_func *f, const struct ir_op *op, const struct ir_op *kernel) {
    if (!op || op->block != kernel->block || ir_ops[op->code].group != IR_REDUCE) return false;
    if (edit_rows(op) != edit_rows(kernel->body->first) || !read_early_only(f, op->out[0], kernel)) return false;
    for (uint32_t i = 1; i < op->n_out; i++)
        if (!read_here_or_below(f, op->out[i], kernel)) return false;
    return true;
}

static bool fuse_one(struct ir_func *f, struct ir_op *kernel) {
    for (struct ir_op *op = kernel->body->first; op; op = op->next) {
        enum ir_stage s = ir_stage_of(op);
        if (op->code == IR_OP_attend || (s != IR_STAGE_PROLOGUE && s != IR_STAGE_CORE)) continue;
        for (uint32_t i = 0; i < op->n_in; i++)
            if (fits(f, op->in[i]->def, kernel)) {
                edit_pull_in(kernel, op->in[i]->def);
                return true;
            }
    }
    return false;
}

bool pass_fuse_prologue(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    (void)cx;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = m->funcs.at[i]->body->first; op; op = op->next)
            if (op->code == IR_OP_kernel)
                while (fuse_one(m->funcs.at[i], op)) changed = true;
    return changed;
}
