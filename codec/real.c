/* real.c -- the types of real tensors as one: plain floats here, blocks in a file each. */
#include "codec/real.h"

#include <string.h>

#include "codec/ternary_impl.h"

static void f32_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i++) out[i] = f32_of_bits(load_u32le(p + 4 * i));
}

static void f16_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i++) out[i] = half_load(p + 2 * i);
}

static void bf16_decode(const uint8_t *p, uint64_t n, float *out) {
    for (uint64_t i = 0; i < n; i++) out[i] = f32_of_bits((uint32_t)load_u16le(p + 2 * i) << 16);
}

void real_decode(enum tensor_type t, const uint8_t *p, uint64_t n, float *out) {
    if (n % tensor_types[t].block) BUG("%u elements of %s", (unsigned)n, tensor_types[t].name);
    switch ((int)t) {
    case TYPE_F32: f32_decode(p, n, out); return;
    case TYPE_F16: f16_decode(p, n, out); return;
    case TYPE_BF16: bf16_decode(p, n, out); return;
    case TYPE_Q8_0: q8_0_decode(p, n, out); return;
    case TYPE_Q6_K: q6_k_decode(p, n, out); return;
    case TYPE_Q4_0: q4_0_decode(p, n, out); return;
    case TYPE_Q4_K: q4_k_decode(p, n, out); return;
    }
    BUG("%s is no real type", tensor_types[t].name);
}

/* ---- finite? ---- */

/* Where the 16-bit numbers of a block are that must not have an exponent of ones; the other bytes are integers. */
struct halves {
    uint32_t n, at[2];
    uint16_t mask;
};

static bool halves_of(enum tensor_type t, struct halves *h) {
    switch ((int)t) {
    case TYPE_F16: *h = (struct halves){1, {0, 0}, 0x7c00}; return true;
    case TYPE_BF16: *h = (struct halves){1, {0, 0}, 0x7f80}; return true;
    case TYPE_Q8_0:
    case TYPE_Q4_0: *h = (struct halves){1, {0, 0}, 0x7c00}; return true;
    case TYPE_Q4_K: *h = (struct halves){2, {0, 2}, 0x7c00}; return true;
    case TYPE_Q6_K: *h = (struct halves){1, {208, 0}, 0x7c00}; return true;
    }
    return false;
}

/* Is a number not finite in any of n blocks?  Without a branch inside. */
static bool any_not_finite(const struct halves *h, uint32_t bytes, const uint8_t *p, uint64_t n) {
    unsigned found = 0;
    for (uint32_t k = 0; k < h->n; k++)
        for (uint64_t i = 0; i < n; i++) found |= (load_u16le(p + i * bytes + h->at[k]) & h->mask) == h->mask;
    return found != 0;
}

static bool any_f32_not_finite(const uint8_t *p, uint64_t n) {
    unsigned found = 0;
    for (uint64_t i = 0; i < n; i++) found |= (load_u32le(p + 4 * i) & 0x7f800000u) == 0x7f800000u;
    return found != 0;
}

bool real_finite(enum tensor_type t, const uint8_t *p, uint64_t n, uint64_t *at) {
    struct halves h = {0};
    uint32_t block = tensor_types[t].block, bytes = tensor_types[t].bytes;
    uint64_t i = 0;
    if (t == TYPE_F32) {
        if (!any_f32_not_finite(p, n)) return true;
        while (!any_f32_not_finite(p + 4 * i, 1)) i++;
    } else {
        if (!halves_of(t, &h)) BUG("%s is no real type", tensor_types[t].name);
        if (!any_not_finite(&h, bytes, p, n / block)) return true;
        while (!any_not_finite(&h, bytes, p + i * bytes, 1)) i++;
    }
    *at = i * block;
    return false;
}
