/* main.c -- setun: finds the command and runs it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backends/backend.h"
#include "base/file.h"
#include "tools/command.h"

struct command {
    const char *name, *usage, *text;
    command_fn *run;
};

static const struct command commands[] = {
#define COMMAND(id, usage, text) {#id, usage, text, command_##id},
#include "tools/commands.def"
#undef COMMAND
};

int command_usage(const char *command, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "setun %s: ", command);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "; see setun --help\n");
    va_end(ap);
    return EXIT_USAGE;
}

static void suggest_option(const char *command, const char *word, const struct option *options) {
    const char *names[64];
    size_t n = 0;
    while (options[n].name && n < COUNT_OF(names)) {
        names[n] = options[n].name;
        n++;
    }
    const char *near = strncmp(word, "--", 2) == 0 ? nearest_name(word + 2, names, n) : NULL;
    if (near)
        command_usage(command, "unknown flag '%s'; did you mean '--%s'", word, near);
    else
        command_usage(command, "unknown flag '%s'", word);
}

int command_option(const char *command, int argc, char **argv, const char *letters, const struct option *options) {
    opterr = 0;
    int at = optind < 1 ? 1 : optind;
    int c = getopt_long(argc, argv, letters, options, NULL);
    if (c == ':') {
        command_usage(command, "'%s' needs a value", argv[optind - 1]);
        return '?';
    }
    if (c != '?') return c;
    suggest_option(command, argv[at < argc ? (optind > at ? optind - 1 : at) : argc - 1], options);
    return '?';
}

bool command_words(const char *command, int argc, int n, const char *what) {
    int have = argc - optind;
    if (have == n) return true;
    command_usage(command, have < n ? "%s is missing" : "more words than %s", what);
    return false;
}

static int help(FILE *out) {
    fprintf(out, "setun %s: a compiler from a model file and ternary weights to one executable\n\n", SETUN_VERSION);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(out, "  setun %s%s%s\n      %s\n", commands[i].name, *commands[i].usage ? " " : "", commands[i].usage,
                commands[i].text);
    fprintf(out, "\n  setun --version, setun --help\n\nExit codes: 0 ok, 1 the answer is no, 2 usage, 3 input "
                 "rejected, 4 unsupported, 5 I/O,\n"
                 "6 memory or space, 7 verification, 9 machine lacks a feature, 70 our bug, 130 interrupted.\n");
    return EXIT_OK;
}

static int help_of(const struct command *c) {
    printf("setun %s%s%s\n\n%s\n", c->name, *c->usage ? " " : "", c->usage, c->text);
    if (c->run != command_build) return EXIT_OK;
    printf("\nFlags, and what holds without them:\n");
    command_build_flags(stdout);
    return EXIT_OK;
}

static bool asks_help(const char *word) { return !strcmp(word, "--help") || !strcmp(word, "-h"); }

static int version(void) {
    printf("setun %s (LLVM %s)\n", SETUN_VERSION, backend_llvm_version());
    return EXIT_OK;
}

static int unknown(const char *word) {
    const char *names[COUNT_OF(commands)];
    for (size_t i = 0; i < COUNT_OF(commands); i++) names[i] = commands[i].name;
    const char *near = nearest_name(word, names, COUNT_OF(commands));
    fprintf(stderr, "setun: unknown command '%s'%s%s%s; see setun --help\n", word, near ? "; did you mean '" : "",
            near ? near : "", near ? "'" : "");
    return EXIT_USAGE;
}

static int dispatch(struct command_ctx *cx, int argc, char **argv) {
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (asks_help(argv[1]) || !strcmp(argv[1], "help")) return help(stdout);
    if (!strcmp(argv[1], "--version")) return version();
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        if (argc > 2 && asks_help(argv[2])) return help_of(&commands[i]);
        return commands[i].run(cx, argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}

int main(int argc, char **argv) {
    file_signals();
    struct command_ctx cx = {.arena = arena_new()};
    cx.diag = diag_new(cx.arena, stderr);
    cx.names = names_new(cx.arena);
    int code = dispatch(&cx, argc, argv);
    diag_finish(cx.diag);
    arena_free(cx.arena);
    return file_end_stdout(code);
}
