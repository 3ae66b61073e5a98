/*
 * sema_internal.h -- what the files of the checker share.
 *
 *   sema.c           the model: order of work, sections, entries, stacks
 *   sema_decl.c      config, weights, states, types
 *   sema_body.c      statements
 *   sema_expr.c      names, numbers, operators
 *   sema_call.c      arguments; functions and stacks
 *   sema_builtins.c  what each builtin accepts and gives
 *   sema_value.c     values: what they are called, comparing shapes, scopes
 */
#ifndef SETUN_FRONTEND_SEMA_INTERNAL_H
#define SETUN_FRONTEND_SEMA_INTERNAL_H

#include "frontend/sema.h"
#include "frontend/sema_real.h"

enum sv_kind {
    SV_ERROR,  /* told already: everything made of it is quiet */
    SV_NUMBER, /* of the text: i if whole, r if known */
    SV_TRUTH,
    SV_STRING,
    SV_F32,   /* a value of each token */
    SV_CODES, /* int8 codes of each token, with one scale */
    SV_TOKEN, /* id[vocab] */
    SV_POS,   /* the token's position */
    SV_WEIGHT,
    SV_STATE,
    SV_CACHE, /* what a cache holds: f32, f16, int8 */
};

struct sval {
    enum sv_kind kind;
    bool whole;            /* SV_NUMBER */
    enum sema_truth truth; /* SV_TRUTH */
    uint32_t rank;         /* SV_F32, SV_CODES, SV_WEIGHT, SV_STATE, SV_TOKEN */
    const struct dim *dim[IR_MAX_RANK];
    const struct dim *i;    /* SV_NUMBER, whole */
    const struct real *r;   /* SV_NUMBER; NULL: not known */
    const char *text;       /* SV_STRING, SV_CACHE */
    struct sema_node *node; /* SV_F32, SV_CODES */
    struct sema_weight *weight;
    struct sema_state *state;
};

struct binding {
    const char *name;
    struct loc loc;
    struct sval val;
    struct loc only_if; /* line > 0: bound on one way through this `if` only */
    struct binding *next;
};

struct scope {
    const struct scope *up;
    struct binding *first;
};

struct sema_fn {
    const struct ast_node *ast;
    bool active; /* being inlined: a call of it would not end */
    bool checked, bad;
};

/* The body that is being checked. */
enum frame_kind { FRAME_FN, FRAME_STACK, FRAME_ENTRY };
struct frame {
    enum frame_kind kind;
    struct scope scope;
    struct sema_body *body; /* where nodes go: that of the stack or entry around a function */
    const char *owner;
    bool ended;           /* after yield */
    struct sval result;   /* of yield */
    struct scope emitted; /* names of emitted values */
    struct sema_stack *stack;
    struct sema_entry *entry;
    struct frame *up;
};

struct sema {
    struct diag *diag;
    struct arena *arena;
    struct names *names;
    struct dims *dims;
    struct sema_model *m;
    const struct sema_input *in;
    bool known; /* every number is */
    struct scope globals;
    VEC(struct sema_fn *) fns;
    struct frame *frame;
    uint32_t steps;
    bool gave_up;
};

/* ---- sema_value.c ---- */
struct sval sv_error(void);
struct sval sv_whole(struct sema *s, const struct dim *d);
struct sval sv_real(const struct real *r);
struct sval sv_truth(enum sema_truth t);
struct sval sv_of_node(struct sema_node *n);
/* The number as a real; NULL: not known. */
const struct real *sv_to_real(struct sema *s, const struct sval *v);
/* "f32[heads, head]", "the number 3", "a position" */
const char *sv_text(struct sema *s, const struct sval *v);
const char *dims_text(struct sema *s, uint32_t rank, const struct dim *const *dim);
bool dims_equal(struct sema *s, uint32_t ra, const struct dim *const *a, uint32_t rb, const struct dim *const *b);
/* "'x'", "'rope(...)'", "the left side": a short name for an expression. */
const char *expr_label(struct sema *s, const struct ast_expr *e, const char *otherwise);
/* After a message about e: a note where the weight, state or name it stands for is declared. */
void note_declared(struct sema *s, const struct ast_expr *e);
/* After a message about two shapes whose numbers agree: says which `require` would make them equal. */
void note_equal_values(struct sema *s, struct loc loc, const struct dim *a, const struct dim *b);

