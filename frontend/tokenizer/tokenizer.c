/*
 * tokenizer.c -- see tokenizer.h: which reader takes a file, and the tokens that begin and end a text, of which
 * several files speak.
 */
#include "frontend/tokenizer/tokenizer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/tokenizer/beside.h"

static const struct jlimits small_limits = {.bytes = 16 << 20, .depth = 64, .values = 1000000};
static const uint32_t max_vocab = 1u << 24;

bool tok_build_init(struct tok_build *b, struct diag *d, struct arena *a, const char *path, uint32_t vocab) {
    *b = (struct tok_build){.diag = d, .arena = a, .path = arena_strdup(a, path), .n_tokens = vocab};
    b->kind = SETUN_TOK_BPE;
    b->unk = b->bos = b->end = b->first = b->last = -1;
    b->add_bos = b->add_eos = -1;
    b->unk_score = NAN;
    for (size_t i = 0; i < 256; i++) b->byte_token[i] = -1;
    if (vocab == 0 || vocab > max_vocab) return diag_in(d, b->path, DIAG_TOK_VOCAB_SIZE, vocab, max_vocab);
    b->piece = arena_array(a, struct tok_piece, vocab);
    return true;
}

int64_t tok_find(const struct tok_build *b, const char *text) {
    size_t n = strlen(text);
    int64_t found = -1;
    for (uint32_t id = b->n_tokens; n > 0 && id-- > 0;) {
        const struct tok_piece *p = &b->piece[id];
        if (p->n != n || memcmp(p->at, text, n) != 0) continue;
        if (found < 0 || p->attrs || !b->piece[found].attrs) found = id;
    }
    return found;
}

/* ---- the files beside it ---- */

enum jgot tok_open_beside(const struct tok_build *b, const char *name, struct jfile *j) {
    const char *slash = strrchr(b->path, '/');
    int folder = slash ? (int)(slash - b->path) + 1 : 0;
    const char *path = arena_printf(b->arena, "%.*s%s", folder, b->path, name);
    if (access(path, F_OK) != 0) return JGOT_ABSENT;
    return jfile_open(j, b->diag, b->arena, path, small_limits) ? JGOT_VALUE : JGOT_BAD;
}

bool tok_add_eos(struct tok_build *b, const char *where, int64_t id) {
    if (id < 0 || id >= b->n_tokens) return diag_in(b->diag, where, DIAG_TOK_SPECIAL_ID, id, b->n_tokens);
    uint32_t at = 0;
    while (at < b->n_eos && b->eos[at] < id) at++;
    if (at < b->n_eos && b->eos[at] == id) return true;
    if (b->n_eos == CONFIG_MAX_EOS)
        return diag_in(b->diag, where, DIAG_TOO_MANY_IDS, (size_t)b->n_eos + 1, (size_t)CONFIG_MAX_EOS);
    memmove(&b->eos[at + 1], &b->eos[at], (b->n_eos - at) * sizeof *b->eos);
    b->eos[at] = id;
    b->n_eos++;
    return true;
}

