/* safetensors.c -- see safetensors.h; the numbers of rules are those of docs/checkpoints.md. */
#include "frontend/files/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "frontend/files/json.h"

static const uint64_t max_header = 100000000;
/* {name: {"shape": [...]}} is three deep.  A tensor takes about ten values. */
static const struct jlimits header_limits = {.bytes = SIZE_MAX, .depth = 3, .values = 4000000};

const char *const st_fields[ST_N_FIELDS] = {
#define FIELD(id, name, ...) name,
#include "frontend/files/safetensors_fields.def"
};

struct reader {
    struct diag *diag;
    struct arena *arena;
    struct tensor_file *file;
    uint64_t data; /* where the data section begins */
};

static const char *at_tensor(const struct reader *r, const char *name) {
    const uint8_t *header = r->file->map.at + 8, *at = header;
    size_t n = strlen(name), left = (size_t)r->data - 8;
    /* Where it stands: as the key of its entry, unless it is written with escapes. */
    while (left > n + 2 && (at = memchr(at, '"', left - n - 1)) != NULL) {
        if (memcmp(at + 1, name, n) == 0 && at[n + 1] == '"')
            return arena_printf(r->arena, "%s: tensor '%.200s', byte 0x%zx", r->file->path, name,
                                (size_t)(at - header) + 9);
        left = (size_t)r->data - 8 - (size_t)(++at - header);
    }
    return arena_printf(r->arena, "%s: tensor '%.200s', in the header from byte 0x8 on", r->file->path, name);
}

/* ---- one entry of the header ---- */

/* Rule 3: exact case. */
static bool read_dtype(const struct reader *r, const json_t *entry, struct tensor *t) {
    const json_t *v = json_object_get(entry, st_fields[ST_FIELD_DTYPE]);
    if (!json_is_string(v))
        return diag_in(r->diag, at_tensor(r, t->name), DIAG_ST_FIELD, st_fields[ST_FIELD_DTYPE], "a string",
                       json_kind(v));
    for (size_t i = 0; i < N_TENSOR_TYPES; i++) {
        const char *name = tensor_types[i].safetensors;
        if (!name || strcmp(json_string_value(v), name) != 0) continue;
        t->type = (enum tensor_type)i;
        return tensor_types[i].block || diag_in(r->diag, at_tensor(r, t->name), DIAG_ST_DTYPE_UNSUPPORTED, name);
    }
    return diag_in(r->diag, at_tensor(r, t->name), DIAG_ST_DTYPE, json_string_value(v));
}

/* A list of non-negative integers. */
static bool read_list(const struct reader *r, const char *name, const json_t *entry, const char *key, size_t least,
                      size_t most, uint64_t *out, size_t *n) {
    const json_t *v = json_object_get(entry, key);
    if (!json_is_array(v))
        return diag_in(r->diag, at_tensor(r, name), DIAG_ST_FIELD, key, "a list of integers", json_kind(v));
    *n = json_array_size(v);
    if (*n < least || *n > most) return diag_in(r->diag, at_tensor(r, name), DIAG_ST_LENGTH, key, *n, least, most);
    for (size_t i = 0; i < *n; i++) {
        const json_t *e = json_array_get(v, i);
        if (!json_is_integer(e) || json_integer_value(e) < 0)
            return diag_in(r->diag, at_tensor(r, name), DIAG_ST_FIELD, key, "integers from 0",
                           json_is_integer(e) ? "a negative one" : json_kind(e));
        out[i] = (uint64_t)json_integer_value(e);
    }
    return true;
}

/* Rule 4: the product of the shape is what the offsets leave. */
static bool check_size(const struct reader *r, const struct tensor *t, uint64_t begin, uint64_t end) {
    if (begin > end) return diag_in(r->diag, at_tensor(r, t->name), DIAG_ST_REVERSED, begin, end);
    uint64_t need = tensor_types[t->type].bytes;
    bool fits = true;
    for (uint32_t i = 0; i < t->rank; i++) fits = fits && ck_mul(&need, need, t->dim[i]);
    const char *shape = tensor_shape_text(r->arena, t->rank, t->dim);
    if (!fits) return diag_in(r->diag, at_tensor(r, t->name), DIAG_ST_OVERFLOW, shape);
    return need == end - begin || diag_in(r->diag, at_tensor(r, t->name), DIAG_ST_SIZE,
                                          tensor_types[t->type].safetensors, shape, need, end - begin);
}

