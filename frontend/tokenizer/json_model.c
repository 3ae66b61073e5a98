/*
 * json_model.c -- options, tokens and added tokens of a tokenizer.json.
 *
 * A byte-level vocabulary writes bytes as printable characters: 0x21-0x7e, 0xa1-0xac and 0xae-0xff are themselves,
 * the other 68 in increasing order are U+0100, U+0101, ...  A token with any other character stands for its own
 * UTF-8 bytes, as do added tokens and all tokens of other vocabularies, where <0x41> is the byte 0x41.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer/from_json.h"

/* ---- options ---- */

/* Values of the model's options that change nothing. */
static bool is_plain(const char *key, const json_t *v) {
    static const char *const known[] = {"type",     "vocab",         "merges", "ignore_merges",
                                        "fuse_unk", "byte_fallback", "unk_id", "unk_token"};
    static const char *const empty[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(key, known[i]) == 0) return true;
    for (size_t i = 0; i < COUNT_OF(empty); i++)
        if (strcmp(key, empty[i]) == 0 && json_is_string(v) && json_string_length(v) == 0) return true;
    if (strcmp(key, "dropout") == 0 && json_is_number(v) && json_number_value(v) == 0) return true;
    return json_is_null(v);
}

/* Old files have BPE without its type. */
static const char *model_type(const json_t *model) {
    const char *type = json_string_value(json_object_get(model, "type"));
    return type ? type : json_is_array(json_object_get(model, "merges")) ? "BPE" : "an absent type";
}

bool tok_json_options(struct tok_json *f, const json_t *model) {
    const char *key, *type = model_type(model);
    json_t *v;
    bool unigram = strcmp(type, "Unigram") == 0, ignore = false, fallback = false, fuse = unigram;
    if (!unigram && strcmp(type, "BPE") != 0) return tok_unsupported(f, "model", "type", type);
    json_object_foreach((json_t *)(uintptr_t)model, key, v) {
        if (!is_plain(key, v)) return tok_unsupported(f, "model", key, "a value");
    }
    if (jfile_bool(&f->j, model, "model", "ignore_merges", &ignore) == JGOT_BAD ||
        jfile_bool(&f->j, model, "model", "byte_fallback", &fallback) == JGOT_BAD ||
        jfile_bool(&f->j, model, "model", "fuse_unk", &fuse) == JGOT_BAD)
        return false;
    f->b->kind = unigram ? SETUN_TOK_UNIGRAM : SETUN_TOK_BPE;
    if (ignore) f->b->flags |= SETUN_TOK_IGNORE_MERGES;
    if (fallback) f->b->flags |= SETUN_TOK_BYTE_FALLBACK;
    if (fuse) f->b->flags |= SETUN_TOK_FUSE_UNK;
    return true;
}

/* ---- tokens ---- */

enum { ALPHABET_END = 0x144 };

struct alphabet {
    int16_t byte[ALPHABET_END]; /* of a code point; -1: none */
};

static void make_alphabet(struct alphabet *a) {
    int16_t next = 0x100;
    memset(a->byte, 0xff, sizeof a->byte);
    for (int16_t b = 0; b < 256; b++) {
        bool itself = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        a->byte[itself ? b : next++] = b;
    }
}

/* The next code point of valid UTF-8. */
static uint32_t next_char(const char **at) {
    const unsigned char *p = (const unsigned char *)*at;
    int n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3fu);
    *at += n;
    return c;
}

static struct tok_piece as_written(const char *text) {
    return (struct tok_piece){.at = (const uint8_t *)text, .n = (uint32_t)strlen(text)};
}

static struct tok_piece decode(struct tok_json *f, const struct alphabet *a, const char *text) {
    uint8_t *bytes = arena_alloc(f->b->arena, strlen(text));
    uint32_t n = 0;
    for (const char *p = text; *p;) {
        uint32_t c = next_char(&p);
        if (c >= ALPHABET_END || a->byte[c] < 0) return as_written(text);
        bytes[n++] = (uint8_t)a->byte[c];
    }
    return (struct tok_piece){.at = bytes, .n = n};
}

/* "<0x41>" as the library writes it, or -1. */
static int byte_of(const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    if (strncmp(text, "<0x", 3) != 0 || strlen(text) != 6 || text[5] != '>') return -1;
    const char *hi = strchr(hex, text[3]), *lo = strchr(hex, text[4]);
    return hi && lo ? (int)((hi - hex) * 16 + (lo - hex)) : -1;
}

