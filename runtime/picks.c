/* picks.c -- how many logits tokens took, in words (pick.h). */
#include <stdio.h>

#include "runtime/pick.h"
#include "runtime/rt.h"

void setun_picks_text(const struct setun_picks *p, uint32_t vocab, char *text, size_t size) {
    *text = '\0';
    if (p->screened == 0) return;
    double all = (double)p->whole * vocab + (double)p->candidates;
    int n = snprintf(text, size, "head: %.1f of %u logits computed a token", all / (double)p->screened, vocab);
    if (p->whole > 0 && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ", all of them for %llu of %llu tokens", (unsigned long long)p->whole,
                 (unsigned long long)p->screened);
}

void setun_picks_say(const struct setun_picks *p, uint32_t vocab) {
    char text[160];
    setun_picks_text(p, vocab, text, sizeof text);
    if (*text) setun_say("%s", text);
}
