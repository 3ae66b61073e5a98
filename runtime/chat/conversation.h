/*
 * conversation.h -- messages, and the token ids that a model's own template makes of them.
 *
 * Messages are kept guarded (guard.h).  The whole conversation is rendered each time, because a template may say
 * different things of old messages than of new ones; whoever feeds the ids keeps what has not changed.  Transparent;
 * all memory is taken by open, but for the work of the tokenizer, which is given back.
 */
#ifndef SETUN_RUNTIME_CONVERSATION_H
#define SETUN_RUNTIME_CONVERSATION_H

#include "runtime/chat/chat.h"
#include "runtime/flags.h"
#include "runtime/guard.h"

enum { SETUN_CHAT_VARS = 32 };

struct setun_conversation {
    const struct setun_tokenizer *t;
    struct setun_template chat; /* its template and what ends an answer */
    struct setun_jinja_var var[SETUN_CHAT_VARS];
    struct setun_jinja_date date;
    struct setun_jinja_input in; /* its messages are `message` */
    struct setun_message *message;
    size_t cap;    /* messages */
    size_t room;   /* bytes of text that the messages may have, guarded */
    uint8_t *text; /* [room]: their contents, one behind the other */
    size_t used;
    struct setun_marked made; /* what was rendered last */
    struct setun_ids ids;     /* and its ids */
};

/* section: the chat section, which stays.  context: tokens at the most, which is what the sizes follow.  Returns an
 * exit code; close in any case. */
int setun_conversation_open(struct setun_conversation *c, const struct setun_tokenizer *t, const struct setun_opts *o,
                            const void *section, uint64_t bytes, uint32_t context);
void setun_conversation_close(struct setun_conversation *c);
/* One more message; role is a string that stays.  false: there is no room. */
bool setun_conversation_add(struct setun_conversation *c, const char *role, const uint8_t *text, size_t n);
/* Without the last one. */
void setun_conversation_drop(struct setun_conversation *c);
/* Without any. */
void setun_conversation_clear(struct setun_conversation *c);
/* Without any but a first one of the role "system". */
void setun_conversation_reset(struct setun_conversation *c);
/* The first message has the role "system" and this text; n == 0: there is none.  false: there is no room. */
bool setun_conversation_system(struct setun_conversation *c, const uint8_t *text, size_t n);
/* Renders and tokenises: c->ids; answer: with the beginning of an answer.  false: why says why not. */
bool setun_conversation_ids(struct setun_conversation *c, bool answer, char *why, size_t why_size);
/* The special token that the template writes behind an answer, or SETUN_NO_TOKEN. */
uint32_t setun_conversation_end(struct setun_conversation *c);

#endif
