/*
 * build.c -- setun build: kernels, object, link, pack; all outputs appear whole or none does.
 *
 * For several targets all of it is done again for each, from the text on: passes change the module, and their choices
 * are the target's.  Only packs that are the same, as most are, are copied from the first.  Outputs get their names
 * when the last is complete.
 */
#include <stdio.h>
#include <string.h>

#include "passes/pass.h"
#include "tools/compile.h"
#include "tools/library.h"
#include "tools/link.h"
#include "tools/packfile.h"
#include "tools/progress.h"
#include "tools/targets.h"

/* The licences of what an executable holds, from runtime/NOTICES at build time. */
extern const unsigned char setun_notices[];
extern const size_t setun_notices_n;

enum emit_kind { EMIT_EXE, EMIT_OBJ, EMIT_IR, EMIT_SIR, EMIT_LLVM, EMIT_ASM, EMIT_LIB, EMIT_KINDS };
static const char *const emit_names[EMIT_KINDS] = {"exe", "obj", "ir", "sir", "llvm", "asm", "lib"};

struct build_args {
    struct model_args model;
    struct backend_options backend;
    const char *out, *print_after, *prefix;
    struct library lib;      /* of EMIT_LIB */
    const char *target_text; /* of --target */
    target_list targets;
    struct link_options link; /* to the target at hand */
    enum ir_core core;        /* IR_N_CORES: by rule */
    bool print_schedule;
    enum pass_head head;
    enum emit_kind emit;
    out_list *outputs; /* of all targets */
    struct pack_made *made;
};

#define SHORT ":o:q"

static const struct option options[] = {
#define FLAG(letter, name, arg, text) {name, sizeof(arg) > 1 ? required_argument : no_argument, NULL, letter},
#include "tools/build_flags.def"
#undef FLAG
    {NULL, 0, NULL, 0}};

void command_build_flags(FILE *out) {
    static const char *const arg[] = {
#define FLAG(letter, name, arg, text) arg,
#include "tools/build_flags.def"
#undef FLAG
    };
    static const char *const text[] = {
#define FLAG(letter, name, arg, text) text,
#include "tools/build_flags.def"
#undef FLAG
    };
    for (size_t i = 0; i < COUNT_OF(text); i++) {
        char flag[64], letter[8] = "";
        if (strchr(SHORT, options[i].val)) snprintf(letter, sizeof letter, "-%c, ", options[i].val);
        snprintf(flag, sizeof flag, "%s--%s %s", letter, options[i].name, arg[i]);
        fprintf(out, "  %-28s %s\n", flag, text[i]);
    }
}

static int find_emit(const char *word, enum emit_kind *kind) {
    for (int i = 0; i < EMIT_KINDS; i++)
        if (!strcmp(word, emit_names[i])) {
            *kind = (enum emit_kind)i;
            return EXIT_OK;
        }
    return command_usage("build", "--emit takes exe, lib, obj, ir, sir, llvm or asm, not '%s'", word);
}

static int parse_rows(const char *word, uint32_t *rows) {
    uint64_t n;
    if (!read_u64(word, 1024, &n) || n < 1) return command_usage("build", "--rows takes 1 to 1024, not '%s'", word);
    *rows = (uint32_t)n;
    return EXIT_OK;
}

static int parse_linker(struct arena *a, const char *word, link_words *linker) {
    if (link_split(a, word, linker)) return EXIT_OK;
    return command_usage("build", "--linker takes a program and its flags as a shell does, not '%s'", word);
}

static int find_core(const char *word, enum ir_core *core) {
    const char *names[IR_N_CORES + 1] = {[IR_N_CORES] = "auto"}, *near;
    *core = ir_core_named(word);
    if (*core != IR_N_CORES || !strcmp(word, "auto")) return EXIT_OK;
    char text[256] = "";
    for (int i = 0; i < IR_N_CORES; i++) {
        names[i] = ir_cores[i].name;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s, ", names[i]);
    }
    near = nearest_name(word, names, IR_N_CORES + 1);
    if (near) return command_usage("build", "--core takes %sor auto, not '%s'; did you mean '%s'", text, word, near);
    return command_usage("build", "--core takes %sor auto, not '%s'", text, word);
}

