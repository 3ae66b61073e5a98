/* Outputs: whole or not at all, for each failing write, alone and together; patches, appends, temporaries removed by
 * signals. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/check.h"
#include "base/file.h"
#include "test/unit/expect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static const char *at(const char *name) {
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int entries(const char *dir) {
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    if (d) closedir(d);
    return n;
}

static bool holds(const char *path, const char *text) {
    FILE *f = fopen(path, "rb");
    char got[256] = {0};
    if (!f) return false;
    size_t n = fread(got, 1, sizeof got - 1, f);
    fclose(f);
    return n == strlen(text) && strcmp(got, text) == 0;
}

/* Writes an output of three parts; the exit code. */
static int write_output(const char *path, FILE *messages) {
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, messages);
    struct out *o = out_open(d, path, true);
    if (o) {
        out_write(o, "he", 2);
        out_pad(o, 8);
        out_append_file(o, at("source"));
        out_patch(o, 2, "llo...", 6);
        out_write(o, "!", 1);
        out_commit(o);
    }
    int code = (int)diag_exit_code(d);
    EXPECT(diag_errors(d) <= 1);
    arena_free(a);
    return code;
}

/* In a child, so that the count of writes starts at zero. */
static int forked(const char *fail) {
    pid_t child = fork();
    if (child == 0) {
        FILE *quiet = fopen("/dev/null", "w");
        if (fail) setenv("SETUN_FAIL_WRITE", fail, 1);
        exit(write_output(at("target"), quiet) + (expect_failed ? 100 : 0));
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    if (!EXPECT(f != NULL)) return;
    fputs(text, f);
    fclose(f);
}

static void every_failing_write(void) {
    put(at("source"), "SOURCE");
    put(at("target"), "old");
    int n = 1;
    for (;; n++) {
        char fault[32];
        snprintf(fault, sizeof fault, "%d,%s", n, n % 2 ? "ENOSPC" : "EIO");
        int code = forked(fault);
        if (code == 0) break;
        EXPECT(code == (n % 2 ? EXIT_MEMORY : EXIT_IO));
        EXPECT(holds(at("target"), "old"));
        EXPECT(entries(folder) == 2);
    }
    EXPECT(n >= 7);
    EXPECT(holds(at("target"), "hello...SOURCE!"));
    struct stat st;
    EXPECT(stat(at("target"), &st) == 0);
    unlink(at("target"));
    EXPECT(forked(NULL) == 0 && holds(at("target"), "hello...SOURCE!"));
    EXPECT(stat(at("target"), &st) == 0 && (st.st_mode & 0100));
    EXPECT(entries(folder) == 2);
}

/* ---- several at once ---- */

/* Kernels and emulators may have no such filters. */
static bool can_forbid(void) {
    struct sock_filter rule = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog all = {.len = 1, .filter = &rule};
    pid_t child = fork();
    if (child == 0)
        _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) != 0);
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* As on a file system that cannot exchange two names, nor, without links, give a file a second one. */
static void forbid(bool links) {
    struct sock_filter rule[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, links ? SYS_linkat : SYS_renameat2, 1, 0),
#ifdef SYS_link
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, links ? SYS_link : SYS_renameat2, 0, 1),
#else
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog all = {.len = sizeof rule / sizeof *rule, .filter = rule};
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0);
    EXPECT(renameat2(AT_FDCWD, at("one"), AT_FDCWD, at("three"), RENAME_EXCHANGE) != 0 && errno == EINVAL);
    EXPECT(!links || (link(at("one"), at("none")) != 0 && errno == EINVAL));
}

enum lacking { EXCHANGE_AND_LINKS = 1, EXCHANGE };

