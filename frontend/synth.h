/*
 * synth.h -- a checkpoint of made-up weights in the layout of published ones, of any size.
 *
 * Written as a stream: a few rows of a matrix in memory for any model.  The same seed gives the same bytes.
 */
#ifndef SETUN_FRONTEND_SYNTH_H
#define SETUN_FRONTEND_SYNTH_H

#include "base/diag.h"
#include "base/file.h"
#include "frontend/files/checkpoint.h"
#include "frontend/files/config.h"
#include "ir/ir.h"

/* Writes config.json, tokenizer.json, tokenizer_config.json and model.safetensors into dir, which is made if it
 * is absent.  Tensors are called by sources[w->id].name; values come from a seed: trits uniform, the rest as
 * ir_weights_random has it. */
bool synth_checkpoint(struct diag *d, const struct ir_module *m, const struct weight_source *sources,
                      const struct config_values *config, const char *dir, uint64_t seed);

/* The same from any values. */
bool synth_write(struct diag *d, const struct ir_module *m, const struct weight_source *sources,
                 const struct config_values *config, const char *dir, const struct ir_weights *weights);

/* tokenizer.json of a byte-level vocabulary of any size: bytes first, then words nobody wrote, then the beginning
 * and the end of text as the last two ids. */
bool synth_tokenizer(struct out *o, uint32_t vocab);

#endif
