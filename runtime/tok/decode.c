/* decode.c -- token ids to text: marks become spaces, and what was put in front of a text is dropped. */
#include <string.h>

#include "runtime/tok/tok.h"

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581 */

static uint32_t spaces(const uint8_t *at, uint32_t n, bool drop, uint8_t *out) {
    uint32_t made = 0;
    for (uint32_t i = 0; i < n;) {
        if (n - i < sizeof mark || memcmp(at + i, mark, sizeof mark) != 0) {
            out[made++] = at[i++];
            continue;
        }
        if (!drop) out[made++] = ' ';
        i += (uint32_t)sizeof mark;
    }
    return made;
}

uint32_t setun_decode(struct setun_decoder *d, uint32_t id, uint8_t *out) {
    uint32_t n, flags = d->t->tok->flags;
    const uint8_t *at = setun_tok_text(d->t, id, &n);
    if (setun_tok_is_special(d->t, id) && !d->specials) return 0;
    if (flags & SETUN_TOK_SPACE_MARK) {
        n = spaces(at, n, d->first && (flags & SETUN_TOK_STRIP_MARKS), out);
    } else if (n > 0) {
        memcpy(out, at, n);
    }
    if (n > 0 && d->first && (flags & SETUN_TOK_STRIP_ONE) && out[0] == ' ') memmove(out, out + 1, --n);
    d->first = false;
    return n;
}
