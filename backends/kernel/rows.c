/*
 * rows.c -- what is computed row by row: the rows of a stage are split among threads; a thread computes whole rows.
 * A prologue's only row is computed by every thread.
 * The reductions over a row (norm, quantiser) are here, the choice of a row's largest in topk.c, everything
 * element-wise in vec.c.
 */
#include "backends/kernel/dot.h"
#include "backends/kernel/vec.h"
#include "runtime/contract.h"

/* ---- norms: rmsnorm multiplies by a scale and the gain, l2norm divides by a length ---- */

static LLVMValueRef root_of(struct cg *c, LLVMValueRef x) { return cg_intrinsic(c, "llvm.sqrt", &c->f32, 1, &x, 1); }

/* Of n elements at x: 1 / sqrt(S / n + eps), or the length and no less than the floor, as a splat. */
static LLVMValueRef norm_once(struct vec *v, const struct ir_op *op, LLVMValueRef x, uint64_t n) {
    struct cg *c = v->k->c;
    LLVMValueRef sum = dot_squares(c, x, n);
    if (op->code == IR_OP_l2norm) {
        LLVMValueRef length = root_of(c, sum), least = cg_f32(c, SETUN_NORM_FLOOR);
        LLVMValueRef below = LLVMBuildFCmp(c->b, LLVMRealOLT, length, least, "");
        return cg_splat(c, LLVMBuildSelect(c->b, below, least, length, ""), CG_VL);
    }
    LLVMValueRef mean = LLVMBuildFDiv(c->b, sum, cg_f32(c, (float)n), "");
    LLVMValueRef var = LLVMBuildFAdd(c->b, mean, cg_f32(c, ir_f32(op, IR_ATTR_eps)), "");
    return cg_splat(c, LLVMBuildFDiv(c->b, cg_f32(c, 1.0f), root_of(c, var), ""), CG_VL);
}

LLVMValueRef rows_gain(struct cg *c, const struct ir_op *op, LLVMValueRef stored) {
    const struct ir_attr *plus = ir_attr_get(op, IR_ATTR_plus);
    return plus ? LLVMBuildFAdd(c->b, stored, cg_splat(c, cg_f32(c, plus->f32), CG_VL), "") : stored;
}

/* A norm of each group of n elements.  A group's last vector may reach into the next group, which is
 * written after it, and behind the last group into the scratch's slack. */
static void norm_groups(struct vec *v, const struct ir_op *op, uint64_t n, LLVMValueRef x, LLVMValueRef gain) {
    struct cg *c = v->k->c;
    LLVMValueRef y = vec_target(v, op->out[0], n % CG_VL == 0);
    struct cg_loop g, l;
    cg_loop_begin(c, &g, cg_i64(c, 0), vec_count(v, op->out[0]), cg_i64(c, n), "group");
    LLVMValueRef once = norm_once(v, op, vec_addr(v, x, g.i), n);
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n), cg_i64(c, CG_VL), "norm");
    LLVMValueRef at = LLVMBuildAdd(c->b, g.i, l.i, ""), part = cg_load(c, c->vf, vec_addr(v, x, at), 4);
    if (gain) {
        LLVMValueRef stored = cg_load(c, c->vf, vec_addr(v, gain, l.i), 4);
        part = LLVMBuildFMul(c->b, LLVMBuildFMul(c->b, part, once, ""), rows_gain(c, op, stored), "");
    } else {
        part = LLVMBuildFDiv(c->b, part, once, "");
    }
    cg_store(c, part, vec_addr(v, y, at), 4);
    cg_loop_end(c, &l);
    cg_loop_end(c, &g);
}

/* Elements that are normed together. */
static uint64_t norm_length(const struct ir_op *op) {
    const struct ir_type *t = &op->in[0]->type;
    if (op->code == IR_OP_l2norm) return t->dim[t->rank - 1];
    return ir_weight_rows(op->weight) * ir_weight_cols(op->weight);
}

