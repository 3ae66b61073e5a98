/* config.c -- see config.h. */
#include "frontend/files/config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/files/config_impl.h"
#include "frontend/files/json.h"

static const struct jlimits limits = {.bytes = 4 << 20, .depth = 64, .values = 200000};
const struct config_key config_keys[N_CONFIG_KEYS] = {
#define CONFIG(name, key, gguf, kind) {#name, #key, gguf, CONFIG_##kind},
#include "frontend/files/config_keys.def"
};

const struct config_key *config_key_of(const char *name) {
    for (size_t i = 0; i < N_CONFIG_KEYS; i++)
        if (strcmp(config_keys[i].name, name) == 0) return &config_keys[i];
    return NULL;
}

static bool is_table_key(const char *key) {
    for (size_t i = 0; i < N_CONFIG_KEYS; i++)
        if (strcmp(config_keys[i].key, key) == 0) return true;
    return false;
}

const char *config_key(const char *name) {
    const struct config_key *k = config_key_of(name);
    return k ? k->key : name;
}

const struct config_value *config_find(const struct config_values *c, const char *name) {
    for (size_t i = 0; i < c->values.n; i++)
        if (strcmp(c->values.at[i].name, name) == 0) return &c->values.at[i];
    for (size_t i = 0; i < c->values.n; i++)
        if (strcmp(c->values.at[i].key, name) == 0) return &c->values.at[i];
    return NULL;
}

static void put(struct arena *a, struct config_values *c, struct config_value v) {
    for (size_t i = 0; i < c->values.n; i++) {
        if (strcmp(c->values.at[i].name, v.name) != 0) continue;
        c->values.at[i] = v;
        return;
    }
    *vec_push(a, &c->values) = v;
}

void config_put_int(struct arena *a, struct config_values *c, const char *name, const char *key, int64_t i) {
    put(a, c, (struct config_value){.name = name, .key = key, .is_int = true, .i = i, .real = (double)i});
}

void config_put_real(struct arena *a, struct config_values *c, const char *name, const char *key, double real) {
    put(a, c, (struct config_value){.name = name, .key = key, .real = real});
}

void config_put_value(struct arena *a, struct config_values *c, const char *name, double real) {
    config_put_real(a, c, name, name, real);
}

void config_put_word(struct arena *a, struct config_values *c, const char *name, const char *word) {
    put(a, c, (struct config_value){.name = name, .key = name, .word = word});
}

void config_put_vocab(struct arena *a, struct config_values *c, int64_t n) {
    config_put_int(a, c, "vocab", config_key("vocab"), n);
}

void config_put_tied(struct arena *a, struct config_values *c, bool tied) {
    config_put_int(a, c, "tied", config_key("tied"), tied);
    c->tied = tied;
}

static bool divides(struct diag *d, const struct config_values *c, const char *whole, const char *part,
                    const char *(*where)(void *, const char *), void *self) {
    const struct config_value *w = config_find(c, whole), *p = config_find(c, part);
    return !w || !p || w->i % p->i == 0 || diag_in(d, where(self, w->key), DIAG_CONFIG_DIVIDES, w->i, p->key, p->i);
}

bool config_check(struct diag *d, const struct config_values *c, const char *(*where)(void *self, const char *key),
                  void *self) {
    return divides(d, c, "heads", "kv_heads", where, self) &&
           (config_find(c, "head") || divides(d, c, "hidden", "heads", where, self));
}

/* ---- config.json ---- */

struct reader {
    struct jfile j;
    struct config_values *c;
};

