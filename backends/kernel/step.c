/*
 * step.c -- the step function of a level: kernels in order, a barrier behind each, one function a layer and one loop a
 * run of equal layers.
 *
 *   void step(ptr ctx, i32 tid)                               the entry
 *   void layer.body.0(ptr ctx, i32 tid, i32 layer, ptr io...) its arguments' buffers, then its results'
 *
 * A value of a layer function lies at a fixed place of the arena, but for arguments and results: a run of layers
 * hands two buffers to and fro.
 */
#include <string.h>

#include "backends/kernel/kern.h"
#include "backends/kernel/screen.h"
#include "ir/interp.h"

/* A kernel op, or an emit, which is a kernel that looks for non-finite values. */
struct emitted {
    const struct ir_op *op;
    struct cg_kernel kernel;
    uint32_t id;
};

struct layer_fn {
    const struct ir_func *func;
    LLVMValueRef fn;
    LLVMTypeRef type;
};

struct step {
    struct cg *c;
    VEC(struct emitted) kernels;
    VEC(struct layer_fn) layers;
    LLVMValueRef after; /* void (ptr ctx, i32 tid, i32 kernel, i32 layer) */
    LLVMTypeRef after_type;
};

/* The function being emitted. */
struct body {
    struct step *s;
    const struct ir_func *func;
    LLVMValueRef ctx, tid, layer, arena;
    VEC(const struct ir_val *) io; /* roots whose buffers are arguments, from the fourth on */
    LLVMValueRef fn;
};

/* Buffers begin at multiples of 64. */
static uint64_t whole_lines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/* ---- between kernels ---- */

static void barrier(struct cg *c, LLVMValueRef ctx, LLVMValueRef tid) {
    LLVMValueRef f = cg_ctx(c, ctx, c->ptr, offsetof(struct setun_step, barrier));
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i32}, 2, false);
    LLVMBuildCall2(c->b, type, f, (LLVMValueRef[]){ctx, tid}, 2, "");
}

/* Thread 0 calls what lies at this offset of the step, if anything does. */
static void tell(struct step *s, size_t offset, bool others_wait) {
    struct cg *c = s->c;
    LLVMValueRef ctx = LLVMGetParam(s->after, 0), tid = LLVMGetParam(s->after, 1);
    LLVMValueRef whom = cg_ctx(c, ctx, c->ptr, offset);
    struct cg_if any, first;
    cg_if_begin(c, &any, LLVMBuildICmp(c->b, LLVMIntNE, whom, LLVMConstNull(c->ptr), ""));
    cg_if_begin(c, &first, LLVMBuildICmp(c->b, LLVMIntEQ, tid, cg_i32(c, 0), ""));
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i32, c->i32}, 3, false);
    LLVMValueRef args[] = {ctx, LLVMGetParam(s->after, 2), LLVMGetParam(s->after, 3)};
    LLVMBuildCall2(c->b, type, whom, args, 3, "");
    cg_if_end(c, &first);
    if (others_wait) barrier(c, ctx, tid);
    cg_if_end(c, &any);
}

/* Barrier; whoever ticks is told by thread 0, whoever traces too, while the others wait at a second one. */
static void build_after(struct step *s) {
    struct cg *c = s->c;
    s->after_type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i32, c->i32, c->i32}, 4, false);
    s->after = cg_function(c, "after", s->after_type, true);
    LLVMValueRef ctx = LLVMGetParam(s->after, 0), tid = LLVMGetParam(s->after, 1);
    barrier(c, ctx, tid);
    tell(s, offsetof(struct setun_step, tick), false);
    tell(s, offsetof(struct setun_step, trace), true);
    LLVMBuildRetVoid(c->b);
}

/* ---- calls ---- */

static LLVMValueRef buffer(const struct body *b, const struct ir_val *v) {
    const struct ir_val *root = kern_root(v);
    for (size_t i = 0; i < b->io.n; i++)
        if (b->io.at[i] == root) return LLVMGetParam(b->fn, (unsigned)i + 3);
    if (root->place < 0) BUG("value '%s' has no place", root->name);
    return cg_at_const(b->s->c, b->arena, (uint64_t)root->place);
}

static void call_after(const struct body *b, uint32_t kernel, LLVMValueRef layer) {
    LLVMValueRef args[] = {b->ctx, b->tid, cg_i32(b->s->c, kernel), layer};
    LLVMBuildCall2(b->s->c->b, b->s->after_type, b->s->after, args, 4, "");
}

