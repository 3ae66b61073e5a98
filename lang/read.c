/*
 * read.c -- drives lexer and grammar.
 *
 * Between the two: a limit on nesting, and recovery.  After an error the parser drops tokens up to the next
 * ';' or '}'.  If the statement at fault has a block, as in
 *
 *     stack body(x f32[hidden]) for i in 0..layers { let a = x; ... }
 *                  ^
 * its ';' would not be the end of it; so while recovering, a block is swallowed whole and stands for one ';'.
 */
#include <string.h>

#include "lang/reader.h"

#include "grammar.tab.h"

int stn_scan(STN_STYPE *v, STN_LTYPE *l, void *scanner);

struct loc read_span(struct loc a, struct loc b) {
    a.last_line = b.last_line;
    a.last_col = b.last_col;
    return a;
}

/* ---- the text as bytes ---- */

/* Length of the UTF-8 sequence at p (n bytes left); 0: none begins here. */
static size_t utf8_length(const unsigned char *p, size_t n) {
    static const struct {
        unsigned char lead, lead_mask, least; /* least: of the first continuation, against overlong forms */
    } forms[] = {{0xc0, 0xe0, 0x80}, {0xe0, 0xf0, 0x80}, {0xf0, 0xf8, 0x80}};
    if (p[0] < 0x80) return 1;
    for (size_t k = 0; k < COUNT_OF(forms); k++) {
        if ((p[0] & forms[k].lead_mask) != forms[k].lead) continue;
        size_t len = k + 2;
        if (n < len) return 0;
        uint32_t c = p[0] & (unsigned)~forms[k].lead_mask;
        for (size_t i = 1; i < len; i++) {
            if ((p[i] & 0xc0) != 0x80) return 0;
            c = c << 6 | (p[i] & 0x3f);
        }
        static const uint32_t least[] = {0x80, 0x800, 0x10000};
        bool surrogate = c >= 0xd800 && c < 0xe000;
        return c < least[k] || c > 0x10ffff || surrogate ? 0 : len;
    }
    return 0;
}

bool read_check_text(struct diag *d, uint32_t file, const char *text, size_t n) {
    struct loc at = {.file = file, .line = 1, .col = 1, .last_line = 1, .last_col = 1};
    if (n > LANG_MAX_TEXT) return diag_at(d, at, DIAG_TEXT_TOO_LONG, n, (size_t)LANG_MAX_TEXT);
    const unsigned char *p = (const unsigned char *)text;
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) return diag_at(d, at, DIAG_BYTE_ORDER_MARK);
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(p + i, n - i);
        bool control = (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r') || p[i] == 0x7f;
        at.last_line = at.line;
        at.last_col = at.col;
        if (!len) return diag_at(d, at, DIAG_BAD_UTF8, (unsigned)p[i]);
        if (control) return diag_at(d, at, DIAG_BAD_BYTE, (unsigned)p[i]);
        at.line += p[i] == '\n';
        at.col = p[i] == '\n' ? 1 : at.col + (uint32_t)len;
        i += len;
    }
    return true;
}

/* ---- tokens ---- */

static bool opens(int t) { return t == '{' || t == '(' || t == '['; }
static bool closes(int t) { return t == '}' || t == ')' || t == ']'; }

static int next_token(STN_STYPE *v, STN_LTYPE *l, struct reader *r) {
    r->last = r->prev;
    int t = stn_scan(v, l, r->scanner);
    if (t == 0) { /* the end has a place too: behind the last byte */
        *l = (struct loc){.file = r->file, .line = r->line, .col = r->col, .last_line = r->line, .last_col = r->col};
    }
    r->prev = *l;
    return t;
}

/* Drops the block whose '{' was read; what stands after it is read next. */
static void skip_block(STN_STYPE *v, STN_LTYPE *l, struct reader *r) {
    for (uint32_t open = 1; open > 0;) {
        int t = next_token(v, l, r);
        if (t == 0) return;
        open += t == '{';
        open -= t == '}';
    }
}

int stn_lex(STN_STYPE *v, STN_LTYPE *l, struct reader *r) {
    if (r->too_deep) return 0; /* told; nothing behind it is worth reading */
    if (r->recovering && r->skip_block) {
        r->skip_block = r->recovering = false;
        skip_block(v, l, r);
        return ';';
    }
    int t = next_token(v, l, r);
    if (r->recovering && t == '{') {
        skip_block(v, l, r);
        t = ';';
    }
    if (t == ';' || t == '}') r->recovering = false;
    if (opens(t) && ++r->depth > LANG_MAX_DEPTH) {
        diag_at(r->diag, *l, DIAG_NESTED_TOO_DEEP, LANG_MAX_DEPTH);
        r->too_deep = r->failed = true;
        return 0;
    }
    if (closes(t) && r->depth) r->depth--;
    return t;
}

/* bison calls this when its stack is full; syntax errors go through yyreport_syntax_error. */
void stn_error(STN_LTYPE *l, struct reader *r, const char *text) {
    (void)text;
    r->failed = true;
    if (!r->too_deep) diag_at(r->diag, *l, DIAG_NESTED_TOO_DEEP, LANG_MAX_DEPTH);
    r->too_deep = true;
}

struct ast_model *lang_parse(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text,
                             size_t n) {
    if (!read_check_text(d, file, text, n)) return NULL;
    struct reader r = {.diag = d, .arena = a, .names = names, .file = file, .text = text, .n = n};
    if (!read_start(&r)) BUG("the lexer cannot start");
    bool ok = stn_parse(&r) == 0;
    read_stop(&r);
    if (!ok && !r.failed) BUG("the parser failed without a word");
    return ok && !r.failed ? r.model : NULL;
}
