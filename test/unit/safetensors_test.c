/* Safetensors headers: the published example, and one file for each way to lie. */
#include "test/unit/readers.h"

#include "base/compiler.h"
#include "frontend/files/safetensors.h"

#define A                            "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}"
#define ENTRY(dtype, shape, offsets) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(offsets)                 "{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":" offsets "}}"

static const struct {
    const char *what, *header;
    size_t data;
    const char *slug; /* NULL: accepted */
    enum setun_exit code;
} table[] = {
    {"one tensor", "{" A "}", 16, NULL, EXIT_OK},
    {"no tensor", "{}", 0, NULL, EXIT_OK},
    {"padding", "{" A "}     ", 16, NULL, EXIT_OK},
    {"metadata", "{\"__metadata__\":{\"format\":\"pt\"}," A "}", 16, NULL, EXIT_OK},
    {"scalar", ENTRY("\"F64\"", "[]", "[0,8]"), 8, NULL, EXIT_OK},
    {"empty tensor", ENTRY("\"I64\"", "[3,0]", "[0,0]"), 0, NULL, EXIT_OK},
    {"listed out of order", "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}," A "}", 19, NULL,
     EXIT_OK},
    {"rank 8", ENTRY("\"U8\"", "[1,1,1,1,1,1,1,2]", "[0,2]"), 2, NULL, EXIT_OK},

    {"not an object", "[1]", 0, "st-brace", EXIT_REJECTED},
    {"leading space", " {}", 0, "st-brace", EXIT_REJECTED},
    {"empty header", "", 0, "st-brace", EXIT_REJECTED},
    {"not closed", "{" A, 16, "bad-json", EXIT_REJECTED},
    {"bytes behind the object", "{" A "}x", 16, "bad-json", EXIT_REJECTED},
    {"not UTF-8", "{\"\xff\":{}}", 0, "bad-json", EXIT_REJECTED},
    {"duplicate tensor", "{" A "," A "}", 16, "bad-json", EXIT_REJECTED},
    {"duplicate key", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "bad-json",
     EXIT_REJECTED},
    {"entry is no object", "{\"a\":3}", 0, "json-type", EXIT_REJECTED},
    {"metadata is a list", "{\"__metadata__\":[]}", 0, "json-type", EXIT_REJECTED},
    {"metadata holds a number", "{\"__metadata__\":{\"a\":1}}", 0, "json-type", EXIT_REJECTED},
    {"nested deep", "{\"a\":{\"shape\":[[[[[[[[[[[[1]]]]]]]]]]]]}}", 0, "json-too-deep", EXIT_REJECTED},
    {"another key", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, "st-keys",
     EXIT_REJECTED},
    {"no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "st-field", EXIT_REJECTED},
    {"no shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "st-field", EXIT_REJECTED},
    {"no offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "st-field", EXIT_REJECTED},
    {"lower case dtype", ENTRY("\"f32\"", "[1]", "[0,4]"), 4, "st-dtype", EXIT_REJECTED},
    {"unknown dtype", ENTRY("\"F31\"", "[1]", "[0,4]"), 4, "st-dtype", EXIT_REJECTED},
    {"dtype is a number", ENTRY("32", "[1]", "[0,4]"), 4, "st-field", EXIT_REJECTED},
    {"dtype not supported", ENTRY("\"C64\"", "[1]", "[0,8]"), 8, "st-dtype-unsupported", EXIT_UNSUPPORTED},
    {"dtype not supported either", ENTRY("\"F8_E4M3FNUZ\"", "[1]", "[0,1]"), 1, "st-dtype-unsupported",
     EXIT_UNSUPPORTED},
    {"negative dimension", ENTRY("\"U8\"", "[-1]", "[0,1]"), 1, "st-field", EXIT_REJECTED},
    {"real dimension", ENTRY("\"U8\"", "[1.0]", "[0,1]"), 1, "st-field", EXIT_REJECTED},
    {"huge dimension", ENTRY("\"U8\"", "[99999999999999999999]", "[0,1]"), 1, "bad-json", EXIT_REJECTED},
    {"product overflows", ENTRY("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, "st-overflow", EXIT_REJECTED},
    {"bytes overflow", ENTRY("\"F64\"", "[4611686018427387904]", "[0,0]"), 0, "st-overflow", EXIT_REJECTED},
    {"product overflows before a zero", ENTRY("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"), 0, "st-overflow",
     EXIT_REJECTED},
    {"rank 9", ENTRY("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "st-length", EXIT_REJECTED},
    {"one offset", ENTRY("\"U8\"", "[1]", "[0]"), 1, "st-length", EXIT_REJECTED},
    {"three offsets", ENTRY("\"U8\"", "[1]", "[0,1,2]"), 1, "st-length", EXIT_REJECTED},
    {"negative offset", ENTRY("\"U8\"", "[1]", "[-1,0]"), 1, "st-field", EXIT_REJECTED},
    {"offsets reversed", ENTRY("\"U8\"", "[1]", "[1,0]"), 1, "st-reversed", EXIT_REJECTED},
    {"shape says more", ENTRY("\"F32\"", "[2,3]", "[0,16]"), 16, "st-size", EXIT_REJECTED},
    {"shape says less", ENTRY("\"F32\"", "[3]", "[0,16]"), 16, "st-size", EXIT_REJECTED},
    {"zero shape with bytes", ENTRY("\"F32\"", "[0]", "[0,4]"), 4, "st-size", EXIT_REJECTED},
    {"beyond the file", ENTRY("\"F32\"", "[4]", "[0,16]"), 15, "st-beyond", EXIT_REJECTED},
    {"far beyond the file", ENTRY("\"U8\"", "[1]", "[9223372036854775806,9223372036854775807]"), 1, "st-beyond",
     EXIT_REJECTED},
    {"hole at the start", ENTRY("\"U8\"", "[1]", "[1,2]"), 2, "st-hole", EXIT_REJECTED},
    {"hole between", TWO("[17,20]"), 20, "st-hole", EXIT_REJECTED},
    {"overlap", TWO("[13,16]"), 16, "st-overlap", EXIT_REJECTED},
    {"overlap whole", "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16, "st-overlap",
     EXIT_REJECTED},
    {"bytes behind the last", "{" A "}", 17, "st-tail", EXIT_REJECTED},
    {"data without tensors", "{}", 1, "st-tail", EXIT_REJECTED},
};

static void try_one(const char *what, const char *slug, enum setun_exit code) {
    struct heard h;
    struct tensor_file f;
    hear(&h);
    bool ok = st_open(h.diag, h.arena, path_of("m.safetensors"), &f);
    EXPECT(ok == (slug == NULL));
    if (slug)
        heard_one(&h, what, slug, code);
    else
        heard_none(&h, what);
    if (ok) st_close(&f);
    unhear(&h);
}

static void headers(void) {
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        put_tensors("m.safetensors", table[i].header, NULL, table[i].data);
        try_one(table[i].what, table[i].slug, table[i].code);
    }
}

static void lengths(void) {
    unsigned char file[64] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    put_file("m.safetensors", file, 10);
    try_one("shortest", NULL, EXIT_OK);
    for (size_t n = 0; n < 8; n++) {
        put_file("m.safetensors", file, n);
        try_one("short", "st-short", EXIT_REJECTED);
    }
    put_file("m.safetensors", file, 9);
    try_one("truncated", "st-truncated", EXIT_REJECTED);
    memset(file, 0xff, 8);
    put_file("m.safetensors", file, 10);
    try_one("length 2^64 - 1", "st-header-long", EXIT_REJECTED);
    static const unsigned char limit[8] = {0x00, 0xe1, 0xf5, 0x05}; /* 100000000 */
    memcpy(file, limit, 8);
    put_file("m.safetensors", file, 10);
    try_one("length at the limit", "st-truncated", EXIT_REJECTED);
    file[0] = 1;
    put_file("m.safetensors", file, 10);
    try_one("length above the limit", "st-header-long", EXIT_REJECTED);
    remove_file("m.safetensors");
    try_one("absent", "cannot-open", EXIT_IO);
}

/* Every prefix of a good file is refused, with one error. */
static void prefixes(void) {
    static const char header[] = TWO("[16,19]");
    unsigned char file[8 + sizeof header + 19];
    memset(file, 0, sizeof file);
    file[0] = (unsigned char)(sizeof header - 1);
    memcpy(file + 8, header, sizeof header - 1);
    size_t n = 8 + sizeof header - 1 + 19;
    for (size_t i = 0; i < n; i++) {
        struct heard h;
        struct tensor_file f;
        put_file("m.safetensors", file, i);
        hear(&h);
        EXPECT(!st_open(h.diag, h.arena, path_of("m.safetensors"), &f));
        EXPECT(diag_errors(h.diag) == 1 && diag_exit_code(h.diag) == EXIT_REJECTED);
        unhear(&h);
    }
}

static void long_name(size_t n, const char *slug) {
    char *header = malloc(n + 200);
    size_t at = (size_t)sprintf(header, "{\"");
    memset(header + at, 'n', n);
    sprintf(header + at + n, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    put_tensors("m.safetensors", header, NULL, 1);
    try_one("long name", slug, EXIT_REJECTED);
    free(header);
}

static void example(void) {
    static const char header[] = TWO("[16,19]") " ";
    static const unsigned char data[19] = {0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64, 7, 8, 9};
    struct heard h;
    struct tensor_file f;
    hear(&h);
    put_tensors("m.safetensors", header, data, sizeof data);
    EXPECT(sizeof header - 1 == 112);
    if (EXPECT(st_open(h.diag, h.arena, path_of("m.safetensors"), &f))) {
        EXPECT(f.n == 2 && f.tensor[0].rank == 2 && f.tensor[0].dim[1] == 2 && f.tensor[0].type == TYPE_F32);
        EXPECT(f.tensor[1].bytes == 3 && tensor_data(&f.tensor[1])[2] == 9);
        const char *where = tensor_where(h.arena, &f.tensor[1], 2);
        EXPECT(strstr(where, "m.safetensors: tensor 'b', byte 0x8a") != NULL);
        EXPECT_STR(tensor_shape_text(h.arena, 2, f.tensor[0].dim), "[2, 2]");
        st_close(&f);
    }
    unhear(&h);
}

int main(void) {
    readers_start();
    headers();
    lengths();
    prefixes();
    long_name(1024, NULL);
    long_name(1025, "st-name");
    example();
    readers_end();
    return expect_end();
}
