/*
 * write.c -- the data section in one pass, from first byte to last, a piece at a time.
 */
#include "backends/data/data.h"

#include <string.h>

enum { CHUNK = 4 << 20 }; /* bytes of trits or raw rows held at a time, or one row of tiles */

struct writer {
    const struct data_plan *plan;
    const struct ir_module *m;
    const struct ir_weights *from;
    struct out *out;
    struct setun_hasher hash;
    uint64_t done;
    void (*progress)(void *self, uint64_t done, uint64_t all);
    void *self;
    uint8_t *in, *packed; /* in: values as the source gives them */
    float *floats;
};

static bool put(struct writer *w, const void *p, uint64_t n) {
    setun_hash_add(&w->hash, p, n);
    w->done += n;
    if (w->progress) w->progress(w->self, w->done, w->plan->bytes);
    return out_write(w->out, p, (size_t)n);
}

/* Zero bytes up to an offset of the section. */
static bool fill(struct writer *w, uint64_t to) {
    static const uint8_t zero[4 * IR_LANES];
    if (w->done > to) BUG("data section: at byte %llu, past %llu", (unsigned long long)w->done, (unsigned long long)to);
    while (w->done < to) {
        uint64_t n = to - w->done < sizeof zero ? to - w->done : sizeof zero;
        if (!put(w, zero, n)) return false;
    }
    return true;
}

static uint64_t at_least_one(uint64_t n) { return n ? n : 1; }

/* Rows of tiles that are read and packed together. */
static uint64_t tiles_a_time(const struct setun_tensor *t) { return at_least_one(CHUNK / (IR_TILE * data_cols(t))); }

static bool write_trits(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t,
                        uint32_t layer) {
    const struct mm_core *core = mm_core_of_layout(t->layout);
    uint64_t K = data_cols(t), rows = data_rows(t), step = tiles_a_time(t) * IR_TILE;
    for (uint64_t row = 0; row < rows; row += step) {
        uint64_t n = rows - row < step ? rows - row : step;
        int8_t *trits = (int8_t *)w->in;
        if (!w->from->trits(w->from->self, weight, layer, row, n, trits)) return false;
        if (mm_one_piece(core)) {
            mm_pack(core, trits, row, n, rows, K, w->packed);
        } else {
            mm_pack(core, trits, 0, n, n, K, w->packed);
            if (!put(w, w->packed, mm_bytes_of(core, n, K))) return false;
        }
    }
    return !mm_one_piece(core) || put(w, w->packed, mm_bytes_of(core, rows, K));
}

/* The scales of 64 rows for one group of columns; rows beyond the matrix: 0. */
static void tile_scales(const float *all, uint64_t rows, uint64_t groups, uint64_t tile, uint64_t group,
                        float out[IR_TILE]) {
    for (uint64_t r = 0; r < IR_TILE; r++) {
        uint64_t row = tile * IR_TILE + r;
        out[r] = row < rows ? all[row * groups + group] : 0.0f;
    }
}

static bool write_scales(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t,
                         uint32_t layer) {
    if (!t->n_scales) return true;
    if (!w->from->scales(w->from->self, weight, layer, w->floats)) return false;
    if (!t->group) return put(w, w->floats, 4 * (uint64_t)t->n_scales);
    uint64_t groups = data_cols(t) / t->group;
    for (uint64_t i = 0; i < data_tile_rows(t) * groups; i++) {
        float part[IR_TILE];
        tile_scales(w->floats, data_rows(t), groups, i / groups, i % groups, part);
        if (!put(w, part, sizeof part)) return false;
    }
    return true;
}

/* Rows as stored, each padded. */
static bool write_raw(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t, uint32_t layer) {
    uint64_t bytes = ir_stored_bytes(weight->store, data_cols(t)), padded = data_raw_row_bytes(t), rows = data_rows(t);
    uint64_t step = at_least_one(CHUNK / padded);
    for (uint64_t row = 0; row < rows; row += step) {
        uint64_t n = rows - row < step ? rows - row : step;
        const uint8_t *whole = w->in;
        if (!w->from->raw(w->from->self, weight, layer, row, n, w->in)) return false;
        if (bytes != padded) {
            memset(w->packed, 0, (size_t)(n * padded));
            for (uint64_t r = 0; r < n; r++) memcpy(w->packed + r * padded, w->in + r * bytes, (size_t)bytes);
            whole = w->packed;
        }
        if (!put(w, whole, n * padded)) return false;
    }
    return true;
}

