/*
 * synth.c -- see synth.h.
 *
 * Header and data of model.safetensors are two walks over the same list of tensors: all weights by id, layers in
 * order, the scale of a matrix behind its trits.
 */
#include "frontend/synth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/str.h"
#include "codec/hf_u8.h"
#include "frontend/files/tensor_write.h"

enum { CHUNK = 1 << 18 };

struct writer {
    struct diag *diag;
    struct arena *arena;
    const struct ir_module *module;
    const struct weight_source *sources;
    const struct ir_weights *weights;
    const char *dir;
};

/* ---- header ---- */

static enum tensor_type type_of(enum ir_store s) {
    switch (s) {
    case IR_STORE_TRIT: return TYPE_U8;
    case IR_STORE_F32: return TYPE_F32;
    case IR_STORE_F16: return TYPE_F16;
    case IR_STORE_BF16: return TYPE_BF16;
    default: break;
    }
    BUG("storage %d", (int)s);
}

/* What stands beside a packed matrix is one scale, or one a row. */
static uint64_t scale_count(const struct ir_weight *w) {
    if (w->scale == IR_SCALE_GROUP) BUG("'%s' has scales of groups", w->name);
    return ir_weight_scales(w);
}

struct header {
    struct arena *arena;
    VEC(struct tensor_plan) plans;
    bool fits;
};

/* The product of the shape times the size of an element is checked. */
static void plan(struct header *h, const char *name, const char *suffix, enum tensor_type type, uint32_t rank,
                 const uint64_t *dim) {
    struct tensor_plan p = {.name = arena_printf(h->arena, "%s%s", name, suffix),
                            .type = type,
                            .rank = rank,
                            .bytes = tensor_types[type].bytes};
    for (uint32_t i = 0; i < rank; i++) {
        p.dim[i] = dim[i];
        h->fits = h->fits && ck_mul(&p.bytes, p.bytes, dim[i]);
    }
    *vec_push(h->arena, &h->plans) = p;
}

static void plan_weight(struct header *h, const struct ir_weight *w, const char *name) {
    uint64_t dim[IR_MAX_RANK], n = scale_count(w);
    uint64_t packed[] = {hf_u8_stored_rows(ir_weight_rows(w)), ir_weight_cols(w)};
    for (uint32_t i = 0; i < w->rank; i++) dim[i] = w->dim[i];
    if (w->store != IR_STORE_TRIT) {
        plan(h, name, "", type_of(w->store), w->rank, dim);
        return;
    }
    plan(h, name, ".weight", type_of(w->store), 2, packed);
    plan(h, name, ".weight_scale", TYPE_BF16, 1, &n);
}

