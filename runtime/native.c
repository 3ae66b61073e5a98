/*
 * native.c -- the engine of the generated code: its memory, and a step of it.
 *
 * One mapping holds arena, what threads share, scratch of each thread and state, all zero at first and taken page by
 * page as the code touches them; its size is known and compared with what the machine has before it is taken.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/contract.h"
#include "runtime/cpu.h"
#include "runtime/engine.h"
#include "runtime/rt.h"
#include "runtime/team.h"

enum {
    PART = 4096, /* what begins and ends here has cache lines, and most often pages, of its own */
    SLACK = 256  /* bytes behind the last row that vector code may load, and ignore */
};

struct layout {
    uint64_t shared, scratch, state; /* where they begin; the arena is in front */
    uint64_t scratch_stride, slot_stride;
    uint64_t bytes;
    uint32_t positions;
};

static bool round_up(uint64_t *out, uint64_t a) {
    if (!setun_add(out, a, PART - 1)) return false;
    *out &= ~(uint64_t)(PART - 1);
    return true;
}

/* false: the sum does not fit 64 bits. */
static bool lay_out(struct layout *l, const struct setun_model *m, uint32_t threads, uint32_t context) {
    uint64_t blocks = ((uint64_t)context + SETUN_BLOCK - 1) / SETUN_BLOCK, all_scratch;
    if (blocks * SETUN_BLOCK > UINT32_MAX) return false;
    l->positions = (uint32_t)(blocks * SETUN_BLOCK);
    return round_up(&l->shared, m->arena_bytes) && setun_mul(&l->scratch, m->shared_bytes_per_position, l->positions) &&
           setun_add(&l->scratch, l->scratch, m->shared_bytes) && setun_add(&l->scratch, l->scratch, l->shared) &&
           round_up(&l->scratch, l->scratch) &&
           setun_mul(&l->scratch_stride, m->scratch_bytes_per_position, l->positions) &&
           setun_add(&l->scratch_stride, l->scratch_stride, m->scratch_bytes) &&
           round_up(&l->scratch_stride, l->scratch_stride) && setun_mul(&all_scratch, l->scratch_stride, threads) &&
           setun_add(&l->state, l->scratch, all_scratch) && setun_mul(&l->slot_stride, m->state_block_bytes, blocks) &&
           setun_add(&l->bytes, l->state, l->slot_stride) && setun_add(&l->bytes, l->bytes, SLACK) &&
           round_up(&l->bytes, l->bytes) && l->bytes < INT64_MAX;
}

bool setun_native_bytes(const struct setun_model *m, uint32_t threads, uint32_t context, uint64_t *bytes) {
    struct layout l = {0};
    if (!lay_out(&l, m, threads, context)) return false;
    *bytes = l.bytes;
    return true;
}

static double mib(uint64_t bytes) { return (double)bytes / (1 << 20); }

static int take_memory(struct setun_native *n, const struct setun_native_config *c, struct layout *l) {
    if (!lay_out(l, c->model, c->threads, c->context)) {
        return setun_fail_to(c->host, EXIT_MEMORY,
                             "a context of %u positions needs more memory than a machine can address", c->context);
    }
    uint64_t available = setun_memory_available();
    if (l->bytes > available) {
        return setun_fail_to(c->host, EXIT_MEMORY,
                             "a context of %u positions and %u threads need %.0f MiB of memory, %.0f MiB are available",
                             c->context, c->threads, mib(l->bytes), mib(available));
    }
    n->bytes = l->bytes > 0 ? l->bytes : PART;
    n->memory = mmap(NULL, n->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    n->live = calloc(c->model->max_rows, sizeof *n->live);
    if (n->memory == MAP_FAILED || !n->live) {
        n->memory = n->memory == MAP_FAILED ? NULL : n->memory;
        return setun_fail_to(c->host, EXIT_MEMORY, "%.0f MiB of memory are not to be had: %s", mib(n->bytes),
                             strerror(errno));
    }
    /* A step walks through all of the caches; what it touches of the rest is little, and would only grow. */
    uint64_t page = setun_page_bytes(), from = (l->state + page - 1) / page * page;
    if (from < n->bytes) madvise((uint8_t *)n->memory + from, n->bytes - from, MADV_HUGEPAGE);
    return EXIT_OK;
}

static void run_step(void *arg, uint32_t tid) {
    struct setun_native *n = arg;
    n->level->step(&n->team->step, tid);
}

static void run_all(void *arg, uint32_t tid) {
    struct setun_native *n = arg;
    n->level->all(&n->team->step, tid);
}

static void run_some(void *arg, uint32_t tid) {
    struct setun_native *n = arg;
    n->level->some(&n->team->step, tid);
}

static void on_tick(struct setun_step *s, uint32_t kernel, uint32_t layer) {
    const struct setun_native *n = ((const struct setun_team *)s)->owner;
    n->watch(n->watch_arg, kernel, layer);
}

void setun_native_watch(struct setun_native *n, setun_watch_fn *fn, void *arg) {
    n->watch = fn;
    n->watch_arg = arg;
    n->team->step.tick = fn ? on_tick : NULL;
}

static int finite(const struct setun_native *n) {
    const struct setun_step *s = &n->team->step;
    if (!s->bad) return EXIT_OK;
    const char *kernel = s->bad_kernel < n->model->n_kernels ? n->model->kernels[s->bad_kernel].name : "?";
    char layer[32] = "";
    if (s->bad_layer != UINT32_MAX) snprintf(layer, sizeof layer, "layer %u, ", s->bad_layer);
    return setun_fail_to(n->host, EXIT_VERIFY, "a value that is not finite, at position %u, %skernel '%s'", s->bad_pos,
                         layer, kernel);
}

static int step(struct setun_engine *e, const struct setun_row *rows, uint32_t count) {
    struct setun_native *n = (struct setun_native *)e;
    struct setun_step *s = &n->team->step;
    s->rows = rows;
    s->n_rows = count;
    s->n_live = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].live) n->live[s->n_live++] = i;
    }
    s->bad = s->bad_pos = 0;
    e->n_live = s->n_live;
    s->screen = e->screen && e->can_screen;
    e->screened = s->screen && s->n_live == 1;
    if (n->watch) n->watch(n->watch_arg, SETUN_STEP_BEGINS, 0);
    setun_team_run(n->team, run_step, n);
    int code = finite(n);
    return code == EXIT_OK && n->after_step ? n->after_step(n) : code;
}

