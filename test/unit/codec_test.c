/*
 * Formats of matrices: the worked examples, byte for byte; ranges of rows; every kind of damaged byte; the types of
 * real tensors; absmean's ties.
 */
#include "codec/absmean.h"
#include "codec/half.h"
#include "codec/real.h"
#include "codec/ternary.h"
#include "test/unit/expect.h"

#include <math.h>
#include <stdlib.h>

/* ---- the examples' trits: x = 1103515245 x + 12345 mod 2^31, (x >> 16) mod 3 - 1, from 1 ---- */

static void lcg_trits(int8_t *out, size_t n) {
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = (1103515245u * x + 12345u) & 0x7fffffffu;
        out[i] = (int8_t)((int)((x >> 16) % 3) - 1);
    }
}

static bool same_hex(const uint8_t *p, size_t n, const char *hex) {
    for (size_t i = 0; i < n; i++, hex += 2) {
        while (*hex == ' ') hex++;
        unsigned b = 0;
        if (sscanf(hex, "%2x", &b) != 1 || b != p[i]) return !printf("byte %zu is %02x, not %02x\n", i, p[i], b);
    }
    return *hex == 0 || !printf("%zu bytes, the example has more\n", n);
}

static uint32_t crc32_of(const uint8_t *p, size_t n) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int b = 0; b < 8; b++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

/* ---- a matrix in a format ---- */

struct sample {
    const struct ternary_format *f;
    struct ternary_shape s;
    uint64_t n; /* bytes */
    int8_t *trits, *out;
    uint8_t *p;
    float *scale;
};

static void make(struct sample *m, const char *name, uint64_t rows, uint64_t cols, struct tl_tiling t, float scale) {
    m->f = ternary_find(name);
    m->s = (struct ternary_shape){rows, cols, t};
    const char *rule = ternary_shape_rule(m->f, &m->s);
    if (rule) printf("%s: %s\n", name, rule);
    if (!EXPECT(!rule && m->f->bytes(&m->s, &m->n))) abort();
    uint64_t scales = ternary_stored_scales(m->f, &m->s);
    m->trits = malloc(rows * cols), m->out = malloc(rows * cols), m->p = malloc(m->n + 1);
    m->scale = malloc(scales * sizeof(float));
    if (!m->trits || !m->out || !m->p || !m->scale) abort();
    lcg_trits(m->trits, rows * cols);
    for (uint64_t i = 0; i < scales; i++) m->scale[i] = scale;
    m->p[m->n] = 0xa5;
    m->f->encode(&m->s, m->trits, m->scale, m->p);
    EXPECT(m->p[m->n] == 0xa5);
}

static void drop(struct sample *m) { free(m->trits), free(m->out), free(m->p), free(m->scale); }

static bool decodes(struct sample *m, struct ternary_bad *bad) {
    memset(m->out, 9, m->s.rows * m->s.cols);
    return m->f->decode(&m->s, m->p, 0, m->s.rows, m->out, bad);
}

static const struct tl_tiling no_tiling = {0, 0, 0};

static void example(const char *name, uint64_t rows, uint64_t cols, struct tl_tiling t, float scale, uint64_t from,
                    const char *hex) {
    struct sample m;
    struct ternary_bad bad;
    size_t n = 0;
    make(&m, name, rows, cols, t, scale);
    for (const char *h = hex; *h; h++) n += *h != ' ';
    if (!EXPECT(from + n / 2 <= m.n && same_hex(m.p + from, n / 2, hex))) printf("  in %s\n", name);
    EXPECT(decodes(&m, &bad) && !memcmp(m.trits, m.out, rows * cols));
    drop(&m);
}

