/*
 * damage.c -- the fuzz targets where there is no libFuzzer: each file named, whole and damaged in COUNT ways.
 *
 *   TARGET COUNT FILE ...
 *
 * A damage is a few bytes changed, a cut, a stretch written twice, or a few words that stand where others stood; the
 * same ones in every run.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LARGEST = 1 << 20, LONGEST = 64 };

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

static bool in_word(uint8_t c) { return isalnum(c) || c == '_' || c == '.' || c == '-'; }

/* Where a word begins and how long it is, searched from anywhere on; 0: there is none. */
static size_t find_word(const uint8_t *work, size_t n, uint64_t *state, size_t *at) {
    size_t i = (size_t)(draw(state) % n), k;
    while (i > 0 && in_word(work[i - 1])) i--;
    while (i < n && !in_word(work[i])) i++;
    for (k = 0; i + k < n && k < LONGEST && in_word(work[i + k]);) k++;
    *at = i;
    return k;
}

/* A word, everywhere or in one place, becomes another one of the file or a number that lengths do not expect. */
static size_t exchange(uint8_t *work, size_t n, uint64_t *state) {
    static const char *const odd[] = {"0",     "1",       "-1",         "63",         "65",
                                      "65536", "1048576", "2147483647", "4294967296", "1e38"};
    size_t at, from, length = find_word(work, n, state, &at), k = find_word(work, n, state, &from);
    uint8_t was[LONGEST], word[LONGEST];
    bool everywhere = draw(state) % 2, number = length && isdigit(work[at]) && draw(state) % 2;
    const char *other = odd[draw(state) % (sizeof odd / sizeof *odd)];
    if (number) k = strlen(other);
    memcpy(was, work + at, length);
    memcpy(word, number ? (const uint8_t *)other : work + from, k);
    for (size_t i = everywhere ? 0 : at; length && i + length <= n; i++) {
        bool alone = (i == 0 || !in_word(work[i - 1])) && (i + length == n || !in_word(work[i + length]));
        if (!alone || memcmp(work + i, was, length) != 0 || n + k - length > 2 * LARGEST) continue;
        memmove(work + i + k, work + i + length, n - i - length);
        memcpy(work + i, word, k);
        n += k - length;
        if (!everywhere) break;
        i += k;
    }
    return n;
}

/* work has room for twice LARGEST; the new length. */
static size_t damage(uint8_t *work, size_t n, uint64_t *state) {
    if (n == 0) return 0;
    switch (draw(state) % 6) {
    case 0: return (size_t)(draw(state) % n);
    case 1: {
        size_t from = (size_t)(draw(state) % n), length = (size_t)(draw(state) % (n - from + 1));
        memmove(work + from + length, work + from, n - from);
        return n + length;
    }
    case 2:
    case 3:
        for (uint64_t i = 1 + draw(state) % 2; i > 0 && n; i--) n = exchange(work, n, state);
        return n;
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
