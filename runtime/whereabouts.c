/*
 * whereabouts.c -- what the kernel says of memory: how much of it is there, on which nodes, in huge pages (place.h).
 *
 * Nodes are asked for a thousand pages, spread evenly, which are touched for that: a page that is in memory without
 * being mapped has no node to be asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/place.h"

enum { VIEW = 1 << 14, ASKED = 1024, NODES = 64 };

static unsigned char *page_of(const uint8_t *at) {
    return (unsigned char *)((uintptr_t)at & ~(uintptr_t)(setun_page_bytes() - 1));
}

/* Pages that the kernel has in memory; of a file that is not ours it calls all of them so. */
static uint64_t in_memory(unsigned char *from, uint64_t pages) {
    unsigned char seen[VIEW];
    uint64_t n = 0, page = setun_page_bytes();
    for (uint64_t at = 0; at < pages; at += VIEW) {
        uint64_t some = pages - at < VIEW ? pages - at : VIEW;
        if (mincore(from + at * page, some * page, seen) != 0) return 0;
        for (uint64_t i = 0; i < some; i++) n += seen[i] & 1;
    }
    return n;
}

static void print_nodes(struct setun_out *out, unsigned char *from, uint64_t pages) {
    void *asked[ASKED];
    int status[ASKED];
    uint32_t on[NODES] = {0}, n = 0, known = 0;
    uint64_t bytes = setun_page_bytes();
    for (uint32_t i = 0; i < ASKED && i < pages; i++) {
        unsigned char there, *page = from + pages * i / (pages < ASKED ? pages : ASKED) * bytes;
        if (mincore(page, bytes, &there) != 0 || !(there & 1)) continue;
        (void)*(volatile unsigned char *)page;
        asked[n++] = page;
    }
    if (n == 0 || syscall(SYS_move_pages, 0, (unsigned long)n, asked, NULL, status, 0) != 0) return;
    for (uint32_t i = 0; i < n; i++)
        if (status[i] >= 0 && status[i] < NODES) {
            on[status[i]]++;
            known++;
        }
    for (int node = 0; node < NODES; node++)
        if (on[node]) setun_out_printf(out, ", node %d %.1f %%", node, 100.0 * on[node] / known);
}

/* Of the mapping that begins at or before `at`: KiB in huge pages, by the lines of /proc/self/smaps. */
static uint64_t huge_kib(const unsigned char *at) {
    static const char *const keys[] = {"AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:"};
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    bool here = false;
    uint64_t sum = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2) here = from <= (uintptr_t)at && (uintptr_t)at < to;
        for (size_t i = 0; here && i < sizeof keys / sizeof *keys; i++)
            if (strncmp(line, keys[i], strlen(keys[i])) == 0) sum += strtoull(line + strlen(keys[i]), NULL, 10);
    }
    if (f) fclose(f);
    return sum;
}

void setun_place_print(struct setun_out *out, const uint8_t *at, uint64_t n) {
    if (n == 0) return;
    unsigned char *from = page_of(at);
    uint64_t page = setun_page_bytes(), pages = ((uint64_t)(at + n - from) + page - 1) / page;
    setun_out_printf(out, "weights lie: %.1f %% in memory", 100.0 * (double)in_memory(from, pages) / (double)pages);
    print_nodes(out, from, pages);
    setun_out_printf(out, ", %llu MiB in huge pages\n", (unsigned long long)huge_kib(from) >> 10);
}
