/* value.c -- values: made, asked for their truth and length, compared and walked as Python does it. */
#include <math.h>
#include <string.h>

#include "runtime/jinja/impl.h"

/* ---- making ---- */

struct j_value setun_j_str(const char *text, size_t n) {
    return (struct j_value){.kind = J_STR, .n = (uint32_t)n, .s = text ? text : ""};
}
struct j_value setun_j_text(J *j, const char *text, size_t n) {
    setun_j_step(j, n / 16);
    return setun_j_str(setun_j_copy(j, text, n), n);
}
struct j_value setun_j_bool(bool b) { return (struct j_value){.kind = J_BOOL, .i = b}; }
struct j_value setun_j_int(int64_t i) { return (struct j_value){.kind = J_INT, .i = i}; }
struct j_value setun_j_float(double f) { return (struct j_value){.kind = J_FLOAT, .f = f}; }

struct j_value setun_j_list(J *j, enum j_kind kind, uint32_t cap) {
    struct j_list *l = setun_j_alloc(j, 1, sizeof *l);
    if (cap > 0) l->at = setun_j_alloc(j, cap, sizeof *l->at);
    l->cap = cap;
    return (struct j_value){.kind = (uint8_t)kind, .list = l};
}

struct j_value setun_j_dict(J *j, enum j_kind kind) {
    return (struct j_value){.kind = (uint8_t)kind, .dict = setun_j_alloc(j, 1, sizeof(struct j_dict))};
}

static struct j_value *grown(J *j, const struct j_value *old, uint32_t n, uint32_t cap) {
    struct j_value *more = setun_j_alloc(j, cap, sizeof *more);
    if (n > 0) memcpy(more, old, n * sizeof *more);
    return more;
}

void setun_j_push(J *j, struct j_list *l, struct j_value v) {
    if (l->n == l->cap) {
        uint32_t cap = l->cap * 2 + 4;
        l->at = grown(j, l->at, l->n, cap);
        l->cap = cap;
    }
    l->at[l->n++] = v;
}

struct j_value *setun_j_find(J *j, const struct j_dict *d, struct j_value key) {
    for (uint32_t i = 0; i < d->n; i++) {
        setun_j_step(j, 1);
        if (setun_j_equal(j, d->key[i], key)) return &d->value[i];
    }
    return NULL;
}

static void hashable(J *j, struct j_value key) {
    if (key.kind == J_LIST || key.kind == J_DICT || key.kind == J_VIEW) {
        setun_j_fail(j, "a %s cannot be a key of a dict", setun_j_type(key));
    }
    if (key.kind == J_TUPLE)
        for (uint32_t i = 0; i < key.list->n; i++) hashable(j, key.list->at[i]);
}

void setun_j_put_key(J *j, struct j_dict *d, struct j_value key, struct j_value value) {
    hashable(j, key);
    struct j_value *old = setun_j_find(j, d, key);
    if (old) {
        *old = value;
        return;
    }
    if (d->n == d->cap) {
        uint32_t cap = d->cap * 2 + 4;
        d->key = grown(j, d->key, d->n, cap);
        d->value = grown(j, d->value, d->n, cap);
        d->cap = cap;
    }
    d->key[d->n] = key;
    d->value[d->n++] = value;
}

struct j_value setun_j_pair(J *j, struct j_value a, struct j_value b) {
    struct j_value t = setun_j_list(j, J_TUPLE, 2);
    setun_j_push(j, t.list, a);
    setun_j_push(j, t.list, b);
    return t;
}

/* ---- asking ---- */

const char *setun_j_type(struct j_value v) {
    static const char *const names[] = {"undefined", "None",  "bool",  "int",       "float",   "str",
                                        "list",      "tuple", "dict",  "namespace", "range",   "dict view",
                                        "iterator",  "loop",  "macro", "method",    "function"};
    return names[v.kind];
}

bool setun_j_length(struct j_value v, int64_t *n) {
    *n = 0;
    switch ((enum j_kind)v.kind) {
    case J_UNDEFINED: return true;
    case J_STR: *n = (int64_t)setun_j_chars(v.s, v.n); return true;
    case J_LIST:
    case J_TUPLE: *n = v.list->n; return true;
    case J_DICT: *n = v.dict->n; return true;
    case J_RANGE: *n = v.range->n; return true;
    case J_VIEW: *n = v.view->dict->n; return true;
    case J_NONE:
    case J_BOOL:
    case J_INT:
    case J_FLOAT:
    case J_NAMESPACE:
    case J_ITER:
    case J_LOOP:
    case J_MACRO:
    case J_METHOD:
    case J_FUNC: break;
    }
    return false;
}

