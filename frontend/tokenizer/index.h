/*
 * index.h -- the pieces that text can become, found by their bytes.
 *
 * The hash of a text is a polynomial in its bytes, so a reader that has the hashes of all beginnings of a text has
 * those of its ends too: hash(end) = hash(text) - hash(beginning) * TOK_HASH_FACTOR ^ length(end).
 */
#ifndef SETUN_FRONTEND_TOKENIZER_INDEX_H
#define SETUN_FRONTEND_TOKENIZER_INDEX_H

#include "frontend/tokenizer/impl.h"

#define TOK_HASH_FACTOR 0x9e3779b97f4a7c15u

struct tok_index {
    const struct tok_build *b;
    uint32_t *slot; /* id + 1, or 0 */
    uint64_t mask;
};

static inline uint64_t tok_hash_add(uint64_t hash, uint8_t byte) { return hash * TOK_HASH_FACTOR + byte + 1; }

/*
 * Pieces that are not NEVER, and those with frozen[id] (NULL: none); in the arena of b.
 * false: two have the same bytes, or a score is not finite, which is reported.
 */
bool tok_index_make(struct tok_index *x, const struct tok_build *b, const uint8_t *frozen);
/* SETUN_NO_TOKEN: none. */
uint32_t tok_index_find(const struct tok_index *x, uint64_t hash, const uint8_t *at, size_t n);

/* Sorts the merges as the section wants them; false: two of one pair, which is reported at `where`. */
bool tok_sort_merges(struct tok_build *b, const char *where);

#endif
