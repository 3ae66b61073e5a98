/* exefile.h -- an executable that setun wrote, read from outside: its IR and its weights. */
#ifndef SETUN_TOOLS_EXEFILE_H
#define SETUN_TOOLS_EXEFILE_H

#include "base/file.h"
#include "ir/weights.h"
#include "runtime/abi.h"
#include "tools/command.h"

struct exe_file {
    const char *path;
    const char *target; /* by its ELF header; NULL: none that we know */
    struct mapped file;
    const struct setun_pack *pack; /* checked, but for the hash of its data */
};

/* Maps and checks; false: reported. */
bool exe_open(struct command_ctx *cx, const char *path, struct exe_file *e);
void exe_close(struct exe_file *e); /* also of one that did not open */
/* The IR it was compiled from, verified; NULL: reported. */
struct ir_module *exe_module(struct command_ctx *cx, const struct exe_file *e);
/* Its weights, by the classes of that IR.  They live as long as the mapping. */
bool exe_weights(struct command_ctx *cx, const struct exe_file *e, const struct ir_module *m, struct ir_weights *w);

#endif
