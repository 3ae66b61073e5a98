/*
 * rope.c -- rotation of pairs by the angles of a row's position.
 *
 * cos and sin of a row are computed once for each (theta, d) into scratch, from the frequencies F_i that MPFR
 * rounded when the code was made; then all heads of the row (or unit) are turned, 16 pairs at a time and the rest
 * of a head one by one.
 */
#include <string.h>

#include "backends/kernel/vec.h"
#include "ir/num.h"

/* The constant table of F_i, padded with zeros to a multiple of 16. */
static LLVMValueRef frequencies(struct cg *c, const struct num_rope *r, uint32_t padded) {
    const double of[] = {r->theta, r->factor, r->low, r->high, r->original};
    const char *name = arena_printf(c->arena, "rope.%u", r->dims);
    for (size_t i = 0; i < COUNT_OF(of) && (i == 0 || r->factor != 0); i++) {
        uint64_t bits;
        memcpy(&bits, &of[i], sizeof bits);
        name = arena_printf(c->arena, "%s.%016llx", name, (unsigned long long)bits);
    }
    LLVMValueRef g = LLVMGetNamedGlobal(c->module, name);
    if (g) return g;
    uint64_t *f = arena_array(c->arena, uint64_t, padded);
    LLVMValueRef *v = arena_array(c->arena, LLVMValueRef, padded);
    num_rope_freqs(r, f);
    for (uint32_t i = 0; i < padded; i++) v[i] = cg_i64(c, f[i]);
    g = LLVMAddGlobal(c->module, LLVMArrayType2(c->i64, padded), name);
    LLVMSetInitializer(g, LLVMConstArray2(c->i64, v, padded));
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMInternalLinkage);
    LLVMSetAlignment(g, 64);
    return g;
}

static void fill(struct vec *v, struct vec_angles *a, uint32_t padded) {
    struct kern *k = v->k;
    struct cg *c = k->c;
    LLVMTypeRef wide = LLVMVectorType(c->i64, CG_VL);
    LLVMValueRef table = frequencies(c, &a->of, padded), cos, sin;
    LLVMValueRef pos = cg_splat(c, kern_info(k, &v->row, offsetof(struct setun_row, pos)), CG_VL);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, padded), cg_i64(c, CG_VL), "angle");
    LLVMValueRef f = cg_load(c, wide, cg_at(c, table, LLVMBuildMul(c->b, l.i, cg_i64(c, 8), "")), 8);
    LLVMValueRef phase = LLVMBuildMul(c->b, pos, f, "");
    LLVMValueRef top = LLVMBuildLShr(c->b, phase, cg_splat(c, cg_i64(c, 32), CG_VL), "");
    cg_cossin(c, LLVMBuildTrunc(c->b, top, c->vi, ""), &cos, &sin);
    cg_store(c, cos, vec_addr(v, a->cos, l.i), 4);
    cg_store(c, sin, vec_addr(v, a->sin, l.i), 4);
    cg_loop_end(c, &l);
}

static struct vec_angles angles(struct vec *v, const struct num_rope *r) {
    for (size_t i = 0; i < v->angles.n; i++)
        if (num_rope_same(&v->angles.at[i].of, r)) return v->angles.at[i];
    uint32_t padded = (r->dims / 2 + CG_VL - 1) / CG_VL * CG_VL;
    struct vec_angles a = {.of = *r};
    a.cos = kern_scratch(v->k, 4 * (uint64_t)padded);
    a.sin = kern_scratch(v->k, 4 * (uint64_t)padded);
    fill(v, &a, padded);
    *vec_push(v->k->c->arena, &v->angles) = a;
    return a;
}

/* One head: addresses of its elements before and after. */
struct head {
    LLVMValueRef x, y;
    uint32_t half; /* pairs */
    bool adjacent;
};

static void turn(struct cg *c, LLVMValueRef a, LLVMValueRef b, LLVMValueRef cos, LLVMValueRef sin, LLVMValueRef *ra,
                 LLVMValueRef *rb) {
    *ra = cg_fma(c, LLVMBuildFNeg(c->b, b, ""), sin, LLVMBuildFMul(c->b, a, cos, ""));
    *rb = cg_fma(c, a, sin, LLVMBuildFMul(c->b, b, cos, ""));
}

static LLVMValueRef shuffled(struct cg *c, LLVMValueRef a, LLVMValueRef b, unsigned n, unsigned first, unsigned step) {
    LLVMValueRef at[32];
    for (unsigned i = 0; i < n; i++) at[i] = cg_i32(c, first + i * step);
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(at, n), "");
}

/* a0 a1 ..., b0 b1 ...  ->  a0 b0 a1 b1 ... */
static LLVMValueRef interleaved(struct cg *c, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef at[2 * CG_VL];
    for (unsigned i = 0; i < CG_VL; i++) {
        at[2 * i] = cg_i32(c, i);
        at[2 * i + 1] = cg_i32(c, CG_VL + i);
    }
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(at, 2 * CG_VL), "");
}

