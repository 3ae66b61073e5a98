/* json_merges.c -- the merges of a BPE model, "a b" or ["a", "b"], the first the strongest. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "frontend/tokenizer/from_json.h"

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

static bool find_part(const struct tok_json *f, size_t entry, const char *text, uint32_t *id) {
    const json_t *v = json_object_get(f->vocab, text);
    if (!v) return diag_in(f->j.diag, jfile_where(&f->j, "model", "merges"), DIAG_TOK_MERGE_TOKEN, entry, text);
    *id = (uint32_t)json_integer_value(v); /* checked by tok_json_vocab */
    return true;
}

static bool same_bytes(const struct tok_build *b, const struct setun_tok_merge *m) {
    const struct tok_piece *l = &b->piece[m->left], *r = &b->piece[m->right], *both = &b->piece[m->result];
    return both->n == l->n + r->n && memcmp(both->at, l->at, l->n) == 0 && memcmp(both->at + l->n, r->at, r->n) == 0;
}

static bool read_merge(struct tok_json *f, size_t i, struct buf *parts, size_t cut) {
    struct tok_build *b = f->b;
    struct setun_tok_merge *m = &b->merge[b->n_merges];
    struct buf left = {0};
    buf_put(&left, parts->at, cut);
    bool ok = find_part(f, i, left.at, &m->left) && find_part(f, i, parts->at + cut, &m->right) &&
              find_part(f, i, parts->at, &m->result);
    buf_free(&left);
    if (!ok) return false;
    if (!same_bytes(f->b, m))
        return diag_in(f->j.diag, jfile_where(&f->j, "model", "merges"), DIAG_TOK_MERGE_BYTES, i, parts->at);
    m->rank = b->n_merges++;
    return true;
}

static int by_pair(const void *a, const void *b) {
    const struct setun_tok_merge *x = a, *y = b;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    if (x->right != y->right) return x->right < y->right ? -1 : 1;
    return x->rank < y->rank ? -1 : 1;
}

static bool sort_merges(struct tok_json *f) {
    struct tok_build *b = f->b;
    if (b->n_merges) qsort(b->merge, b->n_merges, sizeof *b->merge, by_pair);
    for (uint32_t i = 1; i < b->n_merges; i++) {
        const struct setun_tok_merge *m = &b->merge[i];
        if (m[-1].left == m->left && m[-1].right == m->right)
            return diag_in(f->j.diag, jfile_where(&f->j, "model", "merges"), DIAG_TOK_MERGE_TWICE, m[-1].rank, m->rank);
    }
    return true;
}

bool tok_json_merges(struct tok_json *f, const json_t *model) {
    const json_t *list;
    struct tok_build *b = f->b;
    if (b->kind != SETUN_TOK_BPE) return true;
    const char *where = jfile_where(&f->j, "model", "merges");
    enum jgot got = jfile_list(&f->j, model, "model", "merges", &list);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT && diag_in(f->j.diag, where, DIAG_TOK_MISSING);
    b->merge = arena_array(b->arena, struct setun_tok_merge, json_array_size(list));
    struct buf parts = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        size_t cut = 0;
        ok = split_merge(json_array_get(list, i), &parts, &cut) || diag_in(f->j.diag, where, DIAG_TOK_MERGE_FORM, i);
        ok = ok && read_merge(f, i, &parts, cut);
    }
    buf_free(&parts);
    return ok && sort_merges(f);
}
