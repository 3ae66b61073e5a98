/*
 * attr.c -- v.name, v[key], v[a:b:c].
 *
 * v.name looks for an attribute of Python's type first and for a key second, v["name"] the other way round; what is
 * found nowhere is undefined.  So message.items is dict's method even if there is a key 'items'.
 */
#include <string.h>

#include "runtime/jinja/impl.h"

/* Attributes of Python's types.  Those behind "|" change the value: jinja2's sandbox makes them undefined. */
static const char *const str_names[] = {
    "capitalize", "casefold",     "center",       "count",   "encode",     "endswith",    "expandtabs",
    "find",       "format",       "format_map",   "index",   "isalnum",    "isalpha",     "isascii",
    "isdecimal",  "isdigit",      "isidentifier", "islower", "isnumeric",  "isprintable", "isspace",
    "istitle",    "isupper",      "join",         "ljust",   "lower",      "lstrip",      "maketrans",
    "partition",  "removeprefix", "removesuffix", "replace", "rfind",      "rindex",      "rjust",
    "rpartition", "rsplit",       "rstrip",       "split",   "splitlines", "startswith",  "strip",
    "swapcase",   "title",        "translate",    "upper",   "zfill",      NULL,          NULL};
static const char *const list_names[] = {"copy",   "count", "index",  NULL,      "append", "clear", "extend",
                                         "insert", "pop",   "remove", "reverse", "sort",   NULL};
static const char *const tuple_names[] = {"count", "index", NULL, NULL};
static const char *const dict_names[] = {"copy",  "fromkeys", "get",     "items",      "keys",   "values", NULL,
                                         "clear", "pop",      "popitem", "setdefault", "update", NULL};
static const char *const int_names[] = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes", "imag",
    "numerator",        "real",      "to_bytes",   NULL,        NULL};
static const char *const float_names[] = {"as_integer_ratio", "conjugate", "fromhex", "hex", "imag",
                                          "is_integer",       "real",      NULL,      NULL};
static const char *const range_names[] = {"count", "index", "start", "step", "stop", NULL, NULL};
static const char *const view_names[] = {"isdisjoint", "mapping", NULL, NULL};

static const char *const *names_of(struct j_value v) {
    switch ((enum j_kind)v.kind) {
    case J_STR: return str_names;
    case J_LIST: return list_names;
    case J_TUPLE: return tuple_names;
    case J_DICT: return dict_names;
    case J_BOOL:
    case J_INT: return int_names;
    case J_FLOAT: return float_names;
    case J_RANGE: return range_names;
    case J_VIEW: return view_names;
    default: return NULL;
    }
}

/* An attribute of the type.  *v undefined: it is there, but the sandbox hides it. */
static bool type_attr(J *j, struct j_value of, const char *name, struct j_value *v) {
    const char *const *names = names_of(of);
    bool hidden = false;
    *v = (struct j_value){0};
    if (!names) return false;
    for (;; names++) {
        if (!*names && hidden) return false;
        if (!*names) {
            hidden = true;
        } else if (!strcmp(*names, name)) {
            break;
        }
    }
    if (hidden) return true;
    struct j_method *m = setun_j_alloc(j, 1, sizeof *m);
    *m = (struct j_method){of, name};
    *v = (struct j_value){.kind = J_METHOD, .method = m};
    return true;
}

_Noreturn static void of_undefined(J *j, const char *name) {
    setun_j_fail(j, "'%s' of a value that is not defined", name);
}

static bool own_attr(J *j, struct j_value v, const char *name, struct j_value *found) {
    if (v.kind == J_LOOP) {
        *found = setun_j_loop_attr(j, v.iter, name);
        return true;
    }
    if (v.kind == J_NAMESPACE) {
        const struct j_value *at = setun_j_find(j, v.dict, setun_j_str(name, strlen(name)));
        if (at) *found = *at;
        return at != NULL;
    }
    if (v.kind == J_ITER || v.kind == J_MACRO || v.kind == J_METHOD || v.kind == J_FUNC) {
        setun_j_fail(j, "the attribute '%s' of a value of the kind '%s' is not supported", name, setun_j_type(v));
    }
    return type_attr(j, v, name, found);
}

