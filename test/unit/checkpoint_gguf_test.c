/* Checkpoints of GGUF: config values from pairs, what only content tells of a matrix, ids that mean two things. */
#include "test/unit/gguf_build.h"

#include <math.h>

#include "base/compiler.h"
#include "frontend/files/checkpoint.h"

static void begin(struct build *b, const char *arch) {
    *b = (struct build){0};
    add_text(b, "general.architecture", arch);
}

static struct checkpoint *opened(struct heard *h, const struct gguf_dialect *how) {
    hear(h);
    return checkpoint_open(h->diag, h->arena, path_of("m.gguf"), how);
}

static double value_of(const struct checkpoint *cp, const char *name) {
    const struct config_value *v = config_find(checkpoint_config(cp), name);
    return v ? v->real : -1;
}

/* ---- config ---- */

static void config(void) {
    static const uint32_t kv[2] = {2, 2};
    static const float embed[5 * 8] = {0};
    struct build b;
    struct heard h;
    begin(&b, "bitnet-b1.58");
    add_u32(&b, "bitnet-b1.58.embedding_length", 8);
    add_u32(&b, "bitnet-b1.58.attention.head_count", 4);
    add_u32s(&b, "bitnet-b1.58.attention.head_count_kv", 2, kv);
    add_u32(&b, "bitnet-b1.58.rope.dimension_count", 2);
    add_f32(&b, "bitnet-b1.58.attention.layer_norm_rms_epsilon", 1e-5f);
    add_f32(&b, "bitnet-b1.58.rope.scaling.factor", 4);
    add_text(&b, "bitnet-b1.58.rope.scaling.type", "linear");
    add_u32(&b, "bitnet-b1.58.odd.number", 17);
    add_u32(&b, "tokenizer.ggml.bos_token_id", 1);
    add_u32(&b, "tokenizer.ggml.eos_token_id", 2);
    add_u32(&b, "tokenizer.ggml.eot_token_id", 3);
    add_floats(&b, "token_embd.weight", 5, 8, embed);
    end_build(&b, "m.gguf");
    struct checkpoint *cp = opened(&h, NULL);
    if (EXPECT(cp != NULL)) {
        const struct config_values *c = checkpoint_config(cp);
        EXPECT(value_of(cp, "hidden") == 8 && value_of(cp, "heads") == 4 && value_of(cp, "kv_heads") == 2);
        EXPECT(value_of(cp, "head") == 2 && value_of(cp, "vocab") == 5 && value_of(cp, "tied") == 1);
        EXPECT(value_of(cp, "eps") == 1e-5 && value_of(cp, "rope_factor") == 4 && value_of(cp, "rope_low") == -1);
        EXPECT(value_of(cp, "odd_number") == 17);
        EXPECT_STR(c->arch, "bitnet-b1.58");
        EXPECT_STR(c->hidden_act, "relu2");
        EXPECT(!c->scale_divides && c->bos == 1 && c->n_eos == 2 && c->eos[1] == 3);
    }
    heard_none(&h, "config");
    checkpoint_close(cp);
    unhear(&h);
}

static void refused_config(void) {
    static const uint32_t kv[2] = {2, 1};
    static const char *const slugs[] = {"gguf-key", "config-rope", "config-rope", "config-divides", "json-range"};
    for (size_t i = 0; i < COUNT_OF(slugs); i++) {
        struct build b;
        struct heard h;
        begin(&b, "llama");
        add_u32(&b, "llama.attention.head_count", 4);
        if (i == 0) add_u32s(&b, "llama.attention.head_count_kv", 2, kv);
        if (i == 1) add_text(&b, "llama.rope.scaling.type", "yarn");
        if (i == 2) {
            add_u32(&b, "llama.attention.key_length", 8);
            add_u32(&b, "llama.rope.dimension_count", 4);
        }
        if (i == 3) add_u32(&b, "llama.attention.head_count_kv", 3);
        if (i == 4) add_u32(&b, "llama.block_count", 0);
        end_build(&b, "m.gguf");
        EXPECT(!opened(&h, NULL));
        heard_one(&h, slugs[i], slugs[i], i == 1 || i == 2 ? EXIT_UNSUPPORTED : EXIT_REJECTED);
        unhear(&h);
    }
}

/* A table of ones scales nothing, but it has a number for each pair. */
static void rope_freqs_length(bool good) {
    float table[32];
    struct build b;
    struct heard h;
    for (int i = 0; i < 32; i++) table[i] = 1;
    begin(&b, "llama");
    add_u32(&b, "llama.attention.head_count", 4);
    add_u32(&b, "llama.attention.key_length", 64);
    add_floats(&b, "rope_freqs.weight", 0, good ? 32 : 16, table);
    end_build(&b, "m.gguf");
    struct checkpoint *cp = opened(&h, NULL);
    EXPECT((cp != NULL) == good);
    if (!good) heard_one(&h, "rope_freqs_length", "tensor-shape", EXIT_REJECTED);
    checkpoint_close(cp);
    unhear(&h);
}

