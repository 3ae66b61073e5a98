/*
 * check.c -- scopes, settled once a template has been read.
 *
 * jinja2 decides for a whole scope at once where a name comes from.  A name that the scope assigns before it reads it,
 * outside of any `if`, and that no scope around it mentions, is undefined from the scope's start: even a loop inside
 * that reads it earlier does not see a variable of the conversation with that name.  Such names are hidden: they are
 * bound to nothing when the scope is entered.
 */
#include <string.h>

#include "runtime/jinja/impl.h"

struct check {
    J *j;
    uint8_t *known; /* names that this scope or one around it mentions */
};

/* One scope, while its statements are gone through; those of inner scopes wait. */
struct scope {
    struct check *c;
    uint32_t *mine, n_mine, cap_mine; /* names that were not known outside */
    uint32_t *hidden;                 /* of them, those that are assigned first */
    uint32_t n_hidden, cap_hidden;
    struct j_node **inner;
    uint32_t n_inner, cap_inner;
    uint32_t ifs;
};

static void *room(J *j, void *old, uint32_t n, uint32_t *cap, size_t each) {
    if (n < *cap) return old;
    uint32_t more = *cap * 2 + 8;
    void *p = setun_j_alloc(j, more, each);
    if (n > 0) memcpy(p, old, n * each);
    *cap = more;
    return p;
}

static bool mention(struct scope *s, uint32_t name) {
    if (s->c->known[name]) return false;
    s->c->known[name] = 1;
    s->mine = room(s->c->j, s->mine, s->n_mine, &s->cap_mine, sizeof *s->mine);
    s->mine[s->n_mine++] = name;
    return true;
}

static void store(struct scope *s, const struct j_node *n) {
    if (!mention(s, n->name) || s->ifs > 0) return;
    s->hidden = room(s->c->j, s->hidden, s->n_hidden, &s->cap_hidden, sizeof *s->hidden);
    s->hidden[s->n_hidden++] = n->name;
}

static void wait(struct scope *s, struct j_node *n) {
    s->inner = room(s->c->j, s->inner, s->n_inner, &s->cap_inner, sizeof *s->inner);
    s->inner[s->n_inner++] = n;
}

/* ---- one scope ---- */

static void reads(struct scope *s, const struct j_node *list) {
    setun_j_deeper(s->c->j);
    for (; list; list = list->next) {
        if (list->kind == JN_NAME) mention(s, list->name);
        const struct j_node *part[] = {list->a, list->b, list->c, list->d};
        for (int i = 0; i < 4; i++)
            if (part[i]) reads(s, part[i]);
    }
    s->c->j->depth--;
}

static void target(struct scope *s, const struct j_node *n, bool parameter) {
    if (n->kind == JN_TUPLE) {
        for (const struct j_node *e = n->a; e; e = e->next) target(s, e, parameter);
    } else if (n->kind == JN_NSSET || parameter) {
        mention(s, n->name);
    } else {
        store(s, n);
    }
}

/* A set block's filters run where jinja2 has not looked for their names. */
static void literals_only(struct scope *s, const struct j_node *filters) {
    struct scope names = {.c = s->c};
    uint8_t *known = s->c->known;
    names.c->known = setun_j_alloc(s->c->j, s->c->j->n_names + 1, 1);
    reads(&names, filters);
    s->c->known = known;
    s->c->j->line = filters->line;
    if (names.n_mine > 0) setun_j_fail(s->c->j, "a variable in the filter of a 'set' block is not supported");
}

static void walk(struct scope *s, struct j_node *n) {
    setun_j_deeper(s->c->j);
    for (; n; n = n->next) {
        switch ((enum j_node_kind)n->kind) {
        case JN_PRINT: reads(s, n->a); break;
        case JN_IF:
            reads(s, n->a);
            s->ifs++;
            walk(s, n->b);
            walk(s, n->c);
            s->ifs--;
            break;
        case JN_FOR:
            reads(s, n->b);
            wait(s, n);
            if (n->other) wait(s, n->other);
            break;
        case JN_SET:
            reads(s, n->b);
            target(s, n->a, false);
            break;
        case JN_BLOCK:
            if (n->b) literals_only(s, n->b);
            target(s, n->a, false);
            wait(s, n);
            break;
        case JN_WITH:
            reads(s, n->b);
            wait(s, n);
            break;
        case JN_MACRO:
            store(s, n);
            wait(s, n);
            break;
        case JN_SCOPE: wait(s, n); break;
        default: break;
        }
    }
    s->c->j->depth--;
}

/* ---- scope in scope ---- */

static void enter(struct scope *s, struct j_node *n) {
    if (n->kind == JN_FOR) {
        mention(s, s->c->j->loop_name);
        target(s, n->a, true);
        if (n->c) reads(s, n->c); /* jinja2 has a scope for the condition; it stores nothing */
    }
    if (n->kind == JN_WITH)
        for (const struct j_node *t = n->a; t; t = t->next) target(s, t, true);
    if (n->kind == JN_MACRO) {
        for (const struct j_node *p = n->a; p; p = p->next) mention(s, p->name);
        for (const struct j_node *p = n->a; p; p = p->next)
            if (p->b) reads(s, p->b);
    }
    walk(s, n->body);
}

static void check(struct check *c, struct j_node *n) {
    struct scope s = {.c = c};
    setun_j_deeper(c->j);
    enter(&s, n);
    n->n_hidden = s.n_hidden;
    n->hidden = s.hidden;
    for (uint32_t i = 0; i < s.n_inner; i++) check(c, s.inner[i]);
    for (uint32_t i = 0; i < s.n_mine; i++) c->known[s.mine[i]] = 0;
    c->j->depth--;
}

void setun_j_check(J *j) {
    j->loop_name = setun_j_name(j, "loop", 4);
    struct check c = {j, setun_j_alloc(j, j->n_names + 1, 1)};
    check(&c, j->root);
}
