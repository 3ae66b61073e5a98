/* fuzz.h -- for fuzz targets of readers that want a file: the input as one, messages dropped. */
#ifndef SETUN_TEST_FUZZ_H
#define SETUN_TEST_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz {
    struct arena *arena;
    struct diag *diag;
    FILE *out;
    int fd;
    char path[64];
};

static inline void fuzz_start(struct fuzz *f, const uint8_t *data, size_t n) {
    f->arena = arena_new();
    f->out = fopen("/dev/null", "w");
    f->diag = diag_new(f->arena, f->out);
    f->fd = memfd_create("input", 0);
    if (!f->out || f->fd < 0 || (n && write(f->fd, data, n) != (ssize_t)n)) abort();
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

/* What was refused was refused with one error, and nothing was our own mistake. */
static inline void fuzz_end(struct fuzz *f, bool ok) {
    if (ok ? diag_errors(f->diag) != 0 : diag_errors(f->diag) == 0) abort();
    close(f->fd);
    fclose(f->out);
    arena_free(f->arena);
}

#endif
