/*
 * layer.c -- what stands in a layer: attention, feed-forward, real matrices, and ops that mean nothing.
 *
 * Draws are named and belong to the stack (g->stack), so all layers of a stack get one text; ops that mean nothing
 * come from the function's own stream, which begins anew with each layer.
 */
#include "test/gen/layer.h"

#include <math.h>
#include <string.h>

#define PICK(what, n) gen_pick(g, g->stack, what, n)

uint32_t gen_width(const struct gen *g, const char *scope, const char *what) {
    static const uint32_t long_axis[] = {1023, 1024, 1025, 2047, 2048, 2049, 2100, 2500, 2816, 3000};
    const char *how = arena_printf(g->m->arena, "%s size", what);
    bool large = g->info->has[GEN_LARGE], is_long = g->info->has[GEN_LONG];
    if (large && gen_pick(g, "", "long axis", 2) == (strcmp(what, "ffn") == 0))
        return long_axis[gen_pick(g, "", "length", COUNT_OF(long_axis))];
    if (!is_long && !gen_pick(g, scope, how, 5)) { /* whole blocks, and groups as files have them */
        static const uint32_t usual[] = {32, 64, 96, 128, 256, 256, 512};
        return usual[gen_pick(g, scope, what, COUNT_OF(usual))];
    }
    if (large || is_long) return 5 + gen_pick(g, scope, what, is_long ? 20 : 36);
    switch (gen_pick(g, scope, how, 4)) {
    case 0: return 41 + gen_pick(g, scope, what, 60);
    case 1: return 101 + gen_pick(g, scope, what, 100);
    default: return 5 + gen_pick(g, scope, what, 36);
    }
}

static struct val with_bias(struct gen *g, struct val y, const char *name) {
    const char *bias = arena_printf(g->m->arena, "%s.bias", name);
    return PICK(bias, 6) ? y : gen_bias(g, y, bias);
}

static struct val project(struct gen *g, struct codes x, const char *name, uint32_t rank, const uint32_t *shape) {
    uint32_t dim[IR_MAX_RANK];
    memcpy(dim, shape, rank * sizeof *dim);
    dim[rank] = x.q->type.dim[0];
    struct val y = gen_matmul(g, x, gen_weight(g, name, IR_STORE_TRIT, rank + 1, dim));
    struct ir_op *dequant = y.v->def;
    const char *other = arena_printf(g->m->arena, "%s.other", name);
    if (dequant->code == IR_OP_dequant && !PICK(other, 30)) {
        const struct ir_weight *w = gen_weight(g, other, IR_STORE_TRIT, rank + 1, dim);
        if (w->scale == IR_SCALE_GROUP) return with_bias(g, y, name);
        struct ir_op *op = gen_op(g, IR_OP_dequant, w, 2, dequant->in);
        gen_note(g, GEN_OTHER_SCALE);
        gen_append(g, op);
        y = gen_two(g, IR_OP_add, y, (struct val){op->out[0], y.log2 + 1});
    }
    return with_bias(g, y, name);
}

struct val gen_linear(struct gen *g, struct val x, const char *name, uint32_t rank, const uint32_t *shape) {
    return project(g, gen_quant(g, x), name, rank, shape);
}

/* ---- ops that mean nothing ---- */

static struct val noise_one(struct gen *g, struct val x) {
    static const enum ir_opcode ones[] = {IR_OP_neg,  IR_OP_tanh, IR_OP_sigmoid, IR_OP_silu,
                                          IR_OP_gelu, IR_OP_relu, IR_OP_exp};
    static const float consts[] = {1.0f, 0.5f, -1.25f, 0.0f, 1.0f / 3, 2.0f};
    switch (gen_below(g, 9)) {
    case 0: return gen_const(g, IR_OP_addc, x, consts[gen_below(g, 6)]);
    case 1: return gen_const(g, IR_OP_mulc, x, consts[gen_below(g, 3)]);
    case 2: return gen_one(g, IR_OP_neg, gen_one(g, IR_OP_neg, x));
    case 3: return gen_two(g, IR_OP_mul, x, gen_one(g, IR_OP_sigmoid, x));
    case 4: return gen_two(g, IR_OP_div, x, x);
    case 5: return gen_two(g, gen_once_in(g, 2) ? IR_OP_sub : IR_OP_add, x, gen_one(g, IR_OP_tanh, x));
    case 6: return gen_two(g, IR_OP_add, gen_one(g, IR_OP_tanh, x), x);
    case 7: {
        struct val r = gen_one(g, IR_OP_relu, gen_tame(g, x, GEN_LIMIT / 2));
        return gen_two(g, IR_OP_mul, r, r);
    }
    default: return gen_one(g, ones[gen_below(g, 7)], x);
    }
}

