/* ternary.c -- the table of formats, their rules, and what scales of blocks say about a whole matrix. */
#include "codec/ternary_impl.h"

#include <math.h>
#include <string.h>

const struct ternary_format *const ternary_formats[N_TERNARY_FORMATS] = {
    &ternary_hf_u8,  &ternary_i2_s,   &ternary_i2_s_arm, &ternary_i2_s_rows, &ternary_tl1,     &ternary_tl2,
    &ternary_tq1_0,  &ternary_tq2_0,  &ternary_q2_0,     &ternary_q2_0_128,  &ternary_i2_64,   &ternary_t5_64,
    &ternary_tl1_64, &ternary_tl2_64, &ternary_wide_64,  &ternary_columns,   &ternary_columns5};

const struct ternary_format *ternary_find(const char *name) {
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++)
        if (!strcmp(ternary_formats[i]->name, name)) return ternary_formats[i];
    return NULL;
}

const struct ternary_format *ternary_of(enum tensor_type type) {
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++)
        if (ternary_formats[i]->type == type) return ternary_formats[i];
    return NULL;
}

const char *ternary_shape_rule(const struct ternary_format *f, const struct ternary_shape *s) {
    if (!s->rows || !s->cols) return "there are rows and columns";
    for (uint32_t i = 0; i < f->n_rules; i++)
        if (!f->rule[i].holds(s)) return f->rule[i].text;
    return NULL;
}

/* ---- tails and blocks ---- */

bool tail_check(const uint8_t *p, uint64_t at, struct ternary_bad *bad) {
    float scale = f32_of_bits(load_u32le(p + at));
    return (isfinite(scale) && scale > 0) || bad_at(bad, BAD_SCALE, at, 0, 0);
}

void tail_store(uint8_t *p, float scale) {
    uint32_t bits = bits_of_f32(scale);
    memset(p, 0, TAIL_BYTES);
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(bits >> 8 * i);
}

static bool all_zero(const int8_t *trits, uint32_t n) {
    uint8_t any = 0;
    for (uint32_t i = 0; i < n; i++) any |= (uint8_t)trits[i];
    return !any;
}

bool block_scale_check(const uint8_t *p, const int8_t *trits, uint32_t group, const char **why) {
    uint16_t d = load_u16le(p);
    if (d && d < 0x7c00) return true;
    *why = d ? BAD_SCALE : BAD_ZERO;
    return !d && all_zero(trits, group);
}

bool block_bytes(const struct ternary_shape *s, uint32_t block, uint32_t bytes, uint64_t *n) {
    return ck_mul(n, s->rows, s->cols / block) && ck_mul(n, *n, bytes);
}

void block_scales(const struct ternary_shape *s, const uint8_t *p, uint32_t block, uint32_t bytes, uint32_t at,
                  uint64_t row, uint64_t n, float *out) {
    uint64_t first = row * (s->cols / block), count = n * (s->cols / block);
    for (uint64_t i = 0; i < count; i++) out[i] = half_load(p + (first + i) * bytes + at);
}

/* ---- what scales of blocks say ---- */

void ternary_zero_blocks(uint64_t cols, uint32_t group, const int8_t *trits, uint64_t n, uint8_t *zero) {
    for (uint64_t i = 0; i < n * (cols / group); i++) zero[i] = all_zero(trits + i * group, group);
}

/* Do n blocks agree: those with nonzero trits on one scale, and the others hold 0?  *scale: it, or 0. */
static bool agree(const float *scale, const uint8_t *zero, uint64_t n, float *common) {
    float found = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (zero[i] && scale[i] == 0) continue;
        if (zero[i] || (found != 0 && scale[i] != found)) return false;
        found = scale[i];
    }
    *common = found;
    return true;
}

static bool all_agree(const float *scale, const uint8_t *zero, uint64_t n, uint64_t together) {
    float common;
    for (uint64_t i = 0; i < n; i += together)
        if (!agree(scale + i, zero + i, together, &common)) return false;
    return true;
}

enum ternary_scales ternary_simplify(const struct ternary_shape *s, uint32_t group, const float *block_scale,
                                     const uint8_t *zero, uint32_t *wider, float *scale) {
    uint64_t a_row = s->cols / group, n = s->rows * a_row;
    *wider = (uint32_t)s->cols;
    if (agree(block_scale, zero, n, scale)) return SCALES_MATRIX;
    if (all_agree(block_scale, zero, n, a_row)) return SCALES_ROW;
    uint64_t together = a_row / 2;
    while (together > 1 && (a_row % together || !all_agree(block_scale, zero, n, together))) together--;
    *wider = (uint32_t)(together > 1 ? together : 1) * group;
    return SCALES_GROUP;
}

void ternary_widen(const struct ternary_shape *s, uint32_t group, const float *block_scale, uint32_t wider,
                   float *out) {
    uint32_t together = wider / group;
    for (uint64_t i = 0; i < s->rows * (s->cols / wider); i++, block_scale += together) {
        out[i] = 0;
        for (uint32_t j = 0; j < together; j++)
            if (block_scale[j] > out[i]) out[i] = block_scale[j];
    }
}