bool setun_j_true(struct j_value v) {
    int64_t n;
    if (v.kind == J_NONE) return false;
    if (v.kind == J_BOOL || v.kind == J_INT) return v.i != 0;
    if (v.kind == J_FLOAT) return v.f != 0;
    if (v.kind == J_STR) return v.n > 0;
    return !setun_j_length(v, &n) || n > 0;
}

bool setun_j_as_int(struct j_value v, int64_t *i) {
    *i = v.i;
    return v.kind == J_INT || v.kind == J_BOOL;
}

bool setun_j_as_real(struct j_value v, double *f) {
    if (v.kind == J_FLOAT) {
        *f = v.f;
        return true;
    }
    *f = (double)v.i;
    return v.kind == J_INT || v.kind == J_BOOL;
}

bool setun_j_is_str(struct j_value v, const char *word) {
    return v.kind == J_STR && v.n == strlen(word) && memcmp(v.s, word, v.n) == 0;
}

/* ---- comparing ---- */

static bool is_number(struct j_value v) { return v.kind == J_INT || v.kind == J_BOOL || v.kind == J_FLOAT; }

/* -1, 0, 1; 2: not comparable (NaN).  An int and a float are compared exactly. */
static int order_numbers(struct j_value a, struct j_value b) {
    if (a.kind != J_FLOAT && b.kind != J_FLOAT) return (a.i > b.i) - (a.i < b.i);
    if (a.kind == J_FLOAT && b.kind == J_FLOAT) return isnan(a.f) || isnan(b.f) ? 2 : (a.f > b.f) - (a.f < b.f);
    if (a.kind == J_FLOAT) {
        int o = order_numbers(b, a);
        return o == 2 ? 2 : -o;
    }
    if (isnan(b.f)) return 2;
    if (b.f >= 0x1p63) return -1;
    if (b.f < -0x1p63) return 1;
    int64_t whole = (int64_t)b.f;
    if (a.i != whole) return a.i < whole ? -1 : 1;
    double rest = b.f - (double)whole;
    return (rest < 0) - (rest > 0);
}

static bool equal_lists(J *j, const struct j_list *a, const struct j_list *b) {
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (!setun_j_equal(j, a->at[i], b->at[i])) return false;
    return true;
}

static bool equal_dicts(J *j, const struct j_dict *a, const struct j_dict *b) {
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct j_value *other = setun_j_find(j, b, a->key[i]);
        if (!other || !setun_j_equal(j, a->value[i], *other)) return false;
    }
    return true;
}

/* Keys and items are sets to Python; views of values are equal only to themselves. */
static bool equal_views(J *j, const struct j_view *a, const struct j_view *b) {
    if (a == b) return true;
    if (a->which != b->which || a->which == J_VALUES || a->dict->n != b->dict->n) return false;
    if (a->which == J_ITEMS) return equal_dicts(j, a->dict, b->dict);
    for (uint32_t i = 0; i < a->dict->n; i++)
        if (!setun_j_find(j, b->dict, a->dict->key[i])) return false;
    return true;
}

static bool equal_ranges(const struct j_range *a, const struct j_range *b) {
    if (a->n != b->n) return false;
    return a->n == 0 || (a->start == b->start && (a->n == 1 || a->step == b->step));
}

static bool equal_inside(J *j, struct j_value a, struct j_value b) {
    switch ((enum j_kind)a.kind) {
    case J_UNDEFINED:
    case J_NONE: return true;
    case J_BOOL:
    case J_INT:
    case J_FLOAT: break;
    case J_STR: setun_j_step(j, a.n / 16); return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
    case J_LIST:
    case J_TUPLE: return equal_lists(j, a.list, b.list);
    case J_DICT: return equal_dicts(j, a.dict, b.dict);
    case J_RANGE: return equal_ranges(a.range, b.range);
    case J_VIEW: return equal_views(j, a.view, b.view);
    case J_NAMESPACE: return a.dict == b.dict;
    case J_ITER:
    case J_LOOP: return a.iter == b.iter;
    case J_MACRO: return a.macro == b.macro;
    case J_METHOD: return a.method->self.s == b.method->self.s && !strcmp(a.method->name, b.method->name);
    case J_FUNC: return a.func == b.func;
    }
    return false;
}

bool setun_j_equal(J *j, struct j_value a, struct j_value b) {
    if (is_number(a) && is_number(b)) return order_numbers(a, b) == 0;
    if (a.kind != b.kind) return false;
    setun_j_step(j, 1);
    setun_j_deeper(j);
    bool same = equal_inside(j, a, b);
    j->depth--;
    return same;
}

