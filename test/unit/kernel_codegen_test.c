/*
 * kernel_codegen_test.c -- programs as machine code against the interpreter, bit for bit: fused and unfused, at every
 * level of this machine, with 1, 2 and 3 threads, rows of several sequences in chunks, some of them live.  Then threads
 * take turns: between two barriers one runs after the other, in changing order, so that one that reads too early or
 * writes too late is found every time; and barriers are counted: one row meets once a kernel, or, where threads sum
 * parts of k, twice.  In some of these steps each thread begins with memory as it was at the barrier, and no two may
 * change the same byte: what one writes, no other reads or writes before they meet.
 *
 * Programs are one text with holes: lengths that are multiples of nothing and lengths that are, caches, windows, rope
 * pairings, activations; and small ones on values at the edges.
 *
 *   kernel_codegen_test                 all
 *   kernel_codegen_test FILE [TOKENS]   that program (IR text) instead
 *   kernel_codegen_test -cpu CPU [N]    of an emulated CPU (jit.h): the first N programs, one form of each
 */
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/target.h"
#include "base/check.h"
#include "base/file.h"
#include "ir/interp.h"
#include "ir/num.h"
#include "passes/pass.h"
#include "test/unit/expect.h"
#include "test/unit/jit.h"
#include "test/unit/team.h"

static struct jit jit;

/* ---- one program ---- */

enum { SLOTS = 2, POSITIONS = 192, MAX_STEPS = 400, APART = 5, MOST_ROWS = 256 };

struct job {
    struct diag *d;
    struct arena *a;
    const char *title;
    const struct ir_module *m; /* as interpreted */
    struct ir_weights w;
    uint64_t seed;
    /* steps: rows and what the interpreter gave for live ones, all in a row */
    struct ir_row rows[2 * POSITIONS];
    uint32_t n_rows, step_end[MAX_STEPS], n_steps;
    float *want;
    uint32_t n_want;
    const char *expect_bad; /* the kernel that finds something not finite, or NULL */
};

static uint32_t draw(struct job *j, uint32_t n) {
    j->seed = j->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(j->seed >> 33) % n;
}

/* Two sequences whose rows come in chunks of changing length, mixed. */
static void draw_rows(struct job *j, uint32_t tokens) {
    uint32_t pos[SLOTS] = {0};
    while (pos[0] < tokens || pos[1] < tokens) {
        uint32_t n = 1 + (draw(j, 3) ? draw(j, 9) : draw(j, j->m->max_rows));
        if (n > j->m->max_rows) n = j->m->max_rows;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t slot = draw(j, SLOTS);
            if (pos[slot] == tokens) continue;
            j->rows[j->n_rows++] = (struct ir_row){
                .token = draw(j, j->m->vocab), .slot = slot, .pos = pos[slot]++, .live = draw(j, 2) != 0};
        }
        if (j->n_rows == (j->n_steps ? j->step_end[j->n_steps - 1] : 0)) continue;
        j->step_end[j->n_steps++] = j->n_rows;
    }
}

static const struct ir_func *entry_of(const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) return m->funcs.at[i];
    return NULL;
}

static bool interpret(struct job *j) {
    struct interp *it = interp_new(j->d, j->m, &j->w, SLOTS, POSITIONS);
    bool ok = true;
    j->want = arena_array(j->a, float, (size_t)j->n_rows * j->m->vocab);
    for (uint32_t s = 0, at = 0; ok && s < j->n_steps; at = j->step_end[s++]) {
        uint32_t n = j->step_end[s] - at;
        ok = interp_step(it, entry_of(j->m), j->rows + at, n, "logits", j->want + (size_t)j->n_want * j->m->vocab);
        for (uint32_t i = 0; i < n; i++) j->n_want += j->rows[at + i].live;
    }
    interp_free(it);
    return ok;
}

/* Zeros that code sees. */
static void *lines(uint64_t bytes) {
    void *p = jit_take(&jit, bytes + 256);
    memset(p, 0, bytes + 256);
    return p;
}

/* Scratch and padding hold nothing of use: NaNs would show. */
static void poison(void *p, uint64_t bytes) { memset(p, 0xff, bytes); }

/* Where a step's rows lie. */
struct room {
    struct setun_row rows[MOST_ROWS];
    uint32_t live[MOST_ROWS];
};

static void run_step(struct team *t, struct room *room, const struct ir_row *rows, uint32_t n) {
    t->step.n_live = 0;
    for (uint32_t i = 0; i < n; i++) {
        room->rows[i] = (struct setun_row){rows[i].token, rows[i].slot, rows[i].pos, rows[i].live};
        if (rows[i].live) room->live[t->step.n_live++] = i;
    }
    t->step.rows = room->rows;
    t->step.live = room->live;
    t->step.n_rows = n;
    jit_call(&jit, JIT_OURS(&jit, team_run), JIT_P(t));
}