struct val gen_noise(struct gen *g, struct val x) {
    if (!PICK("dead", 4) && gen_once_in(g, 4)) {
        gen_note(g, GEN_DEAD);
        gen_one(g, IR_OP_gelu, gen_one(g, IR_OP_neg, x));
    }
    if (PICK("noise", 3) || !gen_once_in(g, 3)) return x;
    gen_note(g, GEN_NOISE);
    for (uint32_t n = 1 + gen_below(g, 2); n > 0; n--) x = noise_one(g, x);
    return x;
}

/* ---- attention ---- */

struct attention {
    uint32_t heads, kv_heads, head;
    struct val x;       /* what is projected */
    struct codes codes; /* of it */
};

static void draw_heads(struct gen *g, struct attention *t) {
    static const uint32_t lengths[] = {48, 62, 64, 66, 74, 80, 96, 128};
    t->kv_heads = 1 + PICK("kv heads", 3);
    t->heads = t->kv_heads * (1 + PICK("ratio", 4));
    t->head = 2 + 2 * PICK("head", g->info->has[GEN_LONG] ? 6 : 20);
    if (!PICK("long head", 12) && !g->info->has[GEN_LONG]) {
        gen_note(g, GEN_LONG_HEAD);
        t->kv_heads = 1;
        t->heads = 1 + PICK("ratio", 2);
        t->head = lengths[PICK("head", COUNT_OF(lengths))];
    }
    if (PICK("rope", 3) == 2 && !PICK("odd head", 2)) t->head++;
    if (t->heads > t->kv_heads) gen_note(g, GEN_GQA);
    if (t->head % 2) gen_note(g, GEN_ODD_HEAD);
}

/* x -> [heads, head], through a matrix of rank 3, or of rank 2 and a reshape. */
static struct val heads_of(struct gen *g, struct attention *t, const char *name, uint32_t heads) {
    uint32_t shape[2] = {heads, t->head}, flat = heads * t->head;
    struct codes codes = t->codes;
    if (!PICK("repeat", 5)) {
        gen_note(g, GEN_REPEAT);
        codes = gen_quant(g, t->x);
    }
    if (PICK("flat heads", 3)) return project(g, codes, name, 2, shape);
    gen_note(g, GEN_FLAT_HEADS);
    return gen_reshape(g, project(g, codes, name, 1, &flat), 2, shape);
}

/* Frequencies divided, all or by their turns in `original` positions; and only the first part of a head turned. */
static void scale_rope(struct gen *g, struct ir_op *op) {
    static const double factors[] = {8, 32, 2.5};
    uint32_t d = op->in[0]->type.dim[op->in[0]->type.rank - 1], scaling = PICK("rope scaling", 5);
    if (scaling < 2) {
        ir_set_f64(op, IR_ATTR_factor, factors[PICK("rope factor", 3)]);
        gen_note(g, scaling ? GEN_ROPE_BY_PARTS : GEN_ROPE_SCALED);
    }
    if (scaling == 1) {
        ir_set_f64(op, IR_ATTR_low, 1);
        ir_set_f64(op, IR_ATTR_high, 4);
        ir_set_f64(op, IR_ATTR_original, PICK("rope original", 2) ? 64 : 8192);
    }
    if (d >= 4 && !PICK("rope part", 4)) {
        ir_set_i64(op, IR_ATTR_dims, 2 + 2 * PICK("rope dims", d / 2 - 1));
        gen_note(g, GEN_ROPE_PARTIAL);
    }
}

