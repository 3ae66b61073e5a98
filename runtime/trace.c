/* trace.c -- writes the file of `--trace` (trace.h). */
#include "runtime/trace.h"

#include <string.h>

#include "runtime/team.h"

int setun_trace_open(struct setun_trace *t, const char *path) {
    *t = (struct setun_trace){0};
    int code = setun_out_open(&t->out, path);
    return code != EXIT_OK ? code : setun_out_write(&t->out, SETUN_TRACE_MAGIC, 8);
}

static void pad(struct setun_out *o, uint64_t written) {
    static const uint8_t zero[4];
    setun_out_write(o, zero, (4 - written % 4) % 4);
}

static void head(struct setun_trace *t, uint32_t kernel, uint32_t layer, const char *kernel_name,
                 const struct setun_value *v, uint32_t rows) {
    struct setun_trace_record r = {.step = t->step,
                                   .kernel = kernel,
                                   .layer = layer,
                                   .elem = v->elem,
                                   .rows = rows,
                                   .elems = v->elems,
                                   .kernel_bytes = (uint32_t)strlen(kernel_name),
                                   .name_bytes = (uint32_t)strlen(v->name)};
    setun_out_write(&t->out, &r, sizeof r);
}

static void body(struct setun_trace *t, const char *kernel_name, const struct setun_value *v, uint32_t rows,
                 const uint8_t *data) {
    uint64_t row_bytes = (uint64_t)v->elems * (v->elem == SETUN_I8 ? 1 : 4);
    size_t kernel_bytes = strlen(kernel_name), name_bytes = strlen(v->name);
    setun_out_write(&t->out, kernel_name, kernel_bytes);
    setun_out_write(&t->out, v->name, name_bytes);
    pad(&t->out, kernel_bytes + name_bytes);
    for (uint32_t r = 0; r < rows; r++) setun_out_write(&t->out, data + (uint64_t)r * v->row_stride, row_bytes);
    pad(&t->out, rows * row_bytes);
}

void setun_trace_value(struct setun_trace *t, uint32_t kernel, uint32_t layer, const char *kernel_name,
                       const struct setun_value *v, uint32_t rows, const uint32_t *pos, const void *data) {
    head(t, kernel, layer, kernel_name, v, rows);
    setun_out_write(&t->out, pos, (size_t)rows * 4);
    body(t, kernel_name, v, rows, data);
}

void setun_trace_kernel(struct setun_trace *t, const struct setun_model *m, const struct setun_step *s, uint32_t kernel,
                        uint32_t layer) {
    const struct setun_kernel *k = &m->kernels[kernel];
    for (uint32_t i = 0; i < k->n_values; i++) {
        const struct setun_value *v = &k->values[i];
        uint32_t rows = v->live ? s->n_live : s->n_rows;
        if (rows == 0) continue;
        head(t, kernel, layer, k->name, v, rows);
        for (uint32_t r = 0; r < rows; r++) {
            setun_out_write(&t->out, &s->rows[v->live ? s->live[r] : r].pos, 4);
        }
        body(t, k->name, v, rows, s->arena + v->offset);
    }
}

static void on_kernel(struct setun_step *s, uint32_t kernel, uint32_t layer) {
    const struct setun_native *n = ((const struct setun_team *)s)->owner;
    setun_trace_kernel(n->trace, n->model, s, kernel, layer);
}

static int after_step(struct setun_native *n) {
    n->trace->step++;
    return n->trace->out.failed;
}

void setun_trace_attach(struct setun_trace *t, struct setun_native *n) {
    n->trace = t;
    n->after_step = after_step;
    n->team->step.trace = on_kernel;
    n->e.can_screen = false;
}

int setun_trace_close(struct setun_trace *t, bool keep) { return setun_out_close(&t->out, keep); }
