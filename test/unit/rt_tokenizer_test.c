/*
 * rt_tokenizer_test -- the tokenizer against a slow one on random texts, its published examples, bad tables,
 * and the filters behind it (UTF-8, stop strings).
 */
#include "test/unit/expect.h"

#include <stdint.h>
#include <stdlib.h>

#include "runtime/text.h"
#include "runtime/tok/tok.h"

static uint64_t seed = 3;
static uint32_t draw(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- a table, built from a list of merges ---- */

static const char llama3[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
                             " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

enum { MAX_TOKENS = 400, SECTION = 65536 };

struct vocab {
    char text[MAX_TOKENS][24];
    uint32_t len[MAX_TOKENS], n;
    struct setun_tok_merge merge[100];
    uint32_t n_merges, special[4], n_specials;
};

static uint32_t vocab_add(struct vocab *v, const char *text, uint32_t len) {
    memcpy(v->text[v->n], text, len);
    v->len[v->n] = len;
    return v->n++;
}

static uint32_t vocab_find(const struct vocab *v, const char *text, uint32_t len) {
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->len[i] == len && memcmp(v->text[i], text, len) == 0) return i;
    }
    return SETUN_NO_TOKEN;
}

static void vocab_bytes(struct vocab *v) {
    memset(v, 0, sizeof *v);
    for (uint32_t b = 0; b < 256; b++) {
        char c = (char)b;
        vocab_add(v, &c, 1);
    }
}

static void vocab_merge(struct vocab *v, uint32_t left, uint32_t right) {
    char both[48];
    uint32_t len = v->len[left] + v->len[right];
    memcpy(both, v->text[left], v->len[left]);
    memcpy(both + v->len[left], v->text[right], v->len[right]);
    uint32_t id = vocab_find(v, both, len);
    if (id == SETUN_NO_TOKEN) id = vocab_add(v, both, len);
    uint32_t rank = v->n_merges;
    v->merge[v->n_merges++] = (struct setun_tok_merge){left, right, rank, id};
}

static void vocab_merge_text(struct vocab *v, const char *left, const char *right) {
    vocab_merge(v, vocab_find(v, left, (uint32_t)strlen(left)), vocab_find(v, right, (uint32_t)strlen(right)));
}

static const struct vocab *sorting;
static int by_bytes(const void *pa, const void *pb) {
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    uint32_t n = sorting->len[a] < sorting->len[b] ? sorting->len[a] : sorting->len[b];
    int order = memcmp(sorting->text[a], sorting->text[b], n);
    if (order == 0) order = (sorting->len[a] > sorting->len[b]) - (sorting->len[a] < sorting->len[b]);
    return order != 0 ? order : (a > b) - (a < b);
}
static int by_pair(const void *pa, const void *pb) {
    const struct setun_tok_merge *a = pa, *b = pb;
    if (a->left != b->left) return a->left < b->left ? -1 : 1;
    return (a->right > b->right) - (a->right < b->right);
}

