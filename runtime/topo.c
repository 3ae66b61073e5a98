/* topo.c -- how many threads are worth having: cores in the affinity mask, within the CPU quota. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/cpu.h"

/* A short file of /sys, or "" if there is none. */
static void read_small(const char *path, char *text, size_t size) {
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
}

/* cpu.max of the control group: "200000 100000" is two CPUs, "max 100000" no limit. */
static uint32_t quota(void) {
    char text[64];
    read_small("/sys/fs/cgroup/cpu.max", text, sizeof text);
    unsigned long long run = 0, period = 0;
    if (sscanf(text, "%llu %llu", &run, &period) != 2 || period == 0) return UINT32_MAX;
    unsigned long long whole = (run + period - 1) / period;
    return whole > 0 && whole < UINT32_MAX ? (uint32_t)whole : UINT32_MAX;
}

static uint32_t at_most(uint32_t n, uint32_t most) { return n < most ? n : most; }

uint32_t setun_cpus(void) {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
    return at_most((uint32_t)CPU_COUNT(&mask), quota());
}

/* A core counts at its first sibling in the mask. */
uint32_t setun_cores(void) {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
    uint32_t cores = 0;
    for (unsigned long cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mask)) continue;
        char path[96], text[256];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%lu/topology/thread_siblings_list", cpu);
        read_small(path, text, sizeof text);
        unsigned long first = cpu; /* lists look like "0,64" or "0-1" */
        for (const char *p = text; *p >= '0' && *p <= '9';) {
            char *end;
            unsigned long lo = strtoul(p, &end, 10), hi = *end == '-' ? strtoul(end + 1, &end, 10) : lo;
            for (unsigned long c = lo; c <= hi && c < first; c++) {
                if (CPU_ISSET(c, &mask)) first = c;
            }
            p = *end == ',' ? end + 1 : end;
        }
        if (first == cpu) cores++;
    }
    return at_most(cores > 0 ? cores : 1, quota());
}

uint32_t setun_default_threads(uint64_t ternary_bytes) {
    uint64_t worth = ternary_bytes >> 20;
    uint32_t cores = setun_cores();
    return worth == 0 ? 1 : worth < cores ? (uint32_t)worth : cores;
}
