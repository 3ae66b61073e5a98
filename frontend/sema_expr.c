/*
 * sema_expr.c -- expressions: names, numbers, truth, and the operators on values of a token.
 *
 * Numbers are computed at once (as formulas where they are not known); values become nodes of the body.
 */
#include <string.h>

#include "frontend/sema_internal.h"

struct sval wrong_kind(struct sema *s, const struct ast_expr *e, const char *want, const struct sval *have) {
    if (have->kind == SV_ERROR) return sv_error();
    diag_at(s->diag, e->loc, DIAG_WRONG_KIND, want, sv_text(s, have));
    note_declared(s, e);
    return sv_error();
}

static struct sval unsupported(struct sema *s, const struct ast_expr *e, const char *what) {
    diag_at(s->diag, e->loc, DIAG_UNSUPPORTED_FEATURE, what);
    return sv_error();
}

struct sema_node *node_new(struct sema *s, enum ir_opcode code, struct loc loc, uint32_t rank,
                           const struct dim *const *dim) {
    struct sema_node *n = arena_one(s->arena, struct sema_node);
    n->code = code;
    n->loc = loc;
    n->rank = rank;
    for (uint32_t i = 0; i < rank; i++) n->dim[i] = dim[i];
    struct sema_body *b = s->frame->body;
    if (b->last)
        b->last->next = n;
    else
        b->first = n;
    b->last = n;
    return n;
}

/* ---- numbers ---- */

/* A formula that came out as no number: too large, or divided by 0. */
static struct sval number_or_error(struct sema *s, const struct ast_expr *e, struct sval v) {
    bool bad = (v.whole && !v.i) || (v.r && !real_is_finite(v.r));
    if (!bad) return v;
    diag_at(s->diag, e->loc, DIAG_NO_NUMBER, "this");
    return sv_error();
}

static struct sval number_op(struct sema *s, const struct ast_expr *e, const struct sval *a, const struct sval *b) {
    static const struct {
        enum real_op real;
        const struct dim *(*whole)(struct dims *, const struct dim *, const struct dim *);
    } ops[] = {
        [AST_ADD] = {REAL_ADD, dim_add},
        [AST_SUB] = {REAL_SUB, dim_sub},
        [AST_MUL] = {REAL_MUL, dim_mul},
        [AST_DIV] = {REAL_DIV, dim_div},
    };
    struct sval v = {.kind = SV_NUMBER, .whole = a->whole && b->whole};
    if (e->op == AST_MOD) {
        if (!v.whole) return wrong_kind(s, a->whole ? e->b : e->a, "a whole number", a->whole ? b : a);
        v.i = dim_mod(s->dims, a->i, b->i);
        if (v.i) v.r = sv_to_real(s, &v);
        return number_or_error(s, e, v);
    }
    if (v.whole) v.i = ops[e->op].whole(s->dims, a->i, b->i);
    v.r = real_op2(s->arena, ops[e->op].real, sv_to_real(s, a), sv_to_real(s, b));
    return number_or_error(s, e, v);
}

const struct dim *check_whole(struct sema *s, const struct ast_expr *e) {
    struct sval v = check_expr(s, e);
    if (v.kind == SV_NUMBER && v.whole) return v.i;
    wrong_kind(s, e, "a whole number", &v);
    return NULL;
}

/* ---- truth ---- */

static enum sema_truth truth_of(enum ast_op op, int sign) {
    bool yes = op == AST_EQ   ? sign == 0
               : op == AST_NE ? sign != 0
               : op == AST_LT ? sign < 0
               : op == AST_GT ? sign > 0
               : op == AST_LE ? sign <= 0
                              : sign >= 0;
    return yes ? SEMA_YES : SEMA_NO;
}

static struct sval compare(struct sema *s, const struct ast_expr *e, const struct sval *a, const struct sval *b) {
    int sign;
    if (a->kind != SV_NUMBER) return wrong_kind(s, e->a, "a number", a);
    if (b->kind != SV_NUMBER) return wrong_kind(s, e->b, "a number", b);
    const struct real *x = sv_to_real(s, a), *y = sv_to_real(s, b);
    if (x && y) return sv_truth(truth_of(e->op, real_compare(x, y)));
    if (a->whole && b->whole && dim_compare(s->dims, a->i, b->i, &sign)) return sv_truth(truth_of(e->op, sign));
    return sv_truth(SEMA_MAYBE);
}

