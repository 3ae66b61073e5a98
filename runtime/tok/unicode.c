/*
 * unicode.c -- Unicode's normal forms and lower case, with utf8proc's tables.
 *
 * No character below 0x80 joins what is before it, so a text is done in stretches that begin with one of them or with
 * the first that is none; most of them are single characters, copied.  Marks are sorted here: utf8proc's own order
 * takes quadratic time on a long run of them.
 *
 * The tokenizers library knows the normal forms of Unicode 9.  What has come since stands for itself here, so that a
 * text gives the tokens that it gives there.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/tok/impl.h"
#include "runtime/tok/uchar.h"

/* With a class or a decomposition, first and last. */
static const uint32_t later[][2] = {
    {0x7fd, 0x7fd},     {0x897, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},     {0xc3c, 0xc3c},
    {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},   {0x1abf, 0x1aeb},   {0x1df6, 0x1dfa},
    {0x32ff, 0x32ff},   {0xa7f1, 0xa7f4},   {0xa82c, 0xa82c},   {0xab69, 0xab69},   {0x105c9, 0x105c9},
    {0x105e4, 0x105e4}, {0x10781, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba}, {0x10d24, 0x10d27},
    {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10efa, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85},
    {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x11380, 0x113ff}, {0x1145e, 0x1145e}, {0x11839, 0x1183a},
    {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0},
    {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16100, 0x16139}, {0x16d40, 0x16d79}, {0x16ff0, 0x16ff1},
    {0x1ccd6, 0x1ccf9}, {0x1e030, 0x1e06d}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae},
    {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1e5ee, 0x1e5ef}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9}};

static bool is_later(uint32_t c) {
    size_t lo = 0, hi = sizeof later / sizeof later[0];
    if (c < later[0][0]) return false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (later[mid][1] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof later / sizeof later[0] && c >= later[lo][0];
}

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

/* A character, taken apart. */
static bool decompose(struct stretch *s, uint32_t c) {
    enum { MOST = 32 }; /* the longest is 18 */
    int boundary = 0;
    if (!reserve(s, s->n + MOST)) return false;
    utf8proc_ssize_t made = utf8proc_decompose_char((utf8proc_int32_t)c, s->at + s->n, MOST, s->options, &boundary);
    if (made < 0 || made > MOST) return false;
    s->n += (size_t)made;
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

/* What has been taken apart, in order and put together again. */
static bool flush(struct stretch *s, struct setun_bytes *out) {
    reorder(s);
    if (s->n > 0 && s->options & UTF8PROC_COMPOSE) {
        utf8proc_ssize_t made = utf8proc_normalize_utf32(s->at, (utf8proc_ssize_t)s->n, s->options);
        if (made < 0) return false;
        s->n = (size_t)made;
    }
    for (size_t i = 0; i < s->n; i++) {
        uint8_t c[4];
        if (!setun_bytes_put(out, c, setun_char_put((uint32_t)s->at[i], c))) return false;
    }
    s->n = 0;
    return true;
}

static bool one_stretch(struct stretch *s, const uint8_t *at, size_t n, struct setun_bytes *out) {
    uint32_t c;
    for (size_t i = 0, len; i < n && (len = setun_char_at(at + i, n - i, &c)) > 0; i += len) {
        bool ok = is_later(c) ? flush(s, out) && setun_bytes_put(out, at + i, len) : decompose(s, c);
        if (!ok) return false;
    }
    return flush(s, out);
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

/* Lower case of Unicode 16 and 17, which utf8proc may not know: first and last, what the first becomes. */
static const uint32_t lower_later[][3] = {
    {0x1c89, 0x1c89, 0x1c8a},    {0xa7cb, 0xa7cb, 0x264},    {0xa7cc, 0xa7cc, 0xa7cd}, {0xa7ce, 0xa7ce, 0xa7cf},
    {0xa7d2, 0xa7d2, 0xa7d3},    {0xa7d4, 0xa7d4, 0xa7d5},   {0xa7da, 0xa7da, 0xa7db}, {0xa7dc, 0xa7dc, 0x19b},
    {0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb}};

static uint32_t lower_of(uint32_t c) {
    for (size_t i = 0; c >= 0x1c89 && i < sizeof lower_later / sizeof lower_later[0]; i++)
        if (c >= lower_later[i][0] && c <= lower_later[i][1]) return lower_later[i][2] + (c - lower_later[i][0]);
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* Character by character; one becomes two (U+0130). */
bool setun_lower(const uint8_t *at, size_t n, struct setun_bytes *out) {
    static const uint8_t dotted[3] = {'i', 0xcc, 0x87};
    uint32_t c;
    uint8_t made[4];
    for (size_t i = 0, len; i < n && (len = setun_char_at(at + i, n - i, &c)) > 0; i += len) {
        bool ok = c == 0x130 ? setun_bytes_put(out, dotted, sizeof dotted)
                             : setun_bytes_put(out, made, setun_char_put(lower_of(c), made));
        if (!ok) return false;
    }
    return true;
}
