/*
 * cg.h -- the code generator's own tools: one LLVM module, one builder, and the small vocabulary that kernel
 * skeletons are written in.  Only files under backends/ include this.
 *
 * All float code is vector IR of logical shape, legalised by LLVM for the level's registers:
 *   vector   CG_VL = 16 lanes, for element-wise work
 *   sum      32 lanes, two vectors, for the sums of the contract
 * so kernels name no register width; only the primitives of a level's matmul do (backends/<family>/isa.def).
 */
#ifndef SETUN_BACKENDS_CG_CG_H
#define SETUN_BACKENDS_CG_CG_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "backends/backend.h"
#include "ir/kernel.h"

enum { CG_VL = 16 };

struct cg_target; /* backends/target.h */
struct mm_target; /* primitives of the ternary cores at one level: backends/core/matmul.h */

/* An ISA level: a row of a family's levels.def. */
struct cg_level {
    const char *name;     /* "avx512vnni" */
    uint32_t needs;       /* enum setun_feature bits */
    const char *cpu;      /* LLVM target-cpu: "x86-64-v4" */
    const char *features; /* LLVM target-features */
    unsigned vectors;     /* of CG_VL floats that its registers hold: 32 or 8 */
    bool masks;           /* comparisons leave masks in registers of their own */
    const struct mm_target *mm;
};

struct cg {
    struct diag *diag;
    struct arena *arena;
    const struct ir_module *ir;
    const struct data_plan *plan;
    const struct backend_options *opt;
    const struct cg_target *target;
    const struct cg_level *level; /* the one being emitted */
    LLVMContextRef llvm;
    LLVMTargetMachineRef machine;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef void_, i1, i8, i16, i32, i64, f32, ptr;
    LLVMTypeRef vf, vi; /* <CG_VL x f32>, <CG_VL x i32> */
    LLVMTypeRef sf;     /* <32 x f32> */
    LLVMValueRef fn;    /* the function being built */
    struct {
        LLVMDIBuilderRef builder; /* NULL: no lines */
        LLVMMetadataRef file;
        LLVMMetadataRef scope; /* of fn; NULL: it has none */
    } lines;
    uint64_t scratch_bytes, scratch_per_position; /* grow as kernels ask */
    uint64_t shared_bytes, shared_per_position;   /* the same of what threads share */
    /* What cg_emit_step leaves for setun_model; emit.c empties `kernels` before each level, whose steps must
     * number kernels alike.  Names and value arrays lie in the arena. */
    VEC(struct setun_kernel) kernels;
    uint64_t arena_bytes, logits_offset, logits_stride, out_elems;
    const char *out_name;
    LLVMValueRef all, some; /* of the level: what may follow a screened step; NULL: no screen */
    uint64_t screen_bytes;
    uint32_t head_kernel;
};

/* ---- the LLVM module (object.c) ---- */
/* An empty module for opt->target; functions bring their level.  The caller sets ir, plan and level when it needs them.
 * opt gives target, levels, pic, count, dumps. */
void cg_open(struct cg *c, struct diag *d, struct arena *a, const struct backend_options *opt, const char *name);
/* Verifies, optimises, writes the dumps that the options ask for and the object. */
bool cg_write_object(struct cg *c, const char *path);
void cg_close(struct cg *c);

/* Where the builder stands: saved around the making of another function. */
struct cg_place {
    LLVMValueRef fn;
    LLVMBasicBlockRef block;
    LLVMMetadataRef scope, line;
};
struct cg_place cg_place_save(const struct cg *c);
void cg_place_restore(struct cg *c, struct cg_place p);

/* ---- lines of the model text (lines.c) ---- */
/* source: the text's name without folders; NULL: code without lines.  Closed before the module is verified. */
void cg_lines_open(struct cg *c, const char *source);
void cg_lines_close(struct cg *c);
/* The function being built is of this line, and known as `name`. */
void cg_lines_begin(struct cg *c, const char *name, uint32_t line);
/* Instructions from now on are of this line (0: as before), until cg_line_back with what this returned. */
LLVMMetadataRef cg_line(struct cg *c, uint32_t line);
void cg_line_back(struct cg *c, LLVMMetadataRef was);

/* ---- constants, memory ---- */
LLVMValueRef cg_i8(struct cg *c, int64_t v);
LLVMValueRef cg_i32(struct cg *c, int64_t v);
LLVMValueRef cg_i64(struct cg *c, uint64_t v);
LLVMValueRef cg_f32(struct cg *c, float v);
LLVMValueRef cg_splat(struct cg *c, LLVMValueRef scalar, unsigned lanes);
LLVMValueRef cg_at(struct cg *c, LLVMValueRef base, LLVMValueRef byte_offset); /* i8 gep */
LLVMValueRef cg_at_const(struct cg *c, LLVMValueRef base, uint64_t byte_offset);
/* p, of which LLVM no longer knows that it is p: what lies there is read again rather than kept in registers. */
LLVMValueRef cg_opaque(struct cg *c, LLVMValueRef p);
/* align in bytes, never 0. */
LLVMValueRef cg_load(struct cg *c, LLVMTypeRef t, LLVMValueRef p, unsigned align);
void cg_store(struct cg *c, LLVMValueRef v, LLVMValueRef p, unsigned align);
LLVMValueRef cg_alloca(struct cg *c, LLVMTypeRef t, const char *name); /* in the entry block */
/* Field of struct setun_step by byte offset. */
LLVMValueRef cg_ctx(struct cg *c, LLVMValueRef ctx, LLVMTypeRef t, size_t offset);

