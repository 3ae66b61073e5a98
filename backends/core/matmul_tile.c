/*
 * matmul_tile.c -- ternary cores for many rows of activations.
 *
 * A panel of a tile (at most MM_PANEL steps) is unpacked once, by the core, into scratch, one u8 operand a plane, and
 * then serves all rows, a few at a time: the register tile has `rows` x 4 accumulators.
 *
 *   for tile
 *       for panel of the tile
 *           scratch = unpack(panel)                          once, whatever the number of rows
 *           for rows in even groups of at most `rows`
 *               ask for a part of the next tile
 *               for vector of a step:  acc[rows] += scratch . codes[rows]     (micro.c)
 *                                      the first panel stores, the last one undoes the scales and takes off sum(q)
 *
 * With scales of groups of columns a panel ends where a group does.  The group's sums go into the results as
 * fma(float(sums), alpha, y): from the micro kernel's registers if the group is one panel, otherwise by way of scratch.
 *
 * Scratch holds, for each vector of a step, its operands of all steps in order, so that a micro kernel
 * reads one stream.  Micro kernels do not depend on K: a level has one for each number of rows.
 */
#include "backends/core/micro.h"

enum { PANEL_BYTES = MM_PANEL * MM_STEP * MM_PLANES };

uint64_t mm_scratch_bytes(const struct mm_shape *s, uint64_t max_rows) {
    return PANEL_BYTES + (s->group ? 4 * IR_TILE * max_rows : 0);
}

/* ---- the tile ---- */

struct tile {
    struct cg *c;
    const struct mm_target *t;
    const struct mm_shape *shape;
    const struct mm_planes *planes; /* of the core's panels */
    struct mm_args a;
    LLVMValueRef groups, group_rows, larger; /* rows: the first `larger` groups have one more */
    LLVMValueRef tile;                       /* the one at hand: its number in the matrix */
    LLVMValueRef acc, acc_stride;            /* its sums: in the result, or in scratch if columns are grouped */
    LLVMValueRef row;                        /* in each_row */
    LLVMValueRef y, alpha, first;            /* columns grouped: results, scales and columns of the group */
    uint64_t fetch_stride;                   /* bytes between lines */
    LLVMValueRef fetch, fetch_lines;         /* what is read next; lines of it that a group of rows asks for, or NULL */
    bool whole;                              /* a group is a panel, and needs no sums in memory */
};

/* for each row of the block: row pointer of codes and of sums */
static void each_row(struct tile *t, void (*body)(struct tile *t, LLVMValueRef codes, LLVMValueRef acc)) {
    struct cg *c = t->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), t->a.n_rows, cg_i64(c, 1), "row");
    LLVMValueRef at = LLVMBuildShl(c->b, LLVMBuildMul(c->b, l.i, t->acc_stride, ""), cg_i64(c, 2), "");
    t->row = l.i;
    body(t, cg_at(c, t->a.codes, LLVMBuildMul(c->b, l.i, t->a.code_stride, "")), cg_at(c, t->acc, at));
    cg_loop_end(c, &l);
}

static LLVMValueRef result_row(struct tile *t) {
    LLVMValueRef at = LLVMBuildMul(t->c->b, t->row, t->a.acc_stride, "");
    return cg_at(t->c, t->y, LLVMBuildShl(t->c->b, at, cg_i64(t->c, 2), ""));
}

/* The sums of the group's codes, an i32 a row, where otherwise the sums of a tile are. */
static LLVMValueRef code_sums(const struct tile *t) { return cg_at_const(t->c, t->a.scratch, PANEL_BYTES); }

static void note_code_sum(struct tile *t, LLVMValueRef codes, LLVMValueRef acc) {
    struct cg *c = t->c;
    (void)acc;
    LLVMValueRef sum = mm_group_sum(c, cg_at(c, codes, t->first), t->shape->group);
    LLVMValueRef at = LLVMBuildShl(c->b, t->row, cg_i64(c, 2), "");
    cg_store(c, LLVMBuildExtractElement(c->b, sum, cg_i32(c, 0), ""), cg_at(c, code_sums(t), at), 4);
}

static void clear_result(struct tile *t, LLVMValueRef codes, LLVMValueRef acc) {
    (void)codes, (void)acc;
    for (unsigned b = 0; b < 4 * IR_TILE; b += t->t->bytes)
        cg_store(t->c, LLVMConstNull(mm_sum_type(t->c)), cg_at_const(t->c, result_row(t), b), 4);
}

