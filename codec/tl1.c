/*
 * tl1.c -- bitnet.cpp's TL1, for table look-up on ARM: pairs of trits as four-bit indices, in tiles, then a tail.
 *
 *     rows * cols / 4 bytes | f32 scale | 28 bytes that hold anything
 *
 * A byte has four trits of a row, a b c d: high nibble 3 a + b + 4, low nibble 3 c + d + 4; 9 .. 15 are no pairs.
 * Where it lies follows from the tiling, which files do not tell: blocks of bm rows by bk columns, in them inner
 * tiles of `inner` rows (32 or 64) by 256 / inner columns, 64 bytes each:
 *
 *     matrix  row blocks of bm, one behind the other; in each, column blocks of bk
 *     block   row tiles of `inner`; in each, column tiles of 256 / inner
 *     tile    sixteen rows at a time; of those, four columns at a time: a byte a row
 */
#include "codec/ternary_impl.h"

static uint64_t code_bytes(const struct ternary_shape *s) { return s->rows * (s->cols / 4); }
static bool bytes(const struct ternary_shape *s, uint64_t *n) {
    return ck_mul(n, s->rows, s->cols / 4) && ck_add(n, *n, TAIL_BYTES);
}

/* Columns of an inner tile. */
static uint64_t tile_cols(const struct tl_tiling *t) { return 256 / t->inner; }

static bool has_tiling(const struct ternary_shape *s) { return s->tiling.bm && s->tiling.bk && s->tiling.inner; }
static bool good_inner(const struct ternary_shape *s) { return s->tiling.inner == 32 || s->tiling.inner == 64; }
static bool good_block(const struct ternary_shape *s) {
    return s->tiling.bm % s->tiling.inner == 0 && s->tiling.bk % tile_cols(&s->tiling) == 0;
}
static bool whole_rows(const struct ternary_shape *s) { return s->rows % s->tiling.bm == 0; }
static bool whole_cols(const struct ternary_shape *s) { return s->cols % s->tiling.bk == 0; }
static const struct ternary_rule rules[] = {
    {"the tiling is given, or known for this shape", has_tiling},
    {"inner tiles have 32 or 64 rows", good_inner},
    {"blocks have whole inner tiles", good_block},
    {"rows are a multiple of the block's", whole_rows},
    {"columns are a multiple of the block's", whole_cols},
};

/* The byte of columns c .. c + 3 of a row. */
static uint64_t place(const struct ternary_shape *s, uint64_t m, uint64_t c) {
    uint64_t bm = s->tiling.bm, bk = s->tiling.bk, inner = s->tiling.inner, by = tile_cols(&s->tiling);
    return m / bm * (bm * s->cols / 4) + c / bk * (bm * bk / 4) + m % bm / inner * (inner * bk / 4) + c % bk / by * 64 +
           m % inner / 16 * (4 * by) + c % by / 4 * 16 + m % 16;
}

/* Four bytes are 16 apart, tiles 64: p is the row's first byte in a block. */
static unsigned decode_part(const uint8_t *p, uint64_t bk, uint64_t by, int8_t *out) {
    unsigned invalid = 0;
    for (uint64_t c = 0; c < bk; c += by, p += 64)
        for (uint64_t q = 0; q < by / 4; q++, out += 4) {
            unsigned b = p[16 * q], high = b >> 4, low = b & 15;
            invalid |= (high > 8) | (low > 8);
            out[0] = (int8_t)((int)(high / 3) - 1), out[1] = (int8_t)((int)(high % 3) - 1);
            out[2] = (int8_t)((int)(low / 3) - 1), out[3] = (int8_t)((int)(low % 3) - 1);
        }
    return invalid;
}

static bool find_bad(const struct ternary_shape *s, const uint8_t *p, uint64_t row, struct ternary_bad *bad) {
    uint64_t c = 0;
    while (p[place(s, row, c)] >> 4 < 9 && (p[place(s, row, c)] & 15) < 9) c += 4;
    uint64_t at = place(s, row, c);
    return bad_at(bad, "an index above 8 is no pair of trits", at, row, p[at] >> 4 < 9 ? c + 2 : c);
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    uint64_t bk = s->tiling.bk, by = tile_cols(&s->tiling);
    if (!tail_check(p, code_bytes(s), bad)) return false;
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        unsigned invalid = 0;
        for (uint64_t c = 0; c < s->cols; c += bk) invalid |= decode_part(p + place(s, row, c), bk, by, out + c);
        if (invalid) return find_bad(s, p, row, bad);
    }
    return true;
}

static void scales(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    (void)row, (void)n;
    *out = f32_of_bits(load_u32le(p + code_bytes(s)));
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    for (uint64_t m = 0; m < s->rows; m++)
        for (uint64_t c = 0; c < s->cols; c += 4, trits += 4)
            p[place(s, m, c)] = (uint8_t)((3 * trits[0] + trits[1] + 4) << 4 | (3 * trits[2] + trits[3] + 4));
    tail_store(p + code_bytes(s), *scale);
}

const struct ternary_format ternary_tl1 = {.name = "tl1",
                                           .about = "bitnet.cpp's TL1: indices of pairs, tiled",
                                           .type = TYPE_TL1,
                                           .where = SCALE_TAIL,
                                           .n_rules = COUNT_OF(rules),
                                           .rule = rules,
                                           .bytes = bytes,
                                           .decode = decode,
                                           .scales = scales,
                                           .encode = encode};

bool tl1_known_tiling(uint64_t rows, uint64_t cols, struct tl_tiling *t) {
    static const struct {
        uint32_t rows, cols;
        struct tl_tiling t;
    } known[] = {
        {1536, 4096, {256, 128, 32}},  {1536, 1536, {128, 64, 64}},   {4096, 1536, {256, 128, 32}}, /* bitnet large */
        {3200, 8640, {160, 64, 32}},   {3200, 3200, {320, 128, 64}},  {8640, 3200, {320, 64, 32}},  /* bitnet 3B */
        {14336, 4096, {256, 128, 64}}, {4096, 14336, {256, 128, 32}},                               /* Llama3-8B */
        {1024, 4096, {128, 64, 64}},   {4096, 4096, {128, 64, 32}},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].rows == rows && known[i].cols == cols) {
            *t = known[i].t;
            return true;
        }
    return false;
}
