/*
 * group_layers -- layers of equal text become one loop, so the code does not grow with depth.
 *
 *   before                                           after
 *   %x1 = layer %rows, %x0, @body.0 {index = 0}      %x3 = layers %rows, %x0, @body.0 {from = 0, to = 3}
 *   %x2 = layer %rows, %x1, @body.1 {index = 1}
 *   %x3 = layer %rows, %x2, @body.2 {index = 2}
 *
 * Layers that alternate (period up to 4) become one loop over several functions, a whole number of periods long.
 * Functions nobody calls any more are dropped.
 * Leaves alone: a layer whose input is not just the layer before, or whose result has other readers.
 */
#include "passes/pass.h"

enum { MAX_PERIOD = 4 };

struct chain {
    VEC(struct ir_op *) at;
};

static bool follows(struct ir_func *f, const struct ir_op *a, const struct ir_op *b) {
    if (b->code != IR_OP_layer || a->n_out + 1 != a->n_in || b->n_in != a->n_in || b->in[0] != a->in[0]) return false;
    if (ir_i64(b, IR_ATTR_index, 0) != ir_i64(a, IR_ATTR_index, 0) + 1) return false;
    for (uint32_t i = 0; i < a->n_out; i++)
        if (b->in[i + 1] != a->out[i] || ir_uses(f, a->out[i]) != 1 ||
            !ir_type_eq(&a->out[i]->type, &a->in[i + 1]->type))
            return false;
    return true;
}

/* The longest loop that begins at layer `start` with period p: a multiple of p. */
static size_t reach(const struct chain *c, size_t start, size_t p) {
    size_t n = start + p;
    while (n < c->at.n && ir_func_same(c->at.at[n]->func[0], c->at.at[n - p]->func[0])) n++;
    const struct ir_op *last = c->at.at[n - 1]; /* the loop gives back what it takes */
    if (!ir_type_eq(&last->out[0]->type, &last->in[1]->type)) n--;
    size_t length = n > start ? (n - start) / p * p : 0;
    return length >= 2 * p ? length : 0;
}

static struct ir_op *roll(struct ir_func *f, const struct chain *c, size_t start, size_t length, size_t p) {
    struct arena *a = f->module->arena;
    struct ir_op *first = c->at.at[start], *last = c->at.at[start + length - 1];
    struct ir_op *loop = ir_op_new(f, IR_OP_layers, first->loc, first->n_in, first->in, last->n_out);
    int64_t from = ir_i64(first, IR_ATTR_index, 0);
    ir_set_i64(loop, IR_ATTR_from, from);
    ir_set_i64(loop, IR_ATTR_to, from + (int64_t)length);
    loop->func = arena_array(a, struct ir_func *, p);
    loop->n_func = (uint32_t)p;
    for (size_t i = 0; i < p; i++) loop->func[i] = c->at.at[start + i]->func[0];
    for (uint32_t i = 0; i < last->n_out; i++) {
        loop->out[i]->type = last->out[i]->type;
        loop->out[i]->name = last->out[i]->name;
        last->out[i]->name = NULL;
    }
    ir_insert_after(last, loop);
    for (uint32_t i = 0; i < last->n_out; i++) ir_replace_uses(f, last->out[i], loop->out[i]);
    for (size_t i = 0; i < length; i++) ir_remove(c->at.at[start + i]);
    return loop;
}

static bool roll_chain(struct ir_func *f, const struct chain *c) {
    bool changed = false;
    for (size_t start = 0; start < c->at.n;) {
        size_t best = 0, period = 1;
        for (size_t p = 1; p <= MAX_PERIOD && start + p <= c->at.n; p++) {
            size_t n = reach(c, start, p);
            if (n > best) {
                best = n;
                period = p;
            }
        }
        if (best) {
            roll(f, c, start, best, period);
            changed = true;
        }
        start += best ? best : 1;
    }
    return changed;
}

static void drop_uncalled(struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n;) {
        bool called = m->funcs.at[i]->entry;
        for (size_t k = 0; k < m->funcs.n && !called; k++)
            for (struct ir_op *op = ir_first(m->funcs.at[k]); op; op = ir_next(op))
                for (uint32_t j = 0; j < op->n_func; j++) called |= op->func[j] == m->funcs.at[i];
        if (called)
            i++;
        else
            ir_func_remove(m, m->funcs.at[i]);
    }
}

bool pass_group_layers(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    for (size_t i = 0; i < m->funcs.n; i++) {
        struct ir_func *f = m->funcs.at[i];
        for (struct ir_op *op = f->body->first, *next; op; op = next) {
            struct chain c = {0};
            next = op->next;
            if (op->code != IR_OP_layer || op->n_out == 0) continue;
            *vec_push(cx->arena, &c.at) = op;
            while (next && follows(f, c.at.at[c.at.n - 1], next)) {
                *vec_push(cx->arena, &c.at) = next;
                next = next->next;
            }
            changed |= roll_chain(f, &c);
        }
    }
    drop_uncalled(m);
    return changed;
}