/* The group's sums into the results. */
static void add_group(struct tile *t, LLVMValueRef codes, LLVMValueRef acc) {
    struct cg *c = t->c;
    LLVMTypeRef floats = LLVMVectorType(c->f32, t->t->bytes / 4);
    LLVMValueRef code_sum = mm_group_sum(c, cg_at(c, codes, t->first), t->shape->group), sum[MM_PLANES], y[MM_PLANES];
    LLVMValueRef row = result_row(t);
    for (unsigned v = 0; v < mm_vectors(t->t); v++) {
        for (unsigned i = 0; i < MM_PLANES; i++) {
            uint64_t at = i * 4 * MM_LANES + v * t->t->bytes;
            sum[i] = cg_load(c, mm_sum_type(c), cg_at_const(c, acc, at), 4);
            y[i] = cg_load(c, floats, cg_at_const(c, row, at), 4);
        }
        mm_add_group(c, t->planes, sum, code_sum, t->alpha, v, y);
        for (unsigned i = 0; i < MM_PLANES; i++)
            cg_store(c, y[i], cg_at_const(c, row, i * 4 * MM_LANES + v * t->t->bytes), 4);
    }
}

/* One group: the micro kernel for n rows, n in 1 .. target rows. */
static void group(struct tile *t, LLVMValueRef n, const struct micro_args *a) {
    struct cg *c = t->c;
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(c->llvm, c->fn, "grouped");
    LLVMBasicBlockRef full = LLVMAppendBasicBlockInContext(c->llvm, c->fn, "full");
    LLVMValueRef sw = LLVMBuildSwitch(c->b, n, full, t->t->rows);
    for (unsigned rows = t->t->rows; rows; rows--) {
        LLVMBasicBlockRef b = full;
        if (rows < t->t->rows) {
            b = LLVMAppendBasicBlockInContext(c->llvm, c->fn, "part");
            LLVMAddCase(sw, cg_i64(c, rows), b);
        }
        LLVMPositionBuilderAtEnd(c->b, b);
        micro_call(c, t->shape->core, rows, t->whole, a);
        LLVMBuildBr(c->b, done);
    }
    LLVMMoveBasicBlockAfter(done, LLVMGetLastBasicBlock(c->fn));
    LLVMPositionBuilderAtEnd(c->b, done);
}

/* Bytes of a tile for a step of four k, rounded up. */
static uint64_t step_bytes(const struct tile *t) {
    uint64_t steps = (t->shape->K + 3) / 4;
    return (t->shape->core->tile_bytes(t->shape->K) + steps - 1) / steps;
}

/* The next tile is asked for while this one's panels serve their rows, as far into it as step `from` is into this one.
 */
static void next_fetch(struct tile *t, LLVMValueRef from) {
    struct cg *c = t->c;
    const struct mm_core *core = t->shape->core;
    if (!t->fetch_lines) return;
    t->fetch_stride = 64;
    if (core->ahead) {
        t->fetch = core->ahead(c, t->shape, t->a.matrix, t->tile, from, &t->fetch_stride);
        return;
    }
    LLVMValueRef next = LLVMBuildNSWAdd(c->b, t->tile, cg_i64(c, 1), "");
    LLVMValueRef at = LLVMBuildMul(c->b, next, cg_i64(c, core->tile_bytes(t->shape->K)), "");
    at = LLVMBuildAdd(c->b, at, LLVMBuildMul(c->b, from, cg_i64(c, step_bytes(t)), ""), "");
    t->fetch = cg_at(c, t->a.matrix, at);
}

/* Lines [part * n, (part + 1) * n) of what is read next, into the second level cache.  All at once they would keep the
 * unpacking waiting for memory. */
static void fetch(struct tile *t, LLVMValueRef part) {
    struct cg *c = t->c;
    struct cg_loop l;
    if (!t->fetch_lines) return;
    LLVMValueRef from = LLVMBuildMul(c->b, part, t->fetch_lines, "");
    cg_loop_begin(c, &l, from, LLVMBuildNSWAdd(c->b, from, t->fetch_lines, ""), cg_i64(c, 1), "fetch");
    cg_prefetch(c, cg_at(c, t->fetch, LLVMBuildMul(c->b, l.i, cg_i64(c, t->fetch_stride), "")), 1);
    cg_loop_end(c, &l);
}

