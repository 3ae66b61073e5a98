/* uchar.c -- single characters (uchar.h). */
#include "runtime/tok/uchar.h"

#include <utf8proc.h>

#include "runtime/text.h"

size_t setun_char_at(const uint8_t *p, size_t n, uint32_t *c) {
    int len = setun_utf8_next(p, n);
    if (len <= 0) return 0;
    *c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (int i = 1; i < len; i++) *c = *c << 6 | (p[i] & 0x3fu);
    return (size_t)len;
}

size_t setun_char_before(const uint8_t *text, size_t at, uint32_t *c) {
    for (size_t len = 1; len <= 4 && len <= at; len++) {
        if ((text[at - len] & 0xc0) == 0x80) continue;
        return setun_char_at(text + at - len, len, c) == len ? len : 0;
    }
    return 0;
}

size_t setun_char_put(uint32_t c, uint8_t out[4]) {
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(n == 1 ? c : (0xf00u >> n & 0xf0u) | c);
    return n;
}

bool setun_char_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Alphabetic symbols: the circled letters. */
static bool is_letter_symbol(uint32_t c) {
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
           (c >= 0x1f170 && c <= 0x1f189);
}

bool setun_char_is_word(uint32_t c) {
    if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    bool letter = k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
    bool mark = k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
    return letter || mark || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_PC ||
           c == 0x200c || c == 0x200d || is_letter_symbol(c);
}
