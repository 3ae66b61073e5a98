/* exec.c -- statements, variables and scopes, the variable loop, macros. */
#include <string.h>

#include "runtime/jinja/impl.h"

/* ---- variables ---- */

void setun_j_bind(J *j, struct j_scope *s, uint32_t name, struct j_value v) {
    for (struct j_binding *b = s->first; b; b = b->next) {
        if (b->name != name) continue;
        b->value = v;
        return;
    }
    struct j_binding *b = setun_j_alloc(j, 1, sizeof *b);
    *b = (struct j_binding){name, v, s->first};
    s->first = b;
}

struct j_scope *setun_j_enter(J *j, const struct j_node *n, struct j_scope *outer) {
    struct j_scope *s = setun_j_alloc(j, 1, sizeof *s);
    s->outer = outer;
    for (uint32_t i = 0; i < n->n_hidden; i++) setun_j_bind(j, s, n->hidden[i], (struct j_value){0});
    return s;
}

static const struct j_value *lookup(J *j, uint32_t name) {
    for (const struct j_scope *s = j->scope; s; s = s->outer)
        for (const struct j_binding *b = s->first; b; b = b->next) {
            setun_j_step(j, 1);
            if (b->name == name) return &b->value;
        }
    return NULL;
}

struct j_value setun_j_lookup(J *j, const struct j_node *n) {
    const struct j_value *v = lookup(j, n->name);
    uint32_t func;
    if (v) return *v;
    if (setun_j_known_func(n->text, &func) && (j->date || strcmp(n->text, "strftime_now") != 0)) {
        return (struct j_value){.kind = J_FUNC, .func = func};
    }
    return (struct j_value){0};
}

static void assign_each(J *j, const struct j_node *targets, struct j_value v) {
    struct j_iter *it = setun_j_walk(j, v);
    struct j_value one;
    uint32_t n = 0;
    for (const struct j_node *t = targets; t; t = t->next, n++) {
        if (!setun_j_next(j, it, &one)) setun_j_fail(j, "not enough values: %u, for more names", n);
        setun_j_assign(j, t, one);
    }
    if (setun_j_next(j, it, &one)) setun_j_fail(j, "more values than the %u names", n);
}

void setun_j_assign(J *j, const struct j_node *target, struct j_value v) {
    if (target->kind == JN_TUPLE) {
        setun_j_deeper(j);
        assign_each(j, target->a, v);
        j->depth--;
    } else if (target->kind == JN_NSSET) {
        const struct j_value *ns = lookup(j, target->name);
        if (!ns || ns->kind != J_NAMESPACE)
            setun_j_fail(j, "cannot set '.%s' of a value that is no namespace", target->text);
        setun_j_put_key(j, ns->dict, setun_j_str(target->text, target->text_n), v);
    } else {
        setun_j_bind(j, j->scope, target->name, v);
    }
}

/* ---- for ---- */

static bool passes(J *j, struct j_iter *it, struct j_value v) {
    if (!it->test) return true;
    struct j_scope *outer = j->scope;
    j->scope = setun_j_enter(j, it->test, it->scope);
    setun_j_assign(j, it->target, v);
    bool yes = setun_j_true(setun_j_eval(j, it->test));
    j->scope = outer;
    return yes;
}

bool setun_j_loop_next(J *j, struct j_iter *it, struct j_value *v) {
    if (it->has_next) {
        it->has_next = false;
        *v = it->next;
        return true;
    }
    while (!it->ended && setun_j_next(j, it->source, v))
        if (passes(j, it, *v)) return true;
    it->ended = true;
    return false;
}

static void run_for(J *j, const struct j_node *n) {
    struct j_scope *outer = j->scope;
    struct j_iter *it = setun_j_alloc(j, 1, sizeof *it);
    struct j_value over = setun_j_eval(j, n->b), v;
    bool whole = false; /* an element went through the whole body */
    *it = (struct j_iter){.over = over,
                          .source = setun_j_walk(j, over),
                          .test = n->c,
                          .target = n->a,
                          .scope = outer,
                          .length = -1,
                          .index0 = -1};
    while (j->jump != J_BREAK && setun_j_loop_next(j, it, &v)) {
        it->prev = it->now;
        it->has_prev = ++it->index0 > 0;
        it->now = v;
        j->scope = setun_j_enter(j, n, outer);
        setun_j_bind(j, j->scope, j->loop_name, (struct j_value){.kind = J_LOOP, .iter = it});
        setun_j_assign(j, n->a, v);
        setun_j_run(j, n->body);
        whole = whole || j->jump == J_GO;
        if (j->jump == J_CONTINUE) j->jump = J_GO;
    }
    if (j->jump == J_BREAK) j->jump = J_GO;
    j->scope = outer;
    if (!whole) setun_j_run(j, n->other); /* as jinja2 has it: no element, or each one left early */
}

