/* edit.c -- moving ops into kernels: what the fusions share. */
#include <string.h>

#include "passes/pass.h"

static struct ir_op *yield_of(const struct ir_op *kernel) { return kernel->body->last; }

static bool inside(const struct ir_op *op, const struct ir_op *kernel) {
    for (; op; op = op->block->owner)
        if (op->block == kernel->body) return true;
    return false;
}

/* Uses of `from` outside the kernel read `to` instead. */
static void replace_outside(struct ir_op *kernel, struct ir_val *from, struct ir_val *to) {
    for (struct ir_op *op = ir_first(kernel->block->func); op; op = ir_next(op)) {
        if (inside(op, kernel)) continue;
        for (uint32_t i = 0; i < op->n_in; i++)
            if (op->in[i] == from) op->in[i] = to;
    }
}

/* The kernel yields v as a new result, which takes over v's name outside. */
static struct ir_val *yield_also(struct ir_op *kernel, struct ir_val *v) {
    struct ir_func *f = kernel->block->func;
    struct ir_val *r = ir_result_add(f, kernel, v->name, v->type);
    const char *outer = v->name;
    v->name = r->name; /* the plain name goes to the value that is seen outside */
    r->name = outer;
    ir_operand_add(yield_of(kernel), v);
    return r;
}

struct ir_op *edit_wrap(struct ir_op *op) {
    struct ir_func *f = op->block->func;
    struct ir_op *kernel = ir_op_new(f, IR_OP_kernel, op->loc, 0, NULL, 0);
    ir_insert_before(op, kernel);
    kernel->body = ir_block_new(f, kernel);
    ir_remove(op);
    ir_append(kernel->body, op);
    ir_append(kernel->body, ir_op_new(f, IR_OP_yield, op->loc, 0, NULL, 0));
    for (uint32_t i = 0; i < op->n_out; i++) {
        struct ir_val *r = yield_also(kernel, op->out[i]);
        replace_outside(kernel, op->out[i], r);
    }
    return kernel;
}

/* An operand that is a result of the kernel is, inside, the value it yields. */
static void read_inner(struct ir_op *kernel, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->def == kernel) op->in[i] = yield_of(kernel)->in[op->in[i]->index];
}

static void yield_results(struct ir_op *kernel, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++) {
        struct ir_val *r = yield_also(kernel, op->out[i]);
        replace_outside(kernel, op->out[i], r);
    }
    edit_drop_unused_results(kernel);
}

void edit_move_in(struct ir_op *kernel, struct ir_op *op) {
    ir_remove(op);
    read_inner(kernel, op);
    ir_insert_before(yield_of(kernel), op);
    yield_results(kernel, op);
}

void edit_pull_in(struct ir_op *kernel, struct ir_op *op) {
    ir_remove(op);
    ir_insert_before(kernel->body->first, op);
    yield_results(kernel, op);
}

void edit_drop_unused_results(struct ir_op *kernel) {
    struct ir_op *yield = yield_of(kernel);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < kernel->n_out; i++) {
        struct ir_val *v = kernel->out[i];
        bool state = ir_is_cache(v->type.elem);
        bool needed = ir_uses(kernel->block->func, v) > 0 || (state && yield->in[i]->def->code == IR_OP_write);
        if (!needed && !(i + 1 == kernel->n_out && kept == 0)) {
            /* give the plain name back to the inner value */
            yield->in[i]->name = v->name;
            continue;
        }
        v->index = kept;
        yield->in[kept] = yield->in[i];
        kernel->out[kept++] = v;
    }
    kernel->n_out = yield->n_in = kept;
}

bool edit_above(const struct ir_val *v, const struct ir_op *op) {
    if (!v->def) return true;
    for (const struct ir_op *o = op->prev; o; o = o->prev)
        if (o == v->def) return true;
    return false;
}

enum ir_rowsym edit_rows(const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (op->out[i]->type.rows != IR_NO_ROWS) return op->out[i]->type.rows;
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->type.rows != IR_NO_ROWS) return op->in[i]->type.rows;
    return IR_NO_ROWS;
}
