/*
 * core_columns.c -- two bits a weight, by columns: those of channels whose code is zero are not read.
 *
 * A column is a run of lines of 64 bytes, each for 256 output rows (codec/columns.c).  Each thread makes a list of
 * the active channels for itself, once a kernel (columns_list.c).  Threads share the list rather than the lines of a
 * column: the longer the runs that are read, the faster memory gives them.  Two threads, reading alone, columns of 640
 * bytes, share 0.4, on Sapphire Rapids: 30 GB/s, and 22 with half of each column for each.
 *
 *   for chunk of COLUMNS_CHUNK active channels, of the part of the list that is asked for
 *       for line of the run
 *           acc[tile][plane] = sums of the line
 *           for group of 4 channels:   A, B, C, D = their lines; interleave bytes, then pairs: 4 tiles of 64 rows
 *                                      acc[tile][plane] = dot(acc, field(tile, plane), 4 codes in every lane)
 *           sums of the line = acc
 *   sums: undo the scales, minus sum(q)
 *
 * An interleaved register is a step of i2_64, so fields, dot instruction and end are those of i2.  A level with
 * registers of 32 bytes takes half a line and two tiles at a time: eight accumulators.  Sums of 16 bits are widened
 * after each chunk.  A run that begins or ends inside a line is rounded to lines: whole_share.  What is asked for
 * ahead: a line of every column of the chunk into L2, two lines before its turn, and into L1, one line before.
 */
#include "backends/columns_list.h"
#include "backends/matmul.h"
#include "codec/columns.h"

enum {
    TILES = COLUMNS_ROWS / IR_TILE,
    AHEAD = 2, /* one row: lines of a chunk, whose last one is on its way into L2 while the first is summed */
};

/* ---- the layout ---- */

static uint64_t bytes(uint64_t rows, uint64_t K) { return columns_bytes(rows) * K; }

/* ---- a run of lines ---- */

struct run {
    struct cg *c;
    const struct mm_target *t;
    uint64_t column; /* bytes */
    LLVMValueRef matrix, line, n_lines, channels, values, acc;
    unsigned halves, tiles; /* parts of a line in registers; tiles of a part that are summed together */
    bool prefetch;
};

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

/* What of a line is summed at a time. */
struct part {
    LLVMValueRef at; /* this line of column 0 */
    struct ahead {
        LLVMValueRef at;      /* the line that comes so much later: of column 0, */
        LLVMValueRef entries; /* and which chunk's, in entries from this one's */
    } soon, later;            /* into L1; into L2 */
    unsigned half, tile;      /* the first tile */
    bool prefetch;
};

/* The column of the list's entry + i, from where base is in column 0. */
static LLVMValueRef column(struct run *r, LLVMValueRef base, LLVMValueRef entry, unsigned i) {
    struct cg *c = r->c;
    LLVMValueRef at = cg_at_const(c, cg_at(c, r->channels, LLVMBuildShl(c->b, entry, cg_i64(c, 2), "")), 4 * i);
    LLVMValueRef k = LLVMBuildZExt(c->b, cg_load(c, c->i32, at, 4), c->i64, "");
    return cg_at(c, base, LLVMBuildMul(c->b, k, cg_i64(c, r->column), ""));
}

/* The group's lines of what comes later. */
static void fetch(struct run *r, const struct ahead *a, LLVMValueRef entry, unsigned level) {
    entry = LLVMBuildAdd(r->c->b, entry, a->entries, "");
    for (unsigned i = 0; i < COLUMNS_GROUP; i++) cg_prefetch(r->c, column(r, a->at, entry, i), level);
}