static void examples(void) {
    example("tq1_0", 1, 256, no_tiling, .5f, 0,
            "f47341a786d30a0c4e4166b42e47bae4 54050a3fd59db829073755dc7ac8d6bc f62a4392aa96c367e9902a429cab5975"
            "bbcb1a17 0038");
    example("tq2_0", 1, 256, no_tiling, .5f, 0,
            "9a05886925161010288891829458520a a84010485659521480a4a82685065692 98111106a546a8568a45108255090604"
            "a995081a296a1022580996a999409255 0038");
    example("q2_0", 1, 64, no_tiling, .5f, 0, "0038 460990a0002680a9a6050a8982496415");
    example("i2_s", 1, 128, no_tiling, .75f, 0,
            "a65022695894040428224682162585a0 2a01042195658514021a2a9852909586 0000403f");
    example("i2_s:arm", 1, 128, no_tiling, .75f, 0,
            "8a44084a65962001080942a11529a1a8 6a01188591515150822a6a284a445512 0000403f");
    example("i2_s", 4, 128, no_tiling, .75f, 0, "a65022695894040428224682162585a0");
    example("i2_s:rows", 4, 128, no_tiling, .75f, 0, "86591a6a55a00a24291844a41015a080");
    example("tl1", 32, 8, (struct tl_tiling){32, 8, 32}, .75f, 0,
            "71050002788062173263632867287186 50087658405251437443440400734365 15724217617078854303713560728038"
            "52465237475480616730853477301077 0000403f");
    example("tl2", 32, 24, (struct tl_tiling){32, 24, 32}, .75f, 0,
            "81da5a6974d71a88a838d741220511750738bcc3b8997c8b58458acc8d90a8ba"
            "d8d4a32add2173146d335d1b176c63168a1dc5dd138d3d534302239b18350970"
            "b5150a02962c22b5a80dd70ca520293746a3a1ab7ac510b6955cdd193cb67b92"
            "b2c750b99162934c534ad5404ba47cb08a6dc6958a466849d55c05cc9b96db76"
            "dc0ba9d42c1c322f6a2d09219d8d7271f8321ac2023a162950fb06674b5a433e 0000403f");
}

static void tl2_with_pairs(void) {
    struct sample m;
    struct ternary_bad bad;
    make(&m, "tl2", 32, 80, (struct tl_tiling){32, 48, 32}, 1);
    EXPECT(m.n == 576 + 32 && crc32_of(m.p, 576) == 0x86d98c57u);
    EXPECT(decodes(&m, &bad) && !memcmp(m.trits, m.out, 32 * 80));
    drop(&m);
}

/* One +1 among zeroes. */
static void i2_s_places(void) {
    static const struct {
        unsigned element, byte, is;
    } at[] = {{0, 0, 0x95}, {31, 31, 0x95}, {32, 0, 0x65}, {63, 31, 0x65}, {64, 0, 0x59}, {127, 31, 0x56}};
    const struct ternary_format *f = ternary_find("i2_s");
    struct ternary_shape s = {.rows = 1, .cols = 128};
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        int8_t t[128] = {0};
        uint8_t p[64];
        float scale = 1;
        t[at[i].element] = 1;
        f->encode(&s, t, &scale, p);
        for (unsigned b = 0; b < 32; b++) EXPECT(p[b] == (b == at[i].byte ? at[i].is : 0x55));
    }
}

static void hf_examples(void) {
    static const int8_t t1[32] = {1,  1,  -1, 1, 0, 1, -1, 0, 0, 1,  0, -1, 0,  1, 1,  1,
                                  -1, -1, 1,  0, 1, 0, 0,  0, 1, -1, 1, 1,  -1, 0, -1, 1};
    static const uint8_t p1[8] = {0x86, 0x0a, 0xa4, 0x92, 0x25, 0x5a, 0x18, 0x99};
    static const uint8_t p2[4] = {0xa1, 0x18, 0x90, 0x0a};
    static const int8_t t2[16] = {0, -1, -1, 1, -1, 1, -1, 1, 1, 0, 0, -1, 1, -1, 1, -1};
    const struct ternary_format *f = ternary_of(TYPE_U8);
    struct ternary_shape s1 = {.rows = 8, .cols = 4}, s2 = {.rows = 8, .cols = 2};
    uint8_t p[8];
    int8_t t[32];
    struct ternary_bad bad;
    f->encode(&s1, t1, NULL, p);
    EXPECT(memcmp(p, p1, 8) == 0);
    EXPECT(f->decode(&s1, p1, 0, 8, t, &bad) && memcmp(t, t1, 32) == 0);
    EXPECT(f->decode(&s2, p2, 0, 8, t, &bad) && memcmp(t, t2, 16) == 0);
}

