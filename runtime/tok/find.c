/* find.c -- tokens by their bytes, in the table that is sorted by them. */
#include <string.h>

#include "runtime/tok/impl.h"

int setun_tok_compare(const uint8_t *a, size_t na, const uint8_t *b, size_t nb) {
    size_t n = na < nb ? na : nb;
    int order = n > 0 ? memcmp(a, b, n) : 0;
    return order != 0 ? order : (na > nb) - (na < nb);
}

uint32_t setun_tok_find(const struct setun_tokenizer *t, const uint8_t *at, size_t n) {
    uint32_t lo = 0, hi = t->tok->n_tokens, len;
    if (n == 0 || n > t->longest) return SETUN_NO_TOKEN;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const uint8_t *text = setun_tok_text(t, t->sorted[mid], &len);
        if (setun_tok_compare(text, len, at, n) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == t->tok->n_tokens || t->attrs[t->sorted[lo]] & SETUN_ATTR_NEVER) return SETUN_NO_TOKEN;
    const uint8_t *text = setun_tok_text(t, t->sorted[lo], &len);
    return len == n && memcmp(text, at, n) == 0 ? t->sorted[lo] : SETUN_NO_TOKEN;
}

struct setun_prefixes setun_prefixes_start(const struct setun_tokenizer *t) {
    return (struct setun_prefixes){.hi = t->tok->n_tokens};
}

/* The byte of entry i at depth d, or -1 where it has ended; all of the range agree up to there. */
static int byte_at(const struct setun_tokenizer *t, uint32_t i, uint32_t d) {
    uint32_t n;
    const uint8_t *text = setun_tok_text(t, t->sorted[i], &n);
    return d < n ? text[d] : -1;
}

/* The first entry of the range whose byte at the depth is at least v. */
static uint32_t bound(const struct setun_tokenizer *t, const struct setun_prefixes *p, int v) {
    uint32_t lo = p->lo, hi = p->hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (byte_at(t, mid, p->depth) < v) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

uint32_t setun_prefixes_next(const struct setun_tokenizer *t, struct setun_prefixes *p, const uint8_t *at, size_t n) {
    while (p->depth < n && p->lo < p->hi) {
        int v = at[p->depth];
        uint32_t lo = byte_at(t, p->lo, p->depth) == v ? p->lo : bound(t, p, v);
        p->lo = lo;
        p->hi = bound(t, p, v + 1);
        p->depth++;
        if (p->lo == p->hi) break;
        uint32_t id = t->sorted[p->lo];
        if (byte_at(t, p->lo, p->depth) < 0 && !(t->attrs[id] & SETUN_ATTR_NEVER)) return id;
    }
    return SETUN_NO_TOKEN;
}
