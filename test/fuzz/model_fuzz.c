/* Any bytes as a model text: refused, or formatting loses nothing, and what the checker accepts lowers to IR that
 * verifies.  Numbers come from the defaults of the text. */
#include "frontend/lower.h"
#include "frontend/sema.h"
#include "lang/lang.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

static void lower(struct fuzz *f, struct names *names, struct ast_model *ast) {
    static const struct config_values none = {.bos = -1};
    struct sema_input in = {.diag = f->diag, .arena = f->arena, .names = names, .ast = ast, .config = &none};
    const struct weight_source *sources;
    struct sema_model *m = sema_check(&in);
    if (!m) return;
    struct weight_source *found = arena_array(f->arena, struct weight_source, m->weights.n + 1);
    struct ir_module *ir = lower_model(f->diag, f->arena, names, m, found, &sources);
    if (ir && !ir_verify(f->diag, ir, "lowering")) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    fuzz_start(&f, data, n);
    struct names *names = names_new(f.arena);
    const char *text = arena_strndup(f.arena, (const char *)data, n);
    uint32_t file = diag_add_text(f.diag, "text", text, n);
    struct ast_model *ast = lang_parse(f.diag, f.arena, names, file, text, n);
    if (ast) {
        struct buf once = {0}, twice = {0};
        if (!lang_format(f.diag, file, text, n, &once)) abort();
        if (!lang_format(f.diag, file, once.at, once.n, &twice) || once.n != twice.n ||
            memcmp(once.at, twice.at, once.n))
            abort();
        buf_free(&once);
        buf_free(&twice);
        lower(&f, names, ast);
    }
    fuzz_end(&f, diag_errors(f.diag) == 0);
    return 0;
}
