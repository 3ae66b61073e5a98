/*
 * tokenizer_rules.c -- the steps around the vocabulary: only those that the runtime does are let through.
 *
 * Pieces are what one regular expression gives: written out in a Split step before ByteLevel, or ByteLevel's own.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer_impl.h"

/* The expression that ByteLevel stands for when use_regex is true. */
static const char byte_level_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static const char *type_of(const json_t *step) {
    const char *type = json_string_value(json_object_get(step, "type"));
    return type ? type : "a step without a type";
}

/* A boolean that must be there. */
static bool read_flag(struct tok_build *b, const json_t *step, const char *path, const char *key, bool *out) {
    enum jgot got = jfile_bool(&b->j, step, path, key, out);
    return got == JGOT_VALUE ||
           (got == JGOT_ABSENT && diag_in(b->j.diag, jfile_where(&b->j, path, key), DIAG_TOK_MISSING));
}

/* ---- pre-tokenizer ---- */

static bool read_split(struct tok_build *b, const json_t *step) {
    static const char path[] = "pre_tokenizer.Split";
    const char *behavior = json_string_value(json_object_get(step, "behavior"));
    const char *regex = json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
    bool invert;
    if (!read_flag(b, step, path, "invert", &invert)) return false;
    if (invert) return tok_unsupported(b, path, "invert", "true");
    if (!behavior || strcmp(behavior, "Isolated") != 0)
        return tok_unsupported(b, path, "behavior", behavior ? behavior : "an absent value");
    if (!regex) return tok_unsupported(b, path, "pattern", "anything but a Regex");
    b->pattern = regex;
    return true;
}

static bool read_byte_level(struct tok_build *b, const json_t *step, bool after_split) {
    static const char path[] = "pre_tokenizer.ByteLevel";
    bool prefix, regex = true; /* use_regex is absent in old files */
    if (!read_flag(b, step, path, "add_prefix_space", &prefix)) return false;
    if (jfile_bool(&b->j, step, path, "use_regex", &regex) == JGOT_BAD) return false;
    if (prefix) return tok_unsupported(b, path, "add_prefix_space", "true");
    if (regex && after_split) return tok_unsupported(b, path, "use_regex", "true after a Split");
    if (regex) b->pattern = byte_level_pattern;
    return true;
}

static bool read_pre_tokenizer(struct tok_build *b) {
    static const char path[] = "pre_tokenizer";
    const json_t *pre = NULL, *one = NULL, *two = NULL, *list = NULL;
    if (jfile_object(&b->j, b->j.root, NULL, path, &pre) == JGOT_BAD) return false;
    if (!pre) return tok_unsupported(b, path, NULL, "a tokenizer without one");
    one = pre;
    if (strcmp(type_of(pre), "Sequence") == 0) {
        if (jfile_list(&b->j, pre, path, "pretokenizers", &list) == JGOT_BAD) return false;
        if (json_array_size(list) < 1 || json_array_size(list) > 2)
            return tok_unsupported(b, path, "pretokenizers", "a sequence of no steps or of more than two");
        one = json_array_get(list, 0);
        two = json_array_get(list, 1);
    }
    bool split = strcmp(type_of(one), "Split") == 0;
    if (split && !two) return tok_unsupported(b, path, NULL, "Split without ByteLevel");
    if (split && !read_split(b, one)) return false;
    if (!split && two) return tok_unsupported(b, path, "pretokenizers", type_of(one));
    const json_t *last = split ? two : one;
    if (strcmp(type_of(last), "ByteLevel") != 0) return tok_unsupported(b, path, NULL, type_of(last));
    return read_byte_level(b, last, split);
}

static bool check_pattern(const struct tok_build *b) {
    int error;
    PCRE2_SIZE at;
    uint32_t empty = 0;
    const char *where = jfile_where(&b->j, "pre_tokenizer", NULL);
    if (!*b->pattern) return true;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)b->pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR text[160];
        pcre2_get_error_message(error, text, sizeof text);
        return diag_in(b->j.diag, where, DIAG_TOK_PATTERN, (size_t)at, (const char *)text);
    }
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    pcre2_code_free(code);
    return !empty || diag_in(b->j.diag, where, DIAG_TOK_UNSUPPORTED, "an expression that matches the empty text");
}

/* ---- post-processor: at most a first token ---- */

