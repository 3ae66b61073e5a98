/*
 * kernel_codegen_test.c -- programs as machine code against the interpreter, bit for bit: fused and unfused, at every
 * level of this machine, with 1, 2 and 3 threads, rows of several sequences in chunks, some of them live.  Then threads
 * take turns: between two barriers one runs after the other, in changing order, so that one that reads too early or
 * writes too late is found every time; and barriers are counted: one row meets once a kernel, or, where threads sum
 * parts of k, twice.  In some of these steps each thread begins with memory as it was at the barrier, and no two may
 * change the same byte: what one writes, no other reads or writes before they meet.
 *
 * Programs are one text with holes: lengths that are multiples of nothing and lengths that are, caches, windows, rope
 * pairings, activations.  With a file as argument: that program (IR text) instead.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/target.h"
#include "base/check.h"
#include "base/file.h"
#include "ir/interp.h"
#include "passes/pass.h"
#include "test/unit/expect.h"

/* ---- a team of threads around one step ---- */

/* Memory that all threads see: as it was at the barrier, and with what the turns so far have changed. */
struct region {
    uint8_t *at, *before, *after;
    uint64_t n;
};

struct team {
    struct setun_step step; /* first: the barrier gets its address */
    pthread_barrier_t barrier;
    setun_step_fn *fn;
    uint32_t threads;
    uint32_t barriers, kernels; /* of a step, as thread 0 and the trace see them */
    /* Taking turns: the phase's threads in order, and the place in it of the one that runs. */
    bool turns;
    uint32_t phase, place;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    /* Taking turns, each with memory of its own: arena and state. */
    bool apart;
    struct region regions[2];
    uint32_t clashes; /* bytes that two threads changed between two barriers */
};

struct member {
    struct team *team;
    uint32_t tid;
};

/* Ascending, descending, and beginning anywhere. */
static uint32_t whose_turn(const struct team *t) {
    uint32_t from = t->phase / 2 % t->threads, n = t->threads;
    return t->phase % 2 ? (from + t->place) % n : (n - 1 - t->place + from) % n;
}

static void begin_apart(struct team *t) {
    for (size_t i = 0; i < COUNT_OF(t->regions); i++) {
        struct region *r = &t->regions[i];
        if (t->place == 0) {
            memcpy(r->before, r->at, r->n);
            memcpy(r->after, r->at, r->n);
        } else {
            memcpy(r->at, r->before, r->n);
        }
    }
}

static void end_apart(struct team *t) {
    for (size_t i = 0; i < COUNT_OF(t->regions); i++) {
        struct region *r = &t->regions[i];
        for (uint64_t b = 0; b < r->n; b++) {
            if (r->at[b] == r->before[b]) continue;
            t->clashes += r->after[b] != r->before[b];
            r->after[b] = r->at[b];
        }
        if (t->place + 1 == t->threads) memcpy(r->at, r->after, r->n);
    }
}

static void await_turn(struct team *t, uint32_t tid, uint32_t phase) {
    pthread_mutex_lock(&t->lock);
    while (t->phase != phase || whose_turn(t) != tid) pthread_cond_wait(&t->moved, &t->lock);
    if (t->apart) begin_apart(t);
    pthread_mutex_unlock(&t->lock);
}

static uint32_t end_turn(struct team *t) {
    pthread_mutex_lock(&t->lock);
    uint32_t next = t->phase + 1;
    if (t->apart) end_apart(t);
    if (++t->place == t->threads) {
        t->place = 0;
        t->phase++;
    }
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->lock);
    return next;
}

static void wait_all(struct setun_step *s, uint32_t tid) {
    struct team *t = (struct team *)s;
    t->barriers += tid == 0;
    if (t->turns)
        await_turn(t, tid, end_turn(t));
    else
        pthread_barrier_wait(&t->barrier);
}

static void count_kernel(struct setun_step *s, uint32_t kernel, uint32_t layer) {
    (void)kernel;
    (void)layer;
    ((struct team *)s)->kernels++;
}

static void *run_member(void *p) {
    struct member *m = p;
    if (m->team->turns) await_turn(m->team, m->tid, 0);
    m->team->fn(&m->team->step, m->tid);
    if (m->team->turns) end_turn(m->team);
    return NULL;
}

