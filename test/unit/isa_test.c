/*
 * isa_test -- every word that a level gives the ternary cores (struct mm_target, backends/core/matmul.h) and the
 * target's pick, against what the header says of it, on arrays: all pairs of operands that cores give, in an order that
 * puts different ones side by side.  A row of isa.def is reached by a word of its level.
 *
 *   isa_test [CPU]      of an emulated CPU (jit.h) instead
 */
#include "test/unit/jit.h"

#include <stdint.h>

#include "backends/core/matmul.h"

enum { PAIRS = 1 << 16, ROOM = 4 * PAIRS, OPERANDS = 3, WIDEST = 128 };

/* One word at one level. */
struct use {
    const struct mm_target *t;
    unsigned bytes[OPERANDS + 1]; /* of an operand's vector, 0 behind the last; at the end, of the result */
    uint8_t *in[OPERANDS], *out;
};

/* ---- operands: number i of all that a test gives ---- */

static uint8_t constant[64]; /* of the lookups whose table is known to the compiler */

/* Two numbers below 256: all pairs, i < PAIRS, neighbours unlike each other. */
static uint8_t first(uint32_t i) { return (uint8_t)(i * 40503u); }
static uint8_t second(uint32_t i) { return (uint8_t)(i * 40503u >> 8); }

/* The largest operand that is made of packed bytes. */
static unsigned most(const struct mm_target *t) {
    unsigned m = 0;
    for (unsigned p = 0; p < MM_PLANES; p++) {
        m = t->stream.mask[p] > m ? t->stream.mask[p] : m;
        m = t->panel.mask[p] > m ? t->panel.mask[p] : m;
    }
    return m;
}

static int8_t code(uint32_t i) { return second(i) == 128 ? 0 : (int8_t)second(i); }

static void put16(uint8_t *at, int v) { memcpy(at, &(int16_t){(int16_t)v}, 2); }
static void put32(uint8_t *at, int32_t v) { memcpy(at, &v, 4); }
static int get16(const uint8_t *at) {
    int16_t v;
    memcpy(&v, at, 2);
    return v;
}
static int32_t get32(const uint8_t *at) {
    int32_t v;
    memcpy(&v, at, 4);
    return v;
}

static void fill_codes(const struct use *u, unsigned operand) {
    for (uint32_t i = 0; i < ROOM; i++) u->in[operand][i] = (uint8_t)code(i);
}

/* Numbers of the other side: all bytes, signed ones where the product is of signed ones, or the fields of 16-bit sums.
 */
static void fill_fields(const struct use *u, unsigned operand) {
    for (uint32_t i = 0; i < ROOM; i++) {
        unsigned v = first(i);
        u->in[operand][i] = (uint8_t)(u->t->below128 || !u->t->widen ? v : v % (most(u->t) + 1));
    }
}

static void fill_sums(const struct use *u, unsigned operand) {
    for (uint32_t i = 0; i < ROOM; i += 4) put32(u->in[operand] + i, (int32_t)(i * 2654435761u) / 2);
}

/* 16-bit sums, with room for a product more. */
static void fill_words(const struct use *u, unsigned operand) {
    for (uint32_t i = 0; i < ROOM; i += 2)
        put16(u->in[operand] + i, (int)(i * 2654435761u >> 16) % (INT16_MAX - 128 * 127) * (i % 4 ? 1 : -1));
}

static void fill_any(const struct use *u, unsigned operand) {
    for (uint32_t i = 0; i < ROOM; i++) u->in[operand][i] = first(i + 7 * operand);
}

/* ---- words: types, operands, code, meaning ---- */

static void sizes(struct use *u, unsigned a, unsigned b, unsigned c, unsigned result) {
    memcpy(u->bytes, (unsigned[]){a, b, c, result}, sizeof u->bytes);
}

static bool is_wide(const struct use *u) { return u->t->widen != NULL; }

static void size_dot(struct use *u) {
    unsigned acc = is_wide(u) ? 2 * u->t->acc_words : u->t->bytes;
    sizes(u, acc, u->t->bytes, u->t->bytes, acc);
}

static void fill_dot(const struct use *u) {
    (is_wide(u) ? fill_words : fill_sums)(u, 0);
    fill_fields(u, 1);
    fill_codes(u, 2);
}

static int product(const struct use *u, uint8_t a, uint8_t b) {
    return (u->t->below128 ? (int8_t)a : (int)a) * (int8_t)b;
}

static LLVMValueRef emit_dot(struct cg *c, LLVMValueRef *in) {
    in[0] = LLVMBuildBitCast(c->b, in[0], mm_acc_type(c), "");
    return c->level->mm->dot(c, in[0], in[1], in[2]);
}

