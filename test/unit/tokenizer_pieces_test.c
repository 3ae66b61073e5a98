/* SentencePiece models, tiktoken ranks and tokenizers of GGUF files: what is taken, what is refused, any damage. */
#include "test/unit/readers.h"

#include "base/compiler.h"
#include "base/str.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/tok/tok.h"

enum { VOCAB = 280 };

/* ---- protobuf, written ---- */

static void varint(struct buf *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7) buf_put(b, &(uint8_t){(uint8_t)(v | 0x80)}, 1);
    buf_put(b, &(uint8_t){(uint8_t)v}, 1);
}
static void number(struct buf *b, uint32_t field, uint64_t v) {
    varint(b, field << 3);
    varint(b, v);
}
static void bytes(struct buf *b, uint32_t field, const void *p, size_t n) {
    varint(b, field << 3 | 2);
    varint(b, n);
    buf_put(b, p, n);
}
static void real(struct buf *b, uint32_t field, float v) {
    varint(b, field << 3 | 5);
    buf_put(b, &v, 4);
}
static void piece(struct buf *b, const char *text, float score, uint64_t type) {
    struct buf p = {0};
    bytes(&p, 1, text, strlen(text));
    real(&p, 2, score);
    number(&p, 3, type);
    bytes(b, 1, p.at, p.n);
    buf_free(&p);
}

/* What a model differs in from the good one. */
struct model {
    const char *text; /* of one more piece; NULL: none */
    float score;
    uint64_t type;
    uint64_t model_type; /* 0: BPE */
    bool no_bytes, no_unk, suffix, plain_bytes;
};

static void put_model(struct buf *b, const struct model *m) {
    char byte[8];
    struct buf trainer = {0}, normalizer = {0};
    if (!m->no_unk) piece(b, "<unk>", 0, 2);
    piece(b, "<s>", 0, 3);
    piece(b, "</s>", 0, 3);
    for (unsigned i = 0; i < 256 && !m->no_bytes; i++) {
        snprintf(byte, sizeof byte, "<0x%02X>", i);
        piece(b, byte, 0, 6);
    }
    piece(b, "ab", -1, 1);
    piece(b,
          "\xe2\x96\x81"
          "ab",
          -2, 1);
    piece(b, "bb", -3, 1);
    piece(b, "\xe2\x96\x81", -4, 1);
    piece(b, "a", -5, 1);
    piece(b, "b", -6, 1);
    piece(b, "<x>", 0, 4);
    if (m->text) piece(b, m->text, m->score, m->type);
    number(&trainer, 3, m->model_type ? m->model_type : 2);
    if (m->suffix) number(&trainer, 24, 1);
    number(&trainer, 35, !m->plain_bytes);
    bytes(b, 2, trainer.at, trainer.n);
    bytes(&normalizer, 1, "identity", 8);
    number(&normalizer, 3, 1);
    number(&normalizer, 4, 0);
    bytes(b, 3, normalizer.at, normalizer.n);
    buf_free(&trainer);
    buf_free(&normalizer);
}

static const struct config_values plain = {.bos = -1};

/* Accepted and fit for the runtime, or refused with one message. */
static bool read_bytes(const void *p, size_t n, struct heard *h, struct setun_tokenizer *t) {
    uint8_t *section;
    size_t size;
    char why[200] = "";
    put_file("tokenizer.model", p, n);
    hear(h);
    bool ok = tokenizer_read(h->diag, h->arena, path_of("tokenizer.model"), &plain, VOCAB, &section, &size);
    EXPECT(ok == (diag_errors(h->diag) == 0) && (ok || diag_errors(h->diag) == 1));
    if (!ok) EXPECT(diag_exit_code(h->diag) == EXIT_REJECTED || diag_exit_code(h->diag) == EXIT_UNSUPPORTED);
    if (ok && !EXPECT(setun_tok_open(t, section, size, why, sizeof why))) printf("%s\n", why);
    return ok;
}

static void encodes(const struct setun_tokenizer *t, const char *text, bool specials, const uint32_t *want, size_t n) {
    struct setun_ids ids = {0};
    char why[200] = "";
    if (!EXPECT(setun_encode(t, (const uint8_t *)text, strlen(text), specials, &ids, why, sizeof why)))
        printf("%s\n", why);
    if (!EXPECT(ids.n == n && (n == 0 || memcmp(ids.at, want, n * sizeof *want) == 0))) {
        printf("'%s' gave", text);
        for (size_t i = 0; i < ids.n; i++) printf(" %u", ids.at[i]);
        printf("\n");
    }
    setun_ids_free(&ids);
}
#define IDS(...) (const uint32_t[]){__VA_ARGS__}, COUNT_OF(((const uint32_t[]){__VA_ARGS__}))

