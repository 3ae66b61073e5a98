/*
 * grammar.y -- the grammar of model files: LALR(1), no conflicts.
 *
 * A statement ends in ';' and a block in '}', and these are where the parser gets its footing back after an
 * error.  Data (tokenizer, chat, ...) is a section: NAME "tag" { key = value; }, so the grammar does not grow
 * for data.  About twenty words are reserved; all else, types and builtins too, are ordinary names.
 */
%require "3.8"
%define api.pure full
%define api.prefix {stn_}
%define api.token.prefix {T_}
%define api.location.type {struct loc}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {struct reader *r}

%code requires {
#include "lang/reader.h"
}

%code provides {
/* read.c: the lexer with limits and recovery. */
int stn_lex(STN_STYPE *v, STN_LTYPE *l, struct reader *r);
void stn_error(STN_LTYPE *l, struct reader *r, const char *text);
}

%code {
#include <string.h>

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wunused-but-set-variable" /* bison counts errors; nobody reads it */
#endif

/* An empty rule stands at the end of what came before it. */
#define YYLLOC_DEFAULT(cur, rhs, n)                                                                \
    do {                                                                                           \
        if (n)                                                                                     \
            (cur) = read_span(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n));                                 \
        else                                                                                       \
            (cur) = YYRHSLOC(rhs, 0);                                                              \
    } while (0)

static struct ast_node *node(struct reader *r, enum ast_kind k, struct loc at) {
    return build_node(r, k, at);
}
static struct ast_name named(const char *text, struct loc at) {
    return (struct ast_name){.text = text, .loc = at};
}
}

%union {
    const char *name;
    const char *text;
    int64_t integer;
    bool flag;
    struct list list;
    struct ast_expr *expr;
    struct ast_type *type;
    struct ast_node *node;
    struct ast_field *field;
    struct ast_param *param;
    struct ast_source *source;
    struct ast_alt *alt;
}

%initial-action { @$ = (struct loc){.file = r->file, .line = 1, .col = 1, .last_line = 1, .last_col = 1}; }

%token <name> ID "a name"
%token <integer> INT "an integer"
%token <text> REAL "a real number" STR "a string"
%token COMMENT "a comment" /* for the formatter; the parser never sees it */
%token MODEL "model" CONFIG "config" WEIGHT "weight" STATE "state" FN "fn" STACK "stack" ENTRY "entry"
%token LET "let" YIELD "yield" EMIT "emit" FROM "from" AT "at" FOR "for" IN "in" IF "if" ELSE "else"
%token REQUIRE "require" AND "and" OR "or" NOT "not"
%token DOTS ".." ARROW "->" EQ "==" NE "!=" LE "<=" GE ">="
%token END 0 "the end of the file"

%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LE GE '<' '>'
%left '+' '-'
%left '*' '/' '%'
%left '@'
%precedence NEG

%type <expr> expr range arg post prim default
%type <type> type ret
%type <node> item decl fn entry stack section stmt bind
%type <list> items fields config_fields idlist dims args cargs kind_args params plist
%type <list> block other stmts binds sources alts from prefix prefixes
%type <field> field config_field
%type <param> param
%type <alt> tag string alt
%type <flag> optional

%%

file: "model" ID ';' items {
        r->model = arena_one(r->arena, struct ast_model);
        r->model->name = named($ID, @ID);
        r->model->items = $items.first;
    }
    ;

items: %empty               { $$ = (struct list){0}; }
    | items item            { $$ = $1; LIST_ADD($$, struct ast_node, $item); }
    ;

item: "config" '{' config_fields '}' { $$ = node(r, AST_CONFIG, @1); $$->fields = $config_fields.first; }
    | "config" '{' config_fields error '}' { yyerrok; $$ = NULL; }
    | decl
    | fn
    | entry
    | stack
    | section
    | "require" expr ';'    { $$ = node(r, AST_REQUIRE, @expr); $$->expr = $expr; }
    | error ';'             { yyerrok; $$ = NULL; }
    | error '}'             { yyerrok; $$ = NULL; }
    ;

/* ---- data ---- */

