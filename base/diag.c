/*
 * diag.c -- printing of messages, with the source line and the place underlined.
 *
 * Texts of messages may hold names from a stranger's file, so bytes that a terminal would obey are shown as
 * \xNN.  After MAX_SHOWN messages of a severity the rest is only counted; diag_finish says how many.
 */
#include "base/diag.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"

enum { MAX_SHOWN = 20, LINE_SHOWN = 200, LINE_BEFORE = 80 };
enum severity { ERROR, WARNING };

struct row {
    const char *slug;
    enum severity severity;
    enum setun_exit code;
    const char *fmt;
};

static const struct row rows[] = {
#define DIAG(slug, id, severity, code, fmt) [DIAG_##id] = {slug, severity, code, fmt},
#include "base/diag.def"
#undef DIAG
};

struct text {
    const char *name, *at;
    size_t n;
};

struct diag {
    struct arena *arena;
    FILE *out;
    VEC(struct text) texts; /* loc.file is the index + 1 */
    size_t errors, warnings, hidden_errors, hidden_warnings;
    enum setun_exit code;
    bool quiet; /* the last message was not shown */
    bool mute;  /* warnings are not to be */
};

struct diag *diag_new(struct arena *a, FILE *out) {
    struct diag *d = arena_one(a, struct diag);
    d->arena = a;
    d->out = out;
    return d;
}

uint32_t diag_add_text(struct diag *d, const char *file_name, const char *text, size_t n) {
    *vec_push(d->arena, &d->texts) = (struct text){.name = arena_strdup(d->arena, file_name), .at = text, .n = n};
    return (uint32_t)d->texts.n;
}

static const struct text *text_of(const struct diag *d, uint32_t file) {
    return file > 0 && file <= d->texts.n ? &d->texts.at[file - 1] : NULL;
}

/* ---- printing ---- */

/* Control characters of ASCII, and of U+0080..9F, which is c2 80 .. c2 9f. */
static void put_safe(FILE *out, const char *s) {
    unsigned char before = 0;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool control = c < 0x20 || c == 0x7f || (before == 0xc2 && c < 0xa0);
        if (before == 0xc2) fprintf(out, control ? "\\xc2" : "\xc2");
        before = c;
        if (c == 0xc2) continue;
        if (control)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
    if (before == 0xc2) fputs("\\xc2", out);
}

static void put_message(struct diag *d, const char *fmt, va_list ap) {
    struct arena_mark m = arena_save(d->arena);
    put_safe(d->out, arena_vprintf(d->arena, fmt, ap));
    arena_restore(d->arena, m);
}

/* Line number `line` of the text, without its end; NULL past the last line. */
static const char *find_line(const struct text *t, uint32_t line, size_t *n) {
    const char *p = t->at, *end = t->at + t->n;
    for (uint32_t i = 1; p && i < line; i++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p) p++;
    }
    if (!p || line == 0) return NULL;
    const char *stop = p == end ? NULL : memchr(p, '\n', (size_t)(end - p));
    *n = (size_t)((stop ? stop : end) - p);
    if (*n && p[*n - 1] == '\r') --*n;
    return p;
}

static bool inside_char(char c) { return ((unsigned char)c & 0xc0) == 0x80; } /* UTF-8 continuation */

