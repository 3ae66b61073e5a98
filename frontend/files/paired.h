/* paired.h -- heads whose rows stand in pairs in a file, put into the order of the text (lang: `paired "name"`). */
#ifndef SETUN_FRONTEND_PAIRED_H
#define SETUN_FRONTEND_PAIRED_H

#include "base/diag.h"
#include "frontend/files/checkpoint.h"

/*
 * The weights of `inner`, those of paired sources (by ir_weight.id) reordered on the way.  *out may be inner where
 * nothing is paired.  Lies in the arena, as must inner's self.
 */
struct ir_weights paired_weights(struct diag *d, struct arena *a, const struct ir_weights *inner,
                                 const struct weight_source *sources, size_t n_sources);

#endif
