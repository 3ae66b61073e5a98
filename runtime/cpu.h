/*
 * cpu.h -- what the machine can do, and which level of the code it runs.
 *
 * cpu_<family>.c are the only files that know an instruction set; the one of the machine that the runtime is compiled
 * for has code in it.  This interface and level.c are the same everywhere.
 */
#ifndef SETUN_RUNTIME_CPU_H
#define SETUN_RUNTIME_CPU_H

#include <stdint.h>

#include "runtime/abi.h"
#include "runtime/rt.h"

extern const char setun_cpu_family[]; /* "x86-64", "aarch64": the compiler's word for the target */
uint32_t setun_cpu_features(void);    /* bits of enum setun_feature, usable under this kernel */
void setun_cpu_float_default(void);   /* round to nearest even, denormals kept, no traps: for the calling thread */
uint64_t setun_cpu_float_save(void);  /* that thread's mode, to be restored when somebody else's code goes on in it */
void setun_cpu_float_restore(uint64_t mode);
void setun_cpu_pause(void); /* in a spinning loop */

/* The level to run: the one called `wanted`, or the first that the features allow if that is NULL.
 * Returns an exit code. */
int setun_level_choose(const struct setun_model *m, uint32_t features, const char *wanted,
                       const struct setun_host *host, const struct setun_level **level);
/* "AVX-VNNI, AVX-512 (F, BW, CD, DQ, VL)" */
void setun_feature_names(uint32_t features, char *out, size_t size);

/* CPUs this process may run on, and cores among them: siblings of a core count once, slow cores not at all beside fast
 * ones, and a CPU quota of the control groups cuts both. */
uint32_t setun_cpus(void);
uint32_t setun_cores(void);
/* Threads to start if somebody asks for so many: no more than there are CPUs, because the threads of a kernel do equal
 * shares and wait for the last.  Says so if it is fewer. */
uint32_t setun_threads(uint32_t asked);
/* Threads to use when nobody says: one a core, but none for less than 512 KiB of ternary weights a token, whose work
 * is shorter than a few meetings of the threads. */
uint32_t setun_default_threads(uint64_t ternary_bytes);

#endif
