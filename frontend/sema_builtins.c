/*
 * sema_builtins.c -- what each builtin accepts and gives.  Arguments come checked for their kind; what is left
 * is how their shapes go together.
 */
#include <string.h>

#include "frontend/sema_internal.h"

static struct sema_node *node_of(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                 const struct arg *x) {
    struct sema_node *n = node_new(s, (enum ir_opcode)b->code, call->loc, x->v.rank, x->v.dim);
    n->n_in = 1;
    n->in[0] = x->v.node;
    return n;
}

/* ---- maps and numbers ---- */

static struct sval builtin_map(struct sema *s, const struct builtin *b, const struct ast_expr *call, struct arg *args) {
    return sv_of_node(node_of(s, b, call, &args[0]));
}

static struct sval builtin_number(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                  struct arg *args) {
    static const struct {
        const char *name;
        enum real_fn fn;
        int least; /* sign of the smallest argument: 1 above 0, 0 from 0, -1 any */
    } fns[] = {{"sqrt", REAL_SQRT, 0}, {"rsqrt", REAL_RSQRT, 1}, {"log", REAL_LOG, 1}, {"exp", REAL_EXP, -1}};
    const struct real *x = sv_to_real(s, &args[0].v);
    size_t k = 0;
    while (strcmp(fns[k].name, b->name) != 0) k++;
    if (x && real_sign(x) < fns[k].least) {
        const char *what = arena_printf(s->arena, "what '%s' takes", b->name);
        diag_at(s->diag, args[0].e->loc, DIAG_BAD_CONSTANT, what, fns[k].least ? "above 0" : "0 or more",
                real_text(s->arena, x));
        return sv_error();
    }
    const struct real *y = real_fn1(s->arena, fns[k].fn, x);
    if (y && !real_is_finite(y)) {
        diag_at(s->diag, call->loc, DIAG_NO_NUMBER, b->name);
        return sv_error();
    }
    return sv_real(y);
}

static struct sval builtin_exp(struct sema *s, const struct builtin *b, const struct ast_expr *call, struct arg *args) {
    return args[0].v.kind == SV_F32 ? builtin_map(s, b, call, args) : builtin_number(s, b, call, args);
}

/* ---- norms, quantisers, shapes ---- */

/* A number that must fit f32 and lie above a bound; 0 if not known.  false: reported. */
static bool constant(struct sema *s, const struct arg *a, const char *what, const char *range, int least, double *out) {
    const struct real *r = sv_to_real(s, &a->v);
    *out = 0;
    if (!r) return true;
    *out = real_f64(r);
    if (real_sign(r) >= least && real_f32(r) < (float)1e38 && real_f32(r) > (float)-1e38) return true;
    if (real_sign(r) > 0) range = "below 1e38";
    return diag_at(s->diag, a->e->loc, DIAG_BAD_CONSTANT, what, range, real_text(s->arena, r));
}

static struct sval builtin_rmsnorm(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                   struct arg *args) {
    const struct sval *x = &args[0].v, *g = &args[1].v;
    double eps;
    if (!constant(s, &args[2], "eps", "0 or more", 0, &eps)) return sv_error();
    bool suffix = g->rank <= x->rank && dims_equal(s, g->rank, g->dim, g->rank, x->dim + (x->rank - g->rank));
    if (!suffix) {
        diag_at(s->diag, call->loc, DIAG_GAIN_MISMATCH, expr_label(s, args[1].e, "the gain"), sv_text(s, g),
                expr_label(s, args[0].e, "the value"), sv_text(s, x));
        note_declared(s, args[1].e);
        note_declared(s, args[0].e);
        if (g->rank == 1 && x->rank == 1) note_equal_values(s, call->loc, g->dim[0], x->dim[0]);
        return sv_error();
    }
    struct sema_node *n = node_of(s, b, call, &args[0]);
    n->weight = g->weight;
    n->plus = args[1].plus ? real_f32(args[1].plus) : 0;
    n->c = sv_to_real(s, &args[2].v) ? real_f32(sv_to_real(s, &args[2].v)) : 0;
    return sv_of_node(n);
}

static struct sval builtin_int8(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                struct arg *args) {
    if (args[0].v.rank != 1) {
        wrong_kind(s, args[0].e, "a value with one axis", &args[0].v);
        diag_note(s->diag, args[0].e->loc, "codes have one scale a token; 'flat(...)' makes one axis of all");
        return sv_error();
    }
    struct sema_node *n = node_of(s, b, call, &args[0]);
    n->codes = true;
    return sv_of_node(n);
}

