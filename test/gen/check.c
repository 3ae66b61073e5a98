/*
 * check.c -- text that round-trips, chunks that do not matter, passes that keep every bit; see check.h.
 */
#include "test/gen/check.h"

#include <string.h>

#include "test/gen/emit.h"
#include "test/gen/plan_check.h"
#include "test/gen/rewire.h"

/* Reading the text back gives the same text. */
static bool round_trip(struct trial *t, const char *text, const char *what) {
    uint32_t file = diag_add_text(t->d, what, text, strlen(text));
    struct ir_module *m = ir_parse(t->d, t->a, t->names, file, text, strlen(text));
    if (!m || !ir_verify(t->d, m, NULL)) return trial_failed(t, what, "its text is not read back");
    bool same = strcmp(trial_text(t->a, m), text) == 0;
    return same || trial_failed(t, what, "its text changes when read back");
}

/* ---- chunks ---- */

static bool same_by(struct trial *t, const struct ir_module *m, const struct step_plan *s, const char *what) {
    float *out = arena_array(t->a, float, (size_t)t->tokens * t->vocab);
    if (!trial_interpret(t, m, s, out)) return trial_failed(t, what, "the step failed");
    return trial_compare(t, s, out, what);
}

static bool check_chunks(struct trial *t) {
    struct ir_module *m = trial_module(t);
    struct step_plan one = trial_chunks(t, 1);
    return m && same_by(t, m, &one, "steps of one row") && same_by(t, m, &t->mixed, "mixed steps");
}

/* Logits that are all the same show nothing. */
static bool flat(const struct trial *t) {
    for (size_t i = 1; i < (size_t)t->tokens * t->vocab; i++)
        if (t->logits[i] != t->logits[0]) return false;
    return true;
}

/* ---- passes ---- */

/* Runs a pass on m whose text is *text; checks all that a pass promises. */
static bool check_pass(struct trial *t, struct ir_module *m, const struct pass *p, const char **text, unsigned *changed,
                       struct check_stats *st) {
    struct pass_ctx cx = {.diag = t->d, .arena = t->a, .head = HEAD_SCREENED};
    bool says = p->run(&cx, m);
    if (diag_errors(t->d) || !ir_verify(t->d, m, p->name)) return trial_failed(t, p->name, "breaks a rule");
    const char *after = trial_text(t->a, m);
    bool same = strcmp(*text, after) == 0;
    if (!same && !says) return trial_failed(t, p->name, "says that nothing changed");
    *text = after;
    if (same) return true;
    ++*changed;
    if (!round_trip(t, after, p->name)) return false;
    st->interpreted++;
    if (!same_by(t, m, &t->mixed, p->name)) return false;
    p->run(&cx, m);
    if (!ir_verify(t->d, m, p->name)) return trial_failed(t, p->name, "breaks a rule when run again");
    return strcmp(trial_text(t->a, m), after) == 0 || trial_failed(t, p->name, "changes its own result when run again");
}

static bool check_plan(struct trial *t, const struct ir_module *m) {
    const char *why = plan_check(t->a, m);
    return !why || trial_failed(t, "plan-memory", why);
}

static bool check_alone(struct trial *t, struct check_stats *st) {
    for (size_t i = 0; i < n_passes; i++) {
        struct ir_module *m = trial_module(t);
        const char *text = t->text;
        if (!m || !check_pass(t, m, &passes[i], &text, &st->alone[i], st)) return false;
        if (!strcmp(passes[i].name, "plan-memory") && !check_plan(t, m)) return false;
    }
    return true;
}

static void count_cores(const struct ir_module *m, struct check_stats *st) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op)) {
            bool dot = op->code == IR_OP_dot, prologue = false, epilogue = false;
            st->kernels += op->code == IR_OP_kernel;
            if (!ir_is_core(op) || op->code == IR_OP_attend) continue;
            for (struct ir_op *o = op->block->owner ? op->block->first : NULL; o; o = o->next) {
                prologue |= ir_stage_of(o) == IR_STAGE_PROLOGUE;
                epilogue |= ir_stage_of(o) == IR_STAGE_EPILOGUE && o->code != IR_OP_yield;
            }
            *(dot ? &st->dots : &st->matmuls) += 1;
            *(dot ? &st->dot_prologue : &st->matmul_prologue) += prologue;
            *(dot ? &st->dot_epilogue : &st->matmul_epilogue) += epilogue;
        }
}

