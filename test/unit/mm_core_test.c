/*
 * mm_core_test -- every ternary core at every level that this machine runs, against plain loops: depths that are
 * multiples of nothing, one to 64 rows, runs of tiles from any tile on, shares of codes that are not zero from none to
 * all, and the largest sums there are.
 *
 *   mm_core_test [CPU]      of an emulated CPU (jit.h) instead
 */
#include "test/unit/jit.h"

#include <math.h>
#include <stdint.h>

#include "backends/core/matmul.h"

static const uint64_t depths[] = {1, 5, 64, 65, 100, 1000, 2560, 65536, 3, 4, 63, 255, 256, 6912};
/* Depths and columns of a group: those of formats, whole and half rows, and some that no register likes. */
static const uint64_t grouped[][2] = {{256, 128}, {2560, 128}, {128, 4},     {960, 96}, {1000, 1000}, {65536, 16384},
                                      {256, 64},  {512, 256},  {6912, 3456}, {240, 12}, {96, 32},     {4096, 1024}};
/* Emulated, the first of each; most of the time is the compiler's. */
enum { DEPTHS_EMULATED = 8, GROUPED_EMULATED = 6 };
static size_t n_depths(const struct jit *j) { return j->cpu ? DEPTHS_EMULATED : COUNT_OF(depths); }
static size_t n_grouped(const struct jit *j) { return j->cpu ? GROUPED_EMULATED : COUNT_OF(grouped); }
/* Shares of codes that are not zero; -1: of one code. */
static const double densities[] = {0, -1, .1, .4};
enum { MAX_TILES = 11, MAX_ROWS = 64, ACC_STRIDE = (MAX_TILES + 1) / 4 * 4 * IR_TILE, MANY = 100, LARGEST = 65536 };
static uint64_t tiles_of(uint64_t K) { return K == LARGEST ? 1 : K == MANY ? MAX_TILES : 3; }
static const int64_t row_counts[] = {1, 2, 5, 6, 7, 13, 64};

enum fill { RANDOM, ALL_PLUS, ALL_MINUS, N_FILLS };

struct problem {
    uint64_t K, stride, n_tiles, bytes; /* bytes: of the matrix */
    int64_t n_rows;
    uint64_t mark; /* memory before */
    int8_t *trits, *codes;
    uint8_t *matrix, *scratch, *prepared;
    int32_t *acc; /* or floats, if there are scales of groups */
    int32_t want[MAX_ROWS * IR_TILE * MAX_TILES];
    struct setun_step *ctx;
};
enum { ACC_BYTES = MAX_ROWS * ACC_STRIDE * 4 };

static uint64_t state = 11;
static int draw(int from, int to) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return from + (int)((state >> 33) % (uint64_t)(to - from + 1));
}

static void *take(size_t n) {
    void *p = aligned_alloc(64, (n + 63) & ~(size_t)63);
    if (!p) abort();
    return p;
}

/* A row's codes, and their sum behind them. */
static void codes_make(int8_t *row, uint64_t K, uint64_t stride, enum fill fill, double density) {
    int32_t sum = 0;
    memset(row, 0, stride);
    for (uint64_t k = 0; k < K; k++)
        if (density >= 1 || draw(0, 9999) < density * 10000)
            row[k] = (int8_t)(fill == RANDOM ? draw(-127, 127) : fill == ALL_PLUS ? 127 : -127);
    if (density < 0) row[draw(0, (int)K - 1)] = -127;
    for (uint64_t k = 0; k < K; k++) sum += row[k];
    memcpy(row + stride - 64, &sum, 4);
}

