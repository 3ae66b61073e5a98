/*
 * main.c -- setun-gen: random programs, and what must hold of all of them.
 *
 *   setun-gen --seed N                     prints the program of seed N
 *   setun-gen --rewired N                  prints it with operands replaced, as the check does
 *   setun-gen --check FROM TO [--stats]    checks seeds FROM <= n < TO; exit code 1 at the first that fails
 *   setun-gen --compile FROM TO            compares machine code with the interpreter; exit code 1 if any differs
 *   setun-gen --compile-for TARGET FROM TO DIR    writes what test/target/random.py compares on another machine
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "test/gen/check.h"
#include "test/gen/compile.h"
#include "test/gen/rewire.h"

static int usage(void) {
    fputs("usage: setun-gen --seed N | --rewired N | --check FROM TO [--stats] | --compile FROM TO\n"
          "     | --compile-for TARGET FROM TO DIR\n",
          stderr);
    return EXIT_USAGE;
}

static int print_program(uint64_t seed, bool rewired) {
    struct arena *a = arena_new();
    struct buf text = {0};
    struct ir_module *m = gen_program(a, names_new(a), seed);
    if (rewired) gen_rewire(m, seed);
    ir_print(&text, m);
    fwrite(text.at, 1, text.n, stdout);
    buf_free(&text);
    arena_free(a);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_IO;
}

static int check_range(uint64_t from, uint64_t to, bool stats) {
    struct check_stats st = {0};
    for (uint64_t seed = from; seed < to; seed++)
        if (!check_program(seed, &st)) return 1;
    printf(
        "%u programs and %u rewired, %u interpretations behind passes: all bits equal; %.1f %% of %u matmuls fused\n",
        st.programs, st.rewired, st.interpreted, st.matmuls ? 100.0 * st.matmul_epilogue / st.matmuls : 0.0,
        st.matmuls);
    if (stats) check_print_stats(&st);
    if (st.flat) printf("%u of them give logits that are all equal\n", st.flat);
    return st.flat > 1 + st.programs / 50 ? 1 : EXIT_OK;
}

struct program {
    struct arena *a;
    struct diag *d;
    struct ir_module *m;
    uint32_t tokens;
};

static struct program program_of(uint64_t seed) {
    struct gen_info info;
    struct program p = {.a = arena_new()};
    p.d = diag_new(p.a, stderr);
    p.m = gen_program_info(p.a, names_new(p.a), seed, &info);
    p.tokens = info.tokens > 70 ? info.tokens : 70; /* more than one chunk of 64 */
    if (p.tokens > p.m->context) p.tokens = p.m->context;
    return p;
}

static int compile_range(uint64_t from, uint64_t to) {
    struct compile_stats st = {0};
    uint32_t failed = 0;
    for (uint64_t seed = from; seed < to; seed++) {
        struct program p = program_of(seed);
        if (!compile_and_compare(p.d, p.a, p.m, seed, p.tokens, &st)) {
            printf("seed %" PRIu64 " failed\n", seed);
            failed++;
        }
        arena_free(p.a);
    }
    if (st.levels_skipped) printf("SKIP: %u times a level that this machine does not run\n", st.levels_skipped);
    printf("%u programs, %u runs of machine code against the interpreter: %u failed\n", st.programs, st.runs, failed);
    return failed ? 1 : EXIT_OK;
}

static int compile_range_for(const char *target, uint64_t from, uint64_t to, const char *dir) {
    bool ok = true;
    for (uint64_t seed = from; ok && seed < to; seed++) {
        struct program p = program_of(seed);
        ok = compile_for(p.d, p.a, p.m, seed, p.tokens, target, arena_printf(p.a, "%s/%" PRIu64, dir, seed));
        arena_free(p.a);
    }
    return ok ? EXIT_OK : 1;
}

static bool number(const char *s, uint64_t *out) {
    char *end;
    *out = strtoull(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end;
}

int main(int argc, char **argv) {
    uint64_t from, to;
    if (argc == 3 && !strcmp(argv[1], "--seed") && number(argv[2], &from)) return print_program(from, false);
    if (argc == 3 && !strcmp(argv[1], "--rewired") && number(argv[2], &from)) return print_program(from, true);
    bool stats = argc == 5 && !strcmp(argv[4], "--stats");
    if ((argc == 4 || stats) && !strcmp(argv[1], "--check") && number(argv[2], &from) && number(argv[3], &to))
        return check_range(from, to, stats);
    if (argc == 4 && !strcmp(argv[1], "--compile") && number(argv[2], &from) && number(argv[3], &to)) {
        file_signals();
        return compile_range(from, to);
    }
    if (argc == 6 && !strcmp(argv[1], "--compile-for") && number(argv[3], &from) && number(argv[4], &to)) {
        file_signals();
        return compile_range_for(argv[2], from, to, argv[5]);
    }
    return usage();
}