static void ref_dot(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    unsigned size = is_wide(u) ? 2 : 4, lanes = u->bytes[0] / size, each = u->t->bytes / lanes;
    for (unsigned i = 0; i < lanes; i++) {
        int32_t sum = is_wide(u) ? get16(in[0] + 2 * i) : get32(in[0] + 4 * i);
        for (unsigned k = i * each; k < (i + 1) * each; k++) sum += product(u, in[1][k], in[2][k]);
        is_wide(u) ? put16(out + 2 * i, sum) : put32(out + 4 * i, sum);
    }
}

static void size_widen(struct use *u) { sizes(u, 2 * u->t->acc_words, 0, 0, u->t->bytes); }

static void fill_widen(const struct use *u) { fill_any(u, 0); }

static LLVMValueRef emit_widen(struct cg *c, LLVMValueRef *in) {
    return c->level->mm->widen(c, LLVMBuildBitCast(c->b, in[0], mm_acc_type(c), ""));
}

static void ref_widen(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    unsigned lanes = u->t->bytes / 4, each = u->t->acc_words / lanes;
    for (unsigned i = 0; i < lanes; i++) {
        int32_t sum = 0;
        for (unsigned k = i * each; k < (i + 1) * each; k++) sum += get16(in[0] + 2 * k);
        put32(out + 4 * i, sum);
    }
}

static void size_pair(struct use *u) {
    unsigned n = u->t->below128 ? 16 : 32;
    sizes(u, 32, n, n, 32);
}

static void fill_pair(const struct use *u) {
    fill_sums(u, 0);
    if (u->t->below128) {
        fill_fields(u, 1);
        fill_codes(u, 2);
        return;
    }
    for (uint32_t i = 0; i < ROOM; i += 2) {
        put16(u->in[1] + i, first(i / 2));
        put16(u->in[2] + i, code(i / 2));
    }
}

static LLVMValueRef emit_pair(struct cg *c, LLVMValueRef *in) {
    LLVMTypeRef words = LLVMVectorType(c->i16, 16);
    in[0] = LLVMBuildBitCast(c->b, in[0], LLVMVectorType(c->i32, 8), "");
    for (unsigned i = 1; i < 3 && !c->level->mm->below128; i++) in[i] = LLVMBuildBitCast(c->b, in[i], words, "");
    return c->level->mm->pair(c, in[0], in[1], in[2]);
}

static void ref_pair(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < 8; i++) {
        int32_t sum = get32(in[0] + 4 * i);
        for (unsigned k = 2 * i; k < 2 * i + 2; k++)
            sum += u->t->below128 ? product(u, in[1][k], in[2][k]) : get16(in[1] + 2 * k) * get16(in[2] + 2 * k);
        put32(out + 4 * i, sum);
    }
}

static LLVMValueRef emit_square(struct cg *c, LLVMValueRef *in) {
    in[0] = LLVMBuildBitCast(c->b, in[0], mm_sum_type(c), "");
    return c->level->mm->square(c, in[0], in[1], in[2]);
}

static void ref_square(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < 4; i++) {
        int32_t sum = get32(in[0] + 4 * i);
        for (unsigned k = 0; k < 8; k++) sum += product(u, in[1][i / 2 * 8 + k], in[2][i % 2 * 8 + k]);
        put32(out + 4 * i, sum);
    }
}

static void size_one(struct use *u) { sizes(u, u->t->bytes, 0, 0, u->t->bytes); }

static void fill_one(const struct use *u) { fill_any(u, 0); }

static LLVMValueRef emit_in_order(struct cg *c, LLVMValueRef *in) { return c->level->mm->in_order(c, in[0]); }

static LLVMValueRef emit_hold(struct cg *c, LLVMValueRef *in) { return c->level->mm->hold(c, in[0]); }

static void ref_hold(const struct use *u, const uint8_t *const in[], uint8_t *out) { memcpy(out, in[0], u->t->bytes); }

static void ref_in_order(const struct use *u, const uint8_t *const in[], uint8_t *out) { ref_hold(u, in, out); }

static void size_lookup16(struct use *u) { sizes(u, u->t->bytes, u->t->bytes, 0, u->t->bytes); }

static void fill_lookup16(const struct use *u) {
    fill_any(u, 0);
    for (uint32_t i = 0; i < ROOM; i++) {
        if (i % u->t->bytes >= 16) u->in[0][i] = u->in[0][i - 16];
        u->in[1][i] = second(i) & 127;
    }
}

static LLVMValueRef emit_lookup16(struct cg *c, LLVMValueRef *in) { return c->level->mm->lookup16(c, in[0], in[1]); }

static void ref_lookup16(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < u->t->bytes; i++) out[i] = in[0][in[1][i] % 16];
}

static void size_digits(struct use *u) { sizes(u, 2 * u->t->bytes, u->t->bytes, u->t->bytes, 2 * u->t->bytes); }

