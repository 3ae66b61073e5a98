/* rt_steps_test -- what happens to a text before the model: steps, maps, cuts, special tokens. */
#include "test/unit/made_tokenizer.h"

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

int main(void) {
    steps();
    maps();
    cuts();
    in_order();
    specials();
    return expect_end();
}
