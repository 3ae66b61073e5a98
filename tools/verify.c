/*
 * verify.c -- setun verify EXE: runs the executable and the interpreter side by side.
 *
 * The executable carries the IR it was compiled from and its weights, so nothing else is needed.  Its trace (every
 * value between kernels) and its logits are compared with the interpreter's, bit for bit; the first value that differs
 * is named with kernel, layer, position and element.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/run.h"
#include "ir/interp.h"
#include "tools/compile.h"
#include "tools/exefile.h"
#include "tools/tracefile.h"

struct verify {
    struct command_ctx *cx;
    struct exe_file exe;
    const struct ir_module *m;
    const struct ir_op *answer; /* what the entry emits: logits, or an embedding of the last token */
    bool logits_too;
    uint32_t *tokens, n_tokens; /* the prompt */
    uint32_t generated;         /* tokens after it, greedy */
    struct trace_file trace;    /* the executable's */
    struct mapped logits;       /* its logits: a row for each position */
    const struct ir_row *rows;  /* of the interpreter's running step */
    uint64_t compared;          /* values */
    uint32_t steps;
    const char *emulator; /* what runs the executable; NULL: this machine */
    bool differs;
};

static bool different(struct verify *v, const char *how) {
    v->differs = true;
    return diag_in(v->cx->diag, v->exe.path, DIAG_TRACE_DIFFERS, how);
}

static uint32_t positions(const struct verify *v) { return v->n_tokens + v->generated - 1; }

/* ---- the executable's side ---- */

static bool run_exe(const struct verify *v, const char *trace, const char *logits) {
    struct arena *a = v->cx->arena;
    struct buf ids = {0};
    for (uint32_t i = 0; i < v->n_tokens; i++) buf_printf(&ids, i ? ",%u" : "%u", v->tokens[i]);
    char *argv[] = {
        arena_strdup(a, v->emulator ? v->emulator : ""),
        arena_printf(a, "%s%s", strchr(v->exe.path, '/') ? "" : "./", v->exe.path),
        v->logits_too ? "run" : "embed",
        "--tokens",
        arena_strndup(a, ids.at, ids.n),
        "-c",
        arena_printf(a, "%u", positions(v)), /* the model may be made for fewer */
        "-q",
        "--trace",
        arena_strdup(a, trace),
        v->logits_too ? "--logits" : NULL, /* where an embedding ends */
        arena_strdup(a, logits),
        "-n",
        arena_printf(a, "%u", v->generated),
        "--temp",
        "0",
        "--ids",
        "--ignore-eos",
        NULL,
    };
    const char *why;
    buf_free(&ids);
    if (run_program(v->cx->diag, a, v->emulator ? argv : argv + 1, &why)) return true;
    if (!why) return false;
    diag_in(v->cx->diag, v->exe.path, DIAG_RUN_FAILED, why);
    struct backend_target here;
    if (!v->emulator && v->exe.target && backend_target_find(v->cx->diag, NULL, &here) &&
        strcmp(here.name, v->exe.target) != 0)
        diag_note_in(v->cx->diag, v->exe.path,
                     "it is for %s, this machine is %s; --emulator names a program that runs it", v->exe.target,
                     here.name);
    return false;
}

/* ---- comparing ---- */

static bool elem_of(enum ir_elem e, enum setun_elem *out) {
    if (e != IR_F32_E && e != IR_I8 && e != IR_I32) return false;
    *out = e == IR_F32_E ? SETUN_F32 : e == IR_I8 ? SETUN_I8 : SETUN_I32;
    return true;
}

/* Kernels are called "FUNCTION:VALUE". */
static bool is_value(const struct trace_value *t, const struct ir_func *f, const struct ir_val *v, uint32_t layer,
                     uint32_t rows) {
    enum setun_elem elem;
    size_t fn = strlen(f->name), vn = strlen(v->name);
    bool named = t->name_bytes == vn && !memcmp(t->name, v->name, vn) && t->kernel_bytes > fn &&
                 !memcmp(t->kernel, f->name, fn) && t->kernel[fn] == ':';
    return named && t->layer == layer && t->rows == rows && elem_of(v->type.elem, &elem) && t->elem == elem &&
           t->elems == ir_type_elems(&v->type);
}

