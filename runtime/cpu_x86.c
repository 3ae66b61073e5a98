/*
 * cpu_x86.c -- features by CPUID and XGETBV; the floating-point control word.
 *
 * Compiled for plain x86-64, like all start code: it decides whether anything newer may run.
 * Intel SDM vol. 2A (CPUID), vol. 1 section 13.2 (XCR0) and 14.3 (when AVX may be used).
 */
#include "runtime/cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>

enum {
    XCR0_AVX = 0x06,    /* XMM and YMM state */
    XCR0_AVX512 = 0xe6, /* and opmask, upper ZMM, ZMM16-31 */
};

/* CPUID.1:ECX of x86-64-v3: SSE3, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, XSAVE, OSXSAVE, AVX, F16C. */
enum {
    V3_1_C = 1 << 0 | 1 << 9 | 1 << 12 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 22 | 1 << 23 | 1 << 26 | 1 << 27 | 1 << 28 |
             1 << 29,
    V3_7_B = 1 << 3 | 1 << 5 | 1 << 8,              /* BMI1, AVX2, BMI2 */
    V3_EXT_C = 1 << 0 | 1 << 5,                     /* LAHF, LZCNT */
    V4_7_B = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30, /* AVX-512 F, DQ, CD, BW; VL is bit 31 */
};
#define V4_VL (1u << 31)

static uint32_t read_xcr0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static int has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

const char setun_cpu_family[] = "x86-64";

uint32_t setun_cpu_features(void) {
    uint32_t a, b, c, d, c1, b7, c7, a71 = 0, ext_c;
    if (!__get_cpuid(1, &a, &b, &c1, &d) || !has(c1, V3_1_C)) return 0; /* OSXSAVE among them: xgetbv exists */
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d) || !has(b7, V3_7_B)) return 0;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    if (!__get_cpuid(0x80000001u, &a, &b, &ext_c, &d) || !has(ext_c, V3_EXT_C)) return 0;
    uint32_t xcr0 = read_xcr0();
    if (!has(xcr0, XCR0_AVX)) return 0;
    uint32_t found = SETUN_F_V3;
    if (has(a71, 1u << 4)) found |= SETUN_F_AVXVNNI;
    if (has(xcr0, XCR0_AVX512) && has(b7, V4_7_B | V4_VL)) {
        found |= SETUN_F_V4;
        if (has(c7, 1u << 11)) found |= SETUN_F_AVX512VNNI;
        if (has(c7, 1u << 1)) found |= SETUN_F_AVX512VBMI;
    }
    return found;
}

void setun_cpu_float_default(void) {
    uint32_t mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
}

/* With its sticky flags, which are the host's. */
uint64_t setun_cpu_float_save(void) {
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr) : : "memory");
    return mxcsr;
}

void setun_cpu_float_restore(uint64_t mode) {
    uint32_t mxcsr = (uint32_t)mode;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
}

void setun_cpu_pause(void) { __asm__ volatile("pause"); }

#endif
