/*
 * parse.c -- text to IR: a hand-written recursive descent over the grammar in docs/ir.md.
 *
 * Stops at the first error: IR text is written by tools.  Types are inferred again and compared with the
 * text, so nothing wrong in shape gets past here; order and chains are the verifier's.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

enum tok_kind { T_END, T_WORD, T_VALUE, T_REF, T_NUMBER, T_PUNCT };

struct tok {
    enum tok_kind kind;
    const char *at;
    size_t n;
    struct loc loc;
};

struct parser {
    struct diag *d;
    struct arena *a;
    struct names *names;
    const char *p, *end, *line_start;
    uint32_t file, line;
    struct tok t; /* the one looked at */
    struct ir_module *m;
    struct ir_func *f;
    int depth;
};

/* ---- tokens ---- */

static bool word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static void skip_space(struct parser *s) {
    for (; s->p < s->end; s->p++) {
        if (*s->p == '\n') {
            s->line++;
            s->line_start = s->p + 1;
        } else if (s->p[0] == '/' && s->p + 1 < s->end && s->p[1] == '/') {
            while (s->p + 1 < s->end && s->p[1] != '\n') s->p++;
        } else if (*s->p != ' ' && *s->p != '\t' && *s->p != '\r') {
            return;
        }
    }
}

static void advance(struct parser *s) {
    skip_space(s);
    const char *b = s->p;
    uint32_t col = (uint32_t)(b - s->line_start) + 1;
    enum tok_kind kind = T_END;
    if (b < s->end) {
        char c = *b;
        if (c == '%' || c == '@') {
            kind = c == '%' ? T_VALUE : T_REF;
            s->p++;
            while (s->p < s->end && word_byte(*s->p)) s->p++;
        } else if ((c >= '0' && c <= '9') || (c == '-' && s->p + 1 < s->end && s->p[1] >= '0' && s->p[1] <= '9')) {
            kind = T_NUMBER;
            s->p++;
            while (s->p < s->end && (word_byte(*s->p) || ((*s->p == '-' || *s->p == '+') && (s->p[-1] == 'e')))) s->p++;
        } else if (word_byte(c)) {
            kind = T_WORD;
            while (s->p < s->end && word_byte(*s->p)) s->p++;
        } else {
            kind = T_PUNCT;
            s->p++;
        }
    }
    size_t n = (size_t)(s->p - b);
    uint32_t last = col + (n ? (uint32_t)n - 1 : 0);
    s->t = (struct tok){kind, b, n, {s->file, s->line, col, s->line, last}};
}

static bool expected(struct parser *s, const char *what) {
    const char *found = s->t.kind == T_END ? "the end of the text"
                                           : arena_printf(s->a, "'%.*s'", (int)(s->t.n < 40 ? s->t.n : 40), s->t.at);
    return diag_at(s->d, s->t.loc, DIAG_IR_SYNTAX, what, found);
}

static bool is(const struct parser *s, const char *text) {
    return s->t.kind != T_END && s->t.n == strlen(text) && memcmp(s->t.at, text, s->t.n) == 0;
}

static bool eat(struct parser *s, const char *text) {
    if (!is(s, text)) return false;
    advance(s);
    return true;
}

static bool want(struct parser *s, const char *text) {
    return eat(s, text) || expected(s, arena_printf(s->a, "'%s'", text));
}

/* A word, or the name behind '%' or '@'. */
static bool want_name(struct parser *s, enum tok_kind kind, const char *what, const char **out) {
    size_t skip = kind == T_WORD ? 0 : 1;
    if (s->t.kind != kind || s->t.n <= skip || s->t.n > 256) return expected(s, what);
    *out = name_of_n(s->names, s->t.at + skip, s->t.n - skip);
    advance(s);
    return true;
}

static bool want_text(struct parser *s, const char *what, char out[64]) {
    if (s->t.kind != T_NUMBER || s->t.n >= 64) return expected(s, what);
    memcpy(out, s->t.at, s->t.n);
    out[s->t.n] = 0;
    return true;
}

static bool want_u64(struct parser *s, uint64_t max, uint64_t *out) {
    char text[64], *end;
    if (!want_text(s, "a number", text)) return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || errno || text[0] == '-' || v > max) return expected(s, arena_printf(s->a, "a number up to %" PRIu64, max));
    *out = v;
    advance(s);
    return true;
}