/* Trits and rows of codes; the wanted sums of all. */
static void problem_make(struct jit *j, struct problem *p, uint64_t K, enum fill fill, double density, int64_t rows,
                         uint64_t tiles) {
    p->K = K, p->n_rows = rows, p->n_tiles = tiles;
    p->stride = ((K + 63) & ~(uint64_t)63) + 64;
    p->trits = take(tiles * IR_TILE * K);
    p->mark = jit_mark(j);
    p->codes = jit_take(j, (size_t)rows * p->stride);
    for (uint64_t i = 0; i < tiles * IR_TILE * K; i++)
        p->trits[i] = (int8_t)(fill == RANDOM ? draw(-1, 1) : i / K % 2 ? -1 : 1);
    for (int64_t r = 0; r < rows; r++) {
        int8_t *row = p->codes + (uint64_t)r * p->stride;
        codes_make(row, K, p->stride, fill, density);
        for (uint64_t n = 0; n < tiles * IR_TILE; n++) {
            int32_t y = 0;
            for (uint64_t k = 0; k < K; k++) y += row[k] * p->trits[n * K + k];
            p->want[(uint64_t)r * MAX_TILES * IR_TILE + n] = y;
        }
    }
}

static void problem_free(struct jit *j, struct problem *p) { free(p->trits), jit_release(j, p->mark); }

/* The matrix as the core wants it, and back. */
static int problem_pack(struct jit *j, struct problem *p, const struct mm_core *core) {
    uint64_t rows = p->n_tiles * IR_TILE, bytes = mm_bytes_of(core, rows, p->K);
    int8_t *back = take(rows * p->K);
    p->matrix = jit_take_guarded(j, bytes), p->bytes = bytes;
    memset(p->matrix, 0xaa, bytes);
    mm_pack(core, p->trits, 0, IR_TILE, rows, p->K, p->matrix);
    if (rows > IR_TILE) mm_pack(core, p->trits + IR_TILE * p->K, IR_TILE, rows - IR_TILE, rows, p->K, p->matrix);
    mm_unpack(core, p->matrix, 0, 7, rows, p->K, back);
    mm_unpack(core, p->matrix, 7, rows - 7, rows, p->K, back + 7 * p->K);
    int bad = memcmp(back, p->trits, rows * p->K) != 0;
    if (bad) printf("%s K %d: unpack is not what was packed\n", core->name, (int)p->K);
    free(back);
    return bad;
}

static struct mm_shape shape_of(const struct mm_core *core, const struct problem *p, uint64_t group) {
    return (struct mm_shape){.core = core, .n = p->n_tiles * IR_TILE, .K = p->K, .group = group};
}

static const char *name_of_shape(struct arena *a, const struct mm_shape *s) {
    struct cg c = {.arena = a};
    return mm_name(&c, "mm", s);
}

/* What a run from the matrix's beginning does not read of row 0's columns. */
static uint64_t skipped(const struct problem *p, const struct mm_shape *s) {
    uint64_t zeros = 0;
    for (uint64_t k = 0; k < p->K; k++) zeros += p->codes[k] == 0;
    return ir_cores[ir_core_named(s->core->name)].skips ? p->bytes / p->K * zeros : 0;
}

/* Tiles [first, first + tiles) of a part of parts, into p->acc, which lies there as if all were. */
static void multiply(const struct jit *j, const struct problem *p, const struct mm_shape *s, const char *level,
                     int64_t rows, uint64_t first, uint64_t tiles, const float *alpha, uint64_t part, uint64_t parts) {
    void *fn = jit_symbol(j, arena_printf(j->arena, "%s.%s", name_of_shape(j->arena, s), level));
    memset(p->acc, 0x55, ACC_BYTES);
    jit_call(j, fn, JIT_P(p->matrix), first, tiles, JIT_P(p->codes), p->stride, (uint64_t)rows,
             JIT_P(p->acc + first * IR_TILE), ACC_STRIDE, JIT_P(p->scratch), JIT_P(p->ctx), JIT_P(p->prepared),
             JIT_P(alpha), part, parts);
}

/* What the core makes of row 0 for a part of k, if it makes anything. */
static void prepare(const struct jit *j, const struct problem *p, const struct mm_shape *s, const char *level,
                    uint64_t part, uint64_t parts) {
    if (!s->core->prepare) return;
    memset(p->prepared, 0x55, (size_t)s->core->prepare_bytes(s->K));
    void *fn = jit_symbol(j, arena_printf(j->arena, "mm_prepare_%s_k%d.%s", s->core->name, (int)s->K, level));
    jit_call(j, fn, JIT_P(p->codes), JIT_P(p->prepared), JIT_P(p->ctx), part, parts);
}

