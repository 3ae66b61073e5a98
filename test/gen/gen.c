/*
 * gen.c -- the frame of a random program: embedding, layers one after the other, head; see gen.h.
 */
#include "test/gen/gen.h"

#include <stdio.h>

#include "test/gen/layer.h"

#define PICK(what, n) gen_pick(g, "module", what, n)

const char *const gen_feature_text[GEN_N_FEATURES] = {
#define FEATURE(id, text) text,
#include "test/gen/gen.def"
};

static const char *const stacks[] = {"body.", "alt."};

/* What the layers are like, and their functions. */
struct stack {
    uint32_t depth, kinds;
    uint32_t width[2]; /* of the values that layers of each kind take */
    uint32_t side;     /* width of a second value, or 0 */
    bool one_function;
    struct ir_func *func[8];
};

/* ---- layers ---- */

/* A second value that goes through the layers beside the first: each reads the other. */
static struct val side_stream(struct gen *g, struct val x, struct val side) {
    if (!gen_pick(g, g->stack, "side unchanged", 4)) return side;
    uint32_t n = side.v->type.dim[0];
    struct val y = gen_linear(g, x, "side", 1, &n);
    return gen_two(g, IR_OP_add, gen_const(g, IR_OP_mulc, side, 0.5f), gen_tame(g, y, GEN_BRANCH));
}

static void layer(struct gen *g, struct stack *s, uint32_t i) {
    const char *stack = stacks[i % s->kinds];
    g->stack = stack;
    g->layers = s->depth;
    g->rng = gen_hash(g->seed, stack);
    gen_func(g, arena_printf(g->m->arena, "body.%u", i), false);
    struct val x = gen_param(g, "x", s->width[i % 2], GEN_LAYER_IN), side = {0};
    if (s->side) side = gen_param(g, "side", s->side, GEN_LAYER_IN);
    if (s->side)
        x = gen_two(g, IR_OP_add, x, gen_tame(g, gen_linear(g, side, "in", 1, &s->width[i % 2]), GEN_BRANCH - 4));
    x = gen_layer(g, x, s->width[(i + 1) % 2]);
    if (s->side) side = side_stream(g, x, side);
    gen_append(g, gen_op(g, IR_OP_ret, NULL, s->side ? 2 : 1, (struct ir_val *[]){x.v, side.v}));
    s->func[i] = g->f;
}

static void call(struct gen *g, const struct stack *s, uint32_t i, struct val *x, struct val *side) {
    struct ir_val *in[] = {g->rows, x->v, side->v};
    struct ir_op *op = ir_op_new(g->f, IR_OP_layer, (struct loc){0}, s->side ? 3 : 2, in, s->side ? 2 : 1);
    op->func = arena_array(g->m->arena, struct ir_func *, 1);
    op->func[0] = s->func[s->one_function ? i % s->kinds : i];
    op->n_func = 1;
    ir_set_i64(op, IR_ATTR_index, i);
    gen_append(g, op);
    *x = (struct val){op->out[0], GEN_LAYER_IN};
    if (s->side) *side = (struct val){op->out[1], GEN_LAYER_IN};
}

static void draw_stack(struct gen *g, struct stack *s) {
    bool narrow = g->info->has[GEN_LARGE] || g->info->has[GEN_LONG];
    s->depth = 1 + PICK("depth", narrow ? 2 : 5);
    s->kinds = s->depth > 1 && !PICK("two kinds", 4) ? 2 : 1;
    s->width[0] = s->width[1] = gen_width(g, "", "hidden");
    if (s->kinds == 2) gen_note(g, GEN_TWO_KINDS);
    if (s->kinds == 2 && !PICK("widths", 3)) {
        s->width[1] = 5 + PICK("other width", 40);
        gen_note(g, GEN_WIDTHS);
    }
    if (!PICK("two streams", 12)) {
        s->side = 3 + PICK("side width", 30);
        gen_note(g, GEN_TWO_STREAMS);
    }
    g->stack = "";
    g->layers = 0;
    if (!PICK("global cache", 10)) gen_global_states(g);
    s->one_function = s->depth > s->kinds && !PICK("one function", 6);
    if (s->one_function) gen_note(g, GEN_ONE_FUNCTION);
    for (uint32_t i = 0; i < (s->one_function ? s->kinds : s->depth); i++) layer(g, s, i);
}

/* ---- the entry ---- */

static const struct ir_weight *table(struct gen *g, const char *name, uint32_t width) {
    enum ir_store store = gen_store(g, name, width);
    if (ir_store_block(store) > 1) gen_note(g, GEN_TABLE_BLOCKS);
    if (store == IR_STORE_F32) gen_note(g, GEN_TABLE_F32);
    if (store == IR_STORE_F16) gen_note(g, GEN_TABLE_F16);
    return gen_weight(g, name, store, 2, (uint32_t[]){g->m->vocab, width});
}

static struct val embed(struct gen *g, uint32_t width) {
    struct val x = gen_embed(g, table(g, "embed", width));
    if (!PICK("scaled embedding", 4)) x = gen_const(g, IR_OP_mulc, x, 3.5f);
    if (!PICK("normed embedding", 5)) x = gen_norm(g, x, "g_embed", 1);
    return x;
}

