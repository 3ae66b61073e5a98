/*
 * select_core -- ops left over become row kernels; each kernel gets its core and key.
 *
 *   before                                   after
 *   %x = embed %rows, @embed                 %x = kernel {core = rows, key = k5c1f...} { embed; yield }
 *   %n = rmsnorm %y, @g                      one kernel for ops that follow one another
 *   %z = add %n, %y
 *   %a = kernel { ... matmul ... }           %a = kernel {core = i2, key = k03ab...} { ... }
 *
 * Each matmul gets the core of its weight: by rule, or the one that was asked for (ir/schedule.c).  Without a schedule
 * it is what the text says, or i2.  The kernel's own `core` is that of its first contraction.
 *
 * The key is a hash of the kernel's text with values renamed, shapes and encodings in it; schedules bind to it.
 * A layer that returns its argument or another shape of a value gets a copy, so that every result has a writer.
 * Leaves alone: state, calls, other shapes of a value, live rows (no code), emit, ret.
 */
#include <inttypes.h>

#include "passes/pass.h"

static bool needs_kernel(const struct ir_op *op) {
    switch (ir_ops[op->code].group) {
    case IR_CALL:
    case IR_REGION:
    case IR_END: return false;
    case IR_STATE: return op->code != IR_OP_state;
    case IR_ROWS: return op->code != IR_OP_reshape && op->out[0]->type.elem != IR_ROWS_E;
    case IR_REDUCE:
    case IR_CONTRACT:
    case IR_ELTWISE:
    case IR_GROUP_: return true;
    }
    return false;
}

/* Row ops that follow one another join the kernel in front.  `live` reads other rows than it writes. */
static bool joins(const struct ir_op *kernel, const struct ir_op *op) {
    if (!kernel || ir_is_core(op) || op->code == IR_OP_live || op->code == IR_OP_write) return false;
    const struct ir_op *first = kernel->body->first;
    return !ir_is_core(first) && first->code != IR_OP_live && edit_rows(first) == edit_rows(op);
}

static void wrap_rest(struct ir_func *f) {
    struct ir_op *open = NULL;
    for (struct ir_op *op = f->body->first, *next; op; op = next) {
        next = op->next;
        if (!needs_kernel(op)) {
            if (op->code != IR_OP_state) open = NULL;
        } else if (joins(open, op)) {
            edit_move_in(open, op);
        } else {
            open = edit_wrap(op);
        }
    }
}

static bool made_by_kernel(const struct ir_val *v) { return v->def && v->def->code == IR_OP_kernel; }

/* ret %x  ->  %y = mulc %x {c = 1}; ret %y */
static void copy_results(struct ir_func *f) {
    struct ir_op *ret = f->body->last;
    for (uint32_t i = 0; i < ret->n_in; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++) again |= ret->in[k] == ret->in[i];
        if (made_by_kernel(ret->in[i]) && !again) continue;
        struct ir_op *copy = ir_op_new(f, IR_OP_mulc, ret->loc, 1, &ret->in[i], 1);
        ir_set_f32(copy, IR_ATTR_c, 1.0f);
        copy->out[0]->type = ret->in[i]->type;
        ir_insert_before(ret, copy);
        ret->in[i] = copy->out[0];
        edit_wrap(copy);
    }
}

static const char *core_name(const struct ir_op *kernel) {
    for (const struct ir_op *op = kernel->body->first; op; op = op->next) {
        if (op->code == IR_OP_matmul || op->code == IR_OP_gmatmul) return ir_cores[ir_core_of(op)].name;
        if (op->code == IR_OP_dot) return "dot";
        if (op->code == IR_OP_attend) return "attend";
    }
    return "rows";
}

static void describe(struct ir_module *m, struct ir_op *kernel) {
    struct buf text = {0};
    ir_set_name(kernel, IR_ATTR_core, name_of(m->names, core_name(kernel)));
    ir_print_canonical(&text, kernel);
    ir_set_name(kernel, IR_ATTR_key,
                name_of(m->names, arena_printf(m->arena, "k%016" PRIx64, hash_bytes(text.at, text.n, 0))));
    buf_free(&text);
}

/* All matmuls of a weight get its core, unless the text named one. */
static void choose(const struct schedule *s, struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op)) {
            if ((op->code != IR_OP_matmul && op->code != IR_OP_gmatmul) || ir_attr_get(op, IR_ATTR_core)) continue;
            struct core_choice c = schedule_choose(s, m, op->weight);
            ir_set_name(op, IR_ATTR_core, name_of(m->names, ir_cores[c.core].name));
        }
}

bool pass_select_core(struct pass_ctx *cx, struct ir_module *m) {
    if (cx->schedule) choose(cx->schedule, m);
    for (size_t i = 0; i < m->funcs.n; i++) {
        struct ir_func *f = m->funcs.at[i];
        wrap_rest(f);
        if (!f->entry) copy_results(f);
        for (struct ir_op *op = f->body->first; op; op = op->next)
            if (op->code == IR_OP_kernel) describe(m, op);
    }
    return true;
}