/* Bytes of the projections of a published model. */
static void sizes(void) {
    static const struct {
        const char *name;
        uint64_t rows, cols, bytes;
    } known[] = {
        {"i2_s", 2560, 2560, 1638432}, {"tq1_0", 2560, 2560, 1382400}, {"tq2_0", 2560, 2560, 1689600},
        {"i2_s", 640, 2560, 409632},   {"tq1_0", 640, 2560, 345600},   {"tq2_0", 640, 2560, 422400},
        {"i2_s", 6912, 2560, 4423712}, {"tq1_0", 6912, 2560, 3732480}, {"tq2_0", 6912, 2560, 4561920},
        {"i2_s", 2560, 6912, 4423712}, {"tq1_0", 2560, 6912, 3732480}, {"tq2_0", 2560, 6912, 4561920},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct ternary_shape s = {.rows = known[i].rows, .cols = known[i].cols};
        uint64_t n;
        EXPECT(ternary_find(known[i].name)->bytes(&s, &n) && n == known[i].bytes);
    }
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++) { /* what overflows is said to */
        struct ternary_shape s = {.rows = UINT64_C(1) << 40, .cols = UINT64_C(3) << 40, .tiling = {256, 96, 32}};
        uint64_t n;
        EXPECT(!ternary_formats[i]->bytes(&s, &n));
    }
}

/* ---- rows by ranges, of shapes around every corner ---- */

static void ranges_of(const char *name, uint64_t rows, uint64_t cols, struct tl_tiling t) {
    struct sample m;
    struct ternary_bad bad;
    make(&m, name, rows, cols, t, .25f);
    if (!EXPECT(decodes(&m, &bad) && !memcmp(m.trits, m.out, rows * cols))) printf("  %s\n", name);
    for (uint64_t n = 1; n <= rows; n += 1 + n / 4)
        for (uint64_t r = 0; r + n <= rows; r += 1 + r / 8) {
            EXPECT(m.f->decode(&m.s, m.p, r, n, m.out, &bad));
            if (!EXPECT(!memcmp(m.out, m.trits + r * cols, n * cols))) printf("  %s, rows %d\n", name, (int)r);
        }
    drop(&m);
}

static void ranges(void) {
    for (uint64_t rows = 1; rows <= 17; rows++) ranges_of("hf_u8", rows, 5, no_tiling);
    for (uint64_t rows = 60; rows <= 70; rows++) ranges_of("i2_64", rows, rows - 55, no_tiling);
    for (uint64_t rows = 60; rows <= 70; rows++) ranges_of("t5_64", rows, 4 * (rows - 56), no_tiling);
    for (uint64_t rows = 60; rows <= 70; rows++) ranges_of("tl1_64", rows, rows - 55, no_tiling);
    for (uint64_t rows = 60; rows <= 70; rows++) ranges_of("tl2_64", rows, 2 * (rows - 55), no_tiling);
    for (uint64_t rows = 60; rows <= 70; rows++) ranges_of("wide_64", rows, rows - 55, no_tiling);
    for (uint64_t rows = 250; rows <= 260; rows++) ranges_of("columns", rows, rows - 190, no_tiling);
    ranges_of("columns", 60, 3, no_tiling);
    for (uint64_t rows = 250; rows <= 330; rows += 1 + rows % 5) ranges_of("columns5", rows, rows - 190, no_tiling);
    ranges_of("columns5", 60, 3, no_tiling);
    ranges_of("hf_u8", 130, 200, no_tiling);
    ranges_of("i2_s", 5, 384, no_tiling);
    ranges_of("i2_s:arm", 5, 384, no_tiling);
    ranges_of("i2_s:rows", 12, 256, no_tiling);
    ranges_of("tq1_0", 3, 512, no_tiling);
    ranges_of("tq2_0", 3, 512, no_tiling);
    ranges_of("q2_0", 3, 192, no_tiling);
    ranges_of("q2_0_128", 3, 384, no_tiling);
    ranges_of("tl1", 128, 32, (struct tl_tiling){64, 16, 32});
    ranges_of("tl1", 128, 32, (struct tl_tiling){128, 8, 64});
    ranges_of("tl2", 128, 48 * 2 + 32, (struct tl_tiling){64, 48, 32});
    ranges_of("tl2", 64, 48 * 7, (struct tl_tiling){64, 48, 32});
    ranges_of("tl2", 64, 320, (struct tl_tiling){64, 96, 32});
}

/* ---- damage: every byte takes every value (of long ones, some); what is taken must be what encode writes ---- */

static bool are_trits(const int8_t *t, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (t[i] < -1 || t[i] > 1) return false;
    return true;
}

/* The byte told is the one, or the first of its number; or the sign of a triple whose index was damaged; or of the
 * step. */
