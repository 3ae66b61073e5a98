/*
 * gguf.h -- one GGUF file, mapped, with its header checked whole (docs/checkpoints.md has the rules).
 *
 *     "GGUF" | u32 version | u64 tensors | u64 pairs | pairs | tensor infos | padding | data
 *
 * Values stay in the mapping and are read by the functions below, which check kinds.
 */
#ifndef SETUN_FRONTEND_GGUF_H
#define SETUN_FRONTEND_GGUF_H

#include "base/diag.h"
#include "frontend/files/tensor.h"

enum gguf_kind {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_N_KINDS
};

struct gguf_pair {
    const char *key;
    enum gguf_kind kind;
    enum gguf_kind elem; /* of an array */
    uint64_t count;      /* of an array; 1 otherwise */
    const uint8_t *at;   /* the value, or the first element */
    uint64_t bytes;      /* of all elements */
};

struct gguf_file {
    struct tensor_file file; /* must be first */
    uint32_t version, alignment;
    uint64_t data; /* where the data section begins */
    struct gguf_pair *pair;
    size_t n_pairs;
    const char *arch; /* general.architecture, or "" */
};

/* The parts of a header (gguf_fields.def). */
enum gguf_field {
#define FIELD(id, ...) GGUF_FIELD_##id,
#include "frontend/files/gguf_fields.def"
    GGUF_N_FIELDS
};
struct gguf_field_info {
    const char *name;
    uint32_t bytes; /* 0: any number */
    uint32_t rule;  /* of docs/checkpoints.md */
    const char *about;
};
extern const struct gguf_field_info gguf_fields[GGUF_N_FIELDS];

/* How unmarked bytes are to be read; from --dialect. */
struct gguf_dialect {
    const struct ternary_format *i2_s; /* NULL: the default row order */
    struct tl_tiling tiling;           /* zero: by known shapes */
    /* For tests: told of each field, in order, as it is read.  May be NULL. */
    void (*watch)(void *self, enum gguf_field field, uint64_t at, uint64_t bytes);
    void *self;
};

/* "i2_s", "i2_s:arm", "i2_s:rows", "tl1=BM,BK,bm" or "tl2=BM,BK,bm".  false: reported. */
bool gguf_dialect_set(struct diag *d, const char *text, struct gguf_dialect *how);

/* Tables and names lie in the arena.  how may be NULL.  On false, which is reported, nothing needs closing. */
bool gguf_open(struct diag *d, struct arena *a, const char *path, const struct gguf_dialect *how, struct gguf_file *g);
void gguf_close(struct gguf_file *g);

const char *gguf_kind_name(enum gguf_kind k);                                  /* "u32" */
const struct gguf_pair *gguf_find(const struct gguf_file *g, const char *key); /* NULL: absent */
/* "model.gguf: key 'general.alignment', byte 0x40" */
const char *gguf_where(struct arena *a, const struct gguf_file *g, const struct gguf_pair *p);

/* Any integer kind, bool included, that fits; any number; a string.  false: another kind. */
bool gguf_int(const struct gguf_pair *p, int64_t *v);
bool gguf_real(const struct gguf_pair *p, double *v);
bool gguf_string(const struct gguf_pair *p, const char **at, uint64_t *n); /* not terminated, any bytes */

/* Element i of an array of integers or numbers (i < count). */
bool gguf_int_at(const struct gguf_pair *p, uint64_t i, int64_t *v);
bool gguf_real_at(const struct gguf_pair *p, uint64_t i, double *v);
/* An array of strings, in order: cursor starts as p->at; false after the last. */
bool gguf_next_string(const struct gguf_pair *p, const uint8_t **cursor, const char **at, uint64_t *n);

#endif
