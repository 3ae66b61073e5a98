/* Any bytes as a GGUF file: refused, or every pair and every byte of every tensor can be read. */
#include "frontend/files/gguf.h"
#include "test/fuzz/fuzz.h"

static uint64_t read_pair(const struct gguf_pair *p) {
    const uint8_t *cursor = p->at;
    const char *at;
    uint64_t n, sum = 0;
    int64_t i;
    while (gguf_next_string(p, &cursor, &at, &n)) sum += n ? (uint8_t)at[n - 1] : 0;
    for (uint64_t k = 0; gguf_int_at(p, k, &i); k++) sum += (uint64_t)i;
    if (gguf_string(p, &at, &n)) sum += n ? (uint8_t)at[n - 1] : 0;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    struct gguf_file g;
    fuzz_start(&f, data, n);
    bool ok = gguf_open(f.diag, f.arena, f.path, NULL, &g);
    volatile uint64_t sum = 0;
    for (size_t i = 0; ok && i < g.n_pairs; i++) sum = sum + read_pair(&g.pair[i]);
    for (size_t i = 0; ok && i < g.file.n; i++)
        for (uint64_t b = 0; b < g.file.tensor[i].bytes; b++) sum = sum + tensor_data(&g.file.tensor[i])[b];
    if (ok) gguf_close(&g);
    fuzz_end(&f, ok);
    return 0;
}
