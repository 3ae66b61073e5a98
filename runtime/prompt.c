/* prompt.c -- the text of -p, -f or standard input, or the ids of --tokens. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cmd.h"

#define LONGEST_TEXT ((size_t)2 << 30)

struct bytes {
    uint8_t *at;
    size_t n, cap;
};

static int read_all(struct bytes *b, int fd, const char *name) {
    for (;;) {
        if (b->n == b->cap) {
            size_t cap = b->cap ? 2 * b->cap : 1 << 16;
            uint8_t *at = b->cap < LONGEST_TEXT ? realloc(b->at, cap) : NULL;
            if (!at) return setun_fail(EXIT_MEMORY, "%s: the text is longer than memory holds", name);
            b->at = at;
            b->cap = cap;
        }
        ssize_t n = read(fd, b->at + b->n, b->cap - b->n);
        if (n == 0) return EXIT_OK;
        if (n < 0 && errno == EINTR && !setun_stopped()) continue;
        if (n < 0 && errno == EINTR) return setun_stopped();
        if (n < 0) return setun_fail(EXIT_IO, "%s: cannot be read: %s", name, strerror(errno));
        b->n += (size_t)n;
    }
}

static int read_file(struct bytes *b, const char *path) {
    if (!path || strcmp(path, "-") == 0) return read_all(b, STDIN_FILENO, "standard input");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return setun_fail(EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    int code = read_all(b, fd, path);
    close(fd);
    return code;
}

int setun_read_text(const char *path, char **text, size_t *n) {
    struct bytes b = {0};
    int code = read_file(&b, path);
    *text = (char *)b.at;
    *n = b.n;
    return code;
}

static int push(struct setun_ids *ids, uint32_t id) {
    return setun_ids_push(ids, id) ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

int setun_text_ids(const struct setun_tokenizer *t, const struct setun_opts *o, unsigned ends, const void *text,
                   size_t n, struct setun_ids *ids) {
    const struct setun_tok *k = t->tok;
    bool bos = (ends & SETUN_TEXT_BOS) && (k->flags & SETUN_TOK_ADD_BOS) && k->bos != SETUN_NO_TOKEN && !o->no_bos;
    bool eos = (ends & SETUN_TEXT_EOS) && (k->flags & SETUN_TOK_ADD_EOS) && k->end != SETUN_NO_TOKEN;
    char why[256];
    int code = bos ? push(ids, k->bos) : EXIT_OK;
    if (code == EXIT_OK && !setun_encode(t, text, n, o->special, ids, why, sizeof why)) {
        code = setun_fail(EXIT_REJECTED, "the text cannot be turned into tokens: %s", why);
    }
    return code == EXIT_OK && eos ? push(ids, k->end) : code;
}

static int text_ids(const struct setun_tokenizer *t, const struct setun_opts *o, unsigned ends, struct setun_ids *ids) {
    if (!t) return setun_fail(EXIT_UNSUPPORTED, "this model has no tokenizer: give token ids with --tokens");
    if (o->prompt) return setun_text_ids(t, o, ends, o->prompt, strlen(o->prompt), ids);
    if (!o->file && isatty(STDIN_FILENO)) {
        return setun_fail(EXIT_USAGE, "no text: give it with -f, or on standard input");
    }
    char *text;
    size_t n;
    int code = setun_read_text(o->file, &text, &n);
    if (code == EXIT_OK) code = setun_text_ids(t, o, ends, text, n, ids);
    free(text);
    return code;
}

int setun_prompt(const struct setun_tokenizer *t, const struct setun_opts *o, unsigned ends, struct setun_ids *ids) {
    *ids = (struct setun_ids){0};
    if ((o->prompt != NULL) + (o->file != NULL) + o->has_tokens > 1) {
        return setun_fail(EXIT_USAGE, "--prompt, --file and --tokens exclude each other");
    }
    if (!o->has_tokens) return text_ids(t, o, ends, ids);
    for (size_t i = 0; i < o->tokens.n; i++) {
        int code = push(ids, o->tokens.at[i]);
        if (code != EXIT_OK) return code;
    }
    return EXIT_OK;
}
