/*
 * lower.h -- typed model to maths IR.
 *
 * A stack of n layers gives n functions, "body.0" to "body.<n-1>", and weight classes "body.<weight>" with n
 * layers; an entry gives an entry that calls them one by one.  Every op keeps the place of the formula that
 * asked for it, and is called after the `let` that binds it.
 */
#ifndef SETUN_FRONTEND_LOWER_H
#define SETUN_FRONTEND_LOWER_H

#include "frontend/files/checkpoint.h"
#include "frontend/sema.h"

/*
 * found: by sema_weight.id, where each weight that is used comes from; one without `at` is taken to be bf16, or
 * trits with one scale a matrix.  *sources: the same by ir_weight.id.  NULL: reported.
 */
struct ir_module *lower_model(struct diag *d, struct arena *a, struct names *names, struct sema_model *m,
                              const struct weight_source *found, const struct weight_source **sources);

#endif
