/*
 * guard.c -- stand-ins for characters of special tokens' names in messages (guard.h).
 *
 * Guarded are: the first character of every name in the message; of every beginning of a name that the message ends
 * with, since the template's text goes on; and the message's own first character if a name could end with it, or hold
 * all of the message.  Beginning and end are looked for without white space too, because templates strip it.
 */
#include "runtime/guard.h"

#include <string.h>

#include "runtime/tok/uchar.h"

enum { PLANE = 0x100000 }; /* of the stand-ins */

static bool is_space(uint8_t c) { return c == ' ' || (c >= 9 && c <= 13); }

/* The name of special token i, or none if it is a word like others: known wherever it stands. */
static const uint8_t *name_of(const struct setun_tokenizer *t, uint32_t i, size_t *n) {
    const struct setun_tok_special *s = &t->specials[i];
    *n = s->flags & SETUN_SPECIAL_ALWAYS ? 0 : s->text_bytes;
    return (const uint8_t *)t->tok + s->text;
}

/* Does a name begin here, and end in the message, or not before the message does (at `end` or at n)? */
static bool begins(const struct setun_tokenizer *t, const uint8_t *at, size_t n, size_t end) {
    for (uint32_t i = 0; i < t->tok->n_specials; i++) {
        size_t len;
        const uint8_t *name = name_of(t, i, &len);
        if (len == 0 || name[0] != at[0]) continue;
        if (memcmp(at, name, len < n ? len : n) == 0 || (end > 0 && memcmp(at, name, len < end ? len : end) == 0)) {
            return true;
        }
    }
    return false;
}

/* Could a name have begun in front of these bytes, all that is left of the message? */
static bool goes_on(const struct setun_tokenizer *t, const uint8_t *at, size_t n) {
    for (uint32_t i = 0; i < t->tok->n_specials && n > 0; i++) {
        size_t len;
        const uint8_t *name = name_of(t, i, &len);
        for (size_t k = 1; k < len; k++) {
            if (name[k] == at[0] && memcmp(name + k, at, len - k < n ? len - k : n) == 0) return true;
        }
    }
    return false;
}

static size_t put(uint32_t c, bool guarded, uint8_t *out) {
    if (c >= PLANE || (guarded && c > 0xffff)) return setun_char_put(0xfffd, out);
    return setun_char_put(guarded ? PLANE + c : c, out);
}

size_t setun_guard(const struct setun_tokenizer *t, const uint8_t *text, size_t n, uint8_t *out) {
    bool first[256] = {false}; /* bytes that names begin with */
    size_t head = 0, tail = n, made = 0, len;
    for (uint32_t i = 0; i < t->tok->n_specials; i++) {
        const uint8_t *name = name_of(t, i, &len);
        if (len > 0) first[name[0]] = true;
    }
    while (head < n && is_space(text[head])) head++;
    while (tail > head && is_space(text[tail - 1])) tail--;
    for (size_t at = 0; at < n; at += len) {
        uint32_t c = 0xfffd;
        bool guarded = false;
        len = setun_char_at(text + at, n - at, &c);
        if (len > 0) {
            guarded = (first[text[at]] && begins(t, text + at, n - at, at < tail ? tail - at : 0)) ||
                      (at == 0 && goes_on(t, text, n)) || (at == head && goes_on(t, text + at, tail - at));
        }
        len += len == 0;
        made += put(c, guarded, out + made);
    }
    return made;
}

bool setun_unguard(const uint8_t *text, size_t n, struct setun_marked *out) {
    out->n = out->n_marks = 0;
    for (size_t at = 0, len; at < n; at += len) {
        uint32_t c = 0;
        len = setun_char_at(text + at, n - at, &c);
        len += len == 0; /* as it is: the tokenizer knows what to do */
        if (out->n + 4 > out->cap || out->n_marks == out->mark_cap) return false;
        if (c >= PLANE) {
            out->mark[out->n_marks++] = out->n;
            out->n += setun_char_put(c - PLANE, out->at + out->n);
        } else {
            memcpy(out->at + out->n, text + at, len);
            out->n += len;
        }
    }
    return true;
}
