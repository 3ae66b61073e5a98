/* repack_write.c -- the bytes of a converted checkpoint (repack.h): one matrix in memory, the rest in pieces. */
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "frontend/files/repack.h"

enum { PIECE = 1 << 20 };

struct writer {
    struct repack *r;
    struct out *o;
    struct arena *scratch;
    uint64_t done;
};

static bool put(struct writer *w, const void *p, uint64_t n) {
    if (!out_write(w->o, p, (size_t)n)) return false;
    w->done += n;
    if (w->r->progress) w->r->progress(w->r->self, w->done, w->r->bytes);
    return true;
}

static bool put_copy(struct writer *w, const struct tensor *t) {
    for (uint64_t at = 0; at < t->bytes; at += PIECE)
        if (!put(w, tensor_data(t) + at, t->bytes - at < PIECE ? t->bytes - at : PIECE)) return false;
    return true;
}

/* ---- matrices ---- */

static bool read_trits(const struct writer *w, const struct repack_item *i, int8_t *out) {
    const struct ir_weights *from = w->r->weights;
    struct ir_weight as = repack_stored(i);
    uint64_t rows = ir_weight_rows(&as), cols = ir_weight_cols(&as);
    if (!i->paired) return from->trits(from->self, &as, i->layer, 0, rows, out);
    for (uint64_t f = 0; f < rows; f++)
        if (!from->trits(from->self, &as, i->layer, repack_text_row(f, as.dim[as.rank - 2]), 1, out + f * cols))
            return false;
    return true;
}

static bool put_matrix(struct writer *w, const struct repack_item *i, const struct tensor_plan *p) {
    const struct repack *r = w->r;
    struct ternary_shape s = repack_shape(r, i);
    struct ternary_scaling scales;
    int8_t *trits = arena_alloc(w->scratch, (size_t)(s.rows * s.cols));
    float *stored = arena_array(w->scratch, float, (size_t)ternary_stored_scales(r->to, &s));
    if (!read_trits(w, i, trits) || !repack_scales(r, i, &scales)) return false;
    const char *rule = ternary_scale_rule(w->scratch, r->to, &s, &scales, trits, stored);
    if (rule) return diag_in(r->diag, repack_where(r, i), DIAG_CONVERT_RULE, r->to->name, rule);
    uint8_t *bytes = arena_alloc(w->scratch, (size_t)p->bytes);
    r->to->encode(&s, trits, stored, bytes);
    return put(w, bytes, p->bytes);
}

/* BF16 was planned where that is exact. */
static bool put_scales(struct writer *w, const struct repack_item *i, const struct tensor_plan *p) {
    struct ternary_scaling s;
    if (!repack_scales(w->r, i, &s)) return false;
    for (uint64_t k = 0; k < p->dim[0]; k++) {
        uint32_t u = bits_of_f32(s.scale[k]);
        uint8_t le[4] = {(uint8_t)u, (uint8_t)(u >> 8), (uint8_t)(u >> 16), (uint8_t)(u >> 24)};
        if (!put(w, p->type == TYPE_F32 ? le : le + 2, p->type == TYPE_F32 ? 4 : 2)) return false;
    }
    return true;
}

/* ---- real tensors ---- */

/* A bias of heads whose elements stand in pairs: elements of the last axis move. */
static void pair_elements(const uint8_t *text, uint64_t n, uint64_t d, uint64_t size, uint8_t *out) {
    for (uint64_t f = 0; f < n; f++) memcpy(out + f * size, text + repack_text_row(f, d) * size, (size_t)size);
}

static bool put_real(struct writer *w, const struct repack_item *i, const struct tensor_plan *p) {
    const struct ir_weights *from = w->r->weights;
    struct ir_weight as = repack_stored(i);
    uint64_t rows = ir_weight_rows(&as), cols = ir_weight_cols(&as), bytes = p->bytes / rows;
    uint64_t step = bytes < PIECE ? PIECE / bytes : 1;
    uint8_t *part = arena_alloc(w->scratch, (size_t)(step * bytes)), *moved = part;
    if (i->paired && tensor_types[p->type].block != 1)
        return diag_in(w->r->diag, repack_where(w->r, i), DIAG_UNSUPPORTED_FEATURE, "a paired weight in blocks is");
    if (i->paired) moved = arena_alloc(w->scratch, (size_t)(step * bytes));
    for (uint64_t row = 0; row < rows; row += step) {
        uint64_t n = rows - row < step ? rows - row : step;
        if (!from->raw(from->self, &as, i->layer, row, n, part)) return false;
        if (i->paired) pair_elements(part, n * cols, cols, tensor_types[p->type].bytes, moved);
        if (!put(w, moved, n * bytes)) return false;
    }
    return true;
}

bool repack_write(struct repack *r, struct out *o) {
    struct writer w = {.r = r, .o = o, .scratch = arena_new()};
    bool ok = true;
    for (size_t k = 0; ok && k < r->items.n; k++) {
        const struct repack_item *i = &r->items.at[k];
        const struct tensor_plan *p = &r->plans.at[k];
        struct arena_mark m = arena_save(w.scratch), mine = arena_save(r->arena);
        ok = i->copy                        ? put_copy(&w, i->copy)
             : i->scale                     ? put_scales(&w, i, p)
             : i->w->store == IR_STORE_TRIT ? put_matrix(&w, i, p)
                                            : put_real(&w, i, p);
        if (ok && r->gguf) ok = out_pad(o, GGUF_WRITTEN_ALIGNMENT);
        arena_restore(w.scratch, m);
        arena_restore(r->arena, mine);
    }
    arena_free(w.scratch);
    return ok;
}
