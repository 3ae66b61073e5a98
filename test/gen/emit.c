/* emit.c -- drawing numbers, and appending ops with bounds; see emit.h. */
#include "test/gen/emit.h"

#include <math.h>
#include <string.h>

/* ---- drawing ---- */

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t gen_hash(uint64_t seed, const char *what) { return mix(mix(seed) ^ hash_bytes(what, strlen(what), 0)); }

static uint64_t next(struct gen *g) { return mix(g->rng += 0x9E3779B97F4A7C15u); }

uint32_t gen_below(struct gen *g, uint32_t n) { return (uint32_t)((next(g) >> 32) * n >> 32); }
uint32_t gen_range(struct gen *g, uint32_t from, uint32_t to) { return from + gen_below(g, to - from + 1); }
bool gen_once_in(struct gen *g, uint32_t n) { return gen_below(g, n) == 0; }

uint32_t gen_pick(const struct gen *g, const char *scope, const char *what, uint32_t n) {
    return (uint32_t)((gen_hash(gen_hash(g->seed, scope), what) >> 32) * n >> 32);
}

void gen_note(struct gen *g, enum gen_feature f) { g->info->has[f] = true; }

/* ---- functions and references ---- */

void gen_func(struct gen *g, const char *name, bool entry) {
    g->f = ir_func_add(g->m, name, entry);
    g->names = 0;
    g->rows = ir_param_add(g->f, "rows", ir_type_make(IR_ROWS_E, IR_T, 0, NULL));
}

struct val gen_param(struct gen *g, const char *name, uint32_t width, double log2) {
    return (struct val){ir_param_add(g->f, name, ir_type_make(IR_F32_E, IR_T, 1, &width)), log2};
}

/* By draw, and if the columns can be cut: into groups as formats have them, or any others. */
static void group_scales(struct gen *g, struct ir_weight *w) {
    static const uint32_t usual[] = {256, 128, 64, 32};
    uint32_t cols = w->dim[w->rank - 1], last = cols / 4;
    if (cols % 4 || gen_pick(g, w->name, "groups", 3)) return;
    w->scale = IR_SCALE_GROUP;
    for (uint32_t i = 0; i < 4; i++)
        if (cols % usual[i] == 0 && gen_pick(g, w->name, "usual group", 3)) {
            w->group = usual[i];
            return;
        }
    uint32_t parts = 1 + gen_pick(g, w->name, "parts", last);
    while (last % parts) parts--;
    w->group = cols / parts;
}

const struct ir_weight *gen_weight(struct gen *g, const char *name, enum ir_store store, uint32_t rank,
                                   const uint32_t *dim) {
    const char *full = arena_printf(g->m->arena, "%s%s", g->stack, name);
    struct ir_weight *w = ir_weight_find(g->m, full);
    if (w) return w;
    w = ir_weight_add(g->m, full);
    w->store = store;
    w->rank = rank;
    memcpy(w->dim, dim, rank * sizeof *dim);
    w->layers = g->layers;
    if (store != IR_STORE_TRIT) return w;
    w->scale = gen_pick(g, full, "scale", 2) ? IR_SCALE_ROW : IR_SCALE_MATRIX;
    group_scales(g, w);
    gen_note(g, w->scale == IR_SCALE_ROW     ? GEN_SCALE_ROW
                : w->scale == IR_SCALE_GROUP ? GEN_SCALE_GROUP
                                             : GEN_SCALE_MATRIX);
    return w;
}

enum ir_store gen_store(const struct gen *g, const char *name, uint32_t length) {
    static const enum ir_store blocks[] = {IR_STORE_Q6_K, IR_STORE_Q4_K, IR_STORE_Q8_0, IR_STORE_Q4_0};
    uint32_t first = length % 256 ? 2 : 0;
    if (length % 32 == 0 && gen_pick(g, name, "blocks", 4))
        return blocks[first + gen_pick(g, name, "store of blocks", 4 - first)];
    return (enum ir_store)(IR_STORE_F32 + gen_pick(g, name, "store", 3));
}

const struct ir_state *gen_state(struct gen *g, const char *name, enum ir_elem elem, uint32_t heads, uint32_t head) {
    const char *full = arena_printf(g->m->arena, "%s%s", g->stack, name);
    struct ir_state *s = ir_state_find(g->m, full);
    if (s) return s;
    s = ir_state_add(g->m, full);
    s->elem = elem;
    s->rank = 2;
    s->dim[0] = heads;
    s->dim[1] = head;
    s->layers = g->layers;
    gen_note(g, elem == IR_CACHE_F16 ? GEN_CACHE_F16 : elem == IR_CACHE_I8 ? GEN_CACHE_I8 : GEN_CACHE_F32);
    return s;
}

/* ---- ops ---- */

