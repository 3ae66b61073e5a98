/*
 * protobuf.h -- a cursor over one protobuf message of a stranger: its fields, one by one.
 *
 *     field   varint number << 3 | kind, then by kind: 0 varint; 1 eight bytes; 2 varint n, n bytes; 5 four bytes
 *
 * Nothing is copied; no field reaches beyond its message.  Transparent.
 */
#ifndef SETUN_FRONTEND_PROTOBUF_H
#define SETUN_FRONTEND_PROTOBUF_H

#include <stdint.h>

enum pb_kind { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb {
    const uint8_t *file; /* offsets count from here */
    const uint8_t *at, *end;
};

struct pb_field {
    uint32_t number;
    enum pb_kind kind;
    uint64_t offset;   /* of the field, in the file */
    uint64_t value;    /* of numbers */
    struct pb message; /* of bytes: what they span */
    const char *wrong; /* PB_BAD: what is wrong with it */
};

enum pb_got { PB_END, PB_FIELD, PB_BAD };

enum pb_got pb_next(struct pb *m, struct pb_field *f);

static inline uint64_t pb_size(const struct pb *m) { return (uint64_t)(m->end - m->at); }

#endif
