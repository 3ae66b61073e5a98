/*
 * checkpoint_gguf.c -- a checkpoint of GGUF files: one, or the parts of a split one.
 *
 *     NAME-00001-of-00003.gguf    split.no 0, split.count 3, split.tensors.count: of all parts; and all other pairs
 *     NAME-00002-of-00003.gguf    split.no 1, split.count 3
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "frontend/files/checkpoint_impl.h"

static const struct gguf_arch archs[] = {
#define ARCH(name, act, gain_offset, about) {name, act, gain_offset, about},
#include "frontend/files/gguf_arch.def"
};

const struct gguf_arch *gguf_arch_of(const struct gguf_file *g) {
    for (size_t i = 0; i < COUNT_OF(archs); i++)
        if (strcmp(archs[i].name, g->arch) == 0) return &archs[i];
    return NULL;
}

/* ---- parts ---- */

enum { MAX_PARTS = 99999, TAIL = 20 /* -00001-of-00003.gguf */ };

/* NAME-iiiii-of-nnnnn.gguf; false: it is not the name of a part. */
static bool part_name(const char *path, int *i, int *n) {
    size_t len = strlen(path);
    int end = 0;
    if (len <= TAIL) return false;
    const char *tail = path + len - TAIL;
    return sscanf(tail, "-%5d-of-%5d.gguf%n", i, n, &end) == 2 && end == TAIL && *i >= 1 && *i <= *n && *n <= MAX_PARTS;
}

static struct gguf_file *open_part(struct checkpoint *cp, const char *path) {
    struct gguf_file *g = arena_one(cp->arena, struct gguf_file);
    if (!gguf_open(cp->diag, cp->arena, path, &cp->how, g)) return NULL;
    *vec_push(cp->arena, &cp->files) = &g->file;
    return g;
}

/* A key of a part must hold this number. */
static bool part_says(struct checkpoint *cp, const struct gguf_file *g, const char *key, int64_t expected) {
    const struct gguf_pair *p = gguf_find(g, key);
    int64_t v;
    if (p && gguf_int(p, &v) && v == expected) return true;
    return diag_in(cp->diag, p ? gguf_where(cp->arena, g, p) : g->file.path, DIAG_GGUF_SPLIT, key, expected);
}

static bool open_parts(struct checkpoint *cp, const char *path, int n) {
    size_t stem = strlen(path) - TAIL;
    uint64_t tensors = 0;
    for (int i = 1; i <= n; i++) {
        const char *part = arena_printf(cp->arena, "%.*s-%05d-of-%05d.gguf", (int)stem, path, i, n);
        struct gguf_file *g = open_part(cp, part);
        if (!g) return false;
        if (i == 1) cp->gguf = g;
        tensors += g->file.n;
        if (!part_says(cp, g, "split.no", i - 1) || !part_says(cp, g, "split.count", n)) return false;
    }
    return part_says(cp, cp->gguf, "split.tensors.count", (int64_t)tensors);
}

bool checkpoint_open_gguf(struct checkpoint *cp, const char *path) {
    int i, n;
    if (part_name(path, &i, &n) ? !open_parts(cp, path, n) : !(cp->gguf = open_part(cp, path))) return false;
    const struct gguf_pair *p = gguf_find(cp->gguf, "split.count");
    int64_t count;
    if (p && cp->files.n == 1 && gguf_int(p, &count) && count > 1)
        return diag_in(cp->diag, gguf_where(cp->arena, cp->gguf, p), DIAG_GGUF_PART, count);
    cp->arch = gguf_arch_of(cp->gguf);
    return config_read_gguf(cp->diag, cp->arena, cp->gguf, &cp->config);
}

/* ---- what was taken without being told ---- */

struct told {
    const char *text[8];
    size_t n;
};

static void tell(const struct checkpoint *cp, struct told *told, struct buf *out, const char *text) {
    for (size_t i = 0; i < told->n; i++)
        if (strcmp(told->text[i], text) == 0) return;
    if (told->n < COUNT_OF(told->text)) told->text[told->n++] = text;
    buf_printf(out, "%s: %s\n", cp->files.at[0]->path, text);
}

static void tell_tensor(const struct checkpoint *cp, const struct tensor *t, struct told *told, struct buf *out) {
    if (t->type == TYPE_I2_S)
        tell(cp, told, out,
             cp->how.i2_s ? arena_printf(cp->arena, "row order of I2_S: %s, as told", t->format->name)
                          : "row order of I2_S: that of x86 and of published files, as the file does not say; "
                            "--dialect i2_s:arm or i2_s:rows reads the others");
    if ((t->type == TYPE_TL1 || t->type == TYPE_TL2) && t->tiling.bm)
        tell(cp, told, out,
             arena_printf(cp->arena, "tiling of %s %s: %" PRIu32 ",%" PRIu32 ",%" PRIu32 "%s", t->format->name,
                          tensor_shape_text(cp->arena, t->rank, t->dim), t->tiling.bm, t->tiling.bk, t->tiling.inner,
                          cp->how.tiling.bm ? ", as told"
                                            : ", the published one of this shape; --dialect names others"));
    if (t->type == TYPE_Q2_0 || t->type == TYPE_Q2_0_128)
        tell(cp, told, out,
             t->type == TYPE_Q2_0 ? "blocks of Q2_0: 64 columns, by the size of the tensors"
                                  : "blocks of Q2_0: 128 columns, by the size of the tensors");
}

void checkpoint_tell_dialect(const struct checkpoint *cp, struct buf *out) {
    struct told told = {.n = 0};
    for (size_t i = 0; i < cp->tensors.n; i++) tell_tensor(cp, cp->tensors.at[i], &told, out);
}

/* ---- --dialect ---- */

bool gguf_dialect_set(struct diag *d, const char *text, struct gguf_dialect *how) {
    const struct ternary_format *f = ternary_find(text);
    unsigned bm, bk, inner;
    int end = 0;
    if (f && f->type == TYPE_I2_S) {
        how->i2_s = f;
        return true;
    }
    if (sscanf(text, "tl%*1[12]=%5u,%5u,%5u%n", &bm, &bk, &inner, &end) == 3 && text[end] == 0 && bm && bk && inner) {
        how->tiling = (struct tl_tiling){.bm = bm, .bk = bk, .inner = inner};
        return true;
    }
    return diag_in(d, NULL, DIAG_DIALECT, text);
}
