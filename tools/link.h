/* link.h -- from an object to a static executable, with the system's linker driver and the runtime's archives. */
#ifndef SETUN_TOOLS_LINK_H
#define SETUN_TOOLS_LINK_H

#include "base/diag.h"

/* linker: a driver such as cc or clang; NULL: cc. */
bool link_executable(struct diag *d, struct arena *a, const char *linker, const char *object, const char *out);

#endif
