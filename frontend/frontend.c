/*
 * frontend.c -- model file, config and checkpoint to maths IR, in the order that lets each know enough:
 *
 *   text -> tree; config.json and --set -> values; tree + values -> typed model, which looks for optional weights
 *   as it goes; then for the rest; typed model -> IR
 */
#include "frontend/frontend.h"

#include <inttypes.h>
#include <string.h>

#include "base/compiler.h"
#include "base/file.h"
#include "frontend/lower.h"
#include "frontend/sema.h"
#include "lang/lang.h"

/* ---- text ---- */

static struct ast_model *read_model(struct diag *d, struct arena *a, struct names *names, const char *path) {
    char *text;
    size_t n;
    if (!file_read(d, a, path, LANG_MAX_TEXT, &text, &n)) return NULL;
    return lang_parse(d, a, names, diag_add_text(d, path, text, n), text, n);
}

/* Of the text given, or of the file. */
static struct ast_model *read_input(const struct frontend_input *in) {
    if (!in->text) return read_model(in->diag, in->arena, in->names, in->model);
    uint32_t file = diag_add_text(in->diag, in->model, in->text, in->n_text);
    return lang_parse(in->diag, in->arena, in->names, file, in->text, in->n_text);
}

bool frontend_check(struct diag *d, struct arena *a, struct names *names, const char *model) {
    struct ast_model *ast = read_model(d, a, names, model);
    struct sema_input in = {.diag = d, .arena = a, .names = names, .ast = ast};
    return ast && sema_check(&in);
}

/* ---- config ---- */

/* The line of the text that declares a config value; NULL: none does. */
static const struct ast_field *field_of(const struct ast_model *ast, const char *name) {
    for (const struct ast_node *n = ast->items; n; n = n->next)
        for (const struct ast_field *f = n->kind == AST_CONFIG ? n->fields : NULL; f; f = f->next)
            for (const struct ast_name *x = f->names; x; x = x->next)
                if (strcmp(x->text, name) == 0) return f;
    return NULL;
}

/* kv=int8: the one kind of config value that is no number. */
static bool set_word(const struct frontend_input *in, struct config_values *c, const char *name, const char *set) {
    const char *word = set + strlen(name) + (strchr(set, '=') != NULL), *near;
    const char *where = arena_printf(in->arena, "--set %s", set);
    if (sema_is_cache(word)) {
        config_put_word(in->arena, c, name, word);
        return true;
    }
    diag_in(in->diag, where, DIAG_SET_CACHE, word);
    if ((near = sema_near_cache(word))) diag_note_in(in->diag, where, "did you mean '%s'?", near);
    return false;
}

/* The checkpoint's values, or none, under those of the command line. */
static bool make_config(const struct frontend_input *in, const struct ast_model *ast, const struct checkpoint *cp,
                        struct config_values *c) {
    *c = (struct config_values){.bos = -1};
    if (cp) {
        const struct config_values *file = checkpoint_config(cp);
        *c = *file;
        memset(&c->values, 0, sizeof c->values);
        for (size_t i = 0; i < file->values.n; i++) *vec_push(in->arena, &c->values) = file->values.at[i];
    }
    for (size_t i = 0; i < in->n_sets; i++) {
        const char *name = arena_strndup(in->arena, in->sets[i], strcspn(in->sets[i], "="));
        const struct ast_field *f = field_of(ast, name);
        bool ok = f && sema_is_word(f->type) ? set_word(in, c, name, in->sets[i])
                                             : config_set(in->diag, in->arena, c, in->sets[i]);
        if (!ok) return false;
    }
    return true;
}

/* A --set must mean something to the model. */
static bool check_sets(const struct frontend_input *in, const struct ast_model *ast) {
    VEC(const char *) known = {0};
    for (const struct ast_node *n = ast->items; n; n = n->next)
        for (const struct ast_field *f = n->kind == AST_CONFIG ? n->fields : NULL; f; f = f->next)
            for (const struct ast_name *x = f->names; x; x = x->next) *vec_push(in->arena, &known) = x->text;
    bool ok = true;
    for (size_t i = 0; i < in->n_sets; i++) {
        const char *name = arena_strndup(in->arena, in->sets[i], strcspn(in->sets[i], "="));
        if (field_of(ast, name)) continue;
        const char *where = arena_printf(in->arena, "--set %s", in->sets[i]);
        const char *near = nearest_name(name, known.at, known.n);
        ok = diag_in(in->diag, where, DIAG_UNKNOWN_SET, ast->name.text, name);
        if (near) diag_note_in(in->diag, where, "did you mean '%s'?", near);
    }
    return ok;
}

