/*
 * share.c -- one row, where a core wants all that the thread computes of a matrix in one call (struct mm_core:
 * whole_share): its results lie in a block of the whole matrix, over which the epilogue goes afterwards.
 *
 *   few threads:   each sums a part of k, of all rows, into its own scratch; they meet; each adds up the parts of the
 *                  rows that are its share, and goes on with the epilogue
 *   one, or many:  each computes its rows
 *
 * Sums are integers, so all ways give the same bits.
 */
#include "backends/kernel/strand.h"

/* A part of k for each of at most so many threads: each writes sums of all rows, and reads all sums of its rows. */
enum { SPLIT_THREADS = 8 };

static uint64_t whole_share_of(const struct ir_op *op) {
    return strand_is_ternary(op) ? mm_cores[ir_core_of(op)]->whole_share : 0;
}

uint64_t share_rows(const struct ir_strand *s) {
    uint64_t most = 0;
    for (size_t i = 0; i < s->cores.n; i++)
        if (whole_share_of(s->cores.at[i]) > most) most = whole_share_of(s->cores.at[i]);
    return most;
}

/* One row, and few enough threads: each sums a part of k. */
static LLVMValueRef is_split(struct kern *k) {
    struct cg *c = k->c;
    LLVMValueRef one = LLVMBuildICmp(c->b, LLVMIntEQ, k->n[IR_T], cg_i64(c, 1), "");
    LLVMValueRef some = LLVMBuildICmp(c->b, LLVMIntUGT, k->n_threads, cg_i64(c, 1), "");
    LLVMValueRef few = LLVMBuildICmp(c->b, LLVMIntULE, k->n_threads, cg_i64(c, SPLIT_THREADS), "");
    return LLVMBuildAnd(c->b, one, LLVMBuildAnd(c->b, some, few, ""), "");
}

void share_split(struct kern *k, LLVMValueRef *part, LLVMValueRef *parts) {
    struct cg *c = k->c;
    LLVMValueRef split = is_split(k);
    *part = LLVMBuildSelect(c->b, split, k->thread, cg_i64(c, 0), "");
    *parts = LLVMBuildSelect(c->b, split, k->n_threads, cg_i64(c, 1), "");
}

LLVMValueRef share_is_one_row(struct kern *k, const struct part *p) {
    return LLVMBuildICmp(k->c->b, LLVMIntEQ, k->n[p->rows], cg_i64(k->c, 1), "");
}

void share_parts(struct kern *k, const struct part *parts, size_t n) {
    struct cg *c = k->c;
    struct cg_if split, there;
    bool any = false;
    for (size_t i = 0; i < n; i++) any = any || parts[i].sums;
    if (!any) return;
    cg_if_begin(c, &split, is_split(k));
    for (size_t i = 0; i < n; i++) {
        const struct part *p = &parts[i];
        if (!p->sums) continue;
        uint64_t used = k->used;
        LLVMValueRef scratch = kern_scratch(k, strand_core_scratch(k, p->strand));
        struct work w = {cg_i64(c, 0), cg_i64(c, p->strand->n), k->thread, k->n_threads};
        cg_if_begin(c, &there, share_is_one_row(k, p));
        for (size_t j = 0; j < p->strand->cores.n; j++)
            if (whole_share_of(p->strand->cores.at[j]))
                strand_core(k, p, p->strand->cores.at[j], &w, p->sums[j], scratch);
        cg_if_end(c, &there);
        k->used = used;
    }
    kern_barrier(k);
    cg_if_end(c, &split);
}