config_fields: %empty       { $$ = (struct list){0}; }
    | config_fields config_field { $$ = $1; LIST_ADD($$, struct ast_field, $config_field); }
    ;

config_field: idlist ':' type default ';' {
        $$ = arena_one(r->arena, struct ast_field);
        *$$ = (struct ast_field){.names = $idlist.first, .type = $type, .value = $default, .loc = @$};
    }
    | error ';'             { yyerrok; $$ = NULL; }
    ;

default: %empty             { $$ = NULL; }
    | '=' expr              { $$ = $expr; }
    ;

section: ID string ';' {
        $$ = node(r, AST_SECTION, @$);
        $$->name = named($ID, @ID);
        $$->tag = $string;
    }
    | ID tag '{' fields '}' {
        $$ = node(r, AST_SECTION, @1);
        $$->name = named($ID, @ID);
        $$->tag = $tag;
        $$->fields = $fields.first;
        $$->braces = true;
    }
    | ID tag '{' fields error '}' { yyerrok; $$ = NULL; }
    ;

tag: %empty                 { $$ = NULL; }
    | string
    ;

string: STR {
        $$ = arena_one(r->arena, struct ast_alt);
        *$$ = (struct ast_alt){.text = $STR, .loc = @STR};
    }
    ;

fields: %empty              { $$ = (struct list){0}; }
    | fields field          { $$ = $1; LIST_ADD($$, struct ast_field, $field); }
    ;

field: ID '=' range ';' {
        $$ = arena_one(r->arena, struct ast_field);
        *$$ = (struct ast_field){.names = build_name(r, $ID, @ID), .value = $range, .loc = @$};
    }
    | error ';'             { yyerrok; $$ = NULL; }
    ;

/* ---- declarations ---- */

idlist: ID                  { $$ = (struct list){0}; LIST_ADD($$, struct ast_name, build_name(r, $1, @1)); }
    | idlist ',' ID         { $$ = $1; LIST_ADD($$, struct ast_name, build_name(r, $3, @3)); }
    ;

decl: "weight" idlist ':' type optional from ';' {
        $$ = node(r, AST_WEIGHT, @$);
        $$->names = $idlist.first;
        $$->type = $type;
        $$->optional = $optional;
        $$->sources = $from.first;
    }
    | "state" idlist ':' ID kind_args type ';' {
        $$ = node(r, AST_STATE, @$);
        $$->names = $idlist.first;
        $$->kind_name = named($ID, @ID);
        $$->args = $kind_args.first;
        $$->n_args = $kind_args.n;
        $$->type = $type;
    }
    ;

kind_args: %empty           { $$ = (struct list){0}; }
    | '(' args ')'          { $$ = $args; }
    ;

optional: %empty            { $$ = false; }
    | '?'                   { $$ = true; }
    ;

from: %empty                { $$ = (struct list){0}; }
    | "from" sources        { $$ = $sources; }
    ;

sources: alts {
        struct ast_source *s = arena_one(r->arena, struct ast_source);
        s->alts = $alts.first;
        $$ = (struct list){0};
        LIST_ADD($$, struct ast_source, s);
    }
    | sources ',' alts {
        struct ast_source *s = arena_one(r->arena, struct ast_source);
        s->alts = $alts.first;
        $$ = $1;
        LIST_ADD($$, struct ast_source, s);
    }
    ;

alts: alt                   { $$ = (struct list){0}; LIST_ADD($$, struct ast_alt, $1); }
    | alts "or" alt         { $$ = $1; LIST_ADD($$, struct ast_alt, $3); }
    ;

alt: string
    | ID string             { $$ = $string; $$->word = $ID; $$->word_loc = @ID; }
    ;

type: ID dims {
        $$ = arena_one(r->arena, struct ast_type);
        *$$ = (struct ast_type){.name = $ID, .name_loc = @ID, .loc = @$, .dims = $dims.first, .n_dims = $dims.n};
    }
    ;

dims: %empty                { $$ = (struct list){0}; }
    | '[' args ']'          { $$ = $args; }
    ;

params: %empty              { $$ = (struct list){0}; }
    | plist
    ;

