/*
 * sema.c -- the model as a whole: in which order things are checked, stacks, entries, sections.
 *
 * The text may have its declarations in any order: config values and top-level requires come first, then
 * weights, then what stacks declare, then bodies.
 */
#include "frontend/sema.h"

#include <inttypes.h>
#include <string.h>

#include "frontend/sema_internal.h"

/* Calls fn for every item of a kind. */
#define EACH_ITEM(s, n, k)                                                                                             \
    for (const struct ast_node *n = (s)->in->ast->items; n; n = n->next)                                               \
        if (n->kind == (k))

/* ---- what can be called ---- */

static bool callable_free(struct sema *s, const struct ast_name *n) {
    bool builtin = builtin_find(n->text) != NULL;
    struct sema_fn *fn = find_fn(s, n->text);
    struct sema_stack *st = find_stack(s, n->text);
    if (!builtin && !fn && !st) return true;
    diag_at(s->diag, n->loc, DIAG_DUPLICATE_NAME, n->text);
    if (builtin) diag_note(s->diag, n->loc, "'%s' is a builtin", n->text);
    if (fn) diag_note(s->diag, fn->ast->name.loc, "'%s' is declared here first", n->text);
    if (st) diag_note(s->diag, st->ast->name.loc, "'%s' is declared here first", n->text);
    return false;
}

static void declare_fn(struct sema *s, const struct ast_node *n) {
    if (!callable_free(s, &n->name)) return;
    struct sema_fn *fn = arena_one(s->arena, struct sema_fn);
    fn->ast = n;
    *vec_push(s->arena, &s->fns) = fn;
}

/* ---- stacks ---- */

/* The one parameter, f32; what a layer yields has its type. */
static bool stack_signature(struct sema *s, struct sema_stack *st) {
    const struct ast_param *p = st->ast->params;
    struct stype t = {0}, r = {0};
    if (!p || p->next) return diag_at(s->diag, st->ast->name.loc, DIAG_STACK_PARAMS, st->name);
    if (!sema_type(s, p->type, &t)) return false;
    if (t.of != TYPE_F32 || t.rank == 0) return diag_at(s->diag, p->type->loc, DIAG_STACK_PARAMS, st->name);
    st->type.rank = t.rank;
    memcpy(st->type.dim, t.dim, sizeof t.dim);
    if (!st->ast->type) return true;
    if (!sema_type(s, st->ast->type, &r)) return false;
    if (r.of == TYPE_F32 && dims_equal(s, r.rank, r.dim, t.rank, t.dim)) return true;
    diag_at(s->diag, st->ast->type->loc, DIAG_STACK_RESULT, st->name);
    diag_note(s->diag, p->type->loc, "the parameter is f32%s", dims_text(s, t.rank, t.dim));
    return false;
}

static bool stack_range(struct sema *s, struct sema_stack *st) {
    const struct ast_expr *e = st->ast->range;
    if (e->kind != AST_RANGE) return diag_at(s->diag, e->loc, DIAG_WRONG_KIND, "a range 'from..to'", "a single value");
    const struct dim *a = check_whole(s, e->a), *b = check_whole(s, e->b);
    if (!a || !b) return false;
    enum dim_status sa = dim_value(a, &st->from), sb = dim_value(b, &st->to);
    if (sa == DIM_INEXACT || sb == DIM_INEXACT) {
        bool left = sa == DIM_INEXACT;
        return diag_at(s->diag, left ? e->a->loc : e->b->loc, DIAG_INEXACT_DIVISION,
                       dim_formula(s->dims, left ? a : b));
    }
    if (!s->known) return true;
    if (sa != DIM_OK || sb != DIM_OK) return diag_at(s->diag, e->loc, DIAG_NO_NUMBER, "the range");
    if (st->from >= 0 && st->to > st->from && st->to - st->from <= SEMA_MAX_LAYERS) return true;
    return diag_at(s->diag, e->loc, DIAG_BAD_RANGE, dim_text(s->dims, a), dim_text(s->dims, b), SEMA_MAX_LAYERS);
}

/* Layers must not all read one tensor. */
static void check_hole(struct sema *s, const struct sema_weight *w) {
    const struct ast_node *st = w->stack->ast;
    const char *hole = arena_printf(s->arena, "{%s}", st->var.text);
    const struct ast_alt *prefix = st->tag, *alt = w->sources;
    while (prefix && strstr(prefix->text, hole)) prefix = prefix->next;
    while (alt && strstr(alt->text, hole)) alt = alt->next;
    if ((st->tag && !prefix) || (w->sources && !alt)) return;
    diag_at(s->diag, prefix ? prefix->loc : w->loc, DIAG_NO_LAYER_IN_NAME, hole, w->name);
}