/* Adds what the other threads have summed, for rows [first, end), in place. */
static void add_parts(struct kern *k, LLVMValueRef sums, LLVMValueRef first, LLVMValueRef end) {
    struct cg *c = k->c;
    struct cg_loop rows, parts;
    LLVMValueRef back = LLVMBuildMul(c->b, k->thread, k->scratch_stride, ""); /* to the first thread's scratch */
    LLVMValueRef from = cg_at(c, sums, LLVMBuildNeg(c->b, back, ""));
    cg_loop_begin(c, &rows, first, end, cg_i64(c, CG_VL), "rows");
    LLVMValueRef off = LLVMBuildShl(c->b, rows.i, cg_i64(c, 2), "");
    cg_loop_begin(c, &parts, cg_i64(c, 0), k->n_threads, cg_i64(c, 1), "part");
    unsigned slot = cg_carry(c, &parts, LLVMConstNull(c->vi));
    LLVMValueRef theirs = cg_at(c, cg_at(c, from, LLVMBuildMul(c->b, parts.i, k->scratch_stride, "")), off);
    cg_next(&parts, slot, LLVMBuildAdd(c->b, parts.phi[slot], cg_load(c, c->vi, theirs, 4), ""));
    cg_loop_end(c, &parts);
    cg_store(c, cg_result(&parts, slot), cg_at(c, sums, off), 4);
    cg_loop_end(c, &rows);
}

/* One row: the results of the thread's units [lo, hi), which are added up from parts or computed at once; then the
 * epilogue. */
void share_emit(struct kern *k, const struct part *p, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef scratch) {
    struct cg *c = k->c;
    const struct ir_strand *s = p->strand;
    LLVMValueRef first = LLVMBuildMul(c->b, lo, cg_i64(c, p->unit), "");
    LLVMValueRef end = LLVMBuildMul(c->b, hi, cg_i64(c, p->unit), ""), all = cg_i64(c, s->n);
    end = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntUGT, end, all, ""), all, end, "");
    LLVMValueRef off = LLVMBuildShl(c->b, first, cg_i64(c, 2), "");
    struct work w = strand_whole_sums(k, first, LLVMBuildSub(c->b, end, first, ""));
    struct cg_if split;
    cg_if_begin(c, &split, is_split(k));
    for (size_t i = 0; i < s->cores.n; i++)
        if (whole_share_of(s->cores.at[i])) add_parts(k, p->sums[i], first, end);
    cg_else(c, &split);
    for (size_t i = 0; i < s->cores.n; i++)
        if (whole_share_of(s->cores.at[i])) strand_core(k, p, s->cores.at[i], &w, cg_at(c, p->sums[i], off), scratch);
    cg_if_end(c, &split);
    for (size_t i = 0; i < s->cores.n; i++) /* those of the strand that take no parts */
        if (!whole_share_of(s->cores.at[i])) strand_core(k, p, s->cores.at[i], &w, cg_at(c, p->sums[i], off), scratch);
    LLVMValueRef *at = arena_array(c->arena, LLVMValueRef, s->cores.n);
    struct cg_loop l;
    cg_loop_begin(c, &l, lo, hi, cg_i64(c, 1), "unit");
    LLVMValueRef from = LLVMBuildMul(c->b, l.i, cg_i64(c, p->unit), "");
    for (size_t i = 0; i < s->cores.n; i++) at[i] = cg_at(c, p->sums[i], LLVMBuildShl(c->b, from, cg_i64(c, 2), ""));
    strand_epilogue(k, p, cg_i64(c, 0), from, strand_rows_of_unit(k, p, from), at);
    cg_loop_end(c, &l);
}

/* Room for all results of one row of each core, rounded up to what the core may write. */
LLVMValueRef *share_room(struct kern *k, const struct part *p) {
    if (!share_rows(p->strand)) return NULL;
    LLVMValueRef *sums = arena_array(k->c->arena, LLVMValueRef, p->strand->cores.n);
    for (size_t i = 0; i < p->strand->cores.n; i++) {
        uint64_t rows = whole_share_of(p->strand->cores.at[i]), n = p->n_units * p->unit;
        if (rows) n = (n + rows - 1) / rows * rows;
        sums[i] = kern_scratch(k, 4 * (n + IR_LANES));
    }
    return sums;
}
