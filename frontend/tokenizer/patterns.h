/* patterns.h -- cuts by name (patterns.def has the names). */
#ifndef SETUN_FRONTEND_TOKENIZER_PATTERNS_H
#define SETUN_FRONTEND_TOKENIZER_PATTERNS_H

#include "frontend/tokenizer/impl.h"

struct tok_pre {
    const char *name;           /* tokenizer.ggml.pre */
    const char *const *pattern; /* ends with NULL */
    uint32_t flags;             /* enum setun_tok_flag */
};

const struct tok_pre *tok_pre_find(const char *name, size_t n); /* NULL: unknown */
/* What belongs to a tiktoken file of so many ranks: its cuts (NULL: unknown) and special tokens. */
const char *const *tok_ranks_pattern(uint32_t count);
bool tok_ranks_specials(struct tok_build *b, uint32_t count);

/* where: of what asks for them; dialect: of the library that runs them for others. */
bool tok_add_cuts(struct tok_build *b, const char *where, const char *const *pattern, enum tok_regex_dialect dialect);

#endif
