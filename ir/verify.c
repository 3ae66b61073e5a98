/*
 * verify.c -- what must hold of a module beyond the shapes of its ops.  Rules are numbered here and in
 * docs/ir.md:
 *
 *   V1  a value is defined above its use, in the same block or one around it
 *   V2  a layer function ends in ret with values of rows; an entry ends in ret without; a region in yield;
 *       none of them stands elsewhere
 *   V3  names of values are unique in a function, names of functions in the module, names that an entry emits in it
 *   V4  the versions of a state form a chain: one `state` op a function, at most one write of a version, and
 *       no reader of a version below the write that replaces it
 *   V5  an entry has one parameter, rows[T]; a function's first parameter is rows[T], the others and what it
 *       returns are numbers of rows
 *   V6  weights and states of a stack are seen from layer functions only
 *   V7  layer and layers call layer functions from an entry, with layer numbers that the stack has, below 65536
 *   V8  a region holds no state, call, kernel, emit or ret, and yields what it computes; no core needs another
 *       one's result; an attend is the only core; in a region with a core every op needs one or is needed by one;
 *       the cores of a strand have the same outputs; every epilogue op is element-wise, by groups, a reshape or a
 *       write
 *   V9  all matmuls of one weight name the same core
 *   V10 weights and states of one stack have as many layers
 *   V11 sizes: what IR_MAX_* of ir.h say
 *
 * Every check takes time in proportion to the module: texts may be a stranger's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ir/ir.h"
#include "ir/kernel.h"

struct verifier {
    struct diag *d;
    struct arena *a;
    const struct ir_module *m;
    const char *after;
    uint32_t *layers; /* see find_layers */
};

static bool broken(const struct verifier *v, struct loc loc, const char *rule, const char *fmt, ...) PRINTF_LIKE(4, 5);
static bool broken(const struct verifier *v, struct loc loc, const char *rule, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    diag_at(v->d, loc, DIAG_IR_RULE, rule, arena_vprintf(v->a, fmt, ap));
    va_end(ap);
    if (v->after) diag_note(v->d, loc, "after %s", v->after);
    return false;
}

/* Ops above the one looked at, in its block or one around it, have the number 1. */
static bool defined_above(const struct ir_func *f, const struct ir_val *v) {
    if (!v->def) return v->index < f->n_params && f->params[v->index] == v;
    return v->def->block && v->def->block->func == f && v->def->number == 1;
}

static bool check_op(const struct verifier *v, struct ir_func *f, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (!defined_above(f, op->in[i]))
            return broken(v, op->loc, "V1", "'%%%s' is not defined above its use", op->in[i]->name);
    uint32_t layers = op->weight ? op->weight->layers : op->state ? op->state->layers : 0;
    if (layers && f->entry)
        return broken(v, op->loc, "V6", "'@%s' belongs to a stack", op->weight ? op->weight->name : op->state->name);
    if (op->n_func) {
        if (!f->entry) return broken(v, op->loc, "V7", "layers are called from an entry");
        for (uint32_t i = 0; i < op->n_func; i++)
            if (op->func[i]->entry) return broken(v, op->loc, "V7", "an entry is not a layer");
    }
    return ir_infer(v->d, op);
}

static bool check_ends(const struct verifier *v, struct ir_func *f) {
    const struct ir_op *last = f->body->last;
    if (!last || last->code != IR_OP_ret || (f->entry ? last->n_in != 0 : last->n_in == 0))
        return broken(v, f->loc, "V2", "'@%s' does not end in ret as it should", f->name);
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) {
        bool inside = op->block->owner != NULL;
        if (op->code == IR_OP_ret && (inside || op->next))
            return broken(v, op->loc, "V2", "ret stands at the end of a function");
        if (op->code == IR_OP_yield && (!inside || op->next))
            return broken(v, op->loc, "V2", "yield stands at the end of a region");
        if (op->code == IR_OP_emit && !f->entry) return broken(v, op->loc, "V2", "only an entry emits");
    }
    return true;
}