/* Runs tiles [first, first + tiles). */
static bool call(const struct jit *j, struct problem *p, const struct mm_shape *s, const char *level, int64_t rows,
                 uint64_t first, uint64_t tiles, const float *alpha) {
    *p->ctx = (struct setun_step){.unpacked_tiles = 0};
    if (rows == 1) prepare(j, p, s, level, 0, 1);
    multiply(j, p, s, level, rows, first, tiles, alpha, 0, 1);
    uint64_t unpacked = rows > 1 ? tiles : 0, off = rows == 1 && first == 0 ? skipped(p, s) : 0;
    if (p->ctx->skipped_bytes != off)
        return printf("%s %s K %d: skipped %d bytes, not %d\n", s->core->name, level, (int)p->K,
                      (int)p->ctx->skipped_bytes, (int)off),
               false;
    if (p->ctx->unpacked_tiles == unpacked) return true;
    printf("%s %s K %d rows %d tiles %d: unpacked %d tiles\n", s->core->name, level, (int)p->K, (int)rows, (int)tiles,
           (int)p->ctx->unpacked_tiles);
    return false;
}

static int run(const struct jit *j, struct problem *p, const struct mm_core *core, const char *level, int64_t rows,
               uint64_t first, uint64_t tiles) {
    struct mm_shape s = shape_of(core, p, 0);
    bool around = core->whole_share && rows == 1; /* what lies beside the run may be written */
    if (!call(j, p, &s, level, rows, first, tiles, NULL)) return 1;
    for (int64_t r = 0; r < rows; r++) {
        for (uint64_t n = 0; n < ACC_STRIDE; n++) {
            bool inside = n >= first * IR_TILE && n < (first + tiles) * IR_TILE;
            int32_t got = p->acc[r * ACC_STRIDE + (int64_t)n];
            int32_t want = inside ? p->want[(uint64_t)r * MAX_TILES * IR_TILE + n] : 0x55555555;
            if (got == want || (around && !inside)) continue;
            printf("%s %s K %d rows %d tiles %d+%d: row %d sum %d is %d, not %d\n", core->name, level, (int)p->K,
                   (int)rows, (int)first, (int)tiles, (int)r, (int)n, got, want);
            return 1;
        }
    }
    return 0;
}

/* All of one row, as so many parts of k. */
static int run_parts(const struct jit *j, struct problem *p, const struct mm_core *core, const char *level,
                     uint64_t parts) {
    struct mm_shape s = shape_of(core, p, 0);
    int32_t sum[ACC_STRIDE] = {0};
    *p->ctx = (struct setun_step){.unpacked_tiles = 0};
    for (uint64_t part = 0; part < parts; part++) {
        prepare(j, p, &s, level, part, parts);
        multiply(j, p, &s, level, 1, 0, p->n_tiles, NULL, part, parts);
        for (uint64_t n = 0; n < p->n_tiles * IR_TILE; n++) sum[n] += p->acc[n];
    }
    for (uint64_t n = 0; n < p->n_tiles * IR_TILE; n++)
        if (sum[n] != p->want[n])
            return printf("%s %s K %d, %d parts: sum %d is %d, not %d\n", core->name, level, (int)p->K, (int)parts,
                          (int)n, sum[n], p->want[n]),
                   1;
    if (p->ctx->skipped_bytes == skipped(p, &s)) return 0;
    return printf("%s %s K %d, %d parts: skipped %d bytes\n", core->name, level, (int)p->K, (int)parts,
                  (int)p->ctx->skipped_bytes),
           1;
}

