/* layer.h -- one layer of a random program; private to the generator. */
#ifndef SETUN_TEST_GEN_LAYER_H
#define SETUN_TEST_GEN_LAYER_H

#include "test/gen/emit.h"

/* The bound on a layer's input that its text is drawn for, and on what a layer adds to it. */
#define GEN_LAYER_IN 32.0
#define GEN_BRANCH   24.0

/* A length that is a multiple of nothing in particular, small more often than not. */
uint32_t gen_width(const struct gen *g, const char *scope, const char *what);
/* y = W x with a ternary matrix [shape..., length of x], quantised here; and with a bias, by draw. */
struct val gen_linear(struct gen *g, struct val x, const char *name, uint32_t rank, const uint32_t *shape);
/* A few element-wise ops on x, by draw. */
struct val gen_noise(struct gen *g, struct val x);
/* Caches @k and @v that belong to no layer; the entry writes rows made from x, layers may read them. */
void gen_global_states(struct gen *g);
void gen_global_write(struct gen *g, struct val x);
/* Appends the body of a layer that takes x of its width to a value of width `out`. */
struct val gen_layer(struct gen *g, struct val x, uint32_t out);

#endif
