/*
 * Any bytes as a tokenizer: refused, or a table that the runtime's own check lets through and that encodes.
 *
 * An input is a file for the readers, or, if it begins with the magic of a section, a section as it would lie in a
 * pack.  What is behind the last zero byte is the text that is encoded, with a few that are always tried.
 */
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/tok/tok.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

static void encode(const struct setun_tokenizer *t, const void *text, size_t n) {
    struct setun_ids ids = {0};
    char why[200];
    uint8_t *out = malloc((size_t)t->longest + 1);
    struct setun_decoder d = {.t = t, .specials = true, .first = true};
    if (!out) abort();
    setun_encode(t, text, n, true, &ids, why, sizeof why);
    for (size_t i = 0; i < ids.n; i++) {
        if (ids.at[i] >= t->tok->n_tokens || setun_decode(&d, ids.at[i], out) > t->longest) abort();
    }
    setun_ids_free(&ids);
    free(out);
}

static void use(const struct setun_tokenizer *t, const uint8_t *data, size_t n) {
    static const char text[] = "ab 12\t e\xcc\x81\xcc\xa3 \xef\xac\x81\xff \xe2\x96\x81 <s> \xea\xb0\x80\n";
    size_t at = n;
    while (at > 0 && data[at - 1] != 0) at--;
    encode(t, text, sizeof text - 1);
    encode(t, data + at, n - at < 4096 ? n - at : 4096);
}

static int section(const uint8_t *data, size_t n) {
    struct setun_tokenizer t;
    char why[200];
    uint8_t *copy = aligned_alloc(8, (n + 8) & ~(size_t)7);
    if (!copy) abort();
    memcpy(copy, data, n);
    if (setun_tok_open(&t, copy, n, why, sizeof why)) {
        use(&t, data, n);
        setun_tok_close(&t);
    }
    free(copy);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    struct config_values config = {.bos = -1};
    uint8_t *table;
    size_t bytes;
    if (n >= 4 && memcmp(data, "SOT2", 4) == 0) return section(data, n);
    fuzz_start(&f, data, n);
    bool ok = tokenizer_read(f.diag, f.arena, f.path, &config, 1000, &table, &bytes);
    struct setun_tokenizer t;
    char why[200];
    if (ok && !setun_tok_open(&t, table, bytes, why, sizeof why)) abort();
    if (ok) {
        use(&t, data, n);
        setun_tok_close(&t);
    }
    fuzz_end(&f, ok);
    return 0;
}
