/* index.c -- see index.h. */
#include "frontend/tokenizer/index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t slot_of(const struct tok_index *x, uint64_t hash) {
    return (hash ^ hash >> 29) * TOK_HASH_FACTOR >> 17 & x->mask;
}

uint32_t tok_index_find(const struct tok_index *x, uint64_t hash, const uint8_t *at, size_t n) {
    for (uint64_t s = slot_of(x, hash); x->slot[s]; s = (s + 1) & x->mask) {
        const struct tok_piece *p = &x->b->piece[x->slot[s] - 1];
        if (p->n == n && memcmp(p->at, at, n) == 0) return x->slot[s] - 1;
    }
    return SETUN_NO_TOKEN;
}

bool tok_index_make(struct tok_index *x, const struct tok_build *b, const uint8_t *frozen) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)b->n_tokens) slots *= 2;
    *x = (struct tok_index){.b = b, .slot = arena_array(b->arena, uint32_t, slots), .mask = slots - 1};
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        const struct tok_piece *p = &b->piece[id];
        if (p->n == 0 || ((p->attrs & SETUN_ATTR_NEVER) && !(frozen && frozen[id]))) continue;
        if (!isfinite(p->score)) return diag_in(b->diag, b->path, DIAG_TOK_SCORE, id);
        uint64_t hash = 0;
        for (uint32_t i = 0; i < p->n; i++) hash = tok_hash_add(hash, p->at[i]);
        uint32_t other = tok_index_find(x, hash, p->at, p->n);
        if (other != SETUN_NO_TOKEN) return diag_in(b->diag, b->path, DIAG_TOK_PIECE_TWICE, id, other);
        uint64_t s = slot_of(x, hash);
        while (x->slot[s]) s = (s + 1) & x->mask;
        x->slot[s] = id + 1;
    }
    return true;
}

static int by_pair(const void *a, const void *b) {
    const struct setun_tok_merge *x = a, *y = b;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    if (x->right != y->right) return x->right < y->right ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

bool tok_sort_merges(struct tok_build *b, const char *where) {
    if (b->n_merges) qsort(b->merge, b->n_merges, sizeof *b->merge, by_pair);
    for (uint32_t i = 1; i < b->n_merges; i++) {
        const struct setun_tok_merge *m = &b->merge[i];
        if (m[-1].left == m->left && m[-1].right == m->right)
            return diag_in(b->diag, where, DIAG_TOK_MERGE_TWICE, m[-1].rank, m->rank);
    }
    return true;
}
