/* Checkpoints: tensors found and misfound, values as the files mean them, shards, and hostile values. */
#include "test/unit/readers.h"

#include <math.h>

#include "base/check.h"
#include "base/compiler.h"
#include "frontend/files/checkpoint.h"

#define T(name, dtype, shape, from, to)                                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

/* w: trits [8, 4] packed; its scale; g: gain [4] of bf16; m: master [4, 4] of f32; n: f16 [2, 2]; e: f32 [4]. */
static const char header[] = "{" T("w.weight", "U8", "[2,4]", 0, 8) "," T("w.weight_scale", "BF16", "[1]", 8, 10) "," T(
    "g.weight", "BF16", "[4]", 10, 18) "," T("m.weight", "F32", "[4,4]", 18,
                                             82) "," T("n", "F16", "[2,2]", 82,
                                                       90) "," T("r.weight", "U8", "[1,2]", 90,
                                                                 92) "," T("r.weight_scale", "F32", "[3]", 92,
                                                                           104) "," T("lone.weight", "U8", "[2,4]", 104,
                                                                                      112) "}";
enum { DATA = 112 };
static const uint8_t packed[8] = {0x86, 0x0a, 0xa4, 0x92, 0x25, 0x5a, 0x18, 0x99};
static const int8_t trits[32] = {1,  1,  -1, 1, 0, 1, -1, 0, 0, 1,  0, -1, 0,  1, 1,  1,
                                 -1, -1, 1,  0, 1, 0, 0,  0, 1, -1, 1, 1,  -1, 0, -1, 1};
static const float master[16] = {.5f, -.5f, 1.5f, -1.5f, .375f, .625f, -.375f, -.625f,
                                 2,   -3,   0,    1,     .25f,  -.25f, 1.25f,  2.25f};

static void fill(uint8_t data[DATA]) {
    static const uint8_t r[2] = {0x18, 0x21}; /* rows [-1 0] [1 -1] [0 1], the fourth absent */
    static const float scales[3] = {1, 2, 4};
    static const uint8_t halves[8] = {0x00, 0x3c, 0x00, 0xbc, 0x01, 0x00, 0xff, 0x7b};
    memset(data, 0, DATA);
    memcpy(data, packed, 8);
    data[8] = 0x00, data[9] = 0x3f; /* 0.5 */
    for (int i = 0; i < 4; i++) data[10 + 2 * i] = 0x80, data[11 + 2 * i] = 0x3f;
    memcpy(data + 18, master, 64);
    memcpy(data + 82, halves, 8);
    memcpy(data + 90, r, 2);
    memcpy(data + 92, scales, 12);
}

static void write_all(const uint8_t *data, const char *config) {
    put_tensors("model.safetensors", header, data, DATA);
    put_text("config.json", config);
}

static const char multiply[] = "{\"quantization_config\":{\"linear_class\":\"autobitlinear\"}}";

/* A module with one weight of each kind, found in the checkpoint. */
struct model {
    struct ir_module *m;
    struct weight_source source[5];
    struct weight_at at[5];
};

static bool add(struct model *md, struct checkpoint *cp, const char *name, bool ternary, uint32_t rank, uint32_t a,
                uint32_t b) {
    size_t i = md->m->weights.n;
    struct ir_weight *w = ir_weight_add(md->m, name);
    uint32_t dim[2] = {a, b};
    enum checkpoint_found got = ternary ? checkpoint_find_ternary(cp, name, rank, dim, &md->at[i])
                                        : checkpoint_find_real(cp, name, rank, dim, &md->at[i]);
    EXPECT(w->id == i);
    w->rank = rank;
    memcpy(w->dim, dim, sizeof dim);
    w->store = md->at[i].store;
    w->scale = md->at[i].kind;
    md->source[i] = (struct weight_source){.n = 1, .at = &md->at[i]};
    return got == CHECKPOINT_FOUND;
}

