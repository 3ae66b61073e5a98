/*
 * str.c -- strings: UTF-8 seen as code points, and Python's methods that change them.
 *
 * Upper and lower case beyond ASCII come from utf8proc; the few characters whose case is several characters, or depends
 * on what is around them, are refused.
 */
#include <string.h>
#include <utf8proc.h>

#include "runtime/jinja/impl.h"
#include "runtime/text.h"

/* ---- code points ---- */

uint32_t setun_j_char(const char *s, size_t n, size_t *len) {
    const uint8_t *p = (const uint8_t *)s;
    int k = setun_utf8_next(p, n);
    *len = k > 0 ? (size_t)k : 1;
    if (k == 2) return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    if (k == 3) return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    if (k == 4) return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    return k == 1 ? p[0] : 0xdc00u + p[0]; /* as Python's surrogateescape */
}

size_t setun_j_encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

size_t setun_j_offset(const char *s, size_t n, size_t chars) {
    size_t at = 0, len;
    for (; at < n && chars > 0; chars--) {
        setun_j_char(s + at, n - at, &len);
        at += len;
    }
    return at;
}

size_t setun_j_chars(const char *s, size_t n) {
    size_t k = 0, len;
    for (size_t at = 0; at < n; k++) {
        setun_j_char(s + at, n - at, &len);
        at += len;
    }
    return k;
}

