/* build.c -- nodes of the syntax tree, made while parsing. */
#include "lang/reader.h"

const char *const ast_op_text[] = {
#define X(name, text) [AST_##name] = (text),
    AST_OPS(X)
#undef X
};

const char *ast_kind_text(enum ast_kind k) {
    static const char *const text[] = {
        [AST_CONFIG] = "config", [AST_SECTION] = "section", [AST_REQUIRE] = "require", [AST_WEIGHT] = "weight",
        [AST_STATE] = "state",   [AST_FN] = "function",     [AST_STACK] = "stack",     [AST_ENTRY] = "entry",
        [AST_LET] = "let",       [AST_WRITE] = "write",     [AST_YIELD] = "yield",     [AST_EMIT] = "emit",
        [AST_IF] = "if",
    };
    return text[k];
}

struct ast_expr *build_expr(struct reader *r, enum ast_expr_kind k, struct loc loc) {
    struct ast_expr *e = arena_one(r->arena, struct ast_expr);
    e->kind = k;
    e->loc = loc;
    e->depth = 1;
    return e;
}

/* The tree under e is higher by one than the tree under child. */
static void grow(struct reader *r, struct ast_expr *e, const struct ast_expr *child) {
    if (!child || child->depth < e->depth) return;
    e->depth = child->depth + 1;
    if (e->depth <= LANG_MAX_DEPTH) return;
    if (!r->too_deep) diag_at(r->diag, e->loc, DIAG_NESTED_TOO_DEEP, LANG_MAX_DEPTH);
    r->too_deep = r->failed = true;
}

struct ast_expr *build_over(struct reader *r, enum ast_expr_kind k, struct ast_expr *a, struct ast_expr *b,
                            struct loc loc) {
    struct ast_expr *e = build_expr(r, k, loc);
    e->a = a;
    e->b = b;
    grow(r, e, a);
    grow(r, e, b);
    return e;
}

struct ast_expr *build_binary(struct reader *r, enum ast_op op, struct ast_expr *a, struct ast_expr *b) {
    struct ast_expr *e = build_over(r, AST_BINARY, a, b, read_span(a->loc, b->loc));
    e->op = op;
    return e;
}

struct ast_expr *build_unary(struct reader *r, enum ast_op op, struct ast_expr *a, struct loc loc) {
    struct ast_expr *e = build_over(r, AST_UNARY, a, NULL, loc);
    e->op = op;
    return e;
}

struct ast_expr *build_args(struct reader *r, enum ast_expr_kind k, struct ast_expr *a, struct list args,
                            struct loc loc) {
    struct ast_expr *e = build_over(r, k, a, NULL, loc);
    e->args = args.first;
    e->n_args = args.n;
    for (struct ast_expr *arg = e->args; arg; arg = arg->next) grow(r, e, arg);
    return e;
}

struct ast_node *build_node(struct reader *r, enum ast_kind k, struct loc loc) {
    struct ast_node *n = arena_one(r->arena, struct ast_node);
    n->kind = k;
    n->loc = loc;
    return n;
}

struct ast_name *build_name(struct reader *r, const char *text, struct loc loc) {
    struct ast_name *n = arena_one(r->arena, struct ast_name);
    *n = (struct ast_name){.text = text, .loc = loc};
    return n;
}