static bool compare(const struct job *j, const struct setun_model *model, const struct team *t, const char *level,
                    const char *form, uint32_t step, uint32_t first) {
    for (uint32_t i = 0; i < t->step.n_live; i++) {
        const float *got = (const float *)(t->step.arena + model->logits_offset + i * model->logits_stride);
        const float *want = j->want + (size_t)(first + i) * j->m->vocab;
        for (uint32_t k = 0; k < j->m->vocab; k++)
            if (bits_of_f32(got[k]) != bits_of_f32(want[k])) {
                printf("%s, %s, %s, %u threads: step %u, live row %u, logit %u: %a, the interpreter has %a\n", j->title,
                       form, level, t->threads, step, i, k, (double)got[k], (double)want[k]);
                return false;
            }
    }
    return true;
}

/* COLUMNS, COLUMNS5: fused, and all matrices lie by columns */
enum form { UNFUSED, FUSED, COLUMNS, COLUMNS5, N_FORMS };
static const char *const form_names[] = {"unfused", "fused", "columns", "columns5"};

/* The trace has a barrier of its own behind each kernel. */
static bool met_rarely(const struct team *t, enum form form) {
    if (!EXPECT(t->kernels > 0)) return false;
    if (form < COLUMNS) return EXPECT(t->barriers == 2 * t->kernels);
    return EXPECT(t->barriers > 2 * t->kernels) && EXPECT(t->barriers < 3 * t->kernels);
}

/* What the code says about itself. */
struct code {
    struct setun_model model;
    struct setun_level level[8];
    char level_name[8][24];
};

static void read_code(struct code *c) {
    jit_read(&jit, &c->model, jit_symbol(&jit, "setun_model"), sizeof c->model);
    EXPECT(c->model.n_levels <= COUNT_OF(c->level));
    jit_read(&jit, c->level, c->model.levels, c->model.n_levels * sizeof *c->level);
    for (uint32_t l = 0; l < c->model.n_levels; l++) jit_read(&jit, c->level_name[l], c->level[l].name, 16);
}

static bool is_kernel(const struct setun_model *model, uint32_t number, const char *name) {
    struct setun_kernel k;
    char got[64] = "";
    if (!EXPECT(number < model->n_kernels)) return false;
    jit_read(&jit, &k, model->kernels + number, sizeof k);
    jit_read(&jit, got, k.name, strlen(name) + 1);
    return EXPECT_STR(got, name);
}

static struct team *make_team(const struct setun_model *model, uint32_t threads, bool turns, const uint8_t *data) {
    struct team *t = lines(sizeof *t);
    uint64_t stride = (model->scratch_bytes + model->scratch_bytes_per_position * POSITIONS + 127) / 64 * 64;
    uint64_t slot_stride = model->state_block_bytes * (POSITIONS / 64);
    *t = (struct team){.threads = threads, .turns = turns};
    t->step = (struct setun_step){
        .weights = data,
        .arena = lines(model->arena_bytes),
        .state = lines(slot_stride * SLOTS),
        .scratch = lines(stride * threads),
        .scratch_stride = stride,
        .shared = lines(model->shared_bytes + model->shared_bytes_per_position * POSITIONS),
        .slot_stride = slot_stride,
        .n_threads = threads,
        .positions = POSITIONS,
    };
    uint64_t sizes[] = {model->arena_bytes, slot_stride * SLOTS};
    uint8_t *region[] = {t->step.arena, t->step.state};
    for (int i = 0; i < 2; i++)
        t->regions[i] = (struct team_region){region[i], lines(sizes[i]), lines(sizes[i]), sizes[i]};
    poison(t->step.arena, model->arena_bytes);
    poison(t->step.scratch, stride * threads);
    poison(t->step.state, slot_stride * SLOTS);
    return t;
}

static bool found_bad(const struct job *j, const struct setun_model *model, const struct team *t) {
    return EXPECT(t->step.bad != 0) && EXPECT(t->step.bad_layer == IR_NO_LAYER) &&
           EXPECT(t->step.bad_pos == j->rows[0].pos) && /* whichever thread is the first */
           is_kernel(model, t->step.bad_kernel, j->expect_bad);
}

