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
 *               for vector of a step:  acc[rows] += scratch . codes[rows]     (the micro kernel)
 *                                      the first panel stores, the last one undoes the scales and takes off sum(q)
 *
 * With scales of groups of columns a panel ends where a group does.  The group's sums go into the results as
 * fma(float(sums), alpha, y): from the micro kernel's registers if the group is one panel, otherwise by way of scratch.
 *
 * Scratch holds, for each vector of a step, its operands of all steps in order, so that a micro kernel
 * reads one stream.  Micro kernels do not depend on K: a level has one for each number of rows.
 */
#include "backends/matmul.h"

#include <string.h>

enum { PANEL_BYTES = MM_PANEL * MM_STEP * MM_PLANES };

uint64_t mm_scratch_bytes(const struct mm_shape *s, uint64_t max_rows) {
    return PANEL_BYTES + (s->group ? 4 * IR_TILE * max_rows : 0);
}

/* ---- the micro kernel ---- */

struct micro {
    struct cg *c;
    const struct mm_target *t;
    const struct mm_planes *planes;
    LLVMValueRef panel, steps, codes, code_stride, acc, acc_stride;
    LLVMValueRef
        code_sums; /* the rows' sums of codes if these are the last steps, else NULL; of a whole group: an i32 a row */
    LLVMValueRef more;  /* i64: not 0 if acc holds what earlier panels gave */
    LLVMValueRef alpha; /* of a whole group of columns: the scales */
    LLVMValueRef code_row[MM_MAX_ROWS];
    unsigned rows;
};
enum { MICRO_ARGS = 8 };

/* whole: the panel is a whole group of columns. */
static LLVMTypeRef micro_type(struct cg *c, bool whole) {
    LLVMTypeRef in[] = {c->ptr, c->i64, c->ptr, c->i64, c->ptr, c->i64, c->ptr, whole ? c->ptr : c->i64};
    return LLVMFunctionType(c->void_, in, MICRO_ARGS, false);
}

/* Operand i (of a plane) of step + u, of the panel. */
static LLVMValueRef operand(struct micro *m, LLVMValueRef step, unsigned u, unsigned i) {
    struct cg *c = m->c;
    unsigned bytes = m->t->bytes;
    LLVMValueRef p = cg_at(c, m->panel, LLVMBuildMul(c->b, step, cg_i64(c, MM_PLANES * bytes), ""));
    return cg_load(c, mm_byte_type(c), cg_at_const(c, p, (u * MM_PLANES + i) * bytes), bytes);
}

/* As many steps as there are codes in a quad. */
static void micro_steps(struct micro *m, LLVMValueRef step, LLVMValueRef *acc) {
    struct cg *c = m->c;
    LLVMValueRef quad[MM_MAX_ROWS], x[MM_MAX_ROWS];
    LLVMValueRef at = LLVMBuildShl(c->b, step, cg_i64(c, 2), "");
    for (unsigned r = 0; r < m->rows; r++) {
        LLVMValueRef p = cg_at(c, m->code_row[r], at);
        quad[r] = m->t->quad > 1 ? mm_quad(c, p) : NULL;
        if (!quad[r]) x[r] = mm_codes(c, p);
    }
    for (unsigned u = 0; u < m->t->quad; u++) {
        for (unsigned r = 0; r < m->rows && m->t->quad > 1; r++) x[r] = mm_codes_of(c, quad[r], u);
        for (unsigned i = 0; i < MM_PLANES; i++) {
            LLVMValueRef w = operand(m, step, u, i);
            for (unsigned r = 0; r < m->rows; r++)
                acc[r * MM_PLANES + i] = m->t->dot(c, acc[r * MM_PLANES + i], w, x[r]);
        }
    }
}

/* ---- squares: 2 rows of the matrix by 2 of activations, 8 k deep; the operands of two steps lie interleaved ---- */

/* Accumulator of two rows of activations, a plane, a half of its four rows. */
static unsigned square_at(unsigned pair, unsigned plane, unsigned half) {
    return (pair * MM_PLANES + plane) * 2 + half;
}

static LLVMValueRef lanes4(struct cg *c, LLVMValueRef a, LLVMValueRef b, const unsigned at[4]) {
    LLVMValueRef lane[4];
    for (unsigned i = 0; i < 4; i++) lane[i] = cg_i32(c, at[i]);
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(lane, 4), "");
}

