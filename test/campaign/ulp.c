/*
 * ulp.c -- how far the functions of ir/num.c are from the truth, over every input.
 *
 *   ulp [-s STEP] [-t THREADS] [NAME...]     STEP 1 (all inputs) unless told
 *
 * The reference is libm in double: its own error is below 2^-28 of a float's ulp.  For exp it also checks that
 * no result is smaller than that of the input before.  Exit 1 if a bound of the table is broken.
 * Built with ir/num.c, -O2 -ffp-contract=off, and -mfma where the machine has it (else fmaf is a call).
 */
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"
#include "ir/num.h"

static double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double ref_silu(double x) { return x / (1 + exp(-x)); }
static double ref_gelu(double x) {
    /* (1 + tanh y) / 2 = sigmoid(2 y), without the cancellation */
    double y = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    return x * ref_sigmoid(2 * y);
}
static double ref_cos(double u) { return cos(u * (2 * M_PI / 4294967296.0)); }
static double ref_sin(double u) { return sin(u * (2 * M_PI / 4294967296.0)); }

static float phase_cos(uint32_t u) {
    float c, s;
    num_cossin(u, &c, &s);
    return c;
}
static float phase_sin(uint32_t u) {
    float c, s;
    num_cossin(u, &c, &s);
    return s;
}

/* One function over the inputs lo..hi: floats, or 32-bit phases when fn is NULL. */
struct subject {
    const char *name;
    float (*fn)(float);
    float (*phase)(uint32_t);
    double (*ref)(double);
    float lo, hi;
    double max_ulp, max_abs; /* 0: only reported */
    bool monotone;
};

// clang-format off
static const struct subject subjects[] = {
    {"exp",     num_exp,     NULL,      exp,         -87.33f,   88.72283f,  2,   0, true},
    {"log",     num_log,     NULL,      log,         0x1p-126f, 0x1.fffffep127f, 2, 0, false},
    {"tanh",    num_tanh,    NULL,      tanh,        -100.0f,   100.0f,     2,   0, false},
    {"sigmoid", num_sigmoid, NULL,      ref_sigmoid, -87.33f,   100.0f,     3.5, 0, false},
    {"silu",    num_silu,    NULL,      ref_silu,    -87.33f,   1e30f,      3.5, 0, false},
    {"gelu",    num_gelu,    NULL,      ref_gelu,    -100.0f,   100.0f,     0,   0x1p-20, false},
    {"cos",     NULL,        phase_cos, ref_cos,     0,         0,          0,   0x1p-23, false},
    {"sin",     NULL,        phase_sin, ref_sin,     0,         0,          0,   0x1p-23, false},
};
// clang-format on

/* Floats in ascending order have ascending keys. */
static uint32_t key_of(float f) {
    uint32_t u = bits_of_f32(f);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}
static float of_key(uint32_t k) { return f32_of_bits(k & 0x80000000u ? k & 0x7fffffffu : ~k); }

struct part {
    const struct subject *s;
    uint64_t first, last, step; /* keys or phases */
    double ulp, abs;
    double ulp_at, abs_at;
    uint64_t drops; /* places where the result falls */
};

static double ulp_of(double truth) {
    int e = fabs(truth) < 0x1p-126 ? -126 : ilogb(truth);
    return ldexp(1.0, e - 23);
}

static void *measure(void *arg) {
    struct part *p = arg;
    float before = -INFINITY;
    for (uint64_t k = p->first; k <= p->last; k += p->step) {
        double x = p->s->fn ? (double)of_key((uint32_t)k) : (double)k;
        float got = p->s->fn ? p->s->fn((float)x) : p->s->phase((uint32_t)k);
        double truth = p->s->ref(x);
        double err = fabs((double)got - truth);
        double ulp = err / ulp_of(truth);
        if (!(ulp <= p->ulp)) p->ulp = ulp, p->ulp_at = x;
        if (!(err <= p->abs)) p->abs = err, p->abs_at = x;
        if (got < before) p->drops++;
        before = got;
    }
    return NULL;
}

static bool run(const struct subject *s, uint32_t step, uint32_t threads) {
    uint64_t first = s->fn ? key_of(s->lo) : 0, last = s->fn ? key_of(s->hi) : UINT32_MAX;
    uint64_t span = (last - first) / threads / step * step;
    struct part part[64];
    pthread_t id[64];
    for (uint32_t i = 0; i < threads; i++) {
        /* a part starts at the last input of the one before, so no neighbours are missed */
        uint64_t from = first + i * span, to = i + 1 == threads ? last : from + span;
        part[i] = (struct part){.s = s, .first = from, .last = to, .step = step};
        if (pthread_create(&id[i], NULL, measure, &part[i])) abort();
    }
    struct part all = {.s = s};
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        if (part[i].ulp > all.ulp) all.ulp = part[i].ulp, all.ulp_at = part[i].ulp_at;
        if (part[i].abs > all.abs) all.abs = part[i].abs, all.abs_at = part[i].abs_at;
        all.drops += part[i].drops;
    }
    bool ok = (s->max_ulp == 0 || all.ulp <= s->max_ulp) && (s->max_abs == 0 || all.abs <= s->max_abs) &&
              (!s->monotone || all.drops == 0);
    printf("%-8s %8.3f ulp at %-12a  abs %.3g (2^%.2f) at %-12a", s->name, all.ulp, all.ulp_at, all.abs, log2(all.abs),
           all.abs_at);
    if (s->monotone) printf("  %s", all.drops ? "NOT MONOTONE" : "monotone");
    printf("  %s\n", ok ? "ok" : "BOUND BROKEN");
    fflush(stdout);
    return ok;
}

int main(int argc, char **argv) {
    uint32_t step = 1;
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    for (int opt; (opt = getopt(argc, argv, "s:t:")) != -1;) {
        if (opt == 's')
            step = (uint32_t)strtoul(optarg, NULL, 10);
        else if (opt == 't')
            threads = strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (step == 0 || threads < 1) return 2;
    if (threads > 64) threads = 64;
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {
        bool wanted = optind == argc;
        for (int k = optind; k < argc; k++) wanted = wanted || !strcmp(argv[k], subjects[i].name);
        if (wanted && !run(&subjects[i], step, (uint32_t)threads)) ok = false;
    }
    return ok ? 0 : 1;
}
