/* lex.c -- see lex.h. */
#include "ir/lex.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static void skip_space(struct lexer *s) {
    for (; s->p < s->end; s->p++) {
        if (*s->p == '\n') {
            s->line++;
            s->line_start = s->p + 1;
        } else if (s->p[0] == '/' && s->p + 1 < s->end && s->p[1] == '/') {
            while (s->p + 1 < s->end && s->p[1] != '\n') s->p++;
        } else if (*s->p != ' ' && *s->p != '\t' && *s->p != '\r') {
            return;
        }
    }
}

/* Moves over the token at s->p, which is not the end. */
static enum tok_kind scan(struct lexer *s) {
    char c = *s->p++;
    bool minus = c == '-' && s->p < s->end && *s->p >= '0' && *s->p <= '9';
    bool number = minus || (c >= '0' && c <= '9');
    if (!number && !word_byte(c) && c != '%' && c != '@') return T_PUNCT;
    for (; s->p < s->end; s->p++) {
        bool exponent_sign = number && (*s->p == '-' || *s->p == '+') && s->p[-1] == 'e';
        if (!word_byte(*s->p) && !exponent_sign) break;
    }
    return number ? T_NUMBER : c == '%' ? T_VALUE : c == '@' ? T_REF : T_WORD;
}

void lex_advance(struct lexer *s) {
    skip_space(s);
    const char *b = s->p;
    uint32_t col = (uint32_t)(b - s->line_start) + 1;
    enum tok_kind kind = b < s->end ? scan(s) : T_END;
    size_t n = (size_t)(s->p - b);
    uint32_t last = col + (n ? (uint32_t)n - 1 : 0);
    s->t = (struct tok){kind, b, n, {s->file, s->line, col, s->line, last}};
}

struct lexer lex_start(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text,
                       size_t n) {
    struct lexer s = {
        .d = d, .a = a, .names = names, .p = text, .end = text + n, .line_start = text, .file = file, .line = 1};
    lex_advance(&s);
    return s;
}

/* ---- what the parser asks ---- */

bool lex_expected(struct lexer *s, const char *what) {
    const char *found = s->t.kind == T_END ? "the end of the text"
                                           : arena_printf(s->a, "'%.*s'", (int)(s->t.n < 40 ? s->t.n : 40), s->t.at);
    diag_at(s->d, s->t.loc, DIAG_IR_SYNTAX, what, found);
    return false;
}

bool lex_is(const struct lexer *s, const char *text) {
    return s->t.kind != T_END && s->t.n == strlen(text) && memcmp(s->t.at, text, s->t.n) == 0;
}

bool lex_eat(struct lexer *s, const char *text) {
    if (!lex_is(s, text)) return false;
    lex_advance(s);
    return true;
}

bool lex_want(struct lexer *s, const char *text) {
    return lex_eat(s, text) || lex_expected(s, arena_printf(s->a, "'%s'", text));
}

bool lex_want_name(struct lexer *s, enum tok_kind kind, const char *what, const char **out) {
    size_t skip = kind == T_WORD ? 0 : 1;
    if (s->t.kind != kind || s->t.n <= skip || s->t.n > 256) return lex_expected(s, what);
    *out = name_of_n(s->names, s->t.at + skip, s->t.n - skip);
    lex_advance(s);
    return true;
}

bool lex_number_text(struct lexer *s, char out[64]) {
    if (s->t.kind != T_NUMBER || s->t.n >= 64) return lex_expected(s, "a number");
    memcpy(out, s->t.at, s->t.n);
    out[s->t.n] = 0;
    return true;
}

bool lex_want_u64(struct lexer *s, uint64_t max, uint64_t *out) {
    char text[64], *end;
    if (!lex_number_text(s, text)) return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || errno || text[0] == '-' || v > max)
        return lex_expected(s, arena_printf(s->a, "a number up to %" PRIu64, max));
    *out = v;
    lex_advance(s);
    return true;
}

bool lex_want_u32(struct lexer *s, uint32_t *out) {
    uint64_t v;
    if (!lex_want_u64(s, UINT32_MAX / 2, &v)) return false;
    *out = (uint32_t)v;
    return true;
}
