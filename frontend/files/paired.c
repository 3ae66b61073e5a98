/*
 * paired.c -- see paired.h.
 *
 * Rotary positions turn pairs of elements of a head.  The text pairs element i with i + d/2 (rotate-half); some GGUF
 * files pair neighbours, so their converter moves the rows of the query and key matrices:
 *
 *     text   0 1 2 3 | 4 5 6 7        one head, d = 8: row i and row i + 4 turn together
 *     file   0 4 1 5   2 6 3 7        they stand side by side
 *
 * Row a * d/2 + b of the text (a = 0, 1) is row 2 b + a of the file.  Put back, the same weights give the same bits
 * whichever file they come from.
 */
#include "frontend/files/paired.h"

#include <string.h>

#include "base/compiler.h"

struct paired {
    struct diag *diag;
    struct arena *arena;
    struct ir_weights inner;
    const struct weight_source *sources;
    size_t n_sources;
};

static bool is_paired(const struct paired *p, const struct ir_weight *w) {
    return w->id < p->n_sources && p->sources[w->id].paired;
}

/* Where the file has element i of an axis whose heads have d elements. */
static uint64_t in_file(uint64_t i, uint64_t d) {
    uint64_t k = i % d;
    return i - k + 2 * (k % (d / 2)) + k / (d / 2);
}

static bool read_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    const struct paired *p = self;
    if (!is_paired(p, w)) return p->inner.trits(p->inner.self, w, layer, row, n, out);
    uint64_t d = w->dim[w->rank - 2], cols = ir_weight_cols(w);
    for (uint64_t i = 0; i < n; i++)
        if (!p->inner.trits(p->inner.self, w, layer, in_file(row + i, d), 1, out + i * cols)) return false;
    return true;
}

/* A matrix's one scale has no order; those of rows go with their rows, a row's groups together. */
static bool read_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    const struct paired *p = self;
    if (!is_paired(p, w) || w->scale == IR_SCALE_MATRIX) return p->inner.scales(p->inner.self, w, layer, out);
    uint64_t d = w->dim[w->rank - 2], rows = ir_weight_rows(w);
    uint64_t groups = w->scale == IR_SCALE_GROUP ? ir_weight_cols(w) / w->group : 1;
    struct arena_mark m = arena_save(p->arena);
    float *file = arena_array(p->arena, float, rows *groups);
    bool ok = p->inner.scales(p->inner.self, w, layer, file);
    for (uint64_t r = 0; ok && r < rows; r++)
        memcpy(out + r * groups, file + in_file(r, d) * groups, groups * sizeof *out);
    arena_restore(p->arena, m);
    return ok;
}

/* A real weight is a bias of heads: the elements of its last axis move. */
static bool read_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct paired *p = self;
    uint64_t size = ir_store_bytes(w->store), d = ir_weight_cols(w);
    if (!is_paired(p, w)) return p->inner.raw(p->inner.self, w, layer, row, n, out);
    if (!size) return diag_in(p->diag, w->name, DIAG_UNSUPPORTED_FEATURE, "a paired weight stored in blocks is");
    struct arena_mark m = arena_save(p->arena);
    uint8_t *file = arena_alloc(p->arena, n * d * size), *to = out;
    bool ok = p->inner.raw(p->inner.self, w, layer, row, n, file);
    for (uint64_t i = 0; ok && i < n * d; i++) memcpy(to + i * size, file + in_file(i, d) * size, size);
    arena_restore(p->arena, m);
    return ok;
}

struct ir_weights paired_weights(struct diag *d, struct arena *a, const struct ir_weights *inner,
                                 const struct weight_source *sources, size_t n_sources) {
    bool any = false;
    for (size_t i = 0; i < n_sources; i++) any |= sources[i].paired;
    if (!any) return *inner;
    struct paired *p = arena_one(a, struct paired);
    *p = (struct paired){.diag = d, .arena = a, .inner = *inner, .sources = sources, .n_sources = n_sources};
    return (struct ir_weights){.self = p, .trits = read_trits, .scales = read_scales, .raw = read_raw};
}
