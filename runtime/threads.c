/* threads.c -- how many threads a command starts (cpu.h). */
#include "runtime/cpu.h"
#include "runtime/rt.h"

uint32_t setun_threads(uint32_t asked) {
    uint32_t cpus = setun_cpus();
    if (asked <= cpus) return asked;
    setun_say("note: %u thread%s instead of %u, one for each CPU that may be used", cpus, cpus > 1 ? "s" : "", asked);
    return cpus;
}
