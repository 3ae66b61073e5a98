/*
 * rt_models_test -- pieces to ids and back: the unigram model beside a slow one, BPE of characters, printing; damaged
 * tables of every kind, and runs that are long.
 */
#include "test/unit/made_tokenizer.h"

/* ---- unigram ---- */

enum { LETTERS = 4, MOST = 40 };

static uint32_t slow_unigram(const struct made *m, const char *text, uint32_t n, double unk, uint32_t *ids) {
    double best[MOST + 1] = {0};
    uint32_t last[MOST + 1] = {0}, from[MOST + 1] = {0}, count = 0;
    bool there[MOST + 1] = {true};
    for (uint32_t at = 0; at < n; at++) {
        bool covered = false;
        for (uint32_t len = 1; len <= n - at; len++) {
            for (uint32_t id = 1; id < m->b.n_tokens; id++) {
                const struct tok_piece *p = &m->b.piece[id];
                if (p->n != len || memcmp(p->at, text + at, len) != 0) continue;
                double sum = best[at] + p->score;
                covered |= len == 1;
                if (there[at + len] && sum <= best[at + len]) break;
                there[at + len] = true;
                best[at + len] = sum;
                last[at + len] = id;
                from[at + len] = at;
                break;
            }
        }
        if (!covered && (!there[at + 1] || best[at] + unk > best[at + 1])) {
            there[at + 1] = true;
            best[at + 1] = best[at] + unk;
            last[at + 1] = 0;
            from[at + 1] = at;
        }
    }
    for (uint32_t at = n; at > 0; at = from[at]) ids[count++] = last[at];
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t swap = ids[i];
        ids[i] = ids[count - 1 - i];
        ids[count - 1 - i] = swap;
    }
    return count;
}

static void unigram_like_slow(void) {
    for (int round = 0; round < 60; round++) {
        struct made m;
        begin(&m, 60);
        m.b.kind = SETUN_TOK_UNIGRAM;
        m.b.unk = 0;
        double least = 0;
        for (uint32_t id = 1; id < 60; id++) {
            char text[8];
            uint32_t n = id < LETTERS ? 1 : 2 + draw(5);
            for (uint32_t i = 0; i < n; i++) text[i] = (char)('a' + (id < LETTERS ? id - 1 : draw(LETTERS)));
            token(&m, id, text, n); /* 'd' alone is no token */
            m.b.piece[id].score = draw(2) ? -(double)draw(8) : -(double)draw(100000) / 9000;
            if (m.b.piece[id].score < least) least = m.b.piece[id].score;
        }
        for (uint32_t id = 1; id < 60; id++) /* of equal texts the first is found, whatever the others' scores */
            for (uint32_t k = id + 1; k < 60; k++)
                if (m.b.piece[k].n == m.b.piece[id].n && !memcmp(m.b.piece[k].at, m.b.piece[id].at, m.b.piece[id].n))
                    m.b.piece[k].score = -1;
        least = 0;
        for (uint32_t id = 1; id < 60; id++)
            if (m.b.piece[id].score < least) least = m.b.piece[id].score;
        if (!finish(&m)) return;
        for (int k = 0; k < 60; k++) {
            char text[MOST], why[100];
            uint32_t n = draw(MOST), want[MOST], count;
            struct setun_ids ids = {0};
            for (uint32_t i = 0; i < n; i++) text[i] = (char)('a' + draw(LETTERS + 1));
            count = slow_unigram(&m, text, n, least - 10, want);
            EXPECT(setun_encode(&m.t, (const uint8_t *)text, n, false, &ids, why, sizeof why));
            EXPECT(ids.n == count && (count == 0 || memcmp(ids.at, want, 4 * count) == 0));
            setun_ids_free(&ids);
        }
        end(&m);
    }
}

/* ---- characters, and what is printed ---- */

