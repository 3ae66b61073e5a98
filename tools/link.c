/*
 * link.c -- runs the linker driver.
 *
 * The runtime's archive lies beside the compiler: ../runtime in a build tree, ../lib/setun when installed, or where
 * SETUN_RUNTIME says.  The executable is static and stripped, without a build id, so the same inputs give the
 * same bytes.
 */
#include "tools/link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

extern char **environ;

static bool has_runtime(struct arena *a, const char *dir) {
    return access(arena_printf(a, "%s/libsetun_rt.a", dir), R_OK) == 0;
}

static const char *runtime_dir(struct diag *d, struct arena *a) {
    const char *env = getenv("SETUN_RUNTIME");
    if (env && has_runtime(a, env)) return env;
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = 0;
        char *slash = strrchr(self, '/');
        if (slash) *slash = 0;
        static const char *const beside[] = {"../runtime", "../lib/setun"};
        for (size_t i = 0; i < COUNT_OF(beside); i++) {
            const char *dir = arena_printf(a, "%s/%s", self, beside[i]);
            if (has_runtime(a, dir)) return dir;
        }
    }
    diag_in(d, NULL, DIAG_NO_RUNTIME);
    return NULL;
}

static char *slurp(struct arena *a, int fd) {
    struct buf b = {0};
    char piece[512];
    for (ssize_t k; (k = read(fd, piece, sizeof piece)) > 0;)
        if (b.n < 4000) buf_put(&b, piece, (size_t)k);
    char *text = arena_strndup(a, b.at ? b.at : "", b.n);
    buf_free(&b);
    return text;
}

/* Runs argv with its output caught; shows it if the command fails. */
static bool run_tool(struct diag *d, struct arena *a, char *const *argv) {
    int pipe_fd[2], status = 0;
    pid_t pid;
    posix_spawn_file_actions_t fa;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) return diag_in(d, NULL, DIAG_LINK_FAILED, argv[0], strerror(errno));
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, pipe_fd[1], 1);
    posix_spawn_file_actions_adddup2(&fa, pipe_fd[1], 2);
    int err = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    close(pipe_fd[1]);
    char *text = err ? NULL : slurp(a, pipe_fd[0]);
    close(pipe_fd[0]);
    if (err) return diag_in(d, NULL, DIAG_LINK_FAILED, argv[0], strerror(err));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return diag_in(d, NULL, DIAG_LINK_FAILED, argv[0], text[0] ? text : "it gave no reason");
}

bool link_executable(struct diag *d, struct arena *a, const char *linker, const char *object, const char *out) {
    const char *dir = runtime_dir(d, a);
    if (!dir) return false;
    char *argv[] = {arena_strdup(a, linker ? linker : "cc"),
                    "-static",
                    "-s",
                    "-Wl,--gc-sections",
                    "-Wl,--build-id=none",
                    "-Wl,-z,noexecstack",
                    "-o",
                    arena_strdup(a, out),
                    arena_strdup(a, object),
                    arena_printf(a, "%s/libsetun_rt.a", dir),
                    "-lpcre2-8",
                    "-lm",
                    "-lpthread",
                    NULL};
    return run_tool(d, a, argv);
}
