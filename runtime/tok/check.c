/*
 * check.c -- the tokenizer section, checked whole before anything of it is used.
 *
 * Every count and offset is compared with what is left of the section, every id with n_tokens; orders that
 * searches rely on are verified, not assumed.  Costs a few milliseconds for 128 thousand tokens.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "runtime/tok/impl.h"

enum { MAX_STEPS = 64 };

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
    uint64_t bytes = n * size; /* n <= 2^32, size <= 24 */
    uint32_t align = size == 8 ? 8 : size < 4 ? 1 : 4;
    if (offset % align != 0) {
        wrong(c, "%s: offset %u is not a multiple of %u", what, offset, align);
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
    t->attrs = t->bytes ? table(c, "attributes", k->attrs, k->n_tokens, 1) : NULL;
    if (!t->attrs) return false;
    if (t->index[0] != 0) return wrong(c, "index: the first token begins at %u", t->index[0]);
    for (uint32_t i = 0; i < k->n_tokens; i++) {
        if (t->index[i + 1] < t->index[i]) return wrong(c, "index: token %u ends before it begins", i);
        uint32_t n = t->index[i + 1] - t->index[i];
        if (n > t->longest) t->longest = n;
        if (t->attrs[i] > SETUN_ATTRS) return wrong(c, "token %u has attributes 0x%x", i, t->attrs[i]);
    }
    if (t->index[k->n_tokens] != k->bytes_len) {
        return wrong(c, "index: the last token ends at %u of %u bytes", t->index[k->n_tokens], k->bytes_len);
    }
    return true;
}

/* Strictly ascending by (bytes, NEVER, id) with every id below n: so each id is there once. */
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
        if (order == 0) order = (t->attrs[a] & SETUN_ATTR_NEVER) - (t->attrs[b] & SETUN_ATTR_NEVER);
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

static bool check_id(const struct check *c, const char *what, uint32_t id) {
    uint32_t n = c->t->tok->n_tokens;
    return id == SETUN_NO_TOKEN || id < n || wrong(c, "%s is token %u of %u", what, id, n);
}

static bool check_ids(struct check *c) {
    struct setun_tokenizer *t = c->t;
    const struct setun_tok *k = t->tok;
    if (!check_id(c, "bos", k->bos) || !check_id(c, "the last token", k->end) || !check_id(c, "unknown", k->unk))
        return false;
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
    for (uint32_t b = 0; b < 128; b++) {
        uint8_t byte = (uint8_t)b;
        t->ascii[b] = setun_tok_find(t, &byte, 1);
    }
    return true;
}

static bool check_specials(struct check *c) {
    const struct setun_tok *k = c->t->tok;
    c->t->specials = table(c, "specials", k->specials, k->n_specials, sizeof *c->t->specials);
    if (!c->t->specials) return false;
    for (uint32_t i = 0; i < k->n_specials; i++) {
        const struct setun_tok_special *s = &c->t->specials[i];
        if (s->id >= k->n_tokens) return wrong(c, "specials: entry %u is token %u of %u", i, s->id, k->n_tokens);
        if (s->flags > SETUN_SPECIAL_FLAGS) return wrong(c, "specials: entry %u has flags 0x%x", i, s->flags);
        if (s->text_bytes == 0) return wrong(c, "specials: entry %u has no text", i);
        if (!table(c, "specials: text", s->text, s->text_bytes, 1)) return false;
    }
    return true;
}

static bool check_scores(struct check *c) {
    struct setun_tokenizer *t = c->t;
    if (t->tok->kind != SETUN_TOK_UNIGRAM) return true;
    t->scores = table(c, "scores", t->tok->scores, t->tok->n_tokens, 8);
    if (!t->scores) return false;
    for (uint32_t i = 0; i < t->tok->n_tokens; i++) {
        if (!isfinite(t->scores[i])) return wrong(c, "token %u has a score that is not finite", i);
    }
    return isfinite(t->tok->unk_score) || wrong(c, "the score of unknown characters is not finite");
}

/* ---- steps ---- */

