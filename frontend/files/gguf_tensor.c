/*
 * gguf_tensor.c -- element types of a GGUF file's tensors, their sizes, and where they lie (rules 7 to 9 of
 * docs/checkpoints.md).
 *
 * Two things are not in the file.  Ids 36 to 39 are bitnet.cpp's in its own files and something else in others: the
 * architecture and general.file_type decide.  Blocks of Q2_0 hold 64 or 128 elements: the place where the next
 * tensor begins decides.
 */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "frontend/files/gguf_impl.h"

/* ---- types ---- */

enum { ID_I2_S = 36, ID_TL1 = 38, ID_TL2 = 39, FILE_TL1 = 38, FILE_TL2 = 39, FILE_I2_S = 40 };

/* Is this file one of bitnet.cpp's, as far as the id says what else it could be? */
static bool is_bitnets(const struct gguf_reader *r, uint32_t id) {
    const struct gguf_pair *p = gguf_find(r->g, "general.file_type");
    int64_t file_type = -1;
    bool bitnet = strncmp(r->g->arch, "bitnet", 6) == 0;
    if (p && !gguf_int(p, &file_type)) file_type = -1;
    if (id == ID_I2_S) return bitnet || file_type == FILE_I2_S || (r->how && r->how->i2_s);
    if (r->how && r->how->tiling.bm) return true;
    if (id == ID_TL1) return bitnet || file_type == FILE_TL1;
    return file_type == FILE_TL2 || (bitnet && file_type < 0);
}

static const char *at_type(const struct gguf_reader *r, size_t i) {
    return gguf_field_where(r, GGUF_FIELD_TYPE, r->info[i]);
}
static const char *at_offset(const struct gguf_reader *r, size_t i) {
    return gguf_field_where(r, GGUF_FIELD_OFFSET, r->info[i] + 4);
}

static bool find_type(const struct gguf_reader *r, size_t i, uint32_t id, struct tensor *t) {
    size_t k = 0;
    while (k < N_TENSOR_TYPES && (tensor_types[k].gguf < 0 || (uint32_t)tensor_types[k].gguf != id)) k++;
    if (k == N_TENSOR_TYPES) return diag_in(r->diag, at_type(r, i), DIAG_GGUF_TYPE, t->name, id);
    if (tensor_types[k].role == TYPE_IS_NAMED)
        return diag_in(r->diag, at_type(r, i), DIAG_GGUF_TYPE_UNSUPPORTED, t->name, tensor_types[k].name);
    t->type = (enum tensor_type)k;
    if ((id == ID_I2_S || id == ID_TL1 || id == ID_TL2) && !is_bitnets(r, id))
        return diag_in(r->diag, at_type(r, i), DIAG_GGUF_TYPE_TWICE, t->name, id, tensor_types[k].name, r->g->arch);
    return true;
}

/* ---- sizes ---- */

static struct ternary_shape shape_of(const struct tensor *t) {
    struct ternary_shape s = {.rows = 1, .cols = t->dim[t->rank - 1], .tiling = t->tiling};
    for (uint32_t i = 0; i + 1 < t->rank; i++) s.rows *= t->dim[i]; /* the product is below 2^63: rule 7 */
    return s;
}

/* The formats of bitnet.cpp: n / 4 bytes of codes, or TL2's own formula, and a slot of 32 bytes with the scale. */
static bool tail_bytes(const struct tensor *t, uint64_t *bytes) {
    struct ternary_shape s = shape_of(t);
    enum { SLOT = 32, PAIRS = 256 };
    uint64_t n = s.rows * s.cols, triples, pairs;
    if (t->type != TYPE_TL2) {
        *bytes = n / 4 + SLOT;
        return n % 4 == 0;
    }
    if (s.cols < PAIRS) return false;
    triples = (s.cols - PAIRS) * s.rows / 3;
    if (!ck_mul(&triples, triples, 5) || !ck_mul(&pairs, PAIRS / 2 * 4, s.rows)) return false;
    return ck_add(bytes, triples / 8, pairs / 8) && ck_align(bytes, *bytes, 32) && ck_add(bytes, *bytes, SLOT);
}

static bool block_bytes(const struct tensor *t, enum tensor_type type, uint64_t *bytes) {
    struct ternary_shape s = shape_of(t);
    uint32_t block = tensor_types[type].block;
    *bytes = 0;
    return s.cols % block == 0 && ck_mul(bytes, s.rows * (s.cols / block), tensor_types[type].bytes);
}