static bool run_code(struct job *j, const struct code *c, uint32_t level, uint32_t threads, bool turns,
                     const uint8_t *data, enum form form) {
    uint64_t mark = jit_mark(&jit);
    struct room *room = lines(sizeof *room);
    struct team *t = make_team(&c->model, threads, turns, data);
    t->fn = c->level[level].step;
    bool ok = true;
    uint32_t n_apart = 0;
    for (uint32_t s = 0, at = 0, done = 0; ok && s < j->n_steps; at = j->step_end[s++]) {
        t->apart = turns && n_apart < APART && (j->step_end[s] - at == 1 || s % 8 == 0);
        n_apart += t->apart;
        run_step(t, room, j->rows + at, j->step_end[s] - at);
        ok = EXPECT(t->clashes == 0);
        if (j->expect_bad) {
            ok = ok && found_bad(j, &c->model, t);
            break;
        }
        ok =
            ok && EXPECT(t->step.bad == 0) && compare(j, &c->model, t, c->level_name[level], form_names[form], s, done);
        if (turns && t->step.n_rows == 1) ok = ok && met_rarely(t, form);
        done += t->step.n_live;
    }
    jit_release(&jit, mark);
    return ok;
}

/* ---- from text to loaded code ---- */

static bool write_data(struct job *j, const struct ir_module *m, const struct data_plan *plan, const char *path) {
    uint64_t hash;
    struct out *o = out_open(j->d, path, false);
    if (!o) return false;
    if (data_write(j->d, m, plan, &j->w, o, &hash, NULL, NULL)) return out_commit(o);
    out_discard(o);
    return false;
}

static bool run_passes(struct job *j, struct ir_module *m, enum form form) {
    struct schedule columns = {.only = form == COLUMNS ? IR_CORE_columns : IR_CORE_columns5};
    struct pass_ctx cx = {.diag = j->d, .arena = j->a, .print_after = getenv("PRINT_AFTER")};
    if (form >= COLUMNS) cx.schedule = &columns;
    if (form != UNFUSED) return passes_run_all(&cx, m);
    return pass_run(&cx, m, pass_find("select-core")) && pass_run(&cx, m, pass_find("plan-memory"));
}

/* The levels that code is made for: emulated, that of the CPU. */
static const char *levels_of(enum form form) {
    return jit.cpu ? jit_level(&jit, NULL)->name : form == FUSED ? "portable" : "native";
}

/* Taking turns, at one level: all of them are called alike. */
static bool run_levels(struct job *j, const uint8_t *data, enum form form) {
    struct code c = {.level = {{0}}};
    bool ok = true, turns = true;
    read_code(&c);
    for (uint32_t l = 0; ok && l < c.model.n_levels; l++) {
        if (c.level[l].needs & ~jit.features) continue;
        for (uint32_t t = jit.cpu ? 2 : 1; ok && t <= (jit.cpu ? 2 : 3); t++)
            ok = run_code(j, &c, l, t, false, data, form);
        if (ok && turns) ok = run_code(j, &c, l, 3, true, data, form);
        for (uint32_t t = 8; ok && turns && form >= COLUMNS && t <= 9; t++) /* the most that sum parts, and more */
            ok = run_code(j, &c, l, t, false, data, form);
        turns = false;
    }
    return ok;
}

static bool compiled(struct job *j, struct ir_module *m, enum form form) {
    const char *object = arena_printf(j->a, "%s/k.o", jit.dir), *path = arena_printf(j->a, "%s/k.data", jit.dir);
    struct backend_options opt = {.target = jit.target->name,
                                  .levels = levels_of(form),
                                  .source = "cases.sir",
                                  .pic = true,
                                  .dump_llvm = getenv("DUMP_LLVM"),
                                  .dump_asm = getenv("DUMP_ASM")};
    struct data_plan plan;
    struct mapped data = {0};
    if (!run_passes(j, m, form)) return false;
    data_plan_make(j->a, m, &plan);
    if (!backend_emit(j->d, m, &plan, &opt, 1, object) || !write_data(j, m, &plan, path) ||
        !file_map(j->d, path, &data))
        return false;
    uint64_t mark = jit_mark(&jit);
    uint8_t *copy = lines(data.n);
    memcpy(copy, data.at, data.n);
    file_unmap(&data);
    jit_link_object(&jit, object);
    bool ok = run_levels(j, copy, form);
    jit_release(&jit, mark);
    return ok;
}

static struct ir_module *parsed(struct job *j, const char *text) {
    struct names *names = names_new(j->a);
    uint32_t file = diag_add_text(j->d, j->title, text, strlen(text));
    struct ir_module *m = ir_parse(j->d, j->a, names, file, text, strlen(text));
    return m && ir_verify(j->d, m, NULL) ? m : NULL;
}

/* form: N_FORMS for all of them. */
static bool run_program(const char *title, const char *text, uint64_t seed, uint32_t tokens, enum form form) {
    struct job j = {.a = arena_new(), .title = title, .seed = seed};
    j.d = diag_new(j.a, stderr);
    j.w = ir_weights_random(j.a, seed);
    j.m = parsed(&j, text);
    bool ok = EXPECT(j.m != NULL);
    if (ok) draw_rows(&j, tokens);
    ok = ok && EXPECT(interpret(&j));
    for (enum form f = UNFUSED; ok && f < N_FORMS; f++)
        if (form == N_FORMS || f == form) ok = EXPECT(compiled(&j, parsed(&j, text), f));
    if (!ok) printf("program '%s' failed\n", title);
    arena_free(j.a);
    return ok;
}

