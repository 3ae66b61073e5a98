/* links: setun_rt_main */
/*
 * rt_topo_test -- cores, quotas and memory limits, read from small trees of files as the kernel shows them: siblings,
 * cores of several kinds, control groups of both versions, nested, and from inside a container.
 */
#include "test/unit/expect.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "runtime/cgroup.h"

struct tree {
    struct arena *a;
    struct diag *d;
    const char *root;
};

/* A file below the root, and the folders above it. */
static void put(const struct tree *t, const char *path, const char *fmt, ...) {
    char whole[512], text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(whole, sizeof whole, "%s/%s", t->root, path);
    for (char *p = whole + strlen(t->root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(whole, 0777);
        *p = '/';
    }
    FILE *f = fopen(whole, "w");
    if (!EXPECT(f != NULL)) exit(1);
    fputs(text, f);
    fclose(f);
}

static struct tree plant(void) {
    static int number;
    struct tree t = {.a = arena_new()};
    t.d = diag_new(t.a, stderr);
    const char *dir = tmp_dir(t.d);
    if (!dir) exit(1);
    t.root = arena_printf(t.a, "%s/%d", dir, number++);
    if (!EXPECT(mkdir(t.root, 0777) == 0)) exit(1);
    return t;
}

static cpu_set_t mask_of(uint32_t from, uint32_t to) {
    cpu_set_t m;
    CPU_ZERO(&m);
    for (uint32_t c = from; c <= to; c++) CPU_SET(c, &m);
    return m;
}

static struct setun_topo topo(const struct tree *t, cpu_set_t mask) {
    struct setun_topo r;
    setun_topo_read(&r, t->root, &mask);
    return r;
}

/* Eight CPUs, two a core, numbered as `far` says: 0 and 4, or 0 and 1. */
static void siblings(const struct tree *t, bool far) {
    for (int c = 0; c < 8; c++) {
        char path[128];
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", c);
        if (far)
            put(t, path, "%d,%d\n", c % 4, c % 4 + 4);
        else
            put(t, path, "%d-%d\n", c / 2 * 2, c / 2 * 2 + 1);
    }
}

static void test_cores(void) {
    struct tree t = plant();
    struct setun_topo r = topo(&t, mask_of(0, 2)); /* nothing is known: a core each */
    EXPECT(r.cpus == 3 && r.cores == 3 && r.quota == UINT32_MAX);
    siblings(&t, true);
    r = topo(&t, mask_of(0, 7));
    EXPECT(r.cpus == 8 && r.cores == 4 && r.core[1] == 1 && r.core[5] == 1 && r.core[8] == SETUN_NO_CORE);
    r = topo(&t, mask_of(3, 5)); /* 0 and 1 are out: 4 and 5 stand for themselves */
    EXPECT(r.cpus == 3 && r.cores == 3 && r.core[3] == 0 && r.core[5] == 2 && r.core[0] == SETUN_NO_CORE);
    siblings(&t, false);
    r = topo(&t, mask_of(0, 7));
    EXPECT(r.cores == 4 && r.core[1] == 0 && r.core[2] == 1 && r.core[7] == 3);
    arena_free(t.a);
}

static void test_slow_cores(void) {
    struct tree t = plant();
    siblings(&t, false);
    put(&t, "sys/devices/cpu_core/cpus", "0-3\n");
    put(&t, "sys/devices/cpu_atom/cpus", "4-7\n");
    struct setun_topo r = topo(&t, mask_of(0, 7));
    EXPECT(r.cpus == 8 && r.cores == 2 && r.core[4] == SETUN_NO_CORE);
    r = topo(&t, mask_of(4, 7)); /* there are no others */
    EXPECT(r.cpus == 4 && r.cores == 2 && r.core[4] == 0 && r.core[6] == 1);
    arena_free(t.a);
}

static void capacities(const struct tree *t, int from, int to, int capacity) {
    for (int c = from; c <= to; c++) {
        char path[128];
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpu_capacity", c);
        put(t, path, "%d\n", capacity);
    }
}

/* aarch64: no siblings, and what each CPU is worth. */
static void test_capacities(void) {
    struct tree t = plant();
    capacities(&t, 0, 3, 1024);
    struct setun_topo r = topo(&t, mask_of(0, 3)); /* all alike */
    EXPECT(r.cpus == 4 && r.cores == 4);
    r = topo(&t, mask_of(0, 4)); /* of the last nothing is known */
    EXPECT(r.cpus == 5 && r.cores == 5);
    capacities(&t, 0, 3, 446); /* four small ones and four large */
    capacities(&t, 4, 7, 1024);
    r = topo(&t, mask_of(0, 7));
    EXPECT(r.cpus == 8 && r.cores == 4 && r.core[0] == SETUN_NO_CORE && r.core[4] == 0 && r.core[7] == 3);
    r = topo(&t, mask_of(0, 4)); /* one of them beside the small ones: five at their pace are worth more */
    EXPECT(r.cpus == 5 && r.cores == 5);
    r = topo(&t, mask_of(0, 1));
    EXPECT(r.cpus == 2 && r.cores == 2);
    capacities(&t, 0, 3, 300); /* three kinds: four of the larger ones, and not the largest alone */
    capacities(&t, 4, 6, 870);
    r = topo(&t, mask_of(0, 7));
    EXPECT(r.cores == 4 && r.core[3] == SETUN_NO_CORE && r.core[4] == 0);
    capacities(&t, 0, 7, 512); /* equal worth of all and of half: fewer threads */
    capacities(&t, 4, 7, 1024);
    EXPECT(topo(&t, mask_of(0, 7)).cores == 4);
    arena_free(t.a);
}

static void test_quota(void) {
    struct tree t = plant();
    cpu_set_t mask = mask_of(0, 7);
    put(&t, "proc/self/cgroup", "0::/a/b\n");
    put(&t, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    EXPECT(topo(&t, mask).quota == UINT32_MAX);
    put(&t, "sys/fs/cgroup/a/cpu.max", "250000 100000\n"); /* the group above */
    EXPECT(topo(&t, mask).quota == 3);
    put(&t, "sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    EXPECT(topo(&t, mask).quota == 1);
    put(&t, "proc/self/cgroup", "0::/../x\n"); /* a container sees its own group as the root */
    put(&t, "sys/fs/cgroup/cpu.max", "600000 100000\n");
    EXPECT(topo(&t, mask).quota == 6);
    put(&t, "proc/self/cgroup", "0::/\n");
    EXPECT(topo(&t, mask).quota == 6);
    arena_free(t.a);
    t = plant(); /* version 1 */
    put(&t, "proc/self/cgroup", "12:cpuset:/z\n4:cpu,cpuacct:/a/b\n3:memory:/m\n0::/u\n");
    put(&t, "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put(&t, "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    EXPECT(topo(&t, mask).quota == UINT32_MAX);
    put(&t, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "200000\n");
    put(&t, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
    EXPECT(topo(&t, mask).quota == 4);
    put(&t, "sys/fs/cgroup/unified/u/cpu.max", "100000 100000\n"); /* both */
    EXPECT(topo(&t, mask).quota == 1);
    arena_free(t.a);
}

static void test_memory(void) {
    struct tree t = plant();
    put(&t, "proc/self/cgroup", "0::/a/b\n");
    EXPECT(setun_cgroup_memory(t.root) == UINT64_MAX);
    put(&t, "sys/fs/cgroup/a/b/memory.max", "max\n");
    put(&t, "sys/fs/cgroup/a/memory.max", "1000000\n");
    EXPECT(setun_cgroup_memory(t.root) == 1000000);
    put(&t, "sys/fs/cgroup/a/memory.stat", "anon 400000\nfile 590000\n");
    EXPECT(setun_cgroup_memory(t.root) == 600000);
    put(&t, "sys/fs/cgroup/a/b/memory.max", "300000\n");
    put(&t, "sys/fs/cgroup/a/b/memory.stat", "anon 400000\nfile 0\n");
    EXPECT(setun_cgroup_memory(t.root) == 0);
    put(&t, "proc/self/cgroup", "9:memory:/q/r\n");
    put(&t, "sys/fs/cgroup/memory/q/memory.limit_in_bytes", "5000\n");
    put(&t, "sys/fs/cgroup/memory/q/memory.stat", "cache 10\nrss 7\ntotal_rss 1000\n");
    EXPECT(setun_cgroup_memory(t.root) == 4000);
    arena_free(t.a);
}

int main(void) {
    test_cores();
    test_slow_cores();
    test_capacities();
    test_quota();
    test_memory();
    return expect_end();
}
