/*
 * stream.c -- reads memory as fast as the machine gives it: for bandwidth.c, and compiled for x86-64-v3.
 *
 * One stream with the kernels' two-level prefetch: 8 KiB ahead for the second cache, 1 KiB ahead for the first.
 */
#include <string.h>

#include "runtime/cmd.h"

void setun_read_memory(const uint8_t *at, uint64_t n) {
    uint64_t sum[8] = {0}, all = 0;
    for (; n > 0; n -= 64, at += 64) {
        uint64_t w[8];
        __builtin_prefetch(at + 8192, 0, 2);
        __builtin_prefetch(at + 1024, 0, 3);
        memcpy(w, at, sizeof w);
        for (int j = 0; j < 8; j++)
            sum[j] += w[j];
    }
    for (int j = 0; j < 8; j++)
        all += sum[j];
    volatile uint64_t sink = all; /* what is read has to go somewhere */
    (void)sink;
}