static void run_team(struct team *t) {
    pthread_t id[9];
    struct member m[9];
    pthread_barrier_init(&t->barrier, NULL, t->threads);
    t->barriers = t->kernels = t->phase = t->place = 0;
    for (uint32_t i = 0; i < t->threads; i++) {
        m[i] = (struct member){t, i};
        pthread_create(&id[i], NULL, run_member, &m[i]);
    }
    for (uint32_t i = 0; i < t->threads; i++) pthread_join(id[i], NULL);
    pthread_barrier_destroy(&t->barrier);
}

/* ---- one program ---- */

enum { SLOTS = 2, POSITIONS = 192, MAX_STEPS = 400, APART = 5 };

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

static void *lines(uint64_t bytes) {
    uint64_t n = (bytes + 256 + 63) / 64 * 64;
    void *p = aligned_alloc(64, n);
    if (!p) exit(6);
    memset(p, 0, n);
    return p;
}

/* Scratch and padding hold nothing of use: NaNs would show. */
static void poison(void *p, uint64_t bytes) { memset(p, 0xff, bytes); }

static void run_step(struct team *t, const struct ir_row *rows, uint32_t n) {
    static struct setun_row r[256];
    static uint32_t live[256];
    t->step.n_live = 0;
    for (uint32_t i = 0; i < n; i++) {
        r[i] = (struct setun_row){rows[i].token, rows[i].slot, rows[i].pos, rows[i].live};
        if (rows[i].live) live[t->step.n_live++] = i;
    }
    t->step.rows = r;
    t->step.live = live;
    t->step.n_rows = n;
    run_team(t);
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

static bool run_code(struct job *j, const struct setun_model *model, const struct setun_level *level, uint32_t threads,
                     bool turns, const uint8_t *data, enum form form) {
    uint64_t stride = (model->scratch_bytes + model->scratch_bytes_per_position * POSITIONS + 127) / 64 * 64;
    uint64_t slot_stride = model->state_block_bytes * (POSITIONS / 64);
    struct team t = {.fn = level->step,
                     .threads = threads,
                     .turns = turns,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .moved = PTHREAD_COND_INITIALIZER};
    t.step = (struct setun_step){
        .weights = data,
        .arena = lines(model->arena_bytes),
        .state = lines(slot_stride * SLOTS),
        .scratch = lines(stride * threads),
        .scratch_stride = stride,
        .shared = lines(model->shared_bytes + model->shared_bytes_per_position * POSITIONS),
        .slot_stride = slot_stride,
        .n_threads = threads,
        .positions = POSITIONS,
        .barrier = wait_all,
        .trace = turns ? count_kernel : NULL,
    };
    uint64_t sizes[] = {model->arena_bytes, slot_stride * SLOTS};
    uint8_t *region[] = {t.step.arena, t.step.state};
    for (int i = 0; i < 2; i++) t.regions[i] = (struct region){region[i], lines(sizes[i]), lines(sizes[i]), sizes[i]};
    poison(t.step.arena, model->arena_bytes);
    poison(t.step.scratch, stride * threads);
    poison(t.step.state, slot_stride * SLOTS);
    bool ok = true;
    uint32_t n_apart = 0;
    for (uint32_t s = 0, at = 0, done = 0; ok && s < j->n_steps; at = j->step_end[s++]) {
        t.apart = turns && n_apart < APART && (j->step_end[s] - at == 1 || s % 8 == 0);
        n_apart += t.apart;
        run_step(&t, j->rows + at, j->step_end[s] - at);
        ok = EXPECT(t.clashes == 0);
        if (j->expect_bad) {
            ok = ok && EXPECT(t.step.bad == 1) && EXPECT(t.step.bad_layer == IR_NO_LAYER) &&
                 EXPECT(threads > 1 || t.step.bad_pos == j->rows[0].pos) &&
                 EXPECT_STR(model->kernels[t.step.bad_kernel].name, j->expect_bad);
            break;
        }
        ok = ok && EXPECT(t.step.bad == 0) && compare(j, model, &t, level->name, form_names[form], s, done);
        if (turns && t.step.n_rows == 1) ok = ok && met_rarely(&t, form);
        done += t.step.n_live;
    }
    free(t.step.shared);
    for (int i = 0; i < 2; i++) {
        free(t.regions[i].before);
        free(t.regions[i].after);
    }
    free(t.step.arena);
    free(t.step.state);
    free(t.step.scratch);
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

/* No libcalls: a step needs nothing from outside. */
static bool link_shared(struct job *j, const char *object, const char *so) {
    return system(arena_printf(j->a,
                               "ld.lld-19 -shared --no-undefined -o '%s' '%s' 2>/dev/null || "
                               "ld.lld -shared --no-undefined -o '%s' '%s' 2>/dev/null || "
                               "cc -shared -nostdlib -Wl,--no-undefined -o '%s' '%s'",
                               so, object, so, object, so, object)) == 0;
}

static bool run_passes(struct job *j, struct ir_module *m, enum form form) {
    struct schedule columns = {.only = form == COLUMNS ? IR_CORE_columns : IR_CORE_columns5};
    struct pass_ctx cx = {.diag = j->d, .arena = j->a, .print_after = getenv("PRINT_AFTER")};
    if (form >= COLUMNS) cx.schedule = &columns;
    if (form != UNFUSED) return passes_run_all(&cx, m);
    return pass_run(&cx, m, pass_find("select-core")) && pass_run(&cx, m, pass_find("plan-memory"));
}

static bool compiled(struct job *j, struct ir_module *m, enum form form) {
    static int serial;
    const char *dir = tmp_dir(j->d);
    const char *object = arena_printf(j->a, "%s/k.o", dir), *so = arena_printf(j->a, "%s/k%d.so", dir, serial++);
    const char *path = arena_printf(j->a, "%s/k.data", dir);
    struct backend_options opt = {.levels = form == FUSED ? "portable" : "native",
                                  .source = "cases.sir",
                                  .pic = true,
                                  .dump_llvm = getenv("DUMP_LLVM"),
                                  .dump_asm = getenv("DUMP_ASM")};
    struct data_plan plan;
    struct mapped data = {0};
    if (!run_passes(j, m, form)) return false;
    data_plan_make(j->a, m, &plan);
    if (!backend_emit(j->d, m, &plan, &opt, 1, object) || !link_shared(j, object, so)) return false;
    void *code = write_data(j, m, &plan, path) && file_map(j->d, path, &data) ? dlopen(so, RTLD_NOW) : NULL;
    const struct setun_model *model = code ? dlsym(code, "setun_model") : NULL;
    if (!EXPECT(model != NULL)) return false;
    uint8_t *copy = lines(data.n);
    memcpy(copy, data.at, data.n);
    bool ok = true;
    bool turns = true; /* at one level: all of them are called alike */
    for (uint32_t l = 0; ok && l < model->n_levels; l++) {
        if (model->levels[l].needs & ~target_host()->host_features()) continue;
        for (uint32_t t = 1; ok && t <= 3; t++) ok = run_code(j, model, &model->levels[l], t, false, copy, form);
        if (ok && turns) ok = run_code(j, model, &model->levels[l], 3, true, copy, form);
        for (uint32_t t = 8; ok && turns && form >= COLUMNS && t <= 9; t++) /* the most that sum parts, and more */
            ok = run_code(j, model, &model->levels[l], t, false, copy, form);
        turns = false;
    }
    free(copy);
    file_unmap(&data);
    dlclose(code);
    return ok;
}

static struct ir_module *parsed(struct job *j, const char *text) {
    struct names *names = names_new(j->a);
    uint32_t file = diag_add_text(j->d, j->title, text, strlen(text));
    struct ir_module *m = ir_parse(j->d, j->a, names, file, text, strlen(text));
    return m && ir_verify(j->d, m, NULL) ? m : NULL;
}

static bool run_program(const char *title, const char *text, uint64_t seed, uint32_t tokens) {
    struct job j = {.a = arena_new(), .title = title, .seed = seed};
    j.d = diag_new(j.a, stderr);
    j.w = ir_weights_random(j.a, seed);
    j.m = parsed(&j, text);
    bool ok = EXPECT(j.m != NULL);
    if (ok) draw_rows(&j, tokens);
    ok = ok && EXPECT(interpret(&j));
    for (enum form f = UNFUSED; ok && f < N_FORMS; f++) ok = EXPECT(compiled(&j, parsed(&j, text), f));
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
};

static const struct shape shapes[] = {
    {"odd", 37, 4, 2, 6, 50, 29, 3, "half", "i8", "f32", "mask = causal", "silu", "row", "bf16", 70, true, true},
    {"window", 67, 6, 3, 10, 131, 77, 2, "adjacent", "f32", "f16", "mask = window, window = 45", "gelu", "matrix",
     "f16", 150, false, true},
    {"chunks", 96, 3, 1, 32, 64, 33, 1, "half", "f16", "f16", "mask = causal", "relu2", "row", "f32", 192, true, false},
    {"wide", 256, 4, 2, 64, 640, 100, 4, "adjacent", "f16", "i8", "mask = causal", "tanh", "matrix", "bf16", 40, true,
     true},
    {"long", 1100, 2, 2, 48, 2100, 20, 2, "half", "f32", "f32", "mask = window, window = 5", "sigmoid", "row", "bf16",
     12, false, false},
    {"heads", 128, 2, 1, 272, 192, 64, 2, "half", "f16", "i8", "mask = causal", "relu", "row", "bf16", 20, true, false},
    {"rest", 64, 14, 2, 20, 32, 24, 1, "half", "i8", "f16", "mask = causal", "relu2", "row", "bf16", 150, false, false},
    {"small", 8, 2, 1, 4, 12, 16, 2, "half", "f32", "f32", "mask = causal", "relu2", "matrix", "bf16", 20, false,
     false},
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

/* ---- values that are not finite ---- */

/* Row 1 of 3 overflows, in quant or only in the logits: what the step says of it. */
static void overflow(bool in_quant) {
    struct buf t = {0};
    struct job j = {.a = arena_new(), .title = "overflow", .seed = 3, .n_rows = 3, .n_steps = 1};
    FILE *quiet = fopen("/dev/null", "w");
    if (!EXPECT(quiet != NULL)) return;
    const char *last = in_quant ? "1" : "1e+38";
    buf_printf(&t,
               "module p {context = 64, vocab = 9, max_rows = 8}\nweight @embed : f32[9, 40]\nweight @w : trit[40, 40] "
               "scale matrix\n"
               "entry @generate(%%rows: rows[T]) {\n  %%x = embed %%rows, @embed : f32[T, 40]\n"
               "  %%a = mulc %%x {c = %s} : f32[T, 40]\n  %%b = mulc %%a {c = %s} : f32[T, 40]\n",
               in_quant ? "1e+38" : "1", in_quant ? "1e+38" : "1");
    buf_printf(&t,
               "  %%c, %%r = quant %%b : i8[T, 40], f32[T]\n  %%m = matmul %%c, @w : i32[T, 40]\n  %%y = dequant %%m, "
               "%%r, @w : f32[T, 40]\n"
               "  %%z = mulc %%y {c = %s} : f32[T, 40]\n  %%zz = mulc %%z {c = %s} : f32[T, 40]\n  %%l = live %%zz : "
               "f32[L, 40]\n"
               "  %%logits = dot %%l, @embed : f32[L, 9]\n  emit %%logits {name = logits}\n  ret\n}\n",
               last, last);
    j.d = diag_new(j.a, quiet);
    j.w = ir_weights_random(j.a, 1);
    j.m = parsed(&j, t.at);
    if (EXPECT(j.m != NULL)) {
        for (uint32_t i = 0; i < 3; i++) j.rows[i] = (struct ir_row){.token = i, .slot = 0, .pos = i + 5, .live = true};
        j.step_end[0] = 3;
        EXPECT(!interpret(&j));
        j.d = diag_new(j.a, stderr);
        j.expect_bad = in_quant ? "generate:c" : "generate:logits";
        EXPECT(compiled(&j, parsed(&j, t.at), UNFUSED));
    }
    fclose(quiet);
    buf_free(&t);
    arena_free(j.a);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        struct arena *a = arena_new();
        char *text;
        size_t n;
        bool ok = file_read(diag_new(a, stderr), a, argv[1], 1 << 24, &text, &n) &&
                  run_program(argv[1], text, 7, argc > 2 ? (uint32_t)atoi(argv[2]) : 60);
        arena_free(a);
        return ok && !expect_failed ? 0 : 1;
    }
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct buf text = {0};
        program(&text, &shapes[i]);
        run_program(shapes[i].title, text.at, i + 1, shapes[i].tokens);
        buf_free(&text);
    }
    overflow(true);
    overflow(false);
    return expect_end();
}
