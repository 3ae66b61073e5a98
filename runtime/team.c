/*
 * team.c -- threads and barrier (team.h).
 *
 * The barrier counts arrivals; the last one resets the count and moves the phase on, which frees the others.
 * They watch the phase for a while, since kernels take microseconds, then sleep in a futex.
 */
#include "runtime/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cpu.h"
#include "runtime/rt.h"

/* About 100 microseconds where a pause takes 140 cycles, a few where it takes ten. */
enum { SPIN = 2000 };

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
    if (t->n == 1) return;
    unsigned phase = atomic_load_explicit(&t->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) + 1 < t->n) {
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
};

static void *work(void *p) {
    struct start s = *(struct start *)p;
    free(p);
    setun_cpu_float_default();
    for (;;) {
        meet(s.team);
        if (s.team->over) return NULL;
        s.team->fn(s.team->arg, s.tid);
        meet(s.team);
    }
}

static int start_thread(struct setun_team *t, uint32_t tid) {
    struct start *s = malloc(sizeof *s);
    if (!s) return setun_fail(EXIT_MEMORY, "out of memory");
    *s = (struct start){.team = t, .tid = tid};
    int e = pthread_create(&t->thread[tid], NULL, work, s);
    if (e == 0) return EXIT_OK;
    free(s);
    return setun_fail(EXIT_MEMORY, "thread %u of %u cannot be started: %s", tid + 1, t->n, strerror(e));
}

int setun_team_open(struct setun_team **team, uint32_t n) {
    size_t size = (sizeof(struct setun_team) + 63) & ~(size_t)63;
    struct setun_team *t = *team = aligned_alloc(64, size);
    if (!t) return setun_fail(EXIT_MEMORY, "out of memory");
    memset(t, 0, size);
    t->n = n;
    t->spin = n <= setun_cpus() ? SPIN : 0;
    t->thread = calloc(n, sizeof *t->thread);
    if (!t->thread) return setun_fail(EXIT_MEMORY, "out of memory");
    setun_cpu_float_default();
    sigset_t all, before;
    /* Signals go to the caller: its read of a prompt is what they have to interrupt. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = EXIT_OK;
    for (t->started = 1; t->started < n && code == EXIT_OK; t->started += code == EXIT_OK) {
        code = start_thread(t, t->started);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

void setun_team_close(struct setun_team *t) {
    if (!t || t->started < t->n) return; /* a thread could not be started: the process is about to end */
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
