/*
 * impl.h -- inside the template engine; nobody else includes it.
 *
 *   text --jinja_lex--> tokens --jinja_parse, jinja_expr--> nodes --jinja_check--> a template
 *   template + values --jinja_exec (statements), jinja_eval (expressions)--> text
 *
 * Every failure is one longjmp to open or render (setun_j_fail): all memory is the block's, so nothing leaks, and no
 * caller has to look at a result.  Strings are UTF-8; positions and lengths that a template sees are code points.
 */
#ifndef SETUN_RUNTIME_JINJA_IMPL_H
#define SETUN_RUNTIME_JINJA_IMPL_H

#include <setjmp.h>

#include "runtime/jinja/jinja.h"

#define J_MAX_DEPTH  500u        /* of nested expressions and statements, in the text and when running */
#define J_MAX_STEPS  50000000u   /* evaluated nodes and, 16 bytes a step, bytes touched */
#define J_MAX_STRING (16u << 20) /* bytes of one string, the output included */
#define J_MAX_RANGE  100000      /* elements of range(): jinja2's sandbox has the same limit */

/* ---- values ---- */

enum j_kind {
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STR,
    J_LIST,
    J_TUPLE,
    J_DICT,
    J_NAMESPACE,
    J_RANGE,
    J_VIEW,   /* dict.keys(), values(), items() */
    J_ITER,   /* what map, select, reverse, ... give: can be walked once */
    J_LOOP,   /* the variable loop */
    J_MACRO,  /* defined in the template */
    J_METHOD, /* an attribute of a value that can be called */
    J_FUNC,   /* a global function */
};

struct j_value {
    uint8_t kind;
    bool markup; /* J_STR: safe or escaped; may only be printed */
    uint32_t n;  /* J_STR: bytes */
    union {
        int64_t i; /* J_BOOL too: 0 or 1 */
        double f;
        const char *s;
        struct j_list *list;
        struct j_dict *dict; /* J_NAMESPACE too */
        struct j_range *range;
        struct j_view *view;
        struct j_iter *iter; /* J_LOOP too */
        const struct j_macro *macro;
        const struct j_method *method;
        uint32_t func;
    };
};

struct j_list {
    struct j_value *at;
    uint32_t n, cap;
};
struct j_dict {
    struct j_value *key, *value; /* in order of insertion */
    uint32_t n, cap;
};
struct j_range {
    int64_t start, stop, step, n;
};
enum j_view_kind { J_KEYS, J_VALUES, J_ITEMS };
struct j_view {
    const struct j_dict *dict;
    enum j_view_kind which;
};
struct j_method {
    struct j_value self;
    const char *name; /* terminated */
};
struct j_macro {
    const struct j_node *node;
    struct j_scope *scope; /* where it was defined */
};

/* A walk over a value; and, with the members below, the state of a for loop. */
struct j_iter {
    struct j_value over;
    uint64_t at; /* element, or byte of a string */
    /* for loops */
    struct j_iter *source;
    const struct j_node *test, *target; /* for ... if: elements that fail are skipped as they come */
    struct j_scope *scope;
    bool has_next, ended, has_prev, has_changed;
    struct j_value next, now, prev, changed;
    int64_t index0, length; /* length: -1 not known yet */
};

/* ---- syntax ---- */

