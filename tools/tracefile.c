/* tracefile.c -- see tracefile.h. */
#include "tools/tracefile.h"

#include <string.h>

#include "base/check.h"
#include "runtime/trace.h"

enum { MAGIC = sizeof SETUN_TRACE_MAGIC - 1 };

bool trace_open(struct diag *d, const char *path, struct trace_file *t) {
    *t = (struct trace_file){.at = NULL};
    if (!file_map(d, path, &t->file)) return false;
    if (t->file.n < MAGIC || memcmp(t->file.at, SETUN_TRACE_MAGIC, MAGIC) != 0)
        return diag_in(d, path, DIAG_TRACE_DIFFERS, "not a trace");
    t->at = t->file.at + MAGIC;
    return true;
}

void trace_close(struct trace_file *t) {
    file_unmap(&t->file);
    t->at = NULL;
}

static uint64_t left(const struct trace_file *t) { return t->file.n - (uint64_t)(t->at - t->file.at); }

bool trace_at_end(const struct trace_file *t) { return left(t) == 0; }

bool trace_peek(const struct trace_file *t, struct trace_value *v) {
    struct setun_trace_record r;
    if (left(t) < sizeof r) return false;
    memcpy(&r, t->at, sizeof r);
    uint64_t names = sizeof r + 4 * (uint64_t)r.rows, data, bytes, end;
    if (!ck_align(&data, names + r.kernel_bytes + r.name_bytes, 4)) return false;
    if (!ck_mul(&bytes, r.rows, r.elems) || !ck_mul(&bytes, bytes, r.elem == SETUN_I8 ? 1 : 4)) return false;
    if (!ck_add(&end, data, bytes) || !ck_align(&end, end, 4) || end > left(t)) return false;
    const char *kernel = (const char *)t->at + names;
    *v = (struct trace_value){.kernel = kernel,
                              .name = kernel + r.kernel_bytes,
                              .kernel_bytes = r.kernel_bytes,
                              .name_bytes = r.name_bytes,
                              .layer = r.layer,
                              .rows = r.rows,
                              .elems = r.elems,
                              .elem = (enum setun_elem)r.elem,
                              .data = t->at + data,
                              .after = t->at + end};
    return true;
}
