/* gguf_build.h -- a GGUF file for tests of readers, made pair by pair and tensor by tensor. */
#ifndef SETUN_TEST_GGUF_BUILD_H
#define SETUN_TEST_GGUF_BUILD_H

#include "base/check.h"
#include "base/str.h"
#include "frontend/files/gguf.h"
#include "test/unit/readers.h"

struct build {
    struct buf pairs, infos, data;
    uint64_t n_pairs, n_tensors;
};

static inline void put_le(struct buf *b, size_t bytes, uint64_t v) {
    for (size_t i = 0; i < bytes; i++) buf_put(b, &(uint8_t){(uint8_t)(v >> 8 * i)}, 1);
}
static inline void put_str(struct buf *b, const char *s) {
    put_le(b, 8, strlen(s));
    buf_put(b, s, strlen(s));
}
static inline void add_key(struct build *b, const char *key, enum gguf_kind kind) {
    put_str(&b->pairs, key);
    put_le(&b->pairs, 4, kind);
    b->n_pairs++;
}
static inline void add_text(struct build *b, const char *key, const char *text) {
    add_key(b, key, GGUF_STRING);
    put_str(&b->pairs, text);
}
static inline void add_u32(struct build *b, const char *key, uint32_t v) {
    add_key(b, key, GGUF_U32);
    put_le(&b->pairs, 4, v);
}
static inline void add_f32(struct build *b, const char *key, float v) {
    add_key(b, key, GGUF_F32);
    put_le(&b->pairs, 4, bits_of_f32(v));
}
static inline void add_u32s(struct build *b, const char *key, uint64_t n, const uint32_t *v) {
    add_key(b, key, GGUF_ARRAY);
    put_le(&b->pairs, 4, GGUF_U32);
    put_le(&b->pairs, 8, n);
    for (uint64_t i = 0; i < n; i++) put_le(&b->pairs, 4, v[i]);
}
/* rows 0: a vector. */
static inline void add_tensor(struct build *b, const char *name, uint64_t rows, uint64_t cols, uint32_t type,
                              const void *p, size_t n) {
    put_str(&b->infos, name);
    put_le(&b->infos, 4, rows ? 2 : 1);
    put_le(&b->infos, 8, cols);
    if (rows) put_le(&b->infos, 8, rows);
    put_le(&b->infos, 4, type);
    put_le(&b->infos, 8, b->data.n);
    buf_put(&b->data, p, n);
    while (b->data.n % 32) put_le(&b->data, 1, 0);
    b->n_tensors++;
}
static inline void add_floats(struct build *b, const char *name, uint64_t rows, uint64_t cols, const float *v) {
    add_tensor(b, name, rows, cols, 0, v, 4 * (size_t)((rows ? rows : 1) * cols));
}
/* Writes the file and forgets what it was made of. */
static inline void end_build(struct build *b, const char *name) {
    struct buf all = {0};
    buf_put(&all, "GGUF", 4);
    put_le(&all, 4, 3);
    put_le(&all, 8, b->n_tensors);
    put_le(&all, 8, b->n_pairs);
    buf_put(&all, b->pairs.at, b->pairs.n);
    buf_put(&all, b->infos.at, b->infos.n);
    while (all.n % 32) put_le(&all, 1, 0);
    buf_put(&all, b->data.at, b->data.n);
    put_file(name, all.at, all.n);
    buf_free(&all);
    buf_free(&b->pairs);
    buf_free(&b->infos);
    buf_free(&b->data);
    *b = (struct build){0};
}

#endif
