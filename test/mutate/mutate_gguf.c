/* mutate_gguf.c -- GGUF for mutate.h: a file with every kind of value and several types of tensors. */
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/file.h"
#include "frontend/files/gguf.h"
#include "test/mutate/mutate.h"

static const char *field(unsigned f) { return gguf_fields[f].name; }
static bool may_hold_all(unsigned f) { return f == GGUF_FIELD_STRING; }

/* ---- the good file ---- */

static void put(struct buf *b, size_t bytes, uint64_t v) {
    for (size_t i = 0; i < bytes; i++) buf_put(b, &(uint8_t){(uint8_t)(v >> 8 * i)}, 1);
}
static void put_string(struct buf *b, const char *s) {
    put(b, 8, strlen(s));
    buf_put(b, s, strlen(s));
}
static void put_key(struct buf *b, const char *key, enum gguf_kind kind) {
    put_string(b, key);
    put(b, 4, kind);
}
static void put_number(struct buf *b, const char *key, enum gguf_kind kind, size_t bytes, uint64_t v) {
    put_key(b, key, kind);
    put(b, bytes, v);
}
static void put_array(struct buf *b, const char *key, enum gguf_kind elem, uint64_t n) {
    put_key(b, key, GGUF_ARRAY);
    put(b, 4, elem);
    put(b, 8, n);
}

static const struct {
    const char *name;
    uint32_t rank;
    uint64_t dim[4]; /* fastest first */
    uint32_t type;
    size_t bytes;
} tensors[] = {
    {"a.weight", 2, {4, 2, 0, 0}, 0, 32},        {"b", 1, {3, 0, 0, 0}, 1, 6},
    {"c.weight", 2, {32, 3, 0, 0}, 8, 102},      {"d", 4, {2, 1, 2, 1}, 30, 8},
    {"e.weight", 2, {256, 2, 0, 0}, 35, 132},    {"f.weight", 2, {128, 4, 0, 0}, 36, 160},
    {"g.weight", 2, {128, 3, 0, 0}, 42, 3 * 34}, {"h.weight", 3, {256, 1, 1, 0}, 34, 54},
};

static void put_pairs(struct buf *b) {
    put_key(b, "general.architecture", GGUF_STRING);
    put_string(b, "bitnet");
    put_number(b, "general.alignment", GGUF_U32, 4, 32);
    put_number(b, "bitnet.block_count", GGUF_U32, 4, 1);
    put_number(b, "bitnet.rope.freq_base", GGUF_F32, 4, bits_of_f32(10000.0f));
    put_number(b, "x.u8", GGUF_U8, 1, 7);
    put_number(b, "x.i64", GGUF_I64, 8, 9);
    put_number(b, "x.bool", GGUF_BOOL, 1, 1);
    put_array(b, "tokenizer.ggml.tokens", GGUF_STRING, 3);
    put_string(b, "<s>");
    put_string(b, "");
    put_string(b, "abc");
    put_array(b, "tokenizer.ggml.scores", GGUF_F32, 3);
    for (int i = 0; i < 3; i++) put(b, 4, bits_of_f32((float)i));
    put_array(b, "x.flags", GGUF_BOOL, 2);
    put(b, 2, 1);
}

static void seen(void *self, enum gguf_field f, uint64_t at, uint64_t bytes) {
    struct sample *s = self;
    bool binary = f != GGUF_FIELD_MAGIC && f != GGUF_FIELD_KEY && f != GGUF_FIELD_NAME && f != GGUF_FIELD_STRING;
    *vec_push(s->arena, &s->sites) =
        (struct site){.field = f, .at = (size_t)at, .bytes = (size_t)bytes, .binary = binary && bytes && bytes <= 8};
}

static void make(struct sample *s) {
    struct buf *b = &s->file;
    uint64_t offset = 0;
    buf_put(b, "GGUF", 4);
    put(b, 4, 3);
    put(b, 8, COUNT_OF(tensors));
    put(b, 8, 10);
    put_pairs(b);
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        put_string(b, tensors[i].name);
        put(b, 4, tensors[i].rank);
        for (uint32_t k = 0; k < tensors[i].rank; k++) put(b, 8, tensors[i].dim[k]);
        put(b, 4, tensors[i].type);
        put(b, 8, offset);
        offset += (tensors[i].bytes + 31) / 32 * 32;
    }
    s->header = b->n;
    while (b->n % 32) put(b, 1, 0);
    for (uint64_t i = 0; i < offset; i++) put(b, 1, i * 7);
    /* The reader tells where the fields are. */
    struct out *o;
    struct gguf_file g;
    struct gguf_dialect how = {.watch = seen, .self = s};
    struct diag *d = diag_new(s->arena, stderr);
    const char *path = arena_printf(s->arena, "%s/good.gguf", tmp_dir(d));
    o = out_open(d, path, false);
    if (!o || !out_write(o, b->at, b->n) || !out_commit(o) || !gguf_open(d, s->arena, path, &how, &g)) return;
    gguf_close(&g);
}

