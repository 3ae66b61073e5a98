/* half.h -- IEEE half precision, the scales of blocks: widening is exact, narrowing to nearest even. */
#ifndef SETUN_CODEC_HALF_H
#define SETUN_CODEC_HALF_H

#include "base/check.h"

/* Normal halves: move the exponent.  Subnormals: let the FPU normalise a number with their bits below 2^-14. */
static inline float half_widen(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00) return f32_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest >= 0x0400) return f32_of_bits(sign | ((rest << 13) + (112u << 23)));
    return f32_of_bits(sign | bits_of_f32((float)rest * 0x1p-24f));
}

static inline float half_load(const uint8_t *p) { return half_widen(load_u16le(p)); }

/* Adding 2^(e+13) to a number of exponent e leaves its eleven leading bits, rounded by the FPU. */
static inline uint16_t half_narrow(float x) {
    uint32_t bits = bits_of_f32(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (rest >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and above */
    if (rest < 0x38800000u) {                                   /* below 2^-14: units of 2^-24 */
        float units = f32_of_bits(rest) + 0x1p-1f;              /* 2^-1 + n 2^-24, rounded to such */
        return (uint16_t)(sign | (bits_of_f32(units) - bits_of_f32(0x1p-1f)));
    }
    rest += 0xfffu + (rest >> 13 & 1u);
    return (uint16_t)(sign | ((rest >> 13) - (112u << 10)));
}

static inline bool half_exact(float x) { return bits_of_f32(half_widen(half_narrow(x))) == bits_of_f32(x); }

static inline void half_store(uint8_t *p, float x) {
    uint16_t h = half_narrow(x);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

#endif
