/*
 * kernel.c -- one kernel op as one function: what it is given and gives, then its stages.
 *
 *   void body.0.h(ptr ctx, i32 tid, i32 layer, ptr io...)
 *
 * Rows kernels compute rows, split among threads.  Others compute their prologue like that, meet at a barrier, and
 * go on with the units of output rows (epilogue.c) or with heads (attend_emit.c), split among threads anew.  If there
 * is but one row, each thread computes the prologue for itself and goes on at once: thread 0 writes what it makes to
 * the arena, where whoever comes later finds it, the others to their scratch.
 */
#include <string.h>

#include "backends/kernel/kern.h"
#include "backends/kernel/screen.h"

static void add_io(struct cg *c, struct cg_kernel *out, const struct ir_val *v) {
    const struct ir_val *root = kern_root(v);
    if (root->def && root->def->block->owner) return;
    enum ir_elem e = root->type.elem;
    if (e != IR_F32_E && e != IR_I8 && e != IR_I32) return;
    const struct ir_func *f = root->def ? root->def->block->func : NULL;
    if (f && !kern_is_dynamic(f, root)) return;
    for (size_t i = 0; i < out->io.n; i++)
        if (out->io.at[i] == root) return;
    *vec_push(c->arena, &out->io) = root;
}

static void collect_io(struct cg *c, const struct ir_op *kernel, struct cg_kernel *out) {
    for (const struct ir_op *op = kernel->body->first; op; op = op->next)
        for (uint32_t i = 0; i < op->n_in; i++) add_io(c, out, op->in[i]);
    for (uint32_t i = 0; i < kernel->n_out; i++) add_io(c, out, kernel->out[i]);
}

/* Has the kernel a prologue, and does that write no state, which all threads would read? */
static bool can_be_lone(const struct ir_op *kernel) {
    bool any = false;
    for (const struct ir_op *op = kernel->body->first; op; op = op->next) {
        if (op->code == IR_OP_yield || ir_stage_of(op) != IR_STAGE_PROLOGUE) continue;
        if (op->code == IR_OP_write) return false;
        any = true;
    }
    return any;
}

/* Before the prologue: where each buffer is that it writes.  Buffers of the arena hold that one row as scratch does. */
static void find_own(struct kern *k) {
    struct cg *c = k->c;
    LLVMValueRef one = LLVMBuildICmp(c->b, LLVMIntULE, k->n[rows_domain(k, IR_STAGE_PROLOGUE)], cg_i64(c, 1), "");
    LLVMValueRef first = LLVMBuildICmp(c->b, LLVMIntEQ, k->tid, cg_i32(c, 0), "");
    LLVMValueRef apart = LLVMBuildAnd(c->b, one, LLVMBuildNot(c->b, first, ""), "");
    for (const struct ir_op *op = k->op->body->first; op; op = op->next) {
        if (op->code == IR_OP_yield || ir_stage_of(op) != IR_STAGE_PROLOGUE) continue;
        for (uint32_t i = 0; i < op->n_out; i++) {
            const struct ir_val *homes[KERN_HOMES];
            unsigned n = kern_homes(k, op->out[i], homes);
            for (unsigned h = 0; h < n; h++) {
                LLVMValueRef scratch = kern_scratch(k, ir_row_stride(&homes[h]->type));
                LLVMValueRef at = LLVMBuildSelect(c->b, apart, scratch, kern_buffer(k, homes[h]), "");
                *vec_push(c->arena, &k->own) = (struct kern_own){.val = homes[h], .at = at};
            }
        }
    }
    k->lone = one;
}

/* What the prologue leaves, core and epilogue may read. */
static void prologue(struct kern *k) {
    struct cg *c = k->c;
    if (can_be_lone(k->op)) find_own(k);
    rows_emit(k, IR_STAGE_PROLOGUE);
    if (!k->lone) {
        kern_barrier(k);
        return;
    }
    struct cg_if many;
    cg_if_begin(c, &many, LLVMBuildNot(c->b, k->lone, ""));
    kern_barrier(k);
    cg_if_end(c, &many);
}

static bool has_stage(const struct ir_op *kernel, enum ir_stage stage) {
    for (const struct ir_op *op = kernel->body->first; op; op = op->next)
        if (op->code != IR_OP_yield && ir_stage_of(op) == stage) return true;
    return false;
}

/* Of a head that may be screened. */
static void two_forms(struct kern *k, const struct ir_op *dot) {
    struct cg_if s;
    cg_if_begin(k->c, &s, screen_wanted(k));
    screen_emit(k, dot);
    cg_else(k->c, &s);
    strands_emit(k);
    cg_if_end(k->c, &s);
}

void cg_emit_kernel(struct cg *c, const struct ir_op *kernel, uint32_t id, struct cg_kernel *out) {
    struct cg_place back = cg_place_save(c);
    *out = (struct cg_kernel){0};
    collect_io(c, kernel, out);
    kern_function(c, kern_name(c, kernel, "."), out);
    cg_lines_begin(c, kern_name(c, kernel, ":"), kern_line(kernel));
    struct kern k = kern_begin(c, kernel, id, out);
    if (has_stage(kernel, IR_STAGE_ROWS)) {
        rows_emit(&k, IR_STAGE_ROWS);
    } else {
        const struct ir_op *dot = screen_dot(kernel);
        if (has_stage(kernel, IR_STAGE_PROLOGUE)) prologue(&k);
        if (dot)
            two_forms(&k, dot);
        else
            strands_emit(&k);
    }
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}
