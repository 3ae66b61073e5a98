/*
 * Any bytes as IR text: refused with one error, or a module that prints, reads back to the same text, and goes through
 * every pass without breaking a rule.  Its data section can be planned, before and behind the passes, and if it is
 * small the interpreter runs two steps of it.
 */
#include <string.h>

#include "backends/backend.h"
#include "ir/interp.h"
#include "passes/pass.h"
#include "test/fuzz/fuzz.h"

enum { SMALL = 1 << 14, ROWS = 3, POSITIONS = 4 };

static struct ir_module *read_text(struct fuzz *f, struct names *names, const char *text, size_t n) {
    struct ir_module *m = ir_parse(f->diag, f->arena, names, diag_add_text(f->diag, "input", text, n), text, n);
    return m && ir_verify(f->diag, m, NULL) ? m : NULL;
}

static char *print_text(struct fuzz *f, const struct ir_module *m) {
    struct buf b = {0};
    ir_print(&b, m);
    char *text = arena_strndup(f->arena, b.at, b.n);
    buf_free(&b);
    return text;
}

static void round_trip(struct fuzz *f, struct names *names, const struct ir_module *m) {
    char *text = print_text(f, m);
    struct ir_module *again = read_text(f, names, text, strlen(text));
    if (!again || strcmp(print_text(f, again), text) != 0) abort();
}

/* Sizes whose sums would wrap if a limit were missing. */
static void plan(struct fuzz *f, const struct ir_module *m) {
    struct data_plan p;
    data_plan_make(f->arena, m, &p);
    if (p.bytes >> 62 || p.state_block_bytes >> 62) abort();
}

/* The only entry, if it gives something and so little has to be held and computed; else NULL. */
static const struct ir_func *small_entry(const struct ir_module *m) {
    const struct ir_func *entry = NULL;
    uint64_t n = 0;
    if (m->max_rows < ROWS) return NULL;
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        n += ir_weight_rows(w) * ir_weight_cols(w) * (w->layers ? w->layers : 1);
    }
    for (size_t i = 0; i < m->states.n; i++) {
        const struct ir_state *s = m->states.at[i];
        n += ir_state_heads(s) * s->dim[s->rank - 1] * (s->layers ? s->layers : 1);
    }
    for (size_t i = 0; i < m->funcs.n; i++) {
        if (m->funcs.at[i]->entry && entry) return NULL;
        if (m->funcs.at[i]->entry) entry = m->funcs.at[i];
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op && n < SMALL; op = ir_next(op)) {
            for (uint32_t k = 0; k < op->n_out; k++) n += ir_type_elems(&op->out[k]->type);
            if (op->n_func) n += 64 * (uint64_t)ir_i64(op, IR_ATTR_to, 1);
        }
    }
    return n < SMALL && entry && ir_emitted(entry) && m->vocab ? entry : NULL;
}

/* Values that are not finite end a step with a message; nothing else may go wrong. */
static void interpret(struct fuzz *f, const struct ir_module *m) {
    const struct ir_func *entry = small_entry(m);
    if (!entry) return;
    const struct ir_op *answer = ir_emitted(entry);
    struct diag *d = diag_new(f->arena, f->out);
    struct ir_weights w = ir_weights_random(f->arena, 1);
    struct interp *it = interp_new(d, m, &w, 1, POSITIONS);
    float *out = arena_array(f->arena, float, ROWS *ir_type_elems(&answer->in[0]->type));
    const char *name = ir_name_attr(answer, IR_ATTR_name);
    struct ir_row rows[POSITIONS] = {{.live = true}, {.pos = 1}, {.pos = 2, .live = true}, {.pos = 3, .live = true}};
    rows[1].token = m->vocab - 1;
    bool ok = interp_step(it, entry, rows, ROWS, name, out) && interp_step(it, entry, rows + ROWS, 1, name, out);
    if (ok != (diag_errors(d) == 0)) abort();
    interp_free(it);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    fuzz_start(&f, data, n);
    struct names *names = names_new(f.arena);
    char *text = arena_strndup(f.arena, (const char *)data, n);
    struct ir_module *m = read_text(&f, names, text, n);
    if (m) {
        struct pass_ctx cx = {.diag = f.diag, .arena = f.arena};
        plan(&f, m);
        interpret(&f, m);
        round_trip(&f, names, m);
        if (!passes_run_all(&cx, m)) abort();
        round_trip(&f, names, m);
        plan(&f, m);
        interpret(&f, m);
    }
    fuzz_end(&f, m != NULL);
    return 0;
}
