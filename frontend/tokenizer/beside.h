/* beside.h -- the files beside a tokenizer. */
#ifndef SETUN_FRONTEND_TOKENIZER_BESIDE_H
#define SETUN_FRONTEND_TOKENIZER_BESIDE_H

#include "frontend/files/json.h"
#include "frontend/tokenizer/impl.h"

/* A file in the same folder.  JGOT_ABSENT: there is none; JGOT_VALUE: *j is open. */
enum jgot tok_open_beside(const struct tok_build *b, const char *name, struct jfile *j);

/*
 * Added tokens of files that cannot hold them, SentencePiece's and tiktoken's: added_tokens.json (text: id), then
 * added_tokens_decoder of tokenizer_config.json (id: text and flags), which also says whether a space is put only in
 * front of a whole text (legacy: false).
 */
bool tok_read_added(struct tok_build *b);

#endif
