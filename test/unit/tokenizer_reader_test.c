/* tokenizer.json to the table of executables: encodes as its author's would; each thing not understood is refused. */
#include "test/unit/readers.h"

#include "base/compiler.h"
#include "base/str.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/tok/tok.h"

enum { VOCAB = 272 };

/* Parts of a file; NULL takes the part of the good one. */
struct parts {
    const char *added, *normalizer, *pre, *post, *decoder, *options, *vocab, *merges;
};

static const struct parts good = {
    .added = "[{\"id\":263,\"content\":\"<|begin|>\",\"special\":true,\"lstrip\":false},{\"id\":264,\"content\":\"<|"
             "end|>\"},"
             "{\"id\":265,\"content\":\"<|end|>more\"}]",
    .normalizer = "null",
    .pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
           "\"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|\\\\s+(?!\\\\S)|\\\\s+\"},"
           "\"behavior\":\"Isolated\",\"invert\":false},"
           "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]}",
    .post =
        "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\",\"single\":"
        "[{\"SpecialToken\":{\"id\":\"<|begin|>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]}]}",
    .decoder = "{\"type\":\"ByteLevel\"}",
    .options = "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"ignore_merges\":false,\"byte_fallback\":false",
    .vocab = ",\"he\":256,\"ll\":257,\"hell\":258,\"hello\":259,\"\\u0120w\":260,\"or\":261,\"\\u0120wor\":262",
    .merges = "[\"h e\",\"l l\",[\"he\",\"ll\"],\"hell o\",\"\\u0120 w\",[\"o\",\"r\"],\"\\u0120w or\"]",
};

/* The 256 single bytes, ids in order of bytes. */
static void put_bytes(struct buf *b) {
    unsigned next = 0x100;
    for (unsigned i = 0; i < 256; i++) {
        bool itself = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        buf_printf(b, "%s\"\\u%04x\":%u", i ? "," : "", itself ? i : next++, i);
    }
}

static void put_tokenizer(const struct parts *p) {
#define PART(name) (p->name ? p->name : good.name)
    struct buf b = {0};
    buf_printf(&b,
               "{\"version\":\"1.0\",\"truncation\":null,\"added_tokens\":%s,\"normalizer\":%s,\"pre_tokenizer\":%s,",
               PART(added), PART(normalizer), PART(pre));
    buf_printf(&b, "\"post_processor\":%s,\"decoder\":%s,\"model\":{%s,\"vocab\":{", PART(post), PART(decoder),
               PART(options));
    put_bytes(&b);
    buf_printf(&b, "%s},\"merges\":%s}}", PART(vocab), PART(merges));
    put_text("tokenizer.json", b.at);
    buf_free(&b);
}

static bool read_it(struct heard *h, const struct config_values *config, uint32_t vocab, uint8_t **section, size_t *n) {
    hear(h);
    return tokenizer_read(h->diag, h->arena, path_of("tokenizer.json"), config, vocab, section, n);
}

static const struct config_values plain = {.bos = -1};

static void encodes(const struct setun_tokenizer *t, const char *text, size_t n, const uint32_t *want, size_t count) {
    struct setun_ids ids = {0};
    char why[200] = "";
    if (!EXPECT(setun_encode(t, (const uint8_t *)text, n, true, &ids, why, sizeof why))) printf("%s: %s\n", text, why);
    bool same = ids.n == count && (count == 0 || memcmp(ids.at, want, count * sizeof *want) == 0);
    if (!EXPECT(same)) {
        printf("'%s' gave", text);
        for (size_t i = 0; i < ids.n; i++) printf(" %u", ids.at[i]);
        printf("\n");
    }
    setun_ids_free(&ids);
}
#define ENCODES(t, text, ...)                                                                                          \
    encodes((t), (text), strlen(text), (const uint32_t[]){__VA_ARGS__}, COUNT_OF(((const uint32_t[]){__VA_ARGS__})))