static bool check_id(const struct tok_json *f, const char *where, const char *text, int64_t id) {
    return (id >= 0 && id < f->b->n_tokens) || diag_in(f->j.diag, where, DIAG_TOK_ID, text, id, f->b->n_tokens);
}

static bool put_token(struct tok_json *f, const struct alphabet *a, const char *text, int64_t id, double score) {
    const char *where = jfile_where(&f->j, "model", "vocab");
    struct tok_build *b = f->b;
    if (!check_id(f, where, text, id)) return false;
    if (f->text[id]) return diag_in(f->j.diag, where, DIAG_TOK_SAME_ID, f->text[id], text, id);
    if (!*text) return diag_in(f->j.diag, where, DIAG_TOK_EMPTY, id);
    f->text[id] = text = arena_strdup(b->arena, text);
    b->piece[id] = f->byte_level ? decode(f, a, text) : as_written(text);
    int byte = b->flags & SETUN_TOK_BYTE_FALLBACK && !f->byte_level ? byte_of(text) : -1;
    if (byte >= 0) {
        uint8_t *one = arena_alloc(b->arena, 1);
        *one = (uint8_t)byte;
        b->piece[id] = (struct tok_piece){.at = one, .n = 1, .attrs = SETUN_ATTR_NEVER};
        b->byte_token[byte] = id;
    }
    b->piece[id].score = score;
    return true;
}

static bool read_map(struct tok_json *f, const struct alphabet *a, const json_t *model) {
    const char *text, *where = jfile_where(&f->j, "model", "vocab");
    json_t *v;
    enum jgot got = jfile_object(&f->j, model, "model", "vocab", &f->vocab);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT && diag_in(f->j.diag, where, DIAG_TOK_MISSING);
    json_object_foreach((json_t *)(uintptr_t)f->vocab, text, v) {
        if (!json_is_integer(v)) return diag_in(f->j.diag, where, DIAG_JSON_TYPE, "integers only", json_kind(v));
        if (!put_token(f, a, text, json_integer_value(v), 0)) return false;
    }
    return true;
}

/* A list of [text, log probability]; the first of equal texts is the one that texts become. */
static bool read_scored(struct tok_json *f, const struct alphabet *a, const json_t *model) {
    const char *where = jfile_where(&f->j, "model", "vocab");
    const json_t *list, *v;
    enum jgot got = jfile_list(&f->j, model, "model", "vocab", &list);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT && diag_in(f->j.diag, where, DIAG_TOK_MISSING);
    for (size_t i = 0; (v = json_array_get(list, i)) != NULL; i++) {
        const char *text = json_string_value(json_array_get(v, 0));
        const json_t *score = json_array_get(v, 1);
        if (json_array_size(v) != 2 || !text || !json_is_number(score))
            return diag_in(f->j.diag, where, DIAG_JSON_TYPE, "pairs of a text and a number", json_kind(v));
        if (!put_token(f, a, text, (int64_t)i, json_number_value(score))) return false;
        if (!json_object_get(f->scored, text)) json_object_set_new(f->scored, text, json_integer((json_int_t)i));
    }
    return true;
}

/* Each byte's token; of two that stand for the same, the first. */
static void find_bytes(struct tok_json *f) {
    for (uint32_t id = f->b->n_tokens; f->byte_level && id-- > 0;) {
        const struct tok_piece *p = &f->b->piece[id];
        if (p->n == 1) f->b->byte_token[p->at[0]] = id;
    }
}

static bool read_unknown(struct tok_json *f, const json_t *model) {
    struct tok_build *b = f->b;
    const char *text = NULL;
    if (b->kind == SETUN_TOK_UNIGRAM)
        return jfile_int(&f->j, model, "model", "unk_id", 0, (int64_t)b->n_tokens - 1, &b->unk) != JGOT_BAD;
    enum jgot got = jfile_text(&f->j, model, "model", "unk_token", &text);
    if (got != JGOT_VALUE || !*text) return got != JGOT_BAD;
    const json_t *v = json_object_get(f->vocab, text); /* absent: the library fails when it needs it */
    if (v) b->unk = json_integer_value(v);
    return true;
}