void frontend_print_config(struct buf *out, const struct frontend_model *f) {
    for (size_t i = 0; i < f->config.values.n; i++) {
        const struct config_value *v = &f->config.values.at[i];
        char text[40];
        if (v->word)
            buf_printf(out, "%s = %s\n", v->name, v->word);
        else if (v->is_int)
            buf_printf(out, "%s = %" PRId64 "\n", v->name, v->i);
        else if (v->den)
            buf_printf(out, "%s = %" PRId64 "/%" PRId64 "\n", v->name, v->num, v->den);
        else
            buf_printf(out, "%s = %s\n", v->name, fmt_f64(text, v->real));
    }
}

/* ---- weights ---- */

struct finder {
    const struct frontend_input *in;
    struct checkpoint *cp;
    VEC(struct weight_source) found; /* by sema_weight.id */
};

static enum checkpoint_found find_tensor(struct finder *f, const struct sema_weight *w, const uint32_t *dim,
                                         const char *name, struct weight_at *at) {
    return w->ternary ? checkpoint_find_ternary(f->cp, name, w->rank, dim, at)
                      : checkpoint_find_real(f->cp, name, w->rank, dim, at);
}

/* Every prefix with every alternative. */
static const struct weight_name *names_of(struct arena *a, const struct sema_weight *w, int64_t layer) {
    VEC(struct weight_name) names = {0};
    const struct ast_alt *prefix = sema_prefixes(w);
    do {
        const struct ast_alt *alt = w->sources;
        do {
            const char *name = sema_tensor_name(a, w, prefix, alt, layer);
            bool last = alt && !alt->next && alt != w->sources;
            *vec_push(a, &names) = (struct weight_name){.name = name, .paired = sema_is_paired(alt), .last = last};
            alt = alt ? alt->next : NULL;
        } while (alt);
        prefix = prefix ? prefix->next : NULL;
    } while (prefix);
    *vec_push(a, &names) = (struct weight_name){0};
    return names.at;
}

/* One layer of a weight, under the first of its names that the checkpoint has. */
static enum checkpoint_found find_layer(struct finder *f, const struct sema_weight *w, const uint32_t *dim,
                                        const struct weight_name *names, struct weight_at *at, bool *paired) {
    VEC(const char *) tried = {0};
    for (; names->name; names++) {
        enum checkpoint_found got = find_tensor(f, w, dim, names->name, at);
        *paired = names->paired;
        if (got != CHECKPOINT_ABSENT) return got;
        *vec_push(f->in->arena, &tried) = names->name;
    }
    if (!w->optional) checkpoint_missing(f->cp, w->loc, w->full, tried.at, tried.n);
    return CHECKPOINT_ABSENT;
}

static bool weight_dims(struct finder *f, const struct sema_model *m, const struct sema_weight *w, uint32_t *dim) {
    for (uint32_t i = 0; i < w->rank; i++) {
        int64_t v;
        if (dim_value(w->dim[i], &v) != DIM_OK)
            return diag_at(f->in->diag, w->loc, DIAG_NO_NUMBER, dim_formula(m->dims, w->dim[i]));
        dim[i] = (uint32_t)v; /* between 1 and 2^31: checked where it was declared */
    }
    return true;
}

/* All layers are there, or all absent. */
static bool agree(struct finder *f, const struct sema_weight *w, struct weight_source *src, uint32_t present) {
    if (present != 0 && present != src->n) return diag_at(f->in->diag, w->loc, DIAG_MIXED_LAYERS, w->full);
    if (present) checkpoint_agree(src);
    return true;
}

static bool find_weight(void *self, const struct sema_model *m, struct sema_weight *w) {
    struct finder *f = self;
    uint32_t n = w->stack ? (uint32_t)(w->stack->to - w->stack->from) : 1, present = 0, dim[IR_MAX_RANK];
    int64_t first = w->stack ? w->stack->from : 0;
    while (f->found.n <= w->id) *vec_push(f->in->arena, &f->found) = (struct weight_source){0};
    if (!weight_dims(f, m, w, dim)) return false;
    const char **names = arena_array(f->in->arena, const char *, n);
    const struct weight_name **all = arena_array(f->in->arena, const struct weight_name *, n);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = names_of(f->in->arena, w, first + i);
        names[i] = all[i]->name;
    }
    struct weight_source *src = &f->found.at[w->id];
    *src = (struct weight_source){.n = n, .name = names, .all = all};
    if (!f->cp) {
        bool there = !w->optional || (f->in->like && ir_weight_find(f->in->like, w->full));
        w->present = there ? SEMA_YES : SEMA_NO;
        return true;
    }
    src->at = arena_array(f->in->arena, struct weight_at, n);
    for (uint32_t i = 0; i < n; i++) {
        bool paired;
        enum checkpoint_found got = find_layer(f, w, dim, all[i], &src->at[i], &paired);
        if (got == CHECKPOINT_BAD || (got == CHECKPOINT_ABSENT && !w->optional)) return false;
        src->paired |= got == CHECKPOINT_FOUND && paired;
        present += got == CHECKPOINT_FOUND;
    }
    w->present = present ? SEMA_YES : SEMA_NO;
    return agree(f, w, src, present);
}

