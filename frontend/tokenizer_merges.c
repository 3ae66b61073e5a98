/*
 * tokenizer_merges.c -- merges for vocabularies that have scores instead: every pair of tokens whose concatenation is
 * a token, ranked by its score, equal scores equal.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/tokenizer_impl.h"

/* Ids by their bytes, open addressing. */
struct table {
    uint32_t *slot; /* id + 1, or 0 */
    uint64_t mask;
    const struct tok_build *b;
};

static uint32_t *find_slot(const struct table *t, const uint8_t *at, uint32_t n) {
    uint64_t i = hash_bytes(at, n, 0) & t->mask;
    for (; t->slot[i]; i = (i + 1) & t->mask) {
        const struct tok_piece *p = &t->b->piece[t->slot[i] - 1];
        if (p->n == n && memcmp(p->at, at, n) == 0) break;
    }
    return &t->slot[i];
}

/* Of equal texts the lowest id counts. */
static void fill(struct table *t, const struct tok_build *b) {
    uint64_t size = 16;
    while (size < 2 * (uint64_t)b->n_tokens) size *= 2;
    *t = (struct table){.slot = arena_array(b->arena, uint32_t, size), .mask = size - 1, .b = b};
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        const struct tok_piece *p = &b->piece[id];
        if (p->n == 0 || p->attrs & SETUN_ATTR_NEVER) continue;
        uint32_t *slot = find_slot(t, p->at, p->n);
        if (!*slot) *slot = id + 1;
    }
}

static int highest_first(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Distinct scores, descending: a token's rank is its place among them. */
static uint32_t distinct(const struct tok_build *b, double *score) {
    uint32_t n = 0, kept = 0;
    for (uint32_t id = 0; id < b->n_tokens; id++)
        if (b->piece[id].n) score[n++] = b->piece[id].score;
    if (n) qsort(score, n, sizeof *score, highest_first);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || score[i] != score[i - 1]) score[kept++] = score[i];
    return kept;
}

static uint32_t rank_of(const double *score, uint32_t n, double v) {
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (score[mid] > v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int by_pair(const void *a, const void *b) {
    const struct setun_tok_merge *x = a, *y = b;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

bool tok_merges_from_scores(struct tok_build *b) {
    struct table t;
    VEC(struct setun_tok_merge) merges = {0};
    for (uint32_t id = 0; id < b->n_tokens; id++)
        if (!isfinite(b->piece[id].score)) return diag_in(b->diag, b->path, DIAG_TOK_SCORE, id);
    fill(&t, b);
    double *score = arena_array(b->arena, double, b->n_tokens);
    uint32_t n_scores = distinct(b, score);
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        const struct tok_piece *p = &b->piece[id];
        if (p->n < 2 || p->attrs & SETUN_ATTR_NEVER || *find_slot(&t, p->at, p->n) != id + 1) continue;
        for (uint32_t cut = 1; cut < p->n; cut++) {
            uint32_t left = *find_slot(&t, p->at, cut);
            uint32_t right = left ? *find_slot(&t, p->at + cut, p->n - cut) : 0;
            if (right)
                *vec_push(b->arena, &merges) =
                    (struct setun_tok_merge){left - 1, right - 1, rank_of(score, n_scores, p->score), id};
        }
    }
    if (merges.n > UINT32_MAX) return diag_in(b->diag, b->path, DIAG_TOK_TOO_LARGE);
    if (merges.n) qsort(merges.at, merges.n, sizeof *merges.at, by_pair);
    b->merge = merges.at;
    b->n_merges = (uint32_t)merges.n;
    return true;
}
