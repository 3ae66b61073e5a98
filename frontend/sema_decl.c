/* sema_decl.c -- config values, types, weights and states. */
#include <inttypes.h>
#include <string.h>

#include "frontend/sema_internal.h"

/* ---- types ---- */

// clang-format off
static const struct {
    const char *name;
    int of; /* -1: a word of the language that this version does not know how to build */
} type_names[] = {
    {"real", TYPE_REAL}, {"ternary", TYPE_TERNARY}, {"f32", TYPE_F32}, {"f16", TYPE_F16}, {"int8", TYPE_INT8},
    {"id", TYPE_ID},     {"int", TYPE_INT},         {"bf16", -1},      {"int2", -1},      {"int3", -1},
    {"int4", -1},        {"fp4", -1},               {"fp8", -1},
};
static const struct {
    const char *name;
    enum ir_elem elem;
} caches[] = {{"f32", IR_CACHE_F32}, {"f16", IR_CACHE_F16}, {"int8", IR_CACHE_I8}};
// clang-format on

bool sema_is_word(const struct ast_type *t) { return strcmp(t->name, "cache") == 0 && !t->n_dims; }

bool sema_is_cache(const char *word) {
    for (size_t i = 0; i < COUNT_OF(caches); i++)
        if (strcmp(caches[i].name, word) == 0) return true;
    return false;
}

const char *sema_near_cache(const char *word) {
    const char *names[COUNT_OF(caches)];
    for (size_t i = 0; i < COUNT_OF(caches); i++) names[i] = caches[i].name;
    return nearest_name(word, names, COUNT_OF(caches));
}

/* Types by name, and config values that stand for one. */
static void unknown_type(struct sema *s, const struct ast_type *t) {
    VEC(const char *) names = {0};
    for (size_t i = 0; i < COUNT_OF(type_names); i++) *vec_push(s->arena, &names) = type_names[i].name;
    for (const struct binding *b = s->globals.first; b; b = b->next)
        if (b->val.kind == SV_CACHE) *vec_push(s->arena, &names) = b->name;
    diag_at(s->diag, t->name_loc, DIAG_UNKNOWN_TYPE, t->name);
    note_nearest(s, t->name_loc, t->name, names.at, names.n);
}

bool sema_type_name(struct sema *s, const struct ast_type *t, struct stype *out) {
    for (size_t i = 0; i < COUNT_OF(type_names); i++) {
        if (strcmp(t->name, type_names[i].name) != 0) continue;
        if (type_names[i].of < 0) {
            return diag_at(s->diag, t->name_loc, DIAG_UNSUPPORTED_FEATURE,
                           arena_printf(s->arena, "type '%s' is", t->name));
        }
        *out = (struct stype){.of = (unsigned)type_names[i].of};
        return true;
    }
    unknown_type(s, t);
    return false;
}

bool check_dim(struct sema *s, struct loc loc, const struct dim *d) {
    int64_t v;
    switch (dim_value(d, &v)) {
    case DIM_OK:
        if (v >= 1 && v <= INT32_MAX) return true;
        return diag_at(s->diag, loc, DIAG_BAD_DIMENSION, dim_text(s->dims, d), INT32_MAX);
    case DIM_INEXACT: return diag_at(s->diag, loc, DIAG_INEXACT_DIVISION, dim_formula(s->dims, d));
    case DIM_UNKNOWN: return true;
    case DIM_OVERFLOW:
    case DIM_BY_ZERO: return diag_at(s->diag, loc, DIAG_NO_NUMBER, dim_formula(s->dims, d));
    }
    return false;
}

bool sema_type(struct sema *s, const struct ast_type *t, struct stype *out) {
    if (!sema_type_name(s, t, out)) return false;
    if (t->n_dims > IR_MAX_RANK) return diag_at(s->diag, t->loc, DIAG_BAD_RANK, t->n_dims, IR_MAX_RANK);
    bool ok = true;
    for (const struct ast_expr *e = t->dims; e; e = e->next) {
        const struct dim *d = check_whole(s, e);
        ok &= d && check_dim(s, e->loc, d);
        out->dim[out->rank++] = d;
    }
    return ok;
}

