/* added.c -- added tokens in files beside a tokenizer (beside.h). */
#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer/beside.h"

enum { MAX_ADDED = 16384 }; /* each is looked for among those before it */

struct added {
    const char *text;
    int64_t id;
    uint32_t flags; /* enum setun_tok_special_flag */
    bool special;
};

static struct tok_special *special_of(struct tok_build *b, uint32_t id) {
    for (size_t i = 0; i < b->special.n; i++)
        if (b->special.at[i].id == id) return &b->special.at[i];
    return NULL;
}

static bool is_byte_token(const struct tok_build *b, int64_t id) {
    for (size_t i = 0; i < 256; i++)
        if (b->byte_token[i] == id && (b->flags & SETUN_TOK_CHARS)) return true;
    return false;
}

/* A piece that no text becomes may get another name, as the libraries do; another one must have this name already. */
static bool put(struct tok_build *b, const struct jfile *j, const char *key, const struct added *a) {
    const char *where = jfile_where(j, key, NULL);
    const uint32_t n = (uint32_t)strlen(a->text);
    if (a->id < 0 || a->id >= b->n_tokens) return diag_in(b->diag, where, DIAG_TOK_ID, a->text, a->id, b->n_tokens);
    if (n == 0) return diag_in(b->diag, where, DIAG_TOK_EMPTY, a->id);
    if (b->special.n >= MAX_ADDED)
        return diag_in(b->diag, where, DIAG_TOK_UNSUPPORTED, "a list of more than 16384 tokens");
    if (is_byte_token(b, a->id)) return true;
    struct tok_piece *p = &b->piece[a->id];
    struct tok_special *s = special_of(b, (uint32_t)a->id);
    const char *text = arena_strdup(b->arena, a->text); /* the file will be closed */
    bool same = p->n == n && memcmp(p->at, text, n) == 0;
    if (p->n && !same && !(p->attrs & SETUN_ATTR_NEVER))
        return diag_in(b->diag, where, DIAG_TOK_SAME_ID, arena_strndup(b->arena, (const char *)p->at, p->n), text,
                       a->id);
    uint32_t kept = s && same ? s->flags & (SETUN_SPECIAL_NORMALIZED | SETUN_SPECIAL_AS_IS) : 0;
    if (!same) *p = (struct tok_piece){.at = (const uint8_t *)text, .n = n, .attrs = SETUN_ATTR_NEVER};
    p->attrs = (uint8_t)(a->special ? p->attrs | SETUN_ATTR_HIDDEN : p->attrs & ~SETUN_ATTR_HIDDEN);
    if (!s) s = vec_push(b->arena, &b->special);
    *s = (struct tok_special){.text = text, .n = n, .id = (uint32_t)a->id, .flags = a->flags | kept};
    return true;
}

static bool read_plain(struct tok_build *b) {
    static const char name[] = "added_tokens.json";
    struct jfile j;
    const char *text;
    json_t *v;
    enum jgot got = tok_open_beside(b, name, &j);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    bool ok = true;
    json_object_foreach(j.root, text, v) {
        const struct added a = {.text = text, .id = json_integer_value(v), .flags = SETUN_SPECIAL_ALWAYS};
        if (!json_is_integer(v))
            ok = diag_in(b->diag, jfile_where(&j, text, NULL), DIAG_JSON_TYPE, "an integer", json_kind(v));
        ok = ok && put(b, &j, text, &a);
        if (!ok) break;
    }
    jfile_close(&j);
    return ok;
}

/* {"content": ..., "special": ..., "lstrip": ...} */
static bool read_entry(struct tok_build *b, const struct jfile *j, const char *key, const json_t *entry) {
    static const char path[] = "added_tokens_decoder";
    static const struct {
        const char *key;
        uint32_t flag;
    } rows[] = {
        {"lstrip", SETUN_SPECIAL_LSTRIP}, {"rstrip", SETUN_SPECIAL_RSTRIP}, {"single_word", SETUN_SPECIAL_WORD}};
    uint64_t id;
    struct added a = {.text = NULL};
    if (!read_u64(key, INT32_MAX, &id)) return diag_in(b->diag, jfile_where(j, path, key), DIAG_TOK_ADDED_ID);
    if (!json_is_object(entry))
        return diag_in(b->diag, jfile_where(j, path, key), DIAG_JSON_TYPE, "an object", json_kind(entry));
    enum jgot got = jfile_text(j, entry, path, "content", &a.text);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT && diag_in(b->diag, jfile_where(j, path, key), DIAG_TOK_MISSING);
    if (jfile_bool(j, entry, path, "special", &a.special) == JGOT_BAD) return false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool set = false;
        if (jfile_bool(j, entry, path, rows[i].key, &set) == JGOT_BAD) return false;
        if (set) a.flags |= rows[i].flag;
    }
    if (!a.special) a.flags |= SETUN_SPECIAL_ALWAYS;
    a.id = (int64_t)id;
    return put(b, j, path, &a);
}

static bool read_config(struct tok_build *b) {
    struct jfile j;
    const json_t *list = NULL;
    const char *key;
    json_t *entry;
    bool legacy = true;
    enum jgot got = tok_open_beside(b, "tokenizer_config.json", &j);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    bool ok = jfile_bool(&j, j.root, NULL, "legacy", &legacy) != JGOT_BAD &&
              jfile_object(&j, j.root, NULL, "added_tokens_decoder", &list) != JGOT_BAD;
    json_object_foreach((json_t *)(uintptr_t)list, key, entry) {
        ok = ok && read_entry(b, &j, key, entry);
        if (!ok) break;
    }
    for (size_t i = 0; i < b->norm.n && !legacy; i++)
        if (b->norm.at[i].kind == SETUN_STEP_PREPEND) b->norm.at[i].flags |= SETUN_PREPEND_FIRST;
    jfile_close(&j);
    return ok;
}

bool tok_read_added(struct tok_build *b) { return read_plain(b) && read_config(b); }
