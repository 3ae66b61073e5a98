/* tokenizer_regex.c -- published patterns in PCRE2's syntax. */
#include <string.h>

#include "frontend/tokenizer_impl.h"

const char *tok_regex(struct tok_build *b, const char *where, const char *pattern, enum tok_regex_dialect dialect) {
    (void)where, (void)dialect;
    return arena_strdup(b->arena, pattern);
}

const char *tok_regex_literal(struct tok_build *b, const char *text) {
    struct buf out = {0};
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool mark = c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
        if (mark) buf_put(&out, "\\", 1);
        buf_put(&out, text, 1);
    }
    const char *copy = arena_strdup(b->arena, out.at);
    buf_free(&out);
    return copy;
}
