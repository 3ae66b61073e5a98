/*
 * meter.c -- how fast the machine reads: the yardstick of `bench`.
 *
 * A team streams the weights where the engine reads them, or, where those are small enough for a cache to hold, a
 * buffer of its own.  One pass is one figure, so that passes can stand between what is measured beside them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/bench/bench.h"
#include "runtime/stream.h"
#include "runtime/team.h"

enum { LEAST = 512 << 20 }; /* bytes to stream at the least: below that a large cache helps */

/* A contiguous share each. */
static void read_share(void *arg, uint32_t tid) {
    const struct setun_meter *m = arg;
    uint64_t lines = m->n / 64, from = lines * tid / m->team->n, to = lines * (tid + 1) / m->team->n;
    (void)setun_read_memory(m->at + from * 64, (to - from) * 64);
}

static uint64_t cache_size(void) {
    long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return l3 > 0 ? (uint64_t)l3 : l2 > 0 ? (uint64_t)l2 : 32u << 20;
}

int setun_meter_open(struct setun_meter *m, uint64_t weights) {
    *m = (struct setun_meter){.cache = cache_size()};
    uint64_t want = 4 * m->cache > LEAST ? 4 * m->cache : LEAST, room = setun_memory_available() / 2;
    m->n = weights & ~(uint64_t)63;
    if (weights >= want) return EXIT_OK;
    m->n = (want < room ? want : room) & ~(uint64_t)4095;
    m->own = mmap(NULL, m->n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->own == MAP_FAILED) {
        m->own = NULL;
        return setun_fail(EXIT_MEMORY, "no memory to measure the read bandwidth with");
    }
    madvise(m->own, m->n, MADV_HUGEPAGE);
    memset(m->own, 1, m->n);
    return EXIT_OK;
}

int setun_meter_threads(struct setun_meter *m, const uint8_t *weights, uint32_t threads) {
    setun_team_close(m->team);
    m->team = NULL;
    m->at = m->own ? m->own : weights;
    double unused;
    int code = setun_team_open(&m->team, threads, NULL);
    return code == EXIT_OK ? setun_meter_pass(m, &unused) : code; /* the first pass maps pages */
}

int setun_meter_pass(struct setun_meter *m, double *bytes_per_second) {
    double begin = setun_now();
    setun_team_run(m->team, read_share, m);
    *bytes_per_second = (double)m->n / (setun_now() - begin);
    return setun_stopped();
}

void setun_meter_close(struct setun_meter *m) {
    setun_team_close(m->team);
    if (m->own) munmap(m->own, m->n);
    *m = (struct setun_meter){0};
}
