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
#include "runtime/cpu.h"
#include "runtime/engine.h"
#include "test/gen/gen.h"

struct job {
    struct diag *d;
    struct arena *a;
    struct ir_module *m;
    uint64_t seed;
    uint32_t n; /* tokens */
    uint32_t *tokens;
    float *want, *got; /* n x vocab */
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

/* ---- one run of the machine code ---- */

static bool run_steps(struct job *j, struct setun_engine *e, uint32_t chunk) {
    struct setun_row rows[64];
    for (uint32_t at = 0; at < j->n; at += chunk) {
        uint32_t n = j->n - at < chunk ? j->n - at : chunk;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = (struct setun_row){.token = j->tokens[at + i], .pos = at + i, .live = 1};
        if (e->step(e, rows, n) != 0 || e->n_live != n) return false;
        for (uint32_t i = 0; i < n; i++)
            memcpy(j->got + (size_t)(at + i) * e->vocab, e->out + i * e->stride, e->vocab * sizeof(float));
    }
    return true;
}

/* Only the last row of each chunk is live: its logits must be those of the run where all rows were. */
static bool run_last_live(struct job *j, struct setun_engine *e, uint32_t chunk) {
    struct setun_row rows[64];
    memcpy(j->got, j->want, (size_t)j->n * e->vocab * sizeof(float));
    for (uint32_t at = 0; at < j->n; at += chunk) {
        uint32_t n = j->n - at < chunk ? j->n - at : chunk;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = (struct setun_row){.token = j->tokens[at + i], .pos = at + i, .live = i + 1 == n};
        if (e->step(e, rows, n) != 0 || e->n_live != 1) return false;
        memcpy(j->got + (size_t)(at + n - 1) * e->vocab, e->out, e->vocab * sizeof(float));
    }
    return true;
}

/* With a screen: intervals first, which hold the logits; then some logits, all even ones; then all. */
static bool run_screened(struct job *j, struct setun_engine *e) {
    uint32_t ids[512], n = 0;
    float some[512];
    for (uint32_t i = 0; i < e->vocab && n < COUNT_OF(ids); i += 2) ids[n++] = i;
    e->screen = true;
    for (uint32_t at = 0; at < j->n; at++) {
        struct setun_row row = {.token = j->tokens[at], .pos = at, .live = 1};
        const float *want = j->want + (size_t)at * e->vocab;
        if (e->step(e, &row, 1) != 0 || !e->screened) return false;
        for (uint32_t i = 0; i < e->vocab; i++)
            if (!(e->intervals.low[i] <= want[i] && want[i] <= e->intervals.high[i])) {
                printf("seed %llu: position %u, logit %u: %.9g is not from %.9g to %.9g\n", (unsigned long long)j->seed,
                       at, i, (double)want[i], (double)e->intervals.low[i], (double)e->intervals.high[i]);
                return false;
            }
        if (e->some(e, ids, n, some) != 0 || e->all(e) != 0 || e->n_live != 1) return false;
        float *got = j->got + (size_t)at * e->vocab;
        memcpy(got, e->out, e->vocab * sizeof(float));
        for (uint32_t i = 0; i < n; i++)
            if (bits_of_f32(some[i]) != bits_of_f32(got[ids[i]])) got[ids[i]] = some[i];
    }
    e->screen = false;
    return true;
}

static bool same(const struct job *j, const char *level, uint32_t threads, uint32_t chunk, const char *live) {
    size_t vocab = j->m->vocab;
    for (size_t i = 0; i < j->n * vocab; i++) {
        if (bits_of_f32(j->got[i]) == bits_of_f32(j->want[i])) continue;
        printf("seed %llu, level %s, %u threads, chunks of %u, %s live: position %zu, logit %zu: %.9g, the interpreter "
               "has %.9g\n",
               (unsigned long long)j->seed, level, threads, chunk, live, i / vocab, i % vocab, (double)j->got[i],
               (double)j->want[i]);
        return false;
    }
    return true;
}

static bool run_native(struct job *j, const struct setun_native_config *c, uint32_t chunk) {
    struct setun_native n = {0};
    bool ok =
        setun_native_open(&n, c) == 0 && run_steps(j, &n.e, chunk) && same(j, c->level->name, c->threads, chunk, "all");
    if (ok && chunk == 1 && n.e.can_screen)
        ok = run_screened(j, &n.e) && same(j, c->level->name, c->threads, chunk, "screened");
    setun_native_close(&n);
    if (ok && chunk > 1 && c->threads == 2) {
        n = (struct setun_native){0};
        ok = setun_native_open(&n, c) == 0 && run_last_live(j, &n.e, chunk) &&
             same(j, c->level->name, c->threads, chunk, "last");
        setun_native_close(&n);
    }
    return ok;
}

static bool run_all(struct job *j, const struct setun_model *model, const uint8_t *data, struct compile_stats *stats) {
    static const uint32_t chunks[] = {1, 7, 64};
    uint32_t features = setun_cpu_features();
    for (uint32_t l = 0; l < model->n_levels; l++) {
        if (model->levels[l].needs & ~features) {
            stats->levels_skipped++;
            continue;
        }
        /* two cores: one thread, two, and more than there are */
        const uint32_t threads[] = {1, 2, 3 + (uint32_t)(j->seed % 3)};
        for (size_t t = 0; t < COUNT_OF(threads); t++)
            for (size_t c = 0; c < COUNT_OF(chunks); c++) {
                struct setun_native_config config = {.model = model,
                                                     .level = &model->levels[l],
                                                     .weights = data,
                                                     .threads = threads[t],
                                                     .context = j->n};
                if (!run_native(j, &config, chunks[c])) return false;
                stats->runs++;
            }
    }
    return true;
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

bool compile_and_compare(struct diag *d, struct arena *a, struct ir_module *m, uint64_t seed, uint32_t tokens,
                         struct compile_stats *stats) {
    struct job j = {.d = d, .a = a, .m = m, .seed = seed, .n = tokens};
    struct ir_weights w = ir_weights_random(a, seed);
    struct pass_ctx fusing = {.diag = d, .arena = a, .head = HEAD_SCREENED};
    struct backend_options opt = {.levels = "portable", .pic = true, .source = "random.sir"};
    struct data_plan plan;
    struct mapped data = {0};
    const char *dir = tmp_dir(d);
    j.tokens = arena_array(a, uint32_t, tokens);
    for (uint32_t i = 0; i < tokens; i++) j.tokens[i] = gen_token(seed, m->vocab, i);
    j.want = arena_array(a, float, (size_t)tokens * m->vocab);
    j.got = arena_array(a, float, (size_t)tokens * m->vocab);
    draw_cores(m, seed);
    if (!dir || !interpret(&j, &w) || !passes_run_all(&fusing, m)) return false;
    data_plan_make(a, m, &plan);
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