static const struct emitted *emitted_for(const struct step *s, const struct ir_op *op) {
    for (size_t i = 0; i < s->kernels.n; i++)
        if (s->kernels.at[i].op == op) return &s->kernels.at[i];
    BUG("a kernel that was not emitted");
}

static void call_kernel(const struct body *b, const struct ir_op *op) {
    struct cg *c = b->s->c;
    const struct emitted *e = emitted_for(b->s, op);
    LLVMValueRef *args = arena_array(c->arena, LLVMValueRef, e->kernel.io.n + 3);
    args[0] = b->ctx;
    args[1] = b->tid;
    args[2] = b->layer;
    for (size_t i = 0; i < e->kernel.io.n; i++) args[i + 3] = buffer(b, e->kernel.io.at[i]);
    LLVMBuildCall2(c->b, e->kernel.type, e->kernel.fn, args, (unsigned)e->kernel.io.n + 3, "");
    call_after(b, e->id, b->layer);
}

/* ---- layers ---- */

static bool in_memory(const struct ir_val *v) {
    return v->type.elem == IR_F32_E || v->type.elem == IR_I8 || v->type.elem == IR_I32;
}

static void build_body(struct body *b);

/* Buffers that a layer function is given: of its arguments, then of its results. */
static void collect_layer_io(struct cg *c, struct body *b) {
    const struct ir_op *ret = b->func->body->last;
    for (uint32_t i = 0; i < b->func->n_params; i++)
        if (in_memory(b->func->params[i])) *vec_push(c->arena, &b->io) = b->func->params[i];
    for (uint32_t i = 0; i < ret->n_in; i++) {
        const struct ir_val *root = kern_root(ret->in[i]);
        for (size_t k = 0; k < b->io.n; k++)
            if (b->io.at[k] == root)
                BUG("layer '%s' returns '%s' without computing it anew", b->func->name, root->name);
        *vec_push(c->arena, &b->io) = root;
    }
}

static struct layer_fn layer_for(struct step *s, const struct ir_func *f) {
    struct cg *c = s->c;
    for (size_t i = 0; i < s->layers.n; i++)
        if (s->layers.at[i].func == f) return s->layers.at[i];
    struct cg_place back = cg_place_save(c);
    struct body b = {.s = s, .func = f};
    collect_layer_io(c, &b);
    struct cg_kernel shape = {0}; /* the same arguments as a kernel's */
    for (size_t i = 0; i < b.io.n; i++) *vec_push(c->arena, &shape.io) = b.io.at[i];
    kern_function(c, arena_printf(c->arena, "layer.%s", f->name), &shape);
    b.fn = shape.fn;
    b.ctx = LLVMGetParam(b.fn, 0);
    b.tid = LLVMGetParam(b.fn, 1);
    b.layer = LLVMGetParam(b.fn, 2);
    b.arena = cg_ctx(c, b.ctx, c->ptr, offsetof(struct setun_step, arena));
    build_body(&b);
    LLVMBuildRetVoid(c->b);
    cg_place_restore(c, back);
    struct layer_fn made = {.func = f, .fn = shape.fn, .type = shape.type};
    *vec_push(c->arena, &s->layers) = made;
    return made;
}

static void call_layer(const struct body *b, const struct ir_func *f, LLVMValueRef layer, LLVMValueRef *in,
                       uint32_t n_in, LLVMValueRef *out, uint32_t n_out) {
    struct cg *c = b->s->c;
    struct layer_fn l = layer_for(b->s, f);
    LLVMValueRef *args = arena_array(c->arena, LLVMValueRef, n_in + n_out + 3);
    args[0] = b->ctx;
    args[1] = b->tid;
    args[2] = layer;
    memcpy(args + 3, in, n_in * sizeof *in);
    memcpy(args + 3 + n_in, out, n_out * sizeof *out);
    LLVMBuildCall2(c->b, l.type, l.fn, args, n_in + n_out + 3, "");
}

