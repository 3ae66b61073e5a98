/* config_gguf.c -- the pairs of a GGUF as config values (config.h). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/files/checkpoint_impl.h"
#include "frontend/files/config_impl.h"
#include "frontend/files/tensor_write.h"

struct reader {
    struct diag *diag;
    struct arena *arena;
    const struct gguf_file *g;
    struct config_values *c;
};

/* ARCH.suffix */
static const struct gguf_pair *find(const struct reader *r, const char *suffix) {
    return gguf_find(r->g, arena_printf(r->arena, "%s.%s", r->g->arch, suffix));
}

static bool bad_kind(const struct reader *r, const struct gguf_pair *p, const char *expected) {
    return diag_in(r->diag, gguf_where(r->arena, r->g, p), DIAG_GGUF_KEY, expected, gguf_kind_name(p->kind));
}

/* ---- keys of the table ---- */

/* An integer, or an array of one for each layer that are all the same. */
static bool any_int(const struct gguf_pair *p, int64_t *v) {
    int64_t other;
    if (p->kind != GGUF_ARRAY) return gguf_int(p, v);
    if (!gguf_int_at(p, 0, v)) return false;
    for (uint64_t i = 1; i < p->count; i++)
        if (!gguf_int_at(p, i, &other) || other != *v) return false;
    return true;
}

/* The number whose shortest decimal an f32 has: what config.json said. */
static double decimal_of_f32(float f) {
    char text[32];
    return strtod(fmt_f32(text, f), NULL);
}

static bool read_known(struct reader *r, const struct config_key *k) {
    const struct gguf_pair *p = *k->gguf ? find(r, k->gguf) : NULL;
    int64_t i;
    double real;
    if (!p) return true;
    if (k->kind == CONFIG_REAL) {
        if (!gguf_real(p, &real)) return bad_kind(r, p, "a number");
        if (!isfinite(real) || real <= 0)
            return diag_in(r->diag, gguf_where(r->arena, r->g, p), DIAG_CONFIG_NOT_POSITIVE, real);
        config_put_real(r->arena, r->c, k->name, k->key, p->kind == GGUF_F32 ? decimal_of_f32((float)real) : real);
        return true;
    }
    if (!any_int(p, &i)) return bad_kind(r, p, "an integer, or equal ones");
    if (i < 1 || i > config_max_int)
        return diag_in(r->diag, gguf_where(r->arena, r->g, p), DIAG_JSON_RANGE, i, (int64_t)1, config_max_int);
    config_put_int(r->arena, r->c, k->name, k->key, i);
    return true;
}

static bool is_known(const char *suffix) {
    for (size_t i = 0; i < N_CONFIG_KEYS; i++)
        if (strcmp(config_keys[i].gguf, suffix) == 0) return true;
    return false;
}

/* Every other number of the architecture, by the rest of its key. */
static void read_others(struct reader *r) {
    size_t n = strlen(r->g->arch);
    for (size_t i = 0; i < r->g->n_pairs; i++) {
        const struct gguf_pair *p = &r->g->pair[i];
        int64_t v;
        double real;
        if (strncmp(p->key, r->g->arch, n) != 0 || p->key[n] != '.' || is_known(p->key + n + 1)) continue;
        char *name = arena_strdup(r->arena, p->key + n + 1);
        for (char *c = name; *c; c++)
            if (*c == '.' || *c == '-') *c = '_';
        if (!config_is_name(name) || config_find(r->c, name)) continue;
        if (gguf_int(p, &v))
            config_put_int(r->arena, r->c, name, name, v);
        else if (gguf_real(p, &real) && isfinite(real))
            config_put_real(r->arena, r->c, name, name, real);
    }
}

/* ---- rotary positions ---- */

static bool is_text(const struct gguf_pair *p, const char *text) {
    const char *at;
    uint64_t n;
    return gguf_string(p, &at, &n) && n == strlen(text) && memcmp(at, text, (size_t)n) == 0;
}

static bool read_scaling(struct reader *r) {
    const struct gguf_pair *type = find(r, "rope.scaling.type"), *factor = find(r, "rope.scaling.factor");
    const char *at;
    uint64_t n;
    double v = 1;
    if (!factor) factor = find(r, "rope.scale_linear");
    if (type && is_text(type, "none")) return true;
    if (type && !is_text(type, "linear")) {
        if (!gguf_string(type, &at, &n)) return bad_kind(r, type, "a string");
        return diag_in(r->diag, gguf_where(r->arena, r->g, type), DIAG_CONFIG_ROPE,
                       arena_strndup(r->arena, at, n < 40 ? (size_t)n : 40));
    }
    if (!factor) return true;
    if (!gguf_real(factor, &v)) return bad_kind(r, factor, "a number");
    if (!isfinite(v) || v <= 0)
        return diag_in(r->diag, gguf_where(r->arena, r->g, factor), DIAG_CONFIG_NOT_POSITIVE, v);
    if (v != 1) config_put_real(r->arena, r->c, "rope_factor", "rope_factor", v);
    return true;
}