/* Returns the size of the section. */
static uint32_t table(const struct vocab *v, uint32_t flags, const char *pattern, uint8_t section[SECTION]) {
    struct setun_tok *k = (struct setun_tok *)section;
    memset(section, 0, SECTION);
    uint32_t pattern_bytes = (uint32_t)strlen(pattern);
    *k = (struct setun_tok){.magic = SETUN_TOK_MAGIC,
                            .kind = SETUN_TOK_BPE,
                            .flags = flags,
                            .n_tokens = v->n,
                            .n_merges = v->n_merges,
                            .n_specials = v->n_specials,
                            .n_cuts = pattern_bytes > 0,
                            .bos = SETUN_NO_TOKEN,
                            .end = SETUN_NO_TOKEN,
                            .unk = SETUN_NO_TOKEN};
    for (uint32_t b = 0; b < 256; b++) k->byte_token[b] = b;
    uint32_t at = sizeof *k;
    sorting = v;
    k->merges = at;
    memcpy(section + at, v->merge, v->n_merges * sizeof *v->merge);
    qsort(section + at, v->n_merges, sizeof *v->merge, by_pair);
    at += v->n_merges * (uint32_t)sizeof *v->merge;
    k->sorted = at;
    for (uint32_t i = 0; i < v->n; i++) memcpy(section + at + 4 * i, &i, 4);
    qsort(section + at, v->n, 4, by_bytes);
    at += 4 * v->n;
    k->specials = at;
    at += v->n_specials * (uint32_t)sizeof(struct setun_tok_special);
    k->steps = at;
    at += k->n_cuts * (uint32_t)sizeof(struct setun_tok_step);
    k->index = at;
    k->attrs = at + 4 * (v->n + 1);
    k->bytes = k->attrs + v->n;
    for (uint32_t i = 0; i < v->n; i++) {
        memcpy(section + k->index + 4 * i, &k->bytes_len, 4);
        memcpy(section + k->bytes + k->bytes_len, v->text[i], v->len[i]);
        k->bytes_len += v->len[i];
    }
    memcpy(section + k->index + 4 * v->n, &k->bytes_len, 4);
    for (uint32_t i = 0; i < v->n_specials; i++) {
        uint32_t id = v->special[i], begin;
        memcpy(&begin, section + k->index + 4 * id, 4);
        struct setun_tok_special special = {.id = id, .text = k->bytes + begin, .text_bytes = v->len[id]};
        memcpy(section + k->specials + i * sizeof special, &special, sizeof special);
        section[k->attrs + id] = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN;
    }
    at = k->bytes + k->bytes_len;
    struct setun_tok_step cut = {
        .kind = SETUN_STEP_CUT, .flags = SETUN_CUT_ISOLATED, .a = at, .a_bytes = pattern_bytes, .b = at};
    if (k->n_cuts) memcpy(section + k->steps, &cut, sizeof cut);
    memcpy(section + at, pattern, pattern_bytes);
    return at + pattern_bytes;
}

/* ---- a slow BPE ---- */

static uint32_t slow_bpe(const struct vocab *v, const uint8_t *piece, uint32_t n, uint32_t *ids) {
    for (uint32_t i = 0; i < n; i++) ids[i] = piece[i];
    for (;;) {
        uint32_t best = SETUN_NO_TOKEN, where = 0, result = 0;
        for (uint32_t i = 0; i + 1 < n; i++) {
            for (uint32_t m = 0; m < v->n_merges; m++) {
                const struct setun_tok_merge *p = &v->merge[m];
                if (p->left != ids[i] || p->right != ids[i + 1] || p->rank >= best) continue;
                best = p->rank;
                where = i;
                result = p->result;
            }
        }
        if (best == SETUN_NO_TOKEN) return n;
        ids[where] = result;
        for (uint32_t i = where + 1; i + 1 < n; i++) ids[i] = ids[i + 1];
        n--;
    }
}

static void merges_like_slow(void) {
    static struct vocab v;
    _Alignas(8) static uint8_t section[SECTION];
    char why[256];
    for (int round = 0; round < 60; round++) {
        vocab_bytes(&v);
        for (int m = 0; m < 90; m++) { /* over few letters, so that merges compete */
            uint32_t any = v.n - 256, l = draw(any + 5), r = draw(any + 5);
            l = l < 5 ? 'a' + l : 251 + l;
            r = r < 5 ? 'a' + r : 251 + r;
            bool known = v.len[l] + v.len[r] > 20;
            for (uint32_t i = 0; i < v.n_merges; i++) known |= v.merge[i].left == l && v.merge[i].right == r;
            if (!known) vocab_merge(&v, l, r);
        }
        struct setun_tokenizer t;
        uint32_t size = table(&v, 0, "", section);
        if (!EXPECT(setun_tok_open(&t, section, size, why, sizeof why))) {
            printf("%s\n", why);
            return;
        }
        for (int k = 0; k < 50; k++) {
            uint8_t text[200];
            uint32_t want[200], n = draw(200), m;
            for (uint32_t i = 0; i < n; i++) text[i] = (uint8_t)('a' + draw(6));
            struct setun_ids ids = {0};
            m = slow_bpe(&v, text, n, want);
            EXPECT(setun_encode(&t, text, n, false, &ids, why, sizeof why));
            EXPECT(ids.n == m && (m == 0 || memcmp(ids.at, want, 4 * m) == 0));
            setun_ids_free(&ids);
        }
        setun_tok_close(&t);
    }
}

