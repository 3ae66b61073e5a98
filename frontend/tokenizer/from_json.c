/*
 * from_json.c -- tokenizer.json of the tokenizers library: the order of reading.
 *
 * The steps come first, as one of them says whether the vocabulary writes bytes or characters.
 */
#include "frontend/tokenizer/from_json.h"

static const struct jlimits limits = {.bytes = 256 << 20, .depth = 64, .values = 8000000};

static bool read_all(struct tok_json *f) {
    const json_t *model = NULL;
    if (jfile_object(&f->j, f->j.root, NULL, "model", &model) == JGOT_BAD) return false;
    if (!model) return diag_in(f->j.diag, jfile_where(&f->j, "model", NULL), DIAG_TOK_MISSING);
    return tok_json_options(f, model) && tok_json_steps(f) && tok_json_decoder(f) && tok_json_vocab(f, model) &&
           tok_json_added(f) && tok_json_merges(f, model) && tok_json_post(f);
}

bool tok_json_read(struct tok_build *b) {
    struct tok_json f = {.b = b};
    if (!jfile_open(&f.j, b->diag, b->arena, b->path, limits)) return false;
    f.text = arena_array(b->arena, const char *, b->n_tokens);
    f.is_added = arena_array(b->arena, uint8_t, b->n_tokens);
    f.added = json_object();
    f.scored = json_object();
    bool ok = read_all(&f);
    json_decref(f.added);
    json_decref(f.scored);
    jfile_close(&f.j);
    return ok;
}
