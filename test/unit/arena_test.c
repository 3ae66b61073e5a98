/* Arenas: zeroed, aligned, restorable; vectors grow. */
#include "base/arena.h"
#include "test/unit/expect.h"

static bool all_zero(const unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

static void zeroed_and_aligned(void) {
    struct arena *a = arena_new();
    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = arena_alloc(a, n);
        EXPECT((uintptr_t)p % 16 == 0);
        EXPECT(all_zero(p, n));
        memset(p, 0xee, n);
    }
    unsigned char *big = arena_alloc(a, 5u << 20);
    EXPECT(all_zero(big, 5u << 20));
    arena_free(a);
}

static void restore_zeroes_again(void) {
    struct arena *a = arena_new();
    char *kept = arena_strdup(a, "kept");
    struct arena_mark m = arena_save(a);
    for (int round = 0; round < 3; round++) {
        for (size_t n = 1; n < 40000; n = n * 2 + 3) {
            unsigned char *p = arena_alloc(a, n);
            EXPECT(all_zero(p, n));
            memset(p, 0x55, n);
        }
        arena_restore(a, m);
    }
    EXPECT_STR(kept, "kept");
    arena_free(a);
}

static void empty_mark(void) {
    struct arena *a = arena_new();
    struct arena_mark m = arena_save(a);
    memset(arena_alloc(a, 100), 1, 100);
    arena_restore(a, m);
    EXPECT(all_zero(arena_alloc(a, 100), 100));
    arena_free(a);
}

static void vectors(void) {
    struct arena *a = arena_new();
    VEC(uint32_t) v = {0};
    for (uint32_t i = 0; i < 10000; i++) *vec_push(a, &v) = i * 3;
    EXPECT(v.n == 10000);
    for (uint32_t i = 0; i < 10000; i++) EXPECT(v.at[i] == i * 3);
    EXPECT_STR(arena_printf(a, "%d-%s", 12, "x"), "12-x");
    EXPECT_STR(arena_strndup(a, "abcdef", 3), "abc");
    arena_free(a);
}

int main(void) {
    zeroed_and_aligned();
    restore_zeroes_again();
    empty_mark();
    vectors();
    return expect_end();
}
