/* programs.h -- IR texts for kernel_codegen_test, and values at the edges. */
#ifndef SETUN_TEST_PROGRAMS_H
#define SETUN_TEST_PROGRAMS_H

#include <stdbool.h>

#include "base/str.h"
#include "ir/weights.h"

/* COLUMNS, COLUMNS5: fused, and all matrices lie by columns */
enum form { UNFUSED, FUSED, COLUMNS, COLUMNS5, N_FORMS };

/* One text with holes: lengths that are multiples of nothing and lengths that are, caches, windows, rope pairings,
 * activations. */
struct shape {
    const char *title;
    uint32_t hidden, heads, kv, d, ffn, vocab, layers;
    const char *pairing, *k_cache, *v_cache, *mask, *act, *scale, *store;
    uint32_t tokens;
    bool qk_norm, bias;
    enum form emulated; /* which of the forms runs there */
};

extern const struct shape program_shapes[];
extern const size_t program_n_shapes;
void program_text(struct buf *t, const struct shape *s);

/* Programs for weights whose first one, the embedding, holds floats of every kind, or ties. */
extern const char program_edges[], program_ties[];
struct ir_weights program_edge_weights(struct arena *a, bool ties);

/* Rows of 1e38 and more, squared, where they are first met: by quant, in the logits, or by a cache of f16, which cuts
 * what is infinite but keeps a NaN. */
enum program_place { IN_QUANT, IN_LOGITS, IN_CACHE };
void program_overflow(struct buf *t, enum program_place place);

#endif
