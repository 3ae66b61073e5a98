/*
 * arm.c -- the tables of aarch64: levels, the instructions of the ternary cores, and what the CPU at hand has.
 *
 * The signed dot product takes bytes from -128 to 127, so operands stay below 128: the top field of a byte is shifted
 * down rather than left where it lies.  Without dot products a product of bytes is 16 bits, and is added to what is
 * there; 128 steps later sums are widened.
 */
#include "backends/arm/arm.h"

#include <string.h>

#include <llvm-c/Target.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "backends/core/matmul.h"

/* ---- words ---- */

enum { BYTES = 16 };

static const struct insn {
    const char *word, *level, *intrinsic;
} insns[] = {
#define INSN(word, level, intrinsic) {#word, #level, intrinsic},
#include "backends/arm/isa.def"
};

static const char *word_of(const struct cg *c, const char *word) {
    for (size_t i = 0; i < COUNT_OF(insns); i++)
        if (!strcmp(insns[i].word, word) && !strcmp(insns[i].level, c->level->name)) return insns[i].intrinsic;
    BUG("isa.def: level '%s' has no '%s'", c->level->name, word);
}

static LLVMValueRef products(struct cg *c, const char *word, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8) {
    LLVMTypeRef types[] = {LLVMVectorType(c->i32, BYTES / 4), LLVMVectorType(c->i8, BYTES)};
    return cg_intrinsic(c, word_of(c, word), types, 2, (LLVMValueRef[]){acc, u8, s8}, 3);
}

static LLVMValueRef dot4(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8) {
    return products(c, "dot4", acc, u8, s8);
}

static LLVMValueRef square(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8) {
    return products(c, "square", acc, u8, s8);
}

/* n elements of v and what is behind them, or of a behind b. */
static LLVMValueRef part(struct cg *c, LLVMValueRef a, LLVMValueRef b, unsigned from, unsigned n) {
    LLVMValueRef index[2 * BYTES];
    for (unsigned i = 0; i < n; i++) index[i] = cg_i32(c, from + i);
    return LLVMBuildShuffleVector(c->b, a, b, LLVMConstVector(index, n), "");
}

/* Products of half a register, in 16 bits. */
static LLVMValueRef mul_half(struct cg *c, LLVMValueRef a, LLVMValueRef b, unsigned which) {
    LLVMTypeRef words = LLVMVectorType(c->i16, BYTES / 2);
    unsigned from = which * BYTES / 2;
    LLVMValueRef args[] = {part(c, a, a, from, BYTES / 2), part(c, b, b, from, BYTES / 2)};
    return cg_intrinsic(c, word_of(c, "mul"), &words, 1, args, 2);
}

