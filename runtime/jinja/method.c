/* method.c -- methods of strings, lists and dicts.  One that is not in the table is refused where it is called.
 */
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/jinja/impl.h"

typedef struct j_value method_fn(J *j, struct j_value self, struct j_args *a);

static struct j_value string_arg(J *j, struct j_args *a, uint32_t i, const char *name) {
    const struct j_value *v = setun_j_arg(j, a, i, name);
    if (!v || v->kind != J_STR)
        setun_j_fail(j, "'%s' wants a str, found '%s'", a->of, v ? setun_j_type(*v) : "nothing");
    if (v->markup) setun_j_fail(j, "a safe string may only be printed");
    return *v;
}

static int64_t int_arg(J *j, struct j_args *a, uint32_t i, const char *name, int64_t otherwise) {
    const struct j_value *v = setun_j_arg(j, a, i, name);
    int64_t n;
    if (!v) return otherwise;
    if (!setun_j_as_int(*v, &n)) setun_j_fail(j, "'%s' wants an int, found '%s'", a->of, setun_j_type(*v));
    return n;
}

/* ---- strings ---- */

static struct j_value strip(J *j, struct j_value self, struct j_args *a) {
    const struct j_value *chars = setun_j_arg(j, a, 0, NULL);
    if (chars && chars->kind == J_NONE) chars = NULL;
    if (chars) string_arg(j, a, 0, NULL);
    return setun_j_strip(j, self, chars, a->of[0] != 'r', a->of[0] != 'l');
}

static struct j_value split(J *j, struct j_value self, struct j_args *a) {
    const struct j_value *sep = setun_j_arg(j, a, 0, "sep");
    if (sep && sep->kind == J_NONE) sep = NULL;
    if (sep) string_arg(j, a, 0, "sep");
    return setun_j_split(j, self, sep, int_arg(j, a, 1, "maxsplit", -1), a->of[0] == 'r');
}

static bool line_end(uint32_t c) {
    return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static struct j_value splitlines(J *j, struct j_value self, struct j_args *a) {
    struct j_value all = setun_j_list(j, J_LIST, 0);
    const struct j_value *keep = setun_j_arg(j, a, 0, "keepends");
    size_t from = 0, len;
    for (size_t at = 0; at < self.n;) {
        size_t end = at;
        bool ends = line_end(setun_j_char(self.s + at, self.n - at, &len));
        at += len;
        if (!ends) continue;
        if (self.s[end] == '\r' && at < self.n && self.s[at] == '\n') at++;
        setun_j_push(j, all.list, setun_j_str(self.s + from, (keep && setun_j_true(*keep) ? at : end) - from));
        from = at;
    }
    if (from < self.n) setun_j_push(j, all.list, setun_j_str(self.s + from, self.n - from));
    return all;
}

static bool affix(struct j_value self, struct j_value what, bool end) {
    return what.n <= self.n && memcmp(self.s + (end ? self.n - what.n : 0), what.s, what.n) == 0;
}

static struct j_value with(J *j, struct j_value self, struct j_args *a) {
    const struct j_value *what = setun_j_arg(j, a, 0, NULL);
    bool end = a->of[0] == 'e', found = false;
    if (!what || what->kind != J_TUPLE) return setun_j_bool(affix(self, string_arg(j, a, 0, NULL), end));
    for (uint32_t i = 0; i < what->list->n; i++) {
        if (what->list->at[i].kind != J_STR) setun_j_fail(j, "'%s' wants strings in its tuple", a->of);
        found = found || affix(self, what->list->at[i], end);
    }
    return setun_j_bool(found);
}

static struct j_value remove_affix(J *j, struct j_value self, struct j_args *a) {
    struct j_value what = string_arg(j, a, 0, NULL);
    bool end = !strcmp(a->of, "removesuffix");
    if (!affix(self, what, end)) return self;
    return setun_j_str(self.s + (end ? 0 : what.n), self.n - what.n);
}

static struct j_value change_case(J *j, struct j_value self, struct j_args *a) {
    static const struct {
        const char *name;
        enum j_case how;
    } cases[] = {{"upper", J_UPPER}, {"lower", J_LOWER}, {"title", J_TITLE}, {"capitalize", J_CAPITAL}};
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(a->of, cases[i].name)) return setun_j_case(j, self, cases[i].how);
    return self;
}

static struct j_value replace(J *j, struct j_value self, struct j_args *a) {
    struct j_value from = string_arg(j, a, 0, NULL), to = string_arg(j, a, 1, NULL);
    return setun_j_replace(j, self, from, to, int_arg(j, a, 2, NULL, -1));
}

static struct j_value join(J *j, struct j_value self, struct j_args *a) {
    const struct j_value *of = setun_j_arg(j, a, 0, NULL);
    struct j_buf out = {0};
    struct j_value v;
    if (!of) setun_j_fail(j, "'join' wants a list");
    struct j_iter *it = setun_j_walk(j, *of);
    for (bool first = true; setun_j_next(j, it, &v); first = false) {
        if (v.kind != J_STR) setun_j_fail(j, "'join' wants strings, found '%s'", setun_j_type(v));
        if (!first) setun_j_put(j, &out, self.s, self.n);
        setun_j_put(j, &out, v.s, v.n);
    }
    return setun_j_take(j, &out);
}

