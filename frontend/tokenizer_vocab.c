/*
 * tokenizer_vocab.c -- tokens and merges of a tokenizer.json.
 *
 * The vocabulary writes bytes as printable characters: 0x21-0x7e, 0xa1-0xac and 0xae-0xff are themselves, the
 * other 68 in increasing order are U+0100, U+0101, ...  A token with any other character stands for its own
 * UTF-8 bytes, as do added tokens.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "frontend/tokenizer_impl.h"

enum { ALPHABET_END = 0x144, MAX_ADDED = 16384 /* they are searched one by one */ };

struct alphabet {
    int16_t byte[ALPHABET_END]; /* of a code point; -1: none */
};

static void make_alphabet(struct alphabet *a) {
    int16_t next = 0x100;
    memset(a->byte, 0xff, sizeof a->byte);
    for (int16_t b = 0; b < 256; b++) {
        bool itself = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        a->byte[itself ? b : next++] = b;
    }
}

/* The next code point of valid UTF-8. */
static uint32_t next_char(const char **at) {
    const unsigned char *p = (const unsigned char *)*at;
    int n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3fu);
    *at += n;
    return c;
}

static void decode(struct tok_build *b, const struct alphabet *a, const char *text, struct tok_piece *out) {
    uint8_t *bytes = arena_alloc(b->arena, strlen(text));
    uint32_t n = 0;
    for (const char *p = text; *p;) {
        uint32_t c = next_char(&p);
        if (c >= ALPHABET_END || a->byte[c] < 0) {
            n = (uint32_t)strlen(text);
            memcpy(bytes, text, n);
            break;
        }
        bytes[n++] = (uint8_t)a->byte[c];
    }
    *out = (struct tok_piece){.text = text, .at = bytes, .n = n};
}

static bool check_id(const struct tok_build *b, const char *where, const char *text, int64_t id) {
    return (id >= 0 && id < b->n_tokens) || diag_in(b->j.diag, where, DIAG_TOK_ID, text, id, b->n_tokens);
}

bool tok_read_vocab(struct tok_build *b, const json_t *model) {
    const json_t *vocab;
    const char *text, *where = jfile_where(&b->j, "model", "vocab");
    json_t *v;
    enum jgot got = jfile_object(&b->j, model, "model", "vocab", &vocab);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT && diag_in(b->j.diag, where, DIAG_TOK_MISSING);
    struct alphabet a;
    make_alphabet(&a);
    json_object_foreach((json_t *)(uintptr_t)vocab, text, v) {
        int64_t id = json_integer_value(v);
        if (!json_is_integer(v)) return diag_in(b->j.diag, where, DIAG_JSON_TYPE, "integers only", json_kind(v));
        if (!check_id(b, where, text, id)) return false;
        if (b->piece[id].text) return diag_in(b->j.diag, where, DIAG_TOK_SAME_ID, b->piece[id].text, text, id);
        if (!*text) return diag_in(b->j.diag, where, DIAG_TOK_EMPTY, id);
        decode(b, &a, text, &b->piece[id]);
    }
    return true;
}

int64_t tok_id_of(const struct tok_build *b, const char *text) {
    for (size_t i = 0; i < b->added.n; i++)
        if (strcmp(b->piece[b->added.at[i]].text, text) == 0) return b->added.at[i];
    const json_t *v = json_object_get(json_object_get(json_object_get(b->j.root, "model"), "vocab"), text);
    return v ? json_integer_value(v) : -1;
}

/* ---- added tokens ---- */

static bool read_one_added(struct tok_build *b, const json_t *entry) {
    static const char *const refused[] = {"single_word", "lstrip", "rstrip"};
    const char *where = jfile_where(&b->j, "added_tokens", NULL), *text = NULL;
    int64_t id = -1;
    if (!json_is_object(entry)) return diag_in(b->j.diag, where, DIAG_JSON_TYPE, "objects", json_kind(entry));
    enum jgot got_id = jfile_int(&b->j, entry, "added_tokens", "id", 0, INT32_MAX, &id);
    enum jgot got_text = jfile_text(&b->j, entry, "added_tokens", "content", &text);
    if (got_id == JGOT_BAD || got_text == JGOT_BAD) return false;
    if (got_id == JGOT_ABSENT || got_text == JGOT_ABSENT) return diag_in(b->j.diag, where, DIAG_TOK_MISSING);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        bool set = false;
        if (jfile_bool(&b->j, entry, "added_tokens", refused[i], &set) == JGOT_BAD) return false;
        if (set) return tok_unsupported(b, "added_tokens", refused[i], "true");
    }
    if (!check_id(b, where, text, id)) return false;
    if (!*text) return diag_in(b->j.diag, where, DIAG_TOK_EMPTY, id);
    struct tok_piece *p = &b->piece[id];
    if (p->added || (p->text && strcmp(p->text, text) != 0))
        return diag_in(b->j.diag, where, DIAG_TOK_SAME_ID, p->text, text, id);
    int64_t other = tok_id_of(b, text);
    if (other >= 0 && other != id) return diag_in(b->j.diag, where, DIAG_TOK_TWO_IDS, text, id, other);
    *p = (struct tok_piece){.text = text, .at = (const uint8_t *)text, .n = (uint32_t)strlen(text), .added = true};
    *vec_push(b->arena, &b->added) = (uint32_t)id;
    return true;
}

