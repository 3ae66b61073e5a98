/*
 * parse.c -- text to IR: a hand-written recursive descent over the grammar in docs/ir.md.
 *
 * Stops at the first error: IR text is written by tools.  Types are inferred again and compared with the
 * text, so nothing wrong in shape gets past here; order and chains are the verifier's.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ir/ir.h"
#include "ir/lex.h"
#include "ir/weights.h"

enum { MAX_RESULTS = 16, MAX_OPERANDS = 64, MAX_PARAMS = 60, MAX_FUNCS = 64, MAX_NESTING = 4 };

struct parser {
    struct lexer l;
    struct ir_module *m;
    struct ir_func *f;                      /* the function being read */
    struct name_map values;                 /* of it, as far as they can be read */
    struct name_map weights, states, funcs; /* of the module */
    int depth;                              /* of blocks that are open */
};

/* ---- types ---- */

static bool parse_dims(struct lexer *l, bool rows_allowed, enum ir_rowsym *rows, uint32_t *rank, uint32_t *dim) {
    *rank = 0;
    if (!lex_want(l, "[")) return false;
    if (lex_eat(l, "]")) return true;
    do {
        if (rows_allowed && *rows == IR_NO_ROWS && *rank == 0 && (lex_is(l, "T") || lex_is(l, "L"))) {
            *rows = lex_is(l, "T") ? IR_T : IR_L;
            lex_advance(l);
            continue;
        }
        if (*rank == IR_MAX_RANK) return lex_expected(l, "at most 4 dims");
        if (!lex_want_u32(l, &dim[*rank])) return false;
        if (dim[(*rank)++] == 0) return lex_expected(l, "a dim above 0 before this");
    } while (lex_eat(l, ","));
    return lex_want(l, "]");
}

static bool total_fits(struct lexer *l, uint32_t rank, const uint32_t *dim) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (!ck_mul(&n, n, dim[i]) || n > UINT64_C(1) << 40)
            return lex_expected(l, "at most 2^40 elements before this");
    return true;
}

static bool parse_cache_elem(struct lexer *l, enum ir_elem *out) {
    if (!lex_want(l, "<")) return false;
    static const enum ir_elem elems[] = {IR_CACHE_F32, IR_CACHE_F16, IR_CACHE_I8};
    for (size_t i = 0; i < COUNT_OF(elems); i++) {
        if (!lex_eat(l, ir_cache_word(elems[i]))) continue;
        *out = elems[i];
        return lex_want(l, ">");
    }
    return lex_expected(l, "f32, f16 or i8");
}

static bool parse_type(struct lexer *l, struct ir_type *t) {
    static const struct {
        const char *word;
        enum ir_elem elem;
    } words[] = {{"f32", IR_F32_E}, {"i8", IR_I8}, {"i32", IR_I32}, {"rows", IR_ROWS_E}, {"cache", IR_CACHE_F32}};
    *t = (struct ir_type){.elem = IR_NONE};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (lex_is(l, words[i].word)) t->elem = words[i].elem;
    if (t->elem == IR_NONE) return lex_expected(l, "a type");
    lex_advance(l);
    if (t->elem == IR_CACHE_F32 && !parse_cache_elem(l, &t->elem)) return false;
    return parse_dims(l, true, &t->rows, &t->rank, t->dim) && total_fits(l, t->rank, t->dim);
}

/* ---- declarations ---- */

static bool parse_module(struct parser *s) {
    const char *name;
    if (!lex_want(&s->l, "module") || !lex_want_name(&s->l, T_WORD, "a name", &name)) return false;
    s->m = ir_module_new(s->l.a, s->l.names, name);
    if (!lex_eat(&s->l, "{")) return true;
    do {
        uint32_t *slot = lex_is(&s->l, "context")    ? &s->m->context
                         : lex_is(&s->l, "vocab")    ? &s->m->vocab
                         : lex_is(&s->l, "max_rows") ? &s->m->max_rows
                                                     : NULL;
        if (!slot) return lex_expected(&s->l, "context, vocab or max_rows");
        lex_advance(&s->l);
        if (!lex_want(&s->l, "=") || !lex_want_u32(&s->l, slot)) return false;
        if (s->m->max_rows < 1 || s->m->max_rows > IR_MAX_ROWS)
            return lex_expected(&s->l, "1 to 1024 rows in a step before this");
    } while (lex_eat(&s->l, ","));
    return lex_want(&s->l, "}");
}