static void toy(void) {
    struct heard h;
    struct setun_tokenizer t;
    struct buf b = {0};
    put_model(&b, &(struct model){0});
    if (!EXPECT(read_bytes(b.at, b.n, &h, &t))) printf("%s", heard_text(&h));
    encodes(&t, "", false, NULL, 0);
    encodes(&t, "abab", false, IDS(260, 259)); /* "ab" twice before the space joins the first */
    encodes(&t, "abb", false, IDS(260, 264));  /* not "bb": "ab" scores higher */
    encodes(&t, "bb", false, IDS(262, 261));   /* "bb", the space stands alone */
    encodes(&t, "bb", false, IDS(262, 261));
    encodes(&t, "c<x>", false, IDS(262, 3 + 'c', 265));
    encodes(&t, "</s>", false, IDS(262, 3 + '<', 3 + '/', 3 + 's', 3 + '>'));
    encodes(&t, "</s>", true, IDS(2));
    encodes(&t, "\xc3\xa9", false, IDS(262, 3 + 0xc3, 3 + 0xa9));
    EXPECT(t.tok->bos == 1 && t.tok->n_eos == 1 && t.tok->eos[0] == 2 && t.tok->unk == 0);
    EXPECT(t.tok->flags & SETUN_TOK_ADD_BOS);
    setun_tok_close(&t);
    unhear(&h);
    buf_free(&b);
}

static const struct {
    const char *what;
    struct model model;
    const char *slug;
    enum setun_exit code;
} refused[] = {
    {"a second unknown piece", {.text = "<u>", .type = 2}, "tok-unk-twice", EXIT_REJECTED},
    {"no unknown piece", {.no_unk = true}, "tok-no-unk", EXIT_REJECTED},
    {"a byte twice", {.text = "<0x41>", .type = 6}, "tok-piece-byte", EXIT_REJECTED},
    {"no byte", {.text = "<0x4g>", .type = 6}, "tok-piece-byte", EXIT_REJECTED},
    {"bytes absent", {.no_bytes = true}, "tok-byte-absent", EXIT_REJECTED},
    {"bytes not asked for", {.plain_bytes = true}, "tok-byte-unasked", EXIT_REJECTED},
    {"a piece twice", {.text = "ab", .type = 1}, "tok-piece-twice", EXIT_REJECTED},
    {"an empty piece", {.text = "", .type = 1}, "tok-piece-empty", EXIT_REJECTED},
    {"no UTF-8", {.text = "\xff", .type = 1}, "tok-piece-utf8", EXIT_REJECTED},
    {"cut UTF-8", {.text = "a\xe2\x96", .type = 1}, "tok-piece-utf8", EXIT_REJECTED},
    {"a score of no number", {.text = "q", .score = __builtin_nanf(""), .type = 1}, "tok-piece-score", EXIT_REJECTED},
    {"an endless score", {.text = "q", .score = __builtin_inff(), .type = 1}, "tok-piece-score", EXIT_REJECTED},
    {"a type of its own", {.text = "q", .type = 7}, "tok-field", EXIT_REJECTED},
    {"type 0", {.text = "q", .type = 0}, "tok-field", EXIT_REJECTED},
    {"a character that is no piece", {.text = "aq", .type = 1}, "tok-piece-part", EXIT_UNSUPPORTED},
    {"words", {.model_type = 3}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"characters", {.model_type = 4}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"some other model", {.model_type = 9}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"spaces behind words", {.suffix = true}, "tok-unsupported", EXIT_UNSUPPORTED},
};

static void refuses(void) {
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct heard h;
        struct setun_tokenizer t;
        struct buf b = {0};
        put_model(&b, &refused[i].model);
        if (read_bytes(b.at, b.n, &h, &t)) setun_tok_close(&t);
        heard_one(&h, refused[i].what, refused[i].slug, refused[i].code);
        unhear(&h);
        buf_free(&b);
    }
}

/* Cut at each byte; each byte another one; each byte the largest varint, so that every length is a lie once. */
static void damaged(void) {
    static const uint8_t most[10] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t others[] = {0, 1, 0x7f, 0x80, 0xff};
    struct buf good = {0}, b = {0};
    put_model(&good, &(struct model){0});
    size_t accepted = 0, tried = 0;
    for (size_t at = 0; at < good.n; at++) {
        /* The byte pieces are alike: one in sixteen of them is enough. */
        if (at > 200 && at < good.n - 200 && at / 19 % 16) continue;
        for (size_t kind = 0; kind < COUNT_OF(others) + 2; kind++) {
            struct heard h;
            struct setun_tokenizer t;
            b.n = 0;
            buf_put(&b, good.at, at);
            if (kind < COUNT_OF(others)) buf_put(&b, &others[kind], 1);
            if (kind == COUNT_OF(others)) buf_put(&b, most, sizeof most);
            if (kind <= COUNT_OF(others)) buf_put(&b, good.at + at + 1, good.n - at - 1);
            bool ok = read_bytes(b.at, b.n, &h, &t);
            if (ok) setun_tok_close(&t);
            accepted += ok;
            tried++;
            unhear(&h);
        }
    }
    EXPECT(accepted > 20 && accepted < tried / 2); /* damage of scores and of names does no harm */
    buf_free(&good);
    buf_free(&b);
}

