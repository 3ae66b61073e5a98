/* build.c -- making and rewiring modules, functions, ops and values. */
#include <string.h>

#include "ir/ir.h"

struct ir_module *ir_module_new(struct arena *a, struct names *names, const char *name) {
    struct ir_module *m = arena_one(a, struct ir_module);
    m->arena = a;
    m->names = names;
    m->name = name_of(names, name);
    m->max_rows = 128; /* a tile is unpacked once for so many; twice as many codes of a deep matrix no longer fit an L2
                          of 2 MiB */
    return m;
}

struct ir_weight *ir_weight_add(struct ir_module *m, const char *name) {
    struct ir_weight *w = arena_one(m->arena, struct ir_weight);
    w->name = name_of(m->names, name);
    w->id = (uint32_t)m->weights.n;
    *vec_push(m->arena, &m->weights) = w;
    return w;
}

struct ir_state *ir_state_add(struct ir_module *m, const char *name) {
    struct ir_state *s = arena_one(m->arena, struct ir_state);
    s->name = name_of(m->names, name);
    s->id = (uint32_t)m->states.n;
    *vec_push(m->arena, &m->states) = s;
    return s;
}

struct ir_weight *ir_weight_find(const struct ir_module *m, const char *name) {
    for (size_t i = 0; i < m->weights.n; i++)
        if (strcmp(m->weights.at[i]->name, name) == 0) return m->weights.at[i];
    return NULL;
}

struct ir_state *ir_state_find(const struct ir_module *m, const char *name) {
    for (size_t i = 0; i < m->states.n; i++)
        if (strcmp(m->states.at[i]->name, name) == 0) return m->states.at[i];
    return NULL;
}

struct ir_func *ir_func_find(const struct ir_module *m, const char *name) {
    for (size_t i = 0; i < m->funcs.n; i++)
        if (strcmp(m->funcs.at[i]->name, name) == 0) return m->funcs.at[i];
    return NULL;
}

struct ir_block *ir_block_new(struct ir_func *f, struct ir_op *owner) {
    struct ir_block *b = arena_one(f->module->arena, struct ir_block);
    b->func = f;
    b->owner = owner;
    return b;
}

struct ir_func *ir_func_add(struct ir_module *m, const char *name, bool entry) {
    struct ir_func *f = arena_one(m->arena, struct ir_func);
    f->name = name_of(m->names, name);
    f->entry = entry;
    f->module = m;
    f->body = ir_block_new(f, NULL);
    *vec_push(m->arena, &m->funcs) = f;
    return f;
}

void ir_func_remove(struct ir_module *m, struct ir_func *f) {
    size_t at = 0;
    while (at < m->funcs.n && m->funcs.at[at] != f) at++;
    if (at == m->funcs.n) BUG("function '%s' is not in the module", f->name);
    memmove(&m->funcs.at[at], &m->funcs.at[at + 1], (m->funcs.n - 1 - at) * sizeof(struct ir_func *));
    m->funcs.n--;
}

/* ---- names of values ---- */

/* Which of base, base.1 ... base.n have a value. */
struct taken {
    const char *base;
    size_t length;
    uint32_t n;
    bool *at;
};

static void take(struct taken *t, const char *name) {
    uint64_t i = 0;
    if (!name || strncmp(name, t->base, t->length) != 0) return;
    const char *end = name + t->length;
    bool number = end[0] == '.' && end[1] != '0' && read_u64(end + 1, t->n, &i);
    if (number || !*end) t->at[i] = true;
}

