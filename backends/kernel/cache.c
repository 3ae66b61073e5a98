/*
 * cache.c -- rows of the caches: where they lie, how they are written and read back (docs/formats.md draws them).
 *
 * A write of floats whose heads are whole vectors is a sink of the engine, stored with whatever else the loop over
 * elements makes.  Others go head by head from memory: an int8 head needs its maximum before its first code, and the
 * last vector of a head is cut where the next one would be hit.  Elements that pad a head are zero.
 */
#include "backends/kernel/cache.h"
#include "backends/kernel/dot.h"
#include "backends/kernel/vec.h"
#include "runtime/contract.h"

/* ---- addresses ---- */

LLVMValueRef cache_head(struct kern *k, const struct ir_state *s, LLVMValueRef slot, LLVMValueRef head) {
    struct cg *c = k->c;
    const struct data_plan *plan = c->plan;
    LLVMValueRef at = LLVMBuildMul(c->b, slot, k->slot_stride, "");
    at = LLVMBuildAdd(c->b, at, cg_i64(c, plan->state_offset[s->id]), "");
    if (s->layers) at = LLVMBuildAdd(c->b, at, kern_layer_offset(k, plan->state_stride[s->id]), "");
    at = LLVMBuildAdd(c->b, at, LLVMBuildMul(c->b, head, cg_i64(c, ir_state_head_bytes(s)), ""), "");
    return cg_at(c, k->state, at);
}

/* Bytes from position 0 to the block of pos. */
static LLVMValueRef block_offset(struct kern *k, LLVMValueRef pos) {
    LLVMValueRef block = LLVMBuildUDiv(k->c->b, pos, cg_i64(k->c, IR_BLOCK_POS), "");
    return LLVMBuildMul(k->c->b, block, cg_i64(k->c, k->c->plan->state_block_bytes), "");
}

static LLVMValueRef in_block(struct kern *k, LLVMValueRef pos, uint64_t bytes) {
    LLVMValueRef at = LLVMBuildURem(k->c->b, pos, cg_i64(k->c, IR_BLOCK_POS), "");
    return LLVMBuildMul(k->c->b, at, cg_i64(k->c, bytes), "");
}

LLVMValueRef cache_position(struct kern *k, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef pos) {
    LLVMValueRef row = in_block(k, pos, ir_state_position_bytes(s));
    return cg_at(k->c, zero, LLVMBuildAdd(k->c->b, block_offset(k, pos), row, ""));
}

LLVMValueRef cache_scale(struct kern *k, const struct ir_state *s, LLVMValueRef zero, LLVMValueRef pos) {
    LLVMValueRef at = LLVMBuildAdd(k->c->b, block_offset(k, pos), in_block(k, pos, sizeof(float)), "");
    return cg_at(k->c, cg_at_const(k->c, zero, ir_state_scales_offset(s)), at);
}

LLVMValueRef cache_element(struct kern *k, const struct ir_state *s, LLVMValueRef p, LLVMValueRef i) {
    struct cg *c = k->c;
    LLVMValueRef d = cg_i64(c, s->dim[s->rank - 1]);
    LLVMValueRef head = LLVMBuildMul(c->b, LLVMBuildUDiv(c->b, i, d, ""), cg_i64(c, ir_state_head_bytes(s)), "");
    LLVMValueRef in = LLVMBuildMul(c->b, LLVMBuildURem(c->b, i, d, ""), cg_i64(c, ir_elem_bytes(s->elem)), "");
    return cg_at(c, p, LLVMBuildAdd(c->b, head, in, ""));
}

/* ---- elements ---- */

LLVMValueRef cache_load(struct cg *c, const struct ir_state *s, LLVMValueRef p, unsigned n, LLVMValueRef scale) {
    if (s->elem != IR_CACHE_I8) return dot_load(c, s->elem == IR_CACHE_F16 ? IR_STORE_F16 : IR_STORE_F32, p, n);
    LLVMValueRef q = cg_load(c, LLVMVectorType(c->i8, n), p, 1);
    q = LLVMBuildSExt(c->b, q, LLVMVectorType(c->i32, n), "");
    return LLVMBuildFMul(c->b, LLVMBuildSIToFP(c->b, q, LLVMVectorType(c->f32, n), ""), cg_splat(c, scale, n), "");
}

static LLVMValueRef magnitude(struct cg *c, LLVMValueRef x) {
    return LLVMBuildAnd(c->b, LLVMBuildBitCast(c->b, x, c->vi, ""), cg_splat(c, cg_i32(c, 0x7fffffff), CG_VL), "");
}

static LLVMValueRef umax(struct cg *c, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntUGT, x, y, ""), x, y, "");
}

/* The f16 of a cache: cut at 65504; no comparison holds for a NaN, which stays one. */
static LLVMValueRef to_f16(struct cg *c, LLVMValueRef x) {
    LLVMValueRef most = cg_splat(c, cg_f32(c, SETUN_F16_MAX), CG_VL),
                 least = cg_splat(c, cg_f32(c, -SETUN_F16_MAX), CG_VL);
    x = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, x, most, ""), most, x, "");
    x = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, x, least, ""), least, x, "");
    return LLVMBuildFPTrunc(c->b, x, LLVMVectorType(LLVMHalfTypeInContext(c->llvm), CG_VL), "");
}

void cache_store(struct cg *c, const struct ir_state *s, LLVMValueRef x, LLVMValueRef p) {
    if (s->elem == IR_CACHE_F16) x = to_f16(c, x);
    cg_store(c, x, p, ir_elem_bytes(s->elem));
}

