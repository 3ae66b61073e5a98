/*
 * peak.h -- how many products of eight-bit numbers a level's dot instruction makes when nothing else is in its way.
 */
#ifndef SETUN_BENCH_PEAK_H
#define SETUN_BENCH_PEAK_H

#include "backends/core/matmul.h"

/* Emits void peak(i64 n, ptr p) at the level of c: n rounds of independent dots on registers, which are loaded from p
 * and stored to it (PEAK_BYTES).  Returns its symbol. */
enum { PEAK_BYTES = 32 * 64 };
const char *peak_emit(struct cg *c);
typedef void peak_fn(int64_t n, void *p);

/* Products of n rounds. */
double peak_products(const struct cg_level *level, int64_t n);

#endif
