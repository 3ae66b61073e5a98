/*
 * screen_head -- the head that logits come from gets a screen: rows of int8 with a bound (docs/cores.md, "The head").
 *
 *   before                                   after
 *   %y = dot %x, @embed : f32[L, 32000]      %y = dot %x, @embed {screen = int8} : f32[L, 32000]
 *   emit %y {name = logits}                  emit %y {name = logits}
 *
 * The mark is about code and data only, no bit depends on it: generated code can then give intervals of the logits
 * instead of the logits, and some logits alone.
 *
 * Leaves alone: heads of less than 8 MiB, which are read from a cache or soon (unless the command line wants all of
 * them screened, or none); logits that something else reads; heads in blocks, which are narrow already; programs whose
 * steps have less than three rows, as intervals lie where the logits of three rows would.
 */
#include <string.h>

#include "ir/weights.h"
#include "passes/pass.h"

enum { LEAST_BYTES = 8 << 20, LEAST_ROWS = 3 };

/* The dot whose result is v, in a kernel or not; NULL: something else, or it is used in between. */
static struct ir_op *dot_of(struct ir_func *f, const struct ir_val *v) {
    if (ir_uses(f, v) != 1) return NULL;
    if (v->def && v->def->code == IR_OP_kernel) {
        if (v->def->n_out != 1) return NULL; /* a head among other dots has no second form */
        v = v->def->body->last->in[v->index];
        if (ir_uses(f, v) != 1) return NULL;
    }
    return v->def && v->def->code == IR_OP_dot ? v->def : NULL;
}

static bool possible(const struct ir_module *m, const struct ir_op *dot) {
    const struct ir_weight *w = dot->weight;
    return w->rank == 2 && !w->layers && ir_store_block(w->store) == 1 && w->store != IR_STORE_TRIT &&
           m->max_rows >= LEAST_ROWS;
}

static bool pays(const struct ir_weight *w) { return w->dim[0] * ir_stored_bytes(w->store, w->dim[1]) >= LEAST_BYTES; }

bool pass_screen_head(struct pass_ctx *cx, struct ir_module *m) {
    bool changed = false;
    for (size_t i = 0; i < m->funcs.n && cx->head != HEAD_FULL; i++) {
        struct ir_func *f = m->funcs.at[i];
        struct ir_op *emit = f->entry ? ir_emitted(f) : NULL;
        if (!emit || strcmp(ir_name_attr(emit, IR_ATTR_name), "logits") != 0) continue;
        struct ir_op *dot = dot_of(f, emit->in[0]);
        if (!dot || !possible(m, dot) || ir_attr_get(dot, IR_ATTR_screen)) continue;
        if (cx->head == HEAD_AUTO && !pays(dot->weight)) continue;
        ir_set_name(dot, IR_ATTR_screen, name_of(m->names, "int8"));
        changed = true;
    }
    return changed;
}