/* Sums of eight digits. */
static void fill_digits(const struct use *u) {
    fill_words(u, 0);
    for (uint32_t i = 0; i < ROOM; i++) u->in[1][i] = first(i), u->in[2][i] = (uint8_t)((int8_t)second(i) * 3 / 4);
}

static LLVMValueRef emit_digits(struct cg *c, LLVMValueRef *in) {
    unsigned n = c->level->mm->bytes;
    LLVMValueRef acc[2], at[128];
    for (unsigned i = 0; i < 2 * n; i++) at[i] = cg_i32(c, i);
    for (unsigned h = 0; h < 2; h++) {
        acc[h] = LLVMBuildShuffleVector(c->b, in[0], in[0], LLVMConstVector(at + h * n, n), "");
        acc[h] = LLVMBuildBitCast(c->b, acc[h], LLVMVectorType(c->i16, n / 2), "");
    }
    c->level->mm->digits(c, acc, in[1], in[2]);
    return LLVMBuildShuffleVector(c->b, acc[0], acc[1], LLVMConstVector(at, n), "");
}

static void ref_digits(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < u->t->bytes; i++) {
        unsigned word = i % 16 / 8 * u->t->bytes / 2 + i / 16 * 8 + i % 8;
        put16(out + 2 * word, get16(in[0] + 2 * word) + (int8_t)in[1][i] + MM_DIGIT * (int8_t)in[2][i]);
    }
}

static void size_lookup32(struct use *u) { sizes(u, 64, u->t->bytes, 0, u->t->bytes); }

static void fill_lookup32(const struct use *u) {
    fill_any(u, 0);
    fill_any(u, 1);
}

static LLVMValueRef emit_lookup32(struct cg *c, LLVMValueRef *in) {
    in[0] = LLVMBuildBitCast(c->b, in[0], LLVMVectorType(c->i16, 32), "");
    in[1] = LLVMBuildBitCast(c->b, in[1], LLVMVectorType(c->i16, c->level->mm->bytes / 2), "");
    return c->level->mm->lookup32(c, in[0], in[1]);
}

static void ref_lookup32(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < u->t->bytes; i += 2) memcpy(out + i, in[0] + 2 * (in[1][i] % 32), 2);
}

static LLVMValueRef emit_lookup64(struct cg *c, LLVMValueRef *in) { return c->level->mm->lookup64(c, constant, in[0]); }

static void ref_lookup64(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < u->t->bytes; i++) out[i] = constant[in[0][i] % 64];
}

static void size_lookup64_or(struct use *u) { sizes(u, u->t->bytes, u->t->bytes, 0, u->t->bytes); }

static void fill_lookup64_or(const struct use *u) {
    fill_any(u, 0);
    fill_any(u, 1);
}

static LLVMValueRef emit_lookup64_or(struct cg *c, LLVMValueRef *in) {
    return c->level->mm->lookup64_or(c, constant, in[0], in[1]);
}

static void ref_lookup64_or(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    for (unsigned i = 0; i < u->t->bytes; i++) out[i] = in[0][i] < 64 ? constant[in[0][i]] : in[1][i];
}

static void size_pick(struct use *u) { sizes(u, 8, 8, 0, 8); }

/* All sets of eight bytes. */
static void fill_pick(const struct use *u) {
    fill_any(u, 0);
    for (uint32_t i = 0; i < ROOM; i++) u->in[1][i] = i / 8 >> i % 8 & 1 ? 0xff : 0;
}

static LLVMValueRef emit_pick(struct cg *c, LLVMValueRef *in) {
    for (unsigned i = 0; i < 2; i++) in[i] = LLVMBuildBitCast(c->b, in[i], c->i64, "");
    return c->target->pick(c, in[0], in[1]);
}

static void ref_pick(const struct use *u, const uint8_t *const in[], uint8_t *out) {
    unsigned n = 0;
    (void)u;
    for (unsigned i = 0; i < 8; i++)
        if (in[1][i]) out[n++] = in[0][i];
}

