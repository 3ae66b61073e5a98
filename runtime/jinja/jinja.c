/*
 * jinja.c -- a template's life: its one block of memory, its names, its failures; open, render, close.
 */
#include "runtime/jinja/impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void setun_j_fail(J *j, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(j->why->text, sizeof j->why->text, fmt, args);
    va_end(args);
    j->why->line = j->line;
    longjmp(j->leave, 1);
}

void setun_j_step(J *j, uint64_t n) {
    j->steps += n;
    if (j->steps > J_MAX_STEPS) setun_j_fail(j, "the template runs for more than %u steps", J_MAX_STEPS);
}

void setun_j_deeper(J *j) {
    if (++j->depth > J_MAX_DEPTH) setun_j_fail(j, "nested deeper than %u levels", J_MAX_DEPTH);
}

void *setun_j_alloc(J *j, size_t n, size_t each) {
    size_t left = j->size - j->used;
    if (each != 0 && n > left / each) goto full;
    n = (n * each + 7) & ~(size_t)7;
    if (n > left) goto full;
    setun_j_step(j, n / 64);
    void *p = j->base + j->used;
    j->used += n;
    memset(p, 0, n);
    return p;
full:
    setun_j_fail(j, "the template needs more than the %zu bytes of memory it is given", j->size);
}

char *setun_j_copy(J *j, const char *text, size_t n) {
    char *s = setun_j_alloc(j, n + 1, 1);
    if (n > 0) memcpy(s, text, n);
    return s;
}

uint32_t setun_j_name(J *j, const char *text, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)text[i]) * 16777619u;
    uint32_t *chain = &j->chain[h % 256];
    for (uint32_t i = *chain; i != 0; i = j->name[i].next)
        if (j->name[i].n == n && memcmp(j->name[i].text, text, n) == 0) return i;
    if (j->n_names + 1 >= j->cap_names) {
        struct j_name *more = setun_j_alloc(j, j->cap_names * 2 + 64, sizeof *more);
        if (j->n_names > 0) memcpy(more, j->name, (j->n_names + 1) * sizeof *more);
        j->name = more;
        j->cap_names = j->cap_names * 2 + 64;
    }
    uint32_t i = ++j->n_names; /* 0 is no name */
    j->name[i] = (struct j_name){setun_j_copy(j, text, n), (uint32_t)n, *chain};
    *chain = i;
    return i;
}

/* ---- growing texts ---- */

void setun_j_put(J *j, struct j_buf *b, const void *text, size_t n) {
    if (n > J_MAX_STRING - b->n) setun_j_fail(j, "a text grows beyond %u bytes", J_MAX_STRING);
    setun_j_step(j, n / 16);
    if (b->n + n + 1 > b->cap) {
        size_t cap = (b->n + n + 1) * 2 < 64 ? 64 : (b->n + n + 1) * 2;
        if (b->at && (uint8_t *)b->at + ((b->cap + 7) & ~(size_t)7) == j->base + j->used) {
            setun_j_alloc(j, cap - b->cap, 1); /* the last thing in the block grows where it is */
        } else {
            char *more = setun_j_alloc(j, cap, 1);
            if (b->n > 0) memcpy(more, b->at, b->n);
            b->at = more;
        }
        b->cap = cap;
    }
    if (n > 0) memcpy(b->at + b->n, text, n);
    b->n += n;
    b->at[b->n] = '\0';
}