/* ---- texts and the pieces they fall into: spelt with '|' between tokens ---- */

static struct vocab toy;
_Alignas(8) static uint8_t toy_section[SECTION];
static uint32_t toy_size;

static void make_toy(uint32_t flags) {
    static const char *const merges[][2] = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"},
                                            {" ", "w"}, {"o", "r"}, {" w", "or"}, {"\xc3", "\xa9"}};
    vocab_bytes(&toy);
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++) vocab_merge_text(&toy, merges[i][0], merges[i][1]);
    vocab_add(&toy, "world", 5);
    toy.special[toy.n_specials++] = vocab_add(&toy, "<|end|>", 7);
    toy.special[toy.n_specials++] = vocab_add(&toy, "<|end|>>", 8);
    toy_size = table(&toy, flags, llama3, toy_section);
}

static void spell(const struct setun_tokenizer *t, const char *text, size_t n, bool specials, char *out) {
    char why[256];
    struct setun_ids ids = {0};
    size_t at = 0;
    if (!EXPECT(setun_encode(t, (const uint8_t *)text, n, specials, &ids, why, sizeof why))) printf("%s\n", why);
    for (size_t i = 0; i < ids.n; i++) {
        uint32_t len;
        const uint8_t *bytes = setun_tok_text(t, ids.at[i], &len);
        if (i > 0) out[at++] = '|';
        memcpy(out + at, bytes, len);
        at += len;
    }
    out[at] = 0;
    setun_ids_free(&ids);
}

/* Special tokens but for those that would have a marked byte; the longest of those that may be. */
static void marks(void) {
    static const struct {
        const char *text;
        size_t mark[3], n_marks;
        const char *want;
    } list[] = {
        {"hello<|end|>>", {0}, 0, "hello|<|end|>>"},     {"hello<|end|>>", {12}, 1, "hello|<|end|>|>"},
        {"hello<|end|>", {5}, 1, "hello|<|||e|n|d|||>"}, {"hello<|end|>", {11}, 1, "hello|<|||e|n|d|||>"},
        {"<|end|>hello", {7, 8}, 2, "<|end|>|hello"},    {"<|<|end|>", {0}, 1, "<|||<|end|>"},
        {"<|<|end|>", {0, 2}, 2, "<|||<|||e|n|d|||>"},   {"<|end|><|end|>", {0, 13}, 2, "<|||e|n|d|||>|<|||e|n|d|||>"},
    };
    char why[256], out[1024];
    struct setun_tokenizer t;
    make_toy(0);
    toy_size = table(&toy, 0, "[a-z]+|.", toy_section);
    if (!EXPECT(setun_tok_open(&t, toy_section, toy_size, why, sizeof why))) return;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct setun_ids ids = {0};
        size_t at = 0;
        EXPECT(setun_encode_marked(&t, (const uint8_t *)list[i].text, strlen(list[i].text), list[i].mark,
                                   list[i].n_marks, &ids, why, sizeof why));
        for (size_t k = 0; k < ids.n; k++) {
            uint32_t len;
            const uint8_t *bytes = setun_tok_text(&t, ids.at[k], &len);
            if (k > 0) out[at++] = '|';
            memcpy(out + at, bytes, len);
            at += len;
        }
        out[at] = 0;
        EXPECT_STR(out, list[i].want);
        setun_ids_free(&ids);
    }
    setun_tok_close(&t);
}

