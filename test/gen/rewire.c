/*
 * rewire.c -- programs that no one would write: operands replaced by other values of the same type.
 *
 * Bounds and chunks mean nothing any more, so the result is compared with its own interpretation only, by one
 * schedule; a program that breaks a rule or leaves the finite numbers is passed over.
 */
#include "test/gen/rewire.h"
#include "test/gen/emit.h"

static void replace(struct gen *g, struct ir_func *f, struct ir_op *op, uint32_t i) {
    struct ir_val *fits[256];
    uint32_t n = 0;
    for (uint32_t p = 0; p < f->n_params; p++)
        if (ir_type_eq(&f->params[p]->type, &op->in[i]->type)) fits[n++] = f->params[p];
    for (struct ir_op *o = f->body->first; o != op; o = o->next)
        for (uint32_t k = 0; k < o->n_out && n < COUNT_OF(fits); k++)
            if (ir_type_eq(&o->out[k]->type, &op->in[i]->type)) fits[n++] = o->out[k];
    op->in[i] = fits[gen_below(g, n)];
}

void gen_rewire(struct ir_module *m, uint64_t seed) {
    for (size_t i = 0; i < m->funcs.n; i++) {
        struct gen g = {.rng = gen_hash(seed, "rewire")}; /* begins anew: equal functions stay equal */
        for (struct ir_op *op = m->funcs.at[i]->body->first; op; op = op->next)
            for (uint32_t k = 0; k < op->n_in; k++)
                if (gen_once_in(&g, 8)) replace(&g, m->funcs.at[i], op, k);
    }
}
