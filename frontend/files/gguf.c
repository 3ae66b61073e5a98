/*
 * gguf.c -- see gguf.h; the numbers of rules are those of docs/checkpoints.md.
 *
 * The header is walked twice: the first walk checks every field without keeping anything, so that the second can take
 * tables of exactly the sizes that the file really has.
 */
#include "frontend/files/gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "frontend/files/gguf_impl.h"

static const uint64_t max_key = 65535, max_elements = 1u << 30, max_alignment = 1u << 20;
enum { LEAST_PAIR = 8 + 1 + 4 + 1, LEAST_INFO = 8 + 1 + 4 + 8 + 4 + 8, MAX_RANK = 4, DEFAULT_ALIGNMENT = 32 };

const struct gguf_field_info gguf_fields[GGUF_N_FIELDS] = {
#define FIELD(id, name, bytes, rule, about) {name, bytes, rule, about},
#include "frontend/files/gguf_fields.def"
};

/* ---- fields ---- */

const char *gguf_field_where(const struct gguf_reader *r, enum gguf_field f, uint64_t at) {
    return arena_printf(r->arena, "%s: %s, byte 0x%" PRIx64, r->g->file.path, gguf_fields[f].name, at);
}

static uint64_t left(const struct gguf_reader *r) { return r->g->file.map.n - r->at; }

bool gguf_take_bytes(struct gguf_reader *r, enum gguf_field f, uint64_t n, const uint8_t **p) {
    if (n > left(r)) return diag_in(r->diag, gguf_field_where(r, f, r->at), DIAG_GGUF_SHORT, n, left(r));
    if (r->how && r->how->watch && !r->quiet) r->how->watch(r->how->self, f, r->at, n);
    *p = r->g->file.map.at + r->at;
    r->at += n;
    return true;
}

bool gguf_take(struct gguf_reader *r, enum gguf_field f, uint64_t *v) {
    const uint8_t *p;
    if (!gguf_take_bytes(r, f, gguf_fields[f].bytes, &p)) return false;
    *v = gguf_fields[f].bytes == 4 ? load_u32le(p) : load_u64le(p);
    return true;
}

/* A number between least and most. */
static bool take_within(struct gguf_reader *r, enum gguf_field f, uint64_t least, uint64_t most, uint64_t *v) {
    uint64_t at = r->at;
    return gguf_take(r, f, v) && ((*v >= least && *v <= most) ||
                                  diag_in(r->diag, gguf_field_where(r, f, at), DIAG_GGUF_RANGE, *v, least, most));
}

/* Rule 2: how many records follow; each has at least so many bytes. */
static bool take_count(struct gguf_reader *r, enum gguf_field f, uint64_t least_bytes, uint64_t *v) {
    uint64_t at = r->at;
    return gguf_take(r, f, v) && (*v <= left(r) / least_bytes || diag_in(r->diag, gguf_field_where(r, f, at),
                                                                         DIAG_GGUF_COUNT, *v, least_bytes, left(r)));
}

