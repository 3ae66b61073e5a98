/* init.c -- setun init: the page that a checkpoint fits, with its numbers, for people to edit. */
#include <stdio.h>

#include "base/file.h"
#include "tools/compile.h"

static bool write_page(struct command_ctx *cx, const struct model_args *args, const struct compiled *c,
                       const char *path) {
    if (!path) { /* a failure is told at the end of main */
        fwrite(c->text, 1, c->text_n, stdout);
        return true;
    }
    if (!compile_may_write(cx, args, c, path)) return false;
    struct out *o = out_open(cx->diag, path, false);
    if (o && out_write(o, c->text, c->text_n)) return out_commit(o);
    if (o) out_discard(o);
    return false;
}

int command_init(struct command_ctx *cx, int argc, char **argv) {
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"dialect", required_argument, NULL, 'd'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {NULL, 0, NULL, 0}};
    struct model_args args = {.weights_only = true};
    struct compiled c = {0};
    const char *path = NULL;
    for (int o; (o = command_option("init", argc, argv, ":o:q", options)) != -1;) {
        switch (o) {
        case 'm': args.model = optarg; break;
        case 'd':
            if (!gguf_dialect_set(cx->diag, optarg, &args.dialect)) return EXIT_USAGE;
            break;
        case 'o': path = optarg; break;
        case 'q': args.quiet = true; break;
        default: return EXIT_USAGE;
        }
    }
    if (!command_words("init", argc, 1, "PATH")) return EXIT_USAGE;
    args.weights = argv[optind];
    bool ok = compile_load(cx, &args, false, &c) && write_page(cx, &args, &c, path);
    compile_close(&c);
    int code = (int)diag_exit_code(cx->diag);
    return ok && !code ? EXIT_OK : code ? code : EXIT_IO;
}
