/* Made-up checkpoints: read back they hold the same values; same seed, same bytes; whole or not at all. */
#include "test/unit/readers.h"

#include <sys/wait.h>

#include "base/compiler.h"
#include "frontend/synth.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/tok/tok.h"

enum { LAYERS = 3, MAX_WEIGHTS = 8 };

struct model {
    struct ir_module *m;
    struct weight_source source[MAX_WEIGHTS];
    struct config_values config;
};

static void add(struct model *md, struct arena *a, const char *name, enum ir_store store, enum ir_scale scale,
                uint32_t layers, uint32_t rank, uint32_t d0, uint32_t d1, uint32_t d2) {
    struct ir_weight *w = ir_weight_add(md->m, name);
    uint32_t n = layers ? layers : 1;
    const char **names = arena_array(a, const char *, n);
    for (uint32_t l = 0; l < n; l++) names[l] = layers ? arena_printf(a, "layers.%u.%s", l, name) : name;
    w->store = store;
    w->scale = scale;
    w->layers = layers;
    w->rank = rank;
    w->dim[0] = d0, w->dim[1] = d1, w->dim[2] = d2;
    md->source[w->id] = (struct weight_source){.n = n, .name = names};
}

static void make_model(struct model *md, struct arena *a, uint32_t vocab) {
    *md = (struct model){.m = ir_module_new(a, names_new(a), "test"), .config = {.bos = -1}};
    md->m->vocab = vocab;
    add(md, a, "embed.weight", IR_STORE_BF16, IR_SCALE_NONE, 0, 2, vocab, 24, 0);
    add(md, a, "gain", IR_STORE_F32, IR_SCALE_NONE, 0, 1, 24, 0, 0);
    add(md, a, "q", IR_STORE_TRIT, IR_SCALE_MATRIX, LAYERS, 3, 3, 7, 24); /* 21 rows: not a multiple of 4 */
    add(md, a, "k", IR_STORE_TRIT, IR_SCALE_ROW, LAYERS, 2, 6, 53, 0);
    add(md, a, "norm", IR_STORE_F16, IR_SCALE_NONE, LAYERS, 1, 24, 0, 0);
    add(md, a, "one", IR_STORE_TRIT, IR_SCALE_MATRIX, 0, 2, 1, 5, 0);
}

/* Finds every weight of the model in the checkpoint. */
static bool find_all(struct model *md, struct arena *a, struct checkpoint *cp) {
    bool ok = true;
    for (size_t i = 0; i < md->m->weights.n; i++) {
        struct ir_weight *w = md->m->weights.at[i];
        struct weight_source *s = &md->source[w->id];
        s->at = arena_array(a, struct weight_at, s->n);
        for (uint32_t l = 0; l < s->n; l++) {
            bool ternary = w->store == IR_STORE_TRIT;
            enum checkpoint_found got =
                (ternary ? checkpoint_find_ternary : checkpoint_find_real)(cp, s->name[l], w->rank, w->dim, &s->at[l]);
            ok = EXPECT(got == CHECKPOINT_FOUND && s->at[l].store == w->store &&
                        (!ternary || s->at[l].kind == w->scale)) &&
                 ok;
        }
    }
    return ok;
}

static bool same_values(const struct ir_weights *x, const struct ir_weights *y, const struct ir_weight *w,
                        uint32_t layer) {
    enum { MAX = 40000 };
    static uint8_t p[2][MAX];
    static float s[2][64];
    uint64_t rows = ir_weight_rows(w);
    memset(p, 0, sizeof p);
    if (w->store != IR_STORE_TRIT)
        return x->raw(x->self, w, layer, 0, rows, p[0]) && y->raw(y->self, w, layer, 0, rows, p[1]) &&
               memcmp(p[0], p[1], MAX) == 0;
    uint64_t n = w->scale == IR_SCALE_ROW ? rows : 1;
    return x->trits(x->self, w, layer, 0, rows, (int8_t *)p[0]) &&
           y->trits(y->self, w, layer, 0, rows, (int8_t *)p[1]) && memcmp(p[0], p[1], MAX) == 0 &&
           x->scales(x->self, w, layer, s[0]) && y->scales(y->self, w, layer, s[1]) &&
           memcmp(s[0], s[1], n * sizeof(float)) == 0;
}

