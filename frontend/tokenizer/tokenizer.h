/*
 * tokenizer.h -- the tokenizer of a checkpoint to the flat table that executables carry (runtime/abi.h).
 *
 * Whatever a file asks for that the runtime would not do is refused by name, so a tokenizer that builds gives the
 * ids that its author's gives.  docs/tokenizers.md says what is done.
 */
#ifndef SETUN_FRONTEND_TOKENIZER_H
#define SETUN_FRONTEND_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "frontend/files/config.h"
#include "frontend/files/gguf.h"

/*
 * path: tokenizer.json, a SentencePiece model or tiktoken ranks, told apart by content.
 * tokenizer_config.json and generation_config.json are read beside it if they exist.
 * vocab: ids of the model; a table of exactly that many tokens is made, those the file lacks being empty.
 * *section: a struct setun_tok and what it points to, in the arena.  false: reported.
 */
bool tokenizer_read(struct diag *d, struct arena *a, const char *path, const struct config_values *config,
                    uint32_t vocab, uint8_t **section, size_t *bytes);
/* The same from the keys tokenizer.ggml.* of a GGUF file. */
bool tokenizer_read_gguf(struct diag *d, struct arena *a, const struct gguf_file *g, uint32_t vocab, uint8_t **section,
                         size_t *bytes);

#endif
