/*
 * sink_live_rows -- compute only the rows whose results are wanted, as early as possible.
 *
 *   before                                     after
 *   %k1 = write %k0, %k, %rows                 %k1 = write %k0, %k, %rows
 *   %o = attend %q, %k1, %v1, %rows  : T       %q.l = live %q;  %rows.l = live %rows
 *   %h = add %x, %o                  : T       %o = attend %q.l, %k1, %v1, %rows.l  : L
 *   %l = live %h                     : L       %x.l = live %x;  %h = add %x.l, %o   : L
 *
 * An op is computed for live rows if each row of it needs only its own row and every reader wants live rows
 * only.  A layer whose result is wanted live gets a copy of its function, so the stack's last layer skips
 * the rows of a prompt after its caches are written.
 * Leaves alone: what a cache write needs; codes and scales that have other readers (they would be copied).
 */
#include <string.h>

#include "passes/pass.h"

struct sink {
    struct ir_func *f;
    struct ir_val **all; /* every value of the function; val->number is its index + 1 */
    bool *live_only;
    uint32_t n;
};

static bool *flag(struct sink *s, const struct ir_val *v) { return &s->live_only[v->number - 1]; }

static void collect(struct pass_ctx *cx, struct sink *s) {
    for (struct ir_op *op = ir_first(s->f); op; op = ir_next(op)) s->n += op->n_out;
    s->n += s->f->n_params;
    s->all = arena_array(cx->arena, struct ir_val *, s->n + 1);
    s->live_only = arena_array(cx->arena, bool, s->n + 1);
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->f->n_params; i++) s->all[at++] = s->f->params[i];
    for (struct ir_op *op = ir_first(s->f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++) s->all[at++] = op->out[i];
    for (uint32_t i = 0; i < s->n; i++) {
        const struct ir_val *v = s->all[i];
        s->all[i]->number = i + 1;
        s->live_only[i] =
            v->type.rows == IR_T && v->def && (ir_ops[v->def->code].traits & IR_ROW) && !v->def->block->owner;
    }
}

static bool op_live_only(struct sink *s, const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (!*flag(s, op->out[i])) return false;
    return op->n_out > 0;
}

/* Codes, sums and scales are never copied row by row: they exist only inside kernels. */
static bool may_copy(const struct ir_val *v) {
    return v->type.elem == IR_ROWS_E || (v->type.elem == IR_F32_E && v->type.rank > 0);
}

static void all_results(struct sink *s, const struct ir_op *op, bool value, bool *changed) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (*flag(s, op->out[i]) != value) {
            *flag(s, op->out[i]) = value;
            *changed = true;
        }
}

/*
 * An element-wise op is not worth moving for its own sake: in front of it stands a contraction that is computed
 * for all rows anyway, and the op belongs in its epilogue.
 */
static bool alone(struct sink *s, const struct ir_op *op) {
    if (!(ir_ops[op->code].traits & (IR_ELT | IR_GROUP | IR_FREE))) return false;
    for (uint32_t i = 0; i < op->n_in; i++)
        if (*flag(s, op->in[i])) return false;
    return true;
}

static void solve(struct sink *s) {
    bool changed = true;
    while (changed) {
        changed = false;
        for (struct ir_op *op = ir_first(s->f); op; op = ir_next(op)) {
            bool wants_live = op->code == IR_OP_live || op_live_only(s, op);
            if (!op_live_only(s, op) || alone(s, op)) all_results(s, op, false, &changed);
            for (uint32_t i = 0; i < op->n_in; i++) {
                struct ir_val *v = op->in[i];
                if (!wants_live && *flag(s, v)) {
                    *flag(s, v) = false;
                    changed = true;
                }
                if (wants_live && op->code != IR_OP_live && v->type.rows == IR_T && !*flag(s, v) && !may_copy(v))
                    all_results(s, op, false, &changed);
            }
        }
        for (uint32_t i = 0; i < s->n; i++) /* what nobody reads is not wanted live */
            if (s->live_only[i] && ir_uses(s->f, s->all[i]) == 0 && s->all[i]->def->n_out == 1) {
                s->live_only[i] = false;
                changed = true;
            }
    }
}

