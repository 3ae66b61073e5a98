/*
 * session.h -- one sequence of tokens on an engine: what it holds, what is fed, what comes next.
 *
 * `run` has one text in it, `chat` a conversation that grows.  Transparent; all memory is taken by open, and from the
 * first step on nothing allocates.
 */
#ifndef SETUN_RUNTIME_SESSION_H
#define SETUN_RUNTIME_SESSION_H

#include "runtime/cmd.h"
#include "runtime/pick.h"
#include "runtime/printer.h"
#include "runtime/sampler.h"

/* Why a text ended. */
enum setun_ending { SETUN_END_LIMIT, SETUN_END_TOKEN, SETUN_END_STOP, SETUN_END_FULL };

struct setun_session {
    struct setun_engine *e;
    const struct setun_tokenizer *t; /* NULL: none */
    const struct setun_opts *o;
    struct setun_feed feed;
    struct setun_sampler sampler;
    struct setun_printer printer;
    uint32_t *ids; /* [room] the sequence */
    uint64_t room;
    uint32_t n;               /* ids of the sequence */
    uint32_t held;            /* the first `held` of them are in the caches */
    uint32_t dirty;           /* positions of the caches that were ever computed: more than `held` after a step back */
    uint32_t ends[8], n_ends; /* end tokens besides the tokenizer's */
    uint32_t fed;             /* tokens that the last setun_session_feed computed */
    /* of the last text */
    uint32_t generated, steps; /* tokens, and how many of them were fed */
    enum setun_ending ending;
    struct setun_picks picks; /* of all texts */
    double first, end;        /* when its first token came, and when it was over */
};

/* room: tokens of the sequence at the most; more than context + 1 is never needed.  logits: where every logits go, or
 * NULL.  Returns an exit code; close in any case. */
int setun_session_open(struct setun_session *s, struct setun_engine *e, const struct setun_tokenizer *t,
                       const struct setun_opts *o, uint64_t room, struct setun_out *logits);
/* Also standard output; returns its exit code. */
int setun_session_close(struct setun_session *s);
/* Makes n ids the sequence; what the caches hold of its beginning stays.  n is at most room. */
void setun_session_set(struct setun_session *s, const uint32_t *ids, uint32_t n);
/* Feeds what the caches lack, the last token in any case, because its logits are wanted.  Returns an exit code. */
int setun_session_feed(struct setun_session *s);
/* Samples and prints until there is a reason to end, at most `limit` tokens.  Returns an exit code. */
int setun_session_generate(struct setun_session *s, uint32_t limit);

#endif
