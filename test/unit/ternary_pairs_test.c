/*
 * From every ternary format to every other and back, on random matrices and scales: where the rules of both admit a
 * tensor, it comes back byte for byte; where they do not, the rule is named, and it is one that the table declares.
 *
 * ternary_pairs_test [SEED [ROUNDS]]
 */
#include "codec/ternary.h"
#include "test/unit/expect.h"

#include <stdlib.h>

struct rng {
    uint64_t x;
};

static uint32_t draw(struct rng *r, uint32_t n) {
    r->x = r->x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((r->x >> 33) % n);
}

/* ---- a tensor in a format: bytes, and the scales that lie beside them ---- */

struct packed {
    const struct ternary_format *f;
    struct ternary_shape s;
    uint64_t n;
    uint8_t *p;
    struct ternary_scaling beside; /* SCALE_BESIDE only */
};

/* Back to the canonical form, as readers do. */
static bool unpack(struct arena *a, const struct packed *x, int8_t *trits, struct ternary_scaling *scales) {
    struct ternary_bad bad;
    if (!x->f->decode(&x->s, x->p, 0, x->s.rows, trits, &bad)) return !printf("%s: %s\n", x->f->name, bad.why);
    *scales = x->beside;
    if (x->f->where == SCALE_BESIDE) return true;
    uint64_t n = ternary_stored_scales(x->f, &x->s);
    float *stored = arena_array(a, float, n), *one = arena_one(a, float);
    x->f->scales(&x->s, x->p, 0, x->s.rows, stored);
    *scales = (struct ternary_scaling){.kind = SCALES_MATRIX, .scale = stored};
    if (x->f->where == SCALE_TAIL) return true;
    uint8_t *zero = arena_alloc(a, n);
    uint32_t wider;
    ternary_zero_blocks(x->s.cols, x->f->group, trits, x->s.rows, zero);
    scales->kind = ternary_simplify(&x->s, x->f->group, stored, zero, &wider, one);
    scales->scale = one;
    if (scales->kind == SCALES_MATRIX) return true;
    float *all = arena_array(a, float, ternary_scale_count(&x->s, SCALES_GROUP, wider));
    ternary_widen(&x->s, x->f->group, stored, wider, all);
    *scales = (struct ternary_scaling){.kind = scales->kind, .group = wider, .scale = all};
    return true;
}

/* NULL: packed; otherwise the rule. */
static const char *pack(struct arena *a, const struct ternary_format *f, const struct ternary_shape *s,
                        const int8_t *trits, const struct ternary_scaling *scales, struct packed *x) {
    const char *rule = ternary_shape_rule(f, s);
    if (rule) return rule;
    float *stored = arena_array(a, float, ternary_stored_scales(f, s));
    rule = ternary_scale_rule(a, f, s, scales, trits, stored);
    if (rule) return rule;
    *x = (struct packed){.f = f, .s = *s, .beside = *scales};
    if (!EXPECT(f->bytes(s, &x->n))) return "overflow";
    x->p = arena_alloc(a, x->n);
    f->encode(s, trits, stored, x->p);
    return NULL;
}

static bool same_scales(const struct ternary_shape *s, const struct ternary_scaling *x,
                        const struct ternary_scaling *y) {
    return x->kind == y->kind && (x->kind != SCALES_GROUP || x->group == y->group) &&
           !memcmp(x->scale, y->scale, ternary_scale_count(s, x->kind, x->group) * sizeof(float));
}

/* ---- what the table declares ---- */

static const char *const scale_rules[] = {TERNARY_SCALE_RULES};

static bool declared(const struct ternary_format *f, const char *rule) {
    for (uint32_t i = 0; i < f->n_rules; i++)
        if (!strcmp(f->rule[i].text, rule)) return true;
    for (size_t i = 0; i < COUNT_OF(scale_rules); i++)
        if (!strcmp(scale_rules[i], rule)) return true;
    return false;
}

/* ---- random matrices ---- */

static struct ternary_shape draw_shape(struct rng *r) {
    static const uint64_t rows[] = {32, 64, 4, 3, 1, 33}, cols[] = {256, 512, 384, 128, 192, 768, 50};
    struct ternary_shape s = {.rows = rows[draw(r, COUNT_OF(rows))], .cols = cols[draw(r, COUNT_OF(cols))]};
    static const struct tl_tiling tilings[] = {{32, 48, 32}, {32, 64, 32}, {32, 96, 32}, {64, 64, 64}};
    s.tiling = tilings[draw(r, COUNT_OF(tilings))];
    return s;
}

/* A share of blocks of 64 without nonzero trits; now and then whole rows of them, or the whole matrix. */
static void draw_trits(struct rng *r, const struct ternary_shape *s, int8_t *t) {
    uint32_t empty = draw(r, 3) ? 0 : draw(r, 12) + 1;
    for (uint64_t i = 0; i < s->rows; i++)
        for (uint64_t c = 0; c < s->cols; c += 64) {
            bool zero = empty && draw(r, 12) < empty;
            for (uint64_t k = c; k < c + 64 && k < s->cols; k++)
                t[i * s->cols + k] = zero ? 0 : (int8_t)((int)draw(r, 3) - 1);
        }
}

/* Mostly what f16 holds. */
static float draw_scale(struct rng *r) {
    float x = (float)(1 + draw(r, 1023)) / (float)(1 << draw(r, 12));
    return draw(r, 40) ? x : x * 1.0001f;
}

