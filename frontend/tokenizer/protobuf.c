/* protobuf.c -- see protobuf.h. */
#include "frontend/tokenizer/protobuf.h"

#include <stdbool.h>

#include "base/check.h"

/* Seven bits a byte, lowest first, the highest bit set on all but the last; at most ten bytes and 64 bits. */
static bool varint(struct pb *m, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 70 && m->at < m->end; shift += 7) {
        uint8_t byte = *m->at++;
        if (shift == 63 && byte > 1) return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static enum pb_got bad(struct pb_field *f, const char *wrong) {
    f->wrong = wrong;
    return PB_BAD;
}

static enum pb_got fixed(struct pb *m, struct pb_field *f, uint64_t bytes) {
    if (pb_size(m) < bytes) return bad(f, "ends before its value");
    f->value = bytes == 8 ? load_u64le(m->at) : load_u32le(m->at);
    m->at += bytes;
    return PB_FIELD;
}

enum pb_got pb_next(struct pb *m, struct pb_field *f) {
    uint64_t tag, n;
    if (m->at == m->end) return PB_END;
    *f = (struct pb_field){.offset = (uint64_t)(m->at - m->file)};
    if (!varint(m, &tag)) return bad(f, "has no whole tag");
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return bad(f, "has a number that is none");
    f->number = (uint32_t)(tag >> 3);
    f->kind = (enum pb_kind)(tag & 7);
    switch (tag & 7) {
    case PB_VARINT: return varint(m, &f->value) ? PB_FIELD : bad(f, "has no whole varint");
    case PB_FIXED64: return fixed(m, f, 8);
    case PB_FIXED32: return fixed(m, f, 4);
    case PB_BYTES: break;
    default: return bad(f, "is of a kind that is none");
    }
    if (!varint(m, &n)) return bad(f, "has no whole length");
    if (n > pb_size(m)) return bad(f, "is longer than what is left of its message");
    f->message = (struct pb){m->file, m->at, m->at + n};
    m->at += n;
    return PB_FIELD;
}
