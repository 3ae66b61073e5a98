/* readers.h -- for tests of file readers: a folder of their own, messages caught, one error with its slug. */
#ifndef SETUN_TEST_READERS_H
#define SETUN_TEST_READERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "test/unit/expect.h"

static char readers_folder[64];

static inline void readers_start(void) {
    snprintf(readers_folder, sizeof readers_folder, "/tmp/readers_test.XXXXXX");
    if (!mkdtemp(readers_folder)) exit(1);
}
static inline void readers_end(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", readers_folder);
    EXPECT(system(command) == 0);
}
/* A path in the folder; a few live at the same time. */
static inline const char *path_of(const char *name) {
    static char path[8][256];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", readers_folder, name);
    return p;
}
static inline void put_file(const char *name, const void *p, size_t n) {
    FILE *f = fopen(path_of(name), "wb");
    if (!EXPECT(f != NULL)) return;
    fwrite(p, 1, n, f);
    fclose(f);
}
static inline void put_text(const char *name, const char *text) { put_file(name, text, strlen(text)); }
static inline void remove_file(const char *name) { unlink(path_of(name)); }

/* A safetensors file: the header and n bytes of data (zeros if data is NULL). */
static inline void put_tensors(const char *name, const char *header, const void *data, size_t n) {
    size_t h = strlen(header);
    unsigned char *all = calloc(1, 8 + h + n + 1);
    for (int i = 0; i < 8; i++) all[i] = (unsigned char)((unsigned long long)h >> 8 * i);
    memcpy(all + 8, header, h);
    if (data) memcpy(all + 8 + h, data, n);
    put_file(name, all, 8 + h + n);
    free(all);
}

struct heard {
    struct arena *arena;
    struct diag *diag;
    FILE *out;
    char *text;
    size_t n;
};
static inline void hear(struct heard *h) {
    h->arena = arena_new();
    h->out = open_memstream(&h->text, &h->n);
    h->diag = diag_new(h->arena, h->out);
}
static inline const char *heard_text(struct heard *h) {
    fflush(h->out);
    return h->text;
}
static inline void unhear(struct heard *h) {
    fclose(h->out);
    free(h->text);
    arena_free(h->arena);
}
/* Exactly one error, with this slug and exit code. */
static inline bool heard_one(struct heard *h, const char *what, const char *slug, enum setun_exit code) {
    char tail[80];
    snprintf(tail, sizeof tail, "[%s]\n", slug);
    bool ok = diag_errors(h->diag) == 1 && diag_exit_code(h->diag) == code && strstr(heard_text(h), tail);
    if (!ok) {
        expect_failed++;
        printf("%s: expected one error [%s] with exit code %d, got %zu, code %d:\n%s", what, slug, (int)code,
               diag_errors(h->diag), (int)diag_exit_code(h->diag), heard_text(h));
    }
    return ok;
}
static inline bool heard_none(struct heard *h, const char *what) {
    bool ok = diag_errors(h->diag) == 0;
    if (!ok) {
        expect_failed++;
        printf("%s: expected no error, got:\n%s", what, heard_text(h));
    }
    return ok;
}

#endif
