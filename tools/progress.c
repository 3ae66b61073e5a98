/* progress.c -- see progress.h. */
#include "tools/progress.h"

#include <stdio.h>
#include <unistd.h>

static const double line_every = 5; /* seconds */

static double since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

void progress_start(struct progress *p, const char *what, bool quiet) {
    *p = (struct progress){.what = what, .quiet = quiet, .terminal = isatty(2), .percent = -1};
    clock_gettime(CLOCK_MONOTONIC, &p->start);
}

static void bar(struct progress *p, int percent, double seconds, uint64_t done, uint64_t all) {
    double rate = seconds > 0 ? (double)done / seconds : 0, left = rate > 0 ? (double)(all - done) / rate : 0;
    p->percent = percent;
    fprintf(stderr, "\r%s %3d %%  %6.0f MB/s  %3.0f s left ", p->what, percent, rate / 1e6, left);
    if (done == all) fprintf(stderr, "\r%*s\r", 60, "");
}

void progress_show(void *self, uint64_t done, uint64_t all) {
    struct progress *p = self;
    int percent = all ? (int)((double)done / (double)all * 100) : 100;
    if (p->quiet || (p->terminal && percent == p->percent)) return;
    double seconds = since(&p->start);
    if (p->terminal) {
        bar(p, percent, seconds, done, all);
    } else if (seconds - p->told >= line_every && done < all) {
        p->told = seconds;
        fprintf(stderr, "%s: %d %% of %.1f GB\n", p->what, percent, (double)all / 1e9);
    }
}
