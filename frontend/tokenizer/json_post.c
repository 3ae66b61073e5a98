/* json_post.c -- what follows the model: tokens around a text, and how tokens are printed. */
#include "base/compiler.h"
#include <string.h>

#include "frontend/tokenizer/from_json.h"

/* ---- post-processor: at most one token in front and one behind ---- */

/* special_tokens has the ids of what the template names; one is all we put there. */
static bool find_special(struct tok_json *f, const json_t *step, const char *text, int64_t *id) {
    static const char path[] = "post_processor.TemplateProcessing";
    const json_t *ids =
        text ? json_object_get(json_object_get(json_object_get(step, "special_tokens"), text), "ids") : NULL;
    *id = text ? tok_json_id(f, text) : -1;
    if (json_array_size(ids) > 1) return tok_unsupported(f, path, "special_tokens", "more than one id of a name");
    if (json_is_integer(json_array_get(ids, 0))) *id = json_integer_value(json_array_get(ids, 0));
    if (*id >= f->b->n_tokens)
        return diag_in(f->j.diag, jfile_where(&f->j, path, "single"), DIAG_TOK_ID, text, *id, f->b->n_tokens);
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
        if (!find_special(f, step, name, id)) return false;
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

/* What has been seen of a decoder's sequence. */
struct seen {
    bool fused;
};

static bool is_text(const json_t *object, const char *key, const char *text) {
    const char *v = json_string_value(json_object_get(object, key));
    return v && strcmp(v, text) == 0;
}

static bool read_byte_level(struct tok_json *f, const json_t *step, struct seen *seen) {
    (void)step, (void)seen;
    return f->byte_level || tok_unsupported(f, "decoder", NULL, "ByteLevel without its pre-tokenizer");
}

static bool read_metaspace(struct tok_json *f, const json_t *step, struct seen *seen) {
    static const char path[] = "decoder.Metaspace";
    bool prefix = true;
    (void)seen;
    if (!is_text(step, "replacement", "\u2581")) return tok_unsupported(f, path, "replacement", "another than U+2581");
    if (jfile_bool(&f->j, step, path, "add_prefix_space", &prefix) == JGOT_BAD) return false;
    f->b->flags |= SETUN_TOK_SPACE_MARK;
    if (prefix && !is_text(step, "prepend_scheme", "never")) f->b->flags |= SETUN_TOK_STRIP_MARKS;
    return true;
}

static bool read_replace(struct tok_json *f, const json_t *step, struct seen *seen) {
    (void)seen;
    if (!is_text(json_object_get(step, "pattern"), "String", "\u2581") || !is_text(step, "content", " "))
        return tok_unsupported(f, "decoder.Replace", "pattern", "another than of U+2581 by a space");
    f->b->flags |= SETUN_TOK_SPACE_MARK;
    return true;
}

static bool read_fallback(struct tok_json *f, const json_t *step, struct seen *seen) {
    (void)step, (void)seen;
    return f->b->flags & SETUN_TOK_BYTE_FALLBACK ||
           tok_unsupported(f, "decoder", NULL, "ByteFallback without the model's byte_fallback");
}

static bool read_fuse(struct tok_json *f, const json_t *step, struct seen *seen) {
    (void)f, (void)step;
    seen->fused = true;
    return true;
}

static bool read_strip(struct tok_json *f, const json_t *step, struct seen *seen) {
    static const char path[] = "decoder.Strip";
    int64_t start = 0, stop = 0;
    if (jfile_int(&f->j, step, path, "start", 0, 1000, &start) == JGOT_BAD ||
        jfile_int(&f->j, step, path, "stop", 0, 1000, &stop) == JGOT_BAD)
        return false;
    if (start == 0 && stop == 0) return true;
    if (!seen->fused) return tok_unsupported(f, path, NULL, "Strip before Fuse");
    if (start != 1 || stop != 0 || !is_text(step, "content", " "))
        return tok_unsupported(f, path, NULL, "Strip of anything but one space in front");
    f->b->flags |= SETUN_TOK_STRIP_ONE;
    return true;
}

static bool read_decoder(struct tok_json *f, const json_t *step, struct seen *seen) {
    static const struct {
        const char *type;
        bool (*read)(struct tok_json *, const json_t *, struct seen *);
    } rows[] = {{"ByteLevel", read_byte_level},  {"Metaspace", read_metaspace}, {"Replace", read_replace},
                {"ByteFallback", read_fallback}, {"Fuse", read_fuse},           {"Strip", read_strip}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(tok_type(step), rows[i].type) == 0) return rows[i].read(f, step, seen);
    return tok_unsupported(f, "decoder", NULL, tok_type(step));
}

bool tok_json_decoder(struct tok_json *f) {
    const json_t *decoder = NULL, *list = NULL, *step;
    struct seen seen = {false};
    if (jfile_object(&f->j, f->j.root, NULL, "decoder", &decoder) == JGOT_BAD) return false;
    if (!decoder) return true;
    if (strcmp(tok_type(decoder), "Sequence") != 0) return read_decoder(f, decoder, &seen);
    if (jfile_list(&f->j, decoder, "decoder", "decoders", &list) == JGOT_BAD) return false;
    for (size_t i = 0; (step = json_array_get(list, i)) != NULL; i++)
        if (!read_decoder(f, step, &seen)) return false;
    return true;
}
