/*
 * schedule.h -- what cores are chosen by: what each costs at the level that speed is promised for, and what somebody
 * asked for.  Backends fill it in, passes read it; no result depends on it.
 */
#ifndef SETUN_IR_SCHEDULE_H
#define SETUN_IR_SCHEDULE_H

#include "ir/kernel.h"

struct schedule {
    const char *level; /* whose rates they are */
    double
        rate[IR_N_CORES]; /* weights a nanosecond that one CPU core gets through, from its cache; 0: not to be chosen */
    enum ir_core only;    /* asked for, for every weight that it can hold; IR_N_CORES: by rule */
};

/* How a weight's core came to be. */
struct core_choice {
    enum ir_core core;
    double memory, arithmetic; /* picoseconds a weight */
    double density;            /* of the codes that it meets; 1: no zeros are known */
    const char *why;
};

/* Of a ternary weight of the module. */
struct core_choice schedule_choose(const struct schedule *s, const struct ir_module *m, const struct ir_weight *w);
/* A line for each ternary weight: shape, layers, core, bytes a token, why. */
void schedule_print(struct buf *out, struct arena *a, const struct schedule *s, const struct ir_module *m);

#endif
