/*
 * inspect.c -- setun inspect: what is in a checkpoint, whatever its files, or in an executable of ours.
 *
 * Trits are counted by streaming over every ternary matrix; memory stays at a few rows.
 */
#include "tools/inspect.h"

#include <string.h>
#include <unistd.h>

#include "frontend/files/json.h"
#include "tools/exefile.h"

enum { PIECE = 1 << 20 };

/* ---- trits ---- */

static const char *scale_text(struct arena *a, enum ir_scale kind, uint32_t group) {
    switch (kind) {
    case IR_SCALE_NONE: break;
    case IR_SCALE_MATRIX: return "matrix";
    case IR_SCALE_ROW: return "row";
    case IR_SCALE_GROUP: return arena_printf(a, "group of %u", (unsigned)group);
    }
    return NULL;
}

static bool count_trits(struct arena *a, const struct ir_weights *from, const struct ir_weight *w, uint32_t layers,
                        uint64_t count[3]) {
    uint64_t rows = ir_weight_rows(w), cols = ir_weight_cols(w), at_once = cols < PIECE ? PIECE / cols : 1;
    struct arena_mark m = arena_save(a);
    int8_t *trits = arena_array(a, int8_t, cols *(at_once < rows ? at_once : rows));
    bool ok = true;
    for (uint32_t layer = 0; ok && layer < layers; layer++)
        for (uint64_t r = 0; ok && r < rows; r += at_once) {
            uint64_t n = rows - r < at_once ? rows - r : at_once;
            ok = from->trits(from->self, w, layer, r, n, trits);
            for (uint64_t i = 0; ok && i < n * cols; i++) count[trits[i] + 1]++;
        }
    arena_restore(a, m);
    return ok;
}

/* ---- checkpoints ---- */

static bool count_tensor(struct command_ctx *cx, struct checkpoint *cp, const struct weight_at *at,
                         struct inspected *t) {
    struct ir_module *m = ir_module_new(cx->arena, cx->names, "inspect");
    struct ir_weight *w = ir_weight_add(m, "weight");
    struct weight_at found = *at;
    struct weight_source source = {.n = 1, .at = &found};
    struct ir_weights from;
    w->store = IR_STORE_TRIT;
    w->scale = at->kind;
    w->group = at->group;
    w->rank = 2;
    w->dim[0] = (uint32_t)at->shape.rows;
    w->dim[1] = (uint32_t)at->shape.cols;
    t->scales = scale_text(cx->arena, at->kind, at->group);
    return checkpoint_weights(cp, m, &source, &from) && count_trits(cx->arena, &from, w, 1, t->trits);
}

static bool add_tensor(struct command_ctx *cx, struct checkpoint *cp, const struct tensor *t, struct inspection *s) {
    const char *slash = strrchr(t->file->path, '/');
    struct weight_at at;
    struct inspected row = {.name = t->name,
                            .type = t->format ? t->format->name : tensor_types[t->type].name,
                            .shape = tensor_shape_text(cx->arena, t->rank, t->dim),
                            .file = slash ? slash + 1 : t->file->path,
                            .rank = t->rank,
                            .offset = t->offset,
                            .bytes = t->bytes};
    memcpy(row.dim, t->dim, sizeof row.dim);
    bool told = !t->format || (t->type != TYPE_TL1 && t->type != TYPE_TL2) || t->tiling.bm;
    enum checkpoint_found found = told ? checkpoint_as_ternary(cp, t, &at) : CHECKPOINT_ABSENT;
    bool ok = found != CHECKPOINT_BAD && (found == CHECKPOINT_ABSENT || count_tensor(cx, cp, &at, &row));
    *vec_push(cx->arena, &s->tensors) = row;
    return ok;
}

/* What lies beside the files of Hugging Face's kind. */
static bool find_texts(struct command_ctx *cx, const struct checkpoint *cp, struct inspection *s) {
    static const char *const tokenizers[] = {"tokenizer.json", "tokenizer.model"};
    static const struct jlimits limits = {.bytes = 64 << 20, .depth = 64, .values = 4000000};
    const char *folder = checkpoint_folder(cp), *path;
    for (size_t i = COUNT_OF(tokenizers); i-- > 0;)
        if (access(arena_printf(cx->arena, "%s/%s", folder, tokenizers[i]), F_OK) == 0) s->tokenizer = tokenizers[i];
    path = arena_printf(cx->arena, "%s/chat_template.jinja", folder);
    if (access(path, F_OK) == 0) {
        char *text;
        size_t n;
        if (!file_read(cx->diag, cx->arena, path, 16 << 20, &text, &n)) return false;
        s->template_bytes = n;
    }
    path = arena_printf(cx->arena, "%s/tokenizer_config.json", folder);
    if (s->template_bytes || access(path, F_OK) != 0) return true;
    struct jfile j;
    if (!jfile_open(&j, cx->diag, cx->arena, path, limits)) return false;
    const char *text = json_string_value(json_object_get(j.root, "chat_template"));
    if (text) s->template_bytes = strlen(text);
    jfile_close(&j);
    return true;
}