/* ---- text that is kept ---- */

/* What the body prints, as a string. */
static struct j_value capture(J *j, const struct j_node *body) {
    struct j_buf text = {0}, *out = j->out;
    j->out = &text;
    setun_j_run(j, body);
    j->out = out;
    return setun_j_take(j, &text);
}

static void run_block(J *j, const struct j_node *n) {
    struct j_scope *outer = j->scope;
    j->scope = setun_j_enter(j, n, outer);
    struct j_value v = capture(j, n->body);
    if (n->b) {
        j->filtered = v;
        v = setun_j_eval(j, n->b);
    }
    j->scope = outer;
    if (j->jump == J_GO) setun_j_assign(j, n->a, v);
}

static void run_with(J *j, const struct j_node *n) {
    struct j_scope *outer = j->scope, *inner = setun_j_enter(j, n, outer);
    const struct j_node *target = n->a;
    for (const struct j_node *value = n->b; value; value = value->next, target = target->next) {
        j->scope = outer;
        struct j_value v = setun_j_eval(j, value);
        j->scope = inner;
        setun_j_assign(j, target, v);
    }
    j->scope = inner;
    setun_j_run(j, n->body);
    j->scope = outer;
}

static void run_scope(J *j, const struct j_node *n) {
    struct j_scope *outer = j->scope;
    j->scope = setun_j_enter(j, n, outer);
    setun_j_run(j, n->body);
    j->scope = outer;
}

/* ---- macros ---- */

static void define(J *j, const struct j_node *n) {
    struct j_macro *m = setun_j_alloc(j, 1, sizeof *m);
    *m = (struct j_macro){n, j->scope};
    setun_j_bind(j, j->scope, n->name, (struct j_value){.kind = J_MACRO, .macro = m});
}

struct j_value setun_j_call_macro(J *j, const struct j_macro *m, struct j_args *a) {
    struct j_scope *outer = j->scope;
    uint32_t line = j->line;
    struct j_scope *inner = setun_j_enter(j, m->node, m->scope);
    uint32_t i = 0;
    j->scope = inner;
    /* All that were given come first: a default may look at a later parameter. */
    for (const struct j_node *p = m->node->a; p; p = p->next, i++) {
        const struct j_value *v = setun_j_arg(j, a, i, p->text);
        setun_j_bind(j, inner, p->name, v ? *v : (struct j_value){0});
    }
    setun_j_args_end(j, a, i);
    i = 0;
    for (const struct j_node *p = m->node->a; p; p = p->next, i++)
        if (p->b && !setun_j_arg(j, a, i, p->text)) setun_j_bind(j, inner, p->name, setun_j_eval(j, p->b));
    struct j_value v = capture(j, m->node->body);
    j->scope = outer;
    j->line = line;
    return v;
}

/* ---- statements ---- */

static void run_if(J *j, const struct j_node *n) { setun_j_run(j, setun_j_true(setun_j_eval(j, n->a)) ? n->b : n->c); }

static void run(J *j, const struct j_node *n) {
    switch ((enum j_node_kind)n->kind) {
    case JN_DATA: setun_j_put(j, j->out, n->text, n->text_n); break;
    case JN_PRINT: setun_j_print(j, j->out, setun_j_eval(j, n->a)); break;
    case JN_IF: run_if(j, n); break;
    case JN_FOR: run_for(j, n); break;
    case JN_SET: setun_j_assign(j, n->a, setun_j_eval(j, n->b)); break;
    case JN_BLOCK: run_block(j, n); break;
    case JN_WITH: run_with(j, n); break;
    case JN_MACRO: define(j, n); break;
    case JN_SCOPE: run_scope(j, n); break;
    case JN_BREAK: j->jump = J_BREAK; break;
    case JN_CONTINUE: j->jump = J_CONTINUE; break;
    default: setun_j_fail(j, "not a statement");
    }
}

void setun_j_run(J *j, const struct j_node *body) {
    setun_j_deeper(j);
    for (; body && j->jump == J_GO; body = body->next) {
        j->line = body->line;
        setun_j_step(j, 1);
        run(j, body);
    }
    j->depth--;
}
