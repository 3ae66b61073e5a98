/*
 * cpu_aarch64.c -- features by the auxiliary vector; the floating-point control and status registers.
 *
 * The kernel says there what it lets programs use; the identification registers would say only what a core can.
 * Arm Architecture Reference Manual, DDI 0487: FPCR, YIELD, ISB; Linux, Documentation/arch/arm64/elf_hwcaps.rst.
 */
#include "runtime/cpu.h"

#if defined(__aarch64__)

#include <sys/auxv.h>

#define HAS_DOTPROD (1ul << 20) /* AT_HWCAP: SDOT, UDOT */
#define HAS_I8MM    (1ul << 13) /* AT_HWCAP2: SMMLA, UMMLA, USDOT */

const char setun_cpu_family[] = "aarch64";

uint32_t setun_cpu_features(void) {
    uint32_t found = SETUN_F_NEON;
    if (getauxval(AT_HWCAP) & HAS_DOTPROD) found |= SETUN_F_DOTPROD;
    if (getauxval(AT_HWCAP2) & HAS_I8MM) found |= SETUN_F_I8MM;
    return found;
}

/* All bits clear: RMode to nearest even; no FZ, FZ16, FIZ; no DN, no AH, no NEP; no trap enabled. */
void setun_cpu_float_default(void) {
    uint64_t fpcr = 0;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr) : "memory");
}

/* The status register above, whose sticky flags are the host's too; of both, the architecture uses the lower half. */
uint64_t setun_cpu_float_save(void) {
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr) : : "memory");
    return fpsr << 32 | (uint32_t)fpcr;
}

void setun_cpu_float_restore(uint64_t mode) {
    uint64_t fpcr = (uint32_t)mode, fpsr = mode >> 32;
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(fpcr), "r"(fpsr) : "memory");
}

/* YIELD does nothing on cores that run one thread, so a loop around it would read the line without a pause; ISB takes
 * the tens of cycles of filling the pipeline again. */
void setun_cpu_pause(void) { __asm__ volatile("isb" : : : "memory"); }

#endif
