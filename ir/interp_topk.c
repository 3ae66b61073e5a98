/* interp_topk.c -- the selection of docs/numerics.md: a sort by magnitude, the lower index first among equals. */
#include <stdlib.h>

#include "base/check.h"
#include "ir/eval.h"

struct key {
    uint32_t bits, index; /* bits of the magnitude */
};

static int by_magnitude(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    if (x->bits != y->bits) return x->bits > y->bits ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* y is all zero: the `keep` largest of n elements go there. */
static void keep_largest(struct key *room, uint64_t n, uint64_t keep, const float *x, float *y) {
    for (uint64_t i = 0; i < n; i++) room[i] = (struct key){bits_of_f32(x[i]) & 0x7fffffffu, (uint32_t)i};
    qsort(room, n, sizeof *room, by_magnitude);
    for (uint64_t i = 0; i < keep; i++) y[room[i].index] = x[room[i].index];
}

bool eval_topk(struct frame *f, const struct ir_op *op) {
    const struct cell *in = eval_in(f, op, 0);
    uint64_t n = ir_type_elems(&op->in[0]->type);
    uint64_t k = (uint64_t)ir_i64(op, IR_ATTR_k, 0), block = (uint64_t)ir_i64(op, IR_ATTR_block, (int64_t)n);
    struct key *room = arena_array(f->it->scratch, struct key, block);
    const float *x = in->data;
    float *y = eval_out(f, op, 0);
    for (uint32_t t = 0; t < in->n_rows; t++, x += n, y += n)
        for (uint64_t at = 0; at < n; at += block) {
            uint64_t len = n - at < block ? n - at : block;
            keep_largest(room, len, (k * len + block - 1) / block, x + at, y + at);
        }
    return true;
}