static int find_head(const char *word, enum pass_head *head) {
    static const char *const names[] = {"auto", "screened", "full"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(word, names[i])) {
            *head = (enum pass_head)i;
            return EXIT_OK;
        }
    return command_usage("build", "--head takes auto, screened or full, not '%s'", word);
}

static int find_pass(const char *word, const char **name) {
    *name = word;
    if (!strcmp(word, "all") || pass_find(word)) return EXIT_OK;
    return command_usage("build", "--print-after takes a pass or all, not '%s'; setun-opt --list has the passes", word);
}

static bool has_weights(const struct build_args *b) { return b->emit == EMIT_EXE || b->emit == EMIT_LIB; }

/* What is known to fail is told before anything is read. */
static int parse_targets(struct command_ctx *cx, struct build_args *b) {
    if (!targets_read(cx, b->target_text, &b->targets)) return (int)diag_exit_code(cx->diag);
    for (size_t i = 0; has_weights(b) && i < b->targets.n; i++) {
        struct link_options o = {.target = b->targets.at[i], .linker = b->link.linker};
        if (!link_runtime(cx->diag, cx->arena, &o.target) || !link_found(cx->diag, cx->arena, &o))
            return (int)diag_exit_code(cx->diag);
    }
    if (b->targets.n == 1) return EXIT_OK;
    if (b->link.linker.n || b->link.sysroot || b->link.objcopy)
        return command_usage("build", "--linker, --sysroot and --objcopy are of one target, not of %zu", b->targets.n);
    if (b->backend.levels && strcmp(b->backend.levels, "portable") != 0)
        return command_usage("build", "--cpu takes levels of one target, or portable, not '%s'", b->backend.levels);
    if (!b->out) return command_usage("build", "-o FILE is missing; a target's output is FILE.TARGET");
    return EXIT_OK;
}

static int parse_args(struct command_ctx *cx, int argc, char **argv, struct build_args *b) {
    int c, code = EXIT_OK;
    while (code == EXIT_OK && (c = command_option("build", argc, argv, SHORT, options)) != -1) {
        switch (c) {
        case 'w': b->model.weights = optarg; break;
        case 'm': b->model.model = optarg; break;
        case 't': b->model.tokenizer = optarg; break;
        case 'd': code = gguf_dialect_set(cx->diag, optarg, &b->model.dialect) ? EXIT_OK : EXIT_USAGE; break;
        case 'h': b->model.chat = optarg; break;
        case 's': *vec_push(cx->arena, &b->model.sets) = optarg; break;
        case 'c': b->backend.levels = optarg; break;
        case 'k': code = find_core(optarg, &b->core); break;
        case 'S': b->print_schedule = true; break;
        case 'e': code = find_emit(optarg, &b->emit); break;
        case 'a': code = find_head(optarg, &b->head); break;
        case 'g': b->target_text = optarg; break;
        case 'l': code = parse_linker(cx->arena, optarg, &b->link.linker); break;
        case 'y': b->link.sysroot = optarg; break;
        case 'x': b->prefix = optarg; break;
        case 'O': b->link.objcopy = optarg; break;
        case 'n': b->backend.count = true; break;
        case 'r': code = parse_rows(optarg, &b->model.max_rows); break;
        case 'p': code = find_pass(optarg, &b->print_after); break;
        case 'o': b->out = optarg; break;
        case 'q': b->model.quiet = true; break;
        default: return EXIT_USAGE;
        }
    }
    if (code) return code;
    if (!command_words("build", argc, 1, "PATH or MODEL.stn")) return EXIT_USAGE;
    code = compile_word("build", &b->model, argv[optind], has_weights(b));
    if (code) return code;
    if (!b->out && b->emit != EMIT_IR && b->emit != EMIT_SIR) return command_usage("build", "-o FILE is missing");
    if (b->prefix && b->emit != EMIT_LIB) return command_usage("build", "--prefix is for --emit lib");
    code = b->emit == EMIT_LIB ? library_names(cx->arena, b->out, b->prefix, &b->lib) : EXIT_OK;
    return code ? code : parse_targets(cx, b);
}

/* ---- steps ---- */

static struct out *open_output(struct command_ctx *cx, const struct build_args *b, bool executable) {
    return out_add(cx->diag, cx->arena, b->outputs, b->out, executable);
}

