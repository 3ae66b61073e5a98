/* embedding.c -- embedding FILE ID...: the vector of some tokens by the library of an embedding model, to a file; and
 * what such a library promises besides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "e.h"

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            printf("embedding.c:%d: %s: %s\n", __LINE__, #x, h ? e_message(h) : "");                                   \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

enum { MOST = 128 };

int main(int argc, char **argv) {
    struct e *h = NULL;
    char error[256];
    uint32_t ids[MOST], one;
    float first[E_OUTPUT];
    size_t n = 0, bytes;
    static uint8_t state[1 << 22];
    for (int i = 2; i < argc && n < MOST; i++) ids[n++] = (uint32_t)strtoul(argv[i], NULL, 10);
    if (e_open(NULL, &h, error, sizeof error) != E_OK) return puts(error);
    CHECK(e_output(h) == NULL);

    /* A text of its own after another one. */
    CHECK(e_prefill(h, ids, 1) == E_OK && e_reset(h) == E_OK && e_output(h) == NULL);
    CHECK(e_prefill(h, ids, n) == E_OK && e_output(h) != NULL);
    memcpy(first, e_output(h), sizeof first);

    /* Token by token it is the same, and a state has the vector. */
    CHECK(e_save(h, state, sizeof state, &bytes) == E_OK);
    CHECK(e_reset(h) == E_OK);
    for (size_t i = 0; i < n; i++) CHECK(e_step(h, ids[i]) == E_OK);
    CHECK(memcmp(first, e_output(h), sizeof first) == 0);
    CHECK(e_reset(h) == E_OK && e_restore(h, state, bytes) == E_OK && e_length(h) == n);
    CHECK(memcmp(first, e_output(h), sizeof first) == 0);

    /* There is no next token. */
    CHECK(e_sample(h, NULL, &one) == E_LACKS && e_length(h) == n);
    CHECK(memcmp(first, e_output(h), sizeof first) == 0);

    FILE *f = fopen(argv[1], "wb");
    CHECK(f && fwrite(first, sizeof first, 1, f) == 1 && fclose(f) == 0);
    e_close(h);
    return 0;
}
