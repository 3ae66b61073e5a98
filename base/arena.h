/*
 * arena.h -- memory that is dropped all at once.
 *
 * Opaque: the chain of blocks.  Nothing is freed alone; a mark and a restore drop everything taken
 * in between.  Out of memory ends the process with one line and EXIT_MEMORY, so no caller checks.
 */
#ifndef SETUN_BASE_ARENA_H
#define SETUN_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct arena;
struct arena_mark {
    void *block;
    size_t used;
};

struct arena *arena_new(void);
void arena_free(struct arena *a);
/* n bytes, zeroed, aligned to 16. */
void *arena_alloc(struct arena *a, size_t n);
/* count * size bytes, zeroed; the product is checked. */
void *arena_calloc(struct arena *a, size_t count, size_t size);
struct arena_mark arena_save(struct arena *a);
void arena_restore(struct arena *a, struct arena_mark m);
/* The most bytes it ever held, blocks counted whole: for tests of what readers take. */
size_t arena_peak(const struct arena *a);

#define arena_one(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))

char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

/* That end, for the few allocations outside an arena. */
NORETURN void arena_no_memory(size_t bytes);

/* Growable array in an arena: VEC(T) v = {0}; *vec_push(a, &v) = x;  The old storage is left behind. */
#define VEC(type)                                                                                                      \
    struct {                                                                                                           \
        type *at;                                                                                                      \
        size_t n, cap;                                                                                                 \
    }
void vec_grow_(struct arena *a, void **at, size_t *cap, size_t n, size_t elem);
#define vec_push(a, v) (vec_grow_((a), (void **)&(v)->at, &(v)->cap, (v)->n, sizeof(*(v)->at)), &(v)->at[(v)->n++])

#endif
