/*
 * emit.c -- one object from one module: a step function for each ISA level, and the symbol setun_model that
 * tells the runtime about them (struct setun_model of runtime/abi.h).
 */
#include <string.h>

#include "backends/core/matmul.h"
#include "backends/target.h"

enum { MAX_LEVELS = 8 };

struct levels {
    const struct cg_level *at[MAX_LEVELS];
    unsigned n;
};

/* ---- which levels ---- */

static void add_level(struct levels *s, const struct cg_level *l) {
    for (unsigned i = 0; i < s->n; i++)
        if (s->at[i] == l) return;
    if (s->n == MAX_LEVELS) BUG("more than %d levels", MAX_LEVELS);
    s->at[s->n++] = l;
}

static bool all_levels(const struct cg_target *t, struct levels *s) {
    for (unsigned i = 0; i < t->n_levels; i++) add_level(s, &t->levels[i]);
    return true;
}

/* The best that this machine runs, and the last one for machines that are like it but for that. */
static bool native_levels(struct diag *d, const struct cg_target *t, struct levels *s) {
    for (unsigned i = 0; i < t->n_levels; i++)
        if (target_runs(t, &t->levels[i])) {
            add_level(s, &t->levels[i]);
            add_level(s, &t->levels[t->n_levels - 1]);
            return true;
        }
    if (!t->host) return diag_in(d, NULL, DIAG_LEVEL_FOREIGN, t->name);
    return diag_in(d, NULL, DIAG_LEVEL_NATIVE, t->name);
}

static bool named_level(struct diag *d, const struct cg_target *t, struct levels *s, const char *name) {
    const char *all[MAX_LEVELS];
    for (unsigned i = 0; i < t->n_levels; i++) {
        all[i] = t->levels[i].name;
        if (!strcmp(all[i], name)) {
            add_level(s, &t->levels[i]);
            return true;
        }
    }
    const char *near = nearest_name(name, all, t->n_levels);
    char hint[64] = "";
    if (near) snprintf(hint, sizeof hint, ", did you mean '%s'?", near);
    return diag_in(d, NULL, DIAG_LEVEL_UNKNOWN, name, t->name, hint);
}

static bool levels_of(struct diag *d, struct arena *a, const struct cg_target *t, const char *text, struct levels *s) {
    if (!t) return false;
    if (!text) return t->host ? native_levels(d, t, s) : all_levels(t, s);
    if (!strcmp(text, "native")) return native_levels(d, t, s);
    if (!strcmp(text, "portable")) return all_levels(t, s);
    for (;;) {
        size_t n = strcspn(text, ",");
        if (!named_level(d, t, s, arena_strndup(a, text, n))) return false;
        if (!text[n]) return true;
        text += n + 1;
    }
}

/* ---- constants of setun_model; the types follow runtime/abi.h ---- */