static int all(struct setun_engine *e) {
    struct setun_native *n = (struct setun_native *)e;
    e->screened = false;
    setun_team_run(n->team, run_all, n);
    return finite(n);
}

static int some(struct setun_engine *e, const uint32_t *ids, uint32_t count, float *logits) {
    struct setun_native *n = (struct setun_native *)e;
    struct setun_step *s = &n->team->step;
    s->ids = ids;
    s->n_ids = count;
    s->exact = logits;
    setun_team_run(n->team, run_some, n);
    return EXIT_OK;
}

static void open_screen(struct setun_native *n) {
    struct setun_engine *e = &n->e;
    uint8_t *at = (uint8_t *)n->memory + n->model->logits_offset;
    uint64_t stride = n->model->logits_stride,
             units = ((uint64_t)n->model->out_elems + SETUN_SCREEN_UNIT - 1) / SETUN_SCREEN_UNIT;
    e->can_screen = n->level->all && n->level->some;
    if (!e->can_screen) return;
    float *unit = (float *)(at + 2 * stride);
    e->intervals = (struct setun_screen){
        .low = (float *)at, .high = (float *)(at + stride), .unit_low = unit, .unit_high = unit + units};
}

int setun_native_open(struct setun_native *n, const struct setun_native_config *c) {
    const struct setun_model *m = c->model;
    struct layout l = {0};
    *n = (struct setun_native){.model = m, .level = c->level, .host = c->host};
    int code = take_memory(n, c, &l);
    if (code == EXIT_OK) code = setun_team_open(&n->team, c->threads, c->host);
    if (code != EXIT_OK) return code;
    uint8_t *at = n->memory;
    n->team->owner = n;
    n->team->step = (struct setun_step){.weights = c->weights,
                                        .arena = at,
                                        .state = at + l.state,
                                        .shared = at + l.shared,
                                        .scratch = at + l.scratch,
                                        .scratch_stride = l.scratch_stride,
                                        .slot_stride = l.slot_stride,
                                        .live = n->live,
                                        .n_threads = c->threads,
                                        .positions = l.positions,
                                        .barrier = setun_team_barrier};
    n->e = (struct setun_engine){.step = step,
                                 .vocab = m->vocab,
                                 .context = c->context,
                                 .max_rows = m->max_rows,
                                 .out = (const float *)(at + m->logits_offset),
                                 .stride = m->logits_stride / sizeof(float),
                                 .some = some,
                                 .all = all,
                                 .out_elems = m->out_elems,
                                 .out_name = m->out_name,
                                 .state = at + l.state,
                                 .block_bytes = m->state_block_bytes,
                                 .origin = {.name = m->name,
                                            .ids = {.pack = m->pack_id,
                                                    .weights = c->weights_hash,
                                                    .code = setun_hash(m->compiler, strlen(m->compiler)) ^
                                                            (uint64_t)SETUN_CONTRACT << 32 ^ SETUN_ABI}}};
    open_screen(n);
    return EXIT_OK;
}

void setun_native_close(struct setun_native *n) {
    setun_team_close(n->team);
    if (n->copy.at) munmap(n->copy.at, n->copy.bytes);
    if (n->memory) munmap(n->memory, n->bytes);
    free(n->live);
    *n = (struct setun_native){0};
}
