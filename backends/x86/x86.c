/*
 * x86.c -- the tables of x86: levels, the instructions of the ternary core, and what the CPU at hand has.
 */
#include "backends/x86/x86.h"

#include <string.h>

#include <llvm-c/Target.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "backends/core/matmul.h"

/* ---- words ---- */

static const struct insn {
    const char *word, *level, *intrinsic;
} insns[] = {
#define INSN(word, level, intrinsic) {#word, #level, intrinsic},
#include "backends/x86/isa.def"
};

static const char *word_of(const struct cg *c, const char *word) {
    for (size_t i = 0; i < COUNT_OF(insns); i++)
        if (!strcmp(insns[i].word, word) && !strcmp(insns[i].level, c->level->name)) return insns[i].intrinsic;
    BUG("isa.def: level '%s' has no '%s'", c->level->name, word);
}

static LLVMValueRef dot4(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8) {
    return cg_intrinsic(c, word_of(c, "dot4"), NULL, 0, (LLVMValueRef[]){acc, u8, s8}, 3);
}

static LLVMValueRef dot2(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8) {
    LLVMValueRef pairs = cg_intrinsic(c, word_of(c, "dot2"), NULL, 0, (LLVMValueRef[]){u8, s8}, 2);
    return LLVMBuildAdd(c->b, acc, pairs, "");
}

static LLVMValueRef sum2(struct cg *c, LLVMValueRef acc) {
    LLVMValueRef ones = cg_splat(c, LLVMConstInt(c->i16, 1, false), c->level->mm->bytes / 2);
    return cg_intrinsic(c, word_of(c, "sum2"), NULL, 0, (LLVMValueRef[]){acc, ones}, 2);
}

static LLVMValueRef look16(struct cg *c, LLVMValueRef table, LLVMValueRef index) {
    return cg_intrinsic(c, word_of(c, "look16"), NULL, 0, (LLVMValueRef[]){table, index}, 2);
}

/* The digits of a row become neighbours, whose products with 1 and the weight are added. */
static void digits(struct cg *c, LLVMValueRef acc[2], LLVMValueRef low, LLVMValueRef high) {
    unsigned n = c->level->mm->bytes;
    LLVMValueRef at[64], by[64];
    for (unsigned h = 0; h < 2; h++) {
        for (unsigned i = 0; i < n; i++) {
            at[i] = cg_i32(c, i / 16 * 16 + h * 8 + i % 16 / 2 + (i % 2 ? n : 0));
            by[i] = cg_i8(c, i % 2 ? MM_DIGIT : 1);
        }
        LLVMValueRef both = LLVMBuildShuffleVector(c->b, low, high, LLVMConstVector(at, n), "");
        acc[h] = dot2(c, acc[h], LLVMConstVector(by, n), both);
    }
}

static LLVMValueRef look32(struct cg *c, LLVMValueRef table, LLVMValueRef index) {
    return cg_intrinsic(c, word_of(c, "look32"), NULL, 0, (LLVMValueRef[]){table, index}, 2);
}

/* The table, as often as a vector has room for it, from entry `first` on. */
static LLVMValueRef table_vector(struct cg *c, const uint8_t *table, unsigned first, unsigned n) {
    LLVMValueRef lane[64];
    unsigned bytes = c->level->mm->bytes;
    for (unsigned i = 0; i < bytes; i++) lane[i] = cg_i8(c, table[first + i % n]);
    return LLVMConstVector(lane, bytes);
}

static LLVMValueRef look64(struct cg *c, const uint8_t table[64], LLVMValueRef index) {
    LLVMValueRef t = table_vector(c, table, 0, 64);
    return cg_intrinsic(c, word_of(c, "look64"), NULL, 0, (LLVMValueRef[]){t, index}, 2);
}

/* By the low four bits in each quarter of the table, then the quarter that bits 5:4 say. */
static LLVMValueRef look16_64(struct cg *c, const uint8_t table[64], LLVMValueRef index) {
    unsigned bytes = c->level->mm->bytes;
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(index)), at[4], high[2];
    LLVMValueRef low = LLVMBuildAnd(c->b, index, cg_splat(c, cg_i8(c, 15), bytes), "");
    for (unsigned i = 0; i < 4; i++) at[i] = look16(c, table_vector(c, table, 16 * i, 16), low);
    for (unsigned i = 0; i < 2; i++) {
        LLVMValueRef bit = LLVMBuildAnd(c->b, index, cg_splat(c, cg_i8(c, 16 << i), bytes), "");
        high[i] = LLVMBuildICmp(c->b, LLVMIntNE, bit, zero, "");
    }
    LLVMValueRef a = LLVMBuildSelect(c->b, high[0], at[1], at[0], ""),
                 b = LLVMBuildSelect(c->b, high[0], at[3], at[2], "");
    return LLVMBuildSelect(c->b, high[1], b, a, "");
}

static LLVMValueRef pair2(struct cg *c, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildAdd(c->b, acc, cg_intrinsic(c, word_of(c, "sum2"), NULL, 0, (LLVMValueRef[]){a, b}, 2), "");
}

/* ---- levels ---- */

#define DOT4    .dot = dot4
#define DOT2    .dot = dot2, .widen = sum2, .pair = pair2, .acc_words = 16
#define LOOK64  .lookup64 = look64, .lookup64_is_one = true
#define LOOK16  .lookup64 = look16_64
#define V4_VNNI (SETUN_F_V3 | SETUN_F_V4 | SETUN_F_AVX512VNNI)

