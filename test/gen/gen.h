/*
 * gen.h -- random programs for tests: decoder-like modules in the maths vocabulary, drawn from a seed.
 *
 * Every feature of gen.def is drawn on its own, and widths are multiples of nothing.  A module is verified, its
 * weights come from ir_weights_random, and bounds tracked while drawing keep every value finite.  Equal layers have
 * equal text.  The same seed gives the same program on every machine.
 */
#ifndef SETUN_TEST_GEN_H
#define SETUN_TEST_GEN_H

#include "ir/ir.h"

enum gen_feature {
#define FEATURE(id, text) GEN_##id,
#include "test/gen/gen.def"
    GEN_N_FEATURES
};
extern const char *const gen_feature_text[GEN_N_FEATURES];

/* What was drawn, for statistics; tokens: a length of prompt that reaches what is special about the program. */
struct gen_info {
    bool has[GEN_N_FEATURES];
    uint32_t tokens;
};

/* The module lies in the arena.  info may be NULL. */
struct ir_module *gen_program_info(struct arena *a, struct names *names, uint64_t seed, struct gen_info *info);
struct ir_module *gen_program(struct arena *a, struct names *names, uint64_t seed);
/* Token t of the test prompt of a program. */
uint32_t gen_token(uint64_t seed, uint32_t vocab, uint32_t t);

#endif
