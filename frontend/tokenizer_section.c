/* tokenizer_section.c -- what was read, as the flat table of runtime/abi.h. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "frontend/tokenizer_impl.h"

struct ref {
    const uint8_t *at;
    uint32_t n, id;
};

static int by_bytes(const void *a, const void *b) {
    const struct ref *x = a, *y = b;
    uint32_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->at, y->at, n) : 0;
    if (order) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static int by_length(const void *a, const void *b) {
    const struct ref *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static struct ref *collect(const struct tok_build *b, bool added_only, uint32_t *n) {
    struct ref *all = arena_array(b->arena, struct ref, b->n_tokens);
    *n = 0;
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        const struct tok_piece *p = &b->piece[id];
        if (!added_only || p->added) all[(*n)++] = (struct ref){p->at, p->n, id};
    }
    return all;
}

/* Where a table of `bytes` goes; the next one begins at a multiple of 4.  false: beyond 32 bits. */
static bool place(uint64_t *end, uint64_t bytes, uint32_t *at) {
    uint64_t next;
    *at = (uint32_t)*end;
    if (!ck_add(&next, *end, bytes) || !ck_align(&next, next, 4) || next > UINT32_MAX) return false;
    *end = next;
    return true;
}

static bool place_all(struct setun_tok *t, uint64_t bytes, uint64_t *end) {
    *end = sizeof *t;
    t->bytes_len = (uint32_t)bytes;
    return bytes <= UINT32_MAX && place(end, t->pattern_bytes, &t->pattern) &&
           place(end, 4 * ((uint64_t)t->n_tokens + 1), &t->index) && place(end, bytes, &t->bytes) &&
           place(end, sizeof(struct setun_tok_merge) * (uint64_t)t->n_merges, &t->merges) &&
           place(end, 4 * (uint64_t)t->n_tokens, &t->sorted) && place(end, 4 * (uint64_t)t->n_specials, &t->specials);
}

static void fill_head(const struct tok_build *b, struct setun_tok *t) {
    *t = (struct setun_tok){.magic = SETUN_TOK_MAGIC,
                            .kind = SETUN_TOK_BYTE_BPE,
                            .flags = b->flags,
                            .n_tokens = b->n_tokens,
                            .n_merges = b->n_merges,
                            .n_eos = b->n_eos,
                            .bos = b->bos < 0 ? SETUN_NO_TOKEN : (uint32_t)b->bos,
                            .pattern_bytes = (uint32_t)strlen(b->pattern)};
    for (uint32_t i = 0; i < b->n_eos; i++) t->eos[i] = (uint32_t)b->eos[i];
    for (size_t i = 0; i < 256; i++) t->byte_token[i] = SETUN_NO_TOKEN;
    for (uint32_t id = b->n_tokens; id-- > 0;) { /* the lowest id wins */
        const struct tok_piece *p = &b->piece[id];
        if (p->n == 1 && !p->added) t->byte_token[p->at[0]] = id;
    }
}

static void fill_ids(uint8_t *to, const struct ref *r, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) memcpy(to + 4 * (size_t)i, &r[i].id, 4);
}

static void fill_tokens(const struct tok_build *b, const struct setun_tok *t, uint8_t *section) {
    uint32_t at = 0;
    for (uint32_t id = 0; id <= b->n_tokens; id++) {
        memcpy(section + t->index + 4 * (size_t)id, &at, 4);
        if (id == b->n_tokens) break;
        const struct tok_piece *p = &b->piece[id];
        if (p->n) memcpy(section + t->bytes + at, p->at, p->n);
        at += p->n;
    }
}

bool tok_write_section(const struct tok_build *b, uint8_t **section, size_t *bytes) {
    struct setun_tok t;
    uint32_t n_sorted;
    uint64_t text = 0, end;
    fill_head(b, &t);
    for (uint32_t id = 0; id < b->n_tokens; id++) text += b->piece[id].n;
    struct ref *sorted = collect(b, false, &n_sorted), *specials = collect(b, true, &t.n_specials);
    qsort(sorted, n_sorted, sizeof *sorted, by_bytes);
    if (t.n_specials) qsort(specials, t.n_specials, sizeof *specials, by_length);
    if (!place_all(&t, text, &end)) return diag_in(b->j.diag, b->j.path, DIAG_TOK_TOO_LARGE);
    uint8_t *s = arena_alloc(b->arena, (size_t)end);
    memcpy(s, &t, sizeof t);
    memcpy(s + t.pattern, b->pattern, t.pattern_bytes);
    fill_tokens(b, &t, s);
    if (t.n_merges) memcpy(s + t.merges, b->merge, sizeof *b->merge * (size_t)t.n_merges);
    fill_ids(s + t.sorted, sorted, n_sorted);
    fill_ids(s + t.specials, specials, t.n_specials);
    *section = s;
    *bytes = (size_t)end;
    return true;
}
