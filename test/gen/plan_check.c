/*
 * plan_check.c -- runs a function over an imagined arena in which every byte has an owner.
 *
 * An op first writes all it makes, then reads all it reads, as its threads do both at once: a value that was
 * written over before a reader ran has lost its place.  A call writes over the whole frame of the functions it
 * calls.  Nothing is taken from plan-memory or ir/kernel.c: sizes and stages are worked out here again.
 */
#include "test/gen/plan_check.h"

#include <inttypes.h>

struct owned {
    const struct ir_val *v;    /* NULL: the frame of a called function */
    uint64_t from, to;         /* bytes */
    const struct ir_val *lost; /* who wrote over it; v itself: a called function */
};

struct sim {
    struct arena *a;
    const struct ir_module *m;
    const struct ir_func *f;
    VEC(struct owned) all;
    const char *wrong;
};

static bool wrong(struct sim *s, const struct ir_val *v, const char *what) {
    if (!s->wrong) s->wrong = arena_printf(s->a, "@%s: %%%s %s", s->f->name, v->name, what);
    return false;
}

static uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/* docs of a row in memory: ir/kernel.h */
static uint64_t size_of(const struct sim *s, const struct ir_val *v) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < v->type.rank; i++) n *= v->type.dim[i];
    uint64_t row = v->type.elem == IR_I8 ? round_up(n, 64) + 64 : v->type.rank == 0 ? 4 : 4 * round_up(n, 32);
    uint64_t copies = v->def->code == IR_OP_layers ? 2 : 1;
    return s->m->max_rows * row * copies;
}

static bool in_memory(const struct ir_val *v) {
    return v->type.elem == IR_F32_E || v->type.elem == IR_I8 || v->type.elem == IR_I32;
}

static bool is_core(const struct ir_op *op) { return ir_ops[op->code].traits & IR_SUM || op->code == IR_OP_attend; }

static bool behind_core(const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++) {
        const struct ir_op *def = op->in[i]->def;
        if (def && def->block == op->block && (is_core(def) || behind_core(def))) return true;
    }
    return false;
}

static bool before_core(const struct ir_op *op) {
    for (const struct ir_op *o = op->next; o; o = o->next)
        for (uint32_t i = 0; i < o->n_in; i++)
            if (o->in[i]->def == op && (is_core(o) || before_core(o))) return !behind_core(op);
    return false;
}

/* Inside a region: made before the core, read by core or epilogue. */
static bool crosses(const struct ir_val *v) {
    if (is_core(v->def) || !before_core(v->def)) return false;
    for (const struct ir_op *o = v->def->next; o; o = o->next)
        for (uint32_t i = 0; i < o->n_in; i++)
            if (o->in[i] == v && o->code != IR_OP_yield && (is_core(o) || !before_core(o))) return true;
    return false;
}

/* The value whose bytes v is: other shapes at the top level are the same bytes. */
static const struct ir_val *root(const struct ir_val *v) {
    for (const struct ir_op *def = v->def; def && def->code == IR_OP_reshape && def->block && !def->block->owner;
         def = v->def)
        v = def->in[0];
    return v;
}

/* Parameters and results of a layer lie where the caller says. */
static bool callers(const struct sim *s, const struct ir_val *v) {
    if (!v->def) return true;
    const struct ir_op *ret = s->f->body->last;
    for (uint32_t i = 0; i < ret->n_in; i++)
        if (ret->in[i] == v) return true;
    return false;
}

/* ---- the arena ---- */

static void own(struct sim *s, const struct ir_val *v, uint64_t from, uint64_t to) {
    for (size_t i = 0; i < s->all.n; i++) {
        struct owned *o = &s->all.at[i];
        if (o->from < to && from < o->to && o->v != v) o->lost = v ? v : o->v;
    }
    *vec_push(s->a, &s->all) = (struct owned){.v = v, .from = from, .to = to};
}