static int by_text(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Names come from the model text: none may hold what a reader would stumble over, none may occur twice. */
static bool check_names(const struct writer *wr) {
    VEC(const char *) all = {0};
    for (size_t i = 0; i < wr->module->weights.n; i++) {
        const struct ir_weight *w = wr->module->weights.at[i];
        const struct weight_source *s = &wr->sources[w->id];
        for (uint32_t l = 0; l < s->n; l++) {
            for (const char *p = s->name[l]; *p; p++)
                if (*p == '"' || *p == '\\' || (unsigned char)*p < 0x20)
                    return diag_at(wr->diag, w->loc, DIAG_SYNTH_NAME, s->name[l]);
            *vec_push(wr->arena, &all) = s->name[l];
        }
    }
    if (all.n) qsort(all.at, all.n, sizeof *all.at, by_text);
    for (size_t i = 1; i < all.n; i++)
        if (strcmp(all.at[i - 1], all.at[i]) == 0) return diag_in(wr->diag, wr->dir, DIAG_SYNTH_TWICE, all.at[i]);
    return true;
}

static bool write_header(const struct writer *wr, struct out *o) {
    struct header h = {.arena = wr->arena, .fits = true};
    for (size_t i = 0; i < wr->module->weights.n; i++) {
        const struct ir_weight *w = wr->module->weights.at[i];
        for (uint32_t l = 0; l < wr->sources[w->id].n; l++) plan_weight(&h, w, wr->sources[w->id].name[l]);
    }
    if (!h.fits) return diag_in(wr->diag, wr->dir, DIAG_SYNTH_TOO_LARGE);
    return safetensors_write_header(wr->diag, o, wr->dir, h.plans.at, h.plans.n);
}

/* ---- data ---- */

/* One stored row at a time: its trits are up to four rows of the matrix, a chunk apart. */
static bool write_trits(const struct writer *wr, struct out *o, const struct ir_weight *w, uint32_t layer) {
    uint64_t rows = ir_weight_rows(w), cols = ir_weight_cols(w), stored = hf_u8_stored_rows(rows);
    struct arena_mark mark = arena_save(wr->arena);
    int8_t *trits = arena_alloc(wr->arena, (size_t)cols);
    uint8_t *packed = arena_alloc(wr->arena, (size_t)cols);
    bool ok = true;
    for (uint64_t r = 0; ok && r < stored; r++) {
        memset(packed, 0, (size_t)cols);
        for (unsigned j = 0; ok && j < 4 && r + j * stored < rows; j++) {
            ok = wr->weights->trits(wr->weights->self, w, layer, r + j * stored, 1, trits);
            for (uint64_t c = 0; ok && c < cols; c++)
                packed[c] = (uint8_t)(packed[c] | (unsigned)(trits[c] + 1) << 2 * j);
        }
        ok = ok && out_write(o, packed, (size_t)cols);
    }
    arena_restore(wr->arena, mark);
    return ok;
}

/* Scales are stored as bf16, to nearest even. */
static bool write_scales(const struct writer *wr, struct out *o, const struct ir_weight *w, uint32_t layer) {
    uint64_t n = scale_count(w);
    struct arena_mark mark = arena_save(wr->arena);
    float *scale = arena_array(wr->arena, float, n);
    bool ok = wr->weights->scales(wr->weights->self, w, layer, scale);
    for (uint64_t i = 0; ok && i < n; i++) {
        uint32_t u = bits_of_f32(scale[i]);
        u += 0x7fffu + (u >> 16 & 1u);
        uint8_t stored[2] = {(uint8_t)(u >> 16), (uint8_t)(u >> 24)};
        ok = out_write(o, stored, 2);
    }
    arena_restore(wr->arena, mark);
    return ok;
}

static bool write_raw(const struct writer *wr, struct out *o, const struct ir_weight *w, uint32_t layer) {
    uint64_t rows = ir_weight_rows(w), row_bytes = ir_weight_cols(w) * ir_store_bytes(w->store);
    uint64_t step = row_bytes < CHUNK ? CHUNK / row_bytes : 1;
    struct arena_mark mark = arena_save(wr->arena);
    uint8_t *part = arena_alloc(wr->arena, (size_t)(step * row_bytes));
    bool ok = true;
    for (uint64_t r = 0; ok && r < rows; r += step) {
        uint64_t n = rows - r < step ? rows - r : step;
        ok = wr->weights->raw(wr->weights->self, w, layer, r, n, part) && out_write(o, part, (size_t)(n * row_bytes));
    }
    arena_restore(wr->arena, mark);
    return ok;
}

static bool write_tensors(const struct writer *wr, struct out *o) {
    if (!check_names(wr) || !write_header(wr, o)) return false;
    for (size_t i = 0; i < wr->module->weights.n; i++) {
        const struct ir_weight *w = wr->module->weights.at[i];
        for (uint32_t l = 0; l < wr->sources[w->id].n; l++) {
            bool ok = w->store == IR_STORE_TRIT ? write_trits(wr, o, w, l) && write_scales(wr, o, w, l)
                                                : write_raw(wr, o, w, l);
            if (!ok) return false;
        }
    }
    return true;
}

/* ---- the other files ---- */

static bool write_config(struct out *o, const struct config_values *config, uint32_t vocab) {
    struct config_values c = *config;
    struct buf b = {0};
    c.scale_divides = false;
    c.bos = (int64_t)vocab - 2;
    c.n_eos = 1;
    c.eos[0] = (int64_t)vocab - 1;
    config_write(&b, &c);
    bool ok = out_write(o, b.at, b.n);
    buf_free(&b);
    return ok;
}

static bool write_tokenizer_config(struct out *o) {
    static const char text[] = "{\"add_bos_token\": true, \"bos_token\": \"<|begin_of_text|>\", "
                               "\"eos_token\": \"<|end_of_text|>\"}\n";
    return out_write(o, text, sizeof text - 1);
}

enum { CONFIG, TOKENIZER, TOKENIZER_CONFIG, TENSORS, N_FILES };

/* All four are written before the first is renamed into place. */
static bool write_files(const struct writer *wr, const struct config_values *config) {
    static const char *const name[N_FILES] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                              "model.safetensors"};
    struct out *o[N_FILES] = {0};
    bool ok = true;
    for (int i = 0; ok && i < N_FILES; i++) {
        o[i] = out_open(wr->diag, arena_printf(wr->arena, "%s/%s", wr->dir, name[i]), false);
        ok = o[i] != NULL;
    }
    uint32_t vocab = wr->module->vocab;
    ok = ok && write_config(o[CONFIG], config, vocab) && synth_tokenizer(o[TOKENIZER], vocab) &&
         write_tokenizer_config(o[TOKENIZER_CONFIG]) && write_tensors(wr, o[TENSORS]);
    for (int i = N_FILES; i-- > 0;) { /* the tensors first: without them the rest is nothing */
        if (ok)
            ok = out_commit(o[i]);
        else
            out_discard(o[i]);
    }
    return ok;
}

