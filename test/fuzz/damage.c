/*
 * damage.c -- the fuzz targets where there is no libFuzzer: each file named, whole and damaged in COUNT ways.
 *
 *   TARGET COUNT FILE ...
 *
 * A damage is a few bytes changed, a cut, or a stretch written twice; the same ones in every run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LARGEST = 1 << 20 };

static uint64_t draw(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Values that lengths and counts do not expect, and any others. */
static uint8_t odd_byte(uint64_t *state) {
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff};
    uint64_t x = draw(state);
    return x % 3 ? (uint8_t)(x >> 8) : odd[(x >> 8) % sizeof odd];
}

/* work has room for twice n; the new length. */
static size_t damage(uint8_t *work, size_t n, uint64_t *state) {
    if (n == 0) return 0;
    switch (draw(state) % 4) {
    case 0: return (size_t)(draw(state) % n);
    case 1: {
        size_t from = (size_t)(draw(state) % n), length = (size_t)(draw(state) % (n - from + 1));
        memmove(work + from + length, work + from, n - from);
        return n + length;
    }
    default:
        for (uint64_t i = 1 + draw(state) % 4; i > 0; i--) work[draw(state) % n] = odd_byte(state);
        return n;
    }
}

static int run_file(const char *path, long count) {
    static uint8_t whole[LARGEST], work[2 * LARGEST];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(whole, 1, LARGEST, f) : 0;
    if (!f || ferror(f) || fclose(f) != 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    LLVMFuzzerTestOneInput(whole, n);
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (long i = 0; i < count; i++) {
        memcpy(work, whole, n);
        LLVMFuzzerTestOneInput(work, damage(work, n, &state));
    }
    return 0;
}

int main(int argc, char **argv) {
    int bad = argc < 3;
    for (int i = 2; i < argc && !bad; i++) bad = run_file(argv[i], strtol(argv[1], NULL, 10));
    if (argc < 3) fprintf(stderr, "usage: %s COUNT FILE ...\n", argv[0]);
    return bad;
}