static bool read_known(struct reader *r, const struct config_key *k) {
    const struct jfile *j = &r->j;
    enum jgot got = JGOT_ABSENT;
    int64_t i = 0;
    double real = 0;
    bool yes = false;
    switch (k->kind) {
    case CONFIG_INT: got = jfile_int(j, j->root, NULL, k->key, 1, config_max_int, &i); break;
    case CONFIG_REAL: got = jfile_real(j, j->root, NULL, k->key, &real); break;
    case CONFIG_BOOL: got = jfile_bool(j, j->root, NULL, k->key, &yes); break;
    }
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    if (k->kind == CONFIG_REAL && real <= 0)
        return diag_in(j->diag, jfile_where(j, k->key, NULL), DIAG_CONFIG_NOT_POSITIVE, real);
    if (k->kind == CONFIG_REAL)
        config_put_real(j->arena, r->c, k->name, k->key, real);
    else
        config_put_int(j->arena, r->c, k->name, k->key, k->kind == CONFIG_INT ? i : yes);
    return true;
}

/* Only these can be named by a model text. */
bool config_is_name(const char *s) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return *s && (*s < '0' || *s > '9') && strspn(s, letters) == strlen(s);
}

/* ---- numbers in texts ---- */

static bool parse_int(const char *s, int64_t *out) {
    char *end;
    if (*s != '-' && (*s < '0' || *s > '9')) return false;
    errno = 0;
    *out = strtoll(s, &end, 10);
    return errno == 0 && *end == 0 && end != s;
}

static bool parse_real(const char *s, double *out) {
    char *end;
    if (*s == 0 || strspn(s, "0123456789+-.eE") != strlen(s)) return false;
    *out = strtod(s, &end);
    return *end == 0 && isfinite(*out);
}

/* 5/7 */
static bool parse_quotient(const char *s, int64_t *num, int64_t *den) {
    char *end;
    if (*s < '0' || *s > '9') return false;
    errno = 0;
    *num = strtoll(s, &end, 10);
    return errno == 0 && *end == '/' && end[1] != '-' && parse_int(end + 1, den) && *den > 0;
}

static void put_quotient(struct arena *a, struct config_values *c, const char *name, int64_t num, int64_t den) {
    double real = (double)num / (double)den;
    put(a, c, (struct config_value){.name = name, .key = name, .real = real, .num = num, .den = den});
}

/* Every other number or boolean, under its own key. */
static void read_others(struct reader *r) {
    const char *key;
    json_t *v;
    int64_t num, den;
    json_object_foreach(r->j.root, key, v) {
        if (!config_is_name(key) || is_table_key(key) || config_key_of(key)) continue;
        char *name = arena_strdup(r->j.arena, key);
        if (json_is_boolean(v))
            config_put_int(r->j.arena, r->c, name, name, json_is_true(v));
        else if (json_is_integer(v))
            config_put_int(r->j.arena, r->c, name, name, json_integer_value(v));
        else if (json_is_real(v) && isfinite(json_real_value(v)))
            config_put_real(r->j.arena, r->c, name, name, json_real_value(v));
        else if (json_is_string(v) && parse_quotient(json_string_value(v), &num, &den))
            put_quotient(r->j.arena, r->c, name, num, den);
    }
}

/* ---- rotary positions ---- */

/* Sizes of a scaling, each above 0 and all there: values rope_factor and so on. */
static bool read_scaling(struct reader *r, const json_t *rope, const char *path, const char *type) {
    static const struct {
        const char *key, *name;
        bool llama3;
    } parts[] = {{"factor", "rope_factor", false},
                 {"low_freq_factor", "rope_low", true},
                 {"high_freq_factor", "rope_high", true},
                 {"original_max_position_embeddings", "rope_original", true}};
    const struct jfile *j = &r->j;
    bool llama3 = strcmp(type, "llama3") == 0;
    if (strcmp(type, "default") == 0) return true;
    if (!llama3 && strcmp(type, "linear") != 0)
        return diag_in(j->diag, jfile_where(j, path, "rope_type"), DIAG_CONFIG_ROPE, type);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        double v = 0;
        if (parts[i].llama3 && !llama3) continue;
        if (jfile_real(j, rope, path, parts[i].key, &v) == JGOT_BAD) return false;
        if (v <= 0) return diag_in(j->diag, jfile_where(j, path, parts[i].key), DIAG_CONFIG_NOT_POSITIVE, v);
        config_put_real(j->arena, r->c, parts[i].name, parts[i].name, v);
    }
    return true;
}