/* Four steps. */
static void micro_squares(struct micro *m, LLVMValueRef step, LLVMValueRef *acc) {
    struct cg *c = m->c;
    LLVMTypeRef eights = LLVMVectorType(c->i64, 2); /* codes of two steps */
    LLVMValueRef quad[MM_MAX_ROWS + 1], at = LLVMBuildShl(c->b, step, cg_i64(c, 2), "");
    for (unsigned r = 0; r < m->rows; r++) quad[r] = cg_load(c, eights, cg_at(c, m->code_row[r], at), 4);
    quad[m->rows] = quad[m->rows - 1]; /* an odd row is its own neighbour */
    for (unsigned two = 0; two < 2; two++) {
        LLVMValueRef x[MM_MAX_ROWS / 2];
        LLVMValueRef of[] = {cg_i32(c, two), cg_i32(c, two + 2)};
        for (unsigned r = 0; r < m->rows; r += 2) {
            x[r / 2] = LLVMBuildShuffleVector(c->b, quad[r], quad[r + 1], LLVMConstVector(of, 2), "");
            x[r / 2] = LLVMBuildBitCast(c->b, x[r / 2], mm_byte_type(c), "");
        }
        for (unsigned i = 0; i < 2 * MM_PLANES; i++) {
            LLVMValueRef w = operand(m, step, 2 * two + i % 2, i / 2);
            for (unsigned r = 0; r < m->rows; r += 2) {
                LLVMValueRef *to = &acc[square_at(r / 2, i / 2, i % 2)];
                *to = m->t->square(c, *to, w, x[r / 2]);
            }
        }
    }
}

/* Sums of squares to those of dots. */
static void from_squares(struct micro *m, LLVMValueRef *acc) {
    static const unsigned row[2][4] = {{0, 2, 4, 6}, {1, 3, 5, 7}};
    LLVMValueRef sum[MM_MAX_ROWS * MM_PLANES];
    for (unsigned r = 0; r < m->rows; r++)
        for (unsigned i = 0; i < MM_PLANES; i++)
            sum[r * MM_PLANES + i] = lanes4(m->c, acc[square_at(r / 2, i, 0)], acc[square_at(r / 2, i, 1)], row[r % 2]);
    memcpy(acc, sum, m->rows * MM_PLANES * sizeof *acc);
}

/* Steps [from, to) into fresh accumulators, widened. */
static void micro_sums(struct micro *m, LLVMValueRef from, LLVMValueRef to, LLVMValueRef *acc) {
    struct cg *c = m->c;
    unsigned n = (m->t->square ? (m->rows + 1) / 2 * 2 : m->rows) * MM_PLANES;
    struct cg_loop l;
    cg_loop_begin(c, &l, from, to, cg_i64(c, m->t->quad), "step");
    for (unsigned a = 0; a < n; a++) acc[a] = l.phi[cg_carry(c, &l, LLVMConstNull(mm_acc_type(c)))];
    if (m->t->square)
        micro_squares(m, l.i, acc);
    else
        micro_steps(m, l.i, acc);
    for (unsigned a = 0; a < n; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n; a++) acc[a] = m->t->widen ? m->t->widen(c, cg_result(&l, a)) : cg_result(&l, a);
    if (m->t->square) from_squares(m, acc);
}

static LLVMValueRef micro_row(const struct micro *m, unsigned r) {
    return cg_at(m->c, m->acc, LLVMBuildMul(m->c->b, m->acc_stride, cg_i64(m->c, 4 * r), ""));
}

/* What memory holds is added, if anything. */
static void micro_add(struct micro *m, LLVMValueRef more, LLVMValueRef *acc) {
    struct cg *c = m->c;
    LLVMValueRef sum[MM_MAX_ROWS * MM_PLANES];
    struct cg_if add;
    cg_if_begin(c, &add, more);
    for (unsigned r = 0; r < m->rows; r++)
        for (unsigned i = 0; i < MM_PLANES; i++) {
            LLVMValueRef p = cg_at_const(c, micro_row(m, r), i * 4 * MM_LANES);
            sum[r * MM_PLANES + i] = LLVMBuildAdd(c->b, cg_load(c, mm_sum_type(c), p, 4), acc[r * MM_PLANES + i], "");
        }
    cg_if_end(c, &add);
    for (unsigned i = 0; i < m->rows * MM_PLANES; i++) acc[i] = cg_phi(c, &add, sum[i], acc[i]);
}

