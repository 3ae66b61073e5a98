/*
 * team.h -- threads around one step of generated code, for tests: all at once, or taking turns between the barriers.
 *
 * Runs where the code runs, under an emulator too (jit.h), so what lies here is the same for every compiler, and
 * pointers are to memory that both see.
 */
#ifndef SETUN_TEST_TEAM_H
#define SETUN_TEST_TEAM_H

#include <stdbool.h>

#include "runtime/abi.h"

enum { TEAM_MOST = 9, TEAM_REGIONS = 2 };

/* Memory that all threads see: as it was at the barrier, and with what the turns so far have changed. */
struct team_region {
    uint8_t *at, *before, *after;
    uint64_t n;
};

struct team {
    struct setun_step step; /* first: the barrier gets its address */
    setun_step_fn *fn;
    uint32_t threads;
    bool turns; /* one after the other between barriers, in changing order */
    bool apart; /* and each with memory as it was at the barrier */
    struct team_region regions[TEAM_REGIONS];
    /* What came of it: of thread 0, and of all steps so far the bytes that two threads changed between two barriers. */
    uint32_t barriers, kernels;
    uint64_t clashes;
    struct team_turns *order; /* of whoever runs it */
};

/* step.n_threads is threads; sets step.barrier, and step.trace to count kernels if they take turns.  0. */
uint64_t team_run(struct team *t);

#endif
