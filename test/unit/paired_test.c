/*
 * paired_test.c -- rows that stand in pairs in a file come in the text's order: trits in any cut, scales of rows and of
 * groups, elements of biases; what is not paired passes untouched.
 */
#include "frontend/files/paired.h"

#include <stdlib.h>

#include "test/unit/expect.h"

enum { HEADS = 3, HEAD = 6, COLS = 8, ROWS = HEADS * HEAD };

/* A file whose row r holds values that tell r: all that a row has is made of its number in the file. */
static bool file_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    (void)self, (void)layer;
    for (uint64_t i = 0; i < n * ir_weight_cols(w); i++) out[i] = (int8_t)(row + i / ir_weight_cols(w));
    return true;
}

static bool file_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    (void)self, (void)layer;
    uint64_t each = w->scale == IR_SCALE_GROUP ? ir_weight_cols(w) / w->group : 1;
    uint64_t n = w->scale == IR_SCALE_MATRIX ? 1 : ir_weight_rows(w) * each;
    for (uint64_t i = 0; i < n; i++) out[i] = (float)(10 * (i / each) + i % each);
    return true;
}

static bool file_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    (void)self, (void)layer;
    float *to = out;
    for (uint64_t i = 0; i < n * ir_weight_cols(w); i++) to[i] = (float)(row * ir_weight_cols(w) + i);
    return true;
}

/* Worked by hand for one head of 6: the file has 0 3 1 4 2 5. */
static const uint64_t place[HEAD] = {0, 2, 4, 1, 3, 5};
static uint64_t in_file(uint64_t i) { return i / HEAD * HEAD + place[i % HEAD]; }

static struct ir_weights open_weights(struct arena *a, const struct weight_source *sources, size_t n) {
    struct ir_weights file = {.trits = file_trits, .scales = file_scales, .raw = file_raw};
    return paired_weights(diag_new(a, stderr), a, &file, sources, n);
}

static void ternary(struct arena *a) {
    struct weight_source sources[] = {{.n = 1, .paired = true}, {.n = 1}};
    struct ir_weights w = open_weights(a, sources, COUNT_OF(sources));
    struct ir_weight q = {
        .id = 0, .store = IR_STORE_TRIT, .scale = IR_SCALE_ROW, .rank = 3, .dim = {HEADS, HEAD, COLS}};
    struct ir_weight plain = {.id = 1, .store = IR_STORE_TRIT, .rank = 3, .dim = {HEADS, HEAD, COLS}};
    int8_t out[ROWS * COLS];
    float scales[ROWS * 2];
    for (uint64_t row = 0; row < ROWS; row++)
        for (uint64_t n = 1; n <= ROWS - row; n++) {
            bool same = w.trits(w.self, &q, 0, row, n, out);
            for (uint64_t i = 0; i < n * COLS; i++) same &= out[i] == (int8_t)in_file(row + i / COLS);
            EXPECT(same);
        }
    EXPECT(w.trits(w.self, &plain, 0, 0, ROWS, out) && out[1 * COLS] == 1 && out[4 * COLS] == 4);
    EXPECT(w.scales(w.self, &q, 0, scales));
    for (uint64_t r = 0; r < ROWS; r++) EXPECT(scales[r] == (float)(10 * in_file(r)));
    q.scale = IR_SCALE_GROUP;
    q.group = COLS / 2;
    EXPECT(w.scales(w.self, &q, 0, scales));
    for (uint64_t r = 0; r < ROWS; r++)
        EXPECT(scales[2 * r] == (float)(10 * in_file(r)) && scales[2 * r + 1] == (float)(10 * in_file(r) + 1));
    q.scale = IR_SCALE_MATRIX;
    scales[0] = -1;
    EXPECT(w.scales(w.self, &q, 0, scales) && scales[0] == 0);
}

static void biases(struct arena *a) {
    struct weight_source sources[] = {{.n = 1, .paired = true}};
    struct ir_weights w = open_weights(a, sources, 1);
    struct ir_weight b = {.id = 0, .store = IR_STORE_F32, .rank = 2, .dim = {HEADS, HEAD}};
    float out[ROWS];
    EXPECT(w.raw(w.self, &b, 0, 0, HEADS, out));
    for (uint64_t i = 0; i < ROWS; i++) EXPECT(out[i] == (float)in_file(i));
    EXPECT(w.raw(w.self, &b, 0, 2, 1, out) && out[0] == 12 && out[1] == 14 && out[3] == 13);
}

static void nothing_paired(struct arena *a) {
    struct weight_source sources[] = {{.n = 1}};
    EXPECT(open_weights(a, sources, 1).trits == file_trits);
}

int main(void) {
    struct arena *a = arena_new();
    ternary(a);
    biases(a);
    nothing_paired(a);
    arena_free(a);
    return expect_end();
}
