/* repack.c -- what a converted checkpoint will hold: tensors, their names, types and sizes (repack.h). */
#include "frontend/files/repack.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/half.h"
#include "codec/hf_u8.h"
#include "codec/real.h"

/* ---- names ---- */

bool repack_is_gguf_name(const char *name) {
    static const char *const begins[] = {"blk.", "token_embd", "output.", "output_norm", "rope_freqs"};
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0) return true;
    return false;
}

static const char *container_name(const struct repack *r) { return r->gguf ? "GGUF" : "safetensors"; }

/* Of names of texts and of files, ".weight" may be left out in the first. */
static bool same_tensor(const char *in_text, const char *in_file) {
    size_t n = strlen(in_text);
    return strncmp(in_text, in_file, n) == 0 && (!in_file[n] || strcmp(in_file + n, ".weight") == 0);
}

/* Is this a name of the container, prefix and rest?  In texts that name both, the rest of GGUF files comes last. */
static bool is_of(const struct repack *r, const struct ir_weight *w, const struct weight_name *n) {
    return repack_is_gguf_name(n->name) == r->gguf && (!w->layers || n->last == r->gguf);
}

/* The name it was found by, if that is one of the container's; otherwise the first of the container. */
static const struct weight_name *choose_name(const struct repack *r, const struct repack_item *i) {
    const struct weight_name *first = NULL;
    for (const struct weight_name *n = r->sources[i->w->id].all[i->layer]; n->name; n++) {
        if (!is_of(r, i->w, n)) continue;
        if (i->at && same_tensor(n->name, i->at->data->name)) return n;
        if (!first) first = n;
    }
    return first;
}

const char *repack_where(const struct repack *r, const struct repack_item *i) {
    if (i->at) return tensor_where(r->arena, i->at->data, 0);
    return arena_printf(r->arena, "weight '%s' of layer %u", i->w->name, i->layer);
}

/* ---- shapes ---- */

struct ir_weight repack_stored(const struct repack_item *i) {
    struct ir_weight w = *i->w;
    if (!i->at) return w;
    w.store = i->at->store;
    w.scale = i->at->kind;
    w.group = i->at->group;
    return w;
}

struct ternary_shape repack_shape(const struct repack *r, const struct repack_item *i) {
    struct ternary_shape s = {.rows = ir_weight_rows(i->w), .cols = ir_weight_cols(i->w), .tiling = r->tiling};
    if (r->to->type == TYPE_TL1 && !s.tiling.bm) (void)tl1_known_tiling(s.rows, s.cols, &s.tiling);
    if (r->to->type == TYPE_TL2 && !s.tiling.bm) (void)tl2_known_tiling(s.rows, s.cols, &s.tiling);
    return s;
}

/* ---- scales ---- */

uint64_t repack_text_row(uint64_t f, uint64_t d) {
    uint64_t k = f % d;
    return f - k + k / 2 + k % 2 * (d / 2);
}

static const float *in_pairs(struct arena *a, const float *scale, uint64_t rows, uint64_t each, uint64_t d) {
    float *out = arena_array(a, float, rows *each);
    for (uint64_t f = 0; f < rows; f++)
        memcpy(out + f * each, scale + repack_text_row(f, d) * each, each * sizeof *out);
    return out;
}

bool repack_scales(const struct repack *r, const struct repack_item *i, struct ternary_scaling *s) {
    static const enum ternary_scales kinds[] = {
        [IR_SCALE_MATRIX] = SCALES_MATRIX, [IR_SCALE_ROW] = SCALES_ROW, [IR_SCALE_GROUP] = SCALES_GROUP};
    struct ir_weight w = repack_stored(i);
    struct ternary_shape shape = {.rows = ir_weight_rows(i->w), .cols = ir_weight_cols(i->w)};
    *s = (struct ternary_scaling){.kind = kinds[w.scale], .group = w.group};
    uint64_t n = ternary_scale_count(&shape, s->kind, s->group);
    float *scale = arena_array(r->arena, float, n);
    if (!r->weights->scales(r->weights->self, &w, i->layer, scale)) return false;
    s->scale = scale;
    if (i->paired && s->kind != SCALES_MATRIX)
        s->scale = in_pairs(r->arena, scale, shape.rows, n / shape.rows, w.dim[w.rank - 2]);
    return true;
}

static bool bf16_exact(float x) { return (bits_of_f32(x) & 0xffffu) == 0; }

