/*
 * format.c -- one agreed form for model texts.
 *
 * Works on tokens, comments among them, so that nothing can get lost: tokens are grouped into lines, lines
 * get an indentation and aligned columns, and tokens are written back with the spaces the rules ask for.
 * Whatever decides the form (is this block on one line? was there a blank line?) is a property that the
 * output has too; so formatting twice changes nothing.
 */
#include <string.h>

#include "grammar.tab.h"
#include "lang/reader.h"

int stn_scan(STN_STYPE *v, STN_LTYPE *l, void *scanner);

enum { INDENT = 4, MAX_MARKS = 3, MAX_EQUATION_PAD = 16, MAX_COMMENT_PAD = 40 };

struct token {
    int kind;
    const char *at;
    size_t n;
    uint32_t line, last_line;
    bool own_line;     /* the first of its source line */
    bool inline_brace; /* '{' and '}': a block written on one line stays there */
    bool block_brace;  /* '{' and '}': of a block of statements, not inside an expression */
    bool unary;        /* '-' */
    bool in_brackets;  /* inside ( ) or [ ] */
    uint32_t pad;      /* extra spaces before it */
};

/* Lines of one class that follow each other have their marks aligned. */
enum line_class { PLAIN, DECLARATION, FIELD, EQUATION };

struct line {
    size_t first, end; /* tokens */
    uint32_t indent;
    bool blank_before;
    enum line_class class;
    size_t mark[MAX_MARKS];
    uint32_t n_marks;
};

struct format {
    struct arena *arena;
    VEC(struct token) tokens;
    VEC(struct line) lines;
};

/* ---- tokens ---- */

static bool is_operand_end(int k) {
    return k == T_ID || k == T_INT || k == T_REAL || k == T_STR || k == ')' || k == ']' || k == '}';
}

static void scan(struct format *f, struct diag *d, struct names *names, uint32_t file, const char *text, size_t n) {
    struct reader r = {
        .diag = d, .arena = f->arena, .names = names, .file = file, .text = text, .n = n, .keep_comments = true};
    if (!read_start(&r)) BUG("the lexer cannot start");
    STN_STYPE v;
    struct loc l;
    uint32_t last_line = 0;
    int kind, before = ';';
    while ((kind = stn_scan(&v, &l, r.scanner)) != 0) {
        struct token t = {
            .kind = kind, .at = text + r.token_at, .n = r.token_n, .line = l.line, .last_line = l.last_line};
        t.own_line = t.line != last_line;
        t.unary = kind == '-' && !is_operand_end(before);
        if (kind == T_COMMENT)
            while (t.n && strchr(" \t\r", t.at[t.n - 1])) t.n--;
        else
            before = kind;
        last_line = t.last_line;
        *vec_push(f->arena, &f->tokens) = t;
    }
    read_stop(&r);
}

/* Finds the partner of each brace and what kind of block it is. */
static void pair_braces(struct format *f) {
    size_t open[LANG_MAX_DEPTH + 1] = {0}, depth = 0;
    uint32_t brackets = 0;
    bool value = false; /* behind '=' or 'yield': a brace belongs to an expression */
    for (size_t i = 0; i < f->tokens.n; i++) {
        struct token *t = &f->tokens.at[i];
        t->in_brackets = brackets > 0;
        switch (t->kind) {
        case '(':
        case '[': brackets++; break;
        case ')':
        case ']': brackets--; break;
        case '=':
        case T_YIELD: value = true; break;
        case ';':
            if (!brackets) value = false;
            break;
        case '{':
            t->block_brace = !brackets && !value;
            open[depth++] = i;
            if (t->block_brace) value = false;
            break;
        case '}': {
            struct token *o = &f->tokens.at[open[--depth]];
            t->block_brace = o->block_brace;
            t->inline_brace = o->inline_brace = o->line == t->line;
            if (t->block_brace) value = false;
            break;
        }
        default: break;
        }
    }
}

/* ---- lines ---- */

