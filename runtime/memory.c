/* memory.c -- how much memory may be taken: what the kernel calls available, within the control group's limit. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/engine.h"

/* The number behind `key` in a small file; UINT64_MAX if there is none. */
static uint64_t number_in(const char *path, const char *key) {
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return UINT64_MAX;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strstr(text, key);
    if (!at) return UINT64_MAX;
    at += strlen(key);
    while (*at == ' ' || *at == ':') at++;
    return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : UINT64_MAX;
}

uint64_t setun_memory_available(void) {
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable"), bytes;
    bytes = kib < UINT64_MAX / 1024 ? kib * 1024 : UINT64_MAX;
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max", ""); /* "max": no limit */
    uint64_t used = number_in("/sys/fs/cgroup/memory.stat", "anon");
    if (limit == UINT64_MAX) return bytes;
    uint64_t left = used < limit ? limit - used : (used == UINT64_MAX ? limit : 0);
    return left < bytes ? left : bytes;
}
