/*
 * energy.c -- joules, where the kernel counts them: /sys/class/powercap/NAME/energy_uj of packages and of memory.
 *
 * A package holds its cores and what else is a part of it, so zones with other names would count twice; `dram` lies
 * beside the package, though it is listed inside, and `mmio` is a second way to the same counters.  Most systems let
 * only root read them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/bench/bench.h"

enum { PATH_BYTES = 512, LINE_BYTES = 64 };

static bool read_line(int fd, char *line) {
    ssize_t n = pread(fd, line, LINE_BYTES - 1, 0);
    line[n > 0 ? n : 0] = 0;
    line[strcspn(line, "\n")] = 0;
    return n > 0;
}

static bool read_number(int fd, uint64_t *v) {
    char line[LINE_BYTES], *end;
    if (!read_line(fd, line) || *line < '0' || *line > '9') return false;
    *v = strtoull(line, &end, 10);
    return *end == 0;
}

/* -1 if it cannot be read. */
static int open_file(const char *root, const char *zone, const char *file) {
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s/%s", root, zone, file) >= (int)sizeof path) return -1;
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool counts(const char *root, const char *zone) {
    char name[LINE_BYTES];
    int fd = open_file(root, zone, "name");
    bool ok = fd >= 0 && read_line(fd, name) && (strncmp(name, "package", 7) == 0 || strcmp(name, "dram") == 0);
    if (fd >= 0) close(fd);
    return ok;
}

static void add_zone(struct setun_energy *e, const char *root, const char *zone) {
    uint64_t now, range;
    if (e->n == SETUN_ENERGY_ZONES || zone[0] == '.' || strstr(zone, "mmio") || !counts(root, zone)) return;
    int fd = open_file(root, zone, "max_energy_range_uj");
    if (fd < 0 || !read_number(fd, &range)) range = 0;
    if (fd >= 0) close(fd);
    fd = open_file(root, zone, "energy_uj");
    if (fd < 0) return;
    if (!read_number(fd, &now)) {
        close(fd);
        return;
    }
    e->zone[e->n].fd = fd;
    e->zone[e->n++].range = range;
}

void setun_energy_open(struct setun_energy *e, const char *root) {
    *e = (struct setun_energy){0};
    if (!root) root = "/sys/class/powercap";
    DIR *d = opendir(root);
    if (!d) return;
    for (const struct dirent *z = readdir(d); z; z = readdir(d)) add_zone(e, root, z->d_name);
    closedir(d);
}

void setun_energy_begin(struct setun_energy *e) {
    for (uint32_t i = 0; i < e->n; i++) {
        if (!read_number(e->zone[i].fd, &e->zone[i].before)) e->zone[i].before = UINT64_MAX;
    }
}

double setun_energy_end(struct setun_energy *e) {
    double joules = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        uint64_t now, before = e->zone[i].before;
        if (before == UINT64_MAX || !read_number(e->zone[i].fd, &now)) return -1;
        if (now < before && e->zone[i].range < before) return -1;
        joules += (double)(now >= before ? now - before : e->zone[i].range - before + now) * 1e-6;
    }
    return joules;
}

void setun_energy_close(struct setun_energy *e) {
    for (uint32_t i = 0; i < e->n; i++) close(e->zone[i].fd);
    *e = (struct setun_energy){0};
}
