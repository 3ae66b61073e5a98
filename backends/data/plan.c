/*
 * plan.c -- where each weight lies in the data section, and each state in a block of the cache.
 */
#include "backends/data/data.h"

#include <string.h>

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

/* Of one layer's tensor, without scales; and of its scales. */
static uint64_t body_bytes(const struct setun_tensor *t) {
    if (t->layout == SETUN_LAYOUT_RAW) return data_rows(t) * data_raw_row_bytes(t);
    if (t->layout == SETUN_LAYOUT_F32) return data_up(4 * data_rows(t) * data_cols(t), 4 * IR_LANES);
    return mm_bytes_of(mm_core_of_layout(t->layout), data_rows(t), data_cols(t));
}

static uint64_t scale_bytes(const struct setun_tensor *t) {
    if (t->group) return data_tile_rows(t) * mm_alpha_bytes(data_cols(t), t->group);
    return t->n_scales == 1 ? DATA_ALIGN : data_up(4 * (uint64_t)t->n_scales, 4 * IR_LANES);
}

static bool is_screened(const struct ir_module *m, const struct ir_weight *w) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op))
            if (op->weight == w && op->code == IR_OP_dot && ir_attr_get(op, IR_ATTR_screen)) return true;
    return false;
}

static void place_tensor(struct data_plan *p, const struct ir_module *m, const struct ir_weight *w) {
    struct setun_tensor *t = &p->tensor[w->id];
    *t = (struct setun_tensor){.offset = p->bytes, .store = w->store, .layers = w->layers, .rank = w->rank};
    memcpy(t->dim, w->dim, sizeof t->dim);
    t->layout = layout_of(m, w);
    t->n_scales = (uint32_t)ir_weight_scales(w);
    if (w->scale == IR_SCALE_GROUP) t->group = w->group;
    p->bytes += data_up(body_bytes(t), DATA_ALIGN);
    t->scale_offset = p->bytes;
    if (t->n_scales) p->bytes += data_up(scale_bytes(t), DATA_ALIGN);
    if (!is_screened(m, w)) return;
    t->screen_offset = p->bytes;
    p->bytes += data_up(data_rows(t), SCREEN_ROWS) / SCREEN_ROWS * screen_tile_bytes(data_cols(t));
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

bool data_first_of_stack(const struct ir_module *m, size_t at) {
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
    p->state_block_bytes += data_up(ir_state_heads(s) * ir_state_head_bytes(s), DATA_ALIGN);
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
        if (data_first_of_stack(m, i)) place_stack(plan, m, m->weights.at[i]);
    plan->bytes += DATA_TAIL;
    place_states(plan, m);
}