static void declare_stack(struct sema *s, const struct ast_node *n) {
    if (!callable_free(s, &n->name)) return;
    struct sema_stack *st = arena_one(s->arena, struct sema_stack);
    st->ast = n;
    st->name = n->name.text;
    st->scope = arena_one(s->arena, struct scope);
    st->scope->up = &s->globals;
    *vec_push(s->arena, &s->m->stacks) = st;
    size_t before = diag_errors(s->diag);
    bool ok = stack_signature(s, st);
    ok &= stack_range(s, st);
    size_t first = s->m->weights.n;
    for (const struct ast_node *d = n->body; d; d = d->next) {
        if (d->kind == AST_WEIGHT) declare_weights(s, d, st->scope, st);
        if (d->kind == AST_STATE) declare_states(s, d, st->scope, st);
    }
    size_t holes = diag_errors(s->diag);
    for (size_t i = first; i < s->m->weights.n && diag_errors(s->diag) == holes; i++)
        check_hole(s, s->m->weights.at[i]);
    st->bad = !ok || diag_errors(s->diag) != before;
}

static void check_layer(struct sema *s, struct sema_stack *st, struct sema_body *body, const struct dim *layer) {
    struct frame f = {.kind = FRAME_STACK, .body = body, .owner = st->name, .stack = st, .scope.up = st->scope};
    const struct ast_param *p = st->ast->params;
    s->frame = &f;
    for (size_t i = 0; i < s->m->states.n; i++)
        s->m->states.at[i]->written = s->m->states.at[i]->read = (struct loc){0};
    struct sema_node *x = node_new(s, IR_OP_live, p->name.loc, st->type.rank, st->type.dim);
    x->is_param = true;
    x->name = p->name.text;
    scope_add(s, &f.scope, p->name.text, p->name.loc, sv_of_node(x));
    scope_add(s, &f.scope, st->ast->var.text, st->ast->var.loc, sv_whole(s, layer));
    check_block(s, st->ast->body);
    if (!f.ended && !s->gave_up) diag_at(s->diag, st->ast->name.loc, DIAG_YIELD_MISSING, "stack", st->name);
    s->frame = NULL;
}

static void check_stack(struct sema *s, struct sema_stack *st) {
    if (st->type.rank == 0) return; /* its signature is wrong */
    size_t before = diag_errors(s->diag);
    uint32_t n = s->known && !st->bad ? (uint32_t)(st->to - st->from) : 1;
    bool numbered = s->known && !st->bad;
    st->body = arena_array(s->arena, struct sema_body, n);
    for (uint32_t i = 0; i < n && diag_errors(s->diag) == before; i++) {
        const struct dim *layer = numbered ? dim_const(s->dims, st->from + i) : dim_fresh(s->dims, st->ast->var.text);
        check_layer(s, st, &st->body[i], layer);
        if (diag_errors(s->diag) != before && numbered && n > 1)
            diag_note(s->diag, st->ast->name.loc, "in layer %" PRId64 " of '%s'", st->from + i, st->name);
    }
    st->bad |= diag_errors(s->diag) != before;
}

/* ---- entries ---- */

static void check_entry(struct sema *s, const struct ast_node *n) {
    struct sema_entry *en = arena_one(s->arena, struct sema_entry);
    struct frame f = {
        .kind = FRAME_ENTRY, .body = &en->body, .owner = n->name.text, .entry = en, .scope.up = &s->globals};
    const struct ast_param *p = n->params;
    struct stype t = {0};
    en->ast = n;
    en->name = n->name.text;
    for (size_t i = 0; i < s->m->entries.n; i++) {
        if (s->m->entries.at[i]->name != en->name) continue;
        diag_at(s->diag, n->name.loc, DIAG_DUPLICATE_NAME, en->name);
        diag_note(s->diag, s->m->entries.at[i]->ast->name.loc, "'%s' is declared here first", en->name);
        return;
    }
    *vec_push(s->arena, &s->m->entries) = en;
    struct sval token = sv_error();
    if (!p || p->next) {
        diag_at(s->diag, n->name.loc, DIAG_UNSUPPORTED_FEATURE, "an entry with other parameters than one token is");
    } else if (sema_type(s, p->type, &t)) {
        if (t.of != TYPE_ID || t.rank != 1) {
            diag_at(s->diag, p->type->loc, DIAG_UNSUPPORTED_FEATURE,
                    "an entry whose parameter is not a token, id[...], is");
        } else {
            en->vocab = t.dim[0];
            token = (struct sval){.kind = SV_TOKEN, .rank = 1, .dim = {t.dim[0]}};
        }
    }
    s->frame = &f;
    for (; p; p = p->next) scope_add(s, &f.scope, p->name.text, p->name.loc, token);
    check_block(s, n->body);
    if (!f.emitted.first && !s->gave_up) diag_at(s->diag, n->name.loc, DIAG_EMIT_MISSING, en->name);
    s->frame = NULL;
}

