/*
 * bandwidth.c -- how fast the machine reads: the yardstick of `bench`.
 *
 * A team streams the mapped weights, or, where those are small enough for a cache to hold, a buffer of its own:
 * the best pass of half a second.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/cmd.h"
#include "runtime/team.h"

enum { LEAST = 512 << 20 }; /* bytes to stream at the least: below that a large cache helps */

struct stream {
    const uint8_t *at;
    uint64_t n;
    uint32_t threads;
};

/* A contiguous share each. */
static void read_share(void *arg, uint32_t tid) {
    const struct stream *s = arg;
    uint64_t lines = s->n / 64, from = lines * tid / s->threads, to = lines * (tid + 1) / s->threads;
    setun_read_memory(s->at + from * 64, (to - from) * 64);
}

static uint64_t cache_size(void) {
    long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return l3 > 0 ? (uint64_t)l3 : l2 > 0 ? (uint64_t)l2 : 32u << 20;
}

/* The best pass of half a second, of two at the least. */
static int measure(struct stream *s, double *best) {
    struct setun_team *team;
    int code = setun_team_open(&team, s->threads), passes = 0;
    double start = setun_now(), now = start;
    *best = 0;
    while (code == EXIT_OK && (passes++ < 2 || now - start < 0.5)) {
        double begin = now;
        setun_team_run(team, read_share, s);
        now = setun_now();
        double rate = (double)s->n / (now - begin);
        if (rate > *best) *best = rate;
        code = setun_stopped();
    }
    setun_team_close(team);
    return code;
}

int setun_read_bandwidth(const struct setun_mapped_pack *p, uint32_t threads, double *bytes_per_second,
                         uint64_t *cache_bytes) {
    *cache_bytes = cache_size();
    uint64_t want = 4 * *cache_bytes > LEAST ? 4 * *cache_bytes : LEAST;
    uint64_t room = setun_memory_available() / 2;
    struct stream s = {.threads = threads};
    void *own = NULL;
    if (p->head->data.bytes >= want) {
        s.at = p->data;
        s.n = p->head->data.bytes & ~(uint64_t)63;
    } else {
        s.n = (want < room ? want : room) & ~(uint64_t)4095;
        own = mmap(NULL, s.n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (own == MAP_FAILED) return setun_fail(EXIT_MEMORY, "no memory to measure the read bandwidth with");
        madvise(own, s.n, MADV_HUGEPAGE);
        memset(own, 1, s.n);
        s.at = own;
    }
    int code = measure(&s, bytes_per_second);
    if (own) munmap(own, s.n);
    return code;
}
