/* checkpoint.c -- the files of a checkpoint: one safetensors file, or shards and their index; tensors by name. */
#include "frontend/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/hf_u8.h"
#include "frontend/checkpoint_impl.h"
#include "frontend/json.h"

static const struct jlimits index_limits = {.bytes = 64 << 20, .depth = 8, .values = 2000000};
static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

static bool open_file(struct checkpoint *cp, const char *path) {
    struct tensor_file *f = arena_one(cp->arena, struct tensor_file);
    if (!st_open(cp->diag, cp->arena, path, f)) return false;
    *vec_push(cp->arena, &cp->files) = f;
    return true;
}

/* ---- shards: index.weight_map says which file holds which tensor ---- */

/* A name in the folder itself, whatever the system that wrote it. */
static bool is_plain_name(const char *s) {
    return *s && !strpbrk(s, "/\\:") && !strstr(s, "..") && strcmp(s, ".") != 0;
}

static struct tensor_file *shard_called(const struct checkpoint *cp, const char *path) {
    for (size_t i = 0; i < cp->files.n; i++)
        if (strcmp(cp->files.at[i]->path, path) == 0) return cp->files.at[i];
    return NULL;
}

static bool open_shards(struct checkpoint *cp, const struct jfile *j, const json_t *map) {
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, file) {
        const char *name = json_string_value(file);
        if (!name)
            return diag_in(cp->diag, jfile_where(j, "weight_map", tensor), DIAG_JSON_TYPE, "a string", json_kind(file));
        if (!is_plain_name(name)) return diag_in(cp->diag, jfile_where(j, "weight_map", tensor), DIAG_SHARD_NAME, name);
        const char *path = arena_printf(cp->arena, "%s/%s", cp->folder, name);
        if (!shard_called(cp, path) && !open_file(cp, path)) return false;
    }
    return true;
}

/* Both ways: each tensor of a shard is mapped to it, and each mapped tensor is there. */
static bool check_shards(struct checkpoint *cp, const struct jfile *j, const json_t *map) {
    size_t n = 0;
    for (size_t f = 0; f < cp->files.n; f++) {
        const struct tensor_file *file = cp->files.at[f];
        const char *base = strrchr(file->path, '/') + 1;
        n += file->n;
        for (size_t i = 0; i < file->n; i++) {
            const char *mapped = json_string_value(json_object_get(map, file->tensor[i].name));
            if (!mapped || strcmp(mapped, base) != 0)
                return diag_in(cp->diag, tensor_where(cp->arena, &file->tensor[i], 0), DIAG_SHARD_EXTRA, j->path);
        }
    }
    if (n == json_object_size(map)) return true;
    const char *tensor;
    json_t *name;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, name) {
        const struct tensor_file *file =
            shard_called(cp, arena_printf(cp->arena, "%s/%s", cp->folder, json_string_value(name)));
        bool found = false;
        for (size_t i = 0; file && i < file->n && !found; i++) found = strcmp(file->tensor[i].name, tensor) == 0;
        if (!found)
            return diag_in(cp->diag, jfile_where(j, "weight_map", tensor), DIAG_SHARD_ABSENT, json_string_value(name));
    }
    return true;
}

static bool read_index(struct checkpoint *cp, const char *path) {
    struct jfile j;
    const json_t *map = NULL;
    if (!jfile_open(&j, cp->diag, cp->arena, path, index_limits)) return false;
    enum jgot got = jfile_object(&j, j.root, NULL, "weight_map", &map);
    if (got == JGOT_ABSENT)
        diag_in(cp->diag, jfile_where(&j, "weight_map", NULL), DIAG_JSON_TYPE, "an object", "nothing");
    bool ok = got == JGOT_VALUE && open_shards(cp, &j, map) && check_shards(cp, &j, map);
    const char *single = arena_printf(cp->arena, "%s/%s", cp->folder, single_name);
    if (ok && access(single, F_OK) == 0 && !shard_called(cp, single))
        diag_in(cp->diag, single, DIAG_SHARD_IGNORED, index_name);
    jfile_close(&j);
    return ok;
}

/* ---- tensors by name ---- */

