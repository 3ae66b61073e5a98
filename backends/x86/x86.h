/* x86.h -- the table of x86-64. */
#ifndef SETUN_BACKENDS_X86_X86_H
#define SETUN_BACKENDS_X86_X86_H

#include "backends/target.h"

extern const struct cg_target x86_target;

#endif
