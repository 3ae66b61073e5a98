/* check.h -- arithmetic on numbers that come from a stranger's file, and little-endian loads.
 * ck_* store the result and return true, or return false on overflow. */
#ifndef SETUN_BASE_CHECK_H
#define SETUN_BASE_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool ck_add(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_add_overflow(a, b, out); }
static inline bool ck_sub(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_sub_overflow(a, b, out); }
static inline bool ck_mul(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_mul_overflow(a, b, out); }
/* Rounds a up to a multiple of the power of two p. */
static inline bool ck_align(uint64_t *out, uint64_t a, uint64_t p) {
    uint64_t t;
    if (!ck_add(&t, a, p - 1)) return false;
    *out = t & ~(p - 1);
    return true;
}

static inline uint16_t load_u16le(const void *p) {
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t load_u32le(const void *p) {
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t load_u64le(const void *p) {
    const uint8_t *b = p;
    return (uint64_t)load_u32le(b) | (uint64_t)load_u32le(b + 4) << 32;
}
static inline float f32_of_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}
static inline uint32_t bits_of_f32(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

#endif
