/* rewire.h -- turns a drawn program into one that no one would write. */
#ifndef SETUN_TEST_REWIRE_H
#define SETUN_TEST_REWIRE_H

#include "ir/ir.h"

/* Replaces operands by other values of their type, by draw from the seed.  The result may break rules. */
void gen_rewire(struct ir_module *m, uint64_t seed);

#endif
