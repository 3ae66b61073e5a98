/*
 * from_gguf_bpe.c -- byte-level BPE in a GGUF file: tokens and merges as a tokenizer.json writes them.
 *
 * Normal tokens write bytes as printable characters; all others are texts as they are.  A file without `pre` and with
 * 128256 tokens is of Llama 3's kind, as the official one of BitNet b1.58 2B4T is; any other without it is cut as
 * GPT-2 does.
 */
#include <string.h>

#include "frontend/tokenizer/from_gguf.h"
#include "frontend/tokenizer/index.h"
#include "frontend/tokenizer/patterns.h"
#include "frontend/tokenizer/pieces.h"

enum { ALPHABET_END = 0x144, LLAMA3_TOKENS = 128256 };

struct alphabet {
    int16_t byte[ALPHABET_END]; /* of a code point; -1: none */
};

static void make_alphabet(struct alphabet *a) {
    int16_t next = 0x100;
    memset(a->byte, 0xff, sizeof a->byte);
    for (int16_t i = 0; i < 256; i++) {
        bool itself = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        a->byte[itself ? i : next++] = i;
    }
}

/* The bytes that n characters of the alphabet write, to `to`; false: another character.  All are below U+0800. */
static bool decode(const struct alphabet *a, const char *text, uint64_t n, uint8_t *to, uint32_t *out) {
    const uint8_t *p = (const uint8_t *)text;
    *out = 0;
    for (uint64_t i = 0; i < n;) {
        uint32_t c = p[i];
        if (c >= 0x80) {
            if ((c & 0xe0) != 0xc0 || i + 1 == n || (p[i + 1] & 0xc0) != 0x80) return false;
            c = (c & 0x1f) << 6 | (p[++i] & 0x3f);
        }
        i++;
        if (c >= ALPHABET_END || a->byte[c] < 0) return false;
        to[(*out)++] = (uint8_t)a->byte[c];
    }
    return true;
}

static bool place(const struct tok_gguf *t, const struct alphabet *a, uint32_t id, const char *at, uint64_t n) {
    static const uint8_t attrs[] = {[TOK_UNKNOWN] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN,
                                    [TOK_CONTROL] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN,
                                    [TOK_USER_DEFINED] = SETUN_ATTR_NEVER,
                                    [TOK_UNUSED] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN,
                                    [TOK_BYTE] = SETUN_ATTR_NEVER};
    struct tok_build *b = t->b;
    uint8_t type = tok_gguf_type(t, id);
    if (n == 0) return diag_in(b->diag, tok_gguf_where(t, TOK_KEY("tokens")), DIAG_TOK_EMPTY, (int64_t)id);
    if (n > UINT32_MAX / 2) return diag_in(b->diag, tok_gguf_where(t, TOK_KEY("tokens")), DIAG_TOK_TOO_LARGE);
    struct tok_piece *p = &b->piece[id];
    *p = (struct tok_piece){.at = (const uint8_t *)at, .n = (uint32_t)n, .attrs = attrs[type]};
    if (type == TOK_CONTROL || type == TOK_UNKNOWN || type == TOK_USER_DEFINED)
        *vec_push(b->arena, &b->special) = (struct tok_special){
            .text = at, .n = p->n, .id = id, .flags = type == TOK_USER_DEFINED ? SETUN_SPECIAL_ALWAYS : 0};
    if (p->attrs) return true;
    uint8_t *bytes = arena_alloc(b->arena, (size_t)n);
    if (decode(a, at, n, bytes, &p->n)) {
        p->at = bytes;
    } else {
        p->n = (uint32_t)n;
    }
    if (p->n == 1 && b->byte_token[*p->at] < 0) b->byte_token[*p->at] = id;
    return true;
}

/* ---- merges ---- */

struct merger {
    const struct tok_gguf *t;
    const struct alphabet *a;
    struct tok_index index;
    uint8_t *bytes;
};

static bool wrong_merge(const struct merger *m, uint64_t i, enum diag_id what, const char *text, uint64_t n) {
    struct tok_build *b = m->t->b;
    const char *where = tok_gguf_where(m->t, TOK_KEY("merges"));
    if (what == DIAG_TOK_MERGE_FORM) return diag_in(b->diag, where, what, (size_t)i);
    return diag_in(b->diag, where, what, (size_t)i, arena_strndup(b->arena, text, n < 64 ? (size_t)n : 64));
}

/* The token of n characters; *hash is that of its bytes, which stay in m->bytes. */
static bool find(const struct merger *m, uint64_t i, const char *text, uint64_t n, uint32_t *id) {
    uint32_t len;
    uint64_t hash = 0;
    if (!decode(m->a, text, n, m->bytes, &len)) { /* as in place() */
        memcpy(m->bytes, text, (size_t)n);
        len = (uint32_t)n;
    }
    for (uint32_t k = 0; k < len; k++) hash = tok_hash_add(hash, m->bytes[k]);
    *id = tok_index_find(&m->index, hash, m->bytes, len);
    return *id != SETUN_NO_TOKEN || wrong_merge(m, i, DIAG_TOK_MERGE_TOKEN, text, n);
}

