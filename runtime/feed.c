/* feed.c -- tokens into an engine, chunk by chunk, and what it emits (cmd.h). */
#include <stdlib.h>
#include <string.h>

#include "runtime/cmd.h"

int setun_emits(const struct setun_engine *e, const char *wanted) {
    if (strcmp(e->out_name, wanted) == 0) return EXIT_OK;
    if (strcmp(e->out_name, "logits") == 0) {
        return setun_fail(EXIT_UNSUPPORTED,
                          "this model emits logits of a next token, not '%s': run, chat and ppl are "
                          "the commands for it",
                          wanted);
    }
    return setun_fail(EXIT_UNSUPPORTED, "this model emits '%s', not '%s': embed is the command for it", e->out_name,
                      wanted);
}

int setun_feed_open(struct setun_feed *f, struct setun_engine *e, uint32_t chunk, struct setun_out *logits) {
    if (chunk == 0 || chunk > e->max_rows) chunk = e->max_rows;
    *f = (struct setun_feed){.e = e, .chunk = chunk, .logits = logits, .rows = calloc(chunk, sizeof *f->rows)};
    return f->rows ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

void setun_feed_close(struct setun_feed *f) {
    free(f->rows);
    *f = (struct setun_feed){0};
}

static int after_step(struct setun_feed *f, uint32_t first_row, setun_row_fn *fn, void *arg) {
    const struct setun_engine *e = f->e;
    for (uint32_t i = 0; i < e->n_live; i++) {
        const float *out = e->out + i * e->stride;
        if (fn) fn(arg, first_row + i, out);
        if (f->logits && setun_out_write(f->logits, out, e->out_elems * sizeof *out) != EXIT_OK) {
            return f->logits->failed;
        }
    }
    return EXIT_OK;
}

int setun_feed_tokens(struct setun_feed *f, const uint32_t *tokens, uint32_t n, uint32_t pos, bool all_live,
                      setun_row_fn *fn, void *arg) {
    for (uint32_t done = 0; done < n;) {
        if (setun_stopped()) return setun_stopped();
        uint32_t count = n - done < f->chunk ? n - done : f->chunk;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = done + i;
            f->rows[i] =
                (struct setun_row){.token = tokens[at], .slot = 0, .pos = pos + at, .live = all_live || at + 1 == n};
        }
        int code = f->e->step(f->e, f->rows, count);
        if (code == EXIT_OK) code = after_step(f, all_live ? done : n - 1, fn, arg);
        if (code != EXIT_OK) return code;
        done += count;
    }
    return EXIT_OK;
}
