/*
 * cmd_selftest.c -- `selftest`: the weights are as built, and every level that this machine runs, with any number
 * of threads and any chunk, computes the same bits.
 */
#include <stdlib.h>

#include "runtime/cmd.h"
#include "runtime/cpu.h"
#include "runtime/place.h"

enum { PROMPT = 70 }; /* crosses a block of 64 positions */

struct selftest {
    struct setun_app *app;
    struct setun_out out;
    uint32_t tokens[PROMPT], n;
    bool have;
    uint64_t hash; /* of what the first run emitted */
};

struct hashing {
    struct setun_hasher h;
    uint32_t elems;
};

static void add_row(void *arg, uint32_t row, const float *out) {
    struct hashing *h = arg;
    (void)row;
    setun_hash_add(&h->h, out, h->elems * sizeof *out);
}

static int one_run(struct selftest *s, struct setun_engine *e, const char *level, uint32_t threads, uint32_t chunk) {
    struct setun_feed f;
    struct hashing h = {.elems = e->out_elems};
    setun_hash_init(&h.h);
    int code = setun_feed_open(&f, e, chunk, NULL);
    uint32_t rows = f.chunk < s->n ? f.chunk : s->n;
    if (code == EXIT_OK) code = setun_feed_tokens(&f, s->tokens, s->n, 0, true, add_row, &h);
    setun_feed_close(&f);
    if (code != EXIT_OK) return code;
    uint64_t hash = setun_hash_end(&h.h);
    bool same = !s->have || hash == s->hash;
    if (!s->have) s->hash = hash;
    s->have = true;
    setun_out_printf(&s->out, "%s, %u thread%s, %u row%s together: %s %016llx%s\n", level, threads,
                     threads > 1 ? "s" : "", rows, rows > 1 ? "s" : "", e->out_name, (unsigned long long)hash,
                     same ? "" : ", DIFFERENT");
    setun_out_flush(&s->out);
    return same ? EXIT_OK
                : setun_fail(EXIT_VERIFY, "level '%s' with %u threads and %u rows gives other %s", level, threads, rows,
                             e->out_name);
}

static int one_engine(struct selftest *s, const struct setun_level *level, uint32_t threads, bool chunks) {
    static const uint32_t chunk[] = {0, 7, 1};
    struct setun_native n = {0};
    struct setun_native_config c = {
        .model = s->app->model, .level = level, .weights = s->app->pack.data, .threads = threads, .context = s->n};
    int code = setun_native_open(&n, &c);
    for (int i = 0; i < (chunks ? 3 : 1) && code == EXIT_OK; i++) {
        code = one_run(s, &n.e, level->name, threads, chunk[i]);
    }
    setun_native_close(&n);
    return code;
}

static int levels(struct selftest *s) {
    const struct setun_model *m = s->app->model;
    uint32_t features = setun_cpu_features(), threads = s->app->o.threads ? s->app->o.threads : setun_cores();
    int code = EXIT_OK;
    for (uint32_t i = 0; i < m->n_levels && code == EXIT_OK; i++) {
        if ((m->levels[i].needs & ~features) != 0) {
            setun_out_printf(&s->out, "%s: skipped, this machine does not run it\n", m->levels[i].name);
            continue;
        }
        for (uint32_t t = 1; t <= threads && code == EXIT_OK; t++) {
            code = one_engine(s, &m->levels[i], t, t == threads);
        }
    }
    return code;
}

int setun_selftest(struct setun_app *app) {
    struct selftest s = {.app = app, .n = app->model->context < PROMPT ? app->model->context : PROMPT};
    for (uint32_t i = 0; i < s.n; i++) s.tokens[i] = (uint32_t)((i * 2654435761ull + 1) % app->model->vocab);
    const struct setun_level *any;
    int code = setun_level_choose(app->model, setun_cpu_features(), NULL, NULL, &any);
    if (code == EXIT_OK) code = setun_out_stdout(&s.out);
    if (code != EXIT_OK) return code;
    uint64_t found;
    setun_pack_populate(&app->pack, NULL);
    if (!setun_pack_verify(&app->pack, &found)) {
        code = setun_fail(EXIT_VERIFY, "the weights are damaged: their hash is %016llx instead of %016llx",
                          (unsigned long long)found, (unsigned long long)app->pack.head->data_hash);
    }
    if (code == EXIT_OK) {
        setun_out_printf(&s.out, "weights: hash %016llx, as built\n", (unsigned long long)found);
        code = levels(&s);
    }
    if (code == EXIT_OK) setun_out_printf(&s.out, "all the same\n");
    int closed = setun_out_close(&s.out, true);
    return code != EXIT_OK ? code : closed;
}