/* ---- tiktoken ---- */

static const struct {
    const char *text, *slug;
    enum setun_exit code;
} ranks[] = {
    {"IQ== 0\nIg== 1\n", "tok-byte-absent", EXIT_REJECTED},
    {"IQ== 0\nIg== 2\n", "tok-rank-absent", EXIT_REJECTED},
    {"IQ== 0\nIg== 0\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg==  1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg==\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg= 1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIh== 1\n", "tok-ranks", EXIT_REJECTED}, /* bits that no byte has */
    {"IQ== 0\n=Q== 1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nI=Q= 1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\n==== 1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\n 1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg== 01\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg== -1\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg== 1x\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg== 280\n", "tok-ranks", EXIT_REJECTED},
    {"IQ== 0\nIg== 18446744073709551616\n", "tok-ranks", EXIT_REJECTED},
};

/* All 256 bytes, so that what is missing is only how many there are. */
static void put_all_bytes(struct buf *b) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < 256; i++) buf_printf(b, "%c%c== %u\r\n", digit[i >> 2], digit[(i & 3) << 4], i);
}

static void tiktoken(void) {
    struct heard h;
    struct setun_tokenizer t;
    struct buf b = {0};
    for (size_t i = 0; i < COUNT_OF(ranks); i++) {
        if (read_bytes(ranks[i].text, strlen(ranks[i].text), &h, &t)) setun_tok_close(&t);
        heard_one(&h, ranks[i].text, ranks[i].slug, ranks[i].code);
        unhear(&h);
    }
    put_all_bytes(&b);
    if (read_bytes(b.at, b.n, &h, &t)) setun_tok_close(&t);
    heard_one(&h, "256 ranks", "tok-ranks-count", EXIT_UNSUPPORTED);
    unhear(&h);
    buf_free(&b);
}

/* ---- GGUF ---- */

enum { U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9 };

static void u32(struct buf *b, uint32_t v) { buf_put(b, &v, 4); }
static void u64(struct buf *b, uint64_t v) { buf_put(b, &v, 8); }
static void string(struct buf *b, const char *s) {
    u64(b, strlen(s));
    buf_put(b, s, strlen(s));
}
static void key(struct buf *b, const char *name, uint32_t kind) {
    string(b, name);
    u32(b, kind);
}
static void list(struct buf *b, const char *name, uint32_t elem, uint64_t n) {
    key(b, name, ARRAY);
    u32(b, elem);
    u64(b, n);
}

/* What a file differs in from the good one; NULL and 0: in nothing. */
struct ggml {
    const char *model, *pre, *token, *merge;
    uint32_t n_types, type, eos, tokens_elem;
    bool no_merges, scores;
};

static void put_ggml(struct buf *b, const struct ggml *g) {
    const uint32_t n = 259;
    uint32_t n_types = g->n_types ? g->n_types : n;
    unsigned next = 0x100;
    buf_put(b, "GGUF", 4);
    u32(b, 3);
    u64(b, 0);
    u64(b, 6u - g->no_merges + g->scores);
    key(b, "tokenizer.ggml.model", STRING);
    string(b, g->model ? g->model : "gpt2");
    key(b, "tokenizer.ggml.pre", STRING);
    string(b, g->pre ? g->pre : "gpt-2");
    list(b, "tokenizer.ggml.tokens", STRING, n);
    for (unsigned i = 0; i < 256; i++) {
        bool itself = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        unsigned c = itself ? i : next++;
        char text[3] = {(char)c, 0};
        if (c >= 0x80) text[0] = (char)(0xc0 | c >> 6), text[1] = (char)(0x80 | (c & 0x3f));
        string(b, text);
    }
    string(b, g->token ? g->token : "ab");
    string(b, "<|im_end|>");
    string(b, "<w>");
    list(b, "tokenizer.ggml.token_type", I32, n_types);
    for (uint32_t i = 0; i < n_types; i++) u32(b, i == 256 && g->type ? g->type : i == 257 ? 3 : i == 258 ? 4 : 1);
    key(b, "tokenizer.ggml.eos_token_id", U32);
    u32(b, g->eos ? g->eos : 1);
    if (!g->no_merges) {
        list(b, "tokenizer.ggml.merges", STRING, 1);
        string(b, g->merge ? g->merge : "a b");
    }
    if (g->scores) {
        list(b, "tokenizer.ggml.scores", F32, n);
        for (uint32_t i = 0; i < n; i++) u32(b, 0);
    }
}

