/* jinja_test -- limits of the template engine, its refusals with their lines, dates; what it renders is compared with
 * jinja2 in test/jinja. */
#include <stdlib.h>

#include "runtime/jinja/jinja.h"
#include "test/unit/expect.h"

static const struct setun_message talk[] = {{{"user", 4}, {"h\xc3\xa9", 3}}, {{"assistant", 9}, {"ho", 2}}};
static struct setun_jinja_input input = {.messages = talk, .n_messages = 2, .bos = {"<s>", 3}};

/* What a template makes, or "LINE: why". */
static const char *made(const char *text, size_t memory) {
    static char result[1024];
    struct setun_jinja_error why;
    struct setun_jinja_text out;
    struct setun_jinja *t = setun_jinja_open(text, strlen(text), memory, &why);
    if (t && setun_jinja_render(t, &input, &out, &why)) {
        snprintf(result, sizeof result, "%.*s", (int)out.n, out.at);
    } else {
        snprintf(result, sizeof result, "%s%u: %s", t ? "run " : "", why.line, why.text);
    }
    setun_jinja_close(t);
    return result;
}
#define MAKES(text, want) EXPECT_STR(made((text), SETUN_JINJA_MEMORY), (want))

/* begin, n times part, end */
static char *many(const char *begin, const char *part, size_t n, const char *end) {
    size_t m = strlen(part);
    char *s = malloc(strlen(begin) + n * m + strlen(end) + 1), *p = s;
    p += sprintf(p, "%s", begin);
    for (size_t i = 0; i < n; i++, p += m) memcpy(p, part, m);
    strcpy(p, end);
    return s;
}
static void makes_many(const char *begin, const char *part, size_t n, const char *end, const char *want) {
    char *s = many(begin, part, n, end);
    MAKES(s, want);
    free(s);
}

static void refusals(void) {
    MAKES("a\n{% block x %}", "2: the tag 'block' is not supported");
    MAKES("\n\n{{ x | groupby }}", "3: the filter 'groupby' is not supported");
    MAKES("{{ x is weird }}", "1: the test 'weird' is not supported");
    MAKES("{{ x.zfill(3) }}", "1: the method 'zfill' is not supported");
    MAKES("{{ x.startswith('a', 1) }}", "1: the method 'startswith' with so many arguments is not supported");
    MAKES("{{ x.strip(chars='a') }}", "1: the method 'strip' with a keyword is not supported");
    MAKES("{{ x | map(y) }}", "1: 'map' with a filter that is not a string in quotes is not supported");
    MAKES("{{ x | select('strange') }}", "1: the test 'strange' is not supported");
    MAKES("{% for a in b recursive %}{% endfor %}", "1: a recursive 'for' is not supported");
    MAKES("{{ f(*a) }}", "1: '*' before an argument is not supported");
    MAKES("{{ a[1, 2] }}", "1: several subscripts in one pair of brackets is not supported");
    MAKES("{{ caller() }}", "1: the special name 'caller' is not supported");
    MAKES("{% set loop = 1 %}", "1: assigning to 'loop' is not supported");
    MAKES("{{ a.__class__ }}", "1: the attribute '__class__' is not supported");
    MAKES("{% set x | replace(a, 'b') %}{% endset %}", "1: a variable in the filter of a 'set' block is not supported");
    MAKES("{{ '\\N{DASH}' }}", "1: a string has the escape \\N, which is not supported");
    MAKES("{{ 99999999999999999999 }}", "1: an integer beyond 64 bits is not supported");
    MAKES("{{ \xc3\xa9 }}", "1: a character beyond ASCII stands in a tag outside of strings");
    MAKES("{% break %}", "1: 'break' stands outside of a 'for'");
    MAKES("{% for a in b %}{% macro m() %}{% continue %}{% endmacro %}{% endfor %}",
          "1: 'continue' stands outside of a 'for'");
}

static void mistakes(void) {
    MAKES("{{ a", "1: an expression has no '}}'");
    MAKES("\n{% if a", "2: a tag has no '%}'");
    MAKES("{# a", "1: a comment has no '#}'");
    MAKES("{% raw %}", "1: 'raw' has no 'endraw'");
    MAKES("{{ 'a }}", "1: a string has no closing quote");
    MAKES("{{ (1] }}", "1: brackets close in another order than they opened");
    MAKES("{% if x %}", "1: 'if' has no 'endif'");
    MAKES("{% for x in y %}{% endif %}", "1: the tag 'endif' is not supported");
    MAKES("{{ 1 2 }}", "1: expected '}}', found a number");
    MAKES("{% set 1 = 2 %}", "1: expected a name to assign to");
    MAKES("{% macro m(a, a) %}{% endmacro %}", "1: the parameter 'a' is there twice");
    MAKES("x\n{{ raise_exception('no ' ~ 1) }}", "run 2: no 1");
    MAKES("{{ raise_exception() }}", "run 1: 'raise_exception' takes a message");
    MAKES("{{ raise_exception('') }}", "run 1: 'raise_exception' with an empty message");
    MAKES("{{ nothing.at_all }}", "run 1: 'at_all' of a value that is not defined");
    MAKES("{{ 1 // 0 }}", "run 1: division by zero");
    MAKES("{{ 4000000000000000000 * 3 }}", "run 1: an integer beyond 64 bits is not supported");
    MAKES("{{ (-9223372036854775807 - 1) // -1 }}", "run 1: an integer beyond 64 bits is not supported");
    MAKES("{{ \"1e999\" | float | int }}", "run 1: an infinite number has no integer");
    MAKES("{{ \"1e999\" | int }}", "0");
}

