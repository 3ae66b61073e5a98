/* types.h -- the element types of checkpoints, as a table (types.def). */
#ifndef SETUN_CODEC_TYPES_H
#define SETUN_CODEC_TYPES_H

#include <stdbool.h>
#include <stdint.h>

enum tensor_type {
#define TYPE(id, ...) TYPE_##id,
#include "codec/types.def"
    N_TENSOR_TYPES
};

enum type_role { TYPE_IS_REAL, TYPE_IS_TERNARY, TYPE_IS_DATA, TYPE_IS_NAMED };

struct type_info {
    const char *name;        /* "q8_0" */
    const char *safetensors; /* dtype there, in exact case, or NULL */
    int gguf;                /* id there, or -1 */
    uint32_t block, bytes;   /* elements and bytes of a block; 0: not a matter of blocks */
    enum type_role role;
};
extern const struct type_info tensor_types[N_TENSOR_TYPES];

#endif
