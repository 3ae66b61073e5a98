/*
 * hostile.c -- random calls of a library, most of them wrong (hostile.py; -DP, -DU, -DHEADER as for driver.c).
 *
 *   hostile SEED ROUNDS    prints how many calls ended with which error; sanitizers find the rest
 *
 * States are damaged with a hash that fits, as somebody would who wants to do harm.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/abi.h"

#include HEADER

#define CAT_(a, b) a##_##b
#define CAT(a, b)  CAT_(a, b)
#define F(name)    CAT(P, name)
#define C(name)    CAT(U, name)

enum { CALLS = 60, MOST = 40, HEAD = 128, ERRORS = 12 };

static uint64_t seed;
static long ended[ERRORS];

static uint64_t below(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545F4914F6CDD1Du % n;
}

static uint32_t any_u32(void) { return below(3) ? (uint32_t)below(50) : (uint32_t)below(1ull << 32); }
static uint32_t token(void) { return below(50) ? (uint32_t)below(C(VOCAB)) : any_u32(); }

static float any_float(void) {
    static const float edges[] = {NAN, INFINITY, -INFINITY, -1, 0, 1, 1e-45f, 3e38f};
    return below(2) ? edges[below(8)] : (float)below(10000) / 5000;
}

/* ---- states ---- */

struct state {
    uint8_t *at, *copy;
    size_t room, n;
};

/* runtime/lib/state.c: the number of bytes at 16, the hash at 120 of all others. */
static void fit(uint8_t *at, uint64_t n) {
    struct setun_hasher h;
    memcpy(at + 16, &n, sizeof n);
    setun_hash_init(&h);
    setun_hash_add(&h, at, HEAD - 8);
    setun_hash_add(&h, at + HEAD, n - HEAD);
    uint64_t hash = setun_hash_end(&h);
    memcpy(at + HEAD - 8, &hash, sizeof hash);
}

static int restore(struct P *h, struct state *s) {
    static const uint32_t strange[] = {0x7f800000, 0x7fc00000, 0xff800000, 0x7f7fffff};
    size_t n = s->n, at;
    if (n < HEAD) return C(OK);
    memcpy(s->copy, s->at, n);
    if (below(3) == 0) n = below(n + 1);
    for (uint64_t i = n ? below(6) : 0; i > 0; i--)
        s->copy[below(3) ? below(n) : below(n) % HEAD] ^= (uint8_t)below(256);
    for (uint64_t i = n > HEAD + 4 && below(4) == 0 ? 64 : 0; i > 0; i--) {
        at = HEAD + below(n - HEAD - 4) / 4 * 4;
        memcpy(s->copy + at, &strange[below(4)], 4);
    }
    if (n >= HEAD && below(3)) fit(s->copy, n);
    uint8_t *exact = malloc(n + 1); /* so that a byte too many is seen */
    if (n) memcpy(exact + 1, s->copy, n);
    int code = F(restore)(h, exact + 1, n);
    free(exact);
    return code;
}

/* ---- the other calls ---- */

static int sample(struct P *h) {
    struct F(sampling) s = {any_float(), any_u32(), any_float(), any_float(), any_float(), any_u32(), below(99)};
    if (below(2)) s = (struct F(sampling)){1, any_u32(), 1, 0, 1.1f, any_u32(), below(99)};
    uint32_t id = C(VOCAB);
    int code = F(sample)(h, &s, &id);
    if (code == C(OK) && id >= C(VOCAB)) abort();
    return code;
}

static int prefill(struct P *h) {
    size_t n = below(MOST);
    uint32_t *ids = malloc(n * sizeof *ids + 1);
    for (size_t i = 0; i < n; i++) ids[i] = token();
    int code = F(prefill)(h, ids, n);
    free(ids);
    return code;
}

static int encode(struct P *h) {
    size_t n = below(64), room = below(80), count;
    char *text = malloc(n + 1);
    uint32_t *ids = malloc(room * sizeof *ids + 1);
    for (size_t i = 0; i < n; i++) text[i] = (char)(below(3) ? 32 + below(90) : below(256));
    int code = F(encode)(h, text, n, (unsigned)below(9), ids, room, &count);
    free(ids);
    free(text);
    return code;
}

static int decode(struct P *h) {
    size_t room = below(8), count;
    char *text = malloc(room + 1);
    int code = F(decode)(h, token(), text, room, &count);
    free(text);
    return code;
}

static int output(struct P *h) {
    const float *x = F(output)(h);
    for (uint32_t i = 0; x && i < C(OUTPUT); i++)
        if (!isfinite(x[i])) abort();
    return x ? C(OK) : C(EMPTY);
}

static int call(struct P *h, struct state *s) {
    size_t n;
    int code = C(OK);
    switch (below(9)) {
    case 0: return prefill(h);
    case 1: return F(step)(h, token());
    case 2: return sample(h);
    case 3: return output(h);
    case 4: return encode(h);
    case 5: return decode(h);
    case 6: return restore(h, s);
    case 7: return below(6) ? F(rewind)(h, any_u32()) : F(reset)(h);
    default:
        code = F(save)(h, s->at, below(4) ? s->room : below(s->room), &n);
        if (code == C(OK)) s->n = n;
        return code;
    }
}

int main(int argc, char **argv) {
    int rounds = argc > 2 ? atoi(argv[2]) : 0;
    struct state s = {.n = 0};
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) * 0x9E3779B97F4A7C15u + 1 : 1;
    for (int r = 0; r < rounds; r++) {
        struct F(options)
            o = {.threads = (uint32_t)below(4), .context = (uint32_t)(r && below(3) ? 1 + below(200) : 0)};
        struct P *h;
        if (F(open)(&o, &h, NULL, 0) != C(OK)) return 1;
        if (r == 0) { /* states go on to handles of other contexts */
            s.room = (size_t)F(state_bytes)(h, C(CONTEXT));
            s.at = malloc(s.room);
            s.copy = malloc(s.room);
        }
        for (int i = 0; i < CALLS; i++) {
            int code = call(h, &s);
            if (code < 0 || code >= ERRORS || (code != C(OK) && !*F(message)(h))) abort();
            ended[code]++;
        }
        F(close)(h);
    }
    free(s.at);
    free(s.copy);
    for (int i = 0; i < ERRORS; i++) printf("%ld ", ended[i]);
    printf("\n");
    return 0;
}
