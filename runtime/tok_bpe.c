/*
 * tok_bpe.c -- one piece of text to token ids: the merge of lowest rank first, the leftmost among equals.
 *
 * The piece is a linked list of tokens, single bytes at first.  A heap holds the merges that are possible;
 * one whose neighbours have changed since is recognised when it comes up.  O(n log n) for n bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/tok.h"

#define NONE SETUN_NO_TOKEN

struct link {
    uint32_t id, prev, next; /* NONE: merged away, or the end */
};

struct chance {
    uint64_t order; /* rank above, place in the list below */
    uint32_t merge; /* index in the table */
};

struct setun_bpe {
    struct link *link;
    struct chance *heap;
    size_t cap, n_heap;
};

struct setun_bpe *setun_bpe_new(void) { return calloc(1, sizeof(struct setun_bpe)); }

void setun_bpe_free(struct setun_bpe *b) {
    if (!b) return;
    free(b->link);
    free(b->heap);
    free(b);
}

/* n bytes make n - 1 chances, and each of at most n - 1 merges makes two more. */
static bool reserve(struct setun_bpe *b, size_t n) {
    if (n <= b->cap) return true;
    size_t cap = n < 256 ? 256 : n + n / 2;
    struct link *link = realloc(b->link, cap * sizeof *link);
    if (link) b->link = link;
    struct chance *heap = realloc(b->heap, 3 * cap * sizeof *heap);
    if (heap) b->heap = heap;
    if (!link || !heap) return false;
    b->cap = cap;
    return true;
}

static void heap_push(struct setun_bpe *b, struct chance c) {
    size_t at = b->n_heap++;
    for (; at > 0 && b->heap[(at - 1) / 2].order > c.order; at = (at - 1) / 2) b->heap[at] = b->heap[(at - 1) / 2];
    b->heap[at] = c;
}

static struct chance heap_pop(struct setun_bpe *b) {
    struct chance top = b->heap[0], moving = b->heap[--b->n_heap];
    size_t at = 0, n = b->n_heap;
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && b->heap[child + 1].order < b->heap[child].order) child++;
        if (moving.order <= b->heap[child].order) break;
        b->heap[at] = b->heap[child];
        at = child;
    }
    b->heap[at] = moving;
    return top;
}

/* If the token at `at` and the one behind it can be merged, that is one more chance. */
static void consider(const struct setun_tokenizer *t, struct setun_bpe *b, uint32_t at) {
    if (at == NONE || b->link[at].next == NONE) return;
    uint32_t left = b->link[at].id, right = b->link[b->link[at].next].id;
    uint32_t lo = t->merge_of[left], hi = t->merge_of[left + 1];
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (t->merges[mid].right < right) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == t->merge_of[left + 1] || t->merges[lo].right != right) return;
    heap_push(b, (struct chance){.order = (uint64_t)t->merges[lo].rank << 32 | at, .merge = lo});
}

static void merge_all(const struct setun_tokenizer *t, struct setun_bpe *b) {
    while (b->n_heap > 0) {
        struct chance c = heap_pop(b);
        const struct setun_tok_merge *m = &t->merges[c.merge];
        uint32_t at = (uint32_t)c.order, next = b->link[at].next;
        if (b->link[at].id != m->left || next == NONE || b->link[next].id != m->right) continue;
        b->link[at].id = m->result;
        b->link[at].next = b->link[next].next;
        b->link[next].id = NONE;
        if (b->link[at].next != NONE) b->link[b->link[at].next].prev = at;
        consider(t, b, b->link[at].prev);
        consider(t, b, at);
    }
}

int setun_tok_compare(const uint8_t *a, size_t na, const uint8_t *b, size_t nb) {
    size_t n = na < nb ? na : nb;
    int order = n > 0 ? memcmp(a, b, n) : 0;
    return order != 0 ? order : (na > nb) - (na < nb);
}

/* The lowest id whose bytes are the piece, or NONE. */
static uint32_t whole_piece(const struct setun_tokenizer *t, const uint8_t *piece, size_t n) {
    uint32_t lo = 0, hi = t->tok->n_tokens;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2, len;
        const uint8_t *text = setun_tok_text(t, t->sorted[mid], &len);
        if (setun_tok_compare(text, len, piece, n) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    for (; lo < t->tok->n_tokens; lo++) { /* a special token of the same bytes is not text */
        uint32_t len, id = t->sorted[lo];
        const uint8_t *text = setun_tok_text(t, id, &len);
        if (setun_tok_compare(text, len, piece, n) != 0) break;
        if (!setun_tok_is_special(t, id)) return id;
    }
    return NONE;
}

enum setun_bpe_result setun_bpe_piece(const struct setun_tokenizer *t, struct setun_bpe *b, const uint8_t *piece,
                                      size_t n, struct setun_ids *ids) {
    if (t->tok->flags & SETUN_TOK_IGNORE_MERGES) {
        uint32_t id = whole_piece(t, piece, n);
        if (id != NONE) return setun_ids_push(ids, id) ? SETUN_BPE_OK : SETUN_BPE_NO_MEMORY;
    }
    if (n >= NONE || !reserve(b, n)) return SETUN_BPE_NO_MEMORY;
    uint32_t count = (uint32_t)n;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = t->tok->byte_token[piece[i]];
        if (id == NONE) return SETUN_BPE_NO_BYTE;
        b->link[i] = (struct link){.id = id, .prev = i > 0 ? i - 1 : NONE, .next = i + 1 < count ? i + 1 : NONE};
    }
    b->n_heap = 0;
    for (uint32_t i = 0; i + 1 < count; i++) consider(t, b, i);
    merge_all(t, b);
    for (uint32_t i = 0; i < count; i++) {
        if (b->link[i].id != NONE && !setun_ids_push(ids, b->link[i].id)) return SETUN_BPE_NO_MEMORY;
    }
    return SETUN_BPE_OK;
}

bool setun_ids_push(struct setun_ids *ids, uint32_t id) {
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 1024;
        uint32_t *at = realloc(ids->at, cap * sizeof *at);
        if (!at) return false;
        ids->at = at;
        ids->cap = cap;
    }
    ids->at[ids->n++] = id;
    return true;
}

void setun_ids_free(struct setun_ids *ids) {
    free(ids->at);
    *ids = (struct setun_ids){0};
}
