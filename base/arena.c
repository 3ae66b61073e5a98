/*
 * arena.c -- a stack of blocks, the newest on top.
 *
 * Memory is handed out from the top block; what does not fit opens a new block, at least twice as large as
 * the one before, up to a limit.  Fresh blocks come zeroed from calloc; `dirty` remembers how far a block has
 * ever been used, so that only memory used before a restore is zeroed again.
 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/exit.h"

enum { ALIGN = 16, FIRST_BLOCK = 4096, LARGEST_STEP = 1 << 20 };

struct block {
    struct block *below;
    size_t size, used, dirty;
    _Alignas(ALIGN) unsigned char at[];
};

struct arena {
    struct block *top;
    size_t step; /* size of the next block */
    size_t held, peak;
};

NORETURN void arena_no_memory(size_t bytes) {
    fprintf(stderr, "setun: error: out of memory: %zu bytes wanted\n", bytes);
    exit(EXIT_MEMORY);
}

struct arena *arena_new(void) {
    struct arena *a = calloc(1, sizeof *a);
    if (!a) arena_no_memory(sizeof *a);
    a->step = FIRST_BLOCK;
    return a;
}

void arena_free(struct arena *a) {
    if (!a) return;
    arena_restore(a, (struct arena_mark){0});
    free(a);
}

static void push_block(struct arena *a, size_t n) {
    size_t size = n > a->step ? n : a->step;
    struct block *b = size > SIZE_MAX - sizeof *b ? NULL : calloc(1, sizeof *b + size);
    if (!b) arena_no_memory(n);
    b->size = size;
    b->below = a->top;
    a->top = b;
    a->held += size;
    if (a->held > a->peak) a->peak = a->held;
    if (a->step < LARGEST_STEP) a->step *= 2;
}

void *arena_alloc(struct arena *a, size_t n) {
    if (n > SIZE_MAX - ALIGN) arena_no_memory(n);
    size_t take = (n + ALIGN - 1) / ALIGN * ALIGN;
    if (take == 0) take = ALIGN; /* so that two results differ */
    if (!a->top || a->top->size - a->top->used < take) push_block(a, take);
    struct block *b = a->top;
    unsigned char *p = b->at + b->used;
    if (b->used < b->dirty) {
        size_t old = b->dirty - b->used;
        memset(p, 0, old < take ? old : take);
    }
    b->used += take;
    if (b->dirty < b->used) b->dirty = b->used;
    return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size) {
    uint64_t n;
    if (!ck_mul(&n, count, size)) arena_no_memory(SIZE_MAX);
    return arena_alloc(a, (size_t)n);
}

struct arena_mark arena_save(struct arena *a) {
    return (struct arena_mark){.block = a->top, .used = a->top ? a->top->used : 0};
}

void arena_restore(struct arena *a, struct arena_mark m) {
    while (a->top && a->top != m.block) {
        struct block *b = a->top;
        a->top = b->below;
        a->held -= b->size;
        free(b);
    }
    if (a->top) a->top->used = m.used;
}

size_t arena_peak(const struct arena *a) { return a->peak; }

char *arena_strndup(struct arena *a, const char *s, size_t n) {
    char *p = arena_alloc(a, n + 1);
    if (n) memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) BUG("bad format '%s'", fmt);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void vec_grow_(struct arena *a, void **at, size_t *cap, size_t n, size_t elem) {
    if (n < *cap) return;
    size_t want = *cap ? *cap * 2 : 8;
    if (want < *cap) arena_no_memory(SIZE_MAX);
    void *p = arena_calloc(a, want, elem), *old;
    memcpy(&old, at, sizeof old); /* *at has another pointer type than void * */
    if (n) memcpy(p, old, n * elem);
    memcpy(at, &p, sizeof p);
    *cap = want;
}
