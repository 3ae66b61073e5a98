/*
 * bpe.c -- one piece of text to token ids: the merge of lowest rank first, the leftmost among equals.
 *
 * The piece is a linked list of tokens, single bytes or characters at first.  A heap holds the places where a merge
 * is possible; one whose neighbours have changed since is recognised when it comes up.  O(n log n) for n bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "runtime/tok/impl.h"

#define NONE SETUN_NO_TOKEN

struct link {
    uint32_t id, prev, next; /* NONE: merged away, or the end */
};

struct setun_bpe {
    struct link *link;
    uint64_t *heap; /* rank above, place in the list below */
    size_t cap, n_heap;
};

struct setun_bpe *setun_bpe_new(void) { return calloc(1, sizeof(struct setun_bpe)); }

void setun_bpe_free(struct setun_bpe *b) {
    if (!b) return;
    free(b->link);
    free(b->heap);
    free(b);
}

/* n tokens make n - 1 chances, and each of at most n - 1 merges takes one and makes two. */
static bool reserve(struct setun_bpe *b, size_t n) {
    if (n <= b->cap) return true;
    size_t cap = n < 256 ? 256 : n + n / 2;
    struct link *link = realloc(b->link, cap * sizeof *link);
    if (link) b->link = link;
    uint64_t *heap = realloc(b->heap, 2 * cap * sizeof *heap);
    if (heap) b->heap = heap;
    if (!link || !heap) return false;
    b->cap = cap;
    return true;
}

static void heap_push(struct setun_bpe *b, uint64_t c) {
    size_t at = b->n_heap++;
    for (; at > 0 && b->heap[(at - 1) / 2] > c; at = (at - 1) / 2) b->heap[at] = b->heap[(at - 1) / 2];
    b->heap[at] = c;
}

static uint64_t heap_pop(struct setun_bpe *b) {
    uint64_t top = b->heap[0], moving = b->heap[--b->n_heap];
    size_t at = 0, n = b->n_heap;
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && b->heap[child + 1] < b->heap[child]) child++;
        if (moving <= b->heap[child]) break;
        b->heap[at] = b->heap[child];
        at = child;
    }
    b->heap[at] = moving;
    return top;
}

/* The merge of the token at `at` and the one behind it, or NULL. */
static const struct setun_tok_merge *merge_at(const struct setun_tokenizer *t, const struct setun_bpe *b, uint32_t at) {
    if (at == NONE || b->link[at].id == NONE || b->link[at].next == NONE) return NULL;
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
    return lo < t->merge_of[left + 1] && t->merges[lo].right == right ? &t->merges[lo] : NULL;
}

static void consider(const struct setun_tokenizer *t, struct setun_bpe *b, uint32_t at) {
    const struct setun_tok_merge *m = merge_at(t, b, at);
    if (m) heap_push(b, (uint64_t)m->rank << 32 | at);
}

/* A chance holds as long as the merge at its place has its rank, whichever merge that is by now. */
static void merge_all(const struct setun_tokenizer *t, struct setun_bpe *b) {
    while (b->n_heap > 0) {
        uint64_t chance = heap_pop(b);
        uint32_t at = (uint32_t)chance;
        const struct setun_tok_merge *m = merge_at(t, b, at);
        if (!m || m->rank != chance >> 32) continue;
        uint32_t next = b->link[at].next;
        b->link[at].id = m->result;
        b->link[at].next = b->link[next].next;
        b->link[next].id = NONE;
        if (b->link[at].next != NONE) b->link[b->link[at].next].prev = at;
        consider(t, b, b->link[at].prev);
        consider(t, b, at);
    }
}

/* ---- what a piece begins as ---- */

static void add(struct setun_bpe *b, uint32_t *count, uint32_t id) {
    uint32_t i = (*count)++;
    b->link[i] = (struct link){.id = id, .prev = i > 0 ? i - 1 : NONE, .next = NONE};
    if (i > 0) b->link[i - 1].next = i;
}

/* An unknown token, unless it joins the one before it.  false: there is none. */
static bool add_unknown(const struct setun_tokenizer *t, struct setun_bpe *b, uint32_t *count, bool *unknown) {
    if (t->tok->unk == NONE) return false;
    if (!*unknown || !(t->tok->flags & SETUN_TOK_FUSE_UNK)) add(b, count, t->tok->unk);
    *unknown = true;
    return true;
}

static bool start_bytes(const struct setun_tokenizer *t, struct setun_bpe *b, const uint8_t *piece, size_t n,
                        uint32_t *count) {
    bool unknown = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = t->tok->byte_token[piece[i]];
        if (id == NONE) {
            if (!add_unknown(t, b, count, &unknown)) return false;
            continue;
        }
        add(b, count, id);
        unknown = false;
    }
    return true;
}

static bool has_bytes(const struct setun_tokenizer *t, const uint8_t *at, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (t->tok->byte_token[at[i]] == NONE) return false;
    return true;
}

static bool start_chars(const struct setun_tokenizer *t, struct setun_bpe *b, const uint8_t *piece, size_t n,
                        uint32_t *count) {
    bool unknown = false, fallback = t->tok->flags & SETUN_TOK_BYTE_FALLBACK;
    for (size_t i = 0, len; i < n; i += len) {
        int valid = setun_utf8_next(piece + i, n - i);
        len = valid > 0 ? (size_t)valid : 1;
        uint32_t id = piece[i] < 0x80 ? t->ascii[piece[i]] : setun_tok_find(t, piece + i, len);
        if (id != NONE) {
            add(b, count, id);
            unknown = false;
        } else if (fallback && has_bytes(t, piece + i, len)) {
            for (size_t k = 0; k < len; k++) add(b, count, t->tok->byte_token[piece[i + k]]);
            unknown = false;
        } else if (!add_unknown(t, b, count, &unknown)) {
            return false;
        }
    }
    return true;
}

enum setun_piece_result setun_bpe_piece(const struct setun_tokenizer *t, struct setun_bpe *b, const uint8_t *piece,
                                        size_t n, struct setun_ids *ids) {
    if (t->tok->flags & SETUN_TOK_IGNORE_MERGES) {
        uint32_t id = setun_tok_find(t, piece, n);
        if (id != NONE) return setun_ids_push(ids, id) ? SETUN_PIECE_OK : SETUN_PIECE_NO_MEMORY;
    }
    if (n >= NONE || !reserve(b, n)) return SETUN_PIECE_NO_MEMORY;
    uint32_t count = 0;
    bool chars = t->tok->flags & SETUN_TOK_CHARS;
    if (!(chars ? start_chars : start_bytes)(t, b, piece, n, &count)) return SETUN_PIECE_NO_TOKEN;
    b->n_heap = 0;
    for (uint32_t i = 0; i + 1 < count; i++) consider(t, b, i);
    merge_all(t, b);
    for (uint32_t i = 0; i < count; i++) {
        if (b->link[i].id != NONE && !setun_ids_push(ids, b->link[i].id)) return SETUN_PIECE_NO_MEMORY;
    }
    return SETUN_PIECE_OK;
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
