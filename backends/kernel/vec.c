/* vec.c -- values of a region for one row, 16 elements at a time; see vec.h. */
#include "backends/kernel/cache.h"
#include "backends/kernel/dot.h"
#include "backends/kernel/topk.h"

#include "base/check.h"

/* ---- slots ---- */

struct vec_slot *vec_slot(struct vec *v, const struct ir_val *val) {
    for (size_t i = 0; i < v->slots.n; i++)
        if (v->slots.at[i].val == val) return &v->slots.at[i];
    struct vec_slot *s = vec_push(v->k->c->arena, &v->slots);
    *s = (struct vec_slot){.val = val};
    return s;
}

void vec_bind(struct vec *v, const struct ir_val *val, LLVMValueRef mem, bool unit) {
    struct vec_slot *s = vec_slot(v, val);
    s->mem = mem;
    s->unit = unit;
}

static bool has_rows(const struct ir_val *val) {
    return val->type.elem == IR_F32_E || val->type.elem == IR_I32 || val->type.elem == IR_I8;
}

/* Addresses are made here, outside of loops, so that every later loop may use them. */
static void touch(struct vec *v, const struct ir_val *val) {
    if (!has_rows(val)) return;
    size_t known = v->slots.n;
    struct vec_slot *s = vec_slot(v, val);
    if (v->slots.n == known) return;
    if (val->def && val->def->block->owner && val->place < 0) BUG("value '%s' is read before it is known", val->name);
    LLVMValueRef row = v->row.at[val->type.rows];
    if (!row) BUG("value '%s' has rows that this stage does not visit", val->name);
    s->mem = kern_row(v->k, val, row);
}

/* ---- places in a row ---- */

uint64_t vec_room(const struct vec *v, const struct ir_val *val) {
    return v->unit && val->type.rank ? v->room : ir_type_elems(&val->type);
}

LLVMValueRef vec_count(struct vec *v, const struct ir_val *val) {
    return v->unit && val->type.rank ? v->count : cg_i64(v->k->c, ir_type_elems(&val->type));
}

struct vec_pos vec_pos_of(struct vec *v, LLVMValueRef rel) {
    return (struct vec_pos){.rel = rel, .abs = v->unit ? LLVMBuildAdd(v->k->c->b, v->first, rel, "") : rel};
}

LLVMValueRef vec_addr(struct vec *v, LLVMValueRef base, LLVMValueRef index) {
    struct cg *c = v->k->c;
    return cg_at(c, base, LLVMBuildMul(c->b, index, cg_i64(c, 4), ""));
}

LLVMValueRef vec_below(struct cg *c, LLVMValueRef from, uint64_t n) {
    LLVMValueRef lane[CG_VL];
    for (unsigned i = 0; i < CG_VL; i++) lane[i] = cg_i32(c, i);
    LLVMValueRef left = LLVMBuildTrunc(c->b, LLVMBuildSub(c->b, cg_i64(c, n), from, ""), c->i32, "");
    return LLVMBuildICmp(c->b, LLVMIntSLT, LLVMConstVector(lane, CG_VL), cg_splat(c, left, CG_VL), "");
}

/* ---- element-wise ops ---- */

static LLVMValueRef real(struct cg *c, float f) { return cg_splat(c, cg_f32(c, f), CG_VL); }

static LLVMValueRef relu(struct cg *c, LLVMValueRef x) {
    LLVMValueRef up = LLVMBuildFCmp(c->b, LLVMRealOGT, x, real(c, 0), "");
    return LLVMBuildSelect(c->b, up, x, real(c, 0), "");
}

static LLVMValueRef weight_at(struct vec *v, LLVMValueRef base, LLVMValueRef index) {
    return cg_load(v->k->c, v->k->c->vf, vec_addr(v, base, index), 4);
}