static bool want_u32(struct parser *s, uint32_t *out) {
    uint64_t v;
    if (!want_u64(s, UINT32_MAX / 2, &v)) return false;
    *out = (uint32_t)v;
    return true;
}

/* ---- types ---- */

static bool parse_dims(struct parser *s, bool rows_allowed, enum ir_rowsym *rows, uint32_t *rank, uint32_t *dim) {
    *rank = 0;
    if (!want(s, "[")) return false;
    if (eat(s, "]")) return true;
    do {
        if (rows_allowed && *rows == IR_NO_ROWS && *rank == 0 && (is(s, "T") || is(s, "L"))) {
            *rows = is(s, "T") ? IR_T : IR_L;
            advance(s);
            continue;
        }
        if (*rank == IR_MAX_RANK) return expected(s, "at most 4 dims");
        if (!want_u32(s, &dim[*rank])) return false;
        if (dim[(*rank)++] == 0) return expected(s, "a dim above 0 before this");
    } while (eat(s, ","));
    return want(s, "]");
}

static bool total_fits(struct parser *s, uint32_t rank, const uint32_t *dim) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(n, (uint64_t)dim[i], &n) || n > (uint64_t)1 << 40) return expected(s, "fewer than 2^40 elements before this");
    return true;
}

static bool parse_cache_elem(struct parser *s, enum ir_elem *out) {
    if (!want(s, "<")) return false;
    *out = is(s, "f16") ? IR_CACHE_F16 : IR_CACHE_F32;
    if (!eat(s, "f16") && !want(s, "f32")) return false;
    return want(s, ">");
}

static bool parse_type(struct parser *s, struct ir_type *t) {
    static const struct {
        const char *word;
        enum ir_elem elem;
    } words[] = {{"f32", IR_F32_E}, {"i8", IR_I8}, {"i32", IR_I32}, {"rows", IR_ROWS_E}, {"cache", IR_CACHE_F32}};
    *t = (struct ir_type){.elem = IR_NONE};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (is(s, words[i].word)) t->elem = words[i].elem;
    if (t->elem == IR_NONE) return expected(s, "a type");
    advance(s);
    if (t->elem == IR_CACHE_F32 && !parse_cache_elem(s, &t->elem)) return false;
    return parse_dims(s, true, &t->rows, &t->rank, t->dim) && total_fits(s, t->rank, t->dim);
}

/* ---- declarations ---- */

static bool parse_module(struct parser *s) {
    const char *name;
    if (!want(s, "module") || !want_name(s, T_WORD, "a name", &name)) return false;
    s->m = ir_module_new(s->a, s->names, name);
    if (!eat(s, "{")) return true;
    do {
        uint32_t *slot = is(s, "context") ? &s->m->context : is(s, "vocab") ? &s->m->vocab : is(s, "max_rows") ? &s->m->max_rows : NULL;
        if (!slot) return expected(s, "context, vocab or max_rows");
        advance(s);
        if (!want(s, "=") || !want_u32(s, slot)) return false;
    } while (eat(s, ","));
    return want(s, "}");
}

static bool parse_layers(struct parser *s, uint32_t *layers) { return !eat(s, "layers") || want_u32(s, layers); }

static bool parse_weight(struct parser *s) {
    static const char *const stores[] = {"trit", "f32", "f16", "bf16"};
    const char *name;
    struct loc loc = s->t.loc;
    enum ir_rowsym none = IR_NO_ROWS;
    if (!want_name(s, T_REF, "@name", &name)) return false;
    if (ir_weight_find(s->m, name)) return diag_at(s->d, loc, DIAG_IR_DUPLICATE, "weight", name);
    struct ir_weight *w = ir_weight_add(s->m, name);
    w->loc = loc;
    if (!want(s, ":")) return false;
    size_t i = 0;
    while (i < COUNT_OF(stores) && !is(s, stores[i])) i++;
    if (i == COUNT_OF(stores)) return expected(s, "trit, f32, f16 or bf16");
    w->store = (enum ir_store)i;
    advance(s);
    if (!parse_dims(s, false, &none, &w->rank, w->dim) || !total_fits(s, w->rank, w->dim) || !parse_layers(s, &w->layers)) return false;
    if (w->rank == 0) return expected(s, "a weight of rank 1 or more before this");
    if (eat(s, "scale")) {
        w->scale = is(s, "row") ? IR_SCALE_ROW : IR_SCALE_MATRIX;
        if (!eat(s, "row") && !want(s, "matrix")) return false;
    }
    if ((w->store == IR_STORE_TRIT) != (w->scale != IR_SCALE_NONE)) return expected(s, "a scale for trits, and for nothing else");
    return true;
}

