/*
 * data.c -- the data section: where each weight lies, writing it in one pass, and reading it back.
 *
 *   global weights | stack: layer 0: its weights | layer 1: ... | next stack ... | DATA_TAIL zero bytes
 *
 * Each tensor starts at a multiple of 64.  Ternary: tiles of 64 rows, then the scales.  Real matrices that rows are
 * taken from (embed, dot): rows as stored, and behind those of a screened head its int8 rows (codec/screen.h).  Every
 * other real weight (gains, biases): one vector of floats.  docs/formats.md draws the layouts.  Which stack a class
 * belongs to is the first part of its name.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/core.h"
#include "base/check.h"
#include "codec/screen.h"
#include "ir/num.h"

/* A unit of 64 output rows may read whole vectors of scales and biases: the last ones too. */
enum { DATA_TAIL = 256, ALIGN = 64 };

static uint64_t up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/* ---- the plan ---- */

static bool rows_are_taken(const struct ir_module *m, const struct ir_weight *w) {
    bool used = false;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op)) {
            if (op->weight != w) continue;
            if (op->code == IR_OP_embed || op->code == IR_OP_dot) return true;
            used = true;
        }
    return !used;
}

static enum setun_layout layout_of(const struct ir_module *m, const struct ir_weight *w) {
    if (w->store == IR_STORE_TRIT) return mm_cores[ir_weight_core(m, w)]->layout;
    if (ir_store_block(w->store) > 1) return SETUN_LAYOUT_RAW; /* what is read in another way has floats */
    return w->rank > 1 && rows_are_taken(m, w) ? SETUN_LAYOUT_RAW : SETUN_LAYOUT_F32;
}

static uint64_t rows_of(const struct setun_tensor *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < t->rank; i++) n *= t->dim[i];
    return n;
}

static uint64_t cols_of(const struct setun_tensor *t) { return t->rank ? t->dim[t->rank - 1] : 1; }

static uint64_t raw_row_bytes(const struct setun_tensor *t) {
    return up(ir_stored_bytes((enum ir_store)t->store, cols_of(t)), ALIGN);
}

static uint64_t tile_rows(const struct setun_tensor *t) { return up(rows_of(t), IR_TILE) / IR_TILE; }

/* Of one layer's tensor, without scales; and of its scales. */
static uint64_t body_bytes(const struct setun_tensor *t) {
    if (t->layout == SETUN_LAYOUT_RAW) return rows_of(t) * raw_row_bytes(t);
    if (t->layout == SETUN_LAYOUT_F32) return up(4 * rows_of(t) * cols_of(t), 4 * IR_LANES);
    return mm_bytes_of(mm_core_of_layout(t->layout), rows_of(t), cols_of(t));
}

static uint64_t scale_bytes(const struct setun_tensor *t) {
    if (t->group) return tile_rows(t) * mm_alpha_bytes(cols_of(t), t->group);
    return t->n_scales == 1 ? ALIGN : up(4 * (uint64_t)t->n_scales, 4 * IR_LANES);
}

static bool is_screened(const struct ir_module *m, const struct ir_weight *w) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op))
            if (op->weight == w && op->code == IR_OP_dot && ir_attr_get(op, IR_ATTR_screen)) return true;
    return false;
}

static uint64_t screen_tiles(const struct setun_tensor *t) { return (rows_of(t) + SCREEN_ROWS - 1) / SCREEN_ROWS; }

static void place_tensor(struct data_plan *p, const struct ir_module *m, const struct ir_weight *w) {
    struct setun_tensor *t = &p->tensor[w->id];
    *t = (struct setun_tensor){.offset = p->bytes, .store = w->store, .layers = w->layers, .rank = w->rank};
    memcpy(t->dim, w->dim, sizeof t->dim);
    t->layout = layout_of(m, w);
    t->n_scales = (uint32_t)ir_weight_scales(w);
    if (w->scale == IR_SCALE_GROUP) t->group = w->group;
    p->bytes += up(body_bytes(t), ALIGN);
    t->scale_offset = p->bytes;
    if (t->n_scales) p->bytes += up(scale_bytes(t), ALIGN);
    if (!is_screened(m, w)) return;
    t->screen_offset = p->bytes;
    p->bytes += screen_tiles(t) * screen_tile_bytes(cols_of(t));
}

/* All weights of first's stack: one layer of them gives the stride of all. */
static void place_stack(struct data_plan *p, const struct ir_module *m, const struct ir_weight *first) {
    uint64_t start = p->bytes;
    for (size_t i = first->id; i < m->weights.n; i++)
        if (m->weights.at[i]->layers && ir_same_stack(m->weights.at[i]->name, first->name))
            place_tensor(p, m, m->weights.at[i]);
    uint64_t stride = p->bytes - start;
    for (size_t i = first->id; i < m->weights.n; i++)
        if (m->weights.at[i]->layers && ir_same_stack(m->weights.at[i]->name, first->name)) {
            if (m->weights.at[i]->layers != first->layers)
                BUG("stack of '%s' has %u layers, '%s' %u", first->name, first->layers, m->weights.at[i]->name,
                    m->weights.at[i]->layers);
            p->tensor[i].layer_stride = stride;
        }
    p->bytes = start + stride * first->layers;
}

static bool first_of_weights(const struct ir_module *m, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (m->weights.at[i]->layers && ir_same_stack(m->weights.at[i]->name, m->weights.at[at]->name)) return false;
    return m->weights.at[at]->layers > 0;
}

