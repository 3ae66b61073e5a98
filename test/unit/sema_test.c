/*
 * sema_test.c -- the checker: docs/language.md shows the table of builtins as it is; names of tensors; exit
 * codes; and on mutated model texts, with numbers and without, what is accepted lowers to IR that verifies.
 */
#include "frontend/sema.h"

#include <stdlib.h>

#include "base/file.h"
#include "frontend/lower.h"
#include "lang/lang.h"
#include "test/unit/expect.h"

enum { MUTANTS = 1500 };

static char *read_beside(struct arena *a, const char *name, size_t *n) {
    struct diag *d = diag_new(a, stderr);
    const char *slash = strrchr(__FILE__, '/');
    char *text = NULL;
    EXPECT(
        file_read(d, a, arena_printf(a, "%.*s/../../%s", (int)(slash - __FILE__), __FILE__, name), 1 << 20, &text, n));
    return text;
}

static void docs_show_builtins(void) {
    struct arena *a = arena_new();
    size_t n;
    const char *docs = read_beside(a, "docs/language.md", &n);
    struct buf table = {0};
    sema_list_builtins(&table);
    if (docs && !EXPECT(strstr(docs, table.at) != NULL)) printf("docs/language.md must hold this table:\n%s", table.at);
    buf_free(&table);
    arena_free(a);
}

struct run {
    struct arena *a;
    struct diag *d;
    struct names *names;
    struct sema_model *m;
};

/* With numbers, as without a checkpoint: what is optional is not there. */
static bool none_optional(void *self, const struct sema_model *m, struct sema_weight *w) {
    (void)self, (void)m;
    if (w->optional) w->present = SEMA_NO;
    return true;
}

static struct run check(const char *text, size_t n, const struct config_values *config, FILE *messages) {
    struct run r = {.a = arena_new()};
    r.d = diag_new(r.a, messages);
    r.names = names_new(r.a);
    struct ast_model *ast = lang_parse(r.d, r.a, r.names, diag_add_text(r.d, "text", text, n), text, n);
    struct sema_input in = {.diag = r.d, .arena = r.a, .names = r.names, .ast = ast, .config = config};
    if (config) in.find = none_optional;
    r.m = ast ? sema_check(&in) : NULL;
    EXPECT((r.m != NULL) == (diag_errors(r.d) == 0));
    return r;
}

/* What the checker accepts with numbers must lower, or be refused with a message. */
static bool lowers(const char *text, size_t n, const struct config_values *config, FILE *messages) {
    struct run r = check(text, n, config, messages);
    bool ok = r.m != NULL;
    if (ok) {
        struct weight_source *found = arena_array(r.a, struct weight_source, r.m->weights.n + 1);
        const struct weight_source *sources;
        struct ir_module *m = lower_model(r.d, r.a, r.names, r.m, found, &sources);
        EXPECT((m != NULL) == (diag_errors(r.d) == 0));
        if (m && !EXPECT(ir_verify(r.d, m, "lowering"))) printf("%.*s\n", (int)n, text);
    }
    arena_free(r.a);
    return ok;
}