/* find, rfind, index, rindex: code points, or -1 or a failure */
static struct j_value find(J *j, struct j_value self, struct j_args *a) {
    struct j_value what = string_arg(j, a, 0, NULL);
    const char *found = NULL, *p = self.s;
    size_t left = self.n;
    setun_j_step(j, self.n / 16 + 1);
    bool last = a->of[0] == 'r';
    while ((p = setun_j_search(p, left, what.s, what.n)) != NULL) {
        found = p;
        if (!last) break;
        if (what.n == 0) {
            found = self.s + self.n;
            break;
        }
        p++;
        left = (size_t)(self.s + self.n - p);
    }
    if (found) return setun_j_int((int64_t)setun_j_chars(self.s, (size_t)(found - self.s)));
    if (strstr(a->of, "index")) setun_j_fail(j, "'%s' does not find its text", a->of);
    return setun_j_int(-1);
}

static struct j_value count(J *j, struct j_value self, struct j_args *a) {
    struct j_value what = string_arg(j, a, 0, NULL);
    int64_t n = 0;
    const char *p = self.s, *end = self.s + self.n;
    setun_j_step(j, self.n / 16 + 1);
    if (what.n == 0) return setun_j_int((int64_t)setun_j_chars(self.s, self.n) + 1);
    for (; (p = setun_j_search(p, (size_t)(end - p), what.s, what.n)) != NULL; p += what.n) n++;
    return setun_j_int(n);
}

static struct j_value partition(J *j, struct j_value self, struct j_args *a) {
    struct j_value sep = string_arg(j, a, 0, NULL), all = setun_j_list(j, J_TUPLE, 3);
    bool right = a->of[0] == 'r';
    struct j_value parts = setun_j_split(j, self, &sep, 1, right), empty = setun_j_str("", 0);
    const struct j_list *l = parts.list;
    bool found = l->n == 2;
    setun_j_push(j, all.list, found || !right ? l->at[0] : empty);
    setun_j_push(j, all.list, found ? sep : empty);
    setun_j_push(j, all.list, found ? l->at[1] : right ? l->at[0] : empty);
    return all;
}

/* isdigit, isalpha, isalnum, isspace: all characters, and at least one. */
static bool is_one(J *j, uint32_t c, const char *what) {
    if (!strcmp(what, "isspace")) return setun_j_space(c);
    bool digits = what[2] == 'd' || what[4] == 'n', letters = what[2] == 'a';
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return letters;
    case UTF8PROC_CATEGORY_ND: return digits;
    case UTF8PROC_CATEGORY_NO: /* some are digits to Python, some are not */
    case UTF8PROC_CATEGORY_NL:
        if (!digits) return false;
        setun_j_fail(j, "'%s' of U+%04X is not supported", what, c);
    default: return false;
    }
}

static struct j_value is_all(J *j, struct j_value self, struct j_args *a) {
    size_t len;
    bool all = self.n > 0;
    for (size_t at = 0; at < self.n && all; at += len) {
        all = is_one(j, setun_j_char(self.s + at, self.n - at, &len), a->of);
    }
    return setun_j_bool(all);
}

static struct j_value is_case(J *j, struct j_value self, struct j_args *a) {
    bool any = false, all = true, upper = a->of[2] == 'u';
    size_t len;
    setun_j_step(j, self.n / 16 + 1);
    for (size_t at = 0; at < self.n; at += len) {
        utf8proc_int32_t c = (utf8proc_int32_t)setun_j_char(self.s + at, self.n - at, &len);
        bool is = upper ? utf8proc_isupper(c) : utf8proc_islower(c),
             other = upper ? utf8proc_islower(c) : utf8proc_isupper(c);
        any = any || is;
        all = all && !other && utf8proc_category(c) != UTF8PROC_CATEGORY_LT;
    }
    return setun_j_bool(any && all);
}

/* ---- lists and dicts ---- */

static struct j_value list_find(J *j, struct j_value self, struct j_args *a) {
    const struct j_value *what = setun_j_arg(j, a, 0, NULL);
    int64_t n = 0;
    if (!what) setun_j_fail(j, "'%s' wants a value", a->of);
    for (uint32_t i = 0; i < self.list->n; i++) {
        if (!setun_j_equal(j, self.list->at[i], *what)) continue;
        if (a->of[0] == 'i') return setun_j_int(i);
        n++;
    }
    if (a->of[0] == 'i') setun_j_fail(j, "'index' does not find its value");
    return setun_j_int(n);
}

