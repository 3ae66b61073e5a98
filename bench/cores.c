/* cores.c -- what the measurements of cores share (cores.h). */
#include "bench/cores.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "backends/target.h"

const struct cg_level *bench_level(const char *name) {
    uint32_t have = target_host()->host_features();
    for (unsigned i = 0; i < target_host()->n_levels; i++)
        if ((have & target_host()->levels[i].needs) == target_host()->levels[i].needs &&
            (!name || !strcmp(name, target_host()->levels[i].name)))
            return &target_host()->levels[i];
    fprintf(stderr, "this machine runs no such level\n");
    exit(9);
}

void *bench_load(struct cg *c) {
    const char *dir = tmp_dir(c->diag), *o = arena_printf(c->arena, "%s/cores.o", dir);
    const char *so = arena_printf(c->arena, "%s/cores.so", dir);
    if (!cg_write_object(c, o) || system(arena_printf(c->arena, "cc -shared -o %s %s", so, o))) exit(1);
    void *lib = dlopen(so, RTLD_NOW);
    if (!lib) exit(1);
    return lib;
}

const char *bench_export(struct cg *c, LLVMValueRef fn) {
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    return arena_strdup(c->arena, LLVMGetValueName(fn)); /* the module goes into the object */
}

void *bench_take(size_t n) {
    size_t room = (n + 63) & ~(size_t)63;
    void *p = aligned_alloc(64, room);
    if (!p) exit(6);
    memset(p, 0x55, room); /* code 1 everywhere: trit 0 */
    return p;
}

static int by_size(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double bench_median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_size);
    return v[n / 2];
}