/* float(acc) * p, p = alpha * r; once is p, or r if alpha is of the row */
static LLVMValueRef dequant(struct vec *v, const struct vec_slot *s, LLVMValueRef acc, struct vec_pos p) {
    struct cg *c = v->k->c;
    LLVMValueRef scale = s->once;
    if (s->base) scale = LLVMBuildFMul(c->b, weight_at(v, s->base, p.abs), scale, "");
    return LLVMBuildFMul(c->b, LLVMBuildSIToFP(c->b, acc, c->vf, ""), scale, "");
}

static LLVMValueRef norm(struct vec *v, const struct vec_slot *s, const struct ir_op *op, LLVMValueRef x,
                         struct vec_pos p) {
    LLVMBuilderRef b = v->k->c->b;
    LLVMValueRef gain = rows_gain(v->k->c, op, weight_at(v, s->base, p.abs));
    return LLVMBuildFMul(b, LLVMBuildFMul(b, x, s->once, ""), gain, "");
}

/* Half of a block's part: elements from `at` on, a multiple of 16. */
static LLVMValueRef embedded_block(struct cg *c, enum ir_store store, LLVMValueRef row, LLVMValueRef at) {
    LLVMValueRef block = cg_i64(c, ir_store_block(store)),
                 bytes = cg_i64(c, ir_stored_bytes(store, ir_store_block(store)));
    LLVMValueRef number = LLVMBuildUDiv(c->b, at, block, ""), in = LLVMBuildURem(c->b, at, block, "");
    LLVMValueRef p = cg_at(c, row, LLVMBuildMul(c->b, number, bytes, ""));
    LLVMValueRef x = block_part(c, store, p, LLVMBuildLShr(c->b, in, cg_i64(c, 5), "")), half[2];
    for (unsigned h = 0; h < 2; h++) {
        LLVMValueRef lane[CG_VL];
        for (unsigned i = 0; i < CG_VL; i++) lane[i] = cg_i32(c, h * CG_VL + i);
        half[h] = LLVMBuildShuffleVector(c->b, x, x, LLVMConstVector(lane, CG_VL), "");
    }
    LLVMValueRef second = LLVMBuildAnd(c->b, in, cg_i64(c, CG_VL), "");
    return LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntNE, second, cg_i64(c, 0), ""), half[1], half[0], "");
}

static LLVMValueRef embedded(struct vec *v, const struct vec_slot *s, const struct ir_op *op, struct vec_pos p) {
    struct cg *c = v->k->c;
    enum ir_store store = op->weight->store;
    if (ir_store_block(store) > 1) return embedded_block(c, store, s->once, p.abs);
    LLVMValueRef off = LLVMBuildMul(c->b, p.abs, cg_i64(c, ir_store_bytes(store)), "");
    return dot_load(c, store, cg_at(c, s->once, off), CG_VL);
}

