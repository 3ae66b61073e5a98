/*
 * lex.c -- a template's text to tokens, white space around tags gone or kept as jinja2 has it with trim_blocks
 * and lstrip_blocks:
 *
 *   -%}  -}}  -#}   all white space behind it goes          {%-  {{-  {#-   all white space before it goes
 *   %}  #}          one line end behind it goes             {%  {#          blanks before it go if it starts the line
 *   +%}  +#}        what is behind it stays                 {%+  {#+        what is before it stays
 *
 * Line ends become \n, and one at the end of the template goes, first of all.
 */
#include "runtime/jinja/impl.h"

#include <stdlib.h>
#include <string.h>

struct lexer {
    J *j;
    const char *s;
    size_t n, at;
    uint32_t line;
    bool line_starting; /* what was read last ended a line */
    struct j_token *token;
    size_t n_tokens, cap;
    char open[J_MAX_DEPTH]; /* brackets to be closed */
    uint32_t n_open;
};

_Noreturn static void fail(struct lexer *l, const char *what) {
    l->j->line = l->line;
    setun_j_fail(l->j, "%s", what);
}

static struct j_token *token(struct lexer *l, enum j_token_kind kind) {
    if (l->n_tokens == l->cap) {
        struct j_token *more = setun_j_alloc(l->j, l->cap * 2 + 64, sizeof *more);
        if (l->n_tokens > 0) memcpy(more, l->token, l->n_tokens * sizeof *more);
        l->token = more;
        l->cap = l->cap * 2 + 64;
    }
    struct j_token *t = &l->token[l->n_tokens++];
    *t = (struct j_token){.kind = (uint8_t)kind, .line = l->line};
    return t;
}

static bool at(const struct lexer *l, size_t from, const char *word) {
    size_t n = strlen(word);
    return n <= l->n - from && memcmp(l->s + from, word, n) == 0;
}

static size_t skip_space(const struct lexer *l, size_t from) {
    while (from < l->n) {
        size_t len;
        if (!setun_j_space(setun_j_char(l->s + from, l->n - from, &len))) break;
        from += len;
    }
    return from;
}

static void move_to(struct lexer *l, size_t to) {
    for (size_t i = l->at; i < to; i++) l->line += l->s[i] == '\n';
    if (to > l->at) l->line_starting = l->s[to - 1] == '\n';
    l->at = to;
}

/* The end of a tag that closes with `close`, or 0 if it is not here.  Blocks and comments know + and eat a line end. */
static size_t tag_end(const struct lexer *l, size_t from, const char *close, bool block) {
    if (from < l->n && l->s[from] == '-' && at(l, from + 1, close)) return skip_space(l, from + 3);
    if (block && from < l->n && l->s[from] == '+' && at(l, from + 1, close)) return from + 3;
    if (!at(l, from, close)) return 0;
    from += 2;
    return block && from < l->n && l->s[from] == '\n' ? from + 1 : from;
}

/* Text up to `end`, less what the sign of the tag behind it takes away. */
static void data(struct lexer *l, size_t end, char sign, bool may_strip) {
    size_t from = l->at, to = end;
    if (sign == '-') {
        for (size_t i = from; i < end;) { /* the last character that is no space */
            size_t len;
            if (i == from) to = from;
            if (!setun_j_space(setun_j_char(l->s + i, l->n - i, &len))) to = i + len;
            i += len;
        }
    } else if (sign != '+' && may_strip) {
        size_t start = end;
        while (start > from && l->s[start - 1] != '\n') start--;
        if ((start > from || l->line_starting) && skip_space(l, start) >= end) to = start;
    }
    if (to > from) {
        struct j_token *t = token(l, JT_DATA);
        t->at = l->s + from;
        t->n = (uint32_t)(to - from);
    }
    move_to(l, end);
}

/* "{% raw %}" at p: where its content begins, or 0. */
static size_t raw_begins(const struct lexer *l, size_t p) {
    p += 2;
    if (p < l->n && (l->s[p] == '-' || l->s[p] == '+')) p++;
    p = skip_space(l, p);
    if (!at(l, p, "raw")) return 0;
    p = skip_space(l, p + 3);
    if (at(l, p, "-%}")) return skip_space(l, p + 3);
    return at(l, p, "%}") ? p + 2 : 0;
}

static void raw(struct lexer *l) {
    for (size_t p = l->at; p + 1 < l->n; p++) {
        if (!at(l, p, "{%")) continue;
        size_t q = p + 2;
        char sign = q < l->n && (l->s[q] == '-' || l->s[q] == '+') ? l->s[q++] : ' ';
        q = skip_space(l, q);
        if (!at(l, q, "endraw")) continue;
        q = tag_end(l, skip_space(l, q + 6), "%}", true);
        if (q == 0) continue;
        data(l, p, sign, true);
        move_to(l, q);
        return;
    }
    fail(l, "'raw' has no 'endraw'");
}

