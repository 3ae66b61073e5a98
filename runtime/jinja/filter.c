/* filter.c -- filters: one function each, and the table of them.  The meaning is jinja2's, and transformers'
 * tojson. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/jinja/impl.h"

typedef struct j_value filter_fn(J *j, struct j_value v, struct j_args *a);

static struct j_value undefined(void) { return (struct j_value){0}; }

static int64_t int_arg(J *j, struct j_args *a, uint32_t i, const char *name, int64_t otherwise) {
    const struct j_value *v = setun_j_arg(j, a, i, name);
    int64_t n;
    if (!v) return otherwise;
    if (!setun_j_as_int(*v, &n))
        setun_j_fail(j, "'%s' wants an int as '%s', found '%s'", a->of, name, setun_j_type(*v));
    return n;
}

static bool bool_arg(J *j, struct j_args *a, uint32_t i, const char *name) {
    const struct j_value *v = setun_j_arg(j, a, i, name);
    return v && setun_j_true(*v);
}

/* ---- strings ---- */

static struct j_value trim(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *chars = setun_j_arg(j, a, 0, "chars");
    v = setun_j_string(j, v);
    if (chars && chars->kind == J_NONE) chars = NULL;
    if (chars && chars->kind != J_STR) setun_j_fail(j, "'trim' wants a str, found '%s'", setun_j_type(*chars));
    return setun_j_strip(j, v, chars, true, true);
}

static struct j_value string(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    return v.kind == J_STR ? v : setun_j_string(j, v);
}

static struct j_value change_case(J *j, struct j_value v, struct j_args *a) {
    enum j_case how = a->of[0] == 'u'   ? J_UPPER
                      : a->of[0] == 'l' ? J_LOWER
                      : a->of[0] == 'c' ? J_CAPITAL
                                        : J_TITLE_FILTER;
    return setun_j_case(j, setun_j_string(j, v), how);
}

static struct j_value replace(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *from = setun_j_arg(j, a, 0, "old"), *to = setun_j_arg(j, a, 1, "new"),
                         *count = setun_j_arg(j, a, 2, "count");
    if (!from || !to) setun_j_fail(j, "'replace' wants two strings");
    int64_t n = count && count->kind != J_NONE ? int_arg(j, a, 2, "count", -1) : -1;
    return setun_j_replace(j, setun_j_string(j, v), setun_j_string(j, *from), setun_j_string(j, *to), n);
}

static struct j_value indent(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *width = setun_j_arg(j, a, 0, "width");
    bool first = bool_arg(j, a, 1, "first"), blank = bool_arg(j, a, 2, "blank");
    struct j_buf pad = {0}, out = {0};
    int64_t n = 4;
    if (v.kind != J_STR) setun_j_fail(j, "'indent' wants a str, found '%s'", setun_j_type(v));
    if (v.markup) setun_j_fail(j, "a safe string may only be printed");
    if (width && width->kind == J_STR) {
        setun_j_put(j, &pad, width->s, width->n);
    } else {
        n = int_arg(j, a, 0, "width", 4);
        for (int64_t i = 0; i < n; i++) setun_j_put(j, &pad, " ", 1);
    }
    setun_j_put(j, &pad, "", 0);
    struct j_args keep = {.of = "splitlines"};
    struct j_method split = {v, "splitlines"};
    struct j_value lines = setun_j_call_method(j, &split, &keep);
    bool ends = v.n > 0 && (v.s[v.n - 1] == '\n'); /* what was cut off is a line of its own */
    if (ends || v.n == 0) setun_j_push(j, lines.list, setun_j_str("", 0));
    for (uint32_t i = 0; i < lines.list->n; i++) {
        struct j_value line = lines.list->at[i];
        if (i > 0) setun_j_put(j, &out, "\n", 1);
        if (i == 0 ? first : blank || line.n > 0) setun_j_put(j, &out, pad.at, pad.n);
        setun_j_put(j, &out, line.s, line.n);
    }
    return setun_j_take(j, &out);
}

static struct j_value safe(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    v = setun_j_string(j, v);
    v.markup = true;
    return v;
}

static struct j_value escape(J *j, struct j_value v, struct j_args *a) {
    static const char from[] = "&<>'\"", *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    struct j_buf out = {0};
    (void)a;
    if (v.markup) return v;
    v = setun_j_string(j, v);
    for (uint32_t i = 0; i < v.n; i++) {
        const char *p = v.s[i] ? strchr(from, v.s[i]) : NULL;
        setun_j_put(j, &out, p ? to[p - from] : v.s + i, p ? strlen(to[p - from]) : 1);
    }
    v = setun_j_take(j, &out);
    v.markup = true;
    return v;
}

