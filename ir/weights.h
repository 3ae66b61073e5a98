/*
 * weights.h -- where the values of weights come from.
 *
 * One interface for a checkpoint on disk, the pack of an executable, and numbers drawn from a seed; read by
 * the interpreter and, row range by row range, by the packers, so that nobody holds a model in memory.
 * Rows count over all axes but the last; cols is the last axis.
 */
#ifndef SETUN_IR_WEIGHTS_H
#define SETUN_IR_WEIGHTS_H

#include "codec/types.h"
#include "ir/ir.h"

struct ir_weights {
    void *self;
    /* rows [row, row+n) of a ternary weight: n*cols values -1, 0, +1.  false: reported. */
    bool (*trits)(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out);
    /* its scales: 1 (matrix), all rows' (row), or rows * cols / group, group by group inside a row (group). */
    bool (*scales)(void *self, const struct ir_weight *w, uint32_t layer, float *out);
    /* rows of a real weight as stored: n * cols elements, little-endian, or whole blocks. */
    bool (*raw)(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out);
};

/* Widens n stored elements exactly to f32. */
void ir_widen(enum ir_store s, const void *raw, uint64_t n, float *out);
uint32_t ir_store_bytes(enum ir_store s);              /* of one element: 2 or 4; 0 for trits and blocks */
uint32_t ir_store_block(enum ir_store s);              /* elements that are stored together: 1, 32 or 256 */
uint64_t ir_stored_bytes(enum ir_store s, uint64_t n); /* of n elements, whole blocks; not of trits */
enum tensor_type ir_store_type(enum ir_store s);       /* the same in checkpoints; not of trits */

/*
 * Weights drawn from a seed: trits uniform, gains near 1, embeddings near 0; the same on every machine.
 * All arithmetic is modulo 2^64:
 *
 *   mix(z)    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9; z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31
 *   name      FNV-1a, 64 bits, of the class name ("body.wq")
 *   base      mix(seed ^ mix(name + layer)), layer 0 for a global weight
 *   word(b,i) mix(b + 0x9E3779B97F4A7C15 * (i + 1))
 *   trit i    floor(3 * (word(base, i) >> 32) / 2^32) - 1, i counting all elements, row-major
 *   scale i   (1 + (word(mix(base), i) >> 59) / 32) * 2^-b, b the least with 4^b >= cols
 *   real i    rank 1: 0.875 + (word(base, i) >> 60) / 64;  else ((word(base, i) >> 56) - 128) / 128
 *
 * Scales count as struct ir_weights gives them.  Blocks: byte k of all of them is word(base, k) >> 56; then the
 * exponents of their halves are replaced, so that no value passes 1: h becomes (h & 0x83ff) | e << 10, where e is 7 in
 * Q8_0, 3 in Q6_K, 12 in Q4_0, 4 (d) and 8 (dmin) in Q4_K.
 */
struct ir_weights ir_weights_random(struct arena *a, uint64_t seed);

#endif
