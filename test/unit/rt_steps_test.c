/*
 * rt_steps_test -- what happens to a text before and after the model: steps, cuts, special tokens, printing; the
 * unigram model beside a slow one; damaged tables of every kind.
 */
#include "test/unit/expect.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/diag.h"
#include "frontend/tokenizer_impl.h"
#include "runtime/tok_impl.h"

static uint64_t seed = 11;
static uint32_t draw(uint32_t n) {
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

static void begin(struct made *m, uint32_t vocab) {
    m->arena = arena_new();
    tok_build_init(&m->b, diag_new(m->arena, stderr), m->arena, "made", vocab);
}

static void token(struct made *m, uint32_t id, const char *text, size_t n) {
    m->b.piece[id].at = (const uint8_t *)arena_strndup(m->arena, text, n);
    m->b.piece[id].n = (uint32_t)n;
}

static bool finish(struct made *m) {
    char why[200];
    bool ok = EXPECT(tok_finish(&m->b, NULL)) && EXPECT(tok_write_section(&m->b, &m->section, &m->n));
    if (ok && !EXPECT(ok = setun_tok_open(&m->t, m->section, m->n, why, sizeof why))) printf("%s\n", why);
    return ok;
}

static void end(struct made *m) {
    setun_tok_close(&m->t);
    arena_free(m->arena);
}

/* Every part of a text is a token, and a piece that is a token is that token: so ids are pieces. */
static uint32_t all_parts(struct made *m, const char *text) {
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
static void spell(struct made *m, const char *text, bool specials, char *out) {
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

/* ---- steps ---- */

static void steps(void) {
    static const struct {
        enum setun_tok_step_kind kind;
        uint32_t flags;
        const char *a, *b, *text, *want;
    } rows[] = {
        {SETUN_STEP_PREPEND, 0, "_", NULL, "a", "_a"},
        {SETUN_STEP_PREPEND, 0, "_", NULL, "_a", "__a"},
        {SETUN_STEP_PREPEND, 0, "_", NULL, "", ""},
        {SETUN_STEP_PREPEND, SETUN_PREPEND_UNLESS, "_", NULL, "_a", "_a"},
        {SETUN_STEP_REPLACE, 0, " ", "\xe2\x96\x81", " a  b",
         "\xe2\x96\x81"
         "a\xe2\x96\x81\xe2\x96\x81"
         "b"},
        {SETUN_STEP_REPLACE, 0, "aa", "b", "aaaaa", "bba"},
        {SETUN_STEP_REPLACE, 0, "a", "", "banana", "bnn"},
        {SETUN_STEP_REGEX, 0, " {2,}", " ", "a   b  c d", "a b c d"},
        {SETUN_STEP_REGEX, 0, "x", "yy", "xax", "yyayy"},
        {SETUN_STEP_STRIP, 1, NULL, NULL, " \t a \xe3\x80\x80", "a \xe3\x80\x80"},
        {SETUN_STEP_STRIP, 2, NULL, NULL, " a \xe3\x80\x80", " a"},
        {SETUN_STEP_STRIP, 3, NULL, NULL, " \n ", ""},
        {SETUN_STEP_LOWER, 0, NULL, NULL, "A\xc3\x89\xc4\xb0", "a\xc3\xa9i\xcc\x87"},
        {SETUN_STEP_NFC, 0, NULL, NULL, "xe\xcc\x81y", "x\xc3\xa9y"},
        {SETUN_STEP_NFD, 0, NULL, NULL, "\xc3\xa9", "e\xcc\x81"},
        {SETUN_STEP_NFC, 0, NULL, NULL, "a\xcc\x81\xcc\xa3", "\xe1\xba\xa1\xcc\x81"}, /* marks in order of classes */
        {SETUN_STEP_NFC, 0, NULL, NULL, "\xef\xac\x81", "\xef\xac\x81"},
        {SETUN_STEP_NFKC, 0, NULL, NULL, "\xef\xac\x81\xc2\xbd",
         "fi1\xe2\x81\x84"
         "2"},
        {SETUN_STEP_NFKD, 0, NULL, NULL, "\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1"},
        {SETUN_STEP_BYTES, 0, NULL, NULL, " \xc3\xa9!", "\xc4\xa0\xc3\x83\xc2\xa9!"},
        {SETUN_STEP_UNBYTES, 0, NULL, NULL, "\xc4\xa0\xc3\x83\xc2\xa9!", " \xc3\xa9!"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct made m;
        struct setun_bytes out = {0};
        char why[200];
        all_parts(&m, "");
        tok_step_text(tok_step_add(&m.b, true, rows[i].kind, rows[i].flags), rows[i].a, rows[i].b);
        if (finish(&m)) {
            EXPECT(setun_step_apply(&m.t, 0, (const uint8_t *)rows[i].text, strlen(rows[i].text), true, &out, why,
                                    sizeof why));
            EXPECT(setun_bytes_put(&out, (const uint8_t *)"", 1));
            EXPECT_STR((char *)out.at, rows[i].want);
        }
        free(out.at);
        end(&m);
    }
}

/* A trie of one entry, "ab" becomes "X"; another file's map is in test/tokenizers. */
static size_t one_entry(uint8_t map[4 + 4 * 512 + 2]) {
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

static void maps(void) {
    uint8_t map[4 + 4 * 512 + 2];
    size_t n = one_entry(map);
    char why[200];
    struct setun_bytes out = {0};
    EXPECT(setun_charsmap_check(map, n, why, sizeof why));
    EXPECT(setun_charsmap(map, n, (const uint8_t *)"abaabb", 6, &out) && out.n == 4 && !memcmp(out.at, "XaXb", 4));
    out.n = 0;
    EXPECT(setun_charsmap_graphemes(map, n, (const uint8_t *)"ab", 2, &out) && out.n == 2); /* two clusters */
    for (int round = 0; round < 20000; round++) { /* a damaged map is refused, or walked within its bounds */
        uint8_t *bad = malloc(n);
        if (!bad) return;
        memcpy(bad, map, n);
        for (uint32_t k = draw(4) + 1; k > 0; k--)
            bad[draw(2) ? draw(2) ? 4 + 4 * (256u ^ 'a') + draw(4) : draw(4) : draw((uint32_t)n)] = (uint8_t)draw(256);
        out.n = 0;
        if (setun_charsmap_check(bad, n, why, sizeof why)) {
            EXPECT(setun_charsmap(bad, n,
                                  (const uint8_t *)"ab\xc3\xa9"
                                                   "abc",
                                  7, &out));
            EXPECT(setun_charsmap_graphemes(bad, n,
                                            (const uint8_t *)"ab\xc3\xa9"
                                                             "abc",
                                            7, &out));
        }
        free(bad);
    }
    free(out.at);
}

/* ---- cuts ---- */

static void cuts(void) {
    static const struct {
        uint32_t flags;
        const char *pattern, *text, *want;
    } rows[] = {{SETUN_CUT_ISOLATED, "-", "a--b-c", "a|-|-|b|-|c"},
                {SETUN_CUT_REMOVED, "-", "a--b-c", "a|b|c"},
                {SETUN_CUT_PREVIOUS, "-", "a--b-c", "a-|-|b-|c"},
                {SETUN_CUT_NEXT, "-", "a--b-c", "a|-|-b|-c"},
                {SETUN_CUT_CONTIGUOUS, "-", "a--b-c", "a|--|b|-|c"},
                {SETUN_CUT_PREVIOUS, "-", "-a", "-|a"},
                {SETUN_CUT_NEXT, "-", "a-", "a|-"},
                {SETUN_CUT_REMOVED | SETUN_CUT_INVERT, "[a-z]+", "ab--c", "ab|c"},
                {SETUN_CUT_ISOLATED | SETUN_CUT_INVERT, "[a-z]+", "ab--c", "ab|--|c"},
                {SETUN_CUT_NEXT | SETUN_CUT_INVERT, "[a-z]", "ab--c", "a|b|--c"},
                {SETUN_CUT_CONTIGUOUS | SETUN_CUT_INVERT, "[a-z]", "ab--c", "ab|--|c"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct made m;
        char out[200];
        all_parts(&m, rows[i].text);
        tok_step_text(tok_step_add(&m.b, false, SETUN_STEP_CUT, rows[i].flags), rows[i].pattern, NULL);
        if (finish(&m)) {
            spell(&m, rows[i].text, false, out);
            EXPECT_STR(out, rows[i].want);
        }
        end(&m);
    }
}

/* Later steps see the pieces of earlier ones; what is first is known through them. */
static void in_order(void) {
    struct made m;
    char out[200];
    uint32_t id = all_parts(&m, "_ab_cd");
    token(&m, id, "_cd", 3);
    tok_step_text(tok_step_add(&m.b, false, SETUN_STEP_CUT, SETUN_CUT_REMOVED), " ", NULL);
    tok_step_text(tok_step_add(&m.b, false, SETUN_STEP_PREPEND, SETUN_PREPEND_UNLESS | SETUN_PREPEND_FIRST), "_", NULL);
    if (finish(&m)) {
        spell(&m, "ab cd", false, out);
        EXPECT_STR(out, "_ab|cd");
        spell(&m, " cd", false, out);
        EXPECT_STR(out, "cd");
        spell(&m, "_ab cd", false, out);
        EXPECT_STR(out, "_ab|cd");
        spell(&m, "ab\xff", false, out);
        EXPECT_STR(out, "_ab|\xff");
    }
    end(&m);
}

/* ---- special tokens ---- */

static void special(struct made *m, uint32_t id, const char *text, uint32_t flags) {
    token(m, id, text, strlen(text));
    m->b.piece[id].attrs = SETUN_ATTR_NEVER | (flags & SETUN_SPECIAL_ALWAYS ? 0 : SETUN_ATTR_HIDDEN);
    *vec_push(m->arena, &m->b.special) =
        (struct tok_special){.text = text, .n = (uint32_t)strlen(text), .id = id, .flags = flags};
}

static void specials(void) {
    struct made m;
    char out[200];
    uint32_t id = all_parts(&m, "");
    special(&m, id++, "<s>", 0);
    special(&m, id++, "<s>>", 0);
    special(&m, id++, "<w>", SETUN_SPECIAL_ALWAYS);
    special(&m, id++, "<l>", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_LSTRIP);
    special(&m, id++, "<r>", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_RSTRIP);
    special(&m, id++, "one", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_WORD);
    special(&m, id++, "N!", SETUN_SPECIAL_ALWAYS | SETUN_SPECIAL_NORMALIZED);
    special(&m, id++, "M!", SETUN_SPECIAL_ALWAYS);
    tok_step_add(&m.b, true, SETUN_STEP_LOWER, 0);
    if (finish(&m)) {
#define SPELT(text, allowed, want) spell(&m, text, allowed, out), EXPECT_STR(out, want)
        SPELT("a<s>b", true, "a|<s>|b");
        SPELT("a<s>b", false, "a|<|s|>|b");
        SPELT("<s>>", true, "<s>>");
        SPELT("<w><w>A", false, "<w>|<w>|a");
        SPELT("a \t<l> b", false, "a|<l>| |b");
        SPELT("a <r> \n b", false, "a| |<r>|b");
        SPELT("<r> <l>", false, "<r>|<l>");
        SPELT("one", false, "one");
        SPELT("a one.", false, "a| |one|.");
        SPELT("ones", false, "o|n|e|s");
        SPELT("\xc3\xa9one", false, "\xc3|\xa9|o|n|e");
        SPELT("xN!n!", false, "x|N!|N!"); /* both are "n!" by then */
        SPELT("xm!M!", false, "x|m|!|M!");
#undef SPELT
    }
    end(&m);
}

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
    steps();
    maps();
    cuts();
    in_order();
    specials();
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
