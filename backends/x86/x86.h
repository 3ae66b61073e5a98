/* x86.h -- the table of x86-64. */
#ifndef SETUN_BACKENDS_X86_X86_H
#define SETUN_BACKENDS_X86_X86_H

#include "backends/target.h"

extern const struct cg_target x86_target;

/* The intrinsic of a word of isa.def at the level being emitted; BUG if the level has none. */
const char *x86_word(const struct cg *c, const char *word);

#endif
