/* cmd_info.c -- `info`: what is in this file. */
#include <string.h>

#include "runtime/chat/chat.h"
#include "runtime/cmd.h"
#include "runtime/cpu.h"
#include "runtime/place.h"

#define ULL(x) ((unsigned long long)(x))

static void section(struct setun_out *out, const struct setun_app *app, enum setun_section s) {
    uint64_t n;
    const uint8_t *text = setun_pack_section(&app->pack, s, &n);
    setun_out_write(out, text, n);
    if (n > 0 && text[n - 1] != '\n') setun_out_write(out, "\n", 1);
}

static void print_levels(struct setun_out *out, const struct setun_app *app) {
    const struct setun_model *m = app->model;
    uint32_t features = setun_cpu_features();
    bool chosen = false;
    for (uint32_t i = 0; i < m->n_levels; i++) {
        char needs[256];
        bool runs = (m->levels[i].needs & ~features) == 0;
        setun_feature_names(m->levels[i].needs, needs, sizeof needs);
        setun_out_printf(out, "level: %s (%s)%s\n", m->levels[i].name,
                         needs[0] ? needs : "no more than the architecture",
                         !runs    ? ", not on this machine"
                         : chosen ? ", runs here"
                                  : ", chosen here");
        chosen = chosen || runs;
    }
}

static void print_memory(struct setun_out *out, const struct setun_model *m) {
    setun_out_printf(out, "memory: %llu bytes + %llu a position, a thread %llu + %llu a position, 64 positions %llu\n",
                     ULL(m->arena_bytes + m->shared_bytes), ULL(m->shared_bytes_per_position), ULL(m->scratch_bytes),
                     ULL(m->scratch_bytes_per_position), ULL(m->state_block_bytes));
}

static void print_tokenizer(struct setun_out *out, const struct setun_app *app) {
    const struct setun_tok *k = app->tok.tok;
    if (!k) {
        setun_out_printf(out, "tokenizer: none\n");
        return;
    }
    bool unigram = k->kind == SETUN_TOK_UNIGRAM, chars = k->flags & SETUN_TOK_CHARS;
    setun_out_printf(out, "tokenizer: %s, %u tokens, ",
                     unigram ? "unigram"
                     : chars ? "BPE"
                             : "byte-level BPE",
                     k->n_tokens);
    if (!unigram) setun_out_printf(out, "%u merges, ", k->n_merges);
    setun_out_printf(out, "%u special", k->n_specials);
    if (k->bos != SETUN_NO_TOKEN) setun_out_printf(out, ", bos %u", k->bos);
    for (uint32_t i = 0; i < k->n_eos; i++) setun_out_printf(out, "%s%u", i == 0 ? ", eos " : " ", k->eos[i]);
    setun_out_printf(out, "\n");
}

static void print_chat(struct setun_out *out, const struct setun_app *app) {
    struct setun_template t;
    uint64_t n;
    char why[512];
    const void *section = setun_pack_section(&app->pack, SETUN_SEC_CHAT, &n);
    if (n == 0) {
        setun_out_printf(out, "chat template: none\n");
    } else if (!setun_chat_open(&t, section, n, app->model->vocab, why, sizeof why)) {
        setun_out_printf(out, "chat template: %s\n", why);
    } else {
        setun_out_printf(out, "chat template: %u bytes", t.chat->jinja.bytes);
        for (uint32_t i = 0; i < t.chat->n_eot; i++) {
            setun_out_printf(out, "%s%u", i == 0 ? ", an answer ends with " : " ", t.chat->eot[i]);
        }
        setun_out_printf(out, "\n");
        setun_chat_close(&t);
    }
}

static int chat_text(struct setun_out *out, const struct setun_app *app) {
    struct setun_template t;
    uint64_t n;
    char why[512];
    const void *section = setun_pack_section(&app->pack, SETUN_SEC_CHAT, &n);
    if (n == 0) return EXIT_OK;
    if (!setun_chat_open(&t, section, n, app->model->vocab, why, sizeof why)) {
        return setun_fail(EXIT_REJECTED, "%s: weight pack: %s", app->pack.path, why);
    }
    struct setun_jinja_text text = setun_chat_text(&t, t.chat->jinja);
    setun_out_write(out, text.at, text.n);
    if (text.n > 0 && text.at[text.n - 1] != '\n') setun_out_write(out, "\n", 1);
    setun_chat_close(&t);
    return EXIT_OK;
}

static void print_config(struct setun_out *out, const struct setun_app *app) {
    uint64_t n;
    const char *text = setun_pack_section(&app->pack, SETUN_SEC_CONFIG, &n);
    for (uint64_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - (text + at)) : (size_t)(n - at);
        setun_out_printf(out, "config: %.*s\n", len < 512 ? (int)len : 512, text + at);
        at += len + 1;
    }
}

