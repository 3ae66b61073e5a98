/* tok_charsmap.c -- SentencePiece's map of characters: not done yet. */
#include <stdio.h>

#include "runtime/tok_impl.h"

bool setun_charsmap_check(const uint8_t *map, size_t bytes, char *why, size_t why_size) {
    (void)map, (void)bytes;
    snprintf(why, why_size, "a map of characters is not supported");
    return false;
}

bool setun_charsmap(const uint8_t *map, size_t bytes, const uint8_t *at, size_t n, struct setun_bytes *out) {
    (void)map, (void)bytes;
    return setun_bytes_put(out, at, n);
}

bool setun_charsmap_graphemes(const uint8_t *map, size_t bytes, const uint8_t *at, size_t n, struct setun_bytes *out) {
    (void)map, (void)bytes;
    return setun_bytes_put(out, at, n);
}
