/*
 * from_gguf.c -- the keys tokenizer.ggml.* of a GGUF file.
 *
 *     model   "gpt2": byte-level BPE with merges;  "llama": SentencePiece's BPE by scores;  "t5": its unigram
 *     tokens, scores, token_type (enum tok_type), merges: lists, the first three as long as each other
 *     pre     for "gpt2": how texts are cut, by a name (patterns.def)
 */
#include "frontend/tokenizer/from_gguf.h"

#include <string.h>

#include "base/compiler.h"
#include "frontend/tokenizer/pieces.h"

const char *tok_gguf_where(const struct tok_gguf *t, const char *key) {
    const struct gguf_pair *p = gguf_find(t->g, key);
    if (p) return gguf_where(t->b->arena, t->g, p);
    return arena_printf(t->b->arena, "%s: key '%s'", t->b->path, key);
}

uint8_t tok_gguf_type(const struct tok_gguf *t, uint64_t id) {
    int64_t v = 0;
    return t->types && gguf_int_at(t->types, id, &v) ? (uint8_t)v : 0;
}

/* ---- single keys ---- */

static bool wrong_kind(const struct tok_gguf *t, const struct gguf_pair *p, const char *want) {
    return diag_in(t->b->diag, gguf_where(t->b->arena, t->g, p), DIAG_GGUF_KEY, want, gguf_kind_name(p->kind));
}

/* An absent key leaves *v as it is. */
static bool read_flag(const struct tok_gguf *t, const char *key, bool *v) {
    const struct gguf_pair *p = gguf_find(t->g, key);
    if (!p) return true;
    if (p->kind != GGUF_BOOL) return wrong_kind(t, p, gguf_kind_name(GGUF_BOOL));
    *v = *p->at != 0;
    return true;
}

static bool read_id(const struct tok_gguf *t, const char *key, int64_t *id) {
    const struct gguf_pair *p = gguf_find(t->g, key);
    int64_t v;
    if (!p) return true;
    if (!gguf_int(p, &v)) return wrong_kind(t, p, "an integer");
    if (v == UINT32_MAX || v == -1) return true; /* none */
    if (v < 0 || v >= t->b->n_tokens)
        return diag_in(t->b->diag, gguf_where(t->b->arena, t->g, p), DIAG_TOK_SPECIAL_ID, v, t->b->n_tokens);
    *id = v;
    return true;
}

/* ---- lists ---- */

static bool is_list(const struct gguf_pair *p, bool strings) {
    return p->kind == GGUF_ARRAY && (p->elem == GGUF_STRING) == strings;
}

static bool open_list(const struct tok_gguf *t, const char *key, const struct gguf_pair **list) {
    *list = gguf_find(t->g, key);
    if (!*list) return true;
    if (!is_list(*list, false)) return wrong_kind(t, *list, "a list of numbers");
    return (*list)->count == t->tokens->count ||
           diag_in(t->b->diag, tok_gguf_where(t, key), DIAG_TOK_LIST, (*list)->count, t->tokens->count);
}

static bool open_lists(struct tok_gguf *t) {
    static const char tokens[] = TOK_KEY("tokens"), types[] = TOK_KEY("token_type");
    t->tokens = gguf_find(t->g, tokens);
    if (!t->tokens) return diag_in(t->b->diag, tok_gguf_where(t, tokens), DIAG_TOK_MISSING);
    if (!is_list(t->tokens, true)) return wrong_kind(t, t->tokens, "a list of strings");
    if (t->tokens->count > t->b->n_tokens)
        return diag_in(t->b->diag, tok_gguf_where(t, tokens), DIAG_TOK_PIECES, t->b->n_tokens);
    if (!open_list(t, TOK_KEY("scores"), &t->scores) || !open_list(t, types, &t->types)) return false;
    for (uint64_t i = 0; t->types && i < t->types->count; i++) {
        int64_t v;
        if (!gguf_int_at(t->types, i, &v) || v < TOK_NORMAL || v > TOK_BYTE)
            return diag_in(t->b->diag, tok_gguf_where(t, types), DIAG_TOK_TYPE, i);
    }
    return true;
}

/* ---- pieces with scores ---- */

static bool looks_like_byte(const char *at, uint64_t n) { return n == 6 && memcmp(at, "<0x", 3) == 0 && at[5] == '>'; }

/* Converters write the spaces of user-defined pieces as spaces; texts have marks there by the time they are found. */
static void mark_spaces(struct tok_build *b, struct tok_entry *e) {
    size_t spaces = 0;
    for (size_t i = 0; i < e->n; i++) spaces += e->at[i] == ' ';
    if (spaces == 0) return;
    uint8_t *to = arena_alloc(b->arena, e->n + 2 * spaces), *p = to;
    for (size_t i = 0; i < e->n; i++) {
        if (e->at[i] == ' ') {
            memcpy(p, "\xe2\x96\x81", 3);
            p += 3;
        } else {
            *p++ = e->at[i];
        }
    }
    e->at = to;
    e->n = (size_t)(p - to);
}

static bool place_all(const struct tok_gguf *t, struct tok_pieces *pieces, int64_t unk) {
    const uint8_t *cursor = t->tokens->at;
    const char *at;
    uint64_t n;
    for (uint32_t id = 0; gguf_next_string(t->tokens, &cursor, &at, &n); id++) {
        double score = 0;
        uint8_t type = tok_gguf_type(t, id);
        if (t->scores) gguf_real_at(t->scores, id, &score);
        if (type == 0) type = id == unk ? TOK_UNKNOWN : looks_like_byte(at, n) ? TOK_BYTE : TOK_NORMAL;
        struct tok_entry e = {.at = (const uint8_t *)at,
                              .n = (size_t)n,
                              .score = (float)score,
                              .type = (enum tok_type)type,
                              .offset = (uint64_t)((const uint8_t *)at - t->g->file.map.at)};
        if (type == TOK_USER_DEFINED) mark_spaces(t->b, &e);
        if (!tok_place_piece(t->b, pieces, id, &e)) return false;
        pieces->byte_fallback = pieces->byte_fallback || type == TOK_BYTE;
    }
    return true;
}