/* ---- programs ---- */

struct shape {
    const char *title;
    uint32_t hidden, heads, kv, d, ffn, vocab, layers;
    const char *pairing, *k_cache, *v_cache, *mask, *act, *scale, *store;
    uint32_t tokens;
    bool qk_norm, bias;
    enum form emulated; /* which of the forms runs there */
};

static const struct shape shapes[] = {
    {"small", 8, 2, 1, 4, 12, 16, 2, "half", "f32", "f32", "mask = causal", "relu2", "matrix", "bf16", 20, false, false,
     COLUMNS5},
    {"odd", 37, 4, 2, 6, 50, 29, 3, "half", "i8", "f32", "mask = causal", "silu", "row", "bf16", 70, true, true, FUSED},
    {"window", 67, 6, 3, 10, 131, 77, 2, "adjacent", "f32", "f16", "mask = window, window = 45", "gelu", "matrix",
     "f16", 150, false, true, FUSED},
    {"chunks", 96, 3, 1, 32, 64, 33, 1, "half", "f16", "f16", "mask = causal", "relu2", "row", "f32", 192, true, false,
     FUSED},
    {"wide", 256, 4, 2, 64, 640, 100, 4, "adjacent", "f16", "i8", "mask = causal", "tanh", "matrix", "bf16", 40, true,
     true, FUSED},
    {"long", 1100, 2, 2, 48, 2100, 20, 2, "half", "f32", "f32", "mask = window, window = 5", "sigmoid", "row", "bf16",
     12, false, false, FUSED},
    {"heads", 128, 2, 1, 272, 192, 64, 2, "half", "f16", "i8", "mask = causal", "relu", "row", "bf16", 20, true, false,
     FUSED},
    {"rest", 64, 14, 2, 20, 32, 24, 1, "half", "i8", "f16", "mask = causal", "relu2", "row", "bf16", 150, false, false,
     COLUMNS},
};

static void declare(struct buf *t, const struct shape *s) {
    uint32_t n = s->layers;
    buf_printf(t, "module p {context = 512, vocab = %u, max_rows = 64}\n", s->vocab);
    buf_printf(t, "weight @embed : %s[%u, %u]\nweight @g_out : f32[%u]\n", s->store, s->vocab, s->hidden, s->hidden);
    buf_printf(t, "weight @b.g_in : f16[%u] layers %u\n", s->hidden, n);
    buf_printf(t, "weight @b.wq : trit[%u, %u, %u] layers %u scale %s\n", s->heads, s->d, s->hidden, n, s->scale);
    buf_printf(t, "weight @b.wk : trit[%u, %u, %u] layers %u scale matrix\n", s->kv, s->d, s->hidden, n);
    buf_printf(t, "weight @b.wv : trit[%u, %u, %u] layers %u scale row\n", s->kv, s->d, s->hidden, n);
    buf_printf(t, "weight @b.bias : f32[%u, %u] layers %u\n", s->kv, s->d, n);
    buf_printf(t, "weight @b.g_q : bf16[%u] layers %u\n", s->d, n);
    buf_printf(t, "weight @b.wo : trit[%u, %u] layers %u scale row\n", s->hidden, s->heads * s->d, n);
    buf_printf(t, "weight @b.g_ffn : bf16[%u] layers %u\n", s->hidden, n);
    buf_printf(t, "weight @b.gate : trit[%u, %u] layers %u scale %s\n", s->ffn, s->hidden, n, s->scale);
    buf_printf(t, "weight @b.up : trit[%u, %u] layers %u scale %s\n", s->ffn, s->hidden, n, s->scale);
    buf_printf(t, "weight @b.g_sub : f32[%u] layers %u\n", s->ffn, n);
    buf_printf(t, "weight @b.down : trit[%u, %u] layers %u scale matrix\n", s->hidden, s->ffn, n);
    buf_printf(t, "weight @b.mix : %s[%u, %u] layers %u\n", s->store, s->hidden, s->hidden, n);
    buf_printf(t, "state @b.k : cache<%s>[%u, %u] layers %u\n", s->k_cache, s->kv, s->d, n);
    buf_printf(t, "state @b.v : cache<%s>[%u, %u] layers %u\n", s->v_cache, s->kv, s->d, n);
}