enum j_node_kind {
    /* expressions */
    JN_CONST,   /* value */
    JN_NAME,    /* name */
    JN_LIST,    /* a: elements */
    JN_TUPLE,   /* a: elements */
    JN_DICT,    /* a: key, value, key, value, ... */
    JN_ATTR,    /* a.text */
    JN_ITEM,    /* a[b] */
    JN_SLICE,   /* a[b:c:d] */
    JN_CALL,    /* a(args): b positional, c JN_KEYWORD */
    JN_FILTER,  /* a | text(args): b, c; a NULL: the body of a set block */
    JN_TEST,    /* a is text(args): b, c */
    JN_KEYWORD, /* text = a */
    JN_UNARY,   /* op a */
    JN_BINARY,  /* a op b */
    JN_COMPARE, /* a, then b: JN_OPERAND list */
    JN_OPERAND, /* op a */
    JN_AND,     /* a, b */
    JN_OR,
    JN_NOT,  /* a */
    JN_COND, /* b if a else c (NULL: undefined) */
    /* statements */
    JN_DATA,  /* text */
    JN_PRINT, /* a */
    JN_IF,    /* a: condition, b: body, c: else (an elif is a JN_IF there) */
    JN_FOR,   /* a: target, b: iterable, c: condition or NULL, body, other */
    JN_SET,   /* a: target, b: value */
    JN_NSSET, /* name.text, as a target */
    JN_BLOCK, /* set without =: a: target, b: filters or NULL, body */
    JN_WITH,  /* a: targets, b: values, body */
    JN_MACRO, /* name, a: parameters (JN_NAME; b of each: default or NULL), body */
    JN_SCOPE, /* generation: body in a scope of its own */
    JN_BREAK,
    JN_CONTINUE,
};

/* Operators: of JN_UNARY, JN_BINARY and JN_OPERAND. */
enum j_op {
    JO_ADD,
    JO_SUB,
    JO_MUL,
    JO_DIV,
    JO_FLOOR,
    JO_MOD,
    JO_POW,
    JO_CAT,
    JO_EQ,
    JO_NE,
    JO_LT,
    JO_LE,
    JO_GT,
    JO_GE,
    JO_IN,
    JO_NOT_IN
};
extern const char *const setun_j_op_text[];

struct j_node {
    uint8_t kind, op;
    uint16_t depth; /* height of an expression */
    uint32_t line;
    uint32_t name; /* interned */
    struct j_value value;
    const char *text; /* terminated, besides text_n */
    uint32_t text_n;
    uint32_t n_hidden; /* scopes: names that are undefined at its start whatever lies outside (check.c) */
    uint32_t *hidden;
    struct j_node *a, *b, *c, *d, *body, *other, *next;
};

/* ---- running ---- */

struct j_binding {
    uint32_t name;
    struct j_value value;
    struct j_binding *next;
};
struct j_scope {
    struct j_binding *first;
    struct j_scope *outer;
};

struct j_buf {
    char *at;
    size_t n, cap;
};

struct j_name {
    const char *text;
    uint32_t n, next; /* in its chain */
};

struct setun_jinja {
    uint8_t *base;
    size_t used, size, parsed; /* parsed: used by the syntax tree; rendering starts there */
    jmp_buf leave;
    struct setun_jinja_error *why;
    uint32_t line; /* of what is being parsed or run */
    uint32_t depth;
    uint64_t steps;
    /* parsing */
    const char *text;
    size_t text_n;
    struct j_token *token; /* the current one; the last is JT_END */
    uint32_t loops;        /* open for loops of the function that is being parsed */
    struct j_node *root;   /* JN_SCOPE: the whole template */
    struct j_name *name;
    uint32_t n_names, cap_names, chain[256];
    /* running */
    struct j_scope *scope;
    struct j_buf *out;
    const struct setun_jinja_date *date;
    uint32_t loop_name;
    struct j_value filtered; /* what the filters of a set block begin with */
    enum { J_GO, J_BREAK, J_CONTINUE } jump;
};
typedef struct setun_jinja J;

/* ---- jinja.c: memory, failure, names ---- */

#define J_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
_Noreturn void setun_j_fail(J *j, const char *fmt, ...) J_PRINTF(2, 3);
void *setun_j_alloc(J *j, size_t n, size_t each); /* zeroed, 8-byte aligned */
void setun_j_step(J *j, uint64_t n);              /* that much work */
void setun_j_deeper(J *j);                        /* balanced by j->depth-- */
uint32_t setun_j_name(J *j, const char *text, size_t n);
char *setun_j_copy(J *j, const char *text, size_t n); /* terminated */

void setun_j_put(J *j, struct j_buf *b, const void *text, size_t n);
void setun_j_printf(J *j, struct j_buf *b, const char *fmt, ...) J_PRINTF(3, 4); /* at most 63 bytes */
struct j_value setun_j_take(J *j, struct j_buf *b);                              /* as a string */