static uint16_t bf16_narrow(float x) {
    uint32_t u = bits_of_f32(x);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* Would 1 / alpha, stored again as this type, be the number that alpha was made of? */
static bool comes_back(enum tensor_type t, float stored) {
    float again = 1.0f / (1.0f / stored);
    if (t == TYPE_BF16) again = f32_of_bits((uint32_t)bf16_narrow(again) << 16);
    if (t == TYPE_F16) again = half_widen(half_narrow(again));
    return again == stored;
}

/* Scales beside that hold 1 / alpha and become alpha. */
static bool check_inverses(const struct repack *r, const struct repack_item *i) {
    const struct tensor *t = i->at ? i->at->scale : NULL;
    if (!t || !checkpoint_config(r->checkpoint)->scale_divides) return true;
    uint64_t n = t->bytes / tensor_types[t->type].bytes;
    bool ok = true;
    struct arena_mark m = arena_save(r->arena);
    float *stored = arena_array(r->arena, float, n);
    real_decode(t->type, tensor_data(t), n, stored);
    for (uint64_t k = 0; ok && k < n; k++)
        ok = comes_back(t->type, stored[k]) ||
             diag_in(r->diag, tensor_where(r->arena, t, 0), DIAG_CONVERT_INVERSE, (double)stored[k]);
    arena_restore(r->arena, m);
    return ok;
}

/* ---- the list ---- */

static bool add(struct repack *r, const struct repack_item *i, const struct tensor_plan *p) {
    *vec_push(r->arena, &r->items) = *i;
    *vec_push(r->arena, &r->plans) = *p;
    return ck_add(&r->bytes, r->bytes, p->bytes) || diag_in(r->diag, r->path, DIAG_SYNTH_TOO_LARGE);
}

/* A tensor of its own for scales: as it was, or as BF16 where that is exact, or F32. */
static bool add_scales(struct repack *r, const struct repack_item *matrix, const char *name) {
    struct repack_item i = *matrix;
    struct tensor_plan p = {.name = arena_printf(r->arena, "%s_scale", name), .type = TYPE_BF16, .rank = 1};
    i.scale = true;
    if (!r->fresh) {
        const struct tensor *t = i.copy = i.at->scale;
        p.type = t->type, p.rank = t->rank, p.bytes = t->bytes;
        memcpy(p.dim, t->dim, sizeof p.dim);
        return add(r, &i, &p);
    }
    struct arena_mark m = arena_save(r->arena);
    struct ternary_scaling s;
    struct ternary_shape shape = repack_shape(r, &i);
    if (!repack_scales(r, &i, &s)) return false;
    p.dim[0] = ternary_scale_count(&shape, s.kind, s.group);
    for (uint64_t k = 0; k < p.dim[0]; k++)
        if (!bf16_exact(s.scale[k])) p.type = TYPE_F32;
    arena_restore(r->arena, m);
    p.bytes = p.dim[0] * tensor_types[p.type].bytes;
    return add(r, &i, &p);
}

static bool add_matrix(struct repack *r, const struct repack_item *i, const char *name) {
    struct ternary_shape s = repack_shape(r, i);
    const char *rule = ternary_shape_rule(r->to, &s);
    size_t n = strlen(name);
    bool whole = n > 7 && strcmp(name + n - 7, ".weight") == 0;
    struct tensor_plan p = {.name = whole ? name : arena_printf(r->arena, "%s.weight", name),
                            .type = r->to->type,
                            .rank = 2,
                            .dim = {s.rows, s.cols}};
    if (i->at && !i->at->format && i->at->absmean) return diag_in(r->diag, repack_where(r, i), DIAG_CONVERT_DENSE);
    if (rule) return diag_in(r->diag, repack_where(r, i), DIAG_CONVERT_RULE, r->to->name, rule);
    if (r->fresh && !check_inverses(r, i)) return false;
    if (!r->to->bytes(&s, &p.bytes)) return diag_in(r->diag, repack_where(r, i), DIAG_SYNTH_TOO_LARGE);
    if (r->to->type == TYPE_U8) p.dim[0] = hf_u8_stored_rows(s.rows);
    return add(r, i, &p) && (r->to->where != SCALE_BESIDE || add_scales(r, i, p.name));
}

static enum tensor_type type_of(enum ir_store s) {
    static const enum tensor_type types[IR_N_STORES] = {
        [IR_STORE_F32] = TYPE_F32,   [IR_STORE_F16] = TYPE_F16,   [IR_STORE_BF16] = TYPE_BF16,
        [IR_STORE_Q8_0] = TYPE_Q8_0, [IR_STORE_Q6_K] = TYPE_Q6_K, [IR_STORE_Q4_0] = TYPE_Q4_0,
        [IR_STORE_Q4_K] = TYPE_Q4_K};
    return types[s];
}

static bool check_type(const struct repack *r, const char *where, enum tensor_type t) {
    if (r->gguf ? gguf_holds(t) : safetensors_holds(t)) return true;
    return diag_in(r->diag, where, DIAG_CONVERT_TYPE, container_name(r), tensor_types[t].name);
}

/* Dimensions as in the file; of an executable those of the text, and of layers flat, as biases of heads are. */
static bool add_real(struct repack *r, const struct repack_item *i, const char *name) {
    struct ir_weight w = repack_stored(i);
    struct tensor_plan p = {.name =
                                i->at && repack_is_gguf_name(i->at->data->name) == r->gguf ? i->at->data->name : name,
                            .type = type_of(w.store),
                            .rank = w.rank};
    uint64_t rows = ir_weight_rows(&w), cols = ir_weight_cols(&w);
    for (uint32_t k = 0; k < w.rank; k++) p.dim[k] = w.dim[k];
    if (!i->at && w.layers) p.rank = 1, p.dim[0] = rows * cols;
    if (i->at) {
        p.rank = i->at->data->rank;
        memcpy(p.dim, i->at->data->dim, sizeof p.dim);
    }
    if (!p.rank) p.rank = 1, p.dim[0] = 1;
    p.bytes = rows * (cols / tensor_types[p.type].block) * tensor_types[p.type].bytes;
    return check_type(r, repack_where(r, i), p.type) && add(r, i, &p);
}

static bool add_weight(struct repack *r, const struct ir_weight *w, uint32_t layer) {
    const struct weight_source *s = &r->sources[w->id];
    struct repack_item i = {.w = w, .layer = layer, .at = s->at ? &s->at[layer] : NULL};
    const struct weight_name *name = choose_name(r, &i);
    if (!name) return diag_in(r->diag, repack_where(r, &i), DIAG_CONVERT_NAME, container_name(r));
    i.paired = name->paired;
    return w->store == IR_STORE_TRIT ? add_matrix(r, &i, name->name) : add_real(r, &i, name->name);
}

/* ---- tensors that no weight is made of ---- */

static bool is_in(const struct repack *r, const struct tensor *t) {
    for (size_t k = 0; k < r->items.n; k++) {
        const struct weight_at *at = r->items.at[k].at;
        if (at && (at->data == t || at->scale == t || at->times == t)) return true;
    }
    return false;
}

/* Into the same kind of container they go as they are; another has no name for them. */
static bool add_others(struct repack *r) {
    for (size_t k = 0; r->checkpoint && k < checkpoint_n_tensors(r->checkpoint); k++) {
        const struct tensor *t = checkpoint_tensor_at(r->checkpoint, k);
        if (is_in(r, t)) continue;
        const char *where = tensor_where(r->arena, t, 0);
        if ((checkpoint_gguf(r->checkpoint) != NULL) != r->gguf) {
            diag_in(r->diag, where, DIAG_CONVERT_LEFT);
            continue;
        }
        struct repack_item i = {.copy = t};
        struct tensor_plan p = {.name = t->name, .type = t->type, .rank = t->rank, .bytes = t->bytes};
        memcpy(p.dim, t->dim, sizeof p.dim);
        if (!check_type(r, where, t->type) || !add(r, &i, &p)) return false;
    }
    return true;
}

static uint32_t most_layers(const struct ir_module *m) {
    uint32_t most = 0;
    for (size_t i = 0; i < m->weights.n; i++)
        if (m->weights.at[i]->layers > most) most = m->weights.at[i]->layers;
    return most;
}

/* Is a matrix not packed with its scales beside, or will they be elsewhere? */
static bool needs_scales(const struct repack *r) {
    bool all = r->to->where == SCALE_BESIDE;
    for (size_t i = 0; all && i < r->module->weights.n; i++) {
        const struct ir_weight *w = r->module->weights.at[i];
        const struct weight_source *s = &r->sources[w->id];
        if (w->store != IR_STORE_TRIT) continue;
        for (uint32_t k = 0; all && k < s->n; k++) all = s->at && s->at[k].scale;
    }
    return !all;
}

bool repack_plan(struct repack *r) {
    const struct ir_module *m = r->module;
    bool ok = true, any = false;
    r->fresh = needs_scales(r);
    for (size_t i = 0; i < m->weights.n; i++) {
        any |= m->weights.at[i]->store == IR_STORE_TRIT;
        if (!m->weights.at[i]->layers) ok = add_weight(r, m->weights.at[i], 0) && ok;
    }
    for (uint32_t layer = 0; ok && layer < most_layers(m); layer++)
        for (size_t i = 0; i < m->weights.n; i++)
            if (layer < m->weights.at[i]->layers) ok = add_weight(r, m->weights.at[i], layer) && ok;
    if (ok && !any) return diag_in(r->diag, r->path, DIAG_CONVERT_NOTHING);
    return ok && add_others(r);
}
