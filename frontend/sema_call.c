/*
 * sema_call.c -- calls: arguments to parameters, functions inlined, stacks.
 *
 * A function is checked twice: once on its own, with lengths of axes that are only names, so that a mistake
 * in it is told where it is; and at each call, where its body is inlined with the shapes of the arguments.
 */
#include <string.h>

#include "frontend/sema_internal.h"

enum { MAX_FN_PARAMS = 16 };

/* ---- arguments to parameters ---- */

struct params {
    const char *callee;
    uint32_t n;
    const char *name[MAX_FN_PARAMS];
    bool optional[MAX_FN_PARAMS];
};

static uint32_t param_index(const struct params *p, const char *name) {
    uint32_t i = 0;
    while (i < p->n && strcmp(p->name[i], name) != 0) i++;
    return i;
}

/* The parameter that an argument is for; p->n: none, reported. */
static uint32_t param_of(struct sema *s, const struct params *p, const struct ast_expr *arg, uint32_t *position) {
    if (arg->kind != AST_NAMED) {
        if (*position < p->n) return (*position)++;
        diag_at(s->diag, arg->loc, DIAG_EXTRA_ARGUMENT, p->callee, p->n);
        return p->n;
    }
    uint32_t i = param_index(p, arg->text);
    if (i == p->n) {
        diag_at(s->diag, arg->name_loc, DIAG_UNKNOWN_ARGUMENT, p->callee, arg->text);
        note_nearest(s, arg->name_loc, arg->text, p->name, p->n);
    }
    return i;
}

/* Sorts the arguments of a call into slots; false: reported. */
static bool match(struct sema *s, const struct ast_expr *call, const struct params *p, const struct ast_expr **slot) {
    uint32_t position = 0;
    bool ok = true;
    for (const struct ast_expr *arg = call->args; arg; arg = arg->next) {
        uint32_t i = param_of(s, p, arg, &position);
        if (i == p->n) {
            ok = false;
        } else if (slot[i]) {
            ok = diag_at(s->diag, arg->loc, DIAG_DUPLICATE_ARGUMENT, p->callee, p->name[i]);
        } else {
            slot[i] = arg->kind == AST_NAMED ? arg->a : arg;
        }
    }
    for (uint32_t i = 0; ok && i < p->n; i++)
        if (!slot[i] && !p->optional[i]) ok = diag_at(s->diag, call->loc, DIAG_MISSING_ARGUMENT, p->callee, p->name[i]);
    return ok;
}

/* ---- builtins ---- */

/* "g:w eps:n scale:n?" to names and letters. */
static void parse_params(struct sema *s, const struct builtin *b, struct params *p, char *letter) {
    p->callee = b->name;
    for (const char *at = b->params; *at;) {
        const char *colon = strchr(at, ':');
        p->name[p->n] = arena_strndup(s->arena, at, (size_t)(colon - at));
        letter[p->n] = colon[1];
        p->optional[p->n] = colon[2] == '?';
        p->n++;
        at = colon + 2 + (colon[2] == '?');
        while (*at == ' ') at++;
    }
}

static bool letter_accepts(char letter, const struct sval *v) {
    switch (letter) {
    case 'x': return v->kind == SV_F32;
    case 'w':
    case 'g': return v->kind == SV_WEIGHT && !v->weight->ternary;
    case 'n': return v->kind == SV_NUMBER;
    case 'c': return v->kind == SV_STATE;
    case 'p': return v->kind == SV_POS;
    case 'o': return v->kind == SV_WEIGHT;
    case 'a': return v->kind == SV_F32 || v->kind == SV_NUMBER;
    }
    BUG("parameter letter '%c'", letter);
}

static const char *letter_text(char letter) {
    switch (letter) {
    case 'x': return "an f32 value";
    case 'w':
    case 'g': return "a real weight";
    case 'n': return "a number";
    case 'c': return "a state";
    case 'p': return "the position, 'pos'";
    case 'o': return "a weight";
    default: return "an f32 value or a number";
    }
}

/* A gain: a real weight, or the sum of one and a number. */
static struct sval check_gain(struct sema *s, const struct ast_expr *e, const struct real **plus) {
    if (e->kind != AST_BINARY || e->op != AST_ADD) return check_expr(s, e);
    struct sval a = check_expr(s, e->a), b = check_expr(s, e->b);
    if (a.kind == SV_ERROR || b.kind == SV_ERROR) return sv_error();
    bool left = a.kind == SV_NUMBER;
    const struct sval *number = left ? &a : &b, *weight = left ? &b : &a;
    if (number->kind != SV_NUMBER || weight->kind != SV_WEIGHT) {
        diag_at(s->diag, e->loc, DIAG_BAD_OPERANDS, ast_op_text[e->op], sv_text(s, &a), sv_text(s, &b));
        return sv_error();
    }
    *plus = sv_to_real(s, number);
    return *weight;
}