static LLVMValueRef compute(struct vec *v, const struct vec_slot *s, const struct ir_op *op, struct vec_pos p) {
    struct cg *c = v->k->c;
    LLVMBuilderRef b = c->b;
    if (op->code == IR_OP_embed) return embedded(v, s, op, p);
    LLVMValueRef x = vec_at(v, op->in[0], p), y = NULL;
    if (op->n_in == 2 && op->code != IR_OP_dequant && op->code != IR_OP_rescale) y = vec_at(v, op->in[1], p);
    switch (op->code) {
    case IR_OP_live:
    case IR_OP_reshape: return x;
    case IR_OP_rmsnorm: return norm(v, s, op, x, p);
    case IR_OP_l2norm: return LLVMBuildFDiv(b, x, s->once, "");
    case IR_OP_topk: return topk_keep(c, (struct topk_chosen){s->once, s->base}, x, p.abs);
    case IR_OP_dequant: return dequant(v, s, x, p);
    case IR_OP_rescale: return LLVMBuildFMul(b, x, s->once, "");
    case IR_OP_bias: return LLVMBuildFAdd(b, x, weight_at(v, s->base, p.abs), "");
    case IR_OP_add: return LLVMBuildFAdd(b, x, y, "");
    case IR_OP_sub: return LLVMBuildFSub(b, x, y, "");
    case IR_OP_mul: return LLVMBuildFMul(b, x, y, "");
    case IR_OP_div: return LLVMBuildFDiv(b, x, y, "");
    case IR_OP_addc: return LLVMBuildFAdd(b, x, real(c, ir_f32(op, IR_ATTR_c)), "");
    case IR_OP_mulc: return LLVMBuildFMul(b, x, real(c, ir_f32(op, IR_ATTR_c)), "");
    case IR_OP_neg: return LLVMBuildFNeg(b, x, "");
    case IR_OP_relu: return relu(c, x);
    case IR_OP_relu2: x = relu(c, x); return LLVMBuildFMul(b, x, x, "");
    case IR_OP_exp: return cg_exp(c, x);
    case IR_OP_sigmoid: return cg_sigmoid(c, x);
    case IR_OP_silu: return cg_silu(c, x);
    case IR_OP_tanh: return cg_tanh(c, x);
    case IR_OP_gelu: return cg_gelu(c, x);
    case IR_OP_embed:
    case IR_OP_quant:
    case IR_OP_matmul:
    case IR_OP_gmatmul:
    case IR_OP_dot:
    case IR_OP_rope:
    case IR_OP_state:
    case IR_OP_write:
    case IR_OP_attend:
    case IR_OP_layer:
    case IR_OP_layers:
    case IR_OP_kernel:
    case IR_OP_emit:
    case IR_OP_yield:
    case IR_OP_ret:
    case IR_N_OPS: break;
    }
    BUG("%s is not computed element by element", ir_ops[op->code].name);
}

LLVMValueRef vec_at(struct vec *v, const struct ir_val *val, struct vec_pos p) {
    struct cg *c = v->k->c;
    const struct vec_slot *s = vec_slot(v, val);
    if (s->now && s->round == v->round) return s->now;
    LLVMValueRef x;
    if (s->mem)
        x = cg_load(c, val->type.elem == IR_I32 ? c->vi : c->vf, vec_addr(v, s->mem, s->unit ? p.rel : p.abs), 4);
    else if (val->def && val->def->block->owner) {
        LLVMMetadataRef was = cg_line(c, val->def->loc.line);
        x = compute(v, s, val->def, p);
        cg_line_back(c, was);
    } else
        BUG("value '%s' is read before it is known", val->name);
    struct vec_slot *now = vec_slot(v, val); /* slots may have moved */
    now->now = x;
    now->round = v->round;
    return x;
}

/* ---- sinks ---- */

/* Stores all 16 lanes, or only the first `lanes` one by one. */
static void store_lanes(struct cg *c, LLVMValueRef x, LLVMValueRef to, unsigned bytes, unsigned lanes) {
    if (lanes == CG_VL) {
        cg_store(c, x, to, bytes);
        return;
    }
    for (unsigned i = 0; i < lanes; i++)
        cg_store(c, LLVMBuildExtractElement(c->b, x, cg_i32(c, i), ""), cg_at_const(c, to, (uint64_t)i * bytes), bytes);
}

static void store_sink(struct vec *v, const struct vec_sink *sink, struct vec_pos p, unsigned lanes) {
    struct cg *c = v->k->c;
    LLVMMetadataRef was = cg_line(c, sink->val->def ? sink->val->def->loc.line : 0);
    LLVMValueRef x = vec_at(v, sink->val, p);
    if (sink->state)
        cache_store(c, sink->state, x, cache_element(v->k, sink->state, sink->to, p.abs));
    else
        store_lanes(c, x, cg_at(c, sink->to, LLVMBuildMul(c->b, sink->unit ? p.rel : p.abs, cg_i64(c, 4), "")), 4,
                    lanes);
    cg_line_back(c, was);
}

