/* test.c -- what stands behind `is`. */
#include <string.h>

#include "runtime/jinja/impl.h"

enum test {
    DEFINED,
    UNDEFINED_,
    NONE_,
    BOOLEAN,
    TRUE_,
    FALSE_,
    INTEGER,
    FLOAT_,
    NUMBER,
    STRING,
    MAPPING,
    SEQUENCE,
    ITERABLE,
    CALLABLE,
    ODD,
    EVEN,
    DIVISIBLE,
    SAME,
    IN_,
    EQ,
    NE,
    LT,
    LE,
    GT,
    GE,
};

static const struct {
    const char *name;
    enum test test;
    uint32_t args;
} tests[] = {
    {"defined", DEFINED, 0},
    {"undefined", UNDEFINED_, 0},
    {"none", NONE_, 0},
    {"boolean", BOOLEAN, 0},
    {"true", TRUE_, 0},
    {"false", FALSE_, 0},
    {"integer", INTEGER, 0},
    {"float", FLOAT_, 0},
    {"number", NUMBER, 0},
    {"string", STRING, 0},
    {"mapping", MAPPING, 0},
    {"sequence", SEQUENCE, 0},
    {"iterable", ITERABLE, 0},
    {"callable", CALLABLE, 0},
    {"odd", ODD, 0},
    {"even", EVEN, 0},
    {"divisibleby", DIVISIBLE, 1},
    {"sameas", SAME, 1},
    {"in", IN_, 1},
    {"eq", EQ, 1},
    {"equalto", EQ, 1},
    {"ne", NE, 1},
    {"lt", LT, 1},
    {"lessthan", LT, 1},
    {"le", LE, 1},
    {"gt", GT, 1},
    {"greaterthan", GT, 1},
    {"ge", GE, 1},
};

static int find(const char *name) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(tests[i].name, name)) return (int)i;
    return -1;
}

bool setun_j_known_test(const char *name) { return find(name) >= 0; }

static bool remainder_is(J *j, struct j_value v, struct j_value by, int64_t want) {
    return setun_j_equal(j, setun_j_binary(j, JO_MOD, v, by), setun_j_int(want));
}

/* `is`: the same object.  Only the singletons are told apart for certain. */
static bool same(J *j, struct j_value a, struct j_value b) {
    if (a.kind != b.kind) return false;
    if (a.kind == J_NONE || a.kind == J_BOOL) return a.i == b.i || a.kind == J_NONE;
    if (a.kind == J_NAMESPACE) return a.dict == b.dict;
    setun_j_fail(j, "the test 'sameas' of a %s is not supported", setun_j_type(a));
}

/* What is undefined has a method that raises. */
static bool callable(struct j_value v) {
    return v.kind == J_UNDEFINED || v.kind == J_MACRO || v.kind == J_METHOD || v.kind == J_FUNC || v.kind == J_LOOP;
}

bool setun_j_test(J *j, const char *name, struct j_value v, struct j_args *a) {
    int i = find(name);
    int64_t n;
    if (i < 0) setun_j_fail(j, "the test '%s' is not supported", name);
    struct j_value by = {0};
    if (tests[i].args == 1) {
        const struct j_value *given = setun_j_arg(j, a, 0, NULL);
        if (!given) setun_j_fail(j, "the test '%s' wants a value", name);
        by = *given;
    }
    setun_j_args_end(j, a, tests[i].args);
    switch (tests[i].test) {
    case DEFINED: return v.kind != J_UNDEFINED;
    case UNDEFINED_: return v.kind == J_UNDEFINED;
    case NONE_: return v.kind == J_NONE;
    case BOOLEAN: return v.kind == J_BOOL;
    case TRUE_: return v.kind == J_BOOL && v.i;
    case FALSE_: return v.kind == J_BOOL && !v.i;
    case INTEGER: return v.kind == J_INT;
    case FLOAT_: return v.kind == J_FLOAT;
    case NUMBER: return v.kind == J_INT || v.kind == J_BOOL || v.kind == J_FLOAT;
    case STRING: return v.kind == J_STR;
    case MAPPING: return v.kind == J_DICT;
    case SEQUENCE: return setun_j_length(v, &n) && v.kind != J_VIEW;
    case ITERABLE: return setun_j_can_walk(v);
    case CALLABLE: return callable(v);
    case ODD: return remainder_is(j, v, setun_j_int(2), 1);
    case EVEN: return remainder_is(j, v, setun_j_int(2), 0);
    case DIVISIBLE: return remainder_is(j, v, by, 0);
    case SAME: return same(j, v, by);
    case IN_: return setun_j_in(j, v, by);
    case EQ: return setun_j_compare(j, JO_EQ, v, by);
    case NE: return setun_j_compare(j, JO_NE, v, by);
    case LT: return setun_j_compare(j, JO_LT, v, by);
    case LE: return setun_j_compare(j, JO_LE, v, by);
    case GT: return setun_j_compare(j, JO_GT, v, by);
    case GE: return setun_j_compare(j, JO_GE, v, by);
    }
    setun_j_fail(j, "the test '%s' is not supported", name);
}