/* Three ANDs give four nested fields: the fourth is the byte itself. */
#define PLANES_nested {.mask = {3, 15, 63, 255}, .post = {0, 2, 4, 6}, .nested = true}
/* Fields where they lie. */
#define PLANES_scaled {.mask = {3, 12, 48, 192}, .post = {0, 2, 4, 6}}
/* Two fields of each nibble: one shift, and operands of at most 8, so that 16 steps fit an i16. */
#define PLANES_nibbles {.right = {0, 0, 4, 4}, .mask = {3, 12, 3, 12}, .post = {0, 2, 0, 2}}
/* The codes: 64 steps fit an i16. */
#define PLANES_plain {.right = {0, 2, 4, 6}, .mask = {3, 3, 3, 3}}

#define LEVEL(level_name, needs_, cpu_, features_, bytes_, unroll_, chains_, rows_, stream_, panel_, dot_, lookup_)    \
    static const struct mm_target mm_##level_name = {.bytes = bytes_,                                                  \
                                                     .unroll = unroll_,                                                \
                                                     .chains = chains_,                                                \
                                                     .rows = rows_,                                                    \
                                                     .at_once = MM_STEP / (bytes_),                                    \
                                                     .quad = 1,                                                        \
                                                     .stream = PLANES_##stream_,                                       \
                                                     .panel = PLANES_##panel_,                                         \
                                                     .lookup16 = look16,                                               \
                                                     .digits = digits,                                                 \
                                                     .lookup32 = (bytes_) == 64 ? look32 : NULL,                       \
                                                     dot_,                                                             \
                                                     lookup_};
#include "backends/x86/levels.def"

static const struct cg_level levels[] = {
#define LEVEL(level_name, needs_, cpu_, features_, ...)                                                                \
    {.name = #level_name,                                                                                              \
     .needs = (needs_),                                                                                                \
     .cpu = cpu_,                                                                                                      \
     .features = features_,                                                                                            \
     .vectors = (needs_) & SETUN_F_V4 ? 32 : 8,                                                                        \
     .masks = ((needs_) & SETUN_F_V4) != 0,                                                                            \
     .mm = &mm_##level_name},
#include "backends/x86/levels.def"
};

static void costs(const struct cg_level *l, struct schedule *s) {
    static const struct {
        const char *level;
        enum ir_core core;
        double rate;
    } rates[] = {
#define COST(level, core, rate) {#level, IR_CORE_##core, rate},
#include "backends/x86/costs.def"
    };
    *s = (struct schedule){.level = l->name, .only = IR_N_CORES};
    for (size_t i = 0; i < COUNT_OF(rates); i++)
        if (!strcmp(rates[i].level, l->name)) s->rate[rates[i].core] = rates[i].rate;
}

/* ---- the CPU at hand (Intel SDM vol. 2, CPUID; vol. 1, 13.3: XCR0 says what the system saves) ---- */

#if defined(__x86_64__)
static uint64_t xcr0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static bool has(uint32_t reg, uint32_t bits) { return (reg & bits) == bits; }

static uint32_t host_features(void) {
    uint32_t a, b, c, d, found = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const uint32_t leaf1 = bit_SSE3 | bit_SSSE3 | bit_FMA | bit_SSE4_1 | bit_SSE4_2 | bit_MOVBE | bit_POPCNT |
                           bit_OSXSAVE | bit_AVX | bit_F16C;
    if (!has(c, leaf1) || (xcr0() & 6) != 6) return 0;
    uint32_t ea, eb, ec, ed, b7, c7, a71 = 0;
    if (!__get_cpuid(0x80000001, &ea, &eb, &ec, &ed) || !has(ec, bit_LZCNT | bit_LAHF_LM)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d) || !has(b7, bit_AVX2 | bit_BMI | bit_BMI2)) return 0;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    found |= SETUN_F_V3;
    if (a71 & 1u << 4) found |= SETUN_F_AVXVNNI;
    const uint32_t v4 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    if ((xcr0() & 0xe6) != 0xe6 || !has(b7, v4)) return found;
    found |= SETUN_F_V4;
    if (has(c7, bit_AVX512VNNI)) found |= SETUN_F_AVX512VNNI;
    if (has(c7, bit_AVX512VBMI)) found |= SETUN_F_AVX512VBMI;
    return found;
}
#else
static uint32_t host_features(void) { return 0; }
#endif

/* ---- the family ---- */

static void llvm_start(void) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
}

static LLVMValueRef pick(struct cg *c, LLVMValueRef x, LLVMValueRef mask) {
    return cg_intrinsic(c, "llvm.x86.bmi.pext.64", NULL, 0, (LLVMValueRef[]){x, mask}, 2);
}

const struct cg_target x86_target = {
    .name = "x86-64",
    .triple = "x86_64-unknown-linux-gnu",
    .gnu = "x86_64-linux-gnu",
    .elf_machine = 62, /* EM_X86_64 */
    .page_bytes = 4096,
#if defined(__x86_64__)
    .host = true,
#endif
    .cpu = "x86-64",
    .features = "",
    .levels = levels,
    .n_levels = COUNT_OF(levels),
    .llvm_start = llvm_start,
    .host_features = host_features,
    .costs = costs,
    .pick = pick,
};
