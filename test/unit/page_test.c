/* page_test.c -- numbers filled into the config block of a text: one name a line, comments and the rest as they were.
 */
#include "frontend/page.h"

#include <stdlib.h>

#include "test/unit/expect.h"

static struct config_values values(struct arena *a) {
    struct config_values c = {.bos = -1};
    *vec_push(a, &c.values) = (struct config_value){.name = "hidden", .is_int = true, .i = 2560};
    *vec_push(a, &c.values) = (struct config_value){.name = "heads", .is_int = true, .i = 20};
    *vec_push(a, &c.values) = (struct config_value){.name = "eps", .real = 1e-5};
    *vec_push(a, &c.values) = (struct config_value){.name = "theta", .real = 500000};
    return c;
}

static void fills(const char *text, const char *expected) {
    struct arena *a = arena_new();
    struct diag *d = diag_new(a, stderr);
    struct config_values c = values(a);
    struct buf out = {0}, again = {0};
    if (EXPECT(page_fill(d, "text", text, strlen(text), &c, &out))) {
        EXPECT_STR(out.at, expected);
        EXPECT(page_fill(d, "text", out.at, out.n, &c, &again));
        EXPECT_STR(again.at ? again.at : "", expected);
    }
    buf_free(&out);
    buf_free(&again);
    arena_free(a);
}

static void blocks(void) {
    fills("model m;\nconfig {\n    # sizes\n    hidden, heads : int;  # two\n    head : int = hidden / heads;\n\n"
          "    theta, eps : real = 1.0;\n}\nrequire hidden > 0;\n",
          "model m;\nconfig {\n    # sizes\n    hidden : int = 2560;\n    heads  : int = 20;  # two\n"
          "    head   : int = hidden / heads;\n\n    theta : real = 500000.0;\n    eps   : real = 1e-05;\n}\n"
          "require hidden > 0;\n");
    fills("model m;\n", "model m;\n");
    fills("model m;\nconfig {}\nconfig {\n    other : real;\n}\n",
          "model m;\nconfig {}\nconfig {\n    other : real;\n}\n");
}

static void names(void) {
    static const struct page pages[] = {{.name = "alpha-1"}, {.name = "beta"}};
    struct arena *a = arena_new();
    char *said = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&said, &n);
    struct diag *d = diag_new(a, out);
    EXPECT(page_named(d, pages, COUNT_OF(pages), "beta") == &pages[1]);
    EXPECT(!page_named(d, pages, COUNT_OF(pages), "alpha-2") && diag_exit_code(d) == EXIT_USAGE);
    fclose(out);
    EXPECT(said && strstr(said, "did you mean 'alpha-1'?"));
    free(said);
    arena_free(a);
}

int main(void) {
    blocks();
    names();
    return expect_end();
}
