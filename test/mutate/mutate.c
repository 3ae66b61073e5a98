/*
 * mutate.c -- the engine of mutate.h, and the program: setun-mutate [--count N] [--seed N] [FORMAT]
 *
 * Mutants, in this order: each field's first place changed in every way; every other place, and truncations at each
 * byte of the header, shuffled; then two or three changes at once, drawn from the seed.
 *
 * Checked of each: accepted, and what was read gives the same bytes or the same table again; or refused with one error,
 * exit code 3, and a message that has a place.  The arena holds at most 8 times the file and 1 MiB.
 */
#include "test/mutate/mutate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"

enum way { ZERO, ONE, MOST, LESS, MORE, WRAP, REVERSED, SWAPPED, WAYS };

struct change {
    size_t site; /* SIZE_MAX: a truncation at byte `way` */
    size_t way;  /* enum way, or a text of the field's */
};

struct run {
    const struct format *f;
    struct sample s;
    VEC(struct change) first, rest;
    uint64_t state;
    size_t accepted, refused, failed;
    size_t *by_field, *refused_by_field;
};

static uint64_t draw(struct run *r, uint64_t n) {
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (r->state >> 33) % n;
}

/* ---- changes ---- */

static uint64_t load(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static void store(uint8_t *p, size_t n, uint64_t v) {
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(v >> 8 * i);
}

/* Another place of the same field, of the same length: what SWAPPED takes. */
static const struct site *other_place(const struct run *r, const struct site *s) {
    for (size_t i = 0; i < r->s.sites.n; i++) {
        const struct site *o = &r->s.sites.at[i];
        if (o != s && o->field == s->field && o->bytes == s->bytes) return o;
    }
    return NULL;
}

static void change_number(const struct run *r, struct buf *file, const struct site *s, enum way way) {
    uint8_t *p = (uint8_t *)file->at + s->at;
    uint64_t v = load(p, s->bytes), top = s->bytes ? (uint64_t)1 << (8 * s->bytes - 1) : 0;
    const struct site *o = other_place(r, s);
    switch (way) {
    case ZERO: v = 0; break;
    case ONE: v = 1; break;
    case MOST: v = UINT64_MAX; break;
    case LESS: v--; break;
    case MORE: v++; break;
    case WRAP: v ^= top; break;
    case REVERSED:
        for (size_t i = 0; i < s->bytes / 2; i++) {
            uint8_t b = p[i];
            p[i] = p[s->bytes - 1 - i];
            p[s->bytes - 1 - i] = b;
        }
        return;
    case SWAPPED:
        v = o ? load((const uint8_t *)r->s.file.at + o->at, s->bytes) : ~v;
        if (o && o->at + o->bytes <= file->n) memcpy(file->at + o->at, r->s.file.at + s->at, s->bytes);
        break;
    case WAYS: break;
    }
    store(p, s->bytes, v);
}

static void splice(struct buf *file, size_t at, size_t bytes, const char *text) {
    struct buf out = {0};
    buf_put(&out, file->at, at);
    buf_put(&out, text, strlen(text));
    buf_put(&out, file->at + at + bytes, file->n - at - bytes);
    buf_free(file);
    *file = out;
}

/* false: the change is out of what is left of the file. */
static bool apply(const struct run *r, struct buf *file, const struct change *c) {
    if (c->site == SIZE_MAX) {
        if (c->way >= file->n) return false;
        file->n = c->way;
        return true;
    }
    const struct site *s = &r->s.sites.at[c->site];
    if (s->at + s->bytes > file->n) return false;
    if (s->binary) {
        change_number(r, file, s, (enum way)c->way);
    } else {
        const char *text = r->f->texts(s->field)[c->way];
        splice(file, s->at, s->bytes, text);
        r->f->settle(file, s, strlen(text));
    }
    return true;
}

static size_t ways_of(const struct run *r, const struct site *s) {
    size_t n = 0;
    if (s->binary) return WAYS;
    while (r->f->texts(s->field)[n]) n++;
    return n;
}

static int by_way(const void *a, const void *b) {
    const struct change *x = a, *y = b;
    if (x->way != y->way) return x->way < y->way ? -1 : 1;
    return x->site < y->site ? -1 : x->site > y->site;
}

static void list_changes(struct run *r) {
    bool *seen = arena_array(r->s.arena, bool, r->f->n_fields);
    for (size_t i = 0; i < r->s.sites.n; i++) {
        const struct site *s = &r->s.sites.at[i];
        for (size_t w = 0; w < ways_of(r, s); w++) {
            struct change c = {.site = i, .way = w};
            if (seen[s->field])
                *vec_push(r->s.arena, &r->rest) = c;
            else
                *vec_push(r->s.arena, &r->first) = c;
        }
        seen[s->field] = true;
    }
    /* Every field once, then again: none is left out, however few mutants are wanted. */
    if (r->first.n) qsort(r->first.at, r->first.n, sizeof *r->first.at, by_way);
    for (size_t n = 0; n < r->s.header; n++)
        *vec_push(r->s.arena, &r->rest) = (struct change){.site = SIZE_MAX, .way = n};
    for (size_t i = r->rest.n; i-- > 1;) {
        size_t k = (size_t)draw(r, i + 1);
        struct change c = r->rest.at[i];
        r->rest.at[i] = r->rest.at[k];
        r->rest.at[k] = c;
    }
}

/* ---- verdicts ---- */

static bool has_place(const char *text) {
    return strstr(text, "byte ") || strstr(text, "line ") || strstr(text, "key '");
}

static const char *judge(const struct format *f, struct diag *d, const char *text, bool accepted, const char *wrong) {
    if (accepted) return wrong ? wrong : diag_errors(d) ? "accepted, with an error" : NULL;
    if (diag_errors(d) != 1 && (!f->many || diag_errors(d) == 0)) return "not refused with one error";
    if (!has_place(text)) return "refused without a place";
    if (diag_exit_code(d) == EXIT_REJECTED) return NULL;
    for (const char *const *slug = f->unsupported; *slug; slug++)
        if (diag_exit_code(d) == EXIT_UNSUPPORTED && strstr(text, *slug)) return NULL;
    return "refused with another exit code";
}

static void try_mutant(struct run *r, size_t number, const struct buf *file, const struct change *c, size_t n) {
    struct arena *a = arena_new();
    char path[64], *text = NULL;
    size_t text_n = 0;
    FILE *out = open_memstream(&text, &text_n);
    int fd = memfd_create("mutant", 0);
    if (!out || fd < 0 || write(fd, file->at, file->n) != (ssize_t)file->n) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct diag *d = diag_new(a, out);
    const char *wrong = NULL;
    bool accepted = r->f->read(d, a, path, (const uint8_t *)file->at, file->n, &wrong);
    fflush(out);
    wrong = judge(r->f, d, text, accepted, wrong);
    if (!wrong && arena_peak(a) > 8 * file->n + (1 << 20)) wrong = "too much memory";
    r->accepted += accepted;
    r->refused += !accepted;
    for (size_t i = 0; i < n; i++) {
        if (c[i].site == SIZE_MAX) continue;
        unsigned field = r->s.sites.at[c[i].site].field;
        r->by_field[field]++;
        r->refused_by_field[field] += !accepted;
    }
    if (wrong && r->failed++ < 10) {
        printf("%s, mutant %zu:", r->f->name, number);
        for (size_t i = 0; i < n; i++)
            if (c[i].site == SIZE_MAX)
                printf(" cut at %zu", c[i].way);
            else
                printf(" %s at %zu, way %zu", r->f->field(r->s.sites.at[c[i].site].field), r->s.sites.at[c[i].site].at,
                       c[i].way);
        printf(": %s\n%s", wrong, text);
    }
    close(fd);
    fclose(out);
    free(text);
    arena_free(a);
}

/* ---- a format ---- */

/* Later places first, so that what one change moves does not move the next. */
static void sort_changes(const struct run *r, struct change *c, size_t n) {
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0; k--) {
            size_t x = c[k - 1].site == SIZE_MAX ? 0 : r->s.sites.at[c[k - 1].site].at + 1;
            size_t y = c[k].site == SIZE_MAX ? 0 : r->s.sites.at[c[k].site].at + 1;
            if (x >= y) break;
            struct change t = c[k];
            c[k] = c[k - 1];
            c[k - 1] = t;
        }
}