static void mutants(void) {
    static const char *const words[] = {"x",     "a",    "q",    "hidden",     "heads",   "head",     "ffn",    "pos",
                                        "k",     "v",    "wq",   "wo",         "0",       "2",        "+",      "*",
                                        "@",     "int8", "flat", "silu",       "rmsnorm", "1.5",      "layers", "i",
                                        "embed", "g_in", "f32",  "int",        "present", "kv_heads", "eps",    "i % 2",
                                        "token", "-",    "/",    "1000000007", "65537",   "body"};
    struct arena *a = arena_new();
    size_t n;
    const char *page = read_beside(a, "models/bitnet-b1.58.stn", &n);
    struct config_values config = {.bos = -1};
    static const char *const sets[] = {"vocab=16", "hidden=8", "ffn=12", "layers=2", "heads=2", "kv_heads=1"};
    struct diag *d = diag_new(a, stderr);
    for (size_t i = 0; i < COUNT_OF(sets); i++) EXPECT(config_set(d, a, &config, sets[i]));
    FILE *messages = tmpfile();
    uint64_t seed = 1958;
    int good = 0;
    for (int i = 0; page && messages && i < MUTANTS; i++) {
        struct buf b = {0};
        size_t at = 0, mutations = 0;
        while (at < n) { /* words and blanks in turn; a few words are exchanged */
            size_t len = strcspn(page + at, " \n;,()[]{}"), gap = strspn(page + at + len, " \n;,()[]{}");
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bool change = len > 0 && mutations < 3 && (seed >> 40) % 60 == 0;
            if (change)
                buf_printf(&b, "%s", words[(seed >> 33) % COUNT_OF(words)]), mutations++;
            else
                buf_put(&b, page + at, len);
            buf_put(&b, page + at + len, gap);
            at += len + gap;
        }
        struct run r = check(b.at, b.n, NULL, messages);
        arena_free(r.a);
        good += lowers(b.at, b.n, &config, messages);
        buf_free(&b);
    }
    EXPECT(good > 0 && good < MUTANTS);
    if (page) EXPECT(lowers(page, n, &config, stderr));
    if (messages) fclose(messages);
    arena_free(a);
}

static enum setun_exit code_of(const char *text, FILE *messages) {
    struct run r = check(text, strlen(text), NULL, messages);
    enum setun_exit code = diag_exit_code(r.d);
    arena_free(r.a);
    return code;
}

static void exit_codes(void) {
    FILE *messages = tmpfile();
    if (!EXPECT(messages != NULL)) return;
    EXPECT(code_of("model m; entry e(t: id[4]) { emit y = split(t); } weight w : real[4, 4];", messages) ==
           EXIT_UNSUPPORTED);
    EXPECT(code_of("model m; elastic { layers = 1..2; }", messages) == EXIT_UNSUPPORTED);
    EXPECT(code_of("model m; entry e(t: id[4]) { emit y = nothing; }", messages) == EXIT_REJECTED);
    EXPECT(code_of("model", messages) == EXIT_REJECTED);
    EXPECT(code_of("model m; weight w : real[4, 4]; entry e(t: id[4]) { emit y = w[t]; }", messages) == EXIT_OK);
    fclose(messages);
}

static void tensor_names(void) {
    static const char text[] = "model m; weight w : real[4, 4] from \"w.weight\" or \"other\"; weight v : real[4, 4];\n"
                               "stack s(x: f32[4]) for i in 2..4 at \"l.{i}\" or \"m.{i}\" {\n"
                               "weight a : real[2, 2] from \"{i}.a{j}\" or paired \"b\"; yield x; }\n"
                               "entry e(t: id[4]) { emit y = s(w[t]); emit z = v[t]; }";
    struct config_values config = {.bos = -1};
    struct run r = check(text, sizeof text - 1, &config, stderr);
    if (EXPECT(r.m != NULL)) {
        struct sema_weight **w = r.m->weights.at;
        EXPECT_STR(sema_tensor_name(r.a, w[0], NULL, w[0]->sources, 0), "w.weight");
        EXPECT_STR(sema_tensor_name(r.a, w[0], NULL, w[0]->sources->next, 0), "other");
        EXPECT_STR(sema_tensor_name(r.a, w[1], NULL, w[1]->sources, 0), "v");
        const struct ast_alt *prefix = sema_prefixes(w[2]);
        EXPECT_STR(sema_tensor_name(r.a, w[2], prefix, w[2]->sources, 3), "l.3.3.a{j}");
        EXPECT_STR(sema_tensor_name(r.a, w[2], prefix->next, w[2]->sources->next, 2), "m.2.b");
        EXPECT(sema_is_paired(w[2]->sources->next) && !sema_is_paired(w[2]->sources));
        EXPECT(sema_prefixes(w[0]) == NULL);
        EXPECT_STR(w[2]->full, "s.a");
    }
    arena_free(r.a);
}

int main(void) {
    docs_show_builtins();
    tensor_names();
    exit_codes();
    mutants();
    return expect_end();
}
