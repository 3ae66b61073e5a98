/* eval.c -- expressions: a node to its value.  Operands are evaluated in Python's order. */
#include <string.h>

#include "runtime/jinja/impl.h"

static struct j_value elements(J *j, enum j_kind kind, const struct j_node *first) {
    struct j_value all = setun_j_list(j, kind, 0);
    for (; first; first = first->next) setun_j_push(j, all.list, setun_j_eval(j, first));
    return all;
}

static struct j_value dict(J *j, const struct j_node *n) {
    struct j_value d = setun_j_dict(j, J_DICT);
    for (const struct j_node *k = n->a; k; k = k->next->next) {
        struct j_value key = setun_j_eval(j, k);
        setun_j_put_key(j, d.dict, key, setun_j_eval(j, k->next));
    }
    return d;
}

static struct j_value slice(J *j, const struct j_node *n) {
    const struct j_node *part[] = {n->b, n->c, n->d};
    struct j_value v = setun_j_eval(j, n->a), s[3];
    for (int i = 0; i < 3; i++) s[i] = part[i] ? setun_j_eval(j, part[i]) : (struct j_value){.kind = J_NONE};
    return setun_j_slice(j, v, s);
}

static void arguments(J *j, const struct j_node *n, const char *of, struct j_args *a) {
    struct j_value all = elements(j, J_LIST, n->b);
    *a = (struct j_args){.of = of, .at = all.list->at, .n = all.list->n};
    for (const struct j_node *k = n->c; k; k = k->next) a->n_kw++;
    a->kw = setun_j_alloc(j, a->n_kw, sizeof *a->kw);
    uint32_t i = 0;
    for (const struct j_node *k = n->c; k; k = k->next, i++) {
        for (uint32_t before = 0; before < i; before++)
            if (!strcmp(a->kw[before].name, k->text)) setun_j_fail(j, "the argument '%s' is given twice", k->text);
        a->kw[i] = (struct j_keyword){.name = k->text, .value = setun_j_eval(j, k->a)};
    }
}

static struct j_value call(J *j, const struct j_node *n) {
    struct j_args a;
    struct j_value f = setun_j_eval(j, n->a);
    arguments(j, n, n->a->text ? n->a->text : "the call", &a);
    j->line = n->line;
    return setun_j_call(j, f, &a);
}

static struct j_value filter(J *j, const struct j_node *n) {
    struct j_args a;
    struct j_value v = n->a ? setun_j_eval(j, n->a) : j->filtered;
    arguments(j, n, n->text, &a);
    return setun_j_filter(j, n->text, v, &a);
}

static struct j_value test(J *j, const struct j_node *n) {
    struct j_args a;
    struct j_value v = setun_j_eval(j, n->a);
    arguments(j, n, n->text, &a);
    return setun_j_bool(setun_j_test(j, n->text, v, &a));
}

/* a < b < c: every neighbouring pair, until one fails. */
static struct j_value compare(J *j, const struct j_node *n) {
    struct j_value left = setun_j_eval(j, n->a);
    for (const struct j_node *o = n->b; o; o = o->next) {
        struct j_value right = setun_j_eval(j, o->a);
        if (!setun_j_compare(j, (enum j_op)o->op, left, right)) return setun_j_bool(false);
        left = right;
    }
    return setun_j_bool(true);
}

static struct j_value binary(J *j, const struct j_node *n) {
    struct j_value a = setun_j_eval(j, n->a);
    return setun_j_binary(j, (enum j_op)n->op, a, setun_j_eval(j, n->b));
}

static struct j_value either(J *j, const struct j_node *n) {
    struct j_value a = setun_j_eval(j, n->a);
    return setun_j_true(a) == (n->kind == JN_OR) ? a : setun_j_eval(j, n->b);
}

static struct j_value conditional(J *j, const struct j_node *n) {
    if (setun_j_true(setun_j_eval(j, n->a))) return setun_j_eval(j, n->b);
    return n->c ? setun_j_eval(j, n->c) : (struct j_value){0};
}

static struct j_value eval(J *j, const struct j_node *n) {
    struct j_value v;
    switch ((enum j_node_kind)n->kind) {
    case JN_CONST: return n->value;
    case JN_NAME: return setun_j_lookup(j, n);
    case JN_LIST: return elements(j, J_LIST, n->a);
    case JN_TUPLE: return elements(j, J_TUPLE, n->a);
    case JN_DICT: return dict(j, n);
    case JN_ATTR: return setun_j_attr(j, setun_j_eval(j, n->a), n->text);
    case JN_ITEM: v = setun_j_eval(j, n->a); return setun_j_item(j, v, setun_j_eval(j, n->b));
    case JN_SLICE: return slice(j, n);
    case JN_CALL: return call(j, n);
    case JN_FILTER: return filter(j, n);
    case JN_TEST: return test(j, n);
    case JN_UNARY: return setun_j_unary(j, (enum j_op)n->op, setun_j_eval(j, n->a));
    case JN_BINARY: return binary(j, n);
    case JN_COMPARE: return compare(j, n);
    case JN_AND:
    case JN_OR: return either(j, n);
    case JN_NOT: return setun_j_bool(!setun_j_true(setun_j_eval(j, n->a)));
    case JN_COND: return conditional(j, n);
    default: break;
    }
    setun_j_fail(j, "not an expression");
}

struct j_value setun_j_eval(J *j, const struct j_node *n) {
    setun_j_deeper(j);
    setun_j_step(j, 1);
    uint32_t line = j->line;
    j->line = n->line;
    struct j_value v = eval(j, n);
    j->line = line;
    j->depth--;
    return v;
}
