/*
 * tokenizer.h -- tokenizer.json of a checkpoint to the flat table that executables carry (runtime/abi.h).
 *
 * Byte-level BPE.  Whatever the file asks for that the runtime would not do is refused by name, so a tokenizer
 * that builds gives the ids that its author's gives.
 */
#ifndef SETUN_FRONTEND_TOKENIZER_H
#define SETUN_FRONTEND_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "frontend/config.h"

/*
 * path: tokenizer.json; tokenizer_config.json and generation_config.json are read beside it if they exist.
 * vocab: ids of the model; a table of exactly that many tokens is made, those the file lacks being empty.
 * *section: a struct setun_tok and what it points to, in the arena.  false: reported.
 */
bool tokenizer_read(struct diag *d, struct arena *a, const char *path, const struct config_values *config,
                    uint32_t vocab, uint8_t **section, size_t *bytes);

#endif
