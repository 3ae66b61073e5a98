/*
 * lex.h -- tokens of IR text, and the small steps that the parser is made of.  Private to this folder.
 *
 * Transparent.  One token is looked at; a want_* that fails has reported what was expected and what stands there.
 */
#ifndef SETUN_IR_LEX_H
#define SETUN_IR_LEX_H

#include "base/diag.h"
#include "base/str.h"

enum tok_kind { T_END, T_WORD, T_VALUE, T_REF, T_NUMBER, T_PUNCT };

/* '%x' and '@x' are one token each; punctuation is one byte. */
struct tok {
    enum tok_kind kind;
    const char *at;
    size_t n;
    struct loc loc;
};

struct lexer {
    struct diag *d;
    struct arena *a;
    struct names *names;
    const char *p, *end, *line_start;
    uint32_t file, line;
    struct tok t; /* the one looked at */
};

/* Starts at the first token. */
struct lexer lex_start(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text, size_t n);
void lex_advance(struct lexer *s);

/* Is the token this text?  eat: and if so, goes on to the next. */
bool lex_is(const struct lexer *s, const char *text);
bool lex_eat(struct lexer *s, const char *text);

/* Reports that `what` was expected here.  false. */
bool lex_expected(struct lexer *s, const char *what);
bool lex_want(struct lexer *s, const char *text);
/* A word, or the name behind '%' or '@', interned. */
bool lex_want_name(struct lexer *s, enum tok_kind kind, const char *what, const char **out);
/* The text of a number, terminated; the caller reads it and goes on, or says what is wrong with it. */
bool lex_number_text(struct lexer *s, char out[64]);
bool lex_want_u64(struct lexer *s, uint64_t max, uint64_t *out);
bool lex_want_u32(struct lexer *s, uint32_t *out); /* below 2^31 */

#endif
