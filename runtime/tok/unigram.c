/*
 * unigram.c -- one piece of text to token ids: the path of tokens whose log probabilities add up highest.
 *
 * Left to right over the characters; each place keeps the best way to it.  Of equal sums the first found stays: the
 * longest last token.  A character that no token of its length covers may be unknown, for the table's score of that.
 * O(n * longest token).
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "runtime/tok/impl.h"

#define NONE SETUN_NO_TOKEN

/* The best path that ends before a byte: its last token, where that begins. */
struct node {
    double score;
    uint32_t id, from;
};

#define NOWHERE 0xffffffffu
#define UNKNOWN 0xfffffffeu /* as an id */

struct setun_unigram {
    struct node *node;
    size_t cap;
};

struct setun_unigram *setun_unigram_new(void) { return calloc(1, sizeof(struct setun_unigram)); }

void setun_unigram_free(struct setun_unigram *u) {
    if (!u) return;
    free(u->node);
    free(u);
}

static bool reserve(struct setun_unigram *u, size_t n) {
    if (n <= u->cap) return true;
    size_t cap = n < 256 ? 256 : n + n / 2;
    struct node *node = realloc(u->node, cap * sizeof *node);
    if (!node) return false;
    u->node = node;
    u->cap = cap;
    return true;
}

static void offer(const struct setun_tokenizer *t, struct setun_unigram *u, uint32_t from, uint32_t to, uint32_t id,
                  double score) {
    struct node *node = &u->node[to];
    double sum = u->node[from].score + score;
    if (t->tok->flags & SETUN_TOK_SUM_F32) sum = (float)sum;
    if (node->from != NOWHERE && sum <= node->score) return;
    *node = (struct node){.score = sum, .id = id, .from = from};
}

static void all_paths(const struct setun_tokenizer *t, struct setun_unigram *u, const uint8_t *piece, uint32_t n) {
    for (uint32_t i = 0; i <= n; i++) u->node[i] = (struct node){.from = NOWHERE};
    for (uint32_t at = 0, len; at < n; at += len) {
        struct setun_prefixes p = setun_prefixes_start(t);
        int valid = setun_utf8_next(piece + at, n - at);
        bool covered = false;
        len = valid > 0 ? (uint32_t)valid : 1;
        for (uint32_t id; (id = setun_prefixes_next(t, &p, piece + at, n - at)) != NONE;) {
            offer(t, u, at, at + p.depth, id, t->scores[id]);
            covered |= p.depth == len;
        }
        if (!covered) offer(t, u, at, at + len, UNKNOWN, t->tok->unk_score);
    }
}

/* Turns the links around: the best path from the start on. */
static uint32_t forward(struct setun_unigram *u, uint32_t n) {
    uint32_t to = n, next = NOWHERE;
    while (to > 0) {
        uint32_t from = u->node[to].from;
        u->node[to].from = next;
        next = to;
        to = from;
    }
    return next;
}

static enum setun_piece_result put_bytes(const struct setun_tokenizer *t, const uint8_t *at, uint32_t n,
                                         struct setun_ids *ids, bool *done) {
    *done = false;
    if (!(t->tok->flags & SETUN_TOK_BYTE_FALLBACK)) return SETUN_PIECE_OK;
    for (uint32_t i = 0; i < n; i++)
        if (t->tok->byte_token[at[i]] == NONE) return SETUN_PIECE_OK;
    for (uint32_t i = 0; i < n; i++)
        if (!setun_ids_push(ids, t->tok->byte_token[at[i]])) return SETUN_PIECE_NO_MEMORY;
    *done = true;
    return SETUN_PIECE_OK;
}

enum setun_piece_result setun_unigram_piece(const struct setun_tokenizer *t, struct setun_unigram *u,
                                            const uint8_t *piece, size_t n, struct setun_ids *ids) {
    if (n >= UNKNOWN || !reserve(u, n + 1)) return SETUN_PIECE_NO_MEMORY;
    all_paths(t, u, piece, (uint32_t)n);
    bool unknown = false;
    uint32_t from = 0;
    for (uint32_t to = forward(u, (uint32_t)n); to != NOWHERE; from = to, to = u->node[to].from) {
        uint32_t id = u->node[to].id;
        bool done = false;
        if (id == UNKNOWN) {
            enum setun_piece_result r = put_bytes(t, piece + from, to - from, ids, &done);
            if (r != SETUN_PIECE_OK) return r;
            if (!done && t->tok->unk == NONE) return SETUN_PIECE_NO_TOKEN;
            done |= unknown && (t->tok->flags & SETUN_TOK_FUSE_UNK);
        }
        unknown = id == UNKNOWN;
        if (!done && !setun_ids_push(ids, id == UNKNOWN ? t->tok->unk : id)) return SETUN_PIECE_NO_MEMORY;
    }
    return SETUN_PIECE_OK;
}