static void one_layer(const struct body *b, const struct ir_op *op) {
    struct cg *c = b->s->c;
    LLVMValueRef *in = arena_array(c->arena, LLVMValueRef, op->n_in),
                 *out = arena_array(c->arena, LLVMValueRef, op->n_out);
    uint32_t n_in = 0;
    for (uint32_t i = 0; i < op->n_in; i++)
        if (in_memory(op->in[i])) in[n_in++] = buffer(b, op->in[i]);
    for (uint32_t i = 0; i < op->n_out; i++) out[i] = buffer(b, op->out[i]);
    call_layer(b, op->func[0], cg_i32(c, ir_i64(op, IR_ATTR_index, 0)), in, n_in, out, op->n_out);
}

/* Buffers of a run of layers, one of each a value: read by the layer at hand, written by it, and the one not in use. */
struct run {
    LLVMValueRef *in, *out, *other;
    uint32_t n;
};

static void run_layer(const struct body *b, const struct ir_func *f, LLVMValueRef layer, struct run *r) {
    call_layer(b, f, layer, r->in, r->n, r->out, r->n);
    for (uint32_t i = 0; i < r->n; i++) {
        r->in[i] = r->out[i];
        r->out[i] = r->other[i];
        r->other[i] = r->in[i];
    }
}

/* The last layer of n writes the value's first buffer, the one before it the second, and so on. */
static struct run run_begin(const struct body *b, const struct ir_op *op, uint64_t n) {
    struct cg *c = b->s->c;
    struct run r = {.n = op->n_out};
    r.in = arena_array(c->arena, LLVMValueRef, 3 * (size_t)r.n);
    r.out = r.in + r.n;
    r.other = r.out + r.n;
    for (uint32_t i = 0; i < r.n; i++) {
        const struct ir_val *v = op->out[i];
        uint64_t bytes = whole_lines(c->ir->max_rows * ir_row_stride(&v->type));
        LLVMValueRef first = buffer(b, v), second = cg_at_const(c, first, bytes);
        r.in[i] = buffer(b, op->in[i + 1]);
        r.out[i] = n % 2 ? first : second;
        r.other[i] = n % 2 ? second : first;
    }
    return r;
}

/* One loop over whole periods, then the rest of a period. */
static void many_layers(const struct body *b, const struct ir_op *op) {
    struct cg *c = b->s->c;
    int64_t from = ir_i64(op, IR_ATTR_from, 0), to = ir_i64(op, IR_ATTR_to, 0);
    int64_t period = op->n_func, whole = (to - from) / period * period;
    struct run r = run_begin(b, op, (uint64_t)(to - from));
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i32(c, from), cg_i32(c, from + whole), cg_i32(c, period), "layer");
    for (uint32_t i = 0; i < 3 * r.n; i++) {
        cg_carry(c, &l, r.in[i]);
        r.in[i] = l.phi[i];
    }
    for (uint32_t i = 0; i < op->n_func; i++) run_layer(b, op->func[i], LLVMBuildAdd(c->b, l.i, cg_i32(c, i), ""), &r);
    for (uint32_t i = 0; i < 3 * r.n; i++) cg_next(&l, i, r.in[i]);
    cg_loop_end(c, &l);
    for (uint32_t i = 0; i < 3 * r.n; i++) r.in[i] = cg_result(&l, i);
    for (int64_t i = from + whole; i < to; i++) run_layer(b, op->func[(i - from) % period], cg_i32(c, i), &r);
}

/* ---- functions ---- */

static void build_body(struct body *b) {
    for (const struct ir_op *op = b->func->body->first; op; op = op->next) {
        if (op->code == IR_OP_kernel || op->code == IR_OP_emit)
            call_kernel(b, op);
        else if (op->code == IR_OP_layer)
            one_layer(b, op);
        else if (op->code == IR_OP_layers)
            many_layers(b, op);
    }
}

/* The kernel that can give intervals of what an emit looks at, or NULL. */
static const struct ir_op *screened_kernel(const struct ir_op *emit) {
    const struct ir_op *def = kern_root(emit->in[0])->def;
    return def && screen_dot(def) ? def : NULL;
}

static void emit_kernels(struct step *s, const struct ir_func *f) {
    struct cg *c = s->c;
    for (const struct ir_op *op = f->body->first; op; op = op->next) {
        if (op->code != IR_OP_kernel && op->code != IR_OP_emit) continue;
        struct emitted *e = vec_push(c->arena, &s->kernels);
        *e = (struct emitted){.op = op, .id = (uint32_t)c->kernels.n};
        kern_note(c, op);
        if (op->code == IR_OP_kernel)
            cg_emit_kernel(c, op, e->id, &e->kernel);
        else
            kern_check_finite(c, op, e->id, screened_kernel(op) != NULL, &e->kernel);
    }
}