/* The groups of narrower kinds agree more or less: in rows, in the matrix, or not at all. */
static void draw_scales(struct arena *a, struct rng *r, const struct ternary_shape *s, const int8_t *trits,
                        struct ternary_scaling *g) {
    static const uint32_t groups[] = {64, 128, 256};
    uint32_t group = groups[draw(r, 3)];
    *g = (struct ternary_scaling){.kind = SCALES_MATRIX, .group = group};
    switch (draw(r, 4)) {
    case 0: g->kind = SCALES_ROW; break;
    case 1:
    case 2: g->kind = s->cols % group ? SCALES_MATRIX : SCALES_GROUP; break;
    }
    uint64_t n = ternary_scale_count(s, g->kind, group), per_row = g->kind == SCALES_GROUP ? s->cols / group : 1;
    float *scale = arena_array(a, float, n), common = draw_scale(r);
    uint32_t agree = draw(r, 4);
    for (uint64_t i = 0; i < n; i++) {
        if (agree == 0 || (agree == 1 && i % per_row == 0)) common = draw_scale(r);
        scale[i] = agree == 3 && i && draw(r, 4) ? scale[i - 1] : common;
        bool zero = false;
        if (g->kind != SCALES_MATRIX) {
            uint64_t w = g->kind == SCALES_ROW ? s->cols : group;
            zero = true;
            for (uint64_t k = 0; k < w; k++) zero = zero && !trits[i * w + k];
        }
        if (zero && draw(r, 4)) scale[i] = 0;
    }
    g->scale = scale;
}

/* ---- the pairs ---- */

static uint64_t done[N_TERNARY_FORMATS][N_TERNARY_FORMATS], refused[N_TERNARY_FORMATS][N_TERNARY_FORMATS];

static void there_and_back(struct arena *a, const struct packed *first, size_t i, size_t j) {
    const struct ternary_format *other = ternary_formats[j];
    struct packed there, back;
    struct ternary_scaling scales, again;
    uint64_t n = first->s.rows * first->s.cols;
    int8_t *trits = arena_alloc(a, n), *second = arena_alloc(a, n);
    if (!EXPECT(unpack(a, first, trits, &scales))) return;
    const char *rule = pack(a, other, &first->s, trits, &scales, &there);
    if (rule) {
        if (!EXPECT(declared(other, rule))) printf("  %s: %s\n", other->name, rule);
        refused[i][j]++;
        return;
    }
    done[i][j]++;
    bool ok = EXPECT(unpack(a, &there, second, &again)) && EXPECT(!memcmp(trits, second, n)) &&
              EXPECT(same_scales(&first->s, &scales, &again));
    rule = ok ? pack(a, first->f, &first->s, second, &again, &back) : NULL;
    ok = ok && EXPECT(!rule) && EXPECT(back.n == first->n && !memcmp(back.p, first->p, first->n));
    if (!ok) printf("  %s to %s: %s\n", first->f->name, other->name, rule ? rule : "differs");
}

static void round_of(struct rng *r) {
    struct arena *a = arena_new();
    struct ternary_shape s = draw_shape(r);
    int8_t *trits = arena_alloc(a, s.rows * s.cols);
    struct ternary_scaling scales;
    draw_trits(r, &s, trits);
    draw_scales(a, r, &s, trits, &scales);
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++) {
        struct packed first;
        struct arena_mark mark = arena_save(a);
        if (!pack(a, ternary_formats[i], &s, trits, &scales, &first))
            for (size_t j = 0; j < N_TERNARY_FORMATS; j++) there_and_back(a, &first, i, j);
        arena_restore(a, mark);
    }
    arena_free(a);
}

/* Blocks of a file, each with any scale: what no packer of ours draws. */
static void wild_blocks(struct rng *r) {
    static const char *const names[] = {"tq1_0", "tq2_0", "q2_0", "q2_0_128"};
    struct arena *a = arena_new();
    struct packed first = {.f = ternary_find(names[draw(r, 4)]), .s = draw_shape(r)};
    size_t i = 0;
    while (ternary_formats[i] != first.f) i++;
    if (!ternary_shape_rule(first.f, &first.s) && first.f->bytes(&first.s, &first.n)) {
        uint64_t n = ternary_stored_scales(first.f, &first.s);
        int8_t *trits = arena_alloc(a, first.s.rows * first.s.cols);
        float *scale = arena_array(a, float, n);
        uint32_t kinds = 1 + draw(r, 3);
        draw_trits(r, &first.s, trits);
        for (uint64_t k = 0; k < n; k++) scale[k] = (float)(1 + draw(r, kinds)) / 8;
        uint8_t *zero = arena_alloc(a, n);
        ternary_zero_blocks(first.s.cols, first.f->group, trits, first.s.rows, zero);
        uint32_t odd = draw(r, 2);
        for (uint64_t k = 0; k < n; k++)
            if (zero[k] && !(odd && !draw(r, 8))) scale[k] = 0;
        first.p = arena_alloc(a, first.n);
        first.f->encode(&first.s, trits, scale, first.p);
        for (size_t j = 0; j < N_TERNARY_FORMATS; j++) there_and_back(a, &first, i, j);
    }
    arena_free(a);
}

/* Every pair was taken and, but for the formats that hold anything, refused. */
static void summary(void) {
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++)
        for (size_t j = 0; j < N_TERNARY_FORMATS; j++)
            if (!EXPECT(done[i][j] > 0))
                printf("  %s to %s: never\n", ternary_formats[i]->name, ternary_formats[j]->name);
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++) {
        printf("%-10s", ternary_formats[i]->name);
        for (size_t j = 0; j < N_TERNARY_FORMATS; j++) printf(" %6d/%-6d", (int)done[i][j], (int)refused[i][j]);
        printf("\n");
    }
}

int main(int argc, char **argv) {
    struct rng r = {argc > 1 ? strtoull(argv[1], NULL, 10) : 1};
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 3000;
    for (uint64_t i = 0; i < rounds && !expect_failed; i++) round_of(&r), wild_blocks(&r);
    summary();
    return expect_end();
}
