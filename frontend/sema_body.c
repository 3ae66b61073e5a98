/*
 * sema_body.c -- statements.
 *
 * `if` is decided when the model is built, so its blocks are no scopes: what the chosen one binds stays bound.
 * Where it cannot be decided yet (numbers are not known, no checkpoint to look into) both ways are followed,
 * and a name bound on one of them only may not be used afterwards.
 */
#include <string.h>

#include "frontend/sema_internal.h"

static void check_statements(struct sema *s, const struct ast_node *body, bool outermost);

/* ---- let, write, yield, emit ---- */

static void check_let(struct sema *s, const struct ast_node *n) {
    struct sval v = check_expr(s, n->expr);
    if (n->names->next) {
        diag_at(s->diag, n->names->next->loc, DIAG_UNSUPPORTED_FEATURE, "binding several names at once is");
        v = sv_error();
    }
    if (v.node && !v.node->name && !v.node->is_param) v.node->name = n->names->text;
    for (const struct ast_name *x = n->names; x; x = x->next) {
        if (strcmp(x->text, "pos") == 0)
            diag_at(s->diag, x->loc, DIAG_DUPLICATE_NAME, x->text);
        else
            scope_add(s, &s->frame->scope, x->text, x->loc, v);
    }
}

/* The state that a write names; NULL: reported. */
static struct sema_state *written_state(struct sema *s, const struct ast_node *n) {
    const struct binding *b = scope_find(&s->frame->scope, n->name.text);
    if (!b) {
        unknown_name(s, &s->frame->scope, n->name.loc, n->name.text);
        return NULL;
    }
    if (b->val.kind == SV_ERROR) return NULL;
    if (b->val.kind != SV_STATE) {
        diag_at(s->diag, n->name.loc, DIAG_WRONG_KIND, "a state to write to", sv_text(s, &b->val));
        diag_note(s->diag, b->loc, "'%s' is declared here", b->name);
        return NULL;
    }
    return b->val.state;
}

static void check_write(struct sema *s, const struct ast_node *n) {
    struct sema_state *c = written_state(s, n);
    struct sval at = check_expr(s, n->args), v = check_expr(s, n->expr);
    if (!c || at.kind == SV_ERROR) return;
    if (n->n_args != 1 || at.kind != SV_POS) {
        wrong_kind(s, n->args, "the position, 'pos'", &at);
        return;
    }
    if (c->written.line || c->read.line) {
        bool twice = c->written.line != 0;
        diag_at(s->diag, n->name.loc, twice ? DIAG_STATE_TWICE : DIAG_STATE_LATE, c->name);
        diag_note(s->diag, twice ? c->written : c->read, twice ? "the first write" : "read here");
        return;
    }
    c->written = n->name.loc;
    if (v.kind == SV_ERROR) return;
    if (v.kind != SV_F32) {
        wrong_kind(s, n->expr, "an f32 value", &v);
        return;
    }
    if (!dims_equal(s, v.rank, v.dim, c->rank, c->dim)) {
        diag_at(s->diag, n->expr->loc, DIAG_STATE_SHAPE, c->name, dims_text(s, c->rank, c->dim), sv_text(s, &v));
        diag_note(s->diag, c->loc, "'%s' is declared here", c->name);
        return;
    }
    struct sema_node *w = node_new(s, IR_OP_write, n->loc, c->rank, c->dim);
    w->n_in = 1;
    w->in[0] = v.node;
    w->state = c;
}

static void yield_from_stack(struct sema *s, const struct ast_node *n, const struct sval *v) {
    const struct sema_stack *st = s->frame->stack;
    if (v->kind != SV_F32 || !dims_equal(s, v->rank, v->dim, st->type.rank, st->type.dim)) {
        diag_at(s->diag, n->expr->loc, DIAG_YIELD_TYPE, st->name, dims_text(s, st->type.rank, st->type.dim),
                sv_text(s, v));
        diag_note(s->diag, st->ast->params->name.loc, "what a layer yields is the '%s' of the next layer",
                  st->ast->params->name.text);
        return;
    }
    struct sema_node *r = node_new(s, IR_OP_ret, n->loc, v->rank, v->dim);
    r->n_in = 1;
    r->in[0] = v->node;
}

static void check_yield(struct sema *s, const struct ast_node *n) {
    struct sval v = check_expr(s, n->expr);
    if (s->frame->kind == FRAME_ENTRY) {
        diag_at(s->diag, n->loc, DIAG_YIELD_IN_ENTRY);
        return;
    }
    s->frame->ended = true;
    s->frame->result = v;
    if (v.kind != SV_ERROR && s->frame->kind == FRAME_STACK) yield_from_stack(s, n, &v);
}

