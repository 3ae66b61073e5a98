/*
 * x86_asm_test -- inner loops of the ternary cores touch no stack and copy no vector registers, at every level.
 *
 * With arguments it is the tool of test/backends/x86/: x86_asm_test LEVEL CORE K prints the assembly of a core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/matmul.h"
#include "backends/x86/x86.h"
#include "expect.h"

/* The assembly of a core's function for K columns at a level, in the arena. */
static const char *assembly(struct arena *a, struct diag *d, const struct cg_level *level, const struct mm_core *core,
                            uint64_t K) {
    struct cg c;
    char *text = NULL;
    size_t n;
    const char *path = arena_printf(a, "%s/t.s", tmp_dir(d));
    struct backend_options opt = {.dump_asm = path};
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

/* What inner loops are there for: dot instructions and, for one row of activations, lookups. */
static bool is_work(const char *line, bool one_row) {
    static const char *const words[] = {"vpdpbusd", "vpmaddubsw", "vpshufb", "vpermw"};
    for (size_t i = 0; i < (one_row ? COUNT_OF(words) : 2); i++)
        if (strstr(line, words[i])) return true;
    return false;
}

/* "vmovdqa %ymm1, %ymm2": a copy, not a load or store, nor a choice by a mask */
static bool is_copy(const char *line) { return strstr(line, "vmov") && !strchr(line, '(') && !strstr(line, "{%k"); }

/* "... -64(%rsp), %ymm1": reads it */
static bool is_reload(const char *line) {
    const char *stack = strstr(line, "(%rsp)");
    return stack && stack[strlen("(%rsp)")] == ',';
}

/* A block of a loop over steps: from its label to the branch back to it.  constants: may lie on the stack. */
static int check_loop(const char *level, bool constants, const char *label, const char *body, const char *end,
                      bool one_row) {
    char line[256];
    int works = 0, bad = 0;
    for (const char *at = body; at < end; at += strcspn(at, "\n") + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        works += is_work(line, one_row);
        if (constants && is_reload(line)) continue;
        if (strstr(line, "(%rsp") || is_copy(line)) bad++;
    }
    if (works && bad) printf("%s: %d stack accesses or copies in the loop at %s\n", level, bad, label);
    return works ? (bad ? -1 : 1) : 0;
}

/* Finds innermost loops: a label with a jump to it before the next label. */
static void check(const char *level, bool constants, const char *text) {
    int loops = 0;
    const char *many = strstr(text, "\nmm_tile_"); /* behind the function for one row */
    for (const char *at = strstr(text, "\n.LBB"); at; at = strstr(at + 1, "\n.LBB")) {
        char label[64], jump[80];
        size_t n = strcspn(at + 1, ":");
        snprintf(label, sizeof label, "%.*s", (int)(n < 63 ? n : 63), at + 1);
        snprintf(jump, sizeof jump, "\t%s\n", label);
        const char *next = strstr(at + 1, "\n.LBB"), *back = strstr(at + 1, jump);
        if (!back || (next && back > next)) continue;
        int found = check_loop(level, constants, label, at + 1, back, at < many);
        EXPECT(found >= 0);
        loops += found != 0;
    }
    if (!EXPECT(loops >= 3)) printf("%s: %d inner loops found\n", level, loops);
}

int main(int argc, char **argv) {
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, stderr);
    bool tool = argc == 4;
    for (unsigned i = 0; i < x86_target.n_levels; i++)
        for (size_t core = 0; core < IR_N_CORES; core++) {
            if (tool && (strcmp(argv[1], x86_target.levels[i].name) != 0 || strcmp(argv[2], ir_cores[core].name) != 0))
                continue;
            uint64_t K = tool ? strtoull(argv[3], NULL, 10) : 2560;
            bool narrow = x86_target.levels[i].mm->bytes == 32;        /* twelve tables do not fit 16 registers, */
            if (!tool && narrow && core == IR_CORE_columns5) continue; /* and still less five sums beside them */
            const char *text = assembly(a, d, &x86_target.levels[i], mm_cores[core], K);
            if (tool)
                fputs(text, stdout);
            else
                check(arena_printf(a, "%s, %s", x86_target.levels[i].name, ir_cores[core].name),
                      core == IR_CORE_t5 && narrow, text);
        }
    arena_free(a);
    return expect_end();
}
