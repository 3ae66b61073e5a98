/* mutate_config.c -- config.json for mutate.h: every key of config_keys.def, and the nested ones. */
#include <string.h>

#include "base/compiler.h"
#include "base/file.h"
#include "frontend/files/config_impl.h"
#include "test/mutate/mutate.h"

enum { ROPE_TYPE = N_CONFIG_KEYS, ROPE_FACTOR, ROPE_LOW, ROPE_HIGH, ROPE_ORIGINAL, CLASS, BOS, EOS, ACT, N_FIELDS };

static const char *field(unsigned f) {
    static const char *const more[] = {
        "rope_type",    "factor",       "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
        "linear_class", "bos_token_id", "eos_token_id",    "hidden_act"};
    return f < N_CONFIG_KEYS ? config_keys[f].key : more[f - N_CONFIG_KEYS];
}
static bool may_hold_all(unsigned f) {
    (void)f;
    return false;
}

static void put(struct sample *s, unsigned f, const char *text, const char *before) {
    buf_printf(&s->file, "%s\"%s\":", before, field(f));
    *vec_push(s->arena, &s->sites) = (struct site){.field = f, .at = s->file.n, .bytes = strlen(text)};
    buf_put(&s->file, text, strlen(text));
}

static void make(struct sample *s) {
    for (unsigned f = 0; f < N_CONFIG_KEYS; f++)
        put(s, f,
            config_keys[f].kind == CONFIG_BOOL   ? "true"
            : config_keys[f].kind == CONFIG_REAL ? "0.5"
                                                 : "4",
            f ? "," : "{");
    buf_printf(&s->file, ",\"rope_scaling\":");
    put(s, ROPE_TYPE, "\"llama3\"", "{");
    put(s, ROPE_FACTOR, "8.0", ",");
    put(s, ROPE_LOW, "1.0", ",");
    put(s, ROPE_HIGH, "4.0", ",");
    put(s, ROPE_ORIGINAL, "8192", ",");
    buf_printf(&s->file, "},\"quantization_config\":");
    put(s, CLASS, "\"bitlinear\"", "{");
    buf_put(&s->file, "}", 1);
    put(s, BOS, "1", ",");
    put(s, EOS, "[2,3]", ",");
    put(s, ACT, "\"silu\"", ",");
    buf_put(&s->file, "}", 1);
    s->header = s->file.n;
}

// clang-format off
static const char *const *texts(unsigned f) {
    static const char *const values[] = {"", "null", "0", "1", "3", "-1", "1.5", "-0.0", "1e999", "2147483647", "2147483648",
        "9223372036854775807", "9223372036854775808", "true", "\"x\"", "\"yarn\"", "{}", "[]", "[1,1e400]", "[-1]",
        "[1,2,3,4,5,6,7,8,9]", "\"\xff\"", "4,\"vocab_size\":4", "00", NULL};
    (void)f;
    return values;
}
// clang-format on

static void settle(struct buf *file, const struct site *changed, size_t bytes) {
    (void)file, (void)changed, (void)bytes;
}

/* The values written as config.json and read again: the same numbers. */
static const char *compare(struct diag *d, const struct config_values *c) {
    struct arena *a = arena_new();
    struct buf text = {0};
    struct config_values again;
    const char *wrong = NULL, *path = arena_printf(a, "%s/config.json", tmp_dir(d));
    config_write(&text, c);
    struct out *o = out_open(d, path, false);
    if (!o || !out_write(o, text.at, text.n) || !out_commit(o) || !config_read(d, a, path, &again)) {
        wrong = "what was read cannot be read again";
    } else {
        for (size_t i = 0; !wrong && i < c->values.n; i++) {
            const struct config_value *v = &c->values.at[i], *w = config_find(&again, v->name);
            if (strstr(v->name, "_token_id")) continue; /* one id, written as a list of one */
            if (!w || w->real != v->real) wrong = arena_strdup(a, "a value is another one");
        }
        if (again.bos != c->bos || again.n_eos != c->n_eos || again.scale_divides != c->scale_divides)
            wrong = "an id or the sense of scales is another one";
    }
    buf_free(&text);
    wrong = wrong ? "what was read is not what is there" : NULL;
    arena_free(a);
    return wrong;
}

static bool read_file(struct diag *d, struct arena *a, const char *path, const uint8_t *p, size_t n,
                      const char **wrong) {
    struct config_values c;
    (void)p, (void)n;
    if (!config_read(d, a, path, &c)) return false;
    *wrong = compare(d, &c);
    return true;
}

static const char *const unsupported[] = {"[config-rope]", "[config-linear-class]", "[too-many-ids]", NULL};

const struct format mutate_config = {.name = "config.json",
                                     .n_fields = N_FIELDS,
                                     .field = field,
                                     .may_hold_all = may_hold_all,
                                     .make = make,
                                     .texts = texts,
                                     .settle = settle,
                                     .read = read_file,
                                     .many = true,
                                     .unsupported = unsupported};