/* %out = q, k or v of `heads` heads, with what the shape asks for on the way */
static void project(struct buf *t, const struct shape *s, const char *name, uint32_t heads, bool norm, bool bias,
                    bool rope) {
    const char *last = "f";
    buf_printf(t, "  %%%s.acc = matmul %%c, @b.w%s : i32[T, %u, %u]\n", name, name, heads, s->d);
    buf_printf(t, "  %%%s.f = dequant %%%s.acc, %%r, @b.w%s : f32[T, %u, %u]\n", name, name, name, heads, s->d);
    if (bias) {
        buf_printf(t, "  %%%s.b = bias %%%s.%s, @b.bias : f32[T, %u, %u]\n", name, name, last, heads, s->d);
        last = "b";
    }
    if (norm) {
        buf_printf(t, "  %%%s.n = rmsnorm %%%s.%s, @b.g_q {eps = 1e-06} : f32[T, %u, %u]\n", name, name, last, heads,
                   s->d);
        last = "n";
    }
    if (rope)
        buf_printf(t, "  %%%s = rope %%%s.%s, %%rows {theta = 10000, pairing = %s} : f32[T, %u, %u]\n", name, name,
                   last, s->pairing, heads, s->d);
    else
        buf_printf(t, "  %%%s = mulc %%%s.%s {c = 1.5} : f32[T, %u, %u]\n", name, name, last, heads, s->d);
}

static void attention(struct buf *t, const struct shape *s) {
    project(t, s, "q", s->heads, s->qk_norm, false, true);
    project(t, s, "k", s->kv, s->qk_norm, s->bias, true);
    project(t, s, "v", s->kv, false, s->bias, false);
    for (int i = 0; i < 2; i++) {
        const char *c = i ? "v" : "k", *e = i ? s->v_cache : s->k_cache;
        buf_printf(t, "  %%%s.0 = state @b.%s : cache<%s>[%u, %u]\n", c, c, e, s->kv, s->d);
        buf_printf(t, "  %%%s.1 = write %%%s.0, %%%s, %%rows : cache<%s>[%u, %u]\n", c, c, c, e, s->kv, s->d);
    }
    buf_printf(t, "  %%o = attend %%q, %%k.1, %%v.1, %%rows {scale = 0.30151135, %s} : f32[T, %u, %u]\n", s->mask,
               s->heads, s->d);
    buf_printf(t, "  %%o.h = mulc %%o {c = 0.7} : f32[T, %u, %u]\n", s->heads, s->d);
    buf_printf(t, "  %%o.flat = reshape %%o.h : f32[T, %u]\n", s->heads * s->d);
}

static void layer(struct buf *t, const struct shape *s, int number) {
    uint32_t h = s->hidden, f = s->ffn;
    buf_printf(t, "func @b.%d(%%rows: rows[T], %%x: f32[T, %u]) {\n", number, h);
    buf_printf(t,
               "  %%n = rmsnorm %%x, @b.g_in {eps = 1e-05} : f32[T, %u]\n  %%c, %%r = quant %%n : i8[T, %u], f32[T]\n",
               h, h);
    attention(t, s);
    buf_printf(t, "  %%oc, %%or = quant %%o.flat : i8[T, %u], f32[T]\n", s->heads * s->d);
    buf_printf(t, "  %%wo.acc = matmul %%oc, @b.wo : i32[T, %u]\n  %%wo = dequant %%wo.acc, %%or, @b.wo : f32[T, %u]\n",
               h, h);
    buf_printf(t, "  %%h = add %%x, %%wo : f32[T, %u]\n", h);
    if (number) buf_printf(t, "  %%h.d = dot %%h, @b.mix : f32[T, %u]\n  %%h.e = tanh %%h.d : f32[T, %u]\n", h, h);
    buf_printf(
        t, "  %%b = rmsnorm %%h, @b.g_ffn {eps = 1e-05} : f32[T, %u]\n  %%bc, %%br = quant %%b : i8[T, %u], f32[T]\n",
        h, h);
    buf_printf(t,
               "  %%g.acc = matmul %%bc, @b.gate : i32[T, %u]\n  %%g.f = dequant %%g.acc, %%br, @b.gate : f32[T, %u]\n",
               f, f);
    buf_printf(t, "  %%g = %s %%g.f : f32[T, %u]\n", s->act, f);
    buf_printf(t, "  %%u.acc = matmul %%bc, @b.up : i32[T, %u]\n  %%u = dequant %%u.acc, %%br, @b.up : f32[T, %u]\n", f,
               f);
    buf_printf(t, "  %%m = mul %%g, %%u : f32[T, %u]\n  %%m.n = rmsnorm %%m, @b.g_sub {eps = 1e-05} : f32[T, %u]\n", f,
               f);
    buf_printf(t, "  %%mc, %%mr = quant %%m.n : i8[T, %u], f32[T]\n", f);
    buf_printf(t,
               "  %%d.acc = matmul %%mc, @b.down : i32[T, %u]\n  %%d = dequant %%d.acc, %%mr, @b.down : f32[T, %u]\n",
               h, h);
    buf_printf(t, "  %%y = %s : f32[T, %u]\n  ret %%y\n}\n", number ? "sub %h.e, %d" : "add %h, %d", h);
}