static const struct word {
    const char *name;
    size_t place; /* in struct mm_target; of what every level has, that of dot */
    void (*sizes)(struct use *u);
    void (*fill)(const struct use *u); /* operands */
    LLVMValueRef (*emit)(struct cg *c, LLVMValueRef *in);
    /* Of one vector of each operand; what may be anything stays as it was. */
    void (*ref)(const struct use *u, const uint8_t *const in[], uint8_t *out);
} words[] = {
#define WORD(name, operands, place)                                                                                    \
    {#name, offsetof(struct mm_target, place), size_##operands, fill_##operands, emit_##name, ref_##name}
    WORD(dot, dot, dot),
    WORD(widen, widen, widen),
    WORD(pair, pair, pair),
    WORD(square, dot, square),
    WORD(hold, one, hold),
    WORD(lookup16, lookup16, lookup16),
    WORD(lookup32, lookup32, lookup32),
    WORD(lookup64, one, lookup64),
    WORD(lookup64_or, lookup64_or, lookup64_or),
    WORD(digits, digits, digits),
    WORD(in_order, one, in_order),
    WORD(pick, pick, dot),
};

static bool has(const struct mm_target *t, const struct word *w) {
    void (*f)(void);
    memcpy(&f, (const char *)t + w->place, sizeof f);
    return f != NULL;
}

/* ---- code ---- */

/* void word(in[0], in[1], in[2], out, n): of n vectors of each */
static void emit(struct cg *c, const struct word *w) {
    struct use u = {.t = c->level->mm};
    LLVMTypeRef type = LLVMFunctionType(c->void_, (LLVMTypeRef[]){c->ptr, c->ptr, c->ptr, c->ptr, c->i64}, 5, false);
    LLVMValueRef fn = jit_export(cg_function(c, w->name, type, true)), in[OPERANDS];
    struct cg_loop l;
    w->sizes(&u);
    cg_loop_begin(c, &l, cg_i64(c, 0), LLVMGetParam(fn, 4), cg_i64(c, 1), "vector");
    for (unsigned o = 0; o < OPERANDS && u.bytes[o]; o++) {
        LLVMValueRef at = LLVMBuildMul(c->b, l.i, cg_i64(c, u.bytes[o]), "");
        in[o] = cg_load(c, LLVMVectorType(c->i8, u.bytes[o]), cg_at(c, LLVMGetParam(fn, o), at), 1);
    }
    LLVMValueRef at = LLVMBuildMul(c->b, l.i, cg_i64(c, u.bytes[OPERANDS]), "");
    cg_store(c, w->emit(c, in), cg_at(c, LLVMGetParam(fn, OPERANDS), at), 1);
    cg_loop_end(c, &l);
    LLVMBuildRetVoid(c->b);
}

static int differs(const struct use *u, const struct word *w, const char *level, unsigned vector) {
    const uint8_t *in[OPERANDS], *got = u->out + (size_t)vector * u->bytes[OPERANDS];
    uint8_t want[WIDEST];
    for (unsigned o = 0; o < OPERANDS; o++) in[o] = u->in[o] + (size_t)vector * u->bytes[o];
    memcpy(want, got, u->bytes[OPERANDS]);
    w->ref(u, in, want);
    if (!memcmp(got, want, u->bytes[OPERANDS])) return 0;
    printf("%s.%s: vector %u is not its reference's:", w->name, level, vector);
    for (unsigned i = 0; i < u->bytes[OPERANDS]; i++) printf(" %02x/%02x", got[i], want[i]);
    printf("\n");
    return 1;
}

static int check(const struct jit *j, struct use *u, const struct word *w, const char *level) {
    w->sizes(u);
    w->fill(u);
    unsigned last = u->bytes[2] ? 2 : u->bytes[1] ? 1 : 0, n = PAIRS / u->bytes[last];
    memset(u->out, 0x55, ROOM);
    jit_call(j, jit_symbol(j, arena_printf(j->arena, "%s.%s", w->name, level)), JIT_P(u->in[0]), JIT_P(u->in[1]),
             JIT_P(u->in[2]), JIT_P(u->out), n);
    for (unsigned v = 0; v < n; v++)
        if (differs(u, w, level, v)) return 1;
    return 0;
}

int main(int argc, char **argv) {
    int bad = 0;
    struct jit j;
    struct cg c;
    struct use u;
    jit_start(&j, argc > 1 ? argv[1] : NULL);
    cg_open(&c, j.diag, j.arena, &(struct backend_options){.target = j.target->name, .pic = true}, "isa");
    for (unsigned i = 0; i < COUNT_OF(constant); i++) constant[i] = (uint8_t)(i * 167 + 13);
    for (unsigned o = 0; o < OPERANDS; o++) u.in[o] = jit_take(&j, ROOM);
    u.out = jit_take(&j, ROOM);
    for (const struct cg_level *l = NULL; (l = jit_level(&j, l));) {
        c.level = l;
        for (size_t i = 0; i < COUNT_OF(words); i++)
            if (has(l->mm, &words[i])) emit(&c, &words[i]);
    }
    jit_link(&j, &c);
    for (const struct cg_level *l = NULL; (l = jit_level(&j, l));) {
        u.t = l->mm;
        for (size_t i = 0; i < COUNT_OF(words); i++)
            if (has(l->mm, &words[i])) bad += check(&j, &u, &words[i], l->name);
    }
    cg_close(&c);
    jit_end(&j);
    return bad != 0;
}