void gen_append(struct gen *g, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        op->out[i]->name = name_of(g->m->names, arena_printf(g->m->arena, "%s_%u", ir_ops[op->code].name, g->names++));
    ir_append(g->f->body, op);
    if (!ir_infer(g->d, op)) BUG("the generator made a wrong %s", ir_ops[op->code].name);
}

struct ir_op *gen_op(struct gen *g, enum ir_opcode code, const struct ir_weight *w, uint32_t n_in,
                     struct ir_val *const *in) {
    int n_out = ir_ops[code].n_out;
    struct ir_op *op = ir_op_new(g->f, code, (struct loc){0}, n_in, in, n_out < 0 ? 0 : (uint32_t)n_out);
    op->weight = w;
    return op;
}

static struct val made(struct gen *g, struct ir_op *op, double log2) {
    gen_append(g, op);
    return (struct val){op->out[0], log2};
}

struct val gen_embed(struct gen *g, const struct ir_weight *table) {
    return made(g, gen_op(g, IR_OP_embed, table, 1, &g->rows), 0);
}

struct val gen_live(struct gen *g, struct val x) { return made(g, gen_op(g, IR_OP_live, NULL, 1, &x.v), x.log2); }

struct val gen_reshape(struct gen *g, struct val x, uint32_t rank, const uint32_t *dim) {
    struct ir_op *op = gen_op(g, IR_OP_reshape, NULL, 1, &x.v);
    op->out[0]->type = ir_type_make(IR_F32_E, x.v->type.rows, rank, dim);
    return made(g, op, x.log2);
}

struct val gen_l2norm(struct gen *g, struct val x) {
    static const float tiny[] = {0.0f, 1e-30f};
    if (gen_once_in(g, 3)) x = gen_const(g, IR_OP_mulc, x, tiny[gen_below(g, 2)]); /* the floor is met */
    gen_note(g, GEN_L2NORM);
    return made(g, gen_op(g, IR_OP_l2norm, NULL, 1, &x.v), 0.1);
}

/* |x_i| / sqrt(mean) is at most sqrt(n); gains are below 1.11. */
struct val gen_norm(struct gen *g, struct val x, const char *gain, uint32_t over) {
    static const float eps[] = {1e-5f, 1e-6f, 0.01f};
    const struct ir_type *t = &x.v->type;
    const uint32_t *dim = t->dim + (t->rank - over);
    enum ir_store store = (enum ir_store)(IR_STORE_F32 + gen_pick(g, gain, "store", 3));
    const struct ir_weight *w = gen_weight(g, gain, store, over, dim);
    double n = 1;
    for (uint32_t i = 0; i < over; i++) n *= dim[i];
    struct ir_op *op = gen_op(g, IR_OP_rmsnorm, w, 1, &x.v);
    ir_set_f32(op, IR_ATTR_eps, eps[gen_pick(g, "", "eps", 3)]);
    bool plus = !gen_pick(g, gain, "plus", 5);
    if (plus) {
        ir_set_f32(op, IR_ATTR_plus, gen_pick(g, "", "plus", 2) ? 1.0f : 0.3f);
        gen_note(g, GEN_GAIN_PLUS);
    }
    return made(g, op, 0.5 * log2(n) + (plus ? 1.2 : 0.2));
}

struct val gen_tame(struct gen *g, struct val x, double limit) {
    if (x.log2 <= limit) return x;
    if (x.v->type.rank == 1) {
        struct val n = gen_norm(g, x, arena_printf(g->m->arena, "tame%u", g->names), 1);
        if (n.log2 <= limit) return n;
        x = n;
    }
    return gen_const(g, IR_OP_mulc, x, (float)exp2(floor(limit - x.log2)));
}

/* -1, 0 and 1 and next to nothing between: nearly all keys have equals. */
static struct val few_values(struct gen *g, struct val x) {
    gen_note(g, GEN_TOPK_TIES);
    x = gen_one(g, IR_OP_tanh, gen_const(g, IR_OP_mulc, x, 1e20f));
    return gen_once_in(g, 2) ? x : gen_one(g, IR_OP_relu, x);
}

static struct val gen_topk(struct gen *g, struct val x) {
    uint32_t n = x.v->type.dim[0], m = n;
    const uint32_t lengths[] = {4, 7, 16, 32, n, 1 + gen_below(g, n)};
    if (gen_once_in(g, 3)) x = few_values(g, x);
    struct ir_op *op = gen_op(g, IR_OP_topk, NULL, 1, &x.v);
    if (gen_once_in(g, 3)) {
        m = lengths[gen_below(g, COUNT_OF(lengths))];
        m = m < n ? m : n;
        ir_set_i64(op, IR_ATTR_block, m);
        gen_note(g, n % m ? GEN_TOPK_TAIL : GEN_TOPK_BLOCK);
    }
    ir_set_i64(op, IR_ATTR_k, gen_once_in(g, 6) ? 1 : gen_once_in(g, 6) ? m : 1 + gen_below(g, m));
    gen_note(g, GEN_TOPK);
    return made(g, op, x.log2);
}

