/*
 * mm_core_test -- the ternary core of every level that this machine runs, against plain loops: depths that are
 * multiples of nothing, one to 64 rows, one to three tiles, and the largest sums there are.
 */
#include "jit.h"

#include "codec/i2_64.h"

#include <math.h>
#include <stdint.h>

#include "backends/x86/x86.h"

typedef void mm_fn(const uint8_t *tiles, int64_t n_tiles, const int8_t *codes, int64_t code_stride, int64_t n_rows,
                   int32_t *acc, int64_t acc_stride, uint8_t *scratch, struct setun_step *ctx);

typedef void mm_group_fn(const uint8_t *tiles, int64_t n_tiles, const int8_t *codes, int64_t code_stride,
                         int64_t n_rows, float *acc, int64_t acc_stride, uint8_t *scratch, struct setun_step *ctx,
                         const float *alpha);

static const uint64_t depths[] = {1, 3, 4, 5, 63, 64, 65, 100, 255, 256, 1000, 2560, 6912, 65536};
/* Depths and columns of a group: those of formats, whole and half rows, and some that no register likes. */
static const uint64_t grouped[][2] = {{256, 64}, {256, 128}, {512, 256}, {2560, 128},  {6912, 3456}, {4096, 1024},
                                      {128, 4},  {240, 12},  {96, 32},   {1000, 1000}, {960, 96},    {65536, 16384}};
static const int64_t row_counts[] = {1, 2, 5, 6, 7, 13, 64};
enum { MAX_TILES = 3, MAX_ROWS = 64, ACC_STRIDE = MAX_TILES * IR_TILE + 32, LARGEST = 65536 };

enum fill { RANDOM, ALL_PLUS, ALL_MINUS, N_FILLS };

struct problem {
    uint64_t K, stride, n_tiles;
    int64_t n_rows;
    int8_t *trits, *codes;
    uint8_t *tiles, *scratch;
    int32_t acc[MAX_ROWS * ACC_STRIDE], want[MAX_ROWS * IR_TILE * MAX_TILES];
};

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

/* Trits of three tiles and 64 rows of codes, sums behind them; the wanted sums of all. */
static void problem_make(struct problem *p, uint64_t K, enum fill fill, int64_t rows, uint64_t tiles) {
    p->K = K, p->n_rows = rows, p->n_tiles = tiles;
    p->stride = ((K + 63) & ~(uint64_t)63) + 64;
    p->trits = take(tiles * IR_TILE * K);
    p->codes = take((size_t)rows * p->stride);
    p->tiles = take(tiles * i2_64_tile_bytes(K));
    for (uint64_t i = 0; i < tiles * IR_TILE * K; i++)
        p->trits[i] = (int8_t)(fill == RANDOM ? draw(-1, 1) : i / K % 2 ? -1 : 1);
    for (uint64_t t = 0; t < tiles; t++)
        i2_64_pack_tile(p->trits + t * IR_TILE * K, IR_TILE, K, p->tiles + t * i2_64_tile_bytes(K));
    memset(p->codes, 0, (size_t)rows * p->stride);
    for (int64_t r = 0; r < rows; r++) {
        int8_t *row = p->codes + (uint64_t)r * p->stride;
        int32_t sum = 0;
        for (uint64_t k = 0; k < K; k++) {
            row[k] = (int8_t)(fill == RANDOM ? draw(-127, 127) : fill == ALL_PLUS ? 127 : -127);
            sum += row[k];
        }
        memcpy(row + p->stride - 64, &sum, 4);
        for (uint64_t n = 0; n < tiles * IR_TILE; n++) {
            int32_t y = 0;
            for (uint64_t k = 0; k < K; k++) y += row[k] * p->trits[n * K + k];
            p->want[(uint64_t)r * MAX_TILES * IR_TILE + n] = y;
        }
    }
}

static void problem_free(struct problem *p) { free(p->trits), free(p->codes), free(p->tiles); }

static int run(const struct jit *j, struct problem *p, const char *level, int64_t rows, uint64_t tiles) {
    mm_fn *mm;
    struct setun_step ctx = {.unpacked_tiles = 0};
    *(void **)&mm = jit_symbol(j, arena_printf(j->arena, "mm_k%d.%s", (int)p->K, level));
    memset(p->acc, 0x55, sizeof p->acc);
    mm(p->tiles, (int64_t)tiles, p->codes, (int64_t)p->stride, rows, p->acc, ACC_STRIDE, p->scratch, &ctx);
    uint64_t unpacked = rows > 1 ? tiles : 0;
    if (ctx.unpacked_tiles != unpacked)
        return printf("%s K %d rows %d tiles %d: unpacked %d tiles\n", level, (int)p->K, (int)rows, (int)tiles,
                      (int)ctx.unpacked_tiles),
               1;
    for (int64_t r = 0; r < rows; r++) {
        for (uint64_t n = 0; n < ACC_STRIDE; n++) {
            bool inside = n < tiles * IR_TILE;
            int32_t got = p->acc[r * ACC_STRIDE + (int64_t)n];
            int32_t want = inside ? p->want[(uint64_t)r * MAX_TILES * IR_TILE + n] : 0x55555555;
            if (got == want) continue;
            printf("%s K %d rows %d tiles %d: row %d sum %d is %d, not %d\n", level, (int)p->K, (int)rows, (int)tiles,
                   (int)r, (int)n, got, want);
            return 1;
        }
    }
    return 0;
}