static bool open_model(struct heard *h, struct checkpoint **cp, struct model *md, struct ir_weights *w) {
    *cp = checkpoint_open(h->diag, h->arena, readers_folder, NULL);
    if (!*cp) return false;
    *md = (struct model){.m = ir_module_new(h->arena, names_new(h->arena), "test")};
    bool ok = add(md, *cp, "w", true, 2, 8, 4) && add(md, *cp, "g.weight", false, 1, 4, 0) &&
              add(md, *cp, "m", true, 2, 4, 4) && add(md, *cp, "n", false, 2, 2, 2) && add(md, *cp, "r", true, 2, 3, 2);
    return ok && checkpoint_weights(*cp, md->m, md->source, w);
}

static void good_values(void) {
    struct heard h;
    struct checkpoint *cp;
    struct model md;
    struct ir_weights w;
    uint8_t data[DATA], raw[64];
    int8_t t[32];
    float s[8], f[4];
    hear(&h);
    fill(data);
    write_all(data, multiply);
    if (!EXPECT(open_model(&h, &cp, &md, &w))) return;
    const struct ir_weight *const *weight = (const struct ir_weight *const *)md.m->weights.at;
    EXPECT(w.trits(w.self, weight[0], 0, 0, 8, t) && memcmp(t, trits, 32) == 0);
    EXPECT(w.trits(w.self, weight[0], 0, 3, 2, t) && memcmp(t, trits + 12, 8) == 0);
    EXPECT(w.scales(w.self, weight[0], 0, s) && s[0] == 0.5f);
    EXPECT(w.raw(w.self, weight[1], 0, 0, 1, raw) && memcmp(raw, data + 10, 8) == 0);
    EXPECT(w.trits(w.self, weight[2], 0, 2, 2, t) && t[0] == 1 && t[1] == -1 && t[2] == 0 && t[7] == 1);
    EXPECT(w.scales(w.self, weight[2], 0, s) && s[0] == 1.0f);
    EXPECT(weight[3]->store == IR_STORE_F16 && w.raw(w.self, weight[3], 0, 1, 1, raw));
    ir_widen(IR_STORE_F16, raw, 2, f);
    EXPECT(f[0] == 0x1p-24f && f[1] == 65504.0f);
    EXPECT(weight[4]->scale == IR_SCALE_ROW && w.scales(w.self, weight[4], 0, s) && s[1] == 2 && s[2] == 4);
    EXPECT(w.trits(w.self, weight[4], 0, 0, 3, t) && t[0] == -1 && t[1] == 0 && t[2] == 1 && t[3] == -1 && t[4] == 0 &&
           t[5] == 1);
    checkpoint_warn_unused(cp, NULL, 0);
    EXPECT(strstr(heard_text(&h), "1 tensors are not used by the model, 'lone.weight' is the first [tensor-unused]"));
    heard_none(&h, "good");
    checkpoint_close(cp);
    unhear(&h);
    hear(&h); /* without quantization_config: stored scales are 1/alpha; and a path to the file itself */
    put_text("config.json", "{}");
    if (EXPECT(open_model(&h, &cp, &md, &w))) {
        EXPECT(w.scales(w.self, md.m->weights.at[0], 0, s) && s[0] == 2.0f);
        checkpoint_close(cp);
    }
    cp = checkpoint_open(h.diag, h.arena, path_of("model.safetensors"), NULL);
    EXPECT(cp && checkpoint_tensor(cp, "n") && !checkpoint_tensor(cp, "nn"));
    checkpoint_close(cp);
    unhear(&h);
}