static void characters(uint32_t flags, const char *text, const char *want) {
    struct made m;
    char out[200];
    begin(&m, 300);
    token(&m, 0, "<unk>", 5);
    m.b.piece[0].attrs = SETUN_ATTR_NEVER;
    token(&m, 1, "a", 1);
    token(&m, 2, "\xc3\xa9", 2);
    token(&m, 3, "a\xc3\xa9", 3);
    struct setun_tok_merge merge = {.left = 1, .right = 2, .result = 3};
    m.b.merge = &merge;
    m.b.n_merges = 1;
    for (uint32_t i = 0; i < 256; i++) {
        char c = (char)i;
        token(&m, 10 + i, &c, 1);
        m.b.piece[10 + i].attrs = SETUN_ATTR_NEVER;
        m.b.byte_token[i] = i == '!' ? -1 : 10 + (int64_t)i;
    }
    m.b.unk = 0;
    m.b.flags = SETUN_TOK_CHARS | flags;
    if (finish(&m)) {
        spell(&m, text, false, out);
        EXPECT_STR(out, want);
    }
    end(&m);
}

static void prints(uint32_t flags, bool first, const char *want) {
    struct made m;
    char out[64];
    size_t n = 0;
    begin(&m, 5);
    token(&m, 0, "<s>", 3);
    m.b.piece[0].attrs = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN;
    token(&m, 1,
          "\xe2\x96\x81\xe2\x96\x81"
          "a",
          7);
    token(&m, 2, "b\xe2\x96\x81", 4);
    token(&m, 3, "\xe2\x96", 2); /* no mark */
    m.b.flags = flags;
    if (finish(&m)) {
        static const uint32_t ids[] = {0, 1, 2, 3, 1, 4, 77};
        struct setun_decoder d = {.t = &m.t, .first = first};
        uint8_t raw[16];
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            uint32_t got = setun_decode(&d, ids[i], raw);
            memcpy(out + n, raw, got);
            n += got;
        }
        out[n] = 0;
        EXPECT_STR(out, want);
    }
    end(&m);
}

static void printed(void) {
    prints(SETUN_TOK_SPACE_MARK, true, "  ab \xe2\x96  a");
    prints(SETUN_TOK_SPACE_MARK | SETUN_TOK_STRIP_ONE, true, " ab \xe2\x96  a");
    prints(SETUN_TOK_SPACE_MARK | SETUN_TOK_STRIP_MARKS, true, "ab \xe2\x96  a");
    prints(SETUN_TOK_SPACE_MARK | SETUN_TOK_STRIP_MARKS | SETUN_TOK_STRIP_ONE, false, "  ab \xe2\x96  a");
    prints(0, true,
           "\xe2\x96\x81\xe2\x96\x81"
           "ab\xe2\x96\x81\xe2\x96\xe2\x96\x81\xe2\x96\x81"
           "a");
}

/* ---- damage ---- */

