/*
 * progress.h -- how far a command is that copies gigabytes: a bar on a terminal, a plain line now and then elsewhere.
 *
 *   weights  41 %  1234 MB/s    3 s left          on standard error, rewritten in place
 *   weights: 41 % of 3.2 GB                       elsewhere: a line every few seconds, none for what is quick
 */
#ifndef SETUN_TOOLS_PROGRESS_H
#define SETUN_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    const char *what;
    bool quiet, terminal;
    struct timespec start;
    double told; /* seconds from the start to the last line */
    int percent; /* on the terminal */
};

void progress_start(struct progress *p, const char *what, bool quiet);
/* self: a struct progress.  done <= all, in bytes; done == all takes the bar away. */
void progress_show(void *self, uint64_t done, uint64_t all);

#endif
