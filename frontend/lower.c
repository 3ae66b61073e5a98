/*
 * lower.c -- nodes of the typed model to ops of the IR.
 *
 * Most nodes are one op with the same code.  Four are more:
 *
 *   w @ int8      %s = matmul %a, @w; %y = dequant %s, %a_r, @w
 *                 or, with scales of groups: %s = gmatmul %a, @w; %y = rescale %s, %a_r
 *   k[pos] = x    %k = state @k (once); %k.1 = write %k, %x, %rows
 *   body(x)       one `layer` for each layer
 *   emit l = y    %l = live %y; emit %l {name = l}
 *
 * Nodes that nothing needs are left out.
 */
#include "frontend/lower.h"

#include "ir/weights.h"

#include <inttypes.h>
#include <string.h>

struct lower {
    struct diag *diag;
    struct arena *arena;
    struct sema_model *m;
    struct ir_module *module;
    const struct weight_source *found;
    struct ir_weight **weight; /* by sema_weight.id; NULL: not made yet */
    struct ir_state **state;   /* by sema_state.id */
    struct ir_func ***layer;   /* by stack: its functions */
    VEC(struct weight_source) sources;
    /* in the function being made */
    struct ir_func *f;
    struct ir_val *rows;
    struct ir_val **version; /* by sema_state.id: the newest */
};

/* ---- dimensions, weights, states ---- */

enum { MAX_WEIGHT_ELEMS_LOG2 = 40, MAX_ROW_ELEMS_LOG2 = 28 };

/* Values of the dims; their product below 2^log2. */
static bool lower_dims(struct lower *lo, struct loc loc, uint32_t rank, const struct dim *const *dim, uint32_t log2,
                       uint32_t *out) {
    uint64_t elems = 1;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t v;
        enum dim_status s = dim_value(dim[i], &v);
        if (s == DIM_INEXACT) return diag_at(lo->diag, loc, DIAG_INEXACT_DIVISION, dim_formula(lo->m->dims, dim[i]));
        if (s != DIM_OK) return diag_at(lo->diag, loc, DIAG_NO_NUMBER, dim_formula(lo->m->dims, dim[i]));
        if (v < 1 || v > INT32_MAX || elems * (uint64_t)v > UINT64_C(1) << log2)
            return diag_at(lo->diag, loc, DIAG_BAD_DIMENSION, dim_text(lo->m->dims, dim[i]), INT32_MAX);
        elems *= (uint64_t)v;
        out[i] = (uint32_t)v;
    }
    return true;
}

static uint32_t layers_of(const struct sema_stack *st) { return st ? (uint32_t)(st->to - st->from) : 0; }

static struct ir_weight *weight_of(struct lower *lo, const struct sema_weight *w) {
    struct ir_weight **slot = &lo->weight[w->id];
    if (*slot) return *slot;
    const struct weight_source *src = &lo->found[w->id];
    uint32_t dim[IR_MAX_RANK];
    if (!lower_dims(lo, w->loc, w->rank, w->dim, MAX_WEIGHT_ELEMS_LOG2, dim)) return NULL;
    struct ir_weight *out = *slot = ir_weight_add(lo->module, w->full);
    out->store = src->at ? src->store : w->ternary ? IR_STORE_TRIT : IR_STORE_BF16;
    out->scale = !w->ternary ? IR_SCALE_NONE : src->at ? src->kind : IR_SCALE_MATRIX;
    out->group = src->at ? src->group : 0;
    if (w->rank == 1 && ir_store_block(out->store) > 1) out->store = IR_STORE_F32; /* gains and biases are read so */
    out->rank = w->rank;
    memcpy(out->dim, dim, w->rank * sizeof *dim);
    out->layers = layers_of(w->stack);
    out->loc = w->loc;
    if (out->scale == IR_SCALE_GROUP) {
        uint32_t cols = dim[w->rank - 1];
        if (!ir_group_allowed(out)) {
            diag_at(lo->diag, w->loc, DIAG_GROUP_WIDTH, w->full, out->group, cols);
            return NULL;
        }
    }
    *vec_push(lo->arena, &lo->sources) = *src;
    return out;
}

