/* cleanup.c -- see cleanup.h.  The handler uses system calls only: kill, waitpid, unlink, getdents64,
 * rmdir, _exit. */
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/exit.h"
#include "base/file.h"

enum { MAX_TEMPORARIES = 16, DEEPEST = 8 };
enum { FREE, FILLING, LIVE };

static struct {
    atomic_int state;
    char path[PATH_MAX];
} temporaries[MAX_TEMPORARIES];

static struct {
    atomic_int state;
    char path[PATH_MAX];
} directory;

static atomic_int child; /* a process group */
static atomic_flag exit_hook = ATOMIC_FLAG_INIT;
static atomic_ulong writes;

static void hook_exit(void) {
    if (!atomic_flag_test_and_set(&exit_hook)) atexit(cleanup_all);
}

int cleanup_add(const char *path) {
    size_t n = strlen(path);
    if (n >= PATH_MAX) return -1;
    hook_exit();
    for (int i = 0; i < MAX_TEMPORARIES; i++) {
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&temporaries[i].state, &expected, FILLING)) continue;
        memcpy(temporaries[i].path, path, n + 1);
        atomic_store(&temporaries[i].state, LIVE);
        return i;
    }
    return -1;
}

void cleanup_drop(int handle) {
    if (handle >= 0) atomic_store(&temporaries[handle].state, FREE);
}

const char *cleanup_dir(void) {
    if (atomic_load(&directory.state) == LIVE) return directory.path;
    const char *base = getenv("TMPDIR");
    if (!base || base[0] != '/') base = "/tmp";
    int n = snprintf(directory.path, sizeof directory.path, "%s/setun.XXXXXX", base);
    if (n < 0 || (size_t)n >= sizeof directory.path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    hook_exit();
    struct cleanup_guard guard;
    cleanup_enter(&guard);
    bool made = mkdtemp(directory.path) != NULL;
    if (made) atomic_store(&directory.state, LIVE);
    cleanup_leave(&guard);
    return made ? directory.path : NULL;
}

void cleanup_enter(struct cleanup_guard *g) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &both, &g->before);
}

void cleanup_leave(const struct cleanup_guard *g) { pthread_sigmask(SIG_SETMASK, &g->before, NULL); }

void cleanup_child(pid_t group) { atomic_store(&child, group); }

/* ---- removal ---- */

static void remove_tree(int parent, const char *name, int depth);

/* Removes all entries of an open directory.  struct linux_dirent64: u64 ino, u64 off, u16 size, u8 type, name. */
static void remove_entries(int fd, int depth) {
    _Alignas(8) char list[2048];
    for (;;) {
        long n = syscall(SYS_getdents64, fd, list, sizeof list);
        if (n <= 0) return;
        for (long at = 0; at < n;) {
            const char *name = list + at + 19;
            at += load_u16le(list + at + 16);
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) remove_tree(fd, name, depth + 1);
        }
    }
}

static void remove_tree(int parent, const char *name, int depth) {
    if (unlinkat(parent, name, 0) == 0 || depth > DEEPEST) return;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        remove_entries(fd, depth);
        close(fd);
        unlinkat(parent, name, AT_REMOVEDIR);
    }
}

void cleanup_all(void) {
    for (int i = 0; i < MAX_TEMPORARIES; i++) {
        int expected = LIVE;
        if (atomic_compare_exchange_strong(&temporaries[i].state, &expected, FILLING)) unlink(temporaries[i].path);
    }
    int expected = LIVE;
    if (atomic_compare_exchange_strong(&directory.state, &expected, FILLING)) remove_tree(AT_FDCWD, directory.path, 0);
}

/* ---- signals ---- */

static void stop(int code) {
    pid_t group = atomic_load(&child);
    if (group > 0) {
        kill(-group, SIGKILL);
        waitpid(group, NULL, 0);
    }
    cleanup_all();
    _exit(code);
}

static void on_signal(int sig) { stop(sig == SIGINT ? EXIT_INT : EXIT_TERM); }

/* A page of a mapped file that is not there any more: somebody cut the file short. */
static void on_bus_error(int sig, siginfo_t *info, void *context) {
    static const char message[] = "setun: error: an input became shorter while it was read\n";
    (void)context;
    if (info->si_code != BUS_ADRERR) {
        signal(sig, SIG_DFL); /* a bug: the instruction runs again and ends us */
        return;
    }
    ssize_t told = write(STDERR_FILENO, message, sizeof message - 1);
    (void)told;
    stop(EXIT_IO);
}

void file_signals(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/", O_PATH); /* takes the lowest free number */
    struct sigaction act = {.sa_handler = on_signal}, bus = {.sa_flags = SA_SIGINFO, .sa_sigaction = on_bus_error};
    sigemptyset(&act.sa_mask);
    sigaddset(&act.sa_mask, SIGINT);
    sigaddset(&act.sa_mask, SIGTERM);
    bus.sa_mask = act.sa_mask;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGBUS, &bus, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* ---- faults for tests ---- */

bool cleanup_fail_now(void) {
    unsigned long count = 1 + atomic_fetch_add(&writes, 1);
    const char *s = getenv("SETUN_FAIL_WRITE");
    if (!s) return false;
    char *end;
    unsigned long which = strtoul(s, &end, 10);
    bool space = strcmp(end, ",ENOSPC") == 0;
    if (end == s || (!space && strcmp(end, ",EIO") != 0))
        BUG("SETUN_FAIL_WRITE is '%s', not a number and ',ENOSPC' or ',EIO'", s);
    if (count != which) return false;
    errno = space ? ENOSPC : EIO;
    return true;
}