static struct val layers(struct gen *g, const struct stack *s) {
    struct val x = embed(g, s->width[0]), side = {0}, early = {0};
    if (g->info->has[GEN_GLOBAL_CACHE]) gen_global_write(g, gen_norm(g, x, "g_cache", 1));
    uint32_t interlude = PICK("interlude", 8) ? s->depth : PICK("place of interlude", s->depth);
    uint32_t skip = PICK("skip", 10) ? s->depth : PICK("place of skip", s->depth);
    if (s->side) {
        uint32_t n = s->side;
        side = gen_tame(g, gen_linear(g, x, "to_side", 1, &n), GEN_BRANCH);
    }
    for (uint32_t i = 0; i < s->depth; i++) {
        call(g, s, i, &x, &side);
        if (i == skip) early = x;
        if (i == interlude) {
            gen_note(g, GEN_INTERLUDE);
            x = gen_tame(g, gen_two(g, IR_OP_sub, x, gen_one(g, IR_OP_tanh, x)), GEN_BRANCH);
        }
    }
    if (early.v && early.v != x.v && ir_type_eq(&early.v->type, &x.v->type)) {
        gen_note(g, GEN_SKIP);
        x = gen_two(g, IR_OP_add, x, early);
    }
    return x;
}

static void emit(struct gen *g, struct val x, const char *name) {
    struct ir_op *op = gen_op(g, IR_OP_emit, NULL, 1, &x.v);
    ir_set_name(op, IR_ATTR_name, name_of(g->m->names, name));
    gen_append(g, op);
}

static struct val logits(struct gen *g, struct val x, uint32_t embedded) {
    uint32_t width = x.v->type.dim[0], kind = PICK("head", 4);
    if (kind == 3) {
        gen_note(g, GEN_TERNARY_HEAD);
        return gen_linear(g, x, "head", 1, &g->m->vocab);
    }
    bool tied = kind > 0 && width == embedded;
    if (tied) gen_note(g, GEN_TIED);
    return gen_dot(g, x, table(g, tied ? "embed" : "head", width));
}

static void head(struct gen *g, struct val x, uint32_t embedded) {
    uint32_t live = PICK("live", 3);
    if (live < 2) gen_note(g, GEN_LIVE_EARLY);
    if (live == 0) x = gen_live(g, x);
    if (PICK("final norm", 6)) x = gen_norm(g, x, "g_out", 1);
    if (live == 1) x = gen_live(g, x);
    x = logits(g, x, embedded);
    if (!PICK("soft cap", 6))
        x = gen_const(g, IR_OP_mulc, gen_one(g, IR_OP_tanh, gen_const(g, IR_OP_mulc, x, 0.125f)), 8.0f);
    if (live == 2) x = gen_live(g, x);
    if (!PICK("name", 8)) gen_note(g, GEN_OTHER_NAME);
    emit(g, x, g->info->has[GEN_OTHER_NAME] ? "embedding" : "logits");
    if (PICK("two heads", 12)) return;
    gen_note(g, GEN_TWO_HEADS);
    emit(g, gen_one(g, IR_OP_tanh, x), "squashed");
}

static void entry(struct gen *g, const struct stack *s) {
    g->stack = "";
    g->layers = 0;
    g->rng = gen_hash(g->seed, "entry");
    gen_func(g, "generate", true);
    head(g, layers(g, s), s->width[0]);
    gen_append(g, gen_op(g, IR_OP_ret, NULL, 0, NULL));
}

/* ---- the interface ---- */

static void draw_sizes(struct gen *g) {
    static const uint32_t rows[] = {64, 64, 65, 80, 100};
    g->info->has[GEN_LARGE] = !PICK("large", 16);
    g->info->has[GEN_LONG] = !g->info->has[GEN_LARGE] && !PICK("long", 16);
    g->info->tokens = g->info->has[GEN_LONG] ? 130 + PICK("tokens", 150) : 4 + PICK("tokens", 17);
    g->m->context = g->info->has[GEN_LONG] ? 320 : 64;
    g->m->vocab = 11 + PICK("vocab", 87);
    g->m->max_rows = rows[PICK("rows", 5)];
}

struct ir_module *gen_program_info(struct arena *a, struct names *names, uint64_t seed, struct gen_info *info) {
    struct gen_info unused;
    struct gen g = {.d = diag_new(a, stderr), .seed = seed, .info = info ? info : &unused};
    struct stack s = {0};
    *g.info = (struct gen_info){.tokens = 0};
    g.m = ir_module_new(a, names, "drawn");
    draw_sizes(&g);
    draw_stack(&g, &s);
    entry(&g, &s);
    if (!ir_verify(g.d, g.m, "gen_program")) BUG("seed %llu gives a wrong program", (unsigned long long)seed);
    return g.m;
}

struct ir_module *gen_program(struct arena *a, struct names *names, uint64_t seed) {
    return gen_program_info(a, names, seed, NULL);
}

uint32_t gen_token(uint64_t seed, uint32_t vocab, uint32_t t) {
    return (uint32_t)((gen_hash(gen_hash(seed, "token") + t, "") >> 32) * vocab >> 32);
}
