/* expr.c -- expressions: recursive descent with jinja2's precedences, a function a level. */
#include <stdio.h>
#include <string.h>

#include "runtime/jinja/impl.h"

const char *const setun_j_op_text[] = {"+",  "-",  "*", "/",  "//", "%",  "**", "~",
                                       "==", "!=", "<", "<=", ">",  ">=", "in", "not in"};

struct j_node *setun_j_node(J *j, enum j_node_kind kind, uint32_t line) {
    struct j_node *n = setun_j_alloc(j, 1, sizeof *n);
    n->kind = (uint8_t)kind;
    n->line = line;
    return n;
}

bool setun_j_skip(J *j, const char *word) {
    if (!setun_j_is(j->token, word)) return false;
    j->token++;
    return true;
}

void setun_j_unexpected(J *j, const char *expected) {
    char found[64];
    setun_j_describe(j->token, found);
    j->line = j->token->line;
    setun_j_fail(j, "expected %s, found %s", expected, found);
}

void setun_j_expect(J *j, const char *word) {
    if (!setun_j_skip(j, word)) setun_j_unexpected(j, word);
}

_Noreturn static void refuse(J *j, uint32_t line, const char *what) {
    j->line = line;
    setun_j_fail(j, "%s is not supported", what);
}

static struct j_node *unary(J *j, bool with_filter);
static struct j_node *primary(J *j);
static struct j_node *postfix(J *j, struct j_node *n);

static struct j_node *expression(J *j) { return setun_j_expression(j, true); }

static void append(struct j_node ***end, struct j_node *n) {
    **end = n;
    *end = &n->next;
}

/* ---- lists ---- */

static bool tuple_ends(const J *j, const char *stop) {
    const struct j_token *t = j->token;
    return t->kind == JT_PRINT_END || t->kind == JT_TAG_END || setun_j_is(t, ")") || (stop && setun_j_is(t, stop));
}

/* simple: only what can be assigned to or is a literal. */
static struct j_node *tuple(J *j, bool conditional, bool simple, const char *stop, bool parentheses) {
    uint32_t line = j->token->line;
    struct j_node *first = NULL, **end = &first;
    bool is_tuple = false;
    for (bool more = false;; more = true) {
        if (more) setun_j_expect(j, ",");
        if (tuple_ends(j, stop)) break;
        append(&end, simple ? primary(j) : setun_j_expression(j, conditional));
        if (!setun_j_is(j->token, ",")) break;
        is_tuple = true;
    }
    if (!is_tuple && first) return first;
    if (!is_tuple && !parentheses) setun_j_unexpected(j, "an expression");
    struct j_node *n = setun_j_node(j, JN_TUPLE, line);
    n->a = first;
    return n;
}

struct j_node *setun_j_tuple(J *j, bool conditional, const char *stop) {
    return tuple(j, conditional, false, stop, false);
}

static struct j_node *list(J *j) {
    struct j_node *n = setun_j_node(j, JN_LIST, j->token->line), **end = &n->a;
    setun_j_expect(j, "[");
    while (!setun_j_is(j->token, "]")) {
        if (n->a) setun_j_expect(j, ",");
        if (setun_j_is(j->token, "]")) break;
        append(&end, expression(j));
    }
    setun_j_expect(j, "]");
    return n;
}

static struct j_node *dict(J *j) {
    struct j_node *n = setun_j_node(j, JN_DICT, j->token->line), **end = &n->a;
    setun_j_expect(j, "{");
    while (!setun_j_is(j->token, "}")) {
        if (n->a) setun_j_expect(j, ",");
        if (setun_j_is(j->token, "}")) break;
        append(&end, expression(j));
        setun_j_expect(j, ":");
        append(&end, expression(j));
    }
    setun_j_expect(j, "}");
    return n;
}

/* ---- names and literals ---- */

static struct j_node *constant(J *j, uint32_t line, struct j_value v) {
    struct j_node *n = setun_j_node(j, JN_CONST, line);
    n->value = v;
    return n;
}