static void program(struct buf *t, const struct shape *s) {
    declare(t, s);
    layer(t, s, 0);
    if (s->layers > 2) layer(t, s, 1);
    buf_printf(t, "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, %u]\n", s->hidden);
    const char *x = "x";
    if (s->layers > 1) {
        buf_printf(t, "  %%y = layers %%rows, %%x, @b.0%s {from = 0, to = %u} : f32[T, %u]\n",
                   s->layers > 2 ? ", @b.1" : "", s->layers - 1, s->hidden);
        x = "y";
    }
    buf_printf(t, "  %%z = layer %%rows, %%%s, @b.0 {index = %u} : f32[T, %u]\n", x, s->layers - 1, s->hidden);
    buf_printf(t, "  %%live = live %%z : f32[L, %u]\n", s->hidden);
    buf_printf(t, "  %%n = rmsnorm %%live, @g_out {eps = 1e-05} : f32[L, %u]\n", s->hidden);
    buf_printf(t, "  %%logits = dot %%n, @embed : f32[L, %u]\n  emit %%logits {name = logits}\n  ret\n}\n", s->vocab);
}

/* ---- values at the edges ---- */

/* Whatever a float can be, through every op that rounds, compares or converts.  Infinite values and NaNs come up on the
 * way and are gone at the end: tanh and relu are finite. */
static const char edges_text[] =
    "module p {context = 64, vocab = 24, max_rows = 64}\nweight @x : f32[24, 48]\nweight @g : f32[48]\n"
    "weight @head : f16[24, 48]\nweight @w : trit[48, 48] scale row\n"
    "entry @generate(%rows: rows[T]) {\n  %x = embed %rows, @x : f32[T, 48]\n"
    "  %u0 = silu %x : f32[T, 48]\n  %u = tanh %u0 : f32[T, 48]\n  %v0 = gelu %x : f32[T, 48]\n"
    "  %v = tanh %v0 : f32[T, 48]\n  %s = sigmoid %x : f32[T, 48]\n  %r = relu %x : f32[T, 48]\n"
    "  %n = neg %r : f32[T, 48]\n  %e = exp %n : f32[T, 48]\n  %q0 = relu2 %x : f32[T, 48]\n"
    "  %q = tanh %q0 : f32[T, 48]\n  %l = l2norm %x : f32[T, 48]\n  %m = rmsnorm %x, @g {eps = 1e-30} : f32[T, 48]\n"
    "  %c, %cr = quant %x : i8[T, 48], f32[T]\n  %a = matmul %c, @w : i32[T, 48]\n"
    "  %d0 = dequant %a, %cr, @w : f32[T, 48]\n  %d = tanh %d0 : f32[T, 48]\n"
    "  %i0 = mulc %x {c = 1e+30} : f32[T, 48]\n  %i1 = mulc %i0 {c = 1e+30} : f32[T, 48]\n"
    "  %i2 = sub %i1, %i1 : f32[T, 48]\n  %i3 = topk %i2 {k = 20} : f32[T, 48]\n  %i4 = relu %i3 : f32[T, 48]\n"
    "  %i5 = topk %x {k = 20} : f32[T, 48]\n  %i = tanh %i5 : f32[T, 48]\n"
    "  %y0 = add %u, %v : f32[T, 48]\n  %y1 = add %s, %e : f32[T, 48]\n  %y2 = sub %q, %l : f32[T, 48]\n"
    "  %y3 = add %m, %d : f32[T, 48]\n  %y4 = add %i4, %i : f32[T, 48]\n  %y5 = add %y0, %y1 : f32[T, 48]\n"
    "  %y6 = add %y2, %y3 : f32[T, 48]\n  %y7 = add %y4, %y5 : f32[T, 48]\n  %y8 = mul %y6, %y7 : f32[T, 48]\n"
    "  %y9 = add %y8, %y7 : f32[T, 48]\n"
    "  %lv = live %y9 : f32[L, 48]\n  %logits = dot %lv, @head : f32[L, 24]\n"
    "  emit %logits {name = logits}\n  ret\n}\n";

