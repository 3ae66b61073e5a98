/* tracefile.h -- the file that an executable's --trace wrote (runtime/trace.h), read record by record. */
#ifndef SETUN_TOOLS_TRACEFILE_H
#define SETUN_TOOLS_TRACEFILE_H

#include "base/file.h"
#include "runtime/abi.h"

struct trace_file {
    struct mapped file;
    const uint8_t *at; /* the next record */
};

struct trace_value {
    const char *kernel, *name; /* not terminated */
    uint32_t kernel_bytes, name_bytes;
    uint32_t layer, rows, elems;
    enum setun_elem elem;
    const uint8_t *data;  /* rows * elems elements */
    const uint8_t *after; /* the next record */
};

bool trace_open(struct diag *d, const char *path, struct trace_file *t);
void trace_close(struct trace_file *t);
bool trace_at_end(const struct trace_file *t);
/* The next record; false at the end, and for one that does not fit the file.  t->at = v->after goes on. */
bool trace_peek(const struct trace_file *t, struct trace_value *v);

#endif