/* The whole number v, from 1 to `most` (all: what that is called).  false: reported; 0: not known. */
static bool check_count(struct sema *s, const struct arg *a, const char *what, const struct dim *most, int64_t *out) {
    int64_t n;
    if (dim_value(a->v.i, out) != DIM_OK) return check_dim(s, a->e->loc, a->v.i);
    if (*out >= 1 && (dim_value(most, &n) != DIM_OK || *out <= n)) return true;
    const char *range = arena_printf(s->arena, "from 1 to %s", dim_text(s->dims, most));
    return diag_at(s->diag, a->e->loc, DIAG_BAD_CONSTANT, what, range, dim_text(s->dims, a->v.i));
}

/* A share r of `most`: above 0, at most 1, and exact. */
static bool check_share(struct sema *s, const struct arg *a, const struct dim *most, int64_t *out) {
    const struct real *r = sv_to_real(s, &a->v);
    int64_t num, den, n;
    if (!r) return true;
    if (!real_quotient(r, &num, &den))
        return diag_at(s->diag, a->e->loc, DIAG_BAD_CONSTANT, "the share kept",
                       "a decimal or a quotient of whole numbers", real_text(s->arena, r));
    if (num <= 0 || num > den)
        return diag_at(s->diag, a->e->loc, DIAG_BAD_CONSTANT, "the share kept", "above 0 and at most 1",
                       real_text(s->arena, r));
    if (dim_value(most, &n) == DIM_OK) *out = real_share(num, den, n);
    return true;
}

/* 2 / 5 is whole to the checker, as 4 / 2 is; a formula with names is a number of elements, and must be one. */
static bool is_share(const struct sval *v) {
    int64_t i;
    return !v->whole || (v->i && dim_is_literal(v->i) && dim_value(v->i, &i) == DIM_INEXACT);
}

static struct sval builtin_topk(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                struct arg *args) {
    const struct sval *x = &args[0].v;
    int64_t keep = 0, block = 0;
    if (x->rank != 1) {
        wrong_kind(s, args[0].e, "a value with one axis", x);
        diag_note(s->diag, args[0].e->loc,
                  "what is kept is counted in the whole of a token; 'flat(...)' makes one axis of all");
        return sv_error();
    }
    const struct dim *of = x->dim[0];
    if (args[2].e) {
        if (!args[2].v.whole) return wrong_kind(s, args[2].e, "a whole number", &args[2].v);
        if (!check_count(s, &args[2], "block", of, &block)) return sv_error();
        of = args[2].v.i;
    }
    bool ok = is_share(&args[1].v) ? check_share(s, &args[1], of, &keep)
                                   : check_count(s, &args[1], "the number kept", of, &keep);
    if (!ok) return sv_error();
    struct sema_node *n = node_of(s, b, call, &args[0]);
    n->keep = keep;
    n->block = block;
    return sv_of_node(n);
}

static struct sval builtin_flat(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                struct arg *args) {
    const struct sval *x = &args[0].v;
    const struct dim *n = dim_const(s->dims, 1);
    for (uint32_t i = 0; i < x->rank; i++) n = dim_mul(s->dims, n, x->dim[i]);
    if (!n) {
        diag_at(s->diag, call->loc, DIAG_NO_NUMBER, expr_label(s, args[0].e, "the length"));
        return sv_error();
    }
    if (x->rank == 1) return *x;
    struct sema_node *node = node_new(s, (enum ir_opcode)b->code, call->loc, 1, &n);
    node->n_in = 1;
    node->in[0] = x->node;
    return sv_of_node(node);
}

/* ---- words ---- */

