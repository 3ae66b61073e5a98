/* arm.h -- the table of aarch64. */
#ifndef SETUN_BACKENDS_ARM_ARM_H
#define SETUN_BACKENDS_ARM_ARM_H

#include "backends/target.h"

extern const struct cg_target arm_target;

#endif
