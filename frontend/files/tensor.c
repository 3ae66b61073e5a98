/* tensor.c -- see tensor.h: how tensors are named in messages. */
#include "frontend/files/tensor.h"

#include <inttypes.h>

#include "base/str.h"

const char *tensor_where(struct arena *a, const struct tensor *t, uint64_t byte) {
    return arena_printf(a, "%s: tensor '%s', byte 0x%" PRIx64, t->file->path, t->name, t->offset + byte);
}

const char *tensor_shape_text(struct arena *a, uint32_t rank, const uint64_t *dim) {
    struct buf b = {0};
    buf_put(&b, "[", 1);
    for (uint32_t i = 0; i < rank; i++) buf_printf(&b, "%s%" PRIu64, i ? ", " : "", dim[i]);
    buf_put(&b, "]", 1);
    const char *text = arena_strndup(a, b.at, b.n);
    buf_free(&b);
    return text;
}