struct codes gen_quant(struct gen *g, struct val x) {
    if (!gen_pick(g, g->stack, "topk", 3) && !gen_once_in(g, 3)) x = gen_topk(g, x);
    struct ir_op *op = gen_op(g, IR_OP_quant, NULL, 1, &x.v);
    gen_append(g, op);
    return (struct codes){op->out[0], op->out[1], fmax(x.log2, -16)};
}

/* Scales of ir_weights_random are below 2 * 2^-b with 4^b >= K. */
struct val gen_matmul(struct gen *g, struct codes x, const struct ir_weight *w) {
    double k = log2((double)ir_weight_cols(w)), b = ceil(k / 2);
    bool groups = w->scale == IR_SCALE_GROUP;
    struct ir_op *sums = gen_op(g, groups ? IR_OP_gmatmul : IR_OP_matmul, w, 1, &x.q);
    gen_append(g, sums);
    struct ir_val *in[] = {sums->out[0], x.r};
    struct ir_op *op = gen_op(g, groups ? IR_OP_rescale : IR_OP_dequant, groups ? NULL : w, 2, in);
    struct val y = made(g, op, x.log2 + k - b + 1);
    return gen_tame(g, y, GEN_LIMIT);
}

struct val gen_dot(struct gen *g, struct val x, const struct ir_weight *w) {
    double k = log2((double)ir_weight_cols(w));
    x = gen_tame(g, x, GEN_LIMIT - k);
    return made(g, gen_op(g, IR_OP_dot, w, 1, &x.v), x.log2 + k);
}

struct val gen_bias(struct gen *g, struct val x, const char *name) {
    const struct ir_type *t = &x.v->type;
    const struct ir_weight *w =
        gen_weight(g, name, (enum ir_store)(IR_STORE_F32 + gen_pick(g, name, "store", 3)), t->rank, t->dim);
    gen_note(g, GEN_BIAS);
    return made(g, gen_op(g, IR_OP_bias, w, 1, &x.v), fmax(x.log2, 0.2) + 1);
}

/* exp(x) stays below e^4. */
static struct val small_for_exp(struct gen *g, struct val x) {
    switch (gen_below(g, 3)) {
    case 0: return gen_one(g, IR_OP_tanh, x);
    case 1: return gen_one(g, IR_OP_neg, gen_one(g, IR_OP_relu, x));
    default: return gen_const(g, IR_OP_mulc, x, (float)exp2(2 - fmax(2, ceil(x.log2))));
    }
}

struct val gen_one(struct gen *g, enum ir_opcode code, struct val x) {
    double log2 = x.log2;
    if (code == IR_OP_relu2) {
        x = gen_tame(g, x, GEN_LIMIT / 2);
        log2 = 2 * x.log2;
    }
    if (code == IR_OP_exp) {
        x = small_for_exp(g, x);
        log2 = 6;
    }
    if (code == IR_OP_sigmoid || code == IR_OP_tanh) log2 = 0;
    return made(g, gen_op(g, code, NULL, 1, &x.v), fmax(log2, -16));
}

struct val gen_const(struct gen *g, enum ir_opcode code, struct val x, float c) {
    double size = c == 0 ? -16 : log2(fabs((double)c));
    if (code == IR_OP_addc || size > 0) x = gen_tame(g, x, GEN_LIMIT - fmax(size, 1));
    struct ir_op *op = gen_op(g, code, NULL, 1, &x.v);
    ir_set_f32(op, IR_ATTR_c, c);
    return made(g, op, code == IR_OP_mulc ? x.log2 + size : fmax(x.log2, size) + 1);
}

struct val gen_two(struct gen *g, enum ir_opcode code, struct val a, struct val b) {
    double log2 = 0;
    if (code == IR_OP_add || code == IR_OP_sub) {
        a = gen_tame(g, a, GEN_LIMIT - 1);
        b = gen_tame(g, b, GEN_LIMIT - 1);
        log2 = fmax(a.log2, b.log2) + 1;
    } else if (code == IR_OP_mul) {
        a = gen_tame(g, a, GEN_LIMIT / 2);
        b = gen_tame(g, b, GEN_LIMIT / 2);
        log2 = a.log2 + b.log2;
    } else if (code == IR_OP_div) {
        b = gen_const(g, IR_OP_addc, gen_one(g, IR_OP_relu2, gen_one(g, IR_OP_tanh, b)), 1.0f);
        log2 = a.log2;
    }
    struct ir_val *in[] = {a.v, b.v};
    return made(g, gen_op(g, code, NULL, 2, in), log2);
}
