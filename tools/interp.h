/* interp.h -- the interpreter as an engine of the runtime's commands, so that both share flags, tokenizer, sampler. */
#ifndef SETUN_TOOLS_INTERP_H
#define SETUN_TOOLS_INTERP_H

#include "ir/interp.h"
#include "runtime/engine.h"

struct interp_engine {
    struct setun_engine e; /* must be first */
    struct diag *diag;
    struct interp *it;
    const struct ir_func *entry;
    struct ir_row *rows;
    float *logits;
    struct setun_trace *trace; /* NULL: none */
    const uint32_t *pos, *live_pos; /* of the rows of the running step */
};

/* Memory comes from the arena; the interpreter's own is released by close. */
bool interp_engine_open(struct interp_engine *e, struct diag *d, struct arena *a, const struct ir_module *m,
                        const struct ir_func *entry, const struct ir_weights *w, uint32_t context);
void interp_engine_close(struct interp_engine *e);

#endif