/* The first of hint, hint.1 ... that is not taken, by one walk over the function: there may be thousands. */
const char *ir_fresh_name(struct ir_func *f, const char *hint) {
    struct arena *a = f->module->arena;
    struct taken t = {.base = name_of(f->module->names, hint && *hint ? hint : "v"), .n = f->n_params};
    struct arena_mark mark = arena_save(a);
    uint32_t first = 0;
    t.length = strlen(t.base);
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) t.n += op->n_out;
    t.at = arena_array(a, bool, (size_t)t.n + 1);
    for (uint32_t i = 0; i < f->n_params; i++) take(&t, f->params[i]->name);
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++) take(&t, op->out[i] ? op->out[i]->name : NULL);
    while (t.at[first]) first++;
    arena_restore(a, mark);
    return first ? name_of(f->module->names, arena_printf(a, "%s.%u", t.base, first)) : t.base;
}

static struct ir_val *val_new(struct ir_func *f, const char *name, struct ir_type t) {
    struct ir_val *v = arena_one(f->module->arena, struct ir_val);
    v->name = name;
    v->type = t;
    v->place = -1;
    return v;
}

struct ir_val *ir_param_add(struct ir_func *f, const char *name, struct ir_type t) {
    struct ir_val *v = val_new(f, ir_fresh_name(f, name), t);
    struct ir_val **params = arena_array(f->module->arena, struct ir_val *, f->n_params + 1);
    if (f->n_params) memcpy(params, f->params, f->n_params * sizeof *params);
    v->index = f->n_params;
    params[f->n_params++] = v;
    f->params = params;
    return v;
}

/* ---- ops ---- */

struct ir_op *ir_op_new(struct ir_func *f, enum ir_opcode code, struct loc loc, uint32_t n_in, struct ir_val *const *in,
                        uint32_t n_out) {
    struct arena *a = f->module->arena;
    struct ir_op *op = arena_one(a, struct ir_op);
    op->code = code;
    op->loc = loc;
    op->n_in = n_in;
    op->in = arena_array(a, struct ir_val *, n_in + 1);
    for (uint32_t i = 0; i < n_in; i++) op->in[i] = in[i];
    op->out = arena_array(a, struct ir_val *, n_out + 1);
    for (uint32_t i = 0; i < n_out; i++) {
        struct ir_val *v = val_new(f, NULL, (struct ir_type){.elem = IR_NONE});
        v->def = op;
        v->index = i;
        op->out[i] = v;
    }
    op->n_out = n_out;
    return op;
}

void ir_operand_add(struct ir_op *op, struct ir_val *v) {
    struct arena *a = op->block ? op->block->func->module->arena : NULL;
    if (!a) BUG("operand added to an op outside any block");
    struct ir_val **in = arena_array(a, struct ir_val *, op->n_in + 1);
    if (op->n_in) memcpy(in, op->in, op->n_in * sizeof *in);
    in[op->n_in++] = v;
    op->in = in;
}

struct ir_val *ir_result_add(struct ir_func *f, struct ir_op *op, const char *name, struct ir_type t) {
    struct ir_val **out = arena_array(f->module->arena, struct ir_val *, op->n_out + 1);
    if (op->n_out) memcpy(out, op->out, op->n_out * sizeof *out);
    struct ir_val *v = val_new(f, ir_fresh_name(f, name), t);
    v->def = op;
    v->index = op->n_out;
    out[op->n_out++] = v;
    op->out = out;
    return v;
}

/* Results made without a name get one when the op enters a function. */
static void name_results(struct ir_block *b, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (!op->out[i]->name) op->out[i]->name = ir_fresh_name(b->func, ir_ops[op->code].name);
}

void ir_append(struct ir_block *b, struct ir_op *op) {
    name_results(b, op);
    op->block = b;
    op->prev = b->last;
    op->next = NULL;
    if (b->last)
        b->last->next = op;
    else
        b->first = op;
    b->last = op;
}

void ir_insert_before(struct ir_op *at, struct ir_op *op) {
    struct ir_block *b = at->block;
    name_results(b, op);
    op->block = b;
    op->next = at;
    op->prev = at->prev;
    if (at->prev)
        at->prev->next = op;
    else
        b->first = op;
    at->prev = op;
}

void ir_insert_after(struct ir_op *at, struct ir_op *op) {
    if (at->next)
        ir_insert_before(at->next, op);
    else
        ir_append(at->block, op);
}

