/* features.c -- what the runtime's start code finds on the machine, and the floating-point mode that it leaves. */
#include <stdio.h>
#include <unistd.h>

#include "runtime/cpu.h"

static unsigned long fpcr(void) {
    unsigned long v;
    __asm__ volatile("mrs %0, fpcr" : "=r"(v));
    return v;
}

int main(void) {
    unsigned long odd = 1ul << 25 | 1ul << 24 | 3ul << 22; /* DN, FZ, round to zero */
    char names[256];
    setun_feature_names(setun_cpu_features(), names, sizeof names);
    __asm__ volatile("msr fpcr, %0" : : "r"(odd));
    if (fpcr() != odd) return 1;
    setun_cpu_float_default();
    setun_cpu_pause();
    printf("%s; fpcr %lx; pages of %ld\n", names, fpcr(), sysconf(_SC_PAGESIZE));
    return 0;
}
