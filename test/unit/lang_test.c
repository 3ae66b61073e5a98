/*
 * lang_test.c -- properties of parser and formatter that need no golden file, on texts made from the shipped
 * model page: cut, mutated, and with comments and line breaks put between its tokens.
 */
#include "lang/lang.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/file.h"
#include "test/unit/expect.h"

enum { MUTANTS = 3000, SPRINKLED = 200 };

static uint32_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static char *read_page(struct arena *a, size_t *n) {
    struct diag *d = diag_new(a, stderr);
    const char *slash = strrchr(__FILE__, '/');
    const char *path = arena_printf(a, "%.*s/../../models/bitnet-b1.58.stn", (int)(slash - __FILE__), __FILE__);
    char *text;
    return EXPECT(file_read(d, a, path, LANG_MAX_TEXT, &text, n)) ? text : NULL;
}

/* What formatting must not change: everything but white space. */
static char *ink(struct arena *a, const char *text, size_t n) {
    char *out = arena_alloc(a, n + 1), *p = out;
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", text[i]) || text[i] == 0) *p++ = text[i];
    return out;
}

/* Formats; checks that nothing is lost and that a second time changes nothing.  false: no model text. */
static bool format_twice(const char *text, size_t n, FILE *messages) {
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, messages);
    struct buf once = {0}, twice = {0};
    bool ok = lang_format(d, diag_add_text(d, "text", text, n), text, n, &once);
    EXPECT(ok == (diag_errors(d) == 0));
    if (ok) {
        EXPECT_STR(ink(a, once.at, once.n), ink(a, text, n));
        EXPECT(lang_format(d, diag_add_text(d, "once", once.at, once.n), once.at, once.n, &twice));
        EXPECT_STR(twice.at, once.at);
    }
    buf_free(&once);
    buf_free(&twice);
    arena_free(a);
    return ok;
}

static void mutants(const char *text, size_t n, FILE *messages) {
    static const char bits[] = "{}()[];:,.=+-*/%@<>\"#? \nabz019_\\$\xc3";
    uint64_t seed = 1958;
    int good = 0;
    char *copy = malloc(n + 1);
    for (int i = 0; i < MUTANTS; i++) {
        memcpy(copy, text, n + 1);
        size_t len = n;
        for (uint32_t k = next_random(&seed) % 3 + 1; k > 0; k--) {
            size_t at = next_random(&seed) % len;
            switch (next_random(&seed) % 4) {
            case 0: copy[at] = bits[next_random(&seed) % (sizeof bits - 1)]; break;
            case 1: memmove(copy + at, copy + at + 1, len - at), len--; break; /* the end's 0 moves along */
            case 2: len = at + 1, copy[len] = 0; break;
            case 3: memmove(copy, copy + at, len - at + 1), len -= at; break;
            }
        }
        good += format_twice(copy, len, messages);
    }
    EXPECT(good > 0 && good < MUTANTS);
    free(copy);
}

/* Puts a comment or a line break before some of the tokens: where a blank is, outside strings and comments. */
static void sprinkled(const char *text, size_t n, FILE *messages) {
    uint64_t seed = 3;
    for (int i = 0; i < SPRINKLED; i++) {
        struct buf b = {0};
        bool string = false, comment = false;
        for (size_t k = 0; k < n; k++) {
            if (text[k] == '"' && !comment) string = !string;
            if (text[k] == '#' && !string) comment = true;
            if (text[k] == '\n') comment = false;
            bool gap = !string && !comment && strchr(" ;{},()", text[k]);
            buf_put(&b, &text[k], 1);
            if (!gap || next_random(&seed) % 8) continue;
            static const char *const extra[] = {"\n", "\n\n\n", " # c\n", "\n# own line\n", "\n\n   # after a gap\n\n",
                                                "\t"};
            buf_printf(&b, "%s", extra[next_random(&seed) % 6]);
        }
        EXPECT(format_twice(b.at, b.n, messages));
        buf_free(&b);
    }
}

int main(void) {
    struct arena *a = arena_new();
    size_t n;
    const char *page = read_page(a, &n);
    FILE *messages = tmpfile();
    if (page && EXPECT(messages != NULL)) {
        EXPECT(format_twice(page, n, stderr));
        mutants(page, n, messages);
        sprinkled(page, n, messages);
    }
    if (messages) fclose(messages);
    arena_free(a);
    return expect_end();
}