/* The live rows of v, made once, right below v. */
static struct ir_val *live_of(struct sink *s, struct ir_val *v) {
    struct ir_op *below = v->def ? v->def->next : s->f->body->first;
    for (; below && below->code == IR_OP_live; below = below->next)
        if (below->in[0] == v) return below->out[0];
    struct ir_op *live = ir_op_new(s->f, IR_OP_live, v->def ? v->def->loc : s->f->loc, 1, &v, 1);
    live->out[0]->type = v->type;
    live->out[0]->type.rows = IR_L;
    live->out[0]->name = ir_fresh_name(s->f, arena_printf(s->f->module->arena, "%s.l", v->name));
    if (v->def)
        ir_insert_after(v->def, live);
    else
        ir_insert_before(s->f->body->first, live);
    return live->out[0];
}

static bool apply(struct sink *s) {
    bool changed = false;
    for (struct ir_op *op = ir_first(s->f), *next; op; op = next) {
        next = ir_next(op);
        if (op->n_out == 0 || op->out[0]->number == 0 || op->code == IR_OP_live || !op_live_only(s, op)) continue;
        for (uint32_t i = 0; i < op->n_in; i++)
            if (op->in[i]->type.rows == IR_T) op->in[i] = live_of(s, op->in[i]);
        for (uint32_t i = 0; i < op->n_out; i++) op->out[i]->type.rows = IR_L;
        changed = true;
    }
    for (struct ir_op *op = ir_first(s->f), *next; op; op = next) { /* live of what is live now */
        next = ir_next(op);
        if (op->code != IR_OP_live || op->in[0]->type.rows != IR_L) continue;
        ir_replace_uses(s->f, op->out[0], op->in[0]);
        ir_remove(op);
    }
    return changed;
}

static bool sink_in(struct pass_ctx *cx, struct ir_func *f) {
    struct sink s = {.f = f};
    collect(cx, &s);
    solve(&s);
    return apply(&s);
}

/* Every reader of the call's only result is `live`? */
static bool only_live_readers(struct ir_func *f, const struct ir_val *v) {
    bool any = false;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++)
            if (op->in[i] == v) {
                if (op->code != IR_OP_live) return false;
                any = true;
            }
    return any;
}

static bool calls(const struct ir_module *m, const struct ir_func *f) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op))
            for (uint32_t k = 0; k < op->n_func; k++)
                if (op->func[k] == f) return true;
    return false;
}

static bool returns_rows(const struct ir_func *f) {
    const struct ir_val *v = f->body->last->in[0];
    return v->type.rows == IR_T && v->type.elem == IR_F32_E && v->def && ir_ops[v->def->code].group != IR_REGION;
}

static const char *fresh_func_name(const struct ir_module *m, const char *base) {
    const char *name = arena_printf(m->arena, "%s.live", base);
    for (unsigned i = 1; ir_func_find(m, name); i++) name = arena_printf(m->arena, "%s.live.%u", base, i);
    return name;
}

/* layer @f ... : T; live  ->  layer @f.live ... : L */
static bool sink_into_layer(struct pass_ctx *cx, struct ir_module *m, struct ir_func *entry, struct ir_op *call) {
    if (call->code != IR_OP_layer || call->n_out != 1 || !only_live_readers(entry, call->out[0]) ||
        !returns_rows(call->func[0]))
        return false;
    struct ir_func *old = call->func[0];
    struct ir_func *f = ir_func_clone(old, fresh_func_name(m, old->name));
    struct ir_op *ret = f->body->last;
    struct ir_op *live = ir_op_new(f, IR_OP_live, ret->loc, 1, ret->in, 1);
    live->out[0]->type = ret->in[0]->type;
    live->out[0]->type.rows = IR_L;
    ir_insert_before(ret, live);
    ret->in[0] = live->out[0];
    call->func = arena_array(m->arena, struct ir_func *, 1);
    call->func[0] = f;
    call->out[0]->type.rows = IR_L;
    for (struct ir_op *op = ir_first(entry), *next; op; op = next) {
        next = ir_next(op);
        if (op->code != IR_OP_live || op->in[0] != call->out[0]) continue;
        ir_replace_uses(entry, op->out[0], call->out[0]);
        ir_remove(op);
    }
    if (!calls(m, old)) ir_func_remove(m, old);
    sink_in(cx, f);
    return true;
}

bool pass_sink_live_rows(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    for (size_t i = 0; i < m->funcs.n; i++) {
        struct ir_func *f = m->funcs.at[i];
        if (!f->entry) continue;
        changed |= sink_in(cx, f);
        for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
            if (sink_into_layer(cx, m, f, op)) {
                changed = true;
                i = 0; /* functions have moved */
                break;
            }
    }
    return changed;
}
