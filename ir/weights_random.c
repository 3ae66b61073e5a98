/*
 * weights_random.c -- weights drawn from a seed, and the widening of stored ones.
 *
 * The generator is described in weights.h; test/ref/evaluator.py implements that text as well.  Every value is
 * exact in bf16, so the storage type does not change it.
 */
#include <string.h>

#include "base/check.h"
#include "ir/num.h"
#include "ir/weights.h"

uint32_t ir_store_bytes(enum ir_store s) {
    switch (s) {
    case IR_STORE_TRIT: return 0;
    case IR_STORE_F32: return 4;
    case IR_STORE_F16:
    case IR_STORE_BF16: return 2;
    default: break;
    }
    BUG("storage %d", (int)s);
}

void ir_widen(enum ir_store s, const void *raw, uint64_t n, float *out) {
    const uint8_t *at = raw;
    switch (s) {
    case IR_STORE_TRIT: break;
    case IR_STORE_F32:
        for (uint64_t i = 0; i < n; i++) out[i] = f32_of_bits(load_u32le(at + 4 * i));
        return;
    case IR_STORE_F16:
        for (uint64_t i = 0; i < n; i++) out[i] = num_of_f16(load_u16le(at + 2 * i));
        return;
    case IR_STORE_BF16:
        for (uint64_t i = 0; i < n; i++) out[i] = num_of_bf16(load_u16le(at + 2 * i));
        return;
    default: break;
    }
    BUG("trits are not widened");
}

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

static bool random_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    uint64_t base = stream(self, w, layer), cols = ir_weight_cols(w);
    uint32_t bytes = ir_store_bytes(w->store);
    uint8_t *at = out;
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
