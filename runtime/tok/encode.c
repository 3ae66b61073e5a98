/*
 * encode.c -- a text to token ids: special tokens, then runs of UTF-8, then the steps, then the model.
 *
 * Steps see valid UTF-8 only.  A byte that is not part of a valid sequence is a piece of its own, and the text on
 * either side is treated as if it stood alone.  Each step works on one piece at a time and passes on what it makes,
 * so that memory is that of the longest piece and not of a list of all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "runtime/tok/impl.h"

struct encoder {
    const struct setun_tokenizer *t;
    struct setun_bpe *bpe;
    struct setun_unigram *unigram;
    struct setun_bytes *buf; /* [n_norms + n_cuts]: what each step made */
    const uint8_t *text;     /* whole, so that a report can say where */
    size_t n;
    struct setun_allowed allowed; /* places in text */
    bool marked;                  /* the stretch between raw specials has a mark */
    struct setun_ids *ids;
    char *why;
    size_t why_size;
};

/* A piece of text and whether it begins where the whole text does. */
struct span {
    const uint8_t *at;
    size_t n;
    bool first;
};

static struct span part(const struct span *s, size_t from, size_t to) {
    return (struct span){.at = s->at + from, .n = to - from, .first = s->first && from == 0};
}

static bool no_memory(const struct encoder *e) {
    snprintf(e->why, e->why_size, "out of memory");
    return false;
}

static bool push(const struct encoder *e, uint32_t id) { return setun_ids_push(e->ids, id) || no_memory(e); }

/* ---- the model ---- */

/* Where a piece lies is known unless a step has rewritten it. */
static bool no_token(const struct encoder *e, const uint8_t *at, size_t n) {
    uintptr_t text = (uintptr_t)e->text, here = (uintptr_t)at;
    bool known = here >= text && here - text < e->n;
    for (size_t i = 0; !(e->t->tok->flags & SETUN_TOK_CHARS) && i < n; i++) {
        if (e->t->tok->byte_token[at[i]] != SETUN_NO_TOKEN) continue;
        if (known)
            snprintf(e->why, e->why_size, "byte 0x%02x at %zu has no token", at[i], here - text + i);
        else
            snprintf(e->why, e->why_size, "byte 0x%02x has no token", at[i]);
        return false;
    }
    snprintf(e->why, e->why_size, "a character of '%.*s' has no token", (int)(n < 40 ? n : 40), (const char *)at);
    return false;
}

static bool model(const struct encoder *e, const struct span *s) {
    if (s->n == 0) return true;
    switch (e->unigram ? setun_unigram_piece(e->t, e->unigram, s->at, s->n, e->ids)
                       : setun_bpe_piece(e->t, e->bpe, s->at, s->n, e->ids)) {
    case SETUN_PIECE_OK: return true;
    case SETUN_PIECE_NO_MEMORY: return no_memory(e);
    case SETUN_PIECE_NO_TOKEN: break;
    }
    return no_token(e, s->at, s->n);
}

/* ---- cuts ---- */

static bool step(struct encoder *e, uint32_t i, const struct span *s);

/* Matches and what lies between them, as they come; what is held may still grow. */
struct cutter {
    struct encoder *e;
    uint32_t next, behavior; /* the step behind this one */
    const struct span *whole;
    size_t from, to;
    bool held, match; /* is anything held, and what */
};

static bool release(struct cutter *c) {
    struct span piece = part(c->whole, c->from, c->to);
    bool held = c->held;
    c->held = false;
    return !held || step(c->e, c->next, &piece);
}

static bool hold(struct cutter *c, size_t from, size_t to, bool match) {
    if (!release(c)) return false;
    c->held = true;
    c->from = from;
    c->to = to;
    c->match = match;
    return true;
}

static bool take(struct cutter *c, size_t from, size_t to, bool match) {
    bool joins = false;
    switch ((enum setun_tok_cut)c->behavior) {
    case SETUN_CUT_ISOLATED: break;
    case SETUN_CUT_REMOVED:
        if (match) return release(c);
        break;
    case SETUN_CUT_PREVIOUS: joins = c->held && match && !c->match; break;
    case SETUN_CUT_NEXT: joins = c->held && c->match && !match; break;
    case SETUN_CUT_CONTIGUOUS: joins = c->held && c->match == match; break;
    case SETUN_CUT_INVERT: break;
    }
    if (!joins) return hold(c, from, to, match);
    c->to = to;
    c->match = match;
    return true;
}

static bool cut(struct encoder *e, uint32_t i, const struct span *s) {
    uint32_t flags = e->t->steps[i].flags;
    bool inverted = flags & SETUN_CUT_INVERT;
    struct cutter c = {.e = e, .next = i + 1, .behavior = flags & 7u, .whole = s};
    size_t done = 0, range[2];
    while (done < s->n) {
        int found = setun_pattern_next(&e->t->patterns[i], s->at, s->n, done, range);
        if (found < 0) {
            char text[128];
            setun_pattern_error(found, text, sizeof text);
            snprintf(e->why, e->why_size, "the pre-tokenizer's pattern failed at byte %zu: %s", done, text);
            return false;
        }
        if (found == 0) break;
        if ((range[0] > done && !take(&c, done, range[0], inverted)) || !take(&c, range[0], range[1], !inverted))
            return false;
        done = range[1];
    }
    return (done == s->n || take(&c, done, s->n, inverted)) && release(&c);
}