static bool read_template(struct tok_build *b, const json_t *step) {
    static const char path[] = "post_processor.TemplateProcessing";
    const json_t *single;
    enum jgot got = jfile_list(&b->j, step, path, "single", &single);
    if (got != JGOT_VALUE)
        return got == JGOT_ABSENT && diag_in(b->j.diag, jfile_where(&b->j, path, "single"), DIAG_TOK_MISSING);
    const json_t *one = json_array_get(single, 0), *last = json_array_get(single, json_array_size(single) - 1);
    if (!json_object_get(last, "Sequence") || json_array_size(single) > 2)
        return tok_unsupported(b, path, "single", "anything but one token before the text");
    if (json_array_size(single) == 1) return true;
    const char *text = json_string_value(json_object_get(json_object_get(one, "SpecialToken"), "id"));
    if (!text) return tok_unsupported(b, path, "single", "anything but one token before the text");
    b->template_bos = tok_id_of(b, text);
    return b->template_bos >= 0 || diag_in(b->j.diag, jfile_where(&b->j, path, "single"), DIAG_TOK_UNKNOWN, text);
}

static bool read_post_step(struct tok_build *b, const json_t *step) {
    if (strcmp(type_of(step), "ByteLevel") == 0) return true; /* concerns offsets only */
    if (strcmp(type_of(step), "TemplateProcessing") == 0) return read_template(b, step);
    return tok_unsupported(b, "post_processor", NULL, type_of(step));
}

static bool read_post_processor(struct tok_build *b) {
    const json_t *post = NULL, *list = NULL, *step;
    if (jfile_object(&b->j, b->j.root, NULL, "post_processor", &post) == JGOT_BAD) return false;
    if (!post) return true;
    if (strcmp(type_of(post), "Sequence") != 0) return read_post_step(b, post);
    if (jfile_list(&b->j, post, "post_processor", "processors", &list) == JGOT_BAD) return false;
    for (size_t i = 0; (step = json_array_get(list, i)) != NULL; i++)
        if (!read_post_step(b, step)) return false;
    return true;
}

/* ---- the rest ---- */

static bool check_decoder(struct tok_build *b) {
    const json_t *decoder = NULL;
    if (jfile_object(&b->j, b->j.root, NULL, "decoder", &decoder) == JGOT_BAD) return false;
    return !decoder || strcmp(type_of(decoder), "ByteLevel") == 0 ||
           tok_unsupported(b, "decoder", NULL, type_of(decoder));
}

static bool check_normalizer(struct tok_build *b) {
    const json_t *n = NULL;
    if (jfile_object(&b->j, b->j.root, NULL, "normalizer", &n) == JGOT_BAD) return false;
    bool none = !n || (strcmp(type_of(n), "Sequence") == 0 && json_array_size(json_object_get(n, "normalizers")) == 0);
    return none || tok_unsupported(b, "normalizer", NULL, type_of(n));
}

/* Values of the model's options that leave plain byte-level merging as it is. */
static bool is_plain(const char *key, const json_t *v) {
    static const char *const any[] = {"type", "vocab", "merges", "ignore_merges", "fuse_unk", "unk_token"};
    static const char *const empty[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < COUNT_OF(any); i++)
        if (strcmp(key, any[i]) == 0) return true;
    for (size_t i = 0; i < COUNT_OF(empty); i++)
        if (strcmp(key, empty[i]) == 0 && json_is_string(v) && json_string_length(v) == 0) return true;
    if (strcmp(key, "dropout") == 0 && json_is_number(v) && json_number_value(v) == 0) return true;
    if (strcmp(key, "byte_fallback") == 0 && json_is_false(v)) return true;
    return json_is_null(v);
}

static bool check_model(struct tok_build *b, const json_t *model) {
    const char *key, *type = json_string_value(json_object_get(model, "type"));
    json_t *v;
    bool ignore = false;
    if (!type || strcmp(type, "BPE") != 0) return tok_unsupported(b, "model", "type", type ? type : "an absent type");
    json_object_foreach((json_t *)(uintptr_t)model, key, v) {
        if (!is_plain(key, v)) return tok_unsupported(b, "model", key, "a value");
    }
    if (jfile_bool(&b->j, model, "model", "ignore_merges", &ignore) == JGOT_BAD) return false;
    if (ignore) b->flags |= SETUN_TOK_IGNORE_MERGES;
    return true;
}

bool tok_read_rules(struct tok_build *b, const json_t *model) {
    b->pattern = "";
    b->template_bos = -1;
    return check_model(b, model) && check_normalizer(b) && read_pre_tokenizer(b) && check_pattern(b) &&
           read_post_processor(b) && check_decoder(b);
}
