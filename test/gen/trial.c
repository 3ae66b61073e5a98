/* trial.c -- one drawn program, its reference logits, and comparing with them; see check.h. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "ir/interp.h"
#include "test/gen/check.h"
#include "test/gen/emit.h"

enum { SLOTS = 2 };

bool trial_failed(const struct trial *t, const char *what, const char *why) {
    fprintf(stderr, "seed %" PRIu64 ": %s: %s\n", t->seed, what, why);
    return false;
}

const char *trial_text(struct arena *a, const struct ir_module *m) {
    struct buf b = {0};
    ir_print(&b, m);
    const char *s = arena_strndup(a, b.at, b.n);
    buf_free(&b);
    return s;
}

struct ir_module *trial_module(struct trial *t) {
    uint32_t file = diag_add_text(t->d, "drawn", t->text, strlen(t->text));
    return ir_parse(t->d, t->a, t->names, file, t->text, strlen(t->text));
}

/* ---- schedules ---- */

static struct step_plan schedule_new(struct trial *t, uint32_t rows) {
    return (struct step_plan){.rows = arena_array(t->a, struct ir_row, rows), .end = arena_array(t->a, uint32_t, rows)};
}

static struct ir_row row_of(const struct trial *t, uint32_t slot, uint32_t pos, bool live) {
    return (struct ir_row){.token = gen_token(t->seed + slot, t->vocab, pos), .slot = slot, .pos = pos, .live = live};
}

struct step_plan trial_chunks(struct trial *t, uint32_t n) {
    struct step_plan s = schedule_new(t, t->tokens);
    if (n > t->max_rows) n = t->max_rows;
    for (uint32_t i = 0; i < t->tokens; i++) {
        s.rows[i] = row_of(t, 0, i, true);
        if ((i + 1) % n == 0 || i + 1 == t->tokens) s.end[s.n_steps++] = i + 1;
    }
    return s;
}

/* Both slots go on by a few tokens a step, in turns drawn at random; some steps want no row at all. */
static struct step_plan mixed(struct trial *t) {
    struct gen g = {.rng = gen_hash(t->seed, "schedule")};
    struct step_plan s = schedule_new(t, 2 * t->tokens);
    uint32_t pos[SLOTS] = {0}, n = 0, largest = t->info.has[GEN_LONG] ? t->max_rows : 7;
    while (pos[0] < t->tokens) {
        uint32_t rows = 1 + gen_below(&g, largest < t->max_rows ? largest : t->max_rows);
        uint32_t style = gen_below(&g, 4);
        for (uint32_t i = 0; i < rows && pos[0] < t->tokens; i++) {
            uint32_t slot = pos[1] < t->tokens && gen_below(&g, 4) == 0;
            bool live = style == 0 ? false : style == 1 ? i + 1 == rows : gen_below(&g, 2);
            s.rows[n++] = row_of(t, slot, pos[slot]++, live);
        }
        s.end[s.n_steps++] = n;
    }
    return s;
}

/* ---- interpreting and comparing ---- */

static const struct ir_func *entry_of(const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) return m->funcs.at[i];
    BUG("no entry");
}

bool trial_interpret(struct trial *t, const struct ir_module *m, const struct step_plan *s, float *out) {
    struct ir_weights w = ir_weights_random(t->a, t->seed);
    struct interp *it = interp_new(t->d, m, &w, SLOTS, t->tokens);
    float *step = arena_array(t->a, float, (size_t)s->end[s->n_steps - 1] * t->vocab);
    bool ok = it != NULL;
    for (uint32_t i = 0, from = 0; ok && i < s->n_steps; from = s->end[i++]) {
        const char *emitted = ir_name_attr(ir_emitted(entry_of(m)), IR_ATTR_name);
        ok = interp_step(it, entry_of(m), s->rows + from, s->end[i] - from, emitted, step);
        for (uint32_t r = from, k = 0; ok && r < s->end[i]; r++) {
            if (!s->rows[r].live) continue;
            if (s->rows[r].slot == 0)
                memcpy(out + (size_t)s->rows[r].pos * t->vocab, step + (size_t)k * t->vocab, t->vocab * sizeof *out);
            k++;
        }
    }
    interp_free(it);
    return ok;
}

bool trial_compare(struct trial *t, const struct step_plan *s, const float *out, const char *what) {
    for (uint32_t r = 0; r < s->end[s->n_steps - 1]; r++) {
        if (!s->rows[r].live || s->rows[r].slot) continue;
        for (uint32_t i = 0; i < t->vocab; i++) {
            size_t at = (size_t)s->rows[r].pos * t->vocab + i;
            uint32_t have = bits_of_f32(out[at]), want = bits_of_f32(t->logits[at]);
            if (have == want) continue;
            return trial_failed(t, what,
                                arena_printf(t->a, "position %u, logit %u is %08x (%g), not %08x (%g)", s->rows[r].pos,
                                             i, have, (double)out[at], want, (double)t->logits[at]));
        }
    }
    return true;
}

/* ---- begin and end ---- */

bool trial_begin(struct trial *t, uint64_t seed) {
    *t = (struct trial){.a = arena_new(), .seed = seed};
    t->names = names_new(t->a);
    t->d = diag_new(t->a, stderr);
    struct ir_module *m = gen_program_info(t->a, t->names, seed, &t->info);
    t->text = trial_text(t->a, m);
    t->tokens = t->info.tokens;
    t->vocab = m->vocab;
    t->max_rows = m->max_rows;
    t->logits = arena_array(t->a, float, (size_t)t->tokens * t->vocab);
    struct step_plan whole = schedule_new(t, t->tokens); /* the interpreter knows no limit of rows */
    for (uint32_t i = 0; i < t->tokens; i++) whole.rows[i] = row_of(t, 0, i, true);
    whole.end[whole.n_steps++] = t->tokens;
    t->mixed = mixed(t);
    return trial_interpret(t, m, &whole, t->logits) || trial_failed(t, "interpreter", "the step failed");
}

void trial_end(struct trial *t) { arena_free(t->a); }
