/*
 * json_steps.c -- normalizer and pre-tokenizer: each step of the file as steps of the runtime.
 *
 * Only what the runtime does as the library does is let through; the rest is refused by its name.
 */
#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer/from_json.h"

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

/* Numbers of Unicode 17: Nd, Nl, No. */
static bool read_digits(struct tok_json *f, const json_t *step) {
    bool each = false;
    struct buf set = {0};
    if (jfile_bool(&f->j, step, "pre_tokenizer.Digits", "individual_digits", &each) == JGOT_BAD) return false;
    buf_printf(&set, "[\\p{N}\\x{11de0}-\\x{11de9}\\x{16ff4}-\\x{16ff6}");
    tok_regex_newer(&set, "N");
    buf_printf(&set, "]");
    bool ok = add_cut(f, arena_strdup(f->b->arena, set.at), each ? SETUN_CUT_ISOLATED : SETUN_CUT_CONTIGUOUS);
    buf_free(&set);
    return ok;
}

/* The library asks a table of Unicode 8: what came later is no punctuation to it. */
#define LATER_PUNCTUATION                                                                                              \
    "\\x{61d}\\x{9fd}\\x{a76}\\x{c77}\\x{c84}\\x{1b7d}\\x{1b7e}\\x{2e43}-\\x{2e4f}\\x{2e52}-\\x{2e5d}\\x{10ead}\\x{"   \
    "10f55}-"                                                                                                          \
    "\\x{10f59}\\x{10f86}-\\x{10f89}\\x{1144b}-\\x{1144f}\\x{1145a}\\x{1145b}\\x{1145d}\\x{11660}-\\x{1166c}\\x{"      \
    "116b9}\\x{1183b}"                                                                                                 \
    "\\x{11944}-\\x{11946}\\x{119e2}\\x{11a3f}-\\x{11a46}\\x{11a9a}-\\x{11a9c}\\x{11a9e}-\\x{11aa2}\\x{11c41}-\\x{"    \
    "11c45}"                                                                                                           \
    "\\x{11c70}\\x{11c71}\\x{11ef7}\\x{11ef8}\\x{11fff}\\x{12ff1}\\x{12ff2}\\x{16e97}-\\x{16e9a}\\x{16fe2}\\x{1e95e}"  \
    "\\x{1e95f}"

static bool read_punctuation(struct tok_json *f, const json_t *step) {
    uint32_t flags = SETUN_CUT_ISOLATED;
    struct buf set = {0};
    bool given = json_object_get(step, "behavior") != NULL; /* absent in old files */
    if (given && !read_behavior(f, step, "pre_tokenizer.Punctuation", &flags)) return false;
    buf_printf(&set, "(?![" LATER_PUNCTUATION);
    tok_regex_newer(&set, "P");
    buf_printf(&set, "])[\\p{P}\\x{166d}\\x{111c9}$+<=>^`|~]");
    bool ok = add_cut(f, arena_strdup(f->b->arena, set.at), flags);
    buf_free(&set);
    return ok;
}

static bool read_whitespace(struct tok_json *f, const json_t *step) {
    (void)step;
    const char *where = jfile_where(&f->j, "pre_tokenizer.Whitespace", NULL);
    return add_cut(f, tok_regex(f->b, where, "\\w+|[^\\w\\s]+", TOK_REGEX_FANCY), SETUN_CUT_REMOVED | SETUN_CUT_INVERT);
}

static bool read_whitespace_split(struct tok_json *f, const json_t *step) {
    (void)step;
    const char *where = jfile_where(&f->j, "pre_tokenizer.WhitespaceSplit", NULL);
    return add_cut(f, tok_regex(f->b, where, "\\s", TOK_REGEX_FANCY), SETUN_CUT_REMOVED);
}

/* always, first or never; old files say it with add_prefix_space. */
static bool read_scheme(struct tok_json *f, const json_t *step, const char *path, const char **scheme) {
    bool prefix = true;
    if (jfile_text(&f->j, step, path, "prepend_scheme", scheme) == JGOT_BAD ||
        jfile_bool(&f->j, step, path, "add_prefix_space", &prefix) == JGOT_BAD)
        return false;
    if (!*scheme) *scheme = prefix ? "always" : "never";
    bool known = strcmp(*scheme, "always") == 0 || strcmp(*scheme, "first") == 0 || strcmp(*scheme, "never") == 0;
    return known || tok_unsupported(f, path, "prepend_scheme", *scheme);
}

static bool read_metaspace(struct tok_json *f, const json_t *step) {
    static const char path[] = "pre_tokenizer.Metaspace";
    const char *mark = NULL, *scheme = NULL;
    bool split = true;
    enum jgot got = jfile_text(&f->j, step, path, "replacement", &mark);
    if (got != JGOT_VALUE || !*mark)
        return got != JGOT_BAD && diag_in(f->j.diag, jfile_where(&f->j, path, "replacement"), DIAG_TOK_MISSING);
    if (!read_scheme(f, step, path, &scheme) || jfile_bool(&f->j, step, path, "split", &split) == JGOT_BAD)
        return false;
    mark = arena_strdup(f->b->arena, mark);
    uint32_t first = strcmp(scheme, "first") == 0 ? SETUN_PREPEND_FIRST : 0;
    tok_step_text(tok_step_add(f->b, false, SETUN_STEP_REPLACE, 0), " ", mark);
    if (strcmp(scheme, "never") != 0)
        tok_step_text(tok_step_add(f->b, false, SETUN_STEP_PREPEND, SETUN_PREPEND_UNLESS | first), mark, NULL);
    return !split || add_cut(f, tok_regex_literal(f->b, mark), SETUN_CUT_NEXT);
}

