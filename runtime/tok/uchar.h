/* uchar.h -- single characters of UTF-8 texts and what tokenizers ask of them. */
#ifndef SETUN_RUNTIME_UCHAR_H
#define SETUN_RUNTIME_UCHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at p: its length, or 0 if there is none or it is not UTF-8. */
size_t setun_char_at(const uint8_t *p, size_t n, uint32_t *c);
/* The one that ends before `at`. */
size_t setun_char_before(const uint8_t *text, size_t at, uint32_t *c);
/* Writes a character; its length. */
size_t setun_char_put(uint32_t c, uint8_t out[4]);

bool setun_char_is_space(uint32_t c); /* White_Space of Unicode */
bool setun_char_is_word(uint32_t c);  /* \w of Unicode's regular expressions */

#endif