/* Does a tensor of so many bytes, from t->offset on, end where the next begins, or the file does? */
static bool ends_well(const struct gguf_reader *r, size_t i, uint64_t bytes) {
    const struct tensor_file *f = &r->g->file;
    uint64_t end, padded, data = f->map.n - r->g->data;
    if (!ck_add(&end, f->tensor[i].offset, bytes) || !ck_align(&padded, end, r->g->alignment)) return false;
    return i + 1 < f->n ? padded == f->tensor[i + 1].offset : end <= data && data <= padded;
}

static bool fits(const struct gguf_reader *r, size_t i, enum tensor_type type) {
    uint64_t bytes;
    return block_bytes(&r->g->file.tensor[i], type, &bytes) && ends_well(r, i, bytes);
}

enum { ID_Q2_0 = 42 };

/* Q2_0: 18 bytes for 64, or 34 for 128.  A tensor so small that both end well is as the first that tells is. */
static bool is_wide(const struct gguf_reader *r, size_t i, const uint32_t *raw_type) {
    bool narrow = fits(r, i, TYPE_Q2_0), wide = fits(r, i, TYPE_Q2_0_128);
    if (narrow != wide || !narrow) return wide && !narrow;
    for (size_t k = i + 1; k < r->g->file.n; k++)
        if (raw_type[k] == ID_Q2_0 && fits(r, k, TYPE_Q2_0) != fits(r, k, TYPE_Q2_0_128))
            return fits(r, k, TYPE_Q2_0_128);
    return false;
}

static bool find_size(const struct gguf_reader *r, size_t i, struct tensor *t) {
    const struct type_info *type = &tensor_types[t->type];
    if (type->block ? block_bytes(t, t->type, &t->bytes) : tail_bytes(t, &t->bytes)) return true;
    return diag_in(r->diag, at_type(r, i), DIAG_GGUF_BLOCK, t->name, tensor_shape_text(r->arena, t->rank, t->dim),
                   type->name);
}

/* ---- dialects ---- */

static void find_format(const struct gguf_reader *r, struct tensor *t) {
    if (tensor_types[t->type].role != TYPE_IS_TERNARY) return;
    t->format = ternary_of(t->type);
    if (t->type == TYPE_I2_S && r->how && r->how->i2_s) t->format = r->how->i2_s;
    if (t->type != TYPE_TL1 && t->type != TYPE_TL2) return;
    struct ternary_shape s = shape_of(t);
    if (r->how && r->how->tiling.bm)
        t->tiling = r->how->tiling;
    else if (!(t->type == TYPE_TL1 ? tl1_known_tiling : tl2_known_tiling)(s.rows, s.cols, &t->tiling))
        t->tiling = (struct tl_tiling){0};
}

/* ---- the whole ---- */

bool gguf_place_tensors(struct gguf_reader *r, const uint32_t *raw_type) {
    struct gguf_file *g = r->g;
    struct tensor_file *f = &g->file;
    uint64_t at = 0;
    bool known = false, wide = false;
    if (!ck_align(&g->data, r->at, g->alignment)) return false; /* cannot be: r->at is in the file */
    if (g->data > f->map.n) {
        if (f->n) return diag_in(r->diag, f->path, DIAG_GGUF_NO_DATA, r->at, f->map.n);
        g->data = f->map.n;
    }
    for (size_t i = 0; i < f->n; i++) {
        struct tensor *t = &f->tensor[i];
        if (!find_type(r, i, raw_type[i], t)) return false;
        if (t->type == TYPE_Q2_0) {
            if (!known) wide = is_wide(r, i, raw_type); /* one size a file */
            known = true;
            if (wide) t->type = TYPE_Q2_0_128;
        }
        if (!find_size(r, i, t)) return false;
        if (t->offset != at) return diag_in(r->diag, at_offset(r, i), DIAG_GGUF_OFFSET, t->name, t->offset, at);
        /* Only the last tensor may lack its padding. */
        if (t->bytes > f->map.n - g->data || at > f->map.n - g->data - t->bytes)
            return diag_in(r->diag, at_offset(r, i), DIAG_GGUF_BEYOND, t->name, t->bytes, t->offset,
                           f->map.n - g->data);
        find_format(r, t);
        at += t->bytes;
        if (!ck_align(&at, at, g->alignment)) return diag_in(r->diag, at_offset(r, i), DIAG_GGUF_OVERFLOW);
        t->offset += g->data;
    }
    return true;
}