/* Three outputs in a child; the second has no old file. */
static int write_three(const char *fault, int lacking) {
    pid_t child = fork();
    if (child == 0) {
        static const char *const names[] = {"one", "two", "three"};
        struct arena *a = arena_new();
        FILE *quiet = fopen("/dev/null", "w");
        struct diag *d = diag_new(a, quiet);
        out_list list = {0};
        if (lacking) forbid(lacking == EXCHANGE_AND_LINKS);
        if (fault) setenv("SETUN_FAIL_WRITE", fault, 1);
        bool ok = true;
        for (int i = 0; ok && i < 3; i++) {
            struct out *o = out_add(d, a, &list, at(names[i]), false);
            ok = o && out_write(o, "new ", 4) && out_write(o, names[i], strlen(names[i]));
        }
        EXPECT(out_add(d, a, &list, at("one"), false) == NULL); /* refused, and nothing of it left */
        ok = ok && out_commit_all(&list);
        out_discard_all(&list);
        int code = (int)diag_exit_code(d);
        EXPECT(diag_errors(d) == (ok ? 1 : 2));
        fclose(quiet);
        arena_free(a);
        _exit(expect_failed ? 100 : ok ? 0 : code);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void several(int lacking) {
    put(at("one"), "old one");
    put(at("three"), "old three");
    int all = entries(folder), n = 1, code;
    char fault[32];
    for (;; n++) {
        snprintf(fault, sizeof fault, "%d,EIO", n);
        code = write_three(fault, lacking);
        if (code == 0) break;
        EXPECT(code == EXIT_IO || code == EXIT_USAGE);
        EXPECT(holds(at("one"), "old one") && holds(at("three"), "old three"));
        EXPECT(access(at("two"), F_OK) != 0);
        EXPECT(entries(folder) == all);
        if (expect_failed) break;
    }
    EXPECT(n == 10); /* of each output a write, a sync and a rename failed */
    EXPECT(holds(at("one"), "new one") && holds(at("two"), "new two") && holds(at("three"), "new three"));
    EXPECT(entries(folder) == all + 1);
    unlink(at("one"));
    unlink(at("two"));
    unlink(at("three"));
}

static void signals(int sig, int code) {
    int ready[2];
    EXPECT(pipe(ready) == 0);
    put(at("target"), "old");
    pid_t child = fork();
    if (child == 0) {
        struct arena *a = arena_new();
        struct diag *d = diag_new(a, stderr);
        file_signals();
        setenv("TMPDIR", folder, 1);
        struct out *o = out_open(d, at("target"), false);
        out_write(o, "half", 4);
        const char *dir = tmp_dir(d);
        char inner[300];
        snprintf(inner, sizeof inner, "%s/sub", dir);
        mkdir(inner, 0700);
        snprintf(inner, sizeof inner, "%s/sub/file", dir);
        put(inner, "x");
        if (write(ready[1], "r", 1) != 1) _exit(99);
        for (;;) pause();
    }
    char c;
    EXPECT(read(ready[0], &c, 1) == 1);
    EXPECT(entries(folder) == 4);
    kill(child, sig);
    int status;
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == code);
    EXPECT(holds(at("target"), "old"));
    EXPECT(entries(folder) == 2);
    close(ready[0]);
    close(ready[1]);
}

static void large_appends(struct diag *d) {
    struct out *o = out_open(d, at("big"), false);
    char *block = calloc(1, 1 << 20);
    for (int i = 0; i < 20; i++) {
        block[0] = (char)i;
        EXPECT(out_write(o, block, 1 << 20));
    }
    EXPECT(out_tell(o) == 20u << 20 && out_commit(o));
    o = out_open(d, at("big2"), false);
    EXPECT(out_write(o, "x", 1) && out_append_file(o, at("big")) && out_tell(o) == (20u << 20) + 1 && out_commit(o));
    struct mapped m;
    struct out *from = out_open(d, at("big3"), false);
    o = out_open(d, at("big4"), false);
    EXPECT(out_append_file(from, at("big")) && out_write(from, "end", 3) && out_write(o, "y", 1));
    EXPECT(out_append_part(o, from, (19u << 20), (1u << 20) + 2) && out_append_part(o, from, 0, 0));
    EXPECT(out_commit(o) && out_write(from, ".", 1));
    EXPECT(file_map(d, at("big4"), &m) && m.n == (1u << 20) + 3 && m.at[0] == 'y' && m.at[1] == 19);
    EXPECT(m.at && memcmp(m.at + (1u << 20) + 1, "en", 2) == 0);
    file_unmap(&m);
    out_discard(from);
    unlink(at("big4"));
    EXPECT(file_map(d, at("big2"), &m) && m.n == (20u << 20) + 1);
    EXPECT(m.at && m.at[0] == 'x' && m.at[1 + (19u << 20)] == 19);
    file_unmap(&m);
    unlink(at("big"));
    unlink(at("big2"));
    free(block);
}

static void reading(struct diag *d, struct arena *a) {
    struct mapped m;
    char *text;
    size_t n, errors = diag_errors(d);
    put(at("empty"), "");
    EXPECT(file_map(d, at("empty"), &m) && m.at == NULL && m.n == 0);
    file_unmap(&m);
    EXPECT(file_read(d, a, at("source"), 6, &text, &n) && n == 6 && strcmp(text, "SOURCE") == 0);
    EXPECT(!file_read(d, a, at("source"), 5, &text, &n));
    EXPECT(!file_map(d, folder, &m));
    EXPECT(!file_map(d, at("absent"), &m));
    EXPECT(!file_read(d, a, at("absent"), 5, &text, &n));
    EXPECT(out_open(d, "/dev/null", false) == NULL);
    EXPECT(out_open(d, at("no/such/folder"), false) == NULL);
    EXPECT(diag_errors(d) == errors + 6);
    EXPECT(symlink("source", at("link")) == 0);
    struct out *o = out_open(d, at("link"), false);
    EXPECT(out_write(o, "new", 3) && out_commit(o));
    EXPECT(holds(at("source"), "new") && readlink(at("link"), (char[8]){0}, 8) == 6);
    o = out_open(d, at("source"), false);
    out_write(o, "never", 5);
    out_discard(o);
    EXPECT(holds(at("source"), "new"));
    unlink(at("link"));
    unlink(at("empty"));
}

int main(void) {
    snprintf(folder, sizeof folder, "/tmp/file_test.XXXXXX");
    if (!mkdtemp(folder)) return 1;
    struct arena *a = arena_new();
    FILE *quiet = fopen("/dev/null", "w");
    if (!EXPECT(quiet != NULL)) return 1;
    struct diag *d = diag_new(a, quiet);
    every_failing_write();
    signals(SIGINT, EXIT_INT);
    signals(SIGTERM, EXIT_TERM);
    several(0);
    if (can_forbid()) {
        several(EXCHANGE);
        several(EXCHANGE_AND_LINKS);
    } else {
        printf("SKIP: file systems that cannot exchange names: no filters of system calls here\n");
    }
    large_appends(d);
    reading(d, a);
    unlink(at("source"));
    unlink(at("target"));
    EXPECT(rmdir(folder) == 0);
    fclose(quiet);
    arena_free(a);
    return expect_end();
}