void rows_norm(struct vec *v, const struct ir_op *op) {
    const struct ir_weight *w = op->weight;
    uint64_t n = norm_length(op);
    LLVMValueRef x = vec_memory(v, op->in[0]);
    LLVMValueRef gain = w ? kern_weight(v->k, w, v->k->c->plan->tensor[w->id].offset) : NULL;
    if (n != ir_type_elems(&op->in[0]->type)) {
        norm_groups(v, op, n, x, gain);
        return;
    }
    LLVMValueRef once = norm_once(v, op, x, n);
    struct vec_slot *s = vec_slot(v, op->out[0]);
    s->once = once;
    s->base = gain;
}

/* ---- quant ---- */

static LLVMValueRef umax(struct cg *c, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntUGT, a, b, ""), a, b, "");
}

/* The largest bit pattern of |x|.  A value not yet in memory is kept in scratch on the way. */
static LLVMValueRef largest(struct vec *v, const struct ir_val *x) {
    struct cg *c = v->k->c;
    uint64_t n = ir_type_elems(&x->type);
    bool keep = !vec_in_memory(v, x);
    LLVMValueRef room = keep ? kern_scratch(v->k, 4 * (n + 2 * IR_LANES)) : vec_memory(v, x);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n), cg_i64(c, CG_VL), "max");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(c->vi));
    v->round++;
    LLVMValueRef f = vec_at(v, x, vec_pos_of(v, l.i));
    if (keep) cg_store(c, f, vec_addr(v, room, l.i), 4);
    LLVMValueRef u =
        LLVMBuildAnd(c->b, LLVMBuildBitCast(c->b, f, c->vi, ""), cg_splat(c, cg_i32(c, 0x7fffffff), CG_VL), "");
    if (n % CG_VL) u = LLVMBuildSelect(c->b, vec_below(c, l.i, n), u, LLVMConstNull(c->vi), "");
    cg_next(&l, slot, umax(c, u, l.phi[slot]));
    cg_loop_end(c, &l);
    v->round++;
    if (keep) vec_bind(v, x, room, false);
    LLVMValueRef all = cg_result(&l, slot);
    return cg_intrinsic(c, "llvm.vector.reduce.umax", &c->vi, 1, &all, 1);
}

/* clamp(roundeven(x * s)) as i32; a NaN becomes some code */
static LLVMValueRef codes(struct cg *c, LLVMValueRef x, LLVMValueRef s) {
    LLVMValueRef top = cg_splat(c, cg_f32(c, SETUN_CODE_MAX), CG_VL),
                 low = cg_splat(c, cg_f32(c, -SETUN_CODE_MAX), CG_VL);
    LLVMValueRef q = LLVMBuildFMul(c->b, x, s, "");
    q = cg_intrinsic(c, "llvm.roundeven", &c->vf, 1, &q, 1);
    q = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, q, top, ""), q, top, "");
    q = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, q, low, ""), q, low, "");
    return LLVMBuildFPToSI(c->b, q, c->vi, "");
}

/* Stores the codes, zeros up to a multiple of 64, and their sum. */
static void store_codes(struct vec *v, const struct ir_op *op, LLVMValueRef s, LLVMValueRef to) {
    struct cg *c = v->k->c;
    uint64_t n = ir_type_elems(&op->in[0]->type), sum_at = ir_i8_sum_offset(&op->out[0]->type);
    LLVMTypeRef bytes = LLVMVectorType(c->i8, CG_VL);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n), cg_i64(c, CG_VL), "code");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(c->vi));
    v->round++;
    LLVMValueRef q = codes(c, vec_at(v, op->in[0], vec_pos_of(v, l.i)), s);
    if (n % CG_VL) q = LLVMBuildSelect(c->b, vec_below(c, l.i, n), q, LLVMConstNull(c->vi), "");
    cg_store(c, LLVMBuildTrunc(c->b, q, bytes, ""), cg_at(c, to, l.i), 1);
    cg_next(&l, slot, LLVMBuildAdd(c->b, q, l.phi[slot], ""));
    cg_loop_end(c, &l);
    v->round++;
    for (uint64_t at = (n + CG_VL - 1) / CG_VL * CG_VL; at < sum_at; at += CG_VL)
        cg_store(c, LLVMConstNull(bytes), cg_at_const(c, to, at), 1);
    LLVMValueRef all = cg_result(&l, slot);
    LLVMValueRef sum = cg_intrinsic(c, "llvm.vector.reduce.add", &c->vi, 1, &all, 1);
    cg_store(c, sum, cg_at_const(c, to, sum_at), 4);
}

