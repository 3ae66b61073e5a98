/*
 * verify.c -- setun verify EXE: runs the executable and the interpreter side by side.
 *
 * The executable carries the IR it was compiled from and its weights, so nothing else is needed.  Its trace (every
 * value between kernels) and logits are compared with the interpreter's, bit for bit; the first value that differs
 * is named with kernel, layer, position and element.
 */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/file.h"
#include "runtime/pack.h"
#include "tools/compile.h"
#include "tools/interp.h"

extern char **environ;

struct exe {
    const char *path;
    struct mapped file;
    const struct setun_pack *pack;
};

struct reader { /* of the executable's trace */
    const uint8_t *at, *end;
};

struct check {
    struct command_ctx *cx;
    struct reader trace;
    const struct ir_row *rows;
    uint32_t step;
    uint64_t compared, skipped;
    bool differs;
};

/* ---- the executable's pack ---- */

static bool bad_exe(struct command_ctx *cx, const struct exe *e, const char *why) {
    return diag_in(cx->diag, e->path, DIAG_NOT_EXECUTABLE, why);
}

static bool open_exe(struct command_ctx *cx, struct exe *e) {
    struct setun_footer foot;
    char why[256];
    if (!file_map(cx->diag, e->path, &e->file)) return false;
    if (e->file.n < sizeof foot) return bad_exe(cx, e, "too short");
    memcpy(&foot, e->file.at + e->file.n - sizeof foot, sizeof foot);
    if (!setun_footer_check(&foot, e->file.n, why, sizeof why)) return bad_exe(cx, e, arena_strdup(cx->arena, why));
    e->pack = (const struct setun_pack *)(const void *)(e->file.at + foot.pack_offset);
    if (!setun_pack_check(e->pack, foot.pack_bytes, foot.id, NULL, why, sizeof why)) return bad_exe(cx, e, arena_strdup(cx->arena, why));
    return true;
}

static struct ir_module *read_ir(struct command_ctx *cx, const struct exe *e) {
    const struct setun_span *s = &e->pack->section[SETUN_SEC_IR];
    const char *text = (const char *)e->pack + s->offset;
    struct ir_module *m = ir_parse(cx->diag, cx->arena, cx->names, diag_add_text(cx->diag, e->path, text, s->bytes), text, s->bytes);
    return m && ir_verify(cx->diag, m, NULL) ? m : NULL;
}

/* ---- running it ---- */

static bool run_exe(struct command_ctx *cx, const struct exe *e, const char *tokens, const char *n, const char *trace, const char *logits) {
    const char *slash = strchr(e->path, '/') ? "" : "./";
    char *argv[] = {arena_printf(cx->arena, "%s%s", slash, e->path), "run", "--tokens", arena_strdup(cx->arena, tokens),
                    "-n", arena_strdup(cx->arena, n), "--temp", "0", "--ids", "--ignore-eos", "-q",
                    "--trace", arena_strdup(cx->arena, trace), "--logits", arena_strdup(cx->arena, logits), NULL};
    pid_t pid;
    int status = 0;
    int err = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
    if (err) return diag_in(cx->diag, e->path, DIAG_CANNOT_OPEN, strerror(err));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return diag_in(cx->diag, e->path, DIAG_TRACE_DIFFERS, "the executable did not finish");
}

/* ---- comparing ---- */

static uint64_t up4(uint64_t n) { return (n + 3) & ~(uint64_t)3; }

/* The record at the reader, its names and data; false at the end. */
static bool peek(const struct reader *r, struct setun_trace_record *head, const uint8_t **names, const uint8_t **data, uint64_t *bytes) {
    if ((uint64_t)(r->end - r->at) < sizeof *head) return false;
    memcpy(head, r->at, sizeof *head);
    uint64_t elem = head->elem == SETUN_I8 ? 1 : 4, n = (uint64_t)head->rows * head->elems * elem;
    uint64_t names_at = sizeof *head + 4 * (uint64_t)head->rows;
    uint64_t data_at = names_at + up4((uint64_t)head->kernel_bytes + head->name_bytes);
    *names = r->at + names_at;
    *data = r->at + data_at;
    *bytes = data_at + up4(n);
    return *bytes <= (uint64_t)(r->end - r->at);
}