static bool read_pre_step(struct tok_json *f, const json_t *step) {
    static const struct {
        const char *type;
        step_fn *read;
    } rows[] = {{"Split", read_split},           {"ByteLevel", read_byte_level},
                {"Digits", read_digits},         {"Punctuation", read_punctuation},
                {"Whitespace", read_whitespace}, {"WhitespaceSplit", read_whitespace_split},
                {"Metaspace", read_metaspace}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(tok_type(step), rows[i].type) != 0) continue;
        if (f->byte_level && rows[i].read == read_metaspace)
            return tok_unsupported(f, "pre_tokenizer", "pretokenizers", "Metaspace behind ByteLevel");
        if (f->byte_level && !f->behind && rows[i].read != read_byte_level) {
            tok_step_add(f->b, false, SETUN_STEP_BYTES, 0);
            f->behind = true;
        }
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

static struct tok_step *norm(struct tok_json *f, enum setun_tok_step_kind kind, uint32_t flags) {
    return tok_step_add(f->b, true, kind, flags);
}

static bool read_prepend(struct tok_json *f, const json_t *step) {
    const char *text = NULL;
    if (jfile_text(&f->j, step, "normalizer.Prepend", "prepend", &text) == JGOT_BAD) return false;
    if (text && *text) tok_step_text(norm(f, SETUN_STEP_PREPEND, 0), arena_strdup(f->b->arena, text), NULL);
    return text || diag_in(f->j.diag, jfile_where(&f->j, "normalizer.Prepend", "prepend"), DIAG_TOK_MISSING);
}

static bool read_replace(struct tok_json *f, const json_t *step) {
    static const char path[] = "normalizer.Replace";
    const char *regex, *text, *content = NULL;
    if (!read_pattern(f, step, path, &regex, &text)) return false;
    enum jgot got = jfile_text(&f->j, step, path, "content", &content);
    if (got != JGOT_VALUE)
        return got != JGOT_BAD && diag_in(f->j.diag, jfile_where(&f->j, path, "content"), DIAG_TOK_MISSING);
    struct tok_step *s = norm(f, regex ? SETUN_STEP_REGEX : SETUN_STEP_REPLACE, 0);
    tok_step_text(s, regex ? regex : arena_strdup(f->b->arena, text), arena_strdup(f->b->arena, content));
    return true;
}

static bool read_strip(struct tok_json *f, const json_t *step) {
    static const char path[] = "normalizer.Strip";
    bool left = false, right = false;
    if (!read_flag(f, step, path, "strip_left", &left) || !read_flag(f, step, path, "strip_right", &right))
        return false;
    if (left || right) norm(f, SETUN_STEP_STRIP, (left ? 1u : 0) | (right ? 2u : 0));
    return true;
}

/* Base 64 in place of s; false: it is something else. */
static bool decode_base64(struct tok_build *b, const char *s, struct tok_step *to) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(s), n = 0;
    uint8_t *out = arena_alloc(b->arena, length / 4 * 3 + 3);
    uint32_t bits = 0, held = 0;
    while (length > 0 && s[length - 1] == '=') length--;
    for (size_t i = 0; i < length; i++) {
        const char *d = strchr(digits, s[i]);
        if (!d) return false;
        bits = bits << 6 | (uint32_t)(d - digits);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[n++] = (uint8_t)(bits >> held);
    }
    to->a = out;
    to->na = n;
    return true;
}

static bool read_charsmap(struct tok_json *f, const json_t *step) {
    static const char path[] = "normalizer.Precompiled", key[] = "precompiled_charsmap";
    const char *text = NULL;
    enum jgot got = jfile_text(&f->j, step, path, key, &text);
    if (got != JGOT_VALUE)
        return got != JGOT_BAD && diag_in(f->j.diag, jfile_where(&f->j, path, key), DIAG_TOK_MISSING);
    if (!*text) return true; /* no map: SentencePiece's identity */
    struct tok_step *s = norm(f, SETUN_STEP_GRAPHEMES, 0);
    s->where = jfile_where(&f->j, path, key);
    return decode_base64(f->b, text, s) || diag_in(f->j.diag, s->where, DIAG_TOK_CHARSMAP, "it is not base 64");
}

static bool read_norm_step(struct tok_json *f, const json_t *step) {
    static const struct {
        const char *type;
        enum setun_tok_step_kind kind; /* of one without options */
        step_fn *read;
    } rows[] = {{"NFC", SETUN_STEP_NFC, NULL},         {"NFD", SETUN_STEP_NFD, NULL},
                {"NFKC", SETUN_STEP_NFKC, NULL},       {"NFKD", SETUN_STEP_NFKD, NULL},
                {"Lowercase", SETUN_STEP_LOWER, NULL}, {"Prepend", 0, read_prepend},
                {"Replace", 0, read_replace},          {"Strip", 0, read_strip},
                {"Precompiled", 0, read_charsmap}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(tok_type(step), rows[i].type) != 0) continue;
        if (rows[i].read) return rows[i].read(f, step);
        norm(f, rows[i].kind, 0);
        return true;
    }
    return tok_unsupported(f, "normalizer", NULL, tok_type(step));
}

static bool read_normalizer(struct tok_json *f) {
    const json_t *n = NULL;
    if (jfile_object(&f->j, f->j.root, NULL, "normalizer", &n) == JGOT_BAD) return false;
    return !n || each_step(f, n, "normalizer", "normalizers", read_norm_step);
}

bool tok_json_steps(struct tok_json *f) {
    if (!read_normalizer(f) || !read_pre_tokenizer(f)) return false;
    if (f->behind) tok_step_add(f->b, false, SETUN_STEP_UNBYTES, 0);
    if (!f->byte_level && f->b->kind == SETUN_TOK_BPE) f->b->flags |= SETUN_TOK_CHARS;
    return true;
}
