/* clone.c -- copies of functions and ops within a module. */
#include <string.h>

#include "ir/ir.h"

struct mapping {
    struct ir_val **from, **to;
    uint32_t n;
};

static struct ir_val *mapped(const struct mapping *map, struct ir_val *v) {
    for (uint32_t i = 0; i < map->n; i++)
        if (map->from[i] == v) return map->to[i];
    return v;
}

static uint32_t count_values(struct ir_func *f) {
    uint32_t n = f->n_params;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op)) n += op->n_out;
    return n;
}

static void remember(struct mapping *map, struct ir_val *from, struct ir_val *to) {
    map->from[map->n] = from;
    map->to[map->n++] = to;
}

static void clone_block(struct mapping *map, struct ir_func *into, struct ir_block *to, const struct ir_block *from) {
    for (struct ir_op *op = from->first; op; op = op->next) {
        struct ir_op *copy = ir_op_new(into, op->code, op->loc, op->n_in, op->in, op->n_out);
        for (uint32_t i = 0; i < op->n_in; i++) copy->in[i] = mapped(map, op->in[i]);
        memcpy(copy->attr, op->attr, sizeof op->attr);
        copy->n_attr = op->n_attr;
        copy->weight = op->weight;
        copy->state = op->state;
        copy->func = op->func;
        copy->n_func = op->n_func;
        for (uint32_t i = 0; i < op->n_out; i++) {
            copy->out[i]->name = op->out[i]->name;
            copy->out[i]->type = op->out[i]->type;
            copy->out[i]->place = op->out[i]->place;
        }
        ir_append(to, copy);
        if (op->body) {
            copy->body = ir_block_new(into, copy);
            clone_block(map, into, copy->body, op->body);
        }
        for (uint32_t i = 0; i < op->n_out; i++) remember(map, op->out[i], copy->out[i]);
    }
}

struct ir_func *ir_func_clone(struct ir_func *f, const char *name) {
    struct ir_module *m = f->module;
    struct ir_func *copy = ir_func_add(m, name, f->entry);
    uint32_t n = count_values(f);
    struct mapping map = {arena_array(m->arena, struct ir_val *, n + 1), arena_array(m->arena, struct ir_val *, n + 1),
                          0};
    copy->loc = f->loc;
    for (uint32_t i = 0; i < f->n_params; i++)
        remember(&map, f->params[i], ir_param_add(copy, f->params[i]->name, f->params[i]->type));
    clone_block(&map, copy, copy->body, f->body);
    /* Functions stand above their callers: the copy goes where the original is. */
    size_t at = 0;
    while (m->funcs.at[at] != f) at++;
    memmove(&m->funcs.at[at + 1], &m->funcs.at[at], (m->funcs.n - 1 - at) * sizeof(struct ir_func *));
    m->funcs.at[at] = copy;
    return copy;
}
