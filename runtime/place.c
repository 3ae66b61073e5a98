/*
 * place.c -- populating the mapped weights, and copying them (place.h).
 *
 * A thread's share of a kernel is a run of rows, so that of a tensor is, nearly, a run of its bytes; what lies between
 * two beginnings of tensors, of any layer, is split evenly.  (Kernels of several matrices of different heights split
 * their rows as one, so near a boundary a thread reads some of its neighbour's.)
 */
#include "runtime/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/cgroup.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

enum { SLICE = 16 << 20, HUGE_PAGE = 2 << 20 };

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- ahead of use ---- */

/* Page tables for cached data cost 14 ms a GiB and thread this way, and several times that fault by fault; data on
 * disk is read in order.  In slices, so that a signal is heard in between.  false: the kernel cannot do it. */
static bool populate(const uint8_t *at, uint64_t n) {
    for (uint64_t done = 0; done < n && !setun_stopped(); done += SLICE) {
        void *slice = (void *)(uintptr_t)(at + done);
        if (madvise(slice, (size_t)least(SLICE, n - done), MADV_POPULATE_READ) != 0 && errno == EINVAL) return false;
    }
    return true;
}

struct populating {
    const uint8_t *at;
    uint64_t bytes;
    uint32_t threads;
};

static void populate_share(void *arg, uint32_t tid) {
    const struct populating *p = arg;
    uint64_t page = setun_page_bytes(), pages = (p->bytes + page - 1) / page;
    uint64_t from = pages * tid / p->threads * page, to = least(pages * (tid + 1) / p->threads * page, p->bytes);
    if (!populate(p->at + from, to - from) && tid == 0)
        madvise((void *)(uintptr_t)p->at, (size_t)p->bytes, MADV_WILLNEED);
}

void setun_pack_populate(const struct setun_mapped_pack *p, struct setun_team *team) {
    struct populating all = {.at = p->data, .bytes = p->head->data.bytes, .threads = team ? team->n : 1};
    if (team)
        setun_team_run(team, populate_share, &all);
    else
        populate_share(&all, 0);
}

/* ---- a copy ---- */

struct copying {
    const struct setun_mapped_pack *p;
    uint8_t *to;
    uint64_t *begin; /* of tensors, ascending; begin[n] is the end */
    uint32_t n, threads;
};

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A tensor of a damaged table has no more layers than fit the data. */
static uint32_t layers_of(const struct setun_tensor *t) {
    return t->layers > 0 && t->layer_stride >= 64 ? t->layers : 1;
}

static int list_begins(struct copying *c) {
    char why[256];
    uint32_t n;
    uint64_t bytes, room = 1, end = c->p->head->data.bytes;
    const struct setun_tensor *t = setun_pack_section(c->p, SETUN_SEC_TENSORS, &bytes);
    if (!setun_tensors_check(t, bytes, end, &n, why, sizeof why))
        return setun_fail(EXIT_REJECTED, "%s: weight pack: %s", c->p->path, why);
    for (uint32_t i = 0; i < n; i++) room += 2 * ((uint64_t)layers_of(&t[i]) + 1);
    c->begin = calloc((size_t)room, sizeof *c->begin);
    if (!c->begin) return setun_fail(EXIT_MEMORY, "out of memory");
    c->begin[c->n++] = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t l = 0; l < layers_of(&t[i]); l++) {
            c->begin[c->n++] = least(t[i].offset + l * t[i].layer_stride, end);
            if (t[i].n_scales) c->begin[c->n++] = least(t[i].scale_offset + l * t[i].layer_stride, end);
        }
    qsort(c->begin, c->n, sizeof *c->begin, by_number);
    c->begin[c->n] = end;
    return EXIT_OK;
}

/* What was copied is given back to the page cache, or both would be held. */
static void copy_share(void *arg, uint32_t tid) {
    const struct copying *c = arg;
    const uint64_t page_bytes = setun_page_bytes();
    for (uint32_t i = 0; i < c->n; i++) {
        uint64_t from = c->begin[i], n = c->begin[i + 1] - from;
        uint64_t lo = from + n / 64 * tid / c->threads * 64;
        uint64_t hi = tid + 1 == c->threads ? from + n : from + n / 64 * (tid + 1) / c->threads * 64;
        for (uint64_t at = lo; at < hi && !setun_stopped(); at += SLICE) {
            uint64_t some = least(SLICE, hi - at), page = at / page_bytes * page_bytes;
            void *mapped = (void *)(uintptr_t)(c->p->data + page);
            madvise(mapped, (size_t)(at + some - page), MADV_POPULATE_READ);
            memcpy(c->to + at, c->p->data + at, (size_t)some);
            madvise(mapped, (size_t)(at + some - page), MADV_DONTNEED);
        }
    }
}

/* Memory of several nodes: a huge page would be one node's, and a tensor of a layer is hardly longer. */
static bool many_nodes(void) {
    char text[256];
    setun_small_file("/sys/devices/system/node/online", text, sizeof text);
    return strpbrk(text, ",-") != NULL;
}

int setun_weights_copy_open(struct setun_weights_copy *c, const struct setun_mapped_pack *p, struct setun_team *team,
                            uint64_t taken) {
    uint64_t bytes = p->head->data.bytes, available = setun_memory_available();
    *c = (struct setun_weights_copy){0};
    available = available > taken ? available - taken : 0;
    if (bytes > available)
        return setun_fail(EXIT_MEMORY, "a copy of the weights needs %.0f MiB of memory, %.0f MiB are available",
                          (double)bytes / (1 << 20), (double)available / (1 << 20));
    uint64_t room = (bytes + setun_page_bytes() + HUGE_PAGE - 1) / HUGE_PAGE *
                    HUGE_PAGE; /* behind the last tensor, loads find a page */
    void *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return setun_fail(EXIT_MEMORY, "a copy of the weights cannot be had: %s", strerror(errno));
    *c = (struct setun_weights_copy){.at = at, .bytes = room};
    if (!many_nodes()) madvise(at, room, MADV_HUGEPAGE);
    struct copying work = {.p = p, .to = at, .threads = team->n};
    int code = list_begins(&work);
    if (code == EXIT_OK) {
        setun_team_run(team, copy_share, &work);
        (void)mprotect(at, room, PROT_READ);
        code = setun_stopped();
    }
    free(work.begin);
    return code;
}

int setun_native_copy(struct setun_native *n, const struct setun_mapped_pack *p) {
    int code = setun_weights_copy_open(&n->copy, p, n->team, n->bytes);
    if (code == EXIT_OK) n->team->step.weights = n->copy.at;
    return code;
}

void setun_weights_copy_close(struct setun_weights_copy *c) {
    if (c->at) munmap(c->at, c->bytes);
    *c = (struct setun_weights_copy){0};
}
