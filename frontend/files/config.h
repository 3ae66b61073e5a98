/*
 * config.h -- config.json of a checkpoint, or the pairs of a GGUF, as values that a model text can name.
 *
 * A table (config_keys.def) ties names of model texts to keys: hidden is hidden_size, and embedding_length in a GGUF.
 * Every other top-level number or boolean is reachable by its own key, with _ for the points of a GGUF's; and so is a
 * text like "5/7", which is that real, exactly.  Known keys
 * are typed strictly; others are let be.  Some values are made:
 *
 *     rope_factor               frequencies are divided by it: scaling "linear"; and with
 *     rope_low, rope_high, rope_original        only those of few turns in rope_original positions: "llama3"
 *     tied                      of a GGUF, and where config.json does not say: there is no table for the output
 *     gain_offset               of a GGUF: what its architecture leaves to be added to the gains of norms
 *
 * Transparent.
 */
#ifndef SETUN_FRONTEND_CONFIG_H
#define SETUN_FRONTEND_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

struct config_value {
    const char *name; /* in model texts: "hidden" */
    const char *key;  /* in config.json: "hidden_size" */
    bool is_int;      /* an integer or a boolean (0, 1) in the file */
    int64_t i;
    double real;      /* also set for integers */
    int64_t num, den; /* 5/7: a real that no decimal of its length is; den 0: real says all */
    const char *word; /* a cache's type, which no file gives; NULL: a number */
};

enum { CONFIG_MAX_EOS = 8 };

struct config_values {
    const char *path; /* of config.json or the GGUF; NULL: made from --set alone */
    VEC(struct config_value) values;
    const char *arch;       /* architectures or model_type; general.architecture; NULL: not given */
    const char *hidden_act; /* NULL: not given */
    bool tied;              /* tie_word_embeddings */
    bool scale_divides;     /* packed weight scales hold 1/alpha: linear_class is not autobitlinear */
    int64_t bos;            /* -1: none */
    uint32_t n_eos;
    int64_t eos[CONFIG_MAX_EOS];
};

/* false: reported.  Values lie in the arena. */
bool config_read(struct diag *d, struct arena *a, const char *path, struct config_values *c);
/* The same from the pairs of a GGUF; what only its tensors say, checkpoint.c adds. */
struct gguf_file;
bool config_read_gguf(struct diag *d, struct arena *a, const struct gguf_file *g, struct config_values *c);
/* By name, or else by key.  NULL: the file does not have it. */
const struct config_value *config_find(const struct config_values *c, const char *name);
/* The key of config.json for a name ("hidden_size" for "hidden"); the name itself if the table does not have it. */
const char *config_key(const char *name);
/* "hidden=2560", "eps=1e-6" or "keep=5/7" from a command line: adds a value, or replaces one. */
bool config_set(struct diag *d, struct arena *a, struct config_values *c, const char *assignment);
/* A word from a command line, under its own name. */
void config_put_word(struct arena *a, struct config_values *c, const char *name, const char *word);
/* A made value, under its own name. */
void config_put_value(struct arena *a, struct config_values *c, const char *name, double real);
void config_put_vocab(struct arena *a, struct config_values *c, int64_t n);
void config_put_tied(struct arena *a, struct config_values *c, bool tied);
/* config.json of these values, as config_read takes it. */
void config_write(struct buf *out, const struct config_values *c);
/* The pairs of a GGUF of this architecture that hold them (config_keys.def). */
struct gguf_pairs;
void config_put_gguf(struct arena *a, struct gguf_pairs *p, const struct config_values *c, const char *arch);

#endif