/* tokenizer_config.json names tokens by a string or by an object that holds it. */
static bool read_named(struct tok_build *b, const struct jfile *j, const char *key, int64_t *id) {
    const json_t *v = json_object_get(j->root, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    if (!v || json_is_null(v)) return true;
    if (!json_is_string(v))
        return diag_in(j->diag, jfile_where(j, key, NULL), DIAG_JSON_TYPE, "a string", json_kind(v));
    *id = tok_find(b, json_string_value(v));
    return *id >= 0 || diag_in(j->diag, jfile_where(j, key, NULL), DIAG_TOK_UNKNOWN, json_string_value(v));
}

static bool read_added(const struct jfile *j, const char *key, int *add) {
    bool v = false;
    enum jgot got = jfile_bool(j, j->root, NULL, key, &v);
    if (got == JGOT_VALUE) *add = v;
    return got != JGOT_BAD;
}

/* What it says is said last, so it holds. */
static bool read_tokenizer_config(struct tok_build *b, bool *said_bos) {
    struct jfile j;
    int64_t bos = -1, eos = -1;
    enum jgot got = tok_open_beside(b, "tokenizer_config.json", &j);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    bool ok = read_added(&j, "add_bos_token", &b->add_bos) && read_added(&j, "add_eos_token", &b->add_eos) &&
              read_named(b, &j, "bos_token", &bos) && read_named(b, &j, "eos_token", &eos);
    if (ok && eos >= 0) ok = tok_add_eos(b, jfile_where(&j, "eos_token", NULL), eos);
    if (bos >= 0) b->bos = bos;
    if (eos >= 0) b->end = eos;
    *said_bos = bos >= 0;
    jfile_close(&j);
    return ok;
}

static bool read_generation_config(struct tok_build *b) {
    struct jfile j;
    int64_t ids[CONFIG_MAX_EOS];
    size_t n = 0;
    enum jgot got = tok_open_beside(b, "generation_config.json", &j);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    bool ok = jfile_ids(&j, j.root, "eos_token_id", CONFIG_MAX_EOS, ids, &n) != JGOT_BAD;
    for (size_t i = 0; ok && i < n; i++) ok = tok_add_eos(b, jfile_where(&j, "eos_token_id", NULL), ids[i]);
    jfile_close(&j);
    return ok;
}

/* ---- beginning and end ---- */

/* The token that ADD_BOS or ADD_EOS puts there, and whether; its own template must agree with what is named. */
static bool settle(struct tok_build *b, int said, int64_t template, int64_t *named, uint32_t flag) {
    if (*named < 0 || (flag == SETUN_TOK_ADD_EOS && said < 0 && template >= 0)) *named = template;
    bool add = said >= 0 ? said : template >= 0;
    if (!add) return true;
    if (*named < 0) return diag_in(b->diag, b->path, DIAG_TOK_NO_BOS);
    if (template >= 0 && template != *named)
        return diag_in(b->diag, arena_printf(b->arena, "%s: key 'post_processor'", b->path), DIAG_TOK_BOS, template,
                       *named);
    b->flags |= flag;
    return true;
}

/* Ends are a union of what all files say; the beginning is tokenizer_config's, or config's, or the file's own. */
bool tok_finish(struct tok_build *b, const struct config_values *config) {
    bool said_bos = false;
    const char *where = arena_printf(b->arena, "%s: key ", config && config->path ? config->path : "config");
    if (config && (!read_tokenizer_config(b, &said_bos) || !read_generation_config(b))) return false;
    for (uint32_t i = 0; config && i < config->n_eos; i++)
        if (!tok_add_eos(b, arena_printf(b->arena, "%s'eos_token_id'", where), config->eos[i])) return false;
    if (config && !said_bos && config->bos >= 0) b->bos = config->bos;
    if (b->bos >= b->n_tokens)
        return diag_in(b->diag, arena_printf(b->arena, "%s'bos_token_id'", where), DIAG_TOK_SPECIAL_ID, b->bos,
                       b->n_tokens);
    return settle(b, b->add_bos, b->first, &b->bos, SETUN_TOK_ADD_BOS) &&
           settle(b, b->add_eos, b->last, &b->end, SETUN_TOK_ADD_EOS);
}

/* ---- which reader ---- */

enum file_kind { FILE_JSON, FILE_SPM, FILE_TIKTOKEN, FILE_OTHER };

/* A line of base 64, a space, a number. */
static bool looks_like_ranks(const uint8_t *p, size_t n) {
    size_t i = 0;
    while (i < n && (isalnum(p[i]) || p[i] == '+' || p[i] == '/' || p[i] == '=')) i++;
    return i > 0 && i + 1 < n && p[i] == ' ' && isdigit(p[i + 1]);
}

/* A SentencePiece model is a protobuf message whose first field is a piece, whose first field is its text. */
static bool looks_like_pieces(const uint8_t *p, size_t n) {
    size_t i = 1;
    if (n < 4 || p[0] != 0x0a) return false;
    while (i < n && i < 5 && p[i] & 0x80) i++;
    return i + 1 < n && p[i + 1] == 0x0a;
}

static enum file_kind kind_of(const char *path) {
    uint8_t head[4096];
    size_t n = 0, i = 0, length = strlen(path);
    FILE *f = fopen(path, "rb");
    if (!f) return FILE_JSON; /* whose reader reports it */
    n = fread(head, 1, sizeof head, f);
    fclose(f);
    while (i < n && (head[i] == ' ' || head[i] == '\t' || head[i] == '\n' || head[i] == '\r')) i++;
    if (i < n && head[i] == '{') return FILE_JSON;
    if (looks_like_pieces(head, n)) return FILE_SPM;
    if (looks_like_ranks(head, n)) return FILE_TIKTOKEN;
    return length > 5 && strcmp(path + length - 5, ".json") == 0 ? FILE_JSON : FILE_OTHER;
}

static bool read_file(struct tok_build *b) {
    switch (kind_of(b->path)) {
    case FILE_JSON: return tok_json_read(b);
    case FILE_SPM: return tok_spm_read(b) && tok_read_added(b);
    case FILE_TIKTOKEN: return tok_tiktoken_read(b) && tok_read_added(b);
    case FILE_OTHER: break;
    }
    return diag_in(b->diag, b->path, DIAG_TOK_KIND);
}

bool tokenizer_read(struct diag *d, struct arena *a, const char *path, const struct config_values *config,
                    uint32_t vocab, uint8_t **section, size_t *bytes) {
    struct tok_build b;
    return tok_build_init(&b, d, a, path, vocab) && read_file(&b) && tok_finish(&b, config) &&
           tok_write_section(&b, section, bytes);
}
