/*
 * tok_check.c -- the tokenizer section, checked whole before anything of it is used.
 *
 * Every count and offset is compared with what is left of the section, every id with n_tokens; orders that
 * searches rely on are verified, not assumed.  Costs a few milliseconds for 128 thousand tokens.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tok.h"

struct check {
    struct setun_tokenizer *t;
    const uint8_t *at;
    uint64_t bytes;
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct check *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->why, c->why_size, fmt, args);
    va_end(args);
    return false;
}

/* A table of n elements of `size` bytes at `offset`, or NULL after a report. */
static const void *table(const struct check *c, const char *what, uint32_t offset, uint64_t n, uint32_t size) {
    uint64_t bytes = n * size; /* n <= 2^32, size <= 16 */
    if (offset % (size < 4 ? 1 : 4) != 0) {
        wrong(c, "%s: offset %u is not a multiple of 4", what, offset);
        return NULL;
    }
    if (offset < sizeof(struct setun_tok) || offset > c->bytes || bytes > c->bytes - offset) {
        wrong(c, "%s: %llu bytes at %u do not lie in a section of %llu", what, (unsigned long long)bytes, offset,
              (unsigned long long)c->bytes);
        return NULL;
    }
    return c->at + offset;
}

static bool check_index(struct check *c) {
    struct setun_tokenizer *t = c->t;
    const struct setun_tok *k = t->tok;
    if (k->n_tokens == 0 || k->n_tokens > 1u << 30) return wrong(c, "%u tokens", k->n_tokens);
    t->index = table(c, "index", k->index, (uint64_t)k->n_tokens + 1, 4);
    t->bytes = t->index ? table(c, "bytes", k->bytes, k->bytes_len, 1) : NULL;
    if (!t->bytes) return false;
    if (t->index[0] != 0) return wrong(c, "index: the first token begins at %u", t->index[0]);
    for (uint32_t i = 0; i < k->n_tokens; i++) {
        if (t->index[i + 1] < t->index[i]) return wrong(c, "index: token %u ends before it begins", i);
        uint32_t n = t->index[i + 1] - t->index[i];
        if (n > t->longest) t->longest = n;
    }
    if (t->index[k->n_tokens] != k->bytes_len) {
        return wrong(c, "index: the last token ends at %u of %u bytes", t->index[k->n_tokens], k->bytes_len);
    }
    return true;
}

/* Strictly ascending by (bytes, id) with every id below n: so each id is there once. */
static bool check_sorted(struct check *c) {
    struct setun_tokenizer *t = c->t;
    uint32_t n = t->tok->n_tokens;
    t->sorted = table(c, "sorted", t->tok->sorted, n, 4);
    if (!t->sorted) return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = t->sorted[i];
        if (b >= n) return wrong(c, "sorted: entry %u is token %u of %u", i, b, n);
        if (i == 0) continue;
        uint32_t a = t->sorted[i - 1], na, nb;
        const uint8_t *pa = setun_tok_text(t, a, &na), *pb = setun_tok_text(t, b, &nb);
        int order = setun_tok_compare(pa, na, pb, nb);
        if (order > 0 || (order == 0 && a >= b))
            return wrong(c, "sorted: entries %u and %u are out of order", i - 1, i);
    }
    return true;
}

static bool check_merge(struct check *c, uint32_t i) {
    const struct setun_tokenizer *t = c->t;
    const struct setun_tok_merge *m = &t->merges[i];
    uint32_t n = t->tok->n_tokens;
    if (m->left >= n || m->right >= n || m->result >= n) {
        return wrong(c, "merges: entry %u (%u, %u -> %u) leaves the %u tokens", i, m->left, m->right, m->result, n);
    }
    if (i > 0) {
        const struct setun_tok_merge *p = m - 1;
        if (p->left > m->left || (p->left == m->left && p->right >= m->right)) {
            return wrong(c, "merges: entries %u and %u are out of order", i - 1, i);
        }
    }
    uint32_t nl, nr, nn;
    const uint8_t *l = setun_tok_text(t, m->left, &nl), *r = setun_tok_text(t, m->right, &nr);
    const uint8_t *both = setun_tok_text(t, m->result, &nn);
    if (nl == 0 || nr == 0 || (uint64_t)nl + nr != nn || memcmp(both, l, nl) != 0 || memcmp(both + nl, r, nr) != 0) {
        return wrong(c, "merges: token %u is not token %u followed by token %u", m->result, m->left, m->right);
    }
    return true;
}

static bool check_merges(struct check *c) {
    struct setun_tokenizer *t = c->t;
    uint32_t n = t->tok->n_merges, n_tokens = t->tok->n_tokens;
    t->merges = table(c, "merges", t->tok->merges, n, sizeof *t->merges);
    if (!t->merges) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!check_merge(c, i)) return false;
    }
    t->merge_of = calloc((size_t)n_tokens + 1, sizeof *t->merge_of);
    if (!t->merge_of) return wrong(c, "out of memory");
    uint32_t at = 0;
    for (uint32_t id = 0; id <= n_tokens; id++) {
        while (at < n && t->merges[at].left < id) at++;
        t->merge_of[id] = at;
    }
    return true;
}

