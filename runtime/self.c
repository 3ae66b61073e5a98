/*
 * self.c -- the executable maps itself.
 *
 * The file is /proc/self/exe; without /proc it is what the kernel was asked to run, then argv[0].
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/pack.h"
#include "runtime/rt.h"

static int open_self(struct setun_mapped_pack *p, const char *argv0) {
    const char *asked = (const char *)getauxval(AT_EXECFN);
    const char *const path[] = {"/proc/self/exe", asked, argv0};
    for (size_t i = 0; i < sizeof path / sizeof path[0]; i++) {
        if (!path[i]) continue;
        int fd = open(path[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        p->path = asked ? asked : argv0;
        return fd;
    }
    return -1;
}

static int read_footer(struct setun_mapped_pack *p, int fd, struct setun_footer *f) {
    struct stat st;
    if (fstat(fd, &st) != 0) return setun_fail(EXIT_IO, "%s: %s", p->path, strerror(errno));
    p->file_bytes = (uint64_t)st.st_size;
    if (p->file_bytes < sizeof *f) return setun_fail(EXIT_REJECTED, "%s: too short", p->path);
    ssize_t n = pread(fd, f, sizeof *f, (off_t)(p->file_bytes - sizeof *f));
    if (n != (ssize_t)sizeof *f) return setun_fail(EXIT_IO, "%s: cannot be read: %s", p->path, strerror(errno));
    char why[256];
    if (setun_footer_check(f, p->file_bytes, why, sizeof why)) return EXIT_OK;
    return setun_fail(EXIT_REJECTED, "%s: %s", p->path, why);
}

int setun_pack_open(struct setun_mapped_pack *p, const struct setun_model *m, const char *argv0) {
    *p = (struct setun_mapped_pack){0};
    int fd = open_self(p, argv0);
    if (fd < 0) return setun_fail(EXIT_IO, "%s: the executable cannot open itself: %s", argv0, strerror(errno));
    struct setun_footer f;
    int code = read_footer(p, fd, &f);
    if (code != EXIT_OK) {
        close(fd);
        return code;
    }
    void *at = mmap(NULL, f.pack_bytes, PROT_READ, MAP_SHARED, fd, (off_t)f.pack_offset);
    close(fd);
    if (at == MAP_FAILED) return setun_fail(EXIT_IO, "%s: the pack cannot be mapped: %s", p->path, strerror(errno));
    char why[256];
    if (setun_pack_at(p, at, f.pack_bytes, f.id, m, why, sizeof why)) return EXIT_OK;
    return setun_fail(EXIT_REJECTED, "%s: weight pack: %s", p->path, why);
}
