/*
 * jit.h -- for tests of generated code: the object of a code generator becomes a shared object in a temporary
 * directory and is opened; or, for another family of machines, a program under an emulator of one of its CPUs, which
 * calls what it is asked to (jit_server.c).  The memory that code is given is shared with the emulated program and has
 * the same addresses there, so that a test need not know where its code runs.  What code gives back comes as an
 * integer, or lies in that memory.
 *
 * CC: the C compiler that links.
 */
#ifndef SETUN_TEST_JIT_H
#define SETUN_TEST_JIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "backends/cg/cg.h"
#include "backends/target.h"

struct jit {
    struct arena *arena;
    struct diag *diag;
    const char *dir;
    const struct cg_target *target;
    uint32_t features; /* of the machine that runs the code, enum setun_feature */
    const char *cpu;   /* the emulator's name of it; NULL: the machine at hand */
    uint8_t *memory;
    uint64_t used;
    bool guards; /* there have been any */
    /* what was linked: a shared object; or a program under an emulator, requests to it and what came of them */
    void *so;
    char *symbols; /* of the program, as nm prints them */
    pid_t server;
    int to, from;
    unsigned links;
};

enum { JIT_ARGS = 14, JIT_PAGE = 4096 };

/* cpu: NULL, or the name of an emulated CPU: cortex-a53, cortex-a76, max. */
void jit_start(struct jit *j, const char *cpu);
void jit_end(struct jit *j); /* says which levels the machine at hand lacks */
/* The levels to test, one after the other: those that the machine at hand runs, or the best one of an emulated CPU.
 * after: NULL for the first.  NULL: no more. */
const struct cg_level *jit_level(const struct jit *j, const struct cg_level *after);

/* Symbols of ours are internal; a test takes them out by name. */
LLVMValueRef jit_export(LLVMValueRef fn);
/* Takes the place of what was linked before.  The code must link alone: a step has no libcalls. */
void jit_link(struct jit *j, struct cg *c);
void jit_link_object(struct jit *j, const char *object);
void *jit_symbol(const struct jit *j, const char *name);
/* Of a constant of the code: where it lies is not memory from jit_take. */
void jit_read(struct jit *j, void *to, const void *from, uint64_t n);

/* Memory that code sees, at multiples of 64 bytes; freed in reverse order: down to a mark.  guarded: behind its last
 * byte there is no memory, until something else is linked.  Zeros at first, then anything. */
void *jit_take(struct jit *j, uint64_t bytes);
void *jit_take_guarded(struct jit *j, uint64_t bytes);
static inline uint64_t jit_mark(const struct jit *j) { return j->used; }
void jit_release(struct jit *j, uint64_t mark);

/* fn(args...): addresses of memory from jit_take, and integers; n <= JIT_ARGS. */
uint64_t jit_call_n(const struct jit *j, void *fn, const uint64_t *args, unsigned n);
#define jit_call(j, fn, ...)                                                                                           \
    jit_call_n(j, fn, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))
#define JIT_P(p) ((uint64_t)(uintptr_t)(p))
/* Of a C function of team.c, which runs where the code runs: what jit_call takes. */
#define JIT_OURS(j, f) ((j)->cpu ? jit_symbol((j), #f) : jit_here((void (*)(void))(f)))
void *jit_here(void (*f)(void));

#endif
