/*
 * kern.c -- what all parts of a kernel ask for: its function, and in that where values, weights and states lie, the
 * thread's scratch and share, a row's indices.
 */
#include "backends/kernel/kern.h"

/* ---- values ---- */

const struct ir_val *kern_root(const struct ir_val *v) {
    while (v->def && v->def->code == IR_OP_reshape && !v->def->block->owner) v = v->def->in[0];
    return v;
}

bool kern_is_dynamic(const struct ir_func *f, const struct ir_val *root) {
    if (f->entry) return false;
    if (!root->def) return root->type.elem != IR_ROWS_E;
    const struct ir_op *ret = f->body->last;
    for (uint32_t i = 0; i < ret->n_in; i++)
        if (kern_root(ret->in[i]) == root) return true;
    return false;
}

LLVMValueRef kern_buffer(struct kern *k, const struct ir_val *v) {
    const struct ir_val *root = kern_root(v);
    for (size_t i = 0; i < k->own.n; i++)
        if (k->own.at[i].val == root) return k->own.at[i].at;
    for (size_t i = 0; i < k->io->io.n; i++)
        if (k->io->io.at[i] == root) return LLVMGetParam(k->io->fn, (unsigned)i + 3);
    if (root->place < 0) BUG("value '%s' has no place", root->name);
    return cg_at_const(k->c, k->arena, (uint64_t)root->place);
}

LLVMValueRef kern_row(struct kern *k, const struct ir_val *v, LLVMValueRef row) {
    LLVMValueRef stride = cg_i64(k->c, ir_row_stride(&v->type));
    return cg_at(k->c, kern_buffer(k, v), LLVMBuildMul(k->c->b, row, stride, ""));
}

unsigned kern_homes(const struct kern *k, const struct ir_val *v, const struct ir_val **homes) {
    unsigned n = 0;
    const struct ir_op *end = k->op->body->last;
    if (v->place >= 0) homes[n++] = v;
    for (uint32_t i = 0; i < end->n_in; i++) {
        const struct ir_val *out = k->op->out[i];
        if (end->in[i] != v || (out->place < 0 && !kern_is_dynamic(k->op->block->func, out))) continue;
        if (n == KERN_HOMES) BUG("value '%s' has more than %d homes", v->name, KERN_HOMES);
        homes[n++] = out;
    }
    return n;
}

/* ---- weights and states ---- */

LLVMValueRef kern_layer_offset(struct kern *k, uint64_t bytes) {
    LLVMValueRef layer = LLVMBuildZExt(k->c->b, k->layer, k->c->i64, "");
    return LLVMBuildMul(k->c->b, layer, cg_i64(k->c, bytes), "");
}

LLVMValueRef kern_weight(struct kern *k, const struct ir_weight *w, uint64_t offset) {
    LLVMValueRef p = cg_at_const(k->c, k->weights, offset);
    return w->layers ? cg_at(k->c, p, kern_layer_offset(k, k->c->plan->tensor[w->id].layer_stride)) : p;
}

const struct ir_state *kern_state(const struct ir_val *v) {
    for (;;) {
        const struct ir_op *def = v->def;
        if (!def) BUG("'%s' is a version of no state", v->name);
        if (def->code == IR_OP_state) return def->state;
        if (def->code == IR_OP_write)
            v = def->in[0];
        else if (def->code == IR_OP_kernel)
            v = def->body->last->in[v->index];
        else
            BUG("%s makes no state", ir_ops[def->code].name);
    }
}

/* ---- scratch, threads, failures ---- */

LLVMValueRef kern_scratch(struct kern *k, uint64_t bytes) {
    return cg_at_const(k->c, k->scratch, cg_scratch(k->c, &k->used, bytes));
}

void kern_share(struct kern *k, LLVMValueRef n, LLVMValueRef *from, LLVMValueRef *to) {
    LLVMBuilderRef b = k->c->b;
    LLVMValueRef next = LLVMBuildAdd(b, k->thread, cg_i64(k->c, 1), "");
    *from = LLVMBuildUDiv(b, LLVMBuildMul(b, n, k->thread, ""), k->n_threads, "");
    *to = LLVMBuildUDiv(b, LLVMBuildMul(b, n, next, ""), k->n_threads, "");
}

void kern_barrier(struct kern *k) {
    struct cg *c = k->c;
    LLVMValueRef f = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, barrier));
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i32}, 2, false);
    LLVMBuildCall2(c->b, type, f, (LLVMValueRef[]){k->ctx, k->tid}, 2, "");
}

/* Of the first kernel with such a row, the least position, in whatever order threads come: `bad`, which says the
 * kernel, and bad_pos are one word. */