struct binding *scope_find(const struct scope *sc, const char *name);
/* Declares; reports a name that the same scope has already, and then leaves the first. */
bool scope_add(struct sema *s, struct scope *sc, const char *name, struct loc loc, struct sval v);
/* Reports an unknown name with the nearest one that is visible. */
void unknown_name(struct sema *s, const struct scope *sc, struct loc loc, const char *name);
/* "did you mean", if one of the candidates is near. */
void note_nearest(struct sema *s, struct loc loc, const char *name, const char *const *candidates, size_t n);

/* ---- sema_decl.c ---- */
/* A type as written: its keyword's meaning and its dimensions. */
struct stype {
    enum { TYPE_REAL, TYPE_TERNARY, TYPE_F32, TYPE_F16, TYPE_INT8, TYPE_ID, TYPE_INT } of;
    uint32_t rank;
    const struct dim *dim[IR_MAX_RANK];
};
bool sema_type(struct sema *s, const struct ast_type *t, struct stype *out);
/* Only the keyword. */
bool sema_type_name(struct sema *s, const struct ast_type *t, struct stype *out);
void declare_config(struct sema *s, const struct ast_node *n);
void declare_weights(struct sema *s, const struct ast_node *n, struct scope *sc, struct sema_stack *stack);
void declare_states(struct sema *s, const struct ast_node *n, struct scope *sc, struct sema_stack *stack);
bool check_dim(struct sema *s, struct loc loc, const struct dim *d);
void check_require(struct sema *s, const struct ast_node *n);

/* ---- sema_expr.c ---- */
struct sval check_expr(struct sema *s, const struct ast_expr *e);
/* A whole number of the text; NULL: reported. */
const struct dim *check_whole(struct sema *s, const struct ast_expr *e);
struct sval wrong_kind(struct sema *s, const struct ast_expr *e, const char *want, const struct sval *have);
/* A weight may be used here?  Marks it used. */
bool weight_usable(struct sema *s, const struct ast_expr *e, struct sema_weight *w);

/* A new node of the body, f32 of the given shape. */
struct sema_node *node_new(struct sema *s, enum ir_opcode code, struct loc loc, uint32_t rank,
                           const struct dim *const *dim);

/* ---- sema_call.c ---- */
struct sval check_call(struct sema *s, const struct ast_expr *e);
void check_fn(struct sema *s, struct sema_fn *fn);
struct sema_fn *find_fn(struct sema *s, const char *name);
struct sema_stack *find_stack(struct sema *s, const char *name);

/* ---- sema_builtins.c ---- */
enum { MAX_PARAMS = 6 };
/* One argument of a builtin, already checked against the letter of its parameter. */
struct arg {
    const struct ast_expr *e; /* NULL: left out */
    struct sval v;
    const struct real *plus; /* of a gain: the number added to the weight; NULL: none, or not known */
};
struct builtin {
    const char *name;
    const char *params; /* see sema_builtins.def */
    struct sval (*check)(struct sema *s, const struct builtin *b, const struct ast_expr *call, struct arg *args);
    int code; /* of the IR, where the check is shared */
    const char *result, *meaning;
};
const struct builtin *builtin_find(const char *name);
size_t builtin_count(void);
const struct builtin *builtin_at(size_t i);

/* ---- sema_body.c ---- */
/* Statements of the body of a stack, an entry or a function. */
void check_block(struct sema *s, const struct ast_node *body);

#endif