/* The line and, below it, ^~~~.  Tabs are repeated in the second line, so that both expand alike. */
static void put_line(struct diag *d, struct loc w) {
    const struct text *t = text_of(d, w.file);
    size_t n = 0;
    const char *line = t ? find_line(t, w.line, &n) : NULL;
    if (!line || w.col == 0) return;
    size_t from = w.col - 1, to = w.last_line > w.line ? n : w.last_col;
    if (from > n) from = n;
    if (to > n) to = n;
    if (to <= from) to = from + 1;
    size_t first = 0, last = n;
    if (n > LINE_SHOWN) { /* a window of a very long line */
        first = from > LINE_BEFORE ? from - LINE_BEFORE : 0;
        last = n - first > LINE_SHOWN ? first + LINE_SHOWN : n;
        if (to > last) to = last > from ? last : from + 1;
    }
    for (size_t i = first; i < last; i++) {
        unsigned char c = (unsigned char)line[i];
        fputc((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c, d->out);
    }
    fputc('\n', d->out);
    for (size_t i = first; i < to; i++) {
        char c = i < n ? line[i] : ' ';
        if (i < from) {
            if (!inside_char(c)) fputc(c == '\t' ? '\t' : ' ', d->out);
        } else if (i == from || !inside_char(c)) {
            fputc(i == from ? '^' : '~', d->out);
        }
    }
    fputc('\n', d->out);
}

static void put_place(struct diag *d, struct loc w) {
    const struct text *t = text_of(d, w.file);
    put_safe(d->out, t ? t->name : "setun");
    if (t && w.line) fprintf(d->out, ":%" PRIu32 ":%" PRIu32, w.line, w.col);
    fputs(": ", d->out);
}

/* Counts a message; false: do not show it. */
static bool count(struct diag *d, const struct row *r) {
    d->quiet = d->mute && r->severity == WARNING;
    if (d->quiet) return false;
    size_t *n = r->severity == ERROR ? &d->errors : &d->warnings;
    if (r->severity == ERROR && d->errors == 0) d->code = r->code;
    d->quiet = ++*n > MAX_SHOWN;
    if (d->quiet) ++*(r->severity == ERROR ? &d->hidden_errors : &d->hidden_warnings);
    return !d->quiet;
}

static void put_body(struct diag *d, const struct row *r, va_list ap) {
    fputs(r->severity == ERROR ? "error: " : "warning: ", d->out);
    put_message(d, r->fmt, ap);
    fprintf(d->out, " [%s]\n", r->slug);
}

bool diag_at(struct diag *d, struct loc where, enum diag_id id, ...) {
    const struct row *r = &rows[id];
    if (!count(d, r)) return false;
    va_list ap;
    put_place(d, where);
    va_start(ap, id);
    put_body(d, r, ap);
    va_end(ap);
    put_line(d, where);
    return false;
}

bool diag_in(struct diag *d, const char *where, enum diag_id id, ...) {
    const struct row *r = &rows[id];
    if (!count(d, r)) return false;
    va_list ap;
    put_safe(d->out, where ? where : "setun");
    fputs(": ", d->out);
    va_start(ap, id);
    put_body(d, r, ap);
    va_end(ap);
    return false;
}

void diag_mute_warnings(struct diag *d, bool mute) { d->mute = mute; }

void diag_note(struct diag *d, struct loc where, const char *fmt, ...) {
    if (d->quiet) return;
    va_list ap;
    put_place(d, where);
    fputs("note: ", d->out);
    va_start(ap, fmt);
    put_message(d, fmt, ap);
    va_end(ap);
    fputc('\n', d->out);
    put_line(d, where);
}

void diag_note_in(struct diag *d, const char *where, const char *fmt, ...) {
    if (d->quiet) return;
    va_list ap;
    put_safe(d->out, where ? where : "setun");
    fputs(": note: ", d->out);
    va_start(ap, fmt);
    put_message(d, fmt, ap);
    va_end(ap);
    fputc('\n', d->out);
}

void diag_finish(struct diag *d) {
    if (d->hidden_errors) fprintf(d->out, "... and %zu more errors\n", d->hidden_errors);
    if (d->hidden_warnings) fprintf(d->out, "... and %zu more warnings\n", d->hidden_warnings);
    d->hidden_errors = d->hidden_warnings = 0;
    fflush(d->out);
}

size_t diag_errors(const struct diag *d) { return d->errors; }

enum setun_exit diag_exit_code(const struct diag *d) { return d->errors ? d->code : EXIT_OK; }

void diag_list(FILE *out) {
    fputs("| slug | severity | exit | message |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *r = &rows[i];
        fprintf(out, "| `%s` | %s | %d | ", r->slug, r->severity == ERROR ? "error" : "warning", r->code);
        for (const char *p = r->fmt; *p; p++) {
            if (*p == '|') fputc('\\', out);
            fputc(*p, out);
        }
        fputs(" |\n", out);
    }
}