/* Heads have key_length elements, or else as many as turn; a part of a head that does not turn is not supported. */
static bool read_head(struct reader *r) {
    const struct config_value *head = config_find(r->c, "head");
    const struct gguf_pair *p = find(r, "rope.dimension_count");
    int64_t turn;
    if (!p) return true;
    if (!gguf_int(p, &turn) || turn < 1 || turn > config_max_int) return bad_kind(r, p, "a length");
    if (!head) config_put_int(r->arena, r->c, "head", config_key("head"), turn);
    return !head || head->i == turn || diag_in(r->diag, gguf_where(r->arena, r->g, p), DIAG_CONFIG_ROPE, "partial");
}

/* ---- words and ids ---- */

static bool read_act(struct reader *r) {
    static const char *const suffixes[] = {"hidden_activation", "hidden_act"};
    const struct gguf_arch *arch = gguf_arch_of(r->g);
    if (arch) r->c->hidden_act = arch->act;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        const struct gguf_pair *p = find(r, suffixes[i]);
        const char *at;
        uint64_t n;
        if (!p) continue;
        if (!gguf_string(p, &at, &n) || n > 64 || memchr(at, 0, (size_t)n))
            return bad_kind(r, p, "the name of a function");
        r->c->hidden_act = arena_strndup(r->arena, at, (size_t)n);
    }
    return true;
}

static bool read_id(const struct reader *r, const char *key, int64_t *id) {
    const struct gguf_pair *p = gguf_find(r->g, key);
    *id = -1;
    return !p || (gguf_int(p, id) && *id >= 0 && *id <= config_max_int) || bad_kind(r, p, "a token id");
}

static bool read_token_ids(struct reader *r) {
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    if (!read_id(r, "tokenizer.ggml.bos_token_id", &r->c->bos)) return false;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        int64_t id;
        bool known = false;
        if (!read_id(r, ends[i], &id)) return false;
        for (uint32_t k = 0; k < r->c->n_eos; k++) known = known || r->c->eos[k] == id;
        if (id >= 0 && !known) r->c->eos[r->c->n_eos++] = id;
    }
    return true;
}

/* Rule 10: what is said of each token is said of as many. */
static bool read_vocab(struct reader *r) {
    static const char *const lists[] = {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"};
    const struct gguf_pair *tokens = gguf_find(r->g, "tokenizer.ggml.tokens");
    if (!tokens) return true;
    if (tokens->kind != GGUF_ARRAY || tokens->elem != GGUF_STRING) return bad_kind(r, tokens, "an array of strings");
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        const struct gguf_pair *p = gguf_find(r->g, lists[i]);
        if (!p) continue;
        if (p->kind != GGUF_ARRAY) return bad_kind(r, p, "an array");
        if (p->count != tokens->count)
            return diag_in(r->diag, gguf_where(r->arena, r->g, p), DIAG_GGUF_LENGTHS, p->count, tokens->count);
    }
    if (!config_find(r->c, "vocab") && tokens->count >= 1 && tokens->count <= (uint64_t)config_max_int)
        config_put_int(r->arena, r->c, "vocab", config_key("vocab"), (int64_t)tokens->count);
    return true;
}

/* ---- the whole ---- */

static const char *place(void *self, const char *key) {
    const struct reader *r = self;
    for (size_t i = 0; i < N_CONFIG_KEYS; i++)
        if (strcmp(config_keys[i].key, key) == 0 && *config_keys[i].gguf) key = config_keys[i].gguf;
    const struct gguf_pair *p = find(r, key);
    return p ? gguf_where(r->arena, r->g, p) : r->g->file.path;
}

bool config_read_gguf(struct diag *d, struct arena *a, const struct gguf_file *g, struct config_values *c) {
    *c = (struct config_values){.path = g->file.path, .bos = -1, .arch = g->arch};
    struct reader r = {.diag = d, .arena = a, .g = g, .c = c};
    if (!*g->arch) return diag_in(d, g->file.path, DIAG_GGUF_KEY, "key 'general.architecture'", "nothing");
    for (size_t i = 0; i < N_CONFIG_KEYS; i++)
        if (!read_known(&r, &config_keys[i])) return false;
    read_others(&r);
    const struct gguf_arch *arch = gguf_arch_of(g);
    if (arch) config_put_real(a, c, "gain_offset", "gain_offset", arch->gain_offset);
    return read_head(&r) && read_scaling(&r) && read_act(&r) && read_token_ids(&r) && read_vocab(&r) &&
           config_check(d, c, place, &r);
}

/* ---- writing ---- */

void config_put_gguf(struct arena *a, struct gguf_pairs *p, const struct config_values *c, const char *arch) {
    for (size_t i = 0; i < N_CONFIG_KEYS; i++) {
        const struct config_key *k = &config_keys[i];
        const struct config_value *v = config_find(c, k->name);
        if (!v || !*k->gguf) continue;
        const char *key = arena_printf(a, "%s.%s", arch, k->gguf);
        if (k->kind == CONFIG_REAL)
            gguf_put_f32(p, key, (float)v->real);
        else
            gguf_put_u32(p, key, (uint32_t)v->i);
        if (strcmp(k->name, "head") != 0) continue;
        gguf_put_u32(p, arena_printf(a, "%s.attention.value_length", arch), (uint32_t)v->i);
        gguf_put_u32(p, arena_printf(a, "%s.rope.dimension_count", arch), (uint32_t)v->i);
    }
}