static bool written(struct sim *s, const struct ir_val *v, bool needed) {
    if (v->place < 0) return needed ? wrong(s, v, "has no place") : true;
    uint64_t from = (uint64_t)v->place, to = from + size_of(s, v);
    if (from < 64 || from % 64) return wrong(s, v, arena_printf(s->a, "begins at %" PRIu64, from));
    if (to > s->f->frame)
        return wrong(s, v, arena_printf(s->a, "ends at %" PRIu64 ", behind the frame of %" PRIu64, to, s->f->frame));
    own(s, v, from, to);
    return true;
}

static bool intact(struct sim *s, const struct ir_val *v, const struct ir_op *reader) {
    const struct ir_val *r = root(v);
    if (!in_memory(r) || callers(s, r)) return true;
    if (v != r && v->place != r->place) return wrong(s, v, "is another shape of a value elsewhere");
    for (size_t i = s->all.n; i-- > 0;) {
        const struct owned *o = &s->all.at[i];
        if (o->v != r) continue;
        if (!o->lost) return true;
        const char *by = o->lost == r ? "a called function" : o->lost->name;
        return wrong(s, v,
                     arena_printf(s->a, "is read by %s and was written over by %s", ir_ops[reader->code].name, by));
    }
    return wrong(s, v, "is read, and was never written");
}

/* ---- ops ---- */

static bool write_results(struct sim *s, const struct ir_op *op) {
    bool alias = op->code == IR_OP_reshape && !op->block->owner;
    for (uint32_t i = 0; i < op->n_out && !alias; i++) {
        const struct ir_val *v = op->out[i];
        if (!in_memory(v)) continue;
        if (!s->f->entry && callers(s, v)) {
            if (v->place >= 0) return wrong(s, v, "is a result of its layer and has a place of its own");
        } else if (!written(s, v, true)) {
            return false;
        }
    }
    return true;
}

static bool write_inside(struct sim *s, const struct ir_op *kernel) {
    for (const struct ir_op *op = kernel->body->first; op; op = op->next)
        for (uint32_t i = 0; i < op->n_out; i++)
            if (in_memory(op->out[i]) && !written(s, op->out[i], crosses(op->out[i]))) return false;
    return true;
}

/* A called function has the bytes from its first place to the end of its frame. */
static void write_frame(struct sim *s, const struct ir_func *f) {
    uint64_t from = UINT64_MAX;
    for (struct ir_op *op = ir_first((struct ir_func *)f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++)
            if (op->out[i]->place >= 0 && (uint64_t)op->out[i]->place < from) from = (uint64_t)op->out[i]->place;
    if (from < f->frame) own(s, NULL, from, f->frame);
}

static bool results_intact(struct sim *s, const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (!intact(s, op->out[i], op)) return false;
    return true;
}

static bool read_operands(struct sim *s, const struct ir_op *op, const struct ir_block *region) {
    for (uint32_t i = 0; i < op->n_in; i++) {
        const struct ir_val *v = op->in[i];
        bool inner = v->def && v->def->block == region;
        if (!inner ? !intact(s, v, op) : crosses(v) && op->code != IR_OP_yield && !intact(s, v, op)) return false;
    }
    return true;
}

static bool step(struct sim *s, const struct ir_op *op) {
    if (!write_results(s, op) || (op->body && !write_inside(s, op))) return false;
    for (uint32_t i = 0; i < op->n_func; i++) write_frame(s, op->func[i]);
    if (!results_intact(s, op)) return false;
    if (op->body)
        for (const struct ir_op *in = op->body->first; in; in = in->next)
            if (!read_operands(s, in, op->body)) return false;
    return read_operands(s, op, NULL);
}

const char *plan_check(struct arena *a, const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++) {
        struct sim s = {.a = a, .m = m, .f = m->funcs.at[i]};
        for (const struct ir_op *op = s.f->body->first; op; op = op->next)
            if (!step(&s, op)) return s.wrong;
    }
    return NULL;
}
