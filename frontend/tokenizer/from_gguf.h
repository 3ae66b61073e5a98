/* from_gguf.h -- what the two parts of the reader of tokenizer.ggml.* share. */
#ifndef SETUN_FRONTEND_TOKENIZER_GGUF_H
#define SETUN_FRONTEND_TOKENIZER_GGUF_H

#include "frontend/files/gguf.h"
#include "frontend/tokenizer/impl.h"

#define TOK_KEY(name) "tokenizer.ggml." name

struct tok_gguf {
    struct tok_build *b;
    const struct gguf_file *g;
    const struct gguf_pair *tokens, *scores, *types; /* the last two may be NULL */
};

/* from_gguf_bpe.c: tokens and merges of "gpt2", and how texts are cut. */
bool tok_gguf_bpe(const struct tok_gguf *t);

/* Where a key is, for messages; its name if it is absent. */
const char *tok_gguf_where(const struct tok_gguf *t, const char *key);
/* The kind of piece of an id (enum tok_type); 0 if the file does not say. */
uint8_t tok_gguf_type(const struct tok_gguf *t, uint64_t id);

#endif
