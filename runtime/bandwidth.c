/*
 * bandwidth.c -- how fast the machine reads: the yardstick of `bench`.
 *
 * A team streams the mapped weights, or, where those are small enough for a cache to hold, a buffer of its own:
 * the best of a few passes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/cmd.h"
#include "runtime/team.h"

struct stream {
    const uint8_t *at;
    uint64_t n; /* a multiple of 64 */
    uint32_t threads;
    _Alignas(64) uint64_t sum[1024][8]; /* a line a thread: what is read has to go somewhere */
};

/* A contiguous share each; the fetch runs two pages ahead, as in the kernels. */
static void read_share(void *arg, uint32_t tid) {
    struct stream *s = arg;
    uint64_t lines = s->n / 64, from = lines * tid / s->threads, to = lines * (tid + 1) / s->threads;
    uint64_t a[8] = {0};
    for (uint64_t i = from; i < to; i++) {
        const uint8_t *line = s->at + i * 64;
        uint64_t w[8];
        __builtin_prefetch(line + 4096);
        memcpy(w, line, sizeof w);
        for (int j = 0; j < 8; j++) a[j] += w[j];
    }
    for (int j = 0; j < 8; j++) s->sum[tid][j] += a[j];
}

static uint64_t cache_size(void) {
    long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return l3 > 0 ? (uint64_t)l3 : l2 > 0 ? (uint64_t)l2 : 32u << 20;
}

static int measure(struct stream *s, double *best) {
    enum { PASSES = 5 };
    struct setun_team *team;
    int code = setun_team_open(&team, s->threads);
    *best = 0;
    for (int i = 0; i < PASSES && code == EXIT_OK; i++) {
        double begin = setun_now();
        setun_team_run(team, read_share, s);
        double rate = (double)s->n / (setun_now() - begin);
        if (rate > *best) *best = rate;
        code = setun_stopped();
    }
    setun_team_close(team);
    return code;
}

int setun_read_bandwidth(const struct setun_mapped_pack *p, uint32_t threads, double *bytes_per_second,
                         uint64_t *cache_bytes) {
    *cache_bytes = cache_size();
    uint64_t want = 4 * *cache_bytes > (256u << 20) ? 4 * *cache_bytes : 256u << 20;
    uint64_t room = setun_memory_available() / 2;
    struct stream *s = aligned_alloc(64, sizeof *s);
    if (!s) return setun_fail(EXIT_MEMORY, "out of memory");
    memset(s, 0, sizeof *s);
    s->threads = threads;
    void *own = NULL;
    if (p->head->data.bytes >= want) {
        s->at = p->data;
        s->n = p->head->data.bytes & ~(uint64_t)63;
    } else {
        s->n = (want < room ? want : room) & ~(uint64_t)4095;
        own = mmap(NULL, s->n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (own == MAP_FAILED) {
            free(s);
            return setun_fail(EXIT_MEMORY, "no memory to measure the read bandwidth with");
        }
        madvise(own, s->n, MADV_HUGEPAGE);
        memset(own, 1, s->n);
        s->at = own;
    }
    int code = measure(s, bytes_per_second);
    if (own) munmap(own, s->n);
    free(s);
    return code;
}
