/* gguf_impl.h -- what the files of the GGUF reader share; nobody else includes it. */
#ifndef SETUN_FRONTEND_GGUF_IMPL_H
#define SETUN_FRONTEND_GGUF_IMPL_H

#include "frontend/files/gguf.h"

uint32_t gguf_kind_bytes(enum gguf_kind k); /* 0: strings and arrays */

/* Reads fields one after another. */
struct gguf_reader {
    struct diag *diag;
    struct arena *arena;
    const struct gguf_dialect *how;
    struct gguf_file *g;
    uint64_t at;    /* the next byte */
    bool quiet;     /* a second walk over what was checked: nobody watches */
    uint64_t *info; /* by tensor: where its type stands, which its offset follows */
};

/* Where a field that begins at `at` stands: "model.gguf: tensor type, byte 0x40". */
const char *gguf_field_where(const struct gguf_reader *r, enum gguf_field f, uint64_t at);
/* A number, as wide as the table says.  false: reported. */
bool gguf_take(struct gguf_reader *r, enum gguf_field f, uint64_t *v);
/* n bytes. */
bool gguf_take_bytes(struct gguf_reader *r, enum gguf_field f, uint64_t n, const uint8_t **p);

/* Types, sizes and offsets of all tensors, whose dims and raw type and offset were read (rules 7 to 9). */
bool gguf_place_tensors(struct gguf_reader *r, const uint32_t *raw_type);

#endif
