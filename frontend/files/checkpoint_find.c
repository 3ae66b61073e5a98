/* checkpoint_find.c -- weights of a model text found among the tensors of a checkpoint, by name, shape and type. */
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/hf_u8.h"
#include "frontend/files/checkpoint_impl.h"

static enum checkpoint_found bad(const struct checkpoint *cp, const struct tensor *t, const char *expected) {
    diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_SHAPE, expected, tensor_types[t->type].name,
            tensor_shape_text(cp->arena, t->rank, t->dim));
    return CHECKPOINT_BAD;
}

/* "f32, f16 or bf16": the types that real weights may have. */
static const char *real_names(struct arena *a) {
    const char *names = "", *last = NULL;
    for (int t = 0; t < N_TENSOR_TYPES; t++) {
        if (tensor_types[t].role != TYPE_IS_REAL) continue;
        if (last) names = arena_printf(a, "%s%s%s", names, *names ? ", " : "", last);
        last = tensor_types[t].name;
    }
    return arena_printf(a, "%s or %s", names, last);
}

/* ---- shapes ---- */

struct shape {
    uint32_t rank;
    uint64_t dim[IR_MAX_RANK];
    uint64_t rows, cols, elems;
};

/* A product beyond 64 bits fits no tensor, whose bytes were counted: any value it cannot have will do. */
static uint64_t product(uint64_t a, uint64_t b) {
    uint64_t r;
    return ck_mul(&r, a, b) ? r : UINT64_MAX;
}

static struct shape shape_of(uint32_t rank, const uint32_t *dim) {
    struct shape s = {.rank = rank, .rows = 1, .cols = rank ? dim[rank - 1] : 1};
    if (rank > IR_MAX_RANK) BUG("rank %u of a weight", rank);
    for (uint32_t i = 0; i < rank; i++) s.dim[i] = dim[i];
    for (uint32_t i = 0; i + 1 < rank; i++) s.rows = product(s.rows, dim[i]);
    s.elems = product(s.rows, s.cols);
    return s;
}

static bool has_shape(const struct tensor *t, uint32_t rank, const uint64_t *dim) {
    if (t->rank != rank) return false;
    for (uint32_t i = 0; i < rank; i++)
        if (t->dim[i] != dim[i]) return false;
    return true;
}

/* As declared, or as rows of the last axis: the bytes are the same. */
static bool is_dense(const struct tensor *t, const struct shape *s) {
    return has_shape(t, s->rank, s->dim) || has_shape(t, 2, (uint64_t[]){s->rows, s->cols});
}

static bool is_one(const struct tensor *t) { return t->rank == 0 || (t->rank == 1 && t->dim[0] == 1); }

/* Real values that are not in blocks: what a scale can be stored as. */
static bool is_float(enum tensor_type t) { return tensor_types[t].role == TYPE_IS_REAL && tensor_types[t].block == 1; }

static enum ir_store store_of(enum tensor_type t) {
    static const enum ir_store stores[N_TENSOR_TYPES] = {
        [TYPE_F32] = IR_STORE_F32,   [TYPE_F16] = IR_STORE_F16,   [TYPE_BF16] = IR_STORE_BF16,
        [TYPE_Q8_0] = IR_STORE_Q8_0, [TYPE_Q6_K] = IR_STORE_Q6_K, [TYPE_Q4_0] = IR_STORE_Q4_0,
        [TYPE_Q4_K] = IR_STORE_Q4_K};
    return stores[t]; /* 0, trits, for all others */
}

/* ---- ternary ---- */

static enum checkpoint_found find_scale(struct checkpoint *cp, const struct tensor *t, const struct shape *s,
                                        struct weight_at *at) {
    const char *name = arena_printf(cp->arena, "%s_scale", t->name);
    struct tensor *scale = checkpoint_lookup(cp, name);
    if (!scale) {
        diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_NO_SCALE, name);
        return CHECKPOINT_BAD;
    }
    scale->used = true;
    uint64_t rows[] = {s->rows, 1};
    bool each = has_shape(scale, 1, rows) || has_shape(scale, 2, rows);
    if (!is_float(scale->type) || (!is_one(scale) && !each))
        return bad(cp, scale,
                   arena_printf(cp->arena, "a real scale of shape [1] or %s", tensor_shape_text(cp->arena, 1, rows)));
    at->scale = scale;
    at->kind = is_one(scale) ? IR_SCALE_MATRIX : IR_SCALE_ROW;
    return CHECKPOINT_FOUND;
}

