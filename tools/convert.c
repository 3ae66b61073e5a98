/* convert.c -- setun convert: a checkpoint or an executable, read by the text it fits; convert_files.c writes. */
#include "tools/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "lang/lang.h"

/* ---- the table of formats, as docs/formats.md has it ---- */

static const char *scales_text(const struct ternary_format *f) {
    switch (f->where) {
    case SCALE_BESIDE:
        return f->type == TYPE_I2_64 ? "beside: of a matrix, rows or groups" : "beside: one a matrix, or one a row";
    case SCALE_TAIL: return "one f32 a matrix, behind the codes";
    case SCALE_BLOCK: return NULL;
    }
    return NULL;
}

static void list_formats(void) {
    printf("| format | what | scales | a matrix can be held if |\n|---|---|---|---|\n");
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++) {
        const struct ternary_format *f = ternary_formats[i];
        const char *scales = scales_text(f);
        printf("| `%s` | %s | ", f->name, f->about);
        if (scales)
            printf("%s | ", scales);
        else
            printf("one f16 for %u columns | ", f->group);
        for (uint32_t k = 0; k < f->n_rules; k++) printf("%s%s", k ? "; " : "", f->rule[k].text);
        printf("%s |\n", f->n_rules ? "" : "always");
    }
    static const char *const rules[] = {TERNARY_SCALE_RULES};
    printf("\nScales are held if they come back as they are; the rules, in the words of messages:\n\n");
    for (size_t i = 0; i < COUNT_OF(rules); i++) printf("- %s\n", rules[i]);
}

/* ---- words ---- */

/* "tl1=256,128,32" is a format and its tiling. */
static int find_format(const char *word, struct conversion *c) {
    struct tl_tiling t = {0};
    char name[32];
    int used = 0;
    c->to = ternary_find(word);
    if (!c->to && sscanf(word, "%31[^=]=%u,%u,%u%n", name, &t.bm, &t.bk, &t.inner, &used) == 4 && !word[used]) {
        c->to = ternary_find(name);
        if (c->to && c->to->type != TYPE_TL1 && c->to->type != TYPE_TL2) c->to = NULL;
        c->tiling = t;
    }
    if (c->to && !c->to->own) return EXIT_OK;
    if (c->to) return command_usage("convert", "'%s' is a layout of executables, which build writes", c->to->name);
    const char *names[N_TERNARY_FORMATS];
    for (size_t i = 0; i < N_TERNARY_FORMATS; i++) names[i] = ternary_formats[i]->name;
    const char *near = nearest_name(word, names, N_TERNARY_FORMATS);
    if (near) return command_usage("convert", "--to takes a format, not '%s'; did you mean '%s'", word, near);
    return command_usage("convert", "--to takes a format of setun convert --list, not '%s'", word);
}

static const struct option options[] = {{"to", required_argument, NULL, 't'},
                                        {"output", required_argument, NULL, 'o'},
                                        {"model", required_argument, NULL, 'm'},
                                        {"list", no_argument, NULL, 'l'},
                                        {"dialect", required_argument, NULL, 'd'},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {NULL, 0, NULL, 0}};

static int parse_args(struct command_ctx *cx, int argc, char **argv, struct conversion *c, bool *list) {
    int o, code = EXIT_OK;
    while (code == EXIT_OK && (o = command_option("convert", argc, argv, ":o:q", options)) != -1) {
        switch (o) {
        case 't': code = find_format(optarg, c); break;
        case 'o': c->out = optarg; break;
        case 'm': c->args.model = optarg; break;
        case 'l': *list = true; break;
        case 'd': code = gguf_dialect_set(cx->diag, optarg, &c->args.dialect) ? EXIT_OK : EXIT_USAGE; break;
        case 'q': c->args.quiet = true; break;
        default: return EXIT_USAGE;
        }
    }
    if (code) return code;
    if (*list) return command_words("convert", argc, 0, "--list") ? EXIT_OK : EXIT_USAGE;
    if (!command_words("convert", argc, 1, "PATH")) return EXIT_USAGE;
    c->args.weights = argv[optind];
    if (!c->out) return command_usage("convert", "-o FILE is missing");
    return c->to ? EXIT_OK : command_usage("convert", "--to FORMAT is missing");
}

/* ---- what is read ---- */

static bool read_serves(struct conversion *c, const char *file, const char *text, size_t n) {
    struct command_ctx *cx = c->cx;
    const struct ast_model *ast =
        lang_parse(cx->diag, cx->arena, cx->names, diag_add_text(cx->diag, file, text, n), text, n);
    if (ast) c->serves = sema_serves(cx->arena, ast);
    return ast != NULL;
}

