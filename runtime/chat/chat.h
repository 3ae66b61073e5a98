/*
 * chat.h -- the chat section of a pack: the model's own template, and what ends an answer.
 *
 * The section is a stranger's until setun_chat_open has checked it; the template in it is parsed there, too.
 * A rendered conversation holds special tokens by name, the first token included: encode it with specials allowed, and
 * without the bos that the tokenizer would put in front of a text (docs/chat.md).  Transparent.
 */
#ifndef SETUN_RUNTIME_CHAT_H
#define SETUN_RUNTIME_CHAT_H

#include "runtime/abi.h"
#include "runtime/jinja/jinja.h"

struct setun_template {
    const struct setun_chat *chat;
    struct setun_jinja *jinja;
};

/* What is wrong with a chat section, or NULL. */
const char *setun_chat_wrong(const struct setun_chat *section, uint64_t bytes, uint32_t n_tokens);

/* section: 0 bytes are no template, which is reported like anything else.  n_tokens: of the model's vocabulary. */
bool setun_chat_open(struct setun_template *t, const void *section, uint64_t bytes, uint32_t n_tokens, char *why,
                     size_t why_size);
void setun_chat_close(struct setun_template *t);

/* A text of the section; at == NULL if there is none. */
struct setun_jinja_text setun_chat_text(const struct setun_template *t, struct setun_chat_text text);
static inline struct setun_jinja_text setun_chat_stop(const struct setun_template *t, uint32_t i) {
    return setun_chat_text(t, t->chat->stop[i]); /* i < t->chat->n_stops */
}
/* Does this token end an answer, besides those of the tokenizer (setun_tok_is_eos)? */
bool setun_chat_is_eot(const struct setun_chat *section, uint32_t id);

/* in.bos and in.eos are filled in from the section.  *out is valid until the next render.  false: why. */
bool setun_chat_render(struct setun_template *t, const struct setun_jinja_input *in, struct setun_jinja_text *out,
                       char *why, size_t why_size);

#endif
