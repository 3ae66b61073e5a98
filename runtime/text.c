/* text.c -- UTF-8 that is never torn, and stop strings (text.h). */
#include "runtime/text.h"

#include <stdlib.h>
#include <string.h>

/* Table 3-7 of the Unicode standard: the second byte's range depends on the first, later bytes are 80..BF. */
int setun_utf8_next(const uint8_t *p, size_t n) {
    if (n == 0) return -1;
    uint8_t b = p[0], lo = 0x80, hi = 0xbf;
    if (b < 0x80) return 1;
    if (b < 0xc2 || b > 0xf4) return 0;
    int len = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    if (b == 0xe0) lo = 0xa0;
    if (b == 0xed) hi = 0x9f;
    if (b == 0xf0) lo = 0x90;
    if (b == 0xf4) hi = 0x8f;
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n) return -1;
        if (p[i] < lo || p[i] > hi) return 0;
        lo = 0x80;
        hi = 0xbf;
    }
    return len;
}

static size_t put_replacement(uint8_t *out) {
    static const uint8_t mark[3] = {0xef, 0xbf, 0xbd}; /* U+FFFD */
    memcpy(out, mark, sizeof mark);
    return sizeof mark;
}

size_t setun_utf8_push(struct setun_utf8 *u, const uint8_t *in, size_t n, uint8_t *out) {
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        u->held[u->n++] = in[i];
        int len = setun_utf8_next(u->held, u->n);
        if (len < 0) continue;
        if (len > 0) {
            memcpy(out + made, u->held, u->n);
            made += u->n;
            u->n = 0;
            continue;
        }
        made += put_replacement(out + made);
        if (u->n > 1) i--; /* what was held is one error; this byte may begin something */
        u->n = 0;
    }
    return made;
}

size_t setun_utf8_end(struct setun_utf8 *u, uint8_t *out) {
    if (u->n == 0) return 0;
    u->n = 0;
    return put_replacement(out);
}

bool setun_stops_open(struct setun_stops *s, const char *const *stop, uint32_t n, size_t token_bytes) {
    *s = (struct setun_stops){.stop = stop, .n = n};
    for (uint32_t i = 0; i < n; i++) {
        size_t len = strlen(stop[i]);
        if (len > s->longest) s->longest = len;
    }
    s->cap = s->longest + token_bytes + 1;
    s->at = malloc(s->cap);
    return s->at != NULL;
}

void setun_stops_close(struct setun_stops *s) {
    free(s->at);
    *s = (struct setun_stops){0};
}

/* Length of the longest stop string that ends where the held bytes end, or 0. */
static size_t complete(const struct setun_stops *s) {
    size_t best = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t len = strlen(s->stop[i]);
        if (len > best && len <= s->held && memcmp(s->at + s->held - len, s->stop[i], len) == 0) best = len;
    }
    return best;
}

/* Is what is held from `at` on the beginning of a stop string? */
static bool beginning(const struct setun_stops *s, size_t at) {
    size_t left = s->held - at;
    for (uint32_t i = 0; i < s->n; i++) {
        if (strlen(s->stop[i]) > left && memcmp(s->at + at, s->stop[i], left) == 0) return true;
    }
    return false;
}

/* Byte by byte: which stop string is complete first does not depend on where tokens end. */
size_t setun_stops_push(struct setun_stops *s, const uint8_t *in, size_t n) {
    if (s->hit) return 0;
    for (size_t i = 0; i < n && s->held < s->cap; i++) {
        s->at[s->held++] = in[i];
        size_t len = complete(s);
        if (len > 0) {
            s->hit = true;
            return s->held - len;
        }
    }
    size_t ready = s->held < s->longest ? 0 : s->held - s->longest;
    while (ready < s->held && !beginning(s, ready)) ready++;
    return ready;
}

void setun_stops_take(struct setun_stops *s, size_t ready) {
    s->held -= ready;
    memmove(s->at, s->at + ready, s->held);
}
