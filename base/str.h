/* str.h -- interned names, a growing text buffer, numbers to text and back. */
#ifndef SETUN_BASE_STR_H
#define SETUN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Names: equal text gives the equal pointer, so they compare with ==.  Opaque. */
struct names;
struct names *names_new(struct arena *a);
const char *name_of(struct names *t, const char *s);
const char *name_of_n(struct names *t, const char *s, size_t n);

/* What names stand for: a table by the pointers of name_of, in an arena.  All zero: empty. */
struct name_map {
    struct name_entry *at;
    size_t n, cap;
};
void *name_map_find(const struct name_map *t, const char *name); /* NULL: nothing */
void name_map_set(struct arena *a, struct name_map *t, const char *name, void *what);

/* Text that grows; always terminated.  Owned by malloc, released by buf_free. */
struct buf {
    char *at;
    size_t n, cap;
};
void buf_put(struct buf *b, const void *p, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_free(struct buf *b);

/* The shortest decimal that strtof (strtod) reads back to the same bits; always has '.', 'e' or is an integer. */
const char *fmt_f32(char out[32], float f);
const char *fmt_f64(char out[40], double d);

/* Reads a whole number: decimal digits and nothing else.  false: it is not one, or above max. */
bool read_u64(const char *text, uint64_t max, uint64_t *out);
/* Reads "3,7,1": at least one number, none above max.  ids lies in the arena. */
bool read_ids(struct arena *a, const char *text, uint32_t max, uint32_t **ids, uint32_t *n);

/* FNV-1a, 64 bits: keys of tables and schedules (not for security). */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

/* The candidate closest to word by edit distance (at most 2, or a third of its length), or NULL: for "did you mean". */
const char *nearest_name(const char *word, const char *const *candidates, size_t n);

#endif
