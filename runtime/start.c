/*
 * start.c -- main() of every executable.
 *
 * Compiled for the plain architecture: help and info work on any machine, and a level is chosen, or refused,
 * before a newer instruction runs.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/cmd.h"
#include "runtime/cpu.h"
#include "runtime/place.h"
#include "runtime/team.h"
#include "runtime/trace.h"

static int open_tokenizer(struct setun_app *app) {
    uint64_t n;
    char why[256];
    const void *section = setun_pack_section(&app->pack, SETUN_SEC_TOKENIZER, &n);
    if (n == 0 || setun_tok_open(&app->tok, section, n, why, sizeof why)) return EXIT_OK;
    return setun_fail(EXIT_REJECTED, "%s: weight pack: tokenizer: %s", app->pack.path, why);
}

static int on_engine(const struct setun_app *app, enum setun_command command, struct setun_engine *e) {
    const struct setun_tokenizer *t = app->tok.tok ? &app->tok : NULL;
    const struct setun_opts *o = &app->o;
    double begin = app->begin;
    uint64_t n;
    const void *chat = setun_pack_section(&app->pack, SETUN_SEC_CHAT, &n);
    if (command == SETUN_CHAT) return setun_chat(e, t, o, chat, n);
    if (command == SETUN_PPL) return setun_ppl(e, t, o, begin);
    if (command == SETUN_EMBED) return setun_embed(e, t, o, begin);
    return setun_run(e, t, o, begin);
}

static int with_engine(struct setun_app *app, enum setun_command command, const struct setun_level *level) {
    const struct setun_opts *o = &app->o;
    const struct setun_model *m = app->model;
    struct setun_trace trace = {.out = {.fd = -1}};
    struct setun_native n = {0};
    struct setun_native_config c = {.model = m,
                                    .level = level,
                                    .weights = app->pack.data,
                                    .weights_hash = app->pack.head->data_hash,
                                    .threads = o->threads ? setun_threads(o->threads)
                                                          : setun_default_threads(m->ternary_bytes),
                                    .context = o->context ? o->context : m->context};
    if (c.context > m->context) {
        setun_say("note: a context of %u positions is more than the %u that the model was made for", c.context,
                  m->context);
    }
    int code = o->trace ? setun_trace_open(&trace, o->trace) : EXIT_OK;
    if (code == EXIT_OK) code = setun_native_open(&n, &c);
    if (code == EXIT_OK && o->copy_weights) code = setun_native_copy(&n, &app->pack);
    if (code == EXIT_OK) {
        if (o->trace) setun_trace_attach(&trace, &n);
        if (!o->copy_weights) setun_pack_populate(&app->pack, n.team);
        code = on_engine(app, command, &n.e);
        uint64_t unpacked = n.team->step.unpacked_tiles; /* of builds that count */
        if (unpacked) setun_say("unpacked tiles: %llu", (unsigned long long)unpacked);
    }
    setun_native_close(&n);
    int kept = setun_trace_close(&trace, code == EXIT_OK);
    return code != EXIT_OK ? code : kept;
}

static int dispatch(struct setun_app *app, enum setun_command command, const char *argv0) {
    const struct setun_level *level = NULL;
    int code = EXIT_OK;
    const char *wanted = getenv("SETUN_CPU");
    if (wanted && *wanted == 0) wanted = NULL;
    if (command != SETUN_INFO && command != SETUN_SELFTEST) {
        code = setun_level_choose(app->model, setun_cpu_features(), wanted, NULL, &level);
    }
    if (code == EXIT_OK) code = setun_pack_open(&app->pack, app->model, argv0);
    if (code == EXIT_OK) code = open_tokenizer(app);
    if (code != EXIT_OK) return code;
    switch (command) {
    case SETUN_RUN:
    case SETUN_CHAT:
    case SETUN_PPL:
    case SETUN_EMBED: return with_engine(app, command, level);
    case SETUN_BENCH: return setun_bench(app, level);
    case SETUN_INFO: return setun_info(app);
    case SETUN_SELFTEST: return setun_selftest(app);
    }
    return EXIT_BUG;
}

static int print_help(const struct setun_app *app, int command) {
    struct setun_out out;
    int code = setun_out_stdout(&out);
    if (code != EXIT_OK) return code;
    if (command == 0) {
        setun_help(&out, app->program);
    } else {
        setun_command_help(&out, app->program, (enum setun_command)command);
    }
    return setun_out_close(&out, true);
}

static int print_version(const struct setun_app *app) {
    struct setun_out out;
    int code = setun_out_stdout(&out);
    if (code != EXIT_OK) return code;
    setun_out_printf(&out, "%s, built by %s, pack version %u, id %016llx\n", app->model->name, app->model->compiler,
                     SETUN_ABI, (unsigned long long)app->model->pack_id);
    return setun_out_close(&out, true);
}

int main(int argc, char **argv) {
    const char *argv0 = argc > 0 ? argv[0] : "setun", *slash = strrchr(argv0, '/');
    struct setun_app app = {.program = slash ? slash + 1 : argv0, .model = &setun_model, .begin = setun_now()};
    setun_standard_files();
    setun_signals();
    if (app.model->abi != SETUN_ABI) {
        return setun_fail(EXIT_BUG, "code of version %u, runtime of version %u", app.model->abi, SETUN_ABI);
    }
    if (argc < 2) return setun_fail(EXIT_USAGE, "no command; --help lists them");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return print_help(&app, 0);
    if (strcmp(argv[1], "--version") == 0) return print_version(&app);
    int command = setun_command_find(argv[1]);
    if (command == 0) return EXIT_USAGE;
    int code = setun_flags_parse(&app.o, (enum setun_command)command, argc - 2, argv + 2);
    if (code == EXIT_OK) {
        code = app.o.help ? print_help(&app, command) : dispatch(&app, (enum setun_command)command, argv0);
    }
    setun_tok_close(&app.tok);
    setun_flags_free(&app.o);
    return code;
}
