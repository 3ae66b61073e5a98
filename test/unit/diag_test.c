/* Messages: the exact text, underline with tabs and UTF-8, the cap of 20, exit codes, hostile names. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/diag.h"
#include "test/unit/expect.h"

#include <stdlib.h>

struct fixture {
    struct arena *arena;
    struct diag *diag;
    FILE *out;
    char *text;
    size_t n;
};

static void start(struct fixture *f) {
    f->arena = arena_new();
    f->out = open_memstream(&f->text, &f->n);
    f->diag = diag_new(f->arena, f->out);
}

static const char *printed(struct fixture *f) {
    fflush(f->out);
    return f->text;
}

static void end(struct fixture *f) {
    fclose(f->out);
    free(f->text);
    arena_free(f->arena);
}

static void source_line(void) {
    struct fixture f;
    start(&f);
    static const char text[] = "model m;\n    y = up @ x;\n\ty\t= \xc3\xa4;\r\nlast";
    uint32_t file = diag_add_text(f.diag, "mlp.stn", text, sizeof text - 1);
    EXPECT(!diag_at(f.diag, (struct loc){file, 2, 9, 2, 14}, DIAG_READ_FAILED, "two"));
    diag_note(f.diag, (struct loc){file, 1, 1, 1, 5}, "'%s' is declared here", "m");
    diag_at(f.diag, (struct loc){file, 3, 6, 3, 7}, DIAG_READ_FAILED, "tabs");
    diag_at(f.diag, (struct loc){file, 4, 5, 4, 5}, DIAG_READ_FAILED, "end");
    diag_at(f.diag, (struct loc){file, 9, 1, 9, 1}, DIAG_READ_FAILED, "no line");
    diag_at(f.diag, (struct loc){0}, DIAG_READ_FAILED, "nowhere");
    EXPECT_STR(printed(&f), "mlp.stn:2:9: error: cannot read: two [read-failed]\n"
                            "    y = up @ x;\n"
                            "        ^~~~~~\n"
                            "mlp.stn:1:1: note: 'm' is declared here\n"
                            "model m;\n"
                            "^~~~~\n"
                            "mlp.stn:3:6: error: cannot read: tabs [read-failed]\n"
                            "\ty\t= \xc3\xa4;\n"
                            "\t \t  ^\n"
                            "mlp.stn:4:5: error: cannot read: end [read-failed]\n"
                            "last\n"
                            "    ^\n"
                            "mlp.stn:9:1: error: cannot read: no line [read-failed]\n"
                            "setun: error: cannot read: nowhere [read-failed]\n");
    end(&f);
}

static void places(void) {
    struct fixture f;
    start(&f);
    EXPECT(diag_exit_code(f.diag) == EXIT_OK);
    diag_in(f.diag, "a.bin: tensor 'x\n\x1b[31m', byte 0x40", DIAG_FILE_TOO_LONG, (size_t)7);
    diag_note_in(f.diag, NULL, "more");
    diag_in(f.diag, NULL, DIAG_CANNOT_OPEN, "no");
    EXPECT_STR(printed(&f),
               "a.bin: tensor 'x\\x0a\\x1b[31m', byte 0x40: error: has more than 7 bytes, the limit for this "
               "kind of file [file-too-long]\n"
               "setun: note: more\n"
               "setun: error: cannot open: no [cannot-open]\n");
    EXPECT(diag_exit_code(f.diag) == EXIT_REJECTED && diag_errors(f.diag) == 2);
    end(&f);
}

static void cap(void) {
    struct fixture f;
    start(&f);
    for (int i = 0; i < 25; i++) {
        diag_in(f.diag, "f", DIAG_CANNOT_OPEN, "no");
        diag_note_in(f.diag, "f", "note");
    }
    diag_finish(f.diag);
    int lines = 0;
    for (const char *p = printed(&f); *p; p++) lines += *p == '\n';
    EXPECT(lines == 41 && diag_errors(f.diag) == 25);
    EXPECT(strstr(f.text, "\n... and 5 more errors\n") != NULL);
    end(&f);
}

static void long_line(void) {
    struct fixture f;
    start(&f);
    char *text = malloc(100000);
    memset(text, 'a', 100000);
    uint32_t file = diag_add_text(f.diag, "long", text, 100000);
    diag_at(f.diag, (struct loc){file, 1, 50000, 1, 99999}, DIAG_CANNOT_OPEN, "no");
    EXPECT(strlen(printed(&f)) < 600);
    end(&f);
    free(text);
}

int main(void) {
    source_line();
    places();
    cap();
    long_line();
    return expect_end();
}
