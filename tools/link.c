/*
 * link.c -- runs the linker driver.
 *
 * The runtime's archive lies beside the compiler: ../runtime in a build tree, ../lib/setun when installed, or where
 * SETUN_RUNTIME says.  The executable is static, without a build id, so the same inputs give the same bytes.  It keeps
 * its symbols and the lines of kernels, for profilers; the runtime's archive has no debug information.
 */
#include "tools/link.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/run.h"

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

bool link_executable(struct diag *d, struct arena *a, const char *linker, const char *object, const char *out) {
    const char *dir = runtime_dir(d, a);
    if (!dir) return false;
    char *argv[] = {arena_strdup(a, linker ? linker : "cc"),
                    "-static",
                    "-Wl,--gc-sections",
                    "-Wl,--build-id=none",
                    "-Wl,-z,noexecstack",
                    "-o",
                    arena_strdup(a, out),
                    arena_strdup(a, object),
                    arena_printf(a, "%s/libsetun_rt.a", dir),
                    "-lpcre2-8",
                    "-lutf8proc",
                    "-lm",
                    "-lpthread",
                    NULL};
    const char *why;
    if (run_program(d, a, argv, &why)) return true;
    return why ? diag_in(d, NULL, DIAG_LINK_FAILED, argv[0], why) : false;
}