void ir_remove(struct ir_op *op) {
    struct ir_block *b = op->block;
    if (op->prev)
        op->prev->next = op->next;
    else
        b->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        b->last = op->prev;
    op->prev = op->next = NULL;
    op->block = NULL;
}

/* ---- attributes ---- */

const struct ir_attr *ir_attr_get(const struct ir_op *op, enum ir_attr_id id) {
    for (uint32_t i = 0; i < op->n_attr; i++)
        if (op->attr[i].id == id) return &op->attr[i];
    return NULL;
}

static struct ir_attr *attr_slot(struct ir_op *op, enum ir_attr_id id, enum ir_attr_kind kind) {
    if (ir_attrs[id].kind != kind) BUG("attribute %s has another kind", ir_attrs[id].name);
    struct ir_attr *at = (struct ir_attr *)ir_attr_get(op, id);
    if (!at) {
        if (op->n_attr == IR_MAX_ATTRS) BUG("%s: too many attributes", ir_ops[op->code].name);
        at = &op->attr[op->n_attr++];
        at->id = id;
    }
    return at;
}

void ir_set_i64(struct ir_op *op, enum ir_attr_id id, int64_t v) { attr_slot(op, id, IR_I64)->i = v; }
void ir_set_f32(struct ir_op *op, enum ir_attr_id id, float v) { attr_slot(op, id, IR_F32)->f32 = v; }
void ir_set_f64(struct ir_op *op, enum ir_attr_id id, double v) { attr_slot(op, id, IR_F64)->f64 = v; }
void ir_set_name(struct ir_op *op, enum ir_attr_id id, const char *v) { attr_slot(op, id, IR_NAME)->name = v; }

int64_t ir_i64(const struct ir_op *op, enum ir_attr_id id, int64_t absent) {
    const struct ir_attr *a = ir_attr_get(op, id);
    return a ? a->i : absent;
}
float ir_f32(const struct ir_op *op, enum ir_attr_id id) {
    const struct ir_attr *a = ir_attr_get(op, id);
    if (!a) BUG("%s without %s", ir_ops[op->code].name, ir_attrs[id].name);
    return a->f32;
}
double ir_f64(const struct ir_op *op, enum ir_attr_id id) {
    const struct ir_attr *a = ir_attr_get(op, id);
    if (!a) BUG("%s without %s", ir_ops[op->code].name, ir_attrs[id].name);
    return a->f64;
}
const char *ir_name_attr(const struct ir_op *op, enum ir_attr_id id) {
    const struct ir_attr *a = ir_attr_get(op, id);
    return a ? a->name : NULL;
}

/* ---- walking and uses ---- */

struct ir_op *ir_first(struct ir_func *f) { return f->body->first; }

struct ir_op *ir_next(struct ir_op *op) {
    if (op->body && op->body->first) return op->body->first;
    while (op && !op->next) op = op->block ? op->block->owner : NULL;
    return op ? op->next : NULL;
}

uint32_t ir_uses(struct ir_func *f, const struct ir_val *v) {
    uint32_t n = 0;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++) n += op->in[i] == v;
    return n;
}

void ir_replace_uses(struct ir_func *f, struct ir_val *from, struct ir_val *to) {
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_in; i++)
            if (op->in[i] == from) op->in[i] = to;
}

struct ir_op *ir_in_block(struct ir_op *op, const struct ir_block *b) {
    while (op && op->block != b) op = op->block ? op->block->owner : NULL;
    return op;
}

struct ir_op *ir_emitted(const struct ir_func *entry) {
    struct ir_op *first = NULL;
    for (struct ir_op *op = entry->body->first; op; op = op->next) {
        if (op->code != IR_OP_emit) continue;
        if (!strcmp(ir_name_attr(op, IR_ATTR_name), "logits")) return op;
        if (!first) first = op;
    }
    return first;
}