static struct val rope(struct gen *g, struct val x) {
    static const double thetas[] = {10000, 500000, 100, 1000000.5};
    uint32_t kind = PICK("rope", 3);
    if (kind == 2) return x;
    struct ir_op *op = gen_op(g, IR_OP_rope, NULL, 2, (struct ir_val *[]){x.v, g->rows});
    ir_set_f64(op, IR_ATTR_theta, thetas[PICK("theta", 4)]);
    ir_set_name(op, IR_ATTR_pairing, name_of(g->m->names, kind ? "adjacent" : "half"));
    scale_rope(g, op);
    gen_note(g, kind ? GEN_ROPE_ADJACENT : GEN_ROPE_HALF);
    gen_append(g, op);
    return (struct val){op->out[0], x.log2 + 0.5};
}

static struct val placed(struct gen *g, struct val x, const char *gain) {
    uint32_t norm = PICK("qk norm", 8);
    bool late = PICK("late norm", 3) == 0;
    if (norm < 2) gen_note(g, norm ? GEN_QK_NORM_ALL : GEN_QK_NORM);
    if (norm < 2 && !late) x = gen_norm(g, x, gain, 1 + norm);
    if (norm == 2) x = gen_l2norm(g, x);
    x = rope(g, gen_noise(g, x));
    return norm < 2 && late ? gen_norm(g, x, gain, 1 + norm) : x;
}

static const enum ir_elem caches[] = {IR_CACHE_F32, IR_CACHE_F16, IR_CACHE_I8};

static struct ir_val *version(struct gen *g, const char *name, const struct attention *t) {
    struct ir_op *op = gen_op(g, IR_OP_state, NULL, 0, NULL);
    enum ir_elem elem = caches[PICK(name, COUNT_OF(caches))];
    op->state = gen_state(g, name, elem, t->kv_heads, t->head);
    gen_append(g, op);
    return op->out[0];
}

static struct ir_val *write(struct gen *g, struct ir_val *state, struct val x) {
    struct ir_op *op = gen_op(g, IR_OP_write, NULL, 3, (struct ir_val *[]){state, x.v, g->rows});
    gen_append(g, op);
    return op->out[0];
}

static struct val attend(struct gen *g, struct val q, struct ir_val *k, struct ir_val *v, double log2) {
    struct ir_op *op = gen_op(g, IR_OP_attend, NULL, 4, (struct ir_val *[]){q.v, k, v, g->rows});
    uint32_t window = PICK("window", 4) ? 0 : 1 + PICK("window length", g->info->has[GEN_LONG] ? 150 : 9);
    ir_set_f32(op, IR_ATTR_scale, 1 / sqrtf((float)q.v->type.dim[1]));
    ir_set_name(op, IR_ATTR_mask, name_of(g->m->names, window ? "window" : "causal"));
    if (window) {
        ir_set_i64(op, IR_ATTR_window, window);
        gen_note(g, GEN_WINDOW);
    }
    gen_append(g, op);
    return (struct val){op->out[0], log2 + 1};
}

/* Attention over a cache that the entry has written (gen_global_write): only queries are made here. */
static struct val attention_to_global(struct gen *g, struct val n, uint32_t out) {
    const struct ir_state *k = ir_state_find(g->m, "k"), *v = ir_state_find(g->m, "v");
    struct attention t = {.x = n, .codes = gen_quant(g, n), .kv_heads = k->dim[0], .head = k->dim[1]};
    struct ir_val *version[2];
    const struct ir_state *states[2] = {k, v};
    t.heads = t.kv_heads * (1 + PICK("ratio", 4));
    struct val q = gen_tame(g, gen_noise(g, heads_of(g, &t, "wq", t.heads)), GEN_LIMIT - 10);
    for (int i = 0; i < 2; i++) {
        struct ir_op *op = gen_op(g, IR_OP_state, NULL, 0, NULL);
        op->state = states[i];
        gen_append(g, op);
        version[i] = op->out[0];
    }
    uint32_t flat = t.heads * t.head;
    struct val o = gen_reshape(g, attend(g, q, version[0], version[1], GEN_LAYER_IN), 1, &flat);
    return gen_noise(g, gen_linear(g, o, "wo", 1, &out));
}

void gen_global_states(struct gen *g) {
    uint32_t heads = 1 + PICK("kv heads", 2), head = 2 + 2 * PICK("head", 10);
    gen_note(g, GEN_GLOBAL_CACHE);
    gen_state(g, "k", caches[PICK("k", COUNT_OF(caches))], heads, head);
    gen_state(g, "v", caches[PICK("v", COUNT_OF(caches))], heads, head);
}