/* The base of the angles; it may stand in two places that agree. */
static bool read_theta(struct reader *r, const json_t *rope, const char *path, const char *name) {
    const struct jfile *j = &r->j;
    double theta;
    enum jgot got = jfile_real(j, rope, path, "rope_theta", &theta);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    const char *where = jfile_where(j, path, "rope_theta");
    if (theta <= 0) return diag_in(j->diag, where, DIAG_CONFIG_NOT_POSITIVE, theta);
    const struct config_value *top = config_find(r->c, name);
    if (top && top->real != theta) return diag_in(j->diag, where, DIAG_CONFIG_DISAGREE, theta, top->key, top->real);
    config_put_real(j->arena, r->c, name, config_key(name), theta);
    return true;
}

static bool read_rope_of(struct reader *r, const json_t *rope, const char *path, const char *theta) {
    static const char *const type_keys[] = {"rope_type", "type"};
    const struct jfile *j = &r->j;
    for (size_t i = 0; i < COUNT_OF(type_keys); i++) {
        const char *type;
        enum jgot got = jfile_text(j, rope, path, type_keys[i], &type);
        if (got == JGOT_BAD || (got == JGOT_VALUE && !read_scaling(r, rope, path, type))) return false;
    }
    double part;
    enum jgot got = jfile_real(j, rope, path, "partial_rotary_factor", &part);
    if (got == JGOT_BAD) return false;
    if (got == JGOT_VALUE && part != 1.0)
        return diag_in(j->diag, jfile_where(j, path, "partial_rotary_factor"), DIAG_CONFIG_ROPE, "partial");
    return read_theta(r, rope, path, theta);
}

/* Settings may be nested, and once more where layers with a window have their own. */
static bool read_rope(struct reader *r, const char *key) {
    const struct jfile *j = &r->j;
    const json_t *rope, *full, *sliding;
    enum jgot got = jfile_object(j, j->root, NULL, key, &rope);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    full = json_object_get(rope, "full_attention");
    sliding = json_object_get(rope, "sliding_attention");
    if (!json_is_object(full) || !json_is_object(sliding)) return read_rope_of(r, rope, key, "theta");
    return read_rope_of(r, full, "full_attention", "theta") &&
           read_rope_of(r, sliding, "sliding_attention", "theta_local");
}

/* Rotations of a part of each head only. */
static bool read_partial(struct reader *r) {
    const struct config_value *part = config_find(r->c, "partial_rotary_factor");
    return !part || part->real == 1.0 ||
           diag_in(r->j.diag, jfile_where(&r->j, "partial_rotary_factor", NULL), DIAG_CONFIG_ROPE, "partial");
}

/* Whether stored scales are alpha or 1/alpha is said here and nowhere else; magnitudes cannot tell. */
static bool read_linear_class(struct reader *r) {
    static const char section[] = "quantization_config";
    const struct jfile *j = &r->j;
    const json_t *quant;
    const char *text;
    r->c->scale_divides = true;
    enum jgot got = jfile_object(j, j->root, NULL, section, &quant);
    if (got == JGOT_VALUE) got = jfile_text(j, quant, section, "linear_class", &text);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    r->c->scale_divides = strcmp(text, "autobitlinear") != 0;
    return !r->c->scale_divides || strcmp(text, "bitlinear") == 0 ||
           diag_in(j->diag, jfile_where(j, section, "linear_class"), DIAG_CONFIG_LINEAR_CLASS, text);
}