static bool read_charsmap(const struct tok_gguf *t, struct tok_pieces *pieces) {
    const struct gguf_pair *p = gguf_find(t->g, TOK_KEY("precompiled_charsmap"));
    if (!p) return true;
    if (p->kind != GGUF_ARRAY || (p->elem != GGUF_U8 && p->elem != GGUF_I8)) return wrong_kind(t, p, "a list of bytes");
    pieces->charsmap = (struct tok_text){p->at, (size_t)p->bytes};
    return true;
}

static bool read_pieces(struct tok_gguf *t, bool unigram) {
    struct tok_build *b = t->b;
    struct tok_pieces pieces = {.dummy_prefix = true, .escape = true};
    int64_t unk = unigram ? 2 : 0;
    if (!t->scores) return diag_in(b->diag, tok_gguf_where(t, TOK_KEY("scores")), DIAG_TOK_MISSING);
    if (!read_id(t, TOK_KEY("unknown_token_id"), &unk) ||
        !read_flag(t, TOK_KEY("add_space_prefix"), &pieces.dummy_prefix) ||
        !read_flag(t, TOK_KEY("remove_extra_whitespaces"), &pieces.remove_extra) || !read_charsmap(t, &pieces) ||
        !place_all(t, &pieces, unk))
        return false;
    if (b->unk < 0) b->unk = unk;
    b->kind = unigram ? SETUN_TOK_UNIGRAM : SETUN_TOK_BPE;
    b->add_bos = !unigram; /* unless the file says otherwise */
    b->add_eos = unigram;
    if (!unigram && b->n_tokens > 1) b->bos = 1;
    return tok_finish_pieces(b, &pieces);
}

/* ---- beginning and ends of texts ---- */

/* The ids that the file names, then texts that end an answer in every model that has them as control tokens. */
static bool read_ends(const struct tok_gguf *t) {
    static const char *const keys[] = {TOK_KEY("eos_token_id"), TOK_KEY("eot_token_id"), TOK_KEY("eom_token_id")};
    static const char *const texts[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eom_id|>"};
    struct tok_build *b = t->b;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        int64_t id = -1;
        if (!read_id(t, keys[i], &id)) return false;
        if (id >= 0 && !tok_add_eos(b, tok_gguf_where(t, keys[i]), id)) return false;
        if (i == 0 && id >= 0) b->end = id;
    }
    for (size_t i = 0; i < b->special.n; i++) {
        const struct tok_special *s = &b->special.at[i];
        for (size_t j = 0; j < COUNT_OF(texts) && s->flags == 0 && b->n_eos < CONFIG_MAX_EOS; j++)
            if (s->n == strlen(texts[j]) && memcmp(s->text, texts[j], s->n) == 0 && !tok_add_eos(b, b->path, s->id))
                return false;
    }
    return true;
}

/* Where the file does not say it, only if there is such a token. */
static bool read_added(const struct tok_gguf *t, const char *key, int64_t id, int *add) {
    bool v = *add > 0 && (id >= 0 || gguf_find(t->g, key));
    if (!read_flag(t, key, &v)) return false;
    *add = v;
    return true;
}

static bool read_special_ids(const struct tok_gguf *t) {
    struct tok_build *b = t->b;
    return read_id(t, TOK_KEY("bos_token_id"), &b->bos) && read_ends(t) &&
           read_added(t, TOK_KEY("add_bos_token"), b->bos, &b->add_bos) &&
           read_added(t, TOK_KEY("add_eos_token"), b->end, &b->add_eos);
}

static bool read_gguf(struct tok_build *b, const struct gguf_file *g) {
    struct tok_gguf t = {.b = b, .g = g};
    const char *at = "";
    uint64_t n = 0;
    const struct gguf_pair *model = gguf_find(g, TOK_KEY("model"));
    if (!model) return diag_in(b->diag, tok_gguf_where(&t, TOK_KEY("model")), DIAG_TOK_MISSING);
    if (!gguf_string(model, &at, &n)) return wrong_kind(&t, model, gguf_kind_name(GGUF_STRING));
    if (!open_lists(&t)) return false;
    bool gpt2 = n == 4 && memcmp(at, "gpt2", 4) == 0, t5 = n == 2 && memcmp(at, "t5", 2) == 0;
    bool llama = n == 5 && memcmp(at, "llama", 5) == 0;
    if (!gpt2 && !t5 && !llama)
        return diag_in(b->diag, gguf_where(b->arena, g, model), DIAG_TOK_UNSUPPORTED,
                       arena_printf(b->arena, "tokenizer '%.*s'", (int)(n < 64 ? n : 64), at));
    return (gpt2 ? tok_gguf_bpe(&t) : read_pieces(&t, t5)) && read_special_ids(&t);
}

bool tokenizer_read_gguf(struct diag *d, struct arena *a, const struct gguf_file *g, uint32_t vocab, uint8_t **section,
                         size_t *bytes) {
    struct tok_build b;
    return tok_build_init(&b, d, a, g->file.path, vocab) && read_gguf(&b, g) && tok_finish(&b, NULL) &&
           tok_write_section(&b, section, bytes);
}
