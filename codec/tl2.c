/*
 * tl2.c -- bitnet.cpp's TL2, for table look-up on x86: triples of trits in four bits and a sign, 1.67 bits a trit.
 *
 * Blocks have bm rows by bk columns, inner tiles 32 rows; files do not tell the tiling.  The columns that whole
 * blocks cover (K3) are stored as triples, the rest (K2, at most 256) as pairs:
 *
 *     index plane, rows * K3 / 6 bytes | sign plane, rows * K3 / 24 | pair plane, rows * K2 / 4 | zeroes | tail
 *
 * A triple a b c is v = 9 a + 3 b + c: its index is |v|, 0 .. 13, and its sign bit is 1 if v < 0.  A pair is
 * 3 a + b + 4, 0 .. 8.  An index byte has two triples of a row, a pair byte two pairs, the first in the high nibble.
 *
 *     planes  row blocks of bm, one behind the other; in each, column blocks of bk (of 32, in the pair plane)
 *     block   row tiles of 32; in each, 32 bytes for 6 columns (index), 24 (sign), 4 (pair)
 *     32 bytes of indices and pairs   byte perm(r) of row r: rows 0-7, 16-23, 8-15, 24-31
 *     32 bytes of signs               little-endian u16 r % 16: bit 15 - (2 t + r / 16) of triple t = 0 .. 7
 *
 * The tail begins at a multiple of 32: an f32 scale, then 28 bytes that hold anything.
 */
#include <string.h>

#include "codec/ternary_impl.h"

static uint64_t cols3(const struct ternary_shape *s) { return s->cols / s->tiling.bk * s->tiling.bk; }
static uint64_t cols2(const struct ternary_shape *s) { return s->cols - cols3(s); }
static uint64_t signs_at(const struct ternary_shape *s) { return s->rows * (cols3(s) / 6); }
static uint64_t pairs_at(const struct ternary_shape *s) { return s->rows * (cols3(s) / 6 + cols3(s) / 24); }
static uint64_t codes_end(const struct ternary_shape *s) { return pairs_at(s) + s->rows * (cols2(s) / 4); }

/* The writers' formula makes room for 256 columns in pairs. */
static bool tail_at(const struct ternary_shape *s, uint64_t *n) {
    uint64_t room = 0, rest;
    if (!ck_mul(&rest, s->rows, s->cols) || !ck_mul(&rest, s->rows, 64)) return false;
    if (s->cols >= 256)
        if (!ck_mul(&room, s->cols - 256, s->rows) || !ck_mul(&room, room / 3, 5) || !ck_add(&room, room / 8, rest))
            return false;
    uint64_t end = codes_end(s);
    return ck_align(n, room > end ? room : end, 32);
}

static bool bytes(const struct ternary_shape *s, uint64_t *n) { return tail_at(s, n) && ck_add(n, *n, TAIL_BYTES); }

static bool has_tiling(const struct ternary_shape *s) { return s->tiling.bm && s->tiling.bk && s->tiling.inner; }
static bool good_inner(const struct ternary_shape *s) { return s->tiling.inner == 32; }
static bool good_block(const struct ternary_shape *s) { return s->tiling.bm % 32 == 0 && s->tiling.bk % 24 == 0; }
static bool whole_rows(const struct ternary_shape *s) { return s->rows % s->tiling.bm == 0; }
static bool whole_pairs(const struct ternary_shape *s) { return cols2(s) % 32 == 0 && cols2(s) <= 256; }
static const struct ternary_rule rules[] = {
    {"the tiling is given, or known for this shape", has_tiling},
    {"inner tiles have 32 rows", good_inner},
    {"blocks have a multiple of 32 rows and of 24 columns", good_block},
    {"rows are a multiple of the block's", whole_rows},
    {"columns that blocks leave over are a multiple of 32, at most 256", whole_pairs},
};

/* ---- places ---- */

static uint64_t perm(uint64_t r) {
    static const uint8_t eights[4] = {0, 2, 1, 3};
    return 8u * eights[r % 32 / 8] + r % 8;
}

