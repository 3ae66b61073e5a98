/*
 * tensor.h -- a tensor of a checkpoint file, whatever the container: what safetensors.c and gguf.c hand out.
 *
 * Its bytes lie inside the mapping: that was checked when the file was opened.  Data is not aligned: read it with
 * memcpy or the loads of base/check.h.
 */
#ifndef SETUN_FRONTEND_TENSOR_H
#define SETUN_FRONTEND_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "codec/ternary.h"
#include "codec/types.h"

enum { TENSOR_MAX_RANK = 8, TENSOR_MAX_NAME = 1024 };

/* A file that holds tensors, mapped. */
struct tensor_file {
    const char *path;
    struct mapped map;
    struct tensor *tensor; /* ordered by offset */
    size_t n;
};

struct tensor {
    const char *name; /* as in the file */
    enum tensor_type type;
    const struct ternary_format *format; /* of type TERNARY: the dialect; otherwise NULL */
    struct tl_tiling tiling;             /* TL1, TL2 */
    uint32_t rank;
    uint64_t dim[TENSOR_MAX_RANK]; /* outputs first, the fastest axis last (GGUF's ne reversed) */
    uint64_t offset, bytes;        /* in the file */
    const struct tensor_file *file;
    bool used; /* somebody asked for it */
};

static inline const uint8_t *tensor_data(const struct tensor *t) { return t->file->map.at + t->offset; }
/* "model.gguf: tensor 'x', byte 0x40", at a byte of the tensor. */
const char *tensor_where(struct arena *a, const struct tensor *t, uint64_t byte);
/* "[640, 2560]" */
const char *tensor_shape_text(struct arena *a, uint32_t rank, const uint64_t *dim);

#endif
