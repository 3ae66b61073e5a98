/* kernel.c -- stages, strands and rows in memory; see kernel.h. */
#include <string.h>

#include "base/check.h"
#include "ir/kernel.h"

/* ---- cores ---- */

const struct ir_core_info ir_cores[IR_N_CORES] = {
#define CORE(name, groups, bits, text) {#name, groups, bits, text},
#include "ir/cores.def"
};

enum ir_core ir_core_named(const char *name) {
    for (enum ir_core i = 0; i < IR_N_CORES; i++)
        if (!strcmp(ir_cores[i].name, name)) return i;
    return IR_N_CORES;
}

enum ir_core ir_core_of(const struct ir_op *op) {
    const char *name = ir_name_attr(op, IR_ATTR_core);
    return name ? ir_core_named(name) : IR_CORE_i2;
}

enum ir_core ir_weight_core(const struct ir_module *m, const struct ir_weight *w) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op))
            if (op->weight == w && (op->code == IR_OP_matmul || op->code == IR_OP_gmatmul)) return ir_core_of(op);
    return IR_CORE_i2;
}

/* ---- stages ---- */

bool ir_is_core(const struct ir_op *op) {
    return op->code == IR_OP_matmul || op->code == IR_OP_gmatmul || op->code == IR_OP_dot || op->code == IR_OP_attend;
}

static bool has_core(const struct ir_block *b) {
    for (const struct ir_op *op = b->first; op; op = op->next)
        if (ir_is_core(op)) return true;
    return false;
}

/* Does op, or an op of its block that it reads, hold a core? */
static bool needs_core(const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++) {
        const struct ir_op *def = op->in[i]->def;
        if (def && def->block == op->block && (ir_is_core(def) || needs_core(def))) return true;
    }
    return false;
}

static bool feeds_core(const struct ir_op *op) {
    for (const struct ir_op *user = op->next; user; user = user->next)
        for (uint32_t i = 0; i < user->n_in; i++)
            if (user->in[i]->def == op && (ir_is_core(user) || feeds_core(user))) return true;
    return false;
}

enum ir_stage ir_stage_of(const struct ir_op *op) {
    if (!has_core(op->block)) return IR_STAGE_ROWS;
    if (ir_is_core(op)) return IR_STAGE_CORE;
    return !needs_core(op) && feeds_core(op) ? IR_STAGE_PROLOGUE : IR_STAGE_EPILOGUE;
}

/* ---- strands: union of cores and epilogue ops along values ---- */

static uint32_t strand_root(const uint32_t *parent, uint32_t i) {
    while (parent[i] != i) i = parent[i];
    return i;
}

uint64_t ir_group_of(const struct ir_op *op) {
    if (op->code == IR_OP_rope) return op->in[0]->type.dim[op->in[0]->type.rank - 1];
    if (op->code != IR_OP_write) return 1;
    const struct ir_type *t = &op->in[0]->type;
    uint32_t d = t->rank ? t->dim[t->rank - 1] : 1;
    return t->elem == IR_CACHE_I8 || d % IR_VECTOR ? d : 1;
}

uint64_t ir_group_both(uint64_t a, uint64_t b) {
    uint64_t x = a, y = b;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return a / x * b;
}