static bool parse_state(struct parser *s) {
    const char *name;
    struct loc loc = s->t.loc;
    struct ir_type t;
    if (!want_name(s, T_REF, "@name", &name)) return false;
    if (ir_state_find(s->m, name)) return diag_at(s->d, loc, DIAG_IR_DUPLICATE, "state", name);
    if (!want(s, ":") || !parse_type(s, &t)) return false;
    if (t.elem != IR_CACHE_F32 && t.elem != IR_CACHE_F16) return expected(s, "a cache type before this");
    struct ir_state *c = ir_state_add(s->m, name);
    c->loc = loc;
    c->elem = t.elem;
    c->rank = t.rank;
    memcpy(c->dim, t.dim, sizeof c->dim);
    return parse_layers(s, &c->layers);
}

/* ---- ops ---- */

static struct ir_val *value_named(struct ir_func *f, const char *name) {
    for (uint32_t i = 0; i < f->n_params; i++)
        if (f->params[i]->name == name) return f->params[i];
    for (struct ir_op *op = ir_first(f); op; op = ir_next(op))
        for (uint32_t i = 0; i < op->n_out; i++)
            if (op->out[i]->name == name) return op->out[i];
    return NULL;
}

/* Values being defined by ops around the current one are not usable yet; they are linked in after their region. */
static bool parse_value(struct parser *s, struct ir_val **out) {
    const char *name;
    struct loc loc = s->t.loc;
    if (!want_name(s, T_VALUE, "%name", &name)) return false;
    *out = value_named(s->f, name);
    return *out || diag_at(s->d, loc, DIAG_IR_UNKNOWN, "value", name);
}

static bool parse_ref(struct parser *s, struct ir_op *op) {
    const char *name;
    struct loc loc = s->t.loc;
    if (!want_name(s, T_REF, "@name", &name)) return false;
    switch (ir_ops[op->code].ref) {
    case IR_REF_NONE: break;
    case IR_REF_WEIGHT:
        if (op->weight) break;
        op->weight = ir_weight_find(s->m, name);
        return op->weight || diag_at(s->d, loc, DIAG_IR_UNKNOWN, "weight", name);
    case IR_REF_STATE:
        if (op->state) break;
        op->state = ir_state_find(s->m, name);
        return op->state || diag_at(s->d, loc, DIAG_IR_UNKNOWN, "state", name);
    case IR_REF_FUNC: {
        struct ir_func *f = ir_func_find(s->m, name);
        if (!f || f == s->f) return diag_at(s->d, loc, DIAG_IR_UNKNOWN, "function above", name);
        struct ir_func **all = arena_array(s->a, struct ir_func *, op->n_func + 1);
        if (op->n_func) memcpy(all, op->func, op->n_func * sizeof *all);
        all[op->n_func++] = f;
        op->func = all;
        return true;
    }
    }
    return diag_at(s->d, loc, DIAG_IR_RULE, arena_printf(s->a, "%s.ref", ir_ops[op->code].name), "too many references");
}

