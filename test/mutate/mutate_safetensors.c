/* mutate_safetensors.c -- safetensors for mutate.h: fields of the JSON header by what stands there, not by bytes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/file.h"
#include "frontend/files/safetensors.h"
#include "frontend/files/tensor_write.h"
#include "test/mutate/mutate.h"

static const char *field(unsigned f) { return st_fields[f]; }
static bool may_hold_all(unsigned f) {
    (void)f;
    return false;
}

/* ---- the good file ---- */

static const struct {
    const char *name, *dtype;
    unsigned rank;
    uint64_t dim[3];
    unsigned bytes;
} tensors[] = {{"a", "F32", 2, {2, 2, 0}, 16},
               {"b.weight", "U8", 1, {3, 0, 0}, 3},
               {"c", "BF16", 3, {1, 2, 3}, 12},
               {"empty", "I64", 2, {0, 4, 0}, 0},
               {"scalar", "F64", 0, {0}, 8}};

/* Text that is a field. */
static void put(struct sample *s, enum st_field f, const char *text) {
    *vec_push(s->arena, &s->sites) = (struct site){.field = f, .at = s->file.n, .bytes = strlen(text)};
    buf_put(&s->file, text, strlen(text));
}
static void put_number(struct sample *s, enum st_field f, uint64_t v) {
    put(s, f, arena_printf(s->arena, "%" PRIu64, v));
}

/* A list is a field, and so is each number in it. */
static void put_list(struct sample *s, enum st_field whole, const uint64_t *v, unsigned n, enum st_field first,
                     enum st_field last) {
    struct site list = {.field = whole, .at = s->file.n};
    buf_put(&s->file, "[", 1);
    for (unsigned i = 0; i < n; i++) {
        if (i) buf_put(&s->file, ",", 1);
        put_number(s, i ? last : first, v[i]);
    }
    buf_put(&s->file, "]", 1);
    list.bytes = s->file.n - list.at;
    *vec_push(s->arena, &s->sites) = list;
}

static void make(struct sample *s) {
    struct buf *b = &s->file;
    uint64_t at = 0;
    *vec_push(s->arena, &s->sites) = (struct site){.field = ST_FIELD_LENGTH, .at = 0, .bytes = 8, .binary = true};
    buf_put(b, (uint8_t[8]){0}, 8);
    put(s, ST_FIELD_BRACE, "{");
    buf_printf(b, "\"__metadata__\":");
    put(s, ST_FIELD_METADATA, "{\"format\":\"pt\"}");
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        buf_printf(b, ",\"");
        put(s, ST_FIELD_NAME, tensors[i].name);
        buf_printf(b, "\":{\"dtype\":\"");
        put(s, ST_FIELD_DTYPE, tensors[i].dtype);
        buf_printf(b, "\",\"shape\":");
        put_list(s, ST_FIELD_SHAPE, tensors[i].dim, tensors[i].rank, ST_FIELD_DIM, ST_FIELD_DIM);
        buf_printf(b, ",\"data_offsets\":");
        put_list(s, ST_FIELD_OFFSETS, (uint64_t[]){at, at + tensors[i].bytes}, 2, ST_FIELD_BEGIN, ST_FIELD_END);
        buf_put(b, "}", 1);
        at += tensors[i].bytes;
    }
    buf_put(b, "}  ", 3);
    s->header = b->n;
    for (size_t i = 0; i < 8; i++) b->at[i] = (char)((b->n - 8) >> 8 * i);
    for (uint64_t i = 0; i < at; i++) buf_put(b, &(uint8_t){(uint8_t)(i * 5)}, 1);
}

