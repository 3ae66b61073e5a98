/*
 * file.h -- reading files whole, and writing them so that a failure leaves the old one as it was.
 *
 * An output is written to a temporary file beside its target and renamed over it by out_commit, several by
 * out_commit_all.  Until then SIGINT, SIGTERM or any error removes the temporary file.  Opaque: struct out.
 *
 * For tests: SETUN_FAIL_WRITE=n,ENOSPC makes the n-th write, fsync, copy or rename of the process fail with that error
 * (ENOSPC or EIO).
 */
#ifndef SETUN_BASE_FILE_H
#define SETUN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

/* Maps a file for reading.  An empty file gives at == NULL, n == 0, ok.  file_unmap releases. */
struct mapped {
    const uint8_t *at;
    uint64_t n;
};
bool file_map(struct diag *d, const char *path, struct mapped *m);
void file_unmap(struct mapped *m);
/* Reads a text whole into the arena (terminated); at most limit bytes. */
bool file_read(struct diag *d, struct arena *a, const char *path, size_t limit, char **text, size_t *n);

struct out;
struct out *out_open(struct diag *d, const char *path, bool executable);
bool out_write(struct out *o, const void *p, size_t n); /* false: reported; every later call fails quietly */
bool out_pad(struct out *o, uint64_t align);            /* zero bytes up to a multiple */
uint64_t out_tell(const struct out *o);
bool out_patch(struct out *o, uint64_t at, const void *p, size_t n); /* overwrites bytes already written */
/* Appends the whole content of another file (copy_file_range where the kernel has it). */
bool out_append_file(struct out *o, const char *path);
/* Appends n bytes that another output, not committed yet, has from `at` on. */
bool out_append_part(struct out *o, struct out *from, uint64_t at, uint64_t n);
bool out_commit(struct out *o);  /* fsync, rename; frees o */
void out_discard(struct out *o); /* removes the temporary; frees o */

/* Outputs that get their names together: all, or, also where the last rename fails, none. */
typedef VEC(struct out *) out_list;
/* Opened, and a member.  NULL: reported; a file that is one of the list already is refused. */
struct out *out_add(struct diag *d, struct arena *a, out_list *list, const char *path, bool executable);
bool out_commit_all(out_list *list);  /* frees its members, empties it */
void out_discard_all(out_list *list); /* so does this */

/* The last word of main: flushes standard output.  A failure is said and becomes the code, if there is no other. */
int file_end_stdout(int code);

/* A private temporary directory, removed with all it holds at exit, on SIGINT and on SIGTERM. */
const char *tmp_dir(struct diag *d);
/* Are these two names of one file? */
bool file_same(const char *a, const char *b);

/*
 * Call once, first in main.  SIGINT (exit 130), SIGTERM (143) and a mapped file that is cut short (5) remove
 * temporaries; SIGPIPE and SIGXFSZ become errors of write; closed standard files are replaced by what can be neither
 * read nor written, so that no other file takes their numbers.
 */
void file_signals(void);

#endif