static int by_name(const void *a, const void *b) {
    const struct tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void build_table(struct checkpoint *cp) {
    for (size_t f = 0; f < cp->files.n; f++)
        for (size_t i = 0; i < cp->files.at[f]->n; i++)
            *vec_push(cp->arena, &cp->tensors) = &cp->files.at[f]->tensor[i];
    if (cp->tensors.n) qsort(cp->tensors.at, cp->tensors.n, sizeof *cp->tensors.at, by_name);
}

static struct tensor *find(const struct checkpoint *cp, const char *name) {
    size_t low = 0, high = cp->tensors.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(name, cp->tensors.at[mid]->name);
        if (order == 0) return cp->tensors.at[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct tensor *checkpoint_tensor(const struct checkpoint *cp, const char *name) { return find(cp, name); }
const char *checkpoint_folder(const struct checkpoint *cp) { return cp->folder; }
const struct config_values *checkpoint_config(const struct checkpoint *cp) { return &cp->config; }

bool checkpoint_reads(const struct checkpoint *cp, const char *path) {
    bool found = file_same(cp->config.path, path);
    for (size_t i = 0; i < cp->files.n && !found; i++) found = file_same(cp->files.at[i]->path, path);
    return found;
}

static bool open_all(struct checkpoint *cp, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return diag_in(cp->diag, path, DIAG_CANNOT_OPEN, strerror(errno));
    bool folder = S_ISDIR(st.st_mode);
    const char *slash = strrchr(path, '/');
    cp->folder = folder  ? arena_strdup(cp->arena, path)
                 : slash ? arena_strndup(cp->arena, path, (size_t)(slash - path))
                         : ".";
    if (!config_read(cp->diag, cp->arena, arena_printf(cp->arena, "%s/config.json", cp->folder), &cp->config))
        return false;
    if (!folder) return open_file(cp, path);
    const char *index = arena_printf(cp->arena, "%s/%s", cp->folder, index_name);
    if (access(index, F_OK) == 0) return read_index(cp, index);
    return open_file(cp, arena_printf(cp->arena, "%s/%s", cp->folder, single_name));
}

struct checkpoint *checkpoint_open(struct diag *d, struct arena *a, const char *path) {
    struct checkpoint *cp = arena_one(a, struct checkpoint);
    cp->diag = d;
    cp->arena = a;
    if (!open_all(cp, path)) {
        checkpoint_close(cp);
        return NULL;
    }
    build_table(cp);
    return cp;
}

void checkpoint_close(struct checkpoint *cp) {
    if (!cp) return;
    for (size_t i = 0; i < cp->files.n; i++) st_close(cp->files.at[i]);
    cp->files.n = 0;
}

/* ---- finding weights ---- */

static enum checkpoint_found bad(const struct checkpoint *cp, const struct tensor *t, const char *expected) {
    diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_SHAPE, expected, tensor_types[t->type].name,
            tensor_shape_text(cp->arena, t->rank, t->dim));
    return CHECKPOINT_BAD;
}

static bool is_real(enum tensor_type t, enum ir_store *store) {
    *store = t == TYPE_F32 ? IR_STORE_F32 : t == TYPE_F16 ? IR_STORE_F16 : IR_STORE_BF16;
    return t == TYPE_F32 || t == TYPE_F16 || t == TYPE_BF16;
}

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

static enum checkpoint_found find_scale(struct checkpoint *cp, const struct tensor *t, const struct shape *s,
                                        struct weight_at *at) {
    const char *name = arena_printf(cp->arena, "%s_scale", t->name);
    struct tensor *scale = find(cp, name);
    if (!scale) {
        diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_NO_SCALE, name);
        return CHECKPOINT_BAD;
    }
    scale->used = true;
    uint64_t rows[] = {s->rows, 1}, one = 1;
    bool whole = has_shape(scale, 0, NULL) || has_shape(scale, 1, &one);
    bool each = has_shape(scale, 1, rows) || has_shape(scale, 2, rows);
    enum ir_store store;
    if (!is_real(scale->type, &store) || (!whole && !each))
        return bad(cp, scale,
                   arena_printf(cp->arena, "a real scale of shape [1] or %s", tensor_shape_text(cp->arena, 1, rows)));
    at->scale = scale;
    at->kind = whole ? IR_SCALE_MATRIX : IR_SCALE_ROW;
    return CHECKPOINT_FOUND;
}

static enum checkpoint_found find_trits(struct checkpoint *cp, struct tensor *t, const struct shape *s,
                                        struct weight_at *at) {
    uint64_t packed[] = {hf_u8_stored_rows(s->rows), s->cols};
    enum ir_store store;
    t->used = true;
    *at = (struct weight_at){.data = t, .store = IR_STORE_TRIT, .kind = IR_SCALE_MATRIX};
    if (t->type == TYPE_U8 && has_shape(t, 2, packed)) return find_scale(cp, t, s, at);
    if (is_real(t->type, &store) && is_dense(t, s)) {
        const char *scale = arena_printf(cp->arena, "%s_scale", t->name);
        if (!find(cp, scale)) return CHECKPOINT_FOUND;
        diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_DENSE_SCALE, scale);
        return CHECKPOINT_BAD;
    }
    return bad(cp, t,
               arena_printf(cp->arena, "trits of shape %s, packed as U8%s or real",
                            tensor_shape_text(cp->arena, s->rank, s->dim), tensor_shape_text(cp->arena, 2, packed)));
}

enum checkpoint_found checkpoint_find_ternary(struct checkpoint *cp, const char *base, uint32_t rank,
                                              const uint32_t *dim, struct weight_at *at) {
    struct shape s = shape_of(rank, dim);
    struct tensor *t = find(cp, arena_printf(cp->arena, "%s.weight", base));
    if (!t) t = find(cp, base);
    return t ? find_trits(cp, t, &s, at) : CHECKPOINT_ABSENT;
}

enum checkpoint_found checkpoint_find_real(struct checkpoint *cp, const char *base, uint32_t rank, const uint32_t *dim,
                                           struct weight_at *at) {
    struct shape s = shape_of(rank, dim);
    struct tensor *t = find(cp, base);
    if (!t) t = find(cp, arena_printf(cp->arena, "%s.weight", base));
    if (!t) return CHECKPOINT_ABSENT;
    t->used = true;
    *at = (struct weight_at){.data = t, .kind = IR_SCALE_NONE};
    if (is_real(t->type, &at->store) && (is_dense(t, &s) || has_shape(t, 1, &s.elems))) return CHECKPOINT_FOUND;
    return bad(cp, t,
               arena_printf(cp->arena, "F32, F16 or BF16 of shape %s", tensor_shape_text(cp->arena, s.rank, s.dim)));
}

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