/* clamp(roundeven(x * s)), of a NaN 0. */
static LLVMValueRef codes(struct cg *c, LLVMValueRef x, LLVMValueRef s) {
    LLVMValueRef args[] = {LLVMBuildFMul(c->b, x, s, "")};
    LLVMValueRef v = cg_intrinsic(c, "llvm.roundeven", &c->vf, 1, args, 1);
    LLVMValueRef most = cg_splat(c, cg_f32(c, SETUN_CODE_MAX), CG_VL),
                 least = cg_splat(c, cg_f32(c, -SETUN_CODE_MAX), CG_VL);
    v = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOGT, v, most, ""), most, v, "");
    v = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, v, least, ""), least, v, "");
    v = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealORD, v, v, ""), v, LLVMConstNull(c->vf), "");
    return LLVMBuildTrunc(c->b, LLVMBuildFPToSI(c->b, v, c->vi, ""), LLVMVectorType(c->i8, CG_VL), "");
}

/* ---- one head ---- */

/* Where a head's elements are, as floats, and where they go. */
struct head {
    const struct ir_state *state;
    LLVMValueRef from, to;
    uint32_t d;
};

/* Elements from i on, what is behind the head as zero. */
static LLVMValueRef part(struct vec *v, const struct head *h, LLVMValueRef i) {
    struct cg *c = v->k->c;
    LLVMValueRef x = cg_load(c, c->vf, vec_addr(v, h->from, i), 4);
    if (h->d % CG_VL == 0) return x;
    return LLVMBuildSelect(c->b, vec_below(c, i, h->d), x, LLVMConstNull(c->vf), "");
}

/* The largest lane, unsigned. */
static LLVMValueRef largest(struct cg *c, LLVMValueRef x) {
    for (unsigned half = CG_VL / 2; half >= 1; half /= 2) {
        LLVMValueRef at[CG_VL];
        for (unsigned i = 0; i < CG_VL; i++) at[i] = cg_i32(c, (i + half) % CG_VL);
        x = umax(c, x, LLVMBuildShuffleVector(c->b, x, x, LLVMConstVector(at, CG_VL), ""));
    }
    return LLVMBuildExtractElement(c->b, x, cg_i32(c, 0), "");
}

/* s = 127 / max(m, floor) */
static LLVMValueRef scale_of(struct vec *v, const struct head *h) {
    struct cg *c = v->k->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, h->d), cg_i64(c, CG_VL), "max");
    unsigned m = cg_carry(c, &l, LLVMConstNull(c->vi));
    cg_next(&l, m, umax(c, magnitude(c, part(v, h, l.i)), l.phi[m]));
    cg_loop_end(c, &l);
    LLVMValueRef top = LLVMBuildBitCast(c->b, largest(c, cg_result(&l, m)), c->f32, "");
    LLVMValueRef floor = cg_f32(c, SETUN_QUANT_FLOOR);
    top = LLVMBuildSelect(c->b, LLVMBuildFCmp(c->b, LLVMRealOLT, top, floor, ""), floor, top, "");
    return LLVMBuildFDiv(c->b, cg_f32(c, SETUN_CODE_MAX), top, "");
}

static void write_head(struct vec *v, const struct head *h, LLVMValueRef s) {
    struct cg *c = v->k->c;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, h->d), cg_i64(c, CG_VL), "cache");
    LLVMValueRef x = part(v, h, l.i);
    LLVMValueRef to = cg_at(c, h->to, LLVMBuildMul(c->b, l.i, cg_i64(c, ir_elem_bytes(h->state->elem)), ""));
    if (s)
        cg_store(c, codes(c, x, cg_splat(c, s, CG_VL)), to, 1);
    else
        cache_store(c, h->state, x, to);
    cg_loop_end(c, &l);
}

/* ---- writes ---- */

static void write_heads(struct vec *v, const struct ir_val *x, const struct ir_state *state, LLVMValueRef row,
                        LLVMValueRef scales) {
    struct cg *c = v->k->c;
    struct cg_loop l;
    struct head h = {.state = state, .d = state->dim[state->rank - 1]};
    LLVMValueRef from = vec_memory(v, x);
    cg_loop_begin(c, &l, cg_i64(c, 0), vec_count(v, x), cg_i64(c, h.d), "head");
    LLVMValueRef head = LLVMBuildUDiv(c->b, vec_pos_of(v, l.i).abs, cg_i64(c, h.d), ""), s = NULL;
    LLVMValueRef offset = LLVMBuildMul(c->b, head, cg_i64(c, ir_state_head_bytes(state)), "");
    h.from = vec_addr(v, from, l.i);
    h.to = cg_at(c, row, offset);
    if (state->elem == IR_CACHE_I8) {
        s = scale_of(v, &h);
        cg_store(c, LLVMBuildFDiv(c->b, cg_f32(c, 1.0f), s, ""), cg_at(c, scales, offset), 4);
    }
    write_head(v, &h, s);
    cg_loop_end(c, &l);
}

void cache_write(struct vec *v, const struct ir_op *op) {
    struct kern *k = v->k;
    const struct ir_state *state = kern_state(op->in[0]);
    LLVMValueRef slot = kern_info(k, &v->row, offsetof(struct setun_row, slot));
    LLVMValueRef pos = kern_info(k, &v->row, offsetof(struct setun_row, pos));
    LLVMValueRef zero = cache_head(k, state, slot, cg_i64(k->c, 0)), row = cache_position(k, state, zero, pos);
    if (ir_group_of(op) > 1)
        write_heads(v, op->in[1], state, row, cache_scale(k, state, zero, pos));
    else
        vec_sink(v, (struct vec_sink){.val = op->in[1], .state = state, .to = row});
}