/* Sinks [from, n) whose rows are as long as the first one's: one loop; marks them done. */
static void store_group(struct vec *v, size_t from) {
    struct cg *c = v->k->c;
    struct vec_sink *all = v->sinks.at;
    const struct ir_val *lead = all[from].val;
    uint64_t room = vec_room(v, lead);
    bool scalar = lead->type.rank == 0; /* rows of 4 bytes: nothing behind them is ours */
    unsigned tail = scalar ? 1 : v->exact ? (unsigned)(room % CG_VL) : 0;
    LLVMValueRef end = tail ? cg_i64(c, room - tail) : vec_count(v, lead);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), end, cg_i64(c, CG_VL), "store");
    for (int part = 0; part < (tail ? 2 : 1); part++) {
        v->round++;
        struct vec_pos p = scalar ? (struct vec_pos){.abs = l.to, .rel = l.to} : vec_pos_of(v, part ? end : l.i);
        for (size_t i = from; i < v->sinks.n; i++)
            if (all[i].val && vec_room(v, all[i].val) == room && (all[i].val->type.rank == 0) == scalar)
                store_sink(v, &all[i], p, part ? tail : CG_VL);
        if (part == 0) cg_loop_end(c, &l);
    }
    v->round++;
    for (size_t i = from; i < v->sinks.n; i++) {
        if (!all[i].val || vec_room(v, all[i].val) != room || (all[i].val->type.rank == 0) != scalar) continue;
        bool stays = all[i].home || all[i].keep;
        if (stays && !vec_slot(v, all[i].val)->mem) vec_bind(v, all[i].val, all[i].to, all[i].unit);
        all[i].val = NULL;
    }
}

void vec_finish(struct vec *v) {
    for (size_t i = 0; i < v->sinks.n; i++)
        if (v->sinks.at[i].val) store_group(v, i);
    v->sinks.n = 0;
}

void vec_sink(struct vec *v, struct vec_sink what) { *vec_push(v->k->c->arena, &v->sinks) = what; }

static LLVMValueRef home_row(struct vec *v, const struct ir_val *home) {
    LLVMValueRef row = v->row.at[home->type.rows];
    if (!row) BUG("value '%s' has rows that this stage does not visit", home->name);
    return kern_row(v->k, home, row);
}

/* What must be stored of an op's result, but for the home that the op itself has filled. */
static void add_homes(struct vec *v, struct ir_val *val) {
    const struct ir_val *homes[KERN_HOMES];
    unsigned n = kern_homes(v->k, val, homes);
    for (unsigned i = 0; i < n; i++)
        if (vec_slot(v, val)->home != homes[i])
            vec_sink(v, (struct vec_sink){.val = val, .home = homes[i], .to = home_row(v, homes[i])});
}

/* ---- memory ---- */

LLVMValueRef vec_target(struct vec *v, const struct ir_val *val, bool direct) {
    const struct ir_val *homes[KERN_HOMES];
    struct vec_slot *s = vec_slot(v, val);
    if (direct && kern_homes(v->k, val, homes) > 0) {
        s->home = homes[0];
        s->mem = home_row(v, homes[0]);
        s->unit = false;
    } else {
        s->mem = kern_scratch(v->k, 4 * (vec_room(v, val) + 2 * IR_LANES));
        s->unit = v->unit;
    }
    return vec_memory(v, val);
}

static bool waits(const struct vec *v, const struct ir_val *val) {
    for (size_t i = 0; i < v->sinks.n; i++)
        if (v->sinks.at[i].val == val && v->sinks.at[i].home) return true;
    return false;
}

bool vec_in_memory(struct vec *v, const struct ir_val *val) { return vec_slot(v, val)->mem || waits(v, val); }