static void comment(struct lexer *l) {
    for (size_t p = l->at; p < l->n; p++) {
        size_t end = tag_end(l, p, "#}", true);
        if (end == 0) continue;
        move_to(l, end);
        return;
    }
    fail(l, "a comment has no '#}'");
}

/* ---- inside a tag ---- */

static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool word_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || digit(c) || c == '_'; }

static int hex(char c) {
    if (digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Code point of \x, \u, \U with so many digits, or of up to three octal ones. */
static uint32_t escape_code(struct lexer *l, const char **p, const char *end, int digits) {
    uint32_t c = 0;
    if (digits == 0) {
        for (int i = 0; i < 3 && *p < end && **p >= '0' && **p <= '7'; i++) c = c * 8 + (uint32_t)(*(*p)++ - '0');
        return c;
    }
    for (int i = 0; i < digits; i++) {
        if (*p == end || hex(**p) < 0) fail(l, "a string has an escape with too few digits");
        c = c * 16 + (uint32_t)hex(*(*p)++);
    }
    if (c > 0x10ffff) fail(l, "a string has an escape beyond U+10FFFF");
    if (c >= 0xd800 && c < 0xe000) fail(l, "a string has an escape of half a surrogate pair");
    return c;
}

static void escape(struct lexer *l, struct j_buf *out, const char **p, const char *end) {
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = *(*p)++;
    const char *simple = c ? strchr(from, c) : NULL;
    if (c == '\n') return;
    if (simple) {
        setun_j_put(l->j, out, &to[simple - from], 1);
        return;
    }
    if (c == 'N') fail(l, "a string has the escape \\N, which is not supported");
    if ((uint8_t)c >= 0x80) fail(l, "a string has a backslash before a character beyond ASCII, which is not supported");
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0 && (c < '0' || c > '7')) { /* unknown: both characters stay */
        setun_j_put(l->j, out, "\\", 1);
        setun_j_put(l->j, out, &c, 1);
        return;
    }
    if (digits == 0) (*p)--;
    char code[4];
    uint32_t point = escape_code(l, p, end, digits);
    setun_j_put(l->j, out, code, setun_j_encode(point, code));
}

static void string(struct lexer *l) {
    char quote = l->s[l->at];
    size_t end = l->at + 1;
    while (end < l->n && l->s[end] != quote) end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->n) fail(l, "a string has no closing quote");
    struct j_token *t = token(l, JT_STRING);
    struct j_buf out = {0};
    const char *p = l->s + l->at + 1, *stop = l->s + end;
    while (p < stop) {
        const char *next = memchr(p, '\\', (size_t)(stop - p));
        setun_j_put(l->j, &out, p, (size_t)((next ? next : stop) - p));
        p = next ? next + 1 : stop;
        if (next) escape(l, &out, &p, stop);
    }
    struct j_value v = setun_j_take(l->j, &out);
    t->at = v.s;
    t->n = v.n;
    move_to(l, end + 1);
}

/* Digits of a base with single _ between them; the place behind them. */
static size_t digits(const struct lexer *l, size_t p, int base) {
    for (;;) {
        size_t q = p < l->n && l->s[p] == '_' ? p + 1 : p;
        if (q >= l->n || hex(l->s[q]) < 0 || hex(l->s[q]) >= base) return p;
        p = q + 1;
    }
}

/* The end of a float that begins at p, or 0. */
static size_t float_end(const struct lexer *l, size_t p) {
    if (p > 0 && l->s[p - 1] == '.') return 0;
    size_t whole = digits(l, p, 10), end = whole;
    if (end + 1 < l->n && l->s[end] == '.' && digit(l->s[end + 1])) end = digits(l, end + 1, 10);
    size_t e = end;
    if (e < l->n && (l->s[e] == 'e' || l->s[e] == 'E')) {
        e++;
        if (e < l->n && (l->s[e] == '+' || l->s[e] == '-')) e++;
        if (e < l->n && digit(l->s[e])) return digits(l, e, 10);
    }
    return end > whole ? end : 0;
}

static void number(struct lexer *l) {
    char text[64];
    size_t end = float_end(l, l->at), n = 0, from = l->at;
    bool real = end != 0;
    int base = 10;
    if (!real) {
        char c = from + 1 < l->n && l->s[from] == '0' ? (char)(l->s[from + 1] | 0x20) : ' ';
        int other = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
        end = other != 10 ? digits(l, from + 2, other) : 0;
        if (end > from + 2) base = other;
        if (base == 10) end = l->s[from] != '0' ? digits(l, from, 10) : 0;
        if (end == 0) /* zeros only: what follows is the next token */
            for (end = from + 1; end < l->n && (l->s[end] == '0' || (l->s[end] == '_' && at(l, end + 1, "0")));) end++;
    }
    for (size_t i = base == 10 ? from : from + 2; i < end; i++) {
        if (l->s[i] == '_') continue;
        if (n + 1 >= sizeof text) fail(l, "a number has too many digits");
        text[n++] = l->s[i];
    }
    text[n] = '\0';
    struct j_token *t = token(l, real ? JT_FLOAT : JT_INT);
    if (real) {
        t->f = strtod(text, NULL);
    } else {
        for (size_t i = 0; i < n; i++)
            if (__builtin_mul_overflow(t->i, base, &t->i) || __builtin_add_overflow(t->i, hex(text[i]), &t->i)) {
                fail(l, "an integer beyond 64 bits is not supported");
            }
    }
    move_to(l, end);
}