/* Words, masks and scalings are not expressions: their checks look at the syntax. */
static struct sval check_arg(struct sema *s, char letter, const struct ast_expr *e, const struct real **plus) {
    if (!e || strchr("kms", letter)) return (struct sval){.kind = SV_STRING};
    struct sval v = letter == 'g' ? check_gain(s, e, plus) : check_expr(s, e);
    if (v.kind == SV_ERROR) return v;
    if (!letter_accepts(letter, &v)) {
        wrong_kind(s, e, letter_text(letter), &v);
        if (letter == 'x' && v.kind == SV_CODES) diag_note(s->diag, e->loc, "int8 codes go into '@' only");
        return sv_error();
    }
    if ((letter == 'w' || letter == 'g') && !weight_usable(s, e, v.weight)) return sv_error();
    return v;
}

static struct sval call_builtin(struct sema *s, const struct builtin *b, const struct ast_expr *call) {
    struct params p = {0};
    char letter[MAX_FN_PARAMS] = {0};
    const struct ast_expr *slot[MAX_FN_PARAMS] = {0};
    struct arg args[MAX_PARAMS] = {0};
    if (!b->check) {
        diag_at(s->diag, call->loc, DIAG_UNSUPPORTED_BUILTIN, b->name);
        return sv_error();
    }
    parse_params(s, b, &p, letter);
    if (!match(s, call, &p, slot)) return sv_error();
    bool ok = true;
    for (uint32_t i = 0; i < p.n; i++) {
        args[i].e = slot[i];
        args[i].v = check_arg(s, letter[i], slot[i], &args[i].plus);
        ok &= args[i].v.kind != SV_ERROR;
    }
    return ok ? b->check(s, b, call, args) : sv_error();
}

/* ---- functions ---- */

struct sema_fn *find_fn(struct sema *s, const char *name) {
    for (size_t i = 0; i < s->fns.n; i++)
        if (s->fns.at[i]->ast->name.text == name) return s->fns.at[i];
    return NULL;
}

/* Does a value have the kind that a type names? */
static bool kind_fits(const struct stype *t, const struct sval *v) {
    switch (t->of) {
    case TYPE_REAL: return t->rank ? v->kind == SV_WEIGHT && !v->weight->ternary : v->kind == SV_NUMBER;
    case TYPE_TERNARY: return v->kind == SV_WEIGHT && v->weight->ternary;
    case TYPE_F32: return v->kind == SV_F32;
    case TYPE_INT8: return v->kind == SV_CODES;
    case TYPE_ID: return v->kind == SV_TOKEN;
    case TYPE_INT: return v->kind == SV_NUMBER && v->whole;
    case TYPE_F16: return false;
    }
    return false;
}

/* Length d of an argument's axis against the length written for the parameter.  A name that means nothing
 * yet is bound to d: it is a shape variable. */
static bool unify(struct sema *s, const struct ast_expr *want, const struct dim *d) {
    if (want->kind == AST_NAME && !scope_find(&s->frame->scope, want->text))
        return scope_add(s, &s->frame->scope, want->text, want->loc, sv_whole(s, d));
    const struct dim *w = check_whole(s, want);
    return w && dim_equal(s->dims, w, d);
}

/* Binds parameter p to value v (the argument e, or NULL when the function is checked on its own). */
static bool bind_param(struct sema *s, const struct ast_param *p, const struct ast_expr *e, struct sval v) {
    struct stype t = {0};
    struct loc at = e ? e->loc : p->name.loc;
    if (!sema_type_name(s, p->type, &t)) return false;
    t.rank = p->type->n_dims;
    bool ok = kind_fits(&t, &v) && (v.kind == SV_NUMBER ? t.rank == 0 : t.rank == v.rank);
    uint32_t i = 0;
    for (const struct ast_expr *d = p->type->dims; ok && d; d = d->next) ok = unify(s, d, v.dim[i++]);
    if (!ok) {
        diag_at(s->diag, at, DIAG_ARGUMENT_TYPE, p->name.text, sv_text(s, &v));
        diag_note(s->diag, p->type->loc, "the parameter is declared here");
        return false;
    }
    if (t.of == TYPE_REAL && v.kind == SV_NUMBER) v = sv_real(sv_to_real(s, &v)); /* 1 is 1.0 */
    return scope_add(s, &s->frame->scope, p->name.text, p->name.loc, v);
}

