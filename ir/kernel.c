/* kernel.c -- stages, strands and rows in memory; see kernel.h. */
#include <string.h>

#include "base/check.h"
#include "ir/kernel.h"

/* ---- cores ---- */

const struct ir_core_info ir_cores[IR_N_CORES] = {
#define CORE(name, groups, skips, bits, runs, text) {#name, groups, skips, bits, runs, text},
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

/* While stages are found, an op's number says what it needs and what needs it. */
enum { NEEDS_CORE = 1, FEEDS_CORE = 2 };

static void mark_needs(struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++) {
        const struct ir_op *def = op->in[i]->def;
        if (def && def->block == op->block && (ir_is_core(def) || def->number & NEEDS_CORE)) op->number |= NEEDS_CORE;
    }
}

static void mark_feeds(const struct ir_op *user) {
    if (!ir_is_core(user) && !(user->number & FEEDS_CORE)) return;
    for (uint32_t i = 0; i < user->n_in; i++) {
        struct ir_op *def = user->in[i]->def;
        if (def && def->block == user->block) def->number |= FEEDS_CORE;
    }
}

/* Operands stand above their readers: one walk down for what is needed, one up for what is fed. */
void ir_find_stages(const struct ir_block *region) {
    bool any = false;
    for (struct ir_op *op = region->first; op; op = op->next) {
        any |= ir_is_core(op);
        op->number = 0;
    }
    for (struct ir_op *op = region->first; op; op = op->next) mark_needs(op);
    for (struct ir_op *op = region->last; op; op = op->prev) mark_feeds(op);
    for (struct ir_op *op = region->first; op; op = op->next)
        op->stage = !any                       ? IR_STAGE_ROWS
                    : ir_is_core(op)           ? IR_STAGE_CORE
                    : op->number == FEEDS_CORE ? IR_STAGE_PROLOGUE
                                               : IR_STAGE_EPILOGUE;
}

enum ir_stage ir_stage_of(const struct ir_op *op) {
    ir_find_stages(op->block);
    return (enum ir_stage)op->stage;
}

uint64_t ir_group_of(const struct ir_op *op) {
    if (op->code == IR_OP_rope) return op->in[0]->type.dim[op->in[0]->type.rank - 1];
    if (op->code != IR_OP_write) return 1;
    const struct ir_type *t = &op->in[0]->type;
    uint32_t d = t->rank ? t->dim[t->rank - 1] : 1;
    return t->elem == IR_CACHE_I8 || d % IR_VECTOR ? d : 1;
}

uint64_t ir_group_both(uint64_t a, uint64_t b) {
    uint64_t x = a, y = b, both;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return ck_mul(&both, a / x, b) ? both : UINT64_MAX;
}

/* ---- strands: union of cores and epilogue ops along values ---- */

static uint32_t strand_root(uint32_t *parent, uint32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

/* Ops of core and epilogue, in order; an op's number is its place there, from 1 on, or 0. */
struct meeting {
    VEC(struct ir_op *) ops;
    uint32_t *parent; /* union-find over places */
};

static void find_meetings(struct arena *a, const struct ir_block *region, struct meeting *m) {
    for (struct ir_op *op = region->first; op; op = op->next) {
        op->number = 0;
        if (op->code == IR_OP_yield || (op->stage != IR_STAGE_CORE && op->stage != IR_STAGE_EPILOGUE)) continue;
        *vec_push(a, &m->ops) = op;
        op->number = (uint32_t)m->ops.n;
    }
    m->parent = arena_array(a, uint32_t, m->ops.n);
    for (uint32_t i = 0; i < m->ops.n; i++) {
        const struct ir_op *op = m->ops.at[i];
        m->parent[i] = i;
        for (uint32_t k = 0; k < op->n_in; k++) {
            const struct ir_op *def = op->in[k]->def;
            if (!def || def->block != region || !def->number || def->number > i) continue;
            m->parent[strand_root(m->parent, i)] = strand_root(m->parent, def->number - 1);
        }
    }
}

void ir_strands_of(struct arena *a, const struct ir_op *kernel, struct ir_strands *out) {
    struct meeting m = {0};
    memset(out, 0, sizeof *out);
    ir_find_stages(kernel->body);
    find_meetings(a, kernel->body, &m);
    uint32_t *strand = arena_array(a, uint32_t, m.ops.n); /* by root, from 1 on */
    for (uint32_t i = 0; i < m.ops.n; i++) {
        uint32_t *of = &strand[strand_root(m.parent, i)];
        if (!ir_is_core(m.ops.at[i])) continue;
        if (!*of) {
            *vec_push(a, &out->at) = (struct ir_strand){.n = ir_type_elems(&m.ops.at[i]->out[0]->type), .group = 1};
            *of = (uint32_t)out->at.n;
        }
        *vec_push(a, &out->at.at[*of - 1].cores) = m.ops.at[i];
    }
    for (uint32_t i = 0; i < m.ops.n; i++) {
        uint32_t of = strand[strand_root(m.parent, i)];
        if (!of || ir_is_core(m.ops.at[i])) continue;
        struct ir_strand *s = &out->at.at[of - 1];
        *vec_push(a, &s->ops) = m.ops.at[i];
        s->group = ir_group_both(s->group, ir_group_of(m.ops.at[i]));
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
