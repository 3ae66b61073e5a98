/* clock.c -- the clock (rt.h). */
#include <time.h>

#include "runtime/rt.h"

double setun_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
