/*
 * cleanup.h -- temporaries that must not outlive the process.
 *
 * For base/ alone.  Holds the compiler's only mutable globals: a signal handler has nothing else to look at.
 * A path is registered before it is created, so no moment exists in which a signal leaves it behind.
 */
#ifndef SETUN_BASE_CLEANUP_H
#define SETUN_BASE_CLEANUP_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Registers; returns a handle, or -1 if too many are registered or the path is too long. */
int cleanup_add(const char *path);
/* The path is gone or no longer temporary. */
void cleanup_drop(int handle);
/* The one private directory: registered on the first call, the same string after that. NULL: errno says why. */
const char *cleanup_dir(void);
/* Removes all that is registered; from atexit and signal handlers.  Async-signal-safe. */
void cleanup_all(void);

/* Blocks SIGINT and SIGTERM while what they would have to clean up is being made; restores the mask. */
struct cleanup_guard {
    sigset_t before;
};
void cleanup_enter(struct cleanup_guard *g);
void cleanup_leave(const struct cleanup_guard *g);
/* The process group of a child that a signal must end and wait for first; 0: none. */
void cleanup_child(pid_t group);

/*
 * Counts one write, fsync, rename or copy of the process.  true: SETUN_FAIL_WRITE=n,ENOSPC|EIO says that it is
 * this one that must fail; errno is set.
 */
bool cleanup_fail_now(void);

#endif