static bool read_merge(const struct merger *m, uint32_t i, const char *at, uint64_t n) {
    struct tok_build *b = m->t->b;
    const char *space = n ? memchr(at, ' ', (size_t)n) : NULL;
    uint64_t left = space ? (uint64_t)(space - at) : 0, right = space ? n - left - 1 : 0;
    if (left == 0 || right == 0 || memchr(space + 1, ' ', (size_t)right))
        return wrong_merge(m, i, DIAG_TOK_MERGE_FORM, at, n);
    struct setun_tok_merge *out = &b->merge[i];
    out->rank = i;
    if (!find(m, i, at, left, &out->left) || !find(m, i, space + 1, right, &out->right)) return false;
    const struct tok_piece *l = &b->piece[out->left], *r = &b->piece[out->right];
    uint64_t hash = 0;
    for (uint32_t k = 0; k < l->n; k++) hash = tok_hash_add(hash, l->at[k]);
    for (uint32_t k = 0; k < r->n; k++) hash = tok_hash_add(hash, r->at[k]);
    memcpy(m->bytes, l->at, l->n);
    memcpy(m->bytes + l->n, r->at, r->n);
    out->result = tok_index_find(&m->index, hash, m->bytes, (size_t)l->n + r->n);
    return out->result != SETUN_NO_TOKEN || wrong_merge(m, i, DIAG_TOK_MERGE_TOKEN, at, n);
}

static bool read_merges(const struct tok_gguf *t, const struct alphabet *a) {
    struct tok_build *b = t->b;
    const struct gguf_pair *list = gguf_find(t->g, TOK_KEY("merges"));
    const char *where = tok_gguf_where(t, TOK_KEY("merges")), *at;
    uint64_t n, longest = 0;
    if (!list) return diag_in(b->diag, where, DIAG_TOK_MISSING);
    if (list->kind != GGUF_ARRAY || list->elem != GGUF_STRING || list->count >= SETUN_NO_TOKEN)
        return diag_in(b->diag, where, DIAG_GGUF_KEY, "a list of strings", gguf_kind_name(list->kind));
    const uint8_t *cursor = list->at;
    while (gguf_next_string(list, &cursor, &at, &n)) longest = n > longest ? n : longest;
    struct merger m = {.t = t, .a = a, .bytes = arena_alloc(b->arena, (size_t)longest + 1)};
    if (!tok_index_make(&m.index, b, NULL)) return false;
    b->merge = arena_array(b->arena, struct setun_tok_merge, list->count);
    cursor = list->at;
    while (gguf_next_string(list, &cursor, &at, &n)) {
        if (!read_merge(&m, b->n_merges, at, n)) return false;
        b->n_merges++;
    }
    return tok_sort_merges(b, where);
}

/* ---- how texts are cut ---- */

static bool read_pre(const struct tok_gguf *t) {
    struct tok_build *b = t->b;
    const struct gguf_pair *p = gguf_find(t->g, TOK_KEY("pre"));
    const char *at = t->tokens->count == LLAMA3_TOKENS ? "llama-bpe" : "gpt-2";
    uint64_t n = strlen(at);
    if (p && !gguf_string(p, &at, &n))
        return diag_in(b->diag, tok_gguf_where(t, TOK_KEY("pre")), DIAG_GGUF_KEY, "a string", gguf_kind_name(p->kind));
    const struct tok_pre *pre = tok_pre_find(at, (size_t)n);
    if (!pre)
        return diag_in(b->diag, tok_gguf_where(t, TOK_KEY("pre")), DIAG_TOK_UNSUPPORTED,
                       arena_printf(b->arena, "pre-tokenizer '%.*s'", (int)(n < 64 ? n : 64), at));
    b->flags |= pre->flags & SETUN_TOK_IGNORE_MERGES;
    b->add_bos = (pre->flags & SETUN_TOK_ADD_BOS) != 0;
    return tok_add_cuts(b, tok_gguf_where(t, TOK_KEY("pre")), pre->pattern, TOK_REGEX_ONIGURUMA);
}

bool tok_gguf_bpe(const struct tok_gguf *t) {
    struct alphabet a;
    const uint8_t *cursor = t->tokens->at;
    const char *at;
    uint64_t n;
    make_alphabet(&a);
    t->b->kind = SETUN_TOK_BPE;
    for (uint32_t id = 0; gguf_next_string(t->tokens, &cursor, &at, &n); id++)
        if (!place(t, &a, id, at, n)) return false;
    for (unsigned i = 0; i < 256; i++)
        if (t->b->byte_token[i] < 0) return diag_in(t->b->diag, t->b->path, DIAG_TOK_BYTE_ABSENT, i);
    return read_pre(t) && read_merges(t, &a);
}
