/* isa_test -- every instruction of x86/isa.def that this machine has, against its reference on random lanes. */
#include "test/unit/jit.h"

#include <stdint.h>

#include "backends/matmul.h"
#include "backends/x86/x86.h"

enum { MAX = 64, ROUNDS = 200 };
struct lanes {
    _Alignas(64) uint8_t acc[MAX], a[MAX], b[MAX], out[MAX];
};

static void ref_dot4(struct lanes *l, unsigned bytes) {
    for (unsigned i = 0; i < bytes / 4; i++) {
        int32_t sum;
        memcpy(&sum, l->acc + 4 * i, 4);
        for (unsigned j = 4 * i; j < 4 * i + 4; j++) sum += l->a[j] * (int8_t)l->b[j];
        memcpy(l->out + 4 * i, &sum, 4);
    }
}

static void ref_dot2(struct lanes *l, unsigned bytes) {
    for (unsigned i = 0; i < bytes / 2; i++) {
        int v = l->a[2 * i] * (int8_t)l->b[2 * i] + l->a[2 * i + 1] * (int8_t)l->b[2 * i + 1];
        int16_t s = (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
        memcpy(l->out + 2 * i, &s, 2);
    }
}

static void ref_sum2(struct lanes *l, unsigned bytes) {
    for (unsigned i = 0; i < bytes / 4; i++) {
        int16_t a[2], b[2];
        memcpy(a, l->a + 4 * i, 4);
        memcpy(b, l->b + 4 * i, 4);
        int32_t s = a[0] * b[0] + a[1] * b[1];
        memcpy(l->out + 4 * i, &s, 4);
    }
}

static void ref_look16(struct lanes *l, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) l->out[i] = l->b[i] & 128 ? 0 : l->a[i / 16 * 16 + l->b[i] % 16];
}

static void ref_look32(struct lanes *l, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i += 2) memcpy(l->out + i, l->a + (size_t)2 * (l->b[i] % 32), 2);
}

static void ref_look64(struct lanes *l, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) l->out[i] = l->a[l->b[i] % 64];
}

struct insn {
    const char *word, *level;
    unsigned bytes, operands; /* operands: with or without an accumulator */
    void (*ref)(struct lanes *, unsigned bytes);
};
#define OPERANDS_dot4   3
#define OPERANDS_dot2   2
#define OPERANDS_sum2   2
#define OPERANDS_look16 2
#define OPERANDS_look32 2
#define OPERANDS_look64 2
static const struct insn insns[] = {
#define INSN(word, level, bytes, intrinsic, ref) {#word, #level, bytes, OPERANDS_##word, ref},
#include "backends/x86/isa.def"
};

static const struct cg_level *level_of(const struct insn *in) {
    for (unsigned i = 0; i < x86_target.n_levels; i++)
        if (!strcmp(x86_target.levels[i].name, in->level)) return &x86_target.levels[i];
    return NULL;
}

static bool runs_here(const struct insn *in) {
    const struct cg_level *l = level_of(in);
    return l && (x86_target.host_features() & l->needs) == l->needs;
}

/* void word(struct lanes *) of the level */
static void emit(struct cg *c, const struct insn *in) {
    c->level = level_of(in);
    LLVMTypeRef type = LLVMFunctionType(c->void_, &c->ptr, 1, false), v = LLVMVectorType(c->i8, in->bytes);
    LLVMTypeRef wide = LLVMVectorType(c->i32, in->bytes / 4), half = LLVMVectorType(c->i16, in->bytes / 2);
    LLVMValueRef p = LLVMGetParam(jit_export(cg_function(c, in->word, type, true)), 0), arg[3];
    bool i16 = !strcmp(in->word, "sum2");
    arg[0] = cg_load(c, wide, cg_at_const(c, p, offsetof(struct lanes, acc)), 1);
    arg[1] = cg_load(c, i16 ? half : v, cg_at_const(c, p, offsetof(struct lanes, a)), 1);
    arg[2] = cg_load(c, i16 ? half : v, cg_at_const(c, p, offsetof(struct lanes, b)), 1);
    LLVMValueRef r = cg_intrinsic(c, x86_word(c, in->word), NULL, 0, arg + (3 - in->operands), in->operands);
    cg_store(c, r, cg_at_const(c, p, offsetof(struct lanes, out)), 1);
    LLVMBuildRetVoid(c->b);
}

static int check(const struct jit *j, const struct insn *in) {
    void (*fn)(struct lanes *);
    *(void **)&fn = jit_symbol(j, arena_printf(j->arena, "%s.%s", in->word, in->level));
    srand(5);
    for (int round = 0; round < ROUNDS; round++) {
        struct lanes got = {.acc = {0}}, want;
        for (unsigned i = 0; i < MAX; i++) {
            got.acc[i] = (uint8_t)(i % 4 == 3 ? 0 : rand() >> 8);
            got.a[i] = (uint8_t)(rand() >> 8);
            got.b[i] = (uint8_t)(rand() >> 8);
        }
        want = got;
        fn(&got);
        in->ref(&want, in->bytes);
        if (!memcmp(got.out, want.out, in->bytes)) continue;
        printf("%s.%s differs from its reference in round %d\n", in->word, in->level, round);
        return 1;
    }
    return 0;
}

int main(void) {
    int bad = 0;
    struct jit j;
    struct cg c;
    jit_start(&j, NULL);
    cg_open(&c, j.diag, j.arena, &(struct backend_options){.pic = true}, "isa");
    for (size_t i = 0; i < COUNT_OF(insns); i++)
        if (runs_here(&insns[i])) emit(&c, &insns[i]);
    jit_link(&j, &c);
    for (size_t i = 0; i < COUNT_OF(insns); i++)
        if (runs_here(&insns[i]))
            bad += check(&j, &insns[i]);
        else
            printf("SKIP: %s of %s, which this machine lacks\n", insns[i].word, insns[i].level);
    cg_close(&c);
    jit_end(&j);
    return bad != 0;
}
