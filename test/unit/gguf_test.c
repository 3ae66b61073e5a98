/* GGUF headers: the published example, one change for each way to lie, and values as they are read. */
#include "test/unit/readers.h"

#include "base/check.h"
#include "base/compiler.h"
#include "frontend/files/gguf.h"

static const char example_hex[] =
    "474755460300000002000000000000000300000000000000140000000000000067656e6572616c2e6172636869746563"
    "7475726508000000040000000000000064656d6f110000000000000067656e6572616c2e616c69676e6d656e74040000"
    "0020000000100000000000000064656d6f2e626c6f636b5f636f756e7404000000010000000800000000000000612e77"
    "656967687402000000040000000000000002000000000000000000000000000000000000000100000000000000620100"
    "00000300000000000000010000002000000000000000000000000000000000000000803f000000400000404000008040"
    "000080bf000000c0000040c0000080c00038003e00c00000000000000000000000000000000000000000000000000000";
enum { EXAMPLE = 288 };

static void example(uint8_t out[EXAMPLE]) {
    for (size_t i = 0; i < EXAMPLE; i++) {
        unsigned byte;
        sscanf(example_hex + 2 * i, "%2x", &byte);
        out[i] = (uint8_t)byte;
    }
}

static uint32_t crc32(const uint8_t *p, size_t n) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

static void try_one(const char *what, const uint8_t *p, size_t n, const struct gguf_dialect *how, const char *slug,
                    enum setun_exit code) {
    struct heard h;
    struct gguf_file g;
    hear(&h);
    put_file("m.gguf", p, n);
    bool ok = gguf_open(h.diag, h.arena, path_of("m.gguf"), how, &g);
    if (!EXPECT(ok == (slug == NULL))) printf("%s: %s", what, heard_text(&h));
    if (slug)
        heard_one(&h, what, slug, code);
    else
        heard_none(&h, what);
    if (ok) gguf_close(&g);
    unhear(&h);
}

/* Bytes of the example that a change is about. */
// clang-format off
enum {
    AT_VERSION = 4, AT_TENSORS = 8, AT_PAIRS = 16, AT_KEY = 24, AT_ALIGN_KIND = 93, AT_ALIGN = 97,
    AT_NAME_LENGTH = 133, AT_RANK = 149, AT_DIM = 153, AT_TYPE = 169, AT_OFFSET = 173, AT_NAME_2 = 189, AT_OFFSET_2 = 206
};
// clang-format on

static const struct {
    const char *what;
    size_t at, bytes;
    uint64_t value;
    const char *slug; /* NULL: accepted */
} changes[] = {
    {"magic", 0, 1, 'g', "gguf-magic"},
    {"version 1", AT_VERSION, 4, 1, "gguf-version"},
    {"version 0", AT_VERSION, 4, 0, "gguf-version"},
    {"version 4", AT_VERSION, 4, 4, "gguf-version"},
    {"version 2", AT_VERSION, 4, 2, NULL},
    {"version 3 in the other byte order", AT_VERSION, 4, 3u << 24, "gguf-order"},
    {"2^60 pairs", AT_PAIRS, 8, 1ull << 60, "gguf-count"},
    {"-1 tensors", AT_TENSORS, 8, UINT64_MAX, "gguf-count"},
    {"a key of 2^62 bytes", AT_KEY, 8, 1ull << 62, "gguf-range"},
    {"a key of no bytes", AT_KEY, 8, 0, "gguf-range"},
    {"a control character in a key", AT_KEY + 9, 1, 7, "gguf-name"},
    {"alignment 0", AT_ALIGN, 4, 0, "gguf-alignment"},
    {"alignment 24", AT_ALIGN, 4, 24, "gguf-alignment"},
    {"alignment 2^21", AT_ALIGN, 4, 1u << 21, "gguf-alignment"},
    {"alignment 8", AT_ALIGN, 4, 8, NULL},
    {"alignment of kind i32", AT_ALIGN_KIND, 4, GGUF_I32, "gguf-key"},
    {"a value of kind 13", AT_ALIGN_KIND, 4, 13, "gguf-range"},
    {"5 dimensions", AT_RANK, 4, 5, "gguf-range"},
    {"no dimensions", AT_RANK, 4, 0, "gguf-range"},
    {"a dimension of 0", AT_DIM, 8, 0, "gguf-range"},
    {"a dimension of 2^62", AT_DIM, 8, 1ull << 62, "gguf-overflow"},
    {"a dimension of 2^61", AT_DIM, 8, 1ull << 61, "gguf-block"},
    {"a removed type", AT_TYPE, 4, 4, "gguf-type"},
    {"another removed type", AT_TYPE, 4, 31, "gguf-type"},
    {"type 999", AT_TYPE, 4, 999, "gguf-type"},
    {"a type with rows of no whole blocks", AT_TYPE, 4, 2, "gguf-block"},
    {"a type that is not read", AT_TYPE, 4, 16, "gguf-type-unsupported"},
    {"a type of bitnet.cpp alone", AT_TYPE, 4, 36, "gguf-type-twice"},
    {"first offset 32", AT_OFFSET, 8, 32, "gguf-offset"},
    {"second offset 0", AT_OFFSET_2, 8, 0, "gguf-offset"},
    {"second offset 33", AT_OFFSET_2, 8, 33, "gguf-offset"},
    {"second offset 64", AT_OFFSET_2, 8, 64, "gguf-offset"},
    {"second offset 2^64 - 32", AT_OFFSET_2, 8, 0xffffffffffffffe0u, "gguf-offset"},
    {"a name of 1025 bytes", AT_NAME_LENGTH, 8, 1025, "gguf-range"},
    {"a byte above ASCII in a name", AT_NAME_2, 1, 0xc3, "gguf-name"},
};

