/* exit.h -- the table of exit codes; its home is runtime/exit.h, since executables carry it too. */
#ifndef SETUN_BASE_EXIT_H
#define SETUN_BASE_EXIT_H

#include "runtime/exit.h"

#endif