int setun_j_order(J *j, struct j_value a, struct j_value b, enum j_op op) {
    if (is_number(a) && is_number(b)) return order_numbers(a, b);
    if (a.kind == J_STR && b.kind == J_STR) {
        int o = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);
        setun_j_step(j, a.n / 16);
        return o != 0 ? (o > 0) - (o < 0) : (a.n > b.n) - (a.n < b.n);
    }
    if (a.kind != b.kind || (a.kind != J_LIST && a.kind != J_TUPLE)) {
        setun_j_fail(j, "'%s' between '%s' and '%s' has no meaning", setun_j_op_text[op], setun_j_type(a),
                     setun_j_type(b));
    }
    const struct j_list *x = a.list, *y = b.list;
    setun_j_deeper(j);
    int o = (x->n > y->n) - (x->n < y->n);
    for (uint32_t i = 0; i < x->n && i < y->n; i++) {
        if (setun_j_equal(j, x->at[i], y->at[i])) continue;
        o = setun_j_order(j, x->at[i], y->at[i], op);
        break;
    }
    j->depth--;
    return o;
}

bool setun_j_in(J *j, struct j_value a, struct j_value b) {
    if (b.kind == J_STR) {
        if (a.kind != J_STR) setun_j_fail(j, "'in' of a str wants a str, found '%s'", setun_j_type(a));
        setun_j_step(j, b.n / 16);
        return setun_j_search(b.s, b.n, a.s, a.n) != NULL;
    }
    bool keys = b.kind == J_VIEW && b.view->which == J_KEYS;
    if (b.kind == J_DICT || keys) {
        hashable(j, a);
        return setun_j_find(j, keys ? b.view->dict : b.dict, a) != NULL;
    }
    struct j_iter *it = setun_j_walk(j, b);
    struct j_value v;
    while (setun_j_next(j, it, &v))
        if (setun_j_equal(j, v, a)) return true;
    return false;
}

/* ---- walking ---- */

bool setun_j_can_walk(struct j_value v) {
    int64_t n;
    return setun_j_length(v, &n) || v.kind == J_ITER || v.kind == J_LOOP;
}

struct j_iter *setun_j_walk(J *j, struct j_value v) {
    if (v.kind == J_ITER) return v.iter;
    if (!setun_j_can_walk(v)) setun_j_fail(j, "'%s' has no elements to go through", setun_j_type(v));
    if (v.kind == J_LOOP) setun_j_fail(j, "going through 'loop' is not supported");
    struct j_iter *it = setun_j_alloc(j, 1, sizeof *it);
    it->over = v;
    it->length = -1;
    return it;
}

static bool next_char(struct j_iter *it, struct j_value *v) {
    size_t len;
    if (it->at >= it->over.n) return false;
    setun_j_char(it->over.s + it->at, it->over.n - it->at, &len);
    *v = setun_j_str(it->over.s + it->at, len);
    it->at += len;
    return true;
}

static struct j_value viewed(J *j, const struct j_view *w, uint64_t i) {
    if (w->which == J_KEYS) return w->dict->key[i];
    return w->which == J_VALUES ? w->dict->value[i] : setun_j_pair(j, w->dict->key[i], w->dict->value[i]);
}

bool setun_j_next(J *j, struct j_iter *it, struct j_value *v) {
    struct j_value o = it->over;
    int64_t n;
    setun_j_step(j, 1);
    if (o.kind == J_STR) return next_char(it, v);
    if (!setun_j_length(o, &n) || it->at >= (uint64_t)n) return false;
    uint64_t i = it->at++;
    switch ((enum j_kind)o.kind) {
    case J_LIST:
    case J_TUPLE: *v = o.list->at[i]; break;
    case J_DICT: *v = o.dict->key[i]; break;
    case J_RANGE: *v = setun_j_int(o.range->start + (int64_t)i * o.range->step); break;
    case J_VIEW: *v = viewed(j, o.view, i); break;
    default: return false; /* has no length */
    }
    return true;
}

struct j_value setun_j_elements(J *j, struct j_value v) {
    struct j_value all = setun_j_list(j, J_LIST, 0), one;
    struct j_iter *it = setun_j_walk(j, v);
    while (setun_j_next(j, it, &one)) setun_j_push(j, all.list, one);
    return all;
}

struct j_value setun_j_iterator(J *j, struct j_value list) {
    return (struct j_value){.kind = J_ITER, .iter = setun_j_walk(j, list)};
}