static void damaged(enum setun_tok_kind kind) {
    static const char text[] = "ab <w> abab\xc3\xa9\xff  ONE\n";
    uint8_t map[4 + 4 * 512 + 2];
    struct made m;
    uint32_t refused = 0, id = all_parts(&m, "abab ");
    m.b.kind = kind;
    m.b.unk = 0;
    m.b.flags |= kind == SETUN_TOK_BPE ? SETUN_TOK_CHARS | SETUN_TOK_BYTE_FALLBACK : 0;
    special(&m, id++, "<w>", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_LSTRIP);
    special(&m, id++, "ONE", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_NORMALIZED);
    struct tok_step *charsmap = tok_step_add(&m.b, true, SETUN_STEP_CHARSMAP, 0);
    charsmap->na = one_entry(map);
    charsmap->a = map;
    tok_step_add(&m.b, true, SETUN_STEP_NFKC, 0);
    tok_step_text(tok_step_add(&m.b, false, SETUN_STEP_REPLACE, 0), " ", "\xe2\x96\x81");
    tok_step_text(tok_step_add(&m.b, false, SETUN_STEP_CUT, SETUN_CUT_NEXT), "\xe2\x96\x81", NULL);
    if (!finish(&m)) return;
    for (int round = 0; round < 6000; round++) {
        size_t size = draw(10) ? m.n : draw((uint32_t)m.n + 1);
        uint8_t *bad = aligned_alloc(8, (size + 8) & ~(size_t)7);
        char why[256];
        if (!bad) return;
        memcpy(bad, m.section, size);
        for (uint32_t k = draw(3) + 1; k > 0 && size > 0; k--) {
            uint32_t part = draw(3), at = part == 0   ? draw(1144)
                                          : part == 1 ? m.t.tok->steps + draw(96)
                                                      : draw((uint32_t)size);
            if (at < size) bad[at] = (uint8_t)(draw(2) ? draw(256) : bad[at] ^ 1u << draw(8));
        }
        struct setun_tokenizer t;
        if (setun_tok_open(&t, bad, size, why, sizeof why)) {
            struct setun_ids ids = {0};
            setun_encode(&t, (const uint8_t *)text, sizeof text - 1, true, &ids, why, sizeof why);
            for (size_t i = 0; i < ids.n; i++) EXPECT(ids.at[i] < t.tok->n_tokens);
            setun_ids_free(&ids);
            setun_tok_close(&t);
        } else {
            refused++;
        }
        free(bad);
    }
    EXPECT(refused > 1000);
    end(&m);
}

/* ---- long runs: a test that is not over in time says that something is quadratic ---- */

static void long_runs(void) {
    static const char *const unit[] = {"a",   " ",       "\n", "\r\n", "'", "1", "!", "\xc3\xa9", "\xcc\x81\xcc\xa3",
                                       " \n", "ab1! \n", "<w>"};
    enum { LONG = 1000000 };
    char *text = malloc(LONG), why[200];
    struct made m;
    uint32_t id = all_parts(&m, "aaaa");
    special(&m, id, "<w>", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_LSTRIP | SETUN_SPECIAL_RSTRIP);
    tok_step_add(&m.b, true, SETUN_STEP_NFKC, 0);
    tok_step_text(tok_step_add(&m.b, true, SETUN_STEP_REGEX, 0), "x+y", "z");
    tok_step_text(tok_step_add(&m.b, false, SETUN_STEP_CUT, SETUN_CUT_ISOLATED),
                  "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                  "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                  NULL);
    if (!text || !finish(&m)) return;
    for (size_t k = 0; k < sizeof unit / sizeof unit[0]; k++) {
        size_t n = strlen(unit[k]), length = LONG / n * n;
        struct setun_ids ids = {0};
        for (size_t i = 0; i < length; i++) text[i] = unit[k][i % n];
        if (!EXPECT(setun_encode(&m.t, (const uint8_t *)text, length, true, &ids, why, sizeof why)))
            printf("%s\n", why);
        EXPECT(ids.n > 0 && ids.n <= LONG);
        setun_ids_free(&ids);
    }
    free(text);
    end(&m);
}

int main(void) {
    unigram_like_slow();
    characters(SETUN_TOK_BYTE_FALLBACK, "a\xc3\xa9x\xe2\x82\xac", "a\xc3\xa9|x|\xe2|\x82|\xac");
    characters(SETUN_TOK_BYTE_FALLBACK, "a!!a", "a|<unk>|<unk>|a");
    characters(SETUN_TOK_BYTE_FALLBACK | SETUN_TOK_FUSE_UNK, "!!a!\xff", "<unk>|a|<unk>|\xff");
    characters(0, "xy", "<unk>|<unk>");
    characters(SETUN_TOK_FUSE_UNK, "xya\xc3\xa9z", "<unk>|a\xc3\xa9|<unk>");
    printed();
    damaged(SETUN_TOK_BPE);
    damaged(SETUN_TOK_UNIGRAM);
    long_runs();
    return expect_end();
}