static bool read_entry(const struct reader *r, const char *name, const json_t *entry, struct tensor *t) {
    size_t length = strlen(name), n = 0;
    uint64_t span[2] = {0};
    if (length > TENSOR_MAX_NAME)
        return diag_in(r->diag, at_tensor(r, name), DIAG_ST_NAME, length, (size_t)TENSOR_MAX_NAME);
    *t = (struct tensor){.name = arena_strdup(r->arena, name), .file = r->file};
    if (!json_is_object(entry))
        return diag_in(r->diag, at_tensor(r, name), DIAG_JSON_TYPE, "an object", json_kind(entry));
    if (json_object_size(entry) > 3) return diag_in(r->diag, at_tensor(r, name), DIAG_ST_KEYS);
    if (!read_dtype(r, entry, t)) return false;
    if (!read_list(r, name, entry, st_fields[ST_FIELD_SHAPE], 0, TENSOR_MAX_RANK, t->dim, &n)) return false;
    t->rank = (uint32_t)n;
    if (!read_list(r, name, entry, st_fields[ST_FIELD_OFFSETS], 2, 2, span, &n)) return false;
    if (!check_size(r, t, span[0], span[1])) return false;
    uint64_t end;
    if (!ck_add(&end, r->data, span[1]) || end > r->file->map.n)
        return diag_in(r->diag, at_tensor(r, name), DIAG_ST_BEYOND, span[1], r->file->map.n - r->data);
    t->offset = r->data + span[0];
    t->bytes = span[1] - span[0];
    return true;
}

static bool check_metadata(const struct reader *r, json_t *metadata) {
    const char *key;
    json_t *v;
    const char *where = at_tensor(r, st_fields[ST_FIELD_METADATA]);
    if (!json_is_object(metadata)) return diag_in(r->diag, where, DIAG_JSON_TYPE, "an object", json_kind(metadata));
    json_object_foreach(metadata, key, v) {
        if (!json_is_string(v)) return diag_in(r->diag, where, DIAG_JSON_TYPE, "strings only", json_kind(v));
    }
    return true;
}

/* ---- the whole ---- */

static int by_offset(const void *a, const void *b) {
    const struct tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1; /* empty tensors first */
    return strcmp(x->name, y->name);
}

/* Rule 5: no holes, no overlap, nothing behind. */
static bool check_order(const struct reader *r) {
    const struct tensor_file *f = r->file;
    uint64_t at = r->data;
    const char *before = NULL;
    for (size_t i = 0; i < f->n; i++) {
        const struct tensor *t = &f->tensor[i];
        if (t->offset != at) {
            diag_in(r->diag, tensor_where(r->arena, t, 0), t->offset < at ? DIAG_ST_OVERLAP : DIAG_ST_HOLE,
                    t->offset - r->data, at - r->data);
            if (before) diag_note_in(r->diag, f->path, "the tensor before it is '%s'", before);
            return false;
        }
        at += t->bytes;
        before = t->name;
    }
    return at == f->map.n || diag_in(r->diag, arena_printf(r->arena, "%s: byte 0x%" PRIx64, f->path, at), DIAG_ST_TAIL,
                                     at - r->data, f->map.n - r->data);
}

static bool read_tensors(const struct reader *r, json_t *header) {
    struct tensor_file *f = r->file;
    f->tensor = arena_array(r->arena, struct tensor, json_object_size(header));
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, st_fields[ST_FIELD_METADATA]) == 0) {
            if (!check_metadata(r, entry)) return false;
        } else if (!read_entry(r, name, entry, &f->tensor[f->n++])) {
            return false;
        }
    }
    if (f->n) qsort(f->tensor, f->n, sizeof *f->tensor, by_offset);
    return check_order(r);
}

/* Rules 1 and 2. */
static bool read_header(struct reader *r) {
    const struct mapped *m = &r->file->map;
    const char *length = arena_printf(r->arena, "%s: header length, byte 0x0", r->file->path);
    if (m->n < 8) return diag_in(r->diag, length, DIAG_ST_SHORT, m->n);
    uint64_t n = load_u64le(m->at);
    if (n > max_header) return diag_in(r->diag, length, DIAG_ST_HEADER_LONG, n, max_header);
    if (n > m->n - 8) return diag_in(r->diag, length, DIAG_ST_TRUNCATED, n, m->n);
    if (n == 0 || m->at[8] != '{') return diag_in(r->diag, r->file->path, DIAG_ST_BRACE);
    r->data = 8 + n;
    const char *where = arena_printf(r->arena, "%s: header", r->file->path);
    struct jfile j;
    if (!jfile_parse(&j, r->diag, r->arena, where, (const char *)m->at + 8, (size_t)n, header_limits)) return false;
    bool ok = read_tensors(r, j.root);
    jfile_close(&j);
    return ok;
}

bool st_open(struct diag *d, struct arena *a, const char *path, struct tensor_file *f) {
    *f = (struct tensor_file){.path = arena_strdup(a, path)};
    if (!file_map(d, path, &f->map)) return false;
    struct reader r = {.diag = d, .arena = a, .file = f};
    if (!read_header(&r)) {
        st_close(f);
        return false;
    }
    (void)madvise((void *)(uintptr_t)f->map.at, (size_t)f->map.n, MADV_SEQUENTIAL);
    return true;
}

void st_close(struct tensor_file *f) { file_unmap(&f->map); }