/* What is written from any values is read back as these values. */
static void round_trip(void) {
    struct heard h;
    struct model md;
    struct ir_weights back;
    hear(&h);
    make_model(&md, h.arena, 300);
    EXPECT(config_set(h.diag, h.arena, &md.config, "hidden=24") && config_set(h.diag, h.arena, &md.config, "eps=1e-5"));
    struct ir_weights drawn = ir_weights_random(h.arena, 7);
    EXPECT(synth_write(h.diag, md.m, md.source, &md.config, path_of("out"), &drawn));
    struct checkpoint *cp = checkpoint_open(h.diag, h.arena, path_of("out"), NULL);
    if (EXPECT(cp && find_all(&md, h.arena, cp) && checkpoint_weights(cp, md.m, md.source, &back))) {
        for (size_t i = 0; i < md.m->weights.n; i++)
            for (uint32_t l = 0; l < md.source[i].n; l++) EXPECT(same_values(&drawn, &back, md.m->weights.at[i], l));
        const struct config_values *c = checkpoint_config(cp);
        EXPECT(config_find(c, "hidden")->i == 24 && c->bos == 298 && c->n_eos == 1 && c->eos[0] == 299 &&
               !c->scale_divides);
        checkpoint_warn_unused(cp, NULL, 0);
        EXPECT_STR(heard_text(&h), "");
        checkpoint_close(cp);
    }
    unhear(&h);
}

static char *read_all(const char *path, size_t *n) {
    char *p = calloc(1, 1 << 20);
    FILE *f = fopen(path, "rb");
    *n = 0;
    if (EXPECT(f != NULL)) {
        *n = fread(p, 1, 1 << 20, f);
        fclose(f);
    }
    return p;
}

static bool synth(const char *dir, uint64_t seed, uint32_t vocab) {
    struct heard h;
    struct model md;
    hear(&h);
    make_model(&md, h.arena, vocab);
    bool ok = synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of(dir), seed);
    if (!ok) printf("%s", heard_text(&h));
    unhear(&h);
    return ok;
}

static void same_seed(void) {
    static const char *const file[] = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"};
    char path[300];
    EXPECT(synth("s1", 1, 300) && synth("s2", 1, 300) && synth("s3", 2, 300));
    for (size_t i = 0; i < COUNT_OF(file); i++) {
        size_t n[3];
        char *p[3];
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/s%d/%s", readers_folder, k + 1, file[i]);
            p[k] = read_all(path, &n[k]);
        }
        EXPECT(n[0] == n[1] && memcmp(p[0], p[1], n[0]) == 0);
        EXPECT((n[0] == n[2] && memcmp(p[0], p[2], n[0]) == 0) == (i != 3));
        for (int k = 0; k < 3; k++) free(p[k]);
    }
}

/* A third of the trits each, within five standard deviations. */
static void uniform(void) {
    struct heard h;
    struct model md = {0};
    hear(&h);
    md.m = ir_module_new(h.arena, names_new(h.arena), "test");
    md.m->vocab = 300;
    add(&md, h.arena, "w", IR_STORE_TRIT, IR_SCALE_MATRIX, 0, 2, 512, 1000, 0);
    EXPECT(synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of("u"), 3));
    struct checkpoint *cp = checkpoint_open(h.diag, h.arena, path_of("u"), NULL);
    struct ir_weights w;
    long count[3] = {0}, pairs = 0;
    static int8_t t[512000];
    if (EXPECT(cp && find_all(&md, h.arena, cp) && checkpoint_weights(cp, md.m, md.source, &w)) &&
        EXPECT(w.trits(w.self, md.m->weights.at[0], 0, 0, 512, t))) {
        for (int i = 0; i < 512000; i++) count[t[i] + 1]++;
        for (int i = 1; i < 512000; i++) pairs += t[i] == t[i - 1];
        for (int k = 0; k < 3; k++) EXPECT(labs(count[k] - 170667) < 5 * 338);
        EXPECT(labs(pairs - 170667) < 5 * 338);
    }
    checkpoint_close(cp);
    unhear(&h);
}

