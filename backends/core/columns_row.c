/*
 * columns_row.c -- one row of codes against a matrix that lies by columns: those of channels whose code is zero are not
 * read.
 *
 * A column is a run of lines of 64 bytes (codec/columns.c).  Each thread makes a list of the active channels for
 * itself, once a kernel (columns_list.c).  Threads share the list rather than the lines of a column: the longer the
 * runs that are read, the faster memory gives them.  Two threads, reading alone, columns of 640 bytes, share 0.4, on
 * Sapphire Rapids: 30 GB/s, and 22 with half of each column for each.
 *
 *   for chunk of COLUMNS_CHUNK active channels, of the part of the list that is asked for
 *       for line of the run
 *           acc[register][plane] = sums of the line
 *           for group of 4 channels:   A, B, C, D = their lines; interleave bytes, then pairs: 4 registers
 *                                      acc[register][plane] = dot(acc, field(register, plane), 4 codes in every lane)
 *           sums of the line = acc
 *   sums: undo the scales, minus sum(q)
 *
 * A lane of an interleaved register has four bytes of the same rows, one a channel.  How many rows are in a byte,
 * which, and how they leave it, the core says (struct columns_kind).  A level with registers of 32 bytes takes half a
 * line and a part of the registers at a time.  Sums of 16 bits are widened after each chunk.  A run that begins or ends
 * inside a line is rounded to lines: whole_share.
 *
 * Asked for ahead: the lines of a chunk into L1, COLUMNS_AHEAD lines before their turn.  On Sapphire Rapids, columns of
 * 640 bytes, share 0.4, 16 columns and 6 lines: 16.0 GB/s with one thread, 30.4 with two; 8 columns give 15.3 and 29.0,
 * 32 and three lines 15.6 and 29.4; into L2 and then into L1, from 32 columns, 14.5 and 27.5.
 */
#include "backends/core/columns.h"

/* Interleaves elements of a and b, of `size` bytes, of the low or high half of each 16 bytes. */
static LLVMValueRef interleave(struct cg *c, LLVMValueRef a, LLVMValueRef b, unsigned size, unsigned high) {
    unsigned n = c->level->mm->bytes, per = 16 / size, lanes = n / size;
    LLVMTypeRef type = LLVMVectorType(LLVMIntTypeInContext(c->llvm, 8 * size), lanes);
    LLVMValueRef index[64];
    for (unsigned i = 0; i < lanes; i++) {
        unsigned from = i / per * per + high * per / 2 + i % per / 2;
        index[i] = cg_i32(c, from + (i % 2 ? lanes : 0));
    }
    a = LLVMBuildBitCast(c->b, a, type, ""), b = LLVMBuildBitCast(c->b, b, type, "");
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(index, lanes), "");
}

LLVMValueRef columns_register(struct cg *c, const LLVMValueRef w[COLUMNS_GROUP], unsigned j) {
    LLVMValueRef ab = interleave(c, w[0], w[1], 1, j / 2), cd = interleave(c, w[2], w[3], 1, j / 2);
    return LLVMBuildBitCast(c->b, interleave(c, ab, cd, 2, j % 2), mm_byte_type(c),
                            ""); /* low and high pairs in turn */
}

void columns_split(struct cg *c, LLVMValueRef w, LLVMValueRef out[MM_PLANES]) {
    const struct mm_target *t = c->level->mm;
    unsigned flush = mm_flush(t, &t->stream);
    if (flush && flush < COLUMNS_CHUNK / COLUMNS_GROUP) BUG("level '%s' widens too often", c->level->name);
    mm_split(c, &t->stream, w, out);
}

struct run {
    struct cg *c;
    const struct mm_target *t;
    const struct columns_kind *kind;
    uint64_t column; /* bytes */
    LLVMValueRef matrix, line, n_lines, channels, values, acc;
    unsigned halves, together; /* parts of a line in vectors; registers of a part that are summed together */
    bool prefetch;
};

/* What of a line is summed at a time. */
struct part {
    LLVMValueRef at;      /* this line of column 0 */
    LLVMValueRef later;   /* the line that comes COLUMNS_AHEAD lines later: of column 0, */
    LLVMValueRef entries; /* and which chunk's, in entries from this one's */
    unsigned half, reg;   /* the first register */
    unsigned number, parts;
};

/* The column of the list's entry + i, from where base is in column 0. */
static LLVMValueRef column(struct run *r, LLVMValueRef base, LLVMValueRef entry, unsigned i) {
    struct cg *c = r->c;
    LLVMValueRef at = cg_at_const(c, cg_at(c, r->channels, LLVMBuildShl(c->b, entry, cg_i64(c, 2), "")), 4 * i);
    LLVMValueRef k = LLVMBuildZExt(c->b, cg_load(c, c->i32, at, 4), c->i64, "");
    return cg_at(c, base, LLVMBuildMul(c->b, k, cg_i64(c, r->column), ""));
}

/* The group's lines of what comes later: each part of a line asks for some. */
static void fetch(struct run *r, const struct part *p, LLVMValueRef entry) {
    entry = LLVMBuildAdd(r->c->b, entry, p->entries, "");
    for (unsigned i = p->number; i < COLUMNS_GROUP; i += p->parts) cg_prefetch(r->c, column(r, p->later, entry, i), 0);
}

