/*
 * read.c -- weights back from a data section.
 */
#include "backends/data/data.h"

#include <string.h>

#include "base/check.h"
#include "ir/num.h"

struct source {
    struct diag *d;
    const char *path;
    const struct data_plan *plan;
    const uint8_t *data;
};

static const uint8_t *place_of(const struct source *s, const struct ir_weight *w, uint32_t layer) {
    const struct setun_tensor *t = &s->plan->tensor[w->id];
    return s->data + t->offset + layer * t->layer_stride;
}

static bool read_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    const struct source *s = self;
    const struct mm_core *core = mm_core_of_layout(s->plan->tensor[w->id].layout);
    mm_unpack(core, place_of(s, w, layer), row, n, ir_weight_rows(w), ir_weight_cols(w), out);
    uint8_t wrong = 0; /* the bytes may be a stranger's: what unpack makes of others is no trit, or some trit */
    for (uint64_t i = 0; i < n * ir_weight_cols(w); i++) wrong |= (uint8_t)(out[i] + 1) > 2;
    return !wrong || diag_in(s->d, s->path, DIAG_NOT_EXECUTABLE, "its weights are damaged");
}

static bool read_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    const struct source *s = self;
    const struct setun_tensor *t = &s->plan->tensor[w->id];
    const uint8_t *from = s->data + t->scale_offset + layer * t->layer_stride;
    if (!t->group) {
        memcpy(out, from, 4 * (size_t)t->n_scales);
        return true;
    }
    uint64_t groups = data_cols(t) / t->group, rows = data_rows(t);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t g = 0; g < groups; g++)
            memcpy(out + r * groups + g, from + 4 * ((r / IR_TILE * groups + g) * IR_TILE + r % IR_TILE), 4);
    return true;
}

/* Floats that were widened go back to what was stored; exact both ways. */
static void narrow(enum ir_store store, const uint8_t *floats, uint64_t n, uint8_t *out) {
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits = load_u32le(floats + 4 * i);
        uint16_t half = store == IR_STORE_F16 ? num_f16(f32_of_bits(bits)) : (uint16_t)(bits >> 16);
        if (store == IR_STORE_F32)
            memcpy(out + 4 * i, &bits, 4);
        else
            memcpy(out + 2 * i, &half, 2);
    }
}

static bool read_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct source *s = self;
    const struct setun_tensor *t = &s->plan->tensor[w->id];
    uint64_t cols = data_cols(t), bytes = ir_stored_bytes(w->store, cols);
    const uint8_t *from = place_of(s, w, layer);
    if (t->layout == SETUN_LAYOUT_F32) {
        narrow(w->store, from + 4 * row * cols, n * cols, out);
        return true;
    }
    for (uint64_t r = 0; r < n; r++)
        memcpy((uint8_t *)out + r * bytes, from + (row + r) * data_raw_row_bytes(t), (size_t)bytes);
    return true;
}

struct ir_weights data_weights(struct diag *d, const char *path, struct arena *a, const struct data_plan *plan,
                               const uint8_t *data, uint64_t n) {
    if (n < plan->bytes) BUG("the data section has %llu bytes", (unsigned long long)n);
    struct source *s = arena_one(a, struct source);
    *s = (struct source){.d = d, .path = path, .plan = plan, .data = data};
    return (struct ir_weights){.self = s, .trits = read_trits, .scales = read_scales, .raw = read_raw};
}