static bool parse_attr(struct parser *s, struct ir_op *op) {
    const char *name;
    struct loc loc = s->t.loc;
    if (!want_name(s, T_WORD, "an attribute", &name)) return false;
    uint32_t id = 0;
    while (id < IR_N_ATTRS && strcmp(ir_attrs[id].name, name) != 0) id++;
    if (id == IR_N_ATTRS) return diag_at(s->d, loc, DIAG_IR_UNKNOWN, "attribute", name);
    if (ir_attr_get(op, (enum ir_attr_id)id)) return diag_at(s->d, loc, DIAG_IR_DUPLICATE, "attribute", name);
    if (op->n_attr == IR_MAX_ATTRS) return expected(s, "fewer attributes");
    if (!want(s, "=")) return false;
    char text[64], *end = NULL;
    if (ir_attrs[id].kind == IR_NAME) {
        const char *v;
        if (!want_name(s, T_WORD, "a word", &v)) return false;
        ir_set_name(op, (enum ir_attr_id)id, v);
        return true;
    }
    if (!want_text(s, "a number", text)) return false;
    bool fits = true; /* a float that is too small for its kind is rounded, one too large is refused */
    errno = 0;
    switch (ir_attrs[id].kind) {
    case IR_I64:
        ir_set_i64(op, (enum ir_attr_id)id, strtoll(text, &end, 10));
        fits = errno == 0;
        break;
    case IR_F32:
        ir_set_f32(op, (enum ir_attr_id)id, strtof(text, &end));
        fits = isfinite(ir_f32(op, (enum ir_attr_id)id));
        break;
    case IR_F64:
        ir_set_f64(op, (enum ir_attr_id)id, strtod(text, &end));
        fits = isfinite(ir_f64(op, (enum ir_attr_id)id));
        break;
    case IR_NAME: break;
    }
    if (!end || *end || !fits) return expected(s, "a number of the attribute's kind");
    advance(s);
    return true;
}

static bool parse_op(struct parser *s, struct ir_block *b);

static bool parse_block(struct parser *s, struct ir_block *b) {
    if (!want(s, "{")) return false;
    if (++s->depth > 4) return expected(s, "fewer nested regions");
    while (!is(s, "}"))
        if (!parse_op(s, b)) return false;
    s->depth--;
    return want(s, "}");
}

static bool find_opcode(struct parser *s, enum ir_opcode *out) {
    for (uint32_t i = 0; i < IR_N_OPS; i++)
        if (s->t.kind == T_WORD && is(s, ir_ops[i].name)) {
            *out = (enum ir_opcode)i;
            advance(s);
            return true;
        }
    return expected(s, "an op");
}

static bool parse_result_types(struct parser *s, struct ir_op *op) {
    for (uint32_t i = 0; i < op->n_out; i++) {
        uint64_t place;
        if (!want(s, i ? "," : ":") || !parse_type(s, &op->out[i]->type)) return false;
        if (!eat(s, "at")) continue;
        if (!want_u64(s, INT64_MAX, &place)) return false;
        op->out[i]->place = (int64_t)place;
    }
    return true;
}

/* Checked here, so that ops built by the parser never hold what the other code may assume away. */
static bool attrs_complete(struct parser *s, const struct ir_op *op) {
    const char *list = ir_ops[op->code].attrs;
    uint32_t known = 0;
    while (*list) {
        size_t n = strcspn(list, " ?");
        bool optional = list[n] == '?';
        const struct ir_attr *at = NULL;
        for (uint32_t i = 0; i < op->n_attr; i++)
            if (strlen(ir_attrs[op->attr[i].id].name) == n && !memcmp(ir_attrs[op->attr[i].id].name, list, n)) at = &op->attr[i];
        known += at != NULL;
        if (!at && !optional)
            return diag_at(s->d, op->loc, DIAG_IR_RULE, arena_printf(s->a, "%s.attributes", ir_ops[op->code].name),
                           arena_printf(s->a, "'%.*s' is missing", (int)n, list));
        list += n + (size_t)optional;
        while (*list == ' ') list++;
    }
    if (known != op->n_attr)
        return diag_at(s->d, op->loc, DIAG_IR_RULE, arena_printf(s->a, "%s.attributes", ir_ops[op->code].name), "an attribute that the op does not have");
    enum ir_ref_kind ref = ir_ops[op->code].ref;
    bool have = ref == IR_REF_NONE || op->weight || op->state || op->n_func > 0;
    if (!have || (op->n_func > 1 && op->code != IR_OP_layers))
        return diag_at(s->d, op->loc, DIAG_IR_RULE, arena_printf(s->a, "%s.ref", ir_ops[op->code].name), "the reference is missing, or one too many");
    return true;
}