/* As p->acc holds them, but floats: chains over the groups, with a scale for each output and group. */
static int run_groups(struct jit *j, struct problem *p, const struct mm_shape *s, const char *level, int64_t rows,
                      uint64_t tiles) {
    uint64_t group = s->group, G = p->K / group;
    uint64_t mark = jit_mark(j);
    float *alpha = jit_take(j, tiles * G * IR_TILE * sizeof *alpha), *got = (float *)p->acc;
    int bad = 0;
    for (uint64_t i = 0; i < tiles * G * IR_TILE; i++) alpha[i] = (float)draw(1, 1000000) * 0x1p-20f;
    bad = !call(j, p, s, level, rows, 0, tiles, alpha);
    for (int64_t r = 0; r < rows && !bad; r++)
        for (uint64_t n = 0; n < tiles * IR_TILE && !bad; n++) {
            float y = 0;
            for (uint64_t g = 0; g < G; g++) {
                int32_t sum = 0;
                for (uint64_t k = g * group; k < (g + 1) * group; k++)
                    sum += p->codes[(uint64_t)r * p->stride + k] * p->trits[n * p->K + k];
                y = fmaf((float)sum, alpha[(n / IR_TILE * G + g) * IR_TILE + n % IR_TILE], y);
            }
            if (memcmp(&y, &got[r * ACC_STRIDE + (int64_t)n], 4) != 0)
                bad = printf("%s K %d group %d rows %d tiles %d: row %d, result %d is %g, not %g\n", level, (int)p->K,
                             (int)group, (int)rows, (int)tiles, (int)r, (int)n,
                             (double)got[r * ACC_STRIDE + (int64_t)n], (double)y);
        }
    for (int64_t r = 0; r < rows && !bad; r++)
        if (p->acc[r * ACC_STRIDE + (int64_t)(tiles * IR_TILE)] != 0x55555555)
            bad = printf("%s: wrote behind the results\n", level);
    jit_release(j, mark);
    return bad != 0;
}

static int check_groups(struct jit *j, struct problem *p, uint64_t group) {
    int bad = 0;
    for (size_t core = 0; core < IR_N_CORES; core++) {
        if (!ir_cores[core].groups) continue;
        struct mm_shape s = shape_of(mm_cores[core], p, group);
        uint64_t mark = jit_mark(j);
        bad += problem_pack(j, p, s.core);
        for (const struct cg_level *l = NULL; (l = jit_level(j, l));)
            for (size_t i = 0; i < COUNT_OF(row_counts); i++)
                if (row_counts[i] <= p->n_rows) bad += run_groups(j, p, &s, l->name, row_counts[i], p->n_tiles);
        jit_release(j, mark);
    }
    return bad;
}

static int check_level(const struct jit *j, struct problem *p, const struct mm_core *core, const char *level) {
    int bad = 0;
    for (size_t i = 0; i < COUNT_OF(row_counts); i++)
        for (uint64_t first = 0; first < p->n_tiles; first++)
            for (uint64_t tiles = 1; first + tiles <= p->n_tiles; tiles++)
                if (row_counts[i] <= p->n_rows) bad += run(j, p, core, level, row_counts[i], first, tiles);
    for (uint64_t parts = 2; core->whole_share && parts < 6; parts++) bad += run_parts(j, p, core, level, parts);
    return bad;
}

static int check(struct jit *j, struct problem *p) {
    int bad = 0;
    for (size_t core = 0; core < IR_N_CORES; core++) {
        uint64_t mark = jit_mark(j);
        bad += problem_pack(j, p, mm_cores[core]);
        for (const struct cg_level *l = NULL; (l = jit_level(j, l));) bad += check_level(j, p, mm_cores[core], l->name);
        jit_release(j, mark);
    }
    return bad;
}

/* setun_step.active: a quarter of the channels is read, although all codes are zero. */
static int check_forced(const struct jit *j, struct problem *p, const struct mm_core *core, const char *level) {
    struct mm_shape s = shape_of(core, p, 0);
    *p->ctx = (struct setun_step){.active = 1u << 30};
    prepare(j, p, &s, level, 0, 1);
    multiply(j, p, &s, level, 1, 0, p->n_tiles, NULL, 0, 1);
    double read = 1 - (double)p->ctx->skipped_bytes / (double)p->bytes;
    for (uint64_t n = 0; n < p->n_tiles * IR_TILE; n++)
        if (p->acc[n]) return printf("%s %s K %d: zero codes give %d\n", core->name, level, (int)p->K, p->acc[n]), 1;
    if (p->K < 1000 || (read > .2 && read < .3)) return 0;
    return printf("%s %s K %d: %g of the columns are read, not a quarter\n", core->name, level, (int)p->K, read), 1;
}

