/*
 * cmd.h -- the commands.  run, chat, ppl and embed work on any engine, so the compiler's interpreter shares them; the
 * others are about the executable itself.  All return exit codes.
 */
#ifndef SETUN_RUNTIME_CMD_H
#define SETUN_RUNTIME_CMD_H

#include "runtime/engine.h"
#include "runtime/flags.h"
#include "runtime/pack.h"
#include "runtime/rt.h"
#include "runtime/tok/tok.h"

/* t: NULL if the model has no tokenizer; begin: setun_now() when the program began. */
int setun_run(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin);
int setun_ppl(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin);
/* section: the chat section of a pack, 0 bytes if there is none. */
int setun_chat(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, const void *section,
               uint64_t bytes);
int setun_embed(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, double begin);

/* ---- the executable ---- */

struct setun_app {
    const char *program; /* its name, without folders */
    const struct setun_model *model;
    struct setun_mapped_pack pack;
    struct setun_tokenizer tok; /* tok.tok is NULL if the model has none */
    struct setun_opts o;
    double begin;
};

int setun_bench(struct setun_app *app, const struct setun_level *level);
int setun_info(struct setun_app *app);
int setun_selftest(struct setun_app *app);

/* ---- shared by commands ---- */

/* EXIT_OK if the engine emits what a command is for: "logits" or "embedding". */
int setun_emits(const struct setun_engine *e, const char *wanted);

/* All of a file, or of standard input (NULL, "-"); *text is for free(). */
int setun_read_text(const char *path, char **text, size_t *n);
/* Ends of a text that get a token where the tokenizer wants one. */
enum { SETUN_TEXT_BOS = 1, SETUN_TEXT_EOS = 2 };
/* The text or the ids that the flags name, as ids. */
int setun_prompt(const struct setun_tokenizer *t, const struct setun_opts *o, unsigned ends, struct setun_ids *ids);
/* Appends the ids of one text. */
int setun_text_ids(const struct setun_tokenizer *t, const struct setun_opts *o, unsigned ends, const void *text,
                   size_t n, struct setun_ids *ids);

/* Tokens into an engine, chunk by chunk. */
struct setun_feed {
    struct setun_engine *e;
    struct setun_row *rows;
    uint32_t chunk;
    struct setun_out *logits; /* what every live row emits goes there too; NULL: nowhere */
};
typedef void setun_row_fn(void *arg, uint32_t row, const float *out);
/* chunk 0: as many rows as the engine takes. */
int setun_feed_open(struct setun_feed *f, struct setun_engine *e, uint32_t chunk, struct setun_out *logits);
void setun_feed_close(struct setun_feed *f);
/* n tokens from position pos on; the last row is live, or all are.  fn (or NULL) sees each live row in order;
 * afterwards what the engine has is of the last chunk.  Stops between chunks when a signal came. */
int setun_feed_tokens(struct setun_feed *f, const uint32_t *tokens, uint32_t n, uint32_t pos, bool all_live,
                      setun_row_fn *fn, void *arg);

#endif