static bool is_value(const struct setun_trace_record *h, const uint8_t *names, const struct ir_func *f, const struct ir_val *v, uint32_t layer) {
    size_t fn = strlen(f->name), vn = strlen(v->name);
    return h->layer == layer && h->name_bytes == vn && !memcmp(names + h->kernel_bytes, v->name, vn) && h->kernel_bytes > fn &&
           !memcmp(names, f->name, fn) && names[fn] == ':';
}

static const char *show(struct arena *a, enum ir_elem e, const void *p) {
    uint32_t bits = load_u32le(p);
    if (e == IR_I8) return arena_printf(a, "%d", *(const int8_t *)p);
    if (e == IR_I32) return arena_printf(a, "%d", (int32_t)bits);
    return arena_printf(a, "%.9g (0x%08x)", (double)f32_of_bits(bits), bits);
}

static void report(struct check *k, const struct ir_func *f, const struct ir_val *v, uint32_t layer, const uint8_t *theirs, const uint8_t *ours) {
    uint32_t elem = ir_elem_bytes(v->type.elem), row = 0;
    uint64_t n = ir_type_elems(&v->type), i = 0;
    while (memcmp(theirs + i * elem, ours + i * elem, elem) == 0) i++;
    row = (uint32_t)(i / n);
    for (uint32_t seen = 0, r = 0;; r++) /* the row-th row of the value among the step's rows */
        if (v->type.rows != IR_L || k->rows[r].live) {
            if (seen++ == row) {
                row = r;
                break;
            }
        }
    struct arena *a = k->cx->arena;
    diag_in(k->cx->diag, NULL, DIAG_TRACE_DIFFERS,
            arena_printf(a, "'%%%s' of @%s, layer %u, position %u, element %" PRIu64 ": the executable has %s, the interpreter %s",
                         v->name, f->name, layer, k->rows[row].pos, i % n, show(a, v->type.elem, theirs + i * elem),
                         show(a, v->type.elem, ours + i * elem)));
    k->differs = true;
}

static void compare(void *self, const struct ir_func *f, const struct ir_val *v, uint32_t layer, uint32_t rows, const void *ours) {
    struct check *k = self;
    struct setun_trace_record head;
    const uint8_t *names, *theirs;
    uint64_t bytes;
    if (k->differs || !rows || !peek(&k->trace, &head, &names, &theirs, &bytes)) return;
    if (!is_value(&head, names, f, v, layer) || head.rows != rows || head.elems != ir_type_elems(&v->type)) {
        k->skipped++;
        return;
    }
    k->trace.at += bytes;
    k->compared++;
    if (memcmp(theirs, ours, (size_t)rows * head.elems * ir_elem_bytes(v->type.elem)) != 0) report(k, f, v, layer, theirs, ours);
}

struct run {
    uint32_t *tokens, n, generated, max_rows;
};

/* The same steps as the executable took: the prompt in chunks, then what greedy sampling chose. */
static bool interpret(struct command_ctx *cx, struct check *k, const struct ir_module *m, const struct ir_weights *w,
                      const struct run *r, const float *logits, uint64_t n_logits) {
    uint32_t total = r->n + (r->generated ? r->generated - 1 : 0), at = 0, live = 0;
    struct interp *it = interp_new(cx->diag, m, w, 1, total);
    float *ours = arena_array(cx->arena, float, (size_t)m->max_rows * m->vocab);
    struct ir_row *rows = arena_array(cx->arena, struct ir_row, m->max_rows);
    uint32_t next = 0;
    bool ok = it != NULL;
    k->rows = rows;
    if (ok) interp_set_trace(it, compare, k);
    while (ok && at < total && !k->differs) {
        uint32_t n = at < r->n ? r->n - at : 1;
        if (n > m->max_rows) n = m->max_rows;
        for (uint32_t i = 0; i < n; i++) rows[i] = (struct ir_row){.token = at < r->n ? r->tokens[at + i] : next, .pos = at + i, .live = true};
        ok = interp_step(it, compile_entry(cx, m), rows, n, "logits", ours);
        if (!ok || k->differs) break;
        if ((uint64_t)(live + n) * m->vocab > n_logits || memcmp(ours, logits + (uint64_t)live * m->vocab, (size_t)n * m->vocab * 4) != 0) {
            diag_in(cx->diag, NULL, DIAG_TRACE_DIFFERS, arena_printf(cx->arena, "the logits of positions %u to %u differ", at, at + n - 1));
            k->differs = true;
        }
        const float *last = ours + (uint64_t)(n - 1) * m->vocab;
        next = 0;
        for (uint32_t i = 1; i < m->vocab; i++)
            if (last[i] > last[next]) next = i;
        live += n;
        at += n;
        k->step++;
    }
    if (it) interp_free(it);
    return ok;
}

