/*
 * interp.c -- modules, calls and blocks: who is evaluated when, and where values lie meanwhile.
 *
 * The ops themselves are in interp_ops.c and interp_state.c; the table below ties them to ops.def.  A kernel is
 * evaluated by evaluating its region: fused and unfused programs run the same code.
 */
#include "ir/interp.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "ir/eval.h"

typedef bool eval_fn(struct frame *f, const struct ir_op *op);
static eval_fn *const evals[IR_N_OPS] = {
#define OP(name, ...) [IR_OP_##name] = eval_##name,
#include "ir/ops.def"
};

/* ---- cells ---- */

uint32_t eval_rows(const struct frame *f, const struct ir_type *t) {
    switch (t->rows) {
    case IR_T: return f->n_rows;
    case IR_L: return f->n_live;
    case IR_NO_ROWS: return 1;
    }
    BUG("row symbol %d", (int)t->rows);
}

/* The cell of v, or the free one where it belongs. */
static struct cell *find(const struct frame *f, const struct ir_val *v) {
    uint32_t mask = f->capacity - 1;
    uint32_t at = (uint32_t)((uintptr_t)v >> 4) & mask;
    while (f->cells[at].val && f->cells[at].val != v) at = (at + 1) & mask;
    return &f->cells[at];
}

const struct cell *eval_in(const struct frame *f, const struct ir_op *op, uint32_t i) {
    const struct cell *c = find(f, op->in[i]);
    if (!c->val) BUG("%s reads %%%s before it is computed", ir_ops[op->code].name, op->in[i]->name);
    return c;
}

const float *eval_f32(const struct frame *f, const struct ir_op *op, uint32_t i) { return eval_in(f, op, i)->data; }

void eval_bind(struct frame *f, const struct ir_val *v, struct cell what) {
    struct cell *c = find(f, v);
    *c = what;
    c->val = v;
}

static void *room(struct interp *it, const struct ir_type *t, uint32_t n_rows) {
    uint64_t elems, bytes;
    if (!ck_mul(&elems, ir_type_elems(t), n_rows) || !ck_mul(&bytes, elems, ir_elem_bytes(t->elem)))
        BUG("a value without end");
    return arena_alloc(it->scratch, (size_t)bytes);
}

void *eval_out(struct frame *f, const struct ir_op *op, uint32_t i) {
    const struct ir_type *t = &op->out[i]->type;
    struct cell c = {.n_rows = eval_rows(f, t)};
    c.data = room(f->it, t, c.n_rows);
    eval_bind(f, op->out[i], c);
    return c.data;
}

/* ---- weights ---- */

static bool read_trits(struct interp *it, const struct ir_weight *w, uint32_t layer, struct held *h) {
    uint64_t rows = ir_weight_rows(w), cols = ir_weight_cols(w);
    int8_t *trits = arena_array(it->arena, int8_t, rows *cols);
    h->scales = arena_array(it->arena, float, ir_weight_scales(w));
    if (!it->w->trits(it->w->self, w, layer, 0, rows, trits)) return false;
    if (!it->w->scales(it->w->self, w, layer, h->scales)) return false;
    h->trits = trits;
    return true;
}

static bool read_real(struct interp *it, const struct ir_weight *w, uint32_t layer, struct held *h) {
    uint64_t rows = ir_weight_rows(w), n = rows * ir_weight_cols(w);
    struct arena_mark mark = arena_save(it->scratch);
    void *raw = arena_calloc(it->scratch, ir_stored_bytes(w->store, n), 1);
    bool ok = it->w->raw(it->w->self, w, layer, 0, rows, raw);
    if (ok) {
        h->real = arena_array(it->arena, float, n);
        ir_widen(w->store, raw, n, h->real);
    }
    arena_restore(it->scratch, mark);
    return ok;
}

const struct held *eval_weight(struct frame *f, const struct ir_op *op) {
    const struct ir_weight *w = op->weight;
    uint32_t layer = w->layers ? f->layer : 0;
    if (w->layers && layer >= w->layers) BUG("@%s has no layer %u", w->name, layer);
    struct held *h = &f->it->held[w->id][layer];
    if (h->trits || h->real) return h;
    bool ok = w->store == IR_STORE_TRIT ? read_trits(f->it, w, layer, h) : read_real(f->it, w, layer, h);
    return ok ? h : NULL;
}

/* ---- blocks and calls ---- */

