/*
 * safetensors.h -- one safetensors file, mapped, with its header checked whole.
 *
 *     u64 N | N bytes of JSON | data
 *
 * Rules are numbered as in docs/checkpoints.md and enforced before any tensor is handed out, so a tensor's bytes
 * always lie inside the mapping.  Data is not aligned: read it with memcpy or the loads of base/check.h.
 */
#ifndef SETUN_FRONTEND_SAFETENSORS_H
#define SETUN_FRONTEND_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/file.h"

enum { ST_MAX_RANK = 8, ST_MAX_NAME = 1024 };

/* Every dtype of the format; bits == 0: known, but not read by this version. */
// clang-format off
#define ST_DTYPES(X)                                                   \
    X(BOOL, 8) X(U8, 8) X(I8, 8) X(F8_E5M2, 8) X(F8_E4M3, 8)           \
    X(F8_E8M0, 8) X(I16, 16) X(U16, 16) X(F16, 16) X(BF16, 16)         \
    X(I32, 32) X(U32, 32) X(F32, 32) X(I64, 64) X(U64, 64) X(F64, 64)  \
    X(F4, 0) X(F6_E2M3, 0) X(F6_E3M2, 0) X(C64, 0)                     \
    X(F8_E4M3FNUZ, 0) X(F8_E5M2FNUZ, 0)
enum st_dtype {
#define X(name, bits) ST_##name,
    ST_DTYPES(X)
#undef X
    ST_N_DTYPES
};
// clang-format on
const char *st_dtype_name(enum st_dtype t);

struct st_file;

struct st_tensor {
    const char *name;
    enum st_dtype dtype;
    uint32_t rank;
    uint64_t dim[ST_MAX_RANK];
    uint64_t offset, bytes; /* in the file */
    const struct st_file *file;
    bool used; /* somebody asked for it */
};

struct st_file {
    const char *path;
    struct mapped map;
    struct st_tensor *tensor; /* ordered by offset */
    size_t n;
};

/* Tables and names lie in the arena.  On false nothing needs closing. */
bool st_open(struct diag *d, struct arena *a, const char *path, struct st_file *f);
void st_close(struct st_file *f);

static inline const uint8_t *st_data(const struct st_tensor *t) { return t->file->map.at + t->offset; }
/* "model.safetensors: tensor 'x', byte 0x40", at a byte of the tensor. */
const char *st_where(struct arena *a, const struct st_tensor *t, uint64_t byte);
/* "[640, 2560]" */
const char *st_shape_text(struct arena *a, uint32_t rank, const uint64_t *dim);

#endif