/* One of the words, or NULL: reported. */
static const char *word(struct sema *s, const struct ast_expr *e, const char *what, const char *const *words,
                        size_t n) {
    for (size_t i = 0; i < n; i++)
        if (e->kind == AST_NAME && strcmp(e->text, words[i]) == 0) return name_of(s->names, words[i]);
    const char *list = "";
    for (size_t i = 0; i < n; i++)
        list = arena_printf(s->arena, "%s%s'%s'", list, i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
    diag_at(s->diag, e->loc, DIAG_UNKNOWN_WORD, what, list, expr_label(s, e, "something else"));
    if (e->kind == AST_NAME) note_nearest(s, e->loc, e->text, words, n);
    return NULL;
}

/* linear(factor), llama3(factor, low, high, original): sets them in the node; a factor of 1 changes nothing. */
static bool check_scaling(struct sema *s, const struct ast_expr *e, struct sema_node *n) {
    static const char *const names[] = {"linear", "llama3"};
    static const char *const what[] = {"factor", "low", "high", "original"};
    double *const to[] = {&n->factor, &n->low, &n->high, &n->original};
    bool by_turns = e->kind == AST_CALL && strcmp(e->text, names[1]) == 0;
    if (e->kind != AST_CALL || (!by_turns && strcmp(e->text, names[0]) != 0)) {
        const char *word = e->kind == AST_NAME || e->kind == AST_CALL ? e->text : "";
        diag_at(s->diag, e->loc, DIAG_UNKNOWN_WORD, "scaling",
                "'linear(factor)' or 'llama3(factor, low, high, original)'", expr_label(s, e, "something else"));
        if (*word) note_nearest(s, e->loc, word, names, COUNT_OF(names));
        return false;
    }
    if (e->n_args != (by_turns ? 4 : 1)) return diag_at(s->diag, e->loc, DIAG_SCALING_ARGS, e->text, by_turns ? 4 : 1);
    bool ok = true;
    size_t i = 0;
    for (const struct ast_expr *x = e->args; x; x = x->next, i++) {
        struct arg a = {.e = x, .v = check_expr(s, x)};
        if (a.v.kind == SV_ERROR) return false;
        if (a.v.kind != SV_NUMBER) {
            wrong_kind(s, x, "a number", &a.v);
            return false;
        }
        ok &= constant(s, &a, what[i], "above 0", 1, to[i]);
    }
    if (ok && s->known && by_turns && n->high <= n->low)
        return diag_at(s->diag, e->args->next->next->loc, DIAG_BAD_CONSTANT, "high", "above low",
                       expr_label(s, e->args->next->next, "a smaller number"));
    if (n->factor == 1) n->factor = 0;
    return ok;
}

/* dims = n: an even number of elements of an axis. */
static bool check_turned(struct sema *s, const struct ast_expr *e, const struct sval *v, const struct dim *axis,
                         int64_t *turned) {
    int64_t d;
    if (!v->whole) {
        wrong_kind(s, e, "a whole number", v);
        return false;
    }
    if (dim_value(v->i, turned) != DIM_OK) return check_dim(s, e->loc, v->i);
    bool fits = *turned >= 2 && *turned % 2 == 0 && (dim_value(axis, &d) != DIM_OK || *turned <= d);
    if (!fits)
        return diag_at(s->diag, e->loc, DIAG_BAD_CONSTANT, "dims",
                       arena_printf(s->arena, "even, and from 2 to %s", dim_text(s->dims, axis)),
                       dim_text(s->dims, v->i));
    if (dim_value(axis, &d) == DIM_OK && *turned == d) *turned = 0;
    return true;
}

static struct sval builtin_rope(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                struct arg *args) {
    static const char *const pairings[] = {"half", "adjacent"};
    const struct sval *x = &args[0].v;
    double theta;
    int64_t d;
    if (!constant(s, &args[2], "theta", "above 1", 1, &theta)) return sv_error();
    if (sv_to_real(s, &args[2].v) && !(theta > 1)) {
        diag_at(s->diag, args[2].e->loc, DIAG_BAD_CONSTANT, "theta", "above 1",
                real_text(s->arena, sv_to_real(s, &args[2].v)));
        return sv_error();
    }
    const char *pairing = name_of(s->names, "half");
    if (args[3].e) pairing = word(s, args[3].e, "pairing", pairings, COUNT_OF(pairings));
    if (!pairing) return sv_error();
    if (x->rank == 0) return wrong_kind(s, args[0].e, "a value with an axis", x);
    struct sema_node how = {0};
    if (args[4].e && !check_scaling(s, args[4].e, &how)) return sv_error();
    const struct dim *axis = x->dim[x->rank - 1];
    if (args[5].e && !check_turned(s, args[5].e, &args[5].v, axis, &how.turned)) return sv_error();
    if (!how.turned && dim_value(axis, &d) == DIM_OK && d % 2) {
        diag_at(s->diag, args[0].e->loc, DIAG_ODD_LENGTH, expr_label(s, args[0].e, "the value"),
                dim_text(s->dims, x->dim[x->rank - 1]));
        return sv_error();
    }
    struct sema_node *n = node_of(s, b, call, &args[0]);
    n->theta = theta;
    n->word = pairing;
    n->factor = how.factor;
    n->low = how.low;
    n->high = how.high;
    n->original = how.original;
    n->turned = how.turned;
    return sv_of_node(n);
}

/* ---- attention ---- */

/* causal, window(n); sets word and window of the node. */
static bool check_mask(struct sema *s, const struct ast_expr *e, struct sema_node *n) {
    static const char *const masks[] = {"causal", "window"};
    static const char *const later[] = {"dilated", "block_causal"};
    const char *name = e->kind == AST_NAME || e->kind == AST_CALL ? e->text : "";
    for (size_t i = 0; i < COUNT_OF(later); i++)
        if (strcmp(name, later[i]) == 0) return diag_at(s->diag, e->loc, DIAG_UNSUPPORTED_BUILTIN, name);
    n->word = name_of(s->names, name);
    if (e->kind == AST_NAME && strcmp(name, "causal") == 0) return true;
    if (e->kind != AST_CALL || strcmp(name, "window") != 0) {
        diag_at(s->diag, e->loc, DIAG_UNKNOWN_WORD, "mask", "'causal' or 'window(n)'",
                expr_label(s, e, "something else"));
        if (*name) note_nearest(s, e->loc, name, masks, COUNT_OF(masks));
        return false;
    }
    if (e->n_args != 1 || e->args->kind == AST_NAMED) return diag_at(s->diag, e->loc, DIAG_WINDOW_ARGS);
    const struct dim *d = check_whole(s, e->args);
    if (!d || !check_dim(s, e->args->loc, d)) return false;
    if (dim_value(d, &n->window) != DIM_OK) n->window = 1;
    return true;
}

static bool attend_state(struct sema *s, const struct ast_expr *call, const struct arg *a) {
    struct sema_state *c = a->v.state;
    if (!c->written.line) {
        diag_at(s->diag, a->e->loc, DIAG_STATE_UNWRITTEN, c->name, c->name);
        diag_note(s->diag, c->loc, "'%s' is declared here", c->name);
        return false;
    }
    c->read = call->loc;
    return true;
}

static bool attend_shapes(struct sema *s, const struct ast_expr *call, const struct sval *q, const struct arg *k,
                          const struct arg *v) {
    int64_t heads, kv;
    const struct sval *kd = &k->v, *vd = &v->v;
    bool ok = q->rank == 2 && dim_equal(s->dims, q->dim[1], kd->dim[1]) && dims_equal(s, 2, kd->dim, 2, vd->dim);
    if (!ok) {
        diag_at(s->diag, call->loc, DIAG_ATTEND_MISMATCH, sv_text(s, q), dims_text(s, kd->rank, kd->dim),
                dims_text(s, vd->rank, vd->dim));
        diag_note(s->diag, k->v.state->loc, "'%s' is declared here", k->v.state->name);
        return false;
    }
    if (dim_value(q->dim[0], &heads) == DIM_OK && dim_value(kd->dim[0], &kv) == DIM_OK && heads % kv)
        return diag_at(s->diag, call->loc, DIAG_ATTEND_GROUPS, dim_text(s->dims, q->dim[0]),
                       dim_text(s->dims, kd->dim[0]));
    return true;
}

static struct sval builtin_attend(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                  struct arg *args) {
    const struct sval *q = &args[0].v;
    struct sema_node mask = {0};
    double scale = 0;
    bool ok = check_mask(s, args[3].e, &mask);
    if (args[4].e) ok &= constant(s, &args[4], "scale", "above 0", 1, &scale);
    ok &= attend_state(s, call, &args[1]);
    ok &= attend_state(s, call, &args[2]);
    if (!ok || !attend_shapes(s, call, q, &args[1], &args[2])) return sv_error();
    struct sema_node *n = node_of(s, b, call, &args[0]);
    n->state = args[1].v.state;
    n->state2 = args[2].v.state;
    n->word = mask.word;
    n->window = mask.window;
    struct sval head = sv_whole(s, q->dim[1]);
    const struct real *r = args[4].e ? sv_to_real(s, &args[4].v) : real_fn1(s->arena, REAL_RSQRT, sv_to_real(s, &head));
    n->c = r ? real_f32(r) : 0;
    return sv_of_node(n);
}

static struct sval builtin_present(struct sema *s, const struct builtin *b, const struct ast_expr *call,
                                   struct arg *args) {
    (void)s, (void)b, (void)call;
    const struct sema_weight *w = args[0].v.weight;
    return sv_truth(w->present == SEMA_MAYBE && w->assumed ? SEMA_YES : w->present);
}

/* ---- the table ---- */

static const struct builtin builtins[] = {
#define IR_OP_0                                           0 /* no op of the IR */
#define BUILTIN(name, params, check, op, result, meaning) {#name, params, builtin_##check, IR_OP_##op, result, meaning},
#define LATER(name)                                       {#name, "", NULL, 0, NULL, NULL},
#include "frontend/sema_builtins.def"
};

size_t builtin_count(void) { return COUNT_OF(builtins); }
const struct builtin *builtin_at(size_t i) { return &builtins[i]; }

const struct builtin *builtin_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(builtins); i++)
        if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
    return NULL;
}

static void list_params(struct buf *out, const char *params) {
    bool letter = false;
    for (const char *p = params; *p; p++) {
        if (*p == ':')
            letter = true;
        else if (*p == ' ')
            buf_printf(out, ", "), letter = false;
        else if (!letter || *p == '?')
            buf_printf(out, "%c", *p);
    }
}

void sema_list_builtins(struct buf *out) {
    buf_printf(out, "| builtin | gives | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(builtins); i++) {
        const struct builtin *b = &builtins[i];
        if (!b->check) continue;
        buf_printf(out, "| `%s(", b->name);
        list_params(out, b->params);
        buf_printf(out, ")` | %s | %s |\n", b->result, b->meaning);
    }
}