/* use_rms_norm: the eps of the norms that projections have of their own. */
static bool read_linear_eps(struct reader *r) {
    static const char section[] = "quantization_config";
    const struct jfile *j = &r->j;
    const json_t *quant;
    double eps;
    enum jgot got = jfile_object(j, j->root, NULL, section, &quant);
    if (got == JGOT_VALUE) got = jfile_real(j, quant, section, "rms_norm_eps", &eps);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    if (eps < 0) return diag_in(j->diag, jfile_where(j, section, "rms_norm_eps"), DIAG_CONFIG_NOT_POSITIVE, eps);
    config_put_real(j->arena, r->c, "linear_eps", "linear_eps", eps);
    return true;
}

/* Every n-th layer attends to everything, the others have a window: a list of words, here the n. */
static bool read_layer_types(struct reader *r) {
    const struct jfile *j = &r->j;
    const json_t *list;
    enum jgot got = jfile_list(j, j->root, NULL, "layer_types", &list);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    size_t n = json_array_size(list), period = n + 1;
    for (size_t i = n; i-- > 0;) {
        const char *type = json_string_value(json_array_get(list, i));
        if (type && strcmp(type, "full_attention") == 0) period = i + 1;
    }
    for (size_t i = 0; i < n; i++) {
        const char *type = json_string_value(json_array_get(list, i));
        const char *expected = (i + 1) % period == 0 ? "full_attention" : "sliding_attention";
        if (!type || strcmp(type, expected) != 0)
            return diag_in(j->diag, jfile_where(j, "layer_types", NULL), DIAG_CONFIG_LAYER_TYPES, i,
                           type ? type : "no word", expected);
    }
    config_put_int(j->arena, r->c, "sliding_window_pattern", "sliding_window_pattern", (int64_t)period);
    return true;
}

/* One of two keys, as families differ. */
static bool read_act(struct reader *r) {
    static const char *const names[] = {"hidden_act", "hidden_activation"};
    const struct jfile *j = &r->j;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text;
        enum jgot got = jfile_text(j, j->root, NULL, names[i], &text);
        if (got == JGOT_BAD) return false;
        if (got == JGOT_VALUE) r->c->hidden_act = arena_strdup(j->arena, text);
    }
    return true;
}

static bool read_special_ids(struct reader *r) {
    const struct jfile *j = &r->j;
    r->c->bos = -1;
    if (jfile_int(j, j->root, NULL, "bos_token_id", 0, config_max_int, &r->c->bos) == JGOT_BAD) return false;
    size_t n;
    if (jfile_ids(j, j->root, "eos_token_id", CONFIG_MAX_EOS, r->c->eos, &n) == JGOT_BAD) return false;
    r->c->n_eos = (uint32_t)n;
    return true;
}

static const char *json_place(void *self, const char *key) {
    const struct reader *r = self;
    return jfile_where(&r->j, key, NULL);
}

/* architectures is a list, of one name in all that is published; model_type is a second-best name. */
static bool read_arch(struct reader *r) {
    const struct jfile *j = &r->j;
    const char *text = json_string_value(json_array_get(json_object_get(j->root, "architectures"), 0));
    if (!text) {
        enum jgot got = jfile_text(j, j->root, NULL, "model_type", &text);
        if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    }
    r->c->arch = arena_strdup(j->arena, text);
    return true;
}

static bool read_all(struct reader *r) {
    bool ok = true;
    for (size_t i = 0; i < N_CONFIG_KEYS; i++) ok = read_known(r, &config_keys[i]) && ok;
    read_others(r);
    if (!ok) return false;
    const struct config_value *tied = config_find(r->c, "tied");
    r->c->tied = tied && tied->i;
    return read_arch(r) && read_act(r) && read_rope(r, "rope_parameters") && read_rope(r, "rope_scaling") &&
           read_partial(r) && read_layer_types(r) && read_linear_class(r) && read_linear_eps(r) &&
           read_special_ids(r) && config_check(r->j.diag, r->c, json_place, r);
}

