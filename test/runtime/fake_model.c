/*
 * fake_model.c -- a model written by hand, so that the runtime is tested without the compiler.
 *
 * Its state is a running hash of the tokens of a sequence, its logits are drawn from that hash and the weights;
 * so any token, position, chunk or thread that goes astray shows in the logits.  pack.py writes its pack;
 * reference.py computes its logits again.
 *
 * Variants: -DFAKE_SLOW sleeps 20 ms a step; -DFAKE_NEEDS=bits asks that of every level; -DFAKE_WRONG lets level
 * "plain" compute other bits; -DFAKE_COUNT ends with code 99 if anything is allocated between two steps; -DFAKE_ID=n
 * is for another pack; -DFAKE_CHAT has a context of 512 and no token
 * that fails; -DFAKE_EMBED emits an embedding, the first 24 of the logits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/abi.h"

#ifndef FAKE_ID
#define FAKE_ID 0x5eed5eed5eed5eedu
#endif
#ifndef FAKE_NEEDS
#define FAKE_NEEDS 0
#endif
#if defined(__aarch64__)
#define BASE SETUN_F_NEON
#else
#define BASE SETUN_F_V3
#endif

#if defined FAKE_COUNT || defined FAKE_CHAT
enum { BAD_TOKEN = 300 }; /* never: these run for long */
#else
enum { BAD_TOKEN = 299 }; /* its activation is not finite */
#endif

enum {
    VOCAB = 300,
#ifdef FAKE_EMBED
    OUT = 24, /* numbers of an embedding */
#else
    OUT = VOCAB,
#endif
#ifdef FAKE_CHAT
    CONTEXT = 512,
#else
    CONTEXT = 128,
#endif
    MAX_ROWS = 64,
    WEIGHTS = 65536, /* words */
    H_OFFSET = 0,    /* i32[2] a row, 64 bytes apart */
    H_STRIDE = 64,
    CODES_OFFSET = H_OFFSET + MAX_ROWS * H_STRIDE, /* i8[5] a row */
    CODES_STRIDE = 64,
    LOGITS_OFFSET = CODES_OFFSET + MAX_ROWS * CODES_STRIDE, /* f32[VOCAB] a live row */
    LOGITS_STRIDE = 1280,
    ARENA = LOGITS_OFFSET + MAX_ROWS * LOGITS_STRIDE,
    STATE_ROW = 8,
    SCRATCH_POSITION = 4096 /* never touched, but counted: what a long context would need */
};

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static uint64_t *state_at(struct setun_step *s, uint32_t slot, uint32_t pos) {
    uint8_t *at = s->state + slot * s->slot_stride + pos / 64 * (64 * STATE_ROW) + pos % 64 * STATE_ROW;
    return (uint64_t *)at;
}

/* Rows in order: the first thread does them all. */
static void embed(struct setun_step *s) {
    for (uint32_t r = 0; r < s->n_rows; r++) {
        const struct setun_row *row = &s->rows[r];
        uint64_t before = row->pos > 0 ? *state_at(s, row->slot, row->pos - 1) : 0;
        uint64_t h = mix(before + 0x9E3779B97F4A7C15u * (row->token + 1));
        *state_at(s, row->slot, row->pos) = h;
        memcpy(s->arena + H_OFFSET + r * H_STRIDE, &h, 8);
        memcpy(s->arena + CODES_OFFSET + r * CODES_STRIDE, &h, 5);
        if (row->token == BAD_TOKEN && !s->bad) {
            s->bad = 1;
            s->bad_pos = row->pos;
            s->bad_layer = row->pos == 2 ? UINT32_MAX : 3;
            s->bad_kernel = 0;
        }
    }
}

static void head(struct setun_step *s, uint32_t tid, uint64_t salt) {
    uint64_t all = (uint64_t)s->n_live * OUT, from = all * tid / s->n_threads, to = all * (tid + 1) / s->n_threads;
    for (uint64_t i = from; i < to; i++) {
        uint32_t r = (uint32_t)(i / OUT), v = (uint32_t)(i % OUT), w;
        uint64_t h;
        memcpy(&h, s->arena + H_OFFSET + s->live[r] * H_STRIDE, 8);
        memcpy(&w, s->weights + 4 * ((h + v) % WEIGHTS), 4);
        float x = (float)(int32_t)(mix(h + v + w + salt) >> 40) * 0x1p-20f - 8;
        memcpy(s->arena + LOGITS_OFFSET + r * LOGITS_STRIDE + 4 * v, &x, 4);
    }
}