/* Must b, which follows a, begin a line?  one_line: inside a block that stays on its line. */
static bool breaks(const struct token *a, const struct token *b, bool one_line) {
    if (a->kind == T_COMMENT) return true;
    if (b->kind == T_COMMENT) return b->own_line;
    if (one_line) return false;
    if (a->kind == '{' && a->block_brace && !a->inline_brace) return true;
    if (b->kind == '}' && b->block_brace && !b->inline_brace) return true;
    if (a->kind == '}' && a->block_brace) return b->kind != T_ELSE;
    if (a->kind == ';') return !b->in_brackets;
    if (b->kind == '{' || b->kind == ';' || b->kind == ',' || b->kind == T_ELSE) return false;
    return b->own_line; /* the writer's own break inside a statement */
}

/* The first token of kind k outside brackets in the line, or its end. */
static size_t find(const struct format *f, const struct line *l, int k) {
    for (size_t i = l->first; i < l->end; i++)
        if (f->tokens.at[i].kind == k && !f->tokens.at[i].in_brackets) return i;
    return l->end;
}

static void add_mark(struct line *l, size_t token) {
    if (token < l->end && token > l->first) l->mark[l->n_marks++] = token;
}

/* Class and marks of a line that is one whole statement without a block. */
static void classify(const struct format *f, struct line *l, bool whole) {
    size_t last = l->end - 1;
    if (f->tokens.at[last].kind == T_COMMENT && last > l->first) last--;
    if (!whole || f->tokens.at[last].kind != ';' || find(f, l, '{') < l->end) return;
    int first = f->tokens.at[l->first].kind;
    size_t colon = find(f, l, ':'), equals = find(f, l, '=');
    if (first == T_WEIGHT || first == T_STATE) {
        l->class = DECLARATION;
        add_mark(l, l->first + 1);
        add_mark(l, colon);
        add_mark(l, find(f, l, T_FROM));
    } else if (first == T_ID && colon < l->end) {
        l->class = FIELD;
        add_mark(l, colon);
        add_mark(l, equals);
    } else if ((first == T_ID || first == T_LET) && equals < l->end) {
        l->class = EQUATION;
        add_mark(l, equals);
    }
}

static void split(struct format *f) {
    uint32_t level = 0, one_line = 0;
    bool statement = true; /* the next line begins a statement */
    for (size_t i = 0; i < f->tokens.n;) {
        struct token *t = &f->tokens.at[i];
        struct line l = {.first = i};
        bool closes_block = t->kind == '}' && t->block_brace && !t->inline_brace;
        bool whole = statement;
        l.indent = (level - closes_block) * INDENT + (statement || closes_block ? 0 : INDENT);
        if (i > 0) {
            const struct token *a = t - 1;
            bool after_open = a->kind == '{' && a->block_brace;
            l.blank_before = t->line > a->last_line + 1 && !after_open && !closes_block;
        }
        do {
            t = &f->tokens.at[i++];
            if (t->kind == '{' || t->kind == '}') {
                uint32_t step = t->kind == '{' ? 1 : UINT32_MAX;
                if (t->inline_brace)
                    one_line += step;
                else if (t->block_brace)
                    level += step;
            }
            if (t->kind != T_COMMENT)
                statement =
                    (t->kind == ';' && !t->in_brackets) || ((t->kind == '{' || t->kind == '}') && t->block_brace);
        } while (i < f->tokens.n && !breaks(t, &f->tokens.at[i], one_line > 0));
        l.end = i;
        classify(f, &l, whole);
        *vec_push(f->arena, &f->lines) = l;
    }
}

/* ---- spaces and columns ---- */

static bool spaced(const struct token *a, const struct token *b) {
    switch (b->kind) {
    case ';':
    case ',':
    case ')':
    case ']':
    case '.':
    case '?':
    case T_DOTS: return false;
    case ':': return !b->in_brackets;
    case '(': return a->kind != T_ID && a->kind != '(' && a->kind != '[' && !a->unary;
    case '[':
        if (is_operand_end(a->kind)) return false;
        break;
    case '}': return a->kind != '{';
    default: break;
    }
    switch (a->kind) {
    case '(':
    case '[':
    case '.':
    case T_DOTS: return false;
    case '-': return !a->unary;
    default: return true;
    }
}

/* Columns a text takes: code points, not bytes. */
static uint32_t width(const struct token *t) {
    uint32_t w = 0;
    for (size_t i = 0; i < t->n; i++) w += ((unsigned char)t->at[i] & 0xc0) != 0x80;
    return w;
}