LLVMValueRef vec_memory(struct vec *v, const struct ir_val *val) {
    if (!vec_slot(v, val)->mem) {
        if (!waits(v, val)) {
            LLVMValueRef to = kern_scratch(v->k, 4 * (vec_room(v, val) + 2 * IR_LANES));
            vec_sink(v, (struct vec_sink){.val = val, .to = to, .unit = v->unit, .keep = true});
        }
        vec_finish(v);
    }
    const struct vec_slot *s = vec_slot(v, val);
    return v->unit && !s->unit && val->type.rank ? vec_addr(v, s->mem, v->first) : s->mem;
}

/* ---- ops ---- */

LLVMValueRef vec_scalar(struct vec *v, const struct ir_val *val) {
    LLVMValueRef x = cg_load(v->k->c, v->k->c->f32, vec_memory(v, val), 4);
    return cg_splat(v->k->c, x, CG_VL);
}

static const struct setun_tensor *tensor_of(const struct vec *v, const struct ir_op *op) {
    return &v->k->c->plan->tensor[op->weight->id];
}

static void note_dequant(struct vec *v, const struct ir_op *op) {
    struct cg *c = v->k->c;
    LLVMValueRef scales = kern_weight(v->k, op->weight, tensor_of(v, op)->scale_offset);
    LLVMValueRef r = vec_scalar(v, op->in[1]);
    struct vec_slot *s = vec_slot(v, op->out[0]);
    if (op->weight->scale == IR_SCALE_ROW) {
        s->once = r;
        s->base = scales;
    } else {
        s->once = LLVMBuildFMul(c->b, cg_splat(c, cg_load(c, c->f32, scales, 4), CG_VL), r, "");
    }
}

static void note_rescale(struct vec *v, const struct ir_op *op) {
    LLVMValueRef r = vec_scalar(v, op->in[1]);
    vec_slot(v, op->out[0])->once = r;
}

static void note_embed(struct vec *v, const struct ir_op *op) {
    struct cg *c = v->k->c;
    LLVMValueRef token = kern_info(v->k, &v->row, offsetof(struct setun_row, token));
    uint64_t bytes = dot_row_bytes(op->weight->store, ir_weight_cols(op->weight));
    LLVMValueRef table = kern_weight(v->k, op->weight, tensor_of(v, op)->offset);
    vec_slot(v, op->out[0])->once = cg_at(c, table, LLVMBuildMul(c->b, token, cg_i64(c, bytes), ""));
}

void vec_core(struct vec *v, const struct ir_op *op, LLVMValueRef mem) {
    vec_bind(v, op->out[0], mem, true);
    add_homes(v, op->out[0]);
}

static void note_or_compute(struct vec *v, const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_in; i++) touch(v, op->in[i]);
    for (uint32_t i = 0; i < op->n_out; i++) vec_slot(v, op->out[i]);
    if (op->code == IR_OP_quant) {
        rows_quant(v, op);
        return;
    }
    if (op->code == IR_OP_write) {
        cache_write(v, op);
        return;
    }
    if (op->code == IR_OP_rmsnorm || op->code == IR_OP_l2norm)
        rows_norm(v, op);
    else if (op->code == IR_OP_topk)
        rows_topk(v, op);
    else if (op->code == IR_OP_rope)
        rope_emit(v, op);
    else if (op->code == IR_OP_dequant)
        note_dequant(v, op);
    else if (op->code == IR_OP_rescale)
        note_rescale(v, op);
    else if (op->code == IR_OP_embed)
        note_embed(v, op);
    else if (op->code == IR_OP_bias)
        vec_slot(v, op->out[0])->base = kern_weight(v->k, op->weight, tensor_of(v, op)->offset);
    add_homes(v, op->out[0]);
}

void vec_op(struct vec *v, const struct ir_op *op) {
    if (op->code == IR_OP_yield) return;
    LLVMMetadataRef was = cg_line(v->k->c, op->loc.line);
    note_or_compute(v, op);
    cg_line_back(v->k->c, was);
}
