/* config.c -- see config.h. */
#include "frontend/config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/json.h"

static const struct jlimits limits = {.bytes = 4 << 20, .depth = 64, .values = 200000};
static const int64_t max_int = INT32_MAX;

enum kind { INT, REAL, BOOL };
static const struct key {
    const char *name, *key;
    enum kind kind;
} keys[] = {
#define CONFIG(name, key, kind) {#name, #key, kind},
#include "frontend/config_keys.def"
};

static const struct key *key_of_name(const char *name) {
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

static bool is_table_key(const char *key) {
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i].key, key) == 0) return true;
    return false;
}

const char *config_key(const char *name) {
    const struct key *k = key_of_name(name);
    return k ? k->key : name;
}

const struct config_value *config_find(const struct config_values *c, const char *name) {
    for (size_t i = 0; i < c->values.n; i++)
        if (strcmp(c->values.at[i].name, name) == 0) return &c->values.at[i];
    for (size_t i = 0; i < c->values.n; i++)
        if (strcmp(c->values.at[i].key, name) == 0) return &c->values.at[i];
    return NULL;
}

static struct config_value int_value(const char *name, const char *key, int64_t i) {
    return (struct config_value){.name = name, .key = key, .is_int = true, .i = i, .real = (double)i};
}

static struct config_value real_value(const char *name, const char *key, double real) {
    return (struct config_value){.name = name, .key = key, .real = real};
}

static void put(struct arena *a, struct config_values *c, struct config_value v) {
    for (size_t i = 0; i < c->values.n; i++) {
        if (strcmp(c->values.at[i].name, v.name) != 0) continue;
        c->values.at[i] = v;
        return;
    }
    *vec_push(a, &c->values) = v;
}

/* ---- config.json ---- */

struct reader {
    struct jfile j;
    struct config_values *c;
};

static bool read_known(struct reader *r, const struct key *k) {
    const struct jfile *j = &r->j;
    enum jgot got = JGOT_ABSENT;
    int64_t i = 0;
    double real = 0;
    bool yes = false;
    switch (k->kind) {
    case INT: got = jfile_int(j, j->root, NULL, k->key, 1, max_int, &i); break;
    case REAL: got = jfile_real(j, j->root, NULL, k->key, &real); break;
    case BOOL: got = jfile_bool(j, j->root, NULL, k->key, &yes); break;
    }
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    if (k->kind == REAL && real <= 0)
        return diag_in(j->diag, jfile_where(j, k->key, NULL), DIAG_CONFIG_NOT_POSITIVE, real);
    if (k->kind == REAL)
        put(j->arena, r->c, real_value(k->name, k->key, real));
    else
        put(j->arena, r->c, int_value(k->name, k->key, k->kind == INT ? i : yes));
    return true;
}

/* Only these can be named by a model text. */
static bool is_identifier(const char *s) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return *s && (*s < '0' || *s > '9') && strspn(s, letters) == strlen(s);
}

/* Every other number or boolean, under its own key. */
static void read_others(struct reader *r) {
    const char *key;
    json_t *v;
    json_object_foreach(r->j.root, key, v) {
        if (!is_identifier(key) || is_table_key(key) || key_of_name(key)) continue;
        char *name = arena_strdup(r->j.arena, key);
        if (json_is_boolean(v))
            put(r->j.arena, r->c, int_value(name, name, json_is_true(v)));
        else if (json_is_integer(v))
            put(r->j.arena, r->c, int_value(name, name, json_integer_value(v)));
        else if (json_is_real(v) && isfinite(json_real_value(v)))
            put(r->j.arena, r->c, real_value(name, name, json_real_value(v)));
    }
}