static void bracket(struct lexer *l, char c) {
    if (c == '(' || c == '[' || c == '{') {
        if (l->n_open == J_MAX_DEPTH) fail(l, "too many open brackets");
        l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    }
    if (c == ')' || c == ']' || c == '}') {
        if (l->n_open == 0) fail(l, "a bracket closes that was not opened");
        if (l->open[--l->n_open] != c) fail(l, "brackets close in another order than they opened");
    }
}

static void operator(struct lexer *l) {
    static const char *const known[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!at(l, l->at, known[i])) continue;
        struct j_token *t = token(l, JT_OP);
        strcpy(t->op, known[i]);
        bracket(l, known[i][0]);
        move_to(l, l->at + strlen(known[i]));
        return;
    }
    l->j->line = l->line;
    char c = l->s[l->at];
    if ((uint8_t)c >= 0x80) fail(l, "a character beyond ASCII stands in a tag outside of strings");
    setun_j_fail(l->j, "a character that means nothing stands in a tag: '%c'", c >= ' ' && c < 127 ? c : '?');
}

static void tag(struct lexer *l, const char *close, bool block) {
    token(l, block ? JT_TAG : JT_PRINT);
    l->n_open = 0;
    for (;;) {
        size_t end = l->n_open == 0 ? tag_end(l, l->at, close, block) : 0;
        if (end != 0) {
            token(l, block ? JT_TAG_END : JT_PRINT_END);
            move_to(l, end);
            return;
        }
        size_t space = skip_space(l, l->at);
        if (space > l->at) {
            move_to(l, space);
            continue;
        }
        if (l->at >= l->n) fail(l, block ? "a tag has no '%}'" : "an expression has no '}}'");
        char c = l->s[l->at];
        if (c == '\'' || c == '"') {
            string(l);
        } else if (digit(c)) {
            number(l);
        } else if (word_char(c)) {
            size_t to = l->at;
            while (to < l->n && word_char(l->s[to])) to++;
            struct j_token *t = token(l, JT_NAME);
            t->n = (uint32_t)(to - l->at);
            t->at = setun_j_copy(l->j, l->s + l->at, t->n);
            if (to < l->n && (uint8_t)l->s[to] >= 0x80) fail(l, "a name beyond ASCII is not supported");
            move_to(l, to);
        } else {
            operator(l);
        }
    }
}

/* Text, and the tag behind it. */
static void piece(struct lexer *l) {
    size_t p = l->at;
    while (p < l->n && !at(l, p, "{{") && !at(l, p, "{%") && !at(l, p, "{#")) p++;
    if (p >= l->n) {
        data(l, l->n, '+', false);
        return;
    }
    char kind = l->s[p + 1], sign = p + 2 < l->n && (l->s[p + 2] == '-' || l->s[p + 2] == '+') ? l->s[p + 2] : ' ';
    size_t inside = kind == '%' ? raw_begins(l, p) : 0;
    bool is_raw = inside != 0;
    if (!is_raw) inside = p + 2 + (sign != ' ');
    data(l, p, sign, kind != '{');
    move_to(l, inside);
    if (is_raw) {
        raw(l);
    } else if (kind == '#') {
        comment(l);
    } else {
        tag(l, kind == '%' ? "%}" : "}}", kind == '%');
    }
}

static void line_ends(struct lexer *l, const char *text, size_t n) {
    char *s = setun_j_alloc(l->j, n + 1, 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n') continue;
        s[l->n++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (l->n > 0 && s[l->n - 1] == '\n') l->n--;
    l->s = s;
}

struct j_token *setun_j_lex(J *j) {
    struct lexer l = {.j = j, .line = 1, .line_starting = true};
    line_ends(&l, j->text, j->text_n);
    while (l.at < l.n) piece(&l);
    token(&l, JT_END);
    return l.token;
}

bool setun_j_is(const struct j_token *t, const char *word) {
    if (t->kind == JT_OP) return strcmp(t->op, word) == 0;
    return t->kind == JT_NAME && strcmp(t->at, word) == 0;
}

void setun_j_describe(const struct j_token *t, char text[64]) {
    static const char *const what[] = {"the end of the template",
                                       "text",
                                       "'{{'",
                                       "'}}'",
                                       "'{%'",
                                       "'%}'",
                                       "a name",
                                       "a string",
                                       "a number",
                                       "a number"};
    if (t->kind == JT_OP || t->kind == JT_NAME) {
        size_t n = 0;
        const char *s = t->kind == JT_OP ? t->op : t->at;
        text[n++] = '\'';
        while (*s && n < 60) text[n++] = *s++;
        text[n++] = '\'';
        text[n] = '\0';
    } else {
        strcpy(text, what[t->kind]);
    }
}