struct j_value setun_j_attr(J *j, struct j_value v, const char *name) {
    struct j_value found = {0};
    if (v.kind == J_UNDEFINED) of_undefined(j, name);
    if (own_attr(j, v, name, &found)) return found;
    if (v.kind == J_DICT) {
        const struct j_value *at = setun_j_find(j, v.dict, setun_j_str(name, strlen(name)));
        if (at) return *at;
    }
    return (struct j_value){0};
}

/* The element at i, from the end if negative. */
static bool element(struct j_value v, int64_t i, struct j_value *out) {
    int64_t n;
    if (v.kind != J_STR && v.kind != J_LIST && v.kind != J_TUPLE && v.kind != J_RANGE) return false;
    setun_j_length(v, &n);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return false;
    if (v.kind == J_STR) {
        size_t at = setun_j_offset(v.s, v.n, (size_t)i), len;
        setun_j_char(v.s + at, v.n - at, &len);
        *out = setun_j_str(v.s + at, len);
        out->markup = v.markup;
    } else {
        *out = v.kind == J_RANGE ? setun_j_int(v.range->start + i * v.range->step) : v.list->at[i];
    }
    return true;
}

struct j_value setun_j_item(J *j, struct j_value v, struct j_value key) {
    struct j_value found = {0};
    int64_t i;
    if (v.kind == J_UNDEFINED) of_undefined(j, "[...]");
    if (v.kind == J_STR) setun_j_step(j, v.n / 16);
    if (v.kind == J_DICT) {
        if (key.kind == J_LIST || key.kind == J_DICT || key.kind == J_VIEW) return found;
        const struct j_value *at = setun_j_find(j, v.dict, key);
        if (at) return *at;
    } else if (setun_j_as_int(key, &i) && element(v, i, &found)) {
        return found;
    }
    if (key.kind != J_STR) return (struct j_value){0};
    if (key.n > 1 && key.s[0] == '_' && key.s[1] == '_')
        setun_j_fail(j, "attributes that begin with '__' are not supported");
    return own_attr(j, v, setun_j_copy(j, key.s, key.n), &found) ? found : (struct j_value){0};
}

/* ---- slices ---- */