static struct ir_state *state_of(struct lower *lo, const struct sema_state *c) {
    struct ir_state **slot = &lo->state[c->id];
    uint32_t dim[IR_MAX_RANK];
    int64_t length;
    if (*slot) return *slot;
    if (!lower_dims(lo, c->loc, c->rank, c->dim, MAX_ROW_ELEMS_LOG2, dim)) return NULL;
    if (dim_value(c->length, &length) != DIM_OK) BUG("length of state '%s'", c->full);
    struct ir_state *out = *slot = ir_state_add(lo->module, c->full);
    out->elem = c->elem;
    out->rank = c->rank;
    memcpy(out->dim, dim, c->rank * sizeof *dim);
    out->layers = layers_of(c->stack);
    out->loc = c->loc;
    if ((uint32_t)length > lo->module->context) lo->module->context = (uint32_t)length;
    return out;
}

/* ---- ops ---- */

/* An op with its operands; results are called hint, hint.1 ...; NULL hint: after the op. */
static struct ir_op *make(struct lower *lo, enum ir_opcode code, struct loc loc, const char *hint, uint32_t n_in,
                          struct ir_val *const *in) {
    int n_out = ir_ops[code].n_out;
    struct ir_op *op = ir_op_new(lo->f, code, loc, n_in, in, n_out < 0 ? 1 : (uint32_t)n_out);
    if (hint && op->n_out) op->out[0]->name = ir_fresh_name(lo->f, hint);
    return op;
}

static struct ir_val *finish(struct lower *lo, struct ir_op *op) {
    ir_append(lo->f->body, op);
    if (!ir_infer(lo->diag, op)) return NULL;
    return op->n_out ? op->out[0] : lo->rows; /* anything but NULL */
}

static bool set_type(struct lower *lo, const struct sema_node *n, struct ir_val *v) {
    uint32_t dim[IR_MAX_RANK];
    if (!lower_dims(lo, n->loc, n->rank, n->dim, MAX_ROW_ELEMS_LOG2, dim)) return false;
    v->type = ir_type_make(n->codes ? IR_I8 : IR_F32_E, IR_T, n->rank, dim);
    return true;
}

static struct ir_val *newest(struct lower *lo, const struct sema_state *c) {
    struct ir_val **v = &lo->version[c->id];
    if (*v) return *v;
    struct ir_op *op = make(lo, IR_OP_state, c->loc, c->name, 0, NULL);
    op->state = state_of(lo, c);
    return *v = op->state ? finish(lo, op) : NULL;
}

static struct ir_val *lower_quant(struct lower *lo, struct sema_node *n) {
    const char *name = n->name ? n->name : "q";
    struct ir_op *op = make(lo, IR_OP_quant, n->loc, name, 1, &n->in[0]->value);
    op->out[1]->name = ir_fresh_name(lo->f, arena_printf(lo->arena, "%s_r", name));
    n->scale = op->out[1];
    return finish(lo, op);
}

static struct ir_val *lower_matmul(struct lower *lo, struct sema_node *n) {
    const char *sum = arena_printf(lo->arena, "%s_sum", n->weight->name);
    struct ir_weight *w = weight_of(lo, n->weight);
    if (!w) return NULL;
    bool groups = w->scale == IR_SCALE_GROUP;
    struct ir_op *op = make(lo, groups ? IR_OP_gmatmul : IR_OP_matmul, n->loc, sum, 1, &n->in[0]->value);
    op->weight = w;
    struct ir_val *acc = finish(lo, op);
    if (!acc) return NULL;
    struct ir_op *de = make(lo, groups ? IR_OP_rescale : IR_OP_dequant, n->loc, n->name ? n->name : n->weight->name, 2,
                            (struct ir_val *[]){acc, n->in[0]->scale});
    de->weight = groups ? NULL : w;
    return finish(lo, de);
}

static struct ir_val *lower_write(struct lower *lo, struct sema_node *n) {
    struct ir_val *old = newest(lo, n->state);
    if (!old) return NULL;
    struct ir_op *op =
        make(lo, IR_OP_write, n->loc, n->state->name, 3, (struct ir_val *[]){old, n->in[0]->value, lo->rows});
    return lo->version[n->state->id] = finish(lo, op);
}

static struct ir_val *lower_attend(struct lower *lo, struct sema_node *n) {
    struct ir_val *k = newest(lo, n->state), *v = newest(lo, n->state2);
    if (!k || !v) return NULL;
    struct ir_op *op = make(lo, IR_OP_attend, n->loc, n->name, 4, (struct ir_val *[]){n->in[0]->value, k, v, lo->rows});
    ir_set_f32(op, IR_ATTR_scale, n->c);
    ir_set_name(op, IR_ATTR_mask, n->word);
    if (n->window) ir_set_i64(op, IR_ATTR_window, n->window);
    return finish(lo, op);
}