/* Halves whose largest is 127, so that codes of the quantiser and of the cache are ties. */
static const char ties_text[] =
    "module p {context = 64, vocab = 24, max_rows = 64}\nweight @x : f32[24, 48]\nweight @head : f32[24, 48]\n"
    "weight @w : trit[48, 48] scale row\nstate @k : cache<i8>[1, 48]\nstate @v : cache<i8>[1, 48]\n"
    "entry @generate(%rows: rows[T]) {\n  %x = embed %rows, @x : f32[T, 48]\n"
    "  %c, %r = quant %x : i8[T, 48], f32[T]\n  %a = matmul %c, @w : i32[T, 48]\n"
    "  %d = dequant %a, %r, @w : f32[T, 48]\n"
    "  %q = reshape %x : f32[T, 1, 48]\n"
    "  %k.0 = state @k : cache<i8>[1, 48]\n  %k.1 = write %k.0, %q, %rows : cache<i8>[1, 48]\n"
    "  %v.0 = state @v : cache<i8>[1, 48]\n  %v.1 = write %v.0, %q, %rows : cache<i8>[1, 48]\n"
    "  %o = attend %q, %k.1, %v.1, %rows {scale = 1e-05, mask = causal} : f32[T, 1, 48]\n"
    "  %f = reshape %o : f32[T, 48]\n  %y = add %f, %d : f32[T, 48]\n  %l = live %y : f32[L, 48]\n"
    "  %logits = dot %l, @head : f32[L, 24]\n  emit %logits {name = logits}\n  ret\n}\n";

/* Element i of a row of one kind. */
static float edge(uint32_t row, uint32_t i, uint32_t bits) {
    static const float few[] = {0,      1e-45f, 0x1p-126f, 0x1.fffffep-127f, 1, 0x1.fffffep127f, 88.72283f,
                                87.33f, 0.625f, 20};
    uint32_t exponent = row * 11 % 255;
    if (row % 6 == 0) return few[bits % COUNT_OF(few)] * (bits & 64 ? -1.0f : 1.0f);
    if (row % 6 == 1) return i % 5 ? 0.0f : -0.0f;
    if (row % 6 == 2) return f32_of_bits(bits & 0x807fffffu); /* denormal */
    return f32_of_bits((bits & 0x807fffffu) | exponent << 23);
}

static float tie(uint32_t i, uint32_t bits) {
    return i == 7 ? 127 : (float)((int)(bits % 254) - 127) + (bits & 256 && bits % 254 ? 0.5f : 0.0f);
}

struct edge_weights {
    struct ir_weights random;
    bool ties;
};

/* Of the first weight; the others are random. */
static bool raw_edges(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    struct edge_weights *e = self;
    uint64_t cols = ir_weight_cols(w);
    if (w->id) return e->random.raw(e->random.self, w, layer, row, n, out);
    for (uint64_t k = 0; k < n * cols; k++) {
        uint64_t z = (row * cols + k + 1) * 0x9E3779B97F4A7C15u;
        uint32_t bits = (uint32_t)(z >> 31 ^ z >> 7), i = (uint32_t)(k % cols);
        float x = e->ties ? tie(i, bits) : edge((uint32_t)(row + k / cols), i, bits);
        memcpy((uint8_t *)out + 4 * k, &x, 4);
    }
    return true;
}

static bool random_trits_of(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n,
                            int8_t *out) {
    struct edge_weights *e = self;
    return e->random.trits(e->random.self, w, layer, row, n, out);
}

static bool random_scales_of(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    struct edge_weights *e = self;
    return e->random.scales(e->random.self, w, layer, out);
}

static void edges(bool ties) {
    struct edge_weights e = {.ties = ties};
    struct job j = {.a = arena_new(), .title = ties ? "ties" : "edges", .seed = 5};
    const char *text = ties ? ties_text : edges_text;
    j.d = diag_new(j.a, stderr);
    e.random = ir_weights_random(j.a, 1);
    j.w = (struct ir_weights){.self = &e, .trits = random_trits_of, .scales = random_scales_of, .raw = raw_edges};
    j.m = parsed(&j, text);
    if (EXPECT(j.m != NULL)) {
        draw_rows(&j, 60);
        EXPECT(interpret(&j) && compiled(&j, parsed(&j, text), UNFUSED) && compiled(&j, parsed(&j, text), FUSED));
    }
    arena_free(j.a);
}

/* ---- values that are not finite ---- */

/* Rows of 1e38 and more, squared, where they are first met: by quant, in the logits, or by a cache of f16, which cuts
 * what is infinite but keeps a NaN. */
enum place { IN_QUANT, IN_LOGITS, IN_CACHE };