/* Sets the name that stands for this; false: it stood for something. */
static bool name_is_new(const struct verifier *v, struct name_map *seen, const char *name) {
    if (name_map_find(seen, name)) return false;
    name_map_set(v->a, seen, name, seen);
    return true;
}

static bool check_func_names(const struct verifier *v) {
    struct name_map seen = {0};
    for (size_t i = 0; i < v->m->funcs.n; i++) {
        const struct ir_func *f = v->m->funcs.at[i];
        if (!name_is_new(v, &seen, f->name)) return broken(v, f->loc, "V3", "'@%s' is defined twice", f->name);
    }
    return true;
}

static bool check_names(const struct verifier *v, struct ir_func *f) {
    struct name_map seen = {0}, emitted = {0};
    for (uint32_t i = 0; i < f->n_params; i++)
        if (!name_is_new(v, &seen, f->params[i]->name))
            return broken(v, f->loc, "V3", "'%%%s' is defined twice", f->params[i]->name);
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) {
        for (uint32_t i = 0; i < op->n_out; i++)
            if (!name_is_new(v, &seen, op->out[i]->name))
                return broken(v, f->loc, "V3", "'%%%s' is defined twice", op->out[i]->name);
        const char *name = op->code == IR_OP_emit ? ir_name_attr(op, IR_ATTR_name) : NULL;
        if (name && !name_is_new(v, &emitted, name)) return broken(v, op->loc, "V3", "'%s' is emitted twice", name);
    }
    return true;
}

/* A version's number is that of the write which has replaced it, from 1 on; 0: none. */
struct chains {
    const struct ir_op **taken; /* by state */
    VEC(const struct ir_op *) writes;
};

static bool check_version(const struct verifier *v, struct chains *c, const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i]->number)
            return broken(v, op->loc, "V4", "'%%%s' was replaced by '%%%s' above", op->in[i]->name,
                          c->writes.at[op->in[i]->number - 1]->out[0]->name);
    if (op->code == IR_OP_state) {
        if (c->taken[op->state->id]) return broken(v, op->loc, "V4", "the state is taken twice");
        c->taken[op->state->id] = op;
    }
    if (op->code != IR_OP_write) return true;
    *vec_push(v->a, &c->writes) = op;
    op->in[0]->number = (uint32_t)c->writes.n;
    return true;
}

/* After an op has replaced a version, nothing below it may read that version. */
static bool check_chain(const struct verifier *v, struct ir_func *f) {
    struct chains c = {.taken = arena_array(v->a, const struct ir_op *, v->m->states.n)};
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++) op->in[i]->number = 0;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        if (!check_version(v, &c, op)) return false;
    return true;
}

static bool is_number(const struct ir_type *t) {
    return t->rows != IR_NO_ROWS && (t->elem == IR_F32_E || t->elem == IR_I8 || t->elem == IR_I32);
}

static bool check_params(const struct verifier *v, const struct ir_func *f) {
    const struct ir_type *t = f->n_params ? &f->params[0]->type : NULL;
    if (!t || t->elem != IR_ROWS_E || t->rows != IR_T || t->rank)
        return broken(v, f->loc, "V5", "the first parameter is rows[T]");
    if (f->entry && f->n_params != 1) return broken(v, f->loc, "V5", "an entry has no other parameter than rows[T]");
    for (uint32_t i = 1; i < f->n_params; i++)
        if (!is_number(&f->params[i]->type))
            return broken(v, f->loc, "V5", "'%%%s' is not f32, i8 or i32 of rows", f->params[i]->name);
    for (uint32_t i = 0; i < f->body->last->n_in; i++)
        if (!is_number(&f->body->last->in[i]->type))
            return broken(v, f->body->last->loc, "V5", "'%%%s' is not f32, i8 or i32 of rows",
                          f->body->last->in[i]->name);
    return true;
}