static struct ir_val *lower_layers(struct lower *lo, struct sema_node *n) {
    size_t k = 0;
    while (lo->m->stacks.at[k] != n->stack) k++;
    struct ir_val *x = n->in[0]->value;
    uint32_t layers = layers_of(n->stack);
    for (uint32_t i = 0; x && i < layers; i++) {
        const char *hint = i + 1 == layers && n->name ? n->name : n->stack->name;
        struct ir_op *op = make(lo, IR_OP_layer, n->loc, hint, 2, (struct ir_val *[]){lo->rows, x});
        op->func = arena_array(lo->arena, struct ir_func *, 1);
        op->func[0] = lo->layer[k][i];
        op->n_func = 1;
        ir_set_i64(op, IR_ATTR_index, i);
        x = finish(lo, op);
    }
    return x;
}

static struct ir_val *lower_emit(struct lower *lo, struct sema_node *n) {
    struct ir_val *y = n->in[0]->value;
    struct ir_val *live = finish(lo, make(lo, IR_OP_live, n->loc, n->word, 1, &y));
    if (!live) return NULL;
    struct ir_op *op = make(lo, IR_OP_emit, n->loc, NULL, 1, &live);
    ir_set_name(op, IR_ATTR_name, n->word);
    return finish(lo, op);
}

static void set_rope(struct ir_op *op, const struct sema_node *n) {
    ir_set_f64(op, IR_ATTR_theta, n->theta);
    ir_set_name(op, IR_ATTR_pairing, n->word);
    if (n->turned) ir_set_i64(op, IR_ATTR_dims, n->turned);
    if (n->factor == 0) return;
    ir_set_f64(op, IR_ATTR_factor, n->factor);
    if (n->original == 0) return;
    ir_set_f64(op, IR_ATTR_low, n->low);
    ir_set_f64(op, IR_ATTR_high, n->high);
    ir_set_f64(op, IR_ATTR_original, n->original);
}

/* A node that is one op: operands, then rows where the op wants them, a weight, attributes. */
static struct ir_val *lower_plain(struct lower *lo, struct sema_node *n) {
    struct ir_val *in[3];
    uint32_t n_in = 0;
    for (uint32_t i = 0; i < n->n_in; i++) in[n_in++] = n->in[i]->value;
    if (n->code == IR_OP_embed || n->code == IR_OP_rope) in[n_in++] = lo->rows;
    struct ir_op *op = make(lo, n->code, n->loc, n->name, n_in, in);
    if (n->weight && !(op->weight = weight_of(lo, n->weight))) return NULL;
    switch (n->code) {
    case IR_OP_reshape:
        if (!set_type(lo, n, op->out[0])) return NULL;
        break;
    case IR_OP_rmsnorm:
        ir_set_f32(op, IR_ATTR_eps, n->c);
        if (n->plus != 0) ir_set_f32(op, IR_ATTR_plus, n->plus);
        break;
    case IR_OP_addc:
    case IR_OP_mulc: ir_set_f32(op, IR_ATTR_c, n->c); break;
    case IR_OP_rope: set_rope(op, n); break;
    case IR_OP_topk:
        ir_set_i64(op, IR_ATTR_k, n->keep);
        if (n->block) ir_set_i64(op, IR_ATTR_block, n->block);
        break;
    default: break;
    }
    return finish(lo, op);
}

static struct ir_val *lower_node(struct lower *lo, struct sema_node *n) {
    switch (n->code) {
    case IR_OP_quant: return lower_quant(lo, n);
    case IR_OP_matmul: return lower_matmul(lo, n);
    case IR_OP_write: return lower_write(lo, n);
    case IR_OP_attend: return lower_attend(lo, n);
    case IR_OP_layer: return lower_layers(lo, n);
    case IR_OP_emit: return lower_emit(lo, n);
    default: return lower_plain(lo, n);
    }
}

/* ---- bodies ---- */

