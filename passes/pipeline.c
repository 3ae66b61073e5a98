/* pipeline.c -- the table of passes, and running them with the verifier behind each. */
#include <string.h>

#include "passes/pass.h"

const struct pass passes[] = {
#define PASS(id, name, text) {name, text, pass_##id},
#include "passes/passes.def"
};
const size_t n_passes = COUNT_OF(passes);

const struct pass *pass_find(const char *name) {
    for (size_t i = 0; i < n_passes; i++)
        if (strcmp(passes[i].name, name) == 0) return &passes[i];
    return NULL;
}

static void print_module(const struct ir_module *m, const char *title) {
    struct buf text = {0};
    ir_print(&text, m);
    fprintf(stderr, "// after %s\n%s\n", title, text.at);
    buf_free(&text);
}

bool pass_run(struct pass_ctx *cx, struct ir_module *m, const struct pass *p) {
    p->run(cx, m);
    if (cx->print_after && (!strcmp(cx->print_after, "all") || !strcmp(cx->print_after, p->name)))
        print_module(m, p->name);
    return diag_errors(cx->diag) == 0 && ir_verify(cx->diag, m, p->name);
}

bool passes_run_all(struct pass_ctx *cx, struct ir_module *m) {
    for (size_t i = 0; i < n_passes; i++)
        if (!pass_run(cx, m, &passes[i])) return false;
    return true;
}