/* Rendering with more variables than the usual ones: bind calls setun_j_bind on j->scope. */
struct j_more {
    void (*bind)(J *j, void *self);
    void *self;
};
bool setun_j_render(J *j, const struct setun_jinja_input *in, const struct j_more *more, struct setun_jinja_text *out,
                    struct setun_jinja_error *why);

/* ---- lex.c ---- */

enum j_token_kind {
    JT_END,
    JT_DATA,
    JT_PRINT,
    JT_PRINT_END,
    JT_TAG,
    JT_TAG_END,
    JT_NAME,
    JT_STRING,
    JT_INT,
    JT_FLOAT,
    JT_OP
};
struct j_token {
    uint8_t kind;
    char op[3]; /* JT_OP: its one or two characters */
    uint32_t line, n;
    const char *at; /* JT_DATA, JT_NAME, JT_STRING: the text, terminated where it is a name or string */
    int64_t i;
    double f;
};
struct j_token *setun_j_lex(J *j);
bool setun_j_is(const struct j_token *t, const char *word);    /* an operator or a name */
void setun_j_describe(const struct j_token *t, char text[64]); /* for messages */

/* ---- parse.c, expr.c, check.c ---- */

struct j_node *setun_j_parse(J *j);
struct j_node *setun_j_node(J *j, enum j_node_kind kind, uint32_t line);
bool setun_j_skip(J *j, const char *word); /* takes it if it is there */
void setun_j_expect(J *j, const char *word);
_Noreturn void setun_j_unexpected(J *j, const char *expected);
struct j_node *setun_j_expression(J *j, bool conditional);
/* Elements up to a closing token; one without a comma is itself.  stop: a name that ends it, or NULL. */
struct j_node *setun_j_tuple(J *j, bool conditional, const char *stop);
struct j_node *setun_j_target(J *j, const char *stop, bool namespaces);
struct j_node *setun_j_filters(J *j, struct j_node *of);
void setun_j_check(J *j); /* scopes */

/* ---- value.c: making, asking, comparing ---- */

struct j_value setun_j_str(const char *text, size_t n);
struct j_value setun_j_text(J *j, const char *text, size_t n); /* a copy */
struct j_value setun_j_bool(bool b);
struct j_value setun_j_int(int64_t i);
struct j_value setun_j_float(double f);
struct j_value setun_j_list(J *j, enum j_kind kind, uint32_t cap);
struct j_value setun_j_dict(J *j, enum j_kind kind);
void setun_j_push(J *j, struct j_list *l, struct j_value v);
struct j_value *setun_j_find(J *j, const struct j_dict *d, struct j_value key); /* NULL: absent */
void setun_j_put_key(J *j, struct j_dict *d, struct j_value key, struct j_value value);
struct j_value setun_j_pair(J *j, struct j_value a, struct j_value b);

const char *setun_j_type(struct j_value v); /* Python's name of its type */
bool setun_j_true(struct j_value v);
bool setun_j_equal(J *j, struct j_value a, struct j_value b);
int setun_j_order(J *j, struct j_value a, struct j_value b, enum j_op op); /* fails on kinds without an order */
bool setun_j_in(J *j, struct j_value a, struct j_value b);
bool setun_j_length(struct j_value v, int64_t *n); /* false: has none */
bool setun_j_as_int(struct j_value v, int64_t *i); /* an int or bool */
bool setun_j_as_real(struct j_value v, double *f); /* an int, bool or float */
bool setun_j_is_str(struct j_value v, const char *word);

bool setun_j_can_walk(struct j_value v);
struct j_iter *setun_j_walk(J *j, struct j_value v); /* fails if it cannot */
bool setun_j_next(J *j, struct j_iter *it, struct j_value *v);
struct j_value setun_j_elements(J *j, struct j_value v); /* all of them, a list */
struct j_value setun_j_iterator(J *j, struct j_value list);

/* ---- str.c: strings ---- */

