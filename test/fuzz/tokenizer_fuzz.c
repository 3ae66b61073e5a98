/* Any bytes as tokenizer.json: refused, or a table that the runtime's own check lets through. */
#include "frontend/tokenizer.h"
#include "runtime/tok.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    struct config_values config = {.bos = -1};
    uint8_t *section;
    size_t bytes;
    fuzz_start(&f, data, n);
    bool ok = tokenizer_read(f.diag, f.arena, f.path, &config, 300, &section, &bytes);
    struct setun_tokenizer t;
    char why[200];
    if (ok && !setun_tok_open(&t, section, bytes, why, sizeof why)) abort();
    if (ok) setun_tok_close(&t);
    fuzz_end(&f, ok);
    return 0;
}