void kern_bad_if(struct kern *k, LLVMValueRef cond, LLVMValueRef info) {
    struct cg *c = k->c;
    struct cg_if bad, first;
    cg_if_begin(c, &bad, cond);
    LLVMValueRef word = cg_at_const(c, k->ctx, offsetof(struct setun_step, bad));
    LLVMValueRef layer = LLVMBuildShl(c->b, LLVMBuildAdd(c->b, k->layer, cg_i32(c, 1), ""), cg_i32(c, 15), "");
    LLVMValueRef here = LLVMBuildXor(c->b, layer, cg_i32(c, k->id), "");
    here = LLVMBuildOr(c->b, here, cg_i32(c, INT32_MIN), ""); /* never 0 */
    LLVMValueRef pos = cg_load(c, c->i32, cg_at_const(c, info, offsetof(struct setun_row, pos)), 4);
    LLVMValueRef mine = LLVMBuildShl(c->b, LLVMBuildZExt(c->b, pos, c->i64, ""), cg_i64(c, 32), "");
    mine = LLVMBuildOr(c->b, mine, LLVMBuildZExt(c->b, here, c->i64, ""), "");
    LLVMValueRef swap = LLVMBuildAtomicCmpXchg(c->b, word, cg_i64(c, 0), mine, LLVMAtomicOrderingMonotonic,
                                               LLVMAtomicOrderingMonotonic, false);
    LLVMValueRef was = LLVMBuildTrunc(c->b, LLVMBuildExtractValue(c->b, swap, 0, ""), c->i32, "");
    LLVMValueRef same = LLVMBuildICmp(c->b, LLVMIntEQ, was, here, "");
    cg_if_begin(c, &first, LLVMBuildOr(c->b, LLVMBuildExtractValue(c->b, swap, 1, ""), same, ""));
    LLVMBuildAtomicRMW(c->b, LLVMAtomicRMWBinOpUMin, word, mine, LLVMAtomicOrderingMonotonic, false);
    cg_store(c, k->layer, cg_at_const(c, k->ctx, offsetof(struct setun_step, bad_layer)), 4);
    cg_store(c, cg_i32(c, k->id), cg_at_const(c, k->ctx, offsetof(struct setun_step, bad_kernel)), 4);
    cg_if_end(c, &first);
    cg_if_end(c, &bad);
}

struct kern_row_at kern_row_at(struct kern *k, enum ir_rowsym sym, LLVMValueRef m) {
    struct cg *c = k->c;
    struct kern_row_at r = {.at = {[IR_T] = m}};
    if (sym == IR_L) {
        LLVMValueRef p = cg_at(c, k->live, LLVMBuildMul(c->b, m, cg_i64(c, 4), ""));
        r.at[IR_L] = m;
        r.at[IR_T] = LLVMBuildZExt(c->b, cg_load(c, c->i32, p, 4), c->i64, "");
    }
    r.info = cg_at(c, k->rows, LLVMBuildMul(c->b, r.at[IR_T], cg_i64(c, sizeof(struct setun_row)), ""));
    return r;
}

LLVMValueRef kern_info(struct kern *k, const struct kern_row_at *r, size_t offset) {
    LLVMValueRef field = cg_load(k->c, k->c->i32, cg_at_const(k->c, r->info, offset), 4);
    return LLVMBuildZExt(k->c->b, field, k->c->i64, "");
}

/* ---- the function ---- */

const char *kern_name(struct cg *c, const struct ir_op *kernel, const char *sep) {
    const char *value = kernel->n_out ? kernel->out[0]->name : ir_name_attr(kernel, IR_ATTR_name);
    return arena_printf(c->arena, "%s%s%s", kernel->block->func->name, sep, value);
}

uint32_t kern_line(const struct ir_op *kernel) {
    for (const struct ir_op *op = kernel->body ? kernel->body->first : NULL; op; op = op->next)
        if (op->loc.line && op->code != IR_OP_yield) return op->loc.line;
    return kernel->loc.line;
}

void kern_function(struct cg *c, const char *name, struct cg_kernel *out) {
    size_t n = out->io.n + 3;
    LLVMTypeRef *types = arena_array(c->arena, LLVMTypeRef, n);
    types[0] = c->ptr;
    types[1] = types[2] = c->i32;
    for (size_t i = 3; i < n; i++) types[i] = c->ptr;
    out->type = LLVMFunctionType(c->void_, types, (unsigned)n, false);
    out->fn = cg_function(c, name, out->type, true);
}

static LLVMValueRef count(struct kern *k, size_t offset) {
    return LLVMBuildZExt(k->c->b, cg_ctx(k->c, k->ctx, k->c->i32, offset), k->c->i64, "");
}

static void load_context(struct kern *k) {
    struct cg *c = k->c;
    k->arena = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, arena));
    k->weights = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, weights));
    k->state = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, state));
    k->shared = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, shared));
    k->rows = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, rows));
    k->live = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, live));
    k->slot_stride = cg_ctx(c, k->ctx, c->i64, offsetof(struct setun_step, slot_stride));
    k->n[IR_T] = count(k, offsetof(struct setun_step, n_rows));
    k->n[IR_L] = count(k, offsetof(struct setun_step, n_live));
    k->n_threads = count(k, offsetof(struct setun_step, n_threads));
    k->thread = LLVMBuildZExt(c->b, k->tid, c->i64, "");
    LLVMValueRef all = cg_ctx(c, k->ctx, c->ptr, offsetof(struct setun_step, scratch));
    k->scratch_stride = cg_ctx(c, k->ctx, c->i64, offsetof(struct setun_step, scratch_stride));
    k->scratch = cg_at(c, all, LLVMBuildMul(c->b, k->thread, k->scratch_stride, ""));
}

struct kern kern_begin(struct cg *c, const struct ir_op *op, uint32_t id, const struct cg_kernel *io) {
    struct kern k = {
        .c = c,
        .op = op,
        .id = id,
        .ctx = LLVMGetParam(io->fn, 0),
        .tid = LLVMGetParam(io->fn, 1),
        .layer = LLVMGetParam(io->fn, 2),
        .io = io,
    };
    load_context(&k);
    return k;
}
