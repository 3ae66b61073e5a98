/*
 * schedule.c -- the rule that gives each ternary weight its core (schedule.h; docs/cores.md says it in words).
 *
 * Decoding reads every weight once a token.  A weight costs the larger of what memory takes to bring it in and what
 * the core takes to multiply by it; the cheapest core wins, the first row of cores.def among equals.
 */
#include "ir/schedule.h"

#include <string.h>

/* Bytes a nanosecond that one CPU core reads from memory, following one run of it, or several: numbers of
 * today's servers and desktops, where it is 10 to 24. */
static const double MEMORY[] = {16, 23};
/* Columns lie apart: memory brings in more than is asked for.  Measured where the times of `columns` and `columns5` and
 * of `t5` cross: 1.2 of a stream. */
static const double APART = 1.2;
/* Weights that stay in the second level cache from token to token cost no memory. */
static const uint64_t CACHED = (uint64_t)2 << 20;

/* Do weights come from memory?  Counted at two bits, all layers. */
static bool streams(const struct ir_module *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        if (w->store == IR_STORE_TRIT) sum += ir_weight_rows(w) * ir_weight_cols(w) / 4 * (w->layers ? w->layers : 1);
    }
    return sum > CACHED;
}

/* The largest of the densities that the weight's matmuls promise; 0: it has none. */
static double density_of(const struct ir_module *m, const struct ir_weight *w) {
    double most = 0;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op)) {
            if (op->weight != w || (op->code != IR_OP_matmul && op->code != IR_OP_gmatmul)) continue;
            double d = ir_attr_get(op, IR_ATTR_density) ? ir_f64(op, IR_ATTR_density) : 1;
            if (d > most) most = d;
        }
    return most;
}

static struct core_choice cost(const struct schedule *s, enum ir_core core, double density, bool from_memory) {
    struct core_choice c = {.core = core, .density = ir_cores[core].skips ? density : 1};
    if (s->rate[core] > 0) c.arithmetic = 1000 / s->rate[core] * c.density;
    if (from_memory)
        c.memory = 1000 * ir_cores[core].bits / 8 / MEMORY[ir_cores[core].runs > 1] * c.density *
                   (ir_cores[core].skips ? APART : 1);
    c.why = c.memory >= c.arithmetic ? "memory" : "arithmetic";
    return c;
}

static double time_of(const struct core_choice *c) { return c->memory > c->arithmetic ? c->memory : c->arithmetic; }

struct core_choice schedule_choose(const struct schedule *s, const struct ir_module *m, const struct ir_weight *w) {
    bool from_memory = streams(m), groups = w->scale == IR_SCALE_GROUP;
    double density = density_of(m, w);
    struct core_choice best = cost(s, IR_CORE_i2, density, from_memory);
    if (groups) best.why = "scales of groups need it";
    if (s->only < IR_N_CORES && (!groups || ir_cores[s->only].groups)) {
        best = cost(s, s->only, density, from_memory);
        best.why = "asked for";
        return best;
    }
    for (enum ir_core i = 0; i < IR_N_CORES; i++) {
        struct core_choice c = cost(s, i, density, from_memory);
        if (s->rate[i] > 0 && (!groups || ir_cores[i].groups) && time_of(&c) < time_of(&best)) best = c;
    }
    return best;
}

void schedule_print(struct buf *out, struct arena *a, const struct schedule *s, const struct ir_module *m) {
    buf_printf(out, "cores for level %s\n", s->level);
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        if (w->store != IR_STORE_TRIT || density_of(m, w) == 0) continue;
        struct core_choice c = schedule_choose(s, m, w);
        uint64_t n = ir_weight_rows(w) * ir_weight_cols(w) * (w->layers ? w->layers : 1);
        const char *sparse = "";
        if (c.density < 1) sparse = arena_printf(a, ", %.0f %% of columns", 100 * c.density);
        buf_printf(
            out, "%-16s %6llu x %-6llu x %-3u %-8s %8.2f MB a token, %s (memory %.1f ps a weight, arithmetic %.1f)%s\n",
            w->name, (unsigned long long)ir_weight_rows(w), (unsigned long long)ir_weight_cols(w),
            w->layers ? w->layers : 1, ir_cores[c.core].name, (double)n * ir_cores[c.core].bits / 8 * c.density / 1e6,
            c.why, c.memory, c.arithmetic, sparse);
    }
}
