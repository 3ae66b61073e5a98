/* links: setun_rt_main */
/*
 * rt_meter_test -- what measures the read bandwidth reads every byte of its share once, none beside it, and meets no
 * page that is not mapped yet.
 */
#include "test/unit/expect.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/bench/bench.h"
#include "runtime/stream.h"

enum { PAGE = 4096, ROOM = 4 * PAGE };

/* A byte of 1 among zeros, as part of a word, is a power of 256; one that is read twice is not, one that is left out
 * is 0. */
static bool read_once(uint64_t sum) {
    while (sum > 255 && sum % 256 == 0) sum /= 256;
    return sum == 1;
}

/* n bytes at any alignment, with pages on both sides that may not be read. */
static void check_bytes(uint8_t *room, uint64_t n) {
    for (unsigned late = 0; late < 2; late++) {
        uint8_t *at = late ? room + ROOM - n : room;
        memset(room, 0, ROOM);
        EXPECT(setun_read_memory(at, n) == 0);
        for (uint64_t i = 0; i < n; i++) {
            at[i] = 1;
            if (!EXPECT(read_once(setun_read_memory(at, n)))) return;
            at[i] = 0;
        }
        memset(room, 1, ROOM); /* what lies beside it does not count */
        memset(at, 0, n);
        EXPECT(setun_read_memory(at, n) == 0);
    }
}

static void check_reader(void) {
    static const uint64_t sizes[] = {0, 1, 63, 64, 383, 384, 385, 767, 768, 1000, 4096, 6144, 6145, 7777};
    uint8_t *room = mmap(NULL, ROOM + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!EXPECT(room != MAP_FAILED)) return;
    mprotect(room, PAGE, PROT_NONE);
    mprotect(room + PAGE + ROOM, PAGE, PROT_NONE);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) check_bytes(room + PAGE, sizes[i]);
    munmap(room, ROOM + 2 * PAGE);
}

static long faults(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_minflt + use.ru_majflt;
}

/* Weights of 600 MB or more, of which no page is there yet. */
static void check_meter(void) {
    struct setun_meter m;
    double speed = 0;
    if (!EXPECT(setun_meter_open(&m, 1000) == EXIT_OK)) return;
    uint64_t n = (4 * m.cache > 600000000 ? 4 * m.cache : 600000000) + 77;
    EXPECT(m.own && setun_meter_threads(&m, NULL, 1) == EXIT_OK && setun_meter_pass(&m, &speed) == EXIT_OK &&
           speed > 1e6);
    setun_meter_close(&m);
    uint8_t *room = mmap(NULL, n + 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!EXPECT(room != MAP_FAILED)) return;
    EXPECT(setun_meter_open(&m, n) == EXIT_OK && !m.own && m.n == n / 64 * 64);
    for (uint32_t threads = 1; threads <= 2; threads++) {
        const uint8_t *weights = room + threads * PAGE; /* a copy of them lies elsewhere each time */
        madvise(room, n + 2 * PAGE, MADV_DONTNEED);
        EXPECT(setun_meter_threads(&m, weights, threads) == EXIT_OK && m.at == weights);
        long before = faults();
        EXPECT(setun_meter_pass(&m, &speed) == EXIT_OK && speed > 1e6);
        EXPECT(faults() - before < 100); /* of 146 000 pages */
    }
    setun_meter_close(&m);
    munmap(room, n + 2 * PAGE);
}

int main(void) {
    check_reader();
    check_meter();
    return expect_end();
}