static struct j_node *name(J *j) {
    static const char *const refused[] = {"self", "super", "caller", "varargs", "kwargs", "lipsum", "cycler", "joiner"};
    const struct j_token *t = j->token++;
    if (!strcmp(t->at, "true") || !strcmp(t->at, "True")) return constant(j, t->line, setun_j_bool(true));
    if (!strcmp(t->at, "false") || !strcmp(t->at, "False")) return constant(j, t->line, setun_j_bool(false));
    if (!strcmp(t->at, "none") || !strcmp(t->at, "None")) return constant(j, t->line, (struct j_value){.kind = J_NONE});
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        j->line = t->line;
        if (!strcmp(t->at, refused[i])) setun_j_fail(j, "the special name '%s' is not supported", t->at);
    }
    struct j_node *n = setun_j_node(j, JN_NAME, t->line);
    n->name = setun_j_name(j, t->at, t->n);
    n->text = t->at;
    n->text_n = t->n;
    return n;
}

static struct j_node *strings(J *j) {
    uint32_t line = j->token->line;
    struct j_value v = setun_j_str(j->token->at, j->token->n);
    j->token++;
    if (j->token->kind == JT_STRING) {
        struct j_buf all = {0};
        setun_j_put(j, &all, v.s, v.n);
        for (; j->token->kind == JT_STRING; j->token++) setun_j_put(j, &all, j->token->at, j->token->n);
        v = setun_j_take(j, &all);
    }
    return constant(j, line, v);
}

static struct j_node *primary(J *j) {
    const struct j_token *t = j->token;
    if (t->kind == JT_NAME) return name(j);
    if (t->kind == JT_STRING) return strings(j);
    if (t->kind == JT_INT || t->kind == JT_FLOAT) {
        j->token++;
        return constant(j, t->line, t->kind == JT_INT ? setun_j_int(t->i) : setun_j_float(t->f));
    }
    if (setun_j_is(t, "[")) return list(j);
    if (setun_j_is(t, "{")) return dict(j);
    if (!setun_j_is(t, "(")) setun_j_unexpected(j, "an expression");
    j->token++;
    setun_j_deeper(j);
    struct j_node *n = tuple(j, true, false, NULL, true);
    j->depth--;
    setun_j_expect(j, ")");
    return n;
}

/* ---- what follows an operand ---- */

static struct j_node *slice_part(J *j) {
    const struct j_token *t = j->token;
    return setun_j_is(t, ":") || setun_j_is(t, "]") || setun_j_is(t, ",") ? NULL : expression(j);
}

/* Has it no names?  Then jinja2 has its value before it runs anything, and other rules for what goes wrong. */
static bool literal(const struct j_node *n) {
    if (!n) return true;
    for (const struct j_node *part = n; part; part = part->next) {
        if (part->kind == JN_NAME || part->depth > 50) return false;
        if (!literal(part->a) || !literal(part->b) || !literal(part->c) || !literal(part->d)) return false;
    }
    return true;
}

static void check_sliced(J *j, const struct j_node *of) {
    struct j_value v = setun_j_eval(j, of);
    j->line = of->line;
    if (v.kind != J_STR && v.kind != J_LIST && v.kind != J_TUPLE) {
        setun_j_fail(j, "a slice '[' of a %s is not supported", setun_j_type(v));
    }
}

static struct j_node *item(J *j, struct j_node *of) {
    uint32_t line = j->token->line;
    setun_j_expect(j, "[");
    if (setun_j_is(j->token, "]")) setun_j_unexpected(j, "an expression");
    struct j_node *n = setun_j_node(j, JN_ITEM, line);
    n->a = of;
    n->b = slice_part(j);
    if (setun_j_skip(j, ":")) {
        if (literal(of)) check_sliced(j, of);
        j->line = line;
        n->kind = JN_SLICE;
        n->c = slice_part(j);
        if (setun_j_skip(j, ":")) n->d = slice_part(j);
    }
    if (setun_j_is(j->token, ",")) refuse(j, line, "several subscripts in one pair of brackets");
    setun_j_expect(j, "]");
    return n;
}

static struct j_node *attribute(J *j, struct j_node *of) {
    uint32_t line = j->token->line;
    setun_j_expect(j, ".");
    const struct j_token *t = j->token++;
    struct j_node *n = setun_j_node(j, t->kind == JT_INT ? JN_ITEM : JN_ATTR, line);
    n->a = of;
    if (t->kind == JT_INT) {
        n->b = constant(j, t->line, setun_j_int(t->i));
        return n;
    }
    if (t->kind != JT_NAME) {
        j->token--;
        setun_j_unexpected(j, "a name behind '.'");
    }
    j->line = line;
    if (!strncmp(t->at, "__", 2)) setun_j_fail(j, "the attribute '%s' is not supported", t->at);
    n->text = t->at;
    n->text_n = t->n;
    return n;
}