static void misfound(void) {
    static const struct {
        const char *base;
        bool ternary;
        uint32_t rank, dim[2];
        enum checkpoint_found found;
        const char *slug;
    } table[] = {
        {"absent", true, 2, {8, 4}, CHECKPOINT_ABSENT, NULL},
        {"absent", false, 2, {8, 4}, CHECKPOINT_ABSENT, NULL},
        {"w", true, 2, {7, 4}, CHECKPOINT_FOUND, NULL}, /* seven rows need the same two stored rows */
        {"w", true, 2, {9, 4}, CHECKPOINT_BAD, "tensor-shape"},
        {"w", true, 2, {4, 8}, CHECKPOINT_BAD, "tensor-shape"},
        {"g", true, 2, {8, 4}, CHECKPOINT_BAD, "tensor-shape"},
        {"w", false, 2, {2, 4}, CHECKPOINT_BAD, "tensor-shape"}, /* U8 is not a real dtype */
        {"n", false, 2, {2, 3}, CHECKPOINT_BAD, "tensor-shape"},
        {"n", false, 2, {4, 1}, CHECKPOINT_BAD, "tensor-shape"},
        {"g.weight", false, 2, {2, 2}, CHECKPOINT_FOUND, NULL}, /* flat: the same elements */
        {"lone", true, 2, {8, 4}, CHECKPOINT_BAD, "tensor-no-scale"},
        {"r", true, 2, {4, 2}, CHECKPOINT_BAD, "tensor-shape"}, /* three scales for four rows */
        {"m", true, 2, {2, 8}, CHECKPOINT_BAD, "tensor-shape"},
        {"m", true, 2, {4294967295u, 4294967295u}, CHECKPOINT_BAD, "tensor-shape"},
    };
    uint8_t data[DATA];
    fill(data);
    write_all(data, multiply);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct heard h;
        struct weight_at at;
        hear(&h);
        struct checkpoint *cp = checkpoint_open(h.diag, h.arena, readers_folder, NULL);
        if (!EXPECT(cp != NULL)) return;
        EXPECT((table[i].ternary ? checkpoint_find_ternary : checkpoint_find_real)(
                   cp, table[i].base, table[i].rank, table[i].dim, &at) == table[i].found);
        if (table[i].slug)
            heard_one(&h, table[i].base, table[i].slug, EXIT_REJECTED);
        else
            heard_none(&h, table[i].base);
        checkpoint_close(cp);
        unhear(&h);
    }
    struct heard h;
    hear(&h);
    struct checkpoint *cp = checkpoint_open(h.diag, h.arena, readers_folder, NULL);
    checkpoint_missing(cp, (struct loc){0}, "wq", (const char *const[]){"w.weigth", "q"}, 2);
    heard_one(&h, "missing", "tensor-missing", EXIT_REJECTED);
    EXPECT(strstr(heard_text(&h), "'w.weigth' or 'q'") && strstr(heard_text(&h), "there is a tensor 'w.weight'"));
    checkpoint_close(cp);
    unhear(&h);
}

/* One byte pair of the data changed; what reading everything then says. */
static void hostile(const char *what, size_t at, unsigned high, unsigned low, const char *slug, const char *where) {
    struct heard h;
    struct checkpoint *cp;
    struct model md;
    struct ir_weights w;
    uint8_t data[DATA], raw[64];
    int8_t t[32];
    float s[8];
    fill(data);
    data[at] = (uint8_t)low;
    data[at + 1] = (uint8_t)high;
    write_all(data, multiply);
    hear(&h);
    bool ok = open_model(&h, &cp, &md, &w);
    for (size_t i = 0; ok && i < md.m->weights.n; i++) {
        const struct ir_weight *x = md.m->weights.at[i];
        if (x->store == IR_STORE_TRIT)
            ok = w.trits(w.self, x, 0, 0, ir_weight_rows(x), t) && w.scales(w.self, x, 0, s);
        else
            ok = w.raw(w.self, x, 0, 0, ir_weight_rows(x), raw);
    }
    EXPECT(!ok);
    heard_one(&h, what, slug, EXIT_REJECTED);
    EXPECT(strstr(heard_text(&h), where) != NULL);
    checkpoint_close(cp);
    unhear(&h);
}

static void hostile_values(void) {
    hostile("code 3", 4, 0x5a, 0x3f, "tensor-bad-trits", "tensor 'w.weight', byte 0x");
    hostile("NaN scale", 8, 0x7f, 0xc0, "tensor-bad-scale", "tensor 'w.weight_scale'");
    hostile("infinite scale", 8, 0x7f, 0x80, "tensor-bad-scale", "tensor 'w.weight_scale'");
    hostile("zero scale", 8, 0, 0, "tensor-bad-scale", "scale 0 is");
    hostile("negative scale", 8, 0xbf, 0, "tensor-bad-scale", "scale -0.5");
    hostile("NaN scale of a row", 98, 0x7f, 0xc0, "tensor-bad-scale", "tensor 'r.weight_scale'");
    hostile("NaN gain", 12, 0xff, 0xc1, "tensor-not-finite", "element 1 ");
    hostile("infinite gain", 16, 0x7f, 0x80, "tensor-not-finite", "element 3 ");
    hostile("NaN half", 84, 0x7e, 0, "tensor-not-finite", "tensor 'n'");
    hostile("NaN master", 32, 0x7f, 0xc0, "tensor-not-finite", "tensor 'm.weight'");
}

