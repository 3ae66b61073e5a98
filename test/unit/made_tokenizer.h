/*
 * made_tokenizer.h -- for tests of the runtime's tokenizer: tables by way of the writer, and texts spelt in tokens.
 */
#ifndef SETUN_TEST_MADE_TOKENIZER_H
#define SETUN_TEST_MADE_TOKENIZER_H

#include "test/unit/expect.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/diag.h"
#include "frontend/tokenizer/impl.h"
#include "runtime/tok/impl.h"

static uint64_t seed = 11;
static inline uint32_t draw(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- tables by way of the writer ---- */

struct made {
    struct arena *arena;
    struct tok_build b;
    uint8_t *section;
    size_t n;
    struct setun_tokenizer t;
};

static inline void begin(struct made *m, uint32_t vocab) {
    m->arena = arena_new();
    tok_build_init(&m->b, diag_new(m->arena, stderr), m->arena, "made", vocab);
}

static inline void token(struct made *m, uint32_t id, const char *text, size_t n) {
    m->b.piece[id].at = (const uint8_t *)arena_strndup(m->arena, text, n);
    m->b.piece[id].n = (uint32_t)n;
}

static inline bool finish(struct made *m) {
    char why[200];
    bool ok = EXPECT(tok_finish(&m->b, NULL)) && EXPECT(tok_write_section(&m->b, &m->section, &m->n));
    if (ok && !EXPECT(ok = setun_tok_open(&m->t, m->section, m->n, why, sizeof why))) printf("%s\n", why);
    return ok;
}

static inline void end(struct made *m) {
    setun_tok_close(&m->t);
    arena_free(m->arena);
}

/* Every part of a text is a token, and a piece that is a token is that token: so ids are pieces. */
static inline uint32_t all_parts(struct made *m, const char *text) {
    size_t n = strlen(text);
    begin(m, (uint32_t)(n * (n + 1) / 2 + 300));
    for (uint32_t i = 0; i < 256; i++) {
        char c = (char)i;
        token(m, i, &c, 1);
        m->b.byte_token[i] = i;
    }
    uint32_t id = 256;
    for (size_t from = 0; from < n; from++)
        for (size_t to = from + 2; to <= n; to++) token(m, id++, text + from, to - from);
    m->b.flags = SETUN_TOK_IGNORE_MERGES;
    return id;
}

/* The tokens of a text with '|' between. */
static inline void spell(struct made *m, const char *text, bool specials, char *out) {
    char why[256];
    struct setun_ids ids = {0};
    size_t at = 0;
    if (!EXPECT(setun_encode(&m->t, (const uint8_t *)text, strlen(text), specials, &ids, why, sizeof why)))
        printf("%s\n", why);
    for (size_t i = 0; i < ids.n; i++) {
        uint32_t n;
        const uint8_t *p = setun_tok_text(&m->t, ids.at[i], &n);
        at += (size_t)sprintf(out + at, "%s%.*s", i ? "|" : "", (int)n, (const char *)p);
    }
    out[at] = 0;
    setun_ids_free(&ids);
}

/* A trie of one entry, "ab" becomes "X"; another file's map is in test/tokenizers. */
static inline size_t one_entry(uint8_t map[4 + 4 * 512 + 2]) {
    uint32_t unit[512] = {0};
    unit[0] = 256u << 10;
    unit[256 ^ 'a'] = 'a' | (256u ^ 'a' ^ 384u) << 10;
    unit[384 ^ 'b'] = 'b' | 0x100 | (384u ^ 'b' ^ 300u) << 10;
    unit[300] = 0x80000000u;
    uint32_t bytes = sizeof unit;
    memcpy(map, &bytes, 4);
    memcpy(map + 4, unit, sizeof unit);
    memcpy(map + 4 + sizeof unit, "X", 2);
    return 4 + sizeof unit + 2;
}

/* ---- special tokens ---- */

static inline void special(struct made *m, uint32_t id, const char *text, uint32_t flags) {
    token(m, id, text, strlen(text));
    m->b.piece[id].attrs = SETUN_ATTR_NEVER | (flags & SETUN_SPECIAL_ALWAYS ? 0 : SETUN_ATTR_HIDDEN);
    *vec_push(m->arena, &m->b.special) =
        (struct tok_special){.text = text, .n = (uint32_t)strlen(text), .id = id, .flags = flags};
}

#endif