static void limits(void) {
    char *long_text = many("", " ", SETUN_JINJA_TEXT + 1, "");
    MAKES(long_text, "1: the template has 262145 bytes, at most 262144 are read");
    free(long_text);
    makes_many("{{ ", "(", 100000, "1", "1: too many open brackets");
    makes_many("{{ ", "-", 100000, "1 }}", "1: nested deeper than 500 levels");
    makes_many("{{ ", "not ", 50000, "1 }}", "1: nested deeper than 500 levels");
    makes_many("{{ 1", " + 1", 50000, " }}", "1: nested deeper than 500 levels");
    makes_many("{{ a", ".b", 50000, " }}", "1: nested deeper than 500 levels");
    makes_many("{{ a", "|e", 50000, " }}", "1: nested deeper than 500 levels");
    makes_many("", "{% if a %}", 20000, "", "1: nested deeper than 500 levels");
    makes_many("{% if a %}", "{% elif a %}", 20000, "{% endif %}", "1: nested deeper than 500 levels");
    MAKES("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "run 1: nested deeper than 500 levels");
    MAKES("{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}",
          "run 1: nested deeper than 500 levels");
    MAKES("{{ range(100001) }}", "run 1: 'range' has more than 100000 elements");
    MAKES("{{ 'a' * 1000000000000 }}", "run 1: a text grows beyond 16777216 bytes");
    MAKES("{% for i in range(100000) %}{% for k in range(100000) %}{% endfor %}{% endfor %}",
          "run 1: the template needs more than the 67108864 bytes of memory it is given");
    MAKES("{% set n = namespace(s='x') %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
          "run 1: a text grows beyond 16777216 bytes");
    MAKES("{{ [1] * 100000000 }}", "run 1: the template needs more than the 67108864 bytes of memory it is given");
    MAKES("{{ range(100000) | list | sort(reverse=true) | length }}",
          "run 1: the template runs for more than 50000000 steps");
    /* memory: whatever there is of it, an error or the text */
    for (size_t memory = 0; memory < 20000; memory += 97) {
        const char *r = made("{% for m in messages %}{{ m.content | tojson }}{% endfor %}", memory);
        bool full = strstr(r, "more than the") && strstr(r, "bytes of memory");
        EXPECT(full || strcmp(r, "\"h\xc3\xa9\"\"ho\"") == 0);
    }
    EXPECT_STR(made("{{ messages[0].content }}", 20000), "h\xc3\xa9");
}

/* A template renders again as it did the first time, also behind an error. */
static void again(void) {
    struct setun_jinja_error why;
    struct setun_jinja_text out;
    const char text[] = "{% set x = y %}{{ x }}{{ z.q }}";
    struct setun_jinja_var vars[] = {{"y", SETUN_JINJA_STRING, {"Y", 1}}, {"z", SETUN_JINJA_NONE, {NULL, 0}}};
    struct setun_jinja *t = setun_jinja_open(text, sizeof text - 1, SETUN_JINJA_MEMORY, &why);
    if (!EXPECT(t != NULL)) return;
    for (int round = 0; round < 3; round++) {
        struct setun_jinja_input in = input;
        EXPECT(!setun_jinja_render(t, &in, &out, &why));
        EXPECT_STR(why.text, "'q' of a value that is not defined");
        in.vars = vars;
        in.n_vars = 2;
        EXPECT(setun_jinja_render(t, &in, &out, &why));
        EXPECT_STR(out.at, "Y");
    }
    setun_jinja_close(t);
}

static void dates(void) {
    static const struct setun_jinja_date days[] = {{2024, 2, 29, 0, 5, 9}, {1999, 12, 31, 13, 0, 0}};
    MAKES("{{ strftime_now is defined }}", "False");
    input.date = &days[0];
    MAKES("{{ strftime_now('%A %d %B %Y %j %H:%M:%S %I%p %a %b %y %%') }}",
          "Thursday 29 February 2024 060 00:05:09 12AM Thu Feb 24 %");
    MAKES("{{ strftime_now('%Q') }}", "run 1: 'strftime_now' does not know '%Q'");
    MAKES("{{ strftime_now('%') }}", "run 1: 'strftime_now' does not know '%?'");
    input.date = &days[1];
    MAKES("{{ strftime_now('%A %j %I%p %F %T') }}", "Friday 365 01PM 1999-12-31 13:00:00");
    input.date = NULL;
}

int main(void) {
    refusals();
    mistakes();
    limits();
    again();
    dates();
    return expect_end();
}