/* ---- shards ---- */

static void shard_files(const char *map) {
    put_tensors("a.safetensors", "{" T("x", "U8", "[1]", 0, 1) "," T("y", "U8", "[1]", 1, 2) "}", NULL, 2);
    put_tensors("b.safetensors", "{" T("z", "U8", "[1]", 0, 1) "}", NULL, 1);
    put_text("config.json", "{}");
    char text[600];
    snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":3},\"weight_map\":%s}", map);
    put_text("model.safetensors.index.json", text);
}

static void shards(void) {
    static const struct {
        const char *what, *map, *slug;
        enum setun_exit code;
    } table[] = {
        {"good", "{\"x\":\"a.safetensors\",\"y\":\"a.safetensors\",\"z\":\"b.safetensors\"}", NULL, EXIT_OK},
        {"not mapped", "{\"x\":\"a.safetensors\",\"z\":\"b.safetensors\"}", "shard-extra", EXIT_REJECTED},
        {"mapped elsewhere", "{\"x\":\"b.safetensors\",\"y\":\"a.safetensors\",\"z\":\"b.safetensors\"}", "shard-extra",
         EXIT_REJECTED},
        {"not there", "{\"x\":\"a.safetensors\",\"y\":\"a.safetensors\",\"q\":\"a.safetensors\"}", "shard-absent",
         EXIT_REJECTED},
        {"no such file", "{\"x\":\"c.safetensors\"}", "cannot-open", EXIT_IO},
        {"slash", "{\"x\":\"../a.safetensors\"}", "shard-name", EXIT_REJECTED},
        {"backslash", "{\"x\":\"..\\\\a.safetensors\"}", "shard-name", EXIT_REJECTED},
        {"drive", "{\"x\":\"c:a.safetensors\"}", "shard-name", EXIT_REJECTED},
        {"empty name", "{\"x\":\"\"}", "shard-name", EXIT_REJECTED},
        {"dot", "{\"x\":\".\"}", "shard-name", EXIT_REJECTED},
        {"a number", "{\"x\":1}", "json-type", EXIT_REJECTED},
        {"a list", "[]", "json-type", EXIT_REJECTED},
        {"null", "null", "json-type", EXIT_REJECTED},
        {"twice", "{\"x\":\"a.safetensors\",\"x\":\"a.safetensors\"}", "bad-json", EXIT_REJECTED},
    };
    remove_file("model.safetensors");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct heard h;
        hear(&h);
        shard_files(table[i].map);
        struct checkpoint *cp = checkpoint_open(h.diag, h.arena, readers_folder, NULL);
        EXPECT((cp != NULL) == (table[i].slug == NULL));
        if (table[i].slug)
            heard_one(&h, table[i].what, table[i].slug, table[i].code);
        else
            EXPECT(cp && checkpoint_tensor(cp, "y") && checkpoint_tensor(cp, "z"));
        checkpoint_close(cp);
        unhear(&h);
    }
    struct heard h;
    hear(&h);
    shard_files(table[0].map);
    put_text("model.safetensors", "");
    struct checkpoint *cp = checkpoint_open(h.diag, h.arena, readers_folder, NULL);
    EXPECT(cp && diag_errors(h.diag) == 0 && strstr(heard_text(&h), "warning: ") &&
           strstr(heard_text(&h), "[shard-ignored]"));
    checkpoint_close(cp);
    unhear(&h);
    remove_file("model.safetensors.index.json");
}

int main(void) {
    readers_start();
    good_values();
    misfound();
    hostile_values();
    shards();
    readers_end();
    return expect_end();
}
