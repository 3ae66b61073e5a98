/*
 * main.c -- setun-gen: random programs, and what must hold of all of them.
 *
 *   setun-gen --seed N                     prints the program of seed N
 *   setun-gen --check FROM TO [--stats]    checks seeds FROM <= n < TO; exit code 1 at the first that fails
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/gen/check.h"

static int usage(void) {
    fputs("usage: setun-gen --seed N | --check FROM TO [--stats]\n", stderr);
    return EXIT_USAGE;
}

static int print_program(uint64_t seed) {
    struct arena *a = arena_new();
    struct buf text = {0};
    ir_print(&text, gen_program(a, names_new(a), seed));
    fwrite(text.at, 1, text.n, stdout);
    buf_free(&text);
    arena_free(a);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_IO;
}

static int check_range(uint64_t from, uint64_t to, bool stats) {
    struct check_stats st = {0};
    for (uint64_t seed = from; seed < to; seed++)
        if (!check_program(seed, &st)) return 1;
    printf("%u programs, %u interpretations behind passes: all bits equal; %.1f %% of %u matmuls fused\n", st.programs, st.interpreted,
           st.matmuls ? 100.0 * st.matmul_epilogue / st.matmuls : 0.0, st.matmuls);
    if (stats) check_print_stats(&st);
    return EXIT_OK;
}

static bool number(const char *s, uint64_t *out) {
    char *end;
    *out = strtoull(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end;
}

int main(int argc, char **argv) {
    uint64_t from, to;
    if (argc == 3 && !strcmp(argv[1], "--seed") && number(argv[2], &from)) return print_program(from);
    bool stats = argc == 5 && !strcmp(argv[4], "--stats");
    if ((argc == 4 || stats) && !strcmp(argv[1], "--check") && number(argv[2], &from) && number(argv[3], &to))
        return check_range(from, to, stats);
    return usage();
}
