/*
 * pass.h -- what a pass is: a function over the module that keeps its meaning, bit for bit.
 *
 * passes.def lists them in the order of the pipeline.  Each is one file whose header shows before and after.
 */
#ifndef SETUN_PASSES_PASS_H
#define SETUN_PASSES_PASS_H

#include "ir/ir.h"
#include "ir/kernel.h"
#include "ir/schedule.h"

/* Which heads get a screen. */
enum pass_head { HEAD_AUTO, HEAD_SCREENED, HEAD_FULL };

struct pass_ctx {
    struct diag *diag;
    struct arena *arena;             /* scratch of the pass; the IR itself lies in the module's arena */
    const struct schedule *schedule; /* NULL: cores stay as the text has them */
    const char *print_after;         /* name of a pass, "all", or NULL: prints the module to stderr */
    enum pass_head head;
};

typedef bool pass_fn(struct pass_ctx *cx, struct ir_module *m); /* true if the module changed */

#define PASS(id, name, text) pass_fn pass_##id;
#include "passes/passes.def"
#undef PASS

struct pass {
    const char *name, *text;
    pass_fn *run;
};
extern const struct pass passes[];
extern const size_t n_passes;
const struct pass *pass_find(const char *name);
/* Runs one pass and the verifier behind it; false if the pass broke a rule (our bug, reported). */
bool pass_run(struct pass_ctx *cx, struct ir_module *m, const struct pass *p);
/* The whole pipeline, in the order of passes.def. */
bool passes_run_all(struct pass_ctx *cx, struct ir_module *m);

/* ---- helpers shared by passes (passes/edit.c) ---- */

/* Wraps op, which lies at the top level, in a kernel of its own; returns the kernel. */
struct ir_op *edit_wrap(struct ir_op *op);
/* Moves op, which lies below the kernel, into its region, before the yield; operands that are results of
 * the kernel become the inner values, op's results become results of the kernel. */
void edit_move_in(struct ir_op *kernel, struct ir_op *op);
/* Moves op, which lies above the kernel, to the front of its region. */
void edit_pull_in(struct ir_op *kernel, struct ir_op *op);
/* Drops results of the kernel that nobody outside reads. */
void edit_drop_unused_results(struct ir_op *kernel);
/* Is v defined in front of op, in op's block or as a parameter? */
bool edit_above(const struct ir_val *v, const struct ir_op *op);
/* The symbol of rows an op computes: that of its first result (or operand) with rows. */
enum ir_rowsym edit_rows(const struct ir_op *op);

#endif