/* Settings of rotary positions may be nested; a scaling that changes angles is not supported. */
static bool read_rope(struct reader *r, const char *key) {
    static const char *const type_keys[] = {"rope_type", "type"};
    const struct jfile *j = &r->j;
    const json_t *rope;
    enum jgot got = jfile_object(j, j->root, NULL, key, &rope);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    for (size_t i = 0; i < COUNT_OF(type_keys); i++) {
        const char *type;
        got = jfile_text(j, rope, key, type_keys[i], &type);
        if (got == JGOT_BAD) return false;
        if (got == JGOT_VALUE && strcmp(type, "default") != 0)
            return diag_in(j->diag, jfile_where(j, key, type_keys[i]), DIAG_CONFIG_ROPE, type);
    }
    double theta, part;
    got = jfile_real(j, rope, key, "partial_rotary_factor", &part);
    if (got == JGOT_BAD) return false;
    if (got == JGOT_VALUE && part != 1.0)
        return diag_in(j->diag, jfile_where(j, key, "partial_rotary_factor"), DIAG_CONFIG_ROPE, "partial");
    got = jfile_real(j, rope, key, "rope_theta", &theta);
    if (got != JGOT_VALUE) return got == JGOT_ABSENT;
    if (theta <= 0) return diag_in(j->diag, jfile_where(j, key, "rope_theta"), DIAG_CONFIG_NOT_POSITIVE, theta);
    const struct config_value *top = config_find(r->c, "theta");
    if (top && top->real != theta)
        return diag_in(j->diag, jfile_where(j, key, "rope_theta"), DIAG_CONFIG_DISAGREE, theta, top->key, top->real);
    put(j->arena, r->c, real_value("theta", "rope_theta", theta));
    return true;
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

static bool read_special_ids(struct reader *r) {
    const struct jfile *j = &r->j;
    r->c->bos = -1;
    if (jfile_int(j, j->root, NULL, "bos_token_id", 0, max_int, &r->c->bos) == JGOT_BAD) return false;
    size_t n;
    if (jfile_ids(j, j->root, "eos_token_id", CONFIG_MAX_EOS, r->c->eos, &n) == JGOT_BAD) return false;
    r->c->n_eos = (uint32_t)n;
    return true;
}

static bool divides(struct reader *r, const char *whole, const char *part) {
    const struct config_value *w = config_find(r->c, whole), *p = config_find(r->c, part);
    return !w || !p || w->i % p->i == 0 ||
           diag_in(r->j.diag, jfile_where(&r->j, w->key, NULL), DIAG_CONFIG_DIVIDES, w->i, p->key, p->i);
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
    const struct jfile *j = &r->j;
    const char *text;
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(keys); i++) ok = read_known(r, &keys[i]) && ok;
    read_others(r);
    if (!ok) return false;
    enum jgot got = jfile_text(j, j->root, NULL, "hidden_act", &text);
    if (got == JGOT_BAD) return false;
    if (got == JGOT_VALUE) r->c->hidden_act = arena_strdup(j->arena, text);
    const struct config_value *tied = config_find(r->c, "tied");
    r->c->tied = tied && tied->i;
    return read_arch(r) && read_rope(r, "rope_parameters") && read_rope(r, "rope_scaling") && read_linear_class(r) &&
           read_special_ids(r) && divides(r, "heads", "kv_heads") &&
           (config_find(r->c, "head") || divides(r, "hidden", "heads"));
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

bool config_set(struct diag *d, struct arena *a, struct config_values *c, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) return diag_in(d, NULL, DIAG_SET_SYNTAX, assignment);
    const char *name = arena_strndup(a, assignment, (size_t)(equals - assignment)), *text = equals + 1;
    if (!is_identifier(name)) return diag_in(d, NULL, DIAG_SET_SYNTAX, assignment);
    const struct key *k = key_of_name(name);
    const char *key = k ? k->key : name;
    int64_t i;
    double real;
    if (!k || k->kind != REAL) {
        if (parse_int(text, &i)) {
            int64_t least = !k ? INT64_MIN : k->kind == INT ? 1 : 0;
            int64_t most = !k ? INT64_MAX : k->kind == INT ? max_int : 1;
            if (i < least || i > most) return diag_in(d, NULL, DIAG_SET_RANGE, assignment, least, most);
            put(a, c, int_value(name, key, i));
            if (strcmp(name, "tied") == 0) c->tied = i != 0;
            return true;
        }
        if (k) return diag_in(d, NULL, DIAG_SET_NUMBER, assignment, "an integer");
    }
    if (!parse_real(text, &real)) return diag_in(d, NULL, DIAG_SET_NUMBER, assignment, "a number");
    if (k && real <= 0) return diag_in(d, NULL, DIAG_SET_NUMBER, assignment, "a number above 0");
    put(a, c, real_value(name, key, real));
    return true;
}

/* ---- writing ---- */

static bool is_bool(const struct config_value *v) {
    const struct key *k = key_of_name(v->name);
    return k && k->kind == BOOL;
}

void config_write(struct buf *out, const struct config_values *c) {
    char number[40];
    buf_printf(out, "{\n");
    for (size_t i = 0; i < c->values.n; i++) {
        const struct config_value *v = &c->values.at[i];
        if (strcmp(v->key, "bos_token_id") == 0 || strcmp(v->key, "eos_token_id") == 0) continue;
        if (is_bool(v))
            buf_printf(out, "  \"%s\": %s,\n", v->key, v->i ? "true" : "false");
        else if (v->is_int)
            buf_printf(out, "  \"%s\": %" PRId64 ",\n", v->key, v->i);
        else
            buf_printf(out, "  \"%s\": %s,\n", v->key, fmt_f64(number, v->real));
    }
    if (c->bos >= 0) buf_printf(out, "  \"bos_token_id\": %" PRId64 ",\n", c->bos);
    for (uint32_t i = 0; i < c->n_eos; i++)
        buf_printf(out, "%s%" PRId64 "%s", i ? ", " : "  \"eos_token_id\": [", c->eos[i],
                   i + 1 == c->n_eos ? "],\n" : "");
    buf_printf(out, "  \"quantization_config\": {\"linear_class\": \"%s\", \"quantization_mode\": \"offline\"}\n}\n",
               c->scale_divides ? "bitlinear" : "autobitlinear");
}