static void examples(void) {
    char why[256], out[1024];
    struct setun_tokenizer t;
    make_toy(0);
    if (!EXPECT(setun_tok_open(&t, toy_section, toy_size, why, sizeof why))) {
        printf("%s\n", why);
        return;
    }
#define SPELT(text, specials, want) spell(&t, text, sizeof text - 1, specials, out), EXPECT_STR(out, want)
    SPELT("hello world", false, "hello| wor|l|d");
    SPELT("hello  world", false, "hello| | wor|l|d"); /* the second space goes with the word */
    SPELT("hehello\n\n hello", false, "he|hello|\n|\n| |hello");
    SPELT("12345", false, "1|2|3|4|5");
    SPELT("caf\xc3\xa9", false, "c|a|f|\xc3\xa9");
    SPELT("a\xff\xc3", false, "a|\xff|\xc3");
    SPELT("hell\xc3hello", false, "hell|\xc3|hello"); /* a torn sequence is a piece of its own */
    SPELT("world", false, "w|or|l|d");
    SPELT("hello<|end|>>", false, "hello|<|||e|n|d|||>|>");
    SPELT("hello<|end|>>hello<|end|>", true, "hello|<|end|>>|hello|<|end|>");
    SPELT("<|end|", true, "<|||e|n|d||");
    SPELT("", true, "");
    setun_tok_close(&t);
    make_toy(SETUN_TOK_IGNORE_MERGES);
    EXPECT(setun_tok_open(&t, toy_section, toy_size, why, sizeof why));
    SPELT("world", false, "world");
    SPELT("hello world", false, "hello| wor|l|d");
    setun_tok_close(&t);
    make_toy(0);
    toy_size = table(&toy, 0, "hel|x*", toy_section); /* what is between matches is a piece, an empty match nothing */
    EXPECT(setun_tok_open(&t, toy_section, toy_size, why, sizeof why));
    SPELT("hello world", false, "he|l|l|o| wor|l|d");
    SPELT("hello", false, "he|l|l|o");
    SPELT("ororxxhellhell", false, "or|or|x|x|he|l|l|he|l|l");
#undef SPELT
    setun_tok_close(&t);
}

/* What comes out is what went in, and nothing is slow. */
static void round_trips(void) {
    char why[256];
    struct setun_tokenizer t;
    make_toy(0);
    if (!EXPECT(setun_tok_open(&t, toy_section, toy_size, why, sizeof why))) return;
    static uint8_t text[200000];
    for (int round = 0; round < 40; round++) {
        size_t n = round < 38 ? draw(300) : sizeof text, at = 0;
        for (size_t i = 0; i < n; i++) {
            uint8_t letters[] = {'h', 'e', 'l', 'o', ' ', '\n', 0xc3, 0xa9, '1', (uint8_t)draw(256)};
            text[i] = round == 38 ? 'l' : round == 39 ? ' ' : letters[draw(10)];
        }
        struct setun_ids ids = {0};
        EXPECT(setun_encode(&t, text, n, false, &ids, why, sizeof why));
        bool same = true;
        for (size_t i = 0; i < ids.n; i++) {
            uint32_t len;
            const uint8_t *bytes = setun_tok_text(&t, ids.at[i], &len);
            same = same && at + len <= n && memcmp(text + at, bytes, len) == 0;
            at += len;
        }
        EXPECT(same && at == n);
        setun_ids_free(&ids);
    }
    setun_tok_close(&t);
}

