/* Interned names, growing text, shortest decimals, hashes, nearest names. */
#include "base/check.h"
#include "base/compiler.h"
#include "base/str.h"
#include "test/unit/expect.h"

#include <stdlib.h>

static void names(struct arena *a) {
    struct names *t = names_new(a);
    char s[16];
    const char *first[1000];
    for (int i = 0; i < 1000; i++) {
        snprintf(s, sizeof s, "n%d", i);
        first[i] = name_of(t, s);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(s, sizeof s, "n%d", i);
        EXPECT(name_of(t, s) == first[i]);
        EXPECT_STR(first[i], s);
    }
    EXPECT(name_of_n(t, "n12345", 3) == first[12]);
    EXPECT(name_of_n(t, "", 0) == name_of(t, ""));
}

static void names_stand_for(struct arena *a) {
    struct names *t = names_new(a);
    struct name_map m = {0};
    char s[16];
    int number[1000];
    EXPECT(name_map_find(&m, name_of(t, "n0")) == NULL);
    for (int i = 0; i < 1000; i++) {
        snprintf(s, sizeof s, "n%d", i);
        EXPECT(name_map_find(&m, name_of(t, s)) == NULL);
        name_map_set(a, &m, name_of(t, s), &number[i]);
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(s, sizeof s, "n%d", i);
        EXPECT(name_map_find(&m, name_of(t, s)) == &number[i]);
        name_map_set(a, &m, name_of(t, s), &number[i + 1]);
        EXPECT(name_map_find(&m, name_of(t, s)) == &number[i + 1]);
    }
    EXPECT(m.n == 1000 && name_map_find(&m, name_of(t, "n1000")) == NULL);
}

static void text(void) {
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) buf_printf(&b, "%d,", i % 10);
    buf_put(&b, "end", 3);
    EXPECT(b.n == 2003 && strlen(b.at) == 2003 && strcmp(b.at + 2000, "end") == 0);
    buf_free(&b);
    EXPECT(b.at == NULL && b.n == 0);
}

static void decimals(void) {
    char s[40];
    EXPECT_STR(fmt_f32(s, 1e-5f), "1e-05");
    EXPECT_STR(fmt_f32(s, 0.1f), "0.1");
    EXPECT_STR(fmt_f32(s, -0.0f), "-0");
    EXPECT_STR(fmt_f64(s, 500000.0), "500000");
    uint32_t x = 1;
    for (int i = 0; i < 20000; i++) {
        x = x * 1664525u + 1013904223u;
        float f = f32_of_bits(x);
        if (f != f) continue;
        EXPECT(bits_of_f32(strtof(fmt_f32(s, f), NULL)) == x);
        double d = (double)f / 3;
        EXPECT(strtod(fmt_f64(s, d), NULL) == d);
    }
}

static void numbers_read(struct arena *a) {
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616"};
    uint64_t v = 0;
    EXPECT(read_u64("0", 0, &v) && v == 0);
    EXPECT(read_u64("18446744073709551615", UINT64_MAX, &v) && v == UINT64_MAX);
    EXPECT(read_u64("7", 7, &v) && !read_u64("8", 7, &v));
    for (size_t i = 0; i < COUNT_OF(bad); i++) EXPECT(!read_u64(bad[i], UINT64_MAX, &v));
    static const char *const bad_lists[] = {"", ",", "1,", ",1", "1,,2", "1;2", "1,10"};
    uint32_t *ids, n;
    EXPECT(read_ids(a, "3,7,1", 9, &ids, &n) && n == 3 && ids[0] == 3 && ids[1] == 7 && ids[2] == 1);
    EXPECT(read_ids(a, "9", 9, &ids, &n) && n == 1 && ids[0] == 9);
    for (size_t i = 0; i < COUNT_OF(bad_lists); i++) EXPECT(!read_ids(a, bad_lists[i], 9, &ids, &n));
}

static void nearest(void) {
    static const char *const c[] = {"hidden", "heads", "head", "kv_heads", "rmsnorm", "max_position_embeddings"};
    EXPECT_STR(nearest_name("hiden", c, COUNT_OF(c)), "hidden");
    EXPECT_STR(nearest_name("rms_norm", c, COUNT_OF(c)), "rmsnorm");
    EXPECT_STR(nearest_name("max_positions_embedding", c, COUNT_OF(c)), "max_position_embeddings");
    EXPECT(nearest_name("zzz", c, COUNT_OF(c)) == NULL);
    EXPECT(nearest_name("", c, COUNT_OF(c)) == NULL);
    EXPECT(nearest_name("x", c, COUNT_OF(c)) == NULL);
    EXPECT(nearest_name("heads", c, 0) == NULL);
}

int main(void) {
    struct arena *a = arena_new();
    names(a);
    names_stand_for(a);
    text();
    decimals();
    numbers_read(a);
    nearest();
    EXPECT(hash_bytes("", 0, 0) == UINT64_C(0xcbf29ce484222325));
    EXPECT(hash_bytes("a", 1, 0) == UINT64_C(0xaf63dc4c8601ec8c)); /* FNV-1a's published value */
    arena_free(a);
    return expect_end();
}
