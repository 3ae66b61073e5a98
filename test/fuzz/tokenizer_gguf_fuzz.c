/* Any bytes as a GGUF file with a tokenizer: refused, or a table that the runtime's own check lets through. */
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/tok/tok.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char text[] = "ab 12\t \xef\xac\x81\xff \xe2\x96\x81 <s> <|im_end|>\n";
    struct fuzz f;
    struct gguf_file g;
    uint8_t *table;
    size_t bytes;
    fuzz_start(&f, data, n);
    bool opened = gguf_open(f.diag, f.arena, f.path, NULL, &g);
    bool ok = opened && tokenizer_read_gguf(f.diag, f.arena, &g, 300, &table, &bytes);
    if (opened) gguf_close(&g);
    struct setun_tokenizer t;
    struct setun_ids ids = {0};
    char why[200];
    if (ok && !setun_tok_open(&t, table, bytes, why, sizeof why)) abort();
    if (ok) {
        setun_encode(&t, (const uint8_t *)text, sizeof text - 1, true, &ids, why, sizeof why);
        setun_ids_free(&ids);
        setun_tok_close(&t);
    }
    fuzz_end(&f, ok);
    return 0;
}