/* ---- config ---- */

/* The value the config gives, as a number of the wanted kind; SV_ERROR: reported or absent (*absent). */
static struct sval given_value(struct sema *s, const struct ast_name *n, bool whole, bool *absent) {
    const struct config_value *v = s->in->config ? config_find(s->in->config, n->text) : NULL;
    *absent = !v;
    if (!v) return sv_error();
    if (whole && !v->is_int) {
        diag_at(s->diag, n->loc, DIAG_CONFIG_KIND, n->text, v->key);
        return sv_error();
    }
    if (whole) {
        dim_set(s->dims, n->text, v->i);
        return sv_whole(s, dim_name(s->dims, n->text));
    }
    char text[40];
    if (v->den)
        return sv_real(real_op2(s->arena, REAL_DIV, real_of_int(s->arena, v->num), real_of_int(s->arena, v->den)));
    return sv_real(v->is_int ? real_of_int(s->arena, v->i) : real_of_text(s->arena, fmt_f64(text, v->real)));
}

/* f32, f16, int8, or a config value that is one; without a config, the default, which decides no shape. */
static struct sval cache_value(struct sema *s, const struct ast_name *n, const struct ast_expr *e) {
    const struct config_value *v = s->in->config ? config_find(s->in->config, n->text) : NULL;
    if (v && v->word) return (struct sval){.kind = SV_CACHE, .text = v->word};
    if (!e && s->known) {
        diag_at(s->diag, n->loc, DIAG_MISSING_CACHE, n->text, n->text);
        return sv_error();
    }
    if (!e) return (struct sval){.kind = SV_CACHE, .text = caches[0].name};
    if (e->kind != AST_NAME || !sema_is_cache(e->text)) {
        const struct binding *b = e->kind == AST_NAME ? scope_find(&s->globals, e->text) : NULL;
        if (b && (b->val.kind == SV_CACHE || b->val.kind == SV_ERROR)) return b->val;
        const char *near = e->kind == AST_NAME ? sema_near_cache(e->text) : NULL;
        diag_at(s->diag, e->loc, DIAG_CACHE_VALUE, n->text);
        if (near) diag_note(s->diag, e->loc, "did you mean '%s'?", near);
        return sv_error();
    }
    return (struct sval){.kind = SV_CACHE, .text = e->text};
}

static bool declare_cache(struct sema *s, const struct ast_field *f, const struct ast_name *n) {
    struct sval v = cache_value(s, n, f->value);
    if (v.kind == SV_CACHE && s->known)
        *vec_push(s->arena, &s->m->config.values) =
            (struct config_value){.name = n->text, .key = n->text, .word = v.text};
    scope_add(s, &s->globals, n->text, n->loc, v);
    return v.kind != SV_ERROR;
}

static struct sval default_value(struct sema *s, const struct ast_name *n, bool whole, const struct ast_expr *e) {
    struct sval v = check_expr(s, e);
    int64_t i;
    if (v.kind == SV_ERROR) return v;
    if (v.kind != SV_NUMBER || (whole && !v.whole)) return wrong_kind(s, e, whole ? "a whole number" : "a number", &v);
    if (!whole) return sv_real(sv_to_real(s, &v));
    if (s->known) {
        enum dim_status st = dim_value(v.i, &i);
        if (st != DIM_OK) {
            diag_at(s->diag, e->loc, st == DIM_INEXACT ? DIAG_INEXACT_DIVISION : DIAG_NO_NUMBER,
                    dim_formula(s->dims, v.i));
            return sv_error();
        }
        dim_set(s->dims, n->text, i);
    }
    return sv_whole(s, dim_name(s->dims, n->text)); /* a name of its own: a config may set it */
}

/* What a decimal of a double's length does not say exactly. */
static void note_quotient(struct sema *s, const struct real *r, struct config_value *out) {
    char text[40];
    int64_t num, den, num_read, den_read;
    if (!real_quotient(r, &num, &den) || num < 0) return;
    const struct real *read = real_of_text(s->arena, fmt_f64(text, out->real));
    if (real_quotient(read, &num_read, &den_read) && num == num_read && den == den_read) return;
    out->num = num;
    out->den = den;
}

