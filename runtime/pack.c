/*
 * pack.c -- checks of the pack: sizes and places by arithmetic that cannot overflow, contents by hash.
 *
 * Pure: these functions look at memory only (self.c maps the file), so tests can feed them anything.
 */
#include "runtime/pack.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/rt.h"

SETUN_PRINTF_LIKE(3, 4)
static bool wrong(char *why, size_t size, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, size, fmt, args);
    va_end(args);
    return false;
}

#define ULL(x) ((unsigned long long)(x))

bool setun_footer_check(const struct setun_footer *f, uint64_t file_bytes, char *why, size_t why_size) {
    uint64_t end;
    if (f->magic != SETUN_FOOTER_MAGIC) {
        return wrong(why, why_size, "the weight pack is missing: was this file stripped or cut short?");
    }
    if (f->pack_offset % SETUN_PACK_ALIGN != 0 || f->pack_bytes < sizeof(struct setun_pack) ||
        !setun_add(&end, f->pack_offset, f->pack_bytes) || !setun_add(&end, end, sizeof *f) || end != file_bytes) {
        return wrong(why, why_size, "the footer says that %llu bytes of pack begin at %llu, the file has %llu",
                     ULL(f->pack_bytes), ULL(f->pack_offset), ULL(file_bytes));
    }
    return true;
}

/* Sections follow the header and each other, the data follows them, and nothing overlaps. */
static bool check_places(const struct setun_pack *p, uint64_t bytes, uint64_t *hashed_end, char *why, size_t size) {
    uint64_t at = sizeof *p;
    for (int i = 0; i < SETUN_N_SECTIONS; i++) {
        const struct setun_span *s = &p->section[i];
        if (s->offset % 64 != 0 || s->offset < at || s->offset > bytes || s->bytes > bytes - s->offset) {
            return wrong(why, size, "section %d: %llu bytes at %llu do not lie between %llu and %llu", i, ULL(s->bytes),
                         ULL(s->offset), ULL(at), ULL(bytes));
        }
        at = s->offset + s->bytes;
    }
    *hashed_end = at;
    if (p->data.offset % SETUN_PACK_ALIGN != 0 || p->data.offset < at || p->data.offset > bytes ||
        p->data.bytes > bytes - p->data.offset) {
        return wrong(why, size, "data: %llu bytes at %llu do not lie between %llu and %llu", ULL(p->data.bytes),
                     ULL(p->data.offset), ULL(at), ULL(bytes));
    }
    return true;
}

bool setun_pack_check(const void *at, uint64_t bytes, uint64_t id, const struct setun_model *m, char *why,
                      size_t size) {
    const struct setun_pack *p = at;
    uint64_t end = 0;
    if (bytes < sizeof *p) return wrong(why, size, "%llu bytes are too few for its header", ULL(bytes));
    if (p->magic != SETUN_PACK_MAGIC) return wrong(why, size, "its first bytes are not those of a pack");
    if (p->abi != SETUN_ABI) return wrong(why, size, "it has version %u, the code wants %u", p->abi, SETUN_ABI);
    if (p->n_sections != SETUN_N_SECTIONS) {
        return wrong(why, size, "it has %u sections instead of %d", p->n_sections, SETUN_N_SECTIONS);
    }
    if (!check_places(p, bytes, &end, why, size)) return false;
    if (p->id != id || (m && p->id != m->pack_id)) {
        return wrong(why, size, "it belongs to other code (id %016llx, the code has %016llx)", ULL(p->id),
                     ULL(m ? m->pack_id : id));
    }
    if (m && p->data.bytes != m->weight_bytes) {
        return wrong(why, size, "it has %llu bytes of data, the code wants %llu", ULL(p->data.bytes),
                     ULL(m->weight_bytes));
    }
    uint64_t from = offsetof(struct setun_pack, data), hash = setun_hash((const uint8_t *)at + from, end - from);
    if (hash != p->header_hash) {
        return wrong(why, size, "the header is damaged (its hash is %016llx instead of %016llx)", ULL(hash),
                     ULL(p->header_hash));
    }
    return true;
}

bool setun_pack_at(struct setun_mapped_pack *p, const void *at, uint64_t bytes, uint64_t id,
                   const struct setun_model *m, char *why, size_t size) {
    if (!setun_pack_check(at, bytes, id, m, why, size)) return false;
    p->head = at;
    p->bytes = bytes;
    p->data = (const uint8_t *)at + p->head->data.offset;
    return true;
}

static bool check_tensor(const struct setun_tensor *t, uint32_t i, uint32_t n, uint64_t bytes, uint64_t data_bytes,
                         char *why, size_t size) {
    if (t->name < (uint64_t)n * sizeof *t || t->name > bytes || t->name_bytes > bytes - t->name) {
        return wrong(why, size, "tensor %u: its name leaves the section", i);
    }
    uint64_t last;
    uint32_t layers = t->layers > 0 ? t->layers : 1;
    if (!setun_mul(&last, t->layer_stride, layers - 1) || !setun_add(&last, last, t->offset) || last > data_bytes ||
        t->screen_offset > data_bytes) {
        return wrong(why, size, "tensor %u lies outside the data", i);
    }
    if (t->rank > 4) return wrong(why, size, "tensor %u has rank %u", i, t->rank);
    return true;
}

bool setun_tensors_check(const void *section, uint64_t bytes, uint64_t data_bytes, uint32_t *n, char *why,
                         size_t size) {
    const struct setun_tensor *t = section;
    *n = 0;
    if (bytes == 0) return true;
    if (bytes < sizeof *t || t->name % sizeof *t != 0 || t->name > bytes || t->name == 0) {
        return wrong(why, size, "the tensor table does not fit its section");
    }
    *n = (uint32_t)(t->name / sizeof *t);
    for (uint32_t i = 0; i < *n; i++) {
        if (!check_tensor(&t[i], i, *n, bytes, data_bytes, why, size)) return false;
    }
    return true;
}

bool setun_pack_verify(const struct setun_mapped_pack *p, uint64_t *found) {
    *found = setun_hash(p->data, p->head->data.bytes);
    return *found == p->head->data_hash;
}
