/*
 * data_test -- the data section: what is written at the planned places is what comes back, the hash is that of
 * the bytes, layers of a stack lie at one stride, and layouts follow the use of a weight.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cg/cg.h"
#include "expect.h"

struct fixture {
    struct arena *arena;
    struct diag *diag;
    struct ir_module *m;
    struct data_plan plan;
    struct ir_weights from;
    struct mapped data;
    uint64_t hash, progress;
};

static void add_weight(struct fixture *f, const char *name, enum ir_store store, enum ir_scale scale, uint32_t layers,
                       uint32_t rank, const uint32_t *dim) {
    struct ir_weight *w = ir_weight_add(f->m, name);
    w->store = store, w->scale = scale, w->layers = layers, w->rank = rank;
    memcpy(w->dim, dim, rank * sizeof *dim);
}

static void add_state(struct fixture *f, const char *name, uint32_t layers, uint32_t elems) {
    struct ir_state *s = ir_state_add(f->m, name);
    s->elem = IR_CACHE_F16, s->rank = 1, s->dim[0] = elems, s->layers = layers;
}

/* A gain of rank 2 that a norm reads: not a matrix of rows. */
static void use_as_gain(struct fixture *f, const char *name) {
    struct ir_func *fn = ir_func_add(f->m, "body.0", false);
    struct ir_val *x = ir_param_add(fn, "x", ir_type_make(IR_F32_E, IR_T, 2, (uint32_t[]){2, 33}));
    struct ir_op *op = ir_op_new(fn, IR_OP_rmsnorm, (struct loc){0}, 1, &x, 1);
    op->weight = ir_weight_find(f->m, name);
    ir_append(fn->body, op);
}

static void make_module(struct fixture *f) {
    f->m = ir_module_new(f->arena, names_new(f->arena), "t");
    add_weight(f, "embed", IR_STORE_BF16, IR_SCALE_NONE, 0, 2, (uint32_t[]){300, 100});
    add_weight(f, "body.g", IR_STORE_BF16, IR_SCALE_NONE, 3, 1, (uint32_t[]){100});
    add_weight(f, "out.wo", IR_STORE_TRIT, IR_SCALE_ROW, 2, 2, (uint32_t[]){130, 65});
    add_weight(f, "body.wq", IR_STORE_TRIT, IR_SCALE_MATRIX, 3, 3, (uint32_t[]){5, 13, 100});
    add_weight(f, "body.gk", IR_STORE_F16, IR_SCALE_NONE, 3, 2, (uint32_t[]){2, 33});
    add_weight(f, "head", IR_STORE_TRIT, IR_SCALE_ROW, 0, 2, (uint32_t[]){1, 1});
    add_weight(f, "bias", IR_STORE_F32, IR_SCALE_NONE, 0, 1, (uint32_t[]){1});
    add_weight(f, "table", IR_STORE_F32, IR_SCALE_NONE, 0, 2, (uint32_t[]){3, 16});
    add_weight(f, "body.up", IR_STORE_TRIT, IR_SCALE_GROUP, 3, 2, (uint32_t[]){70, 96});
    ir_weight_find(f->m, "body.up")->group = 32;
    add_weight(f, "wide", IR_STORE_Q6_K, IR_SCALE_NONE, 0, 2, (uint32_t[]){70, 512});
    add_weight(f, "narrow", IR_STORE_Q4_0, IR_SCALE_NONE, 0, 1, (uint32_t[]){32});
    add_state(f, "body.k", 3, 48);
    add_state(f, "ring", 0, 10);
    add_state(f, "body.v", 3, 64);
    use_as_gain(f, "body.gk");
}

static void count(void *self, uint64_t done, uint64_t all) {
    struct fixture *f = self;
    EXPECT(done >= f->progress && done <= all);
    f->progress = done;
}

