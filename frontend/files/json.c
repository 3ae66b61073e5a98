/* json.c -- see json.h. */
#include "frontend/files/json.h"

#include <math.h>
#include <sys/stat.h>

#include "base/file.h"

/* ---- before parsing: jansson takes about 50 bytes a value, and recurses ---- */

static bool look_over(const struct jfile *j, const char *text, size_t n, struct jlimits limits) {
    uint32_t depth = 0;
    size_t values = 1;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"') in_string = true;
        if (c == ',' || c == '{' || c == '[') values++;
        if (values > limits.values) return diag_in(j->diag, j->path, DIAG_JSON_TOO_LARGE, limits.values);
        if ((c == '}' || c == ']') && depth) depth--;
        if ((c == '{' || c == '[') && ++depth > limits.depth)
            return diag_in(j->diag, j->path, DIAG_JSON_TOO_DEEP, i, limits.depth);
    }
    return true;
}

bool jfile_parse(struct jfile *j, struct diag *d, struct arena *a, const char *path, const char *text, size_t n,
                 struct jlimits limits) {
    *j = (struct jfile){.diag = d, .arena = a, .path = path};
    if (!look_over(j, text, n, limits)) return false;
    json_error_t error;
    j->root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!j->root) return diag_in(d, path, DIAG_BAD_JSON, error.line, error.column, error.text);
    if (json_is_object(j->root)) return true;
    diag_in(d, path, DIAG_JSON_TYPE, "an object", json_kind(j->root));
    jfile_close(j);
    return false;
}

bool jfile_open(struct jfile *j, struct diag *d, struct arena *a, const char *path, struct jlimits limits) {
    struct arena *text_arena = arena_new();
    char *text;
    size_t n;
    struct stat st; /* a pipe would be waited for */
    if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) {
        arena_free(text_arena);
        return diag_in(d, path, DIAG_NOT_REGULAR);
    }
    bool ok = file_read(d, text_arena, path, limits.bytes, &text, &n) && jfile_parse(j, d, a, path, text, n, limits);
    arena_free(text_arena);
    return ok;
}

void jfile_close(struct jfile *j) {
    json_decref(j->root);
    j->root = NULL;
}

/* ---- typed members ---- */

const char *json_kind(const json_t *v) {
    if (!v) return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    }
    return "nothing";
}

const char *jfile_where(const struct jfile *j, const char *a, const char *b) {
    if (!a || !b) return arena_printf(j->arena, "%s: key '%s'", j->path, a ? a : b);
    return arena_printf(j->arena, "%s: key '%s.%s'", j->path, a, b);
}

static enum jgot wrong(const struct jfile *j, const char *path, const char *key, const char *expected,
                       const json_t *v) {
    diag_in(j->diag, jfile_where(j, path, key), DIAG_JSON_TYPE, expected, json_kind(v));
    return JGOT_BAD;
}

/* The member, or NULL if absent or null. */
static const json_t *member(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    return v && !json_is_null(v) ? v : NULL;
}

enum jgot jfile_int(const struct jfile *j, const json_t *object, const char *path, const char *key, int64_t least,
                    int64_t most, int64_t *out) {
    const json_t *v = member(object, key);
    if (!v) return JGOT_ABSENT;
    if (!json_is_integer(v)) return wrong(j, path, key, "an integer", v);
    int64_t i = json_integer_value(v);
    if (i < least || i > most) {
        diag_in(j->diag, jfile_where(j, path, key), DIAG_JSON_RANGE, i, least, most);
        return JGOT_BAD;
    }
    *out = i;
    return JGOT_VALUE;
}

enum jgot jfile_real(const struct jfile *j, const json_t *object, const char *path, const char *key, double *out) {
    const json_t *v = member(object, key);
    if (!v) return JGOT_ABSENT;
    if (!json_is_number(v)) return wrong(j, path, key, "a number", v);
    *out = json_number_value(v);
    if (isfinite(*out)) return JGOT_VALUE;
    diag_in(j->diag, jfile_where(j, path, key), DIAG_JSON_NOT_FINITE);
    return JGOT_BAD;
}

enum jgot jfile_bool(const struct jfile *j, const json_t *object, const char *path, const char *key, bool *out) {
    const json_t *v = member(object, key);
    if (!v) return JGOT_ABSENT;
    if (!json_is_boolean(v)) return wrong(j, path, key, "true or false", v);
    *out = json_is_true(v);
    return JGOT_VALUE;
}

enum jgot jfile_text(const struct jfile *j, const json_t *object, const char *path, const char *key, const char **out) {
    const json_t *v = member(object, key);
    if (!v) return JGOT_ABSENT;
    if (!json_is_string(v)) return wrong(j, path, key, "a string", v);
    *out = json_string_value(v);
    return JGOT_VALUE;
}

enum jgot jfile_object(const struct jfile *j, const json_t *object, const char *path, const char *key,
                       const json_t **out) {
    const json_t *v = member(object, key);
    if (!v) return JGOT_ABSENT;
    if (!json_is_object(v)) return wrong(j, path, key, "an object", v);
    *out = v;
    return JGOT_VALUE;
}

enum jgot jfile_list(const struct jfile *j, const json_t *object, const char *path, const char *key,
                     const json_t **out) {
    const json_t *v = member(object, key);
    if (!v) return JGOT_ABSENT;
    if (!json_is_array(v)) return wrong(j, path, key, "a list", v);
    *out = v;
    return JGOT_VALUE;
}

enum jgot jfile_ids(const struct jfile *j, const json_t *object, const char *key, size_t most, int64_t *out,
                    size_t *n) {
    const json_t *v = member(object, key);
    *n = 0;
    if (!v) return JGOT_ABSENT;
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    if (count > most) {
        diag_in(j->diag, jfile_where(j, key, NULL), DIAG_TOO_MANY_IDS, count, most);
        return JGOT_BAD;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *e = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(e)) return wrong(j, NULL, key, "an integer", e);
        out[i] = json_integer_value(e);
        if (out[i] < 0 || out[i] > INT32_MAX) {
            diag_in(j->diag, jfile_where(j, key, NULL), DIAG_JSON_RANGE, out[i], (int64_t)0, (int64_t)INT32_MAX);
            return JGOT_BAD;
        }
    }
    *n = count;
    return JGOT_VALUE;
}
