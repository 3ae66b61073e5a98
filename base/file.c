/* file.c -- reading: files mapped, and texts read whole up to a limit. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/exit.h"
#include "base/str.h"

bool file_map(struct diag *d, const char *path, struct mapped *m) {
    *m = (struct mapped){0};
    /* O_NONBLOCK: a pipe must be refused below, not waited for */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return diag_in(d, path, DIAG_CANNOT_OPEN, strerror(errno));
    struct stat st;
    bool ok = fstat(fd, &st) == 0;
    if (!ok) {
        diag_in(d, path, DIAG_READ_FAILED, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        ok = diag_in(d, path, DIAG_NOT_REGULAR);
    } else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        ok = p != MAP_FAILED;
        if (ok)
            *m = (struct mapped){.at = p, .n = (uint64_t)st.st_size};
        else
            diag_in(d, path, DIAG_READ_FAILED, strerror(errno));
    }
    close(fd);
    return ok;
}

void file_unmap(struct mapped *m) {
    if (m->at) munmap((void *)(uintptr_t)m->at, (size_t)m->n);
    *m = (struct mapped){0};
}

static bool read_all(struct diag *d, struct arena *a, int fd, const char *path, size_t limit, char **text, size_t *n) {
    struct buf b = {0};
    char part[16384];
    for (;;) {
        ssize_t got = read(fd, part, sizeof part);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            diag_in(d, path, DIAG_READ_FAILED, strerror(errno));
            buf_free(&b);
            return false;
        }
        if (got == 0) break;
        if ((size_t)got > limit - b.n) {
            diag_in(d, path, DIAG_FILE_TOO_LONG, limit);
            buf_free(&b);
            return false;
        }
        buf_put(&b, part, (size_t)got);
    }
    *text = arena_strndup(a, b.at, b.n);
    *n = b.n;
    buf_free(&b);
    return true;
}

bool file_read(struct diag *d, struct arena *a, const char *path, size_t limit, char **text, size_t *n) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return diag_in(d, path, DIAG_CANNOT_OPEN, strerror(errno));
    bool ok = read_all(d, a, fd, path, limit, text, n);
    close(fd);
    return ok;
}

bool file_same(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int file_end_stdout(int code) {
    int error = ferror(stdout) ? errno : 0; /* nothing came after what failed */
    if (fflush(stdout) != 0) error = errno;
    if (!error || code != EXIT_OK) return code;
    if (error != EPIPE) fprintf(stderr, "setun: standard output: cannot write: %s\n", strerror(error));
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? EXIT_MEMORY : EXIT_IO;
}

const char *tmp_dir(struct diag *d) {
    const char *dir = cleanup_dir();
    if (!dir) diag_in(d, "temporary directory", DIAG_CANNOT_CREATE, strerror(errno));
    return dir;
}
