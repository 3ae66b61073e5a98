/*
 * object.c -- the life of an LLVM module: made, verified, optimised, written as an object file.
 *
 * Few passes, and none that unrolls, vectorises or reassociates: skeletons are emitted as they shall run.
 * The same module always gives the same bytes; files are written whole or not at all.
 */
#include "backends/target.h"

#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h> /* plain C: version macros */

static const char PASSES[] = "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,"
                             "loop-mssa(licm),early-cse,instcombine<no-verify-fixpoint>,simplifycfg)";

const char *backend_llvm_version(void) { return LLVM_VERSION_STRING; }

static void fatal(const char *reason) { BUG("LLVM: %s", reason); }

static void machine_new(struct cg *c, bool pic) {
    const struct cg_target *t = c->target;
    LLVMTargetRef target;
    char *message = NULL;
    t->llvm_start();
    if (LLVMGetTargetFromTriple(t->triple, &target, &message)) BUG("LLVM: %s", message);
    c->machine = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, LLVMCodeGenLevelDefault,
                                         pic ? LLVMRelocPIC : LLVMRelocStatic, LLVMCodeModelSmall);
}

void cg_open(struct cg *c, struct diag *d, struct arena *a, const struct backend_options *opt, const char *name) {
    *c = (struct cg){.diag = d, .arena = a, .opt = opt, .target = target_find(d, opt->target)};
    if (!c->target) BUG("target '%s' was not looked for first", opt->target);
    LLVMInstallFatalErrorHandler(fatal);
    c->llvm = LLVMContextCreate();
    c->module = LLVMModuleCreateWithNameInContext(name, c->llvm);
    c->b = LLVMCreateBuilderInContext(c->llvm);
    machine_new(c, opt->pic);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(c->machine);
    LLVMSetModuleDataLayout(c->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(c->module, c->target->triple);
    c->void_ = LLVMVoidTypeInContext(c->llvm);
    c->i1 = LLVMInt1TypeInContext(c->llvm);
    c->i8 = LLVMInt8TypeInContext(c->llvm);
    c->i16 = LLVMInt16TypeInContext(c->llvm);
    c->i32 = LLVMInt32TypeInContext(c->llvm);
    c->i64 = LLVMInt64TypeInContext(c->llvm);
    c->f32 = LLVMFloatTypeInContext(c->llvm);
    c->ptr = LLVMPointerTypeInContext(c->llvm, 0);
    c->vf = LLVMVectorType(c->f32, CG_VL);
    c->vi = LLVMVectorType(c->i32, CG_VL);
    c->sf = LLVMVectorType(c->f32, 32);
    cg_lines_open(c, opt->source);
}

void cg_close(struct cg *c) {
    cg_lines_close(c);
    LLVMDisposeBuilder(c->b);
    LLVMDisposeModule(c->module);
    LLVMDisposeTargetMachine(c->machine);
    LLVMContextDispose(c->llvm);
    LLVMResetFatalErrorHandler();
}

/* A module that does not verify is our mistake: LLVM without assertions would crash on it, or worse. */
static void verify(const struct cg *c) {
    char *message = NULL;
    if (LLVMVerifyModule(c->module, LLVMReturnStatusAction, &message)) BUG("emitted LLVM IR: %s", message);
    LLVMDisposeMessage(message);
}

static void optimise(const struct cg *c) {
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMPassBuilderOptionsSetLoopUnrolling(o, false);
    LLVMPassBuilderOptionsSetLoopVectorization(o, false);
    LLVMPassBuilderOptionsSetSLPVectorization(o, false);
    LLVMErrorRef e = LLVMRunPasses(c->module, PASSES, c->machine, o);
    if (e) BUG("LLVM: %s", LLVMGetErrorMessage(e));
    LLVMDisposePassBuilderOptions(o);
}

static bool write_whole(struct cg *c, const char *path, const void *p, size_t n) {
    struct out *o = out_open(c->diag, path, false);
    if (!o) return false;
    if (out_write(o, p, n)) return out_commit(o);
    out_discard(o);
    return false;
}

static bool write_code(struct cg *c, LLVMModuleRef m, LLVMCodeGenFileType kind, const char *path) {
    char *message = NULL;
    LLVMMemoryBufferRef text;
    if (LLVMTargetMachineEmitToMemoryBuffer(c->machine, m, kind, &message, &text)) BUG("LLVM: %s", message);
    bool ok = write_whole(c, path, LLVMGetBufferStart(text), LLVMGetBufferSize(text));
    LLVMDisposeMemoryBuffer(text);
    return ok;
}

static bool dump(struct cg *c) {
    bool ok = true;
    if (c->opt->dump_llvm) {
        char *text = LLVMPrintModuleToString(c->module);
        ok = write_whole(c, c->opt->dump_llvm, text, strlen(text));
        LLVMDisposeMessage(text);
    }
    if (ok && c->opt->dump_asm) {
        LLVMModuleRef copy = LLVMCloneModule(c->module); /* code generation changes its module */
        ok = write_code(c, copy, LLVMAssemblyFile, c->opt->dump_asm);
        LLVMDisposeModule(copy);
    }
    return ok;
}

bool cg_write_object(struct cg *c, const char *path) {
    cg_lines_close(c);
    verify(c);
    optimise(c);
    verify(c);
    return dump(c) && (!path || write_code(c, c->module, LLVMObjectFile, path));
}
