/*
 * team.c -- threads and barrier (team.h).
 *
 * The barrier counts arrivals; the last one resets the count and moves the phase on, which frees the others.
 * They watch the phase for about as long as a kernel takes, then sleep in a futex.
 *
 * Two things are asked of the kernel's scheduler, and nothing depends on its doing them.  Where the team has a thread
 * for each core, threads but the caller's stay on a core each: two that wake each other all the time are soon found on
 * one core, while something else has the other.  And a short slice: beside busy threads, one that wakes up then runs
 * at once instead of when the other's slice is over, so that the team runs at the same time or not at all.
 */
#include "runtime/team.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cgroup.h"
#include "runtime/cpu.h"
#include "runtime/rt.h"

/* ---- waiting ---- */

/* A meeting that others are late for ends within this time, or not before a sleeper or a preempted thread is back. */
static const double SPIN_SECONDS = 40e-6;

/* A pause takes 10 to 140 cycles, and whatever a hypervisor makes of it. */
static uint32_t spin_rounds(void) {
    enum { ROUNDS = 100, TRIES = 4 };
    double least = SPIN_SECONDS;
    for (int i = 0; i < TRIES; i++) {
        double begin = setun_now();
        for (int k = 0; k < ROUNDS; k++) setun_cpu_pause();
        double took = setun_now() - begin;
        if (took < least) least = took;
    }
    return least > 0 ? (uint32_t)(SPIN_SECONDS / least * ROUNDS) : ROUNDS;
}

static void futex(atomic_uint *at, int op, unsigned value) { syscall(SYS_futex, at, op, value, NULL, NULL, 0); }

static void wait_for(struct setun_team *t, unsigned phase) {
    for (uint32_t i = 0; i < t->spin; i++) {
        if (atomic_load_explicit(&t->phase, memory_order_acquire) != phase) return;
        setun_cpu_pause();
    }
    /* Whoever moves the phase looks at sleepers afterwards, and the kernel looks at the phase before it sleeps:
     * one of the two sees the other. */
    atomic_fetch_add(&t->sleepers, 1);
    while (atomic_load(&t->phase) == phase) futex(&t->phase, FUTEX_WAIT_PRIVATE, phase);
    atomic_fetch_sub(&t->sleepers, 1);
}

static void meet(struct setun_team *t) {
    uint32_t n = t->n; /* before arriving: afterwards, setun_team_close may change it */
    if (n == 1) return;
    unsigned phase = atomic_load_explicit(&t->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) + 1 < n) {
        wait_for(t, phase);
        return;
    }
    atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
    atomic_store(&t->phase, phase + 1);
    if (atomic_load(&t->sleepers) > 0) futex(&t->phase, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void setun_team_barrier(struct setun_step *step, uint32_t tid) {
    (void)tid;
    meet((struct setun_team *)step);
}

struct start {
    struct setun_team *team;
    uint32_t tid;
    cpu_set_t core; /* where to stay; empty: anywhere */
};

/* ---- what is asked of the scheduler ---- */

/* struct sched_attr of sched_setattr(2). */
struct sched_wish {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; /* nanoseconds; runtime is the slice of ordinary threads since Linux 6.12 */
};

static void ask_for_short_slice(void) {
    struct sched_wish w = {.size = sizeof w};
    if (syscall(SYS_sched_getattr, 0, &w, sizeof w, 0) != 0 || w.policy != SCHED_OTHER) return;
    w.runtime = 100000; /* the least there is */
    w.size = sizeof w;
    int before = errno;
    (void)syscall(SYS_sched_setattr, 0, &w, 0);
    errno = before;
}

static void *work(void *p) {
    struct start s = *(struct start *)p;
    free(p);
    setun_cpu_float_default();
    if (CPU_COUNT(&s.core) > 0) (void)sched_setaffinity(0, sizeof s.core, &s.core);
    ask_for_short_slice();
    for (;;) {
        meet(s.team);
        if (s.team->over) return NULL;
        s.team->fn(s.team->arg, s.tid);
        meet(s.team);
    }
}

/* A thread for each core: thread tid gets the tid-th behind the one that the caller is on. */
static void choose_core(const struct setun_team *t, const struct setun_topo *topo, struct start *s) {
    int here = sched_getcpu();
    if (t->n != topo->cores || t->n > topo->quota || here < 0 || here >= CPU_SETSIZE) return;
    uint32_t first = topo->core[here] == SETUN_NO_CORE ? 0 : topo->core[here];
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (topo->core[cpu] == (first + s->tid) % t->n) CPU_SET(cpu, &s->core);
}

static int start_thread(struct setun_team *t, const struct setun_topo *topo, uint32_t tid,
                        const struct setun_host *host) {
    struct start *s = calloc(1, sizeof *s);
    if (!s) return setun_fail_to(host, EXIT_MEMORY, "out of memory");
    *s = (struct start){.team = t, .tid = tid};
    choose_core(t, topo, s);
    int e = pthread_create(&t->thread[tid], NULL, work, s);
    if (e == 0) return EXIT_OK;
    free(s);
    return setun_fail_to(host, EXIT_MEMORY, "thread %u of %u cannot be started: %s", tid + 1, t->n, strerror(e));
}

int setun_team_open(struct setun_team **team, uint32_t n, const struct setun_host *host) {
    size_t size = (sizeof(struct setun_team) + 63) & ~(size_t)63;
    struct setun_team *t = *team = aligned_alloc(64, size);
    if (!t) return setun_fail_to(host, EXIT_MEMORY, "out of memory");
    memset(t, 0, size);
    t->n = n;
    t->thread = calloc(n, sizeof *t->thread);
    if (!t->thread) return setun_fail_to(host, EXIT_MEMORY, "out of memory");
    setun_cpu_float_default();
    struct setun_topo topo;
    setun_topo_read(&topo, "", NULL);
    t->spin = n > 1 && n <= topo.cpus && n <= topo.quota ? spin_rounds() : 0;
    if (n > 1 && !host) ask_for_short_slice();
    sigset_t all, before;
    /* Signals go to the caller: its read of a prompt is what they have to interrupt. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = EXIT_OK;
    for (t->started = 1; t->started < n && code == EXIT_OK; t->started += code == EXIT_OK) {
        code = start_thread(t, &topo, t->started, host);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

void setun_team_close(struct setun_team *t) {
    if (!t) return;
    if (t->started < t->n) { /* one could not be started: those that were are on their way to their first meeting */
        while (t->started > 1 && atomic_load(&t->arrived) + 1 < t->started) sched_yield();
        t->n = t->started;
    }
    t->over = true;
    meet(t);
    for (uint32_t i = 1; i < t->n; i++) pthread_join(t->thread[i], NULL);
    free(t->thread);
    free(t);
}

void setun_team_run(struct setun_team *t, setun_team_fn *fn, void *arg) {
    t->fn = fn;
    t->arg = arg;
    meet(t);
    fn(arg, 0);
    meet(t);
}
