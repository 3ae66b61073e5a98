/*
 * asm_test -- inner loops of the ternary cores touch no stack, copy no vector registers and have no scalar code, at
 * every level of every target, and take no more instructions a weight than is said of them.
 *
 *   asm_test LEVEL CORE K      the assembly of a core: the tool of test/backends/
 *   asm_test count             instructions of the inner loop of one row, by weight: bench/RESULTS.md
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/core/matmul.h"
#include "backends/target.h"
#include "test/unit/expect.h"

/* The assembly of a core's function for K columns at a level, in the arena. */
static const char *assembly(struct arena *a, struct diag *d, const struct cg_target *target,
                            const struct cg_level *level, const struct mm_core *core, uint64_t K) {
    struct cg c;
    char *text = NULL;
    size_t n;
    const char *path = arena_printf(a, "%s/t.s", tmp_dir(d));
    struct backend_options opt = {.target = target->name, .dump_asm = path};
    LLVMTypeRef type;
    cg_open(&c, d, a, &opt, "core");
    c.level = level;
    struct mm_shape s = {.core = core, .n = 2560, .K = K};
    LLVMSetLinkage(mm_function(&c, &s, &type), LLVMExternalLinkage);
    bool ok = cg_write_object(&c, NULL) && file_read(d, a, path, 1 << 24, &text, &n);
    cg_close(&c);
    if (!ok) exit(1);
    return arena_strndup(a, text, n);
}

/* ---- lines of assembly ---- */

/* What inner loops are there for: dot instructions and, for one row of activations, lookups.  products: of a dot. */
static const struct work {
    const char *text;
    bool one_row;
    unsigned products;
} works[] = {
    {"vpdpbusd\t", false, 0}, {"vpmaddubsw\t", false, 0}, {"vpshufb\t", true, 0},  {"vpermw\t", true, 0},
    {"sdot\tv", false, 16},   {"smlal\tv", false, 8},     {"smlal2\tv", false, 8}, {"smull\tv", false, 8},
    {"smull2\tv", false, 8},  {"mmla\tv", false, 32},     {"tbl\tv", true, 0},     {"tbx\tv", true, 0},
};

static const struct work *work_of(const char *line) {
    for (size_t i = 0; i < COUNT_OF(works); i++)
        if (strstr(line, works[i].text)) return &works[i];
    return NULL;
}

static bool is_stack(const char *line) { return strstr(line, "(%rsp") || strstr(line, "[sp"); }

/* "vmovdqa %ymm1, %ymm2", "mov v1.16b, v2.16b": a copy, not a load or store, nor a choice by a mask */
static bool is_copy(const char *line) {
    if (strstr(line, "\tmov\tv")) return strstr(line, ".16b, v") != NULL;
    return strstr(line, "vmov") && !strchr(line, '(') && !strstr(line, "{%k");
}

/* A lane of a vector to or from a register of the other kind: "umov w1, v2.b[3]", "vpextrb", "fmov" */
static bool is_scalar(const char *line) {
    static const char *const words[] = {"vpextr", "vpinsr", "\tumov\t", "\tsmov\t", "\tfmov\t", "], w", "\tdup\tv"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(line, words[i])) return words[i][1] != 'd' || strstr(line, ", w");
    return false;
}

/* "... -64(%rsp), %ymm1", "ldr q1, [sp": reads it */
static bool is_reload(const char *line) {
    const char *stack = strstr(line, "(%rsp)");
    return (stack && stack[strlen("(%rsp)")] == ',') || strstr(line, "\tldr\tq");
}

/* ---- loops ---- */

/* A block of a loop over steps: from its label to the branch back to it. */
struct loop {
    char label[64];
    const char *body, *end;
    bool one_row;
};

static const char *line_at(const char *at, char line[256]) {
    snprintf(line, 256, "%.*s", (int)strcspn(at, "\n"), at);
    return at + strcspn(at, "\n") + 1;
}

/* What an inner loop may do all the same. */
struct leave {
    bool constants; /* they may lie on the stack */
    bool copies;    /* vector registers may be copied: tables of several registers must lie side by side */
};

static bool is_bad(const char *line, struct leave leave) {
    if (leave.constants && is_reload(line)) return false;
    return is_stack(line) || is_scalar(line) || (!leave.copies && is_copy(line));
}

static int check_loop(const char *level, struct leave leave, const struct loop *l) {
    char line[256];
    int found = 0, bad = 0;
    for (const char *at = l->body; at < l->end;) {
        at = line_at(at, line);
        const struct work *w = work_of(line);
        found += w && (l->one_row || !w->one_row);
        bad += is_bad(line, leave);
    }
    if (found && bad) printf("%s: %d stack accesses, copies or scalars in the loop at %s\n", level, bad, l->label);
    return found ? (bad ? -1 : 1) : 0;
}

/* The next innermost loop behind `at`: a label with a jump to it before the next label. */
static bool next_loop(const char *text, const char **at, struct loop *l) {
    const char *many = strstr(text, "\nmm_tile_"); /* behind the function for one row */
    for (; *at; *at = strstr(*at + 1, "\n.LBB")) {
        char jump[2][80];
        if (strncmp(*at, "\n.LBB", 5) != 0) continue;
        size_t n = strcspn(*at + 1, ":");
        snprintf(l->label, sizeof l->label, "%.*s", (int)(n < 63 ? n : 63), *at + 1);
        snprintf(jump[0], sizeof jump[0], "\t%s\n", l->label);
        snprintf(jump[1], sizeof jump[1], ", %s\n", l->label);
        const char *next = strstr(*at + 1, "\n.LBB"), *back = strstr(*at + 1, jump[0]);
        const char *other = strstr(*at + 1, jump[1]);
        if (!back || (other && other < back)) back = other;
        if (!back || (next && back > next)) continue;
        l->body = *at + 1, l->end = back + strlen(jump[0]), l->one_row = *at < many;
        *at = strstr(*at + 1, "\n.LBB");
        return true;
    }
    return false;
}