static struct sval check_result(struct sema *s, const struct ast_node *fn, struct sval v) {
    if (v.kind == SV_ERROR || !fn->type) return v;
    struct stype t = {0};
    if (!sema_type(s, fn->type, &t)) return sv_error();
    if (kind_fits(&t, &v) && dims_equal(s, t.rank, t.dim, v.rank, v.dim)) return v;
    diag_at(s->diag, fn->expr ? fn->expr->loc : fn->name.loc, DIAG_RESULT_TYPE, fn->name.text, sv_text(s, &v));
    const char *dims = t.rank ? dims_text(s, t.rank, t.dim) : "";
    diag_note(s->diag, fn->type->loc, "declared here as %s%s", fn->type->name, dims);
    return sv_error();
}

/* The body, with its parameters bound in the frame. */
static struct sval run_fn(struct sema *s, struct sema_fn *fn) {
    struct sval v;
    fn->active = true;
    if (fn->ast->expr) {
        v = check_expr(s, fn->ast->expr);
    } else {
        check_block(s, fn->ast->body);
        v = s->frame->result;
        if (!s->frame->ended) {
            diag_at(s->diag, fn->ast->name.loc, DIAG_YIELD_MISSING, "function", fn->ast->name.text);
            v = sv_error();
        }
    }
    fn->active = false;
    return check_result(s, fn->ast, v);
}

/* A value of which only the declared type is known. */
static struct sval stand_in(struct sema *s, const struct ast_param *p) {
    struct stype t = {0};
    if (!sema_type_name(s, p->type, &t)) return sv_error();
    if (p->type->n_dims > IR_MAX_RANK) {
        diag_at(s->diag, p->type->loc, DIAG_BAD_RANK, p->type->n_dims, IR_MAX_RANK);
        return sv_error();
    }
    if (t.of == TYPE_INT) return sv_whole(s, dim_fresh(s->dims, p->name.text));
    if (t.of == TYPE_REAL && p->type->n_dims == 0) return sv_real(NULL);
    const struct dim *dim[IR_MAX_RANK] = {0};
    for (const struct ast_expr *e = p->type->dims; e; e = e->next) {
        bool variable = e->kind == AST_NAME && !scope_find(&s->frame->scope, e->text);
        if (variable) scope_add(s, &s->frame->scope, e->text, e->loc, sv_whole(s, dim_fresh(s->dims, e->text)));
        if (!(dim[t.rank++] = check_whole(s, e))) return sv_error();
    }
    if (t.of == TYPE_F32 || t.of == TYPE_INT8) {
        struct sema_node *n = node_new(s, IR_OP_live, p->name.loc, t.rank, dim);
        n->is_param = true;
        n->codes = t.of == TYPE_INT8;
        return sv_of_node(n);
    }
    struct sval v = {.kind = t.of == TYPE_ID ? SV_TOKEN : SV_WEIGHT, .rank = t.rank};
    memcpy(v.dim, dim, sizeof v.dim);
    if (v.kind == SV_WEIGHT) {
        v.weight = arena_one(s->arena, struct sema_weight);
        *v.weight = (struct sema_weight){.name = p->name.text,
                                         .full = p->name.text,
                                         .ternary = t.of == TYPE_TERNARY,
                                         .present = SEMA_YES,
                                         .rank = t.rank,
                                         .loc = p->name.loc};
        memcpy(v.weight->dim, dim, sizeof v.weight->dim);
    }
    return v;
}

static void push_fn(struct sema *s, struct sema_fn *fn, struct frame *f, struct sema_body *body) {
    *f = (struct frame){
        .kind = FRAME_FN, .scope.up = &s->globals, .body = body, .owner = fn->ast->name.text, .up = s->frame};
    s->frame = f;
}

static uint32_t count_params(const struct ast_node *n) {
    uint32_t k = 0;
    for (const struct ast_param *p = n->params; p; p = p->next) k++;
    return k;
}

void check_fn(struct sema *s, struct sema_fn *fn) {
    if (fn->checked) return;
    fn->checked = true;
    size_t before = diag_errors(s->diag);
    struct sema_body nowhere = {0};
    struct frame f;
    push_fn(s, fn, &f, &nowhere);
    if (count_params(fn->ast) > MAX_FN_PARAMS) diag_at(s->diag, fn->ast->name.loc, DIAG_TOO_MANY_PARAMS, MAX_FN_PARAMS);
    bool ok = diag_errors(s->diag) == before;
    for (const struct ast_param *p = fn->ast->params; ok && p; p = p->next) {
        struct sval v = stand_in(s, p);
        ok = v.kind != SV_ERROR && scope_add(s, &f.scope, p->name.text, p->name.loc, v);
    }
    if (ok) run_fn(s, fn);
    s->frame = f.up;
    fn->bad = diag_errors(s->diag) != before;
}

