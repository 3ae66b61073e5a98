/*
 * out.c -- files that appear whole or not at all.
 *
 * Bytes go to `.NAME.XXXXXX` in the target's folder; out_commit syncs it and renames it over the target.
 * While it is written, the kernel is asked to start writing back what is complete, so that the fsync at the
 * end of a large file does not wait for all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/cleanup.h"
#include "base/file.h"

enum { BUFFER = 1 << 18, WRITE_BACK = 1 << 24 };

/* How one of several got its name. */
enum named { UNNAMED, NEW, EXCHANGED, KEPT };

struct out {
    struct diag *diag;
    char *target, *temp; /* malloc */
    char *old;           /* malloc: of KEPT, where the old file is until all have their names */
    enum named named;
    int fd, handle;
    bool failed;
    uint64_t flushed;    /* bytes in the file */
    uint64_t write_back; /* bytes whose writing to disk was started */
    size_t used;         /* bytes in buffer */
    uint8_t buffer[BUFFER];
};

static bool fail(struct out *o, int error) {
    if (!o->failed) {
        bool space = error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM;
        diag_in(o->diag, o->target, space ? DIAG_NO_SPACE : DIAG_WRITE_FAILED, strerror(error));
    }
    o->failed = true;
    return false;
}

/* ---- opening ---- */

static void random_suffix(char at[6]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint8_t r[6];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) memset(r, (int)getpid(), sizeof r);
    for (int i = 0; i < 6; i++) at[i] = letters[r[i] % (sizeof letters - 1)];
}

/* Creates the temporary beside the target, registered before it exists.  Returns errno, or 0. */
static int create_temp(struct out *o, bool executable) {
    const char *slash = strrchr(o->target, '/');
    size_t folder = slash ? (size_t)(slash - o->target) + 1 : 0;
    size_t n = strlen(o->target) + 9;
    o->temp = malloc(n);
    if (!o->temp) return ENOMEM;
    snprintf(o->temp, n, "%.*s.%s.XXXXXX", (int)folder, o->target, o->target + folder);
    for (int tries = 0; tries < 100; tries++) {
        random_suffix(o->temp + n - 7);
        o->handle = cleanup_add(o->temp);
        if (o->handle < 0) return EMFILE;
        o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, executable ? 0777 : 0666);
        if (o->fd >= 0) return 0;
        int error = errno;
        cleanup_drop(o->handle);
        o->handle = -1;
        if (error != EEXIST) return error;
    }
    return EEXIST;
}

static void close_out(struct out *o) {
    if (o->fd >= 0) close(o->fd);
    if (o->handle >= 0) {
        unlink(o->temp);
        cleanup_drop(o->handle);
    }
    free(o->old);
    free(o->temp);
    free(o->target);
    free(o);
}

struct out *out_open(struct diag *d, const char *path, bool executable) {
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode)) {
        diag_in(d, path, DIAG_NOT_REGULAR);
        return NULL;
    }
    struct out *o = malloc(sizeof *o);
    if (!o) arena_no_memory(sizeof *o);
    o->diag = d;
    o->temp = o->old = NULL;
    o->named = UNNAMED;
    o->fd = o->handle = -1;
    o->failed = false;
    o->flushed = o->write_back = o->used = 0;
    o->target = exists ? realpath(path, NULL) : strdup(path); /* write through a link, do not replace it */
    int error = o->target ? create_temp(o, executable) : errno;
    if (error == 0) return o;
    diag_in(d, path, error == ENOSPC || error == ENOMEM ? DIAG_NO_SPACE : DIAG_CANNOT_CREATE, strerror(error));
    close_out(o);
    return NULL;
}

/* ---- writing ---- */

static void start_write_back(struct out *o) {
    uint64_t n = o->flushed - o->write_back;
    if (n < WRITE_BACK) return;
    (void)sync_file_range(o->fd, (off_t)o->write_back, (off_t)n, SYNC_FILE_RANGE_WRITE);
    o->write_back = o->flushed;
}

/* Writes at a place of the file; each call of the system counts for the tests' faults. */
static bool write_at(struct out *o, uint64_t at, const uint8_t *p, size_t n) {
    while (n) {
        ssize_t put = cleanup_fail_now() ? -1 : pwrite(o->fd, p, n, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return fail(o, put == 0 ? EIO : errno);
        p += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return true;
}

static bool flush(struct out *o) {
    if (o->failed) return false;
    if (o->used && !write_at(o, o->flushed, o->buffer, o->used)) return false;
    o->flushed += o->used;
    o->used = 0;
    start_write_back(o);
    return true;
}

bool out_write(struct out *o, const void *p, size_t n) {
    if (o->failed) return false;
    if (n > BUFFER - o->used && !flush(o)) return false;
    if (n >= BUFFER) {
        if (!write_at(o, o->flushed, p, n)) return false;
        o->flushed += n;
        start_write_back(o);
        return true;
    }
    if (n) memcpy(o->buffer + o->used, p, n);
    o->used += n;
    return true;
}

bool out_pad(struct out *o, uint64_t align) {
    static const uint8_t zeros[4096];
    uint64_t at = out_tell(o), end;
    if (!ck_align(&end, at, align)) BUG("padding to %llu", (unsigned long long)align);
    for (uint64_t left = end - at; left;) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        if (!out_write(o, zeros, n)) return false;
        left -= n;
    }
    return !o->failed;
}

uint64_t out_tell(const struct out *o) { return o->flushed + o->used; }

bool out_patch(struct out *o, uint64_t at, const void *p, size_t n) {
    if (at > out_tell(o) || n > out_tell(o) - at) BUG("patch beyond the end of %s", o->target);
    return flush(o) && write_at(o, at, p, n);
}

/* Up to n bytes from `at` on, or as many as there are; *n is what is left of them. */
static bool copy_by_hand(struct out *o, int fd, loff_t at, uint64_t *n) {
    while (*n) {
        ssize_t got = pread(fd, o->buffer, *n < BUFFER ? (size_t)*n : BUFFER, at); /* empty: flushed by the caller */
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(o, errno);
        if (got == 0) break;
        o->used = (size_t)got;
        at += got;
        *n -= (uint64_t)got;
        if (!flush(o)) return false;
    }
    return true;
}

/* copy_file_range refuses some pairs of file systems; then the rest is read and written. */
static bool copy(struct out *o, int fd, loff_t at, uint64_t *left) {
    loff_t to = (loff_t)o->flushed;
    while (*left) {
        size_t piece = *left < 1 << 26 ? (size_t)*left : 1 << 26;
        ssize_t n = cleanup_fail_now() ? -1 : copy_file_range(fd, &at, o->fd, &to, piece, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EBADF))
            return copy_by_hand(o, fd, at, left);
        if (n < 0) return fail(o, errno);
        if (n == 0) return copy_by_hand(o, fd, at, left); /* the end; or a file of /proc, which only read sees */
        o->flushed += (uint64_t)n;
        *left -= (uint64_t)n;
        start_write_back(o);
    }
    return true;
}