static bool check_ids(struct check *c) {
    struct setun_tokenizer *t = c->t;
    const struct setun_tok *k = t->tok;
    if (k->bos != SETUN_NO_TOKEN && k->bos >= k->n_tokens)
        return wrong(c, "bos is token %u of %u", k->bos, k->n_tokens);
    if (k->n_eos > 8) return wrong(c, "%u end tokens, 8 at the most", k->n_eos);
    for (uint32_t i = 0; i < k->n_eos; i++) {
        if (k->eos[i] >= k->n_tokens) return wrong(c, "end token %u of %u", k->eos[i], k->n_tokens);
    }
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t id = k->byte_token[b], n;
        if (id == SETUN_NO_TOKEN) continue;
        if (id >= k->n_tokens) return wrong(c, "byte 0x%02x is token %u of %u", b, id, k->n_tokens);
        const uint8_t *text = setun_tok_text(t, id, &n);
        if (n != 1 || *text != b) return wrong(c, "byte 0x%02x: token %u stands for other bytes", b, id);
    }
    t->specials = table(c, "specials", k->specials, k->n_specials, 4);
    t->is_special = calloc((size_t)k->n_tokens / 8 + 1, 1);
    if (!t->specials) return false;
    if (!t->is_special) return wrong(c, "out of memory");
    uint32_t before = UINT32_MAX;
    for (uint32_t i = 0; i < k->n_specials; i++) {
        uint32_t id = t->specials[i], n;
        if (id >= k->n_tokens) return wrong(c, "specials: token %u of %u", id, k->n_tokens);
        setun_tok_text(t, id, &n);
        if (n == 0) return wrong(c, "specials: token %u has no bytes", id);
        if (n > before) return wrong(c, "specials: token %u is longer than the one before it", id);
        before = n;
        t->is_special[id >> 3] |= (uint8_t)(1u << (id & 7));
    }
    return true;
}

static bool compile_pattern(struct check *c) {
    struct setun_tokenizer *t = c->t;
    const struct setun_tok *k = t->tok;
    if (k->pattern_bytes == 0) return true;
    const uint8_t *pattern = table(c, "pattern", k->pattern, k->pattern_bytes, 1);
    if (!pattern) return false;
    int error;
    PCRE2_SIZE where;
    t->code = pcre2_compile(pattern, k->pattern_bytes, PCRE2_UTF | PCRE2_UCP, &error, &where, NULL);
    if (!t->code) {
        char text[128];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
        return wrong(c, "pattern, byte %zu: %s", (size_t)where, text);
    }
    t->match = pcre2_match_data_create(1, NULL);
    t->limits = pcre2_match_context_create(NULL);
    if (!t->match || !t->limits) return wrong(c, "out of memory");
    pcre2_set_match_limit(t->limits, 50000000);
    pcre2_set_heap_limit(t->limits, 256 * 1024); /* KiB */
    return true;
}

bool setun_tok_open(struct setun_tokenizer *t, const void *section, uint64_t bytes, char *why, size_t why_size) {
    *t = (struct setun_tokenizer){.tok = section};
    struct check c = {.t = t, .at = section, .bytes = bytes, .why = why, .why_size = why_size};
    const struct setun_tok *k = section;
    bool ok;
    if ((uintptr_t)section % 8 != 0 || bytes < sizeof *k) {
        ok = wrong(&c, "%llu bytes are too few for its header", (unsigned long long)bytes);
    } else if (k->magic != SETUN_TOK_MAGIC) {
        ok = wrong(&c, "its first bytes are not those of a tokenizer");
    } else if (k->kind != SETUN_TOK_BYTE_BPE) {
        ok = wrong(&c, "kind %u is not known", k->kind);
    } else if ((k->flags & ~(uint32_t)(SETUN_TOK_IGNORE_MERGES | SETUN_TOK_ADD_BOS | SETUN_TOK_ADD_EOS)) != 0) {
        ok = wrong(&c, "flags 0x%x are not known", k->flags);
    } else {
        ok = check_index(&c) && check_sorted(&c) && check_merges(&c) && check_ids(&c) && compile_pattern(&c);
    }
    if (!ok) setun_tok_close(t);
    return ok;
}

void setun_tok_close(struct setun_tokenizer *t) {
    pcre2_code_free(t->code);
    pcre2_match_data_free(t->match);
    pcre2_match_context_free(t->limits);
    free(t->merge_of);
    free(t->is_special);
    *t = (struct setun_tokenizer){0};
}

bool setun_tok_is_eos(const struct setun_tokenizer *t, uint32_t id) {
    for (uint32_t i = 0; i < t->tok->n_eos; i++) {
        if (t->tok->eos[i] == id) return true;
    }
    return false;
}