static void check_emit(struct sema *s, const struct ast_node *n) {
    struct sval v = check_expr(s, n->expr);
    struct frame *f = s->frame;
    if (f->kind != FRAME_ENTRY) {
        diag_at(s->diag, n->loc, DIAG_EMIT_OUTSIDE);
        return;
    }
    bool fresh = scope_add(s, &f->emitted, n->name.text, n->name.loc, v);
    if (v.kind == SV_ERROR || !fresh) return;
    if (v.kind != SV_F32) {
        wrong_kind(s, n->expr, "an f32 value", &v);
        return;
    }
    bool logits = strcmp(n->name.text, "logits") == 0;
    if (logits && f->entry->vocab && !dims_equal(s, v.rank, v.dim, 1, &f->entry->vocab)) {
        diag_at(s->diag, n->expr->loc, DIAG_LOGITS_SHAPE, sv_text(s, &v), dim_text(s->dims, f->entry->vocab));
        diag_note(s->diag, f->entry->ast->params->name.loc, "'%s' is declared here", f->entry->ast->params->name.text);
        return;
    }
    struct sema_node *e = node_new(s, IR_OP_emit, n->loc, v.rank, v.dim);
    e->n_in = 1;
    e->in[0] = v.node;
    e->word = n->name.text;
}

/* ---- if ---- */

/* While the block of an `if` is checked, present(w) in its condition holds (yes) or does not. */
static void assume(struct sema *s, const struct ast_expr *e, bool yes, int step) {
    if (e->kind == AST_UNARY && e->op == AST_NOT) {
        assume(s, e->a, !yes, step);
    } else if (e->kind == AST_BINARY && (e->op == AST_AND || e->op == AST_OR) && (e->op == AST_AND) == yes) {
        assume(s, e->a, yes, step);
        assume(s, e->b, yes, step);
    } else if (yes && e->kind == AST_CALL && strcmp(e->text, "present") == 0 && e->args && e->args->kind == AST_NAME) {
        const struct binding *b = scope_find(&s->frame->scope, e->args->text);
        if (b && b->val.kind == SV_WEIGHT) b->val.weight->assumed += (uint32_t)step;
    }
}

/* What the two ways through an `if` may change. */
struct path {
    struct binding *bound, *emitted;
    bool ended;
    struct sval result;
    struct loc (*marks)[2]; /* of each state: written, read */
};

static struct path path_save(struct sema *s) {
    struct path p = {.bound = s->frame->scope.first,
                     .emitted = s->frame->emitted.first,
                     .ended = s->frame->ended,
                     .result = s->frame->result};
    p.marks = arena_calloc(s->arena, s->m->states.n + 1, sizeof *p.marks);
    for (size_t i = 0; i < s->m->states.n; i++) {
        p.marks[i][0] = s->m->states.at[i]->written;
        p.marks[i][1] = s->m->states.at[i]->read;
    }
    return p;
}

static void path_restore(struct sema *s, const struct path *p) {
    s->frame->scope.first = p->bound;
    s->frame->emitted.first = p->emitted;
    s->frame->ended = p->ended;
    s->frame->result = p->result;
    for (size_t i = 0; i < s->m->states.n; i++) {
        s->m->states.at[i]->written = p->marks[i][0];
        s->m->states.at[i]->read = p->marks[i][1];
    }
}

static bool same_type(struct sema *s, const struct sval *a, const struct sval *b) {
    if (a->kind == SV_ERROR || b->kind == SV_ERROR) return true;
    if (a->kind != b->kind) return false;
    if (a->kind == SV_NUMBER) return a->whole == b->whole && (!a->whole || dim_equal(s->dims, a->i, b->i));
    return dims_equal(s, a->rank, a->dim, b->rank, b->dim);
}

static const struct binding *find_until(const struct binding *b, const struct binding *end, const char *name) {
    while (b != end && b->name != name) b = b->next;
    return b == end ? NULL : b;
}

/* Adds what one way bound; marks a name that the other way does not bind alike. */
static void join_bindings(struct sema *s, const struct binding *mine, const struct binding *other,
                          const struct binding *before, struct loc condition, bool common) {
    for (const struct binding *b = mine; b != before; b = b->next) {
        const struct binding *o = find_until(other, before, b->name);
        bool both = o && !o->only_if.line && !b->only_if.line && same_type(s, &b->val, &o->val);
        if (o && !common) continue; /* the first pass has it */
        struct binding *copy = arena_one(s->arena, struct binding);
        *copy = *b;
        if (!both) copy->only_if = condition;
        copy->next = s->frame->scope.first;
        s->frame->scope.first = copy;
    }
}

