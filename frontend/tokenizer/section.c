/*
 * section.c -- what was read, as the flat table of runtime/abi.h.
 *
 * What the runtime would refuse at the start of an executable is refused here, with the file's name.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "frontend/tokenizer/impl.h"

enum { MAX_STEPS = 64 };

struct tok_step *tok_step_add(struct tok_build *b, bool norm, enum setun_tok_step_kind kind, uint32_t flags) {
    struct tok_step *s = norm ? vec_push(b->arena, &b->norm) : vec_push(b->arena, &b->cut);
    *s = (struct tok_step){.kind = kind, .flags = flags};
    return s;
}

void tok_step_text(struct tok_step *s, const char *a, const char *b) {
    s->a = a;
    s->b = b;
    s->na = a ? strlen(a) : 0;
    s->nb = b ? strlen(b) : 0;
}

/* ---- checks ---- */

static bool check_pattern(const struct tok_build *b, const struct tok_step *s) {
    int error;
    PCRE2_SIZE at;
    uint32_t empty = 0;
    const char *where = s->where ? s->where : b->path;
    pcre2_code *code = pcre2_compile(s->a, s->na, PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR text[160];
        pcre2_get_error_message(error, text, sizeof text);
        return diag_in(b->diag, where, DIAG_TOK_PATTERN, (size_t)at, (const char *)text);
    }
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    pcre2_code_free(code);
    return !empty || diag_in(b->diag, where, DIAG_TOK_UNSUPPORTED, "an expression that matches the empty text");
}

static bool is_utf8(const uint8_t *p, size_t n) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t c = p[i];
        len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
        if (len == 0 || len > n - i) return false;
        if (len > 1) c &= 0x7fu >> len;
        for (size_t k = 1; k < len; k++) {
            if ((p[i + k] & 0xc0) != 0x80) return false;
            c = c << 6 | (p[i + k] & 0x3fu);
        }
        if (c < least[len] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) return false;
    }
    return true;
}

/* A u32 size of the trie, the trie, and texts that end with a zero byte. */
static bool check_charsmap(const struct tok_build *b, const struct tok_step *s) {
    const char *where = s->where ? s->where : b->path;
    uint32_t trie = s->na >= 9 ? load_u32le(s->a) : 0;
    const uint8_t *at = s->a;
    if (s->na < 9 || trie < 4 || trie % 4 != 0 || trie > s->na - 5)
        return diag_in(b->diag, where, DIAG_TOK_CHARSMAP, "its sizes do not add up");
    if (at[s->na - 1] != 0 || !is_utf8(at + 4 + trie, s->na - 4 - trie))
        return diag_in(b->diag, where, DIAG_TOK_CHARSMAP, "its texts are no UTF-8");
    return true;
}

static bool check_step(const struct tok_build *b, const struct tok_step *s) {
    if (s->kind == SETUN_STEP_CHARSMAP || s->kind == SETUN_STEP_GRAPHEMES) return check_charsmap(b, s);
    if (s->kind == SETUN_STEP_CUT || s->kind == SETUN_STEP_REGEX) return check_pattern(b, s);
    return true;
}

/* As many as the runtime takes, and each as it takes it. */
static bool check_steps(const struct tok_build *b) {
    if (b->norm.n > MAX_STEPS || b->cut.n > MAX_STEPS)
        return diag_in(b->diag, b->path, DIAG_TOK_UNSUPPORTED, "a tokenizer of more than 64 steps");
    for (size_t i = 0; i < b->norm.n + b->cut.n; i++)
        if (!check_step(b, i < b->norm.n ? &b->norm.at[i] : &b->cut.at[i - b->norm.n])) return false;
    return true;
}

static bool check_scores(const struct tok_build *b) {
    for (uint32_t id = 0; b->kind == SETUN_TOK_UNIGRAM && id < b->n_tokens; id++)
        if (!isfinite(b->piece[id].score)) return diag_in(b->diag, b->path, DIAG_TOK_SCORE, id);
    return true;
}

/* ---- tables ---- */

struct ref {
    const uint8_t *at;
    uint32_t n, id;
    bool never;
};

static int by_bytes(const void *a, const void *b) {
    const struct ref *x = a, *y = b;
    uint32_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->at, y->at, n) : 0;
    if (order) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    if (x->never != y->never) return x->never ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

static struct ref *sort_tokens(const struct tok_build *b) {
    struct ref *all = arena_array(b->arena, struct ref, b->n_tokens);
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        const struct tok_piece *p = &b->piece[id];
        all[id] = (struct ref){p->at, p->n, id, (p->attrs & SETUN_ATTR_NEVER) != 0};
    }
    qsort(all, b->n_tokens, sizeof *all, by_bytes);
    return all;
}

/* Where a table of `bytes` goes, at a multiple of 8.  false: beyond 32 bits. */
static bool place(uint64_t *end, uint64_t bytes, uint32_t *at) {
    uint64_t next;
    *at = (uint32_t)*end;
    if (!ck_add(&next, *end, bytes) || !ck_align(&next, next, 8) || next > UINT32_MAX) return false;
    *end = next;
    return true;
}

