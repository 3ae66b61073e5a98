/*
 * verify.c -- what must hold of a module beyond the shapes of its ops.  Rules are numbered here and in
 * docs/ir.md:
 *
 *   V1  a value is defined above its use, in the same block or one around it
 *   V2  a layer function ends in ret with values of rows; an entry ends in ret without; a region in yield;
 *       none of them stands elsewhere
 *   V3  names of values are unique in a function, names of functions in the module
 *   V4  the versions of a state form a chain: one `state` op a function, at most one write of a version, and
 *       no reader of a version below the write that replaces it
 *   V5  an entry has one parameter, rows[T]; a function's first parameter is rows[T]
 *   V6  weights and states of a stack are seen from layer functions only
 *   V7  layer and layers call layer functions from an entry, with layer numbers that the stack has
 *   V8  a region holds no state, call, kernel, emit or ret, and yields what it computes; no core needs another
 *       one's result; the cores of a strand have the same outputs; every epilogue op is element-wise, by groups,
 *       a reshape or a write
 *   V9  all matmuls of one weight name the same core
 */
#include "ir/ir.h"
#include "ir/kernel.h"

struct verifier {
    struct diag *d;
    struct arena *a;
    const struct ir_module *m;
    const char *after;
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

static bool defined_above(const struct ir_func *f, const struct ir_op *user, const struct ir_val *v) {
    if (!v->def) return v->index < f->n_params && f->params[v->index] == v;
    struct ir_op *at = ir_in_block((struct ir_op *)user, v->def->block);
    if (!at) return false;
    for (const struct ir_op *op = at->prev; op; op = op->prev)
        if (op == v->def) return true;
    return false;
}

static bool check_op(const struct verifier *v, struct ir_func *f, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (!defined_above(f, op, op->in[i]))
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

static bool check_names(const struct verifier *v, struct ir_func *f) {
    if (ir_func_find(v->m, f->name) != f) return broken(v, f->loc, "V3", "'@%s' is defined twice", f->name);
    VEC(const char *) seen = {0};
    VEC(struct ir_val *) all = {0};
    for (uint32_t i = 0; i < f->n_params; i++) *vec_push(v->a, &all) = f->params[i];
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++) *vec_push(v->a, &all) = op->out[i];
    for (size_t i = 0; i < all.n; i++) {
        for (size_t k = 0; k < seen.n; k++)
            if (seen.at[k] == all.at[i]->name) return broken(v, f->loc, "V3", "'%%%s' is defined twice", seen.at[k]);
        *vec_push(v->a, &seen) = all.at[i]->name;
    }
    return true;
}

static bool reads(const struct ir_op *op, const struct ir_val *v) {
    for (uint32_t i = 0; i < op->n_in; i++)
        if (op->in[i] == v) return true;
    return false;
}

/* After an op has replaced version v, nothing below it may read v. */
static bool check_chain(const struct verifier *v, struct ir_func *f) {
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) {
        if (op->code == IR_OP_state) {
            for (struct ir_op *o = ir_next(op); o; o = ir_next(o))
                if (o->code == IR_OP_state && o->state == op->state)
                    return broken(v, o->loc, "V4", "the state is taken twice");
        }
        if (op->code != IR_OP_write) continue;
        for (struct ir_op *o = ir_next(op); o; o = ir_next(o))
            if (reads(o, op->in[0]))
                return broken(v, o->loc, "V4", "'%%%s' was replaced by '%%%s' above", op->in[0]->name,
                              op->out[0]->name);
    }
    return true;
}

static bool check_params(const struct verifier *v, const struct ir_func *f) {
    const struct ir_type *t = f->n_params ? &f->params[0]->type : NULL;
    if (!t || t->elem != IR_ROWS_E || t->rows != IR_T || t->rank)
        return broken(v, f->loc, "V5", "the first parameter is rows[T]");
    if (f->entry && f->n_params != 1) return broken(v, f->loc, "V5", "an entry has no other parameter than rows[T]");
    return true;
}

static bool check_layer_numbers(const struct verifier *v, const struct ir_op *op) {
    if (!op->n_func) return true;
    int64_t last = op->code == IR_OP_layer ? ir_i64(op, IR_ATTR_index, -1) : ir_i64(op, IR_ATTR_to, 0) - 1;
    for (uint32_t i = 0; i < op->n_func; i++)
        for (struct ir_op *o = ir_first(op->func[i]); o; o = ir_next(o)) {
            uint32_t have = o->weight ? o->weight->layers : o->state ? o->state->layers : 0;
            if (have && (last < 0 || (uint64_t)last >= have))
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
        if (def && def->block == core->block && ir_stage_of(def) != IR_STAGE_PROLOGUE) return true;
    }
    return false;
}

static bool check_kernel(const struct verifier *v, struct ir_op *kernel) {
    struct ir_strands strands;
    for (const struct ir_op *op = kernel->body->first; op; op = op->next) {
        if (ir_is_core(op) && reads_a_core(op))
            return broken(v, op->loc, "V8", "%s needs the result of another core of the region", ir_ops[op->code].name);
        for (uint32_t i = 0; op->code == IR_OP_yield && i < op->n_in; i++)
            if (!op->in[i]->def || op->in[i]->def->block != kernel->body)
                return broken(v, op->loc, "V8", "'%%%s' is yielded, but not computed here", op->in[i]->name);
        if (!allowed_inside(op)) return broken(v, op->loc, "V8", "%s cannot stand in a region", ir_ops[op->code].name);
        uint32_t traits = ir_ops[op->code].traits;
        if (op->code != IR_OP_yield && ir_stage_of(op) == IR_STAGE_EPILOGUE && op->code != IR_OP_write &&
            !(traits & (IR_ELT | IR_GROUP | IR_FREE)))
            return broken(v, op->loc, "V8", "%s cannot be computed on a part of a row", ir_ops[op->code].name);
    }
    ir_strands_of(v->a, kernel, &strands);
    for (size_t i = 0; i < strands.at.n; i++)
        for (size_t k = 0; k < strands.at.at[i].cores.n; k++)
            if (ir_type_elems(&strands.at.at[i].cores.at[k]->out[0]->type) != strands.at.at[i].n)
                return broken(v, kernel->loc, "V8", "cores that meet in one epilogue have the same number of outputs");
    return true;
}

static bool check_func(const struct verifier *v, struct ir_func *f) {
    if (!check_params(v, f) || !check_ends(v, f) || !check_names(v, f)) return false;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        if (!check_op(v, f, op) || !check_layer_numbers(v, op) || (op->body && !check_kernel(v, op))) return false;
    return check_chain(v, f);
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

bool ir_verify(struct diag *d, const struct ir_module *m, const char *after) {
    struct verifier v = {.d = d, .a = arena_new(), .m = m, .after = after};
    bool ok = true;
    for (size_t i = 0; ok && i < m->funcs.n; i++) ok = check_func(&v, m->funcs.at[i]);
    ok = ok && check_cores(&v);
    arena_free(v.a);
    return ok;
}