#ifdef FAKE_COUNT
/* Linked with --wrap, so that every call of the program and of libc comes by here. */
static uint64_t allocations;
void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__wrap_malloc(size_t n) { return allocations++, __real_malloc(n); }
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_calloc(size_t n, size_t m) { return allocations++, __real_calloc(n, m); }
void *__real_realloc(void *, size_t);
void *__wrap_realloc(void *, size_t);
void *__wrap_realloc(void *p, size_t n) { return allocations++, __real_realloc(p, n); }
void __real_free(void *);
void __wrap_free(void *);
void __wrap_free(void *p) {
    allocations++;
    __real_free(p);
}

static void count(void) {
    static uint64_t steps, before;
    if (steps++ > 0 && allocations != before) {
        fprintf(stderr, "%llu calls of the allocator before step %llu\n", (unsigned long long)(allocations - before),
                (unsigned long long)steps);
        _exit(99);
    }
    before = allocations;
    if (steps == 1000) fprintf(stderr, "1000 steps without a call, %llu before them\n", (unsigned long long)before);
}
#else
static void count(void) {}
#endif

static void run(struct setun_step *s, uint32_t tid, uint64_t salt) {
    if (tid == 0) {
        count();
#ifdef FAKE_SLOW
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
#endif
        embed(s);
    }
    s->barrier(s, tid);
    if (s->tick && tid == 0) s->tick(s, 0, 3);
    if (s->trace) {
        if (tid == 0) s->trace(s, 0, 3);
        s->barrier(s, tid);
    }
    head(s, tid, salt);
    /* as if it skipped a twelfth of the head, or what --active wants */
    if (tid == 0 && s->n_rows == 1) {
        s->skipped_bytes += s->active ? 4 * VOCAB - ((uint64_t)4 * VOCAB * s->active >> 32) : VOCAB / 3;
    }
    s->barrier(s, tid);
    if (s->tick && tid == 0) s->tick(s, 1, 0);
    if (s->trace) {
        if (tid == 0) s->trace(s, 1, 0);
        s->barrier(s, tid);
    }
}

static void step_first(struct setun_step *s, uint32_t tid) { run(s, tid, 0); }
#ifdef FAKE_WRONG
static void step_plain(struct setun_step *s, uint32_t tid) { run(s, tid, 1); }
#else
static void step_plain(struct setun_step *s, uint32_t tid) { run(s, tid, 0); }
#endif

static const struct setun_level levels[] = {
    {.name = "future", .needs = 1u << 31, .step = step_plain},
    {.name = "base", .needs = BASE | FAKE_NEEDS, .step = step_first},
    {.name = "plain", .needs = FAKE_NEEDS, .step = step_plain},
};

static const struct setun_value embed_values[] = {
    {.name = "h", .elem = SETUN_I32, .elems = 2, .row_stride = H_STRIDE, .offset = H_OFFSET},
    {.name = "codes", .elem = SETUN_I8, .elems = 5, .row_stride = CODES_STRIDE, .offset = CODES_OFFSET},
};
static const struct setun_value head_values[] = {
    {.name = "logits",
     .elem = SETUN_F32,
     .live = 1,
     .elems = OUT,
     .row_stride = LOGITS_STRIDE,
     .offset = LOGITS_OFFSET},
};
static const struct setun_kernel kernels[] = {
    {.name = "body.0:h", .values = embed_values, .n_values = 2, .line = 7, .cache_block_bytes = 64 * STATE_ROW},
    {.name = "generate:logits", .values = head_values, .n_values = 1, .bytes = 4 * VOCAB},
};

const struct setun_model setun_model = {
    .abi = SETUN_ABI,
    .n_levels = 3,
    .levels = levels,
    .name = "fake",
    .compiler = "hand",
    .vocab = VOCAB,
    .context = CONTEXT,
    .max_rows = MAX_ROWS,
    .n_kernels = 2,
    .kernels = kernels,
    .arena_bytes = ARENA,
    .scratch_bytes = 100,
    .scratch_bytes_per_position = SCRATCH_POSITION,
    .state_block_bytes = 64 * STATE_ROW,
    .logits_offset = LOGITS_OFFSET,
    .logits_stride = LOGITS_STRIDE,
    .weight_bytes = 4 * WEIGHTS,
    .ternary_bytes = 4 * VOCAB,
    .pack_id = FAKE_ID,
    .out_name = OUT == VOCAB ? "logits" : "embedding",
    .out_elems = OUT,
};
