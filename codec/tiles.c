/* tiles.c -- loops over tiles and steps for the layouts of tiles.h. */
#include "codec/tiles.h"

#include <string.h>

#include "codec/ternary_impl.h"

static uint64_t steps_of(const struct tile_layout *l, uint64_t K) { return K / l->cols + (K % l->cols != 0); }

uint64_t tiles_bytes(const struct tile_layout *l, uint64_t K) { return steps_of(l, K) * l->bytes; }

/* Columns that step s has of K. */
static size_t cols_at(const struct tile_layout *l, uint64_t K, uint64_t s) {
    uint64_t left = K - s * l->cols;
    return left < l->cols ? (size_t)left : l->cols;
}

void tiles_pack(const struct tile_layout *l, const int8_t *trits, uint64_t rows, uint64_t K, uint8_t *tile) {
    uint64_t steps = steps_of(l, K);
    memset(tile, 0, (size_t)(steps * l->bytes));
    for (uint64_t s = 0; s < steps; s++)
        for (unsigned r = 0; r < TILE_ROWS; r++) {
            int8_t part[TILE_COLS_MAX] = {0};
            if (r < rows) memcpy(part, trits + r * K + s * l->cols, cols_at(l, K, s));
            l->put(tile + s * l->bytes, r, part);
        }
}

void tiles_unpack(const struct tile_layout *l, const uint8_t *tile, uint64_t row, uint64_t n, uint64_t K,
                  int8_t *trits) {
    uint64_t steps = steps_of(l, K);
    for (uint64_t r = row; r < row + n; r++, trits += K)
        for (uint64_t s = 0; s < steps; s++) {
            int8_t part[TILE_COLS_MAX];
            unsigned at;
            const char *why;
            if (!l->get(tile + s * l->bytes, (unsigned)r, part, &at, &why)) memset(part, 2, sizeof part);
            memcpy(trits + s * l->cols, part, cols_at(l, K, s));
        }
}

/* ---- strangers' bytes ---- */

static uint64_t tiles_of(const struct ternary_shape *s) { return s->rows / TILE_ROWS + (s->rows % TILE_ROWS != 0); }

bool tiles_size(const struct tile_layout *l, const struct ternary_shape *s, uint64_t *n) {
    return ck_mul(n, steps_of(l, s->cols), l->bytes) && ck_mul(n, *n, tiles_of(s));
}

/* One row; out is NULL for a row that the matrix does not have. */
static bool decode_row(const struct tile_layout *l, const struct ternary_shape *s, const uint8_t *p, uint64_t row,
                       int8_t *out, struct ternary_bad *bad) {
    uint64_t steps = steps_of(l, s->cols), tile = row / TILE_ROWS * tiles_bytes(l, s->cols);
    for (uint64_t i = 0; i < steps; i++) {
        int8_t part[TILE_COLS_MAX];
        unsigned at = 0;
        const char *why = NULL;
        uint64_t step = tile + i * l->bytes, col = i * l->cols;
        size_t n = out ? cols_at(l, s->cols, i) : 0;
        if (!l->get(p + step, (unsigned)(row % TILE_ROWS), part, &at, &why))
            return bad_at(bad, why, step + at, row, col);
        for (size_t k = n; k < l->cols; k++)
            if (part[k]) return bad_at(bad, BAD_PADDING, step + at, row, col);
        if (out) memcpy(out + col, part, n);
    }
    return true;
}

bool tiles_decode(const struct tile_layout *l, const struct ternary_shape *s, const uint8_t *p, uint64_t row,
                  uint64_t n, int8_t *out, struct ternary_bad *bad) {
    for (uint64_t end = row + n; row < end; row++, out += s->cols) {
        if (!decode_row(l, s, p, row, out, bad)) return false;
        if (row + 1 < s->rows) continue;
        for (uint64_t r = s->rows; r < tiles_of(s) * TILE_ROWS; r++) /* the last row answers for those behind it */
            if (!decode_row(l, s, p, r, NULL, bad)) return false;
    }
    return true;
}

void tiles_encode(const struct tile_layout *l, const struct ternary_shape *s, const int8_t *trits, uint8_t *p) {
    for (uint64_t r = 0; r < s->rows; r += TILE_ROWS, p += tiles_bytes(l, s->cols))
        tiles_pack(l, trits + r * s->cols, s->rows - r < TILE_ROWS ? s->rows - r : TILE_ROWS, s->cols, p);
}