static void micro_finish(struct micro *m, LLVMValueRef last, LLVMValueRef *acc) {
    struct cg *c = m->c;
    LLVMValueRef sum[MM_MAX_ROWS * MM_PLANES];
    struct cg_if finish;
    cg_if_begin(c, &finish, last);
    for (unsigned r = 0; r < m->rows; r++) {
        LLVMValueRef at = LLVMBuildMul(c->b, m->code_stride, cg_i64(c, r), "");
        LLVMValueRef codes = cg_load(c, c->i32, cg_at(c, m->code_sums, at), 4);
        for (unsigned i = 0; i < MM_PLANES; i++) sum[r * MM_PLANES + i] = acc[r * MM_PLANES + i];
        mm_finish(c, m->planes, sum + r * MM_PLANES, cg_splat(c, codes, m->t->bytes / 4));
    }
    cg_if_end(c, &finish);
    for (unsigned i = 0; i < m->rows * MM_PLANES; i++) acc[i] = cg_phi(c, &finish, sum[i], acc[i]);
}

/* Steps [from, to) to the block of sums in memory.  more: it holds sums; last: these are finished. */
static void micro_block(struct micro *m, LLVMValueRef from, LLVMValueRef to, LLVMValueRef more, LLVMValueRef last) {
    struct cg *c = m->c;
    LLVMValueRef acc[MM_MAX_ROWS * MM_PLANES] = {NULL};
    micro_sums(m, from, to, acc);
    micro_add(m, more, acc);
    micro_finish(m, last, acc);
    for (unsigned r = 0; r < m->rows; r++)
        for (unsigned i = 0; i < MM_PLANES; i++)
            cg_store(c, acc[r * MM_PLANES + i], cg_at_const(c, micro_row(m, r), i * 4 * MM_LANES), 4);
}

/* All steps, in blocks of at most `flush`, if not 0. */
static void micro_panel(struct micro *m, unsigned flush) {
    struct cg *c = m->c;
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntNE, m->more, cg_i64(c, 0), "");
    LLVMValueRef last = LLVMBuildNot(c->b, LLVMBuildIsNull(c->b, m->code_sums, ""), "");
    if (!flush || flush >= MM_PANEL) {
        micro_block(m, cg_i64(c, 0), m->steps, more, last);
        return;
    }
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), m->steps, cg_i64(c, flush), "block");
    LLVMValueRef end = LLVMBuildNSWAdd(c->b, l.i, cg_i64(c, flush), "");
    LLVMValueRef past = LLVMBuildICmp(c->b, LLVMIntSGE, end, m->steps, "");
    LLVMValueRef later = LLVMBuildICmp(c->b, LLVMIntNE, l.i, cg_i64(c, 0), "");
    micro_block(m, l.i, LLVMBuildSelect(c->b, past, m->steps, end, ""), LLVMBuildOr(c->b, more, later, ""),
                LLVMBuildAnd(c->b, last, past, ""));
    cg_loop_end(c, &l);
}

/* All steps of a group, scaled and added to the block of results in memory. */
static void micro_group(struct micro *m) {
    struct cg *c = m->c;
    LLVMTypeRef floats = LLVMVectorType(c->f32, m->t->bytes / 4);
    LLVMValueRef acc[MM_MAX_ROWS * MM_PLANES] = {NULL}, y[MM_PLANES];
    micro_sums(m, cg_i64(c, 0), m->steps, acc);
    for (unsigned r = 0; r < m->rows; r++) {
        LLVMValueRef row = micro_row(m, r), codes = cg_load(c, c->i32, cg_at_const(c, m->code_sums, 4 * r), 4);
        for (unsigned i = 0; i < MM_PLANES; i++) y[i] = cg_load(c, floats, cg_at_const(c, row, i * 4 * MM_LANES), 4);
        mm_add_group(c, m->planes, acc + r * MM_PLANES, cg_splat(c, codes, m->t->bytes / 4), m->alpha, 0, y);
        for (unsigned i = 0; i < MM_PLANES; i++) cg_store(c, y[i], cg_at_const(c, row, i * 4 * MM_LANES), 4);
    }
}