bool out_append_file(struct out *o, const char *path) {
    if (!flush(o)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        o->failed = true;
        return diag_in(o->diag, path, DIAG_CANNOT_OPEN, strerror(errno));
    }
    uint64_t all = UINT64_MAX;
    bool ok = copy(o, fd, 0, &all);
    close(fd);
    return ok;
}

bool out_append_part(struct out *o, struct out *from, uint64_t at, uint64_t n) {
    if (at > out_tell(from) || n > out_tell(from) - at) BUG("a part beyond the end of %s", from->target);
    if (!flush(o) || !flush(from)) return false;
    return copy(o, from->fd, (loff_t)at, &n) && (n == 0 || fail(o, EIO));
}

/* ---- the end ---- */

static bool settle(struct out *o) {
    if (!flush(o)) return false;
    if (cleanup_fail_now() || fsync(o->fd) != 0) return fail(o, errno);
    int closed = close(o->fd);
    o->fd = -1;
    return closed == 0 || fail(o, errno);
}

static bool give_name(struct out *o) {
    if (cleanup_fail_now() || rename(o->temp, o->target) != 0) return fail(o, errno);
    cleanup_drop(o->handle);
    o->handle = -1;
    return true;
}

bool out_commit(struct out *o) {
    bool ok = settle(o) && give_name(o);
    close_out(o);
    return ok;
}

void out_discard(struct out *o) {
    if (o) close_out(o);
}

/* ---- several ---- */

struct out *out_add(struct diag *d, struct arena *a, out_list *list, const char *path, bool executable) {
    struct out *o = out_open(d, path, executable);
    for (size_t i = 0; o && i < list->n; i++) {
        if (strcmp(list->at[i]->target, o->target) != 0) continue;
        out_discard(o);
        diag_in(d, path, DIAG_OUTPUT_TWICE);
        return NULL;
    }
    if (o) *vec_push(a, list) = o;
    return o;
}

/* An old file takes the temporary's name until all outputs have theirs. */
static bool exchange(const struct out *o) {
    return renameat2(AT_FDCWD, o->temp, AT_FDCWD, o->target, RENAME_EXCHANGE) == 0;
}

/* Where the file system cannot exchange names, the old file gets a second one, or that alone where files have one. */
static bool keep_old(struct out *o) {
    size_t n = strlen(o->temp);
    o->old = malloc(n + 5);
    if (!o->old) arena_no_memory(n + 5);
    snprintf(o->old, n + 5, "%s.old", o->temp);
    return link(o->target, o->old) == 0 || rename(o->target, o->old) == 0;
}

static bool take_name(struct out *o) {
    if (cleanup_fail_now()) return fail(o, errno);
    if (exchange(o)) {
        o->named = EXCHANGED;
        return true;
    }
    if (access(o->target, F_OK) != 0)
        o->named = NEW;
    else if (keep_old(o))
        o->named = KEPT;
    else
        return fail(o, errno);
    return rename(o->temp, o->target) == 0 || fail(o, errno);
}

static void give_back(struct out *o) {
    switch (o->named) {
    case UNNAMED: return;
    case NEW: unlink(o->target); return;
    case EXCHANGED: (void)exchange(o); return;
    case KEPT: (void)rename(o->old, o->target); return; /* of two names of one file it removes neither */
    }
}

/* The last needs no way back. */
static bool take_names(out_list *list) {
    size_t n = 0;
    while (n + 1 < list->n && take_name(list->at[n])) n++;
    if (n + 1 == list->n && give_name(list->at[n])) return true;
    for (size_t i = 0; i < list->n; i++) give_back(list->at[i]);
    return false;
}

bool out_commit_all(out_list *list) {
    struct cleanup_guard guard;
    bool ok = true;
    for (size_t i = 0; ok && i < list->n; i++) ok = settle(list->at[i]);
    cleanup_enter(&guard);
    ok = ok && (list->n == 0 || take_names(list));
    for (size_t i = 0; i < list->n; i++)
        if (list->at[i]->old) unlink(list->at[i]->old);
    cleanup_leave(&guard);
    out_discard_all(list); /* their names stay */
    return ok;
}

void out_discard_all(out_list *list) {
    for (size_t i = 0; i < list->n; i++) close_out(list->at[i]);
    list->n = 0;
}