static struct sval call_fn(struct sema *s, struct sema_fn *fn, const struct ast_expr *call) {
    if (fn->active) {
        diag_at(s->diag, call->loc, DIAG_RECURSION, fn->ast->name.text);
        return sv_error();
    }
    check_fn(s, fn);
    if (fn->bad) return sv_error();
    struct params p = {.callee = fn->ast->name.text};
    const struct ast_expr *slot[MAX_FN_PARAMS] = {0};
    struct sval v[MAX_FN_PARAMS] = {0};
    for (const struct ast_param *x = fn->ast->params; x; x = x->next) p.name[p.n++] = x->name.text;
    bool ok = match(s, call, &p, slot);
    for (uint32_t i = 0; ok && i < p.n; i++) v[i] = check_expr(s, slot[i]);
    for (uint32_t i = 0; ok && i < p.n; i++) ok = v[i].kind != SV_ERROR;
    if (!ok) return sv_error();
    struct frame f;
    push_fn(s, fn, &f, s->frame->body);
    uint32_t i = 0;
    for (const struct ast_param *x = fn->ast->params; ok && x; x = x->next, i++) ok = bind_param(s, x, slot[i], v[i]);
    size_t before = diag_errors(s->diag);
    struct sval result = ok ? run_fn(s, fn) : sv_error();
    if (diag_errors(s->diag) != before) diag_note(s->diag, call->loc, "in this call of '%s'", fn->ast->name.text);
    s->frame = f.up;
    return result;
}

/* ---- stacks ---- */

struct sema_stack *find_stack(struct sema *s, const char *name) {
    for (size_t i = 0; i < s->m->stacks.n; i++)
        if (s->m->stacks.at[i]->name == name) return s->m->stacks.at[i];
    return NULL;
}

static struct sval call_stack(struct sema *s, struct sema_stack *st, const struct ast_expr *call) {
    const struct frame *root = s->frame;
    while (root->up) root = root->up;
    if (root->kind != FRAME_ENTRY) {
        diag_at(s->diag, call->loc, DIAG_UNSUPPORTED_FEATURE, "a stack called from elsewhere than an entry is");
        return sv_error();
    }
    struct params p = {.callee = st->name, .n = 1, .name = {st->ast->params ? st->ast->params->name.text : "x"}};
    const struct ast_expr *slot[MAX_FN_PARAMS] = {0};
    if (!match(s, call, &p, slot) || !slot[0]) return sv_error();
    struct sval v = check_expr(s, slot[0]);
    if (v.kind == SV_ERROR || st->type.rank == 0) return sv_error(); /* rank 0: the signature is wrong, and told */
    if (v.kind != SV_F32) return wrong_kind(s, slot[0], "an f32 value", &v);
    if (!dims_equal(s, v.rank, v.dim, st->type.rank, st->type.dim)) {
        diag_at(s->diag, slot[0]->loc, DIAG_ARGUMENT_TYPE, p.name[0], sv_text(s, &v));
        diag_note(s->diag, st->ast->params->name.loc, "the parameter is declared here as f32%s",
                  dims_text(s, st->type.rank, st->type.dim));
        return sv_error();
    }
    if (st->called.line) {
        diag_at(s->diag, call->loc, DIAG_STACK_TWICE, st->name);
        diag_note(s->diag, st->called, "the first call");
        return sv_error();
    }
    st->called = call->loc;
    struct sema_node *n = node_new(s, IR_OP_layer, call->loc, v.rank, v.dim);
    n->n_in = 1;
    n->in[0] = v.node;
    n->stack = st;
    return sv_of_node(n);
}

static struct sval unknown_function(struct sema *s, const struct ast_expr *call) {
    VEC(const char *) names = {0};
    for (size_t i = 0; i < builtin_count(); i++) *vec_push(s->arena, &names) = builtin_at(i)->name;
    for (size_t i = 0; i < s->fns.n; i++) *vec_push(s->arena, &names) = s->fns.at[i]->ast->name.text;
    for (size_t i = 0; i < s->m->stacks.n; i++) *vec_push(s->arena, &names) = s->m->stacks.at[i]->name;
    diag_at(s->diag, call->name_loc, DIAG_UNKNOWN_FUNCTION, call->text);
    note_nearest(s, call->name_loc, call->text, names.at, names.n);
    return sv_error();
}

struct sval check_call(struct sema *s, const struct ast_expr *e) {
    const struct builtin *b = builtin_find(e->text);
    if (b) return call_builtin(s, b, e);
    if (!s->frame) { /* in config and require there are numbers only */
        if (find_fn(s, e->text) || find_stack(s, e->text)) {
            diag_at(s->diag, e->loc, DIAG_WRONG_KIND, "a number", "a call");
            return sv_error();
        }
        return unknown_function(s, e);
    }
    struct sema_fn *fn = find_fn(s, e->text);
    if (fn) return call_fn(s, fn, e);
    struct sema_stack *st = find_stack(s, e->text);
    return st ? call_stack(s, st, e) : unknown_function(s, e);
}
