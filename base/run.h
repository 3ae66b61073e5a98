/* run.h -- other programs, run so that nothing of theirs outlives us. */
#ifndef SETUN_BASE_RUN_H
#define SETUN_BASE_RUN_H

#include "base/diag.h"

/* Would run_program find it? */
bool run_found(struct arena *a, const char *program);

/*
 * Runs argv[0] (found in PATH) and waits.  Its temporaries go to tmp_dir(); SIGINT or SIGTERM to us ends it and all it
 * started.  true: it ended with 0, and *why is what it printed.  false: *why says what it printed or why it could not
 * start; NULL: reported.
 */
bool run_program(struct diag *d, struct arena *a, char *const *argv, const char **why);

#endif
