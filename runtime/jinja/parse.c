/* parse.c -- statements: a table of tags; every tag that is not in it is refused by name. */
#include <stdio.h>
#include <string.h>

#include "runtime/jinja/impl.h"

/* Statements up to a tag that is one of `ends`, whose name is then the current token. */
static struct j_node *body(J *j, const char *of, const char *const *ends);

static void tag_end(J *j) {
    if (j->token->kind != JT_TAG_END) setun_j_unexpected(j, "'%}'");
    j->token++;
}

/* The body of a statement whose head has just been read. */
static struct j_node *inner(J *j, const char *of, const char *a, const char *b, const char *c) {
    const char *const ends[] = {a, b, c, NULL};
    setun_j_skip(j, ":"); /* as Python writes it */
    tag_end(j);
    return body(j, of, ends);
}

static struct j_node *parse_if(J *j, struct j_node *n) {
    n->a = setun_j_tuple(j, false, NULL);
    n->b = inner(j, "if", "elif", "else", "endif");
    uint32_t line = j->token->line;
    if (setun_j_skip(j, "elif")) {
        setun_j_deeper(j);
        n->c = parse_if(j, setun_j_node(j, JN_IF, line));
        j->depth--;
        return n;
    }
    if (setun_j_skip(j, "else")) n->c = inner(j, "if", "endif", NULL, NULL);
    setun_j_expect(j, "endif");
    return n;
}

static struct j_node *parse_for(J *j, struct j_node *n) {
    n->a = setun_j_target(j, "in", false);
    setun_j_expect(j, "in");
    n->b = setun_j_tuple(j, false, "recursive");
    if (setun_j_skip(j, "if")) n->c = setun_j_expression(j, true);
    j->line = j->token->line;
    if (setun_j_is(j->token, "recursive")) setun_j_fail(j, "a recursive 'for' is not supported");
    j->loops++;
    n->body = inner(j, "for", "endfor", "else", NULL);
    j->loops--;
    uint32_t line = j->token->line;
    if (setun_j_skip(j, "else")) {
        n->other = setun_j_node(j, JN_SCOPE, line);
        n->other->body = inner(j, "for", "endfor", NULL, NULL);
    }
    setun_j_expect(j, "endfor");
    return n;
}

static struct j_node *parse_set(J *j, struct j_node *n) {
    n->a = setun_j_target(j, NULL, true);
    if (setun_j_skip(j, "=")) {
        n->b = setun_j_tuple(j, true, NULL);
        return n;
    }
    n->kind = JN_BLOCK;
    n->b = setun_j_filters(j, NULL);
    n->body = inner(j, "set", "endset", NULL, NULL);
    setun_j_expect(j, "endset");
    return n;
}

static struct j_node *parse_with(J *j, struct j_node *n) {
    struct j_node **targets = &n->a, **values = &n->b;
    while (j->token->kind != JT_TAG_END) {
        if (n->a) setun_j_expect(j, ",");
        if (j->token->kind != JT_NAME) setun_j_unexpected(j, "a name");
        *targets = setun_j_target(j, "=", false);
        setun_j_expect(j, "=");
        *values = setun_j_expression(j, true);
        targets = &(*targets)->next;
        values = &(*values)->next;
    }
    n->body = inner(j, "with", "endwith", NULL, NULL);
    setun_j_expect(j, "endwith");
    return n;
}

/* Inside a function of its own, jumps of an outer loop are unknown. */
static struct j_node *function_body(J *j, const char *of, const char *end) {
    uint32_t loops = j->loops;
    j->loops = 0;
    struct j_node *b = inner(j, of, end, NULL, NULL);
    j->loops = loops;
    setun_j_expect(j, end);
    return b;
}

