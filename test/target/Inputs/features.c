/*
 * features.c -- what the runtime's start code finds on the machine, and the floating-point mode that it leaves.
 *
 *   features           the machine's features, the mode after one with every bit that can be set, the size of a page
 *   features words     the features found for each bit of the kernel's words alone
 *
 * Linked with --wrap=getauxval.
 */
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "runtime/cpu.h"

unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

static unsigned long words[2];
static int by_words;

unsigned long __wrap_getauxval(unsigned long type) {
    if (!by_words) return __real_getauxval(type);
    return type == AT_HWCAP ? words[0] : type == AT_HWCAP2 ? words[1] : 0;
}

static unsigned long fpcr(void) {
    unsigned long v;
    __asm__ volatile("mrs %0, fpcr" : "=r"(v));
    return v;
}

static void print_words(void) {
    by_words = 1;
    for (int w = 0; w < 2; w++)
        for (int bit = 0; bit < 64; bit++) {
            char names[256];
            words[w] = 1ul << bit, words[!w] = 0;
            setun_feature_names(setun_cpu_features() & ~(uint32_t)SETUN_F_NEON, names, sizeof names);
            if (*names) printf("HWCAP%s, bit %d: %s\n", w ? "2" : "", bit, names);
        }
}

int main(int argc, char **argv) {
    unsigned long odd = 1ul << 25 | 1ul << 24 | 3ul << 22; /* DN, FZ, round to zero: on every machine */
    char names[256];
    (void)argv;
    if (argc > 1) return print_words(), 0;
    setun_feature_names(setun_cpu_features(), names, sizeof names);
    __asm__ volatile("msr fpcr, %0" : : "r"(0xfffffffful & ~(0x9ful << 8))); /* no traps */
    if ((fpcr() & odd) != odd) return 1;
    uint64_t mode = setun_cpu_float_save();
    if (mode != fpcr()) return 2;
    setun_cpu_float_default();
    unsigned long left = fpcr();
    setun_cpu_float_restore(mode);
    if (fpcr() != mode) return 3;
    setun_cpu_pause();
    printf("%s; fpcr %lx; pages of %ld\n", names, left, sysconf(_SC_PAGESIZE));
    return 0;
}
