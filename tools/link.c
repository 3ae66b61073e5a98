/*
 * link.c -- runs the linker driver.
 *
 * The runtime's archive lies beside the compiler, or where SETUN_RUNTIME says:
 *
 *                      in a build tree          installed
 *   host               ../runtime               ../lib/setun
 *   other targets      ../runtime-TARGET        ../lib/setun/TARGET      with the libraries that it needs
 *
 * The executable is static, without a build id, so the same inputs give the same bytes.  It keeps its symbols and the
 * lines of kernels, for profilers; the runtime's archive has no debug information.
 */
#include "tools/link.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/run.h"

enum { MAX_WORDS = 24 };

static bool has_runtime(struct arena *a, const char *dir) {
    return access(arena_printf(a, "%s/libsetun_rt.a", dir), R_OK) == 0;
}

static const char *first_of(struct arena *a, const char *const *dirs, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (has_runtime(a, dirs[i])) return dirs[i];
    return NULL;
}

static const char *beside(struct arena *a, const struct backend_target *t) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return NULL;
    self[n] = 0;
    char *slash = strrchr(self, '/');
    if (slash) *slash = 0;
    const char *host[] = {arena_printf(a, "%s/../runtime", self), arena_printf(a, "%s/../lib/setun", self)};
    const char *other[] = {arena_printf(a, "%s/../runtime-%s", self, t->name),
                           arena_printf(a, "%s/../lib/setun/%s", self, t->name)};
    return first_of(a, t->host ? host : other, 2);
}

const char *link_runtime(struct diag *d, struct arena *a, const struct backend_target *t) {
    const char *env = getenv("SETUN_RUNTIME"), *dir = NULL;
    if (env) {
        const char *named[] = {arena_printf(a, "%s/%s", env, t->name), env};
        dir = first_of(a, named, t->host ? 2 : 1);
    }
    if (!dir) dir = beside(a, t);
    if (!dir && d && t->host) diag_in(d, NULL, DIAG_NO_RUNTIME);
    if (!dir && d && !t->host) diag_in(d, NULL, DIAG_NO_TARGET_RUNTIME, t->name, t->gnu);
    return dir;
}

/* argv as it grows. */
struct words {
    char *at[MAX_WORDS + 1];
    size_t n;
};

static void add(struct words *w, char *word) {
    if (w->n == MAX_WORDS) BUG("more than %d words for the linker", MAX_WORDS);
    w->at[w->n++] = word;
    w->at[w->n] = NULL;
}

/* Libraries beside the archive come first, then those of the sysroot, then what the driver knows. */
static void add_folders(struct words *w, struct arena *a, const struct link_options *o, const char *runtime) {
    if (!o->target.host) add(w, arena_printf(a, "-L%s", runtime));
    if (!o->sysroot) return;
    add(w, arena_printf(a, "--sysroot=%s", o->sysroot));
    add(w, arena_printf(a, "-L%s/usr/lib/%s", o->sysroot, o->target.gnu));
    add(w, arena_printf(a, "-L%s/usr/lib", o->sysroot));
}

bool link_executable(struct diag *d, struct arena *a, const struct link_options *o, const char *object,
                     const char *out) {
    const char *dir = link_runtime(d, a, &o->target), *why, *linker = o->linker;
    struct words w = {.n = 0};
    if (!dir) return false;
    if (!linker) linker = o->target.host ? "cc" : arena_printf(a, "%s-gcc", o->target.gnu);
    add(&w, arena_strdup(a, linker));
    add(&w, "-static");
    add(&w, "-Wl,--gc-sections");
    add(&w, "-Wl,--build-id=none");
    add(&w, "-Wl,-z,noexecstack");
    /* Segments begin on pages of their own, of any size that a kernel may have. */
    add(&w, arena_printf(a, "-Wl,-z,max-page-size=%u", o->target.page_bytes));
    add(&w, "-o");
    add(&w, arena_strdup(a, out));
    add(&w, arena_strdup(a, object));
    add(&w, arena_printf(a, "%s/libsetun_rt.a", dir));
    add_folders(&w, a, o, dir);
    add(&w, "-lpcre2-8");
    add(&w, "-lutf8proc");
    add(&w, "-lm");
    add(&w, "-lpthread");
    if (run_program(d, a, w.at, &why)) return true;
    return why ? diag_in(d, NULL, DIAG_LINK_FAILED, w.at[0], why) : false;
}