plist: param                { $$ = (struct list){0}; LIST_ADD($$, struct ast_param, $1); }
    | plist ',' param       { $$ = $1; LIST_ADD($$, struct ast_param, $3); }
    ;

param: ID ':' type {
        $$ = arena_one(r->arena, struct ast_param);
        *$$ = (struct ast_param){.name = named($ID, @ID), .type = $type};
    }
    ;

fn: "fn" ID '(' params ')' ret '=' expr ';' {
        $$ = node(r, AST_FN, @ID);
        $$->name = named($ID, @ID);
        $$->params = $params.first;
        $$->type = $ret;
        $$->expr = $expr;
    }
    | "fn" ID '(' params ')' ret block {
        $$ = node(r, AST_FN, @ID);
        $$->name = named($ID, @ID);
        $$->params = $params.first;
        $$->type = $ret;
        $$->body = $block.first;
    }
    ;

ret: %empty                 { $$ = NULL; }
    | "->" type             { $$ = $type; }
    ;

stack: "stack" ID '(' params ')' ret "for" ID[var] "in" range prefix block {
        $$ = node(r, AST_STACK, @2);
        $$->name = named($2, @2);
        $$->params = $params.first;
        $$->type = $ret;
        $$->var = named($var, @var);
        $$->range = $range;
        $$->tag = $prefix.first;
        $$->body = $block.first;
    }
    ;

prefix: %empty              { $$ = (struct list){0}; }
    | "at" prefixes         { $$ = $prefixes; }
    ;

prefixes: string            { $$ = (struct list){0}; LIST_ADD($$, struct ast_alt, $1); }
    | prefixes "or" string  { $$ = $1; LIST_ADD($$, struct ast_alt, $3); }
    ;

entry: "entry" ID '(' params ')' block {
        $$ = node(r, AST_ENTRY, @ID);
        $$->name = named($ID, @ID);
        $$->params = $params.first;
        $$->body = $block.first;
    }
    ;

/* ---- statements ---- */

block: '{' stmts '}'        { $$ = $stmts; }
    | '{' stmts error '}'   { yyerrok; $$ = $stmts; }
    ;

stmts: %empty               { $$ = (struct list){0}; }
    | stmts stmt            { $$ = $1; LIST_ADD($$, struct ast_node, $stmt); }
    ;

stmt: decl
    | "let" idlist '=' expr ';' {
        $$ = node(r, AST_LET, @$);
        $$->names = $idlist.first;
        $$->expr = $expr;
    }
    | ID '[' args ']' '=' expr ';' {
        $$ = node(r, AST_WRITE, @$);
        $$->name = named($ID, @ID);
        $$->args = $args.first;
        $$->n_args = $args.n;
        $$->expr = $expr;
    }
    | "yield" expr ';'      { $$ = node(r, AST_YIELD, @$); $$->expr = $expr; }
    | "emit" ID '=' expr ';' {
        $$ = node(r, AST_EMIT, @$);
        $$->name = named($ID, @ID);
        $$->expr = $expr;
    }
    | "require" expr ';'    { $$ = node(r, AST_REQUIRE, @expr); $$->expr = $expr; }
    | "if" expr block other {
        $$ = node(r, AST_IF, @expr);
        $$->expr = $expr;
        $$->body = $block.first;
        $$->other = $other.first;
        $$->has_else = $other.n > 0;
    }
    | error ';'             { yyerrok; $$ = NULL; }
    ;

/* n is not 0 for an else that is there, though it may be empty. */
other: %empty               { $$ = (struct list){0}; }
    | "else" block          { $$ = $block; $$.n = 1; }
    | "else" "if" expr block other[rest] {
        struct ast_node *n = node(r, AST_IF, @expr);
        n->expr = $expr;
        n->body = $block.first;
        n->other = $rest.first;
        n->has_else = $rest.n > 0;
        $$ = (struct list){.first = n, .last = n, .n = 1};
    }
    ;

/* ---- expressions ---- */

range: expr
    | expr[a] ".." expr[b]  { $$ = build_over(r, AST_RANGE, $a, $b, @$); }
    ;