static bool place_all(struct setun_tok *t, uint64_t bytes, uint64_t *end) {
    uint64_t n = t->n_tokens, steps = t->n_norms + t->n_cuts;
    *end = sizeof *t;
    t->bytes_len = (uint32_t)bytes;
    return bytes <= UINT32_MAX && place(end, sizeof(struct setun_tok_step) * steps, &t->steps) &&
           place(end, 4 * (n + 1), &t->index) && place(end, bytes, &t->bytes) && place(end, n, &t->attrs) &&
           place(end, 4 * n, &t->sorted) &&
           place(end, sizeof(struct setun_tok_merge) * (uint64_t)t->n_merges, &t->merges) &&
           place(end, t->kind == SETUN_TOK_UNIGRAM ? 8 * n : 0, &t->scores) &&
           place(end, sizeof(struct setun_tok_special) * (uint64_t)t->n_specials, &t->specials);
}

static uint32_t id_or_none(int64_t id) { return id < 0 ? SETUN_NO_TOKEN : (uint32_t)id; }

static double unk_score(const struct tok_build *b) {
    double least = INFINITY;
    if (b->kind != SETUN_TOK_UNIGRAM || !isnan(b->unk_score)) return isnan(b->unk_score) ? 0 : b->unk_score;
    for (uint32_t id = 0; id < b->n_tokens; id++)
        if (b->piece[id].n && b->piece[id].score < least) least = b->piece[id].score;
    return (isfinite(least) ? least : 0) - 10;
}

static void fill_head(const struct tok_build *b, struct setun_tok *t) {
    *t = (struct setun_tok){.magic = SETUN_TOK_MAGIC,
                            .kind = b->kind,
                            .flags = b->flags,
                            .n_tokens = b->n_tokens,
                            .n_merges = b->n_merges,
                            .n_specials = (uint32_t)b->special.n,
                            .n_eos = b->n_eos,
                            .n_norms = (uint32_t)b->norm.n,
                            .n_cuts = (uint32_t)b->cut.n,
                            .bos = id_or_none(b->bos),
                            .end = id_or_none(b->end),
                            .unk = id_or_none(b->unk),
                            .unk_score = unk_score(b)};
    for (uint32_t i = 0; i < b->n_eos; i++) t->eos[i] = (uint32_t)b->eos[i];
    for (size_t i = 0; i < 256; i++) t->byte_token[i] = id_or_none(b->byte_token[i]);
}

static void fill_tokens(const struct tok_build *b, const struct setun_tok *t, uint8_t *section) {
    uint32_t at = 0;
    for (uint32_t id = 0; id <= b->n_tokens; id++) {
        memcpy(section + t->index + 4 * (size_t)id, &at, 4);
        if (id == b->n_tokens) break;
        const struct tok_piece *p = &b->piece[id];
        if (p->n) memcpy(section + t->bytes + at, p->at, p->n);
        section[t->attrs + id] = p->n ? p->attrs : SETUN_ATTR_NEVER;
        if (b->kind == SETUN_TOK_UNIGRAM) memcpy(section + t->scores + 8 * (size_t)id, &p->score, 8);
        at += p->n;
    }
}

/* Texts of steps and specials lie behind the tables. */
struct texts {
    uint8_t *section; /* NULL: only sizes are wanted */
    uint64_t end;
};

static uint32_t put_text(struct texts *x, const void *p, size_t n) {
    uint32_t at = (uint32_t)x->end;
    if (x->section && n) memcpy(x->section + at, p, n);
    x->end += (n + 3) & ~(size_t)3;
    return at;
}

static void fill_texts(const struct tok_build *b, const struct setun_tok *t, struct texts *x) {
    for (uint32_t i = 0; i < t->n_norms + t->n_cuts; i++) {
        const struct tok_step *s = i < t->n_norms ? &b->norm.at[i] : &b->cut.at[i - t->n_norms];
        struct setun_tok_step to = {
            .kind = s->kind, .flags = s->flags, .a_bytes = (uint32_t)s->na, .b_bytes = (uint32_t)s->nb};
        to.a = put_text(x, s->a, s->na);
        to.b = put_text(x, s->b, s->nb);
        if (x->section) memcpy(x->section + t->steps + i * sizeof to, &to, sizeof to);
    }
    for (uint32_t i = 0; i < t->n_specials; i++) {
        const struct tok_special *s = &b->special.at[i];
        struct setun_tok_special to = {.id = s->id, .flags = s->flags, .text_bytes = s->n};
        to.text = put_text(x, s->text, s->n);
        if (x->section) memcpy(x->section + t->specials + i * sizeof to, &to, sizeof to);
    }
}

bool tok_write_section(const struct tok_build *b, uint8_t **section, size_t *bytes) {
    struct setun_tok t;
    uint64_t text = 0, end;
    if (!check_steps(b) || !check_scores(b)) return false;
    fill_head(b, &t);
    for (uint32_t id = 0; id < b->n_tokens; id++) text += b->piece[id].n;
    if (!place_all(&t, text, &end)) return diag_in(b->diag, b->path, DIAG_TOK_TOO_LARGE);
    struct texts x = {.end = end};
    fill_texts(b, &t, &x);
    if (x.end > UINT32_MAX) return diag_in(b->diag, b->path, DIAG_TOK_TOO_LARGE);
    const struct ref *sorted = sort_tokens(b);
    *bytes = (size_t)x.end;
    *section = x.section = arena_alloc(b->arena, *bytes);
    x.end = end;
    memcpy(x.section, &t, sizeof t);
    fill_tokens(b, &t, x.section);
    fill_texts(b, &t, &x);
    if (t.n_merges) memcpy(x.section + t.merges, b->merge, sizeof *b->merge * (size_t)t.n_merges);
    for (uint32_t i = 0; i < b->n_tokens; i++) memcpy(x.section + t.sorted + 4 * (size_t)i, &sorted[i].id, 4);
    return true;
}
