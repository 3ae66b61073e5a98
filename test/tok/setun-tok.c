/*
 * setun-tok FILE [--vocab N] [--specials] [--ends] [--decode] -- a tokenizer as executables have it, for tests that
 * compare it with others.  FILE may be a GGUF file.
 *
 *   standard input: texts, each as u32 length and bytes; standard output: u32 count and u32 ids for each
 *   --decode: the other way round
 *   --specials: names of special tokens in texts are those tokens, and special tokens are printed
 *   --ends: with the tokens that the tokenizer puts in front and behind
 *   --vocab N: ids of the model (300000)
 *
 * A text that cannot be encoded gives the count 0xffffffff, and a line on standard error.  A tokenizer that is
 * refused ends the program with its message and exit code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/text.h"
#include "runtime/tok/tok.h"

struct opts {
    const char *path;
    uint32_t vocab;
    bool specials, ends, decode;
};

/* n * size bytes behind a u32 n; false at the end of input. */
static bool take(uint8_t **at, uint32_t *n, size_t size) {
    if (fread(n, 4, 1, stdin) != 1) return false;
    free(*at);
    *at = malloc(*n * size + 1);
    return *at && fread(*at, size, *n, stdin) == *n;
}

static void put(const void *p, uint32_t n, size_t size) {
    fwrite(&n, 4, 1, stdout);
    fwrite(p, size, n, stdout);
}

static void encode(const struct setun_tokenizer *t, const struct opts *o) {
    static const uint32_t none = 0xffffffff;
    uint8_t *text = NULL;
    uint32_t n;
    struct setun_ids ids = {0};
    char why[256];
    while (take(&text, &n, 1)) {
        ids.n = 0;
        if (o->ends && t->tok->flags & SETUN_TOK_ADD_BOS) setun_ids_push(&ids, t->tok->bos);
        bool ok = setun_encode(t, text, n, o->specials, &ids, why, sizeof why);
        if (o->ends && t->tok->flags & SETUN_TOK_ADD_EOS) setun_ids_push(&ids, t->tok->end);
        if (ok) {
            put(ids.at, (uint32_t)ids.n, 4);
        } else {
            fprintf(stderr, "%s\n", why);
            fwrite(&none, 4, 1, stdout);
        }
    }
    free(text);
    setun_ids_free(&ids);
}

static void decode(const struct setun_tokenizer *t, const struct opts *o) {
    uint8_t *at = NULL, *out = malloc(3 * ((size_t)t->longest + 4)), *raw = malloc((size_t)t->longest + 1);
    uint32_t n;
    while (out && raw && take(&at, &n, 4)) {
        struct setun_decoder d = {.t = t, .specials = o->specials, .first = true};
        struct setun_utf8 u = {0};
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t id;
            memcpy(&id, at + 4 * (size_t)i, 4);
            uint32_t m = setun_decode(&d, id, raw);
            fwrite(out, 1, setun_utf8_push(&u, raw, m, out), f);
        }
        fwrite(out, 1, setun_utf8_end(&u, out), f);
        fclose(f);
        put(text, (uint32_t)size, 1);
        free(text);
    }
    free(at);
    free(out);
    free(raw);
}

static bool parse(int argc, char **argv, struct opts *o) {
    *o = (struct opts){.vocab = 300000};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--specials") == 0)
            o->specials = true;
        else if (strcmp(argv[i], "--ends") == 0)
            o->ends = true;
        else if (strcmp(argv[i], "--decode") == 0)
            o->decode = true;
        else if (strcmp(argv[i], "--vocab") == 0 && i + 1 < argc)
            o->vocab = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (!o->path)
            o->path = argv[i];
        else
            return false;
    }
    return o->path != NULL;
}

static bool is_gguf(const char *path) {
    char head[4] = {0};
    FILE *f = fopen(path, "rb");
    bool is = f && fread(head, 1, 4, f) == 4 && memcmp(head, "GGUF", 4) == 0;
    if (f) fclose(f);
    return is;
}

static bool read_tokenizer(struct diag *d, struct arena *a, const struct opts *o, uint8_t **section, size_t *n) {
    const struct config_values config = {.bos = -1};
    struct gguf_file g;
    if (!is_gguf(o->path)) return tokenizer_read(d, a, o->path, &config, o->vocab, section, n);
    if (!gguf_open(d, a, o->path, NULL, &g)) return false;
    bool ok = tokenizer_read_gguf(d, a, &g, o->vocab, section, n);
    gguf_close(&g);
    return ok;
}

int main(int argc, char **argv) {
    struct opts o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: setun-tok FILE [--vocab N] [--specials] [--ends] [--decode]\n");
        return EXIT_USAGE;
    }
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, stderr);
    uint8_t *section;
    size_t n;
    char why[256];
    struct setun_tokenizer t;
    int code = EXIT_OK;
    if (!read_tokenizer(d, a, &o, &section, &n)) {
        code = (int)diag_exit_code(d);
    } else if (!setun_tok_open(&t, section, n, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        code = EXIT_BUG;
    } else {
        (o.decode ? decode : encode)(&t, &o);
        setun_tok_close(&t);
    }
    arena_free(a);
    return code;
}