/* The layers that a function can be called for: those of the smallest stack that it sees, by the function's number. */
static void find_layers(struct verifier *v) {
    v->layers = arena_array(v->a, uint32_t, v->m->funcs.n);
    for (size_t i = 0; i < v->m->funcs.n; i++) {
        v->layers[i] = IR_MAX_LAYERS;
        v->m->funcs.at[i]->number = (uint32_t)i;
        for (struct ir_op *op = ir_first(v->m->funcs.at[i]); op; op = ir_next(op)) {
            uint32_t have = op->weight ? op->weight->layers : op->state ? op->state->layers : 0;
            if (have && have < v->layers[i]) v->layers[i] = have;
        }
    }
}

static bool check_layer_numbers(const struct verifier *v, const struct ir_op *op) {
    if (!op->n_func) return true;
    int64_t last = op->code == IR_OP_layer ? ir_i64(op, IR_ATTR_index, -1) : ir_i64(op, IR_ATTR_to, 0) - 1;
    for (uint32_t i = 0; i < op->n_func; i++) {
        uint32_t have = v->layers[op->func[i]->number];
        if (last < 0 || last >= have)
            return broken(v, op->loc, "V7", "layer %lld is not among the stack's %u", (long long)last, have);
    }
    return true;
}

static bool allowed_inside(const struct ir_op *op) {
    switch (ir_ops[op->code].group) {
    case IR_CALL:
    case IR_REGION: return false;
    case IR_END: return op->code == IR_OP_yield;
    case IR_STATE: return op->code != IR_OP_state;
    case IR_ROWS:
    case IR_REDUCE:
    case IR_CONTRACT:
    case IR_ELTWISE:
    case IR_GROUP_: return true;
    }
    return false;
}

/* The core's operands are whole rows, and another core's result is complete only after the kernel. */
static bool reads_a_core(const struct ir_op *core) {
    for (uint32_t i = 0; i < core->n_in; i++) {
        const struct ir_op *def = core->in[i]->def;
        if (def && def->block == core->block && def->stage != IR_STAGE_PROLOGUE) return true;
    }
    return false;
}

static bool check_kernel(const struct verifier *v, struct ir_op *kernel) {
    struct ir_strands strands;
    uint32_t cores = 0, attends = 0;
    size_t epilogue = 0; /* ops */
    ir_find_stages(kernel->body);
    for (const struct ir_op *op = kernel->body->first; op; op = op->next) {
        if (ir_is_core(op) && reads_a_core(op))
            return broken(v, op->loc, "V8", "%s needs the result of another core of the region", ir_ops[op->code].name);
        cores += ir_is_core(op);
        attends += op->code == IR_OP_attend;
        epilogue += op->stage == IR_STAGE_EPILOGUE && op->code != IR_OP_yield;
        if (attends && cores > 1) return broken(v, op->loc, "V8", "attend is the only core of a region");
        for (uint32_t i = 0; op->code == IR_OP_yield && i < op->n_in; i++)
            if (!op->in[i]->def || op->in[i]->def->block != kernel->body)
                return broken(v, op->loc, "V8", "'%%%s' is yielded, but not computed here", op->in[i]->name);
        if (!allowed_inside(op)) return broken(v, op->loc, "V8", "%s cannot stand in a region", ir_ops[op->code].name);
        uint32_t traits = ir_ops[op->code].traits;
        if (op->code != IR_OP_yield && op->stage == IR_STAGE_EPILOGUE && op->code != IR_OP_write &&
            !(traits & (IR_ELT | IR_GROUP | IR_FREE)))
            return broken(v, op->loc, "V8", "%s cannot be computed on a part of a row", ir_ops[op->code].name);
    }
    ir_strands_of(v->a, kernel, &strands);
    for (size_t i = 0; i < strands.at.n; i++) {
        epilogue -= strands.at.at[i].ops.n;
        for (size_t k = 0; k < strands.at.at[i].cores.n; k++)
            if (ir_type_elems(&strands.at.at[i].cores.at[k]->out[0]->type) != strands.at.at[i].n)
                return broken(v, kernel->loc, "V8", "cores that meet in one epilogue have the same number of outputs");
    }
    return epilogue == 0 ||
           broken(v, kernel->loc, "V8", "an op of the region neither needs a core nor is needed by one");
}