static void toy(void) {
    struct heard h;
    uint8_t *section;
    size_t n;
    struct setun_tokenizer t;
    char why[200] = "";
    remove_file("tokenizer_config.json");
    put_tokenizer(&(struct parts){0});
    EXPECT(read_it(&h, &plain, VOCAB, &section, &n));
    if (!heard_none(&h, "toy")) return;
    if (!EXPECT(setun_tok_open(&t, section, n, why, sizeof why))) {
        printf("%s\n", why);
        return;
    }
    EXPECT(t.tok->n_tokens == VOCAB && t.tok->n_merges == 7 && t.tok->n_specials == 3 && t.tok->bos == 263);
    EXPECT(t.tok->flags == SETUN_TOK_ADD_BOS && t.tok->n_eos == 0);
    ENCODES(&t, "hello world", 259, 262, 'l', 'd');
    ENCODES(&t, "<|end|>he<|end|>more", 264, 256, 265);
    ENCODES(&t, "\xc3\xa9\n ", 0xc3, 0xa9, '\n', ' ');
    uint32_t bytes;
    const uint8_t *text = setun_tok_text(&t, 262, &bytes);
    EXPECT(bytes == 4 && memcmp(text, " wor", 4) == 0);
    setun_tok_text(&t, 271, &bytes); /* an id the file lacks */
    EXPECT(bytes == 0);
    setun_tok_close(&t);
    unhear(&h);
}

static void other_forms(void) {
    struct heard h;
    uint8_t *section;
    size_t n;
    struct setun_tokenizer t;
    char why[200];
    struct config_values config = {.bos = 0, .n_eos = 2, .eos = {265, 264}};
    put_text("tokenizer_config.json",
             "{\"add_bos_token\":false,\"bos_token\":{\"content\":\"<|begin|>\"},\"eos_token\":\"<|end|>\"}");
    put_text("generation_config.json", "{\"eos_token_id\":[263,264]}");
    put_tokenizer(&(struct parts){.pre = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}",
                                  .post = "null",
                                  .options = "\"type\":\"BPE\",\"ignore_merges\":true",
                                  .vocab =
                                      ",\"he\":256,\"ll\":257,\"hell\":258,\"hello\":259,\"\\u0120w\":260,\"or\":261,"
                                      "\"\\u0120wor\":262,\"\\u0120world\":266"});
    EXPECT(read_it(&h, &config, VOCAB, &section, &n));
    if (!heard_none(&h, "other forms")) return;
    if (!EXPECT(setun_tok_open(&t, section, n, why, sizeof why))) return;
    EXPECT(t.tok->flags == SETUN_TOK_IGNORE_MERGES && t.tok->bos == 263);
    EXPECT(t.tok->n_eos == 3 && t.tok->eos[0] == 263 && t.tok->eos[1] == 264 && t.tok->eos[2] == 265);
    EXPECT(t.tok->n_cuts == 1 && t.steps[0].a_bytes > 40);
    ENCODES(&t, "hello world", 259, 266);
    setun_tok_close(&t);
    unhear(&h);
    remove_file("tokenizer_config.json");
    remove_file("generation_config.json");
}

