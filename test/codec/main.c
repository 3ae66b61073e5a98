/*
 * main.c -- setun-codec: the formats of codec/ on standard input and output, for tests beside other implementations.
 *
 *   setun-codec decode TYPE COLS    rows of COLS elements as a file has them -> f32
 *   setun-codec encode TYPE COLS    f32 -> rows; of a ternary type with scales in blocks, d is a block's largest |x|
 *
 * Bytes that a ternary type refuses end it with status 1 and a line on standard error.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "codec/real.h"
#include "codec/ternary.h"

struct bytes {
    uint8_t *at;
    size_t n;
};

static struct bytes read_all(void) {
    struct bytes b = {0};
    size_t cap = 0, got;
    do {
        if (cap - b.n < 1 << 16) {
            cap = 2 * cap + (1 << 17);
            b.at = realloc(b.at, cap);
            if (!b.at) abort();
        }
        got = fread(b.at + b.n, 1, cap - b.n, stdin);
        b.n += got;
    } while (got);
    return b;
}

static void *take(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p) abort();
    return p;
}

static int put(const void *p, size_t n) { return fwrite(p, 1, n, stdout) == n && fflush(stdout) == 0 ? 0 : 2; }

static const struct type_info *type_called(const char *name, enum tensor_type *t) {
    for (int i = 0; i < N_TENSOR_TYPES; i++)
        if (!strcmp(tensor_types[i].name, name)) return &tensor_types[*t = (enum tensor_type)i];
    return NULL;
}

static int decode_ternary(const struct ternary_format *f, struct ternary_shape s, const uint8_t *p) {
    uint64_t n = s.rows * s.cols;
    int8_t *trits = take((size_t)n);
    float *scale = take((size_t)(n / f->group) * sizeof *scale), *out = take((size_t)n * sizeof *out);
    struct ternary_bad bad;
    if (!f->decode(&s, p, 0, s.rows, trits, &bad)) {
        fprintf(stderr, "%s at byte %llu\n", bad.why, (unsigned long long)bad.byte);
        return 1;
    }
    f->scales(&s, p, 0, s.rows, scale);
    for (uint64_t i = 0; i < n; i++) out[i] = (float)trits[i] * scale[i / f->group];
    return put(out, (size_t)n * sizeof *out);
}

static int encode_ternary(const struct ternary_format *f, struct ternary_shape s, const float *x) {
    uint64_t n = s.rows * s.cols, bytes;
    int8_t *trits = take((size_t)n);
    float *scale = take((size_t)(n / f->group) * sizeof *scale);
    if (!f->bytes(&s, &bytes)) return 2;
    uint8_t *p = take((size_t)bytes);
    for (uint64_t b = 0; b < n / f->group; b++) {
        scale[b] = 0;
        for (uint64_t i = b * f->group; i < (b + 1) * f->group; i++) {
            if (fabsf(x[i]) > scale[b]) scale[b] = fabsf(x[i]);
            trits[i] = (int8_t)((x[i] > 0) - (x[i] < 0));
        }
    }
    f->encode(&s, trits, scale, p);
    return put(p, (size_t)bytes);
}

static int decode_real(enum tensor_type t, struct bytes in) {
    uint64_t n = in.n / tensor_types[t].bytes * tensor_types[t].block;
    float *out = take((size_t)n * sizeof *out);
    real_decode(t, in.at, n, out);
    return put(out, (size_t)n * sizeof *out);
}

static int encode_real(enum tensor_type t, const float *x, uint64_t n) {
    uint64_t bytes = n / tensor_types[t].block * tensor_types[t].bytes;
    uint8_t *p = take((size_t)bytes);
    if (t == TYPE_Q8_0)
        q8_0_encode(x, n, p);
    else if (t == TYPE_Q4_0)
        q4_0_encode(x, n, p);
    else
        return 2;
    return put(p, (size_t)bytes);
}

int main(int argc, char **argv) {
    enum tensor_type t = TYPE_F32;
    const struct type_info *type = argc == 4 ? type_called(argv[2], &t) : NULL;
    if (!type || !type->block) {
        fprintf(stderr, "usage: setun-codec decode|encode TYPE COLS\n");
        return 2;
    }
    bool decoding = !strcmp(argv[1], "decode");
    struct bytes in = read_all();
    struct ternary_shape s = {.cols = strtoull(argv[3], NULL, 10)};
    uint64_t row = decoding ? s.cols / type->block * type->bytes : s.cols * sizeof(float);
    s.rows = row ? in.n / row : 0;
    if (type->role == TYPE_IS_TERNARY)
        return decoding ? decode_ternary(ternary_of(t), s, in.at) : encode_ternary(ternary_of(t), s, (float *)in.at);
    return decoding ? decode_real(t, in) : encode_real(t, (float *)in.at, s.rows * s.cols);
}