/* ---- does a format hold scales? ---- */

uint64_t ternary_scale_count(const struct ternary_shape *s, enum ternary_scales kind, uint32_t group) {
    switch (kind) {
    case SCALES_MATRIX: return 1;
    case SCALES_ROW: return s->rows;
    case SCALES_GROUP: return s->rows * (s->cols / group);
    }
    BUG("scales %d", (int)kind);
}

uint64_t ternary_stored_scales(const struct ternary_format *f, const struct ternary_shape *s) {
    return f->where == SCALE_BLOCK ? s->rows * (s->cols / f->group) : 1;
}

/* Columns that share a scale; of a matrix, those of a row. */
static uint64_t shared_cols(const struct ternary_shape *s, const struct ternary_scaling *g) {
    return g->kind == SCALES_GROUP ? g->group : s->cols;
}

static float given_scale(const struct ternary_shape *s, const struct ternary_scaling *g, uint64_t row, uint64_t col) {
    switch (g->kind) {
    case SCALES_MATRIX: return g->scale[0];
    case SCALES_ROW: return g->scale[row];
    case SCALES_GROUP: return g->scale[row * (s->cols / g->group) + col / g->group];
    }
    BUG("scales %d", (int)g->kind);
}

/* Blocks as narrow as the groups take their scales as they are; of a wider one, blocks without nonzero trits get 0. */
static void spread(const struct ternary_format *f, const struct ternary_shape *s, const struct ternary_scaling *g,
                   const uint8_t *zero, float *stored) {
    uint64_t a_row = s->cols / f->group;
    bool same = g->kind == SCALES_GROUP && g->group == f->group;
    for (uint64_t i = 0; i < s->rows * a_row; i++)
        stored[i] = zero[i] && !same ? 0 : given_scale(s, g, i / a_row, i % a_row * f->group);
}

/* Would a reader find in these blocks what was given? */
static bool comes_back(struct arena *scratch, const struct ternary_format *f, const struct ternary_shape *s,
                       const struct ternary_scaling *g, const uint8_t *zero, const float *stored) {
    uint32_t wider;
    float scale;
    enum ternary_scales kind = ternary_simplify(s, f->group, stored, zero, &wider, &scale);
    if (kind != g->kind || (kind == SCALES_GROUP && wider != g->group)) return false;
    if (kind == SCALES_MATRIX) return scale == g->scale[0];
    uint64_t n = ternary_scale_count(s, kind, wider);
    float *found = arena_array(scratch, float, n);
    ternary_widen(s, f->group, stored, wider, found);
    return !memcmp(found, g->scale, n * sizeof *found);
}

static bool not_negative(float x) { return isfinite(x) && !signbit(x); }

static const char *block_rule(struct arena *scratch, const struct ternary_format *f, const struct ternary_shape *s,
                              const struct ternary_scaling *g, const int8_t *trits, float *stored) {
    uint64_t n = ternary_scale_count(s, g->kind, g->group), blocks = ternary_stored_scales(f, s);
    if (shared_cols(s, g) % f->group) return TERNARY_BLOCK_SCALES;
    for (uint64_t i = 0; i < n; i++) {
        if (!not_negative(g->scale[i])) return TERNARY_NOT_BELOW_0;
        if (!half_exact(g->scale[i])) return TERNARY_HALF_SCALES;
    }
    uint8_t *zero = arena_alloc(scratch, (size_t)blocks);
    ternary_zero_blocks(s->cols, f->group, trits, s->rows, zero);
    spread(f, s, g, zero, stored);
    for (uint64_t i = 0; i < blocks; i++)
        if (!zero[i] && stored[i] == 0) return TERNARY_ZERO_SCALES;
    return comes_back(scratch, f, s, g, zero, stored) ? NULL : TERNARY_COMES_BACK;
}

const char *ternary_scale_rule(struct arena *scratch, const struct ternary_format *f, const struct ternary_shape *s,
                               const struct ternary_scaling *given, const int8_t *trits, float *stored) {
    if (f->where == SCALE_BLOCK) {
        struct arena_mark mark = arena_save(scratch);
        const char *rule = block_rule(scratch, f, s, given, trits, stored);
        arena_restore(scratch, mark);
        return rule;
    }
    bool groups = f == &ternary_i2_64;
    if (f->where == SCALE_TAIL && given->kind != SCALES_MATRIX) return TERNARY_ONE_SCALE;
    if (!groups && given->kind == SCALES_GROUP) return TERNARY_ROW_SCALES;
    uint64_t n = ternary_scale_count(s, given->kind, given->group);
    for (uint64_t i = 0; i < n; i++) {
        if (!not_negative(given->scale[i])) return TERNARY_NOT_BELOW_0;
        if (!f->own && given->scale[i] == 0) return TERNARY_ABOVE_0;
    }
    if (f->where == SCALE_TAIL) stored[0] = given->scale[0];
    return NULL;
}
