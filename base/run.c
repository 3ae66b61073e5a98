/* run.c -- see run.h. */
#include "base/run.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

extern char **environ;

enum { SHOWN = 4000 }; /* bytes of output that are kept */

/* Our environment with TMPDIR set. */
static char **environment(struct arena *a, const char *tmp) {
    size_t n = 0, at = 0;
    while (environ[n]) n++;
    char **env = arena_array(a, char *, n + 2);
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "TMPDIR=", 7) != 0) env[at++] = environ[i];
    env[at] = arena_printf(a, "TMPDIR=%s", tmp);
    return env;
}

bool run_found(struct arena *a, const char *program) {
    const char *path = getenv("PATH");
    if (strchr(program, '/')) return access(program, X_OK) == 0;
    for (path = path ? path : "/bin:/usr/bin";; path++) {
        size_t n = strcspn(path, ":");
        const char *file = arena_printf(a, "%.*s%s%s", (int)n, path, n ? "/" : "", program);
        if (access(file, X_OK) == 0) return true;
        path += n;
        if (!*path) return false;
    }
}

static const char *read_output(struct arena *a, int fd) {
    struct buf b = {0};
    char piece[512];
    for (ssize_t k; (k = read(fd, piece, sizeof piece)) > 0 || (k < 0 && errno == EINTR);)
        if (k > 0 && b.n < SHOWN) buf_put(&b, piece, (size_t)k);
    while (b.n && isspace((unsigned char)b.at[b.n - 1])) b.n--;
    const char *text = b.n ? arena_strndup(a, b.at, b.n) : "it gave no reason";
    buf_free(&b);
    return text;
}

/* In a process group of its own, with the signal mask from before the guard. */
static int spawn(pid_t *pid, char *const *argv, char *const *env, int output, const struct cleanup_guard *guard) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t ignored; /* by us */
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    sigaddset(&ignored, SIGXFSZ);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_adddup2(&files, output, 2);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &guard->before);
    posix_spawnattr_setsigdefault(&how, &ignored);
    int err = posix_spawnp(pid, argv[0], &files, &how, argv, env);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return err;
}

bool run_program(struct diag *d, struct arena *a, char *const *argv, const char **why) {
    const char *tmp = tmp_dir(d);
    int ends[2], status = 0;
    pid_t pid = 0;
    struct cleanup_guard guard;
    *why = NULL;
    if (!tmp) return false;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        *why = strerror(errno);
        return false;
    }
    cleanup_enter(&guard);
    int err = spawn(&pid, argv, environment(a, tmp), ends[1], &guard);
    if (!err) cleanup_child(pid);
    cleanup_leave(&guard);
    close(ends[1]);
    const char *output = err ? strerror(err) : read_output(a, ends[0]);
    close(ends[0]);
    if (err) {
        *why = output;
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    cleanup_child(0);
    *why = WIFSIGNALED(status) ? arena_printf(a, "ended by signal %d", WTERMSIG(status)) : output;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
