/* impl.h -- what the parts of the tokenizer share; nobody outside this folder includes it. */
#ifndef SETUN_RUNTIME_TOK_IMPL_H
#define SETUN_RUNTIME_TOK_IMPL_H

#include "runtime/tok/tok.h"

/* ---- find.c: the sorted table ---- */

/* Order of tok.sorted: by bytes, shorter first. */
int setun_tok_compare(const uint8_t *a, size_t na, const uint8_t *b, size_t nb);
/* The token that a text becomes by its bytes, or SETUN_NO_TOKEN. */
uint32_t setun_tok_find(const struct setun_tokenizer *t, const uint8_t *at, size_t n);

/* The tokens that a text begins with, shorter first: narrows a range of the sorted table byte by byte. */
struct setun_prefixes {
    uint32_t lo, hi, depth;
};
struct setun_prefixes setun_prefixes_start(const struct setun_tokenizer *t);
/* The next one (its id) or SETUN_NO_TOKEN; its length is p->depth. */
uint32_t setun_prefixes_next(const struct setun_tokenizer *t, struct setun_prefixes *p, const uint8_t *at, size_t n);

/* ---- pattern.c: regular expressions ---- */

struct setun_pattern {
    void *code, *match; /* of PCRE2; NULL: none */
    void *limits;
};
bool setun_pattern_open(struct setun_pattern *p, const uint8_t *at, size_t n, char *why, size_t why_size);
void setun_pattern_close(struct setun_pattern *p);
/* The next match in valid UTF-8, never empty: 1 and its place, 0: none, or an error of PCRE2's. */
int setun_pattern_next(const struct setun_pattern *p, const uint8_t *at, size_t n, size_t from, size_t range[2]);
void setun_pattern_error(int error, char *text, size_t size);

/* ---- special.c: texts found before anything else ---- */

/* Those that are NORMALIZED, or those that are not.  *f stays NULL if there are none. */
bool setun_finder_open(const struct setun_tokenizer *t, bool normalized, struct setun_finder **f, char *why,
                       size_t why_size);
void setun_finder_close(struct setun_finder *f);
struct setun_found {
    size_t from, to, next; /* with the white space that belongs to it; where the search goes on */
    uint32_t special;      /* index */
};
/* Which of those that are not ALWAYS are found: all or none, and none with a byte at one of the marks. */
struct setun_allowed {
    bool all;
    const size_t *marks; /* ascending, places in the text */
    size_t n_marks;
};
/* Is there a mark from `from` on, and before `to`? */
bool setun_marked_between(const struct setun_allowed *a, size_t from, size_t to);
/* The next one from `at` on, white space not reaching before `done`.  false: none. */
bool setun_finder_next(const struct setun_tokenizer *t, const struct setun_finder *f, const uint8_t *text, size_t n,
                       size_t at, size_t done, const struct setun_allowed *allowed, struct setun_found *found);

/* ---- steps.c: what changes a text ---- */

struct setun_bytes {
    uint8_t *at;
    size_t n, cap;
};
bool setun_bytes_put(struct setun_bytes *b, const uint8_t *p, size_t n); /* false: no memory */
/* out becomes the text after step i.  first: it begins where the whole text does. */
bool setun_step_apply(const struct setun_tokenizer *t, uint32_t i, const uint8_t *at, size_t n, bool first,
                      struct setun_bytes *out, char *why, size_t why_size);

/* out gets the text; false: no memory. */
bool setun_normal_form(enum setun_tok_step_kind form, const uint8_t *at, size_t n, struct setun_bytes *out);
bool setun_lower(const uint8_t *at, size_t n, struct setun_bytes *out);

/* SentencePiece's map: checked whole, then applied. */
bool setun_charsmap_check(const uint8_t *map, size_t bytes, char *why, size_t why_size);
bool setun_charsmap(const uint8_t *map, size_t bytes, const uint8_t *at, size_t n, struct setun_bytes *out);
bool setun_charsmap_graphemes(const uint8_t *map, size_t bytes, const uint8_t *at, size_t n, struct setun_bytes *out);

/* ---- models: one piece to ids ---- */

enum setun_piece_result { SETUN_PIECE_OK, SETUN_PIECE_NO_TOKEN, SETUN_PIECE_NO_MEMORY };

struct setun_bpe; /* the work space of merging: grows to the longest piece */
struct setun_bpe *setun_bpe_new(void);
void setun_bpe_free(struct setun_bpe *b);
enum setun_piece_result setun_bpe_piece(const struct setun_tokenizer *t, struct setun_bpe *b, const uint8_t *piece,
                                        size_t n, struct setun_ids *ids);

struct setun_unigram; /* the work space of the best path: grows to the longest piece */
struct setun_unigram *setun_unigram_new(void);
void setun_unigram_free(struct setun_unigram *u);
enum setun_piece_result setun_unigram_piece(const struct setun_tokenizer *t, struct setun_unigram *u,
                                            const uint8_t *piece, size_t n, struct setun_ids *ids);

#endif
