/*
 * frontend.h -- from files to maths IR: the door of this folder, what the tools call.
 */
#ifndef SETUN_FRONTEND_FRONTEND_H
#define SETUN_FRONTEND_FRONTEND_H

#include "base/diag.h"
#include "base/str.h"
#include "frontend/files/checkpoint.h"
#include "frontend/files/config.h"
#include "ir/ir.h"

struct frontend_input {
    struct diag *diag;
    struct arena *arena;
    struct names *names;
    const char *model; /* path of the .stn, or what messages call it */
    const char *text;  /* of the .stn, n_text bytes; NULL: the file is read */
    size_t n_text;
    const char *weights; /* checkpoint folder or file; NULL: numbers come from sets and defaults alone, as for synth */
    struct gguf_dialect dialect;  /* how unmarked bytes of the weights are read */
    const struct ir_module *like; /* without weights: which optional ones there are; NULL: none */
    const char *const *sets;      /* "name=value", stronger than config.json */
    size_t n_sets;
};

struct frontend_model {
    struct ir_module *module;            /* maths vocabulary, verified; context, vocab and max_rows set */
    const struct weight_source *sources; /* by ir_weight.id */
    struct config_values config;         /* every value, defaults included */
    struct checkpoint *checkpoint;       /* NULL without weights */
    const char *tokenizer;               /* file name the model text names, or NULL */
    const struct ast_node *chat;         /* section `chat` of the text (lang/ast.h), or NULL */
};

/* Reads, checks and lowers.  false: reported. */
bool frontend_load(const struct frontend_input *in, struct frontend_model *f);
void frontend_close(struct frontend_model *f); /* also after a failed load, and on zeroes */

/* Names, shapes and types without numbers: `setun check MODEL.stn`. */
bool frontend_check(struct diag *d, struct arena *a, struct names *names, const char *model);

/* "name = value" lines in the order of the model's text: the pack's config section. */
void frontend_print_config(struct buf *out, const struct frontend_model *f);

#endif