/* ---- calls of intrinsics by name; bitcasts operands to what this LLVM's signature wants ---- */
LLVMValueRef cg_intrinsic(struct cg *c, const char *name, LLVMTypeRef *overload, unsigned n_overload,
                          LLVMValueRef *args, unsigned n);
LLVMValueRef cg_fma(struct cg *c, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc); /* a*b + acc, scalar or vector */
/* Brings the cache line at p nearer: level 0 into L1, 1 into L2. */
void cg_prefetch(struct cg *c, LLVMValueRef p, unsigned level);

/* ---- control ---- */
/* for (i = from; i < to; i += step) { ... }  signed, with up to 32 loop-carried values.
 *   struct cg_loop l; cg_loop_begin(c, &l, from, to, step, "k");  slot = cg_carry(c, &l, init);
 *   ... body, l.i, l.phi[slot] ...;  cg_next(&l, slot, value);  cg_loop_end(c, &l);
 *   cg_result(&l, slot) after the end: init if the loop ran zero times.
 * from, to, step have one integer type.  Unrolling by LLVM is off; skeletons unroll themselves. */
enum { CG_CARRY_MAX = 32 };
struct cg_loop {
    LLVMBasicBlockRef pre, body, exit; /* the test is at the end of body, once more in pre */
    LLVMValueRef i, to, step;
    LLVMValueRef init[CG_CARRY_MAX], phi[CG_CARRY_MAX], next[CG_CARRY_MAX]; /* next: the result after the end */
    unsigned n;
};
void cg_loop_begin(struct cg *c, struct cg_loop *l, LLVMValueRef from, LLVMValueRef to, LLVMValueRef step,
                   const char *name);
unsigned cg_carry(struct cg *c, struct cg_loop *l, LLVMValueRef init); /* returns slot; value is l->phi[slot] */
void cg_next(struct cg_loop *l, unsigned slot, LLVMValueRef v);
void cg_loop_end(struct cg *c, struct cg_loop *l);
/* The same, but goes on while `more` (i1), made in the body, holds; to is only asked before the first time. */
void cg_loop_end_if(struct cg *c, struct cg_loop *l, LLVMValueRef more);
LLVMValueRef cg_result(const struct cg_loop *l, unsigned slot);
/* if (cond) { ... } [cg_else: else { ... }]  Values leave it by cg_phi after the end. */
struct cg_if {
    LLVMBasicBlockRef then, els, exit; /* then, els: where each branch ended, for cg_phi */
    bool has_else;
};
void cg_if_begin(struct cg *c, struct cg_if *s, LLVMValueRef cond);
void cg_else(struct cg *c, struct cg_if *s);
void cg_if_end(struct cg *c, struct cg_if *s);
/* After cg_if_end: the value of the branch taken (without cg_else, `els` is what was there before). */
LLVMValueRef cg_phi(struct cg *c, const struct cg_if *s, LLVMValueRef then, LLVMValueRef els);

/* A new internal function of the level: attributes target-cpu, target-features, nounwind; name gets ".level".
 * Builder is placed at its entry, in place of where it stood (cg_place_save). */
LLVMValueRef cg_function(struct cg *c, const char *name, LLVMTypeRef type, bool noinline);

/* Reserves bytes of thread scratch that live during one kernel; returns the offset, a multiple of 64.
 * Kernels start with *used = 0; c->scratch_bytes becomes the largest *used. */
uint64_t cg_scratch(struct cg *c, uint64_t *used, uint64_t bytes);

/* ---- contract arithmetic (math.c), on <n x f32> vectors ---- */
LLVMValueRef cg_exp(struct cg *c, LLVMValueRef x);
LLVMValueRef cg_sigmoid(struct cg *c, LLVMValueRef x);
LLVMValueRef cg_silu(struct cg *c, LLVMValueRef x);
LLVMValueRef cg_tanh(struct cg *c, LLVMValueRef x);
LLVMValueRef cg_gelu(struct cg *c, LLVMValueRef x);
void cg_cossin(struct cg *c, LLVMValueRef phase_u32, LLVMValueRef *cos, LLVMValueRef *sin);
/* The tree of sum1024 over one <32 x f32> lane vector: a scalar. */
LLVMValueRef cg_tree(struct cg *c, LLVMValueRef lanes);

/* ---- rows, epilogues, attention, steps ---- */
/* Emits one kernel op as a function:
 *   void k(ptr ctx, i32 tid, i32 layer, ptr io...)
 * io: the buffers of values that have no fixed place, because they are a layer's arguments or results.  layer is
 * IR_NO_LAYER's bits in an entry. */
struct cg_kernel {
    LLVMValueRef fn;
    LLVMTypeRef type;
    VEC(const struct ir_val *) io;
};
void cg_emit_kernel(struct cg *c, const struct ir_op *kernel, uint32_t id, struct cg_kernel *out);
LLVMValueRef cg_emit_step(struct cg *c); /* the step function of the level */

#endif
