/*
 * topo.c -- how many threads are worth having: cores in the affinity mask, within the CPU quota.
 *
 * A core counts once, whatever number of threads it runs, and where a machine has cores of several kinds the slow ones
 * do not: the threads of a kernel do equal shares of it, so the slowest would set the pace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cgroup.h"
#include "runtime/cpu.h"

/* ---- quota ---- */

static uint32_t whole_cpus(unsigned long long run, unsigned long long period) {
    unsigned long long whole = period ? run / period + (run % period > 0) : UINT32_MAX;
    return whole == 0 ? 1 : whole < UINT32_MAX ? (uint32_t)whole : UINT32_MAX;
}

/* "200000 100000" in cpu.max is two CPUs, "max 100000" no limit; version 1 has two files, and -1 for no limit. */
static void least_quota(void *arg, const char *folder, bool v2) {
    uint32_t *least = arg;
    char path[1100], text[64];
    unsigned long long run = 0, period = 0;
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    setun_small_file(path, text, sizeof text);
    if (v2) {
        if (sscanf(text, "%llu %llu", &run, &period) != 2) return;
    } else {
        if (text[0] < '0' || text[0] > '9') return;
        run = strtoull(text, NULL, 10);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        setun_small_file(path, text, sizeof text);
        period = strtoull(text, NULL, 10);
    }
    uint32_t whole = whole_cpus(run, period);
    if (whole < *least) *least = whole;
}

/* ---- cores ---- */

/* The next span of a list like "0,64" or "0-3,8"; false at its end. */
static bool next_span(const char **at, unsigned long *from, unsigned long *to) {
    char *end;
    if (**at < '0' || **at > '9') return false;
    *from = *to = strtoul(*at, &end, 10);
    if (*end == '-') *to = strtoul(end + 1, &end, 10);
    *at = *end == ',' ? end + 1 : end;
    return true;
}

/* The list's CPUs that are in the mask; without a file none. */
static void list_of(const char *path, const cpu_set_t *mask, cpu_set_t *out) {
    char text[4096];
    unsigned long from, to;
    CPU_ZERO(out);
    setun_small_file(path, text, sizeof text);
    for (const char *p = text; next_span(&p, &from, &to);)
        for (unsigned long c = from; c <= to && c < CPU_SETSIZE; c++)
            if (CPU_ISSET(c, mask)) CPU_SET(c, out);
}

static uint32_t first_of(const cpu_set_t *set, uint32_t otherwise) {
    for (uint32_t c = 0; c < CPU_SETSIZE; c++)
        if (CPU_ISSET(c, set)) return c;
    return otherwise;
}

/* What the kernel takes a CPU to be worth, the fastest of the machine at 1024; 0: it does not say. */
static uint32_t capacity_of(const char *root, uint32_t cpu) {
    char path[256], text[64];
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%u/cpu_capacity", root, cpu);
    setun_small_file(path, text, sizeof text);
    unsigned long long n = strtoull(text, NULL, 10);
    return n < UINT16_MAX ? (uint32_t)n : 0;
}

/* CPUs of the mask that are worth as much as this one. */
static cpu_set_t no_slower(const uint32_t *capacity, const cpu_set_t *mask, uint32_t least) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t c = 0; c < CPU_SETSIZE; c++)
        if (CPU_ISSET(c, mask) && capacity[c] >= least) CPU_SET(c, &set);
    return set;
}

/* As aarch64's kernels tell kinds of cores apart, and there may be three.  Of the sets that leave out the slower ones,
 * that with the largest product of its number and its slowest, so that a single fast core does not count alone. */
static cpu_set_t best_by_capacity(const char *root, const cpu_set_t *mask) {
    uint32_t capacity[CPU_SETSIZE] = {0}, best = 0;
    uint64_t most = 0;
    for (uint32_t c = 0; c < CPU_SETSIZE; c++) {
        if (!CPU_ISSET(c, mask)) continue;
        capacity[c] = capacity_of(root, c);
        if (capacity[c] == 0) return *mask;
    }
    for (uint32_t c = 0; c < CPU_SETSIZE; c++) {
        if (!CPU_ISSET(c, mask) || capacity[c] == best) continue;
        cpu_set_t set = no_slower(capacity, mask, capacity[c]);
        uint64_t worth = (uint64_t)CPU_COUNT(&set) * capacity[c];
        if (worth < most || (worth == most && capacity[c] < best)) continue;
        most = worth;
        best = capacity[c];
    }
    return no_slower(capacity, mask, best);
}

/* The mask without the slow cores, if it has others: those that an x86-64 kernel calls so, or by their capacity. */
static cpu_set_t fast_ones(const char *root, const cpu_set_t *mask) {
    char path[256];
    cpu_set_t slow, fast;
    snprintf(path, sizeof path, "%s/sys/devices/cpu_atom/cpus", root);
    list_of(path, mask, &slow);
    CPU_XOR(&fast, mask, &slow);
    return best_by_capacity(root, CPU_COUNT(&fast) > 0 ? &fast : mask);
}

void setun_topo_read(struct setun_topo *t, const char *root, const cpu_set_t *given) {
    cpu_set_t mask;
    memset(t, 0, sizeof *t);
    memset(t->core, 0xff, sizeof t->core);
    t->quota = UINT32_MAX;
    setun_cgroup_each(root, "cpu", least_quota, &t->quota);
    if (given)
        mask = *given;
    else if (sched_getaffinity(0, sizeof mask, &mask) != 0) {
        t->cpus = t->cores = 1;
        return;
    }
    t->cpus = (uint32_t)CPU_COUNT(&mask);
    cpu_set_t fast = fast_ones(root, &mask), siblings;
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &fast)) continue;
        char path[256];
        snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", root, cpu);
        list_of(path, &fast, &siblings);
        uint32_t first = first_of(&siblings, cpu);
        t->core[cpu] = first < cpu ? t->core[first] : (uint16_t)t->cores++;
    }
    if (t->cores == 0) t->cores = 1;
}

/* ---- what the commands ask ---- */

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

uint32_t setun_cpus(void) {
    struct setun_topo t;
    setun_topo_read(&t, "", NULL);
    return least(t.cpus, t.quota);
}

uint32_t setun_cores(void) {
    struct setun_topo t;
    setun_topo_read(&t, "", NULL);
    return least(t.cores, t.quota);
}

uint32_t setun_default_threads(uint64_t ternary_bytes) {
    uint64_t worth = ternary_bytes >> 19;
    uint32_t cores = setun_cores();
    return worth == 0 ? 1 : worth < cores ? (uint32_t)worth : cores;
}
