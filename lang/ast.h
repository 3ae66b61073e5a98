/*
 * ast.h -- the syntax tree of a model file: what was written, nothing decided yet.
 *
 * Transparent.  Lists are linked through `next` in the order of the text.  Names are interned (base/str.h),
 * so they compare with ==.  Everything lies in the arena given to lang_parse.
 */
#ifndef SETUN_LANG_AST_H
#define SETUN_LANG_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

/* An identifier where it stands. */
struct ast_name {
    const char *text;
    struct loc loc;
    struct ast_name *next;
};

enum ast_expr_kind {
    AST_INT,    /* i                                                                          */
    AST_REAL,   /* text: the decimal as written, rounded only where it is used                 */
    AST_STR,    /* text                                                                       */
    AST_NAME,   /* text                                                                       */
    AST_CALL,   /* text(args)                                                                 */
    AST_INDEX,  /* a[args]                                                                    */
    AST_FIELD,  /* a.text                                                                     */
    AST_UNARY,  /* op a                                                                       */
    AST_BINARY, /* a op b                                                                     */
    AST_RANGE,  /* a .. b                                                                     */
    AST_NAMED,  /* text = a, an argument                                                      */
    AST_LIST,   /* [args]                                                                     */
    AST_FOR,    /* for text in a { binds b }: one value for each element                      */
};

/* Operators, with their spelling. */
// clang-format off
#define AST_OPS(X)                                                             \
    X(ADD, "+") X(SUB, "-") X(MUL, "*") X(DIV, "/") X(MOD, "%") X(MATMUL, "@") \
    X(EQ, "==") X(NE, "!=") X(LE, "<=") X(GE, ">=") X(LT, "<") X(GT, ">")      \
    X(AND, "and") X(OR, "or") X(NOT, "not") X(NEG, "-")
// clang-format on
enum ast_op {
#define X(name, text) AST_##name,
    AST_OPS(X)
#undef X
};
extern const char *const ast_op_text[];

struct ast_node;

struct ast_expr {
    enum ast_expr_kind kind;
    enum ast_op op;
    uint32_t depth; /* height of the tree: at most LANG_MAX_DEPTH, so that walks may recurse */
    uint32_t n_args;
    struct loc loc;
    struct loc name_loc; /* of text, where that is not all of it: call, field, named argument */
    const char *text;
    int64_t i;
    struct ast_expr *a, *b;
    struct ast_expr *args;
    struct ast_node *binds; /* AST_FOR */
    struct ast_expr *next;  /* in an argument list */
};

/* f32[heads, head] */
struct ast_type {
    const char *name;
    struct loc loc, name_loc;
    struct ast_expr *dims;
    uint32_t n_dims;
};

/* x: f32[hidden] */
struct ast_param {
    struct ast_name name;
    struct ast_type *type;
    struct ast_param *next;
};

/* "a" or paired "b": the names under which a file may hold one tensor, or the prefixes of a stack. */
struct ast_alt {
    const char *text;
    struct loc loc;
    const char *word; /* how that file orders it, before the name; NULL: as the text does */
    struct loc word_loc;
    struct ast_alt *next;
};
struct ast_source {
    struct ast_alt *alts;
    struct ast_source *next;
};

/* a, b : int = 1; in config, or key = value; in a section */
struct ast_field {
    struct ast_name *names;
    struct ast_type *type;  /* NULL in a section */
    struct ast_expr *value; /* NULL: none */
    struct loc loc;
    struct ast_field *next;
};

enum ast_kind {
    AST_CONFIG,  /* config { fields }                                                        */
    AST_SECTION, /* name "tag" { fields }   or   name "tag";                                 */
    AST_REQUIRE, /* require expr;                                                            */
    AST_WEIGHT,  /* weight names : type ? from sources;                                      */
    AST_STATE,   /* state names : kind(args) type;                                           */
    AST_FN,      /* fn name(params) -> type = expr;   or a block                             */
    AST_STACK,   /* stack name(params) -> type for var in range at "a" or "b" { body }       */
    AST_ENTRY,   /* entry name(params) { body }                                              */
    AST_LET,     /* let names = expr;                                                        */
    AST_WRITE,   /* name[args] = expr;                                                       */
    AST_YIELD,   /* yield expr;                                                              */
    AST_EMIT,    /* emit name = expr;                                                        */
    AST_IF,      /* if expr { body } else { other }                                          */
};

/* A declaration or a statement.  Which members are set follows from the kind, as drawn above. */
struct ast_node {
    enum ast_kind kind;
    struct loc loc;
    struct ast_name name;   /* section, fn, stack, entry, write, emit */
    struct ast_name *names; /* weight, state, let */
    struct ast_type *type;  /* weight, state; result of fn and stack */
    struct ast_expr *expr;  /* require, let, write, yield, emit, if; fn: its value, or NULL with a body */
    struct ast_expr *args;  /* state kind's arguments; write's index */
    uint32_t n_args;
    bool optional;              /* weight */
    bool braces;                /* section: fields follow */
    bool has_else;              /* if */
    struct ast_name kind_name;  /* state */
    struct ast_source *sources; /* weight */
    struct ast_field *fields;   /* config, section */
    struct ast_alt *tag;        /* section's string; stack's prefixes */
    struct ast_param *params;   /* fn, stack, entry */
    struct ast_name var;        /* stack */
    struct ast_expr *range;     /* stack */
    struct ast_node *body;      /* fn, stack, entry, if */
    struct ast_node *other;     /* if: the else part */
    struct ast_node *next;
};

struct ast_model {
    struct ast_name name;
    struct ast_node *items;
};

/* What a kind of node is called in messages. */
const char *ast_kind_text(enum ast_kind k);

#endif