static int64_t clamp(int64_t i, int64_t n, int64_t low, int64_t high) {
    if (i < 0) i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

/* Python's slice.indices. */
static int64_t bounds(J *j, const struct j_value s[3], int64_t n, int64_t *start, int64_t *step) {
    int64_t stop, i;
    for (int k = 0; k < 3; k++)
        if (s[k].kind != J_NONE && !setun_j_as_int(s[k], &i)) {
            setun_j_fail(j, "a slice wants integers, found '%s'", setun_j_type(s[k]));
        }
    *step = s[2].kind == J_NONE ? 1 : s[2].i;
    if (*step == 0) setun_j_fail(j, "the step of a slice is 0");
    if (*step < -INT64_MAX) *step = -INT64_MAX;
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    *start = s[0].kind == J_NONE ? (*step < 0 ? high : low) : clamp(s[0].i, n, low, high);
    stop = s[1].kind == J_NONE ? (*step < 0 ? low : high) : clamp(s[1].i, n, low, high);
    if (*step < 0) return stop < *start ? (*start - stop - 1) / -*step + 1 : 0;
    return *start < stop ? (stop - *start - 1) / *step + 1 : 0;
}

static struct j_value slice_string(J *j, struct j_value v, int64_t start, int64_t step, int64_t n) {
    if (step == 1) {
        size_t from = setun_j_offset(v.s, v.n, (size_t)start);
        struct j_value part = setun_j_str(v.s + from, setun_j_offset(v.s + from, v.n - from, (size_t)n));
        return part;
    }
    /* Where each character begins, then those that are wanted. */
    size_t chars = setun_j_chars(v.s, v.n), k = 0, len;
    uint32_t *begin = setun_j_alloc(j, chars + 1, sizeof *begin);
    for (size_t at = 0; at < v.n; at += len) {
        begin[k++] = (uint32_t)at;
        setun_j_char(v.s + at, v.n - at, &len);
    }
    begin[k] = v.n;
    struct j_buf out = {0};
    for (int64_t i = 0; i < n; i++, start += step)
        setun_j_put(j, &out, v.s + begin[start], begin[start + 1] - begin[start]), setun_j_step(j, 1);
    return setun_j_take(j, &out);
}

struct j_value setun_j_slice(J *j, struct j_value v, const struct j_value s[3]) {
    int64_t n, start, step;
    if (v.kind == J_UNDEFINED) of_undefined(j, "[:]");
    if (v.kind != J_STR && v.kind != J_LIST && v.kind != J_TUPLE && v.kind != J_RANGE) {
        setun_j_fail(j, "'%s' has no slices", setun_j_type(v));
    }
    if (v.markup) setun_j_fail(j, "a safe string may only be printed");
    if (v.kind == J_RANGE) setun_j_fail(j, "a slice of a range is not supported");
    setun_j_length(v, &n);
    n = bounds(j, s, n, &start, &step);
    setun_j_step(j, v.kind == J_STR ? v.n / 16 : (uint64_t)n);
    if (v.kind == J_STR) return slice_string(j, v, start, step, n);
    struct j_value part = setun_j_list(j, v.kind, (uint32_t)n);
    for (int64_t i = 0; i < n; i++) setun_j_push(j, part.list, v.list->at[start + i * step]);
    return part;
}

/* ---- loop ---- */

static int64_t loop_length(J *j, struct j_iter *it) {
    int64_t n;
    if (it->length >= 0) return it->length;
    bool sized = !it->test && setun_j_length(it->over, &n);
    if (!sized) { /* the rest is read ahead, as jinja2 does */
        struct j_value rest = setun_j_list(j, J_LIST, 0), v;
        bool ended = it->ended;
        while (setun_j_loop_next(j, it, &v)) setun_j_push(j, rest.list, v);
        n = it->index0 + 1 + rest.list->n;
        it->source = setun_j_walk(j, rest);
        it->test = NULL;
        it->ended = ended;
    }
    return it->length = n;
}

static bool peek(J *j, struct j_iter *it) {
    if (it->has_next) return true;
    struct j_value v;
    if (!setun_j_loop_next(j, it, &v)) return false;
    it->next = v;
    return it->has_next = true;
}

struct j_value setun_j_loop_attr(J *j, struct j_iter *it, const char *name) {
    static const char *const methods[] = {"cycle", "changed"};
    if (!strcmp(name, "index")) return setun_j_int(it->index0 + 1);
    if (!strcmp(name, "index0")) return setun_j_int(it->index0);
    if (!strcmp(name, "first")) return setun_j_bool(it->index0 == 0);
    if (!strcmp(name, "last")) return setun_j_bool(!peek(j, it));
    if (!strcmp(name, "length")) return setun_j_int(loop_length(j, it));
    if (!strcmp(name, "revindex")) return setun_j_int(loop_length(j, it) - it->index0);
    if (!strcmp(name, "revindex0")) return setun_j_int(loop_length(j, it) - it->index0 - 1);
    if (!strcmp(name, "previtem")) return it->has_prev ? it->prev : (struct j_value){0};
    if (!strcmp(name, "nextitem")) return peek(j, it) ? it->next : (struct j_value){0};
    if (!strcmp(name, "depth")) return setun_j_int(1); /* recursive loops are refused */
    if (!strcmp(name, "depth0")) return setun_j_int(0);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(name, methods[i]) != 0) continue;
        struct j_method *m = setun_j_alloc(j, 1, sizeof *m);
        *m = (struct j_method){{.kind = J_LOOP, .iter = it}, methods[i]};
        return (struct j_value){.kind = J_METHOD, .method = m};
    }
    return (struct j_value){0};
}
