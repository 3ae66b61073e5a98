/*
 * kernel_codegen_test.c -- programs as machine code against the interpreter, bit for bit: fused and unfused, at every
 * level of this machine, with 1, 2 and 3 threads, rows of several sequences in chunks, some of them live.  Then threads
 * take turns: between two barriers one runs after the other, in changing order, so that one that reads too early or
 * writes too late is found every time; and barriers are counted: one row meets once a kernel, or, where threads sum
 * parts of k, twice.  In some of these steps each thread begins with memory as it was at the barrier, and no two may
 * change the same byte: what one writes, no other reads or writes before they meet.
 *
 * Programs (programs.c) are one text with holes: lengths that are multiples of nothing and lengths that are, caches,
 * windows, rope pairings, activations; and small ones on values at the edges.
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
#include "test/unit/programs.h"
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

/* ---- values at the edges, and such as are not finite ---- */

static void edges(bool ties) {
    struct job j = {.a = arena_new(), .title = ties ? "ties" : "edges", .seed = 5};
    const char *text = ties ? program_ties : program_edges;
    j.d = diag_new(j.a, stderr);
    j.w = program_edge_weights(j.a, ties);
    j.m = parsed(&j, text);
    if (EXPECT(j.m != NULL)) {
        draw_rows(&j, 60);
        EXPECT(interpret(&j) && compiled(&j, parsed(&j, text), UNFUSED) && compiled(&j, parsed(&j, text), FUSED));
    }
    arena_free(j.a);
}

/* Three rows of one step: what the step says of it. */
static void overflow(enum program_place place) {
    struct buf t = {0};
    struct job j = {.a = arena_new(), .title = "overflow", .seed = 3, .n_rows = 3, .n_steps = 1};
    FILE *quiet = fopen("/dev/null", "w");
    if (!EXPECT(quiet != NULL)) return;
    program_overflow(&t, place);
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
    for (size_t i = 0; i < n && i < program_n_shapes; i++) {
        const struct shape *s = &program_shapes[i];
        struct buf text = {0};
        program_text(&text, s);
        run_program(s->title, text.at, i + 1, s->tokens, jit.cpu ? s->emulated : N_FORMS);
        buf_free(&text);
    }
}

int main(int argc, char **argv) {
    bool emulated = argc > 2 && !strcmp(argv[1], "-cpu");
    jit_start(&jit, emulated ? argv[2] : NULL);
    if (argc > 1 && !emulated) {
        EXPECT(run_file(argv[1], argc > 2 ? (uint32_t)atoi(argv[2]) : 60));
    } else {
        run_shapes(argc > 3 ? (size_t)atoi(argv[3]) : program_n_shapes);
        edges(false);
        edges(true);
        for (enum program_place p = IN_QUANT; p <= IN_CACHE; p++) overflow(p);
    }
    jit_end(&jit);
    return expect_end();
}