static void join_paths(struct sema *s, const struct ast_node *n, const struct path *before, const struct path *yes,
                       const struct path *no) {
    path_restore(s, before);
    join_bindings(s, yes->bound, no->bound, before->bound, n->loc, true);
    join_bindings(s, no->bound, yes->bound, before->bound, n->loc, false);
    for (const struct binding *b = no->emitted; b != before->emitted; b = b->next)
        if (!find_until(yes->emitted, before->emitted, b->name))
            scope_add(s, &s->frame->emitted, b->name, b->loc, b->val);
    for (const struct binding *b = yes->emitted; b != before->emitted; b = b->next)
        scope_add(s, &s->frame->emitted, b->name, b->loc, b->val);
    for (size_t i = 0; i < s->m->states.n; i++) {
        struct sema_state *c = s->m->states.at[i];
        c->written = yes->marks[i][0].line ? yes->marks[i][0] : no->marks[i][0];
        c->read = yes->marks[i][1].line ? yes->marks[i][1] : no->marks[i][1];
    }
    s->frame->ended = yes->ended || no->ended;
    s->frame->result = yes->ended ? yes->result : no->result;
    if (yes->ended != no->ended)
        diag_at(s->diag, n->loc, DIAG_YIELD_ON_ONE_PATH);
    else if (yes->ended && !same_type(s, &yes->result, &no->result))
        diag_at(s->diag, n->loc, DIAG_YIELD_DIFFERS, sv_text(s, &yes->result), sv_text(s, &no->result));
}

static void check_both_ways(struct sema *s, const struct ast_node *n) {
    struct path before = path_save(s);
    assume(s, n->expr, true, 1);
    check_statements(s, n->body, false);
    assume(s, n->expr, true, -1);
    struct path yes = path_save(s);
    path_restore(s, &before);
    assume(s, n->expr, false, 1);
    check_statements(s, n->other, false);
    assume(s, n->expr, false, -1);
    struct path no = path_save(s);
    join_paths(s, n, &before, &yes, &no);
}

static void check_if(struct sema *s, const struct ast_node *n) {
    struct sval v = check_expr(s, n->expr);
    if (v.kind != SV_TRUTH) {
        wrong_kind(s, n->expr, "a condition", &v);
        v = sv_truth(SEMA_MAYBE);
    }
    if (v.truth == SEMA_MAYBE && !s->gave_up) check_both_ways(s, n);
    if (v.truth == SEMA_YES) check_statements(s, n->body, false);
    if (v.truth == SEMA_NO) check_statements(s, n->other, false);
}

/* ---- blocks ---- */

/* Weights and states of a stack are declared before its body is checked; they stand nowhere else in a body. */
static void check_declaration(struct sema *s, const struct ast_node *n, bool outermost) {
    if (s->frame->kind == FRAME_STACK && outermost) return;
    diag_at(s->diag, n->loc, DIAG_DECLARED_INSIDE, ast_kind_text(n->kind));
    struct scope *sc = &s->frame->scope;
    for (const struct ast_name *x = n->names; x; x = x->next) scope_add(s, sc, x->text, x->loc, sv_error());
}

static void check_statements(struct sema *s, const struct ast_node *body, bool outermost) {
    for (const struct ast_node *n = body; n && !s->gave_up; n = n->next) {
        if (s->frame->ended) {
            diag_at(s->diag, n->loc, DIAG_AFTER_YIELD);
            return;
        }
        switch (n->kind) {
        case AST_LET: check_let(s, n); break;
        case AST_WRITE: check_write(s, n); break;
        case AST_YIELD: check_yield(s, n); break;
        case AST_EMIT: check_emit(s, n); break;
        case AST_IF: check_if(s, n); break;
        case AST_REQUIRE: check_require(s, n); break;
        case AST_WEIGHT:
        case AST_STATE: check_declaration(s, n, outermost); break;
        case AST_CONFIG:
        case AST_SECTION:
        case AST_FN:
        case AST_STACK:
        case AST_ENTRY: BUG("the grammar lets no %s stand in a body", ast_kind_text(n->kind));
        }
    }
}

void check_block(struct sema *s, const struct ast_node *body) { check_statements(s, body, true); }
