/*
 * pieces.c -- see pieces.h.
 *
 * What text becomes: normal pieces, by merging (BPE) or by the best sum of scores (unigram); user-defined pieces, which
 * BPE finds before anything else and unigram weighs like normal ones, with a score of their own; byte pieces, for
 * characters that are no piece.  Control, unknown and unused pieces are never made from text.
 */
#include "frontend/tokenizer/pieces.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/check.h"

static bool wrong_piece(const struct tok_build *b, uint32_t id, const struct tok_entry *e, enum diag_id what) {
    const char *where = arena_printf(b->arena, "%s: piece %u, byte 0x%" PRIx64, b->path, id, e->offset);
    return diag_in(b->diag, where, what);
}

/* Lengths by the first byte; that later bytes continue a character is all that is asked of them. */
static bool is_utf8(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t len = p[i] < 0x80 ? 1 : p[i] < 0xc2 ? 0 : p[i] < 0xe0 ? 2 : p[i] < 0xf0 ? 3 : p[i] < 0xf5 ? 4 : 0;
        if (len == 0 || len > n - i) return false;
        for (size_t j = 1; j < len; j++)
            if ((p[i + j] & 0xc0) != 0x80) return false;
        i += len;
    }
    return true;
}

static int hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "<0x0A>", upper case. */
static int byte_of(const struct tok_entry *e) {
    if (e->n != 6 || memcmp(e->at, "<0x", 3) != 0 || e->at[5] != '>') return -1;
    int high = hex(e->at[3]), low = hex(e->at[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool tok_place_piece(struct tok_build *b, struct tok_pieces *p, uint32_t id, const struct tok_entry *e) {
    static const uint8_t attrs[] = {[TOK_NORMAL] = 0,
                                    [TOK_UNKNOWN] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN,
                                    [TOK_CONTROL] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN,
                                    [TOK_USER_DEFINED] = SETUN_ATTR_NEVER,
                                    [TOK_UNUSED] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN,
                                    [TOK_BYTE] = SETUN_ATTR_NEVER};
    if (!p->type) p->type = arena_array(b->arena, uint8_t, b->n_tokens);
    if (id >= b->n_tokens) return diag_in(b->diag, b->path, DIAG_TOK_PIECES, b->n_tokens);
    if (e->n == 0) return wrong_piece(b, id, e, DIAG_TOK_PIECE_EMPTY);
    if (!is_utf8(e->at, e->n) || e->n > UINT32_MAX / 2) return wrong_piece(b, id, e, DIAG_TOK_PIECE_UTF8);
    if (!isfinite(e->score)) return wrong_piece(b, id, e, DIAG_TOK_PIECE_SCORE);
    p->type[id] = (uint8_t)e->type;
    b->piece[id] =
        (struct tok_piece){.at = e->at, .n = (uint32_t)e->n, .score = (double)e->score, .attrs = attrs[e->type]};
    if (e->type == TOK_UNKNOWN) {
        if (b->unk >= 0) return wrong_piece(b, id, e, DIAG_TOK_UNK_TWICE);
        b->unk = id;
    }
    if (e->type != TOK_BYTE) return true;
    int byte = byte_of(e);
    if (byte < 0 || b->byte_token[byte] >= 0) return wrong_piece(b, id, e, DIAG_TOK_PIECE_BYTE);
    uint8_t *one = arena_alloc(b->arena, 1);
    *one = (uint8_t)byte;
    b->byte_token[byte] = id;
    b->piece[id].at = one;
    b->piece[id].n = 1;
    return true;
}

/* ---- special pieces ---- */

static void add_special(struct tok_build *b, uint32_t id, uint32_t flags) {
    const struct tok_piece *p = &b->piece[id];
    *vec_push(b->arena, &b->special) = (struct tok_special){.text = p->at, .n = p->n, .id = id, .flags = flags};
}

/*
 * Unigram: user-defined pieces have the best score of all for each byte, unknown characters 10 less than the least.
 * Both are of normal pieces, and computed as SentencePiece does, in float.
 */
static float best_score(struct tok_build *b, const struct tok_pieces *p) {
    double best = -FLT_MAX, least = FLT_MAX;
    for (uint32_t i = 0; i < b->n_tokens; i++) {
        if (p->type[i] == TOK_NORMAL && b->piece[i].score > best) best = b->piece[i].score;
        if (p->type[i] == TOK_NORMAL && b->piece[i].score < least) least = b->piece[i].score;
    }
    b->unk_score = (float)least - 10.0f;
    return (float)best;
}

static void read_types(struct tok_build *b, const struct tok_pieces *p) {
    const float best = best_score(b, p);
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        struct tok_piece *piece = &b->piece[id];
        if (p->type[id] == TOK_CONTROL || p->type[id] == TOK_UNKNOWN) add_special(b, id, 0);
        if (p->type[id] != TOK_USER_DEFINED) continue;
        if (b->kind == SETUN_TOK_UNIGRAM) {
            piece->score = (double)((float)piece->n * best) - 0.1;
            piece->attrs = 0;
        } else {
            add_special(b, id, SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_NORMALIZED | SETUN_SPECIAL_AS_IS);
        }
    }
}

static int64_t control_piece(const struct tok_build *b, const struct tok_pieces *p, struct tok_text text) {
    for (uint32_t id = 0; id < b->n_tokens; id++) {
        const struct tok_piece *t = &b->piece[id];
        if (p->type[id] == TOK_CONTROL && t->n == text.n && memcmp(t->at, text.at, text.n) == 0) return id;
    }
    return -1;
}

static bool check_bytes(const struct tok_build *b, const struct tok_pieces *p) {
    for (unsigned i = 0; i < 256; i++) {
        if (p->byte_fallback && b->byte_token[i] < 0) return diag_in(b->diag, b->path, DIAG_TOK_BYTE_ABSENT, i);
        if (!p->byte_fallback && b->byte_token[i] >= 0)
            return diag_in(b->diag, b->path, DIAG_TOK_BYTE_UNASKED, (uint32_t)b->byte_token[i]);
    }
    return true;
}

/* ---- the normaliser ---- */

static void add_norm(struct tok_build *b, enum setun_tok_step_kind kind, const char *from, const char *to) {
    tok_step_text(tok_step_add(b, true, kind, 0), from, to);
}

#define MARK "\xe2\x96\x81"

/* In the order of SentencePiece, which strips marks that it has just made, the first one included. */
static void add_norms(struct tok_build *b, const struct tok_pieces *p) {
    const char *space = p->escape ? MARK : " ";
    if (p->charsmap.n > 0) {
        struct tok_step *s = tok_step_add(b, true, SETUN_STEP_CHARSMAP, 0);
        s->a = p->charsmap.at;
        s->na = p->charsmap.n;
    }
    if (p->remove_extra) add_norm(b, SETUN_STEP_REGEX, "\\A ++|(?<= ) ++", "");
    if (p->dummy_prefix) add_norm(b, SETUN_STEP_PREPEND, space, "");
    if (p->escape) add_norm(b, SETUN_STEP_REPLACE, " ", MARK);
    if (p->remove_extra)
        add_norm(b, SETUN_STEP_REGEX, p->escape ? "(?<!" MARK ")(?:" MARK ")++\\z" : "(?<! ) ++\\z", "");
}

bool tok_finish_pieces(struct tok_build *b, const struct tok_pieces *p) {
    if (!p->type) return diag_in(b->diag, b->path, DIAG_TOK_NO_PIECES);
    if (b->unk < 0) return diag_in(b->diag, b->path, DIAG_TOK_NO_UNK);
    if (!check_bytes(b, p)) return false;
    b->flags |= SETUN_TOK_CHARS | SETUN_TOK_SPACE_MARK;
    b->flags |= p->byte_fallback ? SETUN_TOK_BYTE_FALLBACK : SETUN_TOK_FUSE_UNK;
    if (b->kind == SETUN_TOK_UNIGRAM) b->flags |= SETUN_TOK_SUM_F32;
    if (p->dummy_prefix || p->remove_extra) b->flags |= SETUN_TOK_STRIP_ONE;
    read_types(b, p);
    add_norms(b, p);
    if (p->bos.n) b->bos = control_piece(b, p, p->bos);
    if (p->eos.n) b->end = control_piece(b, p, p->eos);
    if (b->add_bos < 0) b->add_bos = b->bos >= 0;
    if (b->end >= 0 && !tok_add_eos(b, b->path, b->end)) return false;
    return b->kind != SETUN_TOK_BPE || tok_merges_from_scores(b);
}
