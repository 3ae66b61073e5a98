/* interp.c -- setun run MODEL --interp. */
#include "tools/interp.h"

#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"
#include "runtime/cmd.h"
#include "tools/compile.h"

static int engine_step(struct setun_engine *base, const struct setun_row *rows, uint32_t n) {
    struct interp_engine *e = (struct interp_engine *)base;
    uint32_t live = 0;
    for (uint32_t i = 0; i < n; i++) {
        e->rows[i] = (struct ir_row){rows[i].token, rows[i].slot, rows[i].pos, rows[i].live != 0};
        live += rows[i].live != 0;
    }
    e->e.n_live = live;
    bool ok = interp_step(e->it, e->entry, e->rows, n, "logits", e->logits);
    if (e->trace) e->trace->step++;
    return ok ? EXIT_OK : EXIT_VERIFY;
}

/* One value into the trace file, as generated code would write it; states have no records. */
static void record(void *self, const struct ir_func *f, const struct ir_val *v, uint32_t layer, uint32_t rows, const void *data) {
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

bool interp_engine_open(struct interp_engine *e, struct diag *d, struct arena *a, const struct ir_module *m,
                        const struct ir_func *entry, const struct ir_weights *w, uint32_t context) {
    e->e = (struct setun_engine){.step = engine_step, .vocab = m->vocab, .context = context, .max_rows = m->max_rows, .stride = m->vocab};
    e->diag = d;
    e->entry = entry;
    e->rows = arena_array(a, struct ir_row, m->max_rows);
    e->logits = arena_array(a, float, (size_t)m->max_rows * m->vocab);
    e->e.logits = e->logits;
    e->it = interp_new(d, m, w, 1, context);
    if (e->it) interp_set_trace(e->it, record, e);
    return e->it != NULL;
}

void interp_engine_close(struct interp_engine *e) {
    if (e->it) interp_free(e->it);
    e->it = NULL;
}

/* Our own flags are taken out of argv; the rest are those of the executable's `run`. */
static int split_args(struct command_ctx *cx, int argc, char **argv, struct model_args *args, char **rest, int *n_rest) {
    bool interp = false;
    for (int i = 1; i < argc; i++) {
        bool has = i + 1 < argc;
        if (!strcmp(argv[i], "--interp")) {
            interp = true;
        } else if (!strcmp(argv[i], "--weights") || !strcmp(argv[i], "--set")) {
            if (!has) return command_usage("run", "'%s' needs a value", argv[i]);
            if (argv[i][2] == 'w')
                args->weights = argv[i + 1];
            else
                *vec_push(cx->arena, &args->sets) = argv[i + 1];
            i++;
        } else if (!args->model && argv[i][0] != '-') {
            args->model = argv[i];
        } else {
            rest[(*n_rest)++] = argv[i];
            if (argv[i][0] == '-' && has && args->model == NULL) rest[(*n_rest)++] = argv[++i];
        }
    }
    if (!args->model) return command_usage("run", "MODEL.stn is missing");
    if (!args->weights) return command_usage("run", "--weights DIR is missing");
    if (!interp) return command_usage("run", "--interp is missing: build makes the executable that runs on its own");
    return EXIT_OK;
}

static int run_model(struct command_ctx *cx, struct compiled *c, const struct setun_opts *o, double begin) {
    struct ir_module *m = c->front.module;
    struct ir_func *entry = compile_entry(cx, m);
    struct interp_engine e = {0};
    struct setun_trace trace = {.out = {.fd = -1}};
    struct setun_tokenizer tok = {0};
    struct pass_ctx fusing = {.diag = cx->diag, .arena = cx->arena};
    char why[256];
    if (!entry) return (int)diag_exit_code(cx->diag);
    if (c->tokenizer && !setun_tok_open(&tok, c->tokenizer, c->tokenizer_n, why, sizeof why)) BUG("tokenizer: %s", why);
    int code = EXIT_OK;
    /* A trace holds the values between kernels, so that it can be laid beside the executable's. */
    if (o->trace && !passes_run_all(&fusing, m)) code = EXIT_BUG;
    if (code == EXIT_OK && o->trace) code = setun_trace_open(&trace, o->trace);
    uint32_t context = o->context ? o->context : m->context;
    if (code == EXIT_OK && !interp_engine_open(&e, cx->diag, cx->arena, m, compile_entry(cx, m), &c->weights, context))
        code = (int)diag_exit_code(cx->diag);
    e.trace = o->trace ? &trace : NULL;
    if (code == EXIT_OK) code = setun_run(&e.e, c->tokenizer ? &tok : NULL, o, begin);
    interp_engine_close(&e);
    setun_tok_close(&tok);
    int kept = setun_trace_close(&trace, code == EXIT_OK);
    return code ? code : kept;
}

int command_run(struct command_ctx *cx, int argc, char **argv) {
    double begin = setun_now();
    struct model_args args = {0};
    struct compiled c = {0};
    struct setun_opts o;
    char **rest = arena_array(cx->arena, char *, (size_t)argc + 1);
    int n_rest = 0, code = split_args(cx, argc, argv, &args, rest, &n_rest);
    if (code) return code;
    code = setun_flags_parse(&o, SETUN_RUN, n_rest, rest);
    if (code == EXIT_OK && !compile_load(cx, &args, true, &c)) code = (int)diag_exit_code(cx->diag);
    if (code == EXIT_OK) code = run_model(cx, &c, &o, begin);
    compile_close(&c);
    setun_flags_free(&o);
    return code;
}
