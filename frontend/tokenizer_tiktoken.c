/* tokenizer_tiktoken.c -- tiktoken ranks: not read yet. */
#include "frontend/tokenizer_impl.h"

bool tok_tiktoken_read(struct tok_build *b) {
    return diag_in(b->diag, b->path, DIAG_TOK_UNSUPPORTED, "a tiktoken file");
}