static bool parse_layers(struct lexer *l, uint32_t *layers) { return !lex_eat(l, "layers") || lex_want_u32(l, layers); }

static bool parse_scale(struct lexer *l, struct ir_weight *w) {
    w->scale = lex_is(l, "row") ? IR_SCALE_ROW : lex_is(l, "group") ? IR_SCALE_GROUP : IR_SCALE_MATRIX;
    if (w->scale != IR_SCALE_GROUP) return lex_eat(l, "row") || lex_want(l, "matrix");
    if (!lex_eat(l, "group") || !lex_want_u32(l, &w->group)) return false;
    if (ir_group_allowed(w)) return true;
    return lex_expected(l, "a group that is a multiple of 4 and divides the last dim before this");
}

static bool parse_weight(struct parser *s) {
    const char *name;
    struct loc loc = s->l.t.loc;
    enum ir_rowsym none = IR_NO_ROWS;
    if (!lex_want_name(&s->l, T_REF, "@name", &name)) return false;
    if (name_map_find(&s->weights, name)) return diag_at(s->l.d, loc, DIAG_IR_DUPLICATE, "weight", name);
    struct ir_weight *w = ir_weight_add(s->m, name);
    name_map_set(s->l.a, &s->weights, name, w);
    w->loc = loc;
    if (!lex_want(&s->l, ":")) return false;
    w->store = IR_STORE_TRIT;
    while (w->store < IR_N_STORES && !lex_is(&s->l, ir_store_name[w->store])) w->store++;
    if (w->store == IR_N_STORES) return lex_expected(&s->l, "trit, a float type or a block type");
    lex_advance(&s->l);
    if (!parse_dims(&s->l, false, &none, &w->rank, w->dim) || !total_fits(&s->l, w->rank, w->dim) ||
        !parse_layers(&s->l, &w->layers))
        return false;
    if (w->rank == 0) return lex_expected(&s->l, "a weight of rank 1 or more before this");
    if (ir_weight_cols(w) % ir_store_block(w->store))
        return lex_expected(&s->l, "a last dim of whole blocks before this");
    if (lex_eat(&s->l, "scale") && !parse_scale(&s->l, w)) return false;
    if ((w->store == IR_STORE_TRIT) != (w->scale != IR_SCALE_NONE))
        return lex_expected(&s->l, "a scale for trits, and for nothing else");
    return true;
}

static bool parse_state(struct parser *s) {
    const char *name = NULL;
    struct loc loc = s->l.t.loc;
    struct ir_type t;
    if (!lex_want_name(&s->l, T_REF, "@name", &name)) return false;
    if (name_map_find(&s->states, name)) return diag_at(s->l.d, loc, DIAG_IR_DUPLICATE, "state", name);
    if (!lex_want(&s->l, ":") || !parse_type(&s->l, &t)) return false;
    if (!ir_is_cache(t.elem)) return lex_expected(&s->l, "a cache type before this");
    if (t.rank == 0 || t.rows != IR_NO_ROWS) return lex_expected(&s->l, "a state of rank 1 or more before this");
    struct ir_state *c = ir_state_add(s->m, name);
    name_map_set(s->l.a, &s->states, name, c);
    c->loc = loc;
    c->elem = t.elem;
    c->rank = t.rank;
    memcpy(c->dim, t.dim, sizeof c->dim);
    return parse_layers(&s->l, &c->layers);
}

/* ---- ops ---- */

/* A value is known from the op behind its own on: results of a kernel behind its region. */
static void add_value(struct parser *s, struct ir_val *v) { name_map_set(s->l.a, &s->values, v->name, v); }

