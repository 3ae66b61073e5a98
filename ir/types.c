/* types.c -- types of values, and the tables made from ops.def and attrs.def. */
#include <string.h>

#include "base/check.h"
#include "ir/ir.h"

const struct ir_op_info ir_ops[IR_N_OPS] = {
#define IR_GROUP_OF_ROWS     IR_ROWS
#define IR_GROUP_OF_REDUCE   IR_REDUCE
#define IR_GROUP_OF_CONTRACT IR_CONTRACT
#define IR_GROUP_OF_ELTWISE  IR_ELTWISE
#define IR_GROUP_OF_GROUP    IR_GROUP_
#define IR_GROUP_OF_STATE    IR_STATE
#define IR_GROUP_OF_CALL     IR_CALL
#define IR_GROUP_OF_REGION   IR_REGION
#define IR_GROUP_OF_END      IR_END
#define OP(name, group, in, out, traits, ref, attrs, rule)                                                             \
    [IR_OP_##name] = {#name, IR_GROUP_OF_##group, in, out, traits, IR_REF_##ref, attrs},
#include "ir/ops.def"
};

const struct ir_attr_info ir_attrs[IR_N_ATTRS] = {
#define ATTR(name, kind) [IR_ATTR_##name] = {#name, IR_##kind},
#include "ir/attrs.def"
};

struct ir_type ir_type_make(enum ir_elem e, enum ir_rowsym rows, uint32_t rank, const uint32_t *dim) {
    struct ir_type t = {.elem = e, .rows = rows, .rank = rank};
    if (rank) memcpy(t.dim, dim, rank * sizeof *dim);
    return t;
}

bool ir_type_eq(const struct ir_type *a, const struct ir_type *b) {
    return a->elem == b->elem && a->rows == b->rows && a->rank == b->rank &&
           (a->rank == 0 || memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0);
}

uint64_t ir_type_elems(const struct ir_type *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

uint32_t ir_elem_bytes(enum ir_elem e) {
    switch (e) {
    case IR_F32_E:
    case IR_I32:
    case IR_CACHE_F32: return 4;
    case IR_CACHE_F16: return 2;
    case IR_I8:
    case IR_CACHE_I8: return 1;
    case IR_NONE:
    case IR_ROWS_E: return 0;
    }
    BUG("element type %d", (int)e);
}

bool ir_is_cache(enum ir_elem e) { return e == IR_CACHE_F32 || e == IR_CACHE_F16 || e == IR_CACHE_I8; }

const char *ir_cache_word(enum ir_elem e) { return e == IR_CACHE_F32 ? "f32" : e == IR_CACHE_F16 ? "f16" : "i8"; }

uint64_t ir_state_heads(const struct ir_state *s) {
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < s->rank; i++) n *= s->dim[i];
    return n;
}

const char *ir_type_text(struct arena *a, const struct ir_type *t) {
    static const char *const elems[] = {[IR_NONE] = "none",
                                        [IR_F32_E] = "f32",
                                        [IR_I8] = "i8",
                                        [IR_I32] = "i32",
                                        [IR_ROWS_E] = "rows",
                                        [IR_CACHE_F32] = "cache<f32>",
                                        [IR_CACHE_F16] = "cache<f16>",
                                        [IR_CACHE_I8] = "cache<i8>"};
    const char *s = arena_printf(a, "%s[", elems[t->elem]);
    const char *sep = "";
    if (t->rows != IR_NO_ROWS) {
        s = arena_printf(a, "%s%s", s, t->rows == IR_T ? "T" : "L");
        sep = ", ";
    }
    for (uint32_t i = 0; i < t->rank; i++) {
        s = arena_printf(a, "%s%s%u", s, sep, t->dim[i]);
        sep = ", ";
    }
    return arena_printf(a, "%s]", s);
}

uint64_t ir_weight_rows(const struct ir_weight *w) {
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < w->rank; i++) n *= w->dim[i];
    return n;
}

uint64_t ir_weight_cols(const struct ir_weight *w) { return w->rank ? w->dim[w->rank - 1] : 1; }

uint64_t ir_weight_groups(const struct ir_weight *w) {
    return w->scale == IR_SCALE_GROUP ? ir_weight_cols(w) / w->group : 1;
}

const char *ir_size_problem(uint32_t layers, uint32_t positions, uint32_t rank, const uint32_t *dim) {
    uint64_t rows = 1, all = positions;
    if (layers > IR_MAX_LAYERS) return "more than 65536 layers";
    if (layers) all *= layers;
    for (uint32_t i = 0; i < rank; i++) {
        if (i + 1 < rank && (!ck_mul(&rows, rows, dim[i]) || rows > INT32_MAX)) return "2^31 rows or more";
        if (!ck_mul(&all, all, dim[i]) || all > UINT64_C(1) << IR_MAX_ELEMS_LOG2)
            return "more than 2^40 elements in all layers and positions";
    }
    return NULL;
}

bool ir_group_allowed(const struct ir_weight *w) {
    if (w->group == 0 || w->group % 4 || ir_weight_cols(w) % w->group) return false;
    return ir_weight_rows(w) <= INT32_MAX / (ir_weight_cols(w) / w->group);
}

uint64_t ir_weight_scales(const struct ir_weight *w) {
    switch (w->scale) {
    case IR_SCALE_NONE: return 0;
    case IR_SCALE_MATRIX: return 1;
    case IR_SCALE_ROW:
    case IR_SCALE_GROUP: return ir_weight_rows(w) * ir_weight_groups(w);
    }
    BUG("scale %d", (int)w->scale);
}

bool ir_same_stack(const char *a, const char *b) {
    size_t n = strcspn(a, ".");
    return n == strcspn(b, ".") && !memcmp(a, b, n);
}

const char *const ir_store_name[IR_N_STORES] = {"trit", "f32", "f16", "bf16", "q8_0", "q6_k", "q4_0", "q4_k"};