static bool write_floats(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t,
                         uint32_t layer) {
    uint64_t cols = data_cols(t), rows = data_rows(t);
    uint64_t step = at_least_one(CHUNK / (4 * cols));
    for (uint64_t row = 0; row < rows; row += step) {
        uint64_t n = rows - row < step ? rows - row : step;
        if (!w->from->raw(w->from->self, weight, layer, row, n, w->in)) return false;
        ir_widen(weight->store, w->in, n * cols, w->floats);
        if (!put(w, w->floats, 4 * n * cols)) return false;
    }
    return true;
}

/* Row by row a second time: 16 of them make a tile. */
static bool write_screen(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t) {
    uint64_t cols = data_cols(t), rows = data_rows(t);
    if (!t->screen_offset) return true;
    if (!fill(w, t->screen_offset)) return false;
    for (uint64_t row = 0; row < rows; row += SCREEN_ROWS) {
        uint64_t n = rows - row < SCREEN_ROWS ? rows - row : SCREEN_ROWS;
        if (!w->from->raw(w->from->self, weight, 0, row, n, w->in)) return false;
        ir_widen(weight->store, w->in, n * cols, w->floats);
        screen_pack_tile(w->floats, n, cols, w->packed);
        if (!put(w, w->packed, screen_tile_bytes(cols))) return false;
    }
    return true;
}

static bool write_tensor(struct writer *w, const struct ir_weight *weight, uint32_t layer) {
    const struct setun_tensor *t = &w->plan->tensor[weight->id];
    uint64_t shift = layer * t->layer_stride;
    if (!fill(w, t->offset + shift)) return false;
    if (t->layout == SETUN_LAYOUT_RAW) return write_raw(w, weight, t, layer) && write_screen(w, weight, t);
    if (t->layout == SETUN_LAYOUT_F32) return write_floats(w, weight, t, layer);
    return write_trits(w, weight, t, layer) && fill(w, t->scale_offset + shift) && write_scales(w, weight, t, layer);
}

static bool write_all(struct writer *w) {
    const struct ir_module *m = w->m;
    for (size_t i = 0; i < m->weights.n; i++)
        if (!m->weights.at[i]->layers && !write_tensor(w, m->weights.at[i], 0)) return false;
    for (size_t i = 0; i < m->weights.n; i++) {
        if (!data_first_of_stack(m, i)) continue;
        for (uint32_t layer = 0; layer < m->weights.at[i]->layers; layer++)
            for (size_t j = i; j < m->weights.n; j++)
                if (m->weights.at[j]->layers && ir_same_stack(m->weights.at[i]->name, m->weights.at[j]->name) &&
                    !write_tensor(w, m->weights.at[j], layer))
                    return false;
    }
    return fill(w, w->plan->bytes);
}

static bool is_trits(const struct setun_tensor *t) {
    return t->layout != SETUN_LAYOUT_RAW && t->layout != SETUN_LAYOUT_F32;
}

/* What write_trits holds at a time: trits, a byte each, or what they are packed to. */
static uint64_t trits_bytes(const struct setun_tensor *t) {
    const struct mm_core *core = mm_core_of_layout(t->layout);
    uint64_t rows = tiles_a_time(t) * IR_TILE, in = rows * data_cols(t);
    uint64_t packed = mm_bytes_of(core, mm_one_piece(core) ? data_rows(t) : rows, data_cols(t));
    return in > packed ? in : packed;
}

/* The largest piece that any tensor needs at a time, as given and as written. */
static uint64_t buffer_bytes(const struct data_plan *p) {
    uint64_t most = CHUNK;
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        const struct setun_tensor *t = &p->tensor[i];
        uint64_t need = 4 * data_cols(t);
        if (t->layout == SETUN_LAYOUT_RAW) need = data_raw_row_bytes(t);
        if (is_trits(t)) need = trits_bytes(t);
        if (t->screen_offset && need < 4 * SCREEN_ROWS * data_cols(t) + 4096)
            need = 4 * SCREEN_ROWS * data_cols(t) + 4096;
        if (need > most) most = need;
        if (4 * (uint64_t)t->n_scales > most) most = 4 * (uint64_t)t->n_scales;
    }
    return data_up(most, DATA_ALIGN);
}

bool data_write(struct diag *d, const struct ir_module *m, const struct data_plan *plan, const struct ir_weights *from,
                struct out *o, uint64_t *hash, void (*progress)(void *self, uint64_t done, uint64_t all), void *self) {
    (void)d; /* sources and outputs report their own errors */
    struct arena *a = arena_new();
    uint64_t n = buffer_bytes(plan);
    struct writer w = {.plan = plan, .m = m, .from = from, .out = o, .progress = progress, .self = self};
    w.in = arena_alloc(a, n);
    w.packed = arena_alloc(a, n);
    w.floats = arena_alloc(a, n);
    setun_hash_init(&w.hash);
    bool ok = write_all(&w);
    *hash = setun_hash_end(&w.hash);
    arena_free(a);
    return ok;
}