static const char *const *texts(unsigned f) {
    static const char long_text[] = "a.name.that.is.longer.than.the.one.before.it.and.so.moves.all.that.follows";
    static const char *const magic[] = {"", "GGUf", "FUGG", "\1\1\1\1", NULL};
    static const char *const names[] = {"",           "a",        "general.alignment", "a.weight",
                                        "\1\1\1\1\1", "\xff\xff", long_text,           NULL};
    return f == GGUF_FIELD_MAGIC ? magic : names;
}

/* The length before a text follows it; that it does not is what changes of the length are for. */
static void settle(struct buf *file, const struct site *changed, size_t bytes) {
    if (changed->field == GGUF_FIELD_MAGIC || changed->at < 8) return;
    for (size_t i = 0; i < 8; i++) file->at[changed->at - 8 + i] = (char)((uint64_t)bytes >> 8 * i);
}

/* ---- what was read, as a header again ---- */

static void encode_pair(struct buf *b, const struct gguf_pair *p) {
    put_key(b, p->key, p->kind);
    if (p->kind == GGUF_STRING) put(b, 8, p->bytes);
    if (p->kind == GGUF_ARRAY) {
        put(b, 4, p->elem);
        put(b, 8, p->count);
    }
    buf_put(b, p->at, (size_t)p->bytes);
}

static void encode_info(struct buf *b, const struct gguf_file *g, const struct tensor *t) {
    int id = tensor_types[t->type == TYPE_Q2_0_128 ? TYPE_Q2_0 : t->type].gguf;
    put_string(b, t->name);
    put(b, 4, t->rank);
    for (uint32_t k = t->rank; k-- > 0;) put(b, 8, t->dim[k]);
    put(b, 4, (uint64_t)id);
    put(b, 8, t->offset - g->data);
}

static bool same_header(const struct gguf_file *g, const uint8_t *p, size_t n) {
    struct buf b = {0};
    buf_put(&b, "GGUF", 4);
    put(&b, 4, g->version);
    put(&b, 8, g->file.n);
    put(&b, 8, g->n_pairs);
    for (size_t i = 0; i < g->n_pairs; i++) encode_pair(&b, &g->pair[i]);
    for (size_t i = 0; i < g->file.n; i++) encode_info(&b, g, &g->file.tensor[i]);
    bool same = b.n <= n && memcmp(b.at, p, b.n) == 0;
    buf_free(&b);
    return same;
}

/* Rules that another header can break and still be written the same. */
static const char *broken_rule(const struct gguf_file *g) {
    for (size_t i = 0; i < g->n_pairs; i++) {
        const struct gguf_pair *p = &g->pair[i];
        for (size_t k = 0; k < i; k++)
            if (strcmp(g->pair[k].key, p->key) == 0) return "a key occurs twice";
        for (uint64_t k = 0; (p->kind == GGUF_BOOL || p->elem == GGUF_BOOL) && k < p->bytes; k++)
            if (p->at[k] > 1) return "a boolean above 1";
    }
    for (size_t i = 0; i < g->file.n; i++) {
        const struct tensor *t = &g->file.tensor[i];
        if ((t->offset - g->data) % g->alignment || t->offset + t->bytes > g->file.map.n)
            return "a tensor out of place";
        if (i && t->offset < t[-1].offset + t[-1].bytes) return "tensors overlap";
        for (size_t k = 0; k < i; k++)
            if (strcmp(g->file.tensor[k].name, t->name) == 0) return "a name occurs twice";
    }
    return NULL;
}

static bool read_file(struct diag *d, struct arena *a, const char *path, const uint8_t *p, size_t n,
                      const char **wrong) {
    struct gguf_file g;
    volatile uint8_t sum = 0;
    if (!gguf_open(d, a, path, NULL, &g)) return false;
    *wrong = same_header(&g, p, n) ? broken_rule(&g) : "what was read is not what is there";
    for (size_t i = 0; i < g.file.n; i++)
        for (uint64_t b = 0; b < g.file.tensor[i].bytes; b++) sum = (uint8_t)(sum + tensor_data(&g.file.tensor[i])[b]);
    gguf_close(&g);
    return true;
}

static const char *const unsupported[] = {"[gguf-type-unsupported]", "[gguf-type-twice]", NULL};

const struct format mutate_gguf = {.name = "gguf",
                                   .n_fields = GGUF_N_FIELDS,
                                   .field = field,
                                   .may_hold_all = may_hold_all,
                                   .make = make,
                                   .texts = texts,
                                   .settle = settle,
                                   .read = read_file,
                                   .unsupported = unsupported};