static void make_mutant(struct run *r, size_t number) {
    struct change c[3];
    size_t n = 1, singles = r->first.n + r->rest.n;
    struct buf file = {0};
    if (number < r->first.n) {
        c[0] = r->first.at[number];
    } else if (number < singles) {
        c[0] = r->rest.at[number - r->first.n];
    } else {
        n = 2 + (size_t)draw(r, 2);
        for (size_t i = 0; i < n; i++) {
            size_t k = (size_t)draw(r, singles);
            c[i] = k < r->first.n ? r->first.at[k] : r->rest.at[k - r->first.n];
        }
        sort_changes(r, c, n);
    }
    buf_put(&file, r->s.file.at, r->s.file.n);
    for (size_t i = 0; i < n; i++) apply(r, &file, &c[i]);
    try_mutant(r, number, &file, c, n);
    buf_free(&file);
}

static bool run_format(const struct format *f, size_t count, uint64_t seed) {
    struct run r = {.f = f, .state = seed, .s.arena = arena_new()};
    f->make(&r.s);
    r.by_field = arena_array(r.s.arena, size_t, f->n_fields);
    r.refused_by_field = arena_array(r.s.arena, size_t, f->n_fields);
    try_mutant(&r, 0, &r.s.file, NULL, 0);
    bool ok = r.accepted == 1 && r.failed == 0;
    if (!ok) printf("%s: the good file is refused\n", f->name);
    list_changes(&r);
    for (size_t i = 0; i < count; i++) make_mutant(&r, i);
    for (unsigned k = 0; k < f->n_fields; k++) {
        bool missed = r.by_field[k] == 0, harmless = r.refused_by_field[k] == 0 && !f->may_hold_all(k);
        if (missed || harmless)
            printf("%s: field '%s' %s\n", f->name, f->field(k), missed ? "has no mutant" : "is never refused");
        ok = ok && !missed && !harmless;
    }
    ok = ok && r.failed == 0;
    printf("%s: %zu mutants of %zu fields, %zu refused, %zu accepted and encoded again, %zu wrong\n", f->name, count,
           r.s.sites.n, r.refused, r.accepted - 1, r.failed);
    buf_free(&r.s.file);
    arena_free(r.s.arena);
    return ok;
}

int main(int argc, char **argv) {
    static const struct format *const formats[] = {&mutate_gguf, &mutate_safetensors, &mutate_config};
    uint64_t count = 500, seed = 1;
    const char *only = NULL;
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--count") && i + 1 < argc)
            ok = read_u64(argv[++i], 100000000, &count) && ok;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            ok = read_u64(argv[++i], INT64_MAX, &seed) && ok;
        else
            only = argv[i];
    }
    if (!ok) return EXIT_USAGE;
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (!only || strcmp(only, formats[i]->name) == 0) ok = run_format(formats[i], (size_t)count, seed) && ok;
    return ok ? EXIT_OK : EXIT_NO;
}