void gen_global_write(struct gen *g, struct val x) {
    const struct ir_state *s = ir_state_find(g->m, "k");
    struct attention t = {.x = x, .codes = gen_quant(g, x), .kv_heads = s->dim[0], .head = s->dim[1]};
    struct val k = gen_tame(g, heads_of(g, &t, "wk", t.kv_heads), GEN_LAYER_IN);
    write(g, version(g, "k", &t), rope(g, k));
    struct val v = gen_tame(g, heads_of(g, &t, "wv", t.kv_heads), GEN_LAYER_IN);
    write(g, version(g, "v", &t), v);
}

/* A stored row is clamped to f16 or kept; scores are bounded by keeping q and k far below the square root. */
static struct val attention(struct gen *g, struct val n, uint32_t out) {
    struct attention t = {.x = n};
    struct val q = {0}, k = {0}, v = {0};
    struct ir_val *ks = NULL, *vs = NULL;
    uint32_t order = PICK("order", 3), flat;
    bool one = PICK("one cache row", 10) == 0, early = PICK("states first", 2) == 0;
    draw_heads(g, &t);
    t.codes = gen_quant(g, n);
    if (early) vs = version(g, "v", &t), ks = version(g, "k", &t);
    if (order == 0) q = placed(g, heads_of(g, &t, "wq", t.heads), "g_q");
    k = heads_of(g, &t, "wk", t.kv_heads);
    v = one ? k : heads_of(g, &t, "wv", t.kv_heads);
    if (one) gen_note(g, GEN_ONE_CACHE);
    if (order == 1) q = placed(g, heads_of(g, &t, "wq", t.heads), "g_q");
    k = gen_tame(g, placed(g, k, "g_k"), GEN_LIMIT - 10);
    v = gen_noise(g, v);
    if (!early) ks = version(g, "k", &t);
    ks = write(g, ks, k);
    if (!early) vs = version(g, "v", &t);
    vs = write(g, vs, v);
    if (order == 2) q = placed(g, heads_of(g, &t, "wq", t.heads), "g_q");
    q = gen_tame(g, q, GEN_LIMIT - 10);
    flat = t.heads * t.head;
    struct val o = gen_reshape(g, gen_noise(g, attend(g, q, ks, vs, v.log2)), 1, &flat);
    if (!PICK("sub norm attn", 2)) {
        gen_note(g, GEN_SUB_NORM_ATTN);
        o = gen_norm(g, o, "g_attn", 1);
    }
    return gen_noise(g, gen_linear(g, o, "wo", 1, &out));
}

/* ---- feed-forward ---- */

static struct val activation(struct gen *g, struct val x) {
    static const struct {
        enum ir_opcode code;
        enum gen_feature feature;
    } all[] = {{IR_OP_relu2, GEN_RELU2}, {IR_OP_relu, GEN_RELU},       {IR_OP_silu, GEN_SILU}, {IR_OP_gelu, GEN_GELU},
               {IR_OP_tanh, GEN_TANH},   {IR_OP_sigmoid, GEN_SIGMOID}, {IR_OP_exp, GEN_EXP}};
    uint32_t i = PICK("activation", COUNT_OF(all));
    gen_note(g, all[i].feature);
    return gen_one(g, all[i].code, x);
}

static struct val feed_forward(struct gen *g, struct val n, uint32_t out) {
    uint32_t ffn = gen_width(g, g->stack, "ffn");
    struct codes codes = gen_quant(g, n);
    struct val up = gen_noise(g, project(g, codes, "up", 1, &ffn)), m;
    if (PICK("gate", 3)) {
        gen_note(g, GEN_GATE);
        if (!PICK("repeat", 5)) codes = gen_quant(g, n);
        struct val gate = gen_noise(g, project(g, codes, "gate", 1, &ffn));
        m = gen_two(g, IR_OP_mul, activation(g, gate), up);
    } else {
        m = activation(g, up);
    }
    if (!PICK("twice", 5)) {
        gen_note(g, GEN_TWICE);
        m = gen_two(g, PICK("twice sub", 2) ? IR_OP_sub : IR_OP_add, m, up);
    }
    m = gen_noise(g, m);
    if (!PICK("sub norm ffn", 2)) {
        gen_note(g, GEN_SUB_NORM_FFN);
        m = gen_norm(g, m, "g_sub", 1);
    }
    return gen_noise(g, gen_linear(g, m, "down", 1, &out));
}