/* v, of which LLVM no longer knows that its halves are equal: it would use the low one twice, with a move for each. */
static LLVMValueRef opaque(struct cg *c, LLVMValueRef v) {
    LLVMTypeRef in = LLVMTypeOf(v), type = LLVMFunctionType(in, &in, 1, false);
    LLVMValueRef copy = LLVMGetInlineAsm(type, "", 0, "=w,0", 4, false, false, LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(c->b, type, copy, &v, 1, "");
}

/* A product in each of 16 lanes of 16 bits, which are two registers. */
static LLVMValueRef mul_add(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8) {
    LLVMValueRef sum[2];
    for (unsigned h = 0; h < 2; h++)
        sum[h] = LLVMBuildAdd(c->b, part(c, acc, acc, h * BYTES / 2, BYTES / 2), mul_half(c, u8, s8, h), "");
    return part(c, sum[0], sum[1], 0, BYTES);
}

static LLVMValueRef widen_half(struct cg *c, LLVMValueRef words) {
    LLVMTypeRef types[] = {LLVMVectorType(c->i32, BYTES / 4), LLVMVectorType(c->i16, BYTES / 2)};
    return cg_intrinsic(c, word_of(c, "widen"), types, 2, &words, 1);
}

static LLVMValueRef widen(struct cg *c, LLVMValueRef acc) {
    LLVMTypeRef sums = LLVMVectorType(c->i32, BYTES / 4);
    LLVMValueRef two[2];
    for (unsigned h = 0; h < 2; h++) two[h] = widen_half(c, part(c, acc, acc, h * BYTES / 2, BYTES / 2));
    return cg_intrinsic(c, word_of(c, "sum2"), &sums, 1, two, 2);
}

static LLVMValueRef pair(struct cg *c, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef sum[2];
    for (unsigned h = 0; h < 2; h++)
        sum[h] = LLVMBuildAdd(c->b, part(c, acc, acc, h * 4, 4), widen_half(c, mul_half(c, a, b, h)), "");
    return part(c, sum[0], sum[1], 0, 8);
}

static LLVMValueRef low_bits(struct cg *c, LLVMValueRef index, unsigned mask) {
    return LLVMBuildAnd(c->b, index, cg_splat(c, cg_i8(c, mask), BYTES), "");
}

static LLVMValueRef look16(struct cg *c, LLVMValueRef table, LLVMValueRef index) {
    LLVMTypeRef v = LLVMVectorType(c->i8, BYTES);
    return cg_intrinsic(c, word_of(c, "look16"), &v, 1, (LLVMValueRef[]){table, low_bits(c, index, 15)}, 2);
}

static void digits(struct cg *c, LLVMValueRef acc[2], LLVMValueRef low, LLVMValueRef high) {
    LLVMTypeRef words = LLVMVectorType(c->i16, BYTES / 2);
    LLVMValueRef by = cg_splat(c, LLVMConstInt(c->i16, MM_DIGIT, false), BYTES / 2);
    for (unsigned h = 0; h < 2; h++) {
        LLVMValueRef l = LLVMBuildSExt(c->b, part(c, low, low, h * BYTES / 2, BYTES / 2), words, "");
        LLVMValueRef u = LLVMBuildSExt(c->b, part(c, high, high, h * BYTES / 2, BYTES / 2), words, "");
        acc[h] = LLVMBuildAdd(c->b, LLVMBuildAdd(c->b, acc[h], l, ""), LLVMBuildMul(c->b, u, by, ""), "");
    }
}

/* Byte 2 i and 2 i + 1 of the table make word i. */
static LLVMValueRef look32(struct cg *c, LLVMValueRef table, LLVMValueRef index) {
    LLVMTypeRef v = LLVMVectorType(c->i8, BYTES);
    LLVMValueRef five = cg_splat(c, LLVMConstInt(c->i16, 31, false), BYTES / 2), args[5];
    LLVMValueRef two = cg_splat(c, LLVMConstInt(c->i16, 0x202, false), BYTES / 2);
    LLVMValueRef odd = cg_splat(c, LLVMConstInt(c->i16, 0x100, false), BYTES / 2);
    index = LLVMBuildMul(c->b, LLVMBuildAnd(c->b, index, five, ""), two, "");
    index = LLVMBuildBitCast(c->b, LLVMBuildOr(c->b, index, odd, ""), v, "");
    table = LLVMBuildBitCast(c->b, table, LLVMVectorType(c->i8, 4 * BYTES), "");
    for (unsigned t = 0; t < 4; t++) args[t] = part(c, table, table, t * BYTES, BYTES);
    args[4] = index;
    LLVMValueRef found = cg_intrinsic(c, word_of(c, "look64"), &v, 1, args, 5);
    return LLVMBuildBitCast(c->b, found, LLVMVectorType(c->i16, BYTES / 2), "");
}

static void table64(struct cg *c, const uint8_t table[64], LLVMValueRef part[4]) {
    LLVMValueRef lane[BYTES];
    for (unsigned t = 0; t < 4; t++) {
        for (unsigned i = 0; i < BYTES; i++) lane[i] = cg_i8(c, table[BYTES * t + i]);
        part[t] = LLVMConstVector(lane, BYTES);
    }
}

static LLVMValueRef look64(struct cg *c, const uint8_t table[64], LLVMValueRef index) {
    LLVMTypeRef v = LLVMVectorType(c->i8, BYTES);
    LLVMValueRef args[5];
    table64(c, table, args);
    args[4] = low_bits(c, index, 63);
    return cg_intrinsic(c, word_of(c, "look64"), &v, 1, args, 5);
}

static LLVMValueRef look64_or(struct cg *c, const uint8_t table[64], LLVMValueRef index, LLVMValueRef otherwise) {
    LLVMTypeRef v = LLVMVectorType(c->i8, BYTES);
    LLVMValueRef args[6] = {otherwise};
    table64(c, table, args + 1);
    args[5] = index;
    return cg_intrinsic(c, word_of(c, "look64_or"), &v, 1, args, 6);
}

/* ---- picking bytes ---- */

/* Of each set of eight bits: the numbers of those that are on, ascending. */
static LLVMValueRef pick_table(struct cg *c) {
    LLVMValueRef g = LLVMGetNamedGlobal(c->module, "pick"), row[256];
    if (g) return g;
    for (unsigned set = 0; set < 256; set++) {
        uint64_t numbers = 0;
        for (unsigned bit = 0, n = 0; bit < 8; bit++)
            if (set >> bit & 1) numbers |= (uint64_t)bit << 8 * n++;
        row[set] = cg_i64(c, numbers);
    }
    g = LLVMAddGlobal(c->module, LLVMArrayType2(c->i64, 256), "pick");
    LLVMSetInitializer(g, LLVMConstArray2(c->i64, row, 256));
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    return g;
}

/* One bit of each byte of the mask, gathered by a product in its top byte, finds the bytes' numbers. */
static LLVMValueRef pick(struct cg *c, LLVMValueRef x, LLVMValueRef mask) {
    LLVMTypeRef eight = LLVMVectorType(c->i8, 8);
    LLVMValueRef bits = LLVMBuildAnd(c->b, mask, cg_i64(c, 0x8040201008040201), "");
    bits = LLVMBuildLShr(c->b, LLVMBuildMul(c->b, bits, cg_i64(c, 0x0101010101010101), ""), cg_i64(c, 56), "");
    LLVMValueRef at = cg_at(c, pick_table(c), LLVMBuildShl(c->b, bits, cg_i64(c, 3), ""));
    LLVMValueRef both = LLVMBuildInsertElement(c->b, LLVMGetUndef(LLVMVectorType(c->i64, 2)), x, cg_i32(c, 0), "");
    LLVMValueRef args[] = {LLVMBuildBitCast(c->b, both, LLVMVectorType(c->i8, 16), ""), cg_load(c, eight, at, 8)};
    return LLVMBuildBitCast(c->b, cg_intrinsic(c, "llvm.aarch64.neon.tbl1", &eight, 1, args, 2), c->i64, "");
}

/* ---- levels ---- */

#define SDOT  .dot = dot4, .below128 = true, .quad = 4, .at_once = 4
#define USDOT .dot = dot4, .quad = 4, .at_once = 4, .square = square
#define PAIRS                                                                                                          \
    .dot = mul_add, .widen = widen, .pair = pair, .acc_words = BYTES, .below128 = true, .quad = 4, .at_once = 2,       \
    .hold = opaque
/* Fields where they lie, but for the top one. */
#define PLANES_signed {.right = {0, 0, 0, 6}, .mask = {3, 12, 48, 3}, .post = {0, 2, 4, 0}}
/* Three ANDs give four nested fields: the fourth is the byte itself. */
#define PLANES_nested {.mask = {3, 15, 63, 255}, .post = {0, 2, 4, 6}, .nested = true}
/* Fields where they lie. */
#define PLANES_scaled {.mask = {3, 12, 48, 192}, .post = {0, 2, 4, 6}}
/* An instruction each: fields shifted down with those above them. */
#define PLANES_open {.right = {0, 2, 4, 6}, .mask = {3, 255, 255, 255}, .open = true}
/* The codes. */
#define PLANES_plain {.right = {0, 2, 4, 6}, .mask = {3, 3, 3, 3}}

#define LEVEL(level_name, needs_, features_, unroll_, chains_, rows_, stream_, panel_, dot_)                           \
    static const struct mm_target mm_##level_name = {.bytes = BYTES,                                                   \
                                                     .unroll = unroll_,                                                \
                                                     .chains = chains_,                                                \
                                                     .rows = rows_,                                                    \
                                                     .stream = PLANES_##stream_,                                       \
                                                     .panel = PLANES_##panel_,                                         \
                                                     .byte_shifts = true,                                              \
                                                     .lookup16 = look16,                                               \
                                                     .in_order = opaque,                                               \
                                                     .digits = digits,                                                 \
                                                     .lookup32 = look32,                                               \
                                                     .lookup64 = look64,                                               \
                                                     .lookup64_is_one = true,                                          \
                                                     .lookup64_or = look64_or,                                         \
                                                     dot_};
