/* link.h -- from an object to a static executable, with a linker driver and the runtime's archives. */
#ifndef SETUN_TOOLS_LINK_H
#define SETUN_TOOLS_LINK_H

#include "backends/backend.h"

struct link_options {
    struct backend_target target;
    const char *linker;  /* a driver such as cc or clang; NULL: cc, or the target's own gcc where it is not the host */
    const char *sysroot; /* a folder with the target's C library and the others in usr/lib, or NULL */
};

/* The folder of the target's runtime; NULL: there is none, which is reported unless d is NULL. */
const char *link_runtime(struct diag *d, struct arena *a, const struct backend_target *t);
bool link_executable(struct diag *d, struct arena *a, const struct link_options *o, const char *object,
                     const char *out);

#endif