expr: expr '+' expr         { $$ = build_binary(r, AST_ADD, $1, $3); }
    | expr '-' expr         { $$ = build_binary(r, AST_SUB, $1, $3); }
    | expr '*' expr         { $$ = build_binary(r, AST_MUL, $1, $3); }
    | expr '/' expr         { $$ = build_binary(r, AST_DIV, $1, $3); }
    | expr '%' expr         { $$ = build_binary(r, AST_MOD, $1, $3); }
    | expr '@' expr         { $$ = build_binary(r, AST_MATMUL, $1, $3); }
    | expr EQ expr          { $$ = build_binary(r, AST_EQ, $1, $3); }
    | expr NE expr          { $$ = build_binary(r, AST_NE, $1, $3); }
    | expr LE expr          { $$ = build_binary(r, AST_LE, $1, $3); }
    | expr GE expr          { $$ = build_binary(r, AST_GE, $1, $3); }
    | expr '<' expr         { $$ = build_binary(r, AST_LT, $1, $3); }
    | expr '>' expr         { $$ = build_binary(r, AST_GT, $1, $3); }
    | expr AND expr         { $$ = build_binary(r, AST_AND, $1, $3); }
    | expr OR expr          { $$ = build_binary(r, AST_OR, $1, $3); }
    | NOT expr              { $$ = build_unary(r, AST_NOT, $2, @$); }
    | '-' expr %prec NEG    { $$ = build_unary(r, AST_NEG, $2, @$); }
    | post
    ;

post: prim
    | post '[' args ']'     { $$ = build_args(r, AST_INDEX, $1, $args, @$); }
    | post '.' ID           { $$ = build_over(r, AST_FIELD, $1, NULL, @$); $$->text = $ID; $$->name_loc = @ID; }
    ;

prim: ID                    { $$ = build_expr(r, AST_NAME, @$); $$->text = $1; }
    | ID '(' cargs ')'      { $$ = build_args(r, AST_CALL, NULL, $cargs, @$); $$->text = $1; $$->name_loc = @1; }
    | INT                   { $$ = build_expr(r, AST_INT, @$); $$->i = $1; }
    | REAL                  { $$ = build_expr(r, AST_REAL, @$); $$->text = $1; }
    | STR                   { $$ = build_expr(r, AST_STR, @$); $$->text = $1; }
    | '(' expr ')'          { $$ = $expr; $$->loc = @$; }
    | '[' cargs ']'         { $$ = build_args(r, AST_LIST, NULL, $cargs, @$); }
    | "for" ID "in" expr '{' binds expr[value] '}' {
        $$ = build_over(r, AST_FOR, $4, $value, @$);
        $$->text = $2;
        $$->name_loc = @2;
        $$->binds = $binds.first;
    }
    ;

binds: %empty               { $$ = (struct list){0}; }
    | binds bind            { $$ = $1; LIST_ADD($$, struct ast_node, $bind); }
    ;

bind: decl
    | "let" idlist '=' expr ';' {
        $$ = node(r, AST_LET, @$);
        $$->names = $idlist.first;
        $$->expr = $expr;
    }
    ;

args: arg                   { $$ = (struct list){0}; LIST_ADD($$, struct ast_expr, $1); }
    | args ',' arg          { $$ = $1; LIST_ADD($$, struct ast_expr, $3); }
    ;

cargs: %empty               { $$ = (struct list){0}; }
    | args
    ;

arg: range
    | ID '=' range          { $$ = build_over(r, AST_NAMED, $range, NULL, @$); $$->text = $ID; $$->name_loc = @ID; }
    ;

%%

/* ---- "expected X, found Y" ---- */

/* Sets of tokens that a reader thinks of as one thing, told in one word when most of them are expected. */
static const struct {
    const char *text;
    int probe; /* a token whose presence stands for the set */
    int members[20];
} groups[] = {
    {"an expression", T_REAL, {T_ID, T_INT, T_REAL, T_STR, '(', '[', '-', T_NOT, T_FOR}},
    {"an operator", '@', {'+', '-', '*', '/', '%', '@', T_EQ, T_NE, T_LE, T_GE, '<', '>', T_AND, T_OR, T_DOTS,
                          '[', '.', '(', '='}},
    {"a declaration", T_ENTRY, {T_ID, T_CONFIG, T_WEIGHT, T_STATE, T_FN, T_STACK, T_ENTRY, T_REQUIRE}},
    {"a statement", T_YIELD, {T_ID, T_WEIGHT, T_STATE, T_LET, T_YIELD, T_EMIT, T_REQUIRE, T_IF}},
};