static void quant_text(struct buf *t, bool in_quant) {
    const char *first = in_quant ? "1e+38" : "1", *last = in_quant ? "1" : "1e+38";
    buf_printf(t,
               "module p {context = 64, vocab = 9, max_rows = 8}\nweight @embed : f32[9, 40]\nweight @w : trit[40, 40] "
               "scale matrix\n"
               "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, 40]\n"
               "  %%a = mulc %%x {c = %s} : f32[T, 40]\n  %%b = mulc %%a {c = %s} : f32[T, 40]\n",
               first, first);
    buf_printf(t,
               "  %%c, %%r = quant %%b : i8[T, 40], f32[T]\n  %%m = matmul %%c, @w : i32[T, 40]\n  %%y = dequant %%m, "
               "%%r, @w : f32[T, 40]\n"
               "  %%z = mulc %%y {c = %s} : f32[T, 40]\n  %%zz = mulc %%z {c = %s} : f32[T, 40]\n  %%l = live %%zz : "
               "f32[L, 40]\n"
               "  %%logits = dot %%l, @embed : f32[L, 9]\n  emit %%logits {name = logits}\n  ret\n}\n",
               last, last);
}

static void cache_text(struct buf *t) {
    buf_printf(t, "module p {context = 64, vocab = 9, max_rows = 8}\nweight @embed : f32[9, 40]\n"
                  "state @k : cache<f32>[1, 40]\nstate @v : cache<f16>[1, 40]\n"
                  "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, 40]\n"
                  "  %%a = mulc %%x {c = 1e+38} : f32[T, 40]\n  %%b = mulc %%a {c = 1e+38} : f32[T, 40]\n"
                  "  %%n = sub %%b, %%b : f32[T, 40]\n"
                  "  %%q = reshape %%x : f32[T, 1, 40]\n  %%w = reshape %%n : f32[T, 1, 40]\n"
                  "  %%k.0 = state @k : cache<f32>[1, 40]\n  %%k.1 = write %%k.0, %%q, %%rows : cache<f32>[1, 40]\n"
                  "  %%v.0 = state @v : cache<f16>[1, 40]\n  %%v.1 = write %%v.0, %%w, %%rows : cache<f16>[1, 40]\n"
                  "  %%o = attend %%q, %%k.1, %%v.1, %%rows {scale = 0.2, mask = causal} : f32[T, 1, 40]\n"
                  "  %%f = reshape %%o : f32[T, 40]\n  %%l = live %%f : f32[L, 40]\n"
                  "  %%logits = dot %%l, @embed : f32[L, 9]\n  emit %%logits {name = logits}\n  ret\n}\n");
}

/* Three rows of one step: what the step says of it. */
static void overflow(enum place place) {
    struct buf t = {0};
    struct job j = {.a = arena_new(), .title = "overflow", .seed = 3, .n_rows = 3, .n_steps = 1};
    FILE *quiet = fopen("/dev/null", "w");
    if (!EXPECT(quiet != NULL)) return;
    if (place == IN_CACHE)
        cache_text(&t);
    else
        quant_text(&t, place == IN_QUANT);
    j.d = diag_new(j.a, quiet);
    j.w = ir_weights_random(j.a, 1);
    j.m = parsed(&j, t.at);
    if (EXPECT(j.m != NULL)) {
        uint32_t first = place == IN_CACHE ? 0 : 5;
        for (uint32_t i = 0; i < 3; i++)
            j.rows[i] = (struct ir_row){.token = i, .slot = 0, .pos = first + i, .live = true};
        j.step_end[0] = 3;
        EXPECT(!interpret(&j));
        j.d = diag_new(j.a, stderr);
        j.expect_bad = place == IN_QUANT ? "generate:c" : "generate:logits";
        EXPECT(compiled(&j, parsed(&j, t.at), UNFUSED));
    }
    fclose(quiet);
    buf_free(&t);
    arena_free(j.a);
}

static int run_file(const char *path, uint32_t tokens) {
    struct arena *a = arena_new();
    char *text;
    size_t n;
    bool ok =
        file_read(diag_new(a, stderr), a, path, 1 << 24, &text, &n) && run_program(path, text, 7, tokens, N_FORMS);
    arena_free(a);
    return ok;
}

static void run_shapes(size_t n) {
    for (size_t i = 0; i < n && i < COUNT_OF(shapes); i++) {
        struct buf text = {0};
        program(&text, &shapes[i]);
        run_program(shapes[i].title, text.at, i + 1, shapes[i].tokens, jit.cpu ? shapes[i].emulated : N_FORMS);
        buf_free(&text);
    }
}

int main(int argc, char **argv) {
    bool emulated = argc > 2 && !strcmp(argv[1], "-cpu");
    jit_start(&jit, emulated ? argv[2] : NULL);
    if (argc > 1 && !emulated) {
        EXPECT(run_file(argv[1], argc > 2 ? (uint32_t)atoi(argv[2]) : 60));
    } else {
        run_shapes(argc > 3 ? (size_t)atoi(argv[3]) : COUNT_OF(shapes));
        edges(false);
        edges(true);
        for (enum place p = IN_QUANT; p <= IN_CACHE; p++) overflow(p);
    }
    jit_end(&jit);
    return expect_end();
}