static void turn_vectors(struct vec *v, const struct head *h, const struct vec_angles *an, LLVMValueRef i) {
    struct cg *c = v->k->c;
    LLVMValueRef cos = cg_load(c, c->vf, vec_addr(v, an->cos, i), 4),
                 sin = cg_load(c, c->vf, vec_addr(v, an->sin, i), 4);
    LLVMValueRef ra, rb;
    if (h->adjacent) {
        LLVMValueRef two = LLVMBuildMul(c->b, i, cg_i64(c, 2), "");
        LLVMValueRef x = cg_load(c, c->sf, vec_addr(v, h->x, two), 4);
        turn(c, shuffled(c, x, x, CG_VL, 0, 2), shuffled(c, x, x, CG_VL, 1, 2), cos, sin, &ra, &rb);
        cg_store(c, interleaved(c, ra, rb), vec_addr(v, h->y, two), 4);
    } else {
        LLVMValueRef j = LLVMBuildAdd(c->b, i, cg_i64(c, h->half), "");
        LLVMValueRef a = cg_load(c, c->vf, vec_addr(v, h->x, i), 4), b = cg_load(c, c->vf, vec_addr(v, h->x, j), 4);
        turn(c, a, b, cos, sin, &ra, &rb);
        cg_store(c, ra, vec_addr(v, h->y, i), 4);
        cg_store(c, rb, vec_addr(v, h->y, j), 4);
    }
}

static void turn_one(struct vec *v, const struct head *h, const struct vec_angles *an, LLVMValueRef i) {
    struct cg *c = v->k->c;
    LLVMValueRef ia = i, ib = LLVMBuildAdd(c->b, i, cg_i64(c, h->half), ""), ra, rb;
    if (h->adjacent) {
        ia = LLVMBuildMul(c->b, i, cg_i64(c, 2), "");
        ib = LLVMBuildAdd(c->b, ia, cg_i64(c, 1), "");
    }
    LLVMValueRef cos = cg_load(c, c->f32, vec_addr(v, an->cos, i), 4),
                 sin = cg_load(c, c->f32, vec_addr(v, an->sin, i), 4);
    LLVMValueRef a = cg_load(c, c->f32, vec_addr(v, h->x, ia), 4), b = cg_load(c, c->f32, vec_addr(v, h->x, ib), 4);
    turn(c, a, b, cos, sin, &ra, &rb);
    cg_store(c, ra, vec_addr(v, h->y, ia), 4);
    cg_store(c, rb, vec_addr(v, h->y, ib), 4);
}

/* Elements [from, to) of a head, which is not turned there. */
static void pass_on(struct vec *v, const struct head *h, uint32_t from, uint32_t to) {
    struct cg *c = v->k->c;
    struct cg_loop l;
    uint32_t vectors = from + (to - from) / CG_VL * CG_VL;
    for (int part = 0; part < 2; part++) {
        LLVMTypeRef type = part ? c->f32 : c->vf;
        uint32_t begin = part ? vectors : from, end = part ? to : vectors;
        if (begin == end) continue;
        cg_loop_begin(c, &l, cg_i64(c, begin), cg_i64(c, end), cg_i64(c, part ? 1 : CG_VL), "pass");
        cg_store(c, cg_load(c, type, vec_addr(v, h->x, l.i), 4), vec_addr(v, h->y, l.i), 4);
        cg_loop_end(c, &l);
    }
}

void rope_emit(struct vec *v, const struct ir_op *op) {
    struct cg *c = v->k->c;
    const struct ir_type *t = &op->in[0]->type;
    struct num_rope r = ir_rope_of(op);
    uint32_t d = t->dim[t->rank - 1], whole = r.dims / 2 / CG_VL * CG_VL;
    struct vec_angles an = angles(v, &r);
    LLVMValueRef x = vec_memory(v, op->in[0]), y = vec_target(v, op->out[0], true);
    struct head h = {.half = r.dims / 2, .adjacent = !strcmp(ir_name_attr(op, IR_ATTR_pairing), "adjacent")};
    struct cg_loop heads, pairs;
    cg_loop_begin(c, &heads, cg_i64(c, 0), vec_count(v, op->out[0]), cg_i64(c, d), "head");
    h.x = vec_addr(v, x, heads.i);
    h.y = vec_addr(v, y, heads.i);
    pass_on(v, &h, r.dims, d);
    if (whole) {
        cg_loop_begin(c, &pairs, cg_i64(c, 0), cg_i64(c, whole), cg_i64(c, CG_VL), "pairs");
        turn_vectors(v, &h, &an, pairs.i);
        cg_loop_end(c, &pairs);
    }
    if (whole < h.half) {
        cg_loop_begin(c, &pairs, cg_i64(c, whole), cg_i64(c, h.half), cg_i64(c, 1), "pair");
        turn_one(v, &h, &an, pairs.i);
        cg_loop_end(c, &pairs);
    }
    cg_loop_end(c, &heads);
}
