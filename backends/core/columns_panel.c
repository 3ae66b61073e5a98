/* columns_panel.c -- many rows of codes against a matrix that lies by columns: nothing is skipped, and a panel is
 * unpacked from the lines of four channels at a time. */
#include "backends/core/columns.h"

struct unpacking {
    const struct columns_kind *kind;
    const struct mm_shape *s;
    const struct mm_panel *p;
    LLVMValueRef line; /* of column 0 */
};

/* The line of channel 4 step + i; of the last step, the last channel there is: codes beyond it are zero. */
static LLVMValueRef step_line(struct cg *c, const struct unpacking *u, LLVMValueRef step, unsigned i) {
    uint64_t K = u->s->K;
    LLVMValueRef last = cg_i64(c, K - 1), k = LLVMBuildShl(c->b, step, cg_i64(c, 2), "");
    k = LLVMBuildAdd(c->b, k, cg_i64(c, i), "");
    if (K % COLUMNS_GROUP) k = LLVMBuildSelect(c->b, LLVMBuildICmp(c->b, LLVMIntUGT, k, last, ""), last, k, "");
    return cg_at(c, u->line, LLVMBuildMul(c->b, k, cg_i64(c, u->kind->bytes(u->s->n)), ""));
}

/* The loop over steps for tiles number `tile` of a line. */
static void unpack_tile(struct cg *c, const struct unpacking *u, unsigned tile) {
    const struct mm_target *t = c->level->mm;
    struct cg_loop l;
    cg_loop_begin(c, &l, cg_i64(c, 0), u->p->steps, cg_i64(c, 1), "unpack");
    LLVMValueRef to = cg_at(c, u->p->to, LLVMBuildMul(c->b, l.i, cg_i64(c, MM_PLANES * t->bytes), ""));
    LLVMValueRef step = LLVMBuildNSWAdd(c->b, u->p->from, l.i, "");
    LLVMValueRef line[COLUMNS_GROUP], w[COLUMNS_GROUP], field[MM_PLANES];
    for (unsigned i = 0; i < COLUMNS_GROUP; i++) line[i] = step_line(c, u, step, i);
    for (unsigned v = 0; v < mm_vectors(t); v++) {
        for (unsigned i = 0; i < COLUMNS_GROUP; i++)
            w[i] = cg_load(c, mm_byte_type(c), cg_at_const(c, line[i], v * t->bytes), t->bytes);
        u->kind->unpack(c, w, tile, field);
        for (unsigned i = 0; i < MM_PLANES; i++)
            cg_store(c, field[i], cg_at_const(c, to, (v * MM_PANEL * MM_PLANES + i) * t->bytes), t->bytes);
    }
    cg_loop_end(c, &l);
}

/* Which part of its lines a tile is decides how they are unpacked: a loop for each, of which one runs. */
void columns_unpack_panel(struct cg *c, const struct mm_shape *s, const struct mm_args *a, const struct mm_panel *p) {
    const struct columns_kind *kind = s->core->columns;
    LLVMValueRef tiles = cg_i64(c, kind->rows / IR_TILE), line = LLVMBuildUDiv(c->b, p->tile, tiles, "");
    LLVMValueRef part = LLVMBuildURem(c->b, p->tile, tiles, "");
    struct unpacking u = {.kind = kind, .s = s, .p = p};
    u.line = cg_at(c, a->matrix, LLVMBuildMul(c->b, line, cg_i64(c, COLUMNS_LINE), ""));
    for (unsigned tile = 0; tile < kind->rows / IR_TILE; tile++) {
        struct cg_if mine;
        cg_if_begin(c, &mine, LLVMBuildICmp(c->b, LLVMIntEQ, part, cg_i64(c, tile), ""));
        unpack_tile(c, &u, tile);
        cg_if_end(c, &mine);
    }
}

/* Each tile of a line asks for its part of the channels of the next line; those of a line of more tiles than a step has
 * channels ask for some of them twice. */
LLVMValueRef columns_ahead(struct cg *c, const struct mm_shape *s, LLVMValueRef matrix, LLVMValueRef tile,
                           LLVMValueRef from, uint64_t *stride) {
    const struct columns_kind *kind = s->core->columns;
    uint64_t n = kind->rows / IR_TILE;
    LLVMValueRef tiles = cg_i64(c, n),
                 next = LLVMBuildAdd(c->b, LLVMBuildUDiv(c->b, tile, tiles, ""), cg_i64(c, 1), "");
    LLVMValueRef part = LLVMBuildURem(c->b, tile, tiles, "");
    LLVMValueRef k = LLVMBuildMul(c->b, part, cg_i64(c, (s->K + n - 1) / n), "");
    *stride = kind->bytes(s->n);
    LLVMValueRef at = LLVMBuildMul(c->b, LLVMBuildAdd(c->b, k, from, ""), cg_i64(c, *stride), "");
    return cg_at(c, cg_at(c, matrix, LLVMBuildMul(c->b, next, cg_i64(c, COLUMNS_LINE), "")), at);
}