/* Keeps a value for whoever writes or shows the config of the model. */
static void record(struct sema *s, const char *name, bool whole, const struct sval *v) {
    struct config_value out = {.name = name, .key = config_key(name), .is_int = whole};
    if (whole) {
        if (dim_value(v->i, &out.i) != DIM_OK) return;
        out.real = (double)out.i;
    } else if (v->r) {
        out.real = real_f64(v->r);
        note_quotient(s, v->r, &out);
    } else {
        return;
    }
    *vec_push(s->arena, &s->m->config.values) = out;
}

/* false: the default is wrong, which was reported and holds for the other names of the field too. */
static bool declare_value(struct sema *s, const struct ast_field *f, const struct ast_name *n, bool whole) {
    bool absent, ok = true;
    struct sval v = given_value(s, n, whole, &absent);
    if (absent && f->value) {
        v = default_value(s, n, whole, f->value);
        ok = v.kind != SV_ERROR;
    }
    if (absent && !f->value && s->known) {
        diag_at(s->diag, n->loc, DIAG_MISSING_CONFIG, n->text, config_key(n->text));
    } else if (absent && !s->known) {
        v = whole ? sv_whole(s, dim_name(s->dims, n->text)) : sv_real(NULL);
    }
    if (v.kind == SV_NUMBER && v.r && !real_is_finite(v.r)) {
        diag_at(s->diag, n->loc, DIAG_NO_NUMBER, n->text);
        v = sv_error();
    }
    if (v.kind != SV_ERROR) record(s, n->text, whole, &v);
    scope_add(s, &s->globals, n->text, n->loc, v);
    return ok;
}

void declare_config(struct sema *s, const struct ast_node *node) {
    for (const struct ast_field *f = node->fields; f; f = f->next) {
        struct stype t = {0};
        bool word = sema_is_word(f->type), ok = word || sema_type_name(s, f->type, &t);
        if (ok && !word && (f->type->n_dims || (t.of != TYPE_INT && t.of != TYPE_REAL))) {
            diag_at(s->diag, f->type->loc, DIAG_CONFIG_TYPE);
            ok = false;
        }
        for (const struct ast_name *n = f->names; n; n = n->next) {
            if (ok)
                ok = word ? declare_cache(s, f, n) : declare_value(s, f, n, t.of == TYPE_INT);
            else
                scope_add(s, &s->globals, n->text, n->loc, sv_error());
        }
    }
}

void check_require(struct sema *s, const struct ast_node *n) {
    struct sval v = check_expr(s, n->expr);
    if (v.kind == SV_ERROR) return;
    if (v.kind != SV_TRUTH) {
        wrong_kind(s, n->expr, "a condition", &v);
        return;
    }
    const struct ast_expr *e = n->expr;
    bool equation = e->kind == AST_BINARY && e->op == AST_EQ;
    if (v.truth == SEMA_NO) {
        diag_at(s->diag, n->loc, DIAG_REQUIRE_FAILED);
        struct sval a = e->kind == AST_BINARY ? check_expr(s, e->a) : sv_error();
        struct sval b = e->kind == AST_BINARY ? check_expr(s, e->b) : sv_error();
        if (a.kind == SV_NUMBER && b.kind == SV_NUMBER)
            diag_note(s->diag, n->loc, "left is %s, right is %s", sv_text(s, &a), sv_text(s, &b));
    } else if (equation) {
        struct sval a = check_expr(s, e->a), b = check_expr(s, e->b);
        if (a.kind == SV_NUMBER && b.kind == SV_NUMBER && a.whole && b.whole) dim_learn_equal(s->dims, a.i, b.i);
    }
}

/* ---- weights ---- */

static const char *full_name(struct sema *s, const struct sema_stack *stack, const char *name) {
    return stack ? arena_printf(s->arena, "%s.%s", stack->name, name) : name;
}