static int parse_tokens(struct command_ctx *cx, const char *text, uint32_t vocab, struct run *r) {
    r->tokens = arena_array(cx->arena, uint32_t, strlen(text) + 1);
    for (const char *p = text; *p;) {
        char *end;
        unsigned long t = strtoul(p, &end, 10);
        if (end == p || (*end && *end != ',')) return command_usage("verify", "--tokens takes ids with commas, not '%s'", text);
        if (t >= vocab) return command_usage("verify", "token %lu is outside the vocabulary of %u", t, vocab);
        r->tokens[r->n++] = (uint32_t)t;
        p = *end ? end + 1 : end;
    }
    return r->n ? EXIT_OK : command_usage("verify", "--tokens takes ids with commas, not '%s'", text);
}

static bool compare_runs(struct command_ctx *cx, const struct exe *e, const struct ir_module *m, const struct run *r, const char *tokens,
                         const char *n, struct check *k) {
    const char *dir = tmp_dir(cx->diag);
    struct mapped trace = {0}, logits = {0};
    struct data_plan plan;
    if (!dir) return false;
    const char *trace_path = arena_printf(cx->arena, "%s/trace", dir), *logits_path = arena_printf(cx->arena, "%s/logits", dir);
    data_plan_make(cx->arena, m, &plan);
    if (plan.bytes > e->pack->data.bytes) return bad_exe(cx, e, "its weights do not fit its IR");
    struct ir_weights w = data_weights(cx->arena, &plan, (const uint8_t *)e->pack + e->pack->data.offset, e->pack->data.bytes);
    bool ok = run_exe(cx, e, tokens, n, trace_path, logits_path) && file_map(cx->diag, trace_path, &trace) && file_map(cx->diag, logits_path, &logits);
    if (ok && (trace.n < 8 || memcmp(trace.at, SETUN_TRACE_MAGIC, 8) != 0)) ok = diag_in(cx->diag, trace_path, DIAG_TRACE_DIFFERS, "not a trace");
    if (ok) {
        k->trace = (struct reader){trace.at + 8, trace.at + trace.n};
        ok = interpret(cx, k, m, &w, r, (const float *)(const void *)logits.at, logits.n / 4);
        if (ok && !k->differs && k->trace.at != k->trace.end)
            k->differs = !diag_in(cx->diag, NULL, DIAG_TRACE_DIFFERS, "the executable's trace has values that the interpreter does not");
    }
    file_unmap(&trace);
    file_unmap(&logits);
    return ok;
}

int command_verify(struct command_ctx *cx, int argc, char **argv) {
    static const struct option options[] = {{"tokens", required_argument, NULL, 't'}, {"predict", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    const char *tokens = "1,2,3,4,5,6,7,8", *n = "8";
    for (int o; (o = command_option("verify", argc, argv, options)) != -1;) {
        if (o == 't')
            tokens = optarg;
        else if (o == 'n')
            n = optarg;
        else
            return EXIT_USAGE;
    }
    if (!command_words("verify", argc, 1, "EXECUTABLE")) return EXIT_USAGE;
    struct exe e = {.path = argv[optind]};
    struct check k = {.cx = cx};
    struct run r = {0};
    char *end;
    r.generated = (uint32_t)strtoul(n, &end, 10);
    if (*end || r.generated < 1 || r.generated > 100000) return command_usage("verify", "--predict takes 1 to 100000, not '%s'", n);
    struct ir_module *m = open_exe(cx, &e) ? read_ir(cx, &e) : NULL;
    int code = m ? parse_tokens(cx, tokens, m->vocab, &r) : (int)diag_exit_code(cx->diag);
    if (code == EXIT_OK) {
        r.max_rows = m->max_rows;
        bool ok = compare_runs(cx, &e, m, &r, tokens, n, &k);
        code = ok && !k.differs ? EXIT_OK : (int)diag_exit_code(cx->diag);
        if (code == EXIT_OK)
            printf("equal: %" PRIu64 " values of %u steps, and the logits of %u positions\n", k.compared, k.step, r.n + r.generated - 1);
    }
    file_unmap(&e.file);
    return code;
}
