/*
 * print.c -- the IR as text.  docs/ir.md has the grammar; parse.c reads it back.
 *
 *   %q, %r = quant %a : i8[T, 256], f32[T]
 *   %n = rmsnorm %x, @body.g_in {eps = 1e-05} : f32[T, 256]
 *   %y = kernel {core = i2} : f32[T, 256] at 4096 {
 *     ...
 *     yield %z
 *   }
 */
#include <inttypes.h>
#include <string.h>

#include "ir/ir.h"

struct printer {
    struct buf *out;
    struct arena *a;
    bool canonical; /* values as v1, v2 ... by first appearance; no places, no function names */
    uint32_t seen;
};

static const char *value_name(struct printer *p, struct ir_val *v) {
    if (!p->canonical) return v->name;
    if (!v->number) v->number = ++p->seen;
    return arena_printf(p->a, "v%u", v->number);
}

static void print_attr(struct printer *p, const struct ir_attr *at) {
    char text[40];
    buf_printf(p->out, "%s = ", ir_attrs[at->id].name);
    switch (ir_attrs[at->id].kind) {
    case IR_I64: buf_printf(p->out, "%" PRId64, at->i); break;
    case IR_F32: buf_printf(p->out, "%s", fmt_f32(text, at->f32)); break;
    case IR_F64: buf_printf(p->out, "%s", fmt_f64(text, at->f64)); break;
    case IR_NAME: buf_printf(p->out, "%s", at->name); break;
    }
}

static void print_attrs(struct printer *p, const struct ir_op *op) {
    const char *sep = " {";
    for (uint32_t id = 0; id < IR_N_ATTRS; id++) {
        const struct ir_attr *at = ir_attr_get(op, (enum ir_attr_id)id);
        if (!at || (p->canonical && id == IR_ATTR_key)) continue;
        buf_printf(p->out, "%s", sep);
        print_attr(p, at);
        sep = ", ";
    }
    if (*sep == ',') buf_printf(p->out, "}");
}

static void print_results(struct printer *p, const struct ir_op *op) {
    const char *sep = " : ";
    for (uint32_t i = 0; i < op->n_out; i++) {
        buf_printf(p->out, "%s%s", sep, ir_type_text(p->a, &op->out[i]->type));
        if (!p->canonical && op->out[i]->place >= 0) buf_printf(p->out, " at %" PRId64, op->out[i]->place);
        sep = ", ";
    }
}

static void print_op(struct printer *p, const struct ir_op *op, int depth) {
    buf_printf(p->out, "%*s", 2 * depth, "");
    for (uint32_t i = 0; i < op->n_out; i++)
        buf_printf(p->out, "%s%%%s%s", i ? ", " : "", value_name(p, op->out[i]), i + 1 == op->n_out ? " = " : "");
    buf_printf(p->out, "%s", ir_ops[op->code].name);
    const char *sep = " ";
    for (uint32_t i = 0; i < op->n_in; i++, sep = ", ") buf_printf(p->out, "%s%%%s", sep, value_name(p, op->in[i]));
    if (op->weight) buf_printf(p->out, "%s@%s", sep, op->weight->name);
    if (op->state) buf_printf(p->out, "%s@%s", sep, op->state->name);
    for (uint32_t i = 0; i < op->n_func; i++, sep = ", ") buf_printf(p->out, "%s@%s", sep, op->func[i]->name);
    print_attrs(p, op);
    print_results(p, op);
    if (op->body) {
        buf_printf(p->out, " {\n");
        for (const struct ir_op *in = op->body->first; in; in = in->next) print_op(p, in, depth + 1);
        buf_printf(p->out, "%*s}", 2 * depth, "");
    }
    buf_printf(p->out, "\n");
}

static void print_func(struct printer *p, const struct ir_func *f) {
    buf_printf(p->out, "%s @%s(", f->entry ? "entry" : "func", p->canonical ? "f" : f->name);
    for (uint32_t i = 0; i < f->n_params; i++)
        buf_printf(p->out, "%s%%%s: %s", i ? ", " : "", value_name(p, f->params[i]),
                   ir_type_text(p->a, &f->params[i]->type));
    buf_printf(p->out, ")");
    if (f->frame && !p->canonical) buf_printf(p->out, " frame %" PRIu64, f->frame);
    buf_printf(p->out, " {\n");
    for (const struct ir_op *op = f->body->first; op; op = op->next) print_op(p, op, 1);
    buf_printf(p->out, "}\n");
}

static void print_dims(struct buf *out, uint32_t rank, const uint32_t *dim) {
    buf_printf(out, "[");
    for (uint32_t i = 0; i < rank; i++) buf_printf(out, "%s%u", i ? ", " : "", dim[i]);
    buf_printf(out, "]");
}

static void print_decls(struct printer *p, const struct ir_module *m) {
    static const char *const scales[] = {"none", "matrix", "row", "group"};
    buf_printf(p->out, "module %s {context = %u, vocab = %u, max_rows = %u}\n\n", m->name, m->context, m->vocab,
               m->max_rows);
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        buf_printf(p->out, "weight @%s : %s", w->name, ir_store_name[w->store]);
        print_dims(p->out, w->rank, w->dim);
        if (w->layers) buf_printf(p->out, " layers %u", w->layers);
        if (w->scale != IR_SCALE_NONE) buf_printf(p->out, " scale %s", scales[w->scale]);
        if (w->scale == IR_SCALE_GROUP) buf_printf(p->out, " %u", w->group);
        buf_printf(p->out, "\n");
    }
    for (size_t i = 0; i < m->states.n; i++) {
        const struct ir_state *s = m->states.at[i];
        struct ir_type t = ir_type_make(s->elem, IR_NO_ROWS, s->rank, s->dim);
        buf_printf(p->out, "state @%s : %s", s->name, ir_type_text(p->a, &t));
        if (s->layers) buf_printf(p->out, " layers %u", s->layers);
        buf_printf(p->out, "\n");
    }
}

void ir_print(struct buf *out, const struct ir_module *m) {
    struct printer p = {.out = out, .a = arena_new()};
    print_decls(&p, m);
    for (size_t i = 0; i < m->funcs.n; i++) {
        buf_printf(out, "\n");
        print_func(&p, m->funcs.at[i]);
    }
    arena_free(p.a);
}

static void forget_numbers(struct ir_func *f) {
    for (uint32_t i = 0; i < f->n_params; i++) f->params[i]->number = 0;
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++) op->out[i]->number = 0;
}

void ir_print_canonical(struct buf *out, const struct ir_op *op) {
    struct printer p = {.out = out, .a = arena_new(), .canonical = true};
    forget_numbers(op->block->func);
    print_op(&p, op, 0);
    arena_free(p.a);
}

bool ir_func_same(const struct ir_func *a, const struct ir_func *b) {
    struct buf ta = {0}, tb = {0};
    const struct ir_func *f[2] = {a, b};
    struct buf *t[2] = {&ta, &tb};
    for (int i = 0; i < 2; i++) {
        struct printer p = {.out = t[i], .a = arena_new(), .canonical = true};
        forget_numbers((struct ir_func *)f[i]);
        print_func(&p, f[i]);
        arena_free(p.a);
    }
    bool same = ta.n == tb.n && memcmp(ta.at, tb.at, ta.n) == 0;
    buf_free(&ta);
    buf_free(&tb);
    return same;
}
