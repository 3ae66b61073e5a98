/* tokenizer_spm.c -- SentencePiece models: not read yet. */
#include "frontend/tokenizer_impl.h"

bool tok_spm_read(struct tok_build *b) {
    return diag_in(b->diag, b->path, DIAG_TOK_UNSUPPORTED, "a SentencePiece model");
}
