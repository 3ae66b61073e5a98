/*
 * strand.c -- calls of a strand's cores, on rows that the caller chooses, and what follows them.
 */
#include "backends/kernel/strand.h"
#include "backends/kernel/dot.h"
#include "backends/kernel/vec.h"

/* ---- what cores make of the codes ---- */

/* The address of row 0 of a core's operand. */
static LLVMValueRef operand(struct kern *k, const struct ir_op *op) { return kern_buffer(k, op->in[0]); }

static LLVMValueRef kern_prepared(const struct kern *k, const struct ir_op *op) {
    for (size_t i = 0; i < k->prepared.n; i++)
        if (k->prepared.at[i].core == ir_core_of(op) && k->prepared.at[i].codes == kern_root(op->in[0]))
            return k->prepared.at[i].at;
    return NULL;
}

/* Once a kernel for each core and value, by each thread for itself, if there is one row. */
void strand_prepare(struct kern *k, const struct ir_op *op, LLVMValueRef part, LLVMValueRef parts) {
    struct cg *c = k->c;
    struct mm_shape shape = mm_shape_of(op);
    if (!shape.core->prepare || kern_prepared(k, op)) return;
    LLVMTypeRef type;
    LLVMValueRef fn = mm_prepare_function(c, &shape, &type);
    LLVMValueRef to = kern_scratch(k, shape.core->prepare_bytes(shape.K));
    LLVMValueRef codes = operand(k, op);
    struct cg_if one;
    cg_if_begin(c, &one, LLVMBuildICmp(c->b, LLVMIntEQ, k->n[op->in[0]->type.rows], cg_i64(c, 1), ""));
    LLVMBuildCall2(c->b, type, fn, (LLVMValueRef[]){codes, to, k->ctx, part, parts}, MM_PREPARE_ARGS, "");
    cg_if_end(c, &one);
    *vec_push(c->arena, &k->prepared) = (struct kern_prepared){ir_core_of(op), kern_root(op->in[0]), to};
}

/* ---- cores ---- */

bool strand_is_ternary(const struct ir_op *op) { return op->code == IR_OP_matmul || op->code == IR_OP_gmatmul; }

static void call_matmul(struct kern *k, const struct part *p, const struct ir_op *op, const struct work *w,
                        LLVMValueRef acc, LLVMValueRef scratch) {
    struct cg *c = k->c;
    const struct setun_tensor *t = &c->plan->tensor[op->weight->id];
    struct mm_shape shape = mm_shape_of(op);
    LLVMTypeRef type;
    LLVMValueRef fn = mm_function(c, &shape, &type), none = LLVMConstNull(c->ptr);
    LLVMValueRef up = LLVMBuildAdd(c->b, w->count, cg_i64(c, IR_TILE - 1), ""), prepared = kern_prepared(k, op);
    LLVMValueRef args[MM_ARGS] = {
        kern_weight(k, op->weight, t->offset),
        LLVMBuildUDiv(c->b, w->first, cg_i64(c, IR_TILE), ""),
        LLVMBuildUDiv(c->b, up, cg_i64(c, IR_TILE), ""),
        operand(k, op),
        cg_i64(c, ir_row_stride(&op->in[0]->type)),
        k->n[p->rows],
        acc,
        cg_i64(c, p->unit),
        scratch,
        k->ctx,
        prepared ? prepared : none,
        shape.group ? kern_weight(k, op->weight, t->scale_offset) : none,
        w->part,
        w->parts,
    };
    LLVMBuildCall2(c->b, type, fn, args, MM_ARGS, "");
}

static void call_dot(struct kern *k, const struct part *p, const struct ir_op *op, const struct work *w,
                     LLVMValueRef acc) {
    struct cg *c = k->c;
    const struct ir_weight *from = op->weight;
    LLVMTypeRef type;
    LLVMValueRef fn = dot_function(c, from->store, ir_weight_cols(from), &type);
    LLVMValueRef off = LLVMBuildMul(c->b, w->first, cg_i64(c, dot_row_bytes(from->store, ir_weight_cols(from))), "");
    LLVMValueRef args[] = {
        cg_at(c, kern_weight(k, from, c->plan->tensor[from->id].offset), off),
        w->count,
        operand(k, op),
        cg_i64(c, ir_row_stride(&op->in[0]->type)),
        k->n[p->rows],
        acc,
        cg_i64(c, p->unit),
    };
    LLVMBuildCall2(c->b, type, fn, args, 7, "");
}

/* ---- what units need ---- */

uint64_t strand_core_scratch(const struct kern *k, const struct ir_strand *s) {
    uint64_t most = 0;
    for (size_t i = 0; i < s->cores.n; i++) {
        const struct ir_op *op = s->cores.at[i];
        uint64_t bytes = 0;
        if (strand_is_ternary(op)) {
            struct mm_shape shape = mm_shape_of(op);
            bytes = mm_scratch_bytes(&shape, k->c->ir->max_rows);
        }
        if (bytes > most) most = bytes;
    }
    return most;
}

/* The engine starts with the cores' results of row m in memory; a core's result may itself leave the kernel. */
void strand_epilogue(struct kern *k, const struct part *p, LLVMValueRef m, LLVMValueRef first, LLVMValueRef count,
                     LLVMValueRef *acc) {
    struct cg *c = k->c;
    struct vec v = {
        .k = k, .row = kern_row_at(k, p->rows, m), .unit = true, .first = first, .count = count, .room = p->unit};
    LLVMValueRef off = LLVMBuildMul(c->b, m, cg_i64(c, 4 * p->unit), "");
    for (size_t i = 0; i < p->strand->cores.n; i++) vec_core(&v, p->strand->cores.at[i], cg_at(c, acc[i], off));
    for (size_t i = 0; i < p->strand->ops.n; i++) vec_op(&v, p->strand->ops.at[i]);
    vec_finish(&v);
}

void strand_core(struct kern *k, const struct part *p, const struct ir_op *op, const struct work *w, LLVMValueRef acc,
                 LLVMValueRef scratch) {
    LLVMMetadataRef was = cg_line(k->c, op->loc.line);
    if (strand_is_ternary(op))
        call_matmul(k, p, op, w, acc, scratch);
    else
        call_dot(k, p, op, w, acc);
    cg_line_back(k->c, was);
}

struct work strand_whole_sums(struct kern *k, LLVMValueRef first, LLVMValueRef count) {
    return (struct work){first, count, cg_i64(k->c, 0), cg_i64(k->c, 1)};
}

LLVMValueRef strand_rows_of_unit(struct kern *k, const struct part *p, LLVMValueRef first) {
    struct cg *c = k->c;
    LLVMValueRef count = cg_i64(c, p->unit);
    if (p->strand->n % p->unit == 0) return count;
    LLVMValueRef left = LLVMBuildSub(c->b, cg_i64(c, p->strand->n), first, "");
    LLVMValueRef last = LLVMBuildICmp(c->b, LLVMIntULT, left, count, "");
    return LLVMBuildSelect(c->b, last, left, count, "");
}