/* A table with bytes changed is refused or harmless. */
static void damaged(void) {
    char why[256];
    _Alignas(8) static uint8_t bad[SECTION];
    make_toy(0);
    uint32_t refused = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(bad, toy_section, toy_size);
        for (uint32_t k = draw(3) + 1; k > 0; k--) {
            uint32_t at = draw(2) ? draw(sizeof(struct setun_tok)) : draw(toy_size);
            bad[at] = (uint8_t)(draw(2) ? draw(256) : bad[at] ^ 1u << draw(8));
        }
        uint32_t size = draw(10) ? toy_size : draw(toy_size + 1);
        uint8_t *exact = aligned_alloc(8, (size + 7) & ~7u); /* so that a checker sees an overrun */
        if (!exact) return;
        memcpy(exact, bad, size);
        struct setun_tokenizer t;
        if (setun_tok_open(&t, exact, size, why, sizeof why)) {
            struct setun_ids ids = {0};
            setun_encode(&t, (const uint8_t *)"hello world <|end|> \xff 12", 24, true, &ids, why, sizeof why);
            for (size_t i = 0; i < ids.n; i++) EXPECT(ids.at[i] < t.tok->n_tokens);
            setun_ids_free(&ids);
            setun_tok_close(&t);
        } else {
            refused++;
        }
        free(exact);
    }
    EXPECT(refused > 5000);
}

/* ---- the filters ---- */

static void utf8(void) {
    static const struct {
        const char *in, *want;
    } c[] = {{"plain", "plain"},
             {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
             {"a\xff"
              "b",
              "a\xef\xbf\xbd"
              "b"},
             {"\xe2\x82x", "\xef\xbf\xbdx"},
             {"\xe2\x82", "\xef\xbf\xbd"},
             {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
             {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
             {"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
             {"\xf0\x8f\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
             {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
             {"\xf0\x9f\xf0\x9f\x98\x80", "\xef\xbf\xbd\xf0\x9f\x98\x80"}};
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        size_t n = strlen(c[i].in);
        for (size_t cut = 0; cut <= n; cut++) { /* wherever tokens end */
            struct setun_utf8 u = {0};
            uint8_t out[64];
            size_t m = setun_utf8_push(&u, (const uint8_t *)c[i].in, cut, out);
            m += setun_utf8_push(&u, (const uint8_t *)c[i].in + cut, n - cut, out + m);
            m += setun_utf8_end(&u, out + m);
            out[m] = 0;
            EXPECT_STR((char *)out, c[i].want);
        }
    }
}

static void stops_at(const char *const *stop, uint32_t n, const char *text, const char *want, bool hit) {
    size_t len = strlen(text);
    for (size_t piece = 1; piece <= len; piece++) {
        struct setun_stops s;
        char out[128];
        size_t m = 0;
        EXPECT(setun_stops_open(&s, stop, n, piece));
        for (size_t at = 0; at < len; at += piece) {
            size_t k = len - at < piece ? len - at : piece;
            size_t ready = setun_stops_push(&s, (const uint8_t *)text + at, k);
            memcpy(out + m, s.at, ready);
            m += ready;
            setun_stops_take(&s, ready);
        }
        if (!s.hit) {
            memcpy(out + m, s.at, s.held);
            m += s.held;
        }
        out[m] = 0;
        EXPECT_STR(out, want);
        EXPECT(s.hit == hit);
        setun_stops_close(&s);
    }
}

static void stops(void) {
    static const char *const two[] = {"abcd", "bc"}, *const end[] = {"\n\n", "STOP"}, *const same[] = {"aab"};
    stops_at(end, 2, "one\ntwo\n\nthree", "one\ntwo", true);
    stops_at(end, 2, "one STO two", "one STO two", false);
    stops_at(end, 2, "one STO", "one STO", false);
    stops_at(two, 2, "xabcd", "xa", true); /* 'bc' is complete first */
    stops_at(same, 1, "aaaab", "aa", true);
    stops_at(NULL, 0, "anything", "anything", false);
}

int main(void) {
    merges_like_slow();
    examples();
    marks();
    round_trips();
    damaged();
    utf8();
    stops();
    return expect_end();
}