static void group(struct run *r, const struct part *p, LLVMValueRef entry, LLVMValueRef *acc) {
    struct cg *c = r->c;
    LLVMValueRef w[COLUMNS_GROUP], x = mm_codes(c, cg_at(c, r->values, entry));
    for (unsigned i = 0; i < COLUMNS_GROUP; i++)
        w[i] =
            cg_load(c, mm_byte_type(c), cg_at_const(c, column(r, p->at, entry, i), p->half * r->t->bytes), r->t->bytes);
    for (unsigned t = 0; t < r->tiles; t++) { /* low and high pairs of bytes come in turn */
        unsigned tile = p->tile + t;
        LLVMValueRef ab = interleave(c, w[0], w[1], 1, tile / 2), cd = interleave(c, w[2], w[3], 1, tile / 2);
        LLVMValueRef step = LLVMBuildBitCast(c->b, interleave(c, ab, cd, 2, tile % 2), mm_byte_type(c), "");
        LLVMValueRef field[MM_PLANES] = {NULL};
        mm_split(c, &r->t->stream, step, field);
        for (unsigned i = 0; i < MM_PLANES; i++)
            acc[t * MM_PLANES + i] = r->t->dot(c, acc[t * MM_PLANES + i], field[i], x);
    }
    if (!p->prefetch) return;
    fetch(r, &p->later, entry, 1);
    fetch(r, &p->soon, entry, 0);
}

/* Sums of tile t and plane i, lanes of half h, of a line's. */
static LLVMValueRef sums_at(struct run *r, const struct part *p, LLVMValueRef line, unsigned a) {
    unsigned tile = p->tile + a / MM_PLANES, plane = a % MM_PLANES;
    return cg_at_const(r->c, line, 4 * (tile * IR_TILE + plane * MM_LANES) + p->half * r->t->bytes);
}

/* Entries [from, to) of the list, added to the sums of one part of a line. */
static void part(struct run *r, const struct part *p, LLVMValueRef from, LLVMValueRef to, LLVMValueRef sums) {
    struct cg *c = r->c;
    unsigned n = r->tiles * MM_PLANES;
    LLVMValueRef acc[TILES * MM_PLANES] = {NULL}, sum[TILES * MM_PLANES];
    for (unsigned a = 0; a < n; a++) sum[a] = cg_load(c, mm_sum_type(c), sums_at(r, p, sums, a), 4);
    struct cg_loop l; /* slot a carries accumulator a */
    cg_loop_begin(c, &l, from, to, cg_i64(c, COLUMNS_GROUP), "group");
    for (unsigned a = 0; a < n; a++)
        acc[a] = l.phi[cg_carry(c, &l, r->t->widen ? LLVMConstNull(mm_acc_type(c)) : sum[a])];
    group(r, p, l.i, acc);
    for (unsigned a = 0; a < n; a++) cg_next(&l, a, acc[a]);
    cg_loop_end(c, &l);
    for (unsigned a = 0; a < n; a++) {
        LLVMValueRef s = cg_result(&l, a);
        if (r->t->widen) s = LLVMBuildAdd(c->b, sum[a], r->t->widen(c, s), "");
        cg_store(c, s, sums_at(r, p, sums, a), 4);
    }
}

/* Line number `line` of the run. */
static LLVMValueRef line_sums(struct run *r, LLVMValueRef line) {
    return cg_at(r->c, r->acc, LLVMBuildMul(r->c->b, line, cg_i64(r->c, 4 * COLUMNS_ROWS), ""));
}

static LLVMValueRef line_of(struct run *r, LLVMValueRef line) {
    struct cg *c = r->c;
    LLVMValueRef at = LLVMBuildAdd(c->b, r->line, line, "");
    return cg_at(c, r->matrix, LLVMBuildMul(c->b, at, cg_i64(c, COLUMNS_LINE), ""));
}

/* The line `n` lines after line i of a chunk: behind the run's last one, the next chunk's first. */
static struct ahead ahead(struct run *r, LLVMValueRef i, unsigned n) {
    struct cg *c = r->c;
    LLVMValueRef line = LLVMBuildAdd(c->b, i, cg_i64(c, n), "");
    LLVMValueRef chunks = LLVMBuildUDiv(c->b, line, r->n_lines, "");
    line = LLVMBuildSub(c->b, line, LLVMBuildMul(c->b, chunks, r->n_lines, ""), "");
    return (struct ahead){line_of(r, line), LLVMBuildMul(c->b, chunks, cg_i64(c, COLUMNS_CHUNK), "")};
}