/* Steps from .. from + steps of all rows; first, last (i1): of those that are added up. */
static void groups(struct tile *t, LLVMValueRef from, LLVMValueRef steps, LLVMValueRef first, LLVMValueRef last) {
    struct cg *c = t->c;
    struct cg_loop l;
    LLVMValueRef more = LLVMBuildZExt(c->b, LLVMBuildNot(c->b, first, ""), c->i64, "");
    cg_loop_begin(c, &l, cg_i64(c, 0), t->groups, cg_i64(c, 1), "group");
    unsigned row_slot = cg_carry(c, &l, cg_i64(c, 0));
    LLVMValueRef row = l.phi[row_slot];
    LLVMValueRef larger = LLVMBuildICmp(c->b, LLVMIntSLT, l.i, t->larger, "");
    LLVMValueRef n = LLVMBuildAdd(c->b, t->group_rows, LLVMBuildZExt(c->b, larger, c->i64, ""), "");
    LLVMValueRef code_row = cg_at(c, t->a.codes, LLVMBuildMul(c->b, row, t->a.code_stride, ""));
    LLVMValueRef codes = cg_at(c, code_row, LLVMBuildShl(c->b, from, cg_i64(c, 2), ""));
    LLVMValueRef at = LLVMBuildShl(c->b, LLVMBuildMul(c->b, row, t->acc_stride, ""), cg_i64(c, 2), "");
    LLVMValueRef acc = cg_at(c, t->acc, at);
    LLVMValueRef sums =
        LLVMBuildSelect(c->b, last, mm_code_sum_at(c, code_row, t->shape->K), LLVMConstNull(c->ptr), "");
    if (t->whole) sums = cg_at(c, code_sums(t), LLVMBuildShl(c->b, row, cg_i64(c, 2), ""));
    fetch(t, l.i);
    for (unsigned v = 0; v < mm_vectors(t->t); v++) {
        struct micro_args a = {.panel = cg_at_const(c, t->a.scratch, v * MM_PANEL * MM_PLANES * t->t->bytes),
                               .steps = steps,
                               .codes = codes,
                               .code_stride = t->a.code_stride,
                               .acc = cg_at_const(c, acc, v * t->t->bytes),
                               .acc_stride = t->acc_stride,
                               .code_sums = sums};
        if (t->whole)
            a.alpha = cg_at_const(c, t->alpha, v * t->t->bytes);
        else
            a.more = more;
        group(t, n, &a);
    }
    cg_next(&l, row_slot, LLVMBuildAdd(c->b, row, n, ""));
    cg_loop_end(c, &l);
}

/* The operands of steps s and s + 1 of vector v and plane i: zeros from `steps` on, put in order. */
static void complete_two(struct tile *t, LLVMValueRef s, LLVMValueRef steps, unsigned v, unsigned i) {
    struct cg *c = t->c;
    LLVMValueRef w[2], at[2];
    for (unsigned u = 0; u < 2; u++) {
        LLVMValueRef step = LLVMBuildAdd(c->b, s, cg_i64(c, v * MM_PANEL + u), "");
        at[u] = cg_at(c, t->a.scratch, LLVMBuildMul(c->b, step, cg_i64(c, MM_PLANES * t->t->bytes), ""));
        at[u] = cg_at_const(c, at[u], i * t->t->bytes);
        LLVMValueRef in = LLVMBuildICmp(c->b, LLVMIntSLT, LLVMBuildAdd(c->b, s, cg_i64(c, u), ""), steps, "");
        w[u] = cg_load(c, mm_sum_type(c), at[u], t->t->bytes);
        w[u] = LLVMBuildSelect(c->b, in, w[u], LLVMConstNull(mm_sum_type(c)), "");
    }
    micro_two(c, w);
    for (unsigned u = 0; u < 2; u++) cg_store(c, w[u], at[u], t->t->bytes);
}

/* A micro kernel takes multiples of its steps: zeros behind the last one.  Squares want steps in pairs. */
static void complete_panel(struct tile *t, LLVMValueRef steps) {
    struct cg *c = t->c;
    struct cg_loop l;
    if (micro_steps(t->t) == 1) return;
    LLVMValueRef up = LLVMBuildAdd(c->b, steps, cg_i64(c, micro_steps(t->t) - 1), ""), from = cg_i64(c, 0);
    if (!t->t->square) from = LLVMBuildAnd(c->b, steps, cg_i64(c, ~(uint64_t)1), "");
    up = LLVMBuildAnd(c->b, up, cg_i64(c, ~(uint64_t)(micro_steps(t->t) - 1)), "");
    cg_loop_begin(c, &l, from, up, cg_i64(c, 2), "complete");
    for (unsigned v = 0; v < mm_vectors(t->t); v++)
        for (unsigned i = 0; i < MM_PLANES; i++) complete_two(t, l.i, steps, v, i);
    cg_loop_end(c, &l);
}