/* ---- sections ---- */

static void section_tokenizer(struct sema *s, const struct ast_node *n) {
    if (n->braces || !n->tag)
        diag_at(s->diag, n->loc, DIAG_TOKENIZER_FORM);
    else if (s->m->tokenizer)
        diag_at(s->diag, n->loc, DIAG_DUPLICATE_NAME, n->name.text);
    else
        s->m->tokenizer = n->tag->text;
}

/* Every key is one of these, and stands once. */
static void check_keys(struct sema *s, const struct ast_node *n, const char *const *keys, size_t n_keys) {
    for (const struct ast_field *f = n->fields; f; f = f->next) {
        bool known = false;
        for (size_t i = 0; i < n_keys; i++) known |= strcmp(keys[i], f->names->text) == 0;
        if (!known) {
            diag_at(s->diag, f->names->loc, DIAG_UNKNOWN_KEY, n->name.text, f->names->text);
            note_nearest(s, f->names->loc, f->names->text, keys, n_keys);
        }
        for (const struct ast_field *g = n->fields; g != f; g = g->next)
            if (g->names->text == f->names->text) diag_at(s->diag, f->names->loc, DIAG_DUPLICATE_NAME, f->names->text);
    }
}

/* A text, or a list of texts. */
static void check_texts(struct sema *s, const struct ast_expr *e) {
    bool list = e->kind == AST_LIST;
    for (const struct ast_expr *x = list ? e->args : e; x; x = list ? x->next : NULL)
        if (x->kind != AST_STR) diag_at(s->diag, x->loc, DIAG_WRONG_KIND, "a text", expr_label(s, x, "another value"));
}

/* Data for conversations: how it is used is frontend/chat/chat.c's matter. */
static void section_chat(struct sema *s, const struct ast_node *n) {
    static const char *const keys[] = {"system", "user", "reply", "stop"};
    check_keys(s, n, keys, COUNT_OF(keys));
    if (s->m->chat) diag_at(s->diag, n->loc, DIAG_DUPLICATE_NAME, n->name.text);
    s->m->chat = n;
}

/* Whose checkpoints the text is for: data for page.c. */
static const char *const serves_keys[] = {"arch", "act", "ignore"};

static void section_serves(struct sema *s, const struct ast_node *n) {
    check_keys(s, n, serves_keys, COUNT_OF(serves_keys));
    for (const struct ast_field *f = n->fields; f; f = f->next) check_texts(s, f->value);
    for (const struct ast_node *x = s->in->ast->items; x != n; x = x->next)
        if (x->kind == AST_SECTION && x->name.text == n->name.text)
            diag_at(s->diag, n->loc, DIAG_DUPLICATE_NAME, n->name.text);
}

bool sema_serves_one(const char *const *names, size_t n, const char *word) {
    bool found = !word || n == 0;
    for (size_t i = 0; i < n && !found; i++) found = strcmp(names[i], word) == 0;
    return found;
}

struct sema_serves sema_serves(struct arena *a, const struct ast_model *ast) {
    struct sema_serves out = {0};
    for (const struct ast_node *n = ast->items; n; n = n->next) {
        if (n->kind != AST_SECTION || strcmp(n->name.text, "serves") != 0) continue;
        out.any = true;
        for (const struct ast_field *f = n->fields; f; f = f->next) {
            bool list = f->value->kind == AST_LIST;
            for (const struct ast_expr *x = list ? f->value->args : f->value; x; x = list ? x->next : NULL) {
                if (x->kind != AST_STR) continue;
                if (strcmp(f->names->text, "arch") == 0) *vec_push(a, &out.arch) = x->text;
                if (strcmp(f->names->text, "act") == 0) *vec_push(a, &out.act) = x->text;
                if (strcmp(f->names->text, "ignore") == 0) *vec_push(a, &out.ignore) = x->text;
            }
        }
    }
    return out;
}

