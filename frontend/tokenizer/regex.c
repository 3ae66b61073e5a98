/*
 * regex.c -- a published pattern in PCRE2's syntax, with the meaning that its author's library gives it.
 *
 * tokenizer.json's patterns are run by Oniguruma (with Ruby's syntax), tiktoken's by Rust's fancy-regex.  What the
 * three agree on is copied; white space, words and digits are written out; what would mean something else is refused
 * with its place.
 *
 *     \s        White_Space of Unicode; PCRE2's has U+180E too
 *     \p{Han}   a script; PCRE2 takes the name for script extensions
 *     ^ $       Oniguruma: at every line; Rust: the whole text
 *     x{1,3}+   Oniguruma: repeated; Rust: possessive
 *     [a&&[b]]  sets of sets: refused
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer/impl.h"

/* As members of a class. */
#define SPACES                                                                                                         \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NO_SPACES                                                                                                      \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define CIRCLED "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
/* Words are letters, marks, decimal digits, letter numbers, connectors; Rust: the joiners too; Oniguruma, where it is
 * not in a class: the other numbers of Latin-1. */
#define JOINERS "\\x{200c}\\x{200d}"
#define LATIN_1 "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

enum { MAX_DEPTH = 64, MOST = 1 << 18 /* bytes of an expression */ };

struct rx {
    struct tok_build *b;
    const char *where, *in, *p;
    enum tok_regex_dialect dialect;
    struct buf out;
    size_t atom; /* where in out the last repeatable thing begins; NO_ATOM: there is none */
    size_t group[MAX_DEPTH];
    int depth;
    bool fresh; /* at the very start of a group */
};

#define NO_ATOM SIZE_MAX

static bool refuse(const struct rx *x, const char *from, size_t n) {
    const char *what =
        arena_printf(x->b->arena, "'%.*s' at byte %zu of the regular expression", (int)n, from, (size_t)(from - x->in));
    return diag_in(x->b->diag, x->where, DIAG_TOK_UNSUPPORTED, what);
}

/* The expression is wrong for everybody. */
static bool wrong(const struct rx *x, const char *from, const char *what) {
    return diag_in(x->b->diag, x->where, DIAG_TOK_PATTERN, (size_t)(from - x->in), what);
}

static void put(struct rx *x, const char *text) { buf_put(&x->out, text, strlen(text)); }

