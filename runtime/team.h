/*
 * team.h -- persistent threads that run one function together, and their barrier.
 *
 * The caller is thread 0.  Transparent, because struct setun_step lies in front: that is how the barrier that
 * generated code calls finds its team.
 */
#ifndef SETUN_RUNTIME_TEAM_H
#define SETUN_RUNTIME_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/abi.h"
#include "runtime/rt.h"

typedef void setun_team_fn(void *arg, uint32_t tid);

struct setun_team {
    struct setun_step step; /* must be first */
    uint32_t n;
    uint32_t spin; /* rounds of waiting before sleeping */
    setun_team_fn *fn;
    void *arg;
    void *owner;
    bool over;
    uint32_t started;
    pthread_t *thread;
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint phase; /* counts barriers */
    atomic_uint sleepers;
};

/* n threads, the caller among them; host: rt.h.  Returns an exit code; close in any case. */
int setun_team_open(struct setun_team **team, uint32_t n, const struct setun_host *host);
void setun_team_close(struct setun_team *team); /* also NULL */
/* Every thread calls fn(arg, tid); returns when all have. */
void setun_team_run(struct setun_team *team, setun_team_fn *fn, void *arg);
/* setun_step.barrier: all threads of the step's team meet. */
void setun_team_barrier(struct setun_step *step, uint32_t tid);

#endif
