/*
 * convert_files.c -- what setun convert writes: a GGUF, a safetensors file, or a folder with config.json beside it.
 *
 * Between files of one kind all that is said about a model is copied; between kinds the values that model texts name
 * go by the table of frontend/files/config_keys.def, and what has no place in it is told to stay behind.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "frontend/files/json.h"
#include "tools/convert.h"
#include "tools/progress.h"

static bool ends_with(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return n > k && strcmp(path + n - k, end) == 0;
}

static const struct checkpoint *input(const struct conversion *c) { return c->c.front.checkpoint; }
static const struct gguf_file *input_gguf(const struct conversion *c) {
    return input(c) ? checkpoint_gguf(input(c)) : NULL;
}

/* ---- what models call themselves ---- */

/* Classes of config.json have capitals, architectures of a GGUF have none. */
static bool has_capital(const char *s) {
    while (*s && !isupper((unsigned char)*s)) s++;
    return *s != 0;
}

/* The checkpoint's own name if it is of this kind, or else the first that the text serves. */
static const char *arch_of(const struct conversion *c, bool gguf) {
    const char *own = input(c) ? checkpoint_config(input(c))->arch : NULL;
    if (own && has_capital(own) != gguf) return own;
    for (size_t i = 0; i < c->serves.arch.n; i++)
        if (has_capital(c->serves.arch.at[i]) != gguf) return c->serves.arch.at[i];
    return NULL;
}

static const char *activation_of(const struct conversion *c) {
    const char *own = input(c) ? checkpoint_config(input(c))->hidden_act : NULL;
    return own ? own : c->serves.act.n ? c->serves.act.at[0] : NULL;
}

/* What one kind of file says in a way that the other cannot repeat exactly. */
static bool check_features(const struct conversion *c, bool gguf) {
    const struct config_values *v = &c->c.front.config;
    const struct config_value *factor = config_find(v, "rope_factor");
    if (input(c) && (input_gguf(c) != NULL) == gguf) return true;
    const char *what = config_find(v, "gain_offset") ? "a gain with 1 added"
                       : factor && factor->real != 1 ? "a scaling of rotary positions"
                                                     : NULL;
    return !what || diag_in(c->cx->diag, c->args.weights, DIAG_CONVERT_FEATURE, what);
}

/* ---- GGUF ---- */

/* general.file_type, by which readers tell types apart whose numbers have two meanings; 0: none is known. */
static uint32_t file_type(enum tensor_type t) {
    switch ((int)t) {
    case TYPE_TQ1_0: return 36;
    case TYPE_TQ2_0: return 37;
    case TYPE_TL1: return 38;
    case TYPE_TL2: return 39;
    case TYPE_I2_S: return 40;
    }
    return 0;
}

/* Keys that tell of the file itself, and not of the model. */
static bool of_the_file(const char *key) {
    return !strcmp(key, "general.file_type") || !strcmp(key, "general.alignment") || !strncmp(key, "split.", 6);
}

static void copy_pairs(const struct gguf_file *g, struct gguf_pairs *p) {
    for (size_t i = 0; i < g->n_pairs; i++)
        if (!of_the_file(g->pair[i].key)) gguf_put_pair(p, &g->pair[i]);
}

static void make_pairs(const struct conversion *c, const char *arch, struct gguf_pairs *p) {
    const struct config_values *v = &c->c.front.config;
    const char *act = activation_of(c);
    gguf_put_string(p, "general.architecture", arch);
    gguf_put_u32(p, "general.quantization_version", 2);
    config_put_gguf(c->cx->arena, p, v, arch);
    if (act) gguf_put_string(p, arena_printf(c->cx->arena, "%s.hidden_activation", arch), act);
    if (v->bos >= 0) gguf_put_u32(p, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos);
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    for (uint32_t i = 0; i < v->n_eos && i < COUNT_OF(ends); i++) gguf_put_u32(p, ends[i], (uint32_t)v->eos[i]);
}

static bool write_gguf(struct conversion *c, struct repack *r, struct out *o) {
    struct gguf_pairs p = {0};
    const char *arch = arch_of(c, true);
    if (!input_gguf(c) && !arch)
        return diag_in(c->cx->diag, c->args.weights, DIAG_CONVERT_FEATURE, "a model whose text serves no architecture");
    if (input_gguf(c))
        copy_pairs(input_gguf(c), &p);
    else
        make_pairs(c, arch, &p);
    if (file_type(c->to->type)) gguf_put_u32(&p, "general.file_type", file_type(c->to->type));
    if (!input_gguf(c)) diag_in(c->cx->diag, c->out, DIAG_CONVERT_TOKENIZER);
    bool ok = gguf_write_header(c->cx->diag, o, c->out, &p, r->plans.at, r->plans.n) && repack_write(r, o);
    gguf_pairs_free(&p);
    return ok;
}

/* ---- safetensors ---- */

static bool write_safetensors(struct conversion *c, struct repack *r, struct out *o) {
    return safetensors_write_header(c->cx->diag, o, r->path, r->plans.at, r->plans.n) && repack_write(r, o);
}

/* Is there a table for the output? */
static bool has_head(const struct repack *r) {
    for (size_t i = 0; i < r->plans.n; i++)
        if (!strcmp(r->plans.at[i].name, "lm_head.weight")) return true;
    return false;
}

