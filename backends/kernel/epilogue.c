/*
 * epilogue.c -- the cores of a kernel and what is computed on their results while they are in cache.
 *
 * Output rows of all strands are cut into units (whole tiles, whole heads), the units numbered through, and a thread
 * takes an equal share.  For one unit: each core of the strand fills a block [row][unit] in thread scratch, then
 * the epilogue runs over rows, 16 outputs at a time.
 *
 * share.c has the way of cores that want a thread's share of one row in one call.
 */
#include "backends/kernel/strand.h"

/* The thread's share of a kernel's units. */
struct span {
    LLVMValueRef from, to;
};

static bool is_attend(const struct ir_strand *s) { return s->cores.at[0]->code == IR_OP_attend; }

/* What the strand's groups need. */
static uint64_t unit_of(const struct ir_op *kernel, const struct ir_strand *s) {
    uint64_t rows = ir_unit_of(s->group);
    if (!rows) BUG("kernel '%s' has groups that fit no unit", kernel->out[0]->name);
    return rows;
}

static LLVMValueRef core_block(struct kern *k, const struct part *p) {
    return kern_scratch(k, 4 * (p->unit * k->c->ir->max_rows + IR_LANES));
}

static void unit(struct kern *k, const struct part *p, LLVMValueRef u, LLVMValueRef *acc, LLVMValueRef scratch) {
    struct cg *c = k->c;
    const struct ir_strand *s = p->strand;
    LLVMValueRef first = LLVMBuildMul(c->b, u, cg_i64(c, p->unit), ""), count = strand_rows_of_unit(k, p, first);
    struct work w = strand_whole_sums(k, first, count);
    for (size_t i = 0; i < s->cores.n; i++) strand_core(k, p, s->cores.at[i], &w, acc[i], scratch);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), k->n[p->rows], cg_i64(c, 1), "row");
    strand_epilogue(k, p, l.i, first, count, acc);
    cg_loop_end(c, &l);
}

static void units(struct kern *k, const struct part *p, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef scratch) {
    struct cg *c = k->c;
    uint64_t used = k->used;
    LLVMValueRef *acc = arena_array(c->arena, LLVMValueRef, p->strand->cores.n);
    for (size_t i = 0; i < p->strand->cores.n; i++) acc[i] = core_block(k, p);
    struct cg_loop l;
    cg_loop_begin(c, &l, lo, hi, cg_i64(c, 1), "unit");
    unit(k, p, l.i, acc, scratch);
    cg_loop_end(c, &l);
    k->used = used;
}

/* ---- the thread's share ---- */

/* x cut to [0, n] */
static LLVMValueRef within(struct cg *c, LLVMValueRef x, uint64_t n) {
    LLVMValueRef zero = cg_i64(c, 0), top = cg_i64(c, n);
    x = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntSLT, x, zero, ""), zero, x, "");
    return LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntSGT, x, top, ""), top, x, "");
}

/* Where a bound of the thread's share lies among this strand's units. */
static LLVMValueRef bound(struct kern *k, const struct part *p, LLVMValueRef unit, LLVMValueRef grain) {
    struct cg *c = k->c;
    unit = within(c, LLVMBuildSub(c->b, unit, cg_i64(c, p->base), ""), p->n_units);
    if (p->grain == 1) return unit;
    grain = LLVMBuildSub(c->b, grain, cg_i64(c, p->grain_base), "");
    grain = within(c, LLVMBuildMul(c->b, grain, cg_i64(c, p->grain), ""), p->n_units);
    LLVMValueRef one = LLVMBuildICmp(c->b, LLVMIntEQ, k->n[p->rows], cg_i64(c, 1), "");
    return LLVMBuildSelect(c->b, one, grain, unit, "");
}

/* Of the thread's units, or grains, of all strands: those of this one. */
static void part_emit(struct kern *k, const struct part *p, struct span units_of, struct span grains) {
    struct cg *c = k->c;
    uint64_t used = k->used;
    LLVMValueRef rows = k->n[p->rows];
    LLVMValueRef scratch = kern_scratch(k, strand_core_scratch(k, p->strand));
    LLVMValueRef lo = bound(k, p, units_of.from, grains.from), hi = bound(k, p, units_of.to, grains.to);
    /* without rows there is nothing to do, and cores expect one */
    LLVMValueRef none = LLVMBuildICmp(c->b, LLVMIntEQ, rows, cg_i64(c, 0), "");
    hi = LLVMBuildSelect(c->b, none, lo, hi, "");
    if (p->sums) {
        struct cg_if one, some;
        cg_if_begin(c, &one, share_is_one_row(k, p));
        cg_if_begin(c, &some, LLVMBuildICmp(c->b, LLVMIntULT, lo, hi, ""));
        share_emit(k, p, lo, hi, scratch);
        cg_if_end(c, &some);
        cg_else(c, &one);
        units(k, p, lo, hi, scratch);
        cg_if_end(c, &one);
    } else {
        units(k, p, lo, hi, scratch);
    }
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

/* Units that threads take together if there is one row: those that a core which wants its whole share computes anyway,
 * as it rounds to share_rows; the same for all strands of the kernel, so that shares stay equal. */
static uint64_t grain_of(const struct ir_strands *all, uint64_t unit) {
    uint64_t rows = 0, grain = 1;
    for (size_t i = 0; i < all->at.n; i++)
        if (!is_attend(&all->at.at[i]) && share_rows(&all->at.at[i]) > rows) rows = share_rows(&all->at.at[i]);
    while (rows && grain * unit % rows && grain * unit < 2 * rows) grain++;
    return grain;
}

void strands_emit(struct kern *k) {
    struct cg *c = k->c;
    struct ir_strands all;
    ir_strands_of(c->arena, k->op, &all);
    check_covered(k, &all);
    struct part *parts = arena_array(c->arena, struct part, all.at.n);
    uint64_t n_units = 0, n_grains = 0;
    for (size_t i = 0; i < all.at.n; i++) {
        const struct ir_strand *s = &all.at.at[i];
        if (is_attend(s)) continue;
        uint64_t size = unit_of(k->op, s);
        parts[i] = (struct part){
            .strand = s,
            .rows = s->cores.at[0]->out[0]->type.rows,
            .unit = size,
            .base = n_units,
            .n_units = (s->n + size - 1) / size,
            .grain = grain_of(&all, size),
            .grain_base = n_grains,
        };
        parts[i].sums = share_room(k, &parts[i]);
        n_units += parts[i].n_units;
        n_grains += (parts[i].n_units + parts[i].grain - 1) / parts[i].grain;
    }
    LLVMValueRef part, parts_of_k;
    share_split(k, &part, &parts_of_k);
    for (size_t i = 0; i < all.at.n; i++)
        for (size_t j = 0; j < all.at.at[i].cores.n; j++)
            if (strand_is_ternary(all.at.at[i].cores.at[j]))
                strand_prepare(k, all.at.at[i].cores.at[j], part, parts_of_k);
    share_parts(k, parts, all.at.n);
    struct span of_units, of_grains;
    kern_share(k, cg_i64(c, n_units), &of_units.from, &of_units.to);
    kern_share(k, cg_i64(c, n_grains), &of_grains.from, &of_grains.to);
    for (size_t i = 0; i < all.at.n; i++)
        if (is_attend(&all.at.at[i]))
            attend_emit(k, &all.at.at[i]);
        else
            part_emit(k, &parts[i], of_units, of_grains);
}