static size_t char_bytes(const char *p) {
    unsigned char c = (unsigned char)*p;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* ---- properties: \p{L}, \p{^L}, \P{Han}, \pL ---- */

static bool is_category(const char *name) {
    static const char *const all[] = {"C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
                                      "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi",
                                      "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (strcmp(name, all[i]) == 0) return true;
    return false;
}

static bool is_script(const char *name) {
    char pattern[80];
    int error, n = snprintf(pattern, sizeof pattern, "\\p{sc:%s}", name);
    PCRE2_SIZE at;
    if (n < 0 || (size_t)n >= sizeof pattern ||
        name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")])
        return false;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, (size_t)n, PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
    pcre2_code_free(code);
    return code != NULL;
}

static void put_newer(struct buf *out, const char *name, bool category) {
    static const struct {
        const char *name;
        uint32_t first, last;
    } newer[] = {
#define NEWER(name, first, last) {name, first, last},
#include "frontend/tokenizer/unicode_newer.def"
    };
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT_OF(newer); i++) {
        bool two_letters = strlen(newer[i].name) == 2;
        if (category != two_letters || (category ? strncmp(name, newer[i].name, n) : strcmp(name, newer[i].name)))
            continue;
        buf_printf(out, "\\x{%" PRIx32 "}-\\x{%" PRIx32 "}", newer[i].first, newer[i].last);
    }
}

void tok_regex_newer(struct buf *out, const char *category) { put_newer(out, category, true); }

/* Members of a class: the category (by its first letter: all of them) or script, and what newer Unicodes added. */
static const char *members(const struct rx *x, const char *name, bool category) {
    struct buf out = {0};
    buf_printf(&out, "\\p{%s%s}", category ? "" : "sc:", name);
    put_newer(&out, name, category);
    const char *copy = arena_strdup(x->b->arena, out.at);
    buf_free(&out);
    return copy;
}

static const char *word(const struct rx *x, bool inside) {
    return arena_printf(x->b->arena, "%s%s%s%s%s" CIRCLED "%s", members(x, "L", true), members(x, "M", true),
                        members(x, "Nd", true), members(x, "Nl", true), members(x, "Pc", true),
                        x->dialect == TOK_REGEX_FANCY ? JOINERS
                        : inside                      ? ""
                                                      : LATIN_1);
}

/* C and Cn: what newer Unicodes gave to other categories is out of them. */
static void put_unassigned(struct rx *x, const char *name, bool negated) {
    static const char *const given[] = {"L", "M", "N", "P", "S", "Z", "Cf"};
    struct buf out = {0};
    for (size_t i = 0; i < (name[1] ? COUNT_OF(given) : COUNT_OF(given) - 1); i++) put_newer(&out, given[i], true);
    if (negated)
        buf_printf(&x->out, "[\\P{%s}%s]", name, out.at);
    else
        buf_printf(&x->out, "(?:(?![%s])\\p{%s})", out.at, name);
    buf_free(&out);
}

/* A property outside or inside of [...]; what a negated one inside adds cannot be said. */
static void put_property(struct rx *x, const char *name, bool category, bool negated, bool inside) {
    bool unassigned = category && (strcmp(name, "C") == 0 || strcmp(name, "Cn") == 0);
    if (inside && (negated || unassigned))
        buf_printf(&x->out, "\\%c{%s%s}", negated ? 'P' : 'p', category ? "" : "sc:", name);
    else if (unassigned)
        put_unassigned(x, name, negated);
    else
        buf_printf(&x->out, inside ? "%s" : negated ? "[^%s]" : "[%s]", members(x, name, category));
}

/* x->p is behind the p or P. */
static bool property(struct rx *x, const char *from, bool negated, bool inside) {
    char name[64];
    const char *begin = x->p, *end;
    if (*begin == '{') {
        end = strchr(++begin, '}');
        if (!end) return wrong(x, from, "a property that is not closed");
        x->p = end + 1;
    } else {
        end = begin + (*begin != 0);
        x->p = end;
    }
    if (*begin == '^') {
        negated = !negated;
        begin++;
    }
    size_t n = (size_t)(end - begin);
    if (n == 0 || n >= sizeof name) return refuse(x, from, (size_t)(x->p - from));
    memcpy(name, begin, n);
    name[n] = 0;
    bool category = is_category(name);
    if (!category && !is_script(name)) return refuse(x, from, (size_t)(x->p - from));
    put_property(x, name, category, negated, inside);
    return true;
}

/* ---- escapes ---- */

/* \x41, \x{1f600}, \u4e00, \u{4e00}: x->p is behind the letter. */
static bool code_point(struct rx *x, const char *from) {
    bool braces = *x->p == '{';
    const char *at = x->p + braces;
    size_t most = braces ? 8 : from[1] == 'u' ? 4 : 2, n = strspn(at, "0123456789abcdefABCDEF");
    if (n > most && !braces) n = most;
    unsigned long c = strtoul(arena_strndup(x->b->arena, at, n), NULL, 16);
    bool raw = !braces && from[1] == 'x' && c >= 0x80; /* Oniguruma: a byte of UTF-8 */
    bool form = n > 0 && n <= most && (braces ? at[n] == '}' : n == most);
    if (!form || c > 0x10ffff || raw || (c >= 0xd800 && c < 0xe000)) return refuse(x, from, (size_t)(at - from) + n);
    x->p = at + n + braces;
    buf_printf(&x->out, "\\x{%lx}", c);
    return true;
}

/* What an escape stands for outside and inside of [...]; NULL: not here. */
struct escape {
    char letter;
    const char *outside, *inside;
};

static const char *expand(const struct rx *x, char letter, bool inside) {
    static const struct escape rows[] = {{'s', "[" SPACES "]", SPACES},
                                         {'S', "[^" SPACES "]", NO_SPACES},
                                         {'h', "[0-9A-Fa-f]", "0-9A-Fa-f"},
                                         {'H', "[^0-9A-Fa-f]", NULL},
                                         {'n', "\\n", "\\n"},
                                         {'r', "\\r", "\\r"},
                                         {'t', "\\t", "\\t"},
                                         {'f', "\\f", "\\f"},
                                         {'v', "\\x{b}", "\\x{b}"},
                                         {'a', "\\x{7}", "\\x{7}"},
                                         {'e', "\\x{1b}", "\\x{1b}"},
                                         {'A', "\\A", NULL},
                                         {'z', "\\z", NULL}};
    if (letter == 'Z' && !inside && x->dialect == TOK_REGEX_ONIGURUMA) return "\\Z";
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].letter == letter) return inside ? rows[i].inside : rows[i].outside;
    return NULL;
}

