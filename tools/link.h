/* link.h -- linker drivers, and from an object to a static executable with the runtime's archives. */
#ifndef SETUN_TOOLS_LINK_H
#define SETUN_TOOLS_LINK_H

#include "backends/backend.h"

/* Words of a command line as they grow. */
typedef VEC(char *) link_words;

struct link_options {
    struct backend_target target;
    link_words linker; /* a driver such as cc or clang, and flags; none: cc, or the target's own gcc where it is not the
                          host */
    const char *sysroot; /* a folder with the target's C library and the others in usr/lib, or NULL */
    const char *objcopy; /* for libraries; NULL: the driver's */
};

/* The folder of the target's runtime; NULL: there is none, which is reported unless d is NULL. */
const char *link_runtime(struct diag *d, struct arena *a, const struct backend_target *t);

/* The words of a text as a shell has them: blanks between them; '', "" and \\ for blanks within.  false: no word at
 * all, or a quote is open. */
bool link_split(struct arena *a, const char *text, link_words *w);
/* The driver with its flags. */
void link_driver(struct arena *a, const struct link_options *o, link_words *w);
/* false: there is no such program, which is reported unless d is NULL. */
bool link_found(struct diag *d, struct arena *a, const struct link_options *o);
/* What all outputs are linked with, folders, more words. */
bool link_begin(struct diag *d, struct arena *a, const struct link_options *o, link_words *w, const char **runtime);
void link_folders(struct arena *a, link_words *w, const struct link_options *o, const char *runtime);
void link_word(struct arena *a, link_words *w, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Runs it.  false: reported by a message of its name and what it said. */
bool link_run(struct diag *d, struct arena *a, link_words *w, enum diag_id failed);
/* Runs one command after the other until one succeeds.  false: what the first said is reported. */
bool link_run_any(struct diag *d, struct arena *a, link_words *w, size_t n, enum diag_id failed, size_t *good);

bool link_executable(struct diag *d, struct arena *a, const struct link_options *o, const char *object,
                     const char *out);

#endif