static struct sval connect(struct sema *s, const struct ast_expr *e, const struct sval *a, const struct sval *b) {
    if (a->kind != SV_TRUTH) return wrong_kind(s, e->a, "a condition", a);
    if (b->kind != SV_TRUTH) return wrong_kind(s, e->b, "a condition", b);
    enum sema_truth decides = e->op == AST_AND ? SEMA_NO : SEMA_YES;
    if (a->truth == decides || b->truth == decides) return sv_truth(decides);
    if (a->truth == SEMA_MAYBE || b->truth == SEMA_MAYBE) return sv_truth(SEMA_MAYBE);
    return sv_truth(e->op == AST_AND ? SEMA_YES : SEMA_NO);
}

/* ---- values ---- */

bool weight_usable(struct sema *s, const struct ast_expr *e, struct sema_weight *w) {
    w->used = true;
    if (w->present == SEMA_YES || w->assumed || w->told) return true;
    diag_at(s->diag, e->loc, w->present == SEMA_NO ? DIAG_ABSENT_WEIGHT : DIAG_OPTIONAL_UNGUARDED, w->name, w->name);
    diag_note(s->diag, w->loc, "'%s' is declared optional here", w->name);
    w->told = true;
    return false;
}

static struct sval shapes_differ(struct sema *s, const struct ast_expr *e, const struct sval *a, const struct sval *b) {
    diag_at(s->diag, e->loc, DIAG_SHAPE_MISMATCH, expr_label(s, e->a, "the left side"), sv_text(s, a),
            expr_label(s, e->b, "the right side"), sv_text(s, b));
    note_declared(s, e->a);
    note_declared(s, e->b);
    for (uint32_t i = 0; i < a->rank && a->rank == b->rank; i++)
        if (!dim_equal(s->dims, a->dim[i], b->dim[i])) note_equal_values(s, e->loc, a->dim[i], b->dim[i]);
    return sv_error();
}

static struct sval between_values(struct sema *s, const struct ast_expr *e, const struct sval *a,
                                  const struct sval *b) {
    static const enum ir_opcode codes[] = {
        [AST_ADD] = IR_OP_add, [AST_SUB] = IR_OP_sub, [AST_MUL] = IR_OP_mul, [AST_DIV] = IR_OP_div};
    if (!dims_equal(s, a->rank, a->dim, b->rank, b->dim)) return shapes_differ(s, e, a, b);
    struct sema_node *n = node_new(s, codes[e->op], e->loc, a->rank, a->dim);
    n->n_in = 2;
    n->in[0] = a->node;
    n->in[1] = b->node;
    return sv_of_node(n);
}

/* ew: the side of e on which the weight stands. */
static struct sval add_bias(struct sema *s, const struct ast_expr *e, const struct sval *x, const struct sval *w,
                            const struct ast_expr *ew) {
    if (e->op != AST_ADD || w->weight->ternary) {
        diag_at(s->diag, e->loc, DIAG_WEIGHT_OPERAND, ast_op_text[e->op], sv_text(s, w));
        note_declared(s, ew);
        return sv_error();
    }
    if (!weight_usable(s, ew, w->weight)) return sv_error();
    if (!dims_equal(s, x->rank, x->dim, w->rank, w->dim))
        return ew == e->b ? shapes_differ(s, e, x, w) : shapes_differ(s, e, w, x);
    struct sema_node *n = node_new(s, IR_OP_bias, e->loc, x->rank, x->dim);
    n->n_in = 1;
    n->in[0] = x->node;
    n->weight = w->weight;
    return sv_of_node(n);
}

static struct sema_node *map(struct sema *s, enum ir_opcode code, struct loc loc, struct sema_node *x,
                             const struct real *c) {
    struct sema_node *n = node_new(s, code, loc, x->rank, x->dim);
    n->n_in = 1;
    n->in[0] = x;
    n->c = c ? real_f32(c) : 0;
    return n;
}

/* A value and a number: the number is rounded once to f32; x / c is x * (1 / c). */
static struct sval with_number(struct sema *s, const struct ast_expr *e, const struct sval *a, const struct sval *b) {
    bool left = a->kind == SV_NUMBER;
    const struct sval *x = left ? b : a;
    const struct real *c = sv_to_real(s, left ? a : b);
    if (left && e->op == AST_DIV) return unsupported(s, e, "a number divided by a value is");
    if (c && e->op == AST_DIV) c = real_op2(s->arena, REAL_DIV, real_of_int(s->arena, 1), c);
    if (c && e->op == AST_SUB && !left) c = real_fn1(s->arena, REAL_NEG, c);
    if (c && !real_is_finite(c)) {
        diag_at(s->diag, e->loc, DIAG_NO_NUMBER, expr_label(s, left ? e->a : e->b, "this"));
        return sv_error();
    }
    struct sema_node *in = x->node;
    if (left && e->op == AST_SUB) in = map(s, IR_OP_neg, e->loc, in, NULL);
    bool product = e->op == AST_MUL || e->op == AST_DIV;
    return sv_of_node(map(s, product ? IR_OP_mulc : IR_OP_addc, e->loc, in, c));
}

