/* core.c -- the table of ternary cores, and what follows from a weight's core; see core.h. */
#include "backends/core.h"

#define CORE(name, ...) extern const struct mm_core mm_core_##name;
#include "ir/cores.def"

const struct mm_core *const mm_cores[IR_N_CORES] = {
#define CORE(name, ...) &mm_core_##name,
#include "ir/cores.def"
};

const struct mm_core *mm_core_of_layout(enum setun_layout layout) {
    for (size_t i = 0; i < IR_N_CORES; i++)
        if (mm_cores[i]->layout == layout) return mm_cores[i];
    BUG("no core has layout %d", (int)layout);
}

static struct mm_shape shape_of(enum ir_core core, const struct ir_weight *w) {
    struct mm_shape s = {.core = mm_cores[core], .n = ir_weight_rows(w), .K = ir_weight_cols(w)};
    if (w->scale == IR_SCALE_GROUP) s.group = w->group;
    return s;
}

struct mm_shape mm_shape_of(const struct ir_op *op) { return shape_of(ir_core_of(op), op->weight); }

uint64_t mm_alpha_bytes(uint64_t K, uint64_t group) { return K / group * IR_TILE * 4; }

uint64_t mm_bytes(const struct mm_shape *s) {
    uint64_t tiles = (s->n + IR_TILE - 1) / IR_TILE;
    return s->core->bytes(s->n, s->K) + (s->group ? tiles * mm_alpha_bytes(s->K, s->group) : 0);
}

uint64_t mm_model_bytes(const struct ir_module *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        if (w->store != IR_STORE_TRIT) continue;
        struct mm_shape s = shape_of(ir_weight_core(m, w), w);
        sum += mm_bytes(&s) * (w->layers ? w->layers : 1);
    }
    return sum;
}
