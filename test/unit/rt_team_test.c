/* links: setun_rt_main */
/*
 * rt_team_test -- nobody leaves a barrier before all have come: also with more threads than CPUs, when some come late,
 * asleep or behind busy threads, and when two teams take turns.  And where threads may run,
 * and what becomes of those that started before one that could not.
 */
#include "test/unit/expect.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/cpu.h"
#include "runtime/rt.h"
#include "runtime/team.h"

enum { MEETINGS = 300, RUNS = 20, LATE_MEETINGS = 60 };

struct shared {
    _Alignas(64) uint32_t mine[64][16]; /* a line a thread: plain stores, so that a thread checker sees races */
    struct setun_team *team;
    atomic_uint wrong;
    cpu_set_t mask[64]; /* where each thread may run */
};

static void walk(void *arg, uint32_t tid) {
    struct shared *s = arg;
    for (uint32_t i = 1; i <= MEETINGS; i++) {
        s->mine[tid][0] = i;
        s->team->step.barrier(&s->team->step, tid);
        for (uint32_t t = 0; t < s->team->n; t++) {
            if (s->mine[t][0] != i) atomic_fetch_add(&s->wrong, 1);
        }
        s->team->step.barrier(&s->team->step, tid);
    }
}

static void with_threads(uint32_t n) {
    static struct shared s;
    s = (struct shared){0};
    if (!EXPECT(setun_team_open(&s.team, n, NULL) == EXIT_OK)) return;
    s.team->step.barrier = setun_team_barrier;
    for (int i = 0; i < RUNS; i++) setun_team_run(s.team, walk, &s);
    EXPECT(s.wrong == 0);
    setun_team_close(s.team);
}

/* Some thread sleeps in front of most meetings: nothing, less than others spin, more. */
static void walk_late(void *arg, uint32_t tid) {
    struct shared *s = arg;
    static const long nap[] = {0, 5000, 30000, 60000, 500000};
    for (uint32_t i = 1; i <= LATE_MEETINGS; i++) {
        if ((i * 7 + tid) % s->team->n == 0) {
            struct timespec t = {.tv_nsec = nap[i % 5]};
            nanosleep(&t, NULL);
        }
        s->mine[tid][0] = i;
        s->team->step.barrier(&s->team->step, tid);
        for (uint32_t t = 0; t < s->team->n; t++) {
            if (s->mine[t][0] != i) atomic_fetch_add(&s->wrong, 1);
        }
        s->team->step.barrier(&s->team->step, tid);
    }
}

static struct shared *open_team(uint32_t n) {
    struct shared *s = aligned_alloc(64, (sizeof *s + 63) / 64 * 64);
    if (!s) exit(1);
    memset(s, 0, sizeof *s);
    if (!EXPECT(setun_team_open(&s->team, n, NULL) == EXIT_OK)) exit(1);
    s->team->step.barrier = setun_team_barrier;
    return s;
}

static void close_team(struct shared *s) {
    EXPECT(s->wrong == 0);
    setun_team_close(s->team);
    free(s);
}

static atomic_bool over;

static void *burn(void *arg) {
    atomic_uint *count = arg;
    while (!atomic_load_explicit(&over, memory_order_relaxed)) atomic_fetch_add(count, 1);
    return NULL;
}

/* As many busy threads as CPUs, or none. */
static void late(uint32_t n, bool crowded) {
    pthread_t busy[8];
    atomic_uint count = 0;
    uint32_t n_busy = crowded ? setun_cpus() < 8 ? setun_cpus() : 8 : 0;
    atomic_store(&over, false);
    for (uint32_t i = 0; i < n_busy; i++) pthread_create(&busy[i], NULL, burn, &count);
    struct shared *s = open_team(n);
    for (int i = 0; i < (crowded ? 1 : 3); i++) setun_team_run(s->team, walk_late, s);
    close_team(s);
    atomic_store(&over, true);
    for (uint32_t i = 0; i < n_busy; i++) pthread_join(busy[i], NULL);
}

static void two_teams(void) {
    struct shared *a = open_team(2), *b = open_team(3);
    for (int i = 0; i < RUNS; i++) {
        setun_team_run(a->team, walk, a);
        setun_team_run(b->team, walk, b);
    }
    close_team(a);
    close_team(b);
}

/* Threads that could be started end, and a library's host hears what happened. */
static void test_too_many(void) {
#if !defined(__SANITIZE_ADDRESS__)
    char text[128] = "";
    struct setun_host host = {.message = text, .n = sizeof text};
    struct rlimit before, few;
    struct setun_team *team = NULL;
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!EXPECT(f && fscanf(f, "%lu", &pages) == 1) || !EXPECT(getrlimit(RLIMIT_AS, &before) == 0)) exit(1);
    fclose(f);
    few = before;
    few.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)60 << 20); /* of stacks of 8 MiB */
    setrlimit(RLIMIT_AS, &few);
    void *more = mmap(NULL, (size_t)1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more != MAP_FAILED) { /* emulators take the limit and do not keep to it */
        munmap(more, (size_t)1 << 30);
        setrlimit(RLIMIT_AS, &before);
        printf("SKIP: threads that cannot be started: limits of memory do not hold here\n");
        return;
    }
    EXPECT(setun_team_open(&team, 64, &host) == EXIT_MEMORY);
    setrlimit(RLIMIT_AS, &before);
    EXPECT(team && team->started > 1 && team->started < 64);
    EXPECT(strstr(text, " of 64 cannot be started: ") != NULL);
    setun_team_close(team);
#endif
}

static void look(void *arg, uint32_t tid) {
    struct shared *s = arg;
    sched_getaffinity(0, sizeof s->mask[tid], &s->mask[tid]);
}

/* A thread for each core: all but the caller's stay on one, no two on the same.  Fewer: they go where they like. */
static void test_places(void) {
    struct setun_topo topo;
    setun_topo_read(&topo, "", NULL);
    if (topo.cores < 2 || topo.cores > 64 || topo.cores > topo.quota) {
        printf("SKIP: where threads stay: one core, or more than 64, or a quota\n");
        return;
    }
    cpu_set_t before, after, all, both;
    sched_getaffinity(0, sizeof before, &before);
    struct shared *s = open_team(topo.cores);
    setun_team_run(s->team, look, s);
    EXPECT(CPU_EQUAL(&s->mask[0], &before));
    CPU_ZERO(&all);
    for (uint32_t t = 1; t < topo.cores; t++) {
        uint32_t core = SETUN_NO_CORE;
        for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &s->mask[t])) continue;
            EXPECT(core == SETUN_NO_CORE || core == topo.core[cpu]);
            core = topo.core[cpu];
        }
        CPU_AND(&both, &all, &s->mask[t]);
        EXPECT(core != SETUN_NO_CORE && CPU_COUNT(&both) == 0);
        CPU_OR(&all, &all, &s->mask[t]);
    }
    close_team(s);
    sched_getaffinity(0, sizeof after, &after);
    EXPECT(CPU_EQUAL(&before, &after));
    s = open_team(topo.cores + 1);
    setun_team_run(s->team, look, s);
    for (uint32_t t = 0; t <= topo.cores; t++) EXPECT(CPU_EQUAL(&s->mask[t], &before));
    close_team(s);
}

int main(void) {
    for (uint32_t n = 1; n <= 4; n++) with_threads(n);
    with_threads(9);
    for (uint32_t n = 2; n <= 4; n++) late(n, false);
    late(9, false);
    late(2, true);
    late(3, true);
    two_teams();
    test_too_many();
    test_places();
    return expect_end();
}
