/* types.c -- the table of types.h. */
#include "codec/types.h"

#include <stddef.h>

enum { REAL = TYPE_IS_REAL, TERNARY = TYPE_IS_TERNARY, DATA = TYPE_IS_DATA, NAMED = TYPE_IS_NAMED };

const struct type_info tensor_types[N_TENSOR_TYPES] = {
#define TYPE(id, name, st, gguf, block, bytes, role) {name, st, gguf, block, bytes, (enum type_role)(role)},
#include "codec/types.def"
};