static bool valid_flags(const struct setun_tok_step *s) {
    switch ((enum setun_tok_step_kind)s->kind) {
    case SETUN_STEP_PREPEND: return s->flags <= 3 && s->a_bytes > 0;
    case SETUN_STEP_STRIP: return s->flags >= 1 && s->flags <= 3;
    case SETUN_STEP_CUT:
        return (s->flags & ~(uint32_t)SETUN_CUT_INVERT) >= SETUN_CUT_ISOLATED &&
               (s->flags & ~(uint32_t)SETUN_CUT_INVERT) <= SETUN_CUT_CONTIGUOUS && s->a_bytes > 0;
    case SETUN_STEP_REPLACE:
    case SETUN_STEP_REGEX: return s->flags == 0 && s->a_bytes > 0;
    case SETUN_STEP_NFC:
    case SETUN_STEP_NFD:
    case SETUN_STEP_NFKC:
    case SETUN_STEP_NFKD:
    case SETUN_STEP_LOWER:
    case SETUN_STEP_BYTES:
    case SETUN_STEP_UNBYTES:
    case SETUN_STEP_CHARSMAP:
    case SETUN_STEP_GRAPHEMES: return s->flags == 0;
    case SETUN_N_STEPS: break;
    }
    return false;
}

/* Steps see and make UTF-8. */
static bool is_utf8(const uint8_t *at, size_t n) {
    for (size_t i = 0; i < n;) {
        int len = setun_utf8_next(at + i, n - i);
        if (len <= 0) return false;
        i += (size_t)len;
    }
    return true;
}

static bool check_step(struct check *c, uint32_t i) {
    struct setun_tokenizer *t = c->t;
    const struct setun_tok_step *s = &t->steps[i];
    bool map = s->kind == SETUN_STEP_CHARSMAP || s->kind == SETUN_STEP_GRAPHEMES;
    if (s->kind == 0 || s->kind >= SETUN_N_STEPS) return wrong(c, "step %u: kind %u is not known", i, s->kind);
    if (s->kind == SETUN_STEP_CUT && i < t->tok->n_norms) return wrong(c, "step %u: a normaliser cuts nothing", i);
    if (!valid_flags(s)) return wrong(c, "step %u: flags 0x%x, %u bytes", i, s->flags, s->a_bytes);
    const uint8_t *a = table(c, "step", s->a, s->a_bytes, 1), *b = table(c, "step", s->b, s->b_bytes, 1);
    if (!a || !b) return false;
    if ((!map && !is_utf8(a, s->a_bytes)) || !is_utf8(b, s->b_bytes)) return wrong(c, "step %u: no UTF-8", i);
    if (map) return setun_charsmap_check(a, s->a_bytes, c->why, c->why_size);
    if (s->kind != SETUN_STEP_CUT && s->kind != SETUN_STEP_REGEX) return true;
    return setun_pattern_open(&t->patterns[i], a, s->a_bytes, c->why, c->why_size);
}

static bool check_steps(struct check *c) {
    struct setun_tokenizer *t = c->t;
    const struct setun_tok *k = t->tok;
    if (k->n_norms > MAX_STEPS || k->n_cuts > MAX_STEPS)
        return wrong(c, "%u and %u steps, %d at the most", k->n_norms, k->n_cuts, MAX_STEPS);
    uint32_t n = k->n_norms + k->n_cuts;
    t->steps = table(c, "steps", k->steps, n, sizeof *t->steps);
    if (!t->steps) return false;
    t->patterns = calloc(n + 1u, sizeof *t->patterns);
    if (!t->patterns) return wrong(c, "out of memory");
    for (uint32_t i = 0; i < n; i++)
        if (!check_step(c, i)) return false;
    return setun_finder_open(t, false, &t->raw, c->why, c->why_size) &&
           setun_finder_open(t, true, &t->normalized, c->why, c->why_size);
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
    } else if (k->kind != SETUN_TOK_BPE && k->kind != SETUN_TOK_UNIGRAM) {
        ok = wrong(&c, "kind %u is not known", k->kind);
    } else if (k->flags > SETUN_TOK_FLAGS) {
        ok = wrong(&c, "flags 0x%x are not known", k->flags);
    } else {
        ok = check_index(&c) && check_sorted(&c) && check_merges(&c) && check_scores(&c) && check_ids(&c) &&
             check_specials(&c) && check_steps(&c);
    }
    if (!ok) setun_tok_close(t);
    return ok;
}

void setun_tok_close(struct setun_tokenizer *t) {
    uint32_t n = t->patterns ? t->tok->n_norms + t->tok->n_cuts : 0;
    for (uint32_t i = 0; i < n; i++) setun_pattern_close(&t->patterns[i]);
    free(t->patterns);
    setun_finder_close(t->raw);
    setun_finder_close(t->normalized);
    free(t->merge_of);
    *t = (struct setun_tokenizer){0};
}

bool setun_tok_is_eos(const struct setun_tokenizer *t, uint32_t id) {
    for (uint32_t i = 0; i < t->tok->n_eos; i++) {
        if (t->tok->eos[i] == id) return true;
    }
    return false;
}