static bool read_checkpoint(struct conversion *c) {
    c->args.weights_only = true;
    if (!compile_load(c->cx, &c->args, true, &c->c)) return false;
    c->module = c->c.front.module;
    c->sources = c->c.front.sources;
    c->weights = c->c.weights;
    return read_serves(c, c->module->name, c->c.text, c->c.text_n);
}

static bool is_executable(const char *path) {
    char magic[4] = {0};
    FILE *f = fopen(path, "rb"); /* a folder opens too, and gives nothing */
    size_t n = f ? fread(magic, 1, sizeof magic, f) : 0;
    if (f) fclose(f);
    return n == 4 && !memcmp(magic, "\177ELF", 4);
}

/* "name = value" lines as --set has them. */
static void sets_of_config(struct conversion *c, const char *text, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t line = strcspn(text + at, "\n");
        char *set = arena_strndup(c->cx->arena, text + at, line), *equals = strstr(set, " = ");
        if (equals) {
            memmove(equals, "=", 1);
            memmove(equals + 1, equals + 3, strlen(equals + 3) + 1);
            *vec_push(c->cx->arena, &c->args.sets) = set;
        }
        at += line + 1;
    }
}

static const char *section(const struct conversion *c, enum setun_section s, size_t *n) {
    const struct setun_span *span = &c->exe.pack->section[s];
    *n = (size_t)span->bytes;
    return arena_strndup(c->cx->arena, (const char *)c->exe.pack + span->offset, *n);
}

/* The names that the text gives the weights of the executable. */
static bool find_sources(struct conversion *c) {
    const struct ir_module *text = c->c.front.module;
    struct weight_source *sources = arena_array(c->cx->arena, struct weight_source, c->module->weights.n);
    for (size_t i = 0; i < c->module->weights.n; i++) {
        const struct ir_weight *w = c->module->weights.at[i], *named = ir_weight_find(text, w->name);
        if (!named || named->layers != w->layers)
            return diag_in(c->cx->diag, c->args.weights, DIAG_NOT_EXECUTABLE, "its weights are not those of its text");
        sources[i] = c->c.front.sources[named->id];
    }
    c->sources = sources;
    return true;
}

/* Where texts begin and end, as the executable's tokenizer has it. */
static void read_ids_of_texts(struct conversion *c) {
    const struct setun_span *span = &c->exe.pack->section[SETUN_SEC_TOKENIZER];
    struct config_values *v = &c->c.front.config;
    struct setun_tok tok;
    if (span->bytes < sizeof tok) return;
    memcpy(&tok, (const char *)c->exe.pack + span->offset, sizeof tok);
    v->bos = tok.bos == SETUN_NO_TOKEN ? -1 : (int64_t)tok.bos;
    v->n_eos = 0;
    for (uint32_t i = 0; i < tok.n_eos && i < COUNT_OF(tok.eos) && i < CONFIG_MAX_EOS; i++)
        v->eos[v->n_eos++] = tok.eos[i];
}

/* Values are those of the pack; the text that it carries names the tensors, by the numbers that it was built with. */
static bool read_executable(struct conversion *c) {
    struct command_ctx *cx = c->cx;
    size_t n;
    if (c->args.model) return !command_usage("convert", "an executable carries its model text: no --model");
    if (!exe_open(cx, c->args.weights, &c->exe) || !(c->module = exe_module(cx, &c->exe)) ||
        !exe_weights(cx, &c->exe, c->module, &c->weights))
        return false;
    const char *config = section(c, SETUN_SEC_CONFIG, &n);
    sets_of_config(c, config, n);
    const char *text = section(c, SETUN_SEC_MODEL, &n);
    struct frontend_input in = {.diag = cx->diag,
                                .arena = cx->arena,
                                .names = cx->names,
                                .model = c->args.weights,
                                .text = text,
                                .n_text = n,
                                .like = c->module,
                                .sets = c->args.sets.at,
                                .n_sets = c->args.sets.n};
    if (!frontend_load(&in, &c->c.front)) return false;
    read_ids_of_texts(c);
    return find_sources(c) && read_serves(c, c->args.weights, text, n);
}

static bool read_input(struct conversion *c) {
    return is_executable(c->args.weights) ? read_executable(c) : read_checkpoint(c);
}

int command_convert(struct command_ctx *cx, int argc, char **argv) {
    struct conversion c = {.cx = cx};
    bool list = false;
    int code = parse_args(cx, argc, argv, &c, &list);
    if (code) return code;
    if (list) {
        list_formats();
        return EXIT_OK;
    }
    bool ok = read_input(&c) && convert_write(&c);
    compile_close(&c.c);
    exe_close(&c.exe);
    if (ok) return EXIT_OK;
    code = (int)diag_exit_code(cx->diag);
    return code ? code : EXIT_USAGE;
}
