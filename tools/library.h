/* library.h -- setun build --emit lib: a static or a shared library and its C header. */
#ifndef SETUN_TOOLS_LIBRARY_H
#define SETUN_TOOLS_LIBRARY_H

#include "tools/command.h"
#include "tools/link.h"
#include "tools/packfile.h"

struct library {
    const char *out;    /* .a or .so */
    const char *header; /* beside it */
    const char *prefix; /* of all names that a program sees */
    bool shared;
};

/* What becomes of `-o out`; prefix NULL: after the file's name.  Returns an exit code, a usage error told. */
int library_names(struct arena *a, const char *out, const char *prefix, struct library *lib);
/* Links the object of the code with the runtime, and writes library and header, as two more outputs. */
bool library_write(struct command_ctx *cx, const struct library *lib, const struct link_options *link,
                   const struct pack_source *p, uint64_t id, const char *object, bool quiet, out_list *outputs);

#endif
