/*
 * guard.h -- what people and models wrote stays text, whatever it looks like.
 *
 * A chat template's own text may name special tokens, a message's must not.  So before a message is rendered, one
 * character of everything in it that could be a part of a special token's name is replaced by a stand-in, a character
 * of Unicode's last plane, which is for private use: U+0041 by U+100041.  The template treats it as it would any
 * letter. Afterwards the stand-ins are taken back, and their places are marked: setun_encode_marked lets no special
 * token have a marked byte.  Characters of that plane in a message become U+FFFD, as do bytes that are no UTF-8.
 */
#ifndef SETUN_RUNTIME_GUARD_H
#define SETUN_RUNTIME_GUARD_H

#include "runtime/tok/tok.h"

/* A text and its marks, ascending places of bytes.  Memory is the caller's. */
struct setun_marked {
    uint8_t *at;
    size_t n, cap;
    size_t *mark;
    size_t n_marks, mark_cap;
};

/* Bytes that `n` bytes of a message take at the most when they are guarded. */
#define SETUN_GUARDED(n) (4 * (n))

/* Writes n bytes of a message to out, which has room for SETUN_GUARDED(n); returns how many it wrote. */
size_t setun_guard(const struct setun_tokenizer *t, const uint8_t *text, size_t n, uint8_t *out);
/* Takes the stand-ins of n rendered bytes back.  false: there is no room. */
bool setun_unguard(const uint8_t *text, size_t n, struct setun_marked *out);

#endif
