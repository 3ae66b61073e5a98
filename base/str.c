/*
 * str.c -- interned names (open addressing, in an arena), growing text, shortest decimals, nearest names.
 */
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* ---- names ---- */

struct slot {
    uint64_t hash;
    const char *s; /* NULL: free */
    size_t n;
};

struct names {
    struct arena *arena;
    struct slot *slot;
    size_t n, cap; /* cap is a power of two, at least a quarter free */
};

struct names *names_new(struct arena *a) {
    struct names *t = arena_one(a, struct names);
    t->arena = a;
    t->cap = 64;
    t->slot = arena_array(a, struct slot, t->cap);
    return t;
}

static struct slot *find_slot(const struct names *t, const char *s, size_t n, uint64_t hash) {
    for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        struct slot *at = &t->slot[i];
        if (!at->s) return at;
        if (at->hash == hash && at->n == n && (n == 0 || memcmp(at->s, s, n) == 0)) return at;
    }
}

static void grow_names(struct names *t) {
    struct slot *old = t->slot;
    size_t n_old = t->cap;
    t->cap *= 2;
    t->slot = arena_array(t->arena, struct slot, t->cap);
    for (size_t i = 0; i < n_old; i++)
        if (old[i].s) *find_slot(t, old[i].s, old[i].n, old[i].hash) = old[i];
}

const char *name_of_n(struct names *t, const char *s, size_t n) {
    uint64_t hash = hash_bytes(s, n, 0);
    struct slot *at = find_slot(t, s, n, hash);
    if (at->s) return at->s;
    if ((t->n + 1) * 4 > t->cap * 3) {
        grow_names(t);
        at = find_slot(t, s, n, hash);
    }
    *at = (struct slot){.hash = hash, .s = arena_strndup(t->arena, s, n), .n = n};
    t->n++;
    return at->s;
}

const char *name_of(struct names *t, const char *s) { return name_of_n(t, s, strlen(s)); }

/* ---- what names stand for ---- */

struct name_entry {
    const char *name; /* NULL: free */
    void *what;
};

/* cap is a power of two, at least a quarter of it free. */
static struct name_entry *find_entry(const struct name_map *t, const char *name) {
    size_t i = (size_t)((uint64_t)(uintptr_t)name * 0x9E3779B97F4A7C15u >> 32) & (t->cap - 1);
    while (t->at[i].name && t->at[i].name != name) i = (i + 1) & (t->cap - 1);
    return &t->at[i];
}

void *name_map_find(const struct name_map *t, const char *name) { return t->cap ? find_entry(t, name)->what : NULL; }

void name_map_set(struct arena *a, struct name_map *t, const char *name, void *what) {
    if ((t->n + 1) * 4 > t->cap * 3) {
        struct name_map old = *t;
        t->cap = old.cap ? 2 * old.cap : 16;
        t->at = arena_array(a, struct name_entry, t->cap);
        for (size_t i = 0; i < old.cap; i++)
            if (old.at[i].name) *find_entry(t, old.at[i].name) = old.at[i];
    }
    struct name_entry *e = find_entry(t, name);
    t->n += !e->name;
    *e = (struct name_entry){name, what};
}

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed) {
    const unsigned char *b = p;
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

/* ---- text ---- */

/* Room for n more bytes and the terminator. */
static void buf_room(struct buf *b, size_t n) {
    uint64_t want;
    if (!ck_add(&want, b->n, n)) want = SIZE_MAX;
    if (want < b->cap) return;
    size_t cap = b->cap ? b->cap : 128;
    while (cap <= want && cap < SIZE_MAX / 2) cap *= 2;
    char *at = cap > want ? realloc(b->at, cap) : NULL;
    if (!at) arena_no_memory(cap);
    b->at = at;
    b->cap = cap;
}

void buf_put(struct buf *b, const void *p, size_t n) {
    buf_room(b, n);
    if (n) memcpy(b->at + b->n, p, n);
    b->n += n;
    b->at[b->n] = 0;
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) BUG("bad format '%s'", fmt);
    buf_room(b, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(b->at + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void buf_free(struct buf *b) {
    free(b->at);
    *b = (struct buf){0};
}

/* ---- numbers ---- */

/* Whole numbers below this are printed without an exponent: 500000, not 5e+05. */
static const double plain_limit = 1e9;

static bool is_plain(double d) { return d > -plain_limit && d < plain_limit && (double)(int64_t)d == d; }

const char *fmt_f32(char out[32], float f) {
    if (is_plain((double)f)) {
        snprintf(out, 32, "%.0f", (double)f);
        return out;
    }
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(out, 32, "%.*g", digits, (double)f);
        if (bits_of_f32(strtof(out, NULL)) == bits_of_f32(f)) break;
    }
    return out;
}

static uint64_t bits_of_f64(double d) {
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

const char *fmt_f64(char out[40], double d) {
    if (is_plain(d)) {
        snprintf(out, 40, "%.0f", d);
        return out;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, d);
        if (bits_of_f64(strtod(out, NULL)) == bits_of_f64(d)) break;
    }
    return out;
}

/* Digits up to *end. */
static bool read_digits(const char *text, uint64_t max, uint64_t *out, const char **end) {
    char *stop;
    if (*text < '0' || *text > '9') /* strtoull takes spaces and signs */
        return false;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    *end = stop;
    return errno == 0 && *out <= max;
}

bool read_u64(const char *text, uint64_t max, uint64_t *out) {
    const char *end;
    return read_digits(text, max, out, &end) && *end == 0;
}

bool read_ids(struct arena *a, const char *text, uint32_t max, uint32_t **ids, uint32_t *n) {
    *ids = arena_array(a, uint32_t, strlen(text) / 2 + 1);
    *n = 0;
    for (;; text++) {
        uint64_t id;
        if (!read_digits(text, max, &id, &text)) return false;
        (*ids)[(*n)++] = (uint32_t)id;
        if (*text != ',') return *text == 0;
    }
}

/* ---- did you mean ---- */

enum { NEAR_MAX = 64 }; /* longer words are not compared */

static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb) {
    size_t row[NEAR_MAX + 1];
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t either = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = replace < either ? replace : either;
        }
    }
    return row[nb];
}

const char *nearest_name(const char *word, const char *const *candidates, size_t n) {
    size_t len = strlen(word);
    if (len == 0 || len > NEAR_MAX) return NULL;
    size_t limit = len < 3 ? 1 : len < 9 ? 2 : len / 3;
    const char *best = NULL;
    size_t best_distance = limit + 1;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        if (other > NEAR_MAX) continue;
        size_t distance = edit_distance(word, len, candidates[i], other);
        if (distance < best_distance && distance < len) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