/* As p->acc holds them, but floats: chains over the groups, with a scale for each output and group. */
static int run_groups(const struct jit *j, struct problem *p, uint64_t group, const char *level, int64_t rows,
                      uint64_t tiles) {
    uint64_t G = p->K / group;
    float *alpha = take(tiles * G * IR_TILE * sizeof *alpha), *got = (float *)p->acc;
    mm_group_fn *mm;
    struct setun_step ctx = {.unpacked_tiles = 0};
    int bad = 0;
    for (uint64_t i = 0; i < tiles * G * IR_TILE; i++) alpha[i] = (float)draw(1, 1000000) * 0x1p-20f;
    *(void **)&mm = jit_symbol(j, arena_printf(j->arena, "mm_k%d_g%d.%s", (int)p->K, (int)group, level));
    memset(p->acc, 0x55, sizeof p->acc);
    mm(p->tiles, (int64_t)tiles, p->codes, (int64_t)p->stride, rows, got, ACC_STRIDE, p->scratch, &ctx, alpha);
    if (ctx.unpacked_tiles != (rows > 1 ? tiles : 0)) bad = printf("%s: unpacked a tile twice\n", level);
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
    free(alpha);
    return bad != 0;
}

static int check_groups(const struct jit *j, struct problem *p, uint64_t group, uint32_t features) {
    int bad = 0;
    for (unsigned l = 0; l < x86_n_levels; l++) {
        if ((features & x86_levels[l].needs) != x86_levels[l].needs) continue;
        for (size_t i = 0; i < COUNT_OF(row_counts); i++)
            if (row_counts[i] <= p->n_rows)
                bad += run_groups(j, p, group, x86_levels[l].name, row_counts[i], p->n_tiles);
    }
    return bad;
}

static int check(const struct jit *j, struct problem *p, uint32_t features) {
    int bad = 0;
    for (unsigned l = 0; l < x86_n_levels; l++) {
        if ((features & x86_levels[l].needs) != x86_levels[l].needs) continue;
        for (size_t i = 0; i < COUNT_OF(row_counts); i++)
            for (uint64_t tiles = 1; tiles <= p->n_tiles; tiles++)
                if (row_counts[i] <= p->n_rows) bad += run(j, p, x86_levels[l].name, row_counts[i], tiles);
    }
    return bad;
}

int main(void) {
    int bad = 0;
    struct jit j;
    struct cg c;
    uint32_t features = x86_host_features();
    static struct problem p;
    jit_start(&j);
    cg_open(&c, j.diag, j.arena, &(struct backend_options){.pic = true, .count = true}, "mm_core");
    for (unsigned l = 0; l < x86_n_levels; l++) {
        c.level = &x86_levels[l]; /* all are emitted, whatever runs here */
        LLVMTypeRef type;
        for (size_t i = 0; i < COUNT_OF(depths); i++) jit_export(mm_function(&c, depths[i], &type));
        for (size_t i = 0; i < COUNT_OF(grouped); i++)
            jit_export(mm_group_function(&c, grouped[i][0], grouped[i][1], &type));
    }
    jit_link(&j, &c);
    p.scratch = take(mm_group_scratch_bytes(&c, LARGEST, MAX_ROWS));
    for (size_t i = 0; i < COUNT_OF(depths); i++) {
        bool large = depths[i] == LARGEST;
        for (enum fill f = RANDOM; f < (large ? N_FILLS : ALL_PLUS); f++) {
            problem_make(&p, depths[i], f, depths[i] > 2000 ? large ? 2 : 7 : MAX_ROWS, large ? 1 : MAX_TILES);
            bad += check(&j, &p, features);
            problem_free(&p);
        }
    }
    for (size_t i = 0; i < COUNT_OF(grouped); i++) {
        uint64_t K = grouped[i][0];
        problem_make(&p, K, K == LARGEST ? ALL_PLUS : RANDOM, K > 2000 ? 6 : 13, K > 2000 ? 1 : 2);
        bad += check_groups(&j, &p, grouped[i][1], features);
        problem_free(&p);
    }
    free(p.scratch);
    cg_close(&c);
    jit_end(&j);
    for (unsigned l = 0; l < x86_n_levels; l++)
        if ((features & x86_levels[l].needs) != x86_levels[l].needs)
            printf("SKIP: %s, which this machine does not run\n", x86_levels[l].name);
    return bad != 0;
}
