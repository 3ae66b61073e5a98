/* cgroup.c -- the control groups above the process, by /proc/self/cgroup (cgroup.h). */
#include "runtime/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void setun_small_file(const char *path, char *text, size_t size) {
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
}

/* From the group's own folder up to the hierarchy's root. */
static void each_above(const char *base, const char *group, bool v2, setun_cgroup_fn *fn, void *arg) {
    char folder[1024];
    int n = snprintf(folder, sizeof folder, "%s%s", base, strcmp(group, "/") == 0 ? "" : group);
    if (n < 0 || (size_t)n >= sizeof folder) return;
    for (;;) {
        fn(arg, folder, v2);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < strlen(base)) return;
        *slash = 0;
    }
}

static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == 0)) return true;
    }
    return false;
}

/* A line: "0::/group" of version 2, "4:cpu,cpuacct:/group" of version 1. */
static void line(const char *root, char *text, const char *controller, setun_cgroup_fn *fn, void *arg) {
    char *list = strchr(text, ':'), *group = list ? strchr(list + 1, ':') : NULL, base[256];
    if (!group) return;
    *group++ = 0;
    list++;
    if (*list == 0) {
        snprintf(base, sizeof base, "%s/sys/fs/cgroup", root);
        each_above(base, group, true, fn, arg);
        snprintf(base, sizeof base, "%s/sys/fs/cgroup/unified", root); /* beside version 1 */
        each_above(base, group, true, fn, arg);
    } else if (has_word(list, controller)) {
        snprintf(base, sizeof base, "%s/sys/fs/cgroup/%s", root, list);
        each_above(base, group, false, fn, arg);
    }
}

void setun_cgroup_each(const char *root, const char *controller, setun_cgroup_fn *fn, void *arg) {
    char path[256], text[8192];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    setun_small_file(path, text, sizeof text);
    for (char *p = text; *p;) {
        char *end = strchr(p, '\n');
        if (end) *end = 0;
        line(root, p, controller, fn, arg);
        if (!end) break;
        p = end + 1;
    }
}
