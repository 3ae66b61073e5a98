/*
 * interp.c -- setun run MODEL --interp: the interpreter as an engine of the runtime's `run`, and of the command that
 * --as names, so that flags, tokenizer, sampler and files are those of executables.
 */
#include <string.h>

#include "ir/interp.h"
#include "passes/pass.h"
#include "runtime/cmd.h"
#include "runtime/engine.h"
#include "runtime/trace.h"
#include "tools/compile.h"

struct interp_engine {
    struct setun_engine e; /* must be first */
    struct interp *it;
    const struct ir_func *entry;
    struct ir_row *rows;
    float *logits;
    struct setun_trace *trace; /* NULL: none */
};

static int engine_step(struct setun_engine *base, const struct setun_row *rows, uint32_t n) {
    struct interp_engine *e = (struct interp_engine *)base;
    uint32_t live = 0;
    for (uint32_t i = 0; i < n; i++) {
        e->rows[i] = (struct ir_row){rows[i].token, rows[i].slot, rows[i].pos, rows[i].live != 0};
        live += rows[i].live != 0;
    }
    e->e.n_live = live;
    bool ok = interp_step(e->it, e->entry, e->rows, n, e->e.out_name, e->logits);
    if (e->trace) e->trace->step++;
    return ok ? EXIT_OK : EXIT_VERIFY;
}

/* One value into the trace file, as generated code would write it; states have no records. */
static void record(void *self, const struct ir_func *f, const struct ir_val *v, uint32_t layer, uint32_t rows,
                   const void *data) {
    struct interp_engine *e = self;
    if (!e->trace || !rows) return;
    static const enum setun_elem elems[] = {[IR_F32_E] = SETUN_F32, [IR_I8] = SETUN_I8, [IR_I32] = SETUN_I32};
    if (v->type.elem != IR_F32_E && v->type.elem != IR_I8 && v->type.elem != IR_I32) return;
    uint32_t n = (uint32_t)ir_type_elems(&v->type), pos[1024], k = 0;
    bool live = v->type.rows == IR_L;
    for (uint32_t i = 0; k < rows && k < COUNT_OF(pos); i++)
        if (!live || e->rows[i].live) pos[k++] = e->rows[i].pos;
    struct setun_value value = {.name = v->name, .elem = elems[v->type.elem], .live = live, .elems = n};
    value.row_stride = n * ir_elem_bytes(v->type.elem);
    setun_trace_value(e->trace, 0, layer, f->name, &value, rows, pos, data);
}

/* Memory comes from the arena; the interpreter's own is released by engine_close. */
static bool engine_open(struct interp_engine *e, struct command_ctx *cx, const struct ir_module *m,
                        const struct ir_func *entry, const struct ir_weights *w, uint32_t context) {
    struct arena *a = cx->arena;
    e->entry = entry;
    e->rows = arena_array(a, struct ir_row, m->max_rows);
    const struct ir_op *answer = ir_emitted(entry);
    uint32_t elems = (uint32_t)ir_type_elems(&answer->in[0]->type);
    e->logits = arena_array(a, float, (size_t)m->max_rows *elems);
    e->e = (struct setun_engine){.step = engine_step,
                                 .vocab = m->vocab,
                                 .context = context,
                                 .max_rows = m->max_rows,
                                 .stride = elems,
                                 .out = e->logits,
                                 .out_elems = elems,
                                 .out_name = ir_name_attr(answer, IR_ATTR_name)};
    e->it = interp_new(cx->diag, m, w, 1, context);
    if (e->it) interp_set_trace(e->it, record, e);
    return e->it != NULL;
}

static void engine_close(struct interp_engine *e) {
    interp_free(e->it);
    e->it = NULL;
}

/* Is argv[*at] the flag?  Its value is behind '=' or the next word; NULL: missing. */
static bool own_flag(int argc, char **argv, int *at, const char *flag, const char **value) {
    size_t n = strlen(flag);
    const char *word = argv[*at];
    if (strncmp(word, flag, n) != 0 || (word[n] && word[n] != '=')) return false;
    *value = word[n] ? word + n + 1 : *at + 1 < argc ? argv[++*at] : NULL;
    return true;
}

/* The command of --as; 0: none of those that an engine has. */
static enum setun_command engine_command(const char *name) {
    static const enum setun_command id[] = {SETUN_RUN, SETUN_CHAT, SETUN_PPL, SETUN_EMBED};
    static const char *const names[] = {"run", "chat", "ppl", "embed"};
    for (size_t i = 0; i < COUNT_OF(id); i++)
        if (!strcmp(name, names[i])) return id[i];
    return 0;
}

