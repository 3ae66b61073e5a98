/* compile.c -- see compile.h. */
#include "tools/compile.h"

#include <string.h>

#include "base/file.h"
#include "frontend/tokenizer.h"
#include "lang/lang.h"

/* tokenizer "NAME"; is a file beside the checkpoint's config. */
static const char *tokenizer_path(struct command_ctx *cx, const struct frontend_model *f) {
    return arena_printf(cx->arena, "%s/%s", checkpoint_folder(f->checkpoint), f->tokenizer);
}

static bool load_tokenizer(struct command_ctx *cx, struct compiled *c) {
    const struct frontend_model *f = &c->front;
    if (!f->checkpoint || !f->tokenizer) return true;
    return tokenizer_read(cx->diag, cx->arena, tokenizer_path(cx, f), &f->config, f->module->vocab, &c->tokenizer,
                          &c->tokenizer_n);
}

bool compile_load(struct command_ctx *cx, const struct model_args *args, bool need_weights, struct compiled *c) {
    struct frontend_input in = {.diag = cx->diag,
                                .arena = cx->arena,
                                .names = cx->names,
                                .model = args->model,
                                .weights = args->weights,
                                .sets = args->sets.at,
                                .n_sets = args->sets.n};
    if (!file_read(cx->diag, cx->arena, args->model, LANG_MAX_TEXT, &c->text, &c->text_n)) return false;
    if (!frontend_load(&in, &c->front)) return false;
    struct ir_module *m = c->front.module;
    if (args->max_rows) m->max_rows = args->max_rows;
    if (!need_weights && !c->front.checkpoint) return true;
    return checkpoint_weights(c->front.checkpoint, m, c->front.sources, &c->weights) && load_tokenizer(cx, c);
}

bool compile_may_write(struct command_ctx *cx, const struct model_args *args, const struct compiled *c,
                       const char *path) {
    const struct frontend_model *f = &c->front;
    bool read = file_same(args->model, path);
    if (f->checkpoint) read = read || checkpoint_reads(f->checkpoint, path);
    if (f->checkpoint && f->tokenizer) read = read || file_same(tokenizer_path(cx, f), path);
    return !read || diag_in(cx->diag, path, DIAG_OUTPUT_IS_INPUT);
}

void compile_close(struct compiled *c) { frontend_close(&c->front); }

struct ir_func *compile_entry(struct command_ctx *cx, const struct ir_module *m) {
    struct ir_func *found = NULL;
    unsigned entries = 0;
    for (size_t i = 0; i < m->funcs.n; i++) {
        if (!m->funcs.at[i]->entry) continue;
        entries++;
        if (ir_emitted(m->funcs.at[i])) found = m->funcs.at[i];
    }
    if (found && entries == 1) return found;
    diag_in(cx->diag, m->name, DIAG_NO_ENTRY,
            entries == 0  ? "no entry"
            : entries > 1 ? "several entries"
                          : "an entry that emits nothing");
    return NULL;
}
