/*
 * check.h -- what must hold of one drawn program, whatever was drawn.
 *
 * A trial holds the program's text and the logits of a test prompt, all rows in one step.  Anything that claims to
 * compute the same (other chunks, a pass, compiled code) is compared with these, bit for bit.
 */
#ifndef SETUN_TEST_CHECK_H
#define SETUN_TEST_CHECK_H

#include "passes/pass.h"
#include "test/gen/gen.h"

/* Rows of all steps, one after the other; step s ends before row end[s].  Slot 0 is compared; slot 1 disturbs. */
struct step_plan {
    struct ir_row *rows;
    uint32_t *end;
    uint32_t n_steps;
};

struct trial {
    struct arena *a;
    struct names *names;
    struct diag *d;
    uint64_t seed;
    struct gen_info info;
    const char *text; /* of the maths program */
    uint32_t tokens, vocab, max_rows;
    float *logits;          /* [tokens][vocab], the interpreter's */
    struct step_plan mixed; /* random steps, random rows wanted, two slots */
};

struct check_stats {
    unsigned programs, interpreted, rewired;
    unsigned flat; /* programs whose logits are all equal: they show nothing, and are rare */
    unsigned has[GEN_N_FEATURES];
    unsigned changed[16], alone[16]; /* by pass: in the pipeline, on the maths program */
    unsigned matmuls, dots, matmul_prologue, matmul_epilogue, dot_prologue, dot_epilogue, kernels;
};

/* Draws and interprets; false: reported on stderr. */
bool trial_begin(struct trial *t, uint64_t seed);
void trial_end(struct trial *t);
/* Reports a claim that does not hold; returns false. */
bool trial_failed(const struct trial *t, const char *what, const char *why);
const char *trial_text(struct arena *a, const struct ir_module *m);
/* A module from the program's text, as new. */
struct ir_module *trial_module(struct trial *t);
/* Steps of n rows each, all rows wanted; no more than max_rows. */
struct step_plan trial_chunks(struct trial *t, uint32_t n);
/* Interprets m by a schedule; out[tokens][vocab], wanted rows only. */
bool trial_interpret(struct trial *t, const struct ir_module *m, const struct step_plan *s, float *out);
/* Compares rows of slot 0 that the schedule wants; what names the claim.  false: reported with the first difference. */
bool trial_compare(struct trial *t, const struct step_plan *s, const float *out, const char *what);

/* Everything but compiled code. */
bool check_program(uint64_t seed, struct check_stats *st);
void check_print_stats(const struct check_stats *st);

#endif