static const char *show(struct arena *a, enum ir_elem e, const uint8_t *p) {
    if (e == IR_I8) return arena_printf(a, "%d", *(const int8_t *)p);
    uint32_t bits = load_u32le(p);
    if (e == IR_I32) return arena_printf(a, "%d", (int32_t)bits);
    return arena_printf(a, "%.9g (0x%08x)", (double)f32_of_bits(bits), bits);
}

/* Position of the row-th row of a value: of the step's rows, or of its live ones. */
static uint32_t position_of(const struct verify *v, const struct ir_type *t, uint64_t row) {
    const struct ir_row *r = v->rows;
    for (;; r++) {
        if (t->rows == IR_L && !r->live) continue;
        if (row-- == 0) return r->pos;
    }
}

static void report(struct verify *v, const struct ir_func *f, const struct ir_val *val, uint32_t layer,
                   const uint8_t *theirs, const uint8_t *ours) {
    struct arena *a = v->cx->arena;
    enum ir_elem e = val->type.elem;
    uint64_t bytes = ir_elem_bytes(e), n = ir_type_elems(&val->type), i = 0;
    while (memcmp(theirs + i * bytes, ours + i * bytes, bytes) == 0) i++;
    different(
        v, arena_printf(a, "'%%%s' of @%s, layer %u, position %u, element %" PRIu64 ": it has %s, the interpreter %s",
                        val->name, f->name, layer, position_of(v, &val->type, i / n), i % n,
                        show(a, e, theirs + i * bytes), show(a, e, ours + i * bytes)));
}

/* Called for each value of the interpreter.  What has no record there, as a shape of another value, is passed over. */
static void compare(void *self, const struct ir_func *f, const struct ir_val *val, uint32_t layer, uint32_t rows,
                    const void *ours) {
    struct verify *v = self;
    struct trace_value t;
    if (v->differs || !rows || !trace_peek(&v->trace, &t) || !is_value(&t, f, val, layer, rows)) return;
    v->trace.at = t.after;
    v->compared++;
    if (memcmp(t.data, ours, (size_t)rows * t.elems * ir_elem_bytes(val->type.elem)) != 0)
        report(v, f, val, layer, t.data, ours);
}

static bool compare_logits(struct verify *v, uint32_t at, uint32_t n, const float *ours) {
    uint64_t row = 4 * (uint64_t)v->m->vocab;
    if ((at + (uint64_t)n) * row <= v->logits.n && memcmp(ours, v->logits.at + at * row, n * row) == 0) return true;
    return different(v, arena_printf(v->cx->arena, "the logits of positions %u to %u differ", at, at + n - 1));
}

/* ---- the interpreter's side: the same steps ---- */

/* The prompt in chunks, then one token after the other; of an embedding, the last row is wanted. */
static uint32_t next_rows(const struct verify *v, uint32_t at, uint32_t chosen, struct ir_row *rows) {
    uint32_t n = at < v->n_tokens ? v->n_tokens - at : 1;
    if (n > v->m->max_rows) n = v->m->max_rows;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t token = at < v->n_tokens ? v->tokens[at + i] : chosen;
        rows[i] = (struct ir_row){.token = token, .pos = at + i};
        rows[i].live = v->logits_too || at + i + 1 == positions(v);
    }
    return n;
}

static uint32_t greedy(const float *logits, uint32_t vocab) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static bool interpret(struct verify *v, const struct ir_func *entry, const struct ir_weights *w) {
    struct arena *a = v->cx->arena;
    uint32_t vocab = v->m->vocab, chosen = 0;
    const char *emitted = ir_name_attr(v->answer, IR_ATTR_name);
    float *out = arena_array(a, float, v->m->max_rows *ir_type_elems(&v->answer->in[0]->type));
    struct ir_row *rows = arena_array(a, struct ir_row, v->m->max_rows);
    struct interp *it = interp_new(v->cx->diag, v->m, w, 1, positions(v));
    bool ok = it != NULL;
    v->rows = rows;
    if (ok) interp_set_trace(it, compare, v);
    for (uint32_t at = 0, n; ok && at < positions(v); at += n, v->steps++) {
        n = next_rows(v, at, chosen, rows);
        ok = interp_step(it, entry, rows, n, emitted, out) && !v->differs;
        if (!v->logits_too) continue;
        ok = ok && compare_logits(v, at, n, out);
        chosen = greedy(out + (size_t)(n - 1) * vocab, vocab);
    }
    interp_free(it);
    return ok;
}

