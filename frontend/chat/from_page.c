/*
 * from_page.c -- a section of a model text as a template:
 *
 *     chat { user = "<|user|>{}<|end|>"; reply = "<|assistant|>{}<|end|>"; stop = ["<|end|>"]; }
 *
 * {} is where the message goes; a prompt for an answer is what `reply` has before it.  With `stop` alone the template
 * comes from the checkpoint.
 */
#include <string.h>

#include "frontend/chat/impl.h"

static const struct ast_field *field(const struct ast_node *n, const char *key) {
    for (const struct ast_field *f = n->fields; f; f = f->next)
        if (strcmp(f->names->text, key) == 0) return f;
    return NULL;
}

/* 'text', as Jinja reads it back. */
static void quote(struct buf *out, const char *text, size_t n) {
    buf_put(out, "'", 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            buf_put(out, "\\n", 2);
            continue;
        }
        if (text[i] == '\'' || text[i] == '\\') buf_put(out, "\\", 1);
        buf_put(out, &text[i], 1);
    }
    buf_put(out, "'", 1);
}

static bool add_role(struct chat_build *b, struct buf *out, const char *key, const char *role, bool first) {
    const struct ast_field *f = field(b->in->page, key);
    if (!f) return true;
    if (f->value->kind != AST_STR) return diag_at(b->in->diag, f->value->loc, DIAG_CHAT_FIELD, key, "a text");
    const char *text = f->value->text, *hole = strstr(text, "{}");
    if (!hole || strstr(hole + 2, "{}"))
        return diag_at(b->in->diag, f->value->loc, DIAG_CHAT_FIELD, key, "one {} for the message");
    buf_printf(out, "{%%- %s message['role'] == '%s' -%%}{{ ", first ? "if" : "elif", role);
    quote(out, text, (size_t)(hole - text));
    buf_printf(out, " + message['content'] + ");
    quote(out, hole + 2, strlen(hole + 2));
    buf_printf(out, " }}");
    return true;
}

static bool add_stops(struct chat_build *b) {
    const struct ast_field *f = field(b->in->page, "stop");
    if (!f) return true;
    bool list = f->value->kind == AST_LIST;
    for (const struct ast_expr *x = list ? f->value->args : f->value; x; x = list ? x->next : NULL) {
        if (x->kind != AST_STR || !*x->text || b->n_stops == SETUN_CHAT_STOPS)
            return diag_at(b->in->diag, x->loc, DIAG_CHAT_FIELD, "stop", "at most 16 texts, none empty");
        b->stop[b->n_stops++] = x->text;
    }
    return true;
}

bool chat_from_page(struct chat_build *b) {
    const struct setun_tok *k = (const void *)b->in->tokenizer;
    const struct ast_field *user = field(b->in->page, "user"), *reply = field(b->in->page, "reply");
    struct buf out = {0};
    if (!add_stops(b)) return false;
    if (!user && !reply && !field(b->in->page, "system")) return true;
    if (!user || !reply)
        return diag_at(b->in->diag, b->in->page->loc, DIAG_CHAT_FIELD, "chat", "both 'user' and 'reply'");
    if (k->flags & SETUN_TOK_ADD_BOS) buf_printf(&out, "{{ bos_token }}");
    buf_printf(&out, "{%%- for message in messages -%%}\n");
    bool ok = add_role(b, &out, "user", "user", true) && add_role(b, &out, "reply", "assistant", false) &&
              add_role(b, &out, "system", "system", false);
    if (ok) {
        buf_printf(&out,
                   "{%%- else -%%}{{ raise_exception('this model takes no messages of the role ' + message['role']) }}"
                   "{%%- endif -%%}\n{%%- endfor -%%}\n{%%- if add_generation_prompt -%%}{{ ");
        quote(&out, reply->value->text, (size_t)(strstr(reply->value->text, "{}") - reply->value->text));
        buf_printf(&out, " }}{%%- endif -%%}");
        b->text = arena_strndup(b->in->arena, out.at, out.n);
        b->n = out.n;
        b->where = "section 'chat'";
    }
    buf_free(&out);
    return ok;
}
