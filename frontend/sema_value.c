/* sema_value.c -- what expressions stand for: making it, naming it in messages, finding it by name. */
#include <string.h>

#include "frontend/sema_internal.h"

struct sval sv_error(void) { return (struct sval){.kind = SV_ERROR}; }

struct sval sv_whole(struct sema *s, const struct dim *d) {
    struct sval v = {.kind = SV_NUMBER, .whole = true, .i = d};
    v.r = sv_to_real(s, &v);
    return v;
}

struct sval sv_real(const struct real *r) { return (struct sval){.kind = SV_NUMBER, .r = r}; }
struct sval sv_truth(enum sema_truth t) { return (struct sval){.kind = SV_TRUTH, .truth = t}; }

struct sval sv_of_node(struct sema_node *n) {
    struct sval v = {.kind = n->codes ? SV_CODES : SV_F32, .rank = n->rank, .node = n};
    memcpy(v.dim, n->dim, sizeof v.dim);
    return v;
}

const struct real *sv_to_real(struct sema *s, const struct sval *v) {
    int64_t i;
    if (v->r || !v->whole) return v->r;
    return dim_value(v->i, &i) == DIM_OK ? real_of_int(s->arena, i) : NULL;
}

/* ---- text ---- */

const char *dims_text(struct sema *s, uint32_t rank, const struct dim *const *dim) {
    const char *text = "[", *sep = "";
    for (uint32_t i = 0; i < rank; i++, sep = ", ")
        text = arena_printf(s->arena, "%s%s%s", text, sep, dim_text(s->dims, dim[i]));
    return arena_printf(s->arena, "%s]", text);
}

static const char *number_text(struct sema *s, const struct sval *v) {
    if (v->whole) return arena_printf(s->arena, "the number %s", dim_text(s->dims, v->i));
    return v->r ? arena_printf(s->arena, "the number %s", real_text(s->arena, v->r)) : "a number";
}

const char *sv_text(struct sema *s, const struct sval *v) {
    static const char *const truths[] = {"no", "yes", "a truth value"};
    switch (v->kind) {
    case SV_ERROR: return "an error";
    case SV_NUMBER: return number_text(s, v);
    case SV_TRUTH: return truths[v->truth];
    case SV_STRING: return "a string";
    case SV_F32: return v->rank ? arena_printf(s->arena, "f32%s", dims_text(s, v->rank, v->dim)) : "f32";
    case SV_CODES: return arena_printf(s->arena, "int8%s", dims_text(s, v->rank, v->dim));
    case SV_TOKEN: return arena_printf(s->arena, "id%s", dims_text(s, v->rank, v->dim));
    case SV_POS: return "a position";
    case SV_WEIGHT:
        return arena_printf(s->arena, "%s%s%s", v->weight->ternary ? "ternary" : "real", dims_text(s, v->rank, v->dim),
                            v->weight->optional ? "?" : "");
    case SV_CACHE: return arena_printf(s->arena, "the type %s of a cache", v->text);
    case SV_STATE: return arena_printf(s->arena, "a state %s", dims_text(s, v->rank, v->dim));
    }
    BUG("value kind %d", (int)v->kind);
}

const char *expr_label(struct sema *s, const struct ast_expr *e, const char *otherwise) {
    if (e->kind == AST_NAME) return arena_printf(s->arena, "'%s'", e->text);
    if (e->kind == AST_CALL) return arena_printf(s->arena, "'%s(...)'", e->text);
    if (e->kind == AST_BINARY) return arena_printf(s->arena, "'... %s ...'", ast_op_text[e->op]);
    return otherwise;
}

void note_declared(struct sema *s, const struct ast_expr *e) {
    if (!e || e->kind != AST_NAME || !s->frame) return;
    const struct binding *b = scope_find(&s->frame->scope, e->text);
    if (!b || b->val.kind == SV_ERROR || b->loc.line == 0) return;
    diag_note(s->diag, b->loc, "'%s' is %s", b->name, sv_text(s, &b->val));
}

void note_equal_values(struct sema *s, struct loc loc, const struct dim *a, const struct dim *b) {
    int64_t x, y;
    if (dim_value(a, &x) != DIM_OK || dim_value(b, &y) != DIM_OK || x != y) return;
    diag_note(s->diag, loc, "equal for this config only; if they always are, say 'require %s == %s;'",
              dim_formula(s->dims, a), dim_formula(s->dims, b));
}

/* ---- shapes ---- */

bool dims_equal(struct sema *s, uint32_t ra, const struct dim *const *a, uint32_t rb, const struct dim *const *b) {
    if (ra != rb) return false;
    for (uint32_t i = 0; i < ra; i++)
        if (!dim_equal(s->dims, a[i], b[i])) return false;
    return true;
}

/* ---- scopes ---- */

static struct binding *find_here(const struct scope *sc, const char *name) {
    for (struct binding *b = sc->first; b; b = b->next)
        if (b->name == name) return b;
    return NULL;
}

struct binding *scope_find(const struct scope *sc, const char *name) {
    for (; sc; sc = sc->up) {
        struct binding *b = find_here(sc, name);
        if (b) return b;
    }
    return NULL;
}

bool scope_add(struct sema *s, struct scope *sc, const char *name, struct loc loc, struct sval v) {
    const struct binding *old = find_here(sc, name);
    if (old) {
        diag_at(s->diag, loc, DIAG_DUPLICATE_NAME, name);
        if (old->loc.line) diag_note(s->diag, old->loc, "'%s' is declared here first", name);
        return false;
    }
    struct binding *b = arena_one(s->arena, struct binding);
    *b = (struct binding){.name = name, .loc = loc, .val = v, .next = sc->first};
    sc->first = b;
    return true;
}

void note_nearest(struct sema *s, struct loc loc, const char *name, const char *const *candidates, size_t n) {
    const char *near = nearest_name(name, candidates, n);
    if (near) diag_note(s->diag, loc, "did you mean '%s'?", near);
}

void unknown_name(struct sema *s, const struct scope *sc, struct loc loc, const char *name) {
    VEC(const char *) visible = {0};
    for (; sc; sc = sc->up)
        for (const struct binding *b = sc->first; b; b = b->next) *vec_push(s->arena, &visible) = b->name;
    diag_at(s->diag, loc, DIAG_UNKNOWN_NAME, name);
    note_nearest(s, loc, name, visible.at, visible.n);
}