static bool read_ggml(const void *p, size_t n, struct heard *h, struct setun_tokenizer *t) {
    struct gguf_file g;
    uint8_t *section;
    size_t size;
    char why[200] = "";
    put_file("m.gguf", p, n);
    hear(h);
    if (!gguf_open(h->diag, h->arena, path_of("m.gguf"), NULL, &g)) return false;
    bool ok = tokenizer_read_gguf(h->diag, h->arena, &g, VOCAB, &section, &size);
    gguf_close(&g);
    EXPECT(ok == (diag_errors(h->diag) == 0) && (ok || diag_errors(h->diag) == 1));
    if (ok && !EXPECT(setun_tok_open(t, section, size, why, sizeof why))) printf("%s\n", why);
    return ok;
}

static const struct {
    const char *what;
    struct ggml file;
    const char *slug;
    enum setun_exit code;
} refused_ggml[] = {
    {"another model", {.model = "bert"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"pieces without scores", {.model = "llama"}, "tok-missing", EXIT_REJECTED},
    {"a way of cutting with no name of ours", {.pre = "gpt-2x"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"types missing", {.n_types = 258}, "tok-list", EXIT_REJECTED},
    {"types too many", {.n_types = 260}, "tok-list", EXIT_REJECTED},
    {"type 7", {.type = 7}, "tok-type", EXIT_REJECTED},
    {"type -1", {.type = 0xffffffff}, "tok-type", EXIT_REJECTED},
    {"an empty token", {.token = ""}, "tok-empty", EXIT_REJECTED},
    {"a token twice", {.token = "b"}, "tok-piece-twice", EXIT_REJECTED},
    {"no merges", {.no_merges = true}, "tok-missing", EXIT_REJECTED},
    {"a merge of one", {.merge = "ab"}, "tok-merge-form", EXIT_REJECTED},
    {"a merge of three", {.merge = "a b c"}, "tok-merge-form", EXIT_REJECTED},
    {"a merge of nothing", {.merge = "a "}, "tok-merge-form", EXIT_REJECTED},
    {"a merge of what is no token", {.merge = "a cc"}, "tok-merge-token", EXIT_REJECTED},
    {"a merge to what is no token", {.merge = "b a"}, "tok-merge-token", EXIT_REJECTED},
    {"an end beyond the vocabulary", {.eos = 280}, "tok-special-id", EXIT_REJECTED},
};

static void gguf(void) {
    struct heard h;
    struct setun_tokenizer t;
    struct buf b = {0};
    put_ggml(&b, &(struct ggml){0});
    if (!EXPECT(read_ggml(b.at, b.n, &h, &t))) printf("%s", heard_text(&h));
    encodes(&t, "ab<w>a<|im_end|>", true, IDS(256, 258, 'a', 257));
    encodes(&t, "\n<|im", false, IDS('\n', '<', '|', 'i', 'm'));
    EXPECT(t.tok->n_eos == 2 && t.tok->eos[0] == 1 && t.tok->eos[1] == 257); /* by its text */
    setun_tok_close(&t);
    unhear(&h);
    for (size_t i = 0; i < COUNT_OF(refused_ggml); i++) {
        b.n = 0;
        put_ggml(&b, &refused_ggml[i].file);
        if (read_ggml(b.at, b.n, &h, &t)) setun_tok_close(&t);
        heard_one(&h, refused_ggml[i].what, refused_ggml[i].slug, refused_ggml[i].code);
        unhear(&h);
    }
    b.n = 0;
    put_ggml(&b, &(struct ggml){0});
    for (size_t at = 0; at < b.n; at += at < 200 || at + 400 > b.n ? 1 : 7) { /* no value of a byte does harm */
        for (unsigned flip = 1; flip < 256; flip *= 2) {
            b.at[at] = (char)(b.at[at] ^ (int)flip);
            if (read_ggml(b.at, b.n, &h, &t)) setun_tok_close(&t);
            unhear(&h);
            b.at[at] = (char)(b.at[at] ^ (int)flip);
        }
    }
    buf_free(&b);
}

int main(void) {
    readers_start();
    toy();
    refuses();
    damaged();
    tiktoken();
    gguf();
    readers_end();
    return expect_end();
}
