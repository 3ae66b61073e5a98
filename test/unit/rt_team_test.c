/* links: setun_rt_main */
/* rt_team_test -- nobody leaves a barrier before all have come; also with more threads than CPUs. */
#include "test/unit/expect.h"

#include "runtime/rt.h"
#include "runtime/team.h"

enum { MEETINGS = 300, RUNS = 20 };

struct shared {
    _Alignas(64) uint32_t mine[64][16]; /* a line a thread: plain stores, so that a thread checker sees races */
    struct setun_team *team;
    atomic_uint wrong;
};

static void walk(void *arg, uint32_t tid) {
    struct shared *s = arg;
    for (uint32_t i = 1; i <= MEETINGS; i++) {
        s->mine[tid][0] = i;
        s->team->step.barrier(&s->team->step, tid);
        for (uint32_t t = 0; t < s->team->n; t++) {
            if (s->mine[t][0] != i) atomic_fetch_add(&s->wrong, 1);
        }
        s->team->step.barrier(&s->team->step, tid);
    }
}

static void with_threads(uint32_t n) {
    static struct shared s;
    s = (struct shared){0};
    if (!EXPECT(setun_team_open(&s.team, n) == EXIT_OK)) return;
    s.team->step.barrier = setun_team_barrier;
    for (int i = 0; i < RUNS; i++) setun_team_run(s.team, walk, &s);
    EXPECT(s.wrong == 0);
    setun_team_close(s.team);
}

int main(void) {
    for (uint32_t n = 1; n <= 4; n++) with_threads(n);
    with_threads(9);
    return expect_end();
}