bool sema_is_paired(const struct ast_alt *alt) { return alt && alt->word; }

/* The axis whose elements stand in pairs: the rows of a head, or the elements of a bias. */
static bool check_paired(struct sema *s, const struct ast_alt *alt, const struct stype *t) {
    static const char *const words[] = {"paired"};
    if (strcmp(alt->word, words[0]) != 0) {
        diag_at(s->diag, alt->word_loc, DIAG_UNKNOWN_WORD, "the order in a file", "'paired'", alt->word);
        note_nearest(s, alt->word_loc, alt->word, words, 1);
        return false;
    }
    int64_t d;
    uint32_t least = t->of == TYPE_TERNARY ? 3 : 2, axis = t->rank - (least - 1);
    if (t->rank < least)
        return diag_at(s->diag, alt->loc, DIAG_WRONG_KIND, "axes [heads, head, ...] of a paired weight",
                       dims_text(s, t->rank, t->dim));
    if (dim_value(t->dim[axis], &d) != DIM_OK || d % 2 == 0) return true;
    return diag_at(s->diag, alt->loc, DIAG_ODD_LENGTH, "a head", dim_text(s->dims, t->dim[axis]));
}

/* As many sources as names, or none. */
static bool check_sources(struct sema *s, const struct ast_node *n, const struct stype *t) {
    uint32_t names = 0, sources = 0;
    bool ok = true;
    for (const struct ast_name *x = n->names; x; x = x->next) names++;
    for (const struct ast_source *x = n->sources; x; x = x->next) {
        sources++;
        for (const struct ast_alt *alt = x->alts; alt; alt = alt->next)
            if (alt->word) ok &= check_paired(s, alt, t);
    }
    if (!sources || names == sources) return ok;
    return diag_at(s->diag, n->loc, DIAG_BAD_SOURCES, names, sources);
}

void declare_weights(struct sema *s, const struct ast_node *n, struct scope *sc, struct sema_stack *stack) {
    struct stype t = {0};
    bool ok = sema_type(s, n->type, &t);
    if (ok && t.of != TYPE_REAL && t.of != TYPE_TERNARY)
        ok = diag_at(s->diag, n->type->loc, DIAG_WEIGHT_TYPE, n->type->name);
    if (ok && t.rank < (t.of == TYPE_TERNARY ? 2u : 1u))
        ok = diag_at(s->diag, n->type->loc, DIAG_WEIGHT_RANK, n->type->name, t.of == TYPE_TERNARY ? 2 : 1);
    ok = ok && check_sources(s, n, &t);
    const struct ast_source *source = n->sources;
    for (const struct ast_name *x = n->names; x; x = x->next) {
        struct sval v = sv_error();
        if (ok) {
            struct sema_weight *w = arena_one(s->arena, struct sema_weight);
            *w = (struct sema_weight){.name = x->text,
                                      .full = full_name(s, stack, x->text),
                                      .ternary = t.of == TYPE_TERNARY,
                                      .optional = n->optional,
                                      .present = n->optional ? SEMA_MAYBE : SEMA_YES,
                                      .rank = t.rank,
                                      .sources = source ? source->alts : NULL,
                                      .stack = stack,
                                      .id = (uint32_t)s->m->weights.n,
                                      .loc = x->loc};
            memcpy(w->dim, t.dim, sizeof w->dim);
            *vec_push(s->arena, &s->m->weights) = w;
            v = (struct sval){.kind = SV_WEIGHT, .weight = w, .rank = w->rank};
            memcpy(v.dim, w->dim, sizeof v.dim);
        }
        scope_add(s, sc, x->text, x->loc, v);
        if (source) source = source->next;
    }
}

const struct ast_alt *sema_prefixes(const struct sema_weight *w) { return w->stack ? w->stack->ast->tag : NULL; }