bool synth_write(struct diag *d, const struct ir_module *m, const struct weight_source *sources,
                 const struct config_values *config, const char *dir, const struct ir_weights *weights) {
    if (m->vocab < 3) return diag_in(d, dir, DIAG_SYNTH_VOCAB, m->vocab);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) return diag_in(d, dir, DIAG_CANNOT_CREATE, strerror(errno));
    struct writer wr = {
        .diag = d, .arena = arena_new(), .module = m, .sources = sources, .weights = weights, .dir = dir};
    bool ok = write_files(&wr, config);
    arena_free(wr.arena);
    return ok;
}

/* ---- values from a seed ---- */

struct drawn {
    struct ir_weights other; /* scales and real values */
    uint64_t seed;
    int8_t five[243][8]; /* the digits of 0..242, less 1; three bytes unused */
};

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Twenty trits of a counter: each half of the word gives two digits of base 243 from its top. */
static void draw_twenty(const struct drawn *dr, uint64_t counter, int8_t out[32]) {
    uint64_t z = mix(counter * 0x9E3779B97F4A7C15u);
    uint64_t a = (z >> 32) * 243, b = (z & UINT32_MAX) * 243;
    uint64_t c = (a & UINT32_MAX) * 243, d = (b & UINT32_MAX) * 243;
    memcpy(out, dr->five[a >> 32], 8);
    memcpy(out + 5, dr->five[b >> 32], 8);
    memcpy(out + 10, dr->five[c >> 32], 8);
    memcpy(out + 15, dr->five[d >> 32], 8);
}

static bool draw_trits(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, int8_t *out) {
    const struct drawn *dr = self;
    uint64_t cols = ir_weight_cols(w), blocks = cols / 20 + 1;
    uint64_t base = mix(dr->seed ^ mix(hash_bytes(w->name, strlen(w->name), layer)));
    int8_t part[32];
    for (uint64_t r = row; r < row + n; r++, out += cols) {
        for (uint64_t i = 0, k = 0; i < cols; i += 20, k++) {
            draw_twenty(dr, base + r * blocks + k, part);
            memcpy(out + i, part, (size_t)(cols - i < 20 ? cols - i : 20));
        }
    }
    return true;
}

static bool draw_scales(void *self, const struct ir_weight *w, uint32_t layer, float *out) {
    const struct drawn *dr = self;
    return dr->other.scales(dr->other.self, w, layer, out);
}

static bool draw_raw(void *self, const struct ir_weight *w, uint32_t layer, uint64_t row, uint64_t n, void *out) {
    const struct drawn *dr = self;
    return dr->other.raw(dr->other.self, w, layer, row, n, out);
}

bool synth_checkpoint(struct diag *d, const struct ir_module *m, const struct weight_source *sources,
                      const struct config_values *config, const char *dir, uint64_t seed) {
    struct arena *a = arena_new();
    struct drawn *dr = arena_one(a, struct drawn);
    dr->other = ir_weights_random(a, seed);
    dr->seed = seed;
    for (int v = 0; v < 243; v++)
        for (int i = 4, rest = v; i >= 0; i--, rest /= 3) dr->five[v][i] = (int8_t)(rest % 3 - 1);
    struct ir_weights weights = {.self = dr, .trits = draw_trits, .scales = draw_scales, .raw = draw_raw};
    bool ok = synth_write(d, m, sources, config, dir, &weights);
    arena_free(a);
    return ok;
}
