/*
 * attend_emit.c -- attention, one of two ways: attend_few.c takes each row for itself and splits what it sees among
 * threads; attend_rows.c computes many rows of a sequence together.
 */
#include "backends/kernel/attend.h"

/* Sums in flight are 2 registers each of AVX-512's 32, 4 of AVX2's 16; outputs 1 and 2. */
static void choose_block(struct attend *a) {
    bool wide = a->k->c->level->vectors >= 32;
    uint32_t group = a->heads / a->kv_heads;
    a->most = wide ? MAX_BLOCK : 2;
    for (a->block = a->most; group % a->block;) a->block--;
    a->at_once = wide ? 2 : 1;
    a->vectors = wide ? MAX_VECTORS : MAX_VECTORS / 2;
}

void attend_emit(struct kern *k, const struct ir_strand *s) {
    const struct ir_op *op = s->cores.at[0];
    if (s->cores.n != 1) BUG("attention shares an epilogue with another core");
    LLVMMetadataRef was = cg_line(k->c, op->loc.line);
    const struct ir_type *q = &op->in[0]->type;
    struct attend a = {.k = k, .op = op, .heads = q->dim[0], .d = q->dim[1], .kv_heads = op->in[1]->type.dim[0]};
    a.key = kern_state(op->in[1]);
    a.value = kern_state(op->in[2]);
    choose_block(&a);
    uint64_t used = k->used;
    a.out = kern_scratch(k, attend_out_stride(&a) * a.block);
    a.partial = kern_scratch(k, attend_partial(&a) * MAX_BLOCK);
    a.scores = kern_scratch(k, (uint64_t)RECORD * MAX_BLOCK);
    LLVMValueRef from, to, n_rows = k->n[q->rows];
    struct cg_if many;
    cg_if_begin(k->c, &many, attend_rows_wanted(&a, n_rows));
    kern_share(k, LLVMBuildMul(k->c->b, n_rows, i64(&a, a.heads / a.block), ""), &from, &to);
    attend_rows(&a, s, from, to, n_rows);
    cg_else(k->c, &many);
    attend_few(&a, s);
    cg_if_end(k->c, &many);
    cg_line_back(k->c, was);
    k->used = used;
}