bool setun_j_space(uint32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

const char *setun_j_search(const char *s, size_t n, const char *what, size_t m) {
    if (m == 0) return s;
    for (const char *end = s + n; (size_t)(end - s) >= m; s++) {
        s = memchr(s, what[0], (size_t)(end - s) - m + 1);
        if (!s || memcmp(s, what, m) == 0) return s;
    }
    return NULL;
}

bool setun_j_is_digit(uint32_t c) {
    if (c < 0x80) return c >= '0' && c <= '9';
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

/* ---- strip ---- */

static bool goes(const char *p, size_t len, uint32_t c, const struct j_value *chars) {
    return chars ? setun_j_search(chars->s, chars->n, p, len) != NULL : setun_j_space(c);
}

struct j_value setun_j_strip(J *j, struct j_value s, const struct j_value *chars, bool left, bool right) {
    size_t from = 0, to = s.n, len;
    setun_j_step(j, s.n / 16 + (chars ? chars->n : 0));
    while (left && from < to) {
        uint32_t c = setun_j_char(s.s + from, to - from, &len);
        if (!goes(s.s + from, len, c, chars)) break;
        from += len;
    }
    while (right && to > from) {
        size_t p = to - 1;
        while (p > from && to - p < 4 && ((uint8_t)s.s[p] & 0xc0) == 0x80) p--;
        uint32_t c = setun_j_char(s.s + p, to - p, &len);
        if (p + len != to) { /* no UTF-8: the last byte is a character of its own */
            p = to - 1;
            c = setun_j_char(s.s + p, 1, &len);
        }
        if (!goes(s.s + p, len, c, chars)) break;
        to = p;
    }
    return setun_j_str(s.s + from, to - from);
}

/* ---- case ---- */

/* Those whose case is more than one character, or depends on the text around. */
static bool special_case(uint32_t c, enum j_case how) {
    if (how == J_LOWER) return c == 0x130 || c == 0x3a3;
    if (c >= 0x1f50 && c <= 0x1f57) return c % 2 == 0;
    if (c >= 0x1fb0 && c <= 0x1ffc) return (0x10dc >> (c & 15) & 1) && c != 0x1fec; /* those ending in 2 3 4 6 7 c */
    return c == 0xdf || c == 0x149 || c == 0x1f0 || c == 0x390 || c == 0x3b0 || c == 0x587 ||
           (c >= 0x1e96 && c <= 0x1e9a) || (c >= 0x1f80 && c <= 0x1faf) || (c >= 0xfb00 && c <= 0xfb17);
}

static bool cased(uint32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    utf8proc_int32_t p = (utf8proc_int32_t)c;
    return utf8proc_isupper(p) || utf8proc_islower(p) || utf8proc_category(p) == UTF8PROC_CATEGORY_LT;
}

static uint32_t change(J *j, uint32_t c, enum j_case how) {
    if (c < 0x80) {
        if (how == J_LOWER) return c >= 'A' && c <= 'Z' ? c + 32 : c;
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    }
    if (special_case(c, how)) setun_j_fail(j, "changing the case of U+%04X is not supported", c);
    utf8proc_int32_t p = (utf8proc_int32_t)c;
    if (c >= 0xdc80 && c <= 0xdcff) return c;
    if (how == J_LOWER) return (uint32_t)utf8proc_tolower(p);
    return (uint32_t)(how == J_UPPER ? utf8proc_toupper(p) : utf8proc_totitle(p));
}

/* jinja2's filter title begins a word behind white space and -({[< ; str.title behind whatever has no case. */
static bool splits(uint32_t c) { return setun_j_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<'; }

struct j_value setun_j_case(J *j, struct j_value s, enum j_case how) {
    struct j_buf out = {0};
    bool start = true;
    for (size_t at = 0, len; at < s.n; at += len) {
        uint32_t c = setun_j_char(s.s + at, s.n - at, &len);
        enum j_case one = how;
        if (how == J_CAPITAL || how == J_TITLE) one = start ? J_TITLE : J_LOWER;
        if (how == J_TITLE_FILTER) one = start ? J_UPPER : J_LOWER;
        uint32_t to = change(j, c, one);
        char code[4];
        if (to == c) {
            setun_j_put(j, &out, s.s + at, len);
        } else {
            setun_j_put(j, &out, code, setun_j_encode(to, code));
        }
        start = how == J_TITLE ? !cased(c) : how == J_TITLE_FILTER ? splits(c) : false;
        setun_j_step(j, 1);
    }
    return setun_j_take(j, &out);
}

/* ---- replace and split ---- */

struct j_value setun_j_replace(J *j, struct j_value s, struct j_value from, struct j_value to, int64_t count) {
    struct j_buf out = {0};
    size_t at = 0, len;
    setun_j_step(j, s.n / 16 + 1);
    for (; count != 0; count -= count > 0) {
        const char *p = setun_j_search(s.s + at, s.n - at, from.s, from.n);
        if (!p) break;
        setun_j_put(j, &out, s.s + at, (size_t)(p - s.s) - at);
        setun_j_put(j, &out, to.s, to.n);
        setun_j_step(j, 1);
        at = (size_t)(p - s.s) + from.n;
        if (from.n > 0) continue;
        if (at >= s.n) { /* nothing is found between all characters, and once behind the last */
            return setun_j_take(j, &out);
        }
        setun_j_char(s.s + at, s.n - at, &len);
        setun_j_put(j, &out, s.s + at, len);
        at += len;
    }
    setun_j_put(j, &out, s.s + at, s.n - at);
    return setun_j_take(j, &out);
}

static void reverse(struct j_list *l) {
    for (uint32_t i = 0; i < l->n / 2; i++) {
        struct j_value v = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = v;
    }
}

static void split_at_spaces(J *j, struct j_value s, int64_t most, bool right, struct j_list *out) {
    size_t from = 0, to = s.n;
    for (int64_t cuts = 0;; cuts++) {
        struct j_value rest = setun_j_strip(j, setun_j_str(s.s + from, to - from), NULL, !right, right);
        if (right) {
            to = from + rest.n;
        } else {
            from = (size_t)(rest.s - s.s);
        }
        if (from == to) return;
        if (most >= 0 && cuts == most) { /* all that is left, as it is at its far end */
            setun_j_push(j, out, setun_j_str(s.s + from, to - from));
            return;
        }
        size_t at = right ? to : from, len, mark = right ? from : to;
        for (size_t p = from; p < to; p += len) {
            bool space = setun_j_space(setun_j_char(s.s + p, to - p, &len));
            if (space && !right) {
                mark = p;
                break;
            }
            if (space) mark = p + len;
        }
        setun_j_step(j, (to - from) / 16 + 1);
        setun_j_push(j, out, right ? setun_j_str(s.s + mark, at - mark) : setun_j_str(s.s + at, mark - at));
        if (right) {
            to = mark;
        } else {
            from = mark;
        }
    }
}

static const char *search_last(const char *s, size_t n, const char *what, size_t m) {
    for (size_t p = n >= m ? n - m + 1 : 0; p > 0; p--)
        if (memcmp(s + p - 1, what, m) == 0) return s + p - 1;
    return NULL;
}

struct j_value setun_j_split(J *j, struct j_value s, const struct j_value *sep, int64_t most, bool right) {
    struct j_value all = setun_j_list(j, J_LIST, 0);
    if (!sep) {
        split_at_spaces(j, s, most, right, all.list);
    } else {
        if (sep->n == 0) setun_j_fail(j, "the separator of 'split' is empty");
        size_t from = 0, to = s.n;
        for (int64_t cuts = 0; most < 0 || cuts < most; cuts++) {
            const char *p = (right ? search_last : setun_j_search)(s.s + from, to - from, sep->s, sep->n);
            if (!p) break;
            size_t at = (size_t)(p - s.s);
            setun_j_step(j, (right ? to - at : at - from) / 16 + 1);
            if (right) {
                setun_j_push(j, all.list, setun_j_str(s.s + at + sep->n, to - at - sep->n));
                to = at;
            } else {
                setun_j_push(j, all.list, setun_j_str(s.s + from, at - from));
                from = at + sep->n;
            }
        }
        setun_j_push(j, all.list, setun_j_str(s.s + from, to - from));
    }
    if (right) reverse(all.list);
    return all;
}