bool config_read(struct diag *d, struct arena *a, const char *path, struct config_values *c) {
    *c = (struct config_values){.path = arena_strdup(a, path)};
    struct reader r = {.c = c};
    if (!jfile_open(&r.j, d, a, c->path, limits)) return false;
    bool ok = read_all(&r);
    jfile_close(&r.j);
    return ok;
}

/* ---- from the command line ---- */

bool config_set(struct diag *d, struct arena *a, struct config_values *c, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) return diag_in(d, NULL, DIAG_SET_SYNTAX, assignment);
    const char *name = arena_strndup(a, assignment, (size_t)(equals - assignment)), *text = equals + 1;
    if (!config_is_name(name)) return diag_in(d, NULL, DIAG_SET_SYNTAX, assignment);
    const struct config_key *k = config_key_of(name);
    const char *key = k ? k->key : name;
    int64_t i, den;
    double real;
    if (!k && parse_quotient(text, &i, &den)) {
        put_quotient(a, c, name, i, den);
        return true;
    }
    if (!k || k->kind != CONFIG_REAL) {
        if (parse_int(text, &i)) {
            int64_t least = !k ? INT64_MIN : k->kind == CONFIG_INT ? 1 : 0;
            int64_t most = !k ? INT64_MAX : k->kind == CONFIG_INT ? config_max_int : 1;
            if (i < least || i > most) return diag_in(d, NULL, DIAG_SET_RANGE, assignment, least, most);
            config_put_int(a, c, name, key, i);
            if (strcmp(name, "tied") == 0) c->tied = i != 0;
            return true;
        }
        if (k) return diag_in(d, NULL, DIAG_SET_NUMBER, assignment, "an integer");
    }
    if (!parse_real(text, &real)) return diag_in(d, NULL, DIAG_SET_NUMBER, assignment, "a number");
    if (k && real <= 0) return diag_in(d, NULL, DIAG_SET_NUMBER, assignment, "a number above 0");
    config_put_real(a, c, name, key, real);
    return true;
}

/* ---- writing ---- */

static bool is_bool(const struct config_value *v) {
    const struct config_key *k = config_key_of(v->name);
    return k && k->kind == CONFIG_BOOL;
}

void config_write(struct buf *out, const struct config_values *c) {
    char number[40];
    buf_printf(out, "{\n");
    if (c->arch) buf_printf(out, "  \"architectures\": [\"%s\"],\n", c->arch);
    if (c->hidden_act) buf_printf(out, "  \"hidden_act\": \"%s\",\n", c->hidden_act);
    for (size_t i = 0; i < c->values.n; i++) {
        const struct config_value *v = &c->values.at[i];
        if (v->word || strcmp(v->key, "bos_token_id") == 0 || strcmp(v->key, "eos_token_id") == 0) continue;
        if (is_bool(v))
            buf_printf(out, "  \"%s\": %s,\n", v->key, v->i ? "true" : "false");
        else if (v->is_int)
            buf_printf(out, "  \"%s\": %" PRId64 ",\n", v->key, v->i);
        else if (v->den)
            buf_printf(out, "  \"%s\": \"%" PRId64 "/%" PRId64 "\",\n", v->key, v->num, v->den);
        else
            buf_printf(out, "  \"%s\": %s,\n", v->key, fmt_f64(number, v->real));
    }
    if (c->bos >= 0) buf_printf(out, "  \"bos_token_id\": %" PRId64 ",\n", c->bos);
    for (uint32_t i = 0; i < c->n_eos; i++)
        buf_printf(out, "%s%" PRId64 "%s", i ? ", " : "  \"eos_token_id\": [", c->eos[i],
                   i + 1 == c->n_eos ? "],\n" : "");
    buf_printf(out,
               "  \"quantization_config\": {\"quant_method\": \"bitnet\", \"linear_class\": \"%s\", "
               "\"quantization_mode\": \"offline\"}\n}\n",
               c->scale_divides ? "bitlinear" : "autobitlinear");
}