static const struct {
    const char *what;
    struct parts parts;
    const char *slug;
    enum setun_exit code;
} wrong[] = {
    {"id beyond the model", {.vocab = ",\"x y\":272"}, "tok-id", EXIT_REJECTED},
    {"negative id", {.vocab = ",\"xy\":-1"}, "tok-id", EXIT_REJECTED},
    {"id is text", {.vocab = ",\"xy\":\"1\""}, "json-type", EXIT_REJECTED},
    {"two tokens, one id", {.vocab = ",\"xy\":7"}, "tok-same-id", EXIT_REJECTED},
    {"one token, two ids", {.vocab = ",\"he\":256,\"he\":257"}, "bad-json", EXIT_REJECTED},
    {"empty token", {.vocab = ",\"\":256"}, "tok-empty", EXIT_REJECTED},
    {"merge of an unknown token", {.merges = "[\"he q~\"]"}, "tok-merge-token", EXIT_REJECTED},
    {"merge with an unknown result", {.merges = "[\"a b\"]"}, "tok-merge-token", EXIT_REJECTED},
    {"merge of one", {.merges = "[\"he\"]"}, "tok-merge-form", EXIT_REJECTED},
    {"merge of three", {.merges = "[\"h e l\"]"}, "tok-merge-form", EXIT_REJECTED},
    {"merge list of three", {.merges = "[[\"h\",\"e\",\"l\"]]"}, "tok-merge-form", EXIT_REJECTED},
    {"merge of numbers", {.merges = "[[1,2]]"}, "tok-merge-form", EXIT_REJECTED},
    {"merge of nothing", {.merges = "[\" he\"]"}, "tok-merge-form", EXIT_REJECTED},
    {"merge twice", {.merges = "[\"h e\",\"l l\",\"h e\"]"}, "tok-merge-twice", EXIT_REJECTED},
    {"merge outside the alphabet",
     {.vocab = ",\"\\u2581\":256,\"\\u2581\\u0120\":257", .merges = "[\"\\u2581 \\u0120\"]"},
     "tok-merge-bytes",
     EXIT_REJECTED},
    {"merges are an object", {.merges = "{}"}, "json-type", EXIT_REJECTED},
    {"no merges", {.merges = "null"}, "tok-missing", EXIT_REJECTED},
    {"added id beyond the model", {.added = "[{\"id\":272,\"content\":\"x\"}]"}, "tok-id", EXIT_REJECTED},
    {"added without content", {.added = "[{\"id\":263}]"}, "tok-missing", EXIT_REJECTED},
    {"added on another token", {.added = "[{\"id\":7,\"content\":\"x\"}]"}, "tok-same-id", EXIT_REJECTED},
    {"added has another id", {.added = "[{\"id\":263,\"content\":\"he\"}]"}, "tok-two-ids", EXIT_REJECTED},
    {"added twice",
     {.added = "[{\"id\":263,\"content\":\"q\"},{\"id\":264,\"content\":\"q\"}]"},
     "tok-two-ids",
     EXIT_REJECTED},
    {"added empty", {.added = "[{\"id\":263,\"content\":\"\"}]"}, "tok-empty", EXIT_REJECTED},
    {"added is a number", {.added = "[3]"}, "json-type", EXIT_REJECTED},
    {"pattern",
     {.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},"
             "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_"
             "regex\":false}]}"},
     "tok-pattern",
     EXIT_REJECTED},
    {"pattern of nothing",
     {.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a*\"},"
             "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_"
             "regex\":false}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"metaspace", {.pre = "{\"type\":\"Metaspace\"}"}, "tok-missing", EXIT_REJECTED},
    {"words of Bert",
     {.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"BertPreTokenizer\"},{\"type\":\"ByteLevel\",\"add_"
             "prefix_"
             "space\":false}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"no pre-tokenizer", {.pre = "null"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"no steps", {.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[]}"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"normalizer", {.normalizer = "{\"type\":\"Nmt\"}"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"unknown first token",
     {.post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":"
              "\"A\"}}]}"},
     "tok-unknown",
     EXIT_REJECTED},
    {"post-processor", {.post = "{\"type\":\"BertProcessing\"}"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"decoder", {.decoder = "{\"type\":\"WordPiece\"}"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"model", {.options = "\"type\":\"WordPiece\""}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"dropout", {.options = "\"type\":\"BPE\",\"dropout\":0.1"}, "tok-unsupported", EXIT_UNSUPPORTED},
    {"suffix of words",
     {.options = "\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\""},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"decoder: Strip alone",
     {.decoder =
          "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"decoder: another mark",
     {.decoder = "{\"type\":\"Metaspace\",\"replacement\":\"_\"}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"decoder: bytes that are none",
     {.decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"decoder of bytes without bytes",
     {.pre = "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\"}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"step behind bytes",
     {.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\",\"add_prefix_space\":false},{\"type\":"
             "\"Metaspace\",\"replacement\":\"_\"}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"behavior",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Merged\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern of neither kind",
     {.pre = "{\"type\":\"Split\",\"pattern\":\"a\",\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"scheme",
     {.pre = "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"sometimes\"}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"two tokens in front",
     {.post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|begin|>\"}},{"
              "\"SpecialToken\":{\"id\":\"<|end|>\"}},{\"Sequence\":{\"id\":\"A\"}}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"two texts",
     {.post =
          "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"A\"}}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"no text",
     {.post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|begin|>\"}}]}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"a name of two ids",
     {.post = "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|begin|>\"}},{\"Sequence\":{"
              "\"id\":\"A\"}}],\"special_tokens\":{\"<|begin|>\":{\"ids\":[263,264]}}}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"replacing nothing",
     {.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"a\"}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"replacing the empty text",
     {.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a*\"},\"content\":\"a\"}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"replacing by nothing given",
     {.normalizer = "{\"type\":\"Replace\",\"pattern\":{\"String\":\"b\"}}"},
     "tok-missing",
     EXIT_REJECTED},
    {"map that is no base 64",
     {.normalizer = "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}"},
     "tok-charsmap",
     EXIT_REJECTED},
    {"map that is too short",
     {.normalizer = "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}"},
     "tok-charsmap",
     EXIT_REJECTED},
    {"map whose trie is too long",
     {.normalizer = "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAAAAAAAAAA\"}"},
     "tok-charsmap",
     EXIT_REJECTED},
    {"pattern: set of sets",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a-z&&[^b]]\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: nested set",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a[b]]\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: POSIX class",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[[:alpha:]]\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: back reference",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a)\\\\1\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: named group",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?<x>a)\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: verb",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(*FAIL)a\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: flags inside",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a(?i)b\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: unknown property",
     {.pre =
          "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{Elvish}\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: byte",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\xff\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: start of match",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\\\\Kb\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: grapheme",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\X\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-unsupported",
     EXIT_UNSUPPORTED},
    {"pattern: open set",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-pattern",
     EXIT_REJECTED},
    {"pattern: open property",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-pattern",
     EXIT_REJECTED},
    {"pattern: stray parenthesis",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a)\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-pattern",
     EXIT_REJECTED},
    {"pattern: nothing repeated",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a|+\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-pattern",
     EXIT_REJECTED},
    {"pattern: end in a backslash",
     {.pre = "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\\\\\"},\"behavior\":\"Isolated\",\"invert\":false}"},
     "tok-pattern",
     EXIT_REJECTED},
    {"unknown option", {.options = "\"type\":\"BPE\",\"magic\":1"}, "tok-unsupported", EXIT_UNSUPPORTED},
};

static void errors(void) {
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct heard h;
        uint8_t *section;
        size_t n;
        put_tokenizer(&wrong[i].parts);
        EXPECT(!read_it(&h, &plain, VOCAB, &section, &n));
        heard_one(&h, wrong[i].what, wrong[i].slug, wrong[i].code);
        unhear(&h);
    }
}

static void beside(const char *what, const char *file, const char *text, const struct config_values *config,
                   uint32_t vocab, const char *slug, enum setun_exit code) {
    struct heard h;
    uint8_t *section;
    size_t n;
    put_tokenizer(&(struct parts){0});
    if (file) put_text(file, text);
    EXPECT(!read_it(&h, config, vocab, &section, &n));
    heard_one(&h, what, slug, code);
    unhear(&h);
    if (file) remove_file(file);
}

static void errors_beside(void) {
    struct config_values config = {.bos = 300};
    beside("bos of config", NULL, NULL, &config, VOCAB, "tok-special-id", EXIT_REJECTED);
    config.bos = 264;
    beside("bos disagrees", NULL, NULL, &config, VOCAB, "tok-bos", EXIT_REJECTED);
    config = (struct config_values){.bos = -1, .n_eos = 1, .eos = {272}};
    beside("eos of config", NULL, NULL, &config, VOCAB, "tok-special-id", EXIT_REJECTED);
    beside("eos of generation", "generation_config.json", "{\"eos_token_id\":999}", &plain, VOCAB, "tok-special-id",
           EXIT_REJECTED);
    beside("bad generation", "generation_config.json", "{\"eos_token_id\":[true]}", &plain, VOCAB, "json-type",
           EXIT_REJECTED);
    beside("bad tokenizer_config", "tokenizer_config.json", "{", &plain, VOCAB, "bad-json", EXIT_REJECTED);
    beside("add_bos is text", "tokenizer_config.json", "{\"add_bos_token\":\"yes\"}", &plain, VOCAB, "json-type",
           EXIT_REJECTED);
    beside("unknown bos", "tokenizer_config.json", "{\"bos_token\":\"<s>\"}", &plain, VOCAB, "tok-unknown",
           EXIT_REJECTED);
    beside("smaller vocabulary", NULL, NULL, &plain, 255, "tok-id", EXIT_REJECTED);
    beside("no vocabulary", NULL, NULL, &plain, 0, "tok-vocab-size", EXIT_UNSUPPORTED);
    beside("vast vocabulary", NULL, NULL, &plain, UINT32_MAX, "tok-vocab-size", EXIT_UNSUPPORTED);
    remove_file("tokenizer.json");
    struct heard h;
    uint8_t *section;
    size_t n;
    EXPECT(!read_it(&h, &plain, VOCAB, &section, &n));
    heard_one(&h, "absent", "cannot-open", EXIT_IO);
    unhear(&h);
}

/* Every prefix of a good file is refused with one error. */
static void prefixes(void) {
    char *text;
    size_t n;
    struct heard h;
    put_tokenizer(&(struct parts){0});
    hear(&h);
    FILE *f = fopen(path_of("tokenizer.json"), "rb");
    text = calloc(1, 65536);
    n = f ? fread(text, 1, 65536, f) : 0;
    if (EXPECT(f != NULL)) fclose(f);
    unhear(&h);
    for (size_t i = 0; i < n; i += 37) {
        uint8_t *section;
        size_t bytes;
        put_file("tokenizer.json", text, i);
        EXPECT(!read_it(&h, &plain, VOCAB, &section, &bytes));
        heard_one(&h, "prefix", "bad-json", EXIT_REJECTED);
        unhear(&h);
    }
    free(text);
}

/* Expressions that would grow without end, and one that is long by itself. */
static void long_patterns(void) {
    static const char *const unit[] = {"\\\\w", "a{1}{1}{1}{1}", "aaaaaaaaaa"};
    for (size_t i = 0; i < COUNT_OF(unit); i++) {
        struct heard h;
        struct buf b = {0};
        uint8_t *section;
        size_t n;
        buf_printf(&b, "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"invert\":false,\"pattern\":{\"Regex\":\"");
        while (b.n < 300000) buf_put(&b, unit[i], strlen(unit[i]));
        buf_printf(&b, "\"}}");
        put_tokenizer(&(struct parts){.pre = b.at});
        EXPECT(!read_it(&h, &plain, VOCAB, &section, &n));
        heard_one(&h, unit[i], "tok-unsupported", EXIT_UNSUPPORTED);
        unhear(&h);
        buf_free(&b);
    }
}

int main(void) {
    readers_start();
    long_patterns();
    toy();
    other_forms();
    errors();
    prefixes();
    errors_beside();
    readers_end();
    return expect_end();
}