bool tok_json_vocab(struct tok_json *f, const json_t *model) {
    struct alphabet a;
    make_alphabet(&a);
    bool ok = f->b->kind == SETUN_TOK_UNIGRAM ? read_scored(f, &a, model) : read_map(f, &a, model);
    if (!ok || !read_unknown(f, model)) return false;
    find_bytes(f);
    return true;
}

int64_t tok_json_id(const struct tok_json *f, const char *text) {
    const json_t *v = json_object_get(f->added, text);
    if (!v) v = json_object_get(f->vocab, text);
    if (!v) v = json_object_get(f->scored, text);
    return v ? json_integer_value(v) : -1;
}

/* ---- added tokens ---- */

static bool read_flags(struct tok_json *f, const json_t *entry, uint32_t *flags, bool *special) {
    static const struct {
        const char *key;
        uint32_t flag;
    } rows[] = {{"lstrip", SETUN_SPECIAL_LSTRIP},
                {"rstrip", SETUN_SPECIAL_RSTRIP},
                {"single_word", SETUN_SPECIAL_WORD},
                {"normalized", SETUN_SPECIAL_NORMALIZED}};
    *special = false;
    if (jfile_bool(&f->j, entry, "added_tokens", "special", special) == JGOT_BAD) return false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool set = rows[i].flag == SETUN_SPECIAL_NORMALIZED && !*special;
        if (jfile_bool(&f->j, entry, "added_tokens", rows[i].key, &set) == JGOT_BAD) return false;
        if (set) *flags |= rows[i].flag;
    }
    if (!*special) *flags |= SETUN_SPECIAL_ALWAYS;
    return true;
}

static bool put_added(struct tok_json *f, const char *text, int64_t id, uint32_t flags, bool special) {
    struct tok_build *b = f->b;
    struct tok_piece *p = &b->piece[id];
    double score = p->score;
    bool known = f->text[id] != NULL;
    if (!known) f->text[id] = arena_strdup(b->arena, text);
    f->is_added[id] = 1;
    json_object_set_new(f->added, text, json_integer(id));
    for (size_t i = 0; special && f->byte_level && i < 256; i++) /* it is no byte any more */
        if (b->byte_token[i] == id) b->byte_token[i] = -1;
    if (special || !known) {
        *p = as_written(f->text[id]);
        p->score = score;
        p->attrs = special ? SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN : SETUN_ATTR_NEVER;
    }
    *vec_push(b->arena, &b->special) = (struct tok_special){
        .text = f->text[id], .n = (uint32_t)strlen(f->text[id]), .id = (uint32_t)id, .flags = flags};
    return true;
}

static bool read_one_added(struct tok_json *f, const json_t *entry) {
    const char *where = jfile_where(&f->j, "added_tokens", NULL), *text = NULL;
    int64_t id = -1;
    uint32_t flags = 0;
    bool special;
    if (!json_is_object(entry)) return diag_in(f->j.diag, where, DIAG_JSON_TYPE, "objects", json_kind(entry));
    enum jgot got_id = jfile_int(&f->j, entry, "added_tokens", "id", 0, INT32_MAX, &id);
    enum jgot got_text = jfile_text(&f->j, entry, "added_tokens", "content", &text);
    if (got_id == JGOT_BAD || got_text == JGOT_BAD) return false;
    if (got_id == JGOT_ABSENT || got_text == JGOT_ABSENT) return diag_in(f->j.diag, where, DIAG_TOK_MISSING);
    if (!read_flags(f, entry, &flags, &special) || !check_id(f, where, text, id)) return false;
    if (!*text) return diag_in(f->j.diag, where, DIAG_TOK_EMPTY, id);
    if (f->is_added[id] || (f->text[id] && strcmp(f->text[id], text) != 0))
        return diag_in(f->j.diag, where, DIAG_TOK_SAME_ID, f->text[id], text, id);
    int64_t other = tok_json_id(f, text);
    if (other >= 0 && other != id) return diag_in(f->j.diag, where, DIAG_TOK_TWO_IDS, text, id, other);
    return put_added(f, text, id, flags, special);
}

bool tok_json_added(struct tok_json *f) {
    const json_t *list, *entry;
    enum jgot got = jfile_list(&f->j, f->j.root, NULL, "added_tokens", &list);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    for (size_t i = 0; (entry = json_array_get(list, i)) != NULL; i++)
        if (!read_one_added(f, entry)) return false;
    return true;
}