const char *sema_tensor_name(struct arena *a, const struct sema_weight *w, const struct ast_alt *prefix,
                             const struct ast_alt *alt, int64_t layer) {
    struct buf b = {0};
    const struct ast_node *stack = w->stack ? w->stack->ast : NULL;
    if (prefix) buf_printf(&b, "%s.", prefix->text);
    buf_printf(&b, "%s", alt ? alt->text : w->name);
    if (!stack) {
        const char *name = arena_strndup(a, b.at, b.n);
        buf_free(&b);
        return name;
    }
    struct buf out = {0};
    const char *hole = arena_printf(a, "{%s}", stack->var.text);
    for (const char *p = b.at; *p;) {
        if (strncmp(p, hole, strlen(hole)) == 0) {
            buf_printf(&out, "%" PRId64, layer);
            p += strlen(hole);
        } else {
            buf_put(&out, p++, 1);
        }
    }
    const char *name = arena_strndup(a, out.at, out.n);
    buf_free(&b);
    buf_free(&out);
    return name;
}

/* ---- states ---- */

/* cache(n): the only kind there is; gives n. */
static const struct dim *cache_length(struct sema *s, const struct ast_node *n) {
    static const char *const kinds[] = {"cache", "ring", "carry"};
    const char *kind = n->kind_name.text;
    if (strcmp(kind, "ring") == 0 || strcmp(kind, "carry") == 0) {
        diag_at(s->diag, n->kind_name.loc, DIAG_UNSUPPORTED_FEATURE,
                arena_printf(s->arena, "state kind '%s' is", kind));
        return NULL;
    }
    if (strcmp(kind, "cache") != 0) {
        diag_at(s->diag, n->kind_name.loc, DIAG_UNKNOWN_STATE, kind);
        note_nearest(s, n->kind_name.loc, kind, kinds, COUNT_OF(kinds));
        return NULL;
    }
    if (n->n_args != 1 || n->args->kind == AST_NAMED) {
        diag_at(s->diag, n->kind_name.loc, DIAG_STATE_ARGS);
        return NULL;
    }
    const struct dim *d = check_whole(s, n->args);
    return d && check_dim(s, n->args->loc, d) ? d : NULL;
}

/* What a state holds: a type, or a config value that names one. */
static bool state_type(struct sema *s, const struct ast_type *t, struct stype *out, enum ir_elem *elem) {
    const struct binding *b = scope_find(&s->globals, t->name);
    struct ast_type as = *t;
    if (b && b->val.kind == SV_ERROR) return false;
    if (b && b->val.kind == SV_CACHE) as.name = b->val.text;
    if (!sema_type(s, &as, out)) return false;
    for (size_t i = 0; i < COUNT_OF(caches); i++)
        if (strcmp(caches[i].name, as.name) == 0) {
            *elem = caches[i].elem;
            return true;
        }
    return diag_at(s->diag, t->loc, DIAG_STATE_TYPE, t->name);
}

void declare_states(struct sema *s, const struct ast_node *n, struct scope *sc, struct sema_stack *stack) {
    struct stype t = {0};
    const struct dim *length = cache_length(s, n);
    enum ir_elem elem = IR_NONE;
    bool ok = state_type(s, n->type, &t, &elem) && length;
    if (ok && t.rank != 2) ok = diag_at(s->diag, n->type->loc, DIAG_STATE_RANK);
    if (ok && !stack) ok = diag_at(s->diag, n->loc, DIAG_UNSUPPORTED_FEATURE, "a state outside a stack is");
    for (const struct ast_name *x = n->names; x; x = x->next) {
        struct sval v = sv_error();
        if (ok) {
            struct sema_state *c = arena_one(s->arena, struct sema_state);
            *c = (struct sema_state){.name = x->text,
                                     .full = full_name(s, stack, x->text),
                                     .elem = elem,
                                     .length = length,
                                     .rank = t.rank,
                                     .stack = stack,
                                     .id = (uint32_t)s->m->states.n,
                                     .loc = x->loc};
            memcpy(c->dim, t.dim, sizeof c->dim);
            *vec_push(s->arena, &s->m->states) = c;
            v = (struct sval){.kind = SV_STATE, .state = c, .rank = c->rank};
            memcpy(v.dim, c->dim, sizeof v.dim);
        }
        scope_add(s, sc, x->text, x->loc, v);
    }
}
