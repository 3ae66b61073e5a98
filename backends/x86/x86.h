/* x86.h -- the levels of this machine family and which of them the CPU at hand runs. */
#ifndef SETUN_BACKENDS_X86_X86_H
#define SETUN_BACKENDS_X86_X86_H

#include "backends/cg.h"

extern const struct cg_level x86_levels[]; /* best first */
extern const unsigned x86_n_levels;

/* Rates of costs.def at a level. */
void x86_costs(const struct cg_level *l, struct schedule *s);

/* enum setun_feature bits of the CPU and operating system at hand. */
uint32_t x86_host_features(void);

/* The intrinsic of a word of isa.def at the level being emitted; BUG if the level has none. */
const char *x86_word(const struct cg *c, const char *word);

#endif