static LLVMValueRef constant(struct cg *c, LLVMValueRef value, const char *name) {
    LLVMValueRef g = LLVMAddGlobal(c->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(g, value);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetAlignment(g, 8);
    return g;
}

static LLVMValueRef text_of(struct cg *c, const char *s) {
    LLVMValueRef g = constant(c, LLVMConstStringInContext(c->llvm, s, (unsigned)strlen(s), false), "text");
    LLVMSetAlignment(g, 1);
    return g;
}

static LLVMValueRef record(struct cg *c, LLVMValueRef *fields, unsigned n, size_t bytes) {
    LLVMValueRef v = LLVMConstStructInContext(c->llvm, fields, n, false);
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(c->module);
    if (LLVMABISizeOfType(layout, LLVMTypeOf(v)) != bytes) BUG("a constant is not laid out as abi.h says");
    return v;
}

static LLVMValueRef table(struct cg *c, LLVMValueRef *rows, size_t n, const char *name) {
    if (!n) return LLVMConstNull(c->ptr);
    return constant(c, LLVMConstArray2(LLVMTypeOf(rows[0]), rows, n), name);
}

static LLVMValueRef value_table(struct cg *c, const struct setun_kernel *k) {
    LLVMValueRef *rows = arena_array(c->arena, LLVMValueRef, k->n_values);
    for (uint32_t i = 0; i < k->n_values; i++) {
        const struct setun_value *v = &k->values[i];
        LLVMValueRef f[] = {text_of(c, v->name), cg_i32(c, v->elem),       cg_i32(c, v->live),
                            cg_i32(c, v->elems), cg_i32(c, v->row_stride), cg_i64(c, v->offset)};
        rows[i] = record(c, f, COUNT_OF(f), sizeof *v);
    }
    return table(c, rows, k->n_values, "values");
}

static LLVMValueRef kernel_table(struct cg *c) {
    LLVMValueRef *rows = arena_array(c->arena, LLVMValueRef, c->kernels.n);
    for (size_t i = 0; i < c->kernels.n; i++) {
        const struct setun_kernel *k = &c->kernels.at[i];
        LLVMValueRef f[] = {text_of(c, k->name),  value_table(c, k),   cg_i32(c, k->n_values),
                            cg_i32(c, k->line),   cg_i64(c, k->bytes), cg_i64(c, k->cache_block_bytes),
                            cg_i32(c, k->window), cg_i32(c, 0)};
        rows[i] = record(c, f, COUNT_OF(f), sizeof *k);
    }
    return table(c, rows, c->kernels.n, "kernels");
}

/* Functions of a level: struct setun_level. */
struct entry {
    LLVMValueRef step, all, some;
};

static LLVMValueRef level_table(struct cg *c, const struct levels *s, const struct entry *entry) {
    LLVMValueRef rows[MAX_LEVELS];
    for (unsigned i = 0; i < s->n; i++) {
        const struct entry *e = &entry[i];
        LLVMValueRef none = LLVMConstNull(c->ptr);
        LLVMValueRef f[] = {text_of(c, s->at[i]->name), cg_i32(c, s->at[i]->needs), cg_i32(c, 0), e->step,
                            e->all ? e->all : none,     e->some ? e->some : none};
        rows[i] = record(c, f, COUNT_OF(f), sizeof(struct setun_level));
    }
    return table(c, rows, s->n, "levels");
}

static void emit_model(struct cg *c, const struct levels *s, const struct entry *entry, uint64_t pack_id) {
    const char *compiler = arena_printf(c->arena, "setun %s, LLVM %s", SETUN_VERSION, backend_llvm_version());
    LLVMValueRef f[] = {
        cg_i32(c, SETUN_ABI),
        cg_i32(c, s->n),
        level_table(c, s, entry),
        text_of(c, c->ir->name ? c->ir->name : ""),
        text_of(c, compiler),
        cg_i32(c, c->ir->vocab),
        cg_i32(c, c->ir->context),
        cg_i32(c, c->ir->max_rows),
        cg_i32(c, (int64_t)c->kernels.n),
        kernel_table(c),
        cg_i64(c, c->arena_bytes),
        cg_i64(c, c->scratch_bytes),
        cg_i64(c, c->scratch_per_position),
        cg_i64(c, c->plan->state_block_bytes),
        cg_i64(c, c->logits_offset),
        cg_i64(c, c->logits_stride),
        cg_i64(c, c->plan->bytes),
        cg_i64(c, mm_model_bytes(c->ir)),
        cg_i64(c, pack_id),
        text_of(c, c->out_name),
        cg_i32(c, (int64_t)c->out_elems),
        cg_i32(c, 0),
        cg_i64(c, c->shared_bytes),
        cg_i64(c, c->shared_per_position),
        cg_i64(c, c->screen_bytes),
        cg_i32(c, c->head_kernel),
        cg_i32(c, 0),
    };
    LLVMValueRef v = record(c, f, COUNT_OF(f), sizeof(struct setun_model));
    LLVMValueRef g = LLVMAddGlobal(c->module, LLVMTypeOf(v), "setun_model");
    LLVMSetInitializer(g, v);
    LLVMSetGlobalConstant(g, true);
    LLVMSetAlignment(g, 8);
}

bool backend_schedule(struct diag *d, const struct backend_options *opt, struct schedule *s) {
    struct arena *a = arena_new();
    struct levels found = {.n = 0};
    const struct cg_target *t = target_find(d, opt->target);
    bool ok = levels_of(d, a, t, opt->levels, &found);
    if (ok) t->costs(found.at[0], s);
    arena_free(a);
    return ok;
}

/* ---- the door ---- */

static bool emit_steps(struct cg *c, const struct levels *s, struct entry *entry) {
    for (unsigned i = 0; i < s->n; i++) {
        size_t before = c->kernels.n;
        c->level = s->at[i];
        c->kernels.n = 0;
        entry[i].step = cg_emit_step(c);
        if (!entry[i].step) return false;
        entry[i].all = c->all;
        entry[i].some = c->some;
        if (i && c->kernels.n != before) BUG("level '%s' numbers its kernels differently", c->level->name);
    }
    return true;
}

bool backend_emit(struct diag *d, const struct ir_module *m, const struct data_plan *plan,
                  const struct backend_options *opt, uint64_t pack_id, const char *object_path) {
    struct arena *a = arena_new();
    struct levels levels = {.n = 0};
    struct entry entry[MAX_LEVELS];
    struct cg c;
    bool ok = levels_of(d, a, target_find(d, opt->target), opt->levels, &levels);
    if (ok) {
        cg_open(&c, d, a, opt, m->name ? m->name : "model");
        c.ir = m;
        c.plan = plan;
        ok = emit_steps(&c, &levels, entry);
        if (ok) emit_model(&c, &levels, entry, pack_id);
        ok = ok && cg_write_object(&c, object_path);
        cg_close(&c);
    }
    arena_free(a);
    return ok;
}
