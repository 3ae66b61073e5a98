/*
 * cmd_ppl.c -- `ppl`: how well the model predicts a text.
 *
 * The text is tokenised whole, without a beginning token, and cut into windows of N tokens.  Each window is fed
 * as [bos] and its first N - 1 tokens from position 0 on, and all N are predicted; a shorter last window counts
 * too.  If there is no bos, the first token of each window is not predicted.
 */
#include <math.h>
#include <stdlib.h>

#include "runtime/cmd.h"
#include "runtime/sampler.h"

enum { USUAL_WINDOW = 256 };

struct sum {
    uint32_t vocab;
    const uint32_t *target; /* of row 0 */
    double nats;
    uint64_t n;
};

static void add_row(void *arg, uint32_t row, const float *logits) {
    struct sum *s = arg;
    s->nats += setun_loss(logits, s->vocab, s->target[row]);
    s->n++;
}

static int check(const struct setun_engine *e, uint32_t window, const struct setun_ids *ids, bool bos) {
    if (window > e->context) {
        return setun_fail(EXIT_REJECTED, "a window has %u tokens, the context holds %u", window, e->context);
    }
    if (ids->n + bos < 2) return setun_fail(EXIT_REJECTED, "the text is too short: it has %zu tokens", ids->n);
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->at[i] >= e->vocab) {
            return setun_fail(EXIT_REJECTED, "token id %u of the text is outside the vocabulary of %u", ids->at[i],
                              e->vocab);
        }
    }
    return EXIT_OK;
}

/* Every window of ids; fed has room for one. */
static int windows(struct setun_feed *f, const struct setun_ids *ids, uint32_t window, uint32_t bos, uint32_t *fed,
                   struct sum *sum) {
    for (size_t at = 0; at < ids->n; at += window) {
        uint32_t count = ids->n - at < window ? (uint32_t)(ids->n - at) : window, n = 0;
        if (bos != SETUN_NO_TOKEN) fed[n++] = bos;
        sum->target = ids->at + at + 1 - n;
        for (uint32_t i = 0; i + 1 < count; i++) fed[n++] = ids->at[at + i];
        int code = n > 0 ? setun_feed_tokens(f, fed, n, 0, true, add_row, sum) : EXIT_OK;
        if (code != EXIT_OK) return code;
    }
    return EXIT_OK;
}

static int print(const struct sum *sum, const struct setun_opts *o, size_t tokens, double seconds, double begin) {
    struct setun_out out;
    int code = setun_out_stdout(&out);
    if (code != EXIT_OK) return code;
    double nats = sum->nats / (double)sum->n;
    setun_out_printf(&out, "tokens: %llu\nnats/token: %.6f\nperplexity: %.6g\n", (unsigned long long)sum->n, nats,
                     exp(nats));
    if (!o->quiet) {
        setun_say("%zu tokens, %.1f tok/s; %.1f s in all", tokens, (double)sum->n / seconds, setun_now() - begin);
    }
    return setun_out_close(&out, true);
}

int setun_ppl(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin) {
    struct setun_ids ids = {.at = NULL};
    struct setun_out logits = {.fd = -1};
    struct setun_feed feed = {0};
    uint32_t bos = t ? t->tok->bos : SETUN_NO_TOKEN, *fed = NULL;
    uint32_t window = o->window ? o->window : e->context < USUAL_WINDOW ? e->context : USUAL_WINDOW;
    struct sum sum = {.vocab = e->vocab};
    int code = setun_emits(e, "logits");
    if (code == EXIT_OK) code = setun_prompt(t, o, 0, &ids);
    if (code == EXIT_OK) code = check(e, window, &ids, bos != SETUN_NO_TOKEN);
    if (code == EXIT_OK && o->logits) code = setun_out_open(&logits, o->logits);
    if (code == EXIT_OK) code = setun_feed_open(&feed, e, o->chunk, o->logits ? &logits : NULL);
    if (code == EXIT_OK) fed = calloc(window, sizeof *fed);
    if (code == EXIT_OK && !fed) code = setun_fail(EXIT_MEMORY, "out of memory");
    double start = setun_now();
    if (code == EXIT_OK) code = windows(&feed, &ids, window, bos, fed, &sum);
    if (code == EXIT_OK) code = print(&sum, o, ids.n, setun_now() - start, begin);
    int kept = setun_out_close(&logits, code == EXIT_OK);
    setun_feed_close(&feed);
    free(fed);
    setun_ids_free(&ids);
    return code != EXIT_OK ? code : kept;
}
