/*
 * command.h -- the commands of setun: one row each in commands.def, one file for each group.
 *
 * A command gets its words (argv[0] is its name) and a context that main makes and drops, and returns an exit code.
 */
#ifndef SETUN_TOOLS_COMMAND_H
#define SETUN_TOOLS_COMMAND_H

#include <getopt.h>

#include "base/diag.h"
#include "base/str.h"

struct command_ctx {
    struct diag *diag;
    struct arena *arena;
    struct names *names;
};

typedef int command_fn(struct command_ctx *cx, int argc, char **argv);

#define COMMAND(id, usage, text) command_fn command_##id;
#include "tools/commands.def"
#undef COMMAND

/* The flags of build, a line each, for its --help. */
void command_build_flags(FILE *out);

/*
 * getopt_long with our messages: the next option's value, -1 at the end, '?' after a usage error was printed.
 * letters: the options that have a short form, as getopt wants them, behind a colon.
 */
int command_option(const char *command, int argc, char **argv, const char *letters, const struct option *options);
/* "setun build: TEXT"; returns EXIT_USAGE. */
int command_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The words after the options: exactly n, or a usage error. */
bool command_words(const char *command, int argc, int n, const char *what);

#endif