void ir_strands_of(struct arena *a, const struct ir_op *kernel, struct ir_strands *out) {
    VEC(struct ir_op *) ops = {0};
    memset(out, 0, sizeof *out);
    for (struct ir_op *op = kernel->body->first; op; op = op->next) {
        enum ir_stage s = ir_stage_of(op);
        if (op->code != IR_OP_yield && (s == IR_STAGE_CORE || s == IR_STAGE_EPILOGUE)) *vec_push(a, &ops) = op;
    }
    uint32_t *parent = arena_array(a, uint32_t, ops.n + 1);
    for (uint32_t i = 0; i < ops.n; i++) {
        parent[i] = i;
        for (uint32_t j = 0; j < ops.at[i]->n_in; j++)
            for (uint32_t k = 0; k < i; k++)
                if (ops.at[i]->in[j]->def == ops.at[k]) parent[strand_root(parent, i)] = strand_root(parent, k);
    }
    for (uint32_t i = 0; i < ops.n; i++) {
        if (!ir_is_core(ops.at[i])) continue;
        struct ir_strand *s = NULL;
        for (size_t k = 0; k < out->at.n && !s; k++)
            for (uint32_t j = 0; j < i; j++)
                if (ops.at[j] == out->at.at[k].cores.at[0] && strand_root(parent, j) == strand_root(parent, i))
                    s = &out->at.at[k];
        if (!s) {
            s = vec_push(a, &out->at);
            *s = (struct ir_strand){.n = ir_type_elems(&ops.at[i]->out[0]->type), .group = 1};
            for (uint32_t j = 0; j < ops.n; j++)
                if (!ir_is_core(ops.at[j]) && strand_root(parent, j) == strand_root(parent, i)) {
                    *vec_push(a, &s->ops) = ops.at[j];
                    s->group = ir_group_both(s->group, ir_group_of(ops.at[j]));
                }
        }
        *vec_push(a, &s->cores) = ops.at[i];
    }
}

uint64_t ir_unit_of(uint64_t group) {
    uint64_t unit = ir_group_both(IR_TILE, group);
    return unit <= IR_MAX_UNIT ? unit : 0;
}

/* ---- rows in memory ---- */

static uint64_t up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

uint64_t ir_i8_sum_offset(const struct ir_type *t) { return up(ir_type_elems(t), 64); }

uint64_t ir_row_stride(const struct ir_type *t) {
    switch (t->elem) {
    case IR_F32_E:
    case IR_I32: return t->rank == 0 ? 4 : 4 * up(ir_type_elems(t), IR_LANES);
    case IR_I8: return ir_i8_sum_offset(t) + 64;
    case IR_NONE:
    case IR_ROWS_E:
    case IR_CACHE_F32:
    case IR_CACHE_F16:
    case IR_CACHE_I8: break;
    }
    BUG("values of this type have no rows in memory");
}

uint64_t ir_state_position_bytes(const struct ir_state *s) {
    return ir_elem_bytes(s->elem) * up(s->rank ? s->dim[s->rank - 1] : 1, IR_VECTOR);
}

uint64_t ir_state_scales_offset(const struct ir_state *s) { return IR_BLOCK_POS * ir_state_position_bytes(s); }

uint64_t ir_state_head_bytes(const struct ir_state *s) {
    return ir_state_scales_offset(s) + (s->elem == IR_CACHE_I8 ? IR_BLOCK_POS * sizeof(float) : 0);
}

static double number_or_0(const struct ir_op *op, enum ir_attr_id id) {
    return ir_attr_get(op, id) ? ir_f64(op, id) : 0;
}

struct num_rope ir_rope_of(const struct ir_op *op) {
    const struct ir_type *t = &op->in[0]->type;
    return (struct num_rope){
        .theta = ir_f64(op, IR_ATTR_theta),
        .dims = (uint32_t)ir_i64(op, IR_ATTR_dims, t->dim[t->rank - 1]),
        .factor = number_or_0(op, IR_ATTR_factor),
        .low = number_or_0(op, IR_ATTR_low),
        .high = number_or_0(op, IR_ATTR_high),
        .original = number_or_0(op, IR_ATTR_original),
    };
}

static bool in_memory(const struct ir_val *v) {
    return v->type.elem == IR_F32_E || v->type.elem == IR_I32 || v->type.elem == IR_I8;
}

/*
 * A value in a region needs a place if a later stage reads it: what the prologue makes for core and epilogue is
 * written by one thread and read by all.  Outside regions every value has one; a region's results live
 * in the places of the kernel's results.
 */
bool ir_needs_place(const struct ir_val *v) {
    if (!in_memory(v)) return false;
    const struct ir_op *def = v->def;
    if (!def || !def->block->owner) return true;
    enum ir_stage s = ir_stage_of(def);
    if (s != IR_STAGE_PROLOGUE) return false;
    for (const struct ir_op *op = def->next; op; op = op->next)
        for (uint32_t i = 0; i < op->n_in; i++)
            if (op->in[i] == v && op->code != IR_OP_yield && ir_stage_of(op) != IR_STAGE_PROLOGUE) return true;
    return false;
}
