/* page_fill.c -- numbers of a checkpoint as the defaults of a page's config block. */
#include <inttypes.h>
#include <string.h>

#include "frontend/page.h"
#include "lang/lang.h"

/* Byte of a line and column, both counted from 1. */
static size_t offset_of(const char *text, uint32_t line, uint32_t col) {
    const char *p = text;
    for (uint32_t i = 1; i < line; i++) p = strchr(p, '\n') + 1;
    return (size_t)(p - text) + col - 1;
}

static const struct config_value *value_of(const struct config_values *values, const char *name) {
    for (size_t i = 0; i < values->values.n; i++)
        if (strcmp(values->values.at[i].name, name) == 0) return &values->values.at[i];
    return NULL;
}

/* One line for each name: they have different values now. */
static void put_field(struct buf *out, const char *text, const struct ast_field *f,
                      const struct config_values *values) {
    for (const struct ast_name *x = f->names; x; x = x->next) {
        const struct config_value *v = value_of(values, x->text);
        char number[40];
        buf_printf(out, "%s%s : %s", x == f->names ? "" : "\n    ", x->text, f->type->name);
        if (v && v->word) {
            buf_printf(out, " = %s", v->word);
        } else if (v && v->is_int) {
            buf_printf(out, " = %" PRId64, v->i);
        } else if (v && v->den) {
            buf_printf(out, " = %" PRId64 ".0 / %" PRId64, v->num, v->den);
        } else if (v) {
            fmt_f64(number, v->real);
            buf_printf(out, " = %s%s", number, strpbrk(number, ".e") ? "" : ".0");
        } else if (f->value) {
            size_t from = offset_of(text, f->value->loc.line, f->value->loc.col);
            buf_printf(out, " = ");
            buf_put(out, text + from, offset_of(text, f->value->loc.last_line, f->value->loc.last_col) + 1 - from);
        }
        buf_printf(out, ";");
    }
}

bool page_fill(struct diag *d, const char *file, const char *text, size_t n, const struct config_values *values,
               struct buf *out) {
    struct arena *a = arena_new();
    uint32_t id = diag_add_text(d, file, text, n);
    const struct ast_model *ast = lang_parse(d, a, names_new(a), id, text, n);
    struct buf filled = {0};
    size_t at = 0;
    for (const struct ast_node *node = ast ? ast->items : NULL; node; node = node->next)
        for (const struct ast_field *f = node->kind == AST_CONFIG ? node->fields : NULL; f; f = f->next) {
            size_t from = offset_of(text, f->loc.line, f->loc.col);
            buf_put(&filled, text + at, from - at);
            put_field(&filled, text, f, values);
            at = offset_of(text, f->loc.last_line, f->loc.last_col) + 1;
        }
    buf_put(&filled, text + at, n - at);
    const char *whole = arena_strndup(a, filled.at, filled.n);
    bool ok = ast && lang_format(d, id, whole, filled.n, out);
    buf_free(&filled);
    arena_free(a);
    return ok;
}
