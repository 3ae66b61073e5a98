/* tokenizer.c -- see tokenizer.h: the order of reading, and the special tokens that several files speak of. */
#include "frontend/tokenizer.h"

#include <string.h>
#include <unistd.h>

#include "frontend/tokenizer_impl.h"

static const struct jlimits limits = {.bytes = 256 << 20, .depth = 64, .values = 8000000};
static const struct jlimits small_limits = {.bytes = 16 << 20, .depth = 64, .values = 1000000};
static const uint32_t max_vocab = 1u << 24;

/* A file beside tokenizer.json.  JGOT_ABSENT: there is none. */
static enum jgot open_beside(const struct tok_build *b, const char *name, struct jfile *j) {
    const char *slash = strrchr(b->j.path, '/');
    int folder = slash ? (int)(slash - b->j.path) + 1 : 0;
    const char *path = arena_printf(b->arena, "%.*s%s", folder, b->j.path, name);
    if (access(path, F_OK) != 0) return JGOT_ABSENT;
    return jfile_open(j, b->j.diag, b->arena, path, small_limits) ? JGOT_VALUE : JGOT_BAD;
}

static bool add_eos(struct tok_build *b, const struct jfile *j, int64_t id) {
    if (id >= b->n_tokens)
        return diag_in(b->j.diag, jfile_where(j, "eos_token_id", NULL), DIAG_TOK_SPECIAL_ID, id, b->n_tokens);
    uint32_t at = 0;
    while (at < b->n_eos && b->eos[at] < id) at++;
    if (at < b->n_eos && b->eos[at] == id) return true;
    if (b->n_eos == CONFIG_MAX_EOS)
        return diag_in(b->j.diag, jfile_where(j, "eos_token_id", NULL), DIAG_TOO_MANY_IDS, (size_t)b->n_eos + 1,
                       (size_t)CONFIG_MAX_EOS);
    memmove(&b->eos[at + 1], &b->eos[at], (b->n_eos - at) * sizeof *b->eos);
    b->eos[at] = id;
    b->n_eos++;
    return true;
}

/* tokenizer_config.json names tokens by a string or by an object that holds it. */
static bool read_named(struct tok_build *b, const struct jfile *j, const char *key, int64_t *id) {
    const json_t *v = json_object_get(j->root, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    *id = -1;
    if (!v || json_is_null(v)) return true;
    if (!json_is_string(v))
        return diag_in(j->diag, jfile_where(j, key, NULL), DIAG_JSON_TYPE, "a string", json_kind(v));
    *id = tok_id_of(b, json_string_value(v));
    return *id >= 0 || diag_in(j->diag, jfile_where(j, key, NULL), DIAG_TOK_UNKNOWN, json_string_value(v));
}

struct specials {
    enum jgot add_bos_given;
    bool add_bos;
    int64_t bos, eos;
};

static bool read_tokenizer_config(struct tok_build *b, struct specials *s) {
    struct jfile j;
    s->bos = s->eos = -1;
    s->add_bos_given = JGOT_ABSENT;
    enum jgot got = open_beside(b, "tokenizer_config.json", &j);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    s->add_bos_given = jfile_bool(&j, j.root, NULL, "add_bos_token", &s->add_bos);
    bool ok = s->add_bos_given != JGOT_BAD && read_named(b, &j, "bos_token", &s->bos) &&
              read_named(b, &j, "eos_token", &s->eos);
    if (ok && s->eos >= 0) ok = add_eos(b, &j, s->eos);
    jfile_close(&j);
    return ok;
}

static bool read_generation_config(struct tok_build *b) {
    struct jfile j;
    int64_t ids[CONFIG_MAX_EOS];
    size_t n;
    enum jgot got = open_beside(b, "generation_config.json", &j);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    bool ok = jfile_ids(&j, j.root, "eos_token_id", CONFIG_MAX_EOS, ids, &n) != JGOT_BAD;
    for (size_t i = 0; ok && i < n; i++) ok = add_eos(b, &j, ids[i]);
    jfile_close(&j);
    return ok;
}

/* Ends are a union of what all files say; the beginning is tokenizer_config's, or config's, or the template's. */
static bool read_specials(struct tok_build *b, const struct config_values *config) {
    struct specials s;
    const struct jfile in_config = {
        .diag = b->j.diag, .arena = b->arena, .path = config->path ? config->path : "config"};
    if (!read_tokenizer_config(b, &s) || !read_generation_config(b)) return false;
    for (uint32_t i = 0; i < config->n_eos; i++)
        if (!add_eos(b, &in_config, config->eos[i])) return false;
    b->bos = s.bos >= 0 ? s.bos : config->bos >= 0 ? config->bos : b->template_bos;
    if (b->bos >= b->n_tokens)
        return diag_in(b->j.diag, jfile_where(&in_config, "bos_token_id", NULL), DIAG_TOK_SPECIAL_ID, b->bos,
                       b->n_tokens);
    bool add = s.add_bos_given == JGOT_VALUE ? s.add_bos : b->template_bos >= 0;
    if (!add) return true;
    if (b->bos < 0) return diag_in(b->j.diag, b->j.path, DIAG_TOK_NO_BOS);
    if (b->template_bos >= 0 && b->template_bos != b->bos)
        return diag_in(b->j.diag, jfile_where(&b->j, "post_processor", NULL), DIAG_TOK_BOS, b->template_bos, b->bos);
    b->flags |= SETUN_TOK_ADD_BOS;
    return true;
}

/* A text with a byte that has no token becomes the unknown token, which the runtime does not do. */
static bool check_unknown(const struct tok_build *b, const json_t *model) {
    const char *unknown = json_string_value(json_object_get(model, "unk_token"));
    bool have[256] = {false};
    for (uint32_t id = 0; id < b->n_tokens; id++)
        if (b->piece[id].n == 1) have[b->piece[id].at[0]] = true;
    for (unsigned i = 0; unknown && i < 256; i++)
        if (!have[i]) return diag_in(b->j.diag, jfile_where(&b->j, "model", "unk_token"), DIAG_TOK_NO_BYTE, unknown, i);
    return true;
}

static bool read_all(struct tok_build *b, const struct config_values *config) {
    const json_t *model = NULL;
    if (jfile_object(&b->j, b->j.root, NULL, "model", &model) == JGOT_BAD) return false;
    if (!model) return diag_in(b->j.diag, jfile_where(&b->j, "model", NULL), DIAG_TOK_MISSING);
    return tok_read_vocab(b, model) && tok_read_added(b) && tok_read_rules(b, model) && tok_read_merges(b, model) &&
           check_unknown(b, model) && read_specials(b, config);
}

bool tokenizer_read(struct diag *d, struct arena *a, const char *path, const struct config_values *config,
                    uint32_t vocab, uint8_t **section, size_t *bytes) {
    struct tok_build b = {.arena = a, .n_tokens = vocab, .bos = -1};
    path = arena_strdup(a, path);
    if (vocab == 0 || vocab > max_vocab) return diag_in(d, path, DIAG_TOK_VOCAB_SIZE, vocab, max_vocab);
    if (!jfile_open(&b.j, d, a, path, limits)) return false;
    b.piece = arena_array(a, struct tok_piece, vocab);
    bool ok = read_all(&b, config) && tok_write_section(&b, section, bytes);
    jfile_close(&b.j);
    return ok;
}
