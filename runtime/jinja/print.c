/* print.c -- values as text: Python's str and repr, and json.dumps as transformers calls it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/jinja/impl.h"

#define LL(x) ((long long)(x))

/* The fewest digits that read back as the same number; an exponent below 1e-4 and from 1e16 on. */
static void put_float(J *j, struct j_buf *b, double f, const char *infinity, const char *nan) {
    char text[40], out[64];
    if (isnan(f) || isinf(f)) {
        setun_j_printf(j, b, "%s%s", !isnan(f) && f < 0 ? "-" : "", isnan(f) ? nan : infinity);
        return;
    }
    int digits = 1;
    do {
        snprintf(text, sizeof text, "%.*e", digits - 1, f);
    } while (digits++ < 17 && strtod(text, NULL) != f);
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1), decimals = (int)(e - text) - (text[0] == '-') - 2; /* behind the point of d.ddd */
    if (decimals < 0) decimals = 0;
    if (exponent < -4 || exponent >= 16) {
        snprintf(out, sizeof out, "%.*se%c%02d", (int)(e - text), text, exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        decimals -= exponent;
        snprintf(out, sizeof out, "%.*f", decimals < 1 ? 1 : decimals, f);
    }
    setun_j_put(j, b, out, strlen(out));
}

/* str.isprintable for one character. */
static bool printable(uint32_t c) {
    if (c < 0x7f) return c >= ' ';
    if (c >= 0xdc80 && c <= 0xdcff) return false;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

static void repr_char(J *j, struct j_buf *b, const char *p, size_t len, uint32_t c, char quote) {
    static const char from[] = "\n\r\t\\", to[] = "nrt\\";
    const char *simple = c != 0 && c < 0x80 ? strchr(from, (int)c) : NULL;
    if (simple) {
        setun_j_printf(j, b, "\\%c", to[simple - from]);
    } else if (c == (uint8_t)quote) {
        setun_j_printf(j, b, "\\%c", quote);
    } else if (printable(c)) {
        setun_j_put(j, b, p, len);
    } else {
        setun_j_printf(j, b, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    }
}

static void repr_string(J *j, struct j_buf *b, struct j_value v) {
    char quote = memchr(v.s, '\'', v.n) && !memchr(v.s, '"', v.n) ? '"' : '\'';
    setun_j_put(j, b, &quote, 1);
    for (size_t at = 0, len; at < v.n; at += len) {
        uint32_t c = setun_j_char(v.s + at, v.n - at, &len);
        repr_char(j, b, v.s + at, len, c, quote);
    }
    setun_j_put(j, b, &quote, 1);
}

static void repr_list(J *j, struct j_buf *b, const struct j_list *l, const char *open, const char *close) {
    setun_j_put(j, b, open, 1);
    for (uint32_t i = 0; i < l->n; i++) {
        if (i > 0) setun_j_put(j, b, ", ", 2);
        setun_j_repr(j, b, l->at[i]);
    }
    if (*open == '(' && l->n == 1) setun_j_put(j, b, ",", 1);
    setun_j_put(j, b, close, 1);
}

static void repr_dict(J *j, struct j_buf *b, const struct j_dict *d) {
    setun_j_put(j, b, "{", 1);
    for (uint32_t i = 0; i < d->n; i++) {
        if (i > 0) setun_j_put(j, b, ", ", 2);
        setun_j_repr(j, b, d->key[i]);
        setun_j_put(j, b, ": ", 2);
        setun_j_repr(j, b, d->value[i]);
    }
    setun_j_put(j, b, "}", 1);
}

static void repr_view(J *j, struct j_buf *b, struct j_value v) {
    static const char *const names[] = {"dict_keys", "dict_values", "dict_items"};
    struct j_value all = setun_j_elements(j, v);
    setun_j_printf(j, b, "%s(", names[v.view->which]);
    repr_list(j, b, all.list, "[", "]");
    setun_j_put(j, b, ")", 1);
}

static void repr_range(J *j, struct j_buf *b, const struct j_range *r) {
    setun_j_printf(j, b, "range(%lld, %lld", LL(r->start), LL(r->stop));
    if (r->step != 1) setun_j_printf(j, b, ", %lld", LL(r->step));
    setun_j_put(j, b, ")", 1);
}

void setun_j_repr(J *j, struct j_buf *b, struct j_value v) {
    setun_j_deeper(j);
    setun_j_step(j, 1);
    switch ((enum j_kind)v.kind) {
    case J_UNDEFINED: setun_j_put(j, b, "Undefined", 9); break;
    case J_NONE: setun_j_put(j, b, "None", 4); break;
    case J_BOOL: setun_j_printf(j, b, "%s", v.i ? "True" : "False"); break;
    case J_INT: setun_j_printf(j, b, "%lld", LL(v.i)); break;
    case J_FLOAT: put_float(j, b, v.f, "inf", "nan"); break;
    case J_STR:
        if (v.markup) setun_j_fail(j, "a safe string inside of a list is not supported");
        repr_string(j, b, v);
        break;
    case J_LIST: repr_list(j, b, v.list, "[", "]"); break;
    case J_TUPLE: repr_list(j, b, v.list, "(", ")"); break;
    case J_DICT: repr_dict(j, b, v.dict); break;
    case J_NAMESPACE:
        setun_j_put(j, b, "<Namespace ", 11);
        repr_dict(j, b, v.dict);
        setun_j_put(j, b, ">", 1);
        break;
    case J_RANGE: repr_range(j, b, v.range); break;
    case J_VIEW: repr_view(j, b, v); break;
    case J_ITER:
    case J_LOOP:
    case J_MACRO:
    case J_METHOD:
    case J_FUNC: setun_j_fail(j, "printing a value of the kind '%s' is not supported", setun_j_type(v));
    }
    j->depth--;
}

void setun_j_print(J *j, struct j_buf *b, struct j_value v) {
    if (v.kind == J_STR) {
        setun_j_put(j, b, v.s, v.n);
    } else if (v.kind != J_UNDEFINED) {
        setun_j_repr(j, b, v);
    }
}

struct j_value setun_j_string(J *j, struct j_value v) {
    struct j_buf b = {0};
    if (v.kind == J_STR) {
        if (v.markup) setun_j_fail(j, "a safe string may only be printed");
        return v;
    }
    setun_j_print(j, &b, v);
    return setun_j_take(j, &b);
}

/* ---- JSON ---- */

static void json_string(J *j, struct j_buf *b, struct j_value v, bool ascii) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    setun_j_put(j, b, "\"", 1);
    for (size_t at = 0, len; at < v.n; at += len) {
        uint32_t c = setun_j_char(v.s + at, v.n - at, &len);
        const char *simple = c != 0 && c < 0x80 ? strchr(from, (int)c) : NULL;
        if (simple) {
            setun_j_printf(j, b, "\\%c", to[simple - from]);
        } else if (c < ' ' || (ascii && c >= 0x7f && c < 0x10000)) {
            setun_j_printf(j, b, "\\u%04x", c);
        } else if (ascii && c >= 0x10000) {
            setun_j_printf(j, b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
        } else {
            setun_j_put(j, b, v.s + at, len);
        }
    }
    setun_j_put(j, b, "\"", 1);
}

static void new_line(J *j, struct j_buf *b, const struct j_json *how, uint32_t level) {
    if (!how->indent) return;
    setun_j_put(j, b, "\n", 1);
    for (uint32_t i = 0; i < level; i++) setun_j_put(j, b, how->indent, strlen(how->indent));
}

static void json_list(J *j, struct j_buf *b, const struct j_list *l, const struct j_json *how, uint32_t level) {
    setun_j_put(j, b, "[", 1);
    for (uint32_t i = 0; i < l->n; i++) {
        if (i > 0) setun_j_put(j, b, how->item, strlen(how->item));
        new_line(j, b, how, level + 1);
        setun_j_json(j, b, l->at[i], how, level + 1);
    }
    if (l->n > 0) new_line(j, b, how, level);
    setun_j_put(j, b, "]", 1);
}

static void json_key(J *j, struct j_buf *b, struct j_value key, const struct j_json *how) {
    if (key.kind == J_STR) {
        json_string(j, b, key, how->ascii);
        return;
    }
    if (key.kind > J_FLOAT || key.kind == J_UNDEFINED)
        setun_j_fail(j, "'tojson' of a dict with a %s as a key", setun_j_type(key));
    setun_j_put(j, b, "\"", 1);
    setun_j_json(j, b, key, how, 0);
    setun_j_put(j, b, "\"", 1);
}

static void json_dict(J *j, struct j_buf *b, const struct j_dict *d, const struct j_json *how, uint32_t level) {
    uint32_t *order = setun_j_alloc(j, d->n, sizeof *order);
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t at = i;
        for (; how->sort && at > 0 && setun_j_order(j, d->key[i], d->key[order[at - 1]], JO_LT) < 0; at--) {
            order[at] = order[at - 1];
            setun_j_step(j, 1);
        }
        order[at] = i;
    }
    setun_j_put(j, b, "{", 1);
    for (uint32_t i = 0; i < d->n; i++) {
        if (i > 0) setun_j_put(j, b, how->item, strlen(how->item));
        new_line(j, b, how, level + 1);
        json_key(j, b, d->key[order[i]], how);
        setun_j_put(j, b, how->key, strlen(how->key));
        setun_j_json(j, b, d->value[order[i]], how, level + 1);
    }
    if (d->n > 0) new_line(j, b, how, level);
    setun_j_put(j, b, "}", 1);
}

void setun_j_json(J *j, struct j_buf *b, struct j_value v, const struct j_json *how, uint32_t level) {
    setun_j_deeper(j);
    setun_j_step(j, 1);
    switch ((enum j_kind)v.kind) {
    case J_NONE: setun_j_put(j, b, "null", 4); break;
    case J_BOOL: setun_j_printf(j, b, "%s", v.i ? "true" : "false"); break;
    case J_INT: setun_j_printf(j, b, "%lld", LL(v.i)); break;
    case J_FLOAT: put_float(j, b, v.f, "Infinity", "NaN"); break;
    case J_STR: json_string(j, b, v, how->ascii); break;
    case J_LIST:
    case J_TUPLE: json_list(j, b, v.list, how, level); break;
    case J_DICT: json_dict(j, b, v.dict, how, level); break;
    default: setun_j_fail(j, "'tojson' of a value of the kind '%s'", setun_j_type(v));
    }
    j->depth--;
}
