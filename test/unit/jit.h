/*
 * jit.h -- for tests of generated code: the object of a code generator becomes a shared object in a temporary
 * directory and is opened.  JIT_CC: the C compiler that links it.
 */
#ifndef SETUN_TEST_JIT_H
#define SETUN_TEST_JIT_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cg.h"

struct jit {
    struct arena *arena;
    struct diag *diag;
    const char *dir;
    void *so;
};

static inline void jit_start(struct jit *j) {
    j->arena = arena_new();
    j->diag = diag_new(j->arena, stderr);
    j->dir = tmp_dir(j->diag);
    if (!j->dir) exit(1);
}

/* Symbols of ours are internal; a test takes them out by name. */
static inline LLVMValueRef jit_export(LLVMValueRef fn) {
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    return fn;
}

static inline void jit_link(struct jit *j, struct cg *c) {
    const char *o = arena_printf(j->arena, "%s/t.o", j->dir), *so = arena_printf(j->arena, "%s/t.so", j->dir);
    if (!cg_write_object(c, o)) exit(1);
    const char *cc = getenv("CC");
    if (system(arena_printf(j->arena, "%s -shared -o %s %s", cc && *cc ? cc : "cc", so, o))) exit(1);
    j->so = dlopen(so, RTLD_NOW);
    if (!j->so) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
}

static inline void *jit_symbol(const struct jit *j, const char *name) {
    void *p = dlsym(j->so, name);
    if (!p) {
        fprintf(stderr, "no symbol %s\n", name);
        exit(1);
    }
    return p;
}

static inline void jit_end(struct jit *j) {
    dlclose(j->so);
    arena_free(j->arena);
}

#endif