/* Rule 3: a name, of printable ASCII. */
static bool take_name(struct gguf_reader *r, enum gguf_field length, enum gguf_field f, uint64_t most,
                      const char **name) {
    const uint8_t *p;
    uint64_t n, at;
    if (!take_within(r, length, 1, most, &n)) return false;
    at = r->at;
    if (!gguf_take_bytes(r, f, n, &p)) return false;
    for (uint64_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            return diag_in(r->diag, gguf_field_where(r, f, at + i), DIAG_GGUF_NAME, (unsigned)p[i]);
    if (name) *name = arena_strndup(r->arena, (const char *)p, (size_t)n);
    return true;
}

/* ---- pairs ---- */

static bool take_kind(struct gguf_reader *r, enum gguf_field f, enum gguf_kind *kind) {
    uint64_t v;
    if (!take_within(r, f, 0, GGUF_N_KINDS - 1, &v)) return false;
    *kind = (enum gguf_kind)v;
    return true;
}

static bool take_string(struct gguf_reader *r, const uint8_t **p, uint64_t *n) {
    return gguf_take(r, GGUF_FIELD_STRING_LENGTH, n) && gguf_take_bytes(r, GGUF_FIELD_STRING, *n, p);
}

/* n values of a fixed size; rule 5: booleans are 0 or 1. */
static bool take_values(struct gguf_reader *r, enum gguf_kind kind, uint64_t n, struct gguf_pair *p) {
    uint64_t at = r->at;
    p->bytes = n * gguf_kind_bytes(kind); /* n is at most 2^30 */
    if (!gguf_take_bytes(r, GGUF_FIELD_VALUE, p->bytes, &p->at)) return false;
    for (uint64_t i = 0; kind == GGUF_BOOL && i < n; i++)
        if (p->at[i] > 1)
            return diag_in(r->diag, gguf_field_where(r, GGUF_FIELD_VALUE, at + i), DIAG_GGUF_BOOL, (unsigned)p->at[i]);
    return true;
}

/* Rule 4. */
static bool take_array(struct gguf_reader *r, struct gguf_pair *p) {
    uint64_t at = r->at;
    if (!take_kind(r, GGUF_FIELD_ELEM_KIND, &p->elem)) return false;
    if (p->elem == GGUF_ARRAY) return diag_in(r->diag, gguf_field_where(r, GGUF_FIELD_ELEM_KIND, at), DIAG_GGUF_NESTED);
    uint64_t size = p->elem == GGUF_STRING ? 8 : gguf_kind_bytes(p->elem);
    at = r->at;
    if (!take_within(r, GGUF_FIELD_COUNT, 0, max_elements, &p->count)) return false;
    if (p->count > left(r) / size)
        return diag_in(r->diag, gguf_field_where(r, GGUF_FIELD_COUNT, at), DIAG_GGUF_COUNT, p->count, size, left(r));
    if (p->elem != GGUF_STRING) return take_values(r, p->elem, p->count, p);
    at = r->at;
    p->at = r->g->file.map.at + at;
    for (uint64_t i = 0; i < p->count; i++) {
        const uint8_t *s;
        uint64_t n;
        if (!take_string(r, &s, &n)) return false;
    }
    p->bytes = r->at - at;
    return true;
}

static bool take_pair(struct gguf_reader *r, struct gguf_pair *p, bool keep) {
    *p = (struct gguf_pair){.count = 1};
    if (!take_name(r, GGUF_FIELD_KEY_LENGTH, GGUF_FIELD_KEY, max_key, keep ? &p->key : NULL)) return false;
    if (!take_kind(r, GGUF_FIELD_KIND, &p->kind)) return false;
    if (p->kind == GGUF_ARRAY) return take_array(r, p);
    if (p->kind == GGUF_STRING) return take_string(r, &p->at, &p->bytes);
    return take_values(r, p->kind, 1, p);
}

static bool take_pairs(struct gguf_reader *r) {
    struct gguf_file *g = r->g;
    uint64_t start = r->at;
    struct gguf_pair seen;
    for (size_t i = 0; i < g->n_pairs; i++)
        if (!take_pair(r, &seen, false)) return false;
    r->at = start;
    r->quiet = true;
    g->pair = arena_array(r->arena, struct gguf_pair, g->n_pairs);
    for (size_t i = 0; i < g->n_pairs; i++)
        if (!take_pair(r, &g->pair[i], true)) return false;
    r->quiet = false;
    return true;
}

/* Rule 6, and what the rest of the file needs to know. */
static bool read_general(struct gguf_reader *r) {
    struct gguf_file *g = r->g;
    const struct gguf_pair *p = gguf_find(g, "general.alignment");
    g->alignment = DEFAULT_ALIGNMENT;
    if (p && p->kind != GGUF_U32)
        return diag_in(r->diag, gguf_where(r->arena, g, p), DIAG_GGUF_KEY, "a u32", gguf_kind_name(p->kind));
    if (p) g->alignment = load_u32le(p->at);
    if (g->alignment == 0 || (g->alignment & (g->alignment - 1)) != 0 || g->alignment > max_alignment)
        return diag_in(r->diag, gguf_where(r->arena, g, p), DIAG_GGUF_ALIGNMENT, g->alignment, max_alignment);
    const char *at;
    uint64_t n;
    g->arch = "";
    p = gguf_find(g, "general.architecture");
    if (!p) return true;
    if (!gguf_string(p, &at, &n) || n > 64 || memchr(at, 0, n))
        return diag_in(r->diag, gguf_where(r->arena, g, p), DIAG_GGUF_KEY, "a string of at most 64 bytes",
                       gguf_kind_name(p->kind));
    g->arch = arena_strndup(r->arena, at, n);
    return true;
}

/* ---- tensors ---- */

/* Dimensions are kept outputs first, so ne[0] becomes the last. */
static bool take_info(struct gguf_reader *r, struct tensor *t, uint32_t *type, bool keep) {
    uint64_t rank, v;
    *t = (struct tensor){.file = &r->g->file};
    if (!take_name(r, GGUF_FIELD_NAME_LENGTH, GGUF_FIELD_NAME, TENSOR_MAX_NAME, keep ? &t->name : NULL)) return false;
    if (!take_within(r, GGUF_FIELD_RANK, 1, MAX_RANK, &rank)) return false;
    t->rank = (uint32_t)rank;
    uint64_t product = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        uint64_t at = r->at, *dim = &t->dim[t->rank - 1 - i];
        if (!take_within(r, GGUF_FIELD_DIM, 1, INT64_MAX, dim)) return false;
        if (!ck_mul(&product, product, *dim) || product > INT64_MAX)
            return diag_in(r->diag, gguf_field_where(r, GGUF_FIELD_DIM, at), DIAG_GGUF_OVERFLOW);
    }
    if (!gguf_take(r, GGUF_FIELD_TYPE, &v)) return false;
    *type = (uint32_t)v;
    return gguf_take(r, GGUF_FIELD_OFFSET, &t->offset);
}