static void put(uint8_t *p, size_t bytes, uint64_t v) {
    for (size_t i = 0; i < bytes; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static void rejections(void) {
    uint8_t file[EXAMPLE];
    example(file);
    EXPECT(crc32(file, EXAMPLE) == 0x0129b932);
    try_one("the example", file, EXAMPLE, NULL, NULL, EXIT_OK);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        example(file);
        put(file + changes[i].at, changes[i].bytes, changes[i].value);
        const char *slug = changes[i].slug;
        bool unsupported = slug && (!strcmp(slug, "gguf-type-unsupported") || !strcmp(slug, "gguf-type-twice"));
        try_one(changes[i].what, file, EXAMPLE, NULL, slug, unsupported ? EXIT_UNSUPPORTED : EXIT_REJECTED);
    }
}

/* Every prefix that lacks more than the padding of the last tensor is refused, with one error. */
static void prefixes(void) {
    uint8_t file[EXAMPLE];
    example(file);
    for (size_t n = 0; n < EXAMPLE; n++) {
        struct heard h;
        struct gguf_file g;
        hear(&h);
        put_file("m.gguf", file, n);
        bool ok = gguf_open(h.diag, h.arena, path_of("m.gguf"), NULL, &g);
        EXPECT(ok == (n >= 224 + 32 + 6));
        EXPECT(diag_errors(h.diag) == !ok && (ok || diag_exit_code(h.diag) == EXIT_REJECTED));
        EXPECT(ok || strstr(heard_text(&h), "byte 0x") || strstr(heard_text(&h), "[gguf-no-data]"));
        if (ok) gguf_close(&g);
        unhear(&h);
    }
}

static void values(void) {
    uint8_t file[EXAMPLE];
    struct heard h;
    struct gguf_file g;
    int64_t v = 0;
    double real = 0;
    const char *at;
    uint64_t n;
    example(file);
    hear(&h);
    put_file("m.gguf", file, EXAMPLE);
    if (EXPECT(gguf_open(h.diag, h.arena, path_of("m.gguf"), NULL, &g))) {
        EXPECT(g.version == 3 && g.alignment == 32 && g.data == 224 && g.n_pairs == 3 && g.file.n == 2);
        EXPECT_STR(g.arch, "demo");
        const struct gguf_pair *p = gguf_find(&g, "demo.block_count");
        EXPECT(p && gguf_int(p, &v) && v == 1 && gguf_real(p, &real) && real == 1 && !gguf_string(p, &at, &n));
        EXPECT(!gguf_find(&g, "demo.block_counts"));
        p = gguf_find(&g, "general.architecture");
        EXPECT(p && gguf_string(p, &at, &n) && n == 4 && !memcmp(at, "demo", 4) && !gguf_int(p, &v));
        EXPECT(strstr(gguf_where(h.arena, &g, p), "m.gguf: key 'general.architecture', byte 0x40"));
        const struct tensor *t = g.file.tensor;
        EXPECT_STR(t[0].name, "a.weight");
        EXPECT(t[0].type == TYPE_F32 && t[0].rank == 2 && t[0].dim[0] == 2 && t[0].dim[1] == 4 && t[0].bytes == 32);
        EXPECT(f32_of_bits(load_u32le(tensor_data(&t[0]) + 28)) == -4.0f);
        EXPECT(t[1].type == TYPE_F16 && t[1].rank == 1 && t[1].dim[0] == 3 && t[1].bytes == 6 && t[1].offset == 256);
        gguf_close(&g);
    }
    heard_none(&h, "values");
    unhear(&h);
}

int main(void) {
    readers_start();
    rejections();
    prefixes();
    values();
    readers_end();
    return expect_end();
}
