/*
 * matmul.c -- what the loops of ternary cores share.
 *
 * Codes 0, 1, 2 stand for -1, 0, +1, so sum(q * trit) = sum(q * code) - sum(q); the last is the same for all
 * rows of the matrix and lies behind the codes.  |q| <= 127 and K <= 65536, so that even the sum over a whole
 * byte of four codes, at most 255 * 127 * 65536, is less than 2^31.
 */
#include "backends/core/matmul.h"

unsigned mm_vectors(const struct mm_target *t) { return MM_STEP / t->bytes; }

LLVMTypeRef mm_byte_type(struct cg *c) { return LLVMVectorType(c->i8, c->level->mm->bytes); }

LLVMTypeRef mm_sum_type(struct cg *c) { return LLVMVectorType(c->i32, c->level->mm->bytes / 4); }

LLVMTypeRef mm_acc_type(struct cg *c) {
    return c->level->mm->widen ? LLVMVectorType(c->i16, c->level->mm->acc_words) : mm_sum_type(c);
}

/* An i16 lane takes one or two products of at most 127 * (2 << shift of the field) a step.  Open planes
 * may wrap: their difference is that of codes. */
unsigned mm_flush(const struct mm_target *t, const struct mm_planes *p) {
    if (!t->widen) return 0;
    unsigned largest = 0;
    for (int i = 0; i < MM_PLANES; i++)
        if (2u << p->post[i] > largest) largest = 2u << p->post[i];
    return INT16_MAX / (t->bytes / t->acc_words * 127 * largest);
}

static LLVMValueRef shift_right(struct cg *c, LLVMValueRef w, unsigned by) {
    if (!by) return w;
    if (c->level->mm->byte_shifts) return LLVMBuildLShr(c->b, w, cg_splat(c, cg_i8(c, by), c->level->mm->bytes), "");
    unsigned lanes = c->level->mm->bytes / 2; /* the mask drops what comes from the side */
    LLVMValueRef h = LLVMBuildBitCast(c->b, w, LLVMVectorType(c->i16, lanes), "");
    h = LLVMBuildLShr(c->b, h, cg_splat(c, LLVMConstInt(c->i16, by, false), lanes), "");
    return LLVMBuildBitCast(c->b, h, mm_byte_type(c), "");
}

void mm_split(struct cg *c, const struct mm_planes *p, LLVMValueRef w, LLVMValueRef out[MM_PLANES]) {
    for (int i = 0; i < MM_PLANES; i++) {
        out[i] = shift_right(c, w, p->right[i]);
        if (p->mask[i] != 255)
            out[i] = LLVMBuildAnd(c->b, out[i], cg_splat(c, cg_i8(c, p->mask[i]), c->level->mm->bytes), "");
    }
}

void mm_apart(struct cg *c, const struct mm_planes *p, LLVMValueRef acc[MM_PLANES]) {
    for (int i = 1; p->open && i < MM_PLANES - 1; i++) {
        LLVMTypeRef type = LLVMTypeOf(acc[i]);
        LLVMValueRef two = cg_splat(c, LLVMConstInt(LLVMGetElementType(type), 2, false), LLVMGetVectorSize(type));
        acc[i] = LLVMBuildSub(c->b, acc[i], LLVMBuildShl(c->b, acc[i + 1], two, ""), "");
    }
}

void mm_finish(struct cg *c, const struct mm_planes *p, LLVMValueRef sum[MM_PLANES], LLVMValueRef code_sum) {
    for (int i = MM_PLANES - 1; i >= 0; i--) {
        if (p->nested && i) sum[i] = LLVMBuildSub(c->b, sum[i], sum[i - 1], "");
        LLVMValueRef by = cg_splat(c, cg_i32(c, p->post[i]), c->level->mm->bytes / 4);
        if (p->post[i]) sum[i] = LLVMBuildAShr(c->b, sum[i], by, "");
        sum[i] = LLVMBuildSub(c->b, sum[i], code_sum, "");
    }
}

LLVMValueRef mm_codes(struct cg *c, LLVMValueRef p) {
    const struct mm_target *t = c->level->mm;
    LLVMValueRef x = cg_splat(c, cg_load(c, c->i32, p, 4), t->bytes / 4);
    x = LLVMBuildBitCast(c->b, x, mm_byte_type(c), "");
    return t->hold ? t->hold(c, x) : x;
}

LLVMValueRef mm_quad(struct cg *c, LLVMValueRef p) { return cg_load(c, LLVMVectorType(c->i32, 4), p, 4); }

LLVMValueRef mm_codes_of(struct cg *c, LLVMValueRef quad, unsigned i) {
    LLVMValueRef lane[MM_LANES], x;
    unsigned n = c->level->mm->bytes / 4;
    for (unsigned l = 0; l < n; l++) lane[l] = cg_i32(c, i);
    x = LLVMBuildShuffleVector(c->b, quad, quad, LLVMConstVector(lane, n), "");
    x = LLVMBuildBitCast(c->b, x, mm_byte_type(c), "");
    return c->level->mm->hold ? c->level->mm->hold(c, x) : x;
}

LLVMValueRef mm_code_sum_at(struct cg *c, LLVMValueRef row, uint64_t K) {
    return cg_at_const(c, row, (K + 63) & ~(uint64_t)63); /* ir_i8_sum_offset */
}

LLVMValueRef mm_code_sum(struct cg *c, LLVMValueRef row, uint64_t K) {
    return cg_splat(c, cg_load(c, c->i32, mm_code_sum_at(c, row, K), 4), c->level->mm->bytes / 4);
}