static struct j_node *parse_macro(J *j, struct j_node *n) {
    if (j->token->kind != JT_NAME || !setun_j_is(j->token + 1, "(")) setun_j_unexpected(j, "a name and '('");
    n->name = setun_j_name(j, j->token->at, j->token->n);
    n->text = j->token->at;
    j->line = n->line;
    if (!strcmp(n->text, "loop")) setun_j_fail(j, "a macro called 'loop' is not supported");
    j->token += 2;
    struct j_node **end = &n->a;
    bool defaults = false;
    while (!setun_j_is(j->token, ")")) {
        if (n->a) setun_j_expect(j, ",");
        struct j_token *t = j->token;
        if (t->kind != JT_NAME) setun_j_unexpected(j, "the name of a parameter");
        struct j_node *p = setun_j_node(j, JN_NAME, t->line);
        p->name = setun_j_name(j, t->at, t->n);
        p->text = t->at;
        for (const struct j_node *q = n->a; q; q = q->next) {
            j->line = t->line;
            if (q->name == p->name) setun_j_fail(j, "the parameter '%s' is there twice", p->text);
        }
        j->token++;
        if (setun_j_skip(j, "=")) {
            p->b = setun_j_expression(j, true);
            defaults = true;
        } else if (defaults) {
            setun_j_unexpected(j, "'=': the parameter before has a default");
        }
        *end = p;
        end = &p->next;
    }
    setun_j_expect(j, ")");
    n->body = function_body(j, "macro", "endmacro");
    return n;
}

static struct j_node *parse_generation(J *j, struct j_node *n) {
    n->body = function_body(j, "generation", "endgeneration");
    return n;
}

static struct j_node *parse_jump(J *j, struct j_node *n) {
    j->line = n->line;
    if (j->loops == 0) setun_j_fail(j, "'%s' stands outside of a 'for'", n->kind == JN_BREAK ? "break" : "continue");
    return n;
}

static struct j_node *statement(J *j) {
    static const struct {
        const char *tag;
        enum j_node_kind kind;
        struct j_node *(*parse)(J *, struct j_node *);
    } tags[] = {{"if", JN_IF, parse_if},          {"for", JN_FOR, parse_for},
                {"set", JN_SET, parse_set},       {"with", JN_WITH, parse_with},
                {"macro", JN_MACRO, parse_macro}, {"generation", JN_SCOPE, parse_generation},
                {"break", JN_BREAK, parse_jump},  {"continue", JN_CONTINUE, parse_jump}};
    const struct j_token *t = j->token;
    if (t->kind != JT_NAME) setun_j_unexpected(j, "the name of a tag");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(t->at, tags[i].tag) != 0) continue;
        j->token++;
        setun_j_deeper(j);
        struct j_node *n = tags[i].parse(j, setun_j_node(j, tags[i].kind, t->line));
        j->depth--;
        return n;
    }
    j->line = t->line;
    setun_j_fail(j, "the tag '%s' is not supported", t->at);
}

static bool ends_here(J *j, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (setun_j_is(j->token, *ends)) return true;
    return false;
}

static struct j_node *body(J *j, const char *of, const char *const *ends) {
    struct j_node *first = NULL, **end = &first;
    uint32_t line = j->token->line;
    for (; j->token->kind != JT_END; end = &(*end)->next) {
        struct j_token *t = j->token++;
        if (t->kind == JT_DATA) {
            *end = setun_j_node(j, JN_DATA, t->line);
            (*end)->text = t->at;
            (*end)->text_n = t->n;
        } else if (t->kind == JT_PRINT) {
            *end = setun_j_node(j, JN_PRINT, t->line);
            (*end)->a = setun_j_tuple(j, true, NULL);
            if (j->token->kind != JT_PRINT_END) setun_j_unexpected(j, "'}}'");
            j->token++;
        } else { /* JT_TAG */
            if (ends_here(j, ends)) return first;
            *end = statement(j);
            tag_end(j);
        }
    }
    if (!ends) return first;
    j->line = line;
    setun_j_fail(j, "'%s' has no '%s'", of, ends[1] && !strcmp(of, "if") ? "endif" : ends[0]);
}

struct j_node *setun_j_parse(J *j) {
    struct j_node *n = setun_j_node(j, JN_SCOPE, 1);
    n->body = body(j, NULL, NULL);
    return n;
}