static void overview(struct setun_out *out, const struct setun_app *app) {
    const struct setun_model *m = app->model;
    const struct setun_mapped_pack *p = &app->pack;
    setun_out_printf(out, "model: %s\ncompiler: %s\n", m->name, m->compiler);
    setun_out_printf(out, "emits: %s, %u numbers\n", m->out_name, m->out_elems);
    setun_out_printf(out, "vocabulary: %u\ncontext: %u\nrows in a step: %u\n", m->vocab, m->context, m->max_rows);
    setun_out_printf(out, "target: %s\n", setun_cpu_family);
    print_levels(out, app);
    uint64_t behind = sizeof(struct setun_footer) + p->bytes;
    setun_out_printf(out, "file: %llu bytes; code %llu, header %llu, weights %llu\n", ULL(p->file_bytes),
                     ULL(p->file_bytes - behind), ULL(p->head->data.offset), ULL(p->head->data.bytes));
    setun_out_printf(out, "ternary: %llu bytes a token\n", ULL(m->ternary_bytes));
    print_memory(out, m);
    setun_out_printf(out, "threads: %u chosen here, of %u cores, %u CPUs\n", setun_default_threads(m->ternary_bytes),
                     setun_cores(), setun_cpus());
    setun_out_printf(out, "id: %016llx\nheader hash: %016llx\nweights hash: %016llx\n", ULL(p->head->id),
                     ULL(p->head->header_hash), ULL(p->head->data_hash));
    print_tokenizer(out, app);
    print_chat(out, app);
    print_config(out, app);
}

/* Where the mapped weights are, or a copy as `run --copy-weights` makes it. */
static int whereabouts(struct setun_out *out, const struct setun_app *app) {
    const struct setun_opts *o = &app->o;
    struct setun_team *team = NULL;
    struct setun_weights_copy copy = {0};
    uint64_t n = app->pack.head->data.bytes;
    if (!o->copy_weights) {
        setun_place_print(out, app->pack.data, n);
        return EXIT_OK;
    }
    uint32_t threads = o->threads ? setun_threads(o->threads) : setun_default_threads(app->model->ternary_bytes);
    int code = setun_team_open(&team, threads, NULL);
    if (code == EXIT_OK) code = setun_weights_copy_open(&copy, &app->pack, team, 0);
    if (code == EXIT_OK) setun_place_print(out, copy.at, n);
    setun_weights_copy_close(&copy);
    setun_team_close(team);
    return code;
}

static void print_shape(struct setun_out *out, const struct setun_tensor *t) {
    setun_out_printf(out, "[");
    for (uint32_t i = 0; i < t->rank; i++) setun_out_printf(out, "%s%u", i > 0 ? ", " : "", t->dim[i]);
    setun_out_printf(out, "]");
}

static int tensors(struct setun_out *out, const struct setun_app *app) {
    static const char *const layout[] = {
#define LAYOUT(id, name) name,
#include "runtime/layouts.def"
    };
    static const char *const store[] = {"ternary", "f32", "f16", "bf16", "q8_0", "q6_k", "q4_0", "q4_k"};
    char why[256];
    uint32_t n;
    uint64_t bytes;
    const struct setun_tensor *t = setun_pack_section(&app->pack, SETUN_SEC_TENSORS, &bytes);
    if (!setun_tensors_check(t, bytes, app->pack.head->data.bytes, &n, why, sizeof why)) {
        return setun_fail(EXIT_REJECTED, "%s: weight pack: %s", app->pack.path, why);
    }
    for (uint32_t i = 0; i < n; i++) {
        int len = t[i].name_bytes < 512 ? (int)t[i].name_bytes : 512;
        setun_out_printf(out, "%.*s: %s", len, (const char *)t + t[i].name,
                         t[i].store < sizeof store / sizeof *store ? store[t[i].store] : "?");
        print_shape(out, &t[i]);
        setun_out_printf(out, ", %u layer%s, layout %s, at %llu", t[i].layers > 0 ? t[i].layers : 1,
                         t[i].layers > 1 ? "s" : "", t[i].layout < SETUN_N_LAYOUTS ? layout[t[i].layout] : "?",
                         ULL(t[i].offset));
        if (t[i].layers > 1) setun_out_printf(out, " + %llu", ULL(t[i].layer_stride));
        if (t[i].n_scales > 0) setun_out_printf(out, ", %u scales at %llu", t[i].n_scales, ULL(t[i].scale_offset));
        if (t[i].screen_offset > 0) setun_out_printf(out, ", int8 rows of a screen at %llu", ULL(t[i].screen_offset));
        if (t[i].group > 0) setun_out_printf(out, ", one for %u columns", t[i].group);
        setun_out_printf(out, "\n");
    }
    return EXIT_OK;
}

static int verify(struct setun_out *out, const struct setun_app *app) {
    uint64_t found;
    setun_pack_populate(&app->pack, NULL);
    if (setun_stopped()) return setun_stopped();
    if (!setun_pack_verify(&app->pack, &found)) {
        return setun_fail(EXIT_VERIFY, "the weights are damaged: their hash is %016llx instead of %016llx", ULL(found),
                          ULL(app->pack.head->data_hash));
    }
    setun_out_printf(out, "weights: %llu bytes, hash %016llx, as built\n", ULL(app->pack.head->data.bytes), ULL(found));
    return EXIT_OK;
}

int setun_info(struct setun_app *app) {
    const struct setun_opts *o = &app->o;
    struct setun_out out;
    int code = setun_out_stdout(&out);
    if (code != EXIT_OK) return code;
    if (!o->model && !o->chat && !o->ir && !o->tensors && !o->licenses && !o->verify) {
        overview(&out, app);
        code = whereabouts(&out, app);
    }
    if (o->model) section(&out, app, SETUN_SEC_MODEL);
    if (o->chat) code = chat_text(&out, app);
    if (o->ir) section(&out, app, SETUN_SEC_IR);
    if (o->tensors && code == EXIT_OK) code = tensors(&out, app);
    if (o->licenses) section(&out, app, SETUN_SEC_LICENSES);
    if (o->verify && code == EXIT_OK) code = verify(&out, app);
    int closed = setun_out_close(&out, true);
    return code != EXIT_OK ? code : closed;
}
