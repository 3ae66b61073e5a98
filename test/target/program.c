/*
 * program.c -- a random program on a machine of another family: DATA and WANT are what setun-gen --compile-for wrote,
 * the code is linked in.
 *
 *   program DATA WANT      prints how many runs gave the interpreter's bits, or the first that did not
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/gen/native.h"

extern const struct setun_model setun_model;

static const uint8_t *map(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    void *p = fd < 0 || fstat(fd, &st) ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) perror(path), exit(6);
    close(fd);
    return p;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const uint8_t *data = map(argv[1]), *want = map(argv[2]);
    struct trial t;
    uint32_t ran = 0, skipped = 0;
    memcpy(&t.seed, want, 8), memcpy(&t.n, want + 8, 4), memcpy(&t.vocab, want + 12, 4);
    t.tokens = (const uint32_t *)(const void *)(want + 16);
    t.want = (const float *)(const void *)(t.tokens + t.n);
    t.got = calloc((size_t)t.n * t.vocab, sizeof(float));
    bool ok = t.got && native_matches(&t, &setun_model, data, &ran, &skipped);
    if (ok) printf("seed %llu: %u runs, %u levels left out\n", (unsigned long long)t.seed, ran, skipped);
    free(t.got);
    return !ok;
}
