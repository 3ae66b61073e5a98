/* core.c -- the table of ternary cores, and what follows from a weight's core; see core.h. */
#include "backends/core/core.h"

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

/* ---- layouts ---- */

static uint64_t tiles_of(uint64_t rows) { return (rows + IR_TILE - 1) / IR_TILE; }

uint64_t mm_bytes_of(const struct mm_core *core, uint64_t rows, uint64_t K) {
    return mm_one_piece(core) ? core->bytes(rows, K) : tiles_of(rows) * core->tile_bytes(K);
}

void mm_pack(const struct mm_core *core, const int8_t *trits, uint64_t row, uint64_t n, uint64_t rows, uint64_t K,
             uint8_t *matrix) {
    if (mm_one_piece(core)) {
        core->pack(trits, row, n, rows, K, matrix);
        return;
    }
    uint8_t *tile = matrix + row / IR_TILE * core->tile_bytes(K);
    for (uint64_t r = 0; r < n; r += IR_TILE, tile += core->tile_bytes(K))
        core->pack_tile(trits + r * K, n - r < IR_TILE ? n - r : IR_TILE, K, tile);
}

void mm_unpack(const struct mm_core *core, const uint8_t *matrix, uint64_t row, uint64_t n, uint64_t rows, uint64_t K,
               int8_t *trits) {
    if (mm_one_piece(core)) {
        core->unpack(matrix, row, n, rows, K, trits);
        return;
    }
    for (uint64_t done = 0; done < n;) {
        uint64_t first = (row + done) % IR_TILE, most = IR_TILE - first, some = n - done < most ? n - done : most;
        core->unpack_tile(matrix + (row + done) / IR_TILE * core->tile_bytes(K), first, some, K, trits + done * K);
        done += some;
    }
}

/* ---- bytes ---- */

uint64_t mm_alpha_bytes(uint64_t K, uint64_t group) { return K / group * IR_TILE * 4; }

uint64_t mm_bytes(const struct mm_shape *s) {
    return mm_bytes_of(s->core, s->n, s->K) + (s->group ? tiles_of(s->n) * mm_alpha_bytes(s->K, s->group) : 0);
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