/* Of a plane with 32 bytes for `step` columns: the 32 bytes of column c (of cols in blocks of bk) and row m. */
static uint64_t place(uint64_t bm, uint64_t bk, uint64_t cols, unsigned step, uint64_t m, uint64_t c) {
    return m / bm * (bm * cols / step) + c / bk * (bm * bk / step) + m % bm / 32 * (32 * bk / step) +
           c % bk / step * 32;
}

static uint64_t index_place(const struct ternary_shape *s, uint64_t m, uint64_t c) {
    return place(s->tiling.bm, s->tiling.bk, cols3(s), 6, m, c) + perm(m);
}
static uint64_t sign_place(const struct ternary_shape *s, uint64_t m, uint64_t c) {
    return signs_at(s) + place(s->tiling.bm, s->tiling.bk, cols3(s), 24, m, c) + 2 * (m % 16);
}
static uint64_t pair_place(const struct ternary_shape *s, uint64_t m, uint64_t c) {
    return pairs_at(s) + place(s->tiling.bm, 32, cols2(s), 4, m, c - cols3(s)) + perm(m);
}

/* Bit of the first triple of a group; the next is two below. */
static unsigned sign_bit(uint64_t m) { return 15 - (unsigned)(m % 32 / 16); }

/* ---- decode ---- */

static bool put_triple(unsigned index, unsigned negative, int8_t *out) {
    static const int8_t digits[14][3] = {{0, 0, 0},   {0, 0, 1},  {0, 1, -1}, {0, 1, 0},  {0, 1, 1},
                                         {1, -1, -1}, {1, -1, 0}, {1, -1, 1}, {1, 0, -1}, {1, 0, 0},
                                         {1, 0, 1},   {1, 1, -1}, {1, 1, 0},  {1, 1, 1}};
    if (index > 13 || (negative && !index)) return false;
    for (int i = 0; i < 3; i++) out[i] = negative ? (int8_t)-digits[index][i] : digits[index][i];
    return true;
}

static bool bad_index(struct ternary_bad *bad, unsigned index, uint64_t at, uint64_t sign_at, uint64_t m, uint64_t c) {
    if (index > 13) return bad_at(bad, "an index above 13 is no triple of trits", at, m, c);
    return bad_at(bad, "three zeroes have no sign", sign_at, m, c);
}

/* 24 columns. */
static bool decode_group(const struct ternary_shape *s, const uint8_t *p, uint64_t m, uint64_t c, int8_t *out,
                         struct ternary_bad *bad) {
    uint64_t sign_at = sign_place(s, m, c), at = index_place(s, m, c);
    unsigned signs = load_u16le(p + sign_at), bit = sign_bit(m);
    for (unsigned t = 0; t < 8; t++, bit -= 2, at += t % 2 ? 0 : 32) {
        unsigned index = t % 2 ? p[at] & 15u : p[at] >> 4;
        if (!put_triple(index, signs >> bit & 1, out + 3 * t)) return bad_index(bad, index, at, sign_at, m, c + 3 * t);
    }
    return true;
}

static bool decode_pairs(const struct ternary_shape *s, const uint8_t *p, uint64_t m, uint64_t c, int8_t *out,
                         struct ternary_bad *bad) {
    uint64_t at = pair_place(s, m, c);
    for (unsigned i = 0; i < 2; i++) {
        unsigned index = i ? p[at] & 15u : p[at] >> 4;
        if (index > 8) return bad_at(bad, "an index above 8 is no pair of trits", at, m, c + 2 * i);
        out[2 * i] = (int8_t)((int)(index / 3) - 1);
        out[2 * i + 1] = (int8_t)((int)(index % 3) - 1);
    }
    return true;
}

static bool decode_row(const struct ternary_shape *s, const uint8_t *p, uint64_t m, int8_t *out,
                       struct ternary_bad *bad) {
    uint64_t c = 0, k3 = cols3(s);
    for (; c < k3; c += 24)
        if (!decode_group(s, p, m, c, out + c, bad)) return false;
    for (; c < s->cols; c += 4)
        if (!decode_pairs(s, p, m, c, out + c, bad)) return false;
    return true;
}