/* ---- special tokens, and the steps between ---- */

typedef bool gap_fn(struct encoder *e, const struct span *s);

/* Special tokens become ids, `gap` takes what lies between. */
static bool specials(struct encoder *e, const struct setun_finder *f, const struct span *s, gap_fn *gap) {
    size_t done = 0, at = 0;
    struct setun_found found;
    const struct setun_allowed rewritten = {.all = e->allowed.all && !e->marked};
    const struct setun_allowed *allowed = f == e->t->raw ? &e->allowed : &rewritten;
    while (f && setun_finder_next(e->t, f, s->at, s->n, at, done, allowed, &found)) {
        struct span before = part(s, done, found.from);
        if (!gap(e, &before) || !push(e, e->t->specials[found.special].id)) return false;
        if (found.to > done) done = found.to;
        at = found.next;
    }
    struct span rest = part(s, done, s->n);
    return gap(e, &rest);
}

static bool cuts(struct encoder *e, const struct span *s) {
    uint32_t i = e->t->tok->n_norms;
    if (s->n == 0) return true;
    return e->t->tok->n_cuts == 0 ? model(e, s) : step(e, i, s);
}

/* Step i and all behind it; NORMALIZED specials are found between norms and cuts. */
static bool step(struct encoder *e, uint32_t i, const struct span *s) {
    const struct setun_tok *k = e->t->tok;
    if (s->n == 0) return true;
    if (i == k->n_norms + k->n_cuts) return model(e, s);
    if (e->t->steps[i].kind == SETUN_STEP_CUT) return cut(e, i, s);
    struct setun_bytes *b = &e->buf[i];
    if (!setun_step_apply(e->t, i, s->at, s->n, s->first, b, e->why, e->why_size)) return false;
    struct span made = {.at = b->at, .n = b->n, .first = s->first};
    return i + 1 == k->n_norms ? specials(e, e->t->normalized, &made, cuts) : step(e, i + 1, &made);
}

static bool run(struct encoder *e, const struct span *s) {
    if (s->n == 0) return true;
    return e->t->tok->n_norms > 0 ? step(e, 0, s) : specials(e, e->t->normalized, s, cuts);
}

static bool plain(struct encoder *e, const struct span *s) {
    size_t begin = 0, end = 0, from = (size_t)(s->at - e->text);
    struct span valid;
    e->marked = setun_marked_between(&e->allowed, from, from + s->n);
    while (end < s->n) {
        int len = setun_utf8_next(s->at + end, s->n - end);
        if (len > 0) {
            end += (size_t)len;
            continue;
        }
        valid = part(s, begin, end);
        struct span byte = part(s, end, end + 1);
        if (!run(e, &valid) || !model(e, &byte)) return false;
        begin = ++end;
    }
    valid = part(s, begin, end);
    return run(e, &valid);
}

static bool encode(const struct setun_tokenizer *t, const uint8_t *text, size_t n, const struct setun_allowed *allowed,
                   struct setun_ids *ids, char *why, size_t why_size) {
    struct encoder e = {
        .t = t, .text = text, .n = n, .allowed = *allowed, .ids = ids, .why = why, .why_size = why_size};
    uint32_t n_steps = t->tok->n_norms + t->tok->n_cuts;
    bool unigram = t->tok->kind == SETUN_TOK_UNIGRAM;
    if (unigram)
        e.unigram = setun_unigram_new();
    else
        e.bpe = setun_bpe_new();
    e.buf = calloc(n_steps + 1u, sizeof *e.buf);
    const struct span all = {.at = text, .n = n, .first = true};
    bool ok = (e.unigram || e.bpe) && e.buf ? specials(&e, t->raw, &all, plain) : no_memory(&e);
    for (uint32_t i = 0; e.buf && i < n_steps; i++) free(e.buf[i].at);
    free(e.buf);
    setun_unigram_free(e.unigram);
    setun_bpe_free(e.bpe);
    return ok;
}

bool setun_encode(const struct setun_tokenizer *t, const uint8_t *text, size_t n, bool specials, struct setun_ids *ids,
                  char *why, size_t why_size) {
    const struct setun_allowed allowed = {.all = specials};
    return encode(t, text, n, &allowed, ids, why, why_size);
}

bool setun_encode_marked(const struct setun_tokenizer *t, const uint8_t *text, size_t n, const size_t *marks,
                         size_t n_marks, struct setun_ids *ids, char *why, size_t why_size) {
    const struct setun_allowed allowed = {.all = true, .marks = marks, .n_marks = n_marks};
    return encode(t, text, n, &allowed, ids, why, why_size);
}