static bool parse_value(struct parser *s, struct ir_val **out) {
    const char *name;
    struct loc loc = s->l.t.loc;
    if (!lex_want_name(&s->l, T_VALUE, "%name", &name)) return false;
    *out = name_map_find(&s->values, name);
    return *out || diag_at(s->l.d, loc, DIAG_IR_UNKNOWN, "value", name);
}

static bool parse_ref(struct parser *s, struct ir_op *op) {
    const char *name;
    struct loc loc = s->l.t.loc;
    if (op->n_func == MAX_FUNCS) return lex_expected(&s->l, "fewer functions");
    if (!lex_want_name(&s->l, T_REF, "@name", &name)) return false;
    switch (ir_ops[op->code].ref) {
    case IR_REF_NONE: break;
    case IR_REF_WEIGHT:
        if (op->weight) break;
        op->weight = name_map_find(&s->weights, name);
        return op->weight || diag_at(s->l.d, loc, DIAG_IR_UNKNOWN, "weight", name);
    case IR_REF_STATE:
        if (op->state) break;
        op->state = name_map_find(&s->states, name);
        return op->state || diag_at(s->l.d, loc, DIAG_IR_UNKNOWN, "state", name);
    case IR_REF_FUNC: {
        struct ir_func *f = name_map_find(&s->funcs, name);
        if (!f || f == s->f) return diag_at(s->l.d, loc, DIAG_IR_UNKNOWN, "function above", name);
        struct ir_func **all = arena_array(s->l.a, struct ir_func *, op->n_func + 1);
        if (op->n_func) memcpy(all, op->func, op->n_func * sizeof *all);
        all[op->n_func++] = f;
        op->func = all;
        return true;
    }
    }
    return diag_at(s->l.d, loc, DIAG_IR_RULE, arena_printf(s->l.a, "%s.ref", ir_ops[op->code].name),
                   "too many references");
}

/* A float that is too small for its kind is rounded, one too large is refused. */
static bool parse_attr_number(struct lexer *l, struct ir_op *op, enum ir_attr_id id) {
    char text[64], *end = NULL;
    bool fits = true;
    if (!lex_number_text(l, text)) return false;
    errno = 0;
    switch (ir_attrs[id].kind) {
    case IR_I64:
        ir_set_i64(op, id, strtoll(text, &end, 10));
        fits = errno == 0;
        break;
    case IR_F32:
        ir_set_f32(op, id, strtof(text, &end));
        fits = isfinite(ir_f32(op, id));
        break;
    case IR_F64:
        ir_set_f64(op, id, strtod(text, &end));
        fits = isfinite(ir_f64(op, id));
        break;
    case IR_NAME: BUG("%s is a name", ir_attrs[id].name);
    }
    if (*end || !fits) return lex_expected(l, "a number of the attribute's kind");
    lex_advance(l);
    return true;
}

static bool parse_attr(struct lexer *l, struct ir_op *op) {
    const char *name, *value;
    struct loc loc = l->t.loc;
    if (!lex_want_name(l, T_WORD, "an attribute", &name)) return false;
    enum ir_attr_id id = 0;
    while (id < IR_N_ATTRS && strcmp(ir_attrs[id].name, name) != 0) id++;
    if (id == IR_N_ATTRS) return diag_at(l->d, loc, DIAG_IR_UNKNOWN, "attribute", name);
    if (ir_attr_get(op, id)) return diag_at(l->d, loc, DIAG_IR_DUPLICATE, "attribute", name);
    if (op->n_attr == IR_MAX_ATTRS) return lex_expected(l, "fewer attributes");
    if (!lex_want(l, "=")) return false;
    if (ir_attrs[id].kind != IR_NAME) return parse_attr_number(l, op, id);
    if (!lex_want_name(l, T_WORD, "a word", &value)) return false;
    ir_set_name(op, id, value);
    return true;
}

static bool parse_op(struct parser *s, struct ir_block *b);

static bool parse_block(struct parser *s, struct ir_block *b) {
    if (!lex_want(&s->l, "{")) return false;
    if (++s->depth > MAX_NESTING) return lex_expected(&s->l, "fewer nested regions");
    while (!lex_is(&s->l, "}"))
        if (!parse_op(s, b)) return false;
    s->depth--;
    return lex_want(&s->l, "}");
}