static void group(struct run *r, const struct part *p, LLVMValueRef entry, LLVMValueRef *acc) {
    struct cg *c = r->c;
    LLVMValueRef w[COLUMNS_GROUP], x = mm_codes(c, cg_at(c, r->values, entry));
    for (unsigned i = 0; i < COLUMNS_GROUP; i++)
        w[i] =
            cg_load(c, mm_byte_type(c), cg_at_const(c, column(r, p->at, entry, i), p->half * r->t->bytes), r->t->bytes);
    for (unsigned j = 0; j < r->together; j++, acc += r->kind->planes) {
        LLVMValueRef field[COLUMNS_PLANES] = {NULL};
        r->kind->split(c, columns_register(c, w, p->reg + j), field);
        for (unsigned i = 0; i < r->kind->planes; i++) acc[i] = r->t->dot(c, acc[i], field[i], x);
    }
    if (r->prefetch) fetch(r, p, entry);
}

/* Those of a line's sums that accumulator a of the part is for. */
static LLVMValueRef sums_at(struct run *r, const struct part *p, LLVMValueRef line, unsigned a) {
    unsigned reg = p->reg + a / r->kind->planes, plane = a % r->kind->planes;
    unsigned row = reg * r->kind->register_rows + plane * r->kind->plane_rows;
    return cg_at_const(r->c, line, 4 * row + p->half * r->t->bytes);
}

/* Entries [from, to) of the list, added to the sums of one part of a line. */
static void part(struct run *r, const struct part *p, LLVMValueRef from, LLVMValueRef to, LLVMValueRef sums) {
    struct cg *c = r->c;
    unsigned n = r->together * r->kind->planes;
    LLVMValueRef acc[COLUMNS_REGISTERS * COLUMNS_PLANES] = {NULL}, sum[COLUMNS_REGISTERS * COLUMNS_PLANES];
    for (unsigned a = 0; a < n; a++) sum[a] = cg_load(c, mm_sum_type(c), sums_at(r, p, sums, a), 4);
    struct cg_loop l; /* slot a carries accumulator a */
    cg_loop_begin(c, &l, from, to, cg_i64(c, COLUMNS_GROUP), "group");
    for (unsigned a = 0; a < n; a++)
        acc[a] = l.phi[cg_carry(c, &l, r->t->widen ? LLVMConstNull(mm_acc_type(c)) : sum[a])];
    group(r, p, l.i, acc);
    for (unsigned a = 0; a < n; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n; a++) acc[a] = cg_result(&l, a);
    for (unsigned j = 0; j < r->together; j++) mm_apart(c, &r->t->stream, acc + j * r->kind->planes);
    for (unsigned a = 0; a < n; a++) {
        LLVMValueRef s = r->t->widen ? LLVMBuildAdd(c->b, sum[a], r->t->widen(c, acc[a]), "") : acc[a];
        cg_store(c, s, sums_at(r, p, sums, a), 4);
    }
}

/* Line number `line` of the run. */
static LLVMValueRef line_sums(struct run *r, LLVMValueRef line) {
    return cg_at(r->c, r->acc, LLVMBuildMul(r->c->b, line, cg_i64(r->c, 4 * r->kind->rows), ""));
}

static LLVMValueRef line_of(struct run *r, LLVMValueRef line) {
    struct cg *c = r->c;
    LLVMValueRef at = LLVMBuildAdd(c->b, r->line, line, "");
    return cg_at(c, r->matrix, LLVMBuildMul(c->b, at, cg_i64(c, COLUMNS_LINE), ""));
}

static void line(struct run *r, LLVMValueRef i, LLVMValueRef from, LLVMValueRef to) {
    struct cg *c = r->c;
    LLVMValueRef at = LLVMBuildAdd(c->b, i, cg_i64(c, COLUMNS_AHEAD), "");
    LLVMValueRef chunks = LLVMBuildUDiv(c->b, at, r->n_lines, ""); /* behind the last line: the next chunk's first */
    at = LLVMBuildSub(c->b, at, LLVMBuildMul(c->b, chunks, r->n_lines, ""), "");
    struct part p = {.at = line_of(r, i), .later = line_of(r, at)};
    p.parts = r->halves * (COLUMNS_REGISTERS / r->together);
    p.entries = LLVMBuildMul(c->b, chunks, cg_i64(c, COLUMNS_CHUNK), "");
    for (p.half = 0; p.half < r->halves; p.half++)
        for (p.reg = 0; p.reg < COLUMNS_REGISTERS; p.reg += r->together) {
            part(r, &p, from, to, line_sums(r, i));
            p.number++;
        }
}

static void each_line(struct run *r, void (*body)(struct run *r, LLVMValueRef sums, LLVMValueRef code_sum),
                      LLVMValueRef code_sum) {
    struct cg *c = r->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), r->n_lines, cg_i64(c, 1), "line");
    body(r, line_sums(r, l.i), code_sum);
    cg_loop_end(c, &l);
}

