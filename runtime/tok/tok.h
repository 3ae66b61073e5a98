/*
 * tok.h -- text to token ids and back, over the flat table of abi.h (struct setun_tok; docs/tokenizers.md).
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

struct setun_finder; /* texts that are found in a text */
struct setun_pattern;

struct setun_tokenizer {
    const struct setun_tok *tok;
    const struct setun_tok_step *steps;
    const uint32_t *index, *sorted;
    const uint8_t *bytes, *attrs;
    const struct setun_tok_merge *merges;
    const struct setun_tok_special *specials;
    const double *scores;
    /* Made by open. */
    uint32_t *merge_of;             /* [n_tokens + 1]: merges with left == t are merge_of[t] .. merge_of[t + 1] */
    uint32_t ascii[128];            /* the token of each character below 0x80, or SETUN_NO_TOKEN */
    uint32_t longest;               /* bytes of the longest token */
    struct setun_pattern *patterns; /* [n_norms + n_cuts]: compiled, of the steps that have one */
    struct setun_finder *raw, *normalized; /* specials; NULL: none */
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

/* Printed only where special tokens are. */
static inline bool setun_tok_is_special(const struct setun_tokenizer *t, uint32_t id) {
    return id < t->tok->n_tokens && (t->attrs[id] & SETUN_ATTR_HIDDEN);
}

bool setun_tok_is_eos(const struct setun_tokenizer *t, uint32_t id);

/*
 * Appends the ids of a text to ids.  specials: names of special tokens in the text become those tokens; otherwise
 * they are text like any other.  Bytes that are not UTF-8 are pieces of their own.  Beginning and end are the caller's.
 * false: why says what is wrong (a byte without a token, a pattern that runs wild, no memory).
 */
bool setun_encode(const struct setun_tokenizer *t, const uint8_t *text, size_t n, bool specials, struct setun_ids *ids,
                  char *why, size_t why_size);
/*
 * The same, with special tokens, but for those that would have a byte at one of the n_marks ascending places: what was
 * written by somebody else than the caller.  A NORMALIZED one is not found in any stretch that has a mark.
 */
bool setun_encode_marked(const struct setun_tokenizer *t, const uint8_t *text, size_t n, const size_t *marks,
                         size_t n_marks, struct setun_ids *ids, char *why, size_t why_size);
bool setun_ids_push(struct setun_ids *ids, uint32_t id); /* false: no memory */
void setun_ids_free(struct setun_ids *ids);

/* ---- ids to text ---- */

/* The text of tokens as they come; UTF-8 characters may still be torn (text.h mends that).  Transparent. */
struct setun_decoder {
    const struct setun_tokenizer *t;
    bool specials; /* special tokens are printed too */
    bool first;    /* the next token is the first of a text: what the tokenizer put in front of it is dropped */
};
/* Bytes written to out, which has room for t->longest. */
uint32_t setun_decode(struct setun_decoder *d, uint32_t id, uint8_t *out);

#endif