static void word_edge(struct rx *x, bool edge) {
    const char *w = word(x, false);
    if (edge)
        buf_printf(&x->out, "(?:(?<=[%s])(?![%s])|(?<![%s])(?=[%s]))", w, w, w, w);
    else
        buf_printf(&x->out, "(?:(?<=[%s])(?=[%s])|(?<![%s])(?![%s]))", w, w, w, w);
}

static bool escape(struct rx *x, bool inside) {
    const char *from = x->p++;
    char c = *x->p;
    if (c == 0) return wrong(x, from, "nothing behind the backslash");
    size_t n = char_bytes(x->p);
    x->p += n;
    if (c == 'p' || c == 'P') return property(x, from, c == 'P', inside);
    if (c == 'd' || c == 'D') return put_property(x, "Nd", true, c == 'D', inside), true;
    if (c == 'x' || c == 'u') return code_point(x, from);
    if (c == 'w') return buf_printf(&x->out, inside ? "%s" : "[%s]", word(x, inside)), true;
    if (c == 'W' && !inside) return buf_printf(&x->out, "[^%s]", word(x, false)), true;
    if ((c == 'b' || c == 'B') && !inside) return word_edge(x, c == 'b'), true;
    const char *text = expand(x, c, inside);
    if (text) return put(x, text), true;
    bool plain = !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
    if (!plain) return refuse(x, from, 2);
    if (n == 1) put(x, "\\");
    buf_put(&x->out, x->p - n, n);
    return true;
}

/* ---- classes ---- */

static bool set(struct rx *x) {
    const char *from = x->p++;
    put(x, "[");
    if (*x->p == '^') {
        put(x, "^");
        x->p++;
    }
    if (*x->p == ']') return refuse(x, from, (size_t)(x->p + 1 - from));
    while (*x->p != ']') {
        bool pair = x->p[0] && x->p[0] == x->p[1];
        if (*x->p == 0) return wrong(x, from, "a class that is not closed");
        if (*x->p == '[') return refuse(x, x->p, 1 + (x->p[1] == ':'));
        if (pair && (*x->p == '&' || (x->dialect == TOK_REGEX_FANCY && (*x->p == '-' || *x->p == '~'))))
            return refuse(x, x->p, 2);
        if (*x->p == '\\') {
            if (!escape(x, true)) return false;
            continue;
        }
        size_t n = char_bytes(x->p);
        buf_put(&x->out, x->p, n);
        x->p += n;
    }
    put(x, "]");
    x->p++;
    return true;
}

/* ---- groups ---- */