static struct j_value tojson(J *j, struct j_value v, struct j_args *a) {
    struct j_buf out = {0}, pad = {0};
    const struct j_value *indent_of = setun_j_arg(j, a, 1, "indent"), *seps = setun_j_arg(j, a, 2, "separators");
    struct j_json how = {.ascii = bool_arg(j, a, 0, "ensure_ascii"), .sort = bool_arg(j, a, 3, "sort_keys")};
    if (indent_of && indent_of->kind == J_STR) {
        how.indent = setun_j_copy(j, indent_of->s, indent_of->n);
    } else if (indent_of && indent_of->kind != J_NONE) {
        for (int64_t i = int_arg(j, a, 1, "indent", 0); i > 0; i--) setun_j_put(j, &pad, " ", 1);
        setun_j_put(j, &pad, "", 0);
        how.indent = pad.at;
    }
    how.item = how.indent ? "," : ", ";
    how.key = ": ";
    if (seps && seps->kind != J_NONE) {
        struct j_value two = setun_j_elements(j, *seps);
        if (two.list->n != 2 || two.list->at[0].kind != J_STR || two.list->at[1].kind != J_STR) {
            setun_j_fail(j, "'tojson' wants two strings as separators");
        }
        how.item = setun_j_copy(j, two.list->at[0].s, two.list->at[0].n);
        how.key = setun_j_copy(j, two.list->at[1].s, two.list->at[1].n);
    }
    setun_j_json(j, &out, v, &how, 0);
    return setun_j_take(j, &out);
}

/* ---- numbers ---- */

/*
 * A text as Python's int() and float() take it, white space and _ between digits gone; false: it is none.  A digit
 * beyond ASCII would be one to Python.
 */
static bool numeral(J *j, struct j_value v, char text[72]) {
    struct j_value s = setun_j_strip(j, v, NULL, true, true);
    size_t n = 0, len;
    for (size_t i = 0; i < s.n; i += len) {
        uint32_t c = setun_j_char(s.s + i, s.n - i, &len);
        if (c >= 0x80 && setun_j_is_digit(c)) setun_j_fail(j, "a number in digits beyond ASCII is not supported");
        bool between = i > 0 && i + 1 < s.n && strchr("0123456789", s.s[i - 1]) && strchr("0123456789", s.s[i + 1]);
        if (c >= 0x80 || c == 0 || (c == '_' && !between)) return false;
        if (c == '_') continue;
        if (n == 71) return false;
        text[n++] = (char)c;
    }
    text[n] = '\0';
    return n > 0;
}

static bool read_int(J *j, struct j_value v, int64_t *out) {
    char text[72];
    if (!numeral(j, v, text)) return false;
    const char *digits = text + (text[0] == '+' || text[0] == '-');
    size_t n = strlen(digits);
    if (n == 0 || strspn(digits, "0123456789") != n) return false;
    if (n > 18) setun_j_fail(j, "an integer beyond 64 bits is not supported");
    *out = strtoll(text, NULL, 10);
    return true;
}

static bool read_float(J *j, struct j_value v, double *out) {
    char text[72], *end;
    if (!numeral(j, v, text)) return false;
    if (strpbrk(text, "xXpP(")) return false; /* strtod's, not Python's */
    *out = strtod(text, &end);
    return *end == '\0';
}

static struct j_value to_int(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *otherwise = setun_j_arg(j, a, 0, "default");
    int64_t i;
    double f;
    if (v.kind == J_UNDEFINED) setun_j_fail(j, "'int' of a value that is not defined");
    if (setun_j_as_int(v, &i)) return setun_j_int(i);
    if (v.kind == J_STR && read_int(j, v, &i)) return setun_j_int(i);
    if (v.kind == J_FLOAT || (v.kind == J_STR && read_float(j, v, &f))) {
        if (v.kind == J_FLOAT) f = v.f;
        if (v.kind == J_FLOAT && isinf(f)) setun_j_fail(j, "an infinite number has no integer");
        if (isfinite(f)) {
            if (fabs(f) >= 0x1p63) setun_j_fail(j, "an integer beyond 64 bits is not supported");
            return setun_j_int((int64_t)f);
        }
    }
    return otherwise ? *otherwise : setun_j_int(0);
}