/* Real matrices: y = B act(A x), as a router or a small adapter has them. */
static struct val router(struct gen *g, struct val x, uint32_t out) {
    uint32_t n = 2 + PICK("router width", 15), in = x.v->type.dim[0];
    enum ir_store a = gen_store(g, arena_printf(g->m->arena, "%srouter", g->stack), in);
    gen_note(g, GEN_ROUTER);
    if (ir_store_block(a) > 1) gen_note(g, GEN_ROUTER_BLOCKS);
    struct val r = gen_dot(g, x, gen_weight(g, "wr", a, 2, (uint32_t[]){n, in}));
    r = gen_noise(g, gen_one(g, PICK("router act", 2) ? IR_OP_sigmoid : IR_OP_silu, r));
    return gen_dot(g, r, gen_weight(g, "wb", IR_STORE_BF16, 2, (uint32_t[]){out, n}));
}

/* ---- the layer ---- */

/* What a branch reads: the residual, mostly normed. */
static struct val branch_in(struct gen *g, struct val x, const char *gain) {
    if (!PICK(gain, 5)) {
        gen_note(g, GEN_NO_PRE_NORM);
        return x;
    }
    if (!gen_pick(g, gain, "l2norm", 8)) return gen_noise(g, gen_l2norm(g, x));
    return gen_noise(g, gen_norm(g, x, gain, 1));
}

static struct val add_branch(struct gen *g, struct val x, struct val y) {
    y = gen_tame(g, y, GEN_BRANCH - 3);
    if (!PICK("no residual", 12)) {
        gen_note(g, GEN_NO_RESIDUAL);
        return y;
    }
    if (!PICK("residual scale", 4)) {
        static const float scales[] = {0.5f, 0.7071f, 1.0f, 1.5f};
        gen_note(g, GEN_RESIDUAL_SCALE);
        y = gen_const(g, IR_OP_mulc, y, scales[PICK("scale of branch", 4)]);
        x = gen_const(g, IR_OP_mulc, x, scales[PICK("scale of stream", 3)]);
    }
    return PICK("residual order", 2) ? gen_two(g, IR_OP_add, x, y) : gen_two(g, IR_OP_add, y, x);
}

struct val gen_layer(struct gen *g, struct val x, uint32_t out) {
    uint32_t width = x.v->type.dim[0];
    struct val in = x, y = {0};
    bool attn = PICK("no attention", 12) != 0, ffn = PICK("no ffn", 12) != 0, parallel = PICK("parallel", 4) == 0;
    if (!PICK("unchanged", 40) && out == width) {
        gen_note(g, GEN_UNCHANGED);
        return x;
    }
    if (!attn) gen_note(g, GEN_NO_ATTENTION);
    if (!ffn) gen_note(g, GEN_NO_FFN);
    if (attn && ffn && parallel) gen_note(g, GEN_PARALLEL);
    if (!PICK("shared", 6)) {
        const char *stack = g->stack;
        uint32_t layers = g->layers;
        gen_note(g, GEN_SHARED);
        g->stack = "", g->layers = 0;
        in = gen_norm(g, x, arena_printf(g->m->arena, "g_shared%u", width), 1);
        g->stack = stack, g->layers = layers;
    }
    if (attn) {
        struct val n = branch_in(g, in, "g_in");
        bool global = ir_state_find(g->m, "k") && PICK("global cache", 3);
        y = global ? attention_to_global(g, n, width) : attention(g, n, width);
        if (!PICK("post norm", 8)) {
            gen_note(g, GEN_POST_NORM);
            x = n;
        }
        x = add_branch(g, x, y);
    }
    if (ffn)
        x = add_branch(g, x, feed_forward(g, parallel ? branch_in(g, in, "g_in") : branch_in(g, x, "g_ffn"), width));
    if (!PICK("router", 6)) x = add_branch(g, x, router(g, branch_in(g, in, "g_router"), width));
    if (out != width) return gen_tame(g, gen_linear(g, x, "resize", 1, &out), GEN_BRANCH);
    return x;
}