static bool check_block(const struct verifier *v, struct ir_func *f, struct ir_block *b) {
    for (struct ir_op *op = b->first; op; op = op->next) op->number = 0;
    for (struct ir_op *op = b->first; op; op = op->next) {
        if (!check_op(v, f, op) || !check_layer_numbers(v, op)) return false;
        if (op->body && (!check_kernel(v, op) || !check_block(v, f, op->body))) return false;
        op->number = 1;
    }
    for (struct ir_op *op = b->first; b->owner && op; op = op->next) op->number = 0;
    return true;
}

static bool check_func(const struct verifier *v, struct ir_func *f) {
    struct arena_mark mark = arena_save(v->a);
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) op->number = 0;
    bool ok =
        check_ends(v, f) && check_params(v, f) && check_names(v, f) && check_block(v, f, f->body) && check_chain(v, f);
    arena_restore(v->a, mark);
    return ok;
}

static bool check_cores(const struct verifier *v) {
    const struct ir_op **first = arena_array(v->a, const struct ir_op *, v->m->weights.n); /* matmul, by weight */
    for (size_t i = 0; i < v->m->funcs.n; i++)
        for (struct ir_op *op = ir_first(v->m->funcs.at[i]); op; op = ir_next(op)) {
            if (op->code != IR_OP_matmul && op->code != IR_OP_gmatmul) continue;
            const struct ir_op **f = &first[op->weight->id];
            if (!*f) *f = op;
            if (ir_core_of(*f) != ir_core_of(op))
                return broken(v, op->loc, "V9", "core %s of '@%s' is %s elsewhere", ir_cores[ir_core_of(op)].name,
                              op->weight->name, ir_cores[ir_core_of(*f)].name);
        }
    return true;
}

/* ---- weights and states ---- */

struct class {
    const char *name;
    struct loc loc;
    uint32_t layers, positions, rank;
    const uint32_t *dim;
};

static bool check_size(const struct verifier *v, const struct class *c) {
    const char *problem = ir_size_problem(c->layers, c->positions, c->rank, c->dim);
    return !problem || broken(v, c->loc, "V11", "'@%s' has %s", c->name, problem);
}

/* A stack's name is the first part of the class's; the first class of each stack stands for it. */
static bool check_stack(const struct verifier *v, struct name_map *stacks, struct class *c) {
    const char *stack = name_of_n(v->m->names, c->name, strcspn(c->name, "."));
    const struct class *first = name_map_find(stacks, stack);
    if (!c->layers) return true;
    if (!first) name_map_set(v->a, stacks, stack, c);
    return !first || first->layers == c->layers ||
           broken(v, c->loc, "V10", "'@%s' has %u layers, '@%s' of the same stack %u", c->name, c->layers, first->name,
                  first->layers);
}

static bool check_classes(const struct verifier *v) {
    const struct ir_module *m = v->m;
    struct name_map stacks = {0};
    if (m->weights.n > IR_MAX_CLASSES || m->states.n > IR_MAX_CLASSES)
        return broken(v, (struct loc){0}, "V11", "more than %d weights or states", IR_MAX_CLASSES);
    struct class *all = arena_array(v->a, struct class, m->weights.n + m->states.n), *c = all;
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        *c++ = (struct class){w->name, w->loc, w->layers, 1, w->rank, w->dim};
    }
    for (size_t i = 0; i < m->states.n; i++) {
        const struct ir_state *s = m->states.at[i];
        *c++ = (struct class){s->name, s->loc, s->layers, m->context ? m->context : 1, s->rank, s->dim};
    }
    for (c = all; c < all + m->weights.n + m->states.n; c++)
        if (!check_size(v, c) || !check_stack(v, &stacks, c)) return false;
    return true;
}

bool ir_verify(struct diag *d, const struct ir_module *m, const char *after) {
    struct verifier v = {.d = d, .a = arena_new(), .m = m, .after = after};
    bool ok = check_classes(&v) && check_func_names(&v);
    if (ok) find_layers(&v);
    for (size_t i = 0; ok && i < m->funcs.n; i++) ok = check_func(&v, m->funcs.at[i]);
    ok = ok && check_cores(&v);
    arena_free(v.a);
    return ok;
}