static void section_later(struct sema *s, const struct ast_node *n) {
    diag_at(s->diag, n->loc, DIAG_UNSUPPORTED_FEATURE, arena_printf(s->arena, "section '%s' is", n->name.text));
}

static void check_section(struct sema *s, const struct ast_node *n) {
    static const struct {
        const char *name;
        void (*check)(struct sema *s, const struct ast_node *n);
    } sections[] = {
        {"tokenizer", section_tokenizer}, {"chat", section_chat},    {"serves", section_serves},
        {"elastic", section_later},       {"decode", section_later},
    };
    const char *names[COUNT_OF(sections)];
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        names[i] = sections[i].name;
        if (strcmp(n->name.text, sections[i].name) != 0) continue;
        sections[i].check(s, n);
        return;
    }
    diag_at(s->diag, n->name.loc, DIAG_UNKNOWN_SECTION, n->name.text);
    note_nearest(s, n->name.loc, n->name.text, names, COUNT_OF(names));
}

/* ---- the model ---- */

/* Looks for weights in the checkpoint: optional ones before bodies are checked, the others afterwards.  What belongs to
 * a stack that is never called is not needed. */
static void find_weights(struct sema *s, bool optional) {
    if (!s->in->find) return;
    for (size_t i = 0; i < s->m->weights.n; i++) {
        struct sema_weight *w = s->m->weights.at[i];
        bool needed = optional || (w->used && (!w->stack || w->stack->called.line));
        if (w->optional == optional && needed) s->in->find(s->in->self, s->m, w);
    }
}

static void warn_unused(struct sema *s) {
    for (size_t i = 0; i < s->m->stacks.n; i++) {
        const struct sema_stack *st = s->m->stacks.at[i];
        if (!st->called.line) diag_at(s->diag, st->ast->loc, DIAG_UNUSED_STACK, st->name);
    }
    for (size_t i = 0; i < s->m->weights.n; i++) {
        const struct sema_weight *w = s->m->weights.at[i];
        if (!w->used) diag_at(s->diag, w->loc, DIAG_UNUSED_WEIGHT, w->name);
    }
}

static void declare_all(struct sema *s) {
    EACH_ITEM(s, n, AST_CONFIG) declare_config(s, n);
    EACH_ITEM(s, n, AST_REQUIRE) check_require(s, n);
    EACH_ITEM(s, n, AST_WEIGHT) declare_weights(s, n, &s->globals, NULL);
    EACH_ITEM(s, n, AST_STATE) declare_states(s, n, &s->globals, NULL);
    EACH_ITEM(s, n, AST_FN) declare_fn(s, n);
    EACH_ITEM(s, n, AST_STACK) declare_stack(s, n);
    EACH_ITEM(s, n, AST_SECTION) check_section(s, n);
}

static void check_all(struct sema *s) {
    for (size_t i = 0; i < s->fns.n; i++) check_fn(s, s->fns.at[i]);
    for (size_t i = 0; i < s->m->stacks.n; i++) check_stack(s, s->m->stacks.at[i]);
    EACH_ITEM(s, n, AST_ENTRY) check_entry(s, n);
    if (s->m->entries.n == 0) diag_at(s->diag, s->in->ast->name.loc, DIAG_ENTRY_MISSING, s->m->name);
}

struct sema_model *sema_check(const struct sema_input *in) {
    struct sema s = {.diag = in->diag, .arena = in->arena, .names = in->names, .in = in, .known = in->config != NULL};
    size_t before = diag_errors(s.diag);
    s.dims = dims_new(s.arena);
    s.m = arena_one(s.arena, struct sema_model);
    s.m->name = in->ast->name.text;
    s.m->dims = s.dims;
    if (in->config) s.m->config = *in->config;
    s.m->config.values.at = NULL;
    s.m->config.values.n = s.m->config.values.cap = 0;
    declare_all(&s);
    if (diag_errors(s.diag) == before) find_weights(&s, true);
    check_all(&s);
    if (diag_errors(s.diag) != before) return NULL;
    if (!s.known) warn_unused(&s);
    find_weights(&s, false);
    return diag_errors(s.diag) == before ? s.m : NULL;
}
