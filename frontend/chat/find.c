/* find.c -- where a chat template comes from, and what it calls bos_token and eos_token. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "frontend/chat/impl.h"
#include "frontend/files/json.h"

static const struct jlimits limits = {.bytes = 16 << 20, .depth = 64, .values = 1000000};

static const char *beside(const struct chat_build *b, const char *name) {
    const char *path = arena_printf(b->in->arena, "%s/%s", b->in->folder, name);
    return access(path, F_OK) == 0 ? path : NULL;
}

/* ---- the template ---- */

static bool from_file(struct chat_build *b, const char *path) {
    char *text;
    if (!file_read(b->in->diag, b->in->arena, path, SETUN_JINJA_TEXT, &text, &b->n)) return false;
    b->text = text;
    b->where = path;
    return true;
}

static void take(struct chat_build *b, const char *where, const char *text, size_t n) {
    b->where = where;
    b->text = arena_strndup(b->in->arena, text, n);
    b->n = n;
}

/* A list of {name, template}: the one called default. */
static bool from_list(struct chat_build *b, const struct jfile *j, const json_t *list) {
    const json_t *one;
    for (size_t i = 0; (one = json_array_get(list, i)) != NULL; i++) {
        const char *name = json_string_value(json_object_get(one, "name"));
        const json_t *text = json_object_get(one, "template");
        if (!name || strcmp(name, "default") != 0) continue;
        const char *where = jfile_where(j, "chat_template.default", "template");
        if (!json_is_string(text)) return diag_in(j->diag, where, DIAG_JSON_TYPE, "a string", json_kind(text));
        take(b, where, json_string_value(text), json_string_length(text));
        return true;
    }
    return diag_in(j->diag, jfile_where(j, "chat_template", NULL), DIAG_CHAT_NO_DEFAULT);
}

static bool from_config(struct chat_build *b, const char *path) {
    struct jfile j;
    if (!jfile_open(&j, b->in->diag, b->in->arena, path, limits)) return false;
    const json_t *v = json_object_get(j.root, "chat_template");
    const char *where = jfile_where(&j, "chat_template", NULL);
    bool ok = true;
    if (json_is_string(v)) {
        take(b, where, json_string_value(v), json_string_length(v));
    } else if (json_is_array(v)) {
        ok = from_list(b, &j, v);
    } else if (v && !json_is_null(v)) {
        ok = diag_in(b->in->diag, where, DIAG_JSON_TYPE, "a string or a list", json_kind(v));
    }
    jfile_close(&j);
    return ok;
}

static bool from_gguf(struct chat_build *b) {
    const struct gguf_file *g = b->in->gguf;
    const struct gguf_pair *p = gguf_find(g, "tokenizer.chat_template");
    const char *text;
    uint64_t n;
    if (!p) return true;
    const char *where = gguf_where(b->in->arena, g, p);
    if (!gguf_string(p, &text, &n)) return diag_in(b->in->diag, where, DIAG_CHAT_NOT_TEXT);
    if (n > SETUN_JINJA_TEXT) return diag_in(b->in->diag, where, DIAG_FILE_TOO_LONG, (size_t)SETUN_JINJA_TEXT);
    take(b, where, text, (size_t)n);
    return true;
}

bool chat_find(struct chat_build *b) {
    const struct chat_input *in = b->in;
    if (in->file) return strcmp(in->file, "none") == 0 || from_file(b, in->file);
    if (in->page && !chat_from_page(b)) return false;
    if (b->text) return true;
    const char *path = in->folder ? beside(b, "chat_template.jinja") : NULL;
    if (path) return from_file(b, path);
    path = in->folder ? beside(b, "tokenizer_config.json") : NULL;
    if (path && !from_config(b, path)) return false;
    return b->text || !in->gguf || from_gguf(b);
}

/* ---- bos_token and eos_token ---- */

/* A string, or an object that holds it; null is none.  false: the file does not say. */
static bool named(struct chat_build *b, const struct jfile *j, const char *key, struct setun_jinja_text *out) {
    const json_t *v = json_object_get(j->root, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    if (!v || !(json_is_string(v) || json_is_null(v))) return false;
    *out = (struct setun_jinja_text){0};
    if (json_is_null(v)) return true;
    out->n = json_string_length(v);
    out->at = arena_strndup(b->in->arena, json_string_value(v), out->n);
    return true;
}

static bool eot_of_gguf(struct chat_build *b) {
    const struct gguf_pair *p = gguf_find(b->in->gguf, "tokenizer.ggml.eot_token_id");
    const struct setun_tok *k = (const void *)b->in->tokenizer;
    int64_t id;
    if (!p) return true;
    if (!gguf_int(p, &id) || id < 0 || id >= k->n_tokens)
        return diag_in(b->in->diag, gguf_where(b->in->arena, b->in->gguf, p), DIAG_CHAT_EOT, k->n_tokens);
    return chat_add_eot(b, (uint32_t)id);
}

bool chat_find_tokens(struct chat_build *b) {
    static const char *const files[] = {"tokenizer_config.json", "special_tokens_map.json"};
    const struct setun_tok *k = (const void *)b->in->tokenizer;
    bool bos = false, eos = false;
    for (size_t i = 0; b->in->folder && i < COUNT_OF(files); i++) {
        const char *path = beside(b, files[i]);
        struct jfile j;
        if (!path || (bos && eos)) continue;
        if (!jfile_open(&j, b->in->diag, b->in->arena, path, limits)) return false;
        bos = bos || named(b, &j, "bos_token", &b->bos);
        eos = eos || named(b, &j, "eos_token", &b->eos);
        jfile_close(&j);
    }
    uint32_t end = k->end != SETUN_NO_TOKEN || k->n_eos == 0 ? k->end : k->eos[0];
    if (!bos && k->bos != SETUN_NO_TOKEN) b->bos = chat_token(b, k->bos);
    if (!eos && end != SETUN_NO_TOKEN) b->eos = chat_token(b, end);
    return !b->in->gguf || eot_of_gguf(b);
}