// clang-format off
#define NOT_NUMBERS "null", "true", "\"1\"", "{}", "[]", "[1]", "-0", "-1", "1.0", "1e3", "1e999", "00", ""
static const char *const *texts(unsigned f) {
    static const char *const braces[] = {"", "[", "{{", " {", "{\"x\":1,", "{\"a\":{},", "\xff", NULL};
    static const char *const metadata[] = {"", "{}", "null", "[]", "\"x\"", "{\"a\":1}", "{\"a\":{}}", "{\"a\":\"b\",\"a\":\"c\"}", NULL};
    static const char *const names[] = {"", "a", "empty", "\\u0000", "\\ud800", "\xc3", "\\\"", "__metadata__", "\\n", "x\",\"y", NULL};
    static const char *const dtypes[] = {"", "f32", "F32", "U8", "F64", "C64", "F4", "F33", "\\u0046", "\xff", "F32\",\"dtype\":\"F32", NULL};
    static const char *const lists[] = {NOT_NUMBERS, "[0]", "[0,0]", "[1,2,3]", "[1,1,1,1,1,1,1,1,1]", "[4294967296,4294967296]",
        "[18446744073709551615]", "[9223372036854775807,9223372036854775807]", "[[1]]", "[null]", "[0,16,]", NULL};
    static const char *const numbers[] = {NOT_NUMBERS, "0", "1", "2", "3", "4", "16", "19", "255", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", NULL};
    switch (f) {
    case ST_FIELD_BRACE: return braces;
    case ST_FIELD_METADATA: return metadata;
    case ST_FIELD_NAME: return names;
    case ST_FIELD_DTYPE: return dtypes;
    case ST_FIELD_SHAPE:
    case ST_FIELD_OFFSETS: return lists;
    }
    return numbers;
}
// clang-format on

/* The header's length follows its text, as if a writer had put it there. */
static void settle(struct buf *file, const struct site *changed, size_t bytes) {
    (void)changed, (void)bytes;
    uint64_t data = 0;
    for (size_t i = 0; i < COUNT_OF(tensors); i++) data += tensors[i].bytes;
    if (file->n < 8 + data) return;
    for (size_t i = 0; i < 8; i++) file->at[i] = (char)((file->n - 8 - data) >> 8 * i);
}

/* ---- what was read, written and read again ---- */

static bool same_tensor(const struct tensor *x, const struct tensor *y) {
    return strcmp(x->name, y->name) == 0 && x->type == y->type && x->rank == y->rank && x->bytes == y->bytes &&
           memcmp(x->dim, y->dim, sizeof x->dim) == 0 && memcmp(tensor_data(x), tensor_data(y), (size_t)x->bytes) == 0;
}

/* Names that need an escape are left out: the writer makes none. */
static bool can_write(const struct tensor_file *f) {
    for (size_t i = 0; i < f->n; i++)
        for (const char *p = f->tensor[i].name; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\') return false;
    return true;
}

static bool write_again(struct diag *d, struct arena *a, const char *path, const struct tensor_file *f) {
    struct tensor_plan *plan = arena_array(a, struct tensor_plan, f->n);
    for (size_t i = 0; i < f->n; i++) {
        const struct tensor *t = &f->tensor[i];
        plan[i] = (struct tensor_plan){.name = t->name, .type = t->type, .rank = t->rank, .bytes = t->bytes};
        memcpy(plan[i].dim, t->dim, sizeof t->dim);
    }
    struct out *o = out_open(d, path, false);
    bool ok = o && safetensors_write_header(d, o, path, plan, f->n);
    for (size_t i = 0; ok && i < f->n; i++) ok = out_write(o, tensor_data(&f->tensor[i]), (size_t)f->tensor[i].bytes);
    return ok && out_commit(o);
}

static const char *compare(struct diag *d, const struct tensor_file *f) {
    struct arena *a = arena_new();
    const char *path = arena_printf(a, "%s/again.safetensors", tmp_dir(d)), *wrong = NULL;
    struct tensor_file again;
    if (!write_again(d, a, path, f) || !st_open(d, a, path, &again)) {
        wrong = "what was read cannot be written";
    } else {
        if (again.n != f->n) wrong = "another number of tensors";
        for (size_t i = 0; !wrong && i < f->n; i++)
            if (!same_tensor(&f->tensor[i], &again.tensor[i])) wrong = "what was read is not what is there";
        st_close(&again);
    }
    arena_free(a);
    return wrong;
}

static bool read_file(struct diag *d, struct arena *a, const char *path, const uint8_t *p, size_t n,
                      const char **wrong) {
    struct tensor_file f;
    (void)p, (void)n;
    if (!st_open(d, a, path, &f)) return false;
    if (can_write(&f)) *wrong = compare(d, &f);
    st_close(&f);
    return true;
}

static const char *const unsupported[] = {"[st-dtype-unsupported]", NULL};

const struct format mutate_safetensors = {.name = "safetensors",
                                          .n_fields = ST_N_FIELDS,
                                          .field = field,
                                          .may_hold_all = may_hold_all,
                                          .make = make,
                                          .texts = texts,
                                          .settle = settle,
                                          .read = read_file,
                                          .unsupported = unsupported};
