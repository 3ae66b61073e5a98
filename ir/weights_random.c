/*
 * weights_random.c -- weights drawn from a seed, and the widening of stored ones.
 *
 * The generator is described in weights.h; test/ref/evaluator.py implements that text as well.  Every value is
 * exact in bf16, so the storage type does not change it; blocks have values of their own.
 */
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/real.h"
#include "ir/num.h"
#include "ir/weights.h"

enum tensor_type ir_store_type(enum ir_store s) {
    switch (s) {
    case IR_STORE_F32: return TYPE_F32;
    case IR_STORE_F16: return TYPE_F16;
    case IR_STORE_BF16: return TYPE_BF16;
    case IR_STORE_Q8_0: return TYPE_Q8_0;
    case IR_STORE_Q6_K: return TYPE_Q6_K;
    case IR_STORE_Q4_0: return TYPE_Q4_0;
    case IR_STORE_Q4_K: return TYPE_Q4_K;
    case IR_STORE_TRIT:
    case IR_N_STORES: break;
    }
    BUG("storage %d is not real", (int)s);
}

uint32_t ir_store_block(enum ir_store s) { return s == IR_STORE_TRIT ? 1 : tensor_types[ir_store_type(s)].block; }

uint32_t ir_store_bytes(enum ir_store s) {
    return s == IR_STORE_TRIT || ir_store_block(s) > 1 ? 0 : tensor_types[ir_store_type(s)].bytes;
}

uint64_t ir_stored_bytes(enum ir_store s, uint64_t n) {
    const struct type_info *t = &tensor_types[ir_store_type(s)];
    if (n % t->block) BUG("%llu elements of %s", (unsigned long long)n, t->name);
    return n / t->block * t->bytes;
}

void ir_widen(enum ir_store s, const void *raw, uint64_t n, float *out) { real_decode(ir_store_type(s), raw, n, out); }

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Seeds by name, not by number: what no order of tables can change. */
static uint64_t stream(const uint64_t *seed, const struct ir_weight *w, uint32_t layer) {
    return mix(*seed ^ mix(hash_bytes(w->name, strlen(w->name), 0) + layer));
}

static uint64_t word(uint64_t base, uint64_t i) { return mix(base + 0x9E3779B97F4A7C15u * (i + 1)); }

static bool random_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    uint64_t base = stream(self, w, layer), cols = ir_weight_cols(w);
    for (uint64_t i = 0; i < n * cols; i++) out[i] = (int8_t)((word(base, row * cols + i) >> 32) * 3 >> 32) - 1;
    return true;
}

static bool random_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    uint64_t base = mix(stream(self, w, layer)), cols = ir_weight_cols(w);
    float unit = 1.0f;
    for (uint64_t k = 1; k < cols; k *= 4) unit *= 0.5f;
    uint64_t n = ir_weight_scales(w);
    for (uint64_t i = 0; i < n; i++) out[i] = (1.0f + (float)(word(base, i) >> 59) / 32.0f) * unit;
    return true;
}

static float random_real(const struct ir_weight *w, uint64_t base, uint64_t i) {
    uint64_t z = word(base, i);
    if (w->rank == 1) return 0.875f + (float)(z >> 60) / 64.0f;
    return ((float)(z >> 56) - 128.0f) / 128.0f;
}

/* Where a block has halves, and the exponent that random ones get. */
static const struct drawn_half {
    enum ir_store store;
    uint32_t at, exponent;
} drawn_halves[] = {{IR_STORE_Q8_0, 0, 7},
                    {IR_STORE_Q6_K, 208, 3},
                    {IR_STORE_Q4_0, 0, 12},
                    {IR_STORE_Q4_K, 0, 4},
                    {IR_STORE_Q4_K, 2, 8}};

/* Bytes [from, from + n) of the weight's blocks, whole blocks. */
static void random_blocks(enum ir_store store, uint64_t base, uint64_t from, uint64_t n, uint8_t *out) {
    uint64_t block = ir_stored_bytes(store, ir_store_block(store));
    for (uint64_t k = 0; k < n; k++) out[k] = (uint8_t)(word(base, from + k) >> 56);
    for (size_t i = 0; i < COUNT_OF(drawn_halves); i++)
        for (uint64_t k = drawn_halves[i].at; drawn_halves[i].store == store && k < n; k += block)
            out[k + 1] = (uint8_t)((out[k + 1] & 0x83u) | drawn_halves[i].exponent << 2);
}

static bool random_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    uint64_t base = stream(self, w, layer), cols = ir_weight_cols(w);
    uint32_t bytes = ir_store_bytes(w->store);
    uint8_t *at = out;
    if (ir_store_block(w->store) > 1) {
        random_blocks(w->store, base, ir_stored_bytes(w->store, row * cols), ir_stored_bytes(w->store, n * cols), at);
        return true;
    }
    for (uint64_t i = 0; i < n * cols; i++, at += bytes) {
        float x = random_real(w, base, row * cols + i);
        uint32_t u = bits_of_f32(x);
        if (w->store == IR_STORE_F16) u = num_f16(x);
        if (w->store == IR_STORE_BF16) u >>= 16;
        for (uint32_t k = 0; k < bytes; k++) at[k] = (uint8_t)(u >> 8 * k);
    }
    return true;
}

struct ir_weights ir_weights_random(struct arena *a, uint64_t seed) {
    uint64_t *self = arena_one(a, uint64_t);
    *self = seed;
    return (struct ir_weights){.self = self, .trits = random_trits, .scales = random_scales, .raw = random_raw};
}
