/* Any bytes as config.json: refused, or its values can be written and read again. */
#include "frontend/files/config.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    struct config_values c;
    struct buf text = {0};
    fuzz_start(&f, data, n);
    bool ok = config_read(f.diag, f.arena, f.path, &c);
    if (ok) config_write(&text, &c);
    buf_free(&text);
    fuzz_end(&f, ok);
    return 0;
}