/* The end of the last buffer, and where the logits are. */
static void measure(struct cg *c, const struct ir_func *f) {
    for (struct ir_op *op = ir_first((struct ir_func *)f); op; op = ir_next(op)) {
        for (uint32_t i = 0; i < op->n_out; i++) {
            const struct ir_val *v = op->out[i];
            if (v->place < 0) continue;
            uint64_t bytes =
                whole_lines(c->ir->max_rows * ir_row_stride(&v->type)) * (op->code == IR_OP_layers ? 2 : 1);
            if ((uint64_t)v->place + bytes > c->arena_bytes) c->arena_bytes = (uint64_t)v->place + bytes;
        }
        if (op->code == IR_OP_emit && op == ir_emitted(f)) {
            c->logits_offset = (uint64_t)kern_root(op->in[0])->place;
            c->logits_stride = ir_row_stride(&op->in[0]->type);
            c->out_name = ir_name_attr(op, IR_ATTR_name);
            c->out_elems = ir_type_elems(&op->in[0]->type);
        }
    }
}

static const struct ir_func *entry_of(const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) return m->funcs.at[i];
    BUG("module '%s' has no entry", m->name);
}

/* Is f the entry, or called by it? */
static bool reached(const struct ir_func *entry, const struct ir_func *f) {
    if (f == entry) return true;
    for (const struct ir_op *op = entry->body->first; op; op = op->next)
        for (uint32_t i = 0; i < op->n_func; i++)
            if (op->func[i] == f) return true;
    return false;
}

/* void f(ptr ctx, i32 tid): a kernel of the entry, and if all logits are wanted, the look at them. */
static LLVMValueRef afterwards(struct step *s, const char *name, const struct cg_kernel *kernel,
                               const struct cg_kernel *check) {
    struct cg *c = s->c;
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i32}, 2, false);
    LLVMValueRef fn = cg_function(c, name, type, false), ctx = LLVMGetParam(fn, 0), tid = LLVMGetParam(fn, 1);
    LLVMValueRef args[] = {ctx, tid, cg_i32(c, IR_NO_LAYER)};
    LLVMBuildCall2(c->b, kernel->type, kernel->fn, args, 3, "");
    if (check) {
        barrier(c, ctx, tid);
        LLVMBuildCall2(c->b, check->type, check->fn, args, 3, "");
    }
    LLVMBuildRetVoid(c->b);
    return fn;
}

/* What a screened step may be followed by. */
static void emit_screened(struct step *s, const struct ir_func *entry) {
    struct cg *c = s->c;
    const struct ir_op *emit = ir_emitted(entry), *kernel = emit ? screened_kernel(emit) : NULL;
    c->all = c->some = NULL;
    if (!kernel) return;
    struct cg_kernel all = {0}, some = {0}, check;
    uint32_t id = emitted_for(s, kernel)->id;
    screen_all(c, kernel, id, &all);
    screen_some(c, kernel, id, &some);
    kern_check_finite(c, emit, emitted_for(s, emit)->id, false, &check);
    c->all = afterwards(s, "all", &all, &check);
    c->some = afterwards(s, "some", &some, NULL);
    c->screen_bytes = screen_bytes(screen_dot(kernel)->weight);
    c->head_kernel = id;
}

LLVMValueRef cg_emit_step(struct cg *c) {
    struct step s = {.c = c};
    build_after(&s);
    for (size_t i = 0; i < c->ir->funcs.n; i++) {
        if (!reached(entry_of(c->ir), c->ir->funcs.at[i])) continue;
        emit_kernels(&s, c->ir->funcs.at[i]);
        measure(c, c->ir->funcs.at[i]);
    }
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->i32}, 2, false);
    struct body b = {.s = &s, .func = entry_of(c->ir), .layer = cg_i32(c, IR_NO_LAYER)};
    LLVMValueRef fn = cg_function(c, "step", type, false);
    b.fn = fn;
    b.ctx = LLVMGetParam(fn, 0);
    b.tid = LLVMGetParam(fn, 1);
    b.arena = cg_ctx(c, b.ctx, c->ptr, offsetof(struct setun_step, arena));
    build_body(&b);
    LLVMBuildRetVoid(c->b);
    emit_screened(&s, entry_of(c->ir));
    return fn;
}
