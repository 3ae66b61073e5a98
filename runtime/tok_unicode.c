/*
 * tok_unicode.c -- Unicode's normal forms and lower case, with utf8proc's tables.
 *
 * No character below 0x80 joins what is before it, so a text is done in stretches that begin with one of them or with
 * the first that is none; most of them are single characters, copied.  Marks are sorted here: utf8proc's own order
 * takes quadratic time on a long run of them.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/tok_impl.h"
#include "runtime/uchar.h"

struct stretch {
    int32_t *at, *sorted;
    size_t n, cap;
    utf8proc_option_t options;
};

static bool reserve(struct stretch *s, size_t n) {
    if (n <= s->cap) return true;
    size_t cap = 2 * n;
    int32_t *at = realloc(s->at, cap * sizeof *at);
    if (at) s->at = at;
    int32_t *sorted = realloc(s->sorted, cap * sizeof *sorted);
    if (sorted) s->sorted = sorted;
    if (!at || !sorted) return false;
    s->cap = cap;
    return true;
}

/* The characters of UTF-8, each taken apart. */
static bool decompose(struct stretch *s, const uint8_t *at, size_t n) {
    enum { MOST = 32 }; /* of one character; the longest is 18 */
    uint32_t c;
    s->n = 0;
    for (size_t i = 0, len; i < n && (len = setun_char_at(at + i, n - i, &c)) > 0; i += len) {
        int boundary = 0;
        if (!reserve(s, s->n + MOST)) return false;
        utf8proc_ssize_t made = utf8proc_decompose_char((utf8proc_int32_t)c, s->at + s->n, MOST, s->options, &boundary);
        if (made < 0 || made > MOST) return false;
        s->n += (size_t)made;
    }
    return true;
}

static uint8_t class_of(int32_t c) { return (uint8_t)utf8proc_get_property(c)->combining_class; }

/* Marks from..to in ascending order of their classes, equal ones as they were: counted, not compared. */
static void sort_marks(struct stretch *s, size_t from, size_t to) {
    size_t begin[257] = {0};
    for (size_t i = from; i < to; i++) begin[class_of(s->at[i]) + 1u]++;
    for (size_t k = 1; k < 257; k++) begin[k] += begin[k - 1];
    for (size_t i = from; i < to; i++) s->sorted[from + begin[class_of(s->at[i])]++] = s->at[i];
    memcpy(s->at + from, s->sorted + from, (to - from) * sizeof *s->at);
}

static void reorder(struct stretch *s) {
    for (size_t i = 0, end; i < s->n; i = end) {
        bool sorted = true;
        end = i + 1;
        if (class_of(s->at[i]) == 0) continue;
        for (; end < s->n && class_of(s->at[end]) != 0; end++)
            sorted &= class_of(s->at[end - 1]) <= class_of(s->at[end]);
        if (!sorted) sort_marks(s, i, end);
    }
}

static bool one_stretch(struct stretch *s, const uint8_t *at, size_t n, struct setun_bytes *out) {
    if (!decompose(s, at, n)) return false;
    reorder(s);
    if (s->options & UTF8PROC_COMPOSE) {
        utf8proc_ssize_t made = utf8proc_normalize_utf32(s->at, (utf8proc_ssize_t)s->n, s->options);
        if (made < 0) return false;
        s->n = (size_t)made;
    }
    for (size_t i = 0; i < s->n; i++) {
        uint8_t c[4];
        if (!setun_bytes_put(out, c, setun_char_put((uint32_t)s->at[i], c))) return false;
    }
    return true;
}

bool setun_normal_form(enum setun_tok_step_kind form, const uint8_t *at, size_t n, struct setun_bytes *out) {
    bool compose = form == SETUN_STEP_NFC || form == SETUN_STEP_NFKC;
    bool compat = form == SETUN_STEP_NFKC || form == SETUN_STEP_NFKD;
    struct stretch s = {.options = (utf8proc_option_t)((compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                                       UTF8PROC_STABLE | (compat ? UTF8PROC_COMPAT : 0))};
    bool ok = true;
    for (size_t i = 0, end; ok && i < n; i = end) {
        end = i + 1;
        while (end < n && at[end] >= 0x80) end++;
        ok = end == i + 1 ? setun_bytes_put(out, at + i, 1) : one_stretch(&s, at + i, end - i, out);
    }
    free(s.at);
    free(s.sorted);
    return ok;
}

/* Character by character; one becomes two (U+0130). */
bool setun_lower(const uint8_t *at, size_t n, struct setun_bytes *out) {
    static const uint8_t dotted[3] = {'i', 0xcc, 0x87};
    uint32_t c;
    uint8_t made[4];
    for (size_t i = 0, len; i < n && (len = setun_char_at(at + i, n - i, &c)) > 0; i += len) {
        uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        if (c == 0x130 ? !setun_bytes_put(out, dotted, sizeof dotted)
                       : !setun_bytes_put(out, made, setun_char_put(lower, made)))
            return false;
    }
    return true;
}