/* PATH or MODEL.stn comes first; then our own flags are taken out, and the rest are those of the executable's command.
 */
static int split_args(struct command_ctx *cx, int argc, char **argv, struct model_args *args,
                      enum setun_command *command, char **rest, int *n_rest) {
    bool interp = false;
    if (argc < 2 || argv[1][0] == '-') return command_usage("run", "PATH or MODEL.stn is missing; it comes first");
    for (int i = 2; i < argc; i++) {
        const char *flag = argv[i], *value = "";
        if (!strcmp(flag, "--interp")) {
            interp = true;
        } else if (own_flag(argc, argv, &i, "--weights", &value)) {
            args->weights = value;
        } else if (own_flag(argc, argv, &i, "--model", &value)) {
            args->model = value;
        } else if (own_flag(argc, argv, &i, "--as", &value)) {
            *command = value ? engine_command(value) : SETUN_RUN;
            if (!*command) return command_usage("run", "--as wants run, chat, ppl or embed, not '%s'", value);
        } else if (own_flag(argc, argv, &i, "--chat-template", &value)) {
            args->chat = value;
        } else if (own_flag(argc, argv, &i, "--tokenizer", &value)) {
            args->tokenizer = value;
        } else if (own_flag(argc, argv, &i, "--dialect", &value)) {
            if (value && !gguf_dialect_set(cx->diag, value, &args->dialect)) return EXIT_USAGE;
        } else if (own_flag(argc, argv, &i, "--set", &value)) {
            *vec_push(cx->arena, &args->sets) = value;
        } else {
            rest[(*n_rest)++] = argv[i];
        }
        if (!value) return command_usage("run", "'%s' needs a value", flag);
    }
    int code = compile_word("run", args, argv[1], true);
    if (code) return code;
    if (!interp) return command_usage("run", "--interp is missing: build makes the executable that runs on its own");
    return EXIT_OK;
}

static int on_engine(struct setun_engine *e, const struct setun_tokenizer *t, const struct compiled *c,
                     enum setun_command command, const struct setun_opts *o, double begin) {
    if (command == SETUN_CHAT) return setun_chat(e, t, o, c->chat, c->chat_n);
    if (command == SETUN_PPL) return setun_ppl(e, t, o, begin);
    if (command == SETUN_EMBED) return setun_embed(e, t, o, begin);
    return setun_run(e, t, o, begin);
}

static int run_model(struct command_ctx *cx, struct compiled *c, enum setun_command command, const struct setun_opts *o,
                     double begin) {
    struct ir_module *m = c->front.module;
    struct interp_engine e = {.it = NULL};
    struct setun_trace trace = {.out = {.fd = -1}};
    struct setun_tokenizer tok = {0};
    struct pass_ctx fusing = {.diag = cx->diag, .arena = cx->arena};
    char why[256];
    if (!compile_entry(cx, m)) return (int)diag_exit_code(cx->diag);
    if (c->tokenizer && !setun_tok_open(&tok, c->tokenizer, c->tokenizer_n, why, sizeof why)) BUG("tokenizer: %s", why);
    int code = EXIT_OK;
    /* A trace holds the values between kernels, so that it can be laid beside the executable's. */
    if (o->trace && !passes_run_all(&fusing, m)) code = EXIT_BUG;
    if (code == EXIT_OK && o->trace) code = setun_trace_open(&trace, o->trace);
    uint32_t context = o->context ? o->context : m->context;
    if (code == EXIT_OK && !engine_open(&e, cx, m, compile_entry(cx, m), &c->weights, context))
        code = (int)diag_exit_code(cx->diag);
    e.trace = o->trace ? &trace : NULL;
    if (code == EXIT_OK) code = on_engine(&e.e, c->tokenizer ? &tok : NULL, c, command, o, begin);
    engine_close(&e);
    setun_tok_close(&tok);
    int kept = setun_trace_close(&trace, code == EXIT_OK);
    return code ? code : kept;
}

int command_run(struct command_ctx *cx, int argc, char **argv) {
    double begin = setun_now();
    struct model_args args = {0};
    struct compiled c = {0};
    struct setun_opts o;
    enum setun_command command = SETUN_RUN;
    char **rest = arena_array(cx->arena, char *, (size_t)argc + 1);
    int n_rest = 0, code = split_args(cx, argc, argv, &args, &command, rest, &n_rest);
    if (code) return code;
    code = setun_flags_parse(&o, command, n_rest, rest);
    if (code == EXIT_OK && !compile_load(cx, &args, true, &c)) code = (int)diag_exit_code(cx->diag);
    if (code == EXIT_OK) code = run_model(cx, &c, command, &o, begin);
    compile_close(&c);
    setun_flags_free(&o);
    return code;
}
