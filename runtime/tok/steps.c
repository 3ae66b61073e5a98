/*
 * steps.c -- steps that change a text before it becomes tokens: each reads one text and writes another.
 *
 * Unicode's normal forms are in unicode.c, SentencePiece's map in charsmap.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tok/impl.h"
#include "runtime/tok/uchar.h"

bool setun_bytes_put(struct setun_bytes *b, const uint8_t *p, size_t n) {
    if (n > b->cap - b->n) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap - b->n < n) {
            if (cap > SIZE_MAX / 2) return false;
            cap *= 2;
        }
        uint8_t *at = realloc(b->at, cap);
        if (!at) return false;
        b->at = at;
        b->cap = cap;
    }
    if (n > 0) memcpy(b->at + b->n, p, n);
    b->n += n;
    return true;
}

/* A text with a flag for what went wrong: code is an error of PCRE2's, or 0 for memory. */
struct work {
    const struct setun_tok_step *s;
    const uint8_t *a, *b, *at;
    size_t n;
    struct setun_bytes *out;
    int code;
};

static bool prepend(struct work *w, bool first) {
    bool there = w->n >= w->s->a_bytes && memcmp(w->at, w->a, w->s->a_bytes) == 0;
    bool skip =
        w->n == 0 || ((w->s->flags & SETUN_PREPEND_UNLESS) && there) || ((w->s->flags & SETUN_PREPEND_FIRST) && !first);
    return (skip || setun_bytes_put(w->out, w->a, w->s->a_bytes)) && setun_bytes_put(w->out, w->at, w->n);
}

static bool replace(struct work *w) {
    size_t done = 0, na = w->s->a_bytes;
    while (na <= w->n - done) {
        const uint8_t *found = memmem(w->at + done, w->n - done, w->a, na);
        if (!found) break;
        size_t from = (size_t)(found - w->at);
        if (!setun_bytes_put(w->out, w->at + done, from - done) || !setun_bytes_put(w->out, w->b, w->s->b_bytes))
            return false;
        done = from + na;
    }
    return setun_bytes_put(w->out, w->at + done, w->n - done);
}

static bool replace_matches(struct work *w, const struct setun_pattern *p) {
    size_t done = 0, range[2];
    while (done < w->n) {
        int found = setun_pattern_next(p, w->at, w->n, done, range);
        w->code = found < 0 ? found : 0;
        if (found < 0) return false;
        if (found == 0) break;
        if (!setun_bytes_put(w->out, w->at + done, range[0] - done) || !setun_bytes_put(w->out, w->b, w->s->b_bytes))
            return false;
        done = range[1];
    }
    return setun_bytes_put(w->out, w->at + done, w->n - done);
}

static bool strip(struct work *w) {
    size_t from = 0, to = w->n, len;
    uint32_t c;
    while ((w->s->flags & 1) && (len = setun_char_at(w->at + from, to - from, &c)) > 0 && setun_char_is_space(c))
        from += len;
    while ((w->s->flags & 2) && to > from && (len = setun_char_before(w->at, to, &c)) > 0 && setun_char_is_space(c))
        to -= len;
    return setun_bytes_put(w->out, w->at + from, to - from);
}

/* ---- the alphabet of byte-level vocabularies: 0x21-0x7e, 0xa1-0xac and 0xae-0xff are themselves, the other bytes are
 * U+0100 and on, in order ---- */

static bool is_itself(uint32_t c) {
    return (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

static bool bytes_to_chars(struct work *w) {
    uint32_t c[256], next = 0x100;
    uint8_t made[4];
    for (uint32_t b = 0; b < 256; b++) c[b] = is_itself(b) ? b : next++;
    for (size_t i = 0; i < w->n; i++)
        if (!setun_bytes_put(w->out, made, setun_char_put(c[w->at[i]], made))) return false;
    return true;
}

static bool chars_to_bytes(struct work *w) {
    uint8_t other[256], n_other = 0; /* 68 of them */
    uint32_t c;
    for (uint32_t b = 0; b < 256; b++)
        if (!is_itself(b)) other[n_other++] = (uint8_t)b;
    for (size_t i = 0, len; i < w->n && (len = setun_char_at(w->at + i, w->n - i, &c)) > 0; i += len) {
        bool moved = c >= 0x100 && c < 0x100u + n_other;
        uint8_t byte = moved ? other[c - 0x100] : (uint8_t)c;
        bool known = moved || is_itself(c);
        if (!setun_bytes_put(w->out, known ? &byte : w->at + i, known ? 1 : len)) return false;
    }
    return true;
}

static bool apply(struct work *w, const struct setun_pattern *pattern, bool first) {
    switch ((enum setun_tok_step_kind)w->s->kind) {
    case SETUN_STEP_NFC:
    case SETUN_STEP_NFD:
    case SETUN_STEP_NFKC:
    case SETUN_STEP_NFKD: return setun_normal_form((enum setun_tok_step_kind)w->s->kind, w->at, w->n, w->out);
    case SETUN_STEP_LOWER: return setun_lower(w->at, w->n, w->out);
    case SETUN_STEP_PREPEND: return prepend(w, first);
    case SETUN_STEP_REPLACE: return replace(w);
    case SETUN_STEP_REGEX: return replace_matches(w, pattern);
    case SETUN_STEP_STRIP: return strip(w);
    case SETUN_STEP_CHARSMAP: return setun_charsmap(w->a, w->s->a_bytes, w->at, w->n, w->out);
    case SETUN_STEP_GRAPHEMES: return setun_charsmap_graphemes(w->a, w->s->a_bytes, w->at, w->n, w->out);
    case SETUN_STEP_BYTES: return bytes_to_chars(w);
    case SETUN_STEP_UNBYTES: return chars_to_bytes(w);
    case SETUN_STEP_CUT:
    case SETUN_N_STEPS: break;
    }
    return false;
}

bool setun_step_apply(const struct setun_tokenizer *t, uint32_t i, const uint8_t *at, size_t n, bool first,
                      struct setun_bytes *out, char *why, size_t why_size) {
    const uint8_t *section = (const uint8_t *)t->tok;
    const struct setun_tok_step *s = &t->steps[i];
    struct work w = {.s = s, .a = section + s->a, .b = section + s->b, .at = at, .n = n, .out = out};
    out->n = 0;
    if (apply(&w, &t->patterns[i], first)) return true;
    if (w.code == 0) {
        snprintf(why, why_size, "out of memory");
    } else {
        char text[128];
        setun_pattern_error(w.code, text, sizeof text);
        snprintf(why, why_size, "the normaliser's pattern failed: %s", text);
    }
    return false;
}