/* void micro(panel, steps, codes, code_stride, acc, acc_stride, code_sums, more or alpha): acc and alpha point at the
 * lanes of this vector. */
static LLVMValueRef micro_function(struct cg *c, const struct mm_core *core, unsigned rows, bool whole) {
    const struct mm_planes *planes = core->panel(c->level->mm); /* i2's own have the plain name */
    const char *own = planes == &c->level->mm->panel ? "" : arena_printf(c->arena, "_%s", core->name);
    const char *name = arena_printf(c->arena, "mm_micro%s%s_%u", own, whole ? "_group" : "", rows);
    LLVMValueRef fn = LLVMGetNamedFunction(c->module, arena_printf(c->arena, "%s.%s", name, c->level->name));
    if (fn) return fn;
    struct cg_place back = cg_place_save(c);
    LLVMValueRef p[MICRO_ARGS];
    fn = cg_function(c, name, micro_type(c, whole), true);
    LLVMGetParams(fn, p);
    struct micro m = {.c = c,
                      .t = c->level->mm,
                      .planes = planes,
                      .panel = p[0],
                      .steps = p[1],
                      .codes = p[2],
                      .code_stride = p[3],
                      .acc = p[4],
                      .acc_stride = p[5],
                      .code_sums = p[6],
                      .more = p[7],
                      .alpha = p[7],
                      .rows = rows};
    for (unsigned r = 0; r < rows; r++)
        m.code_row[r] = cg_at(c, m.codes, LLVMBuildMul(c->b, m.code_stride, cg_i64(c, r), ""));
    if (whole)
        micro_group(&m);
    else
        micro_panel(&m, mm_flush(m.t, planes));
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    return fn;
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

static void call_micro(struct tile *t, unsigned rows, LLVMValueRef *arg) {
    LLVMBuildCall2(t->c->b, micro_type(t->c, t->whole), micro_function(t->c, t->shape->core, rows, t->whole), arg,
                   MICRO_ARGS, "");
}

/* One group: the micro kernel for n rows, n in 1 .. target rows. */
static void group(struct tile *t, LLVMValueRef n, LLVMValueRef *arg) {
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
        call_micro(t, rows, arg);
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
        LLVMValueRef arg[MICRO_ARGS] = {cg_at_const(c, t->a.scratch, v * MM_PANEL * MM_PLANES * t->t->bytes),
                                        steps,
                                        codes,
                                        t->a.code_stride,
                                        cg_at_const(c, acc, v * t->t->bytes),
                                        t->acc_stride,
                                        sums,
                                        t->whole ? cg_at_const(c, t->alpha, v * t->t->bytes) : more};
        group(t, n, arg);
    }
    cg_next(&l, row_slot, LLVMBuildAdd(c->b, row, n, ""));
    cg_loop_end(c, &l);
}

/* The operands of steps s and s + 1 of vector v and plane i: zeros, or those that squares want. */
static void complete_two(struct tile *t, LLVMValueRef s, LLVMValueRef steps, unsigned v, unsigned i) {
    static const unsigned half[2][4] = {{0, 4, 1, 5}, {2, 6, 3, 7}}; /* rows, two steps of each */
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
    for (unsigned u = 0; u < 2; u++)
        cg_store(c, t->t->square ? lanes4(c, w[0], w[1], half[u]) : w[u], at[u], t->t->bytes);
}

/* A micro kernel takes whole quads of steps: zeros behind the last one.  Squares want steps in pairs. */
static void complete_panel(struct tile *t, LLVMValueRef steps) {
    struct cg *c = t->c;
    struct cg_loop l;
    if (t->t->quad == 1) return;
    LLVMValueRef up = LLVMBuildAdd(c->b, steps, cg_i64(c, t->t->quad - 1), ""), from = cg_i64(c, 0);
    if (!t->t->square) from = LLVMBuildAnd(c->b, steps, cg_i64(c, ~(uint64_t)1), "");
    up = LLVMBuildAnd(c->b, up, cg_i64(c, ~(uint64_t)(t->t->quad - 1)), "");
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