static bool take_infos(struct gguf_reader *r) {
    struct tensor_file *f = &r->g->file;
    uint64_t start = r->at;
    struct tensor seen;
    uint32_t type;
    for (size_t i = 0; i < f->n; i++)
        if (!take_info(r, &seen, &type, false)) return false;
    r->at = start;
    r->quiet = true;
    f->tensor = arena_array(r->arena, struct tensor, f->n);
    uint32_t *raw_type = arena_array(r->arena, uint32_t, f->n);
    r->info = arena_array(r->arena, uint64_t, f->n);
    for (size_t i = 0; i < f->n; i++) {
        if (!take_info(r, &f->tensor[i], &raw_type[i], true)) return false;
        r->info[i] = r->at - 12;
    }
    return gguf_place_tensors(r, raw_type);
}

/* ---- names that occur twice ---- */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* A name that occurs twice; NULL: none. */
static const char *name_twice(const char **name, size_t n) {
    if (n) qsort(name, n, sizeof *name, by_text);
    for (size_t i = 0; i + 1 < n; i++)
        if (strcmp(name[i], name[i + 1]) == 0) return name[i];
    return NULL;
}

/* The second of the tensors with this name: its info ends in name, rank, dims, type, offset. */
static bool tensor_twice(struct gguf_reader *r, const char *name) {
    size_t i = r->g->file.n;
    while (strcmp(r->g->file.tensor[--i].name, name) != 0) {
    }
    uint64_t at = r->info[i] - 8 * (uint64_t)r->g->file.tensor[i].rank - 4 - strlen(name);
    return diag_in(r->diag, gguf_field_where(r, GGUF_FIELD_NAME, at), DIAG_GGUF_TWICE, name);
}

static bool key_twice(struct gguf_reader *r, const char *name) {
    size_t i = r->g->n_pairs;
    while (strcmp(r->g->pair[--i].key, name) != 0) {
    }
    return diag_in(r->diag, gguf_where(r->arena, r->g, &r->g->pair[i]), DIAG_GGUF_TWICE, name);
}

static bool names_differ(struct gguf_reader *r) {
    struct gguf_file *g = r->g;
    struct arena_mark m = arena_save(r->arena);
    const char **name = arena_array(r->arena, const char *, g->n_pairs > g->file.n ? g->n_pairs : g->file.n);
    for (size_t i = 0; i < g->n_pairs; i++) name[i] = g->pair[i].key;
    const char *key = name_twice(name, g->n_pairs);
    for (size_t i = 0; i < g->file.n; i++) name[i] = g->file.tensor[i].name;
    const char *tensor = key ? NULL : name_twice(name, g->file.n);
    arena_restore(r->arena, m);
    return key ? key_twice(r, key) : !tensor || tensor_twice(r, tensor);
}

/* ---- the whole ---- */

/* Rule 1. */
static bool take_start(struct gguf_reader *r) {
    const uint8_t *p;
    uint64_t version, at;
    if (!gguf_take_bytes(r, GGUF_FIELD_MAGIC, gguf_fields[GGUF_FIELD_MAGIC].bytes, &p)) return false;
    if (memcmp(p, "GGUF", 4) != 0) return diag_in(r->diag, gguf_field_where(r, GGUF_FIELD_MAGIC, 0), DIAG_GGUF_MAGIC);
    at = r->at;
    if (!gguf_take(r, GGUF_FIELD_VERSION, &version)) return false;
    const char *where = gguf_field_where(r, GGUF_FIELD_VERSION, at);
    if (version != 0 && (version & 0xffff) == 0) return diag_in(r->diag, where, DIAG_GGUF_ORDER);
    if (version != 2 && version != 3) return diag_in(r->diag, where, DIAG_GGUF_VERSION, version);
    r->g->version = (uint32_t)version;
    return true;
}

static bool read_header(struct gguf_reader *r) {
    struct gguf_file *g = r->g;
    uint64_t tensors, pairs;
    if (!take_start(r) || !take_count(r, GGUF_FIELD_N_TENSORS, LEAST_INFO, &tensors) ||
        !take_count(r, GGUF_FIELD_N_PAIRS, LEAST_PAIR, &pairs))
        return false;
    g->file.n = (size_t)tensors;
    g->n_pairs = (size_t)pairs;
    return take_pairs(r) && read_general(r) && take_infos(r) && names_differ(r);
}

bool gguf_open(struct diag *d, struct arena *a, const char *path, const struct gguf_dialect *how, struct gguf_file *g) {
    *g = (struct gguf_file){.file.path = arena_strdup(a, path)};
    if (!file_map(d, path, &g->file.map)) return false;
    struct gguf_reader r = {.diag = d, .arena = a, .how = how, .g = g};
    if (!read_header(&r)) {
        gguf_close(g);
        return false;
    }
    (void)madvise((void *)(uintptr_t)g->file.map.at, (size_t)g->file.map.n, MADV_SEQUENTIAL);
    return true;
}

void gguf_close(struct gguf_file *g) { file_unmap(&g->file.map); }
