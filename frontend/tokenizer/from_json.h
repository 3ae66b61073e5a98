/* from_json.h -- what the parts of the reader of tokenizer.json share; nobody else includes it. */
#ifndef SETUN_FRONTEND_TOKENIZER_JSON_H
#define SETUN_FRONTEND_TOKENIZER_JSON_H

#include "frontend/files/json.h"
#include "frontend/tokenizer/impl.h"

struct tok_json {
    struct jfile j;
    struct tok_build *b;
    const char **text;   /* [n_tokens]: as the file writes it; NULL: no such id */
    uint8_t *is_added;   /* [n_tokens]: 1 if in added_tokens */
    json_t *added;       /* the ids of added_tokens by their text */
    json_t *scored;      /* Unigram: ids by text */
    const json_t *vocab; /* BPE: ids by text */
    bool behind;         /* a pre-tokenizer behind ByteLevel sees those characters */
    bool byte_level;     /* bytes are written as printable characters */
};

/* json_model.c: options of the model, tokens, added tokens. */
bool tok_json_options(struct tok_json *f, const json_t *model);
bool tok_json_vocab(struct tok_json *f, const json_t *model);
bool tok_json_added(struct tok_json *f);
/* The id of a token by its text, or -1. */
int64_t tok_json_id(const struct tok_json *f, const char *text);

/* json_merges.c */
bool tok_json_merges(struct tok_json *f, const json_t *model);

/* json_steps.c: normalizer, pre-tokenizer. */
bool tok_json_steps(struct tok_json *f);

/* json_post.c: decoder, which needs no tokens, and post-processor, which names some. */
bool tok_json_decoder(struct tok_json *f);
bool tok_json_post(struct tok_json *f);

static inline bool tok_unsupported(const struct tok_json *f, const char *path, const char *key, const char *what) {
    return diag_in(f->j.diag, jfile_where(&f->j, path, key), DIAG_TOK_UNSUPPORTED, what);
}

/* The "type" of a step. */
static inline const char *tok_type(const json_t *step) {
    const char *type = json_string_value(json_object_get(step, "type"));
    return type ? type : "a step without a type";
}

#endif
