/*
 * stream.c -- reads memory as fast as the machine gives it: for bench/meter.c, and compiled for x86-64-v3.
 *
 * One stream of whole vectors with the kernels' two-level prefetch: 8 KiB ahead for the second cache, 1 KiB ahead for
 * the first.
 */
#include <string.h>

#include "runtime/cmd.h"

typedef uint64_t vector __attribute__((vector_size(32)));

enum { LINES = 4 }; /* read together, so that additions do not wait for each other */

void setun_read_memory(const uint8_t *at, uint64_t n) {
    vector sum[2 * LINES] = {{0}};
    for (; n >= 64 * LINES; n -= 64 * LINES, at += 64 * LINES) {
        for (int i = 0; i < LINES; i++) {
            __builtin_prefetch(at + 64 * i + 8192, 0, 2);
            __builtin_prefetch(at + 64 * i + 1024, 0, 3);
        }
        for (int i = 0; i < 2 * LINES; i++) {
            vector v;
            memcpy(&v, at + 32 * i, sizeof v);
            sum[i] += v;
        }
    }
    vector all = {0};
    for (int i = 0; i < 2 * LINES; i++) all += sum[i];
    volatile uint64_t sink = all[0] + all[1] + all[2] + all[3]; /* what is read has to go somewhere */
    (void)sink;
}
