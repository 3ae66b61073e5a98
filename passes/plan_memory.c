/*
 * plan_memory -- every buffer an offset in one arena, lifetimes overlapped.
 *
 *   before                              after
 *   %h = kernel ... : f32[T, 256]       %h = kernel ... : f32[T, 256] at 65536
 *
 * A value lives from the kernel that makes it to the last one that reads it, both included: threads of one kernel
 * are in different stages at once.  Codes and scales that cross the stages of a kernel live during that kernel.
 * Each buffer takes the lowest place that is free for its whole life (first fit, in order of definition).
 *
 * The entry's frame begins at 0.  Layer functions begin behind it, all at the same place, as one runs at a time; a
 * layer's arguments and results have no place: their buffers are arguments of the code.  The result of `layers` has
 * two buffers, one behind the other, which take turns.
 */
#include "passes/pass.h"

struct buffer {
    struct ir_val *v;
    uint32_t from, to; /* ops of the function's block, by number */
    uint64_t bytes, at;
};

struct plan {
    struct arena *a;
    struct ir_func *f;
    uint64_t base;
    VEC(struct buffer) all;
};

static uint32_t number_of(const struct ir_op *op, const struct ir_block *body) {
    uint32_t n = 0;
    const struct ir_op *top = ir_in_block((struct ir_op *)op, body);
    for (const struct ir_op *o = body->first; o != top; o = o->next) n++;
    return n;
}

/* The last op that reads v or another shape of it. */
static uint32_t last_use(struct plan *p, const struct ir_val *v) {
    uint32_t last = number_of(v->def, p->f->body);
    for (struct ir_op *op = ir_first(p->f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++) {
            if (op->in[i] != v) continue;
            bool alias = op->code == IR_OP_reshape && !op->block->owner;
            uint32_t use = alias ? last_use(p, op->out[0]) : number_of(op, p->f->body);
            if (use > last) last = use;
        }
    return last;
}

static bool returned(const struct ir_func *f, const struct ir_val *v) {
    const struct ir_op *ret = f->body->last;
    for (uint32_t i = 0; i < ret->n_in; i++)
        if (ret->in[i] == v) return true;
    return false;
}

static void add_buffer(struct plan *p, struct ir_val *v, uint32_t from, uint32_t to) {
    uint64_t rows = p->f->module->max_rows, copies = v->def->code == IR_OP_layers ? 2 : 1;
    uint64_t bytes = (rows * ir_row_stride(&v->type) + 63) / 64 * 64;
    *vec_push(p->a, &p->all) = (struct buffer){.v = v, .from = from, .to = to, .bytes = bytes * copies};
}

static void collect(struct plan *p) {
    for (struct ir_op *op = ir_first(p->f); op; op = ir_next(op)) {
        bool inside = op->block->owner != NULL;
        uint32_t at = number_of(op, p->f->body);
        if (op->code == IR_OP_reshape && !inside) continue;
        for (uint32_t i = 0; i < op->n_out; i++) {
            struct ir_val *v = op->out[i];
            v->place = -1;
            if (!ir_needs_place(v) || (!inside && !p->f->entry && returned(p->f, v))) continue;
            add_buffer(p, v, at, inside ? at : last_use(p, v));
        }
    }
}

static bool lives_with(const struct buffer *a, const struct buffer *b) { return a->from <= b->to && b->from <= a->to; }

/* The lowest offset where b meets no buffer placed before it. */
static uint64_t first_fit(const struct plan *p, size_t n, const struct buffer *b) {
    uint64_t at = p->base;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            const struct buffer *o = &p->all.at[i];
            if (lives_with(o, b) && at < o->at + o->bytes && o->at < at + b->bytes) {
                at = o->at + o->bytes;
                moved = true;
            }
        }
    }
    return at;
}

static void place_aliases(struct ir_func *f) {
    for (struct ir_op *op = f->body->first; op; op = op->next)
        if (op->code == IR_OP_reshape) op->out[0]->place = op->in[0]->place;
}

static uint64_t plan_func(struct arena *a, struct ir_func *f, uint64_t base) {
    struct plan p = {.a = a, .f = f, .base = base};
    uint64_t end = base;
    collect(&p);
    for (size_t i = 0; i < p.all.n; i++) {
        struct buffer *b = &p.all.at[i];
        b->at = first_fit(&p, i, b);
        b->v->place = (int64_t)b->at;
        if (b->at + b->bytes > end) end = b->at + b->bytes;
    }
    place_aliases(f);
    f->frame = end;
    return end;
}

bool pass_plan_memory(struct pass_ctx *cx, struct ir_module *m) {
    uint64_t base = 64;
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) {
            uint64_t end = plan_func(cx->arena, m->funcs.at[i], 64);
            if (end > base) base = end;
        }
    for (size_t i = 0; i < m->funcs.n; i++)
        if (!m->funcs.at[i]->entry) plan_func(cx->arena, m->funcs.at[i], base);
    return true;
}
