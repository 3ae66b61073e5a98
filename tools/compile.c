/* compile.c -- see compile.h. */
#include "tools/compile.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "frontend/chat/chat.h"
#include "frontend/files/paired.h"
#include "frontend/tokenizer/tokenizer.h"
#include "lang/lang.h"

/* ---- which text ---- */

static bool is_text(const char *word) {
    size_t n = strlen(word);
    return n > 4 && strcmp(word + n - 4, ".stn") == 0;
}

int compile_word(const char *command, struct model_args *args, const char *word, bool need_weights) {
    if (!is_text(word)) {
        if (args->weights) return command_usage(command, "'%s' and --weights are two checkpoints", word);
        args->weights = word;
        return EXIT_OK;
    }
    if (args->model) return command_usage(command, "'%s' and --model are two model texts", word);
    args->model = word;
    return args->weights || !need_weights ? EXIT_OK : command_usage(command, "--weights PATH is missing");
}

/* The text to load: a file, a page by name, or the page that fits. */
static bool find_text(struct command_ctx *cx, const struct model_args *args, struct frontend_input *in,
                      struct compiled *c) {
    struct page_found found = {0};
    if (args->model && is_text(args->model)) {
        if (!file_read(cx->diag, cx->arena, args->model, LANG_MAX_TEXT, &c->text, &c->text_n)) return false;
        in->text = c->text;
        in->n_text = c->text_n;
        return true;
    }
    if (args->model)
        found.page = page_named(cx->diag, setun_pages, setun_pages_n, args->model);
    else if (page_choose(in, setun_pages, setun_pages_n, &found) && !args->quiet)
        fprintf(stderr, "model %s (from %s)\n", found.page->name, found.why);
    if (!(c->page = found.page)) return false;
    in->model = found.page->name;
    in->text = found.page->text;
    in->n_text = found.page->n;
    return true;
}

/* ---- the tokenizer ---- */

/* --tokenizer, what the text names, or what lies beside the weights; NULL: none.  A GGUF file's own comes before what
 * lies beside it. */
static const char *tokenizer_path(struct command_ctx *cx, const struct model_args *args,
                                  const struct frontend_model *f) {
    static const char *const usual[] = {"tokenizer.json", "tokenizer.model"};
    if (args->tokenizer) return args->tokenizer;
    if (!f->checkpoint) return NULL;
    const char *folder = checkpoint_folder(f->checkpoint);
    if (f->tokenizer) return arena_printf(cx->arena, "%s/%s", folder, f->tokenizer);
    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        const char *path = arena_printf(cx->arena, "%s/%s", folder, usual[i]);
        if (access(path, F_OK) == 0) return path;
    }
    return NULL;
}

static bool load_tokenizer(struct command_ctx *cx, const struct model_args *args, struct compiled *c) {
    const struct frontend_model *f = &c->front;
    const struct gguf_file *g = checkpoint_gguf(f->checkpoint);
    if (g && !args->tokenizer && !f->tokenizer && gguf_find(g, "tokenizer.ggml.model"))
        return tokenizer_read_gguf(cx->diag, cx->arena, g, f->module->vocab, &c->tokenizer, &c->tokenizer_n);
    const char *path = tokenizer_path(cx, args, f);
    if (!path) diag_in(cx->diag, checkpoint_folder(f->checkpoint), DIAG_NO_TOKENIZER);
    return !path ||
           tokenizer_read(cx->diag, cx->arena, path, &f->config, f->module->vocab, &c->tokenizer, &c->tokenizer_n);
}

static bool load_chat(struct command_ctx *cx, const struct model_args *args, struct compiled *c) {
    const struct frontend_model *f = &c->front;
    struct chat_input in = {.diag = cx->diag,
                            .arena = cx->arena,
                            .file = args->chat,
                            .page = f->chat,
                            .gguf = f->checkpoint ? checkpoint_gguf(f->checkpoint) : NULL,
                            .tokenizer = c->tokenizer,
                            .tokenizer_bytes = c->tokenizer_n};
    if (f->checkpoint && !in.gguf) in.folder = checkpoint_folder(f->checkpoint); /* a GGUF says all itself */
    return chat_read(&in, &c->chat, &c->chat_n);
}

/* ---- all of it ---- */

static bool fill_page(struct command_ctx *cx, struct compiled *c) {
    struct buf text = {0};
    if (!page_fill(cx->diag, c->page->name, c->page->text, c->page->n, &c->front.config, &text)) return false;
    c->text = arena_strndup(cx->arena, text.at, text.n);
    c->text_n = text.n;
    buf_free(&text);
    return true;
}

/* What was taken for something that the bytes do not tell. */
static void tell_dialect(const struct checkpoint *cp) {
    struct buf text = {0};
    checkpoint_tell_dialect(cp, &text);
    if (text.n) fputs(text.at, stderr);
    buf_free(&text);
}

bool compile_load(struct command_ctx *cx, const struct model_args *args, bool need_weights, struct compiled *c) {
    struct frontend_input in = {.diag = cx->diag,
                                .arena = cx->arena,
                                .names = cx->names,
                                .model = args->model,
                                .weights = args->weights,
                                .dialect = args->dialect,
                                .sets = args->sets.at,
                                .n_sets = args->sets.n};
    if (!find_text(cx, args, &in, c) || !frontend_load(&in, &c->front)) return false;
    if (c->page && !fill_page(cx, c)) return false;
    if (c->front.checkpoint && !args->quiet) tell_dialect(c->front.checkpoint);
    struct ir_module *m = c->front.module;
    if (args->max_rows) m->max_rows = args->max_rows;
    if (!need_weights && !c->front.checkpoint) return true;
    if (!checkpoint_weights(c->front.checkpoint, m, c->front.sources, &c->weights)) return false;
    c->weights = paired_weights(cx->diag, cx->arena, &c->weights, c->front.sources, m->weights.n);
    return args->weights_only || (load_tokenizer(cx, args, c) && load_chat(cx, args, c));
}

bool compile_may_write(struct command_ctx *cx, const struct model_args *args, const struct compiled *c,
                       const char *path) {
    const struct frontend_model *f = &c->front;
    const char *tokenizer = tokenizer_path(cx, args, f);
    bool read = args->model && !c->page && file_same(args->model, path);
    if (f->checkpoint) read = read || checkpoint_reads(f->checkpoint, path);
    if (tokenizer) read = read || file_same(tokenizer, path);
    if (args->chat) read = read || file_same(args->chat, path);
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
