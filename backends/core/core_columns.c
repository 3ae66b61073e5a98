/*
 * core_columns.c -- two bits a weight, by columns (codec/columns.c): those of channels whose code is zero are not read.
 *
 * An interleaved register is a step of i2_64, so fields, dot instruction and end are those of i2.  Registers of 64
 * bytes sum four of them together in 16 accumulators, of 32 bytes two of a half.
 */
#include "backends/core/columns.h"

static uint64_t bytes(uint64_t rows, uint64_t K) { return columns_bytes(rows) * K; }

static unsigned together(const struct mm_target *t) { return mm_vectors(t) == 1 || t->at_once == MM_STEP / 16 ? 4 : 2; }

static void finish(struct cg *c, LLVMValueRef sum[COLUMNS_PLANES], LLVMValueRef code_sum) {
    mm_finish(c, &c->level->mm->stream, sum, code_sum);
}

static const struct mm_planes *panel(const struct mm_target *t) { return &t->panel; }

/* A tile is a register. */
static void unpack(struct cg *c, const LLVMValueRef w[COLUMNS_GROUP], unsigned tile, LLVMValueRef out[MM_PLANES]) {
    mm_split(c, panel(c->level->mm), columns_register(c, w, tile), out);
}

static const struct columns_kind kind = {
    .rows = COLUMNS_ROWS,
    .planes = MM_PLANES,
    .register_rows = IR_TILE,
    .plane_rows = MM_LANES,
    .bytes = columns_bytes,
    .together = together,
    .split = columns_split,
    .finish = finish,
    .unpack = unpack,
};

const struct mm_core mm_core_columns = {
    .name = "columns",
    .layout = SETUN_LAYOUT_COLUMNS,
    .bytes = bytes,
    .pack = columns_pack,
    .unpack = columns_unpack,
    .columns = &kind,
    .one_row = columns_one_row,
    .whole_share = COLUMNS_ROWS,
    .prepare_bytes = columns_list_bytes,
    .prepare = columns_list_emit,
    .ahead = columns_ahead,
    .panel_steps = 1,
    .panel = panel,
    .unpack_panel = columns_unpack_panel,
};