static void trace(struct frame *f, const struct ir_op *op) {
    struct interp *it = f->it;
    for (uint32_t i = 0; i < op->n_out; i++) {
        const struct ir_val *v = op->out[i];
        enum ir_elem e = v->type.elem;
        if (e != IR_F32_E && e != IR_I8 && e != IR_I32) continue;
        const struct cell *c = find(f, v);
        it->trace(it->trace_self, f->func, v, f->layer, c->n_rows, c->data);
    }
}

bool eval_block(struct frame *f, const struct ir_block *b) {
    for (const struct ir_op *op = b->first; op; op = op->next) {
        if (!evals[op->code](f, op)) return false;
        if (f->it->trace && !b->owner) trace(f, op);
    }
    return true;
}

static uint32_t count_values(const struct ir_func *func) {
    uint32_t n = func->n_params;
    for (struct ir_op *op = ir_first((struct ir_func *)func); op; op = ir_next(op)) n += op->n_out;
    return n;
}

/* params[0] of a function is its rows. */
static struct frame frame_new(struct interp *it, const struct ir_func *func, uint32_t layer, const struct cell *ins) {
    struct frame f = {.it = it, .func = func, .layer = layer, .rows = ins[0].rows, .n_rows = ins[0].n_rows};
    for (uint32_t t = 0; t < f.n_rows; t++) f.n_live += f.rows[t].live;
    uint32_t n = count_values(func);
    for (f.capacity = 16; f.capacity < 2 * n;) f.capacity *= 2;
    f.cells = arena_array(it->scratch, struct cell, f.capacity);
    for (uint32_t i = 0; i < func->n_params; i++) eval_bind(&f, func->params[i], ins[i]);
    return f;
}

bool eval_call(struct interp *it, const struct ir_func *func, uint32_t layer, const struct cell *ins,
               struct cell *outs) {
    struct arena_mark mark = arena_save(it->scratch);
    struct frame f = frame_new(it, func, layer, ins);
    bool ok = eval_block(&f, func->body);
    const struct ir_op *ret = func->body->last;
    if (!outs && ret->n_in) BUG("@%s returns values to nobody", func->name);
    for (uint32_t i = 0; ok && i < ret->n_in; i++) {
        const struct cell *c = eval_in(&f, ret, i);
        memcpy(outs[i].data, c->data,
               ir_type_elems(&ret->in[i]->type) * c->n_rows * ir_elem_bytes(ret->in[i]->type.elem));
    }
    arena_restore(it->scratch, mark);
    return ok;
}

bool eval_layer(struct frame *f, const struct ir_op *op) {
    struct cell *ins = arena_array(f->it->scratch, struct cell, op->n_in);
    struct cell *outs = arena_array(f->it->scratch, struct cell, op->n_out);
    for (uint32_t i = 0; i < op->n_in; i++) ins[i] = *eval_in(f, op, i);
    for (uint32_t i = 0; i < op->n_out; i++) {
        eval_out(f, op, i);
        outs[i] = *find(f, op->out[i]);
    }
    return eval_call(f->it, op->func[0], (uint32_t)ir_i64(op, IR_ATTR_index, 0), ins, outs);
}

/* What layer i gives is what layer i+1 is given, in two sets of buffers that take turns. */
bool eval_layers(struct frame *f, const struct ir_op *op) {
    struct cell *ins = arena_array(f->it->scratch, struct cell, op->n_in);
    struct cell *turn[2];
    for (uint32_t k = 0; k < 2; k++) {
        turn[k] = arena_array(f->it->scratch, struct cell, op->n_out);
        for (uint32_t i = 0; i < op->n_out; i++) {
            const struct ir_type *t = &op->out[i]->type;
            turn[k][i].n_rows = eval_rows(f, t);
            turn[k][i].data = room(f->it, t, turn[k][i].n_rows);
        }
    }
    for (uint32_t i = 0; i < op->n_in; i++) ins[i] = *eval_in(f, op, i);
    int64_t from = ir_i64(op, IR_ATTR_from, 0), to = ir_i64(op, IR_ATTR_to, 0);
    for (int64_t i = from; i < to; i++) {
        struct cell *outs = turn[(i - from) % 2];
        if (!eval_call(f->it, op->func[(i - from) % op->n_func], (uint32_t)i, ins, outs)) return false;
        for (uint32_t k = 0; k < op->n_out; k++) ins[k + 1] = outs[k];
    }
    for (uint32_t k = 0; k < op->n_out; k++) eval_bind(f, op->out[k], ins[k + 1]);
    return true;
}

