/*
 * compile.c -- see compile.h.
 *
 * The object becomes a shared library that is loaded here, so a program costs one run of LLVM and one of the linker;
 * its engine is the runtime's own.
 */
#include "test/gen/compile.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/backend.h"
#include "base/check.h"
#include "base/file.h"
#include "ir/interp.h"
#include "ir/kernel.h"
#include "passes/pass.h"
#include "test/gen/gen.h"
#include "test/gen/native.h"

struct job {
    struct diag *d;
    struct arena *a;
    struct ir_module *m;
    uint64_t seed;
    uint32_t n; /* tokens */
    uint32_t *tokens;
    float *want; /* n x vocab */
};

static struct ir_func *entry_of(const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) return m->funcs.at[i];
    BUG("a program without an entry");
}

static bool interpret(struct job *j, const struct ir_weights *w) {
    struct ir_row *rows = arena_array(j->a, struct ir_row, j->n);
    struct interp *it = interp_new(j->d, j->m, w, 1, j->n);
    for (uint32_t i = 0; i < j->n; i++) rows[i] = (struct ir_row){.token = j->tokens[i], .pos = i, .live = true};
    const struct ir_func *entry = entry_of(j->m);
    const char *emitted = ir_name_attr(ir_emitted(entry), IR_ATTR_name);
    bool ok = it && interp_step(it, entry, rows, j->n, emitted, j->want);
    if (it) interp_free(it);
    return ok;
}

/* ---- from module to loaded code ---- */

static bool write_data(struct job *j, const struct data_plan *plan, const struct ir_weights *w, const char *path) {
    uint64_t hash;
    struct out *o = out_open(j->d, path, false);
    if (!o) return false;
    if (data_write(j->d, j->m, plan, w, o, &hash, NULL, NULL)) return out_commit(o);
    out_discard(o);
    return false;
}

static bool link_shared(struct job *j, const char *object, const char *library) {
    return system(arena_printf(j->a, "cc -shared -nostdlib -o '%s' '%s'", library, object)) == 0;
}

/* A core for each ternary weight, drawn by its name; scales of groups leave no choice. */
static void draw_cores(struct ir_module *m, uint64_t seed) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op)) {
            if (op->code != IR_OP_matmul) continue;
            const char *name = op->weight->name;
            uint64_t at = (hash_bytes(name, strlen(name), seed) >> 16) % IR_N_CORES;
            ir_set_name(op, IR_ATTR_core, name_of(m->names, ir_cores[at].name));
        }
}

/* Tokens, what the interpreter makes of them, and the fused module with its plan. */
static bool prepare(struct job *j, struct ir_weights *w, struct data_plan *plan) {
    struct pass_ctx fusing = {.diag = j->d, .arena = j->a, .head = HEAD_SCREENED};
    *w = ir_weights_random(j->a, j->seed);
    j->tokens = arena_array(j->a, uint32_t, j->n);
    for (uint32_t i = 0; i < j->n; i++) j->tokens[i] = gen_token(j->seed, j->m->vocab, i);
    j->want = arena_array(j->a, float, (size_t)j->n * j->m->vocab);
    draw_cores(j->m, j->seed);
    if (!interpret(j, w) || !passes_run_all(&fusing, j->m)) return false;
    data_plan_make(j->a, j->m, plan);
    return true;
}

static bool run_all(struct job *j, const struct setun_model *model, const uint8_t *data, struct compile_stats *stats) {
    struct trial t = {j->seed, j->n, j->m->vocab, j->tokens, j->want, NULL};
    t.got = arena_array(j->a, float, (size_t)j->n * j->m->vocab);
    return native_matches(&t, model, data, &stats->runs, &stats->levels_skipped);
}

bool compile_and_compare(struct diag *d, struct arena *a, struct ir_module *m, uint64_t seed, uint32_t tokens,
                         struct compile_stats *stats) {
    struct job j = {.d = d, .a = a, .m = m, .seed = seed, .n = tokens};
    struct ir_weights w;
    struct backend_options opt = {.levels = "portable", .pic = true, .source = "random.sir"};
    struct data_plan plan;
    struct mapped data = {0};
    const char *dir = tmp_dir(d);
    if (!dir || !prepare(&j, &w, &plan)) return false;
    const char *object = arena_printf(a, "%s/p.o", dir),
               *library = arena_printf(a, "%s/p%llu.so", dir, (unsigned long long)seed);
    const char *data_path = arena_printf(a, "%s/p.data", dir);
    if (!backend_emit(d, m, &plan, &opt, seed, object) || !link_shared(&j, object, library) ||
        !write_data(&j, &plan, &w, data_path))
        return false;
    void *code = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!code) {
        printf("seed %llu: %s\n", (unsigned long long)seed, dlerror());
        return false;
    }
    const struct setun_model *model = dlsym(code, "setun_model");
    bool ok = model && file_map(d, data_path, &data) && run_all(&j, model, data.at, stats);
    file_unmap(&data);
    dlclose(code);
    unlink(library);
    stats->programs++;
    return ok;
}

static bool write_want(struct job *j, const char *path) {
    uint32_t head[] = {j->n, j->m->vocab};
    struct out *o = out_open(j->d, path, false);
    if (!o) return false;
    if (out_write(o, &j->seed, sizeof j->seed) && out_write(o, head, sizeof head) &&
        out_write(o, j->tokens, j->n * sizeof *j->tokens) &&
        out_write(o, j->want, (size_t)j->n * j->m->vocab * sizeof *j->want))
        return out_commit(o);
    out_discard(o);
    return false;
}

bool compile_for(struct diag *d, struct arena *a, struct ir_module *m, uint64_t seed, uint32_t tokens,
                 const char *target, const char *stem) {
    struct job j = {.d = d, .a = a, .m = m, .seed = seed, .n = tokens};
    struct ir_weights w;
    struct backend_options opt = {.target = target, .levels = "portable", .source = "random.sir"};
    struct data_plan plan;
    struct backend_target t;
    return backend_target_find(d, target, &t) && prepare(&j, &w, &plan) &&
           backend_emit(d, m, &plan, &opt, seed, arena_printf(a, "%s.o", stem)) &&
           write_data(&j, &plan, &w, arena_printf(a, "%s.data", stem)) &&
           write_want(&j, arena_printf(a, "%s.want", stem));
}
