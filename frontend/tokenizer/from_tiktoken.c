/*
 * from_tiktoken.c -- a tiktoken file: a line a token, its bytes in base64, a space, its rank, which is its id.
 *
 * The best rank merges first, and a piece of text that is a token is that token.  The file says neither how texts are
 * cut nor what special tokens there are; both follow from how many ranks it has (patterns.def).
 */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "frontend/tokenizer/impl.h"
#include "frontend/tokenizer/patterns.h"

struct ranks {
    struct tok_build *b;
    const uint8_t *at; /* of the file */
    uint64_t line;
    uint8_t *bytes; /* of all tokens; three for four of the file */
    uint64_t n_bytes;
};

static bool wrong_line(const struct ranks *r, const uint8_t *at, const char *what) {
    const char *where =
        arena_printf(r->b->arena, "%s: line %" PRIu64 ", byte 0x%" PRIx64, r->b->path, r->line, (uint64_t)(at - r->at));
    return diag_in(r->b->diag, where, DIAG_TOK_RANKS, what);
}

static int sextet(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Appends what n characters stand for; false: they are no base64, or not the one way to write it. */
static bool decode(struct ranks *r, const uint8_t *at, uint64_t n) {
    if (n == 0 || n % 4 != 0) return false;
    unsigned pad = at[n - 1] != '=' ? 0 : at[n - 2] != '=' ? 1 : 2;
    for (uint64_t i = 0; i < n; i += 4) {
        unsigned last = i + 4 == n ? pad : 0;
        uint32_t bits = 0;
        for (unsigned j = 0; j < 4; j++) {
            int v = j < 4 - last ? sextet(at[i + j]) : 0;
            if (v < 0) return false;
            bits = bits << 6 | (uint32_t)v;
        }
        if (bits & ((1u << 8 * last) - 1)) return false;
        for (unsigned j = 0; j < 3 - last; j++) r->bytes[r->n_bytes++] = (uint8_t)(bits >> (16 - 8 * j));
    }
    return true;
}

static bool read_line(struct ranks *r, const uint8_t *line, uint64_t n) {
    struct tok_build *b = r->b;
    const uint8_t *space = memchr(line, ' ', n);
    if (!space) return wrong_line(r, line, "has no space");
    uint64_t first = r->n_bytes, digits = (uint64_t)(line + n - space) - 1, rank = 0;
    if (!decode(r, line, (uint64_t)(space - line))) return wrong_line(r, line, "does not begin with base64");
    if (digits == 0 || digits > 9 || (digits > 1 && space[1] == '0')) return wrong_line(r, space, "has no rank");
    for (uint64_t i = 1; i <= digits; i++) {
        if (space[i] < '0' || space[i] > '9') return wrong_line(r, space, "has no rank");
        rank = 10 * rank + (space[i] - '0');
    }
    if (rank >= b->n_tokens) return wrong_line(r, space, "has a rank beyond the model's vocabulary");
    struct tok_piece *p = &b->piece[rank];
    if (p->n) return wrong_line(r, space, "has the rank of a line before it");
    *p = (struct tok_piece){.at = r->bytes + first, .n = (uint32_t)(r->n_bytes - first), .score = -(double)rank};
    if (p->n == 1) b->byte_token[*p->at] = (int64_t)rank;
    return true;
}

static bool check_ranks(const struct tok_build *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!b->piece[i].n) return diag_in(b->diag, b->path, DIAG_TOK_RANK_ABSENT, i, count);
    for (unsigned i = 0; i < 256; i++)
        if (b->byte_token[i] < 0) return diag_in(b->diag, b->path, DIAG_TOK_BYTE_ABSENT, i);
    return tok_ranks_pattern(count) || diag_in(b->diag, b->path, DIAG_TOK_RANKS_COUNT, count);
}

bool tok_tiktoken_read(struct tok_build *b) {
    char *text;
    size_t n;
    if (!file_read(b->diag, b->arena, b->path, TOK_FILE_MOST, &text, &n)) return false;
    const uint8_t *at = (const uint8_t *)text;
    struct ranks r = {.b = b, .at = at, .bytes = arena_alloc(b->arena, (size_t)(n / 4 * 3 + 3))};
    uint32_t count = 0;
    for (const uint8_t *p = at, *end = at + n; p < end;) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        uint64_t len = (uint64_t)(stop - p);
        if (len > 0 && p[len - 1] == '\r') len--;
        r.line++;
        if (len > 0) {
            if (!read_line(&r, p, len)) return false;
            count++;
        }
        p = stop < end ? stop + 1 : end;
    }
    if (!check_ranks(b, count)) return false;
    b->kind = SETUN_TOK_BPE;
    b->flags |= SETUN_TOK_IGNORE_MERGES;
    if (!tok_add_cuts(b, b->path, tok_ranks_pattern(count), TOK_REGEX_FANCY) || !tok_merges_from_scores(b))
        return false;
    return tok_ranks_specials(b, count);
}
