/* small.c -- the commands of a few lines: check, fmt, synth, messages. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "frontend/synth.h"
#include "lang/lang.h"
#include "tools/compile.h"

static int code_of(struct command_ctx *cx, bool ok) {
    int code = (int)diag_exit_code(cx->diag);
    return ok && !code ? EXIT_OK : code ? code : EXIT_IO;
}

/* ---- check ---- */

int command_check(struct command_ctx *cx, int argc, char **argv) {
    static const struct option options[] = {
        {"weights", required_argument, NULL, 'w'},       {"model", required_argument, NULL, 'm'},
        {"tokenizer", required_argument, NULL, 't'},     {"dialect", required_argument, NULL, 'd'},
        {"set", required_argument, NULL, 's'},           {"quiet", no_argument, NULL, 'q'},
        {"chat-template", required_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct model_args args = {0};
    struct compiled c = {0};
    for (int o; (o = command_option("check", argc, argv, ":q", options)) != -1;) {
        if (o == 'w')
            args.weights = optarg;
        else if (o == 'm')
            args.model = optarg;
        else if (o == 't')
            args.tokenizer = optarg;
        else if (o == 'd' && !gguf_dialect_set(cx->diag, optarg, &args.dialect))
            return EXIT_USAGE;
        else if (o == 'd')
            continue;
        else if (o == 'h')
            args.chat = optarg;
        else if (o == 'q')
            args.quiet = true;
        else if (o == 's')
            *vec_push(cx->arena, &args.sets) = optarg;
        else
            return EXIT_USAGE;
    }
    if (!command_words("check", argc, 1, "PATH or MODEL.stn")) return EXIT_USAGE;
    int code = compile_word("check", &args, argv[optind], false);
    if (code) return code;
    bool ok = args.weights || args.sets.n ? compile_load(cx, &args, false, &c)
                                          : frontend_check(cx->diag, cx->arena, cx->names, args.model);
    compile_close(&c);
    return code_of(cx, ok);
}

/* ---- fmt ---- */

static int format_file(struct command_ctx *cx, const char *path, bool check) {
    char *text;
    size_t n;
    struct buf out = {0};
    if (!file_read(cx->diag, cx->arena, path, LANG_MAX_TEXT, &text, &n)) return code_of(cx, false);
    if (!lang_format(cx->diag, diag_add_text(cx->diag, path, text, n), text, n, &out)) return code_of(cx, false);
    bool same = out.n == n && memcmp(out.at, text, n) == 0, ok = true;
    if (check && !same) printf("%s\n", path);
    if (!check && !same) {
        struct out *o = out_open(cx->diag, path, false);
        ok = o && out_write(o, out.at, out.n);
        if (o && ok)
            ok = out_commit(o);
        else if (o)
            out_discard(o);
    }
    buf_free(&out);
    return !ok ? code_of(cx, false) : check && !same ? EXIT_NO : EXIT_OK;
}

int command_fmt(struct command_ctx *cx, int argc, char **argv) {
    static const struct option options[] = {{"check", no_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
    bool check = false;
    int worst = EXIT_OK;
    for (int o; (o = command_option("fmt", argc, argv, ":", options)) != -1;) {
        if (o != 'k') return EXIT_USAGE;
        check = true;
    }
    if (optind == argc) return command_usage("fmt", "FILE.stn is missing");
    for (int i = optind; i < argc; i++) {
        int code = format_file(cx, argv[i], check);
        if (code > worst) worst = code;
    }
    return worst;
}

/* ---- synth ---- */

int command_synth(struct command_ctx *cx, int argc, char **argv) {
    static const struct option options[] = {{"set", required_argument, NULL, 's'},
                                            {"seed", required_argument, NULL, 'd'},
                                            {"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    struct model_args args = {0};
    struct compiled c = {0};
    const char *dir = NULL, *seed_text = "1";
    for (int o; (o = command_option("synth", argc, argv, ":o:", options)) != -1;) {
        switch (o) {
        case 's': *vec_push(cx->arena, &args.sets) = optarg; break;
        case 'd': seed_text = optarg; break;
        case 'o': dir = optarg; break;
        default: return EXIT_USAGE;
        }
    }
    uint64_t seed;
    if (!read_u64(seed_text, UINT64_MAX, &seed))
        return command_usage("synth", "--seed takes a number, not '%s'", seed_text);
    if (!command_words("synth", argc, 1, "MODEL.stn")) return EXIT_USAGE;
    if (!dir) return command_usage("synth", "-o DIR is missing");
    args.model = argv[optind];
    bool ok = compile_load(cx, &args, false, &c) &&
              synth_checkpoint(cx->diag, c.front.module, c.front.sources, &c.front.config, dir, seed);
    compile_close(&c);
    return code_of(cx, ok);
}

/* ---- lists ---- */

int command_messages(struct command_ctx *cx, int argc, char **argv) {
    (void)cx;
    (void)argv;
    if (argc > 1) return command_usage("messages", "takes no words");
    diag_list(stdout);
    return EXIT_OK;
}
