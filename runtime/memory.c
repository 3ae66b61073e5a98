/* memory.c -- how much memory may be taken: what the kernel calls available, within the control groups' limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cgroup.h"
#include "runtime/engine.h"

/* The number behind `key` in a small file; UINT64_MAX if there is none. */
static uint64_t number_in(const char *path, const char *key) {
    char text[4096];
    setun_small_file(path, text, sizeof text);
    const char *at = strstr(text, key);
    if (!at) return UINT64_MAX;
    at += strlen(key);
    while (*at == ' ' || *at == ':') at++;
    return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : UINT64_MAX;
}

/* Limit less what cannot be reclaimed, in this group; a page cache that fills the limit does not count. */
static void least_left(void *arg, const char *folder, bool v2) {
    uint64_t *left = arg;
    char path[1100];
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "memory.max" : "memory.limit_in_bytes");
    uint64_t limit = number_in(path, ""); /* "max": no limit */
    if (limit == UINT64_MAX) return;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    uint64_t used = number_in(path, v2 ? "anon" : "total_rss");
    uint64_t here = used == UINT64_MAX ? limit : used < limit ? limit - used : 0;
    if (here < *left) *left = here;
}

uint64_t setun_cgroup_memory(const char *root) {
    uint64_t left = UINT64_MAX;
    setun_cgroup_each(root, "memory", least_left, &left);
    return left;
}

uint64_t setun_memory_available(void) {
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable"), bytes;
    bytes = kib < UINT64_MAX / 1024 ? kib * 1024 : UINT64_MAX;
    uint64_t left = setun_cgroup_memory("");
    return left < bytes ? left : bytes;
}
