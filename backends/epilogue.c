/*
 * epilogue.c -- the cores of a kernel and what is computed on their results while they are in cache.
 *
 * Output rows of all strands are cut into units (whole tiles, whole heads), the units numbered through, and a thread
 * takes an equal share.  For one unit: each core of the strand fills a block [row][unit] in thread scratch, then
 * the epilogue runs over rows, 16 outputs at a time.
 */
#include "backends/vec.h"
#include "codec/i2_64.h"

/* A strand as code sees it: units [base, base + n_units) of `unit` output rows each. */
struct part {
    const struct ir_strand *strand;
    enum ir_rowsym rows;
    uint64_t unit, base, n_units;
};

static bool is_attend(const struct ir_strand *s) { return s->cores.at[0]->code == IR_OP_attend; }

/* The kernel's `unit`, if it has one, rounded up to what the strand's groups need. */
static uint64_t unit_of(const struct ir_op *kernel, const struct ir_strand *s) {
    uint64_t least = ir_unit_of(s->group), wanted = (uint64_t)ir_i64(kernel, IR_ATTR_unit, 0);
    if (!least) BUG("kernel '%s' has groups that fit no unit", kernel->out[0]->name);
    return wanted > least ? (wanted + least - 1) / least * least : least;
}

/* ---- cores ---- */

static LLVMValueRef core_block(struct kern *k, const struct part *p) {
    return kern_scratch(k, 4 * (p->unit * k->c->ir->max_rows + IR_LANES));
}

/* The address of row 0 of a core's operand. */
static LLVMValueRef operand(struct kern *k, const struct ir_op *op) { return kern_buffer(k, op->in[0]); }

static void call_matmul(struct kern *k, const struct part *p, const struct ir_op *op, LLVMValueRef first,
                        LLVMValueRef count, LLVMValueRef acc, LLVMValueRef scratch) {
    struct cg *c = k->c;
    uint64_t K = ir_weight_cols(op->weight);
    const struct ir_weight *w = op->weight;
    bool groups = op->code == IR_OP_gmatmul;
    LLVMTypeRef type;
    LLVMValueRef fn = groups ? mm_group_function(c, K, w->group, &type) : mm_function(c, K, &type);
    LLVMValueRef tile = LLVMBuildUDiv(c->b, first, cg_i64(c, IR_TILE), "");
    LLVMValueRef up = LLVMBuildAdd(c->b, count, cg_i64(c, IR_TILE - 1), "");
    LLVMValueRef tiles = kern_weight(k, w, c->plan->tensor[w->id].offset), alpha = NULL;
    if (groups) {
        LLVMValueRef at = LLVMBuildMul(c->b, tile, cg_i64(c, mm_alpha_bytes(K, w->group)), "");
        alpha = cg_at(c, kern_weight(k, w, c->plan->tensor[w->id].scale_offset), at);
    }
    LLVMValueRef args[] = {
        cg_at(c, tiles, LLVMBuildMul(c->b, tile, cg_i64(c, i2_64_tile_bytes(K)), "")),
        LLVMBuildUDiv(c->b, up, cg_i64(c, IR_TILE), ""),
        operand(k, op),
        cg_i64(c, ir_row_stride(&op->in[0]->type)),
        k->n[p->rows],
        acc,
        cg_i64(c, p->unit),
        scratch,
        k->ctx,
        alpha,
    };
    LLVMBuildCall2(c->b, type, fn, args, groups ? 10 : 9, "");
}

static void call_dot(struct kern *k, const struct part *p, const struct ir_op *op, LLVMValueRef first,
                     LLVMValueRef count, LLVMValueRef acc) {
    struct cg *c = k->c;
    const struct ir_weight *w = op->weight;
    LLVMTypeRef type;
    LLVMValueRef fn = dot_function(c, w->store, ir_weight_cols(w), &type);
    LLVMValueRef off = LLVMBuildMul(c->b, first, cg_i64(c, dot_row_bytes(w->store, ir_weight_cols(w))), "");
    LLVMValueRef args[] = {
        cg_at(c, kern_weight(k, w, c->plan->tensor[w->id].offset), off),
        count,
        operand(k, op),
        cg_i64(c, ir_row_stride(&op->in[0]->type)),
        k->n[p->rows],
        acc,
        cg_i64(c, p->unit),
    };
    LLVMBuildCall2(c->b, type, fn, args, 7, "");
}

/* ---- units ---- */

static uint64_t core_scratch(const struct kern *k, const struct ir_strand *s) {
    uint64_t most = 0;
    for (size_t i = 0; i < s->cores.n; i++) {
        const struct ir_op *op = s->cores.at[i];
        uint64_t bytes = 0;
        if (op->code == IR_OP_matmul) bytes = mm_scratch_bytes(k->c, ir_weight_cols(op->weight));
        if (op->code == IR_OP_gmatmul)
            bytes = mm_group_scratch_bytes(k->c, ir_weight_cols(op->weight), k->c->ir->max_rows);
        if (bytes > most) most = bytes;
    }
    return most;
}