static bool find_opcode(struct lexer *l, enum ir_opcode *out) {
    for (uint32_t i = 0; i < IR_N_OPS; i++)
        if (l->t.kind == T_WORD && lex_is(l, ir_ops[i].name)) {
            *out = (enum ir_opcode)i;
            lex_advance(l);
            return true;
        }
    return lex_expected(l, "an op");
}

static bool parse_result_types(struct lexer *l, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++) {
        uint64_t place;
        if (!lex_want(l, i ? "," : ":") || !parse_type(l, &op->out[i]->type)) return false;
        if (!lex_eat(l, "at")) continue;
        if (!lex_want_u64(l, INT64_MAX, &place)) return false;
        op->out[i]->place = (int64_t)place;
    }
    return true;
}

static bool broken(struct parser *s, const struct ir_op *op, const char *rule, const char *text) {
    return diag_at(s->l.d, op->loc, DIAG_IR_RULE, arena_printf(s->l.a, "%s.%s", ir_ops[op->code].name, rule), text);
}

static const struct ir_attr *attr_named(const struct ir_op *op, const char *name, size_t n) {
    for (uint32_t i = 0; i < op->n_attr; i++) {
        const char *own = ir_attrs[op->attr[i].id].name;
        if (strlen(own) == n && memcmp(own, name, n) == 0) return &op->attr[i];
    }
    return NULL;
}

/* What the table lists is there, and nothing else: ops made by the parser never lack what other code relies on. */
static bool attrs_complete(struct parser *s, const struct ir_op *op) {
    uint32_t known = 0;
    for (const char *list = ir_ops[op->code].attrs; *list;) {
        size_t n = strcspn(list, " ?");
        bool optional = list[n] == '?', found = attr_named(op, list, n) != NULL;
        if (!found && !optional)
            return broken(s, op, "attributes", arena_printf(s->l.a, "'%.*s' is missing", (int)n, list));
        known += found;
        list += n + (size_t)optional;
        list += strspn(list, " ");
    }
    if (known != op->n_attr) return broken(s, op, "attributes", "an attribute that the op does not have");
    bool have = ir_ops[op->code].ref == IR_REF_NONE || op->weight || op->state || op->n_func > 0;
    if (!have || (op->n_func > 1 && op->code != IR_OP_layers))
        return broken(s, op, "ref", "the reference is missing, or one too many");
    return true;
}

/* The names in front of '='. */
struct results {
    const char *name[MAX_RESULTS];
    struct loc loc[MAX_RESULTS];
    uint32_t n;
};

static bool parse_results(struct lexer *l, struct results *r) {
    while (l->t.kind == T_VALUE) {
        if (r->n == MAX_RESULTS) return lex_expected(l, "fewer results");
        r->loc[r->n] = l->t.loc;
        if (!lex_want_name(l, T_VALUE, "%name", &r->name[r->n++])) return false;
        if (!lex_is(l, "=") && !lex_want(l, ",")) return false;
    }
    return r->n == 0 || lex_want(l, "=");
}

static bool parse_operands(struct parser *s, struct ir_val *in[MAX_OPERANDS], uint32_t *n) {
    while (s->l.t.kind == T_VALUE) {
        if (*n == MAX_OPERANDS) return lex_expected(&s->l, "fewer operands");
        if (!parse_value(s, &in[(*n)++])) return false;
        if (!lex_eat(&s->l, ",")) break;
    }
    return true;
}

static bool names_are_new(struct parser *s, const struct results *r) {
    for (uint32_t i = 0; i < r->n; i++)
        if (name_map_find(&s->values, r->name[i]))
            return diag_at(s->l.d, r->loc[i], DIAG_IR_DUPLICATE, "value", r->name[i]);
    return true;
}

static bool name_results(struct parser *s, struct ir_op *op, const struct results *r) {
    for (uint32_t i = 0; i < r->n; i++) op->out[i]->name = r->name[i];
    return names_are_new(s, r);
}

