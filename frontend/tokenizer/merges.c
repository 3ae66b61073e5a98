/*
 * merges.c -- the merges of vocabularies that have scores instead: SentencePiece's BPE, tiktoken's ranks.
 *
 * There every two neighbours may become one where that is a piece, the best score first.  So each piece is cut in two
 * at every character (or byte), and both halves are looked up: with hashes of all its beginnings that is one look-up
 * a byte.  Equal scores have equal ranks: the leftmost merges first.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/tokenizer/index.h"

enum { MAX_PIECE = 4096, FREE_MERGES = 32768, MAX_MERGES = 1 << 28 };

struct cutter {
    const struct tok_build *b;
    struct tok_index index;
    uint8_t *frozen;               /* [n_tokens]: found as a whole before anything merges */
    uint64_t hash[MAX_PIECE + 1];  /* of the beginnings of the piece in hand */
    uint64_t power[MAX_PIECE + 1]; /* of the hash's factor */
    uint32_t n, most;
};

static bool piece_error(const struct tok_build *b, uint32_t id, enum diag_id what, uint32_t other) {
    return diag_in(b->diag, b->path, what, id, other);
}

static bool one_char(const struct cutter *t, const uint8_t *at, uint32_t n) {
    if (!(t->b->flags & SETUN_TOK_CHARS)) return n == 1;
    for (uint32_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80) return false;
    return true;
}

/* The two halves of a piece.  A character that is no piece could still merge there, which the tables cannot say. */
static bool cut_at(struct cutter *t, uint32_t id, uint32_t cut, struct setun_tok_merge *out) {
    const struct tok_piece *p = &t->b->piece[id];
    uint64_t right_hash = t->hash[p->n] - t->hash[cut] * t->power[p->n - cut];
    uint32_t left = tok_index_find(&t->index, t->hash[cut], p->at, cut);
    uint32_t right = tok_index_find(&t->index, right_hash, p->at + cut, p->n - cut);
    if ((left != SETUN_NO_TOKEN && t->frozen[left]) || (right != SETUN_NO_TOKEN && t->frozen[right])) return true;
    if (left != SETUN_NO_TOKEN && right != SETUN_NO_TOKEN) {
        if (t->n == t->most) return piece_error(t->b, id, DIAG_TOK_MERGES_MANY, t->most);
        if (out) out[t->n] = (struct setun_tok_merge){.left = left, .right = right, .result = id};
        t->n++;
        return true;
    }
    bool lone_left = left == SETUN_NO_TOKEN && one_char(t, p->at, cut);
    bool lone_right = right == SETUN_NO_TOKEN && one_char(t, p->at + cut, p->n - cut);
    bool hidden = (lone_left || left != SETUN_NO_TOKEN) && (lone_right || right != SETUN_NO_TOKEN);
    return !hidden || piece_error(t->b, id, DIAG_TOK_PIECE_PART, lone_left ? 0 : cut);
}

/* Counts the merges, and writes them if out is not NULL. */
static bool cut_all(struct cutter *t, struct setun_tok_merge *out) {
    bool chars = (t->b->flags & SETUN_TOK_CHARS) != 0;
    t->n = 0;
    for (uint32_t id = 0; id < t->b->n_tokens; id++) {
        const struct tok_piece *p = &t->b->piece[id];
        if (p->n == 0 || (p->attrs & SETUN_ATTR_NEVER)) continue;
        if (p->n > MAX_PIECE) return piece_error(t->b, id, DIAG_TOK_PIECE_LONG, MAX_PIECE);
        for (uint32_t i = 0; i < p->n; i++) t->hash[i + 1] = tok_hash_add(t->hash[i], p->at[i]);
        for (uint32_t cut = 1; cut < p->n; cut++) {
            if (chars && (p->at[cut] & 0xc0) == 0x80) continue;
            if (!cut_at(t, id, cut, out)) return false;
        }
    }
    return true;
}

static int down(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Ranks: the place of the result's score among all scores, the highest first. */
static void rank_merges(struct tok_build *b) {
    double *score = arena_array(b->arena, double, b->n_tokens);
    uint32_t n = 0;
    for (uint32_t id = 0; id < b->n_tokens; id++)
        if (b->piece[id].n && !(b->piece[id].attrs & SETUN_ATTR_NEVER)) score[n++] = b->piece[id].score;
    if (n) qsort(score, n, sizeof *score, down);
    for (uint32_t i = 0; i < b->n_merges; i++) {
        double want = b->piece[b->merge[i].result].score;
        uint32_t lo = 0, hi = n; /* the first that is not above it */
        while (lo < hi) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (score[mid] > want) {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        b->merge[i].rank = lo;
    }
}

bool tok_merges_from_scores(struct tok_build *b) {
    struct arena_mark mark = arena_save(b->arena);
    struct cutter *t = arena_one(b->arena, struct cutter);
    uint64_t bytes = 0;
    for (uint32_t id = 0; id < b->n_tokens; id++) bytes += b->piece[id].n ? b->piece[id].n + 16 : 0;
    t->b = b;
    t->most = FREE_MERGES + (uint32_t)(bytes / 2 < MAX_MERGES ? bytes / 2 : MAX_MERGES);
    t->frozen = arena_array(b->arena, uint8_t, b->n_tokens);
    for (size_t i = 0; i < b->special.n; i++)
        if (b->special.at[i].flags & SETUN_SPECIAL_ALWAYS) t->frozen[b->special.at[i].id] = 1;
    t->power[0] = 1;
    for (uint32_t i = 0; i < MAX_PIECE; i++) t->power[i + 1] = t->power[i] * TOK_HASH_FACTOR;
    struct setun_tok_merge *out = NULL;
    bool ok = tok_index_make(&t->index, b, t->frozen) && cut_all(t, NULL);
    if (ok && t->n) {
        out = malloc(t->n * sizeof *out);
        if (!out) arena_no_memory(t->n * sizeof *out);
        ok = cut_all(t, out);
    }
    b->n_merges = ok ? t->n : 0;
    arena_restore(b->arena, mark);
    if (ok) {
        b->merge = arena_array(b->arena, struct setun_tok_merge, b->n_merges);
        if (b->n_merges) memcpy(b->merge, out, b->n_merges * sizeof *out);
        rank_merges(b);
        ok = tok_sort_merges(b, b->path);
    }
    free(out);
    return ok;
}