static bool write_text(struct command_ctx *cx, const struct build_args *b, const struct buf *text) {
    if (!b->out) { /* a failure is told at the end of main */
        fwrite(text->at, 1, text->n, stdout);
        return true;
    }
    struct out *o = open_output(cx, b, false);
    return o && out_write(o, text->at, text->n);
}

static bool emit_ir(struct command_ctx *cx, const struct build_args *b, const struct ir_module *m) {
    struct buf text = {0};
    ir_print(&text, m);
    bool ok = write_text(cx, b, &text);
    buf_free(&text);
    return ok;
}

static void fill_sections(struct command_ctx *cx, struct pack_source *p, const struct compiled *c, struct buf text[3]) {
    frontend_print_config(&text[0], &c->front);
    ir_print(&text[1], c->front.module);
    pack_tensors(cx->arena, c->front.module, p->plan, &text[2]);
    p->section[SETUN_SEC_MODEL].at = c->text;
    p->section[SETUN_SEC_MODEL].n = c->text_n;
    p->section[SETUN_SEC_CONFIG].at = text[0].at;
    p->section[SETUN_SEC_CONFIG].n = text[0].n;
    p->section[SETUN_SEC_IR].at = text[1].at;
    p->section[SETUN_SEC_IR].n = text[1].n;
    p->section[SETUN_SEC_TENSORS].at = text[2].at;
    p->section[SETUN_SEC_TENSORS].n = text[2].n;
    p->section[SETUN_SEC_TOKENIZER].at = c->tokenizer;
    p->section[SETUN_SEC_TOKENIZER].n = c->tokenizer_n;
    p->section[SETUN_SEC_CHAT].at = c->chat;
    p->section[SETUN_SEC_CHAT].n = c->chat_n;
    p->section[SETUN_SEC_LICENSES].at = setun_notices;
    p->section[SETUN_SEC_LICENSES].n = setun_notices_n;
}

static bool finish(struct command_ctx *cx, const struct build_args *b, struct pack_source *p, uint64_t id,
                   const char *object) {
    const char *exe = arena_printf(cx->arena, "%s/exe", tmp_dir(cx->diag));
    if (!link_executable(cx->diag, cx->arena, &b->link, object, exe)) return false;
    struct out *o = open_output(cx, b, true);
    struct progress bar;
    progress_start(&bar, "weights", b->model.quiet);
    return o && out_append_file(o, exe) && pack_append(cx->diag, o, p, id, progress_show, &bar);
}

static bool copy_out(struct command_ctx *cx, const struct build_args *b, const char *from) {
    struct out *o = open_output(cx, b, false);
    return o && out_append_file(o, from);
}

/* What debuggers call the text: a name without folders, so that code does not depend on where the text lies. */
static const char *source_name(struct arena *a, const struct model_args *args, const struct compiled *c) {
    if (c->page) return arena_printf(a, "%s.stn", c->page->name);
    const char *slash = strrchr(args->model, '/');
    return slash ? slash + 1 : args->model;
}

/* Heads that are screened: what a token reads of them. */
static void print_heads(struct buf *text, const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        for (const struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next((struct ir_op *)op)) {
            if (op->code != IR_OP_dot || !ir_attr_get(op, IR_ATTR_screen)) continue;
            const struct ir_weight *w = op->weight;
            buf_printf(text, "%-16s %6u x %-6u screen   %8.2f MB a token, int8 rows first, then few of them exactly\n",
                       w->name, w->dim[0], w->dim[1], (double)w->dim[0] * w->dim[1] / 1e6);
        }
}

static void print_schedule(struct command_ctx *cx, const struct schedule *s, const struct ir_module *m) {
    struct buf text = {0};
    schedule_print(&text, cx->arena, s, m);
    print_heads(&text, m);
    fputs(text.at, stderr);
    buf_free(&text);
}