void setun_j_printf(J *j, struct j_buf *b, const char *fmt, ...) {
    char text[64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    setun_j_put(j, b, text, strlen(text));
}

struct j_value setun_j_take(J *j, struct j_buf *b) {
    setun_j_put(j, b, "", 0);
    return setun_j_str(b->at, b->n);
}

/* ---- open, render, close ---- */

static bool parse(J *j, const char *text, size_t n) {
    if (setjmp(j->leave) != 0) return false;
    if (n > SETUN_JINJA_TEXT) {
        setun_j_fail(j, "the template has %zu bytes, at most %u are read", n, SETUN_JINJA_TEXT);
    }
    j->text = setun_j_copy(j, text, n);
    j->text_n = n;
    j->token = setun_j_lex(j);
    j->root = setun_j_parse(j);
    setun_j_check(j);
    j->parsed = j->used;
    return true;
}

struct setun_jinja *setun_jinja_open(const char *text, size_t n, size_t memory, struct setun_jinja_error *why) {
    J *j = calloc(1, sizeof *j);
    *why = (struct setun_jinja_error){0};
    if (j) j->base = malloc(memory);
    if (!j || !j->base) {
        snprintf(why->text, sizeof why->text, "out of memory");
        free(j);
        return NULL;
    }
    j->size = memory;
    j->why = why;
    j->line = 1;
    if (parse(j, text, n)) return j;
    setun_jinja_close(j);
    return NULL;
}

void setun_jinja_close(struct setun_jinja *t) {
    if (!t) return;
    free(t->base);
    free(t);
}

static struct j_value given(struct setun_jinja_text t) { return setun_j_str(t.at, t.n); }

static struct j_value messages(J *j, const struct setun_jinja_input *in) {
    struct j_value all = setun_j_list(j, J_LIST, 0);
    for (size_t i = 0; i < in->n_messages; i++) {
        struct j_value one = setun_j_dict(j, J_DICT);
        setun_j_put_key(j, one.dict, setun_j_str("role", 4), given(in->messages[i].role));
        setun_j_put_key(j, one.dict, setun_j_str("content", 7), given(in->messages[i].content));
        setun_j_push(j, all.list, one);
    }
    return all;
}

static void bind(J *j, const char *name, struct j_value v) {
    setun_j_bind(j, j->scope, setun_j_name(j, name, strlen(name)), v);
}

static struct j_value variable(const struct setun_jinja_var *v) {
    switch (v->kind) {
    case SETUN_JINJA_NONE: break;
    case SETUN_JINJA_FALSE: return setun_j_bool(false);
    case SETUN_JINJA_TRUE: return setun_j_bool(true);
    case SETUN_JINJA_STRING: return given(v->text);
    }
    return (struct j_value){.kind = J_NONE};
}

static void bind_all(J *j, const struct setun_jinja_input *in) {
    bind(j, "messages", messages(j, in));
    bind(j, "tools", (struct j_value){.kind = J_NONE});
    bind(j, "documents", (struct j_value){.kind = J_NONE});
    bind(j, "add_generation_prompt", setun_j_bool(in->add_generation_prompt));
    if (in->bos.at) bind(j, "bos_token", given(in->bos));
    if (in->eos.at) bind(j, "eos_token", given(in->eos));
    for (size_t i = 0; i < in->n_vars; i++) bind(j, in->vars[i].name, variable(&in->vars[i]));
}

static bool run(J *j, const struct setun_jinja_input *in, const struct j_more *more, struct setun_jinja_text *out) {
    struct j_buf text = {0};
    if (setjmp(j->leave) != 0) return false;
    struct j_name *old = j->name;
    j->cap_names += (uint32_t)in->n_vars + 64;
    j->name = setun_j_alloc(j, j->cap_names, sizeof *j->name);
    if (j->n_names > 0) memcpy(j->name, old, (j->n_names + 1) * sizeof *old);
    j->out = &text;
    j->scope = setun_j_alloc(j, 1, sizeof *j->scope);
    bind_all(j, in);
    if (more) more->bind(j, more->self);
    j->scope = setun_j_enter(j, j->root, j->scope);
    setun_j_run(j, j->root->body);
    struct j_value all = setun_j_take(j, &text);
    *out = (struct setun_jinja_text){all.s, all.n};
    return true;
}

/* Names that only the input has are interned for one run: the table is put back after it. */
bool setun_j_render(J *j, const struct setun_jinja_input *in, const struct j_more *more, struct setun_jinja_text *out,
                    struct setun_jinja_error *why) {
    struct setun_jinja before = *j;
    *why = (struct setun_jinja_error){0};
    j->why = why;
    j->used = j->parsed;
    j->steps = j->depth = j->line = 0;
    j->jump = J_GO;
    j->date = in->date;
    bool ok = run(j, in, more, out);
    j->n_names = before.n_names;
    j->cap_names = before.cap_names;
    j->name = before.name;
    memcpy(j->chain, before.chain, sizeof j->chain);
    return ok;
}

bool setun_jinja_render(struct setun_jinja *t, const struct setun_jinja_input *in, struct setun_jinja_text *out,
                        struct setun_jinja_error *why) {
    return setun_j_render(t, in, NULL, out, why);
}