bool eval_kernel(struct frame *f, const struct ir_op *op) {
    if (!eval_block(f, op->body)) return false;
    const struct ir_op *end = op->body->last;
    for (uint32_t i = 0; i < op->n_out; i++) eval_bind(f, op->out[i], *eval_in(f, end, i));
    return true;
}

bool eval_yield(struct frame *f, const struct ir_op *op) {
    (void)f, (void)op; /* the kernel op takes the operands */
    return true;
}

bool eval_ret(struct frame *f, const struct ir_op *op) {
    (void)f, (void)op; /* the call takes the operands */
    return true;
}

bool eval_emit(struct frame *f, const struct ir_op *op) {
    const struct cell *x = eval_in(f, op, 0);
    uint64_t n = ir_type_elems(&op->in[0]->type);
    const float *at = x->data;
    for (uint64_t i = 0; i < n * x->n_rows; i++)
        if (!isfinite(at[i])) return eval_non_finite(f, op, (uint32_t)(i / n));
    if (f->it->out && !strcmp(ir_name_attr(op, IR_ATTR_name), f->it->wanted))
        memcpy(f->it->out, at, n * x->n_rows * sizeof *at);
    return true;
}

/* ---- failures ---- */

/* The row-th row of an operand is the row-th row of the call, or the row-th live one. */
static uint32_t position_of(const struct frame *f, const struct ir_type *t, uint32_t row) {
    for (uint32_t i = 0; i < f->n_rows; i++) {
        if (t->rows == IR_L && !f->rows[i].live) continue;
        if (row-- == 0) return f->rows[i].pos;
    }
    BUG("no row %u", row);
}

bool eval_non_finite(const struct frame *f, const struct ir_op *op, uint32_t row) {
    const char *layer = f->layer == IR_NO_LAYER ? "none" : arena_printf(f->it->scratch, "%u", f->layer);
    const struct ir_val *x = op->in[0];
    return diag_at(f->it->d, op->loc, DIAG_NON_FINITE, position_of(f, &x->type, row), layer, ir_ops[op->code].name,
                   x->name, f->func->name);
}

/* ---- the interface ---- */

static struct cache *caches_new(struct interp *it, const struct ir_state *s) {
    uint32_t layers = s->layers ? s->layers : 1;
    struct cache *c = arena_array(it->arena, struct cache, layers);
    uint64_t n = (uint64_t)it->slots * it->positions;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!ck_mul(&n, n, s->dim[i])) BUG("a state without end");
    for (uint32_t l = 0; l < layers; l++) {
        c[l].state = s;
        c[l].at = arena_calloc(it->arena, n, s->elem == IR_CACHE_F16 ? 2 : sizeof(float));
    }
    return c;
}

struct interp *interp_new(struct diag *d, const struct ir_module *m, const struct ir_weights *w, uint32_t slots,
                          uint32_t positions) {
    struct arena *a = arena_new();
    struct interp *it = arena_one(a, struct interp);
    *it = (struct interp){
        .arena = a,
        .scratch = arena_new(),
        .d = d,
        .m = m,
        .w = w,
        .slots = slots,
        .positions = positions,
        .held = arena_array(a, struct held *, m->weights.n),
        .caches = arena_array(a, struct cache *, m->states.n),
    };
    for (size_t i = 0; i < m->weights.n; i++) {
        uint32_t layers = m->weights.at[i]->layers;
        it->held[i] = arena_array(a, struct held, layers ? layers : 1);
    }
    for (size_t i = 0; i < m->states.n; i++) it->caches[i] = caches_new(it, m->states.at[i]);
    return it;
}

void interp_free(struct interp *it) {
    if (!it) return;
    arena_free(it->scratch);
    arena_free(it->arena);
}

void interp_set_trace(struct interp *it, interp_trace *fn, void *self) {
    it->trace = fn;
    it->trace_self = self;
}

bool interp_step(struct interp *it, const struct ir_func *entry, const struct ir_row *rows, uint32_t n,
                 const char *emitted, float *out) {
    struct cell ins = {.n_rows = n, .rows = rows};
    if (entry->n_params != 1) BUG("entry @%s takes %u values", entry->name, entry->n_params);
    it->wanted = emitted;
    it->out = out;
    struct arena_mark mark = arena_save(it->scratch);
    bool ok = eval_call(it, entry, IR_NO_LAYER, &ins, NULL);
    arena_restore(it->scratch, mark);
    return ok;
}