static bool told_near(const struct sample *m, const struct ternary_bad *bad, uint64_t at, uint64_t open_from) {
    if (m->f->type == TYPE_TL2_64) return bad->byte / 320 == at / 320; /* signs lie apart from their indices */
    if (m->f->where == SCALE_TAIL && at >= open_from - 4) return bad->byte == open_from - 4;
    if (bad->why && !strcmp(bad->why, "three zeroes have no sign")) return m->f->type == TYPE_TL2;
    return bad->byte <= at + 1 && bad->byte + 2 > at;
}

static void damage(const char *name, uint64_t rows, uint64_t cols, struct tl_tiling t, unsigned step) {
    struct sample m;
    make(&m, name, rows, cols, t, .25f);
    uint64_t open_from = m.f->where == SCALE_TAIL ? m.n - 28 : m.n, refused = 0;
    uint8_t *again = malloc(m.n);
    float *scale = malloc(ternary_stored_scales(m.f, &m.s) * sizeof(float));
    if (!again || !scale) abort();
    for (uint64_t at = 0; at < open_from; at++) {
        uint8_t was = m.p[at];
        for (unsigned v = 0; v < 256; v += step) {
            struct ternary_bad bad = {.why = NULL};
            m.p[at] = (uint8_t)v;
            if (!decodes(&m, &bad)) {
                refused++;
                bool near = told_near(&m, &bad, at, open_from);
                if (!EXPECT(bad.why && near && bad.row < rows + 320 && bad.col < cols + 24) || v == was)
                    printf("  %s: byte %d = %02x: %s at %d, row %d, column %d\n", name, (int)at, v, bad.why,
                           (int)bad.byte, (int)bad.row, (int)bad.col);
                continue;
            }
            EXPECT(are_trits(m.out, rows * cols));
            if (m.f->scales) m.f->scales(&m.s, m.p, 0, rows, scale);
            m.f->encode(&m.s, m.out, scale, again);
            if (!EXPECT(!memcmp(again, m.p, open_from)))
                printf("  %s: byte %d = %02x is taken, and comes back as %02x\n", name, (int)at, v, again[at]);
        }
        m.p[at] = was;
    }
    EXPECT(refused > 0);
    free(again), free(scale);
    drop(&m);
}

static void damages(void) {
    damage("hf_u8", 8, 5, no_tiling, 1);
    damage("hf_u8", 7, 5, no_tiling, 1);
    damage("hf_u8", 1, 5, no_tiling, 1);
    damage("i2_64", 70, 6, no_tiling, 1);
    damage("t5_64", 70, 23, no_tiling, 1);
    damage("tl1_64", 70, 6, no_tiling, 1);
    damage("tl2_64", 70, 26, no_tiling, 1);
    damage("wide_64", 70, 11, no_tiling, 1);
    damage("columns", 70, 6, no_tiling, 1);
    damage("columns", 256, 2, no_tiling, 1);
    damage("columns5", 70, 6, no_tiling, 1);
    damage("columns5", 320, 2, no_tiling, 1);
    damage("i2_s", 2, 128, no_tiling, 1);
    damage("i2_s:arm", 2, 128, no_tiling, 1);
    damage("i2_s:rows", 4, 128, no_tiling, 1);
    damage("tq1_0", 2, 256, no_tiling, 1);
    damage("tq2_0", 2, 256, no_tiling, 1);
    damage("q2_0", 2, 128, no_tiling, 1);
    damage("q2_0_128", 2, 128, no_tiling, 1);
    damage("tl1", 32, 8, (struct tl_tiling){32, 8, 32}, 1);
    damage("tl2", 32, 80, (struct tl_tiling){32, 48, 32}, 1);
    damage("tl2", 32, 288, (struct tl_tiling){32, 96, 32}, 51); /* with zeroes before the tail */
}

static void refusal(const char *name, uint64_t rows, uint64_t cols, uint64_t at, unsigned value, const char *why,
                    uint64_t row, uint64_t col) {
    struct sample m;
    struct ternary_bad bad = {.why = "taken"};
    make(&m, name, rows, cols, no_tiling, .25f);
    m.p[at] = (uint8_t)value;
    EXPECT(!decodes(&m, &bad));
    EXPECT_STR(bad.why, why);
    if (!EXPECT(told_near(&m, &bad, at, m.n - 28) && bad.row == row && bad.col == col))
        printf("  %s: byte %d, row %d, column %d\n", name, (int)bad.byte, (int)bad.row, (int)bad.col);
    drop(&m);
}