static bool compare_runs(struct verify *v) {
    struct command_ctx *cx = v->cx;
    const char *dir = tmp_dir(cx->diag);
    const struct ir_func *entry = compile_entry(cx, v->m);
    struct ir_weights w;
    if (!dir || !entry || !exe_weights(cx, &v->exe, v->m, &w)) return false;
    v->answer = ir_emitted(entry);
    v->logits_too = !strcmp(ir_name_attr(v->answer, IR_ATTR_name), "logits");
    if (!v->logits_too) v->generated = 1;
    const char *trace = arena_printf(cx->arena, "%s/trace", dir), *logits = arena_printf(cx->arena, "%s/logits", dir);
    if (!run_exe(v, trace, logits) || !trace_open(cx->diag, trace, &v->trace)) return false;
    if (v->logits_too && !file_map(cx->diag, logits, &v->logits)) return false;
    if (!interpret(v, entry, &w)) return false;
    return trace_at_end(&v->trace) || different(v, "its trace has values that the interpreter does not");
}

/* ---- the command ---- */

static int parse_args(struct verify *v, int argc, char **argv, const char **tokens) {
    static const struct option options[] = {{"tokens", required_argument, NULL, 't'},
                                            {"predict", required_argument, NULL, 'n'},
                                            {"emulator", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
    uint64_t n = 8;
    for (int o; (o = command_option("verify", argc, argv, ":n:", options)) != -1;) {
        if (o == '?') return EXIT_USAGE;
        if (o == 't') *tokens = optarg;
        if (o == 'e') v->emulator = optarg;
        if (o == 'n' && (!read_u64(optarg, 100000, &n) || n < 1))
            return command_usage("verify", "--predict takes 1 to 100000, not '%s'", optarg);
    }
    v->generated = (uint32_t)n;
    return command_words("verify", argc, 1, "EXECUTABLE") ? EXIT_OK : EXIT_USAGE;
}

/* 1 to 8, as far as the vocabulary has them. */
static void default_tokens(struct verify *v) {
    v->n_tokens = 8;
    v->tokens = arena_array(v->cx->arena, uint32_t, v->n_tokens);
    for (uint32_t i = 0; i < v->n_tokens; i++) v->tokens[i] = (i + 1) % v->m->vocab;
}

static int verify(struct verify *v, const char *tokens) {
    struct command_ctx *cx = v->cx;
    v->m = exe_module(cx, &v->exe);
    if (!v->m) return (int)diag_exit_code(cx->diag);
    if (v->m->vocab == 0) {
        diag_in(cx->diag, v->exe.path, DIAG_NOT_EXECUTABLE, "its IR has no vocabulary");
        return (int)diag_exit_code(cx->diag);
    }
    if (!tokens)
        default_tokens(v);
    else if (!read_ids(cx->arena, tokens, v->m->vocab - 1, &v->tokens, &v->n_tokens))
        return command_usage("verify", "--tokens takes ids below %u with commas, not '%s'", v->m->vocab, tokens);
    if (!compare_runs(v)) return (int)diag_exit_code(cx->diag);
    printf("equal: %" PRIu64 " values of %u steps, and the ", v->compared, v->steps);
    if (v->logits_too)
        printf("logits of %u positions\n", positions(v));
    else
        printf("%s of %u tokens\n", ir_name_attr(v->answer, IR_ATTR_name), positions(v));
    return EXIT_OK;
}

int command_verify(struct command_ctx *cx, int argc, char **argv) {
    struct verify v = {.cx = cx};
    const char *tokens = NULL;
    int code = parse_args(&v, argc, argv, &tokens);
    if (code) return code;
    code = exe_open(cx, argv[optind], &v.exe) ? verify(&v, tokens) : (int)diag_exit_code(cx->diag);
    trace_close(&v.trace);
    file_unmap(&v.logits);
    exe_close(&v.exe);
    return code;
}