static bool write_config(const struct conversion *c, const struct repack *r, struct out *o) {
    struct config_values v = c->c.front.config;
    struct buf text = {0};
    if (!config_set(c->cx->diag, c->cx->arena, &v, has_head(r) ? "tied=0" : "tied=1")) return false;
    v.arch = arch_of(c, false);
    v.hidden_act = activation_of(c);
    v.scale_divides = false;
    config_write(&text, &v);
    bool ok = out_write(o, text.at, text.n);
    buf_free(&text);
    return ok;
}

/* ---- a folder ---- */

/* config.json as it is, but for the sense of scales: they multiply now. */
static bool copy_config(const struct conversion *c, const char *path, struct out *o) {
    static const struct jlimits limits = {.bytes = 1 << 24, .depth = 64, .values = 1000000};
    struct jfile j;
    if (!jfile_open(&j, c->cx->diag, c->cx->arena, path, limits)) return false;
    json_t *how = json_pack("{s:s, s:s, s:s}", "quant_method", "bitnet", "linear_class", "autobitlinear",
                            "quantization_mode", "offline");
    json_object_set_new(j.root, "quantization_config", how);
    char *text = json_dumps(j.root, JSON_INDENT(2));
    if (!text) arena_no_memory(1);
    bool ok = out_write(o, text, strlen(text)) && out_write(o, "\n", 1);
    free(text);
    jfile_close(&j);
    return ok;
}

static const char *const beside[] = {
    "config.json",     "generation_config.json",  "tokenizer.json",    "tokenizer_config.json",
    "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt",      "chat_template.jinja"};
enum { N_BESIDE = sizeof beside / sizeof *beside };

static const char *in_folder(const struct conversion *c, const char *folder, const char *name) {
    return arena_printf(c->cx->arena, "%s/%s", folder, name);
}

static struct out *add(const struct conversion *c, out_list *list, const char *path) {
    return out_add(c->cx->diag, c->cx->arena, list, path, false);
}

/* The small files of a folder, from a folder; from other files config.json alone. */
static bool write_beside(const struct conversion *c, const struct repack *r, out_list *list) {
    const char *from = input(c) && !input_gguf(c) ? checkpoint_folder(input(c)) : NULL;
    if (!from) {
        struct out *o = add(c, list, in_folder(c, c->out, beside[0]));
        diag_in(c->cx->diag, c->out, DIAG_CONVERT_TOKENIZER);
        return o && write_config(c, r, o);
    }
    for (size_t i = 0; i < N_BESIDE; i++) {
        const char *path = in_folder(c, from, beside[i]);
        if (access(path, F_OK) != 0) continue;
        struct out *o = add(c, list, in_folder(c, c->out, beside[i]));
        if (!o || !(i == 0 && r->fresh ? copy_config(c, path, o) : out_append_file(o, path))) return false;
    }
    return true;
}

static bool write_folder(struct conversion *c, struct repack *r) {
    out_list list = {0};
    struct out *o = add(c, &list, r->path);
    if (o && write_beside(c, r, &list) && write_safetensors(c, r, o)) return out_commit_all(&list);
    out_discard_all(&list);
    return false;
}

/* ---- all of it ---- */

static bool write_file(struct conversion *c, struct repack *r) {
    struct out *o = out_open(c->cx->diag, c->out, false);
    if (!r->gguf) diag_in(c->cx->diag, c->out, DIAG_CONVERT_CONFIG);
    if (o && (r->gguf ? write_gguf(c, r, o) : write_safetensors(c, r, o))) return out_commit(o);
    if (o) out_discard(o);
    return false;
}

static bool may_write(const struct conversion *c, const char *path) {
    bool read = input(c) ? checkpoint_reads(input(c), path) : file_same(c->args.weights, path);
    return !read || diag_in(c->cx->diag, path, DIAG_OUTPUT_IS_INPUT);
}

bool convert_write(struct conversion *c) {
    bool gguf = ends_with(c->out, ".gguf"), folder = !gguf && !ends_with(c->out, ".safetensors");
    struct progress bar;
    struct repack r = {.diag = c->cx->diag,
                       .arena = c->cx->arena,
                       .path = folder ? in_folder(c, c->out, "model.safetensors") : c->out,
                       .gguf = gguf,
                       .to = c->to,
                       .tiling = c->tiling,
                       .module = c->module,
                       .sources = c->sources,
                       .checkpoint = input(c),
                       .weights = &c->weights,
                       .progress = progress_show,
                       .self = &bar};
    if (gguf != (c->to->type != TYPE_U8))
        return diag_in(c->cx->diag, c->out, DIAG_CONVERT_TYPE, gguf ? "GGUF" : "safetensors", c->to->name);
    if (!may_write(c, r.path) || (folder && !may_write(c, in_folder(c, c->out, beside[0])))) return false;
    if (!check_features(c, gguf) || !repack_plan(&r)) return false;
    bool made = folder && mkdir(c->out, 0777) == 0;
    if (folder && !made && errno != EEXIST) return diag_in(c->cx->diag, c->out, DIAG_CANNOT_CREATE, strerror(errno));
    progress_start(&bar, "weights", c->args.quiet);
    bool ok = folder ? write_folder(c, &r) : write_file(c, &r);
    if (!ok && made) (void)rmdir(c->out); /* a failed conversion leaves nothing */
    return ok;
}