static struct j_value to_float(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *otherwise = setun_j_arg(j, a, 0, "default");
    double f;
    if (v.kind == J_UNDEFINED) setun_j_fail(j, "'float' of a value that is not defined");
    if (setun_j_as_real(v, &f) || (v.kind == J_STR && read_float(j, v, &f))) return setun_j_float(f);
    return otherwise ? *otherwise : setun_j_float(0);
}

static struct j_value absolute(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    if (v.kind == J_FLOAT) return setun_j_float(fabs(v.f));
    return setun_j_compare(j, JO_LT, v, setun_j_int(0)) ? setun_j_unary(j, JO_SUB, v) : setun_j_unary(j, JO_ADD, v);
}

/* ---- sequences ---- */

static struct j_value length(J *j, struct j_value v, struct j_args *a) {
    int64_t n;
    (void)a;
    if (!setun_j_length(v, &n)) setun_j_fail(j, "'%s' has no length", setun_j_type(v));
    return setun_j_int(n);
}

static struct j_value first(J *j, struct j_value v, struct j_args *a) {
    struct j_value one;
    (void)a;
    return setun_j_next(j, setun_j_walk(j, v), &one) ? one : undefined();
}

static struct j_value last(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    if (v.kind == J_ITER) setun_j_fail(j, "'last' of an iterator has no meaning");
    struct j_value all = setun_j_elements(j, v);
    return all.list->n > 0 ? all.list->at[all.list->n - 1] : undefined();
}

static struct j_value list(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    return setun_j_elements(j, v);
}

static struct j_value reversed(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    if (v.kind == J_STR) {
        struct j_value step[3] = {{.kind = J_NONE}, {.kind = J_NONE}, setun_j_int(-1)};
        return setun_j_slice(j, v, step);
    }
    struct j_value all = setun_j_elements(j, v);
    for (uint32_t i = 0, n = all.list->n; i < n / 2; i++) {
        struct j_value t = all.list->at[i];
        all.list->at[i] = all.list->at[n - 1 - i];
        all.list->at[n - 1 - i] = t;
    }
    return v.kind == J_ITER ? all : setun_j_iterator(j, all);
}

static struct j_value items(J *j, struct j_value v, struct j_args *a) {
    (void)a;
    struct j_value all = setun_j_list(j, J_LIST, 0);
    if (v.kind != J_UNDEFINED && v.kind != J_DICT) setun_j_fail(j, "'items' wants a dict, found '%s'", setun_j_type(v));
    for (uint32_t i = 0; v.kind == J_DICT && i < v.dict->n; i++) {
        setun_j_push(j, all.list, setun_j_pair(j, v.dict->key[i], v.dict->value[i]));
    }
    return setun_j_iterator(j, all);
}

static struct j_value fallback(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *otherwise = setun_j_arg(j, a, 0, "default_value");
    bool also_false = bool_arg(j, a, 1, "boolean");
    if (v.kind != J_UNDEFINED && (!also_false || setun_j_true(v))) return v;
    return otherwise ? *otherwise : setun_j_str("", 0);
}

/* ---- by attribute, filter or test ---- */

/* "a.b.0": each part a key or an attribute. */
static struct j_value attribute(J *j, struct j_value v, struct j_value path) {
    int64_t i;
    if (setun_j_as_int(path, &i)) return setun_j_item(j, v, path);
    if (path.kind != J_STR) setun_j_fail(j, "an attribute is named by a %s", setun_j_type(path));
    struct j_value dot = setun_j_str(".", 1), parts = setun_j_split(j, path, &dot, -1, false);
    for (uint32_t k = 0; k < parts.list->n; k++) {
        struct j_value part = parts.list->at[k];
        bool digits = part.n > 0 && part.n < 10;
        for (uint32_t c = 0; c < part.n; c++) digits = digits && part.s[c] >= '0' && part.s[c] <= '9';
        v = setun_j_item(j, v, digits ? setun_j_int(atoi(setun_j_copy(j, part.s, part.n))) : part);
    }
    return v;
}

/* The arguments behind the first so many, for the filter or test that those name. */
static struct j_args behind(const struct j_args *a, uint32_t n, const char *of) {
    struct j_args rest = {.of = of, .kw = a->kw, .n_kw = a->n_kw};
    if (a->n > n) {
        rest.at = a->at + n;
        rest.n = a->n - n;
    }
    return rest;
}