static struct sval arithmetic(struct sema *s, const struct ast_expr *e, const struct sval *a, const struct sval *b) {
    bool na = a->kind == SV_NUMBER, nb = b->kind == SV_NUMBER, xa = a->kind == SV_F32, xb = b->kind == SV_F32;
    if (na && nb) return number_op(s, e, a, b);
    if (e->op != AST_MOD) {
        if (xa && xb) return between_values(s, e, a, b);
        if ((xa && nb) || (na && xb)) return with_number(s, e, a, b);
        if (xa && b->kind == SV_WEIGHT) return add_bias(s, e, a, b, e->b);
        if (xb && a->kind == SV_WEIGHT) return add_bias(s, e, b, a, e->a);
    }
    diag_at(s->diag, e->loc, DIAG_BAD_OPERANDS, ast_op_text[e->op], sv_text(s, a), sv_text(s, b));
    if (a->kind == SV_CODES || b->kind == SV_CODES) diag_note(s->diag, e->loc, "int8 codes go into '@' only");
    return sv_error();
}

static struct sval inner_differ(struct sema *s, const struct ast_expr *e, const struct sval *w, const struct sval *x) {
    const struct dim *k = w->dim[w->rank - 1];
    diag_at(s->diag, e->loc, DIAG_INNER_MISMATCH, expr_label(s, e->a, "the matrix"), dim_text(s->dims, k),
            expr_label(s, e->b, "the right side"), dim_text(s->dims, x->dim[0]));
    note_declared(s, e->a);
    note_declared(s, e->b);
    note_equal_values(s, e->loc, k, x->dim[0]);
    return sv_error();
}

/* w @ x: contracts the last axis of w with x. */
static struct sval contract(struct sema *s, const struct ast_expr *e, const struct sval *w, const struct sval *x) {
    int64_t k;
    if (w->kind != SV_WEIGHT) return wrong_kind(s, e->a, "a weight on the left of '@'", w);
    bool ternary = w->weight->ternary;
    if (!weight_usable(s, e->a, w->weight)) return sv_error();
    if (x->kind != (ternary ? SV_CODES : SV_F32)) {
        wrong_kind(s, e->b, ternary ? "int8 codes for a ternary matrix" : "an f32 value for a real matrix", x);
        if (ternary && x->kind == SV_F32) diag_note(s->diag, e->b->loc, "'int8(...)' makes codes of a value");
        return sv_error();
    }
    if (w->rank < 2) return wrong_kind(s, e->a, "a matrix", w);
    if (x->rank != 1) {
        wrong_kind(s, e->b, "a value with one axis", x);
        diag_note(s->diag, e->b->loc, "'flat(...)' makes one axis of all");
        return sv_error();
    }
    if (!dim_equal(s->dims, w->dim[w->rank - 1], x->dim[0])) return inner_differ(s, e, w, x);
    if (ternary && dim_value(x->dim[0], &k) == DIM_OK && k > IR_MAX_K) {
        diag_at(s->diag, e->loc, DIAG_TOO_LONG_SUM, dim_text(s->dims, x->dim[0]), IR_MAX_K);
        return sv_error();
    }
    struct sema_node *n = node_new(s, ternary ? IR_OP_matmul : IR_OP_dot, e->loc, w->rank - 1, w->dim);
    n->n_in = 1;
    n->in[0] = x->node;
    n->weight = w->weight;
    return sv_of_node(n);
}

static struct sval check_binary(struct sema *s, const struct ast_expr *e) {
    struct sval a = check_expr(s, e->a), b = check_expr(s, e->b);
    if (a.kind == SV_ERROR || b.kind == SV_ERROR) return sv_error();
    switch (e->op) {
    case AST_ADD:
    case AST_SUB:
    case AST_MUL:
    case AST_DIV:
    case AST_MOD: return arithmetic(s, e, &a, &b);
    case AST_MATMUL: return contract(s, e, &a, &b);
    case AST_EQ:
    case AST_NE:
    case AST_LE:
    case AST_GE:
    case AST_LT:
    case AST_GT: return compare(s, e, &a, &b);
    case AST_AND:
    case AST_OR: return connect(s, e, &a, &b);
    case AST_NOT:
    case AST_NEG: break;
    }
    BUG("operator %d is not binary", (int)e->op);
}