/* Steps [from, to) of the tile; finished: their sums are whole. */
static void panels(struct tile *t, LLVMValueRef from, LLVMValueRef to, bool finished) {
    struct cg *c = t->c;
    const struct mm_core *core = t->shape->core;
    LLVMValueRef most = cg_i64(c, MM_PANEL / core->panel_steps * core->panel_steps);
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, most, "panel");
    LLVMValueRef left = LLVMBuildNSWSub(c->b, to, l.i, "");
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntSGT, left, most, "");
    LLVMValueRef steps = LLVMBuildSelect(c->b, more, most, left, "");
    LLVMValueRef last = finished ? LLVMBuildNot(c->b, more, "") : LLVMConstInt(c->i1, 0, false);
    core->unpack_panel(c, t->shape, &t->a, &(struct mm_panel){t->tile, l.i, steps, t->a.scratch});
    complete_panel(t, steps);
    next_fetch(t, l.i);
    groups(t, l.i, steps, LLVMBuildICmp(c->b, LLVMIntEQ, l.i, from, ""), last);
    cg_loop_end(c, &l);
}

static void count_tile(struct cg *c, LLVMValueRef ctx) {
    LLVMValueRef p = cg_at_const(c, ctx, offsetof(struct setun_step, unpacked_tiles));
    LLVMBuildAtomicRMW(c->b, LLVMAtomicRMWBinOpAdd, p, cg_i64(c, 1), LLVMAtomicOrderingMonotonic, false);
}

/* The tile at hand, its columns in one sum. */
static void whole(struct tile *t, LLVMValueRef out) {
    t->acc = out;
    t->acc_stride = t->a.acc_stride;
    panels(t, cg_i64(t->c, 0), cg_i64(t->c, (t->shape->K + 3) / 4), true);
}

/* The same, group after group of columns. */
static void by_groups(struct tile *t, LLVMValueRef alpha, LLVMValueRef out) {
    struct cg *c = t->c;
    uint64_t steps = t->shape->group / 4;
    unsigned flush = mm_flush(t->t, t->planes);
    struct cg_loop l;
    t->whole = steps <= MM_PANEL && (!flush || steps <= flush);
    t->acc = t->whole ? out : code_sums(t);
    t->acc_stride = t->whole ? t->a.acc_stride : cg_i64(c, IR_TILE);
    t->y = out;
    each_row(t, clear_result);
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, t->shape->K / t->shape->group), cg_i64(c, 1), "columns");
    t->first = LLVMBuildMul(c->b, l.i, cg_i64(c, t->shape->group), "");
    t->alpha = cg_at(c, alpha, LLVMBuildShl(c->b, l.i, cg_i64(c, 8), ""));
    LLVMValueRef from = LLVMBuildMul(c->b, l.i, cg_i64(c, steps), "");
    if (t->whole) each_row(t, note_code_sum);
    panels(t, from, LLVMBuildAdd(c->b, from, cg_i64(c, steps), ""), false);
    if (!t->whole) each_row(t, add_group);
    cg_loop_end(c, &l);
}

LLVMValueRef mm_tile_function(struct cg *c, const struct mm_shape *s) {
    const struct mm_target *target = c->level->mm;
    LLVMValueRef fn = cg_function(c, mm_name(c, "mm_tile", s), mm_type(c), true);
    struct tile t = {.c = c, .t = target, .shape = s, .planes = s->core->panel(target), .a = mm_params(fn)};
    LLVMValueRef rows = cg_i64(c, target->rows);
    LLVMValueRef up = LLVMBuildAdd(c->b, t.a.n_rows, cg_i64(c, target->rows - 1), "");
    t.groups = LLVMBuildUDiv(c->b, up, rows, "");
    t.group_rows = LLVMBuildUDiv(c->b, t.a.n_rows, t.groups, "");
    t.larger = LLVMBuildURem(c->b, t.a.n_rows, t.groups, "");
    if (mm_streams(c) && (s->core->ahead || !mm_one_piece(s->core))) {
        uint64_t bytes = s->core->ahead ? 64 : step_bytes(&t); /* of a step */
        LLVMValueRef lines = cg_i64(c, (MM_PANEL * bytes + 63) / 64 - 1);
        t.fetch_lines = LLVMBuildAdd(c->b, LLVMBuildUDiv(c->b, lines, t.groups, ""), cg_i64(c, 1), "");
    }
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), t.a.n_tiles, cg_i64(c, 1), "tile");
    t.tile = LLVMBuildAdd(c->b, t.a.first, l.i, "");
    LLVMValueRef out = cg_at(c, t.a.acc, LLVMBuildShl(c->b, l.i, cg_i64(c, 8), "")); /* 64 results of 4 bytes */
    if (s->group) {
        LLVMValueRef at = LLVMBuildMul(c->b, t.tile, cg_i64(c, mm_alpha_bytes(s->K, s->group)), "");
        by_groups(&t, cg_at(c, t.a.alpha, at), out);
    } else {
        whole(&t, out);
    }
    if (c->opt->count) count_tile(c, t.a.ctx);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
    return fn;
}
