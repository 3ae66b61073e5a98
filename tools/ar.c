/*
 * ar.c -- see ar.h.
 *
 *   "!<arch>\n" | header, index of symbols | header, member | header, member
 *
 * The index is that of System V: the number of symbols, where the member of each begins (32 bits, big-endian), names.
 * Sizes and places are written when they are known.  Dates and owners are 0.
 */
#include "tools/ar.h"

#include <ar.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/str.h"

enum { MAGIC = 8, SIZE_AT = 48 };
_Static_assert(sizeof(struct ar_hdr) == 60 && offsetof(struct ar_hdr, ar_size) == SIZE_AT, "ar");

void ar_symbol(struct arena *a, struct ar *ar, const char *name, uint32_t member) {
    struct ar_symbol *s = vec_push(a, &ar->symbols);
    *s = (struct ar_symbol){.name = name, .member = member};
}

static bool put_header(struct out *o, const char *name) {
    char text[sizeof(struct ar_hdr) + 1];
    snprintf(text, sizeof text, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "644", 0);
    return out_write(o, text, sizeof(struct ar_hdr));
}

/* The header at `at` is of what was written since. */
static bool set_size(const struct ar *ar, uint64_t at) {
    char text[32];
    uint64_t n = out_tell(ar->out) - at - sizeof(struct ar_hdr);
    if (snprintf(text, sizeof text, "%-10llu", (unsigned long long)n) != 10) {
        return diag_in(ar->diag, NULL, DIAG_ARCHIVE_SIZE, (unsigned long long)n);
    }
    return out_patch(ar->out, at + SIZE_AT, text, 10) && out_pad(ar->out, 2);
}

static void put_be32(struct buf *b, uint64_t x) {
    const uint8_t bytes[4] = {(uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x};
    buf_put(b, bytes, sizeof bytes);
}

static void make_index(const struct ar *ar, struct buf *b) {
    put_be32(b, ar->symbols.n);
    for (size_t i = 0; i < ar->symbols.n; i++) put_be32(b, ar->start[ar->symbols.at[i].member]);
    for (size_t i = 0; i < ar->symbols.n; i++) buf_put(b, ar->symbols.at[i].name, strlen(ar->symbols.at[i].name) + 1);
}

bool ar_begin(struct ar *ar) {
    struct buf index = {0};
    make_index(ar, &index); /* of the right size; its numbers follow at the end */
    bool ok = out_write(ar->out, ARMAG, MAGIC) && put_header(ar->out, "/") && out_write(ar->out, index.at, index.n) &&
              set_size(ar, MAGIC);
    buf_free(&index);
    return ok;
}

static bool end_member(struct ar *ar) { return ar->n == 0 || set_size(ar, ar->start[ar->n - 1]); }

bool ar_member(struct ar *ar, const char *name) {
    char text[17];
    if (ar->n == AR_MEMBERS) BUG("an archive of more than %d members", AR_MEMBERS);
    if (!end_member(ar)) return false;
    ar->start[ar->n++] = out_tell(ar->out);
    snprintf(text, sizeof text, "%s/", name);
    return put_header(ar->out, text);
}

bool ar_align(struct ar *ar, uint64_t align) {
    static const uint8_t zeros[sizeof(struct ar_hdr)];
    uint64_t over = (out_tell(ar->out) + sizeof zeros) % align, left = over ? align - over : 0;
    for (; left; left -= left < sizeof zeros ? left : sizeof zeros)
        if (!out_write(ar->out, zeros, (size_t)(left < sizeof zeros ? left : sizeof zeros))) return false;
    return true;
}

bool ar_end(struct ar *ar) {
    struct buf index = {0};
    make_index(ar, &index);
    bool ok = end_member(ar) && out_patch(ar->out, MAGIC + sizeof(struct ar_hdr), index.at, index.n);
    buf_free(&index);
    return ok;
}
