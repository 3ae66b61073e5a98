/*
 * chat.h -- the chat template of a checkpoint to the section that executables carry (struct setun_chat, docs/chat.md).
 *
 * It is parsed and tried on a few conversations here, so that what the engine does not know is refused when an
 * executable is built, naming construct and line.
 */
#ifndef SETUN_FRONTEND_CHAT_H
#define SETUN_FRONTEND_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "frontend/files/gguf.h"
#include "lang/ast.h"

struct chat_input {
    struct diag *diag;
    struct arena *arena;          /* of the section, too */
    const char *file;             /* --chat-template: a file, or "none"; NULL: not given */
    const struct ast_node *page;  /* section `chat` of the model text, or NULL */
    const char *folder;           /* with chat_template.jinja, tokenizer_config.json; NULL: none */
    const struct gguf_file *gguf; /* with tokenizer.chat_template; NULL: none */
    const uint8_t *tokenizer;     /* the tokenizer section, checked; 0 bytes: none, and then no template either */
    size_t tokenizer_bytes;
};

/* Where a template is taken from, the strongest first: file, page, folder, gguf.  *bytes = 0: there is none.
 * false: reported. */
bool chat_read(const struct chat_input *in, uint8_t **section, size_t *bytes);

#endif
