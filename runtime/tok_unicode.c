/* tok_unicode.c -- Unicode's normal forms and lower case: not done yet. */
#include "runtime/tok_impl.h"

bool setun_normal_form(enum setun_tok_step_kind form, const uint8_t *at, size_t n, struct setun_bytes *out) {
    (void)form;
    return setun_bytes_put(out, at, n);
}

bool setun_lower(const uint8_t *at, size_t n, struct setun_bytes *out) { return setun_bytes_put(out, at, n); }