bool mm_streams(const struct cg *c) { return !c->ir || mm_model_bytes(c->ir) > (uint64_t)2 << 20; }

void mm_prefetch(struct cg *c, LLVMValueRef p) {
    cg_prefetch(c, cg_at_const(c, p, MM_AHEAD_L2), 1);
    cg_prefetch(c, cg_at_const(c, p, MM_AHEAD_L1), 0);
}

void mm_prefetch_run(struct cg *c, LLVMValueRef p, LLVMValueRef at, uint64_t steps, uint64_t over) {
    LLVMValueRef end = LLVMBuildNSWAdd(c->b, at, cg_i64(c, MM_AHEAD / MM_STEP), "");
    LLVMValueRef inside = LLVMBuildICmp(c->b, LLVMIntSLT, end, cg_i64(c, steps), "");
    LLVMValueRef by = LLVMBuildSelect(c->b, inside, cg_i64(c, MM_AHEAD), cg_i64(c, MM_AHEAD + over), "");
    cg_prefetch(c, cg_at(c, p, by), 0);
}

/* ---- groups of columns ---- */

/* In whole registers, through the dot instruction; each of at most 8 of them takes two products a lane, so that narrow
 * accumulators hold them. */
static LLVMValueRef sum_registers(struct cg *c, LLVMValueRef p, uint64_t n) {
    const struct mm_target *t = c->level->mm;
    LLVMValueRef ones = cg_splat(c, cg_i8(c, 1), t->bytes), sum = LLVMConstNull(mm_sum_type(c));
    uint64_t at_once = 8;
    while (n % at_once) at_once--;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n * t->bytes), cg_i64(c, at_once * t->bytes), "codes");
    unsigned slot = cg_carry(c, &l, sum);
    LLVMValueRef acc = LLVMConstNull(mm_acc_type(c));
    for (uint64_t i = 0; i < at_once; i++) {
        LLVMValueRef q =
            cg_load(c, mm_byte_type(c), cg_at(c, p, LLVMBuildAdd(c->b, l.i, cg_i64(c, i * t->bytes), "")), 4);
        acc = t->dot(c, acc, ones, q);
    }
    cg_next(&l, slot, LLVMBuildAdd(c->b, l.phi[slot], t->widen ? t->widen(c, acc) : acc, ""));
    cg_loop_end(c, &l);
    return cg_result(&l, slot);
}

static LLVMValueRef sum_lanes(struct cg *c, LLVMValueRef p, uint64_t group) {
    unsigned n = 4;
    while (n < 32 && group % (2 * n) == 0) n *= 2;
    LLVMTypeRef wide = LLVMVectorType(c->i32, n);
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, group), cg_i64(c, n), "codes");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(wide));
    LLVMValueRef q = LLVMBuildSExt(c->b, cg_load(c, LLVMVectorType(c->i8, n), cg_at(c, p, l.i), 4), wide, "");
    cg_next(&l, slot, LLVMBuildAdd(c->b, l.phi[slot], q, ""));
    cg_loop_end(c, &l);
    return cg_result(&l, slot);
}

LLVMValueRef mm_group_sum(struct cg *c, LLVMValueRef p, uint64_t group) {
    unsigned bytes = c->level->mm->bytes;
    LLVMValueRef sums = group % bytes ? sum_lanes(c, p, group) : sum_registers(c, p, group / bytes);
    LLVMTypeRef type = LLVMTypeOf(sums);
    return cg_splat(c, cg_intrinsic(c, "llvm.vector.reduce.add", &type, 1, &sums, 1), bytes / 4);
}

void mm_add_group(struct cg *c, const struct mm_planes *p, LLVMValueRef sum[MM_PLANES], LLVMValueRef code_sum,
                  LLVMValueRef alpha, unsigned v, LLVMValueRef y[MM_PLANES]) {
    unsigned bytes = c->level->mm->bytes;
    LLVMTypeRef floats = LLVMVectorType(c->f32, bytes / 4);
    mm_finish(c, p, sum, code_sum);
    for (unsigned i = 0; i < MM_PLANES; i++) {
        LLVMValueRef a = cg_load(c, floats, cg_at_const(c, alpha, i * 4 * MM_LANES + v * bytes), bytes);
        y[i] = cg_fma(c, LLVMBuildSIToFP(c->b, sum[i], floats, ""), a, y[i]);
    }
}

/* ---- functions ---- */

const char *mm_name(struct cg *c, const char *form, const struct mm_shape *s) {
    struct buf b = {0};
    buf_printf(&b, "%s_%s_k%llu", form, s->core->name, (unsigned long long)s->K);
    if (mm_one_piece(s->core)) buf_printf(&b, "_n%llu", (unsigned long long)s->n);
    if (s->group) buf_printf(&b, "_g%llu", (unsigned long long)s->group);
    const char *name = arena_strdup(c->arena, b.at);
    buf_free(&b);
    return name;
}

LLVMTypeRef mm_type(struct cg *c) {
    LLVMTypeRef in[MM_ARGS] = {c->ptr, c->i64, c->i64, c->ptr, c->i64, c->i64, c->ptr,
                               c->i64, c->ptr, c->ptr, c->ptr, c->ptr, c->i64, c->i64};
    return LLVMFunctionType(c->void_, in, MM_ARGS, false);
}

struct mm_args mm_params(LLVMValueRef fn) {
    LLVMValueRef p[MM_ARGS];
    LLVMGetParams(fn, p);
    return (struct mm_args){p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13]};
}
