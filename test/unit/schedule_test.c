/* schedule_test -- the rule that gives a weight its core: memory, arithmetic, density, groups, and what is asked for.
 */
#include "ir/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/expect.h"

/* Two matrices; the second one's codes are often zero, or its scales are of groups. */
static struct ir_module *module_of(struct arena *a, unsigned layers, const char *scale, const char *density) {
    struct diag *d = diag_new(a, stderr);
    const char *matmul = strcmp(scale, "matrix") == 0 ? "matmul" : "gmatmul";
    const char *type = strcmp(scale, "matrix") == 0 ? "i32" : "f32";
    const char *text = arena_printf(a,
                                    "module t\n"
                                    "weight @s.a : trit[1024, 1024] layers %u scale matrix\n"
                                    "weight @s.b : trit[1024, 1024] layers %u scale %s\n"
                                    "func @s.f(%%rows: rows[T], %%q: i8[T, 1024]) {\n"
                                    "  %%x = matmul %%q, @s.a : i32[T, 1024]\n"
                                    "  %%y = %s %%q, @s.b%s : %s[T, 1024]\n"
                                    "  ret %%x, %%y\n"
                                    "}\n",
                                    layers, layers, scale, matmul, density, type);
    struct ir_module *m =
        ir_parse(d, a, names_new(a), diag_add_text(d, "t.sir", text, strlen(text)), text, strlen(text));
    if (!m) exit(1);
    return m;
}

static enum ir_core core_of(const struct schedule *s, const struct ir_module *m, const char *weight) {
    return schedule_choose(s, m, ir_weight_find(m, weight)).core;
}

int main(void) {
    struct arena *a = arena_new();
    struct schedule s = {.level = "made up", .only = IR_N_CORES};
    s.rate[IR_CORE_i2] = 200, s.rate[IR_CORE_t5] = 150;
    struct ir_module *small = module_of(a, 2, "matrix", ""), *large = module_of(a, 32, "matrix", "");
    /* 0.5 MB stay in a cache: arithmetic.  8 MB stream: bits, as long as arithmetic keeps up with memory. */
    EXPECT(core_of(&s, small, "s.a") == IR_CORE_i2);
    EXPECT(core_of(&s, large, "s.a") == IR_CORE_t5);
    s.rate[IR_CORE_t5] = 60;
    EXPECT(core_of(&s, large, "s.a") == IR_CORE_i2);
    /* tl2 has fewer bits than i2, but follows one run of memory, which brings in less */
    s.rate[IR_CORE_tl2] = 190;
    EXPECT(core_of(&s, large, "s.a") == IR_CORE_i2);
    s.rate[IR_CORE_i2] = 60;
    EXPECT(core_of(&s, large, "s.a") == IR_CORE_tl2);
    s.rate[IR_CORE_i2] = 200;
    /* columns: half of them would not be enough for a core that slow, a tenth is; nothing is known of s.a */
    struct ir_module *half = module_of(a, 32, "matrix", " {density = 0.5, reason = relu}");
    struct ir_module *tenth = module_of(a, 32, "matrix", " {density = 0.1, reason = topk}");
    s.rate[IR_CORE_columns] = 30;
    EXPECT(core_of(&s, half, "s.b") == IR_CORE_i2);
    EXPECT(core_of(&s, tenth, "s.b") == IR_CORE_columns);
    EXPECT(core_of(&s, tenth, "s.a") == IR_CORE_i2);
    s.rate[IR_CORE_columns] = 150;
    EXPECT(core_of(&s, half, "s.b") == IR_CORE_columns);
    /* of two that skip, the one that reads less, if it keeps up */
    s.rate[IR_CORE_columns5] = 120;
    EXPECT(core_of(&s, half, "s.b") == IR_CORE_columns5);
    s.rate[IR_CORE_columns5] = 40;
    EXPECT(core_of(&s, half, "s.b") == IR_CORE_columns);
    /* a core without a rate is not chosen, but can be asked for */
    EXPECT(core_of(&s, large, "s.a") != IR_CORE_tl1);
    s.only = IR_CORE_tl1;
    EXPECT(core_of(&s, large, "s.a") == IR_CORE_tl1);
    struct ir_module *groups = module_of(a, 32, "group 128", "");
    EXPECT(core_of(&s, groups, "s.a") == IR_CORE_tl1 && core_of(&s, groups, "s.b") == IR_CORE_i2);
    EXPECT_STR(schedule_choose(&s, groups, ir_weight_find(groups, "s.b")).why, "scales of groups need it");
    arena_free(a);
    return expect_end();
}
