/*
 * fuse_siblings -- contractions of the same input become one kernel.
 *
 *   before                                   after
 *   %a = matmul %q, @wq                      %a, %b = kernel {
 *   ...                                        %a.1 = matmul %q, @wq
 *   %b = matmul %q, @wk                        %b.1 = matmul %q, @wk
 *                                              yield %a.1, %b.1 }
 *
 * The input is read once, and the threads meet once.  Every contraction is in a kernel afterwards, alone if
 * it has no sibling; the later ones move up to the first, which their only operand allows.
 * Leaves alone: contractions of different inputs, or of a different kind.
 */
#include "passes/pass.h"

static bool sibling(const struct ir_op *a, const struct ir_op *b) {
    bool ternary = a->code == IR_OP_matmul || a->code == IR_OP_gmatmul;
    bool alike = ternary ? b->code == IR_OP_matmul || b->code == IR_OP_gmatmul : b->code == a->code;
    return alike && a->code != IR_OP_attend && a->in[0] == b->in[0];
}

bool pass_fuse_siblings(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    (void)cx;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = m->funcs.at[i]->body->first; op; op = op->next) {
            if (!ir_is_core(op)) continue;
            struct ir_op *kernel = edit_wrap(op);
            for (struct ir_op *o = kernel->next, *next; o; o = next) {
                next = o->next;
                if (sibling(kernel->body->first, o)) edit_move_in(kernel, o);
            }
            op = kernel;
            changed = true;
        }
    return changed;
}
