/* Any bytes as a safetensors file: refused, or every byte of every tensor can be read. */
#include "frontend/files/safetensors.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct fuzz f;
    struct tensor_file file;
    fuzz_start(&f, data, n);
    bool ok = st_open(f.diag, f.arena, f.path, &file);
    volatile uint8_t sum = 0;
    for (size_t i = 0; ok && i < file.n; i++)
        for (uint64_t b = 0; b < file.tensor[i].bytes; b++) sum = (uint8_t)(sum + tensor_data(&file.tensor[i])[b]);
    if (ok) st_close(&file);
    fuzz_end(&f, ok);
    return 0;
}