static void line(struct run *r, LLVMValueRef i, LLVMValueRef from, LLVMValueRef to) {
    struct part p = {.at = line_of(r, i), .soon = ahead(r, i, 1), .later = ahead(r, i, AHEAD)};
    for (p.half = 0; p.half < r->halves; p.half++)
        for (p.tile = 0; p.tile < TILES; p.tile += r->tiles) {
            p.prefetch = r->prefetch && !p.half && !p.tile;
            part(r, &p, from, to, line_sums(r, i));
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
    for (unsigned b = 0; b < 4 * COLUMNS_ROWS; b += r->t->bytes)
        cg_store(r->c, LLVMConstNull(mm_sum_type(r->c)), cg_at_const(r->c, sums, b), 4);
}

static void finish(struct run *r, LLVMValueRef sums, LLVMValueRef code_sum) {
    struct cg *c = r->c;
    struct part p = {.at = NULL};
    for (p.half = 0; p.half < r->halves; p.half++)
        for (p.tile = 0; p.tile < TILES; p.tile++) {
            LLVMValueRef sum[MM_PLANES];
            for (unsigned i = 0; i < MM_PLANES; i++) sum[i] = cg_load(c, mm_sum_type(c), sums_at(r, &p, sums, i), 4);
            mm_finish(c, &r->t->stream, sum, code_sum);
            for (unsigned i = 0; i < MM_PLANES; i++) cg_store(c, sum[i], sums_at(r, &p, sums, i), 4);
        }
}

/* Entries of the first `part` of the call's parts of n chunks. */
static LLVMValueRef parts_end(struct cg *c, const struct mm_args *a, LLVMValueRef part, LLVMValueRef n) {
    LLVMValueRef end = LLVMBuildUDiv(c->b, LLVMBuildMul(c->b, n, part, ""), a->parts, "");
    return LLVMBuildMul(c->b, end, cg_i64(c, COLUMNS_CHUNK), "");
}

/* Every chunk of the part of the list. */
static void chunks(struct run *r, const struct mm_args *a, LLVMValueRef n) {
    struct cg *c = r->c;
    LLVMValueRef entries = cg_i64(c, COLUMNS_CHUNK), next = LLVMBuildAdd(c->b, a->part, cg_i64(c, 1), "");
    struct cg_loop chunk, l;
    cg_loop_begin(c, &chunk, parts_end(c, a, a->part, n), parts_end(c, a, next, n), entries, "chunk");
    LLVMValueRef end = LLVMBuildNSWAdd(c->b, chunk.i, entries, "");
    cg_loop_begin(c, &l, cg_i64(c, 0), r->n_lines, cg_i64(c, 1), "line");
    line(r, l.i, chunk.i, end);
    cg_loop_end(c, &l);
    cg_loop_end(c, &chunk);
}

/* Lines that the tiles lie in, and where the sums of the first one go. */
static void run_lines(struct run *r, const struct mm_args *a) {
    struct cg *c = r->c;
    LLVMValueRef tiles = cg_i64(c, TILES), end = LLVMBuildAdd(c->b, a->first, a->n_tiles, "");
    r->line = LLVMBuildUDiv(c->b, a->first, tiles, "");
    end = LLVMBuildUDiv(c->b, LLVMBuildAdd(c->b, end, cg_i64(c, TILES - 1), ""), tiles, "");
    r->n_lines = LLVMBuildSub(c->b, end, r->line, "");
    LLVMValueRef before = LLVMBuildMul(c->b, LLVMBuildURem(c->b, a->first, tiles, ""), cg_i64(c, 4 * IR_TILE), "");
    r->acc = cg_at(c, a->acc, LLVMBuildNeg(c->b, before, ""));
}

static LLVMValueRef is_zero(struct cg *c, LLVMValueRef x) {
    return LLVMBuildICmp(c->b, LLVMIntEQ, x, cg_i64(c, 0), "");
}

/* Whoever computes the matrix's first line, or the first part, tells what is skipped of all. */
static void count_skipped(struct cg *c, const struct mm_shape *s, const struct mm_args *a, LLVMValueRef n) {
    struct cg_if first;
    cg_if_begin(c, &first, is_zero(c, LLVMBuildOr(c->b, a->first, a->part, "")));
    LLVMValueRef off = LLVMBuildSub(c->b, cg_i64(c, s->K), n, "");
    off = LLVMBuildMul(c->b, off, cg_i64(c, columns_bytes(s->n)), "");
    LLVMValueRef p = cg_at_const(c, a->ctx, offsetof(struct setun_step, skipped_bytes));
    LLVMBuildAtomicRMW(c->b, LLVMAtomicRMWBinOpAdd, p, off, LLVMAtomicOrderingMonotonic, false);
    cg_if_end(c, &first);
}

static void one_row(struct cg *c, const struct mm_shape *s, const struct mm_args *a) {
    const struct mm_target *t = c->level->mm;
    unsigned flush = mm_flush(t, &t->stream), wide = t->bytes == COLUMNS_LINE;
    if (flush && flush < COLUMNS_CHUNK / COLUMNS_GROUP) BUG("level '%s' widens too often", c->level->name);
    struct run r = {.c = c,
                    .t = t,
                    .column = columns_bytes(s->n),
                    .matrix = a->matrix,
                    .channels = columns_list_channels(c, a->prepared),
                    .values = columns_list_codes(c, a->prepared, s->K),
                    .halves = mm_vectors(t),
                    .tiles = wide ? TILES : TILES / 2,
                    .prefetch = mm_streams(c)};
    run_lines(&r, a);
    each_line(&r, clear, NULL);
    count_skipped(c, s, a, columns_list_length(c, a->prepared));
    chunks(&r, a, columns_list_chunks(c, a->prepared));
    LLVMValueRef sum = mm_code_sum(c, a->codes, s->K); /* the first part takes it off */
    each_line(&r, finish, LLVMBuildSelect(c->b, is_zero(c, a->part), sum, LLVMConstNull(LLVMTypeOf(sum)), ""));
}

/* ---- many rows ---- */

static const struct mm_planes *panel(const struct mm_target *t) { return &t->panel; }

/* Line `at` of channel 4 step + i; of the last step, the last channel there is: codes beyond it are zero. */
static LLVMValueRef step_line(struct cg *c, const struct mm_shape *s, LLVMValueRef at, LLVMValueRef step, unsigned i) {
    LLVMValueRef last = cg_i64(c, s->K - 1), k = LLVMBuildShl(c->b, step, cg_i64(c, 2), "");
    k = LLVMBuildAdd(c->b, k, cg_i64(c, i), "");
    if (s->K % COLUMNS_GROUP) k = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntUGT, k, last, ""), last, k, "");
    return cg_at(c, at, LLVMBuildMul(c->b, k, cg_i64(c, columns_bytes(s->n)), ""));
}

