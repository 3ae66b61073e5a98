/* finite.c -- what a model emits must be finite: an emit as a kernel that looks at its rows. */
#include "backends/kernel/screen.h"
#include "backends/kernel/vec.h"

static void check_row(struct kern *k, const struct ir_val *x, LLVMValueRef m) {
    struct cg *c = k->c;
    struct kern_row_at row = kern_row_at(k, x->type.rows, m);
    LLVMValueRef at = kern_row(k, x, m);
    uint64_t n = ir_type_elems(&x->type), whole = n / CG_VL * CG_VL;
    struct cg_loop l;
    LLVMValueRef magnitude = cg_splat(c, cg_i32(c, 0x7fffffff), CG_VL);
    cg_loop_begin(c, &l, cg_i64(c, 0), cg_i64(c, n), cg_i64(c, CG_VL), "max");
    unsigned slot = cg_carry(c, &l, LLVMConstNull(c->vi));
    LLVMValueRef u = cg_load(c, c->vi, cg_at(c, at, LLVMBuildMul(c->b, l.i, cg_i64(c, 4), "")), 4);
    u = LLVMBuildAnd(c->b, u, magnitude, "");
    if (whole < n) u = LLVMBuildSelect(c->b, vec_below(c, l.i, n), u, LLVMConstNull(c->vi), "");
    LLVMValueRef more = LLVMBuildICmp(c->b, LLVMIntUGT, u, l.phi[slot], "");
    cg_next(&l, slot, LLVMBuildSelect(c->b, more, u, l.phi[slot], ""));
    cg_loop_end(c, &l);
    LLVMValueRef all = cg_result(&l, slot);
    LLVMValueRef top = cg_intrinsic(c, "llvm.vector.reduce.umax", &c->vi, 1, &all, 1);
    kern_bad_if(k, LLVMBuildICmp(c->b, LLVMIntUGE, top, cg_i32(c, 0x7f800000), ""), row.info);
}

void kern_check_finite(struct cg *c, const struct ir_op *op, uint32_t id, bool skips, struct cg_kernel *out) {
    struct cg_place back = cg_place_save(c);
    *out = (struct cg_kernel){0};
    const char *name = ir_name_attr(op, IR_ATTR_name);
    kern_function(c, arena_printf(c->arena, skips ? "emit.unless.screened.%s" : "emit.%s", name), out);
    cg_lines_begin(c, kern_name(c, op, ":"), kern_line(op));
    struct kern k = kern_begin(c, op, id, out);
    LLVMValueRef from, to;
    struct cg_loop l;
    kern_share(&k, k.n[op->in[0]->type.rows], &from, &to);
    if (skips) to = LLVMBuildSelect(c->b, screen_wanted(&k), from, to, "");
    cg_loop_begin(c, &l, from, to, cg_i64(c, 1), "row");
    check_row(&k, op->in[0], l.i);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
}