/* ---- the whole way ---- */

/* A text that is for other models than the checkpoint names itself can fit in every shape and compute nonsense. */
static void warn_other(const struct frontend_input *in, const struct ast_model *ast, const struct sema_serves *s,
                       const struct config_values *c) {
    const char *path = c->path ? c->path : in->weights;
    if (!sema_serves_one(s->arch.at, s->arch.n, c->arch))
        diag_in(in->diag, in->model, DIAG_OTHER_MODEL, ast->name.text, "architecture", s->arch.at[0], path, c->arch);
    if (!sema_serves_one(s->act.at, s->act.n, c->hidden_act))
        diag_in(in->diag, in->model, DIAG_OTHER_MODEL, ast->name.text, "activation", s->act.at[0], path, c->hidden_act);
}

/* A scaling of rotary positions that the text has no name for would be left out without a word. */
static bool takes_scaling(const struct frontend_input *in, const struct ast_model *ast, const struct config_values *c,
                          const struct config_values *named) {
    static const char *const names[] = {"rope_factor", "rope_low"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct config_value *v = config_find(c, names[i]);
        if (v && (i || v->real != 1) && !config_find(named, names[i]))
            return diag_in(in->diag, c->path, DIAG_CONFIG_SCALING, v->real, ast->name.text, names[i]);
    }
    return true;
}

/* So would a window: a file that names one means it, unless use_sliding_window says no; with that key it is on the
 * layers from max_window_layers on. */
static bool takes_window(const struct frontend_input *in, const struct ast_model *ast, const struct config_values *c,
                         const struct config_values *named) {
    const struct config_value *use = config_find(c, "use_sliding_window"), *window = config_find(c, "window");
    const struct config_value *first = config_find(c, "max_window_layers"), *layers = config_find(c, "layers");
    const struct config_value *context = config_find(c, "context");
    if (!window || config_find(named, "window") || (use && use->real == 0)) return true;
    if (context && window->real >= context->real) return true;
    return (use && first && layers && first->real >= layers->real) ||
           diag_in(in->diag, c->path, DIAG_CONFIG_WINDOW, window->i, ast->name.text);
}

bool frontend_load(const struct frontend_input *in, struct frontend_model *f) {
    *f = (struct frontend_model){0};
    struct ast_model *ast = read_input(in);
    if (!ast || !check_sets(in, ast)) return false;
    if (in->weights && !(f->checkpoint = checkpoint_open(in->diag, in->arena, in->weights, &in->dialect))) return false;
    struct config_values config;
    if (!make_config(in, ast, f->checkpoint, &config)) return false;
    struct finder finder = {.in = in, .cp = f->checkpoint};
    struct sema_input check = {.diag = in->diag,
                               .arena = in->arena,
                               .names = in->names,
                               .ast = ast,
                               .config = &config,
                               .find = find_weight,
                               .self = &finder};
    struct sema_model *m = sema_check(&check);
    if (!m || !takes_scaling(in, ast, &config, &m->config) || !takes_window(in, ast, &config, &m->config)) return false;
    while (finder.found.n < m->weights.n) *vec_push(in->arena, &finder.found) = (struct weight_source){0};
    f->module = lower_model(in->diag, in->arena, in->names, m, finder.found.at, &f->sources);
    if (!f->module) return false;
    f->config = m->config;
    f->tokenizer = m->tokenizer;
    f->chat = m->chat;
    struct sema_serves serves = sema_serves(in->arena, ast);
    if (f->checkpoint) warn_other(in, ast, &serves, &config);
    if (f->checkpoint) checkpoint_warn_unused(f->checkpoint, serves.ignore.at, serves.ignore.n);
    return ir_verify(in->diag, f->module, "lowering the model text");
}

void frontend_close(struct frontend_model *f) {
    if (f->checkpoint) checkpoint_close(f->checkpoint);
    f->checkpoint = NULL;
}