/* (a, b, key = c) into n->b and n->c */
static void arguments(J *j, struct j_node *n) {
    struct j_node **end = &n->b, **keys = &n->c;
    setun_j_expect(j, "(");
    for (bool more = false; !setun_j_is(j->token, ")"); more = true) {
        if (more) setun_j_expect(j, ",");
        if (setun_j_is(j->token, ")")) break;
        if (setun_j_is(j->token, "*") || setun_j_is(j->token, "**"))
            refuse(j, j->token->line, "'*' before an argument");
        if (j->token->kind == JT_NAME && setun_j_is(j->token + 1, "=")) {
            struct j_node *k = setun_j_node(j, JN_KEYWORD, j->token->line);
            k->text = j->token->at;
            j->token += 2;
            k->a = expression(j);
            append(&keys, k);
        } else {
            if (n->c) setun_j_unexpected(j, "a keyword behind keywords");
            append(&end, expression(j));
        }
    }
    setun_j_expect(j, ")");
}

static uint32_t count(const struct j_node *list) {
    uint32_t n = 0;
    for (; list; list = list->next) n++;
    return n;
}

static struct j_node *call(J *j, struct j_node *of) {
    struct j_node *n = setun_j_node(j, JN_CALL, j->token->line);
    n->a = of;
    arguments(j, n);
    j->line = n->line;
    const char *why = of->kind == JN_ATTR ? setun_j_refused_method(of->text, count(n->b), n->c != NULL) : NULL;
    if (why) setun_j_fail(j, "the method '%s' %s", of->text, why);
    return n;
}

static struct j_node *postfix(J *j, struct j_node *n) {
    for (;;) {
        if (setun_j_is(j->token, ".")) {
            n = attribute(j, n);
        } else if (setun_j_is(j->token, "[")) {
            n = item(j, n);
        } else if (setun_j_is(j->token, "(")) {
            n = call(j, n);
        } else {
            return n;
        }
        n->depth = (uint16_t)(n->a->depth + 1);
        if (n->depth > J_MAX_DEPTH) setun_j_fail(j, "nested deeper than %u levels", J_MAX_DEPTH);
    }
}

/* map, select and reject take the name of a filter or test: a string that is written there. */
static void check_named(J *j, const struct j_node *n) {
    bool filter = !strcmp(n->text, "map");
    const struct j_node *by = n->b;
    if (!strcmp(n->text, "selectattr") || !strcmp(n->text, "rejectattr")) {
        by = by ? by->next : NULL;
    } else if (!filter && strcmp(n->text, "select") != 0 && strcmp(n->text, "reject") != 0) {
        return;
    }
    if (!by) return;
    if (by->kind != JN_CONST || by->value.kind != J_STR) {
        setun_j_fail(j, "'%s' with a %s that is not a string in quotes is not supported", n->text,
                     filter ? "filter" : "test");
    }
    if (!(filter ? setun_j_known_filter : setun_j_known_test)(by->value.s)) {
        setun_j_fail(j, "the %s '%s' is not supported", filter ? "filter" : "test", by->value.s);
    }
}

static struct j_node *filter(J *j, struct j_node *of) {
    setun_j_expect(j, "|");
    if (j->token->kind != JT_NAME) setun_j_unexpected(j, "the name of a filter");
    struct j_node *n = setun_j_node(j, JN_FILTER, j->token->line);
    n->text = j->token->at;
    n->a = of;
    j->token++;
    j->line = n->line;
    if (setun_j_is(j->token, ".")) refuse(j, n->line, "a filter whose name has a '.'");
    if (!setun_j_known_filter(n->text)) setun_j_fail(j, "the filter '%s' is not supported", n->text);
    if (setun_j_is(j->token, "(")) arguments(j, n);
    j->line = n->line;
    check_named(j, n);
    n->depth = (uint16_t)((of ? of->depth : 0) + 1);
    if (n->depth > J_MAX_DEPTH) setun_j_fail(j, "nested deeper than %u levels", J_MAX_DEPTH);
    return n;
}

struct j_node *setun_j_filters(J *j, struct j_node *of) {
    while (setun_j_is(j->token, "|")) of = filter(j, of);
    return of;
}

