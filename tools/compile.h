/* compile.h -- model text and checkpoint to kernels, object and executable: what `build`, `run` and `synth` share. */
#ifndef SETUN_TOOLS_COMPILE_H
#define SETUN_TOOLS_COMPILE_H

#include "backends/backend.h"
#include "frontend/frontend.h"
#include "tools/command.h"

struct model_args {
    const char *model;   /* the .stn file */
    const char *weights; /* checkpoint folder or file, or NULL */
    VEC(const char *) sets;
    uint32_t max_rows; /* 0: the default */
};

struct compiled {
    struct frontend_model front;
    char *text; /* of the .stn */
    size_t text_n;
    struct ir_weights weights;
    uint8_t *tokenizer;
    size_t tokenizer_n;
};

/* Text, config, checkpoint and tokenizer to maths IR.  need_weights: a checkpoint is required. */
bool compile_load(struct command_ctx *cx, const struct model_args *args, bool need_weights, struct compiled *c);
void compile_close(struct compiled *c);
/* false: reported; path is the name of something that was read. */
bool compile_may_write(struct command_ctx *cx, const struct model_args *args, const struct compiled *c,
                       const char *path);
/* The one entry; it emits something (ir_emitted). */
struct ir_func *compile_entry(struct command_ctx *cx, const struct ir_module *m);

#endif