static void check_plan(const struct fixture *f) {
    const struct data_plan *p = &f->plan;
    for (uint32_t i = 0; i < p->n_tensors; i++)
        EXPECT(p->tensor[i].offset % 64 == 0 && p->tensor[i].layer_stride % 64 == 0 &&
               p->tensor[i].scale_offset % 64 == 0);
    EXPECT(p->tensor[1].layer_stride == p->tensor[3].layer_stride);
    EXPECT(p->tensor[0].layout == SETUN_LAYOUT_RAW && p->tensor[7].layout == SETUN_LAYOUT_RAW);
    EXPECT(p->tensor[4].layout == SETUN_LAYOUT_F32 && p->tensor[6].layout == SETUN_LAYOUT_F32);
    EXPECT(p->tensor[3].layout == SETUN_LAYOUT_I2_64 && p->tensor[3].n_scales == 1 && p->tensor[2].n_scales == 130);
    EXPECT(p->tensor[8].n_scales == 70 * 3 && p->tensor[8].group == 32 && p->tensor[2].group == 0);
    EXPECT(p->tensor[5].offset < p->tensor[1].offset); /* globals first */
    EXPECT(p->state_offset[1] == 0 && p->state_offset[0] == 64 * 32 && p->state_stride[0] == 64 * (96 + 128));
    EXPECT(p->state_offset[2] == p->state_offset[0] + 64 * 96);
    EXPECT(p->state_block_bytes == 64 * 32 + 3 * p->state_stride[0]);
}

static void check_trits(const struct fixture *f, const struct ir_weights *back, const struct ir_weight *w,
                        uint32_t layer) {
    uint64_t rows = ir_weight_rows(w), n = rows * ir_weight_cols(w);
    int8_t *a = malloc(n), *b = malloc(n);
    size_t scales = (size_t)ir_weight_scales(w);
    float *s = calloc(scales, sizeof *s), *t = calloc(scales, sizeof *t);
    if (!a || !b || !s || !t) abort();
    f->from.trits(f->from.self, w, layer, 0, rows, a);
    uint64_t half = rows / 3; /* a range that begins within a tile */
    back->trits(back->self, w, layer, 0, half, b);
    back->trits(back->self, w, layer, half, rows - half, b + half * ir_weight_cols(w));
    EXPECT(!memcmp(a, b, n));
    f->from.scales(f->from.self, w, layer, s);
    back->scales(back->self, w, layer, t);
    EXPECT(!memcmp(s, t, scales * sizeof *s));
    free(a), free(b), free(s), free(t);
}

static void check_raw(const struct fixture *f, const struct ir_weights *back, const struct ir_weight *w,
                      uint32_t layer) {
    uint64_t rows = ir_weight_rows(w), bytes = ir_stored_bytes(w->store, ir_weight_cols(w));
    uint8_t *a = malloc(rows * bytes), *b = malloc(rows * bytes);
    if (!a || !b) abort();
    f->from.raw(f->from.self, w, layer, 0, rows, a);
    back->raw(back->self, w, layer, 0, rows / 2, b);
    back->raw(back->self, w, layer, rows / 2, rows - rows / 2, b + rows / 2 * bytes);
    EXPECT(!memcmp(a, b, rows * bytes));
    free(a), free(b);
}

static void check_back(const struct fixture *f) {
    struct ir_weights back = data_weights(f->diag, "t", f->arena, &f->plan, f->data.at, f->data.n);
    for (size_t i = 0; i < f->m->weights.n; i++) {
        const struct ir_weight *w = f->m->weights.at[i];
        for (uint32_t layer = 0; layer < (w->layers ? w->layers : 1); layer++)
            if (w->store == IR_STORE_TRIT)
                check_trits(f, &back, w, layer);
            else
                check_raw(f, &back, w, layer);
    }
}

int main(void) {
    struct fixture f = {.arena = arena_new()};
    f.diag = diag_new(f.arena, stderr);
    make_module(&f);
    data_plan_make(f.arena, f.m, &f.plan);
    check_plan(&f);
    f.from = ir_weights_random(f.arena, 3);
    const char *path = arena_printf(f.arena, "%s/data", tmp_dir(f.diag));
    struct out *o = out_open(f.diag, path, false);
    if (!o) return 1;
    EXPECT(data_write(f.diag, f.m, &f.plan, &f.from, o, &f.hash, count, &f));
    if (!out_commit(o) || !file_map(f.diag, path, &f.data)) return 1;
    EXPECT(f.data.n == f.plan.bytes && f.progress == f.plan.bytes);
    EXPECT(f.hash == setun_hash(f.data.at, f.data.n));
    check_back(&f);
    file_unmap(&f.data);
    arena_free(f.arena);
    return expect_end();
}