/* Spaces before token i of a line. */
static uint32_t gap(const struct format *f, const struct line *l, size_t i) {
    const struct token *t = &f->tokens.at[i];
    if (i == l->first) return l->indent;
    return t->pad + (t->kind == T_COMMENT ? 2u : spaced(t - 1, t) ? 1u : 0u);
}

/* The column at which token i would begin. */
static uint32_t column(const struct format *f, const struct line *l, size_t i) {
    uint32_t w = 0;
    for (size_t k = l->first; k < i; k++) w += gap(f, l, k) + width(&f->tokens.at[k]);
    return w + gap(f, l, i);
}

/* Moves token at(line) of each line of [a, b) to one column, if they are not too far apart. */
static void align(struct format *f, size_t a, size_t b,
                  size_t (*at)(const struct format *, const struct line *, uint32_t), uint32_t which,
                  uint32_t max_pad) {
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t i = a; i < b; i++) {
        const struct line *l = &f->lines.at[i];
        size_t t = at(f, l, which);
        if (t == l->end) continue;
        uint32_t c = column(f, l, t);
        low = c < low ? c : low;
        high = c > high ? c : high;
    }
    if (high < low || high - low > max_pad) return;
    for (size_t i = a; i < b; i++) {
        const struct line *l = &f->lines.at[i];
        size_t t = at(f, l, which);
        if (t < l->end) f->tokens.at[t].pad += high - column(f, l, t);
    }
}

static size_t mark_of(const struct format *f, const struct line *l, uint32_t which) {
    (void)f;
    return which < l->n_marks ? l->mark[which] : l->end;
}

static size_t comment_of(const struct format *f, const struct line *l, uint32_t which) {
    (void)which;
    size_t last = l->end - 1;
    return last > l->first && f->tokens.at[last].kind == T_COMMENT ? last : l->end;
}

static bool same_columns(const struct format *f, const struct line *a, const struct line *b) {
    (void)f;
    return a->class != PLAIN && a->class == b->class && a->indent == b->indent && !b->blank_before;
}

static bool same_comments(const struct format *f, const struct line *a, const struct line *b) {
    return comment_of(f, a, 0) < a->end && comment_of(f, b, 0) < b->end && a->indent == b->indent && !b->blank_before;
}

/* The end of the run of lines that begins at a. */
static size_t run_end(const struct format *f, size_t a,
                      bool (*same)(const struct format *, const struct line *, const struct line *)) {
    size_t b = a + 1;
    while (b < f->lines.n && same(f, &f->lines.at[b - 1], &f->lines.at[b])) b++;
    return b;
}

static void align_all(struct format *f) {
    for (size_t a = 0, b; a < f->lines.n; a = b) {
        b = run_end(f, a, same_columns);
        uint32_t max = f->lines.at[a].class == EQUATION ? MAX_EQUATION_PAD : UINT32_MAX;
        for (uint32_t k = 0; k < MAX_MARKS; k++) align(f, a, b, mark_of, k, max);
    }
    for (size_t a = 0, b; a < f->lines.n; a = b) {
        b = run_end(f, a, same_comments);
        align(f, a, b, comment_of, 0, MAX_COMMENT_PAD);
    }
}

static void put(const struct format *f, struct buf *out) {
    for (size_t i = 0; i < f->lines.n; i++) {
        const struct line *l = &f->lines.at[i];
        if (l->blank_before) buf_put(out, "\n", 1);
        for (size_t k = l->first; k < l->end; k++) {
            buf_printf(out, "%*s", (int)gap(f, l, k), "");
            buf_put(out, f->tokens.at[k].at, f->tokens.at[k].n);
        }
        buf_put(out, "\n", 1);
    }
}

bool lang_format(struct diag *d, uint32_t file, const char *text, size_t n, struct buf *out) {
    struct arena *a = arena_new();
    struct names *names = names_new(a);
    bool ok = lang_parse(d, a, names, file, text, n) != NULL;
    if (ok) {
        struct format f = {.arena = a};
        scan(&f, d, names, file, text, n);
        pair_braces(&f);
        split(&f);
        align_all(&f);
        put(&f, out);
    }
    arena_free(a);
    return ok;
}