/* Operands stand before their users, so one walk from the end finds all that is needed. */
static void mark_live(struct lower *lo, const struct sema_body *b) {
    VEC(struct sema_node *) all = {0};
    for (struct sema_node *n = b->first; n; n = n->next) *vec_push(lo->arena, &all) = n;
    for (size_t i = all.n; i-- > 0;) {
        struct sema_node *n = all.at[i];
        n->live |= n->is_param || n->code == IR_OP_write || n->code == IR_OP_emit || n->code == IR_OP_ret;
        for (uint32_t k = 0; n->live && k < n->n_in; k++) n->in[k]->live = true;
    }
}

static struct ir_val *lower_param(struct lower *lo, struct sema_node *n) {
    struct ir_val v = {0};
    if (!set_type(lo, n, &v)) return NULL;
    return ir_param_add(lo->f, n->name, v.type);
}

static bool lower_body(struct lower *lo, struct ir_func *f, const struct sema_body *b) {
    lo->f = f;
    lo->version = arena_array(lo->arena, struct ir_val *, lo->m->states.n + 1);
    lo->rows = ir_param_add(f, "rows", ir_type_make(IR_ROWS_E, IR_T, 0, NULL));
    mark_live(lo, b);
    for (struct sema_node *n = b->first; n; n = n->next) {
        if (!n->live) continue;
        n->value = n->is_param ? lower_param(lo, n) : lower_node(lo, n);
        if (!n->value) return false;
    }
    if (f->entry) finish(lo, make(lo, IR_OP_ret, f->loc, NULL, 0, NULL));
    return true;
}

static bool lower_stack(struct lower *lo, size_t k) {
    const struct sema_stack *st = lo->m->stacks.at[k];
    uint32_t n = layers_of(st);
    lo->layer[k] = arena_array(lo->arena, struct ir_func *, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = arena_printf(lo->arena, "%s.%" PRIu32, st->name, i);
        struct ir_func *f = lo->layer[k][i] = ir_func_add(lo->module, name, false);
        f->loc = st->ast->name.loc;
        if (!lower_body(lo, f, &st->body[i])) return false;
    }
    return true;
}

static bool lower_entry(struct lower *lo, const struct sema_entry *en) {
    uint32_t vocab = 0;
    if (!lower_dims(lo, en->ast->name.loc, 1, &en->vocab, MAX_ROW_ELEMS_LOG2, &vocab)) return false;
    lo->module->vocab = vocab;
    struct ir_func *f = ir_func_add(lo->module, en->name, true);
    f->loc = en->ast->name.loc;
    return lower_body(lo, f, &en->body);
}

enum { DEFAULT_CONTEXT = 4096 }; /* of a model without a cache */

/* What the verifier would refuse of sizes, in the words of the model text. */
static bool check_sizes(const struct lower *lo) {
    const struct ir_module *m = lo->module;
    for (size_t i = 0; i < m->weights.n; i++) {
        const struct ir_weight *w = m->weights.at[i];
        const char *problem = ir_size_problem(w->layers, 1, w->rank, w->dim);
        if (problem) return diag_at(lo->diag, w->loc, DIAG_TOO_LARGE, w->name, problem);
    }
    for (size_t i = 0; i < m->states.n; i++) {
        const struct ir_state *s = m->states.at[i];
        const char *problem = ir_size_problem(s->layers, m->context, s->rank, s->dim);
        if (problem) return diag_at(lo->diag, s->loc, DIAG_TOO_LARGE, s->name, problem);
    }
    return true;
}

struct ir_module *lower_model(struct diag *d, struct arena *a, struct names *names, struct sema_model *m,
                              const struct weight_source *found, const struct weight_source **sources) {
    struct lower lo = {.diag = d, .arena = a, .m = m, .found = found, .module = ir_module_new(a, names, m->name)};
    lo.weight = arena_array(a, struct ir_weight *, m->weights.n + 1);
    lo.state = arena_array(a, struct ir_state *, m->states.n + 1);
    lo.layer = arena_array(a, struct ir_func **, m->stacks.n + 1);
    for (size_t k = 0; k < m->stacks.n; k++)
        if (m->stacks.at[k]->called.line && !lower_stack(&lo, k)) return NULL;
    for (size_t i = 0; i < m->entries.n; i++)
        if (!lower_entry(&lo, m->entries.at[i])) return NULL;
    if (lo.module->context == 0) lo.module->context = DEFAULT_CONTEXT;
    *sources = lo.sources.at;
    return check_sizes(&lo) ? lo.module : NULL;
}