/* The tile's quarter of a line of four channels, interleaved: a step of i2_64, its bytes of half h. */
static LLVMValueRef step_of(struct cg *c, LLVMValueRef *line, unsigned half, unsigned tile) {
    unsigned width = c->level->mm->bytes;
    LLVMValueRef w[COLUMNS_GROUP];
    for (unsigned i = 0; i < COLUMNS_GROUP; i++)
        w[i] = cg_load(c, mm_byte_type(c), cg_at_const(c, line[i], half * width), width);
    LLVMValueRef ab = interleave(c, w[0], w[1], 1, tile / 2), cd = interleave(c, w[2], w[3], 1, tile / 2);
    return LLVMBuildBitCast(c->b, interleave(c, ab, cd, 2, tile % 2), mm_byte_type(c), "");
}

struct unpacking {
    const struct mm_shape *s;
    const struct mm_panel *p;
    LLVMValueRef line; /* of column 0 */
};

/* The loop over steps for tiles number `tile` of a line. */
static void unpack_tile(struct cg *c, const struct unpacking *u, unsigned tile) {
    const struct mm_target *t = c->level->mm;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), u->p->steps, cg_i64(c, 1), "unpack");
    LLVMValueRef to = cg_at(c, u->p->to, LLVMBuildMul(c->b, l.i, cg_i64(c, MM_PLANES * t->bytes), ""));
    LLVMValueRef step = LLVMBuildNSWAdd(c->b, u->p->from, l.i, ""), line[COLUMNS_GROUP], field[MM_PLANES];
    for (unsigned i = 0; i < COLUMNS_GROUP; i++) line[i] = step_line(c, u->s, u->line, step, i);
    for (unsigned v = 0; v < mm_vectors(t); v++) {
        mm_split(c, panel(t), step_of(c, line, v, tile), field);
        for (unsigned i = 0; i < MM_PLANES; i++)
            cg_store(c, field[i], cg_at_const(c, to, (v * MM_PANEL * MM_PLANES + i) * t->bytes), t->bytes);
    }
    cg_loop_end(c, &l);
}