static void tokenizers(void) {
    static const uint32_t sizes[] = {3, 16, 257, 258, 259, 300, 5000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct heard h;
        struct config_values config = {.bos = -1};
        uint8_t *section;
        size_t n;
        struct setun_tokenizer t;
        char why[200], path[300];
        EXPECT(synth("t", 1, sizes[i]));
        hear(&h);
        snprintf(path, sizeof path, "%s/t/tokenizer.json", readers_folder);
        EXPECT(tokenizer_read(h.diag, h.arena, path, &config, sizes[i], &section, &n));
        if (heard_none(&h, "tokenizer") && EXPECT(setun_tok_open(&t, section, n, why, sizeof why))) {
            EXPECT(t.tok->bos == sizes[i] - 2 && t.tok->n_eos == 1 && t.tok->eos[0] == sizes[i] - 1);
            EXPECT(t.tok->flags & SETUN_TOK_ADD_BOS);
            uint32_t last;
            setun_tok_text(&t, sizes[i] - 3, &last);
            EXPECT(last >= 1);
            setun_tok_close(&t);
        }
        unhear(&h);
    }
}

static void refused(void) {
    struct heard h;
    struct model md;
    hear(&h);
    make_model(&md, h.arena, 2);
    EXPECT(!synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of("r"), 1));
    heard_one(&h, "vocabulary of 2", "synth-vocab", EXIT_REJECTED);
    unhear(&h);
    hear(&h);
    make_model(&md, h.arena, 300);
    md.source[1].name = md.source[0].name;
    EXPECT(!synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of("r"), 1));
    heard_one(&h, "name twice", "synth-twice", EXIT_UNSUPPORTED);
    unhear(&h);
    hear(&h);
    make_model(&md, h.arena, 300);
    md.source[1].name = (const char *const[]){"a\"b"};
    EXPECT(!synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of("r"), 1));
    heard_one(&h, "quote in a name", "synth-name", EXIT_REJECTED);
    unhear(&h);
    hear(&h);
    make_model(&md, h.arena, 300);
    EXPECT(!synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of("no/such"), 1));
    heard_one(&h, "no folder", "cannot-create", EXIT_IO);
    unhear(&h);
}

static int forked(unsigned n) {
    pid_t child = fork();
    if (child == 0) {
        char fault[32];
        snprintf(fault, sizeof fault, "%u,%s", n, n % 2 ? "EIO" : "ENOSPC");
        setenv("SETUN_FAIL_WRITE", fault, 1);
        struct heard h;
        struct model md;
        hear(&h);
        make_model(&md, h.arena, 300);
        synth_checkpoint(h.diag, md.m, md.source, &md.config, path_of("f"), n);
        fflush(NULL);
        _exit(diag_errors(h.diag) > 1 ? 99 : (int)diag_exit_code(h.diag));
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* No temporary is left, whichever write fails; the tensors are the old ones until all is written. */
static void failing_writes(void) {
    char command[200];
    unsigned n = 1;
    for (; n < 100; n++) {
        int code = forked(n);
        if (code == 0) break;
        EXPECT(code == (n % 2 ? EXIT_IO : EXIT_MEMORY));
        snprintf(command, sizeof command, "test -z \"$(find '%s/f' -name '.*.*')\"", readers_folder);
        EXPECT(system(command) == 0);
    }
    EXPECT(n >= 12 && n < 100);
}

int main(void) {
    readers_start();
    failing_writes(); /* first: children count writes on from what this process did */
    round_trip();
    same_seed();
    uniform();
    tokenizers();
    refused();
    readers_end();
    return expect_end();
}
