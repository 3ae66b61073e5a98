/* pick.h -- the next token of an engine's last step: from its logits or, where it left intervals, from few of them. */
#ifndef SETUN_RUNTIME_PICK_H
#define SETUN_RUNTIME_PICK_H

#include "runtime/engine.h"
#include "runtime/sampler.h"

/* Tokens that came by way of intervals, of them those that took all logits, and candidates of the others. */
struct setun_picks {
    uint64_t screened, whole, candidates;
};
/* One line about them, nothing if there were none: logits computed a token, mean of all of them. */
void setun_picks_text(const struct setun_picks *p, uint32_t vocab, char *text, size_t size);
void setun_picks_say(const struct setun_picks *p, uint32_t vocab);

/* history: the n tokens so far, the last of which the step computed.  Returns an exit code. */
int setun_pick(struct setun_engine *e, struct setun_sampler *s, const uint32_t *history, uint64_t n, uint32_t position,
               struct setun_picks *picks, uint32_t *id);

#endif
