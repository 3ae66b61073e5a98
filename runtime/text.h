/*
 * text.h -- what stands between token bytes and the reader: UTF-8 that is never torn, and stop strings.
 *
 * Both are filters with fixed memory.  Transparent.
 */
#ifndef SETUN_RUNTIME_TEXT_H
#define SETUN_RUNTIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the UTF-8 sequence at p (1 to 4); 0: not UTF-8; -1: n bytes are a beginning of one. */
int setun_utf8_next(const uint8_t *p, size_t n);

/* A stream of bytes made UTF-8: what is incomplete waits, what is wrong becomes U+FFFD. */
struct setun_utf8 {
    uint8_t held[4];
    uint32_t n;
};
/* Bytes written to out, which holds 3 * (n + 3). */
size_t setun_utf8_push(struct setun_utf8 *u, const uint8_t *in, size_t n, uint8_t *out);
size_t setun_utf8_end(struct setun_utf8 *u, uint8_t *out); /* the end of the text: at most 3 bytes */

/*
 * Withholds what may become a stop string.  Push the bytes of a token, take what is ready from at[0..ready);
 * once hit is set, ready ends before the stop string and the text is over.
 */
struct setun_stops {
    const char *const *stop;
    uint32_t n;
    size_t longest;
    uint8_t *at;
    size_t held, cap;
    bool hit;
};
/* token_bytes: of the longest token.  false: no memory. */
bool setun_stops_open(struct setun_stops *s, const char *const *stop, uint32_t n, size_t token_bytes);
void setun_stops_close(struct setun_stops *s);
size_t setun_stops_push(struct setun_stops *s, const uint8_t *in, size_t n);
void setun_stops_take(struct setun_stops *s, size_t ready);

#endif