static int check_all_forced(struct jit *j, struct problem *p) {
    int bad = 0;
    for (size_t core = 0; core < IR_N_CORES; core++) {
        if (!ir_cores[core].skips) continue;
        uint64_t mark = jit_mark(j);
        bad += problem_pack(j, p, mm_cores[core]);
        for (const struct cg_level *l = NULL; (l = jit_level(j, l));)
            bad += check_forced(j, p, mm_cores[core], l->name);
        jit_release(j, mark);
    }
    return bad;
}

static void emit_level(const struct jit *j, struct cg *c) {
    LLVMTypeRef type;
    for (size_t core = 0; core < IR_N_CORES; core++) {
        struct mm_shape s = {.core = mm_cores[core]};
        for (size_t i = 0; i < n_depths(j); i++) {
            s.K = depths[i], s.n = tiles_of(s.K) * IR_TILE, s.group = 0;
            jit_export(mm_function(c, &s, &type));
            if (s.core->prepare) jit_export(mm_prepare_function(c, &s, &type));
        }
        for (size_t i = 0; ir_cores[core].groups && i < n_grouped(j); i++) {
            s.K = grouped[i][0], s.group = grouped[i][1];
            jit_export(mm_function(c, &s, &type));
        }
    }
}

static size_t prepared_bytes(void) {
    uint64_t most = 64;
    for (size_t core = 0; core < IR_N_CORES; core++)
        if (mm_cores[core]->prepare && mm_cores[core]->prepare_bytes(LARGEST) > most)
            most = mm_cores[core]->prepare_bytes(LARGEST);
    return most;
}

static void take_memory(struct jit *j, struct problem *p) {
    struct mm_shape most = {.core = mm_cores[0], .K = LARGEST, .group = 4};
    p->scratch = jit_take(j, mm_scratch_bytes(&most, MAX_ROWS));
    p->prepared = jit_take(j, prepared_bytes());
    p->acc = jit_take(j, ACC_BYTES);
    p->ctx = jit_take(j, sizeof *p->ctx);
}

static int check_depth(struct jit *j, struct problem *p, uint64_t K) {
    int bad = 0;
    bool large = K == LARGEST;
    for (enum fill f = RANDOM; f < (large ? N_FILLS : ALL_PLUS); f++) {
        problem_make(j, p, K, f, 1, K > 2000 ? large ? 2 : 7 : MAX_ROWS, tiles_of(K));
        bad += check(j, p);
        problem_free(j, p);
    }
    for (size_t d = 0; d < COUNT_OF(densities) && K < 3000; d++) {
        problem_make(j, p, K, RANDOM, densities[d], 2, tiles_of(K));
        bad += check(j, p);
        if (densities[d] == 0) bad += check_all_forced(j, p);
        problem_free(j, p);
    }
    return bad;
}

int main(int argc, char **argv) {
    int bad = 0;
    struct jit j;
    struct cg c;
    static struct problem p;
    jit_start(&j, argc > 1 ? argv[1] : NULL);
    struct backend_options opt = {.target = j.target->name, .pic = true, .count = true};
    cg_open(&c, j.diag, j.arena, &opt, "mm_core");
    for (unsigned l = 0; l < j.target->n_levels; l++) {
        c.level = &j.target->levels[l];
        if (!j.cpu || c.level == jit_level(&j, NULL)) emit_level(&j, &c); /* here all, whatever runs */
    }
    jit_link(&j, &c);
    cg_close(&c);
    take_memory(&j, &p);
    for (size_t i = 0; i < n_depths(&j); i++) bad += check_depth(&j, &p, depths[i]);
    for (size_t i = 0; i < n_grouped(&j); i++) {
        uint64_t K = grouped[i][0];
        problem_make(&j, &p, K, K == LARGEST ? ALL_PLUS : RANDOM, 1, K > 2000 ? 6 : 13, K > 2000 ? 1 : 2);
        bad += check_groups(&j, &p, grouped[i][1]);
        problem_free(&j, &p);
    }
    jit_end(&j);
    return bad != 0;
}
