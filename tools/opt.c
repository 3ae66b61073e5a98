/*
 * setun-opt -- passes on IR text.
 *
 *   setun-opt [--PASS ...] [--all] [--print-after PASS|all] FILE|-  prints the module after the passes
 *   setun-opt ... --stats FILE|-                                    counts kernels and fused contractions instead
 *   setun-opt ... --interp [--seed N] --tokens 3,7,1 FILE|-         prints the logits' bits, weights drawn from the
 * seed setun-opt --list                                                the passes, in the order of the pipeline
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "ir/interp.h"
#include "passes/pass.h"

struct request {
    const char *file, *tokens, *print_after;
    const struct pass *run[64];
    size_t n_run;
    bool all, interp, stats;
    uint64_t seed;
};

static int usage(const char *why, const char *what) {
    fprintf(stderr, "setun-opt: %s '%s'; see setun-opt --help\n", why, what);
    return EXIT_USAGE;
}

static int help(void) {
    puts("setun-opt: passes on IR text\n\n"
         "  setun-opt [--PASS ...] [--all] [--print-after PASS|all] [--stats] FILE|-\n"
         "  setun-opt [--PASS ...] --interp [--seed N] --tokens 3,7,1 FILE|-\n"
         "  setun-opt --list\n\npasses:");
    for (size_t i = 0; i < n_passes; i++) printf("  --%-16s %s\n", passes[i].name, passes[i].text);
    return EXIT_OK;
}

static int parse_args(int argc, char **argv, struct request *r) {
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        const struct pass *p = strncmp(a, "--", 2) == 0 ? pass_find(a + 2) : NULL;
        if (p) {
            if (r->n_run == COUNT_OF(r->run)) return usage("too many passes at", a);
            r->run[r->n_run++] = p;
        } else if (!strcmp(a, "--all")) {
            r->all = true;
        } else if (!strcmp(a, "--interp")) {
            r->interp = true;
        } else if (!strcmp(a, "--stats")) {
            r->stats = true;
        } else if (!strcmp(a, "--help") || !strcmp(a, "--list")) {
            exit(help());
        } else if (!strcmp(a, "--seed") && i + 1 < argc) {
            if (!read_u64(argv[++i], UINT64_MAX, &r->seed)) return usage("--seed takes a number, not", argv[i]);
        } else if (!strcmp(a, "--tokens") && i + 1 < argc) {
            r->tokens = argv[++i];
        } else if (!strcmp(a, "--print-after") && i + 1 < argc) {
            r->print_after = argv[++i];
        } else if ((a[0] == '-' && a[1]) || r->file) {
            return usage(a[0] == '-' ? "unknown flag" : "more than one file:", a);
        } else {
            r->file = a;
        }
    }
    return r->file ? EXIT_OK : usage("missing file name", "FILE");
}

static struct ir_func *entry_of(const struct ir_module *m) {
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) return m->funcs.at[i];
    return NULL;
}

/* Matmuls and dots, and how many of them share a kernel with their prologue or epilogue. */
static void print_stats(const struct ir_module *m) {
    unsigned cores = 0, prologue = 0, epilogue = 0, kernels = 0;
    for (size_t i = 0; i < m->funcs.n; i++)
        for (struct ir_op *op = ir_first(m->funcs.at[i]); op; op = ir_next(op)) {
            kernels += op->code == IR_OP_kernel;
            if (!ir_is_core(op) || op->code == IR_OP_attend) continue;
            bool pro = false, epi = false;
            for (struct ir_op *o = op->block->owner ? op->block->first : NULL; o; o = o->next) {
                pro |= ir_stage_of(o) == IR_STAGE_PROLOGUE;
                epi |= ir_stage_of(o) == IR_STAGE_EPILOGUE && o->code != IR_OP_yield;
            }
            cores++;
            prologue += pro;
            epilogue += epi;
        }
    printf("kernels %u contractions %u with-prologue %u with-epilogue %u\n", kernels, cores, prologue, epilogue);
}

static int interpret(struct diag *d, struct arena *a, struct ir_module *m, const struct request *r) {
    struct ir_func *entry = entry_of(m);
    uint32_t *tokens, n;
    const struct ir_op *answer = entry ? ir_emitted(entry) : NULL;
    if (!answer || !r->tokens) return usage("--interp needs an entry and", "--tokens");
    if (m->vocab == 0 || !read_ids(a, r->tokens, m->vocab - 1, &tokens, &n)) return usage("bad token list", r->tokens);
    struct ir_row *rows = arena_array(a, struct ir_row, n);
    for (uint32_t i = 0; i < n; i++) rows[i] = (struct ir_row){.token = tokens[i], .pos = i, .live = true};
    struct ir_weights w = ir_weights_random(a, r->seed);
    struct interp *it = interp_new(d, m, &w, 1, n);
    if (!it) return (int)diag_exit_code(d);
    size_t elems = (size_t)ir_type_elems(&answer->in[0]->type);
    float *out = arena_array(a, float, n *elems);
    bool ok = interp_step(it, entry, rows, n, ir_name_attr(answer, IR_ATTR_name), out);
    for (size_t i = 0; ok && i < n * elems; i++) printf("%08x%c", bits_of_f32(out[i]), (i + 1) % elems ? ' ' : '\n');
    interp_free(it);
    return ok ? EXIT_OK : (int)diag_exit_code(d);
}

static char *read_all(struct arena *a, struct diag *d, const char *path, size_t *n) {
    char *text = NULL;
    if (strcmp(path, "-") != 0) return file_read(d, a, path, 64u << 20, &text, n) ? text : NULL;
    struct buf b = {0};
    char piece[4096];
    for (size_t k; (k = fread(piece, 1, sizeof piece, stdin)) > 0 && b.n < 64u << 20;) buf_put(&b, piece, k);
    text = arena_strndup(a, b.at ? b.at : "", b.n);
    *n = b.n;
    buf_free(&b);
    return text;
}

static int run(struct arena *a, struct diag *d, const struct request *r) {
    size_t n;
    char *text = read_all(a, d, r->file, &n);
    if (!text) return (int)diag_exit_code(d);
    struct names *names = names_new(a);
    struct ir_module *m = ir_parse(d, a, names, diag_add_text(d, r->file, text, n), text, n);
    if (!m || !ir_verify(d, m, NULL)) return (int)diag_exit_code(d);
    struct pass_ctx cx = {.diag = d, .arena = a, .print_after = r->print_after};
    for (size_t i = 0; i < r->n_run; i++)
        if (!pass_run(&cx, m, r->run[i])) return EXIT_BUG;
    if (r->all && !passes_run_all(&cx, m)) return EXIT_BUG;
    if (r->interp) return interpret(d, a, m, r);
    if (r->stats) {
        print_stats(m);
        return EXIT_OK;
    }
    struct buf out = {0};
    ir_print(&out, m);
    fwrite(out.at, 1, out.n, stdout);
    buf_free(&out);
    return EXIT_OK;
}

int main(int argc, char **argv) {
    struct request r = {.seed = 1};
    int code = parse_args(argc, argv, &r);
    if (code) return code;
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, stderr);
    code = run(a, d, &r);
    diag_finish(d);
    arena_free(a);
    return file_end_stdout(code);
}