static const char *named(J *j, struct j_value v, const char *of) {
    if (v.kind != J_STR) setun_j_fail(j, "'%s' wants a name, found '%s'", of, setun_j_type(v));
    return setun_j_copy(j, v.s, v.n);
}

static struct j_value map(J *j, struct j_value v, struct j_args *a) {
    struct j_value all = setun_j_list(j, J_LIST, 0), one;
    const struct j_value *path = a->n == 0 ? setun_j_arg(j, a, 0, "attribute") : NULL,
                         *otherwise = path ? setun_j_arg(j, a, 1, "default") : NULL;
    if (!path && a->n == 0) setun_j_fail(j, "'map' wants a filter or an attribute");
    if (path) setun_j_args_end(j, a, 0);
    const char *name = path ? NULL : named(j, a->at[0], "map");
    struct j_iter *it = setun_j_true(v) ? setun_j_walk(j, v) : NULL; /* so does jinja2, whatever v is */
    while (it && setun_j_next(j, it, &one)) {
        struct j_args rest = behind(a, 1, name);
        if (path) {
            one = attribute(j, one, *path);
            if (otherwise && one.kind == J_UNDEFINED) one = *otherwise;
        } else {
            one = setun_j_filter(j, name, one, &rest);
        }
        setun_j_push(j, all.list, one);
    }
    return setun_j_iterator(j, all);
}

/* select, reject, selectattr, rejectattr */
static struct j_value choose(J *j, struct j_value v, struct j_args *a) {
    struct j_value all = setun_j_list(j, J_LIST, 0), one;
    bool by_attr = strstr(a->of, "attr") != NULL, wanted = a->of[0] == 's';
    uint32_t at = by_attr ? 1 : 0;
    if (a->n < at) setun_j_fail(j, "'%s' wants an attribute", a->of);
    const char *name = a->n > at ? named(j, a->at[at], a->of) : NULL;
    struct j_iter *it = setun_j_true(v) ? setun_j_walk(j, v) : NULL; /* so does jinja2, whatever v is */
    while (it && setun_j_next(j, it, &one)) {
        struct j_value of = by_attr ? attribute(j, one, a->at[0]) : one;
        struct j_args rest = behind(a, at + 1, name);
        if ((name ? setun_j_test(j, name, of, &rest) : setun_j_true(of)) == wanted) setun_j_push(j, all.list, one);
    }
    return setun_j_iterator(j, all);
}

static struct j_value join(J *j, struct j_value v, struct j_args *a) {
    struct j_buf out = {0};
    struct j_value one;
    const struct j_value *between = setun_j_arg(j, a, 0, "d"), *path = setun_j_arg(j, a, 1, "attribute");
    struct j_iter *it = setun_j_walk(j, v);
    for (bool more = false; setun_j_next(j, it, &one); more = true) {
        if (more && between) setun_j_print(j, &out, setun_j_string(j, *between));
        if (path && path->kind != J_NONE) one = attribute(j, one, *path);
        setun_j_print(j, &out, setun_j_string(j, one));
    }
    return setun_j_take(j, &out);
}

/* What sort, min, max and unique compare: an attribute, and a string without its case. */
static struct j_value key_of(J *j, struct j_value v, const struct j_value *path, bool sensitive) {
    if (path && path->kind != J_NONE) v = attribute(j, v, *path);
    return v.kind == J_STR && !sensitive ? setun_j_case(j, v, J_LOWER) : v;
}

static struct j_value sort(J *j, struct j_value v, struct j_args *a) {
    bool back = bool_arg(j, a, 0, "reverse"), sensitive = bool_arg(j, a, 1, "case_sensitive");
    const struct j_value *path = setun_j_arg(j, a, 2, "attribute");
    struct j_value all = setun_j_elements(j, v), keys = setun_j_list(j, J_LIST, all.list->n);
    if (path && path->kind == J_STR && memchr(path->s, ',', path->n))
        setun_j_fail(j, "'sort' by several attributes is not supported");
    for (uint32_t i = 0; i < all.list->n; i++) setun_j_push(j, keys.list, key_of(j, all.list->at[i], path, sensitive));
    for (uint32_t i = 1; i < all.list->n; i++) { /* stable; few elements */
        struct j_value one = all.list->at[i], key = keys.list->at[i];
        uint32_t at = i;
        for (; at > 0; at--) {
            struct j_value before = keys.list->at[at - 1];
            setun_j_step(j, 1);
            if (!(back ? setun_j_order(j, before, key, JO_LT) == -1 : setun_j_order(j, key, before, JO_LT) == -1))
                break;
            keys.list->at[at] = before;
            all.list->at[at] = all.list->at[at - 1];
        }
        keys.list->at[at] = key;
        all.list->at[at] = one;
    }
    return all;
}