size_t setun_j_chars(const char *s, size_t n);               /* code points */
uint32_t setun_j_char(const char *s, size_t n, size_t *len); /* the first one; bytes that are no UTF-8: each one */
size_t setun_j_encode(uint32_t c, char out[4]);
size_t setun_j_offset(const char *s, size_t n, size_t chars);                    /* bytes of the first so many */
bool setun_j_space(uint32_t c);                                                  /* str.isspace */
bool setun_j_is_digit(uint32_t c);                                               /* str.isdecimal */
const char *setun_j_search(const char *s, size_t n, const char *what, size_t m); /* NULL: not there */
struct j_value setun_j_strip(J *j, struct j_value s, const struct j_value *chars, bool left, bool right);
enum j_case { J_UPPER, J_LOWER, J_CAPITAL, J_TITLE, J_TITLE_FILTER };
struct j_value setun_j_case(J *j, struct j_value s, enum j_case how);
struct j_value setun_j_replace(J *j, struct j_value s, struct j_value from, struct j_value to, int64_t count);
struct j_value setun_j_split(J *j, struct j_value s, const struct j_value *sep, int64_t most, bool right);

/* ---- print.c ---- */

void setun_j_print(J *j, struct j_buf *b, struct j_value v); /* str() */
void setun_j_repr(J *j, struct j_buf *b, struct j_value v);
struct j_value setun_j_string(J *j, struct j_value v); /* str() as a value; a string is itself */
struct j_json {
    bool ascii, sort;
    const char *indent, *item, *key; /* indent NULL: one line */
};
void setun_j_json(J *j, struct j_buf *b, struct j_value v, const struct j_json *how, uint32_t level);

/* ---- eval.c, math.c ---- */

struct j_value setun_j_eval(J *j, const struct j_node *n);
struct j_value setun_j_unary(J *j, enum j_op op, struct j_value a);
struct j_value setun_j_binary(J *j, enum j_op op, struct j_value a, struct j_value b);
bool setun_j_compare(J *j, enum j_op op, struct j_value a, struct j_value b);

/* ---- attr.c ---- */

struct j_value setun_j_attr(J *j, struct j_value v, const char *name);           /* v.name */
struct j_value setun_j_item(J *j, struct j_value v, struct j_value key);         /* v[key] */
struct j_value setun_j_slice(J *j, struct j_value v, const struct j_value s[3]); /* NONE: not given */
struct j_value setun_j_loop_attr(J *j, struct j_iter *it, const char *name);
bool setun_j_loop_next(J *j, struct j_iter *it, struct j_value *v); /* the next element that passes the test */

/* ---- calls ---- */

struct j_keyword {
    const char *name;
    struct j_value value;
    bool used;
};
struct j_args {
    const char *of; /* for messages */
    struct j_value *at;
    struct j_keyword *kw;
    uint32_t n, n_kw;
};
/* Argument i, or the keyword of that name (NULL: position only); NULL: not given. */
const struct j_value *setun_j_arg(J *j, struct j_args *a, uint32_t i, const char *name);
void setun_j_args_end(J *j, const struct j_args *a, uint32_t most); /* fails if more were given or a keyword is left */

struct j_value setun_j_call(J *j, struct j_value f, struct j_args *a);
struct j_value setun_j_call_method(J *j, const struct j_method *m, struct j_args *a);
struct j_value setun_j_call_macro(J *j, const struct j_macro *m, struct j_args *a);
struct j_value setun_j_filter(J *j, const char *name, struct j_value v, struct j_args *a);
bool setun_j_test(J *j, const char *name, struct j_value v, struct j_args *a);

/* What there is, for the parser. */
bool setun_j_known_filter(const char *name);
bool setun_j_known_test(const char *name);
bool setun_j_known_func(const char *name, uint32_t *func);
/* NULL, or why a call of a method of that name with so many arguments is refused. */
const char *setun_j_refused_method(const char *name, uint32_t n_args, bool keywords);

/* ---- exec.c ---- */

void setun_j_run(J *j, const struct j_node *body);
void setun_j_bind(J *j, struct j_scope *s, uint32_t name, struct j_value v);
struct j_value setun_j_lookup(J *j, const struct j_node *name); /* a JN_NAME; undefined if there is none */
void setun_j_assign(J *j, const struct j_node *target, struct j_value v);
struct j_scope *setun_j_enter(J *j, const struct j_node *n, struct j_scope *outer);

#endif