static uint64_t scale_at(const struct ternary_shape *s) {
    uint64_t at = 0;
    if (!tail_at(s, &at)) BUG("bytes() admitted this shape");
    return at;
}

static bool decode(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, int8_t *out,
                   struct ternary_bad *bad) {
    uint64_t tail = scale_at(s);
    if (!tail_check(p, tail, bad)) return false;
    if (row == 0)
        for (uint64_t at = codes_end(s); at < tail; at++)
            if (p[at]) return bad_at(bad, BAD_PADDING, at, s->rows - 1, s->cols - 1);
    for (uint64_t end = row + n; row < end; row++, out += s->cols)
        if (!decode_row(s, p, row, out, bad)) return false;
    return true;
}

static void scales(const struct ternary_shape *s, const uint8_t *p, uint64_t row, uint64_t n, float *out) {
    (void)row, (void)n;
    *out = f32_of_bits(load_u32le(p + scale_at(s)));
}

/* ---- encode ---- */

static void encode_group(const struct ternary_shape *s, const int8_t *trits, uint64_t m, uint64_t c, uint8_t *p) {
    uint64_t sign_at = sign_place(s, m, c), at = index_place(s, m, c);
    unsigned signs = load_u16le(p + sign_at), bit = sign_bit(m);
    for (unsigned t = 0; t < 8; t++, bit -= 2, trits += 3, at += t % 2 ? 0 : 32) {
        int v = 9 * trits[0] + 3 * trits[1] + trits[2];
        p[at] = (uint8_t)(p[at] | (unsigned)(v < 0 ? -v : v) << (t % 2 ? 0 : 4));
        signs |= (unsigned)(v < 0) << bit;
    }
    p[sign_at] = (uint8_t)signs;
    p[sign_at + 1] = (uint8_t)(signs >> 8);
}

static void encode(const struct ternary_shape *s, const int8_t *trits, const float *scale, uint8_t *p) {
    uint64_t tail = scale_at(s), k3 = cols3(s);
    memset(p, 0, (size_t)tail);
    for (uint64_t m = 0; m < s->rows; m++, trits += s->cols) {
        for (uint64_t c = 0; c < k3; c += 24) encode_group(s, trits + c, m, c, p);
        for (uint64_t c = k3; c < s->cols; c += 4)
            p[pair_place(s, m, c)] =
                (uint8_t)((3 * trits[c] + trits[c + 1] + 4) << 4 | (3 * trits[c + 2] + trits[c + 3] + 4));
    }
    tail_store(p + tail, *scale);
}

const struct ternary_format ternary_tl2 = {.name = "tl2",
                                           .about = "bitnet.cpp's TL2: indices and signs of triples, tiled",
                                           .type = TYPE_TL2,
                                           .where = SCALE_TAIL,
                                           .n_rules = COUNT_OF(rules),
                                           .rule = rules,
                                           .bytes = bytes,
                                           .decode = decode,
                                           .scales = scales,
                                           .encode = encode};

bool tl2_known_tiling(uint64_t rows, uint64_t cols, struct tl_tiling *t) {
    static const struct {
        uint32_t rows, cols, bm, bk;
    } known[] = {
        {1536, 4096, 256, 96},  {1536, 1536, 128, 192}, {4096, 1536, 256, 96},                        /* bitnet large */
        {3200, 8640, 160, 96},  {3200, 3200, 320, 96},  {8640, 3200, 320, 96},                        /* bitnet 3B */
        {14336, 4096, 256, 96}, {4096, 14336, 128, 96}, {1024, 4096, 256, 96}, {4096, 4096, 128, 96}, /* Llama3-8B */
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].rows == rows && known[i].cols == cols) {
            *t = (struct tl_tiling){known[i].bm, known[i].bk, 32};
            return true;
        }
    return false;
}