/* The table of Llama 3.2, in f32 as its converter computed it; then one number of it changed. */
static void rope_freqs(bool good) {
    float table[32];
    struct build b;
    struct heard h;
    for (int i = 0; i < 32; i++) {
        float freq = 1.0f / powf(500000.0f, 2.0f * (float)i / 64.0f), wave = 2 * 3.14159265f / freq;
        float smooth = (8192.0f / wave - 1.0f) / 3.0f;
        table[i] = wave < 2048 ? 1 : wave > 8192 ? 32 : 1 / ((1 - smooth) / 32 + smooth);
    }
    if (!good) table[20] *= 1.01f;
    begin(&b, "llama");
    add_f32(&b, "llama.rope.freq_base", 500000);
    add_floats(&b, "rope_freqs.weight", 0, 32, table);
    end_build(&b, "m.gguf");
    struct checkpoint *cp = opened(&h, NULL);
    EXPECT((cp != NULL) == good);
    if (cp)
        EXPECT(value_of(cp, "rope_factor") == 32 && value_of(cp, "rope_low") == 1 && value_of(cp, "rope_high") == 4);
    if (!good) heard_one(&h, "rope_freqs", "config-rope", EXIT_UNSUPPORTED);
    checkpoint_close(cp);
    unhear(&h);
}

/* ---- matrices ---- */

enum { ROWS = 4, COLS = 128 };

struct found {
    struct heard h;
    struct checkpoint *cp;
    struct weight_at at[2];
    struct weight_source source;
    struct ir_weights values;
    struct ir_weight *w;
};

static bool find(struct found *f, uint32_t layers) {
    f->cp = opened(&f->h, NULL);
    if (!EXPECT(f->cp != NULL)) return false;
    for (uint32_t i = 0; i < layers; i++)
        if (!EXPECT(checkpoint_find_ternary(f->cp, i ? "y" : "x", 2, (uint32_t[]){ROWS, COLS}, &f->at[i]) ==
                    CHECKPOINT_FOUND))
            return false;
    f->source = (struct weight_source){.n = layers, .at = f->at};
    checkpoint_agree(&f->source);
    struct ir_module *m = ir_module_new(f->h.arena, names_new(f->h.arena), "test");
    f->w = ir_weight_add(m, "x");
    f->w->store = f->source.store;
    f->w->scale = f->source.kind;
    f->w->group = f->source.group;
    f->w->rank = 2;
    f->w->dim[0] = ROWS;
    f->w->dim[1] = COLS;
    return EXPECT(checkpoint_weights(f->cp, m, &f->source, &f->values));
}

static void drop(struct found *f) {
    heard_none(&f->h, "matrix");
    checkpoint_close(f->cp);
    unhear(&f->h);
}

/* Trits by a rule, every third 0; scaled by block. */
static int8_t trit(int r, int c) { return (int8_t)((r * 7 + c * 5 + (c / 9)) % 3 - 1); }
static void matrix(float *v, const float scale[ROWS], const float block[4]) {
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) v[r * COLS + c] = (float)trit(r, c) * scale[r] * block[c / 32];
}

static void dense(const char *what, const float scale[ROWS], const float block[4], enum ir_scale kind, uint32_t group) {
    float v[ROWS * COLS], s[ROWS * 4];
    int8_t t[ROWS * COLS];
    struct build b;
    struct found f;
    matrix(v, scale, block);
    begin(&b, "llama");
    add_floats(&b, "x.weight", ROWS, COLS, v);
    end_build(&b, "m.gguf");
    if (find(&f, 1)) {
        if (!EXPECT(f.w->scale == kind && f.w->group == group && !f.at[0].absmean)) printf("%s\n", what);
        EXPECT(f.values.trits(f.values.self, f.w, 0, 0, ROWS, t) && f.values.scales(f.values.self, f.w, 0, s));
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLS; c++) {
                uint32_t per_row = group ? COLS / group : 1;
                float got = s[kind == IR_SCALE_MATRIX ? 0 : (uint32_t)r * per_row + (group ? (uint32_t)c / group : 0)];
                if (v[r * COLS + c] == 0 ? t[r * COLS + c] == 0 : (float)t[r * COLS + c] * got == v[r * COLS + c])
                    continue;
                EXPECT(!"a value is another one");
                return;
            }
    }
    drop(&f);
}

static void already_ternary(void) {
    static const float one[4] = {1, 1, 1, 1}, rows[4] = {1, 2, 0, 3}, halves[4] = {1, 1, 3, 3}, parts[4] = {1, 5, 7, 2};
    dense("one scale", one, one, IR_SCALE_MATRIX, 0);
    dense("a scale a row, one of zeros", rows, one, IR_SCALE_ROW, 0);
    dense("two blocks", one, halves, IR_SCALE_GROUP, 64);
    dense("four blocks, other rows", rows, parts, IR_SCALE_GROUP, 32);
}

