/* safetensors_write.c -- the header of a safetensors file (tensor_write.h; docs/checkpoints.md has the rules). */
#include <inttypes.h>

#include "base/check.h"
#include "frontend/files/tensor_write.h"

bool safetensors_holds(enum tensor_type t) { return tensor_types[t].safetensors && tensor_types[t].block; }

/* As JSON: what stands in quotes. */
static void put_name(struct buf *b, const char *name) {
    buf_put(b, "\"", 1);
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x20)
            buf_printf(b, "\\u%04x", c);
        else
            buf_printf(b, "%s%c", c == '"' || c == '\\' ? "\\" : "", *name);
    }
    buf_put(b, "\"", 1);
}

/* One entry; false: the data is too long for 64 bits. */
static bool put_entry(struct buf *b, const struct tensor_plan *t, uint64_t *at) {
    uint64_t end;
    if (!ck_add(&end, *at, t->bytes)) return false;
    buf_put(b, ",", 1);
    put_name(b, t->name);
    buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", tensor_types[t->type].safetensors);
    for (uint32_t i = 0; i < t->rank; i++) buf_printf(b, "%s%" PRIu64, i ? "," : "", t->dim[i]);
    buf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", *at, end);
    *at = end;
    return true;
}

bool safetensors_write_header(struct diag *d, struct out *o, const char *path, const struct tensor_plan *t, size_t n) {
    struct buf text = {0};
    uint64_t at = 0;
    bool ok = true;
    uint8_t length[8];
    buf_printf(&text, "{\"__metadata__\":{\"format\":\"pt\"}"); /* without it some readers refuse a file */
    for (size_t i = 0; ok && i < n; i++) ok = put_entry(&text, &t[i], &at);
    buf_put(&text, "}", 1);
    while (text.n % 8) buf_put(&text, " ", 1);
    if (!ok) diag_in(d, path, DIAG_SYNTH_TOO_LARGE);
    for (size_t i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)text.n >> 8 * i);
    ok = ok && out_write(o, length, 8) && out_write(o, text.at, text.n);
    buf_free(&text);
    return ok;
}