/* Passes in an order that the pipeline never has: each must still keep its promise, if it can do less. */
static bool check_shuffled(struct trial *t, struct check_stats *st) {
    struct gen g = {.rng = gen_hash(t->seed, "order of passes")};
    struct ir_module *m = trial_module(t);
    const char *text = t->text, *order = "shuffled:";
    unsigned changed = 0;
    for (size_t i = 0; m && i < n_passes; i++) {
        const struct pass *p = &passes[gen_below(&g, (uint32_t)n_passes)];
        order = arena_printf(t->a, "%s %s", order, p->name);
        if (!check_pass(t, m, p, &text, &changed, st)) return trial_failed(t, order, "the last of these");
    }
    return m != NULL;
}

/* Every result of a layer is written once, by a kernel or a call, into the place that the caller gave. */
static bool check_results(struct trial *t, const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++) {
        const struct ir_op *ret = m->funcs.at[i]->body->last;
        for (uint32_t k = 0; k < ret->n_in; k++) {
            const struct ir_op *def = ret->in[k]->def;
            bool again = false;
            for (uint32_t j = 0; j < k; j++) again |= ret->in[j] == ret->in[k];
            if (again || !def || def->code != IR_OP_kernel)
                return trial_failed(t, "select-core", "a result of a layer has no writer of its own");
        }
    }
    return true;
}

/* Every prefix of the pipeline. */
static bool check_pipeline(struct trial *t, struct check_stats *st) {
    struct ir_module *m = trial_module(t);
    const char *text = t->text;
    for (size_t i = 0; m && i < n_passes; i++)
        if (!check_pass(t, m, &passes[i], &text, &st->changed[i], st)) return false;
    if (!m || !check_plan(t, m) || !check_results(t, m)) return false;
    count_cores(m, st);
    return true;
}

/* The same of a program that nobody would write; one that is against the rules or not finite shows nothing. */
static bool check_rewired(struct trial *t, struct check_stats *st) {
    struct ir_module *m = trial_module(t);
    FILE *nowhere = m ? fopen("/dev/null", "w") : NULL;
    if (!nowhere) return false;
    struct diag *loud = t->d;
    struct check_stats unused = {0};
    gen_rewire(m, t->seed);
    t->text = trial_text(t->a, m);
    t->d = diag_new(t->a, nowhere);
    bool use = ir_verify(t->d, m, NULL) && trial_interpret(t, m, &t->mixed, t->logits);
    t->d = loud;
    fclose(nowhere);
    if (!use) return true;
    st->rewired++;
    return (check_alone(t, &unused) && check_pipeline(t, &unused) && check_shuffled(t, &unused)) ||
           trial_failed(t, "rewired", "this one");
}

bool check_program(uint64_t seed, struct check_stats *st) {
    struct trial t;
    bool ok = trial_begin(&t, seed);
    st->flat += ok && flat(&t);
    ok = ok && round_trip(&t, t.text, "program") && check_chunks(&t) && check_alone(&t, st) && check_pipeline(&t, st) &&
         check_shuffled(&t, st) && check_rewired(&t, st);
    for (uint32_t i = 0; i < GEN_N_FEATURES; i++) st->has[i] += t.info.has[i];
    st->programs++;
    trial_end(&t);
    return ok;
}

/* ---- statistics ---- */

static double percent(unsigned part, unsigned all) { return all ? 100.0 * part / all : 0; }

void check_print_stats(const struct check_stats *st) {
    printf("programs with\n");
    for (uint32_t i = 0; i < GEN_N_FEATURES; i++) printf("  %5u  %s\n", st->has[i], gen_feature_text[i]);
    printf("programs changed by   in the pipeline    alone\n");
    for (size_t i = 0; i < n_passes; i++) printf("  %-16s %12u %13u\n", passes[i].name, st->changed[i], st->alone[i]);
    printf("kernels %u\n", st->kernels);
    printf("matmuls %u: %.1f %% in a kernel with prologue, %.1f %% with epilogue\n", st->matmuls,
           percent(st->matmul_prologue, st->matmuls), percent(st->matmul_epilogue, st->matmuls));
    printf("dots %u: %.1f %% in a kernel with prologue, %.1f %% with epilogue\n", st->dots,
           percent(st->dot_prologue, st->dots), percent(st->dot_epilogue, st->dots));
}
