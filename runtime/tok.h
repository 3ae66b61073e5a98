/*
 * tok.h -- byte-level BPE over the flat table of abi.h (struct setun_tok).
 *
 * The table is a stranger's until setun_tok_open has checked all of it; after that nothing here can leave it.
 * Transparent.  Memory is taken by open and, for a prompt, by encode; decoding takes none.
 */
#ifndef SETUN_RUNTIME_TOK_H
#define SETUN_RUNTIME_TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/abi.h"

struct setun_tokenizer {
    const struct setun_tok *tok;
    const uint32_t *index, *sorted, *specials;
    const uint8_t *bytes;
    const struct setun_tok_merge *merges;
    uint32_t *merge_of;   /* [n_tokens + 1]: merges with left == t are merge_of[t] .. merge_of[t + 1] */
    uint8_t *is_special;  /* a bit a token */
    uint32_t longest;     /* bytes of the longest token */
    void *code;           /* the compiled pre-tokenizer pattern, or NULL: a text is one piece */
    void *match, *limits; /* PCRE2's match data and match context */
};

struct setun_ids {
    uint32_t *at;
    size_t n, cap;
};

/* Checks the section whole (docs/executable.md lists the rules).  false: why says what is wrong. */
bool setun_tok_open(struct setun_tokenizer *t, const void *section, uint64_t bytes, char *why, size_t why_size);
void setun_tok_close(struct setun_tokenizer *t);

/* The bytes of a token; none for an id that the tokenizer does not know. */
static inline const uint8_t *setun_tok_text(const struct setun_tokenizer *t, uint32_t id, uint32_t *n) {
    *n = 0;
    if (id >= t->tok->n_tokens) return t->bytes;
    *n = t->index[id + 1] - t->index[id];
    return t->bytes + t->index[id];
}

static inline bool setun_tok_is_special(const struct setun_tokenizer *t, uint32_t id) {
    return id < t->tok->n_tokens && (t->is_special[id >> 3] >> (id & 7) & 1);
}

bool setun_tok_is_eos(const struct setun_tokenizer *t, uint32_t id);

/*
 * Appends the ids of a text to ids.  specials: names of special tokens in the text become those tokens; otherwise
 * they are text like any other.  Bytes that are not UTF-8 are pieces of their own.
 * false: why says what is wrong (a byte without a token, a pattern that runs wild, no memory).
 */
bool setun_encode(const struct setun_tokenizer *t, const uint8_t *text, size_t n, bool specials, struct setun_ids *ids,
                  char *why, size_t why_size);
bool setun_ids_push(struct setun_ids *ids, uint32_t id); /* false: no memory */
void setun_ids_free(struct setun_ids *ids);

/* ---- inside the tokenizer ---- */

struct setun_bpe; /* the work space of merging: grows to the longest piece */
struct setun_bpe *setun_bpe_new(void);
void setun_bpe_free(struct setun_bpe *b);
enum setun_bpe_result { SETUN_BPE_OK, SETUN_BPE_NO_BYTE, SETUN_BPE_NO_MEMORY };
/* Appends the ids of one piece. */
enum setun_bpe_result setun_bpe_piece(const struct setun_tokenizer *t, struct setun_bpe *b, const uint8_t *piece,
                                      size_t n, struct setun_ids *ids);
/* Order of tok.sorted: by bytes, shorter first. */
int setun_tok_compare(const uint8_t *a, size_t na, const uint8_t *b, size_t nb);

#endif
