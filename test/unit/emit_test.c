/*
 * emit_test -- the object of a whole model: the same bytes each time, what setun_model says, how its size grows
 * with depth, and what a wrong list of levels is told.
 */
#include "test/unit/jit.h"

#include <dlfcn.h>

#include "backends/target.h"
#include "codec/i2_64.h"
#include "expect.h"
#include "passes/pass.h"

/* One layer function that all layers share, once grouped: a gain, a quantiser, a square matrix, a residual. */
static const char MODEL[] = "module tiny {context = 64, vocab = 16, max_rows = 64}\n"
                            "weight @embed : bf16[16, 70]\n"
                            "weight @body.g : bf16[70] layers %d\n"
                            "weight @body.w : trit[70, 70] layers %d scale matrix\n";
static const char LAYER[] = "func @body.%d(%%rows: rows[T], %%x: f32[T, 70]) {\n"
                            "  %%n = rmsnorm %%x, @body.g {eps = 1e-05} : f32[T, 70]\n"
                            "  %%q, %%r = quant %%n : i8[T, 70], f32[T]\n"
                            "  %%a = matmul %%q, @body.w : i32[T, 70]\n"
                            "  %%f = dequant %%a, %%r, @body.w : f32[T, 70]\n"
                            "  %%y = add %%x, %%f : f32[T, 70]\n"
                            "  ret %%y\n"
                            "}\n";

static const char *model_text(int layers, struct arena *a) {
    struct buf b = {0};
    buf_printf(&b, MODEL, layers, layers);
    for (int i = 0; i < layers; i++) buf_printf(&b, LAYER, i);
    buf_printf(&b, "entry @generate(%%rows: rows[T]) {\n  %%x.0 = embed %%rows, @embed : f32[T, 70]\n");
    for (int i = 0; i < layers; i++)
        buf_printf(&b, "  %%x.%d = layer %%rows, %%x.%d, @body.%d {index = %d} : f32[T, 70]\n", i + 1, i, i, i);
    buf_printf(&b, "  %%l = live %%x.%d : f32[L, 70]\n  %%o = dot %%l, @embed : f32[L, 16]\n", layers);
    buf_printf(&b, "  emit %%o {name = logits}\n  ret\n}\n");
    const char *text = arena_strdup(a, b.at);
    buf_free(&b);
    return text;
}

struct made {
    struct ir_module *m;
    struct data_plan plan;
    const char *object;
    struct mapped bytes;
};

static struct made make(struct jit *j, int layers, const char *levels, const char *name) {
    struct made r = {.object = arena_printf(j->arena, "%s/%s.o", j->dir, name)};
    const char *text = model_text(layers, j->arena);
    uint32_t file = diag_add_text(j->diag, "tiny.sir", text, strlen(text));
    r.m = ir_parse(j->diag, j->arena, names_new(j->arena), file, text, strlen(text));
    struct pass_ctx cx = {.diag = j->diag, .arena = j->arena};
    struct backend_options opt = {.levels = levels, .pic = true};
    if (!r.m || !passes_run_all(&cx, r.m)) exit(1);
    data_plan_make(j->arena, r.m, &r.plan);
    if (!backend_emit(j->diag, r.m, &r.plan, &opt, 77, r.object) || !file_map(j->diag, r.object, &r.bytes)) exit(1);
    return r;
}

static void check_same(struct jit *j) {
    struct made a = make(j, 3, "portable", "a"), b = make(j, 3, "portable", "b");
    EXPECT(a.bytes.n == b.bytes.n && !memcmp(a.bytes.at, b.bytes.at, a.bytes.n));
    file_unmap(&a.bytes), file_unmap(&b.bytes);
}

/* Of the machine's family: 0 for the level that every machine runs, 1 for the next better one. */
static const struct cg_level *level(const struct jit *j, unsigned i) {
    return &j->target->levels[j->target->n_levels - 1 - i];
}

static void check_depth(struct jit *j) {
    const char *base = level(j, 0)->name;
    struct made few = make(j, 4, base, "few"), many = make(j, 40, base, "many");
    EXPECT(many.bytes.n < few.bytes.n + 1024);
    file_unmap(&few.bytes), file_unmap(&many.bytes);
}

static void check_model(struct jit *j) {
    const struct cg_level *base = level(j, 0), *next = level(j, 1);
    struct made r = make(j, 3, arena_printf(j->arena, "%s,%s,%s", base->name, next->name, base->name), "m");
    const char *so = arena_printf(j->arena, "%s/m.so", j->dir), *cc = getenv("CC");
    if (system(arena_printf(j->arena, "%s -shared -o %s %s", cc && *cc ? cc : "cc", so, r.object))) exit(1);
    j->so = dlopen(so, RTLD_NOW);
    if (!j->so) exit(1);
    const struct setun_model *m = jit_symbol(j, "setun_model");
    EXPECT(m->abi == SETUN_ABI && m->pack_id == 77 && !strcmp(m->name, "tiny"));
    EXPECT(m->vocab == 16 && m->context == 64 && m->max_rows == 64);
    EXPECT(m->n_levels == 2 && !strcmp(m->levels[0].name, base->name) && !strcmp(m->levels[1].name, next->name));
    EXPECT(m->levels[0].step && m->levels[0].step != m->levels[1].step);
    EXPECT(m->levels[1].needs == next->needs && next->needs != base->needs);
    EXPECT(m->weight_bytes == r.plan.bytes && m->ternary_bytes == 3 * 2 * i2_64_tile_bytes(70));
    EXPECT(!strcmp(m->out_name, "logits") && m->out_elems == 16);
    EXPECT(m->logits_stride == 128 && m->logits_offset % 64 == 0 && m->logits_offset < m->arena_bytes);
    EXPECT(m->n_kernels > 0);
    for (uint32_t i = 0; i < m->n_kernels; i++)
        EXPECT(m->kernels[i].name && (m->kernels[i].values || !m->kernels[i].n_values));
    file_unmap(&r.bytes);
}

static void check_wrong(struct jit *j, const char *levels, enum setun_exit code) {
    struct backend_options opt = {.levels = levels};
    struct data_plan plan = {0};
    FILE *quiet = fopen("/dev/null", "w");
    if (!quiet) exit(1);
    struct diag *d = diag_new(j->arena, quiet);
    EXPECT(!backend_emit(d, ir_module_new(j->arena, names_new(j->arena), "m"), &plan, &opt, 0, NULL));
    EXPECT(diag_exit_code(d) == code);
    fclose(quiet);
}

int main(void) {
    struct jit j = {0};
    jit_start(&j, NULL);
    check_same(&j);
    check_depth(&j);
    check_model(&j);
    check_wrong(&j, "avx3", EXIT_USAGE);
    check_wrong(&j, "", EXIT_USAGE);
    check_wrong(&j, arena_printf(j.arena, "%s,", level(&j, 0)->name), EXIT_USAGE);
    jit_end(&j);
    return expect_end();
}