#include "backends/arm/levels.def"

static const struct cg_level levels[] = {
#define LEVEL(level_name, needs_, features_, ...)                                                                      \
    {.name = #level_name,                                                                                              \
     .needs = (needs_),                                                                                                \
     .cpu = "generic",                                                                                                 \
     .features = features_,                                                                                            \
     .vectors = 8,                                                                                                     \
     .mm = &mm_##level_name},
#include "backends/arm/levels.def"
};

static void costs(const struct cg_level *l, struct schedule *s) {
    static const struct {
        const char *level;
        enum ir_core core;
        double rate;
    } rates[] = {
#define COST(level, core, rate) {#level, IR_CORE_##core, rate},
#include "backends/arm/costs.def"
    };
    *s = (struct schedule){.level = l->name, .only = IR_N_CORES};
    for (size_t i = 0; i < COUNT_OF(rates); i++)
        if (!strcmp(rates[i].level, l->name)) s->rate[rates[i].core] = rates[i].rate;
}

/* ---- the family ---- */

static void llvm_start(void) {
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
}

/* Linux, arch/arm64/include/uapi/asm/hwcap.h */
static uint32_t host_features(void) {
#if defined(__aarch64__)
    enum { ASIMDDP = 1 << 20, I8MM = 1 << 13 };
    uint32_t found = SETUN_F_NEON;
    if (getauxval(AT_HWCAP) & ASIMDDP) found |= SETUN_F_DOTPROD;
    if (getauxval(AT_HWCAP2) & I8MM) found |= SETUN_F_I8MM;
    return found;
#else
    return 0;
#endif
}

const struct cg_target arm_target = {
    .name = "aarch64",
    .triple = "aarch64-unknown-linux-gnu",
    .gnu = "aarch64-linux-gnu",
    .elf_machine = 183, /* EM_AARCH64 */
    .page_bytes = 65536,
#if defined(__aarch64__)
    .host = true,
#endif
    .cpu = "generic",
    .features = "",
    .levels = levels,
    .n_levels = COUNT_OF(levels),
    .llvm_start = llvm_start,
    .host_features = host_features,
    .costs = costs,
    .pick = pick,
};