/* The engine starts with the cores' results of row m in memory; a core's result may itself leave the kernel. */
static void epilogue_row(struct kern *k, const struct part *p, LLVMValueRef m, LLVMValueRef first, LLVMValueRef count,
                         LLVMValueRef *acc) {
    struct cg *c = k->c;
    struct vec v = {
        .k = k, .row = kern_row_at(k, p->rows, m), .unit = true, .first = first, .count = count, .room = p->unit};
    LLVMValueRef off = LLVMBuildMul(c->b, m, cg_i64(c, 4 * p->unit), "");
    for (size_t i = 0; i < p->strand->cores.n; i++) vec_core(&v, p->strand->cores.at[i], cg_at(c, acc[i], off));
    for (size_t i = 0; i < p->strand->ops.n; i++) vec_op(&v, p->strand->ops.at[i]);
    vec_finish(&v);
}

static void unit(struct kern *k, const struct part *p, LLVMValueRef u, LLVMValueRef *acc, LLVMValueRef scratch) {
    struct cg *c = k->c;
    const struct ir_strand *s = p->strand;
    LLVMValueRef first = LLVMBuildMul(c->b, u, cg_i64(c, p->unit), ""), count = cg_i64(c, p->unit);
    if (s->n % p->unit) {
        LLVMValueRef left = LLVMBuildSub(c->b, cg_i64(c, s->n), first, "");
        LLVMValueRef last = LLVMBuildICmp(c->b, LLVMIntULT, left, count, "");
        count = LLVMBuildSelect(c->b, last, left, count, "");
    }
    for (size_t i = 0; i < s->cores.n; i++) {
        const struct ir_op *op = s->cores.at[i];
        if (op->code == IR_OP_matmul || op->code == IR_OP_gmatmul)
            call_matmul(k, p, op, first, count, acc[i], scratch);
        else
            call_dot(k, p, op, first, count, acc[i]);
    }
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), k->n[p->rows], cg_i64(c, 1), "row");
    epilogue_row(k, p, l.i, first, count, acc);
    cg_loop_end(c, &l);
}

/* x cut to [0, n] */
static LLVMValueRef within(struct cg *c, LLVMValueRef x, uint64_t n) {
    LLVMValueRef zero = cg_i64(c, 0), top = cg_i64(c, n);
    x = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntSLT, x, zero, ""), zero, x, "");
    return LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntSGT, x, top, ""), top, x, "");
}

/* The thread's units [from, to) of all strands: those of this one. */
static void part_emit(struct kern *k, const struct part *p, LLVMValueRef from, LLVMValueRef to) {
    struct cg *c = k->c;
    uint64_t used = k->used;
    LLVMValueRef base = cg_i64(c, p->base);
    LLVMValueRef *acc = arena_array(c->arena, LLVMValueRef, p->strand->cores.n);
    for (size_t i = 0; i < p->strand->cores.n; i++) acc[i] = core_block(k, p);
    LLVMValueRef scratch = kern_scratch(k, core_scratch(k, p->strand));
    LLVMValueRef lo = within(c, LLVMBuildSub(c->b, from, base, ""), p->n_units);
    LLVMValueRef hi = within(c, LLVMBuildSub(c->b, to, base, ""), p->n_units);
    /* without rows there is nothing to do, and cores expect one */
    LLVMValueRef none = LLVMBuildICmp(c->b, LLVMIntEQ, k->n[p->rows], cg_i64(c, 0), "");
    hi = LLVMBuildSelect(c->b, none, lo, hi, "");
    struct cg_loop l;
    cg_loop_begin(c, &l, lo, hi, cg_i64(c, 1), "unit");
    unit(k, p, l.i, acc, scratch);
    cg_loop_end(c, &l);
    k->used = used;
}

/* An op of the epilogue that hangs on no core would be lost. */
static void check_covered(const struct kern *k, const struct ir_strands *all) {
    size_t in_strands = 0, in_kernel = 0;
    for (size_t i = 0; i < all->at.n; i++) in_strands += all->at.at[i].ops.n;
    for (const struct ir_op *op = k->op->body->first; op; op = op->next)
        in_kernel += op->code != IR_OP_yield && ir_stage_of(op) == IR_STAGE_EPILOGUE;
    if (in_strands != in_kernel) BUG("kernel '%s' has an epilogue op that needs no core", k->op->out[0]->name);
}

void strands_emit(struct kern *k) {
    struct cg *c = k->c;
    struct ir_strands all;
    ir_strands_of(c->arena, k->op, &all);
    check_covered(k, &all);
    struct part *parts = arena_array(c->arena, struct part, all.at.n);
    uint64_t units = 0;
    for (size_t i = 0; i < all.at.n; i++) {
        const struct ir_strand *s = &all.at.at[i];
        if (is_attend(s)) continue;
        uint64_t size = unit_of(k->op, s);
        parts[i] = (struct part){
            .strand = s,
            .rows = s->cores.at[0]->out[0]->type.rows,
            .unit = size,
            .base = units,
            .n_units = (s->n + size - 1) / size,
        };
        units += parts[i].n_units;
    }
    LLVMValueRef from, to;
    kern_share(k, cg_i64(c, units), &from, &to);
    for (size_t i = 0; i < all.at.n; i++)
        if (is_attend(&all.at.at[i]))
            attend_emit(k, &all.at.at[i]);
        else
            part_emit(k, &parts[i], from, to);
}