static bool parse_refs(struct parser *s, struct ir_op *op) {
    while (s->l.t.kind == T_REF) {
        if (!parse_ref(s, op)) return false;
        if (!lex_eat(&s->l, ",")) break;
    }
    return true;
}

static bool parse_attrs(struct lexer *l, struct ir_op *op) {
    if (!ir_ops[op->code].attrs[0] || !lex_eat(l, "{")) return true;
    do {
        if (!parse_attr(l, op)) return false;
    } while (lex_eat(l, ","));
    return lex_want(l, "}");
}

/* The kernel is linked while its region is read, but without its results, as nothing inside may read these. */
static bool parse_region(struct parser *s, struct ir_block *b, struct ir_op *kernel, const struct results *r) {
    kernel->body = ir_block_new(s->f, kernel);
    kernel->n_out = 0;
    ir_append(b, kernel);
    bool ok = parse_block(s, kernel->body);
    kernel->n_out = r->n;
    return ok && names_are_new(s, r);
}

static bool parse_op(struct parser *s, struct ir_block *b) {
    struct results r = {.n = 0};
    struct ir_val *in[MAX_OPERANDS];
    struct loc loc = s->l.t.loc;
    enum ir_opcode code = IR_OP_ret;
    uint32_t n_in = 0;
    if (!parse_results(&s->l, &r) || !find_opcode(&s->l, &code) || !parse_operands(s, in, &n_in)) return false;
    struct ir_op *op = ir_op_new(s->f, code, loc, n_in, in, r.n);
    if (!name_results(s, op, &r) || !parse_refs(s, op) || !parse_attrs(&s->l, op)) return false;
    if (!attrs_complete(s, op) || !parse_result_types(&s->l, op)) return false;
    if (code != IR_OP_kernel)
        ir_append(b, op);
    else if (!parse_region(s, b, op, &r))
        return false;
    for (uint32_t i = 0; i < op->n_out; i++) add_value(s, op->out[i]);
    return ir_infer(s->l.d, op);
}

static bool parse_func(struct parser *s, bool entry) {
    const char *name;
    struct loc loc = s->l.t.loc;
    if (!lex_want_name(&s->l, T_REF, "@name", &name)) return false;
    if (name_map_find(&s->funcs, name)) return diag_at(s->l.d, loc, DIAG_IR_DUPLICATE, "function", name);
    s->f = ir_func_add(s->m, name, entry);
    s->f->loc = loc;
    name_map_set(s->l.a, &s->funcs, name, s->f);
    s->values = (struct name_map){0};
    if (!lex_want(&s->l, "(")) return false;
    do {
        const char *param;
        struct ir_type t;
        struct loc at = s->l.t.loc;
        if (!lex_want_name(&s->l, T_VALUE, "a parameter", &param) || !lex_want(&s->l, ":") || !parse_type(&s->l, &t))
            return false;
        if (name_map_find(&s->values, param)) return diag_at(s->l.d, at, DIAG_IR_DUPLICATE, "value", param);
        if (s->f->n_params == MAX_PARAMS) return lex_expected(&s->l, "fewer parameters");
        add_value(s, ir_param_add(s->f, param, t));
    } while (lex_eat(&s->l, ","));
    if (!lex_want(&s->l, ")")) return false;
    if (lex_eat(&s->l, "frame") && !lex_want_u64(&s->l, INT64_MAX, &s->f->frame)) return false;
    s->depth = 0;
    return parse_block(s, s->f->body);
}

static bool parse_decl(struct parser *s) {
    if (lex_eat(&s->l, "weight")) return parse_weight(s);
    if (lex_eat(&s->l, "state")) return parse_state(s);
    if (lex_eat(&s->l, "func")) return parse_func(s, false);
    if (lex_eat(&s->l, "entry")) return parse_func(s, true);
    return lex_expected(&s->l, "weight, state, func or entry");
}

struct ir_module *ir_parse(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text,
                           size_t n) {
    struct parser s = {.l = lex_start(d, a, names, file, text, n)};
    if (!parse_module(&s)) return NULL;
    while (s.l.t.kind != T_END)
        if (!parse_decl(&s)) return NULL;
    return s.m;
}
