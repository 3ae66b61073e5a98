/*
 * tensor_write.h -- files of tensors, written: a header from a list of tensors, then their bytes in order.
 *
 * Both containers know all sizes before the first byte of data, so that data streams.  Names and sizes are the
 * caller's to get right.
 */
#ifndef SETUN_FRONTEND_TENSOR_WRITE_H
#define SETUN_FRONTEND_TENSOR_WRITE_H

#include "base/file.h"
#include "base/str.h"
#include "frontend/files/gguf.h"

/* A tensor that will be written. */
struct tensor_plan {
    const char *name;
    enum tensor_type type; /* one that the container holds */
    uint32_t rank;
    uint64_t dim[TENSOR_MAX_RANK]; /* outputs first, as in struct tensor */
    uint64_t bytes;
};

/* Can a container hold this type? */
bool safetensors_holds(enum tensor_type t);
bool gguf_holds(enum tensor_type t);

/* u64 N | JSON, padded to a multiple of 8.   false: reported. */
bool safetensors_write_header(struct diag *d, struct out *o, const char *path, const struct tensor_plan *t, size_t n);

/* Pairs of a GGUF that is being written.  Zeroes begin one; gguf_pairs_free ends it. */
struct gguf_pairs {
    struct buf bytes;
    uint64_t n;
};
void gguf_pairs_free(struct gguf_pairs *p);
void gguf_put_u32(struct gguf_pairs *p, const char *key, uint32_t v);
void gguf_put_f32(struct gguf_pairs *p, const char *key, float v);
void gguf_put_bool(struct gguf_pairs *p, const char *key, bool v);
void gguf_put_string(struct gguf_pairs *p, const char *key, const char *text);
/* As another file has it. */
void gguf_put_pair(struct gguf_pairs *p, const struct gguf_pair *pair);

enum { GGUF_WRITTEN_ALIGNMENT = 32 };
/* Version 3, up to the data section.  Each tensor's bytes are padded to the alignment by out_pad, the last too. */
bool gguf_write_header(struct diag *d, struct out *o, const char *path, const struct gguf_pairs *p,
                       const struct tensor_plan *t, size_t n);

#endif
