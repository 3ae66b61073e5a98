/*
 * special.c -- special and added tokens: their texts are found in a text before anything else, at each place the
 * longest.
 *
 * The texts are sorted; a search narrows a range of them byte by byte.  Most places end at the first byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tok/impl.h"
#include "runtime/tok/uchar.h"

struct entry {
    const uint8_t *at;
    uint32_t n, special;
};

struct setun_finder {
    struct entry *entry; /* by bytes; of equal ones the first special only */
    uint32_t n;
    struct setun_bytes text; /* of normalised ones */
    uint32_t from[257];      /* entries with first byte b are from[b] .. from[b + 1] */
};

static int by_bytes(const void *pa, const void *pb) {
    const struct entry *a = pa, *b = pb;
    int order = setun_tok_compare(a->at, a->n, b->at, b->n);
    return order != 0 ? order : (a->special > b->special) - (a->special < b->special);
}

/* As the text is after the normaliser; its bytes go behind those that are there. */
static bool normalise(const struct setun_tokenizer *t, struct setun_finder *f, const struct setun_tok_special *s,
                      char *why, size_t why_size) {
    const uint8_t *at = (const uint8_t *)t->tok + s->text;
    size_t n = s->text_bytes;
    struct setun_bytes buf[2] = {{0}, {0}};
    if (s->flags & SETUN_SPECIAL_AS_IS) return setun_bytes_put(&f->text, at, n);
    bool ok = setun_bytes_put(&buf[0], at, n);
    for (uint32_t i = 0; ok && i < t->tok->n_norms; i++) {
        ok = setun_step_apply(t, i, buf[i % 2].at, buf[i % 2].n, true, &buf[(i + 1) % 2], why, why_size);
    }
    const struct setun_bytes *last = &buf[t->tok->n_norms % 2];
    ok = ok && setun_bytes_put(&f->text, last->at, last->n);
    free(buf[0].at);
    free(buf[1].at);
    return ok;
}

static void index_first(struct setun_finder *f) {
    uint32_t at = 0;
    for (uint32_t b = 0; b < 257; b++) {
        while (at < f->n && f->entry[at].at[0] < b) at++;
        f->from[b] = at;
    }
}

/* Sorted, without empty ones and without the second of equal ones. */
static void settle(struct setun_finder *f) {
    uint32_t kept = 0;
    qsort(f->entry, f->n, sizeof *f->entry, by_bytes);
    for (uint32_t i = 0; i < f->n; i++) {
        const struct entry *e = &f->entry[i], *p = &f->entry[kept ? kept - 1 : 0];
        if (e->n == 0 || (kept && p->n == e->n && memcmp(p->at, e->at, e->n) == 0)) continue;
        f->entry[kept++] = *e;
    }
    f->n = kept;
    index_first(f);
}

bool setun_finder_open(const struct setun_tokenizer *t, bool normalized, struct setun_finder **out, char *why,
                       size_t why_size) {
    const uint8_t *section = (const uint8_t *)t->tok;
    struct setun_finder *f = NULL;
    for (uint32_t i = 0; i < t->tok->n_specials; i++) {
        const struct setun_tok_special *s = &t->specials[i];
        if (((s->flags & SETUN_SPECIAL_NORMALIZED) != 0) != normalized) continue;
        if (!f) *out = f = calloc(1, sizeof *f);
        if (f && !f->entry) f->entry = calloc(t->tok->n_specials, sizeof *f->entry);
        size_t before = f ? f->text.n : 0;
        if (!f || !f->entry || (normalized && !normalise(t, f, s, why, why_size))) {
            snprintf(why, why_size, "out of memory");
            return false;
        }
        f->entry[f->n++] = (struct entry){
            .at = section + s->text, .n = normalized ? (uint32_t)(f->text.n - before) : s->text_bytes, .special = i};
    }
    size_t at = 0;
    for (uint32_t i = 0; f && normalized && i < f->n; i++) { /* the buffer does not move any more */
        f->entry[i].at = f->text.at + at;
        at += f->entry[i].n;
    }
    if (f) settle(f);
    return true;
}