static bool starts_operand(const struct j_token *t) {
    if (t->kind == JT_NAME) return !setun_j_is(t, "else") && !setun_j_is(t, "or") && !setun_j_is(t, "and");
    return t->kind == JT_STRING || t->kind == JT_INT || t->kind == JT_FLOAT || setun_j_is(t, "[") || setun_j_is(t, "{");
}

static struct j_node *test(J *j, struct j_node *of) {
    struct j_node *n = setun_j_node(j, JN_TEST, j->token->line);
    setun_j_expect(j, "is");
    bool negated = setun_j_skip(j, "not");
    if (j->token->kind != JT_NAME) setun_j_unexpected(j, "the name of a test");
    n->text = j->token->at;
    n->a = of;
    j->token++;
    j->line = n->line;
    if (!setun_j_known_test(n->text)) setun_j_fail(j, "the test '%s' is not supported", n->text);
    if (setun_j_is(j->token, "(")) {
        arguments(j, n);
    } else if (starts_operand(j->token)) {
        if (setun_j_is(j->token, "is")) setun_j_unexpected(j, "the end of the test");
        n->b = postfix(j, primary(j));
    }
    n->depth = (uint16_t)(of->depth + 1);
    if (n->depth > J_MAX_DEPTH) setun_j_fail(j, "nested deeper than %u levels", J_MAX_DEPTH);
    if (!negated) return n;
    struct j_node *not = setun_j_node(j, JN_NOT, n->line);
    not->a = n;
    not->depth = (uint16_t)(n->depth + 1);
    return not;
}

/* ---- operators, the tightest first ---- */

static struct j_node *binary(J *j, enum j_node_kind kind, enum j_op op, struct j_node *a, struct j_node *b,
                             uint32_t line) {
    struct j_node *n = setun_j_node(j, kind, line);
    j->line = line;
    if (kind == JN_BINARY && op == JO_MOD && a->kind == JN_CONST && a->value.kind == J_STR) {
        setun_j_fail(j, "formatting with '%%' is not supported");
    }
    n->op = (uint8_t)op;
    n->a = a;
    n->b = b;
    n->depth = (uint16_t)((a->depth > b->depth ? a->depth : b->depth) + 1);
    if (n->depth > J_MAX_DEPTH) setun_j_fail(j, "nested deeper than %u levels", J_MAX_DEPTH);
    return n;
}

static struct j_node *unary(J *j, bool with_filter) {
    struct j_node *n;
    const struct j_token *t = j->token;
    setun_j_deeper(j);
    if (setun_j_is(t, "-") || setun_j_is(t, "+")) {
        j->token++;
        struct j_node *of = unary(j, false);
        n = setun_j_node(j, JN_UNARY, t->line);
        n->op = t->op[0] == '-' ? JO_SUB : JO_ADD;
        n->a = of;
        n->depth = (uint16_t)(of->depth + 1);
    } else {
        n = primary(j);
    }
    n = postfix(j, n);
    while (with_filter) {
        if (setun_j_is(j->token, "|")) {
            n = filter(j, n);
        } else if (setun_j_is(j->token, "is")) {
            n = test(j, n);
        } else if (setun_j_is(j->token, "(")) {
            n = call(j, n);
        } else {
            break;
        }
    }
    j->depth--;
    return n;
}

/* Left-associative levels: what binds tighter, and the operators of this one. */
struct level {
    struct j_node *(*tighter)(J *);
    const char *text[4];
    enum j_op op[4];
};

static struct j_node *level(J *j, const struct level *l) {
    struct j_node *a = l->tighter(j);
    for (int i = 0; i < 4;) {
        uint32_t line = j->token->line;
        if (!l->text[i] || !setun_j_skip(j, l->text[i])) {
            i++;
            continue;
        }
        a = binary(j, JN_BINARY, l->op[i], a, l->tighter(j), line);
        i = 0;
    }
    return a;
}

static struct j_node *operand(J *j) { return unary(j, true); }
static struct j_node *power(J *j) {
    static const struct level l = {operand, {"**"}, {JO_POW}};
    return level(j, &l);
}
static struct j_node *product(J *j) {
    static const struct level l = {power, {"*", "/", "//", "%"}, {JO_MUL, JO_DIV, JO_FLOOR, JO_MOD}};
    return level(j, &l);
}
static struct j_node *joined(J *j) {
    static const struct level l = {product, {"~"}, {JO_CAT}};
    return level(j, &l);
}
static struct j_node *sum(J *j) {
    static const struct level l = {joined, {"+", "-"}, {JO_ADD, JO_SUB}};
    return level(j, &l);
}

