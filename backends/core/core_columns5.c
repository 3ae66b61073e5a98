/*
 * core_columns5.c -- 1.6 bits a weight, by columns (codec/columns5.c): as core_columns.c, five rows in a byte.
 *
 * A byte of an interleaved register has five rows' trits for one channel, as bytes of t5_64 have five channels' for one
 * row.  They meet the same code, and sums are linear, so fields need not be apart: with c0..c4 the codes of a byte
 *
 *     four  = c0 + 4 c1 + 16 c2 + 64 c3      looked up by the low six bits of the byte
 *     all   = c0 + 3 c1 + 9 c2 + 27 c3 + 64 c4      what most bytes are; the rare ones are looked up
 *     operands   four & 3, four & 15, four & 63, four, all
 *
 * and the sums of the codes follow at the end.  Registers of 64 bytes sum two of the four together, in 10 accumulators,
 * and read a line twice.  A register of 64 bytes is 12 instructions for 320 weights: compare, three permutes, three
 * masks, five dots.  The first four operands are as those of columns at any level.
 */
#include "backends/core/columns.h"
#include "backends/core/five.h"

enum { PLACES = T5_64_PLACES, TOP = 64 /* what the fifth code counts in a byte */ };

static const unsigned base3[MM_PLANES] = {1, 3, 9, 27};

static uint64_t bytes(uint64_t rows, uint64_t K) { return columns5_bytes(rows) * K; }

/* 20 accumulators, three tables and four constants leave too few of 32 registers; a lookup that is many instructions
 * wants the registers itself. */
static unsigned together(const struct mm_target *t) { return mm_vectors(t) == 1 && t->lookup64_is_one ? 2 : 1; }

/* The base-3 number of the first four codes, and the fifth: bytes as they are, but for rare ones. */
static LLVMValueRef all_of(struct cg *c, LLVMValueRef w, LLVMValueRef rare) {
    uint8_t number[64];
    for (unsigned i = 0; i < COUNT_OF(number); i++) {
        unsigned n = TOP * t5_64_fifth_rare[i];
        for (unsigned p = 0; p < MM_PLANES; p++) n += base3[p] * (t5_64_four_rare[i] >> 2 * p & 3);
        number[i] = (uint8_t)n;
    }
    return five_or(c, w, rare, number, w);
}

/* Sums that take whole bytes take all of it, too; those of 16 bits, or of signed bytes, only the code. */
static bool takes_all(const struct mm_target *t) { return t->stream.nested; }

static void split(struct cg *c, LLVMValueRef w, LLVMValueRef out[COLUMNS_PLANES]) {
    const struct mm_target *t = c->level->mm;
    LLVMValueRef rare = five_rare(c, w);
    columns_split(c, five_four(c, w, rare), out);
    out[4] = takes_all(t) ? all_of(c, w, rare) : five_fifth(c, w, rare, 0);
}

static void finish(struct cg *c, LLVMValueRef sum[COLUMNS_PLANES], LLVMValueRef code_sum) {
    const struct mm_target *t = c->level->mm;
    mm_finish(c, &t->stream, sum, code_sum);
    for (unsigned i = 0; takes_all(t) && i < MM_PLANES; i++) {
        LLVMValueRef codes = LLVMBuildAdd(c->b, sum[i], code_sum, "");
        codes = LLVMBuildMul(c->b, codes, cg_splat(c, cg_i32(c, base3[i]), t->bytes / 4), "");
        sum[4] = LLVMBuildSub(c->b, sum[4], codes, "");
    }
    if (takes_all(t)) sum[4] = LLVMBuildAShr(c->b, sum[4], cg_splat(c, cg_i32(c, 6), t->bytes / 4), "");
    sum[4] = LLVMBuildSub(c->b, sum[4], code_sum, "");
}

static const struct mm_planes *panel(const struct mm_target *t) {
    (void)t;
    return &five_plain;
}

/* A tile is a plane of all registers. */
static void unpack(struct cg *c, const LLVMValueRef w[COLUMNS_GROUP], unsigned tile, LLVMValueRef out[MM_PLANES]) {
    for (unsigned j = 0; j < COLUMNS_REGISTERS; j++) {
        LLVMValueRef reg = columns_register(c, w, j), rare = five_rare(c, reg), field[MM_PLANES];
        if (tile < MM_PLANES) {
            mm_split(c, &five_plain, five_four(c, reg, rare), field);
            out[j] = field[tile];
        } else {
            out[j] = five_fifth(c, reg, rare, 0);
        }
    }
}

static const struct columns_kind kind = {
    .rows = COLUMNS5_ROWS,
    .planes = PLACES,
    .register_rows = MM_LANES,
    .plane_rows = IR_TILE,
    .bytes = columns5_bytes,
    .together = together,
    .split = split,
    .finish = finish,
    .unpack = unpack,
};

const struct mm_core mm_core_columns5 = {
    .name = "columns5",
    .layout = SETUN_LAYOUT_COLUMNS5,
    .bytes = bytes,
    .pack = columns5_pack,
    .unpack = columns5_unpack,
    .columns = &kind,
    .one_row = columns_one_row,
    .whole_share = COLUMNS5_ROWS,
    .prepare_bytes = columns_list_bytes,
    .prepare = columns_list_emit,
    .ahead = columns_ahead,
    .panel_steps = 1,
    .panel = panel,
    .unpack_panel = columns_unpack_panel,
};