static bool open_group(struct rx *x) {
    static const char *const kinds[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:", "(?-i:"};
    const char *kind = "(?:";
    size_t n = 1;
    if (x->p[1] == '?') {
        n = 0;
        if (strncmp(x->p, "(?i)", 4) == 0 && x->fresh) {
            put(x, "(?i)");
            x->p += 4;
            return true;
        }
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
            if (strncmp(x->p, kinds[i], strlen(kinds[i])) == 0) n = strlen(kind = kinds[i]);
        if (n == 0) return refuse(x, x->p, strcspn(x->p, ":)>") + 1);
    }
    if (x->p[1] == '*' || x->depth == MAX_DEPTH) return refuse(x, x->p, 2);
    x->group[x->depth++] = x->out.n;
    put(x, kind);
    x->p += n;
    x->fresh = true;
    x->atom = NO_ATOM;
    return true;
}

static bool close_group(struct rx *x) {
    if (x->depth == 0) return wrong(x, x->p, "no group is open");
    x->atom = x->group[--x->depth];
    put(x, ")");
    x->p++;
    return true;
}

/* ---- repetitions ---- */

/* {n}, {n,}, {n,m}, {,m}: its length, or 0 where the brace is itself. */
static size_t interval(const char *p, bool *exact) {
    size_t a = strspn(p + 1, "0123456789"), b = 0, at = 1 + a;
    *exact = p[at] == '}';
    if (p[at] == ',') {
        b = strspn(p + at + 1, "0123456789");
        at += 1 + b;
    }
    return p[at] == '}' && a + b > 0 && a <= 5 && b <= 5 ? at + 1 : 0;
}

/* The last atom with its repetition becomes an atom again: x{1,3}+ is (?:x{1,3})+. */
static void wrap(struct rx *x) {
    struct buf tail = {0};
    buf_put(&tail, x->out.at + x->atom, x->out.n - x->atom);
    x->out.n = x->atom;
    buf_printf(&x->out, "(?:%s)", tail.at);
    buf_free(&tail);
}

static bool is_repeat(const char *p) {
    bool exact;
    return *p == '*' || *p == '+' || *p == '?' || (*p == '{' && interval(p, &exact) > 0);
}

static bool repeat(struct rx *x) {
    bool exact = false, braces = *x->p == '{';
    size_t n = braces ? interval(x->p, &exact) : 1;
    if (x->atom == NO_ATOM) return wrong(x, x->p, "nothing to repeat");
    bool zero = braces && x->p[1] == ',';
    if (zero) put(x, "{0");
    buf_put(&x->out, x->p + zero, n - zero);
    x->p += n;
    bool ruby = x->dialect == TOK_REGEX_ONIGURUMA && braces;
    if (*x->p == '?' && ruby && exact) return refuse(x, x->p - n, n + 1);
    if (*x->p == '?' || (*x->p == '+' && !ruby)) buf_put(&x->out, x->p++, 1);
    if (is_repeat(x->p)) wrap(x);
    return true;
}

/* ---- the whole ---- */

static bool one(struct rx *x) {
    bool ruby = x->dialect == TOK_REGEX_ONIGURUMA;
    size_t begin = x->out.n, n = char_bytes(x->p);
    if (is_repeat(x->p)) return repeat(x);
    if (*x->p == '(') return open_group(x);
    if (*x->p == ')') return close_group(x);
    x->fresh = false;
    x->atom = begin;
    switch (*x->p) {
    case '|':
        x->atom = NO_ATOM;
        x->p++;
        return put(x, "|"), true;
    case '^': x->p++; return put(x, ruby ? "(?m:^)" : "\\A"), true;
    case '$': x->p++; return put(x, ruby ? "(?m:$)" : "\\z"), true;
    case '.': x->p++; return put(x, "[^\\n]"), true;
    case '[': return set(x);
    case '\\': return escape(x, false);
    case '{': x->p++; return put(x, "\\{"), true;
    default: break;
    }
    buf_put(&x->out, x->p, n);
    x->p += n;
    return true;
}

const char *tok_regex(struct tok_build *b, const char *where, const char *pattern, enum tok_regex_dialect dialect) {
    struct rx x = {.b = b, .where = where, .in = pattern, .p = pattern, .dialect = dialect, .atom = NO_ATOM};
    bool ok = true;
    x.fresh = true;
    put(&x, "");
    while (ok && *x.p) {
        if (x.out.n > MOST || (size_t)(x.p - pattern) > MOST)
            ok = diag_in(b->diag, where, DIAG_TOK_UNSUPPORTED, "a regular expression that takes more than 256 KiB");
        else
            ok = one(&x);
    }
    if (ok && x.depth > 0) ok = wrong(&x, x.p, "a group that is not closed");
    const char *copy = ok ? arena_strdup(b->arena, x.out.at ? x.out.at : "") : NULL;
    buf_free(&x.out);
    return copy;
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