/* Packed in blocks, or with a tail. */
static enum checkpoint_found find_format(struct checkpoint *cp, struct tensor *t, const struct shape *s,
                                         struct weight_at *at) {
    at->format = t->format;
    at->shape.tiling = t->tiling;
    if (!is_dense(t, s))
        return bad(cp, t, arena_printf(cp->arena, "trits of shape %s", tensor_shape_text(cp->arena, s->rank, s->dim)));
    bool tiled = t->type == TYPE_TL1 || t->type == TYPE_TL2;
    if (tiled && !t->tiling.bm) {
        diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_TILING, t->format->name,
                tensor_shape_text(cp->arena, t->rank, t->dim), t->format->name);
        return CHECKPOINT_BAD;
    }
    const char *broken = ternary_shape_rule(t->format, &at->shape);
    if (broken) {
        diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_FORMAT, t->format->name,
                tensor_shape_text(cp->arena, t->rank, t->dim), broken);
        return CHECKPOINT_BAD;
    }
    return t->format->where == SCALE_BLOCK && !checkpoint_learn(cp, at) ? CHECKPOINT_BAD : CHECKPOINT_FOUND;
}

static enum checkpoint_found find_dense(struct checkpoint *cp, const struct tensor *t, struct weight_at *at) {
    const char *scale = arena_printf(cp->arena, "%s_scale", t->name);
    if (checkpoint_lookup(cp, scale)) {
        diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_DENSE_SCALE, scale);
        return CHECKPOINT_BAD;
    }
    return checkpoint_learn(cp, at) ? CHECKPOINT_FOUND : CHECKPOINT_BAD;
}

static enum checkpoint_found find_trits(struct checkpoint *cp, struct tensor *t, const struct shape *s,
                                        struct weight_at *at) {
    uint64_t packed[] = {hf_u8_stored_rows(s->rows), s->cols};
    t->used = true;
    *at = (struct weight_at){
        .data = t, .store = IR_STORE_TRIT, .kind = IR_SCALE_MATRIX, .shape = {.rows = s->rows, .cols = s->cols}};
    if (t->format) return find_format(cp, t, s, at);
    if (t->type == TYPE_U8 && has_shape(t, 2, packed)) {
        at->format = ternary_find("hf_u8");
        return find_scale(cp, t, s, at);
    }
    if (is_float(t->type) && is_dense(t, s)) return find_dense(cp, t, at);
    return bad(cp, t,
               arena_printf(cp->arena, "trits of shape %s, packed (as U8%s, or a ternary type) or dense",
                            tensor_shape_text(cp->arena, s->rank, s->dim), tensor_shape_text(cp->arena, 2, packed)));
}

/* Files of the architecture "bitnet" may have a factor beside each matrix. */
static bool find_times(struct checkpoint *cp, const char *base, struct weight_at *at) {
    struct tensor *t = cp->gguf ? checkpoint_lookup(cp, arena_printf(cp->arena, "%s.scale", base)) : NULL;
    if (!t) return true;
    t->used = true;
    at->times = t;
    return (t->type == TYPE_F32 && is_one(t)) || bad(cp, t, "f32[1]") == CHECKPOINT_FOUND;
}

enum checkpoint_found checkpoint_find_ternary(struct checkpoint *cp, const char *base, uint32_t rank,
                                              const uint32_t *dim, struct weight_at *at) {
    struct shape s = shape_of(rank, dim);
    struct tensor *t = checkpoint_lookup(cp, arena_printf(cp->arena, "%s.weight", base));
    if (!t) t = checkpoint_lookup(cp, base);
    if (!t) return CHECKPOINT_ABSENT;
    enum checkpoint_found found = find_trits(cp, t, &s, at);
    return found == CHECKPOINT_FOUND && !find_times(cp, base, at) ? CHECKPOINT_BAD : found;
}

