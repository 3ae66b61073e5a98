/*
 * cmd_embed.c -- `embed`: a vector for each text, of a model that emits an embedding.
 *
 * A text is fed from position 0 with the beginning and end tokens that its tokenizer adds; what the model emits for the
 * last token is its vector.  Norm and scale are the model's own affair.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cmd.h"
#include "runtime/lines.h"

struct embedder {
    struct setun_engine *e;
    const struct setun_tokenizer *t; /* NULL: only ids */
    const struct setun_opts *o;
    struct setun_feed feed;
    struct setun_lines lines;
    struct setun_ids ids;
    struct setun_out out;
    float *first; /* the first text's vector, for --similarity */
    uint64_t texts;
};

static int check_ids(const struct embedder *b) {
    uint32_t context = b->e->context;
    if (b->ids.n == 0) return setun_fail(EXIT_REJECTED, "text %llu has no tokens", (unsigned long long)b->texts + 1);
    if (b->ids.n > context) {
        return setun_fail(EXIT_REJECTED, "text %llu has %zu tokens, the context holds %u",
                          (unsigned long long)b->texts + 1, b->ids.n, context);
    }
    for (size_t i = 0; i < b->ids.n; i++) {
        if (b->ids.at[i] >= b->e->vocab) {
            return setun_fail(EXIT_REJECTED, "token id %u of text %llu is outside the vocabulary of %u", b->ids.at[i],
                              (unsigned long long)b->texts + 1, b->e->vocab);
        }
    }
    return EXIT_OK;
}

static double dot(const float *a, const float *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The cosine of this text and the first one; 0 if one of them is all zeroes. */
static void print_similarity(struct embedder *b, const float *v, uint32_t n) {
    if (b->texts == 0) {
        memcpy(b->first, v, n * sizeof *v);
        return;
    }
    double lengths = sqrt(dot(v, v, n)) * sqrt(dot(b->first, b->first, n));
    setun_out_printf(&b->out, "%.6f\n", lengths > 0 ? dot(v, b->first, n) / lengths : 0);
}

static void print_vector(struct embedder *b, const float *v, uint32_t n) {
    if (strcmp(b->o->vectors, "raw") == 0) {
        setun_out_write(&b->out, v, n * sizeof *v);
        return;
    }
    bool json = strcmp(b->o->vectors, "json") == 0;
    for (uint32_t i = 0; i < n; i++) {
        setun_out_printf(&b->out, "%s%.9g", i > 0 ? (json ? "," : " ") : (json ? "[" : ""), (double)v[i]);
    }
    setun_out_printf(&b->out, json ? "]\n" : "\n");
}

/* The text whose ids there are. */
static int embed_ids(struct embedder *b) {
    int code = check_ids(b);
    if (code == EXIT_OK) {
        code = setun_feed_tokens(&b->feed, b->ids.at, (uint32_t)b->ids.n, 0, false, NULL, NULL);
    }
    if (code != EXIT_OK) return code;
    const float *v = b->e->out + (uint64_t)(b->e->n_live - 1) * b->e->stride;
    if (b->first) {
        print_similarity(b, v, b->e->out_elems);
    } else {
        print_vector(b, v, b->e->out_elems);
    }
    b->texts++;
    return setun_out_flush(&b->out);
}

static int embed_text(struct embedder *b, const void *text, size_t n) {
    b->ids.n = 0;
    int code = setun_text_ids(b->t, b->o, SETUN_TEXT_BOS | SETUN_TEXT_EOS, text, n, &b->ids);
    return code == EXIT_OK ? embed_ids(b) : code;
}

static int embed_lines(struct embedder *b) {
    const struct setun_opts *o = b->o;
    if (!b->t) return setun_fail(EXIT_UNSUPPORTED, "this model has no tokenizer: give token ids with --tokens");
    if (!o->file && isatty(STDIN_FILENO)) setun_say("a text a line; Ctrl-D ends");
    uint64_t cap; /* a text of more bytes has more tokens than the context holds */
    if (!setun_mul(&cap, b->t->longest, (uint64_t)b->e->context) || cap < 65536) cap = 65536;
    int code = setun_lines_open(&b->lines, o->file, cap);
    while (code == EXIT_OK) {
        const uint8_t *line;
        size_t n;
        code = setun_lines_next(&b->lines, &line, &n);
        if (code != EXIT_OK || !line) break;
        code = embed_text(b, line, n);
    }
    return code;
}

static int embed_all(struct embedder *b) {
    const struct setun_opts *o = b->o;
    if ((o->texts.n > 0) + (o->file != NULL) + o->has_tokens > 1) {
        return setun_fail(EXIT_USAGE, "--prompt, --file and --tokens exclude each other");
    }
    if (o->has_tokens) {
        for (size_t i = 0; i < o->tokens.n; i++) {
            if (!setun_ids_push(&b->ids, o->tokens.at[i])) return setun_fail(EXIT_MEMORY, "out of memory");
        }
        return embed_ids(b);
    }
    if (o->texts.n == 0) return embed_lines(b);
    int code = EXIT_OK;
    for (uint32_t i = 0; i < o->texts.n && code == EXIT_OK; i++) {
        code = embed_text(b, o->texts.at[i], strlen(o->texts.at[i]));
    }
    return code;
}

int setun_embed(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin) {
    struct embedder b = {.e = e, .t = t, .o = o, .lines = {.fd = -1}};
    int code = setun_emits(e, "embedding");
    if (code == EXIT_OK) code = setun_out_stdout(&b.out);
    if (code == EXIT_OK) code = setun_feed_open(&b.feed, e, o->chunk, NULL);
    if (code == EXIT_OK && o->similarity) {
        b.first = calloc(e->out_elems, sizeof *b.first);
        if (!b.first) code = setun_fail(EXIT_MEMORY, "out of memory");
    }
    double start = setun_now();
    if (code == EXIT_OK) code = embed_all(&b);
    if (code == EXIT_OK && o->similarity && b.texts < 2) code = setun_fail(EXIT_USAGE, "--similarity wants two texts");
    if (code == EXIT_OK && !o->quiet) {
        double seconds = setun_now() - start;
        setun_say("%llu texts, %.1f a second; %.1f s in all", (unsigned long long)b.texts,
                  seconds > 0 ? (double)b.texts / seconds : 0, setun_now() - begin);
    }
    setun_lines_close(&b.lines);
    setun_feed_close(&b.feed);
    setun_ids_free(&b.ids);
    free(b.first);
    int closed = setun_out_close(&b.out, true);
    return code != EXIT_OK ? code : closed;
}