static void find_pairs(struct command_ctx *cx, const struct gguf_file *g, struct inspection *s) {
    const struct gguf_pair *model = gguf_find(g, "tokenizer.ggml.model"),
                           *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    const struct gguf_pair *chat = gguf_find(g, "tokenizer.chat_template");
    const char *at;
    uint64_t n;
    s->gguf_version = g->version;
    s->pairs = g->n_pairs;
    if (model && gguf_string(model, &at, &n))
        s->tokenizer = arena_printf(cx->arena, "%.*s, %llu tokens", n < 40 ? (int)n : 40, at,
                                    (unsigned long long)(tokens ? tokens->count : 0));
    if (chat && gguf_string(chat, &at, &n)) s->template_bytes = n;
}

bool inspect_checkpoint(struct command_ctx *cx, const char *path, const struct gguf_dialect *how,
                        struct inspection *s) {
    struct checkpoint *cp = checkpoint_open(cx->diag, cx->arena, path, how);
    if (!cp) return false;
    const struct gguf_file *g = checkpoint_gguf(cp);
    struct buf dialect = {0};
    bool ok = true;
    *s = (struct inspection){.path = path, .container = g ? "GGUF" : "safetensors", .config = checkpoint_config(cp)};
    s->arch = s->config->arch;
    s->files = checkpoint_n_files(cp);
    if (g)
        find_pairs(cx, g, s);
    else
        ok = find_texts(cx, cp, s);
    for (size_t i = 0; ok && i < checkpoint_n_tensors(cp); i++) ok = add_tensor(cx, cp, checkpoint_tensor_at(cp, i), s);
    checkpoint_tell_dialect(cp, &dialect);
    s->dialect = arena_strndup(cx->arena, dialect.n ? dialect.at : "", dialect.n);
    buf_free(&dialect);
    checkpoint_close(cp);
    return ok;
}

/* ---- executables ---- */

static bool add_class(struct command_ctx *cx, const struct ir_weights *from, const struct ir_weight *w,
                      struct inspection *s) {
    static const char *const stores[] = {"ternary", "f32", "f16", "bf16", "q8_0", "q6_k", "q4_0", "q4_k"};
    struct inspected row = {.name = w->name, .type = stores[w->store], .rank = w->rank, .layers = w->layers};
    for (uint32_t i = 0; i < w->rank; i++) row.dim[i] = w->dim[i];
    row.shape = tensor_shape_text(cx->arena, w->rank, row.dim);
    row.scales = scale_text(cx->arena, w->scale, w->group);
    bool ok = w->store != IR_STORE_TRIT || count_trits(cx->arena, from, w, w->layers ? w->layers : 1, row.trits);
    *vec_push(cx->arena, &s->tensors) = row;
    return ok;
}

bool inspect_executable(struct command_ctx *cx, const char *path, struct inspection *s) {
    struct exe_file e;
    struct ir_weights from;
    if (!exe_open(cx, path, &e)) {
        exe_close(&e);
        return false;
    }
    const struct setun_span *section = e.pack->section;
    *s = (struct inspection){.path = path, .container = "executable", .files = 1, .dialect = ""};
    s->target = e.target;
    s->template_bytes = section[SETUN_SEC_CHAT].bytes;
    if (section[SETUN_SEC_TOKENIZER].bytes) s->tokenizer = "compiled";
    s->config_text = arena_strndup(cx->arena, (const char *)e.pack + section[SETUN_SEC_CONFIG].offset,
                                   (size_t)section[SETUN_SEC_CONFIG].bytes);
    struct ir_module *m = exe_module(cx, &e);
    bool ok = m && exe_weights(cx, &e, m, &from);
    for (size_t i = 0; ok && i < m->weights.n; i++) ok = add_class(cx, &from, m->weights.at[i], s);
    exe_close(&e);
    return ok;
}

/* ---- the command ---- */

static bool is_executable(const char *path) {
    char magic[4] = {0};
    FILE *f = fopen(path, "rb");
    bool yes = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "\177ELF", 4) == 0;
    if (f) fclose(f);
    return yes;
}

int command_inspect(struct command_ctx *cx, int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"dialect", required_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
    struct gguf_dialect how = {0};
    struct inspection s;
    bool json = false;
    for (int o; (o = command_option("inspect", argc, argv, ":", options)) != -1;) {
        if (o == 'j')
            json = true;
        else if (o != 'd' || !gguf_dialect_set(cx->diag, optarg, &how))
            return EXIT_USAGE;
    }
    if (!command_words("inspect", argc, 1, "PATH")) return EXIT_USAGE;
    const char *path = argv[optind];
    if (!(is_executable(path) ? inspect_executable(cx, path, &s) : inspect_checkpoint(cx, path, &how, &s))) {
        int code = (int)diag_exit_code(cx->diag);
        return code ? code : EXIT_IO;
    }
    (json ? inspect_print_json : inspect_print)(&s);
    return EXIT_OK;
}