/* One value off: a master again. */
static void master(void) {
    static const float one[4] = {1, 1, 1, 1};
    float v[ROWS * COLS], s, sum = 0;
    struct build b;
    struct found f;
    matrix(v, one, one);
    v[3 * COLS + 99] = 0.75f;
    for (int i = 0; i < ROWS * COLS; i++) sum += fabsf(v[i]);
    begin(&b, "llama");
    add_floats(&b, "x.weight", ROWS, COLS, v);
    end_build(&b, "m.gguf");
    if (find(&f, 1)) {
        EXPECT(f.at[0].absmean && f.w->scale == IR_SCALE_MATRIX && f.values.scales(f.values.self, f.w, 0, &s));
        EXPECT(s == sum / (ROWS * COLS));
    }
    drop(&f);
}

/* Layers of which one has a scale a row, and the other one for all, times its factor. */
static void layers(void) {
    static const float one[4] = {1, 1, 1, 1}, rows[4] = {1, 2, 5, 3};
    static const float factor = 0.5f;
    float v[ROWS * COLS], s[ROWS];
    struct build b;
    struct found f;
    begin(&b, "bitnet");
    matrix(v, rows, one);
    add_floats(&b, "x.weight", ROWS, COLS, v);
    matrix(v, one, one);
    add_floats(&b, "y.weight", ROWS, COLS, v);
    add_floats(&b, "y.scale", 0, 1, &factor);
    end_build(&b, "m.gguf");
    if (find(&f, 2)) {
        EXPECT(f.w->scale == IR_SCALE_ROW && f.at[1].kind == IR_SCALE_MATRIX);
        EXPECT(f.values.scales(f.values.self, f.w, 0, s) && s[0] == 1 && s[3] == 3);
        EXPECT(f.values.scales(f.values.self, f.w, 1, s) && s[0] == 0.5f && s[3] == 0.5f);
    }
    drop(&f);
}

/* ---- types ---- */

/* Blocks of Q2_0, and which of two sizes they have. */
static void q2_0(uint64_t block, size_t bytes, enum tensor_type type) {
    uint8_t data[32 * 36] = {0};
    struct build b;
    struct heard h;
    begin(&b, "qwen3");
    add_tensor(&b, "x.weight", 2, 128, 42, data, 2 * bytes); /* 96 bytes with its padding, either way */
    add_tensor(&b, "y.weight", 32, 128, 42, data, 32 * bytes);
    end_build(&b, "m.gguf");
    struct checkpoint *cp = opened(&h, NULL);
    if (EXPECT(cp != NULL)) {
        struct buf told = {0};
        EXPECT(checkpoint_tensor(cp, "x.weight")->type == type && checkpoint_tensor(cp, "y.weight")->type == type);
        checkpoint_tell_dialect(cp, &told);
        EXPECT(told.n && strstr(told.at, block == 64 ? "64 columns" : "128 columns"));
        buf_free(&told);
    }
    checkpoint_close(cp);
    unhear(&h);
}

static void shared_ids(void) {
    static const struct {
        const char *arch;
        uint32_t id, file_type; /* 0: none */
        bool told, good;
    } table[] = {
        {"bitnet-b1.58", 36, 0, false, true}, {"llama", 36, 40, false, true},  {"llama", 36, 2, false, false},
        {"llama", 36, 2, true, true},         {"bitnet", 38, 0, false, true},  {"llama", 38, 38, false, true},
        {"llama", 38, 0, false, false},       {"bitnet", 39, 39, false, true}, {"llama", 39, 38, false, false},
        {"bitnet", 39, 38, false, false},
    };
    static const uint8_t data[1024 * 1024] = {0};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct build b;
        struct heard h;
        struct gguf_dialect how = {0};
        begin(&b, table[i].arch);
        if (table[i].file_type) add_u32(&b, "general.file_type", table[i].file_type);
        size_t n = table[i].id == 39 ? 256 * 256 / 2 / 2 + 32 : 256 * 256 / 4 + 32;
        add_tensor(&b, "x.weight", 256, 256, table[i].id, data, table[i].id == 39 ? 256 * 256 / 2 * 4 / 8 + 32 : n);
        end_build(&b, "m.gguf");
        if (table[i].told) how.i2_s = ternary_find("i2_s");
        struct checkpoint *cp = opened(&h, table[i].told ? &how : NULL);
        if (!EXPECT((cp != NULL) == table[i].good)) printf("row %zu: %s\n", i, heard_text(&h));
        if (!table[i].good) heard_one(&h, "id", "gguf-type-twice", EXIT_UNSUPPORTED);
        if (cp && table[i].id != 36) { /* no tiling is known for 256 x 256 */
            struct weight_at at;
            EXPECT(checkpoint_find_ternary(cp, "x", 2, (uint32_t[]){256, 256}, &at) == CHECKPOINT_BAD);
            heard_one(&h, "tiling", "tensor-tiling", EXIT_UNSUPPORTED);
        }
        checkpoint_close(cp);
        unhear(&h);
    }
}

int main(void) {
    readers_start();
    config();
    refused_config();
    rope_freqs(true);
    rope_freqs(false);
    rope_freqs_length(true);
    rope_freqs_length(false);
    already_ternary();
    master();
    layers();
    q2_0(64, 36, TYPE_Q2_0);
    q2_0(128, 34, TYPE_Q2_0_128);
    shared_ids();
    readers_end();
    return expect_end();
}
