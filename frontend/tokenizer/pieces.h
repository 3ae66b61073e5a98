/*
 * pieces.h -- vocabularies of typed pieces, as SentencePiece's files have them and GGUF's "llama" and "t5".
 *
 * The reader of a file places piece by piece and sets the rest of struct tok_pieces; tok_finish_pieces makes a
 * struct tok_build of it: special tokens, normaliser, merges or scores.  The numbers of types are those of the files.
 */
#ifndef SETUN_FRONTEND_TOKENIZER_PIECES_H
#define SETUN_FRONTEND_TOKENIZER_PIECES_H

#include "frontend/tokenizer/impl.h"

enum tok_type { TOK_NORMAL = 1, TOK_UNKNOWN, TOK_CONTROL, TOK_USER_DEFINED, TOK_UNUSED, TOK_BYTE };

struct tok_text {
    const uint8_t *at;
    size_t n;
};

struct tok_entry {
    const uint8_t *at; /* must outlive the section's writing */
    size_t n;
    float score;
    enum tok_type type;
    uint64_t offset; /* in the file, for messages */
};

struct tok_pieces {
    uint8_t *type;            /* [n_tokens], 0: no such piece; made by the first tok_place_piece */
    struct tok_text bos, eos; /* texts of the control pieces that begin and end a text */
    struct tok_text charsmap;
    bool byte_fallback;
    bool dummy_prefix; /* a space in front of a text */
    bool remove_extra; /* of spaces: at both ends, and all but one of each run */
    bool escape;       /* spaces become U+2581 */
};

bool tok_place_piece(struct tok_build *b, struct tok_pieces *p, uint32_t id, const struct tok_entry *e);
bool tok_finish_pieces(struct tok_build *b, const struct tok_pieces *p);

#endif
