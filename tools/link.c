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

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/run.h"

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

void link_word(struct arena *a, link_words *w, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    *vec_push(a, w) = arena_vprintf(a, fmt, args);
    va_end(args);
}

/* One word from *text on, unquoted into `to`.  false: a quote is open. */
static bool split_word(const char **text, char *to) {
    char quote = 0;
    const char *p = *text;
    for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
        if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? 0 : *p;
        else if (*p == '\\' && quote != '\'' && p[1])
            *to++ = *++p;
        else
            *to++ = *p;
    }
    *to = 0;
    *text = p;
    return !quote;
}

bool link_split(struct arena *a, const char *text, link_words *w) {
    size_t n = strlen(text);
    for (w->n = 0;;) {
        while (isspace((unsigned char)*text)) text++;
        if (!*text) return w->n > 0 && *w->at[0];
        char *word = arena_array(a, char, n + 1);
        if (!split_word(&text, word)) return false;
        *vec_push(a, w) = word;
    }
}

void link_driver(struct arena *a, const struct link_options *o, link_words *w) {
    for (size_t i = 0; i < o->linker.n; i++) *vec_push(a, w) = o->linker.at[i];
    if (o->linker.n == 0) link_word(a, w, "%s%s", o->target.host ? "" : o->target.gnu, o->target.host ? "cc" : "-gcc");
}

bool link_found(struct diag *d, struct arena *a, const struct link_options *o) {
    link_words w = {0};
    link_driver(a, o, &w);
    return run_found(a, w.at[0]) || (d && diag_in(d, NULL, DIAG_NO_LINKER, w.at[0], o->target.name));
}

bool link_begin(struct diag *d, struct arena *a, const struct link_options *o, link_words *w, const char **runtime) {
    *runtime = link_runtime(d, a, &o->target);
    if (!*runtime) return false;
    link_driver(a, o, w);
    /* Segments begin on pages of their own, of any size that a kernel may have. */
    link_word(a, w, "-Wl,-z,max-page-size=%u", o->target.page_bytes);
    link_word(a, w, "-Wl,--build-id=none");
    return true;
}

/* Libraries beside the archive come first, then those of the sysroot, then what the driver knows. */
void link_folders(struct arena *a, link_words *w, const struct link_options *o, const char *runtime) {
    if (!o->target.host) link_word(a, w, "-L%s", runtime);
    if (!o->sysroot) return;
    link_word(a, w, "--sysroot=%s", o->sysroot);
    link_word(a, w, "-L%s/usr/lib/%s", o->sysroot, o->target.gnu);
    link_word(a, w, "-L%s/usr/lib", o->sysroot);
}

bool link_run_any(struct diag *d, struct arena *a, link_words *w, size_t n, enum diag_id failed, size_t *good) {
    const char *first = NULL, *why;
    for (*good = 0; *good < n; ++*good) {
        *vec_push(a, &w[*good]) = NULL;
        if (run_program(d, a, w[*good].at, &why)) return true;
        if (!why) return false; /* reported */
        if (*good == 0) first = why;
    }
    return diag_in(d, NULL, failed, w[0].at[0], first);
}

bool link_run(struct diag *d, struct arena *a, link_words *w, enum diag_id failed) {
    size_t good;
    return link_run_any(d, a, w, 1, failed, &good);
}

bool link_executable(struct diag *d, struct arena *a, const struct link_options *o, const char *object,
                     const char *out) {
    const char *dir;
    link_words w = {0};
    if (!link_begin(d, a, o, &w, &dir)) return false;
    link_word(a, &w, "-static");
    link_word(a, &w, "-Wl,--gc-sections");
    link_word(a, &w, "-Wl,-z,noexecstack");
    link_word(a, &w, "-o");
    link_word(a, &w, "%s", out);
    link_word(a, &w, "%s", object);
    link_word(a, &w, "%s/libsetun_rt.a", dir);
    link_folders(a, &w, o, dir);
    link_word(a, &w, "-lpcre2-8");
    link_word(a, &w, "-lutf8proc");
    link_word(a, &w, "-lm");
    link_word(a, &w, "-lpthread");
    return link_run(d, a, &w, DIAG_LINK_FAILED);
}