enum { MAX_EXPECTED = 64 };

/* Takes a group out of the set; true: it was there. */
static bool take_group(const yysymbol_kind_t *want, bool *taken, int n, size_t g) {
    bool there = false;
    for (int i = 0; i < n; i++) there |= !taken[i] && want[i] == YYTRANSLATE(groups[g].probe);
    if (!there) return false;
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < COUNT_OF(groups[g].members) && groups[g].members[k]; k++)
            taken[i] |= want[i] == YYTRANSLATE(groups[g].members[k]);
    return true;
}

/* A token as it is written: names of kinds ("a string") stay, words get quotes. */
static void put_symbol(struct buf *b, yysymbol_kind_t s) {
    const char *t = yysymbol_name(s);
    bool plain = strchr(t, ' ') || t[0] == '\'';
    buf_printf(b, plain ? "%s" : "'%s'", t);
}

static void put_item(struct buf *b, int i, int n, const char *text) {
    buf_printf(b, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", text);
}

static void put_expected(struct buf *b, const yysymbol_kind_t *want, int n) {
    bool taken[MAX_EXPECTED] = {0}, grouped[COUNT_OF(groups)];
    int left = 0, done = 0;
    bool end = false;
    for (int i = 0; i < n; i++) end |= want[i] == YYTRANSLATE(T_END);
    for (size_t g = 0; g < COUNT_OF(groups); g++) left += grouped[g] = take_group(want, taken, n, g);
    for (int i = 0; i < n; i++) left += !taken[i];
    for (int i = 0; i < n; i++) {
        if (taken[i] || want[i] == YYTRANSLATE(T_END)) continue;
        struct buf one = {0};
        put_symbol(&one, want[i]);
        put_item(b, done++, left, one.at);
        buf_free(&one);
    }
    for (size_t g = 0; g < COUNT_OF(groups); g++)
        if (grouped[g]) put_item(b, done++, left, groups[g].text);
    if (end) put_item(b, done, left, "the end of the file");
}

static int yyreport_syntax_error(const yypcontext_t *cx, struct reader *r) {
    yysymbol_kind_t want[MAX_EXPECTED];
    int n = yypcontext_expected_tokens(cx, want, MAX_EXPECTED);
    yysymbol_kind_t found = yypcontext_token(cx);
    struct loc at = *yypcontext_location(cx);
    if (r->too_deep) return 0; /* the end of file here is of our making */
    r->failed = true;
    r->recovering = found != YYTRANSLATE(';') && found != YYTRANSLATE('}');
    r->skip_block = found == YYTRANSLATE('{');
    bool semicolon = false;
    for (int i = 0; i < n; i++) semicolon |= want[i] == YYTRANSLATE(';');
    if (semicolon && r->last.last_line && r->last.last_line < at.line) {
        struct loc end = r->last; /* the line above is at fault, not this one */
        end.line = end.last_line;
        end.col = ++end.last_col;
        diag_at(r->diag, end, DIAG_MISSING_SEMICOLON);
        return 0;
    }
    struct buf expected = {0}, what = {0};
    put_expected(&expected, want, n < 0 ? 0 : n);
    if (found == YYTRANSLATE(T_ID))
        buf_printf(&what, "'%.*s'", (int)(r->token_n < 40 ? r->token_n : 40), r->text + r->token_at);
    else if (found != YYSYMBOL_YYEMPTY)
        put_symbol(&what, found);
    diag_at(r->diag, at, DIAG_SYNTAX_ERROR, expected.n ? expected.at : "the end of the file",
            what.n ? what.at : "nothing");
    buf_free(&expected);
    buf_free(&what);
    return 0;
}
