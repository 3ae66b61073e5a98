/*
 * kernel_table.c -- what an executable knows of its kernels (struct setun_kernel): the values at fixed places that each
 * leaves behind, and the bytes of weights and caches that it reads.
 */
#include "backends/core/core.h"
#include "backends/kernel/dot.h"
#include "backends/kernel/kern.h"

static uint64_t weight_bytes(const struct ir_op *op) {
    const struct ir_weight *w = op->weight;
    if (!w) return 0;
    uint64_t rows = ir_weight_rows(w), cols = ir_weight_cols(w);
    if (op->code == IR_OP_matmul || op->code == IR_OP_gmatmul) {
        struct mm_shape s = mm_shape_of(op);
        return mm_bytes(&s);
    }
    if (op->code == IR_OP_dequant) return 4 * (w->scale == IR_SCALE_ROW ? rows : 1);
    if (op->code == IR_OP_embed) return dot_row_bytes(w->store, cols);
    if (op->code == IR_OP_dot) return rows * dot_row_bytes(w->store, cols);
    return 4 * rows * cols;
}

static uint32_t elem_of(const struct ir_type *t) {
    return t->elem == IR_I8 ? SETUN_I8 : t->elem == IR_I32 ? SETUN_I32 : SETUN_F32;
}

static void note_caches(struct setun_kernel *k, const struct ir_op *op) {
    if (op->code != IR_OP_attend) return;
    for (uint32_t i = 1; i < 3; i++) {
        const struct ir_state *s = kern_state(op->in[i]);
        k->cache_block_bytes += ir_state_heads(s) * ir_state_head_bytes(s);
    }
    k->window = (uint32_t)ir_i64(op, IR_ATTR_window, 0);
}

void kern_note(struct cg *c, const struct ir_op *op) {
    struct setun_value *values = arena_array(c->arena, struct setun_value, op->n_out + 1);
    struct setun_kernel k = {.name = kern_name(c, op, ":"), .values = values, .line = kern_line(op)};
    for (uint32_t i = 0; i < op->n_out; i++) {
        const struct ir_val *v = op->out[i];
        if (v->place < 0) continue;
        values[k.n_values++] = (struct setun_value){
            .name = v->name,
            .elem = elem_of(&v->type),
            .live = v->type.rows == IR_L,
            .elems = (uint32_t)ir_type_elems(&v->type),
            .row_stride = (uint32_t)ir_row_stride(&v->type),
            .offset = (uint64_t)v->place,
        };
    }
    for (const struct ir_op *o = op->body ? op->body->first : NULL; o; o = o->next) {
        k.bytes += weight_bytes(o);
        note_caches(&k, o);
    }
    *vec_push(c->arena, &c->kernels) = k;
}