static bool parse_op(struct parser *s, struct ir_block *b) {
    const char *name[16];
    struct loc name_loc[16], loc = s->t.loc;
    struct ir_val *in[64];
    uint32_t n_out = 0, n_in = 0;
    enum ir_opcode code = IR_OP_ret;
    while (s->t.kind == T_VALUE) {
        name_loc[n_out] = s->t.loc;
        if (!want_name(s, T_VALUE, "%name", &name[n_out++])) return false;
        if (n_out == COUNT_OF(name)) return expected(s, "fewer results");
        if (!is(s, "=") && !want(s, ",")) return false;
    }
    if (n_out && !want(s, "=")) return false;
    if (!find_opcode(s, &code)) return false;
    while (s->t.kind == T_VALUE) {
        if (n_in == COUNT_OF(in)) return expected(s, "fewer operands");
        if (!parse_value(s, &in[n_in++])) return false;
        if (!eat(s, ",")) break;
    }
    struct ir_op *op = ir_op_new(s->f, code, loc, n_in, in, n_out);
    for (uint32_t i = 0; i < n_out; i++) {
        if (value_named(s->f, name[i])) return diag_at(s->d, name_loc[i], DIAG_IR_DUPLICATE, "value", name[i]);
        op->out[i]->name = name[i];
    }
    while (s->t.kind == T_REF) {
        if (!parse_ref(s, op)) return false;
        if (!eat(s, ",")) break;
    }
    if (is(s, "{") && (ir_ops[code].attrs[0])) {
        advance(s);
        do {
            if (!parse_attr(s, op)) return false;
        } while (eat(s, ","));
        if (!want(s, "}")) return false;
    }
    if (!attrs_complete(s, op) || !parse_result_types(s, op)) return false;
    if (code == IR_OP_kernel) {
        op->body = ir_block_new(s->f, op);
        /* Linked while its region is read, so that values in front of it are found from inside. */
        uint32_t hidden = op->n_out;
        op->n_out = 0;
        ir_append(b, op);
        bool ok = parse_block(s, op->body);
        op->n_out = hidden;
        if (!ok) return false;
        for (uint32_t i = 0; i < n_out; i++) {
            for (struct ir_op *o = op->body->first; o; o = o->next)
                for (uint32_t j = 0; j < o->n_out; j++)
                    if (o->out[j]->name == name[i]) return diag_at(s->d, name_loc[i], DIAG_IR_DUPLICATE, "value", name[i]);
        }
    } else {
        ir_append(b, op);
    }
    return ir_infer(s->d, op);
}

static bool parse_func(struct parser *s, bool entry) {
    const char *name;
    struct loc loc = s->t.loc;
    if (!want_name(s, T_REF, "@name", &name)) return false;
    if (ir_func_find(s->m, name)) return diag_at(s->d, loc, DIAG_IR_DUPLICATE, "function", name);
    s->f = ir_func_add(s->m, name, entry);
    s->f->loc = loc;
    if (!want(s, "(")) return false;
    do {
        const char *param;
        struct ir_type t;
        struct loc at = s->t.loc;
        if (!want_name(s, T_VALUE, "a parameter", &param) || !want(s, ":") || !parse_type(s, &t)) return false;
        if (value_named(s->f, param)) return diag_at(s->d, at, DIAG_IR_DUPLICATE, "value", param);
        if (s->f->n_params == 60) return expected(s, "fewer parameters");
        ir_param_add(s->f, param, t);
    } while (eat(s, ","));
    if (!want(s, ")")) return false;
    if (eat(s, "frame") && !want_u64(s, INT64_MAX, &s->f->frame)) return false;
    s->depth = 0;
    return parse_block(s, s->f->body);
}

struct ir_module *ir_parse(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text, size_t n) {
    struct parser s = {.d = d, .a = a, .names = names, .p = text, .end = text + n, .line_start = text, .file = file, .line = 1};
    advance(&s);
    if (!parse_module(&s)) return NULL;
    while (s.t.kind != T_END) {
        bool ok = eat(&s, "weight")  ? parse_weight(&s)
                  : eat(&s, "state") ? parse_state(&s)
                  : eat(&s, "func")  ? parse_func(&s, false)
                  : eat(&s, "entry") ? parse_func(&s, true)
                                     : expected(&s, "weight, state, func or entry");
        if (!ok) return NULL;
    }
    return s.m;
}