static void refusals(void) {
    refusal("hf_u8", 7, 3, 5, 0x15 | 0x30, "code 3 is no trit", 5, 2);
    refusal("hf_u8", 7, 3, 5, 0x55, "padding is not as writers leave it", 1, 2);
    refusal("i2_s", 3, 256, 64 + 32 + 7, 0x5d, "code 3 is no trit", 1, 128 + 64 + 7);
    refusal("i2_s", 3, 256, 195, 0x80, "a scale is not finite and above 0", 0, 0);
    refusal("i2_s:arm", 3, 256, 64 + 16 + 7, 0x5d, "code 3 is no trit", 1, 64 + 32 + 7);
    refusal("i2_s:rows", 4, 128, 9, 0x5d, "code 3 is no trit", 2, 9);
    refusal("tq1_0", 2, 512, 54 + 33, 20, "no five trits give this byte", 0, 256 + 161);
    refusal("tq1_0", 2, 512, 108 + 50, 2, "no four trits give this byte", 1, 242);
    refusal("tq1_0", 2, 512, 108 + 53, 0x7c, "a scale is not finite and above 0", 1, 0);
    refusal("tq2_0", 2, 512, 66 * 3 + 32, 0x73, "code 3 is no trit", 1, 256 + 128);
    refusal("q2_0", 2, 128, 18 * 3 + 2 + 15, 0xc0, "code 3 is no trit", 1, 64 + 63);
    refusal("q2_0", 2, 128, 18 * 3 + 1, 0, "nonzero trits have scale 0", 1, 64);
    refusal("q2_0_128", 2, 256, 34 + 1, 0xb4, "a scale is not finite and above 0", 0, 128);
    refusal("i2_64", 70, 6, 64 * 3 + 4 + 1, 0x57, "code 3 is no trit", 65, 5);
    refusal("i2_64", 70, 6, 64 * 3 + 4 + 2, 0x54, "padding is not as writers leave it", 65, 6);
    refusal("t5_64", 70, 23, 512 + 64 + 4 * 5 + 2, 0xf3, "no five trits give this byte", 64 + 5, 22);
    refusal("t5_64", 70, 23, 512 + 64 + 4 * 5 + 3, 1, "padding is not as writers leave it", 64 + 5, 23);
    refusal("t5_64", 70, 23, 512 + 64 + 4 * 5 + 2, 3, "padding is not as writers leave it", 64 + 5, 26);
    refusal("t5_64", 70, 23, 512 + 128 + 2, 0x27, "padding is not as writers leave it", 80, 2);
    refusal("tl1_64", 70, 6, 128 + 66 - 64, 0x94, "no pair of trits has this index", 66, 0);
    refusal("tl1_64", 70, 6, 192 + 2, 0x34, "padding is not as writers leave it", 66, 4);
    refusal("tl2_64", 3, 24, 65, 0xe0, "no triple of trits has this index", 1, 0);
    refusal("columns", 300, 3, 128 + 64 + 16 + 2, 0x70, "code 3 is no trit", 256 + 6 + 32, 1);
    refusal("columns", 300, 3, 128 + 64 + 48 + 4, 0x45, "padding is not as writers leave it", 256 + 64 + 12 + 32, 1);
    refusal("columns5", 330, 3, 128 + 16 + 8 + 2, 0xf3, "no five trits give this byte", 32 + 4 + 2, 1);
    refusal("columns5", 330, 3, 128 + 64 + 16 + 1, 0x66, "padding is not as writers leave it", 320 + 4 + 1 + 64, 1);
    refusal("wide_64", 3, 9, 5, 0xff, "no triple of trits has this index", 2, 0);
}

