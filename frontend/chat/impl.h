/* impl.h -- a chat template on its way to its section; only frontend/chat*.c include it. */
#ifndef SETUN_FRONTEND_CHAT_IMPL_H
#define SETUN_FRONTEND_CHAT_IMPL_H

#include "base/str.h"
#include "frontend/chat/chat.h"
#include "runtime/abi.h"
#include "runtime/jinja/jinja.h"

struct chat_build {
    const struct chat_input *in;
    const char *where; /* the template's place: "DIR/tokenizer_config.json: key 'chat_template'" */
    const char *text;  /* NULL: there is no template */
    size_t n;
    struct setun_jinja_text bos, eos;
    uint32_t eot[SETUN_CHAT_EOTS], n_eot;
    const char *stop[SETUN_CHAT_STOPS];
    uint32_t n_stops;
};

/* find.c: the template, and the texts of bos and eos.  false: reported. */
bool chat_find(struct chat_build *b);
bool chat_find_tokens(struct chat_build *b);

/* from_page.c: a section `chat` of a model text as a template.  false: reported. */
bool chat_from_page(struct chat_build *b);

/* try.c: parses the template, renders conversations, finds the token behind an answer.  false: reported. */
bool chat_try(struct chat_build *b);
bool chat_add_eot(struct chat_build *b, uint32_t id);

/* The tokenizer's text of an id; none: n == 0. */
struct setun_jinja_text chat_token(const struct chat_build *b, uint32_t id);

#endif
