/* verify_test.c -- rules that no text can break, as the parser refuses it first; and that a broken pass is named. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "test/unit/expect.h"

struct fixture {
    struct arena *a;
    struct diag *d;
    struct ir_module *m;
    char *text; /* what was reported */
    size_t n;
    FILE *out;
};

static struct ir_func *identity(struct ir_module *m, const char *name) {
    uint32_t dim = 4;
    struct ir_func *f = ir_func_add(m, name, false);
    ir_param_add(f, "rows", ir_type_make(IR_ROWS_E, IR_T, 0, NULL));
    struct ir_val *x = ir_param_add(f, "x", ir_type_make(IR_F32_E, IR_T, 1, &dim));
    struct ir_op *neg = ir_op_new(f, IR_OP_neg, (struct loc){0}, 1, &x, 1);
    neg->out[0]->type = x->type;
    ir_append(f->body, neg);
    ir_append(f->body, ir_op_new(f, IR_OP_ret, (struct loc){0}, 1, &neg->out[0], 0));
    return f;
}

static void begin(struct fixture *t) {
    *t = (struct fixture){.a = arena_new()};
    t->out = open_memstream(&t->text, &t->n);
    t->d = diag_new(t->a, t->out);
    t->m = ir_module_new(t->a, names_new(t->a), "m");
}

static bool said(struct fixture *t, const char *words) {
    fflush(t->out);
    return strstr(t->text, words) != NULL;
}

static void end(struct fixture *t) {
    fclose(t->out);
    free(t->text);
    arena_free(t->a);
}

static void test_right(void) {
    struct fixture t;
    begin(&t);
    identity(t.m, "f");
    identity(t.m, "g");
    EXPECT(ir_verify(t.d, t.m, NULL));
    end(&t);
}

static void test_values_of_one_name(void) {
    struct fixture t;
    begin(&t);
    struct ir_func *f = identity(t.m, "f");
    f->body->first->out[0]->name = f->params[1]->name;
    EXPECT(!ir_verify(t.d, t.m, "some-pass"));
    EXPECT(said(&t, "rule V3: '%x' is defined twice"));
    EXPECT(said(&t, "after some-pass"));
    end(&t);
}

static void test_functions_of_one_name(void) {
    struct fixture t;
    begin(&t);
    identity(t.m, "f");
    identity(t.m, "f");
    EXPECT(!ir_verify(t.d, t.m, NULL));
    EXPECT(said(&t, "rule V3: '@f' is defined twice"));
    end(&t);
}

/* Text cannot name a value of another function. */
static void test_value_of_another_function(void) {
    struct fixture t;
    begin(&t);
    struct ir_func *f = identity(t.m, "f"), *g = identity(t.m, "g");
    g->body->last->in[0] = f->body->first->out[0];
    EXPECT(!ir_verify(t.d, t.m, NULL));
    EXPECT(said(&t, "rule V1: '%neg' is not defined above its use"));
    end(&t);
}

static void test_parameter_of_another_function(void) {
    struct fixture t;
    begin(&t);
    struct ir_func *f = identity(t.m, "f"), *g = identity(t.m, "g");
    g->body->first->in[0] = f->params[1];
    EXPECT(!ir_verify(t.d, t.m, NULL));
    EXPECT(said(&t, "rule V1: '%x' is not defined above its use"));
    end(&t);
}

int main(void) {
    test_right();
    test_values_of_one_name();
    test_functions_of_one_name();
    test_value_of_another_function();
    test_parameter_of_another_function();
    return expect_end();
}