static void shape_rules(void) {
    static const struct {
        const char *name;
        struct ternary_shape s;
        const char *rule;
    } no[] = {
        {"i2_s", {3, 64, {0}}, "columns are a multiple of 128"},
        {"i2_s:rows", {3, 128, {0}}, "rows are a multiple of 4"},
        {"tq1_0", {3, 128, {0}}, "columns are a multiple of 256"},
        {"tq2_0", {3, 128, {0}}, "columns are a multiple of 256"},
        {"q2_0", {3, 96, {0}}, "columns are a multiple of 64"},
        {"q2_0_128", {3, 192, {0}}, "columns are a multiple of 128"},
        {"tl1", {32, 8, {0}}, "the tiling is given, or known for this shape"},
        {"tl1", {32, 8, {32, 8, 16}}, "inner tiles have 32 or 64 rows"},
        {"tl1", {32, 8, {32, 8, 64}}, "blocks have whole inner tiles"},
        {"tl1", {48, 8, {32, 8, 32}}, "rows are a multiple of the block's"},
        {"tl1", {32, 12, {32, 8, 32}}, "columns are a multiple of the block's"},
        {"tl2", {32, 48, {0}}, "the tiling is given, or known for this shape"},
        {"tl2", {32, 48, {64, 48, 64}}, "inner tiles have 32 rows"},
        {"tl2", {32, 48, {32, 36, 32}}, "blocks have a multiple of 32 rows and of 24 columns"},
        {"tl2", {48, 48, {32, 48, 32}}, "rows are a multiple of the block's"},
        {"tl2", {32, 64, {32, 48, 32}}, "columns that blocks leave over are a multiple of 32, at most 256"},
        {"tl2", {32, 480 + 288, {32, 480, 32}}, "columns that blocks leave over are a multiple of 32, at most 256"},
        {"hf_u8", {0, 4, {0}}, "there are rows and columns"},
    };
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        const char *rule = ternary_shape_rule(ternary_find(no[i].name), &no[i].s);
        EXPECT_STR(rule ? rule : "admitted", no[i].rule);
    }
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++) EXPECT(ternary_find(ternary_formats[i]->name) == ternary_formats[i]);
    EXPECT(!ternary_find("i3_s") && !ternary_of(TYPE_F32) && ternary_of(TYPE_I2_S) == ternary_find("i2_s"));
}

static void tilings(void) {
    static const uint64_t shapes[][2] = {{1536, 4096}, {1536, 1536},  {4096, 1536},  {3200, 8640}, {3200, 3200},
                                         {8640, 3200}, {14336, 4096}, {4096, 14336}, {1024, 4096}, {4096, 4096}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct ternary_shape s = {.rows = shapes[i][0], .cols = shapes[i][1]};
        EXPECT(tl1_known_tiling(s.rows, s.cols, &s.tiling) && !ternary_shape_rule(ternary_find("tl1"), &s));
        EXPECT(tl2_known_tiling(s.rows, s.cols, &s.tiling) && !ternary_shape_rule(ternary_find("tl2"), &s));
    }
    struct tl_tiling t;
    EXPECT(!tl1_known_tiling(2560, 2560, &t) && !tl2_known_tiling(2560, 2560, &t));
}

/* ---- real types ---- */

static void halves(void) {
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = half_widen((uint16_t)h);
        bool nan = (h & 0x7fff) > 0x7c00;
        EXPECT(nan ? isnan(f) : half_narrow(f) == h && (isinf(f) || half_exact(f)));
        if (nan || (h & 0x7fff) >= 0x7bff) continue;
        float next = half_widen((uint16_t)(h + 1)), middle = (f + next) / 2;
        EXPECT(half_narrow(middle) == h + (h & 1)); /* a tie goes to even */
        EXPECT(half_narrow(nextafterf(middle, f)) == h && half_narrow(nextafterf(middle, next)) == h + 1);
        EXPECT(!half_exact(middle));
    }
    EXPECT(half_narrow(65519.996f) == 0x7bff && half_narrow(65520) == 0x7c00 && !half_exact(65520));
    EXPECT(half_widen(0x3c00) == 1 && half_widen(1) == 0x1p-24f && half_widen(0xc000) == -2);
}

static void ramp(void) {
    float x[32], y[32];
    uint8_t p[34];
    for (int i = 0; i < 32; i++) x[i] = (float)(i - 16) / 8;
    q4_0_encode(x, 32, p);
    EXPECT(same_hex(p, 18, "00 34 80 91 91 a2 a2 b3 b3 c4 c4 d5 d5 e6 e6 f7 f7 f8"));
    real_decode(TYPE_Q4_0, p, 32, y);
    for (int i = 0; i < 31; i++) EXPECT(y[i] == (float)((i + 1) / 2 - 8) / 4);
    EXPECT(y[31] == 1.75f);
    q8_0_encode(x, 32, p);
    EXPECT(same_hex(p, 34, "0824 81899199a1a9b1b9c0c8d0d8e0e8f0f8 000810182028303840474f575f676f77"));
    real_decode(TYPE_Q8_0, p, 32, y);
    EXPECT(y[0] == -127 * half_widen(0x2408) && y[31] == 119 * half_widen(0x2408));
}

