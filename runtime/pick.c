/* pick.c -- the next token (pick.h). */
#include "runtime/pick.h"

#include <math.h>

#include "runtime/exit.h"

int setun_pick(struct setun_engine *e, struct setun_sampler *s, const uint32_t *history, uint64_t n, uint32_t position,
               struct setun_picks *picks, uint32_t *id) {
    if (e->screened) {
        uint32_t left = setun_sample_candidates(s, &e->intervals, history, n, position);
        bool few = left > 0 && left <= s->most;
        int code = few ? e->some(e, s->id, left, s->exact) : e->all(e);
        /* One that is not finite has an infinite upper end, so it is always among them; `all` finds it again, and says
         * so. */
        for (uint32_t i = 0; few && code == EXIT_OK && i < left; i++) {
            if (isfinite(s->exact[i])) continue;
            few = false;
            code = e->all(e);
        }
        if (code != EXIT_OK) return code;
        picks->screened++;
        picks->whole += !few;
        picks->candidates += few ? left : 0;
        if (few) {
            *id = setun_sample_among(s, left, history, n, position);
            return EXIT_OK;
        }
    }
    const float *logits = e->out + (uint64_t)(e->n_live - 1) * e->stride;
    *id = setun_sample(s, logits, history, n, position);
    return EXIT_OK;
}
