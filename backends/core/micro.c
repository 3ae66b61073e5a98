/*
 * micro.c -- the micro kernel of many rows: a vector of a panel's operands by a few rows of codes, all in registers.
 *
 *   acc[rows][planes] = 0
 *   for steps of the panel:  w = operand of each plane; x = codes of each row; acc += w . x
 *   the first panel stores, the next ones add, the last one undoes the scales and takes off sum(q)
 *
 * The register tile has `rows` x 4 accumulators.  It does not depend on K: a level has one for each number of rows and
 * kind of planes.  Where a level multiplies squares, 2 rows of the matrix by 2 of activations, an accumulator holds a
 * square and the sums are put in order behind the loop.
 */
#include "backends/core/micro.h"

#include <string.h>

enum { N_ARGS = 8 };

struct micro {
    struct cg *c;
    const struct mm_target *t;
    const struct mm_planes *planes;
    struct micro_args a;
    LLVMValueRef code_row[MM_MAX_ROWS];
    unsigned rows;
};

/* Operand i (of a plane) of step + u, of the panel. */
static LLVMValueRef operand(struct micro *m, LLVMValueRef step, unsigned u, unsigned i) {
    struct cg *c = m->c;
    unsigned bytes = m->t->bytes;
    LLVMValueRef p = cg_at(c, m->a.panel, LLVMBuildMul(c->b, step, cg_i64(c, MM_PLANES * bytes), ""));
    return cg_load(c, mm_byte_type(c), cg_at_const(c, p, (u * MM_PLANES + i) * bytes), bytes);
}

/* A quad, but not where codes in use need registers beside it. */
unsigned micro_steps(const struct mm_target *t) { return t->hold ? 1 : t->quad; }

static void steps(struct micro *m, LLVMValueRef step, LLVMValueRef *acc) {
    struct cg *c = m->c;
    LLVMValueRef quad[MM_MAX_ROWS], x[MM_MAX_ROWS];
    LLVMValueRef at = LLVMBuildShl(c->b, step, cg_i64(c, 2), "");
    for (unsigned r = 0; r < m->rows; r++) {
        LLVMValueRef p = cg_at(c, m->code_row[r], at);
        quad[r] = micro_steps(m->t) > 1 ? mm_quad(c, p) : NULL;
        if (!quad[r]) x[r] = mm_codes(c, p);
    }
    for (unsigned u = 0; u < micro_steps(m->t); u++) {
        for (unsigned r = 0; r < m->rows && micro_steps(m->t) > 1; r++) x[r] = mm_codes_of(c, quad[r], u);
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

void micro_two(struct cg *c, LLVMValueRef w[2]) {
    static const unsigned half[2][4] = {{0, 4, 1, 5}, {2, 6, 3, 7}}; /* rows, two steps of each */
    if (!c->level->mm->square) return;
    LLVMValueRef two[] = {lanes4(c, w[0], w[1], half[0]), lanes4(c, w[0], w[1], half[1])};
    memcpy(w, two, sizeof two);
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
    cg_loop_begin(c, &l, from, to, cg_i64(c, micro_steps(m->t)), "step");
    for (unsigned a = 0; a < n; a++) acc[a] = l.phi[cg_carry(c, &l, LLVMConstNull(mm_acc_type(c)))];
    if (m->t->square)
        micro_squares(m, l.i, acc);
    else
        steps(m, l.i, acc);
    for (unsigned a = 0; a < n; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n; a++) acc[a] = m->t->widen ? m->t->widen(c, cg_result(&l, a)) : cg_result(&l, a);
    if (m->t->square) from_squares(m, acc);
}

static LLVMValueRef micro_row(const struct micro *m, unsigned r) {
    return cg_at(m->c, m->a.acc, LLVMBuildMul(m->c->b, m->a.acc_stride, cg_i64(m->c, 4 * r), ""));
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
        LLVMValueRef at = LLVMBuildMul(c->b, m->a.code_stride, cg_i64(c, r), "");
        LLVMValueRef codes = cg_load(c, c->i32, cg_at(c, m->a.code_sums, at), 4);
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
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntNE, m->a.more, cg_i64(c, 0), "");
    LLVMValueRef last = LLVMBuildNot(c->b, LLVMBuildIsNull(c->b, m->a.code_sums, ""), "");
    if (!flush || flush >= MM_PANEL) {
        micro_block(m, cg_i64(c, 0), m->a.steps, more, last);
        return;
    }
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), m->a.steps, cg_i64(c, flush), "block");
    LLVMValueRef end = LLVMBuildNSWAdd(c->b, l.i, cg_i64(c, flush), "");
    LLVMValueRef past = LLVMBuildICmp(c->b, LLVMIntSGE, end, m->a.steps, "");
    LLVMValueRef later = LLVMBuildICmp(c->b, LLVMIntNE, l.i, cg_i64(c, 0), "");
    micro_block(m, l.i, LLVMBuildSelect(c->b, past, m->a.steps, end, ""), LLVMBuildOr(c->b, more, later, ""),
                LLVMBuildAnd(c->b, last, past, ""));
    cg_loop_end(c, &l);
}

