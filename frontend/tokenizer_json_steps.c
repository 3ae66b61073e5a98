/*
 * tokenizer_json_steps.c -- normalizer and pre-tokenizer: each step of the file as steps of the runtime.
 *
 * Only what the runtime does as the library does is let through; the rest is refused by its name.
 */
#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer_json.h"

/* The expression that ByteLevel stands for when use_regex is true. */
static const char byte_level_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/* A boolean that must be there. */
static bool read_flag(struct tok_json *f, const json_t *step, const char *path, const char *key, bool *out) {
    enum jgot got = jfile_bool(&f->j, step, path, key, out);
    return got == JGOT_VALUE ||
           (got == JGOT_ABSENT && diag_in(f->j.diag, jfile_where(&f->j, path, key), DIAG_TOK_MISSING));
}

/* Calls `read` for a step, or for those of a Sequence in order. */
typedef bool step_fn(struct tok_json *f, const json_t *step);
static bool each_step(struct tok_json *f, const json_t *step, const char *path, const char *key, step_fn *read) {
    const json_t *list = NULL, *one;
    if (strcmp(tok_type(step), "Sequence") != 0) return read(f, step);
    if (jfile_list(&f->j, step, path, key, &list) != JGOT_VALUE)
        return diag_in(f->j.diag, jfile_where(&f->j, path, key), DIAG_TOK_MISSING);
    for (size_t i = 0; (one = json_array_get(list, i)) != NULL; i++) {
        bool nested = strcmp(tok_type(one), "Sequence") == 0;
        if (nested ? !each_step(f, one, path, key, read) : !read(f, one)) return false;
    }
    return true;
}

static bool add_cut(struct tok_json *f, const char *pattern, uint32_t flags) {
    if (!pattern) return false; /* reported */
    tok_step_text(tok_step_add(f->b, false, SETUN_STEP_CUT, flags), pattern, NULL);
    return true;
}

/* ---- pre-tokenizer ---- */

static bool read_behavior(struct tok_json *f, const json_t *step, const char *path, uint32_t *flags) {
    static const char *const names[] = {[SETUN_CUT_ISOLATED] = "Isolated",
                                        [SETUN_CUT_REMOVED] = "Removed",
                                        [SETUN_CUT_PREVIOUS] = "MergedWithPrevious",
                                        [SETUN_CUT_NEXT] = "MergedWithNext",
                                        [SETUN_CUT_CONTIGUOUS] = "Contiguous"};
    const char *behavior = json_string_value(json_object_get(step, "behavior"));
    for (uint32_t i = 1; behavior && i < COUNT_OF(names); i++) {
        if (strcmp(behavior, names[i]) != 0) continue;
        *flags = i;
        return true;
    }
    return tok_unsupported(f, path, "behavior", behavior ? behavior : "an absent value");
}

/* {"String": "x"} or {"Regex": "x+"}; *regex is PCRE2's. */
static bool read_pattern(struct tok_json *f, const json_t *step, const char *path, const char **regex,
                         const char **text) {
    const json_t *pattern = json_object_get(step, "pattern");
    const char *r = json_string_value(json_object_get(pattern, "Regex"));
    *text = json_string_value(json_object_get(pattern, "String"));
    *regex = NULL;
    if (r) {
        *regex = tok_regex(f->b, jfile_where(&f->j, path, "pattern"), r, TOK_REGEX_ONIGURUMA);
        return *regex != NULL;
    }
    return (*text && **text) || tok_unsupported(f, path, "pattern", "anything but a Regex or a String");
}

static bool read_split(struct tok_json *f, const json_t *step) {
    static const char path[] = "pre_tokenizer.Split";
    const char *regex, *text;
    uint32_t flags = 0;
    bool invert = false;
    if (!read_flag(f, step, path, "invert", &invert) || !read_behavior(f, step, path, &flags) ||
        !read_pattern(f, step, path, &regex, &text))
        return false;
    return add_cut(f, regex ? regex : tok_regex_literal(f->b, text), flags | (invert ? SETUN_CUT_INVERT : 0));
}

static bool read_byte_level(struct tok_json *f, const json_t *step) {
    static const char path[] = "pre_tokenizer.ByteLevel";
    bool prefix = true, regex = true; /* use_regex is absent in old files */
    if (!read_flag(f, step, path, "add_prefix_space", &prefix)) return false;
    if (jfile_bool(&f->j, step, path, "use_regex", &regex) == JGOT_BAD) return false;
    if (f->byte_level) return tok_unsupported(f, path, NULL, "a second ByteLevel");
    f->byte_level = true;
    if (prefix) tok_step_text(tok_step_add(f->b, false, SETUN_STEP_PREPEND, SETUN_PREPEND_UNLESS), " ", NULL);
    if (!regex) return true;
    const char *where = jfile_where(&f->j, path, NULL);
    return add_cut(f, tok_regex(f->b, where, byte_level_pattern, TOK_REGEX_ONIGURUMA), SETUN_CUT_ISOLATED);
}

static bool read_pre_step(struct tok_json *f, const json_t *step) {
    static const struct {
        const char *type;
        step_fn *read;
    } rows[] = {{"Split", read_split}, {"ByteLevel", read_byte_level}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(tok_type(step), rows[i].type) == 0) {
            if (f->byte_level && rows[i].read != read_byte_level)
                return tok_unsupported(f, "pre_tokenizer", "pretokenizers", "a step behind ByteLevel");
            return rows[i].read(f, step);
        }
    return tok_unsupported(f, "pre_tokenizer", NULL, tok_type(step));
}

static bool read_pre_tokenizer(struct tok_json *f) {
    static const char path[] = "pre_tokenizer";
    const json_t *pre = NULL;
    if (jfile_object(&f->j, f->j.root, NULL, path, &pre) == JGOT_BAD) return false;
    return !pre || each_step(f, pre, path, "pretokenizers", read_pre_step);
}

/* ---- normalizer ---- */

static bool read_norm_step(struct tok_json *f, const json_t *step) {
    return tok_unsupported(f, "normalizer", NULL, tok_type(step));
}

static bool read_normalizer(struct tok_json *f) {
    const json_t *n = NULL;
    if (jfile_object(&f->j, f->j.root, NULL, "normalizer", &n) == JGOT_BAD) return false;
    return !n || each_step(f, n, "normalizer", "normalizers", read_norm_step);
}

bool tok_json_steps(struct tok_json *f) {
    if (!read_normalizer(f) || !read_pre_tokenizer(f)) return false;
    if (!f->byte_level && f->b->kind == SETUN_TOK_BPE) f->b->flags |= SETUN_TOK_CHARS;
    return true;
}