static struct sval check_unary(struct sema *s, const struct ast_expr *e) {
    struct sval v = check_expr(s, e->a);
    if (v.kind == SV_ERROR) return v;
    if (e->op == AST_NOT) {
        if (v.kind != SV_TRUTH) return wrong_kind(s, e->a, "a condition", &v);
        return sv_truth(v.truth == SEMA_MAYBE ? SEMA_MAYBE : v.truth == SEMA_YES ? SEMA_NO : SEMA_YES);
    }
    if (v.kind == SV_F32) return sv_of_node(map(s, IR_OP_neg, e->loc, v.node, NULL));
    if (v.kind != SV_NUMBER) return wrong_kind(s, e->a, "a number or an f32 value", &v);
    struct sval n = {.kind = SV_NUMBER, .whole = v.whole, .r = real_fn1(s->arena, REAL_NEG, v.r)};
    if (v.whole) n.i = dim_sub(s->dims, dim_const(s->dims, 0), v.i);
    return number_or_error(s, e, n);
}

/* table[token] */
static struct sval check_index(struct sema *s, const struct ast_expr *e) {
    struct sval w = check_expr(s, e->a);
    struct sval i = check_expr(s, e->args);
    if (w.kind == SV_ERROR || i.kind == SV_ERROR) return sv_error();
    if (w.kind == SV_STATE) return unsupported(s, e, "reading a state otherwise than through 'attend' is");
    if (w.kind != SV_WEIGHT || w.weight->ternary || w.rank != 2)
        return wrong_kind(s, e->a, "a real weight with two axes", &w);
    if (e->n_args != 1 || i.kind != SV_TOKEN) return wrong_kind(s, e->args, "the token", &i);
    if (!weight_usable(s, e->a, w.weight)) return sv_error();
    if (!dim_equal(s->dims, w.dim[0], i.dim[0])) {
        diag_at(s->diag, e->loc, DIAG_SHAPE_MISMATCH, expr_label(s, e->a, "the table"), sv_text(s, &w),
                expr_label(s, e->args, "the token"), sv_text(s, &i));
        note_declared(s, e->a);
        return sv_error();
    }
    struct sema_node *n = node_new(s, IR_OP_embed, e->loc, 1, &w.dim[1]);
    n->weight = w.weight;
    return sv_of_node(n);
}

static struct sval check_name(struct sema *s, const struct ast_expr *e) {
    const struct scope *sc = s->frame ? &s->frame->scope : &s->globals;
    const struct binding *b = scope_find(sc, e->text);
    if (!b) {
        if (s->frame && strcmp(e->text, "pos") == 0) return (struct sval){.kind = SV_POS};
        unknown_name(s, sc, e->loc, e->text);
        return sv_error();
    }
    if (b->only_if.line) {
        diag_at(s->diag, e->loc, DIAG_BOUND_ON_ONE_PATH, e->text);
        diag_note(s->diag, b->only_if, "this condition decides");
        return sv_error();
    }
    return b->val;
}

static struct sval give_up(struct sema *s, const struct ast_expr *e) {
    if (!s->gave_up) diag_at(s->diag, e->loc, DIAG_TOO_MUCH_WORK, SEMA_MAX_STEPS);
    s->gave_up = true;
    return sv_error();
}

struct sval check_expr(struct sema *s, const struct ast_expr *e) {
    if (++s->steps > SEMA_MAX_STEPS) return give_up(s, e);
    switch (e->kind) {
    case AST_INT: return sv_whole(s, dim_const(s->dims, e->i));
    case AST_REAL: return number_or_error(s, e, sv_real(real_of_text(s->arena, e->text)));
    case AST_STR: return (struct sval){.kind = SV_STRING, .text = e->text};
    case AST_NAME: return check_name(s, e);
    case AST_CALL: return check_call(s, e);
    case AST_INDEX: return check_index(s, e);
    case AST_UNARY: return check_unary(s, e);
    case AST_BINARY: return check_binary(s, e);
    case AST_FIELD: return unsupported(s, e, "a member of a value is");
    case AST_FOR: return unsupported(s, e, "'for' in an expression is");
    case AST_LIST: return unsupported(s, e, "a list is");
    case AST_RANGE:
    case AST_NAMED: break;
    }
    diag_at(s->diag, e->loc, DIAG_WRONG_KIND, "a value", e->kind == AST_RANGE ? "a range" : "a named argument");
    return sv_error();
}
