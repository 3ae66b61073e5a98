/*
 * out.c -- standard output and output files (rt.h).
 *
 * A file is written beside its target and renamed at the end, so a failure leaves what was there.  A target
 * that is no regular file (a device, a pipe) is written in place.  The buffer is taken when the file is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/rt.h"
#include "runtime/temp.h"

enum { BUFFER = 1 << 16 };

static const char *name_of(const struct setun_out *o) { return o->path ? o->path : "standard output"; }

static int failed(struct setun_out *o, const char *what) {
    int e = errno;
    if (o->failed) return o->failed;
    o->failed = e == ENOSPC || e == EDQUOT || e == EFBIG ? EXIT_MEMORY : EXIT_IO;
    if (e != EPIPE) setun_error("%s: %s: %s", name_of(o), what, strerror(e));
    return o->failed;
}

int setun_out_stdout(struct setun_out *o) {
    *o = (struct setun_out){.fd = STDOUT_FILENO, .direct = true, .slot = -1, .buf = malloc(BUFFER)};
    return o->buf ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

static int open_temporary(struct setun_out *o) {
    size_t n = strlen(o->path) + sizeof ".tmp-XXXXXX";
    o->tmp = malloc(n);
    if (!o->tmp) return o->failed = setun_fail(EXIT_MEMORY, "out of memory");
    snprintf(o->tmp, n, "%s.tmp-XXXXXX", o->path);
    o->fd = mkstemp(o->tmp);
    if (o->fd < 0) return failed(o, "cannot be created");
    o->slot = setun_temp_add(o->tmp);
    mode_t mask = umask(0);
    umask(mask);
    fchmod(o->fd, 0666 & ~mask);
    return EXIT_OK;
}

int setun_out_open(struct setun_out *o, const char *path) {
    *o = (struct setun_out){.fd = -1, .path = path, .slot = -1, .buf = malloc(BUFFER)};
    if (!o->buf) return o->failed = setun_fail(EXIT_MEMORY, "out of memory");
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        o->direct = true;
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
        return o->fd < 0 ? failed(o, "cannot be opened") : EXIT_OK;
    }
    return open_temporary(o);
}

static int write_all(struct setun_out *o, const uint8_t *p, size_t n) {
    while (n > 0 && !o->failed) {
        ssize_t w = write(o->fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return failed(o, "write failed");
        p += w;
        n -= (size_t)w;
    }
    return o->failed;
}

int setun_out_flush(struct setun_out *o) {
    size_t n = o->n;
    o->n = 0;
    return n > 0 ? write_all(o, o->buf, n) : o->failed;
}

int setun_out_write(struct setun_out *o, const void *p, size_t n) {
    if (o->failed) return o->failed;
    if (n > BUFFER - o->n && setun_out_flush(o) != EXIT_OK) return o->failed;
    if (n > BUFFER) return write_all(o, p, n);
    if (n > 0) memcpy(o->buf + o->n, p, n);
    o->n += n;
    return EXIT_OK;
}

int setun_out_printf(struct setun_out *o, const char *fmt, ...) {
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0) return o->failed;
    return setun_out_write(o, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

int setun_out_close(struct setun_out *o, bool keep) {
    if (!o->buf) return o->failed;
    if (keep || o->direct) setun_out_flush(o);
    if (o->path && o->fd >= 0 && close(o->fd) != 0) failed(o, "write failed");
    if (o->tmp && o->fd >= 0) {
        if (!keep || o->failed) {
            unlink(o->tmp);
        } else if (rename(o->tmp, o->path) != 0) {
            failed(o, "cannot be renamed into place");
            unlink(o->tmp);
        }
        setun_temp_drop(o->slot);
    }
    int code = o->failed;
    free(o->tmp);
    free(o->buf);
    *o = (struct setun_out){.fd = -1, .slot = -1};
    return code;
}
