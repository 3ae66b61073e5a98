/* gguf_write.c -- the header of a GGUF file, version 3 (tensor_write.h; docs/checkpoints.md has the rules). */
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "frontend/files/tensor_write.h"

bool gguf_holds(enum tensor_type t) { return tensor_types[t].gguf >= 0 || t == TYPE_Q2_0_128; }

/* ---- numbers, strings ---- */

static void put_number(struct buf *b, uint64_t v, unsigned bytes) {
    uint8_t p[8];
    for (unsigned i = 0; i < bytes; i++) p[i] = (uint8_t)(v >> 8 * i);
    buf_put(b, p, bytes);
}

static void put_text(struct buf *b, const char *text) {
    put_number(b, strlen(text), 8);
    buf_put(b, text, strlen(text));
}

static void begin_pair(struct gguf_pairs *p, const char *key, enum gguf_kind kind) {
    put_text(&p->bytes, key);
    put_number(&p->bytes, kind, 4);
    p->n++;
}

void gguf_pairs_free(struct gguf_pairs *p) { buf_free(&p->bytes); }

void gguf_put_u32(struct gguf_pairs *p, const char *key, uint32_t v) {
    begin_pair(p, key, GGUF_U32);
    put_number(&p->bytes, v, 4);
}

void gguf_put_f32(struct gguf_pairs *p, const char *key, float v) {
    begin_pair(p, key, GGUF_F32);
    put_number(&p->bytes, bits_of_f32(v), 4);
}

void gguf_put_bool(struct gguf_pairs *p, const char *key, bool v) {
    begin_pair(p, key, GGUF_BOOL);
    put_number(&p->bytes, v, 1);
}

void gguf_put_string(struct gguf_pairs *p, const char *key, const char *text) {
    begin_pair(p, key, GGUF_STRING);
    put_text(&p->bytes, text);
}

void gguf_put_pair(struct gguf_pairs *p, const struct gguf_pair *pair) {
    begin_pair(p, pair->key, pair->kind);
    if (pair->kind == GGUF_ARRAY) {
        put_number(&p->bytes, pair->elem, 4);
        put_number(&p->bytes, pair->count, 8);
    }
    if (pair->kind == GGUF_STRING) put_number(&p->bytes, pair->bytes, 8); /* `at` is behind the length */
    buf_put(&p->bytes, pair->at, (size_t)pair->bytes);
}

/* ---- header ---- */

static uint32_t type_id(enum tensor_type t) {
    if (t == TYPE_Q2_0_128) t = TYPE_Q2_0; /* one id for both; the size tells */
    if (tensor_types[t].gguf < 0) BUG("GGUF has no %s", tensor_types[t].name);
    return (uint32_t)tensor_types[t].gguf;
}

/* Name, dimensions with the fastest first, type, offset. */
static bool put_info(struct buf *b, const struct tensor_plan *t, uint64_t *at) {
    put_text(b, t->name);
    put_number(b, t->rank, 4);
    for (uint32_t i = t->rank; i-- > 0;) put_number(b, t->dim[i], 8);
    put_number(b, type_id(t->type), 4);
    put_number(b, *at, 8);
    return ck_add(at, *at, t->bytes) && ck_align(at, *at, GGUF_WRITTEN_ALIGNMENT);
}

bool gguf_write_header(struct diag *d, struct out *o, const char *path, const struct gguf_pairs *p,
                       const struct tensor_plan *t, size_t n) {
    struct buf b = {0};
    uint64_t at = 0;
    bool ok = true;
    buf_put(&b, "GGUF", 4);
    put_number(&b, 3, 4);
    put_number(&b, n, 8);
    put_number(&b, p->n, 8);
    buf_put(&b, p->bytes.at, p->bytes.n);
    for (size_t i = 0; ok && i < n; i++) ok = put_info(&b, &t[i], &at);
    if (!ok) diag_in(d, path, DIAG_SYNTH_TOO_LARGE);
    ok = ok && out_write(o, b.at, b.n) && out_pad(o, GGUF_WRITTEN_ALIGNMENT);
    buf_free(&b);
    return ok;
}