enum checkpoint_found checkpoint_as_ternary(struct checkpoint *cp, const struct tensor *t, struct weight_at *at) {
    uint64_t rows = 1, cols = t->rank ? t->dim[t->rank - 1] : 1;
    for (uint32_t i = 0; i + 1 < t->rank; i++) rows = product(rows, t->dim[i]);
    bool packed = t->type == TYPE_U8 && checkpoint_lookup(cp, arena_printf(cp->arena, "%s_scale", t->name));
    if (packed) rows = product(rows, 4);
    if (t->rank < 2 || rows == 0 || cols == 0 || rows > UINT32_MAX || cols > UINT32_MAX) return CHECKPOINT_ABSENT;
    if (!t->format && !packed && (!is_float(t->type) || !checkpoint_is_ternary(cp, t, rows, cols)))
        return CHECKPOINT_ABSENT;
    return checkpoint_find_ternary(cp, t->name, 2, (uint32_t[]){(uint32_t)rows, (uint32_t)cols}, at);
}

/* ---- real ---- */

enum checkpoint_found checkpoint_find_real(struct checkpoint *cp, const char *base, uint32_t rank, const uint32_t *dim,
                                           struct weight_at *at) {
    struct shape s = shape_of(rank, dim);
    struct tensor *t = checkpoint_lookup(cp, base);
    if (!t) t = checkpoint_lookup(cp, arena_printf(cp->arena, "%s.weight", base));
    if (!t) return CHECKPOINT_ABSENT;
    t->used = true;
    *at = (struct weight_at){.data = t, .kind = IR_SCALE_NONE, .store = store_of(t->type)};
    if (tensor_types[t->type].role != TYPE_IS_REAL || (!is_dense(t, &s) && !has_shape(t, 1, &s.elems)) ||
        s.cols % tensor_types[t->type].block != 0)
        return bad(cp, t,
                   arena_printf(cp->arena, "%s of shape %s", real_names(cp->arena),
                                tensor_shape_text(cp->arena, s.rank, s.dim)));
    return CHECKPOINT_FOUND;
}

/* ---- of a stack ---- */

static uint32_t gcd(uint32_t a, uint32_t b) { return b ? gcd(b, a % b) : a; }

void checkpoint_agree(struct weight_source *s) {
    s->store = s->at[0].store;
    s->kind = s->at[0].kind;
    s->group = s->at[0].group;
    for (uint32_t i = 1; i < s->n; i++) {
        const struct weight_at *at = &s->at[i];
        if (at->store != s->store) s->store = IR_STORE_F32;
        if (at->kind > s->kind) s->kind = at->kind; /* matrix, row, group: each can say what the one before says */
        s->group = gcd(s->group, at->group);        /* 0: none of its own */
    }
}

/* ---- what was not found, and what nobody looked for ---- */

bool checkpoint_missing(struct checkpoint *cp, struct loc where, const char *weight, const char *const *names,
                        size_t n) {
    struct buf b = {0};
    for (size_t i = 0; i < n; i++) buf_printf(&b, "%s'%s'", i ? " or " : "", names[i]);
    diag_at(cp->diag, where, DIAG_TENSOR_MISSING, weight, cp->folder, b.n ? b.at : "a name");
    buf_free(&b);
    const char **all = arena_array(cp->arena, const char *, cp->tensors.n);
    for (size_t i = 0; i < cp->tensors.n; i++) all[i] = cp->tensors.at[i]->name;
    const char *near = n ? nearest_name(names[0], all, cp->tensors.n) : NULL;
    if (near) diag_note_in(cp->diag, cp->folder, "there is a tensor '%s'", near);
    return false;
}

static bool ends_in_one(const char *name, const char *const *ends, size_t n_ends) {
    size_t n = strlen(name);
    for (size_t i = 0; i < n_ends; i++) {
        size_t k = strlen(ends[i]);
        if (k <= n && strcmp(name + n - k, ends[i]) == 0) return true;
    }
    return false;
}

size_t checkpoint_unused(const struct checkpoint *cp, const char *const *ignore, size_t n_ignore, const char **first) {
    size_t n = 0;
    *first = NULL;
    for (size_t i = 0; i < cp->tensors.n; i++) {
        if (cp->tensors.at[i]->used || ends_in_one(cp->tensors.at[i]->name, ignore, n_ignore)) continue;
        if (!*first) *first = cp->tensors.at[i]->name;
        n++;
    }
    return n;
}

void checkpoint_warn_unused(struct checkpoint *cp, const char *const *ignore, size_t n_ignore) {
    const char *first;
    size_t n = checkpoint_unused(cp, ignore, n_ignore, &first);
    if (n) diag_in(cp->diag, cp->folder, DIAG_TENSOR_UNUSED, n, first);
}