static void clear(struct run *r, LLVMValueRef sums, LLVMValueRef code_sum) {
    (void)code_sum;
    for (unsigned b = 0; b < 4 * r->kind->rows; b += r->t->bytes)
        cg_store(r->c, LLVMConstNull(mm_sum_type(r->c)), cg_at_const(r->c, sums, b), 4);
}

static void finish(struct run *r, LLVMValueRef sums, LLVMValueRef code_sum) {
    struct cg *c = r->c;
    struct part p = {.at = NULL};
    for (p.half = 0; p.half < r->halves; p.half++)
        for (p.reg = 0; p.reg < COLUMNS_REGISTERS; p.reg++) {
            LLVMValueRef sum[COLUMNS_PLANES];
            unsigned n = r->kind->planes;
            for (unsigned i = 0; i < n; i++) sum[i] = cg_load(c, mm_sum_type(c), sums_at(r, &p, sums, i), 4);
            r->kind->finish(c, sum, code_sum);
            for (unsigned i = 0; i < n; i++) cg_store(c, sum[i], sums_at(r, &p, sums, i), 4);
        }
}

/* Every chunk of the part of the list. */
static void chunks(struct run *r, const struct mm_args *a, LLVMValueRef n) {
    struct cg *c = r->c;
    LLVMValueRef entries = cg_i64(c, COLUMNS_CHUNK), from, to;
    struct cg_loop chunk, l;
    columns_list_part(c, n, a->part, a->parts, &from, &to);
    from = LLVMBuildMul(c->b, from, entries, ""), to = LLVMBuildMul(c->b, to, entries, "");
    cg_loop_begin(c, &chunk, from, to, entries, "chunk");
    LLVMValueRef end = LLVMBuildNSWAdd(c->b, chunk.i, entries, "");
    cg_loop_begin(c, &l, cg_i64(c, 0), r->n_lines, cg_i64(c, 1), "line");
    line(r, l.i, chunk.i, end);
    cg_loop_end(c, &l);
    cg_loop_end(c, &chunk);
}

/* Lines that the tiles lie in, and where the sums of the first one go. */
static void run_lines(struct run *r, const struct mm_args *a) {
    struct cg *c = r->c;
    unsigned n = r->kind->rows / IR_TILE;
    LLVMValueRef tiles = cg_i64(c, n), end = LLVMBuildAdd(c->b, a->first, a->n_tiles, "");
    r->line = LLVMBuildUDiv(c->b, a->first, tiles, "");
    end = LLVMBuildUDiv(c->b, LLVMBuildAdd(c->b, end, cg_i64(c, n - 1), ""), tiles, "");
    r->n_lines = LLVMBuildSub(c->b, end, r->line, "");
    LLVMValueRef before = LLVMBuildMul(c->b, LLVMBuildURem(c->b, a->first, tiles, ""), cg_i64(c, 4 * IR_TILE), "");
    r->acc = cg_at(c, a->acc, LLVMBuildNeg(c->b, before, ""));
}

static LLVMValueRef is_zero(struct cg *c, LLVMValueRef x) {
    return LLVMBuildICmp(c->b, LLVMIntEQ, x, cg_i64(c, 0), "");
}

/* Whoever computes the matrix's first line, or the first part, tells what is skipped of all. */
static void count_skipped(struct cg *c, const struct mm_shape *s, const struct mm_args *a, LLVMValueRef n,
                          uint64_t column) {
    struct cg_if first;
    cg_if_begin(c, &first, is_zero(c, LLVMBuildOr(c->b, a->first, a->part, "")));
    LLVMValueRef off = LLVMBuildSub(c->b, cg_i64(c, s->K), n, "");
    off = LLVMBuildMul(c->b, off, cg_i64(c, column), "");
    LLVMValueRef p = cg_at_const(c, a->ctx, offsetof(struct setun_step, skipped_bytes));
    LLVMBuildAtomicRMW(c->b, LLVMAtomicRMWBinOpAdd, p, off, LLVMAtomicOrderingMonotonic, false);
    cg_if_end(c, &first);
}

void columns_one_row(struct cg *c, const struct mm_shape *s, const struct mm_args *a) {
    const struct columns_kind *kind = s->core->columns;
    const struct mm_target *t = c->level->mm;
    struct run r = {.c = c,
                    .t = t,
                    .kind = kind,
                    .column = kind->bytes(s->n),
                    .matrix = a->matrix,
                    .channels = columns_list_channels(c, a->prepared),
                    .values = columns_list_codes(c, a->prepared, s->K),
                    .halves = mm_vectors(t),
                    .together = kind->together(t),
                    .prefetch = mm_streams(c)};
    run_lines(&r, a);
    each_line(&r, clear, NULL);
    count_skipped(c, s, a, columns_list_length(c, a->prepared), r.column);
    chunks(&r, a, columns_list_chunks(c, a->prepared));
    LLVMValueRef sum = mm_code_sum(c, a->codes, s->K); /* the first part takes it off */
    each_line(&r, finish, LLVMBuildSelect(c->b, is_zero(c, a->part), sum, LLVMConstNull(LLVMTypeOf(sum)), ""));
}
