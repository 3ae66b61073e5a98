/* convert.h -- what the two halves of setun convert share: the model that is read, and the files that are written. */
#ifndef SETUN_TOOLS_CONVERT_H
#define SETUN_TOOLS_CONVERT_H

#include "frontend/files/repack.h"
#include "frontend/sema.h"
#include "tools/compile.h"
#include "tools/exefile.h"

struct conversion {
    struct command_ctx *cx;
    struct model_args args; /* weights: the input */
    const char *out;
    const struct ternary_format *to;
    struct tl_tiling tiling;
    /* what was read */
    struct compiled c;
    struct exe_file exe;                 /* an executable; otherwise zeroes */
    struct ir_module *module;            /* whose weights they are */
    const struct weight_source *sources; /* by id in module: names, and tensors of a checkpoint */
    struct ir_weights weights;
    struct sema_serves serves; /* of the model text */
};

/* Writes c->out; its name says as what.  false: reported. */
bool convert_write(struct conversion *c);

#endif