void setun_finder_close(struct setun_finder *f) {
    if (!f) return;
    free(f->entry);
    free(f->text.at);
    free(f);
}

/* The longest entry that the text at `at` begins with, or NULL. */
static const struct entry *longest(const struct setun_finder *f, const uint8_t *at, size_t n) {
    uint32_t lo = f->from[at[0]], hi = f->from[at[0] + 1u];
    const struct entry *best = NULL;
    for (size_t d = 1; lo < hi; d++) {
        if (f->entry[lo].n == d) best = &f->entry[lo++];
        if (d == n) break;
        uint32_t a = lo, b = hi; /* the first whose byte at d is not below */
        while (a < b) {
            uint32_t mid = a + (b - a) / 2;
            if (f->entry[mid].at[d] < at[d])
                a = mid + 1;
            else
                b = mid;
        }
        lo = a;
        b = hi;
        while (a < b) {
            uint32_t mid = a + (b - a) / 2;
            if (f->entry[mid].at[d] <= at[d])
                a = mid + 1;
            else
                b = mid;
        }
        hi = a;
    }
    return best;
}

static bool beside_word(const uint8_t *text, size_t n, size_t from, size_t to) {
    uint32_t c;
    return (setun_char_before(text, from, &c) && setun_char_is_word(c)) ||
           (setun_char_at(text + to, n - to, &c) && setun_char_is_word(c));
}

/* The first mark that is not before `from`, or SIZE_MAX. */
static size_t mark_from(const struct setun_allowed *a, size_t from) {
    size_t lo = 0, hi = a->n_marks;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (a->marks[mid] < from) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < a->n_marks ? a->marks[lo] : SIZE_MAX;
}

bool setun_marked_between(const struct setun_allowed *a, size_t from, size_t to) { return mark_from(a, from) < to; }

/* The longest entry that may be taken at `at`, or NULL; *next: where the search goes on. */
static const struct entry *allowed_at(const struct setun_tokenizer *t, const struct setun_finder *f,
                                      const uint8_t *text, size_t n, size_t at, const struct setun_allowed *allowed,
                                      size_t *next) {
    const struct entry *e = f->from[text[at]] < f->from[text[at] + 1u] ? longest(f, text + at, n - at) : NULL;
    *next = at + (e ? e->n : 1);
    if (!e || (t->specials[e->special].flags & SETUN_SPECIAL_ALWAYS)) return e;
    if (!allowed->all) return NULL;
    size_t mark = mark_from(allowed, at);
    if (mark >= *next) return e;
    e = mark > at ? longest(f, text + at, mark - at) : NULL; /* one that ends before the mark */
    *next = at + (e ? e->n : 1);
    return e;
}

bool setun_finder_next(const struct setun_tokenizer *t, const struct setun_finder *f, const uint8_t *text, size_t n,
                       size_t at, size_t done, const struct setun_allowed *allowed, struct setun_found *found) {
    while (at < n) {
        size_t from = at, to, len;
        const struct entry *e = allowed_at(t, f, text, n, from, allowed, &at);
        if (!e) continue;
        uint32_t flags = t->specials[e->special].flags, c;
        to = at;
        if ((flags & SETUN_SPECIAL_WORD) && beside_word(text, n, from, to)) continue;
        while ((flags & SETUN_SPECIAL_LSTRIP) && from > done && (len = setun_char_before(text, from, &c)) > 0 &&
               setun_char_is_space(c) && from - len >= done)
            from -= len;
        while ((flags & SETUN_SPECIAL_RSTRIP) && (len = setun_char_at(text + to, n - to, &c)) > 0 &&
               setun_char_is_space(c))
            to += len;
        *found = (struct setun_found){.from = from < done ? done : from, .to = to, .next = at, .special = e->special};
        return true;
    }
    return false;
}