static bool build(struct command_ctx *cx, struct build_args *b, struct compiled *c) {
    struct ir_module *m = c->front.module;
    struct schedule schedule;
    struct pass_ctx fusing = {
        .diag = cx->diag, .arena = cx->arena, .schedule = &schedule, .print_after = b->print_after, .head = b->head};
    struct data_plan plan;
    struct buf text[3] = {{0}, {0}, {0}};
    if (b->out && !compile_may_write(cx, &b->model, c, b->out)) return false;
    if (b->lib.header && !compile_may_write(cx, &b->model, c, b->lib.header)) return false;
    if (!compile_entry(cx, m)) return false;
    if (b->emit == EMIT_IR) return emit_ir(cx, b, m);
    if (!backend_schedule(cx->diag, &b->backend, &schedule)) return false;
    schedule.only = b->core;
    if (!passes_run_all(&fusing, m)) return false;
    if (b->print_schedule) print_schedule(cx, &schedule, m);
    if (b->emit == EMIT_SIR) return emit_ir(cx, b, m);
    const char *dir = tmp_dir(cx->diag);
    if (!dir) return false;
    data_plan_make(cx->arena, m, &plan);
    struct pack_source p = {.module = m, .plan = &plan, .weights = &c->weights, .made = b->made};
    if (b->emit == EMIT_LIB && b->lib.shared) p.made = NULL; /* its pack is a file for the linker */
    fill_sections(cx, &p, c, text);
    uint64_t id = pack_id(&p);
    const char *object = arena_printf(cx->arena, "%s/model.o", dir), *dump = arena_printf(cx->arena, "%s/dump", dir);
    if (b->emit == EMIT_LLVM) b->backend.dump_llvm = dump;
    if (b->emit == EMIT_ASM) b->backend.dump_asm = dump;
    b->backend.pic = b->emit == EMIT_LIB;
    b->backend.source = source_name(cx->arena, &b->model, c);
    bool ok = backend_emit(cx->diag, m, &plan, &b->backend, id, object);
    if (ok && b->emit == EMIT_LIB)
        ok = library_write(cx, &b->lib, &b->link, &p, id, object, b->model.quiet, b->outputs);
    else if (ok)
        ok = b->emit == EMIT_EXE ? finish(cx, b, &p, id, object) : copy_out(cx, b, b->emit == EMIT_OBJ ? object : dump);
    for (int i = 0; i < 3; i++) buf_free(&text[i]);
    return ok;
}

/* FILE.TARGET; of libraries the suffix stays behind it, and the names in them what they are. */
static void name_output(struct command_ctx *cx, struct build_args *b, const char *target) {
    const char *prefix = b->lib.prefix, *dot = strrchr(b->out, '.');
    if (b->emit != EMIT_LIB) {
        b->out = arena_printf(cx->arena, "%s.%s", b->out, target);
        return;
    }
    b->out = arena_printf(cx->arena, "%.*s.%s%s", (int)(dot - b->out), b->out, target, dot);
    library_names(cx->arena, b->out, prefix, &b->lib);
}

/* The i-th of the targets, into FILE, or FILE.TARGET if there are several.  Their first has told what there is to tell
 * of the inputs. */
static bool build_target(struct command_ctx *cx, const struct build_args *all, size_t i) {
    struct build_args b = *all;
    struct compiled c = {0};
    b.link.target = all->targets.at[i];
    b.backend.target = b.link.target.name;
    if (all->targets.n > 1) name_output(cx, &b, b.backend.target);
    if (i > 0) b.model.quiet = true;
    diag_mute_warnings(cx->diag, i > 0);
    bool ok = compile_load(cx, &b.model, has_weights(&b), &c);
    diag_mute_warnings(cx->diag, false);
    b.model.quiet = all->model.quiet;
    ok = ok && build(cx, &b, &c);
    compile_close(&c);
    return ok;
}

int command_build(struct command_ctx *cx, int argc, char **argv) {
    out_list outputs = {0};
    struct pack_made made = {0};
    struct build_args b = {.emit = EMIT_EXE, .core = IR_N_CORES, .outputs = &outputs, .made = &made};
    int code = parse_args(cx, argc, argv, &b);
    if (code) return code;
    bool ok = true;
    for (size_t i = 0; ok && i < b.targets.n; i++) ok = build_target(cx, &b, i);
    if (ok && out_commit_all(&outputs)) return EXIT_OK;
    out_discard_all(&outputs);
    code = (int)diag_exit_code(cx->diag);
    return code ? code : EXIT_IO;
}
