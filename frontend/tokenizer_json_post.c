/* tokenizer_json_post.c -- what follows the model: tokens around a text, and how tokens are printed. */
#include <string.h>

#include "frontend/tokenizer_json.h"

/* ---- post-processor: at most one token in front and one behind ---- */

static bool find_special(struct tok_json *f, const char *text, int64_t *id) {
    static const char path[] = "post_processor.TemplateProcessing";
    *id = text ? tok_json_id(f, text) : -1;
    if (!text) return tok_unsupported(f, path, "single", "anything but one token before or behind the text");
    return *id >= 0 || diag_in(f->j.diag, jfile_where(&f->j, path, "single"), DIAG_TOK_UNKNOWN, text);
}

static bool read_template(struct tok_json *f, const json_t *step) {
    static const char path[] = "post_processor.TemplateProcessing";
    const json_t *single = NULL, *one;
    bool seen = false;
    enum jgot got = jfile_list(&f->j, step, path, "single", &single);
    if (got != JGOT_VALUE)
        return got == JGOT_ABSENT && diag_in(f->j.diag, jfile_where(&f->j, path, "single"), DIAG_TOK_MISSING);
    for (size_t i = 0; (one = json_array_get(single, i)) != NULL; i++) {
        int64_t *id = seen ? &f->b->last : &f->b->first;
        bool text = json_object_get(one, "Sequence") != NULL;
        if (text ? seen : *id >= 0)
            return tok_unsupported(f, path, "single", "anything but one token before or behind the text");
        if (text) {
            seen = true;
            continue;
        }
        const char *name = json_string_value(json_object_get(json_object_get(one, "SpecialToken"), "id"));
        if (!find_special(f, name, id)) return false;
    }
    return seen || tok_unsupported(f, path, "single", "a template without the text");
}

static bool read_post_step(struct tok_json *f, const json_t *step) {
    if (strcmp(tok_type(step), "ByteLevel") == 0) return true; /* concerns offsets only */
    if (strcmp(tok_type(step), "TemplateProcessing") == 0) return read_template(f, step);
    return tok_unsupported(f, "post_processor", NULL, tok_type(step));
}

bool tok_json_post(struct tok_json *f) {
    const json_t *post = NULL, *list = NULL, *step;
    if (jfile_object(&f->j, f->j.root, NULL, "post_processor", &post) == JGOT_BAD) return false;
    if (!post) return true;
    if (strcmp(tok_type(post), "Sequence") != 0) return read_post_step(f, post);
    if (jfile_list(&f->j, post, "post_processor", "processors", &list) == JGOT_BAD) return false;
    for (size_t i = 0; (step = json_array_get(list, i)) != NULL; i++)
        if (!read_post_step(f, step)) return false;
    return true;
}

/* ---- decoder ---- */

bool tok_json_decoder(struct tok_json *f) {
    const json_t *decoder = NULL;
    if (jfile_object(&f->j, f->j.root, NULL, "decoder", &decoder) == JGOT_BAD) return false;
    if (!decoder) return true;
    bool byte_level = strcmp(tok_type(decoder), "ByteLevel") == 0;
    if (byte_level && !f->byte_level) return tok_unsupported(f, "decoder", NULL, "ByteLevel without its pre-tokenizer");
    return byte_level || tok_unsupported(f, "decoder", NULL, tok_type(decoder));
}
