/* team.c -- see team.h.  Of libc and threads only: a cross compiler compiles it without the project's libraries. */
#include "test/unit/team.h"

#include <pthread.h>
#include <string.h>

/* The phase between two barriers, and the place in it of the thread that runs. */
struct team_turns {
    pthread_barrier_t barrier;
    uint32_t phase, place;
    pthread_mutex_t lock;
    pthread_cond_t moved;
};

struct member {
    struct team *team;
    uint32_t tid;
};

/* Ascending, descending, and beginning anywhere. */
static uint32_t whose_turn(const struct team *t) {
    const struct team_turns *o = t->order;
    uint32_t from = o->phase / 2 % t->threads, n = t->threads;
    return o->phase % 2 ? (from + o->place) % n : (n - 1 - o->place + from) % n;
}

static void begin_apart(struct team *t) {
    for (int i = 0; i < TEAM_REGIONS; i++) {
        struct team_region *r = &t->regions[i];
        if (t->order->place == 0) {
            memcpy(r->before, r->at, r->n);
            memcpy(r->after, r->at, r->n);
        } else {
            memcpy(r->at, r->before, r->n);
        }
    }
}

/* Most runs of bytes are as they were. */
static void keep_changes(struct team *t, struct team_region *r, uint64_t from, uint64_t to) {
    if (!memcmp(r->at + from, r->before + from, to - from)) return;
    for (uint64_t b = from; b < to; b++) {
        if (r->at[b] == r->before[b]) continue;
        t->clashes += r->after[b] != r->before[b];
        r->after[b] = r->at[b];
    }
}

static void end_apart(struct team *t) {
    enum { RUN = 256 };
    for (int i = 0; i < TEAM_REGIONS; i++) {
        struct team_region *r = &t->regions[i];
        for (uint64_t from = 0; from < r->n; from += RUN)
            keep_changes(t, r, from, from + RUN < r->n ? from + RUN : r->n);
        if (t->order->place + 1 == t->threads) memcpy(r->at, r->after, r->n);
    }
}

static void await_turn(struct team *t, uint32_t tid, uint32_t phase) {
    struct team_turns *o = t->order;
    pthread_mutex_lock(&o->lock);
    while (o->phase != phase || whose_turn(t) != tid) pthread_cond_wait(&o->moved, &o->lock);
    if (t->apart) begin_apart(t);
    pthread_mutex_unlock(&o->lock);
}

static uint32_t end_turn(struct team *t) {
    struct team_turns *o = t->order;
    pthread_mutex_lock(&o->lock);
    uint32_t next = o->phase + 1;
    if (t->apart) end_apart(t);
    if (++o->place == t->threads) {
        o->place = 0;
        o->phase++;
    }
    pthread_cond_broadcast(&o->moved);
    pthread_mutex_unlock(&o->lock);
    return next;
}

static void wait_all(struct setun_step *s, uint32_t tid) {
    struct team *t = (struct team *)s;
    t->barriers += tid == 0;
    if (t->turns)
        await_turn(t, tid, end_turn(t));
    else
        pthread_barrier_wait(&t->order->barrier);
}

static void count_kernel(struct setun_step *s, uint32_t kernel, uint32_t layer) {
    (void)kernel;
    (void)layer;
    ((struct team *)s)->kernels++;
}

static void *run_member(void *p) {
    struct member *m = p;
    if (m->team->turns) await_turn(m->team, m->tid, 0);
    m->team->fn(&m->team->step, m->tid);
    if (m->team->turns) end_turn(m->team);
    return NULL;
}

uint64_t team_run(struct team *t) {
    pthread_t id[TEAM_MOST];
    struct member m[TEAM_MOST];
    struct team_turns order = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    pthread_barrier_init(&order.barrier, NULL, t->threads);
    t->order = &order;
    t->barriers = t->kernels = 0;
    t->step.barrier = wait_all;
    t->step.trace = t->turns ? count_kernel : NULL;
    for (uint32_t i = 0; i < t->threads; i++) {
        m[i] = (struct member){t, i};
        pthread_create(&id[i], NULL, run_member, &m[i]);
    }
    for (uint32_t i = 0; i < t->threads; i++) pthread_join(id[i], NULL);
    pthread_barrier_destroy(&order.barrier);
    return 0;
}