static double sum_of(const float *y, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += (double)y[i];
    return s;
}

static void k_blocks(void) {
    static const struct {
        int at;
        float is;
    } q4[] = {{0, 19.71875f},  {1, -1.59375f},   {31, 10.03125f}, {32, .5f},      {33, 1.25f},     {63, 2.5f},
              {64, 26.28125f}, {95, 13.46875f},  {96, 12.0625f},  {127, 5.0625f}, {128, 26.4375f}, {160, 32.8125f},
              {191, 2.8125f},  {192, 33.15625f}, {224, .03125f},  {255, 3.03125f}},
      q6[] = {{0, -11.1796875f}, {1, 13.25f},      {15, -2.484375f}, {16, -3.375f},
              {31, -.75f},       {32, 1.8046875f}, {63, -4.53125f},  {64, -23.75f},
              {95, 23.25f},      {96, -6.796875f}, {127, 11.71875f}, {128, -2.7421875f},
              {160, 5.2421875f}, {192, -3.78125f}, {224, 6.609375f}, {255, -.46875f}};
    uint8_t p[210];
    float y[256];
    for (unsigned i = 0; i < 210; i++) p[i] = (uint8_t)(37 * i + 11);
    half_store(p, .0625f), half_store(p + 2, .03125f);
    real_decode(TYPE_Q4_K, p, 256, y);
    for (size_t i = 0; i < COUNT_OF(q4); i++) EXPECT(y[q4[i].at] == q4[i].is);
    EXPECT(sum_of(y, 256) == 3402.5);
    for (unsigned i = 0; i < 210; i++) p[i] = (uint8_t)(37 * i + 11);
    half_store(p + 208, .0078125f);
    real_decode(TYPE_Q6_K, p, 256, y);
    for (size_t i = 0; i < COUNT_OF(q6); i++) EXPECT(y[q6[i].at] == q6[i].is);
    EXPECT(sum_of(y, 256) == 36.03125);
}

/* A scale that is not finite makes its block so; no other byte does. */
static void not_finite(void) {
    static const enum tensor_type types[] = {TYPE_F32, TYPE_F16, TYPE_BF16, TYPE_Q8_0, TYPE_Q6_K, TYPE_Q4_0, TYPE_Q4_K};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint32_t block = tensor_types[types[i]].block, bytes = tensor_types[types[i]].bytes;
        uint8_t *p = calloc(3, bytes);
        float *y = malloc(3 * block * sizeof *y);
        if (!p || !y) abort();
        for (uint32_t at = 0; at + 1 < 3 * bytes; at++) {
            uint64_t first = 0, where = 0;
            p[at] = 0x80, p[at + 1] = 0x7f; /* infinity of bf16 and, with bytes before it, of f32; NaN of f16 */
            real_decode(types[i], p, 3 * block, y);
            while (first < 3 * block && isfinite(y[first])) first++;
            bool ok = real_finite(types[i], p, 3 * block, &where);
            if (!EXPECT(ok == (first == 3 * block) && (ok || where / block == first / block)))
                printf("  %s, byte %d\n", tensor_types[types[i]].name, (int)at);
            p[at] = p[at + 1] = 0;
        }
        free(p), free(y);
    }
}

/* ---- masters ---- */

static void absmean(void) {
    static const float w[16] = {.5f, -.5f, 1.5f, -1.5f, .375f, .625f, -.375f, -.625f,
                                2,   -3,   0,    1,     .25f,  -.25f, 1.25f,  2.25f};
    static const int8_t want[16] = {0, 0, 1, -1, 0, 1, 0, -1, 1, -1, 0, 1, 0, 0, 1, 1};
    int8_t t[16];
    float alpha = absmean_alpha(absmean_add(absmean_add(0, w, 7), w + 7, 9), 16);
    EXPECT(alpha == 1.0f);
    absmean_trits(w, 16, alpha, t);
    EXPECT(memcmp(t, want, 16) == 0);
    static const float zero[4];
    EXPECT(absmean_alpha(absmean_add(0, zero, 4), 4) == 1e-5f);
}

int main(void) {
    examples();
    tl2_with_pairs();
    i2_s_places();
    hf_examples();
    sizes();
    ranges();
    damages();
    refusals();
    shape_rules();
    tilings();
    halves();
    ramp();
    k_blocks();
    not_finite();
    absmean();
    return expect_end();
}
