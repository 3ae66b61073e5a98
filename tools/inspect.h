/* inspect.h -- what `setun inspect` found in a file, between the part that looks and the part that prints. */
#ifndef SETUN_TOOLS_INSPECT_H
#define SETUN_TOOLS_INSPECT_H

#include "frontend/files/checkpoint.h"
#include "tools/command.h"

/* A tensor, or in an executable a class of weights, all layers together. */
struct inspected {
    const char *name, *type, *shape, *file;
    uint32_t rank, layers; /* layers: 0 if it is one tensor */
    uint64_t dim[TENSOR_MAX_RANK];
    uint64_t offset, bytes; /* in the file; executables: 0, and 0 bytes if they are not told */
    const char *scales;     /* of trits: "matrix", "row", "group of 64"; NULL: not ternary */
    uint64_t trits[3];      /* how many are -1, 0, +1 */
};

struct inspection {
    const char *path, *container; /* "safetensors", "GGUF", "executable" */
    const char *target;           /* of an executable; NULL: not known */
    const char *arch;             /* NULL: not told */
    const char *tokenizer;        /* in a few words; NULL: none */
    uint64_t template_bytes;      /* of the chat template; 0: none */
    uint32_t gguf_version;        /* 0: not a GGUF */
    uint64_t pairs;
    size_t files;
    const struct config_values *config;
    const char *config_text; /* of an executable: its lines */
    const char *dialect;     /* lines of what was taken for something, or "" */
    VEC(struct inspected) tensors;
};

bool inspect_checkpoint(struct command_ctx *cx, const char *path, const struct gguf_dialect *how, struct inspection *s);
bool inspect_executable(struct command_ctx *cx, const char *path, struct inspection *s);
void inspect_print(const struct inspection *s);
void inspect_print_json(const struct inspection *s);

#endif