static struct j_value unique(J *j, struct j_value v, struct j_args *a) {
    bool sensitive = bool_arg(j, a, 0, "case_sensitive");
    const struct j_value *path = setun_j_arg(j, a, 1, "attribute");
    struct j_value all = setun_j_list(j, J_LIST, 0), seen = setun_j_dict(j, J_DICT), one;
    struct j_iter *it = setun_j_walk(j, v);
    while (setun_j_next(j, it, &one)) {
        struct j_value key = key_of(j, one, path, sensitive);
        if (setun_j_in(j, key, seen)) continue;
        setun_j_put_key(j, seen.dict, key, setun_j_bool(true));
        setun_j_push(j, all.list, one);
    }
    return setun_j_iterator(j, all);
}

static struct j_value extreme(J *j, struct j_value v, struct j_args *a) {
    bool sensitive = bool_arg(j, a, 0, "case_sensitive"), most = a->of[1] == 'a';
    const struct j_value *path = setun_j_arg(j, a, 1, "attribute");
    struct j_value best = undefined(), best_key = best, one;
    struct j_iter *it = setun_j_walk(j, v);
    for (bool first_one = true; setun_j_next(j, it, &one); first_one = false) {
        struct j_value key = key_of(j, one, path, sensitive);
        if (!first_one &&
            !(most ? setun_j_order(j, key, best_key, JO_GT) == 1 : setun_j_order(j, key, best_key, JO_LT) == -1))
            continue;
        best = one;
        best_key = key;
    }
    return best;
}

static struct j_value sum(J *j, struct j_value v, struct j_args *a) {
    const struct j_value *path = setun_j_arg(j, a, 0, "attribute"), *start = setun_j_arg(j, a, 1, "start");
    struct j_value total = start ? *start : setun_j_int(0), one;
    if (total.kind == J_STR) setun_j_fail(j, "'sum' of strings has no meaning");
    struct j_iter *it = setun_j_walk(j, v);
    while (setun_j_next(j, it, &one)) {
        if (path && path->kind != J_NONE) one = attribute(j, one, *path);
        total = setun_j_binary(j, JO_ADD, total, one);
    }
    return total;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    uint32_t most; /* arguments; UINT32_MAX: it looks itself */
    filter_fn *run;
} filters[] = {
    {"trim", 1, trim},
    {"string", 0, string},
    {"upper", 0, change_case},
    {"lower", 0, change_case},
    {"title", 0, change_case},
    {"capitalize", 0, change_case},
    {"replace", 3, replace},
    {"indent", 3, indent},
    {"safe", 0, safe},
    {"escape", 0, escape},
    {"e", 0, escape},
    {"tojson", 4, tojson},
    {"int", 1, to_int},
    {"float", 1, to_float},
    {"abs", 0, absolute},
    {"length", 0, length},
    {"count", 0, length},
    {"first", 0, first},
    {"last", 0, last},
    {"list", 0, list},
    {"reverse", 0, reversed},
    {"items", 0, items},
    {"default", 2, fallback},
    {"d", 2, fallback},
    {"map", UINT32_MAX, map},
    {"select", UINT32_MAX, choose},
    {"reject", UINT32_MAX, choose},
    {"selectattr", UINT32_MAX, choose},
    {"rejectattr", UINT32_MAX, choose},
    {"join", 2, join},
    {"sort", 3, sort},
    {"unique", 2, unique},
    {"min", 2, extreme},
    {"max", 2, extreme},
    {"sum", 2, sum},
};
enum { N_FILTERS = sizeof filters / sizeof *filters };

bool setun_j_known_filter(const char *name) {
    for (size_t i = 0; i < N_FILTERS; i++)
        if (!strcmp(filters[i].name, name)) return true;
    return false;
}

struct j_value setun_j_filter(J *j, const char *name, struct j_value v, struct j_args *a) {
    setun_j_deeper(j);
    for (size_t i = 0; i < N_FILTERS; i++) {
        if (strcmp(filters[i].name, name) != 0) continue;
        struct j_value out = filters[i].run(j, v, a);
        if (filters[i].most != UINT32_MAX) setun_j_args_end(j, a, filters[i].most);
        j->depth--;
        return out;
    }
    setun_j_fail(j, "the filter '%s' is not supported", name);
}
