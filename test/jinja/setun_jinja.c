/*
 * setun_jinja -- the template engine on standard input, for comparison with jinja2 by the scripts beside this.
 *
 * A line in:   {"template": TEXT, "inputs": [{"messages": ..., any variable: any value}, ...]}
 * A line out:  {"refused": WHY, "line": N}   or   {"outputs": [TEXT or {"error": WHY, "line": N}, ...]}
 * A null variable is none; "strftime_now" in an input is a list of six numbers.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/jinja/impl.h"

static struct j_value value(J *j, const json_t *v) {
    const char *key;
    json_t *one;
    size_t i;
    struct j_value out = {.kind = J_NONE};
    switch (json_typeof(v)) {
    case JSON_NULL: break;
    case JSON_TRUE: return setun_j_bool(true);
    case JSON_FALSE: return setun_j_bool(false);
    case JSON_INTEGER: return setun_j_int(json_integer_value(v));
    case JSON_REAL: return setun_j_float(json_real_value(v));
    case JSON_STRING: return setun_j_str(json_string_value(v), json_string_length(v));
    case JSON_ARRAY:
        out = setun_j_list(j, J_LIST, 0);
        json_array_foreach(v, i, one) setun_j_push(j, out.list, value(j, one));
        break;
    case JSON_OBJECT:
        out = setun_j_dict(j, J_DICT);
        json_object_foreach((json_t *)v, key, one)
            setun_j_put_key(j, out.dict, setun_j_str(key, strlen(key)), value(j, one));
        break;
    }
    return out;
}

static void bind_all(J *j, void *self) {
    const char *key;
    json_t *one;
    json_object_foreach((json_t *)self, key, one) if (strcmp(key, "strftime_now") != 0)
        setun_j_bind(j, j->scope, setun_j_name(j, key, strlen(key)), value(j, one));
}

static json_t *failure(const char *key, const struct setun_jinja_error *e) {
    return json_pack("{s:o, s:i}", key, json_stringn_nocheck(e->text, strlen(e->text)), "line", (int)e->line);
}

static json_t *render(J *j, json_t *in) {
    struct setun_jinja_input input = {0};
    struct setun_jinja_date date;
    struct setun_jinja_text out;
    struct setun_jinja_error why;
    struct j_more more = {bind_all, in};
    int *part[] = {&date.year, &date.month, &date.day, &date.hour, &date.minute, &date.second};
    const json_t *now = json_object_get(in, "strftime_now");
    for (size_t i = 0; now && i < 6; i++) *part[i] = (int)json_integer_value(json_array_get(now, i));
    if (now) input.date = &date;
    if (!setun_j_render(j, &input, &more, &out, &why)) return failure("error", &why);
    return json_stringn_nocheck(out.at, out.n);
}

static json_t *answer(const json_t *line) {
    const json_t *text = json_object_get(line, "template");
    struct setun_jinja_error why;
    json_t *in, *all;
    size_t i;
    J *j = setun_jinja_open(json_string_value(text), json_string_length(text), SETUN_JINJA_MEMORY, &why);
    if (!j) return failure("refused", &why);
    all = json_array();
    json_array_foreach(json_object_get(line, "inputs"), i, in) json_array_append_new(all, render(j, in));
    setun_jinja_close(j);
    return json_pack("{s:o}", "outputs", all);
}

int main(void) {
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        json_t *in = json_loads(line, JSON_ALLOW_NUL, NULL), *out = in ? answer(in) : NULL;
        if (!out) {
            fprintf(stderr, "not a line of JSON: %s\n", line);
            return 2;
        }
        json_dumpf(out, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
        fflush(stdout);
        json_decref(in);
        json_decref(out);
    }
    free(line);
    return 0;
}
