/* plan_check.h -- does a memory plan keep every value until its last reader has run? */
#ifndef SETUN_TEST_PLAN_CHECK_H
#define SETUN_TEST_PLAN_CHECK_H

#include "ir/ir.h"

/* NULL if the places in m are sound, else what is wrong, in the arena.  Shares no code with plan-memory. */
const char *plan_check(struct arena *a, const struct ir_module *m);

#endif
