/* compile.h -- model text and checkpoint to kernels, object and executable: what `build`, `run` and `synth` share. */
#ifndef SETUN_TOOLS_COMPILE_H
#define SETUN_TOOLS_COMPILE_H

#include "backends/backend.h"
#include "frontend/frontend.h"
#include "frontend/page.h"
#include "tools/command.h"

/* The pages of models/, in the order of their names (made by pages.cmake). */
extern const struct page setun_pages[];
extern const size_t setun_pages_n;

/* What a build is of.  Words that end in .stn name a text; other words, and the value of --weights, a checkpoint. */
struct model_args {
    const char *model;           /* a text, or a page of ours by its name; NULL: the page that fits the weights */
    const char *weights;         /* checkpoint folder or file, or NULL */
    const char *tokenizer;       /* --tokenizer; NULL: the one that the text names, or what the checkpoint has */
    const char *chat;            /* --chat-template: a file or "none"; NULL: what the text or the checkpoint has */
    bool weights_only;           /* neither tokenizer nor template is read */
    bool quiet;                  /* the page that was chosen is not told */
    struct gguf_dialect dialect; /* --dialect */
    VEC(const char *) sets;
    uint32_t max_rows; /* 0: the default */
};

struct compiled {
    struct frontend_model front;
    const struct page *page; /* the page of ours that was taken; NULL: a text of the user's */
    char *text;              /* of the model: a file as it is, a page with its numbers filled in */
    size_t text_n;
    struct ir_weights weights;
    uint8_t *tokenizer;
    size_t tokenizer_n;
    uint8_t *chat; /* struct setun_chat; chat_n 0: no template */
    size_t chat_n;
};

/* Sorts the one word of a command between text and checkpoint.  A text may not do without weights if they are needed.
 */
int compile_word(const char *command, struct model_args *args, const char *word, bool need_weights);
/* Text, config, checkpoint and tokenizer to maths IR.  need_weights: a checkpoint is required. */
bool compile_load(struct command_ctx *cx, const struct model_args *args, bool need_weights, struct compiled *c);
void compile_close(struct compiled *c);
/* false: reported; path is the name of something that was read. */
bool compile_may_write(struct command_ctx *cx, const struct model_args *args, const struct compiled *c,
                       const char *path);
/* The one entry; it emits something (ir_emitted). */
struct ir_func *compile_entry(struct command_ctx *cx, const struct ir_module *m);

#endif