void rows_quant(struct vec *v, const struct ir_op *op) {
    struct kern *k = v->k;
    struct cg *c = k->c;
    const struct ir_val *codes_at[KERN_HOMES], *scale_at[KERN_HOMES];
    unsigned n_codes = kern_homes(k, op->out[0], codes_at), n_scales = kern_homes(k, op->out[1], scale_at);
    LLVMValueRef m = largest(v, op->in[0]);
    kern_bad_if(k, LLVMBuildICmp(c->b, LLVMIntUGE, m, cg_i32(c, 0x7f800000), ""), v->row.info);
    LLVMValueRef top = LLVMBuildBitCast(c->b, m, c->f32, ""), floor_ = cg_f32(c, SETUN_QUANT_FLOOR);
    top = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, top, floor_, ""), floor_, top, "");
    LLVMValueRef s = LLVMBuildFDiv(c->b, cg_f32(c, SETUN_CODE_MAX), top, "");
    LLVMValueRef r = LLVMBuildFDiv(c->b, cg_f32(c, 1.0f), s, "");
    for (unsigned i = 0; i < n_codes; i++)
        store_codes(v, op, cg_splat(c, s, CG_VL), kern_row(k, codes_at[i], v->row.at[codes_at[i]->type.rows]));
    for (unsigned i = 0; i < n_scales; i++)
        cg_store(c, r, kern_row(k, scale_at[i], v->row.at[scale_at[i]->type.rows]), 4);
    LLVMValueRef kept = n_scales ? kern_row(k, scale_at[0], v->row.at[scale_at[0]->type.rows]) : kern_scratch(k, 64);
    if (!n_scales) cg_store(c, r, kept, 4);
    vec_bind(v, op->out[1], kept, false);
}

/* ---- the rows of a stage ---- */

static bool wants_live(const struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++)
        if (op->out[i]->type.rows == IR_L) return true;
    return false;
}

/* Live rows only, if any op is about live rows; then nothing may be asked of the others. */
enum ir_rowsym rows_domain(const struct kern *k, enum ir_stage stage) {
    bool live = false, stores_all = false;
    const struct ir_val *homes[KERN_HOMES];
    for (const struct ir_op *op = k->op->body->first; op; op = op->next) {
        if (op->code == IR_OP_yield || ir_stage_of(op) != stage) continue;
        live |= wants_live(op);
        stores_all |= op->code == IR_OP_write;
        for (uint32_t i = 0; i < op->n_out; i++) {
            const struct ir_val *o = op->out[i];
            stores_all |= o->type.rows == IR_T && kern_homes(k, o, homes) > 0;
        }
    }
    if (live && stores_all) BUG("kernel '%s' computes all rows and live rows", k->op->out[0]->name);
    return live ? IR_L : IR_T;
}

void rows_emit(struct kern *k, enum ir_stage stage) {
    struct cg *c = k->c;
    enum ir_rowsym sym = rows_domain(k, stage);
    LLVMValueRef from, to;
    uint64_t used = k->used;
    struct cg_loop l;
    kern_share(k, k->n[sym], &from, &to);
    if (stage == IR_STAGE_PROLOGUE && k->lone) {
        from = LLVMBuildSelect(c->b, k->lone, cg_i64(c, 0), from, "");
        to = LLVMBuildSelect(c->b, k->lone, k->n[sym], to, "");
    }
    cg_loop_begin(c, &l, from, to, cg_i64(c, 1), "row");
    struct vec v = {.k = k, .row = kern_row_at(k, sym, l.i)};
    for (const struct ir_op *op = k->op->body->first; op; op = op->next)
        if (op->code != IR_OP_yield && ir_stage_of(op) == stage) vec_op(&v, op);
    vec_finish(&v);
    cg_loop_end(c, &l);
    k->used = used;
}
