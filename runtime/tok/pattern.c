/*
 * pattern.c -- regular expressions of tokenizers, run by PCRE2 with Unicode properties.
 *
 * Compiled to machine code where the system lets memory become code; what that cannot do (its stack is fixed) is
 * left to the interpreter.  With SETUN_NO_JIT, in libraries, all is: their hosts need not allow such memory.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>

#include "runtime/tok/impl.h"

bool setun_pattern_open(struct setun_pattern *p, const uint8_t *at, size_t n, char *why, size_t why_size) {
    int error;
    PCRE2_SIZE where;
    p->code = pcre2_compile(at, n, PCRE2_UTF | PCRE2_UCP, &error, &where, NULL);
    if (!p->code) {
        char text[128];
        setun_pattern_error(error, text, sizeof text);
        snprintf(why, why_size, "pattern, byte %zu: %s", (size_t)where, text);
        return false;
    }
    p->match = pcre2_match_data_create(1, NULL);
    p->limits = pcre2_match_context_create(NULL);
    if (!p->match || !p->limits) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    pcre2_set_heap_limit(p->limits, 256 * 1024); /* KiB */
#ifndef SETUN_NO_JIT
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* if it cannot, the interpreter runs */
#endif
    return true;
}

void setun_pattern_close(struct setun_pattern *p) {
    pcre2_code_free(p->code);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    *p = (struct setun_pattern){0};
}

/* Steps that one match may take: a pattern that looks at each character a hundred times is not wild. */
static uint32_t steps_for(size_t n) {
    uint64_t steps = 10000000 + 100 * (uint64_t)n;
    return steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX;
}

int setun_pattern_next(const struct setun_pattern *p, const uint8_t *at, size_t n, size_t from, size_t range[2]) {
    const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    pcre2_set_match_limit(p->limits, steps_for(n));
    int found = pcre2_match(p->code, at, n, from, options, p->match, p->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(p->code, at, n, from, options | PCRE2_NO_JIT, p->match, p->limits);
    if (found == PCRE2_ERROR_NOMATCH) return 0;
    if (found < 0) return found;
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(p->match);
    range[0] = place[0];
    range[1] = place[1];
    return place[0] >= from && place[1] > place[0]; /* a look-behind may reset the start (\K): no match then */
}

void setun_pattern_error(int error, char *text, size_t size) {
    if (pcre2_get_error_message(error, (PCRE2_UCHAR *)text, size) < 0) snprintf(text, size, "error %d", error);
}