static bool first_of_states(const struct ir_module *m, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (m->states.at[i]->layers && ir_same_stack(m->states.at[i]->name, m->states.at[at]->name)) return false;
    return m->states.at[at]->layers > 0;
}

static void place_state(struct data_plan *p, const struct ir_state *s) {
    p->state_offset[s->id] = p->state_block_bytes;
    p->state_block_bytes += up(ir_state_heads(s) * ir_state_head_bytes(s), ALIGN);
}

static void place_states(struct data_plan *p, const struct ir_module *m) {
    for (size_t i = 0; i < m->states.n; i++)
        if (!m->states.at[i]->layers) place_state(p, m->states.at[i]);
    for (size_t i = 0; i < m->states.n; i++) {
        if (!first_of_states(m, i)) continue;
        uint64_t start = p->state_block_bytes;
        for (size_t j = i; j < m->states.n; j++)
            if (m->states.at[j]->layers && ir_same_stack(m->states.at[i]->name, m->states.at[j]->name))
                place_state(p, m->states.at[j]);
        uint64_t stride = p->state_block_bytes - start;
        for (size_t j = i; j < m->states.n; j++)
            if (m->states.at[j]->layers && ir_same_stack(m->states.at[i]->name, m->states.at[j]->name))
                p->state_stride[j] = stride;
        p->state_block_bytes = start + stride * m->states.at[i]->layers;
    }
}

void data_plan_make(struct arena *a, const struct ir_module *m, struct data_plan *plan) {
    *plan = (struct data_plan){.n_tensors = (uint32_t)m->weights.n};
    plan->tensor = arena_array(a, struct setun_tensor, m->weights.n);
    plan->state_offset = arena_array(a, uint64_t, m->states.n);
    plan->state_stride = arena_array(a, uint64_t, m->states.n);
    for (size_t i = 0; i < m->weights.n; i++)
        if (!m->weights.at[i]->layers) place_tensor(plan, m, m->weights.at[i]);
    for (size_t i = 0; i < m->weights.n; i++)
        if (first_of_weights(m, i)) place_stack(plan, m, m->weights.at[i]);
    plan->bytes += DATA_TAIL;
    place_states(plan, m);
}

/* ---- writing ---- */

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
static uint64_t tiles_a_time(const struct setun_tensor *t) { return at_least_one(CHUNK / (IR_TILE * cols_of(t))); }

static bool write_trits(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t,
                        uint32_t layer) {
    const struct mm_core *core = mm_core_of_layout(t->layout);
    uint64_t K = cols_of(t), rows = rows_of(t), step = tiles_a_time(t) * IR_TILE;
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
    uint64_t groups = cols_of(t) / t->group;
    for (uint64_t i = 0; i < tile_rows(t) * groups; i++) {
        float part[IR_TILE];
        tile_scales(w->floats, rows_of(t), groups, i / groups, i % groups, part);
        if (!put(w, part, sizeof part)) return false;
    }
    return true;
}

/* Rows as stored, each padded. */
static bool write_raw(struct writer *w, const struct ir_weight *weight, const struct setun_tensor *t, uint32_t layer) {
    uint64_t bytes = ir_stored_bytes(weight->store, cols_of(t)), padded = raw_row_bytes(t), rows = rows_of(t);
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
    uint64_t cols = cols_of(t), rows = rows_of(t);
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
    uint64_t cols = cols_of(t), rows = rows_of(t);
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
        if (!first_of_weights(m, i)) continue;
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
    uint64_t rows = tiles_a_time(t) * IR_TILE, in = rows * cols_of(t);
    uint64_t packed = mm_bytes_of(core, mm_one_piece(core) ? rows_of(t) : rows, cols_of(t));
    return in > packed ? in : packed;
}

/* The largest piece that any tensor needs at a time, as given and as written. */
static uint64_t buffer_bytes(const struct data_plan *p) {
    uint64_t most = CHUNK;
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        const struct setun_tensor *t = &p->tensor[i];
        uint64_t need = 4 * cols_of(t);
        if (t->layout == SETUN_LAYOUT_RAW) need = raw_row_bytes(t);
        if (is_trits(t)) need = trits_bytes(t);
        if (t->screen_offset && need < 4 * SCREEN_ROWS * cols_of(t) + 4096) need = 4 * SCREEN_ROWS * cols_of(t) + 4096;
        if (need > most) most = need;
        if (4 * (uint64_t)t->n_scales > most) most = 4 * (uint64_t)t->n_scales;
    }
    return up(most, ALIGN);
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

/* ---- reading back ---- */

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
    uint64_t groups = cols_of(t) / t->group, rows = rows_of(t);
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
    uint64_t cols = cols_of(t), bytes = ir_stored_bytes(w->store, cols);
    const uint8_t *from = place_of(s, w, layer);
    if (t->layout == SETUN_LAYOUT_F32) {
        narrow(w->store, from + 4 * row * cols, n * cols, out);
        return true;
    }
    for (uint64_t r = 0; r < n; r++)
        memcpy((uint8_t *)out + r * bytes, from + (row + r) * raw_row_bytes(t), (size_t)bytes);
    return true;
}

struct ir_weights data_weights(struct diag *d, const char *path, struct arena *a, const struct data_plan *plan,
                               const uint8_t *data, uint64_t n) {
    if (n < plan->bytes) BUG("the data section has %llu bytes", (unsigned long long)n);
    struct source *s = arena_one(a, struct source);
    *s = (struct source){.d = d, .path = path, .plan = plan, .data = data};
    return (struct ir_weights){.self = s, .trits = read_trits, .scales = read_scales, .raw = read_raw};
}