static void check(const char *level, struct leave leave, const char *text) {
    int loops = 0;
    struct loop l;
    for (const char *at = text; next_loop(text, &at, &l);) {
        int found = check_loop(level, leave, &l);
        EXPECT(found >= 0);
        loops += found != 0;
    }
    if (!EXPECT(loops >= 3)) printf("%s: %d inner loops found\n", level, loops);
}

/* ---- counting ---- */

/* Weights that a loop for one row gets through: by its products, or its lookups, each half of what 16 rows look up or
 * all of 8 rows. */
static unsigned weights_of(const struct loop *l, enum ir_core core) {
    char line[256];
    unsigned products = 0, lookups = 0;
    for (const char *at = l->body; at < l->end;) {
        at = line_at(at, line);
        const struct work *w = work_of(line);
        products += w ? w->products : 0;
        lookups += w && w->one_row;
    }
    bool looks_up = core == IR_CORE_tl1 || core == IR_CORE_tl2 || core == IR_CORE_wide;
    return looks_up ? lookups * 8 * (core == IR_CORE_tl1 ? 2 : 3) : products;
}

static unsigned instructions_of(const struct loop *l) {
    char line[256];
    unsigned n = 0;
    for (const char *at = l->body; at < l->end;) {
        at = line_at(at, line);
        n += line[0] == '\t' && line[1] != '.' && line[1] != '/'; /* not what is said about empty assembly */
    }
    return n;
}

/* The loop with most weights, [0] of one row, [1] of many: of these, a weight times a row. */
struct tally {
    unsigned instructions[2], weights[2];
};

static struct tally tally(enum ir_core core, const char *text) {
    struct loop l;
    struct tally t = {0};
    for (const char *at = text; next_loop(text, &at, &l);) {
        unsigned w = weights_of(&l, l.one_row ? core : IR_CORE_i2), many = !l.one_row;
        if (w > t.weights[many]) t.weights[many] = w, t.instructions[many] = instructions_of(&l);
    }
    return t;
}

static double per_weight(const struct tally *t, int many) {
    return (double)t->instructions[many] / (double)t->weights[many];
}

static void count(const char *level, enum ir_core core, const char *text) {
    struct tally t = tally(core, text);
    printf("%-8s %-8s", level, ir_cores[core].name);
    for (int i = 0; i < 2 && t.weights[i]; i++)
        printf("  %4u / %5u = %.3f", t.instructions[i], t.weights[i], per_weight(&t, i));
    printf("\n");
}

/* What bench/RESULTS.md says of one row: fewer than published kernels take, 0.23 by lookups and 0.25 by dot products.
 */
static const struct {
    const char *level;
    enum ir_core core;
    double most;
} promises[] = {
    {"i8mm", IR_CORE_i2, 0.14},  {"dotprod", IR_CORE_i2, 0.15}, {"neon", IR_CORE_i2, 0.229},
    {"i8mm", IR_CORE_tl1, 0.2},  {"dotprod", IR_CORE_tl1, 0.2}, {"neon", IR_CORE_tl1, 0.2},
    {"neon", IR_CORE_tl2, 0.18},
};

static void check_promises(const char *level, enum ir_core core, const char *text) {
    struct tally t = tally(core, text);
    for (size_t i = 0; i < COUNT_OF(promises); i++) {
        if (strcmp(promises[i].level, level) != 0 || promises[i].core != core) continue;
        if (!EXPECT(t.weights[0] && per_weight(&t, 0) <= promises[i].most))
            printf("%s, %s: %u instructions for %u weights, more than %.3f\n", level, ir_cores[core].name,
                   t.instructions[0], t.weights[0], promises[i].most);
    }
}

int main(int argc, char **argv) {
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, stderr);
    bool tool = argc == 4, counts = argc == 2;
    for (unsigned t = 0; t < cg_n_targets; t++)
        for (unsigned i = 0; i < cg_targets[t]->n_levels; i++)
            for (size_t core = 0; core < IR_N_CORES; core++) {
                const struct cg_level *level = &cg_targets[t]->levels[i];
                if (tool && (strcmp(argv[1], level->name) != 0 || strcmp(argv[2], ir_cores[core].name) != 0)) continue;
                uint64_t K = tool ? strtoull(argv[3], NULL, 10) : 2560;
                struct leave leave = {/* twelve tables do not fit 16 registers */
                                      .constants = core == IR_CORE_t5 && level->mm->bytes == 32,
                                      .copies = core == IR_CORE_wide && level->mm->bytes == 16};
                /* and still less five sums beside them */
                if (!tool && !counts && core == IR_CORE_columns5 && level->mm->bytes == 32) continue;
                const char *text = assembly(a, d, cg_targets[t], level, mm_cores[core], K);
                if (tool)
                    fputs(text, stdout);
                else if (counts)
                    count(level->name, (enum ir_core)core, text);
                if (tool || counts) continue;
                check(arena_printf(a, "%s, %s", level->name, ir_cores[core].name), leave, text);
                check_promises(level->name, (enum ir_core)core, text);
            }
    arena_free(a);
    return expect_end();
}