/* Which quarter of its lines a tile is decides how they are interleaved: four loops, of which one runs. */
static void unpack_panel(struct cg *c, const struct mm_shape *s, const struct mm_args *a, const struct mm_panel *p) {
    LLVMValueRef line = LLVMBuildUDiv(c->b, p->tile, cg_i64(c, TILES), "");
    LLVMValueRef quarter = LLVMBuildURem(c->b, p->tile, cg_i64(c, TILES), "");
    struct unpacking u = {.s = s, .p = p};
    u.line = cg_at(c, a->matrix, LLVMBuildMul(c->b, line, cg_i64(c, COLUMNS_LINE), ""));
    for (unsigned tile = 0; tile < TILES; tile++) {
        struct cg_if mine;
        cg_if_begin(c, &mine, LLVMBuildICmp(c->b, LLVMIntEQ, quarter, cg_i64(c, tile), ""));
        unpack_tile(c, &u, tile);
        cg_if_end(c, &mine);
    }
}

/* A line has four tiles: each asks for a quarter of the channels of the next line. */
static LLVMValueRef next_line(struct cg *c, const struct mm_shape *s, LLVMValueRef matrix, LLVMValueRef tile,
                              LLVMValueRef from, uint64_t *stride) {
    LLVMValueRef next = LLVMBuildAdd(c->b, LLVMBuildUDiv(c->b, tile, cg_i64(c, TILES), ""), cg_i64(c, 1), "");
    LLVMValueRef quarter = LLVMBuildURem(c->b, tile, cg_i64(c, TILES), "");
    LLVMValueRef k = LLVMBuildMul(c->b, quarter, cg_i64(c, (s->K + COLUMNS_GROUP - 1) / COLUMNS_GROUP), "");
    *stride = columns_bytes(s->n);
    LLVMValueRef at = LLVMBuildMul(c->b, LLVMBuildAdd(c->b, k, from, ""), cg_i64(c, *stride), "");
    return cg_at(c, cg_at(c, matrix, LLVMBuildMul(c->b, next, cg_i64(c, COLUMNS_LINE), "")), at);
}
_Static_assert((int)TILES == (int)COLUMNS_GROUP, "a step of a tile is a line of the next");

const struct mm_core mm_core_columns = {
    .name = "columns",
    .layout = SETUN_LAYOUT_COLUMNS,
    .bytes = bytes,
    .pack = columns_pack,
    .unpack = columns_unpack,
    .one_row = one_row,
    .whole_share = COLUMNS_ROWS,
    .prepare_bytes = columns_list_bytes,
    .prepare = columns_list_emit,
    .ahead = next_line,
    .panel_steps = 1,
    .panel = panel,
    .unpack_panel = unpack_panel,
};
