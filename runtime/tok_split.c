/*
 * tok_split.c -- a text to token ids: special tokens, then UTF-8 runs, then the pieces of the pattern, then BPE.
 *
 * The pattern sees valid UTF-8 only.  A byte that is not part of a valid sequence is a piece of its own, and the
 * text on either side is matched as if it stood alone.  What the pattern leaves between two matches is a piece too.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <string.h>

#include "runtime/text.h"
#include "runtime/tok.h"

struct encoder {
    const struct setun_tokenizer *t;
    struct setun_bpe *bpe;
    const uint8_t *text; /* whole, so that a report can say where */
    struct setun_ids *ids;
    char *why;
    size_t why_size;
};

static bool piece(struct encoder *e, const uint8_t *at, size_t n) {
    if (n == 0) return true;
    switch (setun_bpe_piece(e->t, e->bpe, at, n, e->ids)) {
    case SETUN_BPE_OK: return true;
    case SETUN_BPE_NO_MEMORY: snprintf(e->why, e->why_size, "out of memory"); return false;
    case SETUN_BPE_NO_BYTE: break;
    }
    for (size_t i = 0; i < n; i++) {
        if (e->t->tok->byte_token[at[i]] != SETUN_NO_TOKEN) continue;
        snprintf(e->why, e->why_size, "byte 0x%02x at %zu has no token", at[i], (size_t)(at - e->text) + i);
        break;
    }
    return false;
}

/* Valid UTF-8, cut by the pattern. */
static bool run(struct encoder *e, const uint8_t *at, size_t n) {
    const struct setun_tokenizer *t = e->t;
    if (!t->code) return piece(e, at, n);
    size_t done = 0;
    while (done < n) {
        int found = pcre2_match(t->code, at, n, done, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, t->match, t->limits);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0) {
            char text[128];
            pcre2_get_error_message(found, (PCRE2_UCHAR *)text, sizeof text);
            snprintf(e->why, e->why_size, "the pre-tokenizer's pattern failed at byte %zu: %s",
                     (size_t)(at - e->text) + done, text);
            return false;
        }
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(t->match);
        size_t from = range[0], to = range[1];
        if (from < done || to <= from) break; /* a look-behind reset the start (\K): take the rest as it is */
        if (!piece(e, at + done, from - done) || !piece(e, at + from, to - from)) return false;
        done = to;
    }
    return piece(e, at + done, n - done);
}

static bool plain(struct encoder *e, const uint8_t *at, size_t n) {
    size_t begin = 0, end = 0;
    while (end < n) {
        int len = setun_utf8_next(at + end, n - end);
        if (len > 0) {
            end += (size_t)len;
            continue;
        }
        if (!run(e, at + begin, end - begin) || !piece(e, at + end, 1)) return false;
        begin = ++end;
    }
    return run(e, at + begin, end - begin);
}

/* The longest special token at `at`, or SETUN_NO_TOKEN; the table has the longest first. */
static uint32_t special_at(const struct setun_tokenizer *t, const uint8_t *at, size_t n, uint32_t *len) {
    for (uint32_t i = 0; i < t->tok->n_specials; i++) {
        const uint8_t *text = setun_tok_text(t, t->specials[i], len);
        if (*len <= n && memcmp(text, at, *len) == 0) return t->specials[i];
    }
    return SETUN_NO_TOKEN;
}

static bool with_specials(struct encoder *e, const uint8_t *at, size_t n) {
    bool first[256] = {false};
    for (uint32_t i = 0; i < e->t->tok->n_specials; i++) {
        uint32_t len;
        first[*setun_tok_text(e->t, e->t->specials[i], &len)] = true;
    }
    size_t begin = 0, end = 0;
    while (end < n) {
        uint32_t len, id = first[at[end]] ? special_at(e->t, at + end, n - end, &len) : SETUN_NO_TOKEN;
        if (id == SETUN_NO_TOKEN) {
            end++;
            continue;
        }
        if (!plain(e, at + begin, end - begin)) return false;
        if (!setun_ids_push(e->ids, id)) {
            snprintf(e->why, e->why_size, "out of memory");
            return false;
        }
        begin = end += len;
    }
    return plain(e, at + begin, end - begin);
}

bool setun_encode(const struct setun_tokenizer *t, const uint8_t *text, size_t n, bool specials, struct setun_ids *ids,
                  char *why, size_t why_size) {
    struct encoder e = {.t = t, .bpe = setun_bpe_new(), .text = text, .ids = ids, .why = why, .why_size = why_size};
    if (!e.bpe) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    bool ok = specials ? with_specials(&e, text, n) : plain(&e, text, n);
    setun_bpe_free(e.bpe);
    return ok;
}
