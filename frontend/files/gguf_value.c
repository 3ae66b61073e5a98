/* gguf_value.c -- values of a GGUF file's pairs, read from the mapping where the reader found them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "frontend/files/gguf_impl.h"

// clang-format off
static const struct {
    const char *name;
    uint32_t bytes; /* 0: has a length of its own */
} kinds[GGUF_N_KINDS] = {
    [GGUF_U8] = {"u8", 1},   [GGUF_I8] = {"i8", 1},   [GGUF_U16] = {"u16", 2}, [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4}, [GGUF_I32] = {"i32", 4}, [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},
    [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0},
    [GGUF_U64] = {"u64", 8}, [GGUF_I64] = {"i64", 8}, [GGUF_F64] = {"f64", 8},
};
// clang-format on

const char *gguf_kind_name(enum gguf_kind k) { return kinds[k].name; }
uint32_t gguf_kind_bytes(enum gguf_kind k) { return kinds[k].bytes; }

const struct gguf_pair *gguf_find(const struct gguf_file *g, const char *key) {
    for (size_t i = 0; i < g->n_pairs; i++)
        if (strcmp(g->pair[i].key, key) == 0) return &g->pair[i];
    return NULL;
}

const char *gguf_where(struct arena *a, const struct gguf_file *g, const struct gguf_pair *p) {
    return arena_printf(a, "%s: key '%s', byte 0x%" PRIx64, g->file.path, p->key, (uint64_t)(p->at - g->file.map.at));
}

static bool int_of(enum gguf_kind kind, const uint8_t *p, int64_t *v) {
    switch (kind) {
    case GGUF_U8:
    case GGUF_BOOL: *v = p[0]; return true;
    case GGUF_I8: *v = (int8_t)p[0]; return true;
    case GGUF_U16: *v = load_u16le(p); return true;
    case GGUF_I16: *v = (int16_t)load_u16le(p); return true;
    case GGUF_U32: *v = load_u32le(p); return true;
    case GGUF_I32: *v = (int32_t)load_u32le(p); return true;
    case GGUF_U64: *v = (int64_t)load_u64le(p); return *v >= 0;
    case GGUF_I64: *v = (int64_t)load_u64le(p); return true;
    case GGUF_F32:
    case GGUF_F64:
    case GGUF_STRING:
    case GGUF_ARRAY:
    case GGUF_N_KINDS: break;
    }
    return false;
}

static bool real_of(enum gguf_kind kind, const uint8_t *p, double *v) {
    int64_t i;
    uint64_t bits;
    if (kind == GGUF_F32) {
        *v = (double)f32_of_bits(load_u32le(p));
    } else if (kind == GGUF_F64) {
        bits = load_u64le(p);
        memcpy(v, &bits, sizeof bits);
    } else {
        if (!int_of(kind, p, &i)) return false;
        *v = (double)i;
    }
    return true;
}

bool gguf_int(const struct gguf_pair *p, int64_t *v) { return int_of(p->kind, p->at, v); }
bool gguf_real(const struct gguf_pair *p, double *v) { return real_of(p->kind, p->at, v); }

bool gguf_string(const struct gguf_pair *p, const char **at, uint64_t *n) {
    if (p->kind != GGUF_STRING) return false;
    *at = (const char *)p->at;
    *n = p->bytes;
    return true;
}

bool gguf_int_at(const struct gguf_pair *p, uint64_t i, int64_t *v) {
    return p->kind == GGUF_ARRAY && i < p->count && int_of(p->elem, p->at + i * kinds[p->elem].bytes, v);
}

bool gguf_real_at(const struct gguf_pair *p, uint64_t i, double *v) {
    return p->kind == GGUF_ARRAY && i < p->count && real_of(p->elem, p->at + i * kinds[p->elem].bytes, v);
}

/* Lengths were checked when the file was opened. */
bool gguf_next_string(const struct gguf_pair *p, const uint8_t **cursor, const char **at, uint64_t *n) {
    if (p->kind != GGUF_ARRAY || p->elem != GGUF_STRING || *cursor >= p->at + p->bytes) return false;
    *n = load_u64le(*cursor);
    *at = (const char *)*cursor + 8;
    *cursor += 8 + *n;
    return true;
}