/* All steps of a group, scaled and added to the block of results in memory. */
static void micro_group(struct micro *m) {
    struct cg *c = m->c;
    LLVMTypeRef floats = LLVMVectorType(c->f32, m->t->bytes / 4);
    LLVMValueRef acc[MM_MAX_ROWS * MM_PLANES] = {NULL}, y[MM_PLANES];
    micro_sums(m, cg_i64(c, 0), m->a.steps, acc);
    for (unsigned r = 0; r < m->rows; r++) {
        LLVMValueRef row = micro_row(m, r), codes = cg_load(c, c->i32, cg_at_const(c, m->a.code_sums, 4 * r), 4);
        for (unsigned i = 0; i < MM_PLANES; i++) y[i] = cg_load(c, floats, cg_at_const(c, row, i * 4 * MM_LANES), 4);
        mm_add_group(c, m->planes, acc + r * MM_PLANES, cg_splat(c, codes, m->t->bytes / 4), m->a.alpha, 0, y);
        for (unsigned i = 0; i < MM_PLANES; i++) cg_store(c, y[i], cg_at_const(c, row, i * 4 * MM_LANES), 4);
    }
}

/* ---- the function ---- */

static LLVMTypeRef type_of(struct cg *c, bool whole) {
    LLVMTypeRef in[] = {c->ptr, c->i64, c->ptr, c->i64, c->ptr, c->i64, c->ptr, whole ? c->ptr : c->i64};
    return LLVMFunctionType(c->void_, in, N_ARGS, false);
}

/* void micro(panel, steps, codes, code_stride, acc, acc_stride, code_sums, more or alpha) */
static LLVMValueRef function(struct cg *c, const struct mm_core *core, unsigned rows, bool whole) {
    const struct mm_planes *planes = core->panel(c->level->mm); /* i2's own have the plain name */
    const char *own = planes == &c->level->mm->panel ? "" : arena_printf(c->arena, "_%s", core->name);
    const char *name = arena_printf(c->arena, "mm_micro%s%s_%u", own, whole ? "_group" : "", rows);
    LLVMValueRef fn = LLVMGetNamedFunction(c->module, arena_printf(c->arena, "%s.%s", name, c->level->name));
    if (fn) return fn;
    struct cg_place back = cg_place_save(c);
    LLVMValueRef p[N_ARGS];
    fn = cg_function(c, name, type_of(c, whole), true);
    LLVMGetParams(fn, p);
    struct micro m = {.c = c, .t = c->level->mm, .planes = planes, .rows = rows};
    m.a = (struct micro_args){p[0], p[1], p[2], p[3], p[4], p[5], p[6], .more = p[7], .alpha = p[7]};
    for (unsigned r = 0; r < rows; r++)
        m.code_row[r] = cg_at(c, m.a.codes, LLVMBuildMul(c->b, m.a.code_stride, cg_i64(c, r), ""));
    if (whole)
        micro_group(&m);
    else
        micro_panel(&m, mm_flush(m.t, planes));
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    return fn;
}

void micro_call(struct cg *c, const struct mm_core *core, unsigned rows, bool whole, const struct micro_args *a) {
    LLVMValueRef arg[N_ARGS] = {a->panel, a->steps,      a->codes,     a->code_stride,
                                a->acc,   a->acc_stride, a->code_sums, whole ? a->alpha : a->more};
    LLVMBuildCall2(c->b, type_of(c, whole), function(c, core, rows, whole), arg, N_ARGS, "");
}
