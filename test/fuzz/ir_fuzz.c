/*
 * Any bytes as IR text: refused with one error, or a module that prints, reads back to the same text, and goes through
 * every pass without breaking a rule.
 */
#include <string.h>

#include "passes/pass.h"
#include "test/fuzz/fuzz.h"

static struct ir_module *read_text(struct fuzz *f, struct names *names, const char *text, size_t n) {
    struct ir_module *m = ir_parse(f->diag, f->arena, names, diag_add_text(f->diag, "input", text, n), text, n);
    return m && ir_verify(f->diag, m, NULL) ? m : NULL;
}

static char *print_text(struct fuzz *f, const struct ir_module *m) {
    struct buf b = {0};
    ir_print(&b, m);
    char *text = arena_strndup(f->arena, b.at, b.n);
    buf_free(&b);
    return text;
}

static void round_trip(struct fuzz *f, struct names *names, const struct ir_module *m) {
    char *text = print_text(f, m);
    struct ir_module *again = read_text(f, names, text, strlen(text));
    if (!again || strcmp(print_text(f, again), text) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    fuzz_start(&f, data, n);
    struct names *names = names_new(f.arena);
    char *text = arena_strndup(f.arena, (const char *)data, n);
    struct ir_module *m = read_text(&f, names, text, n);
    if (m) {
        struct pass_ctx cx = {.diag = f.diag, .arena = f.arena};
        round_trip(&f, names, m);
        if (!passes_run_all(&cx, m)) abort();
        round_trip(&f, names, m);
    }
    fuzz_end(&f, m != NULL);
    return 0;
}