static struct j_value get(J *j, struct j_value self, struct j_args *a) {
    const struct j_value *key = setun_j_arg(j, a, 0, NULL), *otherwise = setun_j_arg(j, a, 1, NULL);
    if (!key) setun_j_fail(j, "'get' wants a key");
    if (!setun_j_in(j, *key, self)) return otherwise ? *otherwise : (struct j_value){.kind = J_NONE};
    return *setun_j_find(j, self.dict, *key);
}

static struct j_value view(J *j, struct j_value self, struct j_args *a) {
    struct j_view *w = setun_j_alloc(j, 1, sizeof *w);
    *w = (struct j_view){self.dict, a->of[0] == 'k' ? J_KEYS : a->of[0] == 'v' ? J_VALUES : J_ITEMS};
    return (struct j_value){.kind = J_VIEW, .view = w};
}

/* ---- loop ---- */

static struct j_value cycle(J *j, struct j_value self, struct j_args *a) {
    if (a->n == 0) setun_j_fail(j, "'cycle' wants values");
    struct j_value v = a->at[(uint64_t)self.iter->index0 % a->n];
    a->n = 0;
    return v;
}

static struct j_value changed(J *j, struct j_value self, struct j_args *a) {
    struct j_value now = setun_j_list(j, J_TUPLE, a->n);
    for (uint32_t i = 0; i < a->n; i++) setun_j_push(j, now.list, a->at[i]);
    a->n = 0;
    bool same = self.iter->has_changed && setun_j_equal(j, self.iter->changed, now);
    self.iter->has_changed = true;
    self.iter->changed = now;
    return setun_j_bool(!same);
}

/* ---- the table ---- */

static const struct method {
    const char *name;
    enum j_kind of;
    uint32_t most; /* arguments */
    bool keywords;
    method_fn *run;
} methods[] = {
    {"strip", J_STR, 1, false, strip},
    {"lstrip", J_STR, 1, false, strip},
    {"rstrip", J_STR, 1, false, strip},
    {"split", J_STR, 2, true, split},
    {"rsplit", J_STR, 2, true, split},
    {"splitlines", J_STR, 1, true, splitlines},
    {"startswith", J_STR, 1, false, with},
    {"endswith", J_STR, 1, false, with},
    {"removeprefix", J_STR, 1, false, remove_affix},
    {"removesuffix", J_STR, 1, false, remove_affix},
    {"upper", J_STR, 0, false, change_case},
    {"lower", J_STR, 0, false, change_case},
    {"title", J_STR, 0, false, change_case},
    {"capitalize", J_STR, 0, false, change_case},
    {"replace", J_STR, 3, false, replace},
    {"join", J_STR, 1, false, join},
    {"find", J_STR, 1, false, find},
    {"rfind", J_STR, 1, false, find},
    {"index", J_STR, 1, false, find},
    {"rindex", J_STR, 1, false, find},
    {"count", J_STR, 1, false, count},
    {"partition", J_STR, 1, false, partition},
    {"rpartition", J_STR, 1, false, partition},
    {"isdigit", J_STR, 0, false, is_all},
    {"isalpha", J_STR, 0, false, is_all},
    {"isalnum", J_STR, 0, false, is_all},
    {"isspace", J_STR, 0, false, is_all},
    {"isupper", J_STR, 0, false, is_case},
    {"islower", J_STR, 0, false, is_case},
    {"index", J_LIST, 1, false, list_find},
    {"count", J_LIST, 1, false, list_find},
    {"get", J_DICT, 2, false, get},
    {"keys", J_DICT, 0, false, view},
    {"values", J_DICT, 0, false, view},
    {"items", J_DICT, 0, false, view},
    {"cycle", J_LOOP, 64, false, cycle},
    {"changed", J_LOOP, 64, false, changed},
};
enum { N_METHODS = sizeof methods / sizeof *methods };

const char *setun_j_refused_method(const char *name, uint32_t n_args, bool keywords) {
    const char *why = "is not supported";
    for (size_t i = 0; i < N_METHODS; i++) {
        if (strcmp(methods[i].name, name) != 0) continue;
        if (n_args > methods[i].most) {
            why = "with so many arguments is not supported";
        } else if (keywords && !methods[i].keywords) {
            why = "with a keyword is not supported";
        } else {
            return NULL;
        }
    }
    return why;
}

struct j_value setun_j_call_method(J *j, const struct j_method *m, struct j_args *a) {
    enum j_kind kind = m->self.kind == J_TUPLE ? J_LIST : (enum j_kind)m->self.kind;
    struct j_value self = m->self;
    a->of = m->name;
    if (kind == J_RANGE) { /* index and count are those of a list */
        self = setun_j_elements(j, self);
        kind = J_LIST;
    }
    for (size_t i = 0; i < N_METHODS; i++) {
        if (methods[i].of != kind || strcmp(methods[i].name, m->name) != 0) continue;
        if (m->self.markup) setun_j_fail(j, "a safe string may only be printed");
        struct j_value v = methods[i].run(j, self, a);
        setun_j_args_end(j, a, methods[i].most);
        return v;
    }
    setun_j_fail(j, "the method '%s' of a %s is not supported", m->name, setun_j_type(m->self));
}