bool tok_read_added(struct tok_build *b) {
    const json_t *list, *entry;
    enum jgot got = jfile_list(&b->j, b->j.root, NULL, "added_tokens", &list);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    if (json_array_size(list) > MAX_ADDED)
        return tok_unsupported(b, "added_tokens", NULL, "a list of more than 16384 tokens");
    for (size_t i = 0; (entry = json_array_get(list, i)) != NULL; i++)
        if (!read_one_added(b, entry)) return false;
    return true;
}

/* ---- merges ---- */

/* "a b" or ["a", "b"]; the parts are cut into buf, one behind the other. */
static bool split_merge(const json_t *entry, struct buf *parts, size_t *cut) {
    const char *left, *right;
    size_t n;
    parts->n = 0;
    if (json_is_string(entry)) {
        left = json_string_value(entry);
        right = strchr(left, ' ');
        if (!right || strchr(right + 1, ' ')) return false;
        n = (size_t)(right - left);
        right++;
    } else {
        left = json_string_value(json_array_get(entry, 0));
        right = json_string_value(json_array_get(entry, 1));
        if (json_array_size(entry) != 2 || !left || !right) return false;
        n = strlen(left);
    }
    if (n == 0 || !*right) return false;
    buf_put(parts, left, n);
    *cut = n;
    buf_put(parts, right, strlen(right));
    return true;
}

static bool find_part(const struct tok_build *b, const json_t *vocab, size_t entry, const char *text, uint32_t *id) {
    const json_t *v = json_object_get(vocab, text);
    if (!v) return diag_in(b->j.diag, jfile_where(&b->j, "model", "merges"), DIAG_TOK_MERGE_TOKEN, entry, text);
    *id = (uint32_t)json_integer_value(v); /* checked by tok_read_vocab */
    return true;
}

static bool same_bytes(const struct tok_build *b, const struct setun_tok_merge *m) {
    const struct tok_piece *l = &b->piece[m->left], *r = &b->piece[m->right], *both = &b->piece[m->result];
    return both->n == l->n + r->n && memcmp(both->at, l->at, l->n) == 0 && memcmp(both->at + l->n, r->at, r->n) == 0;
}

static bool read_merge(struct tok_build *b, const json_t *vocab, size_t i, struct buf *parts, size_t cut) {
    struct setun_tok_merge *m = &b->merge[b->n_merges];
    struct buf left = {0};
    buf_put(&left, parts->at, cut);
    bool ok = find_part(b, vocab, i, left.at, &m->left) && find_part(b, vocab, i, parts->at + cut, &m->right) &&
              find_part(b, vocab, i, parts->at, &m->result);
    buf_free(&left);
    if (!ok) return false;
    if (!same_bytes(b, m))
        return diag_in(b->j.diag, jfile_where(&b->j, "model", "merges"), DIAG_TOK_MERGE_BYTES, i, parts->at);
    m->rank = b->n_merges++;
    return true;
}

static int by_pair(const void *a, const void *b) {
    const struct setun_tok_merge *x = a, *y = b;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    if (x->right != y->right) return x->right < y->right ? -1 : 1;
    return x->rank < y->rank ? -1 : 1;
}

static bool sort_merges(struct tok_build *b) {
    if (b->n_merges) qsort(b->merge, b->n_merges, sizeof *b->merge, by_pair);
    for (uint32_t i = 1; i < b->n_merges; i++) {
        const struct setun_tok_merge *m = &b->merge[i];
        if (m[-1].left == m->left && m[-1].right == m->right)
            return diag_in(b->j.diag, jfile_where(&b->j, "model", "merges"), DIAG_TOK_MERGE_TWICE, m[-1].rank, m->rank);
    }
    return true;
}

bool tok_read_merges(struct tok_build *b, const json_t *model) {
    const json_t *list, *vocab = json_object_get(model, "vocab");
    const char *where = jfile_where(&b->j, "model", "merges");
    enum jgot got = jfile_list(&b->j, model, "model", "merges", &list);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT && diag_in(b->j.diag, where, DIAG_TOK_MISSING);
    b->merge = arena_array(b->arena, struct setun_tok_merge, json_array_size(list));
    struct buf parts = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        size_t cut = 0;
        ok = split_merge(json_array_get(list, i), &parts, &cut) || diag_in(b->j.diag, where, DIAG_TOK_MERGE_FORM, i);
        ok = ok && read_merge(b, vocab, i, &parts, cut);
    }
    buf_free(&parts);
    return ok && sort_merges(b);
}
