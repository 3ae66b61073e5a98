/* expect.h -- the few words unit tests need: EXPECT counts and prints what failed; end main with expect_end(). */
#ifndef SETUN_TEST_EXPECT_H
#define SETUN_TEST_EXPECT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int expect_failed;

static inline bool expect_(bool ok, const char *what, const char *file, int line) {
    if (!ok) {
        expect_failed++;
        printf("%s:%d: failed: %s\n", file, line, what);
    }
    return ok;
}
#define EXPECT(x)        expect_((x), #x, __FILE__, __LINE__)
#define EXPECT_STR(a, b) expect_str_((a), (b), __FILE__, __LINE__)

static inline bool expect_str_(const char *a, const char *b, const char *file, int line) {
    if (strcmp(a, b) == 0) return true;
    expect_failed++;
    printf("%s:%d: failed: strings differ\n--- got\n%s\n--- expected\n%s\n", file, line, a, b);
    return false;
}
static inline int expect_end(void) { return expect_failed ? 1 : 0; }

#endif