static bool compare_op(J *j, enum j_op *op) {
    static const enum j_op ops[] = {JO_EQ, JO_NE, JO_LT, JO_LE, JO_GT, JO_GE, JO_IN};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        *op = ops[i];
        if (setun_j_skip(j, setun_j_op_text[ops[i]])) return true;
    }
    if (!setun_j_is(j->token, "not") || !setun_j_is(j->token + 1, "in")) return false;
    j->token += 2;
    *op = JO_NOT_IN;
    return true;
}

static struct j_node *comparison(J *j) {
    struct j_node *first = sum(j), *n = NULL, **end = NULL;
    enum j_op op;
    for (uint32_t line = j->token->line; compare_op(j, &op); line = j->token->line) {
        if (!n) {
            n = setun_j_node(j, JN_COMPARE, line);
            n->a = first;
            n->depth = (uint16_t)(first->depth + 1);
            end = &n->b;
        }
        struct j_node *o = setun_j_node(j, JN_OPERAND, line);
        o->op = (uint8_t)op;
        o->a = sum(j);
        if (o->a->depth >= n->depth) n->depth = (uint16_t)(o->a->depth + 1);
        append(&end, o);
    }
    return n ? n : first;
}

static struct j_node *negation(J *j) {
    uint32_t line = j->token->line;
    if (!setun_j_skip(j, "not")) return comparison(j);
    setun_j_deeper(j);
    struct j_node *n = setun_j_node(j, JN_NOT, line);
    n->a = negation(j);
    n->depth = (uint16_t)(n->a->depth + 1);
    j->depth--;
    return n;
}

static struct j_node *conjunction(J *j) {
    struct j_node *a = negation(j);
    for (uint32_t line = j->token->line; setun_j_skip(j, "and"); line = j->token->line)
        a = binary(j, JN_AND, JO_ADD, a, negation(j), line);
    return a;
}

static struct j_node *disjunction(J *j) {
    struct j_node *a = conjunction(j);
    for (uint32_t line = j->token->line; setun_j_skip(j, "or"); line = j->token->line)
        a = binary(j, JN_OR, JO_ADD, a, conjunction(j), line);
    return a;
}

struct j_node *setun_j_expression(J *j, bool conditional) {
    setun_j_deeper(j);
    uint32_t line = j->token->line;
    struct j_node *n = disjunction(j);
    while (conditional && setun_j_skip(j, "if")) {
        struct j_node *test_of = disjunction(j);
        n = binary(j, JN_COND, JO_ADD, test_of, n, line);
        if (setun_j_skip(j, "else")) n->c = setun_j_expression(j, true);
        line = j->token->line;
    }
    j->depth--;
    return n;
}

/* ---- targets of assignments ---- */

static void check_target(J *j, const struct j_node *n) {
    j->line = n->line;
    if (n->kind == JN_TUPLE) {
        for (const struct j_node *e = n->a; e; e = e->next) check_target(j, e);
    } else if (n->kind == JN_NAME) {
        if (!strcmp(n->text, "loop")) setun_j_fail(j, "assigning to 'loop' is not supported");
    } else if (n->kind != JN_NSSET) {
        setun_j_fail(j, "expected a name to assign to");
    }
}

struct j_node *setun_j_target(J *j, const char *stop, bool namespaces) {
    if (namespaces && j->token->kind == JT_NAME && setun_j_is(j->token + 1, ".")) {
        struct j_node *of = name(j), *n = setun_j_node(j, JN_NSSET, of->line);
        setun_j_expect(j, ".");
        if (of->kind != JN_NAME || j->token->kind != JT_NAME)
            setun_j_unexpected(j, "the name of a namespace's attribute");
        n->name = of->name;
        n->text = j->token->at;
        n->text_n = j->token->n;
        j->line = n->line;
        if (n->text[0] == '_') setun_j_fail(j, "the attribute '%s' of a namespace begins with '_'", n->text);
        j->token++;
        if (setun_j_is(j->token, ",")) refuse(j, n->line, "assigning to several targets, one of them an attribute,");
        return n;
    }
    struct j_node *n = tuple(j, false, true, stop, false);
    check_target(j, n);
    return n;
}
