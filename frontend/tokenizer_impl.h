/* tokenizer_impl.h -- what the parts of the tokenizer reader share; nobody else includes it. */
#ifndef SETUN_FRONTEND_TOKENIZER_IMPL_H
#define SETUN_FRONTEND_TOKENIZER_IMPL_H

#include "frontend/json.h"
#include "frontend/tokenizer.h"
#include "runtime/abi.h"

struct tok_piece {
    const char *text;  /* as the file writes it; NULL: no such id */
    const uint8_t *at; /* the raw bytes it stands for */
    uint32_t n;
    bool added; /* found in texts before anything else */
};

struct tok_build {
    struct jfile j;
    struct arena *arena; /* of the section */
    uint32_t n_tokens;
    struct tok_piece *piece; /* [n_tokens] */
    VEC(uint32_t) added;
    struct setun_tok_merge *merge;
    uint32_t n_merges;
    const char *pattern; /* "" for none */
    uint32_t flags;
    int64_t template_bos; /* the token that the post-processor puts first; -1: none */
    int64_t bos;
    int64_t eos[CONFIG_MAX_EOS];
    uint32_t n_eos;
};

/* tokenizer_vocab.c: tokens, added tokens, merges. */
bool tok_read_vocab(struct tok_build *b, const json_t *model);
bool tok_read_added(struct tok_build *b);
bool tok_read_merges(struct tok_build *b, const json_t *model);
/* The id of a token by its text, or -1. */
int64_t tok_id_of(const struct tok_build *b, const char *text);

/* tokenizer_rules.c: normalizer, pre-tokenizer, post-processor, decoder, options of the model. */
bool tok_read_rules(struct tok_build *b, const json_t *model);

/* tokenizer_section.c: the flat table. */
bool tok_write_section(const struct tok_build *b, uint8_t **section, size_t *bytes);

static inline bool tok_unsupported(const struct tok_build *b, const char *path, const char *key, const char *what) {
    return diag_in(b->j.diag, jfile_where(&b->j, path, key), DIAG_TOK_UNSUPPORTED, what);
}

#endif
